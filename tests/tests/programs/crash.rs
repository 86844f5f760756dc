//! The compositor is killed: nothing that ran in a qube is lost. Xwayland is killed: there is another one.

use std::path::Path;

use transom_tests::process::{House, until};

/// The numbers a counter has written so far.
fn count(file: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

#[test]
fn windows_come_back_and_no_tick_is_lost() {
    let mut house = House::new();
    house.start_desktop();
    house.must(&["qube", "create", "work", "--label", "blue"]);
    house.must(&["qube", "start", "work"]);
    let counter = "i=0; while :; do i=$((i+1)); echo $i; echo $i >> ~/count; sleep 0.05; done";
    house.must(&["qube", "run", "work", "foot", "--title=counter", "sh", "-c", counter]);
    house.must(&["qube", "run", "work", "xcalc"]);
    until("both windows", || (house.state().windows.len() == 2).then_some(()));
    let file = house.home("work").join("count");
    until("the counter runs", || (count(&file).len() > 5).then_some(()));

    house.kill_desktop();
    let at_death = count(&file).len();
    until("the counter goes on without a desktop", || (count(&file).len() > at_death + 5).then_some(()));
    house.start_desktop();
    until("both windows are back", || (house.state().windows.len() == 2).then_some(()));
    let titles: Vec<String> = house.state().windows.into_iter().map(|w| w.title).collect();
    assert!(titles.iter().any(|t| t == "counter") && titles.iter().any(|t| t == "Calculator"), "{titles:?}");
    let back = count(&file).len();
    until("the counter goes on", || (count(&file).len() > back + 5).then_some(()));
    let ticks = count(&file);
    let whole: Vec<u64> = (1..=ticks.len() as u64).collect();
    assert_eq!(ticks, whole, "a tick is lost or came twice");
}

#[test]
fn programs_of_x11_run_again_after_xwayland_died() {
    let mut house = House::new();
    house.start_desktop();
    house.must(&["qube", "create", "work", "--label", "blue"]);
    house.must(&["qube", "start", "work"]);
    let windows = || house.state().windows.into_iter().filter(|w| w.title == "Calculator").count();
    // By the display that programs were told at the start.
    let again = "while :; do xcalc; echo x >> ~/ended; sleep 0.2; done";
    house.must(&["qube", "run", "work", "sh", "-c", again]);
    until("a program of X11", || (windows() == 1).then_some(()));
    house.must(&["qube", "run", "work", "sh", "-c", "kill -9 $(pidof Xwayland); echo x > ~/killed"]);
    let home = house.home("work");
    until("its window is gone", || home.join("killed").exists().then_some(()));
    until("it has ended", || home.join("ended").exists().then_some(()));
    until("it is back", || (windows() == 1).then_some(()));
}
