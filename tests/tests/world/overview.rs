//! All workspaces at once, windows found by typing, workspaces of each screen, and the scratch area.

use std::time::Duration;

use transom::{
    config::Config,
    input::event::{BTN_LEFT, BTN_MIDDLE, InputEvent},
    ipc,
};
use transom_tests::fixture::{
    World, assert_golden,
    look::{assert_ring, pixel},
};
use transom_theming::{FrameKind, Label, Theme, Variant};

const TEAL: u32 = 0xff2a_6f6f;
const SAND: u32 = 0xffb8_9a6a;
const SUPER: u32 = 125;
const ALT: u32 = 56;
const SHIFT: u32 = 42;
const TAB: u32 = 15;
const ESC: u32 = 1;
const RETURN: u32 = 28;
const SLASH: u32 = 53;
const GRAVE: u32 = 41;
const BACKSPACE: u32 = 14;
const LEFT: u32 = 105;
const RIGHT: u32 = 106;
const DOWN: u32 = 108;
const ONE: u32 = 2;
const Q: u32 = 16;
const Z: u32 = 44;

/// Windows of work on workspaces 1 and 2, of web on 1 and 5.
fn open(world: &mut World) {
    for (name, label, argb, windows) in [
        ("work", Label::Blue, TEAL, [("letter", 1), ("figures", 2)]),
        ("web", Label::Red, SAND, [("news", 1), ("film", 5)]),
    ] {
        let qube = world.add_qube(name, label);
        let client = world.add_client(qube);
        world.clients[client].listen();
        for (title, workspace) in windows {
            world.add_window(client, title, (200, 120), argb);
            world.click_into(title);
            if workspace != 1 {
                world.chord(&[SUPER, SHIFT, ONE + workspace - 1]);
            }
        }
    }
}

fn overview(world: &World) -> ipc::Overview {
    world.desktop.state().overview.expect("it is open")
}

fn focused(world: &World) -> Option<String> {
    world.desktop.state().windows.into_iter().find(|window| window.focused).map(|window| window.title)
}

/// Where a window is in the overview, and on which workspace.
fn small(world: &World, title: &str) -> (u32, [i32; 4]) {
    let find = |tile: ipc::Tile| {
        let area = tile.windows.iter().find(|(name, _)| name == title)?.1;
        Some((tile.workspace, area))
    };
    overview(world).tiles.into_iter().find_map(find).expect("it is in a tile")
}

fn middle([x, y, w, h]: [i32; 4]) -> (f64, f64) {
    (f64::from(x + w / 2), f64::from(y + h / 2))
}

fn tile(world: &World, number: u32) -> (f64, f64) {
    middle(overview(world).tiles.into_iter().find(|tile| tile.workspace == number).expect("it is there").area)
}

fn point(world: &mut World, (x, y): (f64, f64)) {
    world.input(&[InputEvent::PointerTo { x, y }]);
}

fn button(world: &mut World, code: u32, pressed: bool) {
    world.input(&[InputEvent::Button { code, pressed }]);
}

/// A small window has a whole frame of its qube's colour.
fn assert_small_framed(world: &mut World, title: &str, label: Label) {
    let (_, outer @ [x, y, w, h]) = small(world, title);
    let insets = Theme::builtin(Variant::Dark).insets(FrameKind::Popup);
    let content =
        [x + insets.left, y + insets.top, w - insets.left - insets.right, h - insets.top - insets.bottom];
    assert_ring(&world.picture(), outer, content, label);
}

#[test]
fn every_workspace_is_in_sight_with_its_windows_in_their_frames() {
    let mut world = World::with(Config::default(), (1280, 720), 120);
    open(&mut world);
    world.chord(&[SUPER, TAB]);
    assert_eq!(overview(&world).tiles.len(), 9);
    assert_golden("overview", &world.picture());
    assert_eq!([small(&world, "letter").0, small(&world, "figures").0, small(&world, "film").0], [1, 2, 5]);
    for (title, label) in
        [("letter", Label::Blue), ("figures", Label::Blue), ("news", Label::Red), ("film", Label::Red)]
    {
        assert_small_framed(&mut world, title, label);
    }
    world.types("new");
    assert_eq!(world.desktop.state().search, "new");
    assert_eq!(overview(&world).window.as_deref(), Some("news"));
    assert_golden("overview-found", &world.picture());
    world.chord(&[ESC]);
    assert_eq!(world.desktop.state().search, "");
    world.chord(&[ESC]);
    assert_eq!((world.desktop.state().overview, world.desktop.state().workspace), (None, 1));
}

#[test]
fn keys_lead_to_a_workspace_or_a_window() {
    let mut world = World::with(Config::default(), (1280, 720), 120);
    open(&mut world);
    world.chord(&[SUPER, TAB]);
    world.chord(&[ONE + 4]);
    assert_eq!((world.desktop.state().workspace, focused(&world).as_deref()), (5, Some("film")));
    world.chord(&[SUPER, TAB]);
    world.chord(&[DOWN]);
    assert_eq!((overview(&world).workspace, overview(&world).window), (8, None), "it is empty");
    world.chord(&[DOWN]);
    assert_eq!(overview(&world).workspace, 8, "the edge");
    world.chord(&[RETURN]);
    assert_eq!((world.desktop.state().workspace, focused(&world)), (8, None));
    world.chord(&[SUPER, TAB]);
    world.types("work");
    let first = overview(&world).window;
    world.chord(&[TAB]);
    assert_ne!(overview(&world).window, first, "both windows of work");
    world.chord(&[RETURN]);
    assert!(matches!(focused(&world).as_deref(), Some("letter" | "figures")), "{:?}", focused(&world));
    assert!(
        world.clients.iter().all(|client| client.heard.keys.is_empty()),
        "no qube heard of what was typed"
    );
}

#[test]
fn windows_are_carried_to_other_workspaces_and_closed() {
    let mut world = World::with(Config::default(), (1280, 720), 120);
    open(&mut world);
    world.chord(&[SUPER, TAB]);
    let from = middle(small(&world, "news").1);
    point(&mut world, from);
    assert_eq!(overview(&world).window.as_deref(), Some("news"), "what is pointed at");
    button(&mut world, BTN_LEFT, true);
    let to = tile(&world, 9);
    point(&mut world, to);
    let held = world.picture();
    assert_eq!(pixel(&held, to.0 as i32 - 5, to.1 as i32 - 5), SAND & 0xff_ffff, "it is in the hand");
    button(&mut world, BTN_LEFT, false);
    assert_eq!(small(&world, "news").0, 9);
    world.chord(&[SUPER, SHIFT, ONE + 2]);
    assert_eq!(small(&world, "news").0, 3);
    let at = middle(small(&world, "film").1);
    point(&mut world, at);
    button(&mut world, BTN_MIDDLE, true);
    button(&mut world, BTN_MIDDLE, false);
    world.turn();
    assert_eq!(world.clients[1].windows().iter().filter(|w| w.closed).count(), 1, "its program was asked");
    let at = middle(small(&world, "news").1);
    point(&mut world, at);
    button(&mut world, BTN_LEFT, true);
    button(&mut world, BTN_LEFT, false);
    assert_eq!((world.desktop.state().workspace, focused(&world).as_deref()), (3, Some("news")));
    assert_eq!(world.desktop.state().overview, None);
}

#[test]
fn a_press_beside_the_tiles_changes_nothing_and_a_lock_closes_it() {
    let mut world = World::with(Config::default(), (1280, 720), 120);
    open(&mut world);
    world.chord(&[SUPER, TAB]);
    world.click(3.0, 400.0);
    assert_eq!((world.desktop.state().overview, world.desktop.state().workspace), (None, 1));
    world.chord(&[SUPER, TAB]);
    world.desktop.lock();
    world.frame();
    assert_eq!(world.desktop.state().overview, None);
    assert_ne!(world.desktop.state().lock, "open");
}

#[test]
fn it_grows_out_of_the_workspace_that_is_shown_and_then_is_still() {
    let mut world = World::with(Config::default(), (1280, 720), 120);
    open(&mut world);
    world.desktop.config.no_animations = false;
    world.chord(&[SUPER, TAB]);
    let mut pictures = Vec::new();
    for _ in 0..4 {
        pictures.push(world.picture());
        world.wait(Duration::from_millis(40));
    }
    pictures.dedup();
    assert_eq!(pictures.len(), 4, "each is another");
    world.frame();
    assert!(!world.frame(), "nothing moves any longer");
    world.chord(&[ESC]);
    assert_eq!(world.desktop.state().overview, None, "it takes no more keys");
    let going = world.picture();
    world.wait(Duration::from_millis(200));
    world.frame();
    let gone = world.picture();
    assert_ne!(going, gone);
    assert!(!world.frame(), "it is gone");
    let [x, y, ..] = world.content("letter");
    assert_eq!(pixel(&gone, x + 5, y + 5), TEAL & 0xff_ffff);
}

#[test]
fn windows_are_found_by_typing() {
    let mut world = World::with(Config::default(), (1280, 720), 120);
    open(&mut world);
    let switcher = |world: &World| world.desktop.state().switcher.map(|(titles, _)| titles);
    world.chord(&[SUPER, SLASH]);
    assert_eq!(switcher(&world).map(|titles| titles.len()), Some(4), "it stays open");
    world.types("web fi");
    assert_eq!(switcher(&world), Some(vec!["web: film".to_owned()]));
    assert_golden("switcher-found", &world.picture());
    world.types("x");
    assert_eq!(switcher(&world), Some(Vec::new()));
    world.picture();
    world.chord(&[RETURN]);
    assert_eq!((focused(&world).as_deref(), switcher(&world)), (Some("news"), None), "nothing was chosen");
    world.chord(&[SUPER, SLASH]);
    world.types("filx");
    world.chord(&[BACKSPACE]);
    world.chord(&[RETURN]);
    assert_eq!((world.desktop.state().workspace, focused(&world).as_deref()), (5, Some("film")));
    // While Alt is held after Alt+Tab as well.
    world.input(&[InputEvent::Key { code: ALT, pressed: true }]);
    world.chord(&[TAB]);
    world.types("fig");
    assert_eq!(switcher(&world), Some(vec!["work: figures".to_owned()]));
    world.input(&[InputEvent::Key { code: ALT, pressed: false }]);
    assert_eq!(focused(&world).as_deref(), Some("figures"));
    assert!(
        world.clients.iter().all(|client| client.heard.keys.is_empty()),
        "no qube heard of what was typed"
    );
}

#[test]
fn windows_of_the_same_program_are_switched() {
    let mut world = World::with(Config::default(), (1280, 720), 120);
    open(&mut world);
    world.input(&[InputEvent::Key { code: SUPER, pressed: true }]);
    world.chord(&[GRAVE]);
    let titles = world.desktop.state().switcher.map(|(titles, _)| titles).unwrap();
    assert_eq!(titles, ["web: news", "web: film"]);
    world.input(&[InputEvent::Key { code: SUPER, pressed: false }]);
    assert_eq!(focused(&world).as_deref(), Some("film"));
}

#[test]
fn each_screen_has_workspaces_of_its_own() {
    let mut world = World::with_screens(&[("left", (640, 400), 120), ("right", (640, 400), 120)]);
    open(&mut world);
    let shown = |world: &World| -> Vec<u32> {
        world.desktop.state().monitors.iter().map(|monitor| monitor.workspace).collect()
    };
    world.chord(&[SUPER, ALT, RIGHT]);
    assert_eq!(focused(&world), None, "nothing is there");
    world.chord(&[SUPER, ONE + 6]);
    assert_eq!((shown(&world), world.desktop.state().workspace), (vec![1, 7], 7));
    world.chord(&[SUPER, ALT, LEFT]);
    assert_eq!((world.desktop.state().workspace, focused(&world).as_deref()), (1, Some("news")));
    assert_golden("workspaces-right", &world.picture_of("right"));
    // A press on the bare desktop, and one on a number in a bar.
    world.click(1000.0, 300.0);
    assert_eq!((world.desktop.state().workspace, focused(&world)), (7, None));
    world.chord(&[SUPER, TAB]);
    let at = middle(small(&world, "letter").1);
    point(&mut world, at);
    button(&mut world, BTN_LEFT, true);
    let to = overview(&world).tiles.into_iter().find(|t| t.output == "right" && t.workspace == 7).unwrap();
    point(&mut world, middle(to.area));
    button(&mut world, BTN_LEFT, false);
    assert_eq!(small(&world, "letter").0, 7);
    world.chord(&[RETURN]);
    assert_eq!((focused(&world).as_deref(), shown(&world)), (Some("letter"), vec![1, 7]));
    // The numbers in a bar can be pressed.
    let pressed = (60..300).step_by(11).any(|x| {
        world.click(f64::from(x), 14.0);
        shown(&world)[0] == 5
    });
    assert!(pressed && focused(&world).as_deref() == Some("film"), "{:?}", shown(&world));
    let [x, ..] = world.content("letter");
    assert!(x >= 640, "on the right screen: {x}");
}

#[test]
fn a_scratch_window_comes_when_called() {
    let mut world = World::with(Config::default(), (1280, 720), 120);
    open(&mut world);
    world.chord(&[SUPER, SHIFT, Z]);
    assert_eq!(focused(&world).as_deref(), Some("letter"), "news is away");
    world.chord(&[SUPER, ONE + 1]);
    world.chord(&[SUPER, Z]);
    assert_eq!((world.desktop.state().workspace, focused(&world).as_deref()), (2, Some("news")));
    world.chord(&[SUPER, Z]);
    assert_eq!(focused(&world).as_deref(), Some("figures"));
    world.chord(&[SUPER, Q]);
    world.turn();
    assert_eq!(world.clients[0].windows().iter().filter(|w| w.closed).count(), 1);
}
