//! Rule FAIL-CLOSED: while the desktop is locked, nothing of a qube is seen and nothing is heard by one.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use image::RgbImage;
use transom::{
    config::Config,
    input::event::{BTN_LEFT, InputEvent},
    ipc::{Reply, Request},
    lock::{LockOptions, marker::MARKER_NAME},
    render::canvas::RendererKind,
};
use transom_tests::{
    fixture::{World, assert_golden},
    process::until,
};
use transom_theming::Label;
use wayland_protocols::ext::session_lock::v1::client::ext_session_lock_v1::ExtSessionLockV1;

const TEAL: u32 = 0xff00_8080;
const PINK: u32 = 0xffd0_60a0;
const A: u32 = 30;
const ENTER: u32 = 28;
const BACKSPACE: u32 = 14;
const ESCAPE: u32 = 1;
const SUPER: u32 = 125;
/// `xdg_toplevel.state.suspended`.
const SUSPENDED: u32 = 9;
const TEXT: &str = "text/plain;charset=utf-8";
const L: u32 = 38;
/// `secret`.
pub(super) const SECRET: [u32; 6] = [31, 18, 46, 19, 18, 20];

/// A desktop with a helper that knows one password.
pub(super) struct Locked {
    pub(super) world: World,
    dir: tempfile::TempDir,
}

/// Counts its runs, waits until `dir/go` is there, and answers.
fn helper(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("helper");
    let dir = dir.display();
    let script = format!(
        "#!/bin/sh\necho run >> {dir}/runs\nread -r word\nwhile ! test -e {dir}/go; do sleep 0.01; done\n\
         [ \"$word\" = secret ] && echo right || echo wrong\n"
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    path
}

impl Locked {
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// Two qubes with a window each, the first of which has the keys.
    fn with(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("go"), "").unwrap();
        let lock = LockOptions {
            helper: Some(helper(dir.path())),
            marker: Some(dir.path().join(MARKER_NAME)),
            person: Some("A Person".into()),
        };
        let config = Config::parse("test.kdl", config).unwrap();
        let mut world = World::locked_by(lock, RendererKind::Pixman, config, (800, 600), 120);
        for (name, label, paint) in [("work", Label::Blue, TEAL), ("web", Label::Red, PINK)] {
            let qube = world.add_qube(name, label);
            let client = world.add_client(qube);
            world.clients[client].listen();
            world.add_window(client, name, (300, 200), paint);
        }
        let mut locked = Self { world, dir };
        locked.world.click_into("work");
        locked
    }

    pub(super) fn phase(&self) -> String {
        self.world.desktop.state().lock
    }

    fn type_word(&mut self, codes: &[u32]) {
        for code in codes {
            self.world.chord(&[*code]);
        }
    }

    /// Types a word and Enter, and waits for the answer.
    pub(super) fn give(&mut self, codes: &[u32]) {
        let runs = self.runs();
        self.type_word(codes);
        self.world.chord(&[ENTER]);
        self.answered(runs + 1);
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.dir.path().join("runs")).map_or(0, |text| text.lines().count())
    }

    /// Waits until a helper has run so often, and its answer was heard.
    fn answered(&mut self, runs: usize) {
        until("an answer", || {
            self.world.frame();
            let idle = !self.world.desktop.checks_password();
            (idle && self.runs() == runs).then_some(())
        });
        self.world.frame();
    }

    fn keys(&self) -> usize {
        self.world.clients.iter().map(|client| client.heard.keys.len()).sum()
    }
}

/// Pixels in the colour of a window or of a frame.
fn of_qubes(picture: &RgbImage) -> usize {
    let theme = transom_theming::Theme::builtin(transom_theming::Variant::Dark);
    let mut colors = vec![[0x00, 0x80, 0x80], [0xd0, 0x60, 0xa0]];
    for label in [Label::Blue, Label::Red] {
        let color = theme.label_color(label);
        colors.push([color.r, color.g, color.b]);
    }
    picture.pixels().filter(|pixel| colors.contains(&pixel.0)).count()
}

#[test]
fn nothing_of_a_qube_is_seen_from_the_first_moment() {
    let mut locked = Locked::new();
    assert!(of_qubes(&locked.world.picture()) > 10_000, "the colours are there to be missed");
    locked.world.desktop.input(InputEvent::Key { code: SUPER, pressed: true });
    locked.world.desktop.input(InputEvent::Key { code: L, pressed: true });
    assert_eq!(locked.phase(), "covering");
    let at_once = locked.world.desktop.screenshot().unwrap();
    assert_eq!(of_qubes(&at_once), 0, "before any frame");
    assert_eq!(locked.phase(), "covering", "a picture for a file is none on a screen");
    assert_eq!(of_qubes(&locked.world.picture()), 0);
    assert_eq!(locked.phase(), "locked");
    assert_golden("locked", &locked.world.picture());
    // A monitor of another size; new windows, popups, pictures; alt-tab, screenshots, the pointer.
    locked.world.plug(&[("screen-1", (1024, 768), 180)]);
    assert_eq!(of_qubes(&locked.world.picture()), 0);
    locked.world.plug(&[("screen-1", (800, 600), 120), ("screen-2", (640, 480), 180)]);
    assert_eq!(of_qubes(&locked.world.picture()), 0);
    assert_eq!(of_qubes(&locked.world.picture_of("screen-2")), 0);
    locked.world.add_window(0, "another", (200, 100), TEAL);
    locked.world.clients[1].show(0, (300, 200), PINK);
    locked.world.chord(&[56, 15]);
    locked
        .world
        .input(&[InputEvent::Key { code: 56, pressed: true }, InputEvent::Key { code: 15, pressed: true }]);
    locked.world.input(&[InputEvent::PointerTo { x: 100.0, y: 100.0 }]);
    assert_eq!(of_qubes(&locked.world.picture()), 0);
    assert_eq!(locked.world.desktop.state().switcher, None);
    locked.world.input(&[InputEvent::Lost]);
    locked.give(&SECRET);
    assert_eq!(locked.phase(), "open");
    assert!(of_qubes(&locked.world.picture()) > 10_000, "all of it is back");
}

#[test]
fn keys_go_to_the_lock_and_to_nobody_else() {
    let mut locked = Locked::new();
    let key = |code, pressed| InputEvent::Key { code, pressed };
    locked.world.input(&[key(A, true)]);
    assert_eq!(locked.world.clients[0].heard.keys, [(A, true)]);
    locked.world.desktop.lock();
    locked.world.frame();
    assert_eq!(locked.world.clients[0].heard.keys, [(A, true), (A, false)], "what is held is let go of");
    assert!(!locked.world.clients[0].heard.keyboard);
    locked.world.input(&[key(A, false)]);
    locked.type_word(&[A, BACKSPACE, A, ESCAPE]);
    // Enter is still down when the desktop opens.
    locked.type_word(&SECRET);
    locked.world.input(&[key(ENTER, true)]);
    locked.answered(1);
    assert_eq!(locked.phase(), "open");
    locked.world.input(&[key(ENTER, false)]);
    assert_eq!(locked.keys(), 2, "{:?}", locked.world.clients[0].heard.keys);
    assert!(locked.world.clients[0].heard.keyboard, "the focus is back");
    locked.world.chord(&[A]);
    assert_eq!(locked.world.clients[0].heard.keys[2..], [(A, true), (A, false)]);
}

#[test]
fn a_wrong_password_opens_nothing() {
    let mut locked = Locked::new();
    locked.world.desktop.lock();
    locked.world.frame();
    locked.world.chord(&[ENTER]);
    assert!(!locked.world.desktop.checks_password(), "no word is no password");
    locked.give(&[A, A]);
    assert_eq!(locked.phase(), "locked");
    assert_golden("locked-wrong", &locked.world.picture());
    locked.give(&SECRET);
    assert_eq!((locked.phase().as_str(), locked.keys()), ("open", 0));
}

#[test]
fn there_is_never_a_second_attempt_beside_the_first() {
    let mut locked = Locked::new();
    locked.world.desktop.lock();
    locked.world.frame();
    let go = locked.dir.path().join("go");
    fs::remove_file(&go).unwrap();
    locked.type_word(&[A]);
    locked.world.chord(&[ENTER]);
    until("the helper", || (locked.runs() == 1).then_some(()));
    for _ in 0..3 {
        locked.type_word(&SECRET);
        locked.world.chord(&[ENTER]);
    }
    assert!(locked.world.desktop.checks_password());
    fs::write(&go, "").unwrap();
    locked.answered(1);
    assert_eq!(locked.phase(), "locked", "only the first word counted");
    locked.give(&SECRET);
    assert_eq!((locked.phase().as_str(), locked.runs()), ("open", 2));
}

#[test]
fn a_helper_that_does_not_answer_is_given_up() {
    let mut locked = Locked::new();
    fs::remove_file(locked.dir.path().join("go")).unwrap();
    locked.world.desktop.lock();
    locked.world.frame();
    locked.type_word(&SECRET);
    locked.world.chord(&[ENTER]);
    until("the helper", || (locked.runs() == 1).then_some(()));
    locked.world.wait(Duration::from_secs(61));
    assert!(!locked.world.desktop.checks_password());
    assert_eq!(locked.phase(), "locked");
    fs::write(locked.dir.path().join("go"), "").unwrap();
    locked.give(&SECRET);
    assert_eq!(locked.phase(), "open");
}

#[test]
fn without_a_helper_it_stays_locked_and_says_why() {
    let lock = LockOptions { person: Some("A Person".into()), ..LockOptions::default() };
    let mut world = World::locked_by(lock, RendererKind::Pixman, Config::default(), (800, 600), 120);
    world.desktop.lock();
    world.frame();
    world.chord(&[A]);
    world.chord(&[ENTER]);
    assert_eq!(world.desktop.state().lock, "locked");
    assert_golden("locked-no-helper", &world.picture());
}

#[test]
fn buttons_and_fingers_reach_nobody() {
    let mut locked = Locked::new();
    let button = |pressed| InputEvent::Button { code: BTN_LEFT, pressed };
    let [x, y, ..] = locked.world.content("work");
    let (x, y) = (f64::from(x) + 60.0, f64::from(y) + 60.0);
    locked.world.input(&[InputEvent::PointerTo { x, y }, button(true)]);
    let heard = |locked: &Locked| locked.world.clients[0].heard.buttons.len();
    let before = heard(&locked);
    locked.world.desktop.lock();
    locked.world.frame();
    assert_eq!(heard(&locked), before + 1, "the button is let go of");
    assert_eq!(locked.world.clients[0].heard.pointer, None);
    locked.world.input(&[button(false), button(true), button(false)]);
    let finger = [
        InputEvent::TouchDown { id: 1, x, y },
        InputEvent::TouchMotion { id: 1, x, y },
        InputEvent::TouchFrame,
        InputEvent::Axis {
            source: transom_protocol::types::AxisSource::Wheel,
            x: 0.0,
            y: 9.0,
            x120: 0,
            y120: 120,
            stop: (false, false),
            inverted: false,
        },
        InputEvent::PointerBy { dx: 1.0, dy: 1.0, raw_dx: 1.0, raw_dy: 1.0 },
        button(true),
    ];
    locked.world.input(&finger);
    locked.give(&SECRET);
    locked.world.input(&[InputEvent::TouchUp { id: 1 }, InputEvent::TouchFrame, button(false)]);
    assert_eq!(locked.phase(), "open");
    assert_eq!(heard(&locked), before + 1, "no press of the lock's time, and no release of it");
    assert!(locked.world.clients[0].heard.pointer.is_some());
}

#[test]
fn windows_draw_as_hidden_ones_do() {
    let mut locked = Locked::new();
    locked.world.desktop.lock();
    locked.world.frame();
    locked.world.clients[0].show(0, (300, 200), TEAL);
    locked.world.turn();
    let frames = locked.world.clients[0].windows()[0].frames;
    for _ in 0..5 {
        locked.world.chord(&[A]);
    }
    assert_eq!(
        locked.world.clients[0].windows()[0].frames,
        frames,
        "frames of the lock tell nobody anything"
    );
    locked.world.wait(Duration::from_secs(1));
    assert_eq!(locked.world.clients[0].windows()[0].frames, frames + 1);
    assert!(locked.world.clients[0].windows()[0].states.contains(&SUSPENDED));
}

#[test]
fn a_desktop_that_dies_locked_comes_back_locked() {
    let mut locked = Locked::new();
    let marker = locked.dir.path().join(MARKER_NAME);
    assert!(!marker.exists());
    locked.world.desktop.lock();
    assert!(marker.exists(), "before the first locked frame");
    locked.world.restart_desktop();
    assert_eq!(locked.phase(), "covering");
    assert_eq!(of_qubes(&locked.world.desktop.screenshot().unwrap()), 0);
    assert_eq!(of_qubes(&locked.world.picture()), 0, "the windows are back, and not seen");
    assert_eq!(locked.phase(), "locked");
    locked.type_word(&[A, BACKSPACE]);
    assert_eq!(locked.keys(), 0);
    locked.give(&SECRET);
    assert_eq!(locked.phase(), "open");
    assert!(!marker.exists());
    assert!(of_qubes(&locked.world.picture()) > 10_000);
    locked.world.restart_desktop();
    assert_eq!(locked.phase(), "open");
}

#[test]
fn no_chord_and_no_request_does_anything() {
    let mut locked = Locked::new();
    locked.world.desktop.lock();
    locked.world.frame();
    let windows = locked.world.desktop.state().windows;
    for key in [46, 47, 16, 49, 50, 33, 105, 106, 2, 3, 20] {
        locked.world.chord(&[SUPER, key]);
    }
    locked.world.chord(&[99]);
    assert!(matches!(locked.world.desktop.answer(&Request::Quit), Reply::Error { .. }));
    let state = locked.world.desktop.state();
    assert_eq!((state.lock.as_str(), state.workspace), ("locked", 1));
    assert!(state.notices.is_empty(), "{:?}", state.notices);
    let places =
        |windows: &[transom::ipc::Window]| windows.iter().map(|w| (w.id, w.outer)).collect::<Vec<_>>();
    assert_eq!(places(&state.windows), places(&windows));
    assert!(locked.world.clients.iter().all(|client| !client.windows()[0].closed));
}

#[test]
fn what_is_asked_is_refused_by_locking() {
    let mut locked = Locked::with("clipboard { ask from=\"*\" to=\"*\"; }");
    for client in 0..2 {
        locked.world.clients[client].watch_clipboard();
    }
    locked.world.click_into("work");
    locked.world.clients[0].copy(&[(TEXT, b"words")]);
    locked.world.turn();
    locked.world.chord(&[SUPER, 46]);
    locked.world.click_into("web");
    locked.world.chord(&[SUPER, 47]);
    assert!(locked.world.desktop.state().prompt.is_some());
    locked.world.desktop.lock();
    locked.world.frame();
    assert_eq!(locked.world.desktop.state().prompt, None);
    locked.give(&SECRET);
    assert_eq!(locked.phase(), "open");
    assert!(locked.world.clients[1].offered().is_empty());
}

#[test]
fn nobody_there_locks_and_darkens() {
    let mut locked = Locked::with("idle { lock \"90s\"; screens-off \"2m\"; }");
    locked.world.wait(Duration::from_mins(1));
    locked.world.input(&[InputEvent::PointerTo { x: 1.0, y: 1.0 }]);
    locked.world.wait(Duration::from_secs(89));
    assert_eq!(locked.phase(), "open");
    locked.world.wait(Duration::from_secs(1));
    locked.world.frame();
    assert_eq!(locked.phase(), "locked");
    assert!(locked.world.picture().pixels().any(|pixel| pixel.0 != [0; 3]));
    locked.world.wait(Duration::from_secs(30));
    assert!(locked.world.picture().pixels().all(|pixel| pixel.0 == [0; 3]), "dark");
    locked.world.chord(&[BACKSPACE]);
    assert!(locked.world.picture().pixels().any(|pixel| pixel.0 != [0; 3]));
    locked.give(&SECRET);
    assert_eq!(locked.phase(), "open");
}

#[test]
fn a_film_keeps_the_lock_away_for_a_time_and_no_longer() {
    let idle = "idle { lock \"10m\"; screens-off \"12m\"; inhibit-at-most \"1h\"; }";
    for (policy, minutes) in [("limited", 70), ("never", 10)] {
        let mut locked = Locked::with(&format!("{idle}\nqube \"work\" {{ idle-inhibit \"{policy}\"; }}"));
        let _film = locked.world.clients[0].inhibit_idle(0);
        locked.world.turn();
        for minute in 0..minutes {
            assert_eq!(locked.phase(), "open", "{policy}: after {minute} minutes");
            locked.world.wait(Duration::from_mins(1));
        }
        locked.world.frame();
        assert_eq!(locked.phase(), "locked", "{policy}");
    }
    // One that cannot be seen does not count.
    let mut locked = Locked::with(idle);
    let _film = locked.world.clients[0].inhibit_idle(0);
    locked.world.chord(&[SUPER, 49]);
    locked.world.wait(Duration::from_mins(10));
    locked.world.frame();
    assert_eq!(locked.phase(), "locked");
    // One that the person trusts may go on.
    let mut locked = Locked::with(&format!("{idle}\nqube \"work\" {{ idle-inhibit \"always\"; }}"));
    let _film = locked.world.clients[0].inhibit_idle(0);
    locked.world.turn();
    locked.world.wait(Duration::from_hours(20));
    assert_eq!(locked.phase(), "open");
}

/// A locker that has the lock, its surface in one colour.
fn locker(locked: &mut Locked) -> (usize, ExtSessionLockV1) {
    let client = locked.world.add_dom0_client();
    locked.world.clients[client].listen();
    let lock = locked.world.clients[client].lock();
    locked.world.turn();
    let surface = locked.world.clients[client].lock_surface(&lock);
    locked.world.turn();
    assert_eq!(locked.world.clients[client].heard.lock.size, Some((800, 600)));
    locked.world.clients[client].paint(&surface, usize::MAX, (800, 600), 0xff12_3456);
    locked.world.turn();
    (client, lock)
}

#[test]
fn a_locker_covers_everything_from_its_request_on() {
    let mut locked = Locked::new();
    let client = locked.world.add_dom0_client();
    locked.world.clients[client].listen();
    let lock = locked.world.clients[client].lock();
    locked.world.turn();
    assert_eq!(locked.phase(), "covering");
    assert!(!locked.world.clients[client].heard.lock.locked, "no frame was shown yet");
    assert_eq!(of_qubes(&locked.world.picture()), 0, "before it has drawn anything");
    assert!(locked.world.clients[client].heard.lock.locked);
    let surface = locked.world.clients[client].lock_surface(&lock);
    locked.world.turn();
    locked.world.clients[client].paint(&surface, usize::MAX, (800, 600), 0xff12_3456);
    let picture = locked.world.picture();
    assert!(picture.pixels().all(|pixel| pixel.0 == [0x12, 0x34, 0x56]));
}

#[test]
fn a_locker_has_the_keys_and_unlocks() {
    let mut locked = Locked::new();
    let (client, lock) = locker(&mut locked);
    locked.world.frame();
    locked.world.chord(&[A]);
    assert_eq!(locked.world.clients[client].heard.keys, [(A, true), (A, false)]);
    locked.world.input(&[InputEvent::Key { code: 42, pressed: true }]);
    assert_eq!(locked.world.clients[client].heard.modifiers, 1, "shift");
    locked.world.input(&[InputEvent::Key { code: 42, pressed: false }]);
    // Another console takes the devices while a key is down.
    locked.world.input(&[InputEvent::Key { code: 29, pressed: true }]);
    locked.world.input(&[InputEvent::Lost]);
    locked.world.chord(&[A]);
    assert_eq!(locked.world.clients[client].heard.modifiers, 0);
    assert!(locked.world.clients[client].heard.keyboard);
    locked.world.chord(&[ENTER]);
    assert!(!locked.world.desktop.checks_password(), "the locker asks");
    assert_eq!(locked.world.clients[..2].iter().map(|c| c.heard.keys.len()).sum::<usize>(), 0);
    lock.unlock_and_destroy();
    locked.world.turn();
    assert_eq!(locked.phase(), "open");
    assert_eq!(locked.world.clients[client].error, None);
    assert!(of_qubes(&locked.world.picture()) > 10_000);
    locked.world.chord(&[A]);
    assert_eq!(locked.world.clients[0].heard.keys, [(A, true), (A, false)], "the focus is back");
}

#[test]
fn a_locker_that_dies_leaves_it_locked() {
    let mut locked = Locked::new();
    let (client, _lock) = locker(&mut locked);
    locked.world.frame();
    locked.world.clients.remove(client);
    locked.world.turn();
    let picture = locked.world.picture();
    assert_eq!(locked.phase(), "locked");
    assert_eq!(of_qubes(&picture), 0);
    assert!(!picture.pixels().any(|pixel| pixel.0 == [0x12, 0x34, 0x56]));
    locked.give(&SECRET);
    assert_eq!(locked.phase(), "open");
}

#[test]
fn only_the_locker_that_has_the_lock_unlocks() {
    let mut locked = Locked::new();
    // Before it was told that all is locked.
    let hasty = locked.world.add_dom0_client();
    let lock = locked.world.clients[hasty].lock();
    lock.unlock_and_destroy();
    locked.world.turn();
    assert!(locked.world.clients[hasty].error.is_some());
    locked.world.frame();
    assert_eq!(locked.phase(), "locked", "and it is gone: the own lock screen has it");
    // One that was refused.
    for _ in 0..2 {
        let other = locked.world.add_dom0_client();
        let lock = locked.world.clients[other].lock();
        locked.world.turn();
        let heard = &locked.world.clients[other].heard.lock;
        assert!(heard.finished && !heard.locked);
        lock.unlock_and_destroy();
        locked.world.turn();
        assert!(locked.world.clients[other].error.is_some());
        assert_eq!(locked.phase(), "locked");
    }
    locked.give(&SECRET);
    // Beside one that has it.
    let (client, _lock) = locker(&mut locked);
    locked.world.frame();
    let other = locked.world.add_dom0_client();
    let second = locked.world.clients[other].lock();
    second.unlock_and_destroy();
    locked.world.frame();
    assert!(locked.world.clients[other].error.is_some());
    assert_eq!((locked.phase().as_str(), &locked.world.clients[client].error), ("locked", &None));
}

#[test]
fn a_lock_is_done_when_the_last_screen_has_shown_it() {
    let mut locked = Locked::new();
    locked.world.plug(&[("screen-1", (800, 600), 120), ("screen-2", (640, 480), 120)]);
    locked.world.frame();
    let ids: Vec<u32> = locked.world.desktop.screens.iter().map(|screen| screen.id).collect();
    locked.world.desktop.lock();
    locked.world.desktop.frame_of(ids[0]);
    locked.world.turn();
    assert_eq!(locked.phase(), "covering");
    locked.world.desktop.frame_of(ids[1]);
    assert_eq!(locked.phase(), "locked");
}
