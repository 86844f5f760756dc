//! A machine that is paused for a while: its windows stay, and its clock is right when it goes on.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use transom_tests::process::until;
use transom_theming::Label;

use super::{
    lab::Lab,
    life::{must, needs_recovery},
    picture::{is_painted_within_its_frame, painted},
};

/// Much longer than a clock may be off afterwards.
const PAUSE: Duration = Duration::from_secs(6);
/// How far a clock may be off, in milliseconds.
const BOUND: i64 = 1_000;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64
}

/// By how much the qube's clock is behind dom0's (negative) or before it, in milliseconds, at least.
fn clock_is_off_by(lab: &Lab, qube: &str) -> i64 {
    let begin = now();
    // Twentieths of a second since `begin` by the qube's clock, as far as a status can say it.
    let script = format!(
        "d=$(( ($(date +%s%3N) - {begin}) / 50 + 100 )); [ $d -ge 0 ] && [ $d -le 240 ] || d=250; exit $d"
    );
    let since = match lab.ends_with(qube, &script) {
        250 => return i64::MIN,
        status => i64::from(status - 100) * 50,
    };
    println!("{qube}: its clock says {since} ms, dom0's 0 to {} ms", now() - begin);
    since.min(0) + (since - (now() - begin)).max(0)
}

fn state(lab: &Lab, qube: &str) -> String {
    lab.info(qube)["state"]["is"].as_str().unwrap().to_owned()
}

/// Pauses the qube `work`, which has a window of this title, and lets it go on.
pub(crate) fn pauses_and_goes_on(lab: &Lab, title: &str) {
    let before = lab.window(title);
    lab.house.must(&["qube", "pause", "work"]);
    let begin = Instant::now();
    assert_eq!(state(lab, "work"), "paused");
    let refused = lab.house.run(&["qube", "run", "work", "true"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("qube resume work"), "{refused:?}");
    until("the desktop knows", || lab.house.state().qubes.iter().any(|qube| qube.paused).then_some(()));
    let picture = lab.picture();
    until("some time has passed", || (begin.elapsed() >= PAUSE).then_some(()));
    assert_eq!(lab.window(title).content, before.content);
    let [x, y, w, h] = before.outer.map(|side| side as u32);
    let part = |screen: &image::RgbImage| image::imageops::crop_imm(screen, x, y, w, h).to_image();
    assert!(part(&picture) == part(&lab.picture()), "its window changed");
    lab.house.must(&["qube", "resume", "work"]);
    assert_eq!(state(lab, "work"), "running");
    let off = clock_is_off_by(lab, "work");
    assert!(off.abs() <= BOUND, "its clock is off by {off} ms: {}", lab.log("work"));
    let log = lab.log("work");
    let since = log.rfind("qubed: goes on").unwrap();
    log[since..].lines().filter(|line| line.contains("clock")).for_each(|line| println!("{line}"));
    assert!(log[since..].contains("the clock is right"), "its agent did not hear the time: {log}");
    assert!(lab.house.state().qubes.iter().all(|qube| !qube.paused));
    assert_eq!(lab.window(title).content, before.content, "its link was cut off");
}

#[test]
fn a_paused_machine_keeps_its_windows_and_finds_the_right_time() {
    let Some(mut lab) = Lab::new() else { return };
    lab.house.start_desktop();
    lab.create("work", "blue", "memory \"512MiB\"\nvolume \"256MiB\"");
    lab.start("work");
    must(&lab, &painted("work", "counter", "while :; do echo x >> ~/count; sleep 0.2; done"));
    is_painted_within_its_frame(&lab, "counter", Label::Blue);
    for _ in 0..2 {
        pauses_and_goes_on(&lab, "counter");
        let goes_on = "n=$(wc -l < ~/count); sleep 2; test $(wc -l < ~/count) -gt $n";
        assert_eq!(lab.ends_with("work", goes_on), 0, "its programs stand still");
        is_painted_within_its_frame(&lab, "counter", Label::Blue);
    }

    // A paused machine can be stopped politely, and killed.
    lab.house.must(&["qube", "pause", "work"]);
    lab.house.must(&["qube", "stop", "work"]);
    assert_eq!(state(&lab, "work"), "halted");
    assert!(!needs_recovery(&lab, "work"), "the volume was not let go: {}", lab.log("work"));
    lab.start("work");
    lab.house.must(&["qube", "pause", "work"]);
    lab.house.must(&["qube", "kill", "work"]);
    assert_eq!(state(&lab, "work"), "halted");
}

/// A sandbox stands still, where there are control groups, and can be ended all the same.
pub(crate) fn a_sandbox_is_frozen(lab: &Lab) {
    lab.house.must(&["qube", "create", "box", "--label", "red"]);
    lab.house.must(&["qube", "start", "box"]);
    assert_eq!(lab.info("box")["backend"], "sandbox");
    lab.house.must(&["qube", "run", "box", "sh", "-c", "while :; do echo x >> ~/count; sleep 0.1; done"]);
    let file = lab.house.home("box").join("count");
    let size = || std::fs::metadata(&file).map_or(0, |meta| meta.len());
    let grows = |from: u64| until("its program goes on", || (size() > from + 4).then_some(()));
    grows(0);
    lab.house.must(&["qube", "pause", "box"]);
    assert_eq!(state(lab, "box"), "paused");
    let (begin, paused) = (Instant::now(), size());
    until("some time has passed", || (begin.elapsed() > Duration::from_secs(2)).then_some(()));
    // What ran at that moment may have written once more.
    assert!(size() <= paused + 2, "its program does not stand still");
    lab.house.must(&["qube", "resume", "box"]);
    grows(size());
    lab.house.must(&["qube", "pause", "box"]);
    lab.house.must(&["qube", "stop", "box"]);
    assert_eq!(state(lab, "box"), "halted");
    assert!(!lab.log("box").contains("is killed"), "{}", lab.log("box"));
    lab.house.must(&["qube", "start", "box"]);
    lab.house.must(&["qube", "pause", "box"]);
    lab.house.must(&["qube", "kill", "box"]);
    assert_eq!(state(lab, "box"), "halted");
    println!("box: a frozen sandbox stood still, went on, was stopped and killed");
}
