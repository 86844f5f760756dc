//! Virtual keyboards of dom0's programs (`wtype` and the like): their keys are nobody's act.

use std::fmt::Write as _;

use transom_tests::fixture::World;
use wayland_protocols_misc::zwp_virtual_keyboard_v1::client::zwp_virtual_keyboard_v1::ZwpVirtualKeyboardV1;

const A: u32 = 30;
const V: u32 = 47;
const SUPER: u32 = 125;
const SUPER_MASK: u32 = 1 << 6;
const L: u32 = 38;
const D: u32 = 32;
const ENTER: u32 = 28;

/// A layout as `wtype` makes one: a key for each character that is to be typed.
fn layout(syms: &[&str]) -> String {
    let (mut codes, mut keys) = (String::new(), String::new());
    for (at, sym) in syms.iter().enumerate() {
        writeln!(codes, "<K{at}> = {};", at + 9).unwrap();
        writeln!(keys, "key <K{at}> {{ [ {sym} ] }};").unwrap();
    }
    format!(
        "xkb_keymap {{ xkb_keycodes \"(unnamed)\" {{ minimum = 8; maximum = 255; {codes} }};\
         xkb_types \"(unnamed)\" {{ include \"complete\" }};\
         xkb_compatibility \"(unnamed)\" {{ include \"complete\" }};\
         xkb_symbols \"(unnamed)\" {{ {keys} }}; }};"
    )
}

fn tap(keyboard: &ZwpVirtualKeyboardV1, code: u32) {
    keyboard.key(0, code, 1);
    keyboard.key(0, code, 0);
}

#[test]
fn a_program_types_into_the_window_that_has_the_keys() {
    let mut world = World::two_qubes("");
    let tool = world.add_dom0_client();
    world.click_into("work");
    let keyboard = world.clients[tool].virtual_keyboard(&layout(&["a", "A", "Return", "U4f60"]));
    for code in 1..=4 {
        tap(&keyboard, code);
    }
    world.turn();
    let heard = &world.clients[0].heard;
    assert_eq!(heard.keys, [(A, true), (A, false), (A, true), (A, false), (ENTER, true), (ENTER, false)]);
    assert_eq!(heard.shifted, [A], "the second is a capital letter");
    assert_eq!(heard.modifiers, 0);
    assert!(world.clients[1].heard.keys.is_empty());
    // A key that it leaves down goes up with it.
    keyboard.key(0, 1, 1);
    world.turn();
    keyboard.destroy();
    world.turn();
    assert_eq!(world.clients[0].heard.keys.last(), Some(&(A, false)));
}

#[test]
fn its_keys_are_no_chords_and_answer_nothing() {
    let mut world = World::two_qubes("clipboard { ask from=\"work\" to=\"web\"; }");
    let tool = world.add_dom0_client();
    world.click_into("work");
    let keyboard = world.clients[tool].virtual_keyboard(&world.clients[0].heard.keymap.clone());
    // Super and V, once as keys and once as a modifier.
    keyboard.key(0, SUPER, 1);
    tap(&keyboard, V);
    keyboard.key(0, SUPER, 0);
    keyboard.modifiers(SUPER_MASK, 0, 0, 0);
    tap(&keyboard, V);
    tap(&keyboard, L);
    keyboard.modifiers(0, 0, 0, 0);
    world.frame();
    assert_eq!(world.desktop.state().lock, "open");
    let keys = world.clients[0].heard.keys.clone();
    assert!(keys.iter().all(|(code, _)| *code == V || *code == SUPER) && keys.len() <= 4, "{keys:?}");
    // The launcher is open: nothing is typed into it, and nothing beneath it.
    world.chord(&[SUPER, D]);
    let before = world.clients[0].heard.keys.len();
    tap(&keyboard, A);
    tap(&keyboard, ENTER);
    tap(&keyboard, 1);
    world.frame();
    assert!(world.desktop.state().launcher.is_some(), "Escape would have closed it");
    assert_eq!(world.clients[0].heard.keys.len(), before);
    world.chord(&[1]);
    // Locked.
    world.chord(&[SUPER, L]);
    for code in [A, ENTER] {
        tap(&keyboard, code);
    }
    world.frame();
    assert_eq!(world.desktop.state().lock, "locked");
    assert_eq!(world.clients[0].heard.keys.len(), before);
    assert_eq!(world.clients[tool].error, None);
}

#[test]
fn a_keyboard_without_a_layout_is_an_error_of_its_program() {
    let mut world = World::two_qubes("");
    let tool = world.add_dom0_client();
    let keyboard = world.clients[tool].virtual_keyboard("no layout at all");
    tap(&keyboard, A);
    world.turn();
    assert!(world.clients[tool].error.is_some());
    assert!(world.clients[0].error.is_none());
}
