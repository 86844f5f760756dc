//! dom0's input method, and text fields of qubes' and dom0's programs.

use std::time::Duration;

use transom::input::event::InputEvent;
use transom_protocol::{
    limits::MAX_INPUT_TEXT,
    types::{Rect, WindowKind},
};
use transom_tests::fixture::{World, assert_golden, hostile::Hostile, memory, pixel};
use transom_theming::Label;
use wayland_protocols::wp::text_input::zv3::client::zwp_text_input_v3::ZwpTextInputV3;

const A: u32 = 30;
const B: u32 = 48;
const SHIFT: u32 = 42;
const SUPER: u32 = 125;
const D: u32 = 32;
const L: u32 = 38;
const ESCAPE: u32 = 1;
const GOLD: u32 = 0xffcc_aa00;
/// Width of the frame around words to choose from.
const FRAME: i32 = 3;
const CURSOR: [i32; 4] = [20, 30, 2, 16];

/// Clients of [`desk`].
const WORK: usize = 0;
const WEB: usize = 1;
const METHOD: usize = 2;

/// Two qubes with a window and a text field each, of which `work` has the keys and has enabled its own, and
/// an input method.
fn desk() -> World {
    let mut world = World::two_qubes("");
    let method = world.add_dom0_client();
    assert_eq!(method, METHOD);
    world.clients[METHOD].input_method();
    for client in [WORK, WEB] {
        world.clients[client].text_field();
    }
    world.click_into("work");
    world.clients[WORK].enable_text(CURSOR, "abc");
    world.turn();
    world
}

fn dones(world: &World) -> u32 {
    world.clients[METHOD].heard.method.dones
}

#[test]
fn what_is_composed_in_dom0_lands_in_the_qube() {
    let mut world = desk();
    assert!(world.clients[WORK].heard.text.entered);
    let method = &world.clients[METHOD].heard.method;
    assert!(method.active);
    assert_eq!(method.surrounding, Some(("abc".into(), 3, 3)));
    // A key goes to the input method, which makes a text of it.
    world.chord(&[A]);
    assert_eq!(world.clients[METHOD].heard.method.keys, [(A, true), (A, false)]);
    assert!(world.clients[WORK].heard.keys.is_empty());
    world.clients[METHOD].compose("ni", "", dones(&world));
    world.turn();
    assert_eq!(world.clients[WORK].heard.text.preedit, "ni");
    // The program says more while the answer is on its way; it is answered as of all that it has said.
    world.clients[WORK].change_text(|field| field.set_cursor_rectangle(40, 30, 2, 16));
    world.clients[METHOD].compose("", "你", dones(&world));
    world.turn();
    let text = &world.clients[WORK].heard.text;
    assert_eq!((text.preedit.as_str(), text.inserted.as_str()), ("", "你"));
    assert_eq!(text.commits, (2, 2));
    world.clients[METHOD].delete_around(3, 0);
    world.turn();
    assert_eq!(world.clients[WORK].heard.text.deleted, [(3, 0)]);
    assert_eq!(world.clients[WEB].heard.text.inserted, "");
    assert!(!world.clients[WEB].heard.text.entered);
}

#[test]
fn a_key_that_is_handed_back_is_the_windows() {
    let mut world = desk();
    let layout = world.clients[METHOD].heard.keymap.clone();
    assert!(layout.starts_with("xkb_keymap"));
    let keyboard = world.clients[METHOD].virtual_keyboard(&layout);
    world.input(&[
        InputEvent::Key { code: SHIFT, pressed: true },
        InputEvent::Key { code: A, pressed: true },
        InputEvent::Key { code: A, pressed: false },
        InputEvent::Key { code: SHIFT, pressed: false },
    ]);
    let given = world.clients[METHOD].heard.method.keys.clone();
    assert_eq!(given, [(SHIFT, true), (A, true), (A, false), (SHIFT, false)]);
    world.clients[WORK].heard.said.clear();
    for (code, pressed) in given {
        keyboard.key(0, code, u32::from(pressed));
    }
    world.turn();
    assert_eq!(world.clients[WORK].heard.keys, [(SHIFT, true), (A, true), (A, false), (SHIFT, false)]);
    assert_eq!(world.clients[WORK].heard.shifted, [A], "as it was when it was pressed");
    assert_eq!(world.clients[WORK].heard.modifiers, 0, "and not longer");
    // What it was not given, it cannot have to hand back, unless it has shown that it knows of the field.
    keyboard.key(0, B, 1);
    keyboard.key(0, B, 0);
    world.turn();
    assert_eq!(world.clients[WORK].heard.keys.last(), Some(&(B, false)), "it has");
    // Without a field keys are the window's.
    world.clients[WORK].change_text(ZwpTextInputV3::disable);
    world.turn();
    assert!(!world.clients[METHOD].heard.method.active);
    world.chord(&[A]);
    assert_eq!(world.clients[WORK].heard.keys.len(), 8);
    assert_eq!(world.clients[METHOD].heard.method.keys.len(), 4);
}

#[test]
fn a_program_of_dom0_is_written_into_as_well() {
    let mut world = desk();
    let own = world.add_dom0_client();
    world.clients[own].listen();
    world.clients[own].text_field();
    world.add_window(own, "notes", (200, 100), 0xff20_4060);
    world.click_into("notes");
    world.clients[own].enable_text(CURSOR, "");
    world.turn();
    assert_eq!(world.clients[METHOD].heard.method.activations, 2);
    world.chord(&[A]);
    world.clients[METHOD].compose("", "日本", dones(&world));
    world.turn();
    assert_eq!(world.clients[own].heard.text.inserted, "日本");
    assert_eq!(world.clients[WORK].heard.text.inserted, "");
}

#[test]
fn what_was_composed_is_dropped_when_the_focus_moves() {
    let mut world = desk();
    let layout = world.clients[METHOD].heard.keymap.clone();
    let keyboard = world.clients[METHOD].virtual_keyboard(&layout);
    world.chord(&[A]);
    world.clients[METHOD].compose("secret", "", dones(&world));
    world.turn();
    let before = dones(&world);
    world.click_into("web");
    assert_eq!(world.clients[WORK].heard.text.preedit, "", "it has left");
    world.clients[WEB].enable_text(CURSOR, "");
    world.turn();
    assert!(world.clients[METHOD].heard.method.active);
    // The input method answers late: what it knew of is gone.
    world.clients[METHOD].compose("secret", "secret", before);
    keyboard.key(0, A, 1);
    keyboard.key(0, A, 0);
    world.turn();
    for client in [WORK, WEB] {
        let heard = &world.clients[client].heard;
        assert_eq!((heard.text.preedit.as_str(), heard.text.inserted.as_str()), ("", ""), "{client}");
        assert!(heard.keys.is_empty());
    }
    // And knowing of the new field it is heard.
    world.clients[METHOD].compose("", "word", dones(&world));
    world.turn();
    assert_eq!(world.clients[WEB].heard.text.inserted, "word");
    assert_eq!(world.clients[WORK].heard.text.inserted, "");
}

#[test]
fn while_the_focus_moves_nothing_lands() {
    let mut world = desk();
    let before = dones(&world);
    // The person has clicked; no frame has shown it yet.
    let [x, y, ..] = world.content("web");
    let (x, y) = (f64::from(x) + 50.0, f64::from(y) + 50.0);
    world.desktop.input(InputEvent::PointerTo { x, y });
    world.desktop.input(InputEvent::Button { code: 0x110, pressed: true });
    world.clients[METHOD].compose("", "late", before);
    world.turn();
    assert!(world.clients.iter().all(|client| client.heard.text.inserted.is_empty()));
    assert!(!world.clients[METHOD].heard.method.active);
}

#[test]
fn what_dom0_asks_and_what_it_locks_is_not_the_input_methods() {
    for chord in [[SUPER, D], [SUPER, L]] {
        let mut world = desk();
        world.clients[METHOD].candidates((120, 40), GOLD);
        world.chord(&[A]);
        let (keys, before) = (world.clients[METHOD].heard.method.keys.len(), dones(&world));
        world.clients[METHOD].compose("ni", "", before);
        world.turn();
        world.chord(&chord);
        assert!(!world.clients[METHOD].heard.method.active, "{chord:?}");
        let text = &world.clients[WORK].heard.text;
        assert!(!text.entered && text.preedit.is_empty());
        world.chord(&[A]);
        world.chord(&[B]);
        world.clients[METHOD].compose("", "late", before);
        world.clients[METHOD].compose("", "later", dones(&world));
        world.turn();
        assert_eq!(world.clients[METHOD].heard.method.keys.len(), keys, "neither they nor the chord");
        assert_eq!(world.clients[WORK].heard.text.inserted, "");
        assert!(!shows(&mut world, GOLD), "its words are gone too");
        if chord[1] == D {
            // The launcher goes: the program is served anew, and has to say anew what its field is.
            world.chord(&[ESCAPE]);
            world.chord(&[ESCAPE]);
            assert!(world.clients[WORK].heard.text.entered);
            assert!(!world.clients[METHOD].heard.method.active);
            world.clients[WORK].enable_text(CURSOR, "");
            world.turn();
            world.clients[METHOD].compose("", "again", dones(&world));
            world.turn();
            assert_eq!(world.clients[WORK].heard.text.inserted, "again");
        }
    }
}

fn shows(world: &mut World, argb: u32) -> bool {
    let picture = world.picture();
    picture.pixels().any(|pixel| {
        let [r, g, b] = pixel.0.map(u32::from);
        0xff00_0000 | r << 16 | g << 8 | b == argb
    })
}

#[test]
fn words_to_choose_from_stand_beside_the_cursor_and_take_no_focus() {
    let mut world = desk();
    let surface = world.clients[METHOD].candidates((120, 40), GOLD);
    world.clients[METHOD].listen();
    world.frame();
    let [x, y, ..] = world.content("work");
    let picture = world.picture();
    assert_golden("candidates", &picture);
    // In a frame, below the cursor.
    let (left, top) = (x + CURSOR[0] + FRAME, y + CURSOR[1] + CURSOR[3] + FRAME);
    let at = |x, y| pixel(&picture, x, y) | 0xff00_0000;
    assert_eq!(at(left, top), GOLD);
    assert_eq!(at(left + 119, top + 39), GOLD);
    assert_ne!(at(left - 1, top), GOLD);
    assert_eq!(world.clients[METHOD].heard.method.cursor, Some([-FRAME, -CURSOR[3] - FRAME, 2, 16]));
    // The person clicks a word: the window keeps the keys.
    world.click(f64::from(left) + 10.0, f64::from(top) + 10.0);
    let heard = &world.clients[METHOD].heard;
    assert_eq!(heard.buttons.len(), 2);
    assert!(heard.pointer.as_ref().is_some_and(|(_, x, y)| (*x, *y) == (10.0, 10.0)));
    assert!(world.clients[WORK].heard.keyboard && world.clients[METHOD].heard.method.active);
    world.clients[METHOD].compose("", "字", dones(&world));
    world.turn();
    assert_eq!(world.clients[WORK].heard.text.inserted, "字");
    // Nothing is composed any more: nothing is to be chosen.
    world.click_into("web");
    assert!(!shows(&mut world, GOLD));
    surface.destroy();
    world.turn();
    assert_eq!(world.clients[METHOD].error, None);
}

#[test]
fn a_qube_does_not_say_where_words_stand() {
    let mut world = desk();
    world.clients[METHOD].candidates((120, 40), GOLD);
    let far = i32::MAX;
    for cursor in [[far, far, far, far], [-far, -far, 1, 1], [0, 0, 0, 0], [0, -far, far, far]] {
        world.clients[WORK].change_text(|field| {
            field.set_cursor_rectangle(cursor[0], cursor[1], cursor[2], cursor[3]);
        });
        world.wait(Duration::from_millis(60));
        let picture = world.picture();
        let gold = picture.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 == [0xcc, 0xaa, 0]).count();
        assert_eq!(gold, 120 * 40, "all of them is on the screen: {cursor:?}");
        assert!(picture.enumerate_pixels().all(|(_, y, pixel)| y > 28 || pixel.0 != [0xcc, 0xaa, 0]));
    }
    // Whatever its size, it stays on the screen and below dom0's bar (OVER).
    world.clients[METHOD].candidates((3_000, 2_000), 0xff12_34ff);
    world.frame();
    let picture = world.picture();
    assert!((0..800).all(|x| pixel(&picture, x, 5) & 0xff_ffff != 0x12_34ff));
}

#[test]
fn a_second_input_method_is_refused_and_the_end_of_the_first_ends_it() {
    let mut world = desk();
    let second = world.add_dom0_client();
    world.clients[second].input_method();
    world.turn();
    assert!(world.clients[second].heard.method.unavailable);
    world.clients[second].compose("", "mine", 1);
    world.turn();
    assert_eq!(world.clients[WORK].heard.text.inserted, "");
    world.clients[METHOD].compose("ni", "", dones(&world));
    world.turn();
    world.clients[METHOD].retire();
    world.turn();
    let text = &world.clients[WORK].heard.text;
    assert!(!text.entered && text.preedit.is_empty());
    world.chord(&[A]);
    assert_eq!(world.clients[WORK].heard.keys, [(A, true), (A, false)], "keys are the window's again");
    // One that comes later knows nothing of what was.
    world.clients[METHOD].input_method();
    world.turn();
    assert!(world.clients[WORK].heard.text.entered && !world.clients[METHOD].heard.method.active);
    world.clients[WORK].enable_text(CURSOR, "");
    world.turn();
    assert_eq!(dones(&world), 1);
    world.clients[METHOD].compose("", "x", 1);
    world.turn();
    assert_eq!(world.clients[WORK].heard.text.inserted, "x");
}

#[test]
fn an_input_method_that_ends_without_a_word_leaves_nothing_behind() {
    let mut world = desk();
    world.clients[METHOD].candidates((120, 40), GOLD);
    world.frame();
    assert!(shows(&mut world, GOLD));
    world.clients.remove(METHOD);
    world.frame();
    assert!(!shows(&mut world, GOLD));
    world.chord(&[A]);
    assert_eq!(world.clients[WORK].heard.keys.len(), 2);
}

/// A qube that speaks the protocol itself, with a window that has no keys, beside [`desk`].
fn hostile(world: &mut World) -> Hostile {
    let stream = world.add_raw_qube("bad", Label::Black);
    let mut bad = Hostile::new(stream);
    bad.hello();
    world.turn();
    bad.create(1, WindowKind::Toplevel, 0);
    let fd = memory(100 * 60, 0xff40_4040);
    bad.commit(
        1,
        transom_protocol::message::Commit {
            buffer: transom_protocol::types::BufferChange::Keep,
            ..Hostile::picture(0, 0, 0)
        },
    );
    world.turn();
    bad.acknowledge();
    bad.grant(1, &fd, 100 * 60 * 4);
    bad.commit(1, Hostile::picture(1, 100, 60));
    world.frame();
    bad.hear();
    assert_eq!(bad.goodbye, None);
    bad
}

#[test]
fn a_qube_without_the_keys_has_no_text_field() {
    let mut world = desk();
    let mut bad = hostile(&mut world);
    let activations = world.clients[METHOD].heard.method.activations;
    for focus in 0..20 {
        bad.text_field(1, focus + 1, focus, Rect::new(1, 1, 1, 1), b"give me");
    }
    world.turn();
    world.clients[METHOD].compose("", "mine", dones(&world));
    world.turn();
    bad.hear();
    let method = &world.clients[METHOD].heard.method;
    assert_eq!((method.activations, method.surrounding.clone()), (activations, Some(("abc".into(), 3, 3))));
    assert_eq!((bad.texts.len(), bad.text_focus.len(), bad.goodbye), (0, 0, None));
    assert_eq!(world.clients[WORK].heard.text.inserted, "mine");
}

#[test]
fn a_qube_with_the_keys_floods_and_lies_and_is_the_only_one_who_suffers() {
    let mut world = desk();
    let mut bad = hostile(&mut world);
    let windows = world.desktop.state().windows;
    let [x, y, w, h] = windows.iter().find(|w| w.qube == "bad").map(|w| w.content).unwrap();
    world.click(f64::from(x + w - 5), f64::from(y + h - 5));
    bad.hear();
    let (window, focus, on) = *bad.text_focus.last().unwrap();
    assert!(window == 1 && on);
    // Always something new, and fields without end.
    let before = dones(&world);
    let rect = Rect::new(-(1 << 30), 1 << 30, 1 << 20, 1 << 20);
    for number in 1..=500 {
        bad.text_field(1, number, focus, rect, format!("{number}").as_bytes());
        world.hop();
    }
    world.turn();
    let told = dones(&world) - before;
    assert!(told < 140, "the input method hears {told} times");
    assert_eq!(world.clients[METHOD].error, None);
    world.wait(Duration::from_millis(60));
    assert_eq!(world.clients[METHOD].heard.method.surrounding, Some(("500".into(), 0, 0)), "and the last");
    world.clients[METHOD].candidates((120, 40), GOLD);
    world.frame();
    assert!(shows(&mut world, GOLD));
    // Longer than may be: that ends its link, and nothing else.
    bad.text_field(1, 501, focus, rect, &vec![b'x'; MAX_INPUT_TEXT + 1]);
    world.frame();
    bad.hear();
    assert!(bad.goodbye.unwrap().contains("TextInput"));
    assert!(!world.clients[METHOD].heard.method.active);
    world.click_into("work");
    world.clients[WORK].enable_text(CURSOR, "fine");
    world.turn();
    world.clients[METHOD].compose("", "ok", dones(&world));
    world.turn();
    assert_eq!(world.clients[WORK].heard.text.inserted, "ok");
    assert_eq!(world.clients[METHOD].error, None);
}

#[test]
fn text_of_a_qube_that_is_no_text_ends_its_link() {
    for (text, rect) in [(b"\xff\xfe".as_slice(), Rect::new(0, 0, 1, 1)), (b"a", Rect::new(0, 0, -1, 1))] {
        let mut world = desk();
        let mut bad = hostile(&mut world);
        bad.text_field(1, 1, 0, rect, text);
        world.turn();
        bad.hear();
        assert!(bad.goodbye.unwrap().contains("TextInput"));
    }
}

#[test]
fn a_paused_qube_is_served_no_longer() {
    let mut world = desk();
    world.desktop.hold_qube("work", true);
    world.turn();
    assert!(!world.clients[METHOD].heard.method.active);
    world.clients[METHOD].compose("", "late", dones(&world));
    world.turn();
    assert_eq!(world.clients[WORK].heard.text.inserted, "");
}
