//! Windows side by side in columns: what is seen, by whom, and that frames stay whole.

use transom::{
    config::Config,
    input::event::{BTN_LEFT, InputEvent},
};
use transom_tests::fixture::{
    World, assert_golden,
    look::{assert_framed, on_screen, pixel},
};
use transom_theming::Label;

const TEAL: u32 = 0xff2a_6f6f;
const SAND: u32 = 0xffb8_9a6a;
const SUPER: u32 = 125;
const CTRL: u32 = 29;
const SHIFT: u32 = 42;
const LEFT: u32 = 105;
const RIGHT: u32 = 106;
const UP: u32 = 103;
const W: u32 = 17;
const R: u32 = 19;
const S: u32 = 31;
const G: u32 = 34;
const M: u32 = 50;

fn columns(settings: &str) -> Config {
    Config::parse("columns.kdl", &format!("arrange \"columns\"\n{settings}")).unwrap()
}

/// Windows of two qubes: one of work, two of web.
fn open(world: &mut World) {
    for (name, label, windows, argb) in [("work", Label::Blue, 1, TEAL), ("web", Label::Red, 2, SAND)] {
        let qube = world.add_qube(name, label);
        let client = world.add_client(qube);
        world.clients[client].listen();
        for number in 1..=windows {
            let title = format!("{name} {number}");
            let window = world.add_window(client, &title, (200, 120), argb);
            // What it is asked to be once it stands there.
            world.turn();
            world.clients[client].show(window, (200, 120), argb);
            world.frame();
        }
    }
}

/// Programs draw in the sizes that they are asked for.
fn redraw(world: &mut World) {
    world.turn();
    for (client, argb) in [(0, TEAL), (1, SAND)] {
        for window in 0..world.clients[client].windows().len() {
            world.clients[client].show(window, (200, 120), argb);
        }
    }
    world.frame();
}

/// Titles of the windows in sight, from left to right.
fn in_sight(world: &World) -> Vec<String> {
    let mut windows = world.desktop.state().windows;
    windows.sort_by_key(|window| (window.outer[0], window.outer[1]));
    windows.into_iter().map(|window| window.title).collect()
}

fn focused(world: &World) -> Option<String> {
    world.desktop.state().windows.into_iter().find(|window| window.focused).map(|window| window.title)
}

#[test]
fn windows_stand_side_by_side_and_the_keys_go_along() {
    let mut world = World::with(columns(""), (640, 400), 120);
    open(&mut world);
    assert_eq!(in_sight(&world), ["work 1", "web 1"], "the third is further on");
    world.chord(&[SUPER, RIGHT]);
    world.chord(&[SUPER, RIGHT]);
    assert_eq!(focused(&world).as_deref(), Some("web 1"));
    world.chord(&[SUPER, CTRL, RIGHT]);
    assert_eq!(focused(&world).as_deref(), Some("web 2"));
    assert_eq!(in_sight(&world), ["web 1", "web 2"]);
    redraw(&mut world);
    assert_golden("columns", &world.picture());
    world.chord(&[SUPER, LEFT]);
    world.chord(&[SUPER, LEFT]);
    assert_eq!(
        (focused(&world).as_deref(), in_sight(&world)),
        (Some("work 1"), vec!["work 1".into(), "web 1".into()])
    );
}

#[test]
fn a_stacked_column_shows_one_and_the_others_title_bars() {
    let mut world = World::with(columns("columns { gap 0; width 70; }"), (640, 400), 120);
    open(&mut world);
    world.chord(&[SUPER, CTRL, LEFT]);
    assert_eq!(focused(&world).as_deref(), Some("web 1"), "the outermost in sight");
    world.chord(&[SUPER, SHIFT, LEFT]);
    world.chord(&[SUPER, S]);
    redraw(&mut world);
    world.chord(&[SUPER, RIGHT]);
    world.chord(&[SUPER, SHIFT, LEFT]);
    world.chord(&[SUPER, LEFT]);
    redraw(&mut world);
    let picture = world.picture();
    let windows = world.desktop.state().windows;
    assert_eq!(windows.iter().filter(|window| window.content[3] == 1).count(), 2, "{windows:?}");
    for window in windows.iter().filter(|window| window.content[3] > 1) {
        let label = if window.qube == "work" { Label::Blue } else { Label::Red };
        assert_framed(&picture, window, label);
    }
    assert_golden("columns-stacked", &picture);
    world.chord(&[SUPER, S]);
    redraw(&mut world);
    assert_golden("columns-tabbed", &world.picture());
}

#[test]
fn programs_are_asked_for_their_columns_size() {
    let mut world = World::with(columns("columns { gap 0; width 50; }"), (640, 400), 120);
    open(&mut world);
    // 3 px of frame and a line on each side of 320.
    assert_eq!(world.clients[0].windows()[0].wanted.0, 312);
    world.chord(&[SUPER, CTRL, RIGHT]);
    world.chord(&[SUPER, R]);
    world.turn();
    assert_eq!(world.clients[0].windows()[0].wanted.0, 418);
    world.chord(&[SUPER, M]);
    world.turn();
    assert_eq!(world.clients[0].windows()[0].wanted.0, 632);
    world.chord(&[SUPER, M]);
    world.chord(&[SUPER, G]);
    world.turn();
    assert_eq!(world.clients[0].windows()[0].wanted, (200, 120), "out of the columns it is as it was");
    world.chord(&[SUPER, UP]);
    world.chord(&[SUPER, W]);
    let outer: Vec<[i32; 4]> = world.desktop.state().windows.iter().map(|window| window.outer).collect();
    assert_eq!(outer.len(), 3, "all are in sight when the workspace floats: {outer:?}");
}

#[test]
fn a_column_is_on_its_own_screen_only() {
    let mut world = World::with(columns(""), (640, 400), 120);
    world.plug(&[("left", (640, 400), 120), ("right", (960, 600), 180)]);
    open(&mut world);
    for title in ["work 1", "web 1", "web 2"] {
        let windows = world.desktop.state().windows;
        let [x, y, ..] = windows.iter().find(|window| window.title == title).expect("it is in sight").outer;
        let grip = InputEvent::PointerTo { x: f64::from(x + 60), y: f64::from(y + 10) };
        let button = |pressed| InputEvent::Button { code: BTN_LEFT, pressed };
        world.input(&[grip, button(true), InputEvent::PointerTo { x: 1260.0, y: 200.0 }, button(false)]);
    }
    redraw(&mut world);
    assert_eq!(in_sight(&world), ["web 1", "web 2"]);
    // One that is half out of sight.
    world.chord(&[SUPER, R]);
    redraw(&mut world);
    let windows = world.desktop.state().windows;
    let reaches_out = windows.iter().find(|window| window.outer[0] < 640).expect("one that reaches out");
    let (left, right) = (world.picture_of("left"), world.picture_of("right"));
    let empty = pixel(&left, 2, 398);
    assert!(left.enumerate_pixels().all(|(x, y, _)| y < 28 || pixel(&left, x as i32, y as i32) == empty));
    let label = if reaches_out.qube == "work" { Label::Blue } else { Label::Red };
    assert_framed(&right, &on_screen(reaches_out, (640, 0), 180), label);
    // What lies there is not touched by a click either.
    assert_ne!(focused(&world).as_deref(), Some(reaches_out.title.as_str()));
    world.click(630.0, 200.0);
    assert_eq!(focused(&world), None, "it was a press on the bare desktop of the left screen");
    world.click(650.0, 200.0);
    assert_eq!(focused(&world).as_deref(), Some(reaches_out.title.as_str()));
}

#[test]
fn rules_say_where_windows_come_to_stand() {
    let rules = r#"
        arrange "floating"
        window qube="web" { workspace 4; }
        window qube="web" title="*1" { workspace 1; stand "left"; }
        window qube="work" app="te?t" { stand "maximised"; }
    "#;
    let mut world = World::with(Config::parse("rules.kdl", rules).unwrap(), (640, 400), 120);
    open(&mut world);
    let windows = world.desktop.state().windows;
    let [work, web] = &windows[..] else { panic!("{windows:?}") };
    assert!(work.maximised && work.title == "work 1", "{work:?}");
    assert_eq!((web.title.as_str(), web.outer), ("web 1", [0, 28, 320, 372]));
    world.chord(&[SUPER, 5]);
    assert_eq!(in_sight(&world), ["web 2"]);
}
