//! dom0's own programs: their windows are windows like any other, in steel; nothing passes between
//! them and qubes.

use transom::{config::Config, input::event::InputEvent};
use transom_tests::fixture::{World, assert_golden, memory, pixel};
use transom_theming::Label;

const TEAL: u32 = 0xff00_8080;
const PINK: u32 = 0xffff_66aa;
const A: u32 = 30;

/// A window of dom0 and one of a qube, both listening.
fn desk() -> World {
    let mut world = World::with(Config::default(), (640, 400), 120);
    let dom0 = world.add_dom0_client();
    world.clients[dom0].listen();
    world.add_window(dom0, "terminal", (220, 120), TEAL);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "work", (220, 120), PINK);
    world
}

fn click_into(world: &mut World, title: &str) {
    let [x, y, ..] = world.content(title);
    world.click(f64::from(x) + 5.0, f64::from(y) + 5.0);
}

#[test]
fn a_window_of_dom0_stands_in_steel() {
    let mut world = desk();
    click_into(&mut world, "terminal");
    assert_golden("dom0-window", &world.picture());
    let state = world.desktop.state();
    let window = state.windows.iter().find(|w| w.title == "terminal").unwrap();
    assert_eq!((window.qube.as_str(), window.focused), ("dom0", true));
    let dom0 = state.qubes.iter().find(|q| q.name == "dom0").unwrap();
    assert_eq!(dom0.label, "none", "no label, so no label's colour");
    let [x, y, ..] = window.content;
    assert_eq!(pixel(&world.picture(), x, y), TEAL & 0xff_ffff);
}

#[test]
fn the_switcher_shows_it_in_steel_too() {
    let mut world = desk();
    click_into(&mut world, "work");
    click_into(&mut world, "terminal");
    world.input(&[InputEvent::Key { code: 56, pressed: true }, InputEvent::Key { code: 15, pressed: true }]);
    assert_golden("dom0-switcher", &world.picture());
}

#[test]
fn no_qube_can_be_called_dom0() {
    let mut world = desk();
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let identity = transom::qubes::QubeIdentity { name: "dom0".into(), label: Label::Black, isolated: true };
    assert!(world.desktop.add_link(identity, ours).is_err());
    world.frame();
    assert_eq!(world.content("terminal")[2..], [220, 120], "dom0's own link is as it was");
    assert_eq!(world.clients[0].error, None);
}

#[test]
fn programs_get_frames_and_their_buffers_back() {
    let mut world = desk();
    assert_eq!(world.clients[0].windows()[0].frames, 1, "a callback once it was shown");
    assert_eq!(world.clients[0].heard.released, 0, "the desktop still reads it");
    world.clients[0].show(0, (220, 120), PINK);
    world.frame();
    assert_eq!(world.clients[0].heard.released, 1, "the first one came back");
    assert_eq!(world.clients[0].windows()[0].frames, 2);
}

#[test]
fn a_buffer_shown_again_is_not_given_back() {
    let mut world = desk();
    let program = &world.clients[0];
    let fd = memory(220 * 120, PINK);
    let buffer = program.buffer(&fd, 0, (220, 120), 880, 220 * 120 * 4);
    let surface = program.windows()[0].surface.clone();
    for round in 0..3 {
        surface.attach(Some(&buffer), 0, 0);
        surface.damage_buffer(0, 0, 220, 120);
        surface.commit();
        world.frame();
        assert_eq!(world.clients[0].heard.released, 1, "only the picture before, in round {round}");
    }
}

#[test]
fn keys_go_to_it_when_it_has_the_focus_and_only_then() {
    let mut world = desk();
    world.chord(&[A]);
    assert!(world.clients.iter().all(|c| c.heard.keys.is_empty()), "dom0's window takes no keys either");
    click_into(&mut world, "terminal");
    world.chord(&[A]);
    assert_eq!(world.clients[0].heard.keys, [(A, true), (A, false)]);
    assert!(world.clients[1].heard.keys.is_empty());
    click_into(&mut world, "work");
    world.chord(&[A]);
    assert_eq!(world.clients[0].heard.keys.len(), 2);
    assert!(!world.clients[0].heard.keyboard);
    assert_eq!(world.clients[1].heard.keys, [(A, true), (A, false)]);
}

#[test]
fn modifiers_and_repeats_are_the_desktops() {
    let mut world = desk();
    click_into(&mut world, "terminal");
    let key = |code, pressed| InputEvent::Key { code, pressed };
    world.input(&[key(42, true), key(48, true)]);
    assert_eq!(world.clients[0].heard.modifiers, 1, "shift");
    world.input(&[key(48, false), key(42, false), key(A, true)]);
    assert_eq!(world.clients[0].heard.modifiers, 0);
    world.wait(std::time::Duration::from_millis(400));
    world.wait(std::time::Duration::from_millis(33));
    world.input(&[InputEvent::Key { code: A, pressed: false }]);
    let keys: Vec<_> = world.clients[0].heard.keys.iter().filter(|(code, _)| *code == A).collect();
    assert_eq!(keys, [&(A, true), &(A, true), &(A, true), &(A, false)]);
}

#[test]
fn the_pointer_is_heard_of_only_inside() {
    let mut world = desk();
    let [x, y, ..] = world.content("terminal");
    world.input(&[InputEvent::PointerTo { x: f64::from(x) + 7.0, y: f64::from(y) + 8.0 }]);
    let heard = &world.clients[0].heard.pointer;
    assert!(matches!(heard, Some((_, px, py)) if (*px, *py) == (7.0, 8.0)), "{heard:?}");
    world.input(&[InputEvent::PointerTo { x: f64::from(x) + 7.0, y: f64::from(y) - 10.0 }]);
    assert_eq!(world.clients[0].heard.pointer, None, "the frame is the desktop's");
}

#[test]
fn a_popup_hangs_in_steel_and_goes_with_a_press_elsewhere() {
    let mut world = desk();
    click_into(&mut world, "terminal");
    let [x, y, ..] = world.content("terminal");
    let popup = world.clients[0].popup(0, (20, 30), (60, 40), true);
    world.turn();
    world.clients[0].paint(&popup, usize::MAX, (60, 40), PINK);
    assert_eq!(world.clients[0].heard.popup, Some([20, 30, 60, 40]));
    let picture = world.picture();
    assert_eq!(pixel(&picture, x + 20, y + 30), PINK & 0xff_ffff);
    assert_golden("dom0-popup", &picture);
    world.click(630.0, 390.0);
    assert!(world.clients[0].heard.popup_done);
}

#[test]
fn a_subsurface_shows_with_its_parents_commit() {
    let mut world = desk();
    let part = world.clients[0].subsurface(0, (150, 60), (100, 100), PINK);
    world.frame();
    let [x, y, ..] = world.content("terminal");
    assert_eq!(pixel(&world.picture(), x + 150, y + 60), TEAL & 0xff_ffff, "not before");
    world.clients[0].show(0, (220, 120), TEAL);
    world.frame();
    let picture = world.picture();
    assert_eq!(pixel(&picture, x + 149, y + 60), TEAL & 0xff_ffff);
    assert_eq!(pixel(&picture, x + 150, y + 60), PINK & 0xff_ffff);
    drop(part);
}

#[test]
fn it_is_resized_and_closed_like_any_window() {
    let mut world = desk();
    let [x, y, w, h] = world.content("terminal");
    let corner = (f64::from(x + w) + 1.5, f64::from(y + h) + 1.5);
    let button = |pressed| InputEvent::Button { code: transom::input::event::BTN_LEFT, pressed };
    world.input(&[InputEvent::PointerTo { x: corner.0, y: corner.1 }, button(true)]);
    world.input(&[InputEvent::PointerTo { x: corner.0 + 40.0, y: corner.1 + 30.0 }]);
    assert_eq!(world.clients[0].windows()[0].wanted, (260, 150));
    world.clients[0].show(0, (0, 0), TEAL);
    world.input(&[button(false)]);
    let [x, y, w, h] = world.content("terminal");
    assert_eq!([w, h], [260, 150]);
    world.click(f64::from(x + w) - 10.0, f64::from(y) - 12.0);
    assert!(world.clients[0].windows()[0].closed);
}

#[test]
fn a_window_that_hides_can_show_itself_again() {
    let mut world = desk();
    let surface = world.clients[0].windows()[0].surface.clone();
    surface.attach(None, 0, 0);
    surface.commit();
    world.frame();
    assert!(world.desktop.state().windows.iter().all(|w| w.title != "terminal"));
    surface.commit();
    world.turn();
    world.clients[0].show(0, (220, 120), PINK);
    world.frame();
    assert_eq!(world.clients[0].error, None);
    let [x, y, ..] = world.content("terminal");
    assert_eq!(pixel(&world.picture(), x, y), PINK & 0xff_ffff);
}

#[test]
fn a_program_that_breaks_a_rule_ends_alone() {
    let mut world = desk();
    let bad = world.add_dom0_client();
    world.add_window(bad, "bad", (100, 60), PINK);
    // A buffer that does not lie in its pool.
    let fd = memory(16, PINK);
    world.clients[bad].buffer(&fd, 0, (100, 60), 400, 64);
    world.frame();
    assert!(world.clients[bad].error.is_some());
    let titles: Vec<_> = world.desktop.state().windows.into_iter().map(|w| w.title).collect();
    assert!(!titles.contains(&"bad".to_owned()), "{titles:?}");
    assert!(world.desktop.state().notices.is_empty(), "no link was cut");
    click_into(&mut world, "terminal");
    world.chord(&[A]);
    assert_eq!(world.clients[0].heard.keys, [(A, true), (A, false)], "the other one goes on");
    assert_eq!(world.clients[1].error, None);
}

#[test]
fn a_picture_before_the_first_configure_ends_the_program() {
    let mut world = desk();
    let bad = world.add_dom0_client();
    let window = world.clients[bad].toplevel("hasty");
    world.clients[bad].show(window, (50, 50), PINK);
    world.frame();
    assert!(world.clients[bad].error.is_some());
    assert!(world.clients[0].error.is_none() && world.clients[1].error.is_none());
}

#[test]
fn a_pool_shorter_than_it_says_ends_the_program() {
    let mut world = desk();
    let bad = world.add_dom0_client();
    let window = world.add_window(bad, "bad", (100, 60), PINK);
    let fd = memory(100 * 60, PINK);
    let buffer = world.clients[bad].buffer(&fd, 0, (100, 60), 400, 24_000);
    world.turn();
    rustix::fs::ftruncate(&fd, 0).unwrap();
    let surface = world.clients[bad].windows()[window].surface.clone();
    surface.attach(Some(&buffer), 0, 0);
    surface.commit();
    world.frame();
    assert!(world.clients[bad].error.is_some());
    assert!(world.clients[0].error.is_none(), "{:?}", world.clients[0].error);
}

#[test]
fn pools_that_are_gone_are_unmapped() {
    let mut world = desk();
    let mapped = |world: &World| {
        let state = world.desktop.state();
        state.qubes.iter().find(|q| q.name == "dom0").map(|q| q.mapped_bytes).unwrap()
    };
    let before = mapped(&world);
    let other = world.add_dom0_client();
    world.add_window(other, "other", (100, 60), PINK);
    assert_eq!(mapped(&world), before + 24_000);
    world.clients.remove(other);
    world.frame();
    world.frame();
    assert_eq!(mapped(&world), before);
    assert!(world.desktop.state().windows.iter().all(|w| w.title != "other"));
}

#[test]
fn qubes_live_on_without_dom0s_programs() {
    let mut world = desk();
    world.restart_desktop();
    assert!(world.clients[0].error.is_none(), "the end of the line is no protocol error");
    let titles: Vec<_> = world.desktop.state().windows.into_iter().map(|w| w.title).collect();
    assert_eq!(titles, ["work"], "dom0's programs end with the desktop");
}

const SUPER: u32 = 125;
const C: u32 = 46;
const V: u32 = 47;
const TEXT: &str = "text/plain;charset=utf-8";

/// As [`desk`], with a clipboard and these settings of it.
fn clipboards(config: &str) -> World {
    let mut world = World::with(Config::parse("test.kdl", config).unwrap(), (640, 400), 120);
    let dom0 = world.add_dom0_client();
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    for (client, title) in [(dom0, "terminal"), (client, "work")] {
        world.clients[client].listen();
        world.clients[client].watch_clipboard();
        world.add_window(client, title, (220, 120), TEAL);
    }
    world
}

/// Copies out of one window, pastes into another; returns what came.
fn carry(world: &mut World, (from, to): (usize, usize), bytes: &[u8]) -> Option<Vec<u8>> {
    let titles = ["terminal", "work"];
    click_into(world, titles[from]);
    world.clients[from].copy(&[(TEXT, bytes)]);
    world.turn();
    world.chord(&[SUPER, C]);
    click_into(world, titles[to]);
    assert!(world.clients[to].offered().is_empty(), "nothing before the paste (NO-ORACLE)");
    world.chord(&[SUPER, V]);
    if world.clients[to].offered().is_empty() {
        return None;
    }
    let mut pasted = world.clients[to].receive(TEXT);
    let mut bytes = Vec::new();
    // A pipe holds less than the longest text.
    for _ in 0..4 {
        world.turn();
        pasted.take(&mut bytes);
    }
    Some(bytes)
}

#[test]
fn nothing_is_pasted_into_or_out_of_dom0() {
    for config in ["", "clipboard { allow from=\"*\" to=\"*\"; }"] {
        for way in [(0, 1), (1, 0)] {
            let mut world = clipboards(config);
            assert_eq!(carry(&mut world, way, b"secret"), None, "{config}: {way:?}");
            let notices = world.desktop.state().notices;
            assert!(notices.iter().any(|n| n.contains("dom0") && n.contains("refused")), "{notices:?}");
        }
    }
}

#[test]
fn a_rule_that_names_dom0_is_kept() {
    let rules = "clipboard { allow from=\"work\" to=\"dom0\"; allow from=\"dom0\" to=\"work\"; }";
    let long: Vec<u8> = (0..100_000_u32).map(|i| b'a' + (i % 26) as u8).collect();
    for way in [(0, 1), (1, 0)] {
        let mut world = clipboards(rules);
        assert_eq!(carry(&mut world, way, &long).as_deref(), Some(long.as_slice()), "{way:?}");
    }
}

#[test]
fn dom0s_programs_copy_among_themselves() {
    let mut world = clipboards("");
    let other = world.add_dom0_client();
    world.clients[other].listen();
    world.clients[other].watch_clipboard();
    world.add_window(other, "editor", (100, 60), PINK);
    click_into(&mut world, "terminal");
    world.clients[0].copy(&[(TEXT, b"within")]);
    world.turn();
    click_into(&mut world, "work");
    assert!(world.clients[1].offered().is_empty(), "a qube hears nothing of it");
    click_into(&mut world, "editor");
    assert_eq!(world.clients[other].offered(), [TEXT]);
    let pasted = world.clients[other].receive(TEXT);
    world.turn();
    assert_eq!(pasted.bytes(), b"within");
}
