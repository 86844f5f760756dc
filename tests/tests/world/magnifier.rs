//! The screen made larger: around the pointer, with whole frames, and for the person only.

use transom::{config::Config, input::event::InputEvent};
use transom_protocol::types::AxisSource;
use transom_tests::fixture::{World, look::pixel};
use transom_theming::Label;

const SUPER: u32 = 125;
const ALT: u32 = 56;
const EQUAL: u32 = 13;
const MINUS: u32 = 12;
const ZERO: u32 = 11;

fn world() -> World {
    let mut world = World::with(Config::default(), (640, 400), 120);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "letter", (200, 120), 0xff2a_6f6f);
    world.click_into("letter");
    world
}

#[test]
fn everything_grows_around_the_pointer_and_the_pointer_stays() {
    let mut world = world();
    let before = world.picture();
    let state = world.desktop.state();
    let window = state.windows[0].clone();
    // Its lower right corner, so that two of its sides are to be seen.
    let [x, y, w, h] = window.outer;
    let at = (x + w - 20, y + h - 20);
    world.input(&[InputEvent::PointerTo { x: f64::from(at.0), y: f64::from(at.1) }]);
    for _ in 0..3 {
        world.chord(&[SUPER, ALT, EQUAL]);
    }
    let zoom = world.desktop.state().zoom;
    assert!((zoom - 1.25_f64.powi(3)).abs() < 1e-9, "{zoom}");
    let picture = world.picture();
    let grow = |v: i32, at: i32| (f64::from(v - at) * zoom + f64::from(at)).round() as i32;
    let rect = |[x, y, w, h]: [i32; 4]| {
        let (left, top) = (grow(x, at.0), grow(y, at.1));
        [left, top, grow(x + w, at.0) - left, grow(y + h, at.1) - top]
    };
    // The frame right of the content and beneath it, as far as it is on the screen; smoothed, so of mixed tones.
    let ([ox, oy, ow, oh], [cx, cy, cw, ch]) = (rect(window.outer), rect(window.content));
    for (xs, ys) in [(cx + cw..ox + ow, cy.max(30)..cy + ch), (cx.max(0)..cx + cw, cy + ch..oy + oh)] {
        let places: Vec<(i32, i32)> = xs.flat_map(|x| ys.clone().map(move |y| (x, y))).collect();
        let blue = |argb: u32| (argb & 0xff) as i32 - (argb >> 16 & 0xff) as i32 > 60;
        let count = places.iter().filter(|(x, y)| blue(pixel(&picture, *x, *y))).count();
        assert!(!places.is_empty() && count * 10 > places.len() * 6, "{count} of {}", places.len());
    }
    assert_eq!(world.clients[0].heard.said.len(), 0, "no program heard of it");
    assert_eq!(world.desktop.state().windows[0].outer, window.outer);
    // The pointer points at what is under it.
    let local = world.clients[0].heard.pointer.clone().map(|(_, x, y)| (x, y));
    assert_eq!(local, Some((f64::from(at.0 - window.content[0]), f64::from(at.1 - window.content[1]))));
    world.chord(&[SUPER, ALT, MINUS]);
    assert!(world.desktop.state().zoom < zoom);
    world.chord(&[SUPER, ALT, ZERO]);
    world.click_into("letter");
    assert_eq!(world.picture(), before, "as it was");
}

#[test]
fn super_with_the_wheel_does_the_same_and_reaches_no_program() {
    let mut world = world();
    let wheel = |y120: i32| InputEvent::Axis {
        source: AxisSource::Wheel,
        x: 0.0,
        y: f64::from(y120) / 8.0,
        x120: 0,
        y120,
        stop: (false, false),
        inverted: false,
    };
    world.input(&[InputEvent::Key { code: SUPER, pressed: true }, wheel(-120), wheel(-60)]);
    let zoom = world.desktop.state().zoom;
    assert!((zoom - 1.25_f64.powf(1.5)).abs() < 1e-9, "{zoom}");
    world.input(&[wheel(120 * 50)]);
    assert!((world.desktop.state().zoom - 1.0).abs() < f64::EPSILON);
    assert_eq!(world.clients[0].heard.said, [""; 0]);
    world.input(&[InputEvent::Key { code: SUPER, pressed: false }, wheel(120)]);
    world.turn();
    assert_ne!(world.clients[0].heard.said, [""; 0], "without Super it is the program's");
}

#[test]
fn a_large_pointer_points_at_the_same_place() {
    let white = |size: &str| {
        let config = Config::parse("c.kdl", size).unwrap();
        let mut world = World::with(config, (640, 400), 120);
        world.input(&[InputEvent::PointerTo { x: 300.0, y: 200.0 }]);
        let picture = world.picture();
        // Around the pointer there is nothing else that is white.
        let places = (250..450).flat_map(|x| (120..330).map(move |y| (x, y)));
        let white: Vec<(i32, i32)> =
            places.filter(|(x, y)| pixel(&picture, *x, *y) & 0x00ff_ffff == 0x00ff_ffff).collect();
        let near = white.iter().any(|(x, y)| (300..306).contains(x) && (200..212).contains(y));
        assert!(near, "{size}: its tip is where the pointer is");
        assert!(white.iter().all(|(x, y)| *x >= 299 && *y >= 199), "{size}: all of it lies below its tip");
        // It goes wholly when the pointer goes.
        world.input(&[InputEvent::PointerTo { x: 20.0, y: 380.0 }]);
        let picture = world.picture();
        assert!(white.iter().all(|(x, y)| pixel(&picture, *x, *y) & 0x00ff_ffff != 0x00ff_ffff), "{size}");
        white.len()
    };
    let (small, large) = (white("cursor-size 24"), white("cursor-size 96"));
    assert!(large > 12 * small, "{small}, {large}");
}

#[test]
fn the_lock_screen_is_made_larger_too() {
    let mut world = world();
    world.chord(&[SUPER, ALT, EQUAL]);
    world.desktop.lock();
    let large = world.picture();
    world.desktop.state();
    assert!((world.desktop.state().zoom - 1.25).abs() < 1e-9);
    let mut other = self::world();
    other.desktop.lock();
    assert_ne!(other.picture(), large);
}
