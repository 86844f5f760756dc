//! Pictures of the screen by the person: of what, and that nothing else learns of it.

use std::time::{Duration, Instant};

use image::{RgbImage, imageops::crop_imm};
use transom::input::event::{BTN_LEFT, InputEvent};
use transom_tests::fixture::{
    World,
    look::{assert_golden, assert_ring, pixel},
};
use transom_theming::Label;

const SUPER: u32 = 125;
const SHIFT: u32 = 42;
const CTRL: u32 = 29;
const L: u32 = 38;
const V: u32 = 47;
const F: u32 = 33;
const TAB: u32 = 15;
const ENTER: u32 = 28;
const ESCAPE: u32 = 1;
const PRINT: u32 = 99;
const RIGHT: u32 = 106;
const DOWN: u32 = 108;

fn world() -> World {
    let mut world = World::two_qubes("");
    for client in &mut world.clients {
        client.watch_clipboard();
    }
    world.click_into("work");
    world
}

fn chosen(world: &World) -> String {
    world.desktop.state().capture.unwrap_or_default()
}

/// What was taken goes onto the clipboard, and from there into the second qube.
fn paste(world: &mut World) -> RgbImage {
    assert!(world.desktop.state().prompt.is_some_and(|text| text.contains("*dom0, clipboard")));
    world.chord(&[DOWN]);
    world.chord(&[ENTER]);
    let until = Instant::now() + Duration::from_mins(1);
    while world.desktop.state().clipboard.is_none() {
        assert!(Instant::now() < until, "nothing comes: {:?}", world.desktop.state().notices);
        world.hop();
    }
    world.click_into("web");
    world.chord(&[SUPER, V]);
    assert_eq!(world.clients[1].offered(), ["image/png"]);
    let pasted = world.clients[1].receive("image/png");
    world.turn();
    image::load_from_memory(&pasted.bytes()).unwrap().into_rgb8()
}

fn draw(world: &mut World, from: (i32, i32), to: (i32, i32)) {
    let at = |(x, y): (i32, i32)| InputEvent::PointerTo { x: f64::from(x), y: f64::from(y) };
    let button = |pressed| InputEvent::Button { code: BTN_LEFT, pressed };
    world.input(&[at(from), button(true), at(to), button(false)]);
}

#[test]
fn a_region_is_what_the_person_saw_and_no_qube_hears_of_it() {
    let mut world = world();
    world.input(&[InputEvent::PointerTo { x: 700.0, y: 560.0 }]);
    let seen = world.picture();
    let said: Vec<Vec<String>> = world.clients.iter().map(|client| client.heard.said.clone()).collect();
    world.chord(&[PRINT]);
    let state = world.desktop.state();
    assert!(chosen(&world).starts_with("picture of a region at"), "{:?}", state.capture);
    // What changes now is not in it.
    world.clients[0].show(0, (300, 200), 0xffee_0000);
    world.turn();
    draw(&mut world, (40, 60), (340, 260));
    assert_eq!(chosen(&world), "picture of a region at 40,60 300×200");
    // By keys: moved, and sized by its far edges, by tens or by single pixels.
    world.chord(&[RIGHT]);
    world.chord(&[CTRL, DOWN]);
    world.chord(&[SHIFT, DOWN]);
    assert_eq!(chosen(&world), "picture of a region at 50,61 300×210");
    assert_golden("capture-region", &world.picture());
    let heard: Vec<Vec<String>> = world.clients.iter().map(|client| client.heard.said.clone()).collect();
    assert_eq!(heard, said, "keys and pointer are dom0's");
    world.chord(&[ENTER]);
    assert_eq!(world.desktop.state().capture, None);
    let text = world.desktop.state().prompt.unwrap();
    assert_eq!(text, "Keep the picture, 300 × 210, in: *dom0, clipboard");
    let pasted = paste(&mut world);
    assert!(pasted == crop_imm(&seen, 50, 61, 300, 210).to_image(), "it is another picture");
}

#[test]
fn a_window_is_taken_alone_with_its_frame_or_without() {
    let mut world = world();
    // The other one lies over a part of it.
    world.click_into("web");
    let [x, y, w, h] = world.content("work");
    world.click_into("work");
    world.click_into("web");
    for (frame, kind) in [(true, "with its frame"), (false, "without its frame")] {
        world.chord(&[PRINT]);
        world.chord(&[TAB]);
        // The pointer says which; it stands on it where nothing lies over it.
        world.input(&[InputEvent::PointerTo { x: f64::from(x + 2), y: f64::from(y + 2) }]);
        if !frame {
            world.chord(&[F]);
        }
        assert!(chosen(&world).starts_with(&format!("picture of a window {kind}")), "{}", chosen(&world));
        let place = world.desktop.state().windows.iter().find(|window| window.title == "work").cloned();
        let window = place.unwrap();
        // What changes now is: a window is taken as it is at the end.
        world.clients[0].show(0, (w, h), 0xff11_aa33);
        world.turn();
        world.chord(&[ENTER]);
        let taken = paste(&mut world);
        let [ox, oy, ow, oh] = window.outer;
        let content = if frame { [x - ox, y - oy, w, h] } else { [0, 0, w, h] };
        let size = if frame { (ow as u32, oh as u32) } else { (w as u32, h as u32) };
        assert_eq!(taken.dimensions(), size);
        if frame {
            assert_ring(&taken, [0, 0, ow, oh], content, Label::Blue);
        }
        for (dx, dy) in [(0, 0), (w - 1, 0), (0, h - 1), (w - 1, h - 1), (w / 2, h / 2)] {
            assert_eq!(pixel(&taken, content[0] + dx, content[1] + dy), 0x0011_aa33, "at {dx},{dy}");
        }
        world.click_into("work");
        world.click_into("web");
    }
}

#[test]
fn a_monitor_is_taken_in_its_own_pixels() {
    let mut world = World::with_screens(&[("left", (640, 480), 120), ("right", (960, 720), 180)]);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "letter", (200, 120), 0xff2a_6f6f);
    world.chord(&[PRINT]);
    world.chord(&[TAB]);
    world.chord(&[TAB]);
    world.chord(&[RIGHT]);
    assert_eq!(chosen(&world), "picture of a monitor at 640,0 640×480");
    world.chord(&[ENTER]);
    let text = world.desktop.state().prompt.unwrap_or_default();
    assert!(text.starts_with("Keep the picture, 960 × 720, in:"), "{text}");
    world.chord(&[ESCAPE]);
    // A region on it is, too, and stays on the monitor where it is begun.
    world.chord(&[PRINT]);
    draw(&mut world, (700, 100), (500, 150));
    assert_eq!(chosen(&world), "picture of a region at 640,100 60×50");
    world.chord(&[ENTER]);
    let text = world.desktop.state().prompt.unwrap_or_default();
    assert!(text.starts_with("Keep the picture, 90 × 75, in:"), "{text}");
}

#[test]
fn nothing_is_taken_by_escape_a_lock_or_another_monitor() {
    let mut world = world();
    for end in 0..4 {
        world.chord(&[PRINT]);
        assert_ne!(chosen(&world), "");
        match end {
            0 => world.chord(&[ESCAPE]),
            1 => world.chord(&[PRINT]),
            2 => world.plug(&[("screen-1", (800, 600), 120), ("second", (640, 480), 120)]),
            _ => world.chord(&[SUPER, L]),
        }
        world.turn();
        assert_eq!((chosen(&world).as_str(), world.desktop.state().prompt), ("", None), "after {end}");
    }
    // While it is locked there is nothing to take.
    world.chord(&[PRINT]);
    assert_eq!(chosen(&world), "");
}

#[test]
fn a_press_inside_the_region_takes_it_and_the_panel_is_used_by_the_pointer() {
    let mut world = world();
    world.chord(&[PRINT]);
    draw(&mut world, (100, 100), (200, 180));
    world.click(150.0, 150.0);
    assert!(world.desktop.state().prompt.is_some_and(|text| text.contains("100 × 80")));
    world.chord(&[ESCAPE]);
    // The panel: some place on it changes what is taken, and none of it draws a region.
    world.chord(&[PRINT]);
    let before = chosen(&world);
    let (width, height) = world.picture().dimensions();
    let (mut kinds, y) = (std::collections::BTreeSet::new(), f64::from(height) - 24.0 - 22.0 - 16.0);
    for x in (0..width).step_by(20) {
        world.input(&[InputEvent::PointerTo { x: f64::from(x), y }]);
        let inside = (width / 2).abs_diff(x) < 150;
        if inside {
            world.click(f64::from(x), y);
        }
        if chosen(&world).is_empty() {
            break;
        }
        kinds.insert(chosen(&world).split(" at ").next().unwrap().to_owned());
    }
    assert!(kinds.len() >= 2, "{kinds:?} from {before}");
}

#[test]
fn a_video_is_never_of_a_window_and_without_a_recorder_it_says_so() {
    let mut world = world();
    world.chord(&[SUPER, PRINT]);
    assert!(chosen(&world).starts_with("recording of a region"));
    world.chord(&[TAB]);
    assert!(chosen(&world).starts_with("recording of a monitor"));
    world.chord(&[TAB]);
    assert!(chosen(&world).starts_with("recording of a region"));
    // Programs of dom0 have no socket in this fixture.
    world.chord(&[ENTER]);
    let notices = world.desktop.state().notices;
    assert!(notices.iter().any(|text| text.starts_with("no video: ")), "{notices:?}");
}
