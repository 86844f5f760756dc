//! Programs in a qube get the signals that are meant for them.

use transom_tests::process::{House, until};

/// A desktop and an agent that block signals for themselves once passed the block on to everything
/// they started: nothing in a terminal could be interrupted, and the supervisor not be ended.
#[test]
fn programs_start_with_no_signal_blocked() {
    let mut house = House::new();
    house.start_desktop();
    house.must(&["qube", "create", "work", "--label", "blue"]);
    house.must(&["qube", "start", "work"]);
    house.must(&["qube", "run", "work", "sh", "-c", "grep SigBlk /proc/self/status > ~/mask"]);
    let mask = house.home("work").join("mask");
    let text = until("the mask", || std::fs::read_to_string(&mask).ok().filter(|text| text.ends_with('\n')));
    assert_eq!(text.split_whitespace().last(), Some("0000000000000000"), "{text}");
}
