//! What commits cost, in CPU time: with a real agent and dom0's link, and with waypipe.

use std::{path::Path, process::Command, time::Duration};

use transom_tests::{
    process::{Owned, wait_for},
    procs,
};

use crate::{
    FULL_HD, UHD, VGA,
    link::Linked,
    program::{Program, Window},
    report::{Figure, Goal, quantile},
};

/// Commits between two looks at the clock.
const SLICE: usize = 50;

/// What one commit costs, in microseconds: the mean over some of them. `cpu` is looked at when
/// everybody has fallen asleep again.
fn slice(
    program: &mut Program,
    window: &mut Window,
    (commits, draw): (usize, bool),
    cpu: impl Fn() -> Result<f64, String>,
) -> Result<f64, String> {
    let quiet = || std::thread::park_timeout(Duration::from_millis(10));
    quiet();
    let before = cpu()?;
    for _ in 0..commits {
        program.show(window, draw)?;
    }
    quiet();
    Ok((cpu()? - before) / commits as f64)
}

/// A commit from the program's request to the release of the buffer before, in agent and dom0,
/// with nothing drawn: it must not grow with the window.
pub(crate) fn commit_cost(quick: bool, figures: &mut Vec<Figure>) -> Result<(), String> {
    let rounds = if quick { 12 } else { 60 };
    let linked = Linked::new()?;
    let mut program = Program::connect(&linked.socket())?;
    let mut windows = [program.window("vga", VGA)?, program.window("4k", UHD)?];
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for turn in 0..2 {
            // Neither of the two always comes first.
            let which = (round + turn) % 2;
            let time = slice(&mut program, &mut windows[which], (SLICE, false), || linked.cpu())?;
            // The first round warms up.
            if round > 0 {
                times[which].push(time);
            }
        }
    }
    let [vga, uhd] = &mut times;
    let (vga, uhd) = (quantile(vga, 0.5)?, quantile(uhd, 0.5)?);
    let samples = rounds * SLICE;
    figures.push(Figure::new("sandbox.commit_cost.vga_us", vga, "µs", Goal::None, samples));
    figures.push(Figure::new("sandbox.commit_cost.4k_us", uhd, "µs", Goal::None, samples));
    let goal = Goal::AtMost(1.3);
    figures.push(Figure::new("sandbox.commit_cost.4k_over_vga", uhd / vga, "×", goal, samples));
    Ok(())
}

/// The two halves of waypipe, between a program and the agent.
struct Waypipe {
    client: Owned,
    server: Owned,
}

impl Waypipe {
    fn start(linked: &Linked) -> Result<Self, String> {
        let socket = linked.dir().join("waypipe.sock");
        let waypipe = || {
            let mut command = Command::new("waypipe");
            command
                .args(["--compress", "none", "--no-gpu", "--socket"])
                .arg(&socket)
                .env("XDG_RUNTIME_DIR", linked.dir())
                .env("WAYLAND_DISPLAY", "wayland-1");
            command
        };
        let client = Owned::start(waypipe().arg("client"))?;
        wait_for("waypipe's socket", || socket.exists().then_some(()))?;
        // What it serves ends with it, however it ends.
        let served = ["setpriv", "--pdeathsig", "KILL", "sleep", "600"];
        let server = Owned::start(waypipe().args(["--display", "proxied", "server", "--"]).args(served))?;
        wait_for("waypipe's display", || linked.dir().join("proxied").exists().then_some(()))?;
        Ok(Self { client, server })
    }

    /// CPU time of both so far, in microseconds: for each program they have processes of their own.
    fn cpu(&self) -> Result<f64, String> {
        let mut pids = procs::family(self.client.pid());
        pids.extend(procs::family(self.server.pid()));
        procs::cpu(&pids)
    }
}

/// The same load, all of a 1080p window with new pixels in each frame, with and without waypipe in
/// between: the two waypipe processes against agent and dom0's link, nothing drawn. waypipe sends
/// without compression, which costs it the least over a socket of this machine.
pub(crate) fn proxy_cpu(quick: bool, figures: &mut Vec<Figure>) -> Result<(), String> {
    if !Path::new("/usr/bin/waypipe").exists() {
        return Ok(());
    }
    let (rounds, frames) = if quick { (6, 10) } else { (20, 15) };
    let linked = Linked::new()?;
    let waypipe = Waypipe::start(&linked)?;
    let mut direct = Program::connect(&linked.socket())?;
    let mut proxied = Program::connect(&linked.dir().join("proxied"))?;
    let (mut own, mut through) = (direct.window("direct", FULL_HD)?, proxied.window("proxied", FULL_HD)?);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let our_time = slice(&mut direct, &mut own, (frames, true), || linked.cpu())?;
        let their_time = slice(&mut proxied, &mut through, (frames, true), || waypipe.cpu())?;
        if round > 0 {
            ours.push(our_time);
            theirs.push(their_time);
        }
    }
    let (ours, theirs) = (quantile(&mut ours, 0.5)?, quantile(&mut theirs, 0.5)?);
    let samples = rounds * frames;
    let name = |which: &str| format!("sandbox.proxy_cpu.1080p.{which}");
    figures.push(Figure::new(name("us"), ours, "µs", Goal::None, samples));
    figures.push(Figure::new(name("waypipe_us"), theirs, "µs", Goal::None, samples));
    figures.push(Figure::new(name("waypipe_over_us"), theirs / ours, "×", Goal::AtLeast(10.0), samples));
    Ok(())
}
