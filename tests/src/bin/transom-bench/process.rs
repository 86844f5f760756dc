//! Figures of real processes: `transom headless`, its supervisor, and a sandbox qube.

use std::{
    fs::File,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use transom::ipc::{self, Reply, Request, State};
use transom_tests::{
    process::{House, Owned, wait_for},
    procs,
};

use crate::{
    FULL_HD,
    report::{Figure, Goal},
};

/// Windows of the figure of memory.
const WINDOWS: usize = 10;

/// A desktop with one running qube.
struct Desk {
    // First, so that it ends before its supervisor.
    desktop: Owned,
    house: House,
}

impl Desk {
    fn new() -> Result<Self, String> {
        let house = House::new();
        let log = File::create(house.path().join("desktop.log")).map_err(|e| e.to_string())?;
        let desktop = Owned::start(
            house.command(&["headless", "--renderer", "pixman", "--size", "2560x1440"]).stderr(log),
        )?;
        let desk = Self { desktop, house };
        wait_for("the desktop answers", || desk.state())?;
        desk.must(&["qube", "create", "work", "--label", "blue"])?;
        desk.must(&["qube", "start", "work"])?;
        wait_for("the qube's link", || desk.state().filter(|state| state.qubes.len() == 1))?;
        Ok(desk)
    }

    fn must(&self, arguments: &[&str]) -> Result<(), String> {
        let output = self.house.run(arguments);
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()))
    }

    fn state(&self) -> Option<State> {
        match ipc::ask(&self.house.path().join("desktop.sock"), &Request::State) {
            Ok(Reply::State(state)) => Some(*state),
            _ => None,
        }
    }

    /// The agent of its qube. The supervisor is a child of the desktop or has no parent any more.
    fn agent(&self) -> Option<u32> {
        procs::agent_of(self.desktop.pid())
            .or_else(|| procs::with_environment(self.house.path()).into_iter().find_map(procs::agent_of))
    }
}

/// What follows a start or a change settles.
fn settle() {
    std::thread::park_timeout(Duration::from_secs(2));
}

/// Keeps away from the full minute, when the clock in the bar changes.
fn avoid_full_minute(time: Duration) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_secs(60 - now.as_secs() % 60);
    if left < time + Duration::from_secs(1) {
        std::thread::park_timeout(left + Duration::from_secs(1));
    }
}

/// Wake-ups of compositor and agent while nothing changes.
pub(crate) fn idle(quick: bool, figures: &mut Vec<Figure>) -> Result<(), String> {
    let time = Duration::from_secs(if quick { 3 } else { 10 });
    let desk = Desk::new()?;
    desk.must(&["qube", "run", "work", "foot", "--title=idle", "sleep", "1000"])?;
    wait_for("the window", || desk.state().filter(|state| state.windows.len() == 1))?;
    let agent = desk.agent().ok_or("the agent is not to be found")?;
    let waits = || Ok::<_, String>(procs::waits(desk.desktop.pid())? + procs::waits(agent)?);
    settle();
    avoid_full_minute(time);
    let before = waits()?;
    std::thread::park_timeout(time);
    let woken = waits()? - before;
    let rate = woken as f64 / time.as_secs_f64();
    figures.push(Figure::new("idle.wakeups_per_s", rate, "1/s", Goal::AtMost(0.0), 1));
    Ok(())
}

/// Memory that only the compositor has, for ten windows of 1080p: 79 MiB of pixels in each of two
/// sets of buffers, all of which it has drawn. They stay the program's.
pub(crate) fn memory(figures: &mut Vec<Figure>) -> Result<(), String> {
    let desk = Desk::new()?;
    let own = std::env::current_exe().map_err(|e| e.to_string())?;
    let copy = desk.house.home("work").join("windows");
    std::fs::copy(&own, &copy).map_err(|e| format!("{}: {e}", copy.display()))?;
    settle();
    let before = procs::private_mib(desk.desktop.pid())?;
    desk.must(&["qube", "run", "work", "/home/user/windows", "--windows", &WINDOWS.to_string()])?;
    let pixels = (FULL_HD.0 * FULL_HD.1 * 4) as u64 * WINDOWS as u64;
    wait_for("ten windows", || {
        let state = desk.state()?;
        (state.windows.len() == WINDOWS && state.qubes.first()?.mapped_bytes >= 2 * pixels).then_some(())
    })?;
    settle();
    let grown = procs::private_mib(desk.desktop.pid())? - before;
    figures.push(Figure::new("compositor.private_mib", grown, "MiB", Goal::AtMost(40.0), 1));
    Ok(())
}
