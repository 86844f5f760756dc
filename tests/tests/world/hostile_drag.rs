//! Rule INTENT against a qube that drags as it likes: without a press, of others, again and again, late.

use transom::{
    config::Config,
    input::event::{BTN_LEFT, InputEvent},
};
use transom_tests::fixture::{World, hostile::Hostile};
use transom_theming::Label;

const TEXT: &str = "text/plain";

/// A hostile qube with a window, beside an innocent one whose program takes drops.
fn world() -> (World, Hostile, (f64, f64)) {
    let config =
        Config::parse("test.kdl", "drag { otherwise \"allow\"; }\nclipboard { max-mib 1; }").unwrap();
    let mut world = World::with(config, (800, 600), 120);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.clients[client].watch_clipboard();
    world.clients[client].heard.drag.takes = true;
    world.add_window(client, "mine", (200, 100), 0xff00_8080);
    let mut hostile = Hostile::with_window(&mut world);
    let state = world.desktop.state();
    let [x, y, ..] = state.windows.iter().find(|w| w.qube == "evil").unwrap().content;
    hostile.acknowledge();
    (world, hostile, (f64::from(x) + 5.0, f64::from(y) + 5.0))
}

fn button(pressed: bool) -> InputEvent {
    InputEvent::Button { code: BTN_LEFT, pressed }
}

/// The person presses in the hostile qube's window; the serial of that.
fn press(world: &mut World, hostile: &mut Hostile, (x, y): (f64, f64)) -> u32 {
    world.input(&[InputEvent::PointerTo { x, y }]);
    world.input(&[button(true)]);
    hostile.hear();
    hostile.presses.pop().expect("it has the press").1
}

fn over_mine(world: &mut World) {
    let [x, y, ..] = world.content("mine");
    world.input(&[InputEvent::PointerTo { x: f64::from(x) + 9.0, y: f64::from(y) + 9.0 }]);
}

fn nothing_came_of_it(world: &mut World, hostile: &mut Hostile) {
    world.turn();
    hostile.hear();
    assert_eq!(hostile.drags, [], "it is not taken up");
    assert!(!hostile.closed, "and breaks no rule");
    assert_eq!(world.desktop.state().drag, None);
    assert!(world.clients[0].heard.drag.events.is_empty());
}

#[test]
fn without_a_press() {
    let (mut world, mut hostile, _) = world();
    for press in 0..40 {
        hostile.drag(1, press, &[TEXT]);
    }
    nothing_came_of_it(&mut world, &mut hostile);
    over_mine(&mut world);
    world.input(&[button(true)]);
    hostile.drag(1, 1, &[TEXT]);
    nothing_came_of_it(&mut world, &mut hostile);
    world.input(&[button(false)]);
    assert_eq!(world.clients[0].heard.buttons.len(), 2, "the press of the other qube is its own");
}

#[test]
fn after_the_release() {
    let (mut world, mut hostile, at) = world();
    let serial = press(&mut world, &mut hostile, at);
    world.input(&[button(false)]);
    hostile.drag(1, serial, &[TEXT]);
    nothing_came_of_it(&mut world, &mut hostile);
}

#[test]
fn again_and_again_with_one_press() {
    let (mut world, mut hostile, at) = world();
    let serial = press(&mut world, &mut hostile, at);
    for _ in 0..500 {
        hostile.drag(1, serial, &[TEXT]);
    }
    for _ in 0..4 {
        world.turn();
    }
    hostile.hear();
    assert_eq!(hostile.drags, [(serial, true)], "one press, one drag");
    let pointed = hostile.pointed;
    over_mine(&mut world);
    world.input(&[button(false)]);
    hostile.hear();
    assert_eq!(hostile.pointed, pointed, "it hears of no pointer outside its windows");
    let (request, mime) = hostile.requests.pop().expect("it is asked once");
    assert_eq!((mime.as_str(), hostile.requests.len()), (TEXT, 0));
    // It drags on after the release; and answers twice, of which the second is unasked.
    hostile.drag(1, serial, &[TEXT]);
    hostile.selection_data(request, b"text", true);
    world.turn();
    world.turn();
    hostile.hear();
    assert_eq!(hostile.drags, [(serial, true), (serial, false)]);
    assert_eq!(world.clients[0].heard.drag.events, ["enter", "motion", "drop", "leave"]);
    hostile.selection_data(request, b"more", true);
    world.turn();
    hostile.hear();
    assert!(hostile.closed, "an answer to nothing ends it");
}

#[test]
fn more_than_the_limit() {
    let (mut world, mut hostile, at) = world();
    let serial = press(&mut world, &mut hostile, at);
    hostile.drag(1, serial, &[TEXT]);
    world.turn();
    over_mine(&mut world);
    world.input(&[button(false)]);
    hostile.hear();
    let (request, _) = hostile.requests.pop().expect("it is asked");
    for _ in 0..40 {
        hostile.selection_data(request, &vec![b'x'; 32 << 10], false);
        world.turn();
    }
    let notices = world.desktop.state().notices;
    assert!(notices.iter().any(|notice| notice.contains("larger than the limit")), "{notices:?}");
    assert!(world.clients[0].heard.drag.events.is_empty());
}

#[test]
fn a_target_that_never_reads_delays_nobody() {
    let (mut world, mut hostile, (x, y)) = world();
    let text = vec![b'x'; 900 << 10];
    for round in 1..4 {
        over_mine(&mut world);
        world.input(&[button(true)]);
        world.clients[0].drag(0, &[(TEXT, &text)]);
        world.turn();
        world.input(&[InputEvent::PointerTo { x, y }]);
        world.input(&[button(false)]);
        for _ in 0..32 {
            world.turn();
        }
        let told = &world.clients[0].heard.drag.source;
        let finished = told.iter().filter(|event| *event == "finished").count();
        assert_eq!(finished, round, "{told:?}");
        over_mine(&mut world);
        assert!(world.clients[0].heard.pointer.is_some());
    }
    hostile.hear();
    assert!(!hostile.drops.is_empty() || hostile.closed);
}
