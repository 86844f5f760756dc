//! Several keyboard layouts: who has which, and what is typed with them inside a qube.

use smithay::input::keyboard::xkb;
use transom::{config::Config, input::event::InputEvent};
use transom_tests::fixture::{Client, World};
use transom_theming::{Theme, Variant};

const E: u32 = 18;
const APOSTROPHE: u32 = 40;
const SPACE: u32 = 57;
const SUPER: u32 = 125;

fn two_qubes(keyboard: &str) -> World {
    World::two_qubes(&format!("keyboard {{ {keyboard}; }}"))
}

/// What a program makes of keys, by the keymap and the layout that it was told.
fn typed(client: &Client, keys: &[(u32, bool)]) -> String {
    let context = xkb::Context::new(xkb::CONTEXT_NO_FLAGS);
    let keymap = xkb::Keymap::new_from_string(
        &context,
        client.heard.keymap.clone(),
        xkb::KEYMAP_FORMAT_TEXT_V1,
        xkb::KEYMAP_COMPILE_NO_FLAGS,
    )
    .expect("a keymap");
    let mut state = xkb::State::new(&keymap);
    state.update_mask(client.heard.modifiers, 0, 0, 0, 0, client.heard.group);
    let table = xkb::compose::Table::new_from_locale(
        &context,
        "en_US.UTF-8".as_ref(),
        xkb::compose::COMPILE_NO_FLAGS,
    )
    .expect("a table of sequences");
    let mut compose = xkb::compose::State::new(&table, xkb::compose::STATE_NO_FLAGS);
    let mut text = String::new();
    for (code, _) in keys.iter().filter(|(_, pressed)| *pressed) {
        let sym = state.key_get_one_sym(xkb::Keycode::new(code + 8));
        compose.feed(sym);
        match compose.status() {
            xkb::compose::Status::Nothing => text.push_str(&xkb::keysym_to_utf8(sym).replace('\0', "")),
            xkb::compose::Status::Composed => text.push_str(&compose.utf8().unwrap_or_default()),
            _ => {}
        }
    }
    text
}

#[test]
fn a_dead_key_makes_its_letter_in_a_qube() {
    let mut world = two_qubes(r#"layout "us,us"; variant ",intl""#);
    world.click_into("work");
    world.chord(&[APOSTROPHE]);
    world.chord(&[E]);
    let keys = std::mem::take(&mut world.clients[0].heard.keys);
    assert_eq!(typed(&world.clients[0], &keys), "'e");
    world.chord(&[SUPER, SPACE]);
    assert_eq!(world.clients[0].heard.group, 1, "the program is told of the layout, not of the chord");
    assert!(world.clients[0].heard.keys.is_empty());
    world.chord(&[APOSTROPHE]);
    world.chord(&[E]);
    assert_eq!(typed(&world.clients[0], &world.clients[0].heard.keys), "é");
}

#[test]
fn the_layout_of_the_desktop_goes_with_the_keys() {
    let mut world = two_qubes(r#"layout "us,de""#);
    world.click_into("work");
    world.chord(&[SUPER, SPACE]);
    assert_eq!((world.clients[0].heard.group, world.clients[1].heard.group), (1, 0), "only who has the keys");
    world.click_into("web");
    assert_eq!(world.clients[1].heard.group, 1);
    assert_eq!(world.desktop.inputs().layouts, ["us", "de"]);
    assert_eq!(world.desktop.inputs().layout, 1);
}

#[test]
fn each_window_has_its_own_layout_if_the_person_wants_it() {
    let mut world = two_qubes(r#"layout "us,de"; layout-scope "window""#);
    world.click_into("work");
    world.chord(&[SUPER, SPACE]);
    assert_eq!(world.clients[0].heard.group, 1);
    world.click_into("web");
    assert_eq!((world.clients[1].heard.group, world.desktop.inputs().layout), (0, 0), "the first at first");
    world.click_into("work");
    assert_eq!((world.clients[0].heard.group, world.desktop.inputs().layout), (1, 1));
}

#[test]
fn the_bar_shows_the_layout_where_there_are_several() {
    let mut one = two_qubes(r#"layout "us""#);
    let mut two = two_qubes(r#"layout "us,de""#);
    let first = two.picture();
    assert!(one.picture() != first, "there is something more in the bar");
    two.chord(&[SUPER, SPACE]);
    let second = two.picture();
    assert!(second != first);
    two.chord(&[SUPER, SPACE]);
    assert!(two.picture() == first);
}

#[test]
fn another_layout_in_the_settings_is_typed_at_once_and_no_key_is_left_down() {
    const Y: u32 = 21;
    let mut world = two_qubes(r#"layout "us""#);
    world.click_into("work");
    world.input(&[InputEvent::Key { code: E, pressed: true }]);
    let config =
        Config::parse("c.kdl", "keyboard { layout \"de\"; }\nbind \"Super+space\" \"minimise\"").unwrap();
    world.desktop.reconfigure(config, Theme::builtin(Variant::Dark));
    world.turn();
    assert_eq!(world.clients[0].heard.keys, [(E, true), (E, false)], "the program hears that it is up");
    world.input(&[InputEvent::Key { code: E, pressed: false }]);
    world.clients[0].heard.keys.clear();
    world.chord(&[Y]);
    assert_eq!(typed(&world.clients[0], &world.clients[0].heard.keys), "z");
    world.chord(&[SUPER, SPACE]);
    assert_eq!(world.desktop.state().windows.len(), 1, "chords are those of the new settings");
}

#[test]
fn a_modifier_that_is_tapped_holds_for_the_next_key() {
    const SHIFT: u32 = 42;
    const A: u32 = 30;
    const TAB: u32 = 15;
    const ALT: u32 = 56;
    let mut world = two_qubes("sticky-keys true");
    world.click_into("work");
    let plain = world.picture();
    world.chord(&[SHIFT]);
    world.turn();
    assert_ne!(world.picture(), plain, "the bar says so");
    world.chord(&[A]);
    world.turn();
    assert_eq!((world.clients[0].heard.modifiers & 1, world.desktop.state().lock.as_str()), (0, "open"));
    let keys = [(SHIFT, true), (A, true), (A, false), (SHIFT, false)];
    assert_eq!(world.clients[0].heard.keys, keys);
    assert_eq!(world.picture(), plain);
    // Chords too, key by key.
    world.chord(&[ALT]);
    world.chord(&[TAB]);
    let focused =
        |world: &World| world.desktop.state().windows.into_iter().find(|w| w.focused).map(|w| w.title);
    assert_eq!(focused(&world).as_deref(), Some("web"));
}
