//! The passphrase of the volumes: when it is asked for, whom it goes to, and that no qube hears of it.

use std::{fs::File, io::Read as _};

use transom::{
    config::Config,
    input::event::{BTN_LEFT, InputEvent},
};
use transom_hypervisor::supervisor::{
    ErrorBody, ErrorKind, Event, FromQubed, KeyringState, QubeName, QubeState, ReplyBody, RequestBody,
};
use transom_protocol::programs::Program;
use transom_tests::fixture::{World, assert_golden, qubed::Qubed};
use transom_theming::Label;

use crate::lock::Locked;

const ESCAPE: u32 = 1;
const ENTER: u32 = 28;
const D: u32 = 32;
const CTRL: u32 = 29;
const U: u32 = 22;
const L: u32 = 38;
const SUPER: u32 = 125;
/// `qwertyuiop`, long enough for a passphrase.
const WORD: [u32; 10] = [16, 17, 18, 19, 20, 21, 22, 23, 24, 25];
/// `pass`, as the program is called.
const PASS: [u32; 4] = [25, 30, 31, 31];

fn typed(world: &mut World, codes: &[u32]) {
    for code in codes {
        world.chord(&[*code]);
    }
}

fn asked(world: &World) -> Option<String> {
    world.desktop.state().passphrase
}

fn locked(name: &str) -> ErrorBody {
    ErrorBody::new(ErrorKind::Locked, format!("{name} cannot start: its volume is encrypted"))
}

/// What the desktop asked that is no listing.
fn order(qubed: &Qubed) -> (u64, RequestBody) {
    let mut orders = qubed.orders();
    assert_eq!(orders.len(), 1, "{orders:?}");
    orders.remove(0)
}

/// The desktop asks whether there is a passphrase; this is the answer.
fn keyring(world: &mut World, qubed: &Qubed, state: KeyringState) {
    let (id, body) = order(qubed);
    assert_eq!(body, RequestBody::Keyring);
    qubed.answer(id, Ok(ReplyBody::Keyring { state }));
    world.turn();
}

/// A passphrase that came: with which request.
fn given(qubed: &Qubed) -> (u64, RequestBody, String) {
    let mut heard = qubed.heard_with_files();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let (request, mut files) = heard.remove(0);
    assert_eq!(files.len(), 1);
    let mut text = String::new();
    File::from(files.remove(0)).read_to_string(&mut text).unwrap();
    let said = serde_json::to_string(&request).unwrap();
    assert!(!said.contains(&text), "it is in the pipe alone");
    (request.id, request.body, text)
}

/// A desktop with two qubes, one of which has a window with the keys.
fn desk() -> (World, Qubed) {
    let mut world = World::with(Config::default(), (800, 600), 120);
    let qubed = people(&mut world);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "one", (200, 100), 0xff00_8080);
    world.click_into("one");
    world.clients[client].heard.keys.clear();
    (world, qubed)
}

fn people(world: &mut World) -> Qubed {
    let qubed = Qubed::attach(world);
    qubed.qube("work", Label::Blue, QubeState::Running);
    qubed.qube("vault", Label::Black, QubeState::Halted);
    world.turn();
    let text = |text: &str| text.to_owned();
    let pass = Program {
        id: text("pass"),
        name: text("Passwords"),
        comment: text(""),
        categories: text(""),
        keywords: text(""),
        icon: None,
    };
    qubed.programs("vault", vec![pass]);
    world.turn();
    qubed.heard();
    qubed
}

/// Starts the program of `vault`, for which qubed wants the passphrase.
fn start(world: &mut World, qubed: &Qubed) -> (u64, RequestBody) {
    world.chord(&[SUPER, D]);
    typed(world, &PASS);
    world.chord(&[ENTER]);
    let (id, body) = order(qubed);
    assert!(matches!(&body, RequestBody::Open { qube, .. } if qube.as_str() == "vault"), "{body:?}");
    qubed.answer(id, Err(locked("vault")));
    world.turn();
    (id, body)
}

#[test]
fn what_waits_for_it_is_asked_again_when_it_is_right() {
    let (mut world, qubed) = desk();
    let (id, body) = start(&mut world, &qubed);
    assert_eq!(asked(&world), None, "it is not known yet whether there is one");
    keyring(&mut world, &qubed, KeyringState::Locked);
    assert_eq!(asked(&world).unwrap(), "vault waits for the passphrase of your volumes.");
    assert_eq!(world.desktop.state().starting, ["vault: Passwords waits for its qube to start"]);
    // Neither launcher nor switcher opens over it, and what is typed is taken back.
    world.chord(&[SUPER, D]);
    typed(&mut world, &[30; 20]);
    world.chord(&[CTRL, U]);
    typed(&mut world, &WORD);
    world.chord(&[14]);
    assert_golden("passphrase-typed", &world.picture());
    world.chord(&[ENTER]);
    let (trying, request, text) = given(&qubed);
    assert_eq!((&request, text.as_str()), (&RequestBody::Unlock, "qwertyuio"));
    assert!(asked(&world).unwrap().ends_with("Checking \u{2026}"));
    typed(&mut world, &WORD);
    qubed.answer(trying, Err(ErrorBody::new(ErrorKind::WrongPassphrase, "the passphrase is wrong")));
    world.turn();
    assert!(asked(&world).unwrap().ends_with("The passphrase is wrong."));
    typed(&mut world, &WORD);
    world.chord(&[ENTER]);
    let (trying, _, text) = given(&qubed);
    assert_eq!(text, "qwertyuiop");
    qubed.answer(trying, Ok(ReplyBody::Done));
    world.turn();
    assert_eq!(asked(&world), None);
    assert_eq!(order(&qubed), (id, body), "the same request once more");
    assert_eq!(world.desktop.state().starting.len(), 1);
    qubed.answer(id, Ok(ReplyBody::Done));
    world.turn();
    assert_eq!(world.desktop.state().notices, Vec::<String>::new());
    assert_eq!(world.desktop.state().starting, ["vault: Passwords is starting"]);
    assert!(world.clients[0].heard.keys.is_empty(), "no qube heard a key of it");
    typed(&mut world, &[30]);
    assert!(!world.clients[0].heard.keys.is_empty(), "its window has the keys again");
}

#[test]
fn a_new_one_is_typed_twice_and_not_now_is_an_answer() {
    let (mut world, qubed) = desk();
    world.chord(&[SUPER, U]);
    keyring(&mut world, &qubed, KeyringState::Missing);
    assert!(asked(&world).unwrap().starts_with("Choose a passphrase"));
    assert_golden("passphrase-new", &world.picture());
    for _ in 0..2 {
        assert!(qubed.heard().is_empty());
        typed(&mut world, &WORD);
        world.chord(&[ENTER]);
    }
    let (trying, request, text) = given(&qubed);
    assert_eq!((request, text.as_str()), (RequestBody::SetPassphrase, "qwertyuiop"));
    qubed.answer(trying, Ok(ReplyBody::Done));
    world.turn();
    assert_eq!(asked(&world), None);

    let (_, _) = start(&mut world, &qubed);
    keyring(&mut world, &qubed, KeyringState::Locked);
    typed(&mut world, &WORD);
    world.chord(&[ESCAPE]);
    assert_eq!((asked(&world), qubed.heard().len()), (None, 0));
    let state = world.desktop.state();
    assert!(state.starting.is_empty());
    assert!(state.notices[0].contains("does not start: vault cannot start"), "{:?}", state.notices);
    // It was given elsewhere since.
    world.chord(&[SUPER, U]);
    keyring(&mut world, &qubed, KeyringState::Unlocked);
    assert_eq!(asked(&world), None);
    assert!(world.desktop.state().notices[1].contains("are unlocked"));
}

#[test]
fn the_mouse_gives_it_and_takes_it_back() {
    let (mut world, qubed) = desk();
    let open = |world: &mut World| {
        world.chord(&[SUPER, U]);
        keyring(world, &qubed, KeyringState::Locked);
    };
    // Where the answers are: at the right of the lower edge, in the middle of the screen.
    open(&mut world);
    typed(&mut world, &WORD);
    world.click(100.0, 580.0);
    assert!(asked(&world).is_some(), "beside it nothing is meant");
    world.click(560.0, 373.0);
    let (trying, _, text) = given(&qubed);
    assert_eq!(text, "qwertyuiop");
    world.click(440.0, 373.0);
    assert_eq!(asked(&world), None);
    // The answer comes when nobody waits for it any more.
    qubed.answer(trying, Ok(ReplyBody::Done));
    world.turn();
    open(&mut world);
    world.input(&[InputEvent::Button { code: BTN_LEFT, pressed: true }]);
    assert_eq!(asked(&world), None);
    world.input(&[InputEvent::Button { code: BTN_LEFT, pressed: false }]);
}

#[test]
fn those_that_start_with_the_desktop_are_named_and_nobody_is_interrupted() {
    let (mut world, qubed) = desk();
    world.chord(&[SUPER, D]);
    for qube in ["vault", "work", "mail", "vault", "web"] {
        qubed.say(&FromQubed::Event(Event::Locked { qube: QubeName::new(qube).unwrap() }), None);
    }
    world.turn();
    assert!(qubed.heard().is_empty(), "who types into the launcher goes on with that");
    world.chord(&[ESCAPE]);
    world.turn();
    keyring(&mut world, &qubed, KeyringState::Locked);
    let text = "vault, work, mail and 1 more wait for the passphrase of your volumes.";
    assert_eq!(asked(&world).as_deref(), Some(text));
    typed(&mut world, &WORD);
    world.chord(&[ENTER]);
    let (trying, ..) = given(&qubed);
    qubed.answer(trying, Ok(ReplyBody::Done));
    world.turn();
    assert!(qubed.heard().is_empty(), "qubed starts them by itself");
}

#[test]
fn without_qubed_it_stays_until_the_person_closes_it() {
    let (mut world, qubed) = desk();
    world.chord(&[SUPER, U]);
    keyring(&mut world, &qubed, KeyringState::Locked);
    typed(&mut world, &WORD[..5]);
    drop(qubed);
    world.turn();
    assert!(asked(&world).unwrap().contains("transom-qubed is gone"));
    // The rest of it goes nowhere.
    typed(&mut world, &WORD[5..]);
    world.chord(&[ENTER]);
    assert!(asked(&world).is_some() && world.clients[0].heard.keys.is_empty());
    world.chord(&[ESCAPE]);
    assert_eq!(asked(&world), None);
}

#[test]
fn a_lock_takes_it_away_and_it_is_asked_for_again() {
    let mut desk = Locked::new();
    let qubed = people(&mut desk.world);
    desk.world.chord(&[SUPER, U]);
    keyring(&mut desk.world, &qubed, KeyringState::Locked);
    typed(&mut desk.world, &WORD);
    desk.world.chord(&[SUPER, L]);
    assert_eq!(desk.phase(), "locked");
    assert_eq!(asked(&desk.world), None);
    // Nothing is asked while it is locked.
    qubed.say(&FromQubed::Event(Event::Locked { qube: QubeName::new("vault").unwrap() }), None);
    desk.world.turn();
    assert!(qubed.heard().is_empty());
    desk.give(&crate::lock::SECRET);
    assert_eq!(desk.phase(), "open");
    keyring(&mut desk.world, &qubed, KeyringState::Locked);
    assert_eq!(asked(&desk.world).unwrap(), "vault waits for the passphrase of your volumes.");
    desk.world.chord(&[ENTER]);
    assert!(qubed.heard().is_empty(), "what was typed before is forgotten");
}
