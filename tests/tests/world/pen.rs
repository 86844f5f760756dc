//! A pen: a pen to programs that know one, a pointer to others and to dom0's own pictures.

use transom::input::event::{InputEvent, ToolAct, ToolAxes};
use transom_protocol::types::{ToolKind, tool_axes};
use transom_tests::fixture::World;

const BTN_LEFT: u32 = 0x110;
const BTN_STYLUS: u32 = 0x14b;
const SUPER: u32 = 125;

/// Two windows; the program of the first knows tablets.
fn world() -> World {
    let mut world = World::two_qubes("");
    world.clients[0].listen_to_tablets();
    world.turn();
    world
}

const PEN: ToolAct = ToolAct::In { kind: ToolKind::Pen, axes: tool_axes::PRESSURE | tool_axes::TILT };

fn pen(act: ToolAct, (x, y): (f64, f64), pressure: f64) -> InputEvent {
    let axes = ToolAxes { pressure, tilt: (10.0, -5.5), ..ToolAxes::default() };
    InputEvent::Tool { act, x, y, axes }
}

/// A place in a window's content.
fn inside(world: &World, title: &str, (x, y): (f64, f64)) -> (f64, f64) {
    let [left, top, ..] = world.content(title);
    (f64::from(left) + x, f64::from(top) + y)
}

fn said(world: &mut World, client: usize) -> Vec<String> {
    world.clients[client].take_said()
}

#[test]
fn a_pen_draws_and_nobody_learns_whose_it_is() {
    let mut world = world();
    assert_eq!(said(&mut world, 0), [""; 0], "no program knows of a tablet before there is one over it");
    let at = inside(&world, "work", (7.0, 8.5));
    world.input(&[pen(PEN, at, 0.0)]);
    assert_eq!(
        said(&mut world, 0),
        [
            "a tablet Tablet",
            "a pen",
            "it has pressure",
            "it has tilt",
            "in",
            "at 7 8.5",
            "at 7 8.5",
            "pressure 0",
            "distance 0",
            "tilt 10 -5.5",
            "slider 0",
            "rotation 0",
        ],
        "neither number nor serial"
    );
    assert_eq!(world.clients[0].heard.pointer, None, "where a pen is, no pointer is");
    world.input(&[pen(ToolAct::Tip(true), at, 0.5)]);
    let heard = said(&mut world, 0);
    assert_eq!(heard.last().map(String::as_str), Some("down"));
    assert!(heard.contains(&"pressure 32768".into()), "{heard:?}");
    assert!(world.desktop.state().windows.iter().any(|w| w.title == "work" && w.focused), "as by a click");
    // The stroke leaves the window, and is the window's to its end.
    let outside = inside(&world, "work", (9.0, 300.0));
    world.input(&[pen(ToolAct::Moved, outside, 1.0)]);
    let heard = said(&mut world, 0);
    assert!(heard.contains(&"at 9 300".into()) && heard.contains(&"pressure 65535".into()), "{heard:?}");
    world.input(&[pen(ToolAct::Tip(false), outside, 0.0)]);
    let heard = said(&mut world, 0);
    assert_eq!(heard[heard.len() - 2..], ["up", "out"], "{heard:?}");
    assert_eq!(said(&mut world, 1), [""; 0]);
}

#[test]
fn buttons_of_a_pen_are_let_go_of() {
    let mut world = world();
    let at = inside(&world, "work", (7.0, 8.0));
    let button = ToolAct::Button { code: BTN_STYLUS, pressed: true };
    world.input(&[pen(PEN, at, 0.0), pen(button, at, 0.0)]);
    assert!(said(&mut world, 0).contains(&"button 0x14b pressed".into()));
    world.input(&[pen(ToolAct::Out, at, 0.0)]);
    assert_eq!(said(&mut world, 0), ["button 0x14b released", "out"]);
    assert!(world.clients[0].heard.pointer.is_some(), "the pointer is where the pen was");
}

#[test]
fn a_pen_is_a_pointer_to_a_program_without_tablets() {
    let mut world = world();
    let at = inside(&world, "web", (7.0, 8.0));
    world.input(&[pen(PEN, at, 0.0), pen(ToolAct::Tip(true), at, 0.5), pen(ToolAct::Tip(false), at, 0.0)]);
    let heard = &world.clients[1].heard;
    assert!(matches!(&heard.pointer, Some((_, x, y)) if (*x, *y) == (7.0, 8.0)), "{:?}", heard.pointer);
    assert_eq!(heard.buttons, [(BTN_LEFT, true), (BTN_LEFT, false)]);
    world.input(&[pen(ToolAct::Moved, inside(&world, "work", (1.0, 1.0)), 0.0)]);
    assert_eq!(world.clients[1].heard.pointer, None);
    assert!(said(&mut world, 0).contains(&"in".into()));
}

#[test]
fn a_pen_comes_where_it_is_and_not_where_the_pointer_was() {
    let mut world = world();
    let (there, here) = (inside(&world, "work", (7.0, 8.0)), inside(&world, "web", (7.0, 8.0)));
    world.input(&[InputEvent::PointerTo { x: there.0, y: there.1 }]);
    world.input(&[pen(PEN, here, 0.0)]);
    assert_eq!(said(&mut world, 0), [""; 0]);
    assert_eq!(world.clients[0].heard.pointer, None);
    assert!(world.clients[1].heard.pointer.is_some());
}

#[test]
fn frames_are_moved_by_a_pen() {
    let mut world = world();
    let [x, y, ..] = world.content("work");
    let title = (f64::from(x) + 40.0, f64::from(y) - 8.0);
    let moved = (title.0 + 60.0, title.1 + 30.0);
    world.input(&[pen(PEN, title, 0.0), pen(ToolAct::Tip(true), title, 0.5)]);
    world.input(&[pen(ToolAct::Moved, moved, 0.5)]);
    world.input(&[pen(ToolAct::Tip(false), moved, 0.0)]);
    let [nx, ny, ..] = world.content("work");
    assert_eq!((nx - x, ny - y), (60, 30));
    assert!(!said(&mut world, 0).contains(&"down".into()), "no press on a frame reaches a qube");
    // With Super the content moves it, too.
    let at = inside(&world, "work", (50.0, 50.0));
    world.input(&[InputEvent::Key { code: SUPER, pressed: true }]);
    world.input(&[pen(ToolAct::Moved, at, 0.0), pen(ToolAct::Tip(true), at, 0.5)]);
    world.input(&[pen(ToolAct::Moved, (at.0 - 20.0, at.1), 0.5)]);
    world.input(&[pen(ToolAct::Tip(false), (at.0 - 20.0, at.1), 0.0)]);
    world.input(&[InputEvent::Key { code: SUPER, pressed: false }]);
    assert_eq!(world.content("work")[0], nx - 20);
    assert!(!said(&mut world, 0).contains(&"down".into()));
}

#[test]
fn a_program_moves_its_window_with_the_pen_that_is_down() {
    let mut world = world();
    let [x, ..] = world.content("work");
    let at = inside(&world, "work", (50.0, 50.0));
    world.input(&[pen(PEN, at, 0.0), pen(ToolAct::Tip(true), at, 0.5)]);
    world.clients[0].move_by_press(0);
    world.frame();
    world.input(&[pen(ToolAct::Moved, (at.0 + 25.0, at.1), 0.5)]);
    world.input(&[pen(ToolAct::Tip(false), (at.0 + 25.0, at.1), 0.0)]);
    assert_eq!(world.content("work")[0], x + 25);
    world.clients[0].move_by_press(0);
    world.frame();
    world.input(&[pen(ToolAct::Moved, (at.0 + 50.0, at.1), 0.0)]);
    assert_eq!(world.content("work")[0], x + 25, "a press that is over means nothing (INTENT)");
}

#[test]
fn whatever_happens_the_pen_is_out() {
    let mut world = world();
    let at = inside(&world, "work", (7.0, 8.0));
    let draw = [pen(PEN, at, 0.0), pen(ToolAct::Tip(true), at, 0.5)];
    world.input(&draw);
    said(&mut world, 0);
    world.input(&[InputEvent::Lost]);
    assert_eq!(said(&mut world, 0), ["up", "out"], "the devices were lost");

    world.input(&draw);
    said(&mut world, 0);
    world.desktop.hold_qube("work", true);
    world.frame();
    assert_eq!(said(&mut world, 0), ["up", "out"], "the qube was paused");
    world.input(&[pen(ToolAct::Tip(false), at, 0.0), pen(ToolAct::Out, at, 0.0)]);
    world.desktop.hold_qube("work", false);

    world.input(&draw);
    said(&mut world, 0);
    world.restart_desktop();
    assert_eq!(said(&mut world, 0), ["up", "out"], "dom0's compositor died");

    world.input(&draw);
    world.clients[0].windows()[0].toplevel.destroy();
    world.clients[0].windows()[0].surface.destroy();
    world.frame();
    world.input(&[
        pen(ToolAct::Moved, at, 0.1),
        pen(ToolAct::Tip(false), at, 0.0),
        pen(ToolAct::Out, at, 0.0),
    ]);
    assert_eq!(world.desktop.state().qubes.len(), 2, "no rule was broken");
}
