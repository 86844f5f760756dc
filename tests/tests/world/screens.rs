//! Several screens: each with a bar, a scale and a pace of its own.

use image::RgbImage;
use smithay::utils::{Logical, Point};
use transom::{
    input::event::{BTN_LEFT, InputEvent},
    ipc::Window,
};
use transom_tests::fixture::{
    World, assert_golden,
    look::{PAINT, assert_framed, on_screen},
};
use transom_theming::{Label, Theme, Variant};

/// Two screens of 640 × 400 logical pixels.
const SCREENS: [(&str, (i32, i32), u32); 2] = [("left", (640, 400), 120), ("right", (960, 600), 180)];
const WIDTH: i32 = 640;
const PAINTED: u32 = 0xff13_579b;
const ALT: u32 = 56;
const TAB: u32 = 15;
const A: u32 = 30;

fn two_screens() -> World {
    let mut world = World::with_screens(&SCREENS);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.clients[client].listen_to_screens();
    world.turn();
    world
}

fn window(world: &World, title: &str) -> Window {
    world.desktop.state().windows.into_iter().find(|window| window.title == title).unwrap()
}

/// Drags a window by its title bar until its frame begins at a place.
fn drag_to(world: &mut World, title: &str, to: (i32, i32)) {
    let [x, y, ..] = window(world, title).outer;
    let grip = |x: i32, y: i32| InputEvent::PointerTo { x: f64::from(x + 60), y: f64::from(y + 10) };
    world.input(&[grip(x, y), InputEvent::Button { code: BTN_LEFT, pressed: true }]);
    world.input(&[grip(to.0, to.1)]);
    world.input(&[InputEvent::Button { code: BTN_LEFT, pressed: false }]);
    let [x, y, ..] = window(world, title).outer;
    assert_eq!((x, y), to);
}

/// Rule FRAME on one screen, with the frame's own edges sharp; how much of the paint is to be seen.
fn framed(picture: &RgbImage, window: &Window) -> usize {
    assert_framed(picture, window, Label::Blue);
    let [x, y, w, h] = window.content;
    let mut inside = 0;
    for (px, py, pixel) in picture.enumerate_pixels() {
        let (px, py) = (px as i32, py as i32);
        let is_paint = *pixel == PAINT;
        let is_inside = (x..x + w).contains(&px) && (y..y + h).contains(&py);
        assert!(!is_paint || is_inside, "a pixel of the qube at {px}, {py}, outside of {window:?}");
        inside += usize::from(is_paint);
    }
    inside
}

fn has_bar(picture: &RgbImage, scale: u32) -> bool {
    let height = Theme::builtin(Variant::Dark).bar_height() as u32 * scale / 120;
    let empty = picture.get_pixel(2, picture.height() - 2);
    (0..picture.width()).all(|x| picture.get_pixel(x, height / 2) != empty)
}

#[test]
fn a_window_over_two_screens_of_different_scale_is_whole_and_framed_on_each() {
    let mut world = two_screens();
    world.add_window(0, "wide", (300, 160), PAINTED);
    drag_to(&mut world, "wide", (500, 80));
    let seen = window(&world, "wide");
    let [x, _, w, h] = seen.content;
    let (left, right) = (world.picture_of("left"), world.picture_of("right"));
    assert_eq!((left.dimensions(), right.dimensions()), ((640, 400), (960, 600)));
    let paint = framed(&left, &on_screen(&seen, (0, 0), 120));
    // All of it but where the pointer is.
    assert!(paint as i32 > (WIDTH - x) * h * 9 / 10, "{paint}");
    let paint = framed(&right, &on_screen(&seen, (WIDTH, 0), 180));
    assert!(paint as i32 > (x + w - WIDTH) * h * 9 / 4 * 9 / 10, "{paint}");
    for (picture, scale) in [(&left, 120), (&right, 180)] {
        assert!(has_bar(picture, scale), "each screen has a bar");
    }
    assert_golden("screens-left", &left);
    assert_golden("screens-right", &right);
    // All of the desktop at the larger scale.
    let whole = world.picture();
    assert_eq!(whole.dimensions(), (1920, 600));
    assert_eq!(image::imageops::crop_imm(&whole, 960, 0, 960, 600).to_image(), right);
}

#[test]
fn a_window_is_told_of_the_screen_that_shows_most_of_it() {
    let mut world = two_screens();
    world.add_window(0, "w", (200, 100), PAINTED);
    // Nothing is said of a scale of 1.
    let told = |world: &World| {
        let window = &world.clients[0].windows()[0];
        (window.scale.max(1), window.on.clone())
    };
    drag_to(&mut world, "w", (100, 100));
    let (scale, left) = told(&world);
    assert_eq!((scale, left.len()), (1, 1));
    drag_to(&mut world, "w", (520, 100));
    assert_eq!(told(&world), (1, left.clone()), "most of it is still there");
    drag_to(&mut world, "w", (600, 100));
    // The next whole scale up, for a program that knows no others.
    let (scale, right) = told(&world);
    assert_eq!((scale, right.len()), (2, 1));
    assert_ne!(left, right);
}

#[test]
fn a_slow_screen_holds_neither_the_frames_nor_the_keys_of_the_other() {
    let mut world = two_screens();
    for title in ["here", "there"] {
        world.add_window(0, title, (200, 100), PAINTED);
    }
    drag_to(&mut world, "there", (700, 100));
    drag_to(&mut world, "here", (100, 100));
    let ids: Vec<u32> = world.desktop.screens.iter().map(|screen| screen.id).collect();
    let frames =
        |world: &World| -> Vec<usize> { world.clients[0].windows().iter().map(|w| w.frames).collect() };
    world.frame();
    let before = frames(&world);
    for window in 0..2 {
        world.clients[0].show(window, (200, 100), 0xff00_ff00);
    }
    world.turn();
    assert!(world.desktop.screens.iter().all(|screen| screen.dirty));
    // Only the right screen is drawn: only its window may go on.
    assert!(world.desktop.frame_of(ids[1]));
    world.turn();
    assert_eq!(frames(&world), [before[0], before[1] + 1]);
    // What changes on one screen leaves the other alone.
    world.frame();
    world.clients[0].show(1, (200, 100), 0xff00_00ff);
    world.turn();
    let dirty: Vec<bool> = world.desktop.screens.iter().map(|screen| screen.dirty).collect();
    assert_eq!(dirty, [false, true]);

    // Keys wait for the screen of the window that was chosen, and for no other (FOCUS).
    world.frame();
    let [x, y, ..] = window(&world, "there").content;
    world.desktop.input(InputEvent::PointerTo { x: f64::from(x + 20), y: f64::from(y + 20) });
    for pressed in [true, false] {
        world.desktop.input(InputEvent::Button { code: BTN_LEFT, pressed });
    }
    world.desktop.input(InputEvent::Key { code: A, pressed: true });
    world.turn();
    assert!(world.desktop.frame_of(ids[0]));
    world.turn();
    assert!(world.clients[0].heard.keys.is_empty(), "the right screen still shows another focus");
    assert!(world.desktop.frame_of(ids[1]));
    world.turn();
    assert_eq!(world.clients[0].heard.keys, [(A, true)]);
}

#[test]
fn keys_wait_for_both_screens_that_show_a_window() {
    let mut world = two_screens();
    for title in ["wide", "other"] {
        world.add_window(0, title, (200, 100), PAINTED);
    }
    drag_to(&mut world, "wide", (540, 200));
    drag_to(&mut world, "other", (100, 60));
    let ids: Vec<u32> = world.desktop.screens.iter().map(|screen| screen.id).collect();
    let [x, y, ..] = window(&world, "wide").content;
    world.desktop.input(InputEvent::PointerTo { x: f64::from(x + 10), y: f64::from(y + 10) });
    for pressed in [true, false] {
        world.desktop.input(InputEvent::Button { code: BTN_LEFT, pressed });
    }
    world.desktop.input(InputEvent::Key { code: A, pressed: true });
    for (index, id) in ids.into_iter().enumerate() {
        world.turn();
        assert!(world.clients[0].heard.keys.is_empty(), "after {index} screens");
        assert!(world.desktop.frame_of(id));
    }
    world.turn();
    assert_eq!(world.clients[0].heard.keys, [(A, true)]);
}

#[test]
fn the_pointer_crosses_and_never_leaves() {
    // The right one is lower by 100.
    let mut world = World::with_screens(&[("left", (640, 400), 120), ("right", (640, 200), 120)]);
    world.input(&[InputEvent::PointerTo { x: 600.0, y: 100.0 }]);
    let by = |dx: f64, dy: f64| InputEvent::PointerBy { dx, dy, raw_dx: dx, raw_dy: dy };
    let at = |world: &World| Point::<f64, Logical>::from(world.desktop.state().pointer);
    world.input(&[by(100.0, 0.0)]);
    assert_eq!(at(&world), (700.0, 100.0).into());
    world.input(&[by(0.0, 300.0)]);
    assert!(at(&world).y < 200.0 && at(&world).y > 199.0);
    world.input(&[InputEvent::PointerTo { x: 600.0, y: 300.0 }, by(100.0, 0.0)]);
    assert!(at(&world).x < 640.0, "there is no screen there");
    // Put where none is, it is at the nearest place where one is.
    world.input(&[InputEvent::PointerTo { x: 2000.0, y: 399.0 }]);
    assert!(at(&world).x > 1279.0 && at(&world).y < 200.0);
}

#[test]
fn the_switcher_is_where_the_pointer_is_and_dims_everything() {
    let mut world = two_screens();
    for title in ["one", "two"] {
        world.add_window(0, title, (200, 100), PAINTED);
    }
    drag_to(&mut world, "one", (100, 60));
    drag_to(&mut world, "two", (800, 200));
    let before = (world.picture_of("left"), world.picture_of("right"));
    world
        .input(&[InputEvent::Key { code: ALT, pressed: true }, InputEvent::Key { code: TAB, pressed: true }]);
    assert!(world.desktop.state().switcher.is_some());
    let dimmed =
        |picture: &RgbImage, x: u32, y: u32| picture.get_pixel(x, y).0.map(u32::from).iter().sum::<u32>();
    let (left, right) = (world.picture_of("left"), world.picture_of("right"));
    assert!(dimmed(&left, 150, 120) < dimmed(&before.0, 150, 120), "the other screen is dimmed");
    let text = Theme::builtin(Variant::Dark).text();
    let bright = |picture: &RgbImage| picture.pixels().filter(|p| p.0 == [text.r, text.g, text.b]).count();
    assert!(bright(&right) > 500, "the outline of the chosen card");
    assert_eq!(bright(&left), 0);
}

#[test]
fn windows_go_back_to_the_screen_that_comes_back() {
    let mut world = two_screens();
    for title in ["here", "there"] {
        world.add_window(0, title, (200, 100), PAINTED);
    }
    drag_to(&mut world, "here", (100, 60));
    drag_to(&mut world, "there", (800, 200));
    let places = |world: &World| ["here", "there"].map(|title| window(world, title).outer);
    let home = places(&world);
    world.plug(&SCREENS[..1]);
    let away = places(&world);
    assert_eq!(away[0], home[0]);
    assert!(away[1][0] + 64 <= WIDTH, "it can be seen: {away:?}");
    assert!(world.desktop.state().pointer.0 < 640.0);
    world.plug(&SCREENS);
    assert_eq!(places(&world), home);
    // The last one goes, too; then all come back, in another mode.
    world.plug(&SCREENS[1..]);
    world.plug(&[]);
    assert!(!world.frame(), "nothing is drawn");
    world.plug(&SCREENS);
    assert_eq!(places(&world), home);
    world.plug(&[SCREENS[0], ("right", (1200, 900), 180)]);
    assert_eq!(places(&world), home);
    let picture = world.picture_of("right");
    framed(&picture, &on_screen(&window(&world, "there"), (WIDTH, 0), 180));
}

#[test]
fn dark_screens_show_nothing_and_hear_of_the_person() {
    let mut world = two_screens();
    world.add_window(0, "w", (200, 100), PAINTED);
    drag_to(&mut world, "w", (100, 60));
    world.frame();
    world.desktop.screens_off();
    assert!(world.desktop.screens_are_off());
    assert!(!world.frame(), "nothing is drawn");
    assert!(!window(&world, "w").focused, "nobody sees it");
    let before = world.clients[0].windows()[0].frames;
    world.clients[0].show(0, (200, 100), 0xff00_ff00);
    assert!(!world.frame());
    assert_eq!(world.clients[0].windows()[0].frames, before);
    // As of a hidden window.
    world.wait(std::time::Duration::from_secs(2));
    assert_eq!(world.clients[0].windows()[0].frames, before + 1);
    world.desktop.input(InputEvent::PointerBy { dx: 1.0, dy: 0.0, raw_dx: 1.0, raw_dy: 0.0 });
    assert!(!world.desktop.screens_are_off());
    assert!(world.frame());
    assert!(window(&world, "w").focused);
    // Devices that are lost are no person.
    world.desktop.screens_off();
    world.desktop.input(InputEvent::Lost);
    assert!(world.desktop.screens_are_off());
}
