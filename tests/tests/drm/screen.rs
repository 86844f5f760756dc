//! What is on the connectors, while a person does what persons do.

use std::{thread, time::Duration};

use image::RgbImage;
use transom_tests::{
    figure::figure,
    fixture::look::{PAINT, assert_framed, paint_fills, painted},
    process::until,
};
use transom_theming::Label;

use super::{inside::Ask, machine::Machine, viewer::Viewer};

/// The one window.
const TITLE: &str = "window";

#[test]
fn what_is_on_the_connectors() {
    let Some(mut machine) = Machine::start("") else { return };
    machine.create("work", Label::Blue);
    // The driver there draws in software only.
    starts(&mut machine, "auto", "pixman");
    machine.run(&["qube", "start", "work"]);
    machine.run(&painted("work", TITLE, "exec cat"));
    framed(&mut machine);
    keys_reach_it(&mut machine);
    the_mouse_moves_the_pointer(&mut machine);
    nothing_flips_when_idle(&mut machine, "pixman");
    two_monitors(&mut machine);
    no_monitor(&mut machine);
    another_console(&mut machine);

    machine.ask(&Ask::Kill);
    starts(&mut machine, "gles", "gles");
    framed(&mut machine);
    nothing_flips_when_idle(&mut machine, "gles");
}

pub(crate) fn starts(machine: &mut Machine, asked: &str, renderer: &str) {
    machine.ask(&Ask::Start(asked.into()));
    let state = until("a monitor", || Some(machine.state()).filter(|state| !state.monitors.is_empty()));
    assert_eq!((state.backend.as_str(), state.renderer.as_str()), ("drm", renderer));
    assert_eq!((state.screen, state.monitors.len()), ((1024, 768), 1), "{:?}", state.monitors);
}

/// The window is on the connectors, and in its frame (rule FRAME).
pub(crate) fn framed(machine: &mut Machine) {
    let (window, picture) = until("the qube's picture", || {
        let (window, picture) = (machine.window(TITLE), machine.picture());
        let state = machine.state();
        keep(&picture, &format!("{}-{}", state.renderer, state.monitors.len()));
        paint_fills(&picture, &window).then_some((window, picture))
    });
    assert_framed(&picture, &window, Label::Blue);
}

/// Writes a picture where a person can look at it.
pub(crate) fn keep(picture: &RgbImage, name: &str) {
    picture.save(super::debian::cache().join(format!("drm-{name}.png"))).unwrap();
}

fn keys_reach_it(machine: &mut Machine) {
    machine.focus(TITLE);
    let [x, y, w, h] = machine.window(TITLE).content;
    let ink = |picture: &RgbImage| {
        let inside = picture.enumerate_pixels().filter(|(px, py, _)| {
            (x..x + w).contains(&(*px as i32)) && (y..y + h / 4).contains(&(*py as i32))
        });
        inside.filter(|(_, _, pixel)| **pixel != PAINT).count()
    };
    let before = ink(&machine.picture());
    machine.type_letters("transom");
    until("what was typed can be seen", || (ink(&machine.picture()) > before + 100).then_some(()));
}

fn the_mouse_moves_the_pointer(machine: &mut Machine) {
    machine.point((300, 300));
    machine.nudge((40, -20));
    until("the pointer has moved", || {
        let at = machine.state().pointer;
        (at.0 > 301.0 && at.1 < 299.0).then_some(())
    });
    // Where its picture is dom0's it has a plane of its own, which no dump shows.
    machine.point((900, 650));
    until("the pointer's plane", || machine.state().monitors.iter().all(|m| m.pointer_plane).then_some(()));
    settled(machine);
    let (picture, before) = (machine.picture(), machine.state().monitors[0].planes);
    machine.point((940, 700));
    let moved = until("it moves", || {
        Some(machine.state().monitors[0].planes).filter(|now| now.cursor > before.cursor)
    });
    assert!(machine.picture() == picture, "the pointer is drawn on the desktop");
    // The clock in the bar may have gone on by a minute. No picture of a qube is shown but as it is drawn.
    assert!(moved.composed <= before.composed + 1 && moved.scanout == 0, "{before:?} {moved:?}");
    assert!(moved.composed > 0);
}

fn nothing_flips_when_idle(machine: &mut Machine, renderer: &str) {
    const TIME: Duration = Duration::from_secs(4);
    let before = settled(machine);
    thread::park_timeout(TIME);
    let flips = machine.flips() - before;
    figure(&format!("drm.idle_flips.{renderer}"), flips as f64, "flips", 1);
    // The clock in the bar may go on by a minute.
    assert!(flips <= 1, "{flips} flips of an idle screen");
}

/// Programs that set ramps are told that there is none.
const TOLD: &str = "\
export XDG_RUNTIME_DIR=$TRANSOM_RUNTIME_DIR WAYLAND_DISPLAY=dom0-wayland.sock
wlsunset -t 4000 -T 4001 -S 07:00 -s 20:00 2>/run/wlsunset & sunset=$!
gammastep -m wayland -P -O 4000 >/run/gammastep 2>&1 & step=$!
while ! grep 'gamma control of output .* failed' /run/wlsunset; do sleep 0.1; done
while ! grep 'Zero outputs support gamma adjustment' /run/gammastep; do sleep 0.1; done
kill $sunset $step";

/// This graphics card has no gamma ramp: everybody is told so, and the screen is as it was.
#[test]
fn a_card_without_gamma_ramps() {
    let Some(mut machine) = Machine::start("") else { return };
    let machine = &mut machine;
    starts(machine, "pixman", "pixman");
    machine.point((20, 650));
    let before = (settled(machine), machine.picture());
    machine.run(&["msg", "night", "on"]);
    let state = machine.state();
    assert_eq!((state.night.temperature, state.monitors[0].gamma.size), (4_000, 0));
    machine.ask(&Ask::Shell(TOLD.into()));
    machine.run(&["msg", "night", "auto"]);
    let flips = settled(machine) - before.0;
    assert!(flips <= 1, "{flips} flips for a light that cannot be had");
    // The clock in the bar may have gone on by a minute.
    assert!(flips == 1 || machine.picture() == before.1, "the screen is not as it was");
}

/// Waits until nothing is drawn any longer; flips until then.
pub(crate) fn settled(machine: &mut Machine) -> u64 {
    let mut last = machine.flips();
    until("it settles", || {
        let now = machine.flips();
        (std::mem::replace(&mut last, now) == now).then_some(now)
    })
}

fn two_monitors(machine: &mut Machine) {
    let mut viewer = Viewer::connect(&machine.file("viewer-1"));
    viewer.size(Some((800, 600)));
    until("the second monitor", || {
        let state = machine.state();
        (state.monitors.len() == 2 && state.screen == (1824, 768)).then_some(())
    });
    framed(machine);
    // Over both.
    let [x, y, w, _] = machine.window(TITLE).outer;
    machine.drag(TITLE, (1024 - w / 2 - x, 60 - y));
    framed(machine);
    // On the second alone, which then goes.
    let [x, y, ..] = machine.window(TITLE).outer;
    machine.drag(TITLE, (1040 - x, 60 - y));
    viewer.size(None);
    until("the second one is gone", || (machine.state().monitors.len() == 1).then_some(()));
    framed(machine);
    let [x, y, ..] = machine.window(TITLE).outer;
    let at = machine.state().pointer;
    assert!(at.0 < 1024.0, "the pointer is where no monitor is: {at:?}");
    machine.drag(TITLE, (100 - x, 60 - y));
}

/// The last monitor changes its mode, goes, and comes back.
fn no_monitor(machine: &mut Machine) {
    let mut viewer = Viewer::connect(&machine.file("viewer-0"));
    viewer.size(Some((1000, 700)));
    until("another mode", || (machine.state().screen == (1000, 700)).then_some(()));
    framed(machine);
    viewer.size(None);
    until("the last one is gone", || machine.state().monitors.is_empty().then_some(()));
    viewer.size(Some((1024, 768)));
    until("it is back", || (machine.state().monitors.len() == 1).then_some(()));
    framed(machine);
}

/// Another console is in front for a while: nothing of the desktop is on the screen, and no key that
/// is pressed there reaches a qube.
fn another_console(machine: &mut Machine) {
    let content = |machine: &mut Machine| {
        let [x, y, w, h] = machine.window(TITLE).content;
        image::imageops::crop_imm(&machine.picture(), x as u32, y as u32, w as u32, h as u32).to_image()
    };
    // Where it is on no pixel that is looked at, whether it has a plane or not.
    machine.point((20, 650));
    // Programs draw their cursors by whether they have the keys.
    until("it has the keys", || machine.window(TITLE).focused.then_some(()));
    settled(machine);
    let before = content(machine);
    machine.chord(&["ctrl", "alt", "f2"]);
    until("another console is in front", || {
        let picture = machine.connector(0);
        (!machine.state().in_front && !picture.pixels().any(|pixel| *pixel == PAINT)).then_some(())
    });
    machine.type_letters("secret");
    // The kernel itself hears the keys there.
    machine.chord(&["alt", "f1"]);
    until("the desktop is in front", || machine.state().in_front.then_some(()));
    framed(machine);
    settled(machine);
    let after = content(machine);
    if after != before {
        keep(&before, "before");
        keep(&after, "after");
        panic!("the window is not as it was");
    }
}
