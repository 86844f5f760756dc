//! A machine for one program, of which nothing stays.

use std::{
    fs,
    process::Command,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use transom_tests::{figure::figure, process::until};
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

/// A painted terminal, which closes when there is a file `close` in its home: the words of a command that
/// opens it in a disposable.
fn terminal(title: &str) -> Vec<String> {
    let mut words = painted("paper", title, "while [ ! -e ~/close ]; do sleep 0.1; done");
    words.insert(2, "--disposable".to_owned());
    words
}

/// Opens it; gives the disposable's name and how long that took.
fn open(lab: &Lab, title: &str) -> (String, Took) {
    let words = terminal(title);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let begin = Instant::now();
    let ms = || begin.elapsed().as_secs_f64() * 1_000.0;
    let made = lab.house.run(&words);
    let started = ms();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    lab.window(title);
    let took = Took { started, shown: ms() };
    is_painted_within_its_frame(lab, title, Label::Red);
    (String::from_utf8(made.stdout).unwrap().trim().to_owned(), took)
}

/// Sees that the clock of one that stood still is right again, closes its window, and waits for its end.
fn close(lab: &Lab, name: &str) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let check = format!(
        "t=$(($(date +%s) - {now})); echo clock off by $t; test $t -ge -2 && test $t -le 20 && touch ~/close"
    );
    until(&format!("it runs: {}", log(lab, name)), || {
        lab.house.run(&["qube", "run", name, "sh", "-c", &check]).status.success().then_some(())
    });
    until(&format!("it is thrown away: {}", log(lab, name)), || {
        let gone = |info: &Value| info["name"] != name;
        disposables(lab).iter().all(gone).then_some(())
    });
}

/// What disposables of `paper` wait from now on, seen by a desktop that begins.
fn keep(lab: &mut Lab, what: &str) {
    let file = lab.data().join("qubes/paper/qube.kdl");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.split("disposables").next().unwrap();
    fs::write(&file, format!("{text}disposables {{\n{what}\n}}\n")).unwrap();
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
    let (name, cold) = open(&lab, "cold");
    let script = |script: &str| lab.house.must(&["qube", "run", &name, "sh", "-c", script]);
    script("echo $((6 * 7))-left | tee ~/file /tmp/file /var/tmp/file");
    until("it was written", || log(&lab, &name).contains("42-left").then_some(()));

    // Its window closes; the machine follows, with all that was in it.
    script("touch ~/close");
    until("it is thrown away", || disposables(&lab).is_empty().then_some(()));
    let found = Command::new("grep").args(["-rl", "42-left"]).arg(lab.house.path()).output().unwrap();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
    assert!(!lab.data().join("qubes").join(&name).exists());
    assert!(!lab.data().join("qubes/paper/private.img").exists(), "its pattern was not started");

    // One that waits, paused.
    keep(&mut lab, "    ready 1\n    warm \"foot\"");
    let mut pooled = Vec::new();
    for round in 0..2 {
        let waiting = spare(&lab);
        let (name, took) = open(&lab, &format!("pooled-{round}"));
        assert_eq!(name, waiting);
        pooled.push(took);
        close(&lab, &name);
    }

    // One that waits with its window open, where nobody sees it.
    let argv: Vec<String> = terminal("ready").iter().skip(4).map(|word| format!("{word:?}")).collect();
    keep(&mut lab, &format!("    open {}", argv.join(" ")));
    let mut ready = Vec::new();
    for round in 0..3 {
        let waiting = spare(&lab);
        assert!(lab.house.state().windows.is_empty());
        if round == 0 {
            // A desktop that begins sees it as well.
            lab.house.kill_desktop();
            lab.house.start_desktop();
        }
        let (name, took) = open(&lab, "ready");
        assert_eq!(name, waiting);
        if round > 0 {
            ready.push(took);
        }
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
