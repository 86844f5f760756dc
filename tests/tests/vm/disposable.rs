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

/// Opens a painted terminal in a disposable, which closes when there is a file `close` in its home;
/// gives the disposable's name and how long that took.
fn open(lab: &Lab, title: &str) -> (String, Took) {
    let mut words = painted("paper", title, "while [ ! -e ~/close ]; do sleep 0.1; done");
    words.insert(2, "--disposable".to_owned());
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

#[test]
fn a_machine_for_one_program_shows_at_once_and_leaves_nothing() {
    let Some(mut lab) = Lab::new() else { return };
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
    let file = lab.data().join("qubes/paper/qube.kdl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}disposables {{\n    ready 1\n    warm \"foot\"\n}}\n")).unwrap();
    lab.house.kill_desktop();
    lab.house.start_desktop();
    let mut pooled = Vec::new();
    for round in 0..3 {
        let waiting = spare(&lab);
        let (name, took) = open(&lab, &format!("pooled-{round}"));
        assert_eq!(name, waiting);
        pooled.push(took);
        // The clock of one that stood still is right again.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let check = format!(
            "t=$(($(date +%s) - {now})); echo clock off by $t; test $t -ge -2 && test $t -le 20 && touch ~/close"
        );
        lab.house.must(&["qube", "run", &name, "sh", "-c", &check]);
        until(&format!("it is thrown away: {}", log(&lab, &name)), || {
            let gone = |info: &Value| info["name"] != name.as_str();
            disposables(&lab).iter().all(gone).then_some(())
        });
    }
    println!("cold {cold:?}, pooled {pooled:?}");
    let least = |of: fn(&Took) -> f64| pooled.iter().map(of).fold(f64::INFINITY, f64::min);
    let shown = least(|took| took.shown);
    figure("disposable.cold_ms", cold.shown, "ms", 1);
    figure("disposable.cold_started_ms", cold.started, "ms", 1);
    figure("disposable.pooled_ms", shown, "ms", 3);
    figure("disposable.pooled_started_ms", least(|took| took.started), "ms", 3);
    figure("disposable.cold_over_pooled", cold.shown / shown, "ratio", 3);
}
