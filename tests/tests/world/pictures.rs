//! Exact golden pictures.

use transom::{config::Config, input::event::InputEvent};
use transom_tests::fixture::{World, assert_golden};
use transom_theming::Label;

const TEAL: u32 = 0xff2a_6f6f;

fn desk(scale: u32) -> World {
    let size = (640 * scale / 120, 400 * scale / 120);
    let mut world = World::with(Config::default(), size, scale);
    for (name, label) in [("work", Label::Blue), ("web", Label::Red)] {
        let qube = world.add_qube(name, label);
        let client = world.add_client(qube);
        world.clients[client].listen();
        world.add_window(client, &format!("{name} \u{1f980} window"), (220, 120), TEAL);
    }
    world
}

#[test]
fn two_windows() {
    let mut world = desk(120);
    let [x, y, ..] = world.content("work \u{1f980} window");
    world.click(f64::from(x) + 5.0, f64::from(y) + 5.0);
    assert_golden("two-windows", &world.picture());
}

#[test]
fn two_windows_at_a_fractional_scale() {
    let mut world = desk(180);
    assert_golden("two-windows-150", &world.picture());
}

#[test]
fn the_switcher() {
    let mut world = desk(120);
    for name in ["work", "web"] {
        let [x, y, ..] = world.content(&format!("{name} \u{1f980} window"));
        world.click(f64::from(x) + 5.0, f64::from(y) + 5.0);
    }
    world.input(&[InputEvent::Key { code: 56, pressed: true }, InputEvent::Key { code: 15, pressed: true }]);
    assert_golden("switcher", &world.picture());
}

#[test]
fn an_empty_desktop() {
    let mut world = World::with(Config::default(), (640, 400), 120);
    assert_golden("empty", &world.picture());
}
