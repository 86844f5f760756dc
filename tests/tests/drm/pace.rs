//! Figures of frames: vertical blanks missed while a window moves and a program plays, and how long a
//! letter takes from its key to the screen, in a qube and in the same program of dom0's.

use std::{env, time::Duration};

use transom::ipc::{FrameFigures, Monitor};
use transom_tests::{figure::figure, fixture::look::painted, process::until};
use transom_theming::Label;

use super::{inside::Ask, machine::Machine, screen::starts};

/// Set to so many seconds for which the window moves; `make bench` says 60.
const SECONDS: &str = "TRANSOM_LANE_SECONDS";
const LETTERS: u64 = 20;

#[test]
fn frames_and_keys_in_time() {
    let Some(mut machine) = Machine::start("") else { return };
    let seconds = env::var(SECONDS).ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    machine.create("work", Label::Blue);
    starts(&mut machine, "pixman", "pixman");
    machine.run(&["qube", "start", "work"]);
    machine.run(&painted("work", "letters", "exec cat"));
    let qube = letters(&mut machine, "letters");
    machine.ask(&Ask::Kill);
    starts(&mut machine, "pixman", "pixman");
    machine.window("letters");
    machine.chord(&["meta_l", "m"]);
    machine.ask(&Ask::Native(["foot", "--title=native", "sh", "-c", "exec cat"].map(str::to_owned).to_vec()));
    let native = letters(&mut machine, "native");
    let refresh = f64::from(machine.state().monitors[0].refresh) / 1e3;
    let frames = |figures: &FrameFigures| figures.key_to_screen_us as f64 / 1e6 * refresh;
    figure("drm.key_to_flip.qube", frames(&qube), "frames", qube.keys);
    figure("drm.key_to_flip.native", frames(&native), "frames", native.keys);
    figure("drm.key_to_flip.over_native", frames(&qube) - frames(&native), "frames", qube.keys);

    machine.ask(&Ask::Kill);
    starts(&mut machine, "pixman", "pixman");
    machine.run(&painted("work", "plays", "while :; do date +%N; done"));
    in_time(&mut machine, "pixman", seconds);
    machine.ask(&Ask::Kill);
    starts(&mut machine, "gles", "gles");
    in_time(&mut machine, "gles", seconds);
}

/// Types letters into a window, each once the one before is on the screen.
fn letters(machine: &mut Machine, title: &str) -> FrameFigures {
    machine.focus(title);
    super::screen::settled(machine);
    let before = machine.state().frames.keys;
    for number in 0..LETTERS {
        machine.type_letters("x");
        until("the letter is on the screen", || {
            (machine.state().frames.keys > before + number).then_some(())
        });
        super::screen::settled(machine);
    }
    machine.state().frames
}

fn monitor(machine: &mut Machine) -> Monitor {
    machine.state().monitors.remove(0)
}

/// A window that moves and plays.
fn in_time(machine: &mut Machine, renderer: &str, seconds: u64) {
    machine.window("plays");
    let before = monitor(machine);
    machine.swing("plays", Duration::from_secs(seconds));
    let after = monitor(machine);
    let (flips, missed) = (after.flips - before.flips, after.missed - before.missed);
    figure(&format!("drm.missed_vblanks.{renderer}"), missed as f64, "blanks", flips);
    figure(&format!("drm.flips_per_s.{renderer}"), flips as f64 / seconds as f64, "1/s", flips);
    figure(&format!("drm.margin_us.{renderer}"), after.margin_us as f64, "us", flips);
    // OpenGL ES in software on an emulated processor is slow; it goes on all the same.
    assert!(flips > 1, "{flips} frames in {seconds} s");
    let rate = flips as f64 / seconds as f64;
    assert!(rate < f64::from(after.refresh) / 1e3 + 2.0, "{rate} frames a second of a slower screen");
}
