//! Rules FOCUS and FAIL-CLOSED while nothing is to be seen: what is done then reaches nobody, ever.

use transom::{
    input::event::{BTN_LEFT, InputEvent},
    ipc::Request,
};
use transom_tests::fixture::World;

const A: u32 = 30;
const S: u32 = 31;
const D: u32 = 32;
const SHIFT: u32 = 42;
const ENTER: u32 = 28;
const TAB: u32 = 15;
const ALT: u32 = 56;
const SUPER: u32 = 125;
const C: u32 = 46;
const V: u32 = 47;
const L: u32 = 38;
const ONE: (&str, (i32, i32), u32) = ("screen-1", (800, 600), 120);
const TWO: (&str, (i32, i32), u32) = ("screen-2", (800, 600), 120);

fn key(code: u32, pressed: bool) -> InputEvent {
    InputEvent::Key { code, pressed }
}

/// A world whose window `work` has the keys, and has heard one.
fn typing() -> World {
    let mut world = World::two_qubes("");
    world.click_into("work");
    world.chord(&[A]);
    assert_eq!(heard(&world), [(A, true), (A, false)]);
    world
}

fn heard(world: &World) -> &[(u32, bool)] {
    &world.clients[0].heard.keys
}

/// The window has the keys again, and heard nothing of what went before.
fn goes_on(world: &mut World, before: &[(u32, bool)]) {
    assert_eq!(heard(world), before);
    world.chord(&[S]);
    assert_eq!(heard(world), [before, &[(S, true), (S, false)]].concat());
    assert_eq!(world.clients[0].heard.modifiers, 0);
    assert!(world.clients[1].heard.keys.is_empty());
}

#[test]
fn what_is_typed_without_a_monitor_goes_to_nobody_and_not_later() {
    let mut world = typing();
    world.plug(&[]);
    world.chord(&[A]);
    world.chord(&[SHIFT, D]);
    world.input(&[key(D, true)]);
    world.plug(&[ONE]);
    // It is there, but shows nothing yet.
    world.desktop.input(key(A, true));
    world.desktop.input(key(A, false));
    world.turn();
    world.frame();
    assert_eq!(heard(&world), [(A, true), (A, false)]);
    world.input(&[key(D, false)]);
    goes_on(&mut world, &[(A, true), (A, false)]);
}

#[test]
fn a_key_that_is_held_when_the_last_monitor_goes_is_up() {
    let mut world = typing();
    world.input(&[key(SHIFT, true), key(D, true)]);
    world.plug(&[]);
    let before = heard(&world).to_vec();
    assert!(before.contains(&(D, true)) && before.contains(&(SHIFT, true)), "{before:?}");
    assert!(!world.clients[0].heard.keyboard);
    world.plug(&[ONE]);
    world.frame();
    world.input(&[key(D, false), key(SHIFT, false)]);
    goes_on(&mut world, &before);
}

#[test]
fn keys_that_waited_for_a_frame_go_with_the_monitor() {
    let mut world = typing();
    world.click_into("web");
    let [x, y, ..] = world.content("work");
    world.desktop.input(InputEvent::PointerTo { x: f64::from(x) + 9.0, y: f64::from(y) + 9.0 });
    for pressed in [true, false] {
        world.desktop.input(InputEvent::Button { code: BTN_LEFT, pressed });
    }
    world.desktop.input(key(D, true));
    world.plug(&[]);
    world.plug(&[ONE]);
    world.frame();
    goes_on(&mut world, &[(A, true), (A, false)]);
}

#[test]
fn what_wakes_dark_monitors_reaches_no_window() {
    let mut world = typing();
    world.desktop.screens_off();
    world.turn();
    world.desktop.input(key(D, true));
    assert!(!world.desktop.screens_are_off(), "it lights them");
    world.frame();
    world.input(&[key(D, false)]);
    goes_on(&mut world, &[(A, true), (A, false)]);
}

#[test]
fn what_is_typed_into_a_window_on_a_dark_monitor_goes_to_nobody() {
    let mut world = typing();
    world.plug(&[ONE, TWO]);
    world.frame();
    let dark = |world: &mut World, on: bool| {
        world.desktop.answer(&Request::Power { output: "screen-1".into(), on });
        world.frame();
    };
    dark(&mut world, false);
    world.chord(&[D]);
    world.input(&[key(D, true)]);
    dark(&mut world, true);
    world.input(&[key(D, false)]);
    goes_on(&mut world, &[(A, true), (A, false)]);
}

#[test]
fn a_click_without_a_monitor_reaches_no_window() {
    let mut world = typing();
    let buttons = world.clients[0].heard.buttons.clone();
    assert!(world.clients[0].heard.pointer.is_some());
    world.plug(&[]);
    assert!(world.clients[0].heard.pointer.is_none());
    world.input(&[InputEvent::Button { code: BTN_LEFT, pressed: true }]);
    world.plug(&[ONE]);
    world.frame();
    assert!(world.clients[0].heard.pointer.is_none(), "while a button is down that nobody heard of");
    world.input(&[InputEvent::Button { code: BTN_LEFT, pressed: false }]);
    assert_eq!(world.clients[0].heard.buttons, buttons);
    assert!(world.clients[0].heard.pointer.is_some());
}

#[test]
fn nothing_is_chosen_or_given_away_unseen() {
    let mut world = World::two_qubes("clipboard { ask from=\"*\" to=\"*\"; }");
    for title in ["web", "work"] {
        world.click_into(title);
    }
    // The switcher is open when the monitor goes.
    world.input(&[key(ALT, true), key(TAB, true)]);
    world.plug(&[]);
    world.input(&[key(TAB, false), key(ALT, false)]);
    world.plug(&[ONE]);
    world.frame();
    let state = world.desktop.state();
    assert!(state.switcher.is_none());
    assert!(state.windows.iter().any(|w| w.title == "work" && w.focused), "{:?}", state.windows);
    // A chord that nobody meant, and one that is safe.
    world.plug(&[]);
    world.chord(&[SUPER, 16]);
    world.chord(&[SUPER, C]);
    world.chord(&[SUPER, V]);
    world.chord(&[ENTER]);
    assert_eq!(world.desktop.state().windows.len(), 2);
    assert_eq!(world.desktop.state().clipboard, None);
    world.chord(&[SUPER, L]);
    assert_eq!(world.desktop.state().lock, "locked");
}
