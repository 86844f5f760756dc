//! Rule INTENT against a qube that sends selections as it likes: unasked, too much, without end, late.

use std::time::Duration;

use transom::config::Config;
use transom_tests::fixture::{World, hostile::Hostile};
use transom_theming::Label;

const SUPER: u32 = 125;
const C: u32 = 46;
const V: u32 = 47;
const TEXT: &str = "text/plain;charset=utf-8";

/// A hostile qube with a window that has the focus, beside an innocent one.
fn world() -> (World, Hostile) {
    let config = Config::parse("test.kdl", "clipboard { max-mib 1; }").unwrap();
    let mut world = World::with(config, (800, 600), 120);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.clients[client].watch_clipboard();
    world.add_window(client, "mine", (200, 100), 0xff00_8080);
    let mut hostile = Hostile::with_window(&mut world);
    let state = world.desktop.state();
    let window = state.windows.iter().find(|w| w.qube == "evil").unwrap();
    let [x, y, ..] = window.content;
    world.click(f64::from(x) + 5.0, f64::from(y) + 5.0);
    hostile.acknowledge();
    (world, hostile)
}

/// The person copies out of the hostile qube; the request that comes of it.
fn copy_out(world: &mut World, hostile: &mut Hostile) -> u32 {
    hostile.offer(&[TEXT]);
    world.turn();
    world.chord(&[SUPER, C]);
    hostile.acknowledge();
    let (serial, mime) = hostile.requests.pop().expect("it is asked");
    assert_eq!(mime, TEXT);
    serial
}

fn told(world: &World, what: &str) -> bool {
    world.desktop.state().notices.iter().any(|notice| notice.contains(what))
}

/// Nothing is held, and the innocent qube gets nothing and works.
fn nothing_came_of_it(world: &mut World) {
    assert_eq!(world.desktop.state().clipboard, None);
    let [x, y, ..] = world.content("mine");
    world.click(f64::from(x) + 5.0, f64::from(y) + 5.0);
    world.chord(&[SUPER, V]);
    assert!(world.clients[0].offered().is_empty());
    world.chord(&[30]);
    assert_eq!(world.clients[0].heard.keys, [(30, true), (30, false)], "no key of a chord, and its own");
}

#[test]
fn unasked() {
    let (mut world, mut hostile) = world();
    hostile.offer(&[TEXT]);
    hostile.selection_data(7, b"rm -rf ~", true);
    world.turn();
    hostile.hear();
    assert!(hostile.closed && told(&world, "evil"), "it is cut off, and the person is told");
    nothing_came_of_it(&mut world);
}

#[test]
fn an_honest_answer_is_held() {
    let (mut world, mut hostile) = world();
    let serial = copy_out(&mut world, &mut hostile);
    hostile.selection_data(serial, b"text", true);
    world.turn();
    assert!(world.desktop.state().clipboard.is_some(), "or the others would show nothing");
}

#[test]
fn too_much() {
    let (mut world, mut hostile) = world();
    let serial = copy_out(&mut world, &mut hostile);
    for _ in 0..40 {
        // 40 times 32 KiB is over the mebibyte that is allowed.
        hostile.selection_data(serial, &vec![b'x'; 32 << 10], false);
        world.turn();
    }
    assert!(told(&world, "evil"), "{:?}", world.desktop.state().notices);
    nothing_came_of_it(&mut world);
}

#[test]
fn without_end() {
    let (mut world, mut hostile) = world();
    let serial = copy_out(&mut world, &mut hostile);
    for _ in 0..8 {
        hostile.selection_data(serial, b"a", false);
        world.wait(Duration::from_millis(500));
    }
    assert!(told(&world, "in time"), "{:?}", world.desktop.state().notices);
    nothing_came_of_it(&mut world);
}

#[test]
fn late() {
    let (mut world, mut hostile) = world();
    let serial = copy_out(&mut world, &mut hostile);
    world.wait(Duration::from_secs(4));
    hostile.selection_data(serial, b"late", true);
    world.turn();
    nothing_came_of_it(&mut world);
    assert_eq!(world.desktop.state().qubes.len(), 2, "being late breaks no rule");
}

#[test]
fn twice() {
    let (mut world, mut hostile) = world();
    let serial = copy_out(&mut world, &mut hostile);
    hostile.selection_data(serial, b"one", true);
    hostile.selection_data(serial, b"two", true);
    world.turn();
    hostile.hear();
    assert!(hostile.closed, "the request was answered: a second answer is unasked");
}

#[test]
fn fingers_go_to_the_window_they_came_down_on_and_to_no_other() {
    use transom::input::event::InputEvent;
    let (mut world, mut hostile) = world();
    let [x, y, ..] = world.content("mine");
    let (x, y) = (f64::from(x) + 5.0, f64::from(y) + 5.0);
    world.input(&[InputEvent::TouchDown { id: 4, x, y }, InputEvent::TouchFrame]);
    let state = world.desktop.state();
    let [ex, ey, ..] = state.windows.iter().find(|w| w.qube == "evil").unwrap().content;
    let over_evil = InputEvent::TouchMotion { id: 4, x: f64::from(ex) + 5.0, y: f64::from(ey) + 5.0 };
    world.input(&[over_evil, InputEvent::TouchUp { id: 4 }, InputEvent::TouchFrame]);
    hostile.hear();
    assert!(hostile.fingers.is_empty(), "a finger of another window, dragged over this one (NO-ORACLE)");
    let down = InputEvent::TouchDown { id: 5, x: f64::from(ex) + 5.0, y: f64::from(ey) + 5.0 };
    world.input(&[down, InputEvent::TouchFrame]);
    hostile.hear();
    assert_eq!(hostile.fingers, [(1, 5)]);
}
