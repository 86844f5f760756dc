//! Gestures and scrolling: whose they are, and that each has an end.

use transom::{
    config::gestures::SwitchEvent,
    input::event::{Gesture, InputEvent},
};
use transom_protocol::types::{
    AxisSource,
    GestureKind::{self, Hold, Pinch, Swipe},
    GesturePhase::{self, Begin, Cancel, End, Update},
};
use transom_tests::fixture::World;

fn world_with(config: &str) -> World {
    let mut world = World::two_qubes(config);
    for client in &mut world.clients {
        client.listen_to_gestures();
    }
    point_at(&mut world, "work");
    world
}

fn point_at(world: &mut World, title: &str) {
    let [x, y, ..] = world.content(title);
    world.input(&[InputEvent::PointerTo { x: f64::from(x) + 7.0, y: f64::from(y) + 8.0 }]);
}

fn gesture(kind: GestureKind, phase: GesturePhase, fingers: u32) -> Gesture {
    Gesture { kind, phase, fingers, ..Gesture::default() }
}

/// A gesture in whole, with one step in between.
fn all_of(world: &mut World, kind: GestureKind, fingers: u32, (dx, dy): (f64, f64), scale: f64) {
    let step = Gesture { dx, dy, scale, ..gesture(kind, Update, fingers) };
    let events = [gesture(kind, Begin, fingers), step, gesture(kind, End, fingers)];
    world.input(&events.map(InputEvent::Gesture));
}

fn said(world: &mut World) -> [Vec<String>; 2] {
    [0, 1].map(|client| world.clients[client].take_said())
}

#[test]
fn a_pinch_is_for_the_window_under_the_pointer_to_the_last_digit() {
    let mut world = world_with("");
    all_of(&mut world, Pinch, 2, (1.5, -0.25), 1.25);
    let heard = ["pinch of 2", "pinch by 1.5 -0.25 to 1.25 about 0", "pinch ends"];
    assert_eq!(said(&mut world), [heard.map(str::to_owned).to_vec(), vec![]]);
    point_at(&mut world, "web");
    all_of(&mut world, Swipe, 4, (100.0, 0.0), 1.0);
    let heard = ["swipe of 4", "swipe by 100 0", "swipe ends"];
    assert_eq!(said(&mut world), [vec![], heard.map(str::to_owned).to_vec()]);
    world.input(&[
        InputEvent::Gesture(gesture(Hold, Begin, 2)),
        InputEvent::Gesture(gesture(Hold, Cancel, 2)),
    ]);
    assert_eq!(said(&mut world)[1], ["hold of 2", "hold is cancelled"]);
}

#[test]
fn a_gesture_of_the_desktop_is_told_to_nobody() {
    let mut world = world_with("");
    world.input(&[
        InputEvent::Gesture(gesture(Hold, Begin, 3)),
        InputEvent::Gesture(gesture(Hold, Cancel, 3)),
    ]);
    all_of(&mut world, Swipe, 3, (-200.0, 20.0), 1.0);
    assert_eq!(world.desktop.state().workspace, 2);
    all_of(&mut world, Swipe, 3, (200.0, 20.0), 1.0);
    assert_eq!(world.desktop.state().workspace, 1);
    // Neither the first workspace nor a short way leads anywhere.
    all_of(&mut world, Swipe, 3, (200.0, 20.0), 1.0);
    all_of(&mut world, Swipe, 3, (-20.0, 0.0), 1.0);
    let cancelled = [gesture(Swipe, Begin, 3), Gesture { dx: -200.0, ..gesture(Swipe, Update, 3) }];
    world.input(&cancelled.map(InputEvent::Gesture));
    world.input(&[InputEvent::Gesture(gesture(Swipe, Cancel, 3))]);
    assert_eq!(world.desktop.state().workspace, 1);
    assert_eq!(said(&mut world), [Vec::<String>::new(), vec![]]);
}

#[test]
fn gestures_are_bound_and_given_back() {
    let mut world = world_with(
        "bind \"4-pinch-in\" \"workspace\" \"3\"\nunbind \"3-swipe-left\"\nunbind \"3-swipe-right\"",
    );
    all_of(&mut world, Swipe, 3, (-200.0, 0.0), 1.0);
    assert_eq!(world.desktop.state().workspace, 1);
    assert_eq!(said(&mut world)[0].len(), 3, "it is the program's now");
    all_of(&mut world, Pinch, 4, (0.0, 0.0), 0.5);
    assert_eq!(world.desktop.state().workspace, 3);
    assert_eq!(said(&mut world)[0], [""; 0]);
}

#[test]
fn every_gesture_that_began_ends() {
    let begin = InputEvent::Gesture(gesture(Pinch, Begin, 2));
    let over = ["pinch of 2", "pinch is cancelled"];
    let rest = [InputEvent::Gesture(gesture(Pinch, Update, 2)), InputEvent::Gesture(gesture(Pinch, End, 2))];

    let mut world = world_with("");
    world.input(&[begin]);
    point_at(&mut world, "web");
    world.input(&rest);
    assert_eq!(said(&mut world), [over.map(str::to_owned).to_vec(), vec![]], "the pointer left");

    point_at(&mut world, "work");
    world.input(&[begin, InputEvent::Lost]);
    world.input(&rest);
    assert_eq!(said(&mut world)[0], over, "the devices were lost");

    world.input(&[begin]);
    world.desktop.hold_qube("work", true);
    world.frame();
    world.desktop.hold_qube("work", false);
    world.input(&rest);
    assert_eq!(said(&mut world)[0], over, "the qube was paused");

    world.input(&[begin]);
    world.restart_desktop();
    assert_eq!(said(&mut world)[0], over, "dom0's compositor died");

    let mut world = world_with("");
    world.input(&[begin]);
    world.desktop.lock();
    world.input(&rest);
    world.input(&[begin]);
    world.input(&rest);
    world.frame();
    assert_eq!(said(&mut world)[0], over, "the desktop was locked, and nobody hears of what follows");
}

#[test]
fn a_window_that_goes_takes_its_gesture_along() {
    let mut world = world_with("");
    world.input(&[InputEvent::Gesture(gesture(Pinch, Begin, 2))]);
    world.clients[0].windows()[0].toplevel.destroy();
    world.clients[0].windows()[0].surface.destroy();
    world.frame();
    world.input(&[
        InputEvent::Gesture(gesture(Pinch, Update, 2)),
        InputEvent::Gesture(gesture(Pinch, End, 2)),
    ]);
    assert_eq!(world.desktop.state().qubes.len(), 2, "no rule was broken");
    point_at(&mut world, "web");
    all_of(&mut world, Pinch, 2, (0.0, 0.0), 2.0);
    assert_eq!(said(&mut world)[1].len(), 3);
}

fn scroll(source: AxisSource, (x, y): (f64, f64), (x120, y120): (i32, i32)) -> InputEvent {
    let stop = (false, false);
    InputEvent::Axis { source, x, y, x120, y120, stop, inverted: false }
}

#[test]
fn scrolling_is_told_in_full() {
    let mut world = world_with("");
    world.input(&[scroll(AxisSource::Wheel, (0.0, 3.75), (0, 30))]);
    assert_eq!(said(&mut world)[0], ["scrolls by wheel", "vertically 30/120", "vertically 3.75"]);
    world.input(&[scroll(AxisSource::Finger, (2.5, 0.0), (0, 0))]);
    assert_eq!(said(&mut world)[0], ["scrolls by finger", "horizontally 2.5"]);
    let InputEvent::Axis { source, x120, y120, inverted, .. } =
        scroll(AxisSource::Finger, (0.0, 0.0), (0, 0))
    else {
        unreachable!()
    };
    let stopped = InputEvent::Axis { source, x: 0.0, y: 1.0, x120, y120, stop: (true, false), inverted };
    world.input(&[stopped]);
    assert_eq!(
        said(&mut world)[0],
        ["scrolls by finger", "horizontally no more", "vertically 1"],
        "each way stops by itself"
    );
    let natural =
        InputEvent::Axis { source, x: 0.0, y: 5.0, x120, y120, stop: (false, false), inverted: true };
    world.input(&[natural]);
    let heard = said(&mut world);
    assert!(heard[0].contains(&"vertically inverted".into()), "{heard:?}");
}

#[test]
fn a_switch_does_what_it_is_bound_to() {
    let mut world = world_with("switch \"lid-close\" \"workspace\" \"4\"");
    world.input(&[InputEvent::Switch(SwitchEvent::TabletModeOn)]);
    assert_eq!(world.desktop.state().workspace, 1);
    assert_eq!(world.desktop.state().lock, "open");
    world.input(&[InputEvent::Switch(SwitchEvent::LidClose)]);
    assert_eq!(world.desktop.state().workspace, 4);
    world.frame();
    assert_eq!(world.desktop.state().lock, "locked", "a lid that closes locks, too");
}
