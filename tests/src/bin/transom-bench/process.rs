//! Figures of real processes.

use std::time::Duration;

use transom_tests::process::{House, until};

use crate::Figure;

/// How often the processes of these names have given up the CPU to wait.
fn waits(name: &str) -> u64 {
    let mut sum = 0;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let status = std::fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        if field("Name:") == Some(name) {
            sum += field("voluntary_ctxt_switches:").and_then(|v| v.parse::<u64>().ok()).unwrap_or(0);
        }
    }
    sum
}

/// Wake-ups of compositor and agent while nothing changes. The clock in the bar ticks once a minute.
pub(crate) fn idle(seconds: u64, figures: &mut Vec<Figure>) {
    let mut house = House::new();
    house.start_desktop();
    house.must(&["qube", "create", "work", "--label", "blue"]);
    house.must(&["qube", "start", "work"]);
    house.must(&["qube", "run", "work", "foot", "--title=idle", "sleep", "1000"]);
    until("the window", || (house.state().windows.len() == 1).then_some(()));
    // What follows a start settles first.
    std::thread::park_timeout(Duration::from_secs(2));
    let before = waits("transom") + waits("transom-agent");
    assert!(before > 0, "the processes are found");
    std::thread::park_timeout(Duration::from_secs(seconds));
    let woken = waits("transom") + waits("transom-agent") - before;
    let rate = woken as f64 / seconds as f64;
    // One tick of the clock may fall into the time.
    figures.push(Figure::new("idle.wakeups_per_s", rate, "1/s", Some(2.0 / seconds as f64), 1));
}
