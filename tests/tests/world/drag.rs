//! Drag and drop within a qube and across qubes, from program to program.

use std::time::Duration;

use transom::input::event::{BTN_LEFT, InputEvent};
use transom_tests::fixture::{World, assert_golden};
use transom_theming::Label;

const TAB: u32 = 15;
const ENTER: u32 = 28;
const ESC: u32 = 1;
const TEXT: &str = "text/plain";
const PINK: u32 = 0xffff_66aa;
const ALLOW: &str = "drag { otherwise \"allow\"; }";

fn button(pressed: bool) -> InputEvent {
    InputEvent::Button { code: BTN_LEFT, pressed }
}

/// Two qubes: `work` with the windows "work" and "more", `web` with "web". Every program takes drops.
fn world(config: &str) -> World {
    let mut world = World::two_qubes(config);
    world.add_window(0, "more", (200, 100), 0xff20_4060);
    for client in &mut world.clients {
        client.watch_clipboard();
        client.heard.drag.takes = true;
    }
    world.turn();
    world
}

fn point(world: &World, title: &str, dx: f64, dy: f64) -> InputEvent {
    let [x, y, ..] = world.content(title);
    InputEvent::PointerTo { x: f64::from(x) + dx, y: f64::from(y) + dy }
}

fn to(world: &mut World, title: &str) {
    let event = point(world, title, 30.0, 40.0);
    world.input(&[event]);
}

/// The person presses in a window of `work`, and its program drags this.
fn drag(world: &mut World, types: &[(&str, &[u8])]) {
    to(world, "work");
    world.input(&[button(true)]);
    world.clients[0].drag(0, types);
    world.turn();
}

fn release(world: &mut World) {
    world.input(&[button(false)]);
}

fn dropped(world: &mut World, client: usize) -> Vec<u8> {
    let pasted = world.clients[client].receive_drop(TEXT);
    world.turn();
    pasted.bytes()
}

fn told(world: &World, what: &str) -> bool {
    world.desktop.state().notices.iter().any(|notice| notice.contains(what))
}

fn source(world: &World) -> Vec<&str> {
    world.clients[0].heard.drag.source.iter().map(String::as_str).collect()
}

/// The program that dragged works as before: no button is stuck, and keys arrive.
fn all_is_well(world: &mut World) {
    world.clients[0].heard.buttons.clear();
    world.clients[0].heard.keys.clear();
    world.click_into("work");
    assert_eq!(world.clients[0].heard.buttons, [(BTN_LEFT, true), (BTN_LEFT, false)]);
    world.chord(&[30]);
    assert_eq!(world.clients[0].heard.keys, [(30, true), (30, false)]);
    assert_eq!(world.desktop.state().drag, None);
}

#[test]
fn over_all_windows_of_its_qube() {
    let mut world = world("");
    drag(&mut world, &[(TEXT, b"hello")]);
    to(&mut world, "work");
    let event = point(&world, "more", 70.0, 20.0);
    world.input(&[event]);
    assert_eq!(world.clients[0].dragged_over(), Some((1, 70.0, 20.0)), "window and place in it");
    let event = point(&world, "more", 71.0, 22.0);
    world.input(&[event]);
    assert_eq!(world.clients[0].dragged_over(), Some((1, 71.0, 22.0)));
    assert_eq!(dropped(&mut world, 0), b"hello", "it may be read while it is over the window");
    release(&mut world);
    assert_eq!(world.clients[0].heard.drag.events.last_chunk(), Some(&["drop", "leave"]));
    assert_eq!(dropped(&mut world, 0), b"hello");
    world.clients[0].finish_drop();
    world.turn();
    assert!(source(&world).ends_with(&["performed", "send text/plain", "finished"]), "{:?}", source(&world));
    assert!(world.clients[1].heard.drag.events.is_empty(), "nobody else hears of it");
    assert_eq!(world.desktop.state().prompt, None);
    all_is_well(&mut world);
}

#[test]
fn text_crosses_after_the_person_has_said_yes() {
    let mut world = world("");
    drag(&mut world, &[(TEXT, "grüße".as_bytes())]);
    let event = point(&world, "web", 60.0, 50.0);
    world.input(&[event]);
    assert_eq!(world.desktop.state().drag.as_deref(), Some("work: text → web, you are asked"));
    assert_eq!(world.clients[1].heard.pointer, None, "the other qube hears of no pointer (NO-ORACLE)");
    assert!(world.clients[1].heard.drag.events.is_empty(), "and of no drag");
    assert_eq!(world.clients[0].heard.drag.over, None, "the source only knows that it has left");
    let before = source(&world).len();
    release(&mut world);
    assert_eq!(world.desktop.state().prompt.as_deref(), Some("Drop text from work into web?"));
    assert_eq!(source(&world).len(), before, "the source hears nothing before the answer");
    world.chord(&[TAB]);
    world.chord(&[ENTER]);
    assert!(world.desktop.state().prompt.is_some(), "a hasty yes does not count");
    world.wait(Duration::from_millis(500));
    world.chord(&[ENTER]);
    assert_eq!(world.desktop.state().prompt, None);
    assert_eq!(world.clients[1].heard.drag.events, ["enter", "motion", "drop", "leave"]);
    assert_eq!(dropped(&mut world, 1), "grüße".as_bytes());
    assert!(world.clients[1].heard.drag_types().iter().any(|mime| mime == TEXT));
    assert!(source(&world).ends_with(&[
        "target text/plain",
        "action",
        "performed",
        "send text/plain",
        "finished"
    ]));
    assert!(told(&world, "dropped"));
    world.clients[1].finish_drop();
    world.turn();
    assert_eq!(world.clients[1].error, None);
    assert!(world.clients[1].offered().is_empty(), "its clipboard is as it was");
    all_is_well(&mut world);
}

#[test]
fn no_means_no() {
    let mut world = world("");
    drag(&mut world, &[(TEXT, b"secret")]);
    to(&mut world, "web");
    release(&mut world);
    world.chord(&[ESC]);
    assert_eq!(world.desktop.state().prompt, None);
    assert!(source(&world).ends_with(&["target nothing", "cancelled"]), "{:?}", source(&world));
    assert!(world.clients[1].heard.drag.events.is_empty());
    all_is_well(&mut world);
}

#[test]
fn a_rule_allows() {
    let mut world = world(ALLOW);
    let long: Vec<u8> = (0..300_000_u32).map(|i| b'a' + (i % 26) as u8).collect();
    drag(&mut world, &[(TEXT, &long)]);
    to(&mut world, "web");
    release(&mut world);
    for _ in 0..8 {
        world.turn();
    }
    let mut got = Vec::new();
    let mut pasted = world.clients[1].receive_drop(TEXT);
    for _ in 0..64 {
        world.turn();
        pasted.take(&mut got);
    }
    assert!(got == long, "{} bytes instead of {}", got.len(), long.len());
}

#[test]
fn a_rule_forbids_and_so_does_one_of_the_clipboard() {
    for config in [
        "drag { deny from=\"work\" to=\"web\"; }",
        "clipboard { deny from=\"work\" to=\"*\"; }\ndrag { otherwise \"allow\"; }",
    ] {
        let mut world = world(config);
        drag(&mut world, &[(TEXT, b"secret")]);
        to(&mut world, "web");
        assert_eq!(world.desktop.state().drag.as_deref(), Some("work: text → web, not allowed"));
        release(&mut world);
        assert_eq!(world.desktop.state().prompt, None);
        assert!(world.clients[1].heard.drag.events.is_empty());
        assert!(!source(&world).iter().any(|event| event.starts_with("send")));
        assert!(told(&world, "not allowed"));
        all_is_well(&mut world);
    }
}

#[test]
fn names_of_files_are_not_dropped() {
    let mut world = world(ALLOW);
    drag(&mut world, &[("text/uri-list", b"file:///home/user/a.txt\r\n")]);
    to(&mut world, "web");
    release(&mut world);
    assert!(world.clients[1].heard.drag.events.is_empty());
    assert!(told(&world, "transom-copy"), "{:?}", world.desktop.state().notices);
    all_is_well(&mut world);
}

#[test]
fn dom0_neither_takes_nor_gives() {
    let mut world = world(ALLOW);
    let dom0 = world.add_dom0_client();
    world.clients[dom0].listen();
    world.clients[dom0].watch_clipboard();
    world.clients[dom0].heard.drag.takes = true;
    world.add_window(dom0, "notes", (150, 80), PINK);
    drag(&mut world, &[(TEXT, b"secret")]);
    to(&mut world, "notes");
    assert_eq!(world.desktop.state().drag.as_deref(), Some("work: text → dom0, not allowed"));
    release(&mut world);
    assert!(world.clients[dom0].heard.drag.events.is_empty());
    assert!(told(&world, "not allowed"));
    to(&mut world, "notes");
    world.input(&[button(true)]);
    world.clients[dom0].drag(0, &[(TEXT, b"mine")]);
    world.turn();
    to(&mut world, "web");
    release(&mut world);
    assert!(world.clients[1].heard.drag.events.is_empty());
    all_is_well(&mut world);
}

#[test]
fn escape_ends_it_everywhere_and_loses_nothing() {
    let mut world = world(ALLOW);
    for over in ["work", "more", "web"] {
        world.clients[0].heard.drag.source.clear();
        drag(&mut world, &[(TEXT, b"secret")]);
        to(&mut world, over);
        world.chord(&[ESC]);
        assert_eq!(source(&world).last(), Some(&"cancelled"), "over {over}");
        assert_eq!(world.desktop.state().drag, None);
        release(&mut world);
        let events = &world.clients[0].heard.drag.events;
        assert!(!events.contains(&"drop"), "over {over}: {events:?}");
        assert!(world.clients[1].heard.drag.events.is_empty());
        assert!(!world.clients[0].heard.keys.contains(&(ESC, true)), "the key was dom0's");
        all_is_well(&mut world);
    }
}

#[test]
fn the_lock_ends_it() {
    let mut world = world(ALLOW);
    drag(&mut world, &[(TEXT, b"secret")]);
    to(&mut world, "more");
    world.desktop.lock();
    world.turn();
    assert_eq!(source(&world).last(), Some(&"cancelled"));
    assert!(!world.clients[0].heard.drag.events.contains(&"drop"), "it is not dropped where it was");
    release(&mut world);
    assert!(world.clients[1].heard.drag.events.is_empty());
}

#[test]
fn it_ends_with_a_question_that_nobody_answers() {
    let mut world = world("");
    drag(&mut world, &[(TEXT, b"secret")]);
    to(&mut world, "web");
    release(&mut world);
    assert!(world.desktop.state().prompt.is_some());
    world.wait(Duration::from_secs(30));
    assert_eq!(world.desktop.state().prompt, None);
    assert!(source(&world).ends_with(&["target nothing", "cancelled"]), "{:?}", source(&world));
    all_is_well(&mut world);
}

#[test]
fn a_source_that_never_finishes_is_given_up() {
    let mut world = world(ALLOW);
    world.clients[0].heard.clipboard.silent = true;
    drag(&mut world, &[(TEXT, b"secret")]);
    to(&mut world, "web");
    release(&mut world);
    world.wait(Duration::from_secs(3));
    assert!(told(&world, "in time"));
    world.clients[0].heard.clipboard.unanswered.clear();
    world.turn();
    assert!(world.clients[1].heard.drag.events.is_empty());
    all_is_well(&mut world);
}

#[test]
fn it_ends_with_its_window_and_its_program() {
    let mut world = world("");
    drag(&mut world, &[(TEXT, b"secret")]);
    to(&mut world, "web");
    release(&mut world);
    let clients = &mut world.clients;
    clients[1].windows()[0].toplevel.destroy();
    world.turn();
    assert_eq!(world.desktop.state().prompt, None, "there is nothing left to drop it on");
    assert!(told(&world, "window is gone"));
    all_is_well(&mut world);
}

#[test]
fn a_program_that_takes_nothing_gets_nothing_and_harms_nobody() {
    let mut world = world(ALLOW);
    world.clients[1].heard.drag.takes = false;
    drag(&mut world, &[(TEXT, b"secret")]);
    to(&mut world, "web");
    release(&mut world);
    assert_eq!(world.clients[1].heard.drag.events, ["enter", "motion"], "it may think about it");
    assert!(source(&world).ends_with(&["finished"]));
    all_is_well(&mut world);
}

#[test]
fn a_program_that_offers_thousands_of_types_harms_nobody() {
    let mut world = world(ALLOW);
    let names: Vec<String> = (0..3_000).map(|n| format!("x/{n}")).collect();
    let odd = ["\u{202e}text", "a\nb", ""];
    let types: Vec<(&str, &[u8])> =
        odd.into_iter().chain(names.iter().map(String::as_str)).map(|name| (name, b"x".as_slice())).collect();
    drag(&mut world, &types);
    to(&mut world, "web");
    assert_eq!(
        world.desktop.state().drag.as_deref(),
        Some("work: data → web"),
        "no word of it is the qube's"
    );
    release(&mut world);
    for _ in 0..4 {
        world.turn();
    }
    assert_eq!(world.clients[1].heard.drag_types(), ["x/0", "x/1", "x/2", "x/3"]);
    assert_eq!(world.desktop.state().qubes.len(), 2);
}

/// The qube's own picture is seen over its own windows only, and dom0's card elsewhere (FRAME).
#[test]
fn cards_and_icons() {
    let mut world = world("");
    to(&mut world, "work");
    world.input(&[button(true)]);
    world.clients[0].drag_with_icon(0, &[TEXT], (40, 20), PINK);
    world.turn();
    let pink = |world: &mut World| world.picture().pixels().filter(|p| p.0 == [0xff, 0x66, 0xaa]).count();
    to(&mut world, "more");
    assert!(pink(&mut world) > 0, "over its own windows its own picture, in its frame");
    assert_eq!(world.desktop.state().drag, None, "no card is in the way there");
    to(&mut world, "web");
    assert_eq!(pink(&mut world), 0, "no pixel of it over another qube");
    assert_golden("drag-card", &world.picture());
    release(&mut world);
    assert_golden("drag-prompt", &world.picture());
}

#[test]
fn a_drag_survives_another_qube_that_goes() {
    let mut world = world("");
    let third = world.add_qube("third", Label::Green);
    drag(&mut world, &[(TEXT, b"hello")]);
    world.qubes.remove(third);
    to(&mut world, "more");
    release(&mut world);
    assert!(world.clients[0].heard.drag.events.contains(&"drop"));
}

#[test]
fn a_paused_qube_loses_its_drag_and_no_button_sticks() {
    let mut world = world(ALLOW);
    drag(&mut world, &[(TEXT, b"secret")]);
    to(&mut world, "more");
    world.desktop.hold_qube("work", true);
    world.turn();
    assert_eq!(world.desktop.state().drag, None);
    release(&mut world);
    world.desktop.hold_qube("work", false);
    world.turn();
    assert_eq!(source(&world).last(), Some(&"cancelled"));
    assert!(!world.clients[0].heard.drag.events.contains(&"drop"));
    all_is_well(&mut world);
}

#[test]
fn a_press_that_is_held_when_its_qube_is_paused_does_not_stick() {
    let mut world = world("");
    to(&mut world, "work");
    world.input(&[button(true)]);
    world.desktop.hold_qube("work", true);
    world.turn();
    release(&mut world);
    world.desktop.hold_qube("work", false);
    world.turn();
    all_is_well(&mut world);
    to(&mut world, "more");
    assert!(world.clients[0].heard.pointer.is_some(), "the pointer goes on to other windows");
}

#[test]
fn a_new_desktop_knows_of_no_drag() {
    let mut world = world(ALLOW);
    drag(&mut world, &[(TEXT, b"secret")]);
    to(&mut world, "more");
    world.restart_desktop();
    world.frame();
    assert_eq!(source(&world).last(), Some(&"cancelled"));
    assert!(!world.clients[0].heard.drag.events.contains(&"drop"));
    all_is_well(&mut world);
}
