//! What goes somewhere: frames stay whole on the way, keys wait, and then all is still.

use std::time::Duration;

use transom::{config::Config, input::event::InputEvent};
use transom_tests::fixture::{World, look::pixel};
use transom_theming::{Label, Theme, Variant};

const TEAL: u32 = 0x2a_6f6f;
const SUPER: u32 = 125;
const SHIFT: u32 = 42;
const LEFT: u32 = 105;
const ONE: u32 = 2;
const TWO: u32 = 3;
const N: u32 = 49;
const A: u32 = 30;

/// Every run of the qube's pixels ends at the screen's edge, or within a frame of its colour.
fn assert_whole(picture: &image::RgbImage, what: &str) -> usize {
    let color = Theme::builtin(Variant::Dark).label_color(Label::Blue);
    let blue = u32::from(color.r) << 16 | u32::from(color.g) << 8 | u32::from(color.b);
    let (w, h) = (picture.width() as i32, picture.height() as i32);
    let framed = |places: &mut dyn Iterator<Item = (i32, i32)>| {
        let mut near = places.peekable();
        // A title bar lies between. Patterned: one of a few pixels across and along.
        near.peek().is_none()
            || near.any(|(x, y)| {
                (-3..=3).any(|d| {
                    [(x + d, y), (x, y + d)].iter().any(|(x, y)| {
                        (0..w).contains(x) && (0..h).contains(y) && pixel(picture, *x, *y) == blue
                    })
                })
            })
    };
    let mut seen = 0;
    for y in 0..h {
        for x in (0..w).filter(|x| pixel(picture, *x, y) == TEAL) {
            seen += 1;
            let same = |x: i32, y: i32| pixel(picture, x, y) == TEAL;
            if x > 0 && !same(x - 1, y) {
                assert!(framed(&mut (0..x).rev().take(7).map(|x| (x, y))), "{what}: left of {x}, {y}");
            }
            if x + 1 < w && !same(x + 1, y) {
                assert!(framed(&mut (x + 1..w).take(7).map(|x| (x, y))), "{what}: right of {x}, {y}");
            }
            if y > 0 && !same(x, y - 1) {
                assert!(framed(&mut (0..y).rev().take(34).map(|y| (x, y))), "{what}: above {x}, {y}");
            }
            if y + 1 < h && !same(x, y + 1) {
                assert!(framed(&mut (y + 1..h).take(7).map(|y| (x, y))), "{what}: below {x}, {y}");
            }
        }
    }
    seen
}

/// Pictures of all that follows until nothing moves; a frame each 15 ms.
fn film(world: &mut World) -> Vec<image::RgbImage> {
    let mut pictures = Vec::new();
    for _ in 0..40 {
        pictures.push(world.desktop.screenshot().expect("a picture"));
        world.desktop.clock.advance(Duration::from_millis(15));
        world.turn();
        if !world.frame() {
            return pictures;
        }
    }
    panic!("it never ends")
}

fn two_windows(config: &str) -> World {
    let config = Config::parse("motion.kdl", config).unwrap();
    let mut world = World::with(config, (640, 400), 120);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    for title in ["one", "two"] {
        let window = world.add_window(client, title, (200, 120), 0xff00_0000 | TEAL);
        // As it is asked to be in a column.
        world.turn();
        world.clients[client].show(window, (200, 120), 0xff00_0000 | TEAL);
        world.frame();
    }
    world.click_into("two");
    // Out of the picture's way.
    world.input(&[InputEvent::PointerTo { x: 500.0, y: 4.0 }]);
    world
}

#[test]
fn workspaces_slide_and_their_frames_stay_whole() {
    let mut world = two_windows("");
    world.chord(&[SUPER, SHIFT, TWO]);
    world.click_into("one");
    let still = world.picture();
    world.desktop.config.no_animations = false;
    world.input(&[InputEvent::Key { code: SUPER, pressed: true }]);
    world.input(&[InputEvent::Key { code: TWO, pressed: true }]);
    let film_of_it = film(&mut world);
    assert!(film_of_it.len() >= 10, "{} pictures", film_of_it.len());
    let whole = |(number, picture)| assert_whole(picture, &format!("picture {number}"));
    let seen: Vec<usize> = film_of_it.iter().enumerate().map(whole).collect();
    assert!(seen.iter().any(|seen| *seen > 0 && *seen < 200 * 120), "a part of one is in sight: {seen:?}");
    let arrived = world.picture();
    assert_ne!(arrived, still);
    world.input(&[
        InputEvent::Key { code: TWO, pressed: false },
        InputEvent::Key { code: SUPER, pressed: false },
    ]);
    world.desktop.config.no_animations = true;
    world.chord(&[SUPER, ONE]);
    assert_eq!(world.picture(), still, "as before");
    world.chord(&[SUPER, TWO]);
    assert_eq!(world.picture(), arrived, "as without any motion");
}

#[test]
fn keys_wait_until_their_window_is_in_sight() {
    let mut world = two_windows("");
    world.chord(&[SUPER, SHIFT, TWO]);
    world.click_into("one");
    world.desktop.config.no_animations = false;
    world.chord(&[SUPER, TWO]);
    world.clients[0].heard.keys.clear();
    world.chord(&[A]);
    world.turn();
    assert_eq!(world.clients[0].heard.keys, [], "it is not on the screen yet");
    film(&mut world);
    world.turn();
    assert_eq!(world.clients[0].heard.keys, [(A, true), (A, false)], "late, and not lost");
}

#[test]
fn columns_glide_and_what_is_put_away_shrinks() {
    let mut world = two_windows("arrange \"columns\"\ncolumns { width 80; }");
    world.desktop.config.no_animations = false;
    world.chord(&[SUPER, LEFT]);
    let gliding = film(&mut world);
    assert!(gliding.len() >= 9, "{} pictures", gliding.len());
    for (number, picture) in gliding.iter().enumerate() {
        assert!(assert_whole(picture, &format!("gliding {number}")) > 0);
    }
    let mut world = two_windows("");
    world.desktop.config.no_animations = false;
    world.chord(&[SUPER, N]);
    let going = film(&mut world);
    let seen: Vec<usize> =
        going.iter().enumerate().map(|(n, picture)| assert_whole(picture, &format!("going {n}"))).collect();
    assert!(seen.is_sorted_by(|a, b| a >= b), "less and less is seen of it: {seen:?}");
    assert!(seen.first() > seen.last());
}
