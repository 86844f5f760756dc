//! A machine for one program, of which nothing stays.

use std::{
    fs,
    process::Command,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use transom_tests::{
    figure::figure,
    process::{until, wait_for},
};
use transom_theming::Label;

use super::{
    lab::Lab,
    picture::{is_painted_within_its_frame, painted},
};

/// What `transom qube list` says of disposables.
fn disposables(lab: &Lab) -> Vec<Value> {
    let output = lab.house.run(&["qube", "list", "--json"]);
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    list.into_iter().filter(|info| !info["disposable"].is_null()).collect()
}

/// The one that waits, once it does.
fn spare(lab: &Lab) -> String {
    until("a spare", || {
        let found = disposables(lab);
        let waits = |info: &&Value| info["disposable"] == "spare" && info["state"]["is"] == "paused";
        found.iter().find(waits).map(|info| info["name"].as_str().unwrap().to_owned())
    })
}

/// What a disposable's console said.
fn log(lab: &Lab, qube: &str) -> String {
    String::from_utf8(lab.house.run(&["qube", "log", qube]).stdout).unwrap()
}

/// Milliseconds from a command to the program's start, and to its first picture on the desktop.
#[derive(Clone, Copy, Debug)]
struct Took {
    started: f64,
    shown: f64,
}

/// A painted terminal, which closes when somebody opens the pipe `close` in its home: the words of a command that
/// opens it in a disposable of this pattern.
fn terminal(pattern: &str, title: &str) -> Vec<String> {
    let mut words = painted(pattern, title, "mkfifo ~/close; read none < ~/close");
    words.insert(2, "--disposable".to_owned());
    words
}

/// The setting that keeps one with this terminal ready.
fn opened(title: &str) -> String {
    let argv: Vec<String> = terminal("", title).iter().skip(4).map(|word| format!("{word:?}")).collect();
    format!("    open {}", argv.join(" "))
}

/// Opens it; gives the disposable's name and how long that took.
fn open(lab: &Lab, pattern: &str, title: &str, label: Label) -> (String, Took) {
    let words = terminal(pattern, title);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let begin = Instant::now();
    let ms = || begin.elapsed().as_secs_f64() * 1_000.0;
    let made = lab.house.run(&words);
    let started = ms();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    lab.window(title);
    let took = Took { started, shown: ms() };
    is_painted_within_its_frame(lab, title, label);
    (String::from_utf8(made.stdout).unwrap().trim().to_owned(), took)
}

/// Sees that the clock of one that stood still is right again.
fn clock_is_right(lab: &Lab, name: &str) {
    // Its window is there before it goes on.
    until(&format!("it runs: {}", log(lab, name)), || {
        lab.house.run(&["qube", "run", name, "true"]).status.success().then_some(())
    });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let check = format!("t=$(($(date +%s) - {now})); echo clock off by $t; test $t -ge -2 && test $t -le 20");
    assert_eq!(lab.ends_with(name, &check), 0, "{}", log(lab, name));
}

/// Closes its window, and waits for its end.
fn close(lab: &Lab, name: &str) {
    lab.house.must(&["qube", "run", name, "sh", "-c", ": > ~/close"]);
    until(&format!("it is thrown away: {}", log(lab, name)), || {
        let gone = |info: &Value| info["name"] != name;
        disposables(lab).iter().all(gone).then_some(())
    });
}

/// Has one write into its home and elsewhere what [`nothing_is_left`] looks for.
fn writes(lab: &Lab, name: &str) {
    let script = "echo $((6 * 7))-left | tee ~/file /tmp/file /var/tmp/file";
    lab.house.must(&["qube", "run", name, "sh", "-c", script]);
    until("it was written", || log(lab, name).contains("42-left").then_some(()));
}

/// Nothing of what it wrote is on dom0's disk, nor anything that has its name.
fn nothing_is_left(lab: &Lab, name: &str) {
    let found = Command::new("grep").args(["-rl", "42-left"]).arg(lab.house.path()).output().unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
    let named = Command::new("find").arg(lab.house.path()).args(["-name", name]).output().unwrap();
    assert!(named.stdout.is_empty(), "{}", String::from_utf8_lossy(&named.stdout));
}

/// Starts the desktop, and takes the disposable of a blue pattern that then waits with its window open. No other
/// is made in its place. Gives its name.
pub(crate) fn takes_one_that_waits(lab: &mut Lab, pattern: &str) -> String {
    let settings = set(lab, pattern, &opened("ready"));
    lab.house.start_desktop();
    let begin = Instant::now();
    // In steps: a start of a machine may take longer than other things may.
    let made = until("one is made", || disposables(lab).first().map(|info| info["name"].clone()));
    let made = made.as_str().unwrap();
    for stage in ["initramfs", "root", "agent"] {
        let said = format!("transom-stage {stage} ");
        let there = || log(lab, made).contains(&said).then_some(());
        if let Err(late) = wait_for(&said, there) {
            println!("{made}: {late}");
            until(&said, there);
        }
        println!("{made}: {stage} after {:.1} s", begin.elapsed().as_secs_f32());
    }
    assert_eq!(spare(lab), made);
    println!("{made}: it waits with its window open after {:.1} s", begin.elapsed().as_secs_f32());
    assert!(lab.house.state().windows.is_empty());
    let (name, took) = open(lab, pattern, "ready", Label::Blue);
    fs::write(lab.data().join("qubes").join(pattern).join("qube.kdl"), settings).unwrap();
    assert_eq!(name, made);
    println!("{name}: {took:?}");
    clock_is_right(lab, &name);
    writes(lab, &name);
    name
}

/// Its window closes; its machine is gone with all that was in it.
pub(crate) fn ends_with_its_window(lab: &Lab, name: &str) {
    let machine = lab.info(name)["pid"].clone();
    close(lab, name);
    assert!(lab.house.state().windows.is_empty());
    assert!(!std::path::Path::new("/proc").join(machine.to_string()).exists(), "its machine is still there");
    nothing_is_left(lab, name);
    println!("{name}: it is gone, and nothing is left");
}

/// Says in a pattern's file what disposables of it wait; gives what stood there without that.
fn set(lab: &Lab, pattern: &str, what: &str) -> String {
    let file = lab.data().join("qubes").join(pattern).join("qube.kdl");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.split("disposables").next().unwrap().to_owned();
    fs::write(&file, format!("{text}disposables {{\n{what}\n}}\n")).unwrap();
    text
}

/// What disposables of `paper` wait from now on, seen by a desktop that begins.
fn keep(lab: &mut Lab, what: &str) {
    set(lab, "paper", what);
    let old = disposables(lab);
    lab.house.kill_desktop();
    lab.house.start_desktop();
    until("those of before are gone", || {
        let stays = disposables(lab).iter().any(|info| old.iter().any(|old| old["name"] == info["name"]));
        (!stays).then_some(())
    });
}

#[test]
fn a_machine_for_one_program_shows_at_once_and_leaves_nothing() {
    let Some(mut lab) = Lab::undisturbed() else { return };
    lab.house.start_desktop();
    lab.create("paper", "red", "memory \"512MiB\"\nvolume \"64MiB\"");
    let (name, cold) = open(&lab, "paper", "cold", Label::Red);
    writes(&lab, &name);

    // Its window closes; the machine follows, with all that was in it.
    close(&lab, &name);
    nothing_is_left(&lab, &name);
    assert!(!lab.data().join("qubes/paper/private.img").exists(), "its pattern was not started");

    // One that waits, paused.
    keep(&mut lab, "    ready 1\n    warm \"foot\"");
    let mut pooled = Vec::new();
    for round in 0..2 {
        let waiting = spare(&lab);
        let (name, took) = open(&lab, "paper", &format!("pooled-{round}"), Label::Red);
        assert_eq!(name, waiting);
        pooled.push(took);
        clock_is_right(&lab, &name);
        close(&lab, &name);
    }

    // One that waits with its window open, where nobody sees it.
    keep(&mut lab, &opened("ready"));
    let mut ready = Vec::new();
    for round in 0..3 {
        let waiting = spare(&lab);
        assert!(lab.house.state().windows.is_empty());
        if round == 0 {
            // A desktop that begins sees it as well.
            lab.house.kill_desktop();
            lab.house.start_desktop();
        }
        let (name, took) = open(&lab, "paper", "ready", Label::Red);
        assert_eq!(name, waiting);
        if round > 0 {
            ready.push(took);
        }
        clock_is_right(&lab, &name);
        close(&lab, &name);
    }
    println!("cold {cold:?}, pooled {pooled:?}, with its window open {ready:?}");
    let least = |took: &[Took], of: fn(&Took) -> f64| took.iter().map(of).fold(f64::INFINITY, f64::min);
    figure("disposable.cold_ms", cold.shown, "ms", 1);
    figure("disposable.cold_started_ms", cold.started, "ms", 1);
    for (kind, took) in [("pooled", &pooled), ("open", &ready)] {
        let shown = least(took, |took| took.shown);
        figure(&format!("disposable.{kind}_ms"), shown, "ms", 2);
        figure(&format!("disposable.{kind}_started_ms"), least(took, |took| took.started), "ms", 2);
        figure(&format!("disposable.cold_over_{kind}"), cold.shown / shown, "ratio", 2);
    }
}
