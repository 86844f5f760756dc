//! The launcher: what it shows, what keys and clicks in it do, and that no qube hears of them.

use std::time::Duration;

use image::RgbImage;
use transom::{
    config::Config,
    input::event::{BTN_LEFT, InputEvent},
};
use transom_hypervisor::supervisor::{
    Disposable, ErrorBody, ErrorKind, Event, FromQubed, Program as Wanted, QubeName, QubeState, ReplyBody,
    RequestBody,
};
use transom_protocol::{
    programs::Program,
    service::{ICON_BYTES, ICON_SIDE},
};
use transom_tests::fixture::{
    World, assert_golden,
    qubed::{Qubed, info},
};
use transom_theming::{Label, Theme, Variant};

const ESCAPE: u32 = 1;
const BACKSPACE: u32 = 14;
const TAB: u32 = 15;
const ENTER: u32 = 28;
const CTRL: u32 = 29;
const U: u32 = 22;
const D: u32 = 32;
const SHIFT: u32 = 42;
const ALT: u32 = 56;
const UP: u32 = 103;
const DOWN: u32 = 108;
const END: u32 = 107;
const SUPER: u32 = 125;
/// A colour that no picture of dom0 has.
const PAINT: [u8; 3] = [0x13, 0x57, 0x9b];

/// A disc of one colour on nothing.
fn disc(rgb: [u8; 3]) -> Box<[u8]> {
    let middle = ICON_SIDE as f64 / 2.0 - 0.5;
    let pixel = |at: usize| {
        let (x, y) = ((at % ICON_SIDE) as f64 - middle, (at / ICON_SIDE) as f64 - middle);
        let alpha = if x.hypot(y) < 21.0 { 255 } else { 0 };
        [rgb[0], rgb[1], rgb[2], alpha]
    };
    (0..ICON_SIDE * ICON_SIDE).flat_map(pixel).collect()
}

fn program(id: &str, name: &str, comment: &str, keywords: &str, icon: Option<Box<[u8]>>) -> Program {
    let [id, name, comment, keywords] = [id, name, comment, keywords].map(str::to_owned);
    Program { id, name, comment, categories: String::new(), keywords, icon }
}

fn tell_programs(qubed: &Qubed) {
    qubed.programs(
        "work",
        vec![
            program("files", "Files", "Look through folders", "manager;", Some(disc([0xe0, 0xb0, 0x30]))),
            program("firefox", "Firefox", "Browse the web", "internet;", Some(disc([0xe0, 0x60, 0x20]))),
            program("writer", "Writer", "", "office;letter;", None),
        ],
    );
    qubed.programs(
        "untrusted",
        vec![program("firefox", "Firefox", "Browse the web", "internet;", Some(disc([0xe0, 0x60, 0x20])))],
    );
    // One that would like to be taken for another.
    qubed.programs(
        "games",
        vec![program("x", "work: Firefox dom0", "Really work", "", Some(vec![0xff; ICON_BYTES].into()))],
    );
}

/// A desktop with four qubes, of which `vault` never ran.
fn desk_of(size: (u32, u32), scale: u32) -> (World, Qubed) {
    let mut world = World::with(Config::default(), size, scale);
    let qubed = Qubed::attach(&mut world);
    qubed.qube("work", Label::Blue, QubeState::Running);
    qubed.qube("untrusted", Label::Red, QubeState::Halted);
    qubed.qube("games", Label::Green, QubeState::Halted);
    qubed.qube("vault", Label::Black, QubeState::Halted);
    world.turn();
    let asked: Vec<RequestBody> = qubed.heard().into_iter().map(|request| request.body).collect();
    for qube in ["work", "untrusted", "games", "vault"] {
        let qube = QubeName::new(qube).unwrap();
        assert!(asked.contains(&RequestBody::Programs { qube }), "{asked:?}");
    }
    tell_programs(&qubed);
    world.turn();
    (world, qubed)
}

/// The same with a window of `work` that has the keys.
fn desk() -> (World, Qubed) {
    let (mut world, qubed) = desk_of((800, 600), 120);
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "one", (200, 100), 0xff00_8080);
    world.click_into("one");
    world.clients[client].heard.keys.clear();
    (world, qubed)
}

fn rows(world: &World) -> Vec<String> {
    world.desktop.state().launcher.expect("an open launcher").rows
}

fn chosen(world: &World) -> String {
    world.desktop.state().launcher.and_then(|launcher| launcher.chosen).expect("a chosen row")
}

fn focused(world: &World) -> String {
    let windows = world.desktop.state().windows;
    windows.into_iter().find(|window| window.focused).map(|window| window.title).unwrap_or_default()
}

fn is_open(world: &World) -> bool {
    world.desktop.state().launcher.is_some()
}

fn listed(id: &str) -> Wanted {
    Wanted::Listed { id: id.into() }
}

fn starts(world: &World) -> Vec<String> {
    world.desktop.state().starting
}

#[test]
fn what_is_typed_finds_programs_and_no_qube_hears_it() {
    let (mut world, qubed) = desk();
    world.chord(&[SUPER, D]);
    assert_eq!(
        rows(&world),
        [
            "work: Files",
            "work: Firefox",
            "work: Writer",
            "untrusted: Firefox",
            "vault: Start this qube",
            "games: work: Firefox dom0"
        ]
    );
    world.types("fire unt");
    assert_eq!(rows(&world), ["untrusted: Firefox"]);
    world.chord(&[CTRL, U]);
    world.types("office");
    assert_eq!(rows(&world), ["work: Writer"], "by its keywords");
    world.types("q");
    let state = world.desktop.state().launcher.unwrap();
    assert_eq!((state.rows.len(), state.message.as_str()), (0, "Nothing is called that"));
    world.chord(&[ENTER]);
    world.chord(&[BACKSPACE]);
    assert_eq!(rows(&world), ["work: Writer"]);
    world.chord(&[ESCAPE]);
    assert!(is_open(&world), "what was typed goes first");
    world.chord(&[ESCAPE]);
    assert!(!is_open(&world));
    assert!(world.clients[0].heard.keys.is_empty(), "{:?}", world.clients[0].heard.keys);
    assert!(qubed.orders().is_empty());
    // The keys are the window's again.
    world.chord(&[D]);
    assert_eq!(world.clients[0].heard.keys, [(D, true), (D, false)]);
}

#[test]
fn return_starts_what_is_chosen_and_it_is_seen_coming() {
    let (mut world, qubed) = desk();
    world.chord(&[SUPER, D]);
    world.types("fire unt");
    world.chord(&[ENTER]);
    assert!(!is_open(&world));
    let orders = qubed.orders();
    let [(id, RequestBody::Open { qube, program })] = &orders[..] else { panic!("{orders:?}") };
    assert_eq!((qube.as_str(), program), ("untrusted", &listed("firefox")));
    // From the first moment.
    assert_eq!(starts(&world), ["untrusted: Firefox waits for its qube to start"]);
    qubed.qube("untrusted", Label::Red, QubeState::Starting);
    world.turn();
    assert_eq!(starts(&world), ["untrusted: Firefox waits for its qube to start"]);
    qubed.qube("untrusted", Label::Red, QubeState::Running);
    qubed.answer(*id, Ok(ReplyBody::Done));
    world.turn();
    assert_eq!(starts(&world), ["untrusted: Firefox is starting"]);
    // Another qube's window is not it; its first one is.
    let client = world.add_client(0);
    world.add_window(client, "two", (100, 80), 0xff00_8080);
    assert_eq!(starts(&world).len(), 1);
    let qube = world.add_qube("untrusted", Label::Red);
    let client = world.add_client(qube);
    world.add_window(client, "three", (100, 80), 0xff80_0000);
    assert!(starts(&world).is_empty());
    assert_eq!(focused(&world), "three", "the person asked for it and waited");
    // What was started last comes first.
    world.chord(&[SUPER, D]);
    assert_eq!(rows(&world)[0], "untrusted: Firefox");
}

#[test]
fn what_was_started_takes_no_keys_from_a_person_who_went_on() {
    let (mut world, qubed) = desk();
    for went_on in [false, true] {
        world.chord(&[SUPER, D]);
        world.types("writer");
        world.chord(&[ENTER]);
        // Looking around is no reason.
        world.input(&[InputEvent::PointerTo { x: 500.0, y: 400.0 }]);
        if went_on {
            world.click_into("one");
            world.chord(&[D]);
        }
        let [(id, _)] = qubed.orders()[..] else { panic!() };
        qubed.answer(id, Ok(ReplyBody::Done));
        world.turn();
        let client = world.add_client(0);
        let title = format!("started {went_on}");
        let window = world.add_window(client, &title, (100, 80), 0xff00_8080);
        // A second one that nobody asked for.
        world.add_window(client, "uninvited", (100, 80), 0xff00_8080);
        assert_eq!(focused(&world), if went_on { "one".to_owned() } else { title });
        world.clients[client].windows()[window].surface.attach(None, 0, 0);
        world.clients[client].windows()[window].surface.commit();
        world.turn();
    }
}

#[test]
fn a_program_that_does_not_start_is_told_with_its_reason() {
    let (mut world, qubed) = desk();
    world.chord(&[SUPER, D]);
    world.types("writer");
    world.chord(&[ENTER]);
    assert_eq!(starts(&world), ["work: Writer is starting"], "its qube runs");
    let [(id, _)] = qubed.orders()[..] else { panic!() };
    let reason = "the program did not start in work: writer is not installed";
    qubed.answer(id, Err(ErrorBody::new(ErrorKind::Agent, reason)));
    world.turn();
    assert!(starts(&world).is_empty());
    let notices = world.desktop.state().notices;
    assert_eq!(notices, [format!("work: “Writer” does not start: {reason}")]);
    // One that runs and shows nothing is not waited for forever.
    world.chord(&[SUPER, D]);
    world.chord(&[ENTER]);
    let [(id, _)] = qubed.orders()[..] else { panic!() };
    qubed.answer(id, Ok(ReplyBody::Done));
    world.turn();
    assert_eq!(starts(&world).len(), 1);
    world.wait(Duration::from_secs(16));
    assert!(starts(&world).is_empty());
}

#[test]
fn shift_and_return_start_it_in_a_disposable() {
    let (mut world, qubed) = desk();
    world.chord(&[SUPER, D]);
    world.types("files");
    world.chord(&[SHIFT, ENTER]);
    let orders = qubed.orders();
    let [(id, RequestBody::RunDisposable { pattern, label: None, program })] = &orders[..] else {
        panic!("{orders:?}")
    };
    assert_eq!((pattern.as_str(), program), ("work", &listed("files")));
    assert_eq!(starts(&world), ["work: Files starts in a new disposable qube"]);
    // A window of its pattern is none of it.
    let client = world.add_client(0);
    world.add_window(client, "two", (100, 80), 0xff00_8080);
    assert_eq!(starts(&world).len(), 1);
    let mut made = info("disp-7", Label::Blue, QubeState::Running);
    made.disposable = Some(Disposable::InUse);
    qubed.say(&FromQubed::Event(Event::QubeState { qube: made.clone() }), None);
    qubed.answer(*id, Ok(ReplyBody::Qube { qube: made }));
    world.turn();
    assert_eq!(starts(&world), ["disp-7: Files is starting"]);
    let qube = world.add_qube("disp-7", Label::Blue);
    let client = world.add_client(qube);
    world.add_window(client, "three", (100, 80), 0xff00_8080);
    assert!(starts(&world).is_empty());
    // It is not in the list: it is there for what it was made for. One without known programs starts itself.
    world.chord(&[SUPER, D]);
    assert!(!rows(&world).iter().any(|row| row.starts_with("disp")), "{:?}", rows(&world));
    world.types("vault");
    qubed.heard();
    world.chord(&[SHIFT, ENTER]);
    assert!(is_open(&world) && qubed.orders().is_empty());
    world.chord(&[ENTER]);
    let orders = qubed.orders();
    assert!(
        matches!(&orders[..], [(_, RequestBody::Start { qube })] if qube.as_str() == "vault"),
        "{orders:?}"
    );
}

#[test]
fn keys_and_pointer_choose() {
    let (mut world, qubed) = desk();
    world.chord(&[SUPER, D]);
    for (key, row) in [(DOWN, "work: Firefox"), (TAB, "work: Writer"), (UP, "work: Firefox")] {
        world.chord(&[key]);
        assert_eq!(chosen(&world), row);
    }
    world.chord(&[END]);
    assert_eq!(chosen(&world), "games: work: Firefox dom0");
    world.input(&[InputEvent::wheel(0.0, -2.0)]);
    assert_eq!(chosen(&world), "untrusted: Firefox");
    // The window below gets neither wheel nor click: the panel is in the middle of 800 × 600.
    let top = (600 - (2 * 16 + 36 + 8 + 8 * 46 + 26)) / 2 + 16 + 36 + 8;
    world.click(300.0, f64::from(top + 46 + 20));
    assert!(!is_open(&world));
    let orders = qubed.orders();
    assert!(
        matches!(&orders[..], [(_, RequestBody::Open { qube, program })]
            if qube.as_str() == "work" && *program == listed("firefox")),
        "{orders:?}"
    );
    assert!(world.clients[0].heard.buttons.len() <= 2, "{:?}", world.clients[0].heard.buttons);
    // Beside it, it closes; so does the chord.
    world.chord(&[SUPER, D]);
    world.click(20.0, 580.0);
    assert!(!is_open(&world) && qubed.orders().is_empty());
    world.chord(&[SUPER, D]);
    world.chord(&[SUPER, D]);
    assert!(!is_open(&world));
}

#[test]
fn what_is_dom0s_own_goes_before_it() {
    let (mut world, qubed) = desk();
    // The switcher does not open over it.
    world.chord(&[SUPER, D]);
    world
        .input(&[InputEvent::Key { code: ALT, pressed: true }, InputEvent::Key { code: TAB, pressed: true }]);
    assert!(world.desktop.state().switcher.is_none() && is_open(&world));
    world.input(&[
        InputEvent::Key { code: TAB, pressed: false },
        InputEvent::Key { code: ALT, pressed: false },
    ]);
    // A lock closes it, and it does not open under one.
    world.desktop.lock();
    assert!(!is_open(&world));
    world.chord(&[SUPER, D]);
    assert!(!is_open(&world) && qubed.orders().is_empty());
}

#[test]
fn without_qubed_it_opens_and_says_so() {
    let (mut world, qubed) = desk();
    world.chord(&[SUPER, D]);
    world.chord(&[ENTER]);
    assert_eq!(starts(&world).len(), 1);
    drop(qubed);
    world.turn();
    assert!(starts(&world).is_empty(), "nothing comes any more");
    world.chord(&[SUPER, D]);
    let state = world.desktop.state().launcher.unwrap();
    assert_eq!((state.rows.len(), state.message.contains("transom-qubed is not there")), (0, true));
    world.types("files");
    world.chord(&[ENTER]);
    assert!(is_open(&world) && starts(&world).is_empty());
}

#[test]
fn qubes_that_come_and_go_change_the_open_list() {
    let (mut world, qubed) = desk();
    world.chord(&[SUPER, D]);
    world.types("firefox");
    world.chord(&[DOWN]);
    assert_eq!(chosen(&world), "untrusted: Firefox");
    qubed.say(&FromQubed::Event(Event::QubeRemoved { qube: QubeName::new("work").unwrap() }), None);
    world.turn();
    assert_eq!(chosen(&world), "untrusted: Firefox");
    assert!(!rows(&world).iter().any(|row| row.starts_with("work")));
    // A qube that says it lists anew is asked.
    qubed.heard();
    qubed.say(&FromQubed::Event(Event::Programs { qube: QubeName::new("vault").unwrap() }), None);
    world.turn();
    let asked: Vec<RequestBody> = qubed.heard().into_iter().map(|request| request.body).collect();
    assert_eq!(asked, [RequestBody::Programs { qube: QubeName::new("vault").unwrap() }]);
    qubed.programs("vault", vec![program("pass", "Firefox Passwords", "", "", None)]);
    world.turn();
    assert!(rows(&world).contains(&"vault: Firefox Passwords".to_owned()), "{:?}", rows(&world));
    // So is one that is made from something else now, or whose file can be used again.
    let mut vault = info("vault", Label::Black, QubeState::Halted);
    for (template, problem) in [(Some("debian-12"), None), (Some("debian-12"), Some("bad")), (None, None)] {
        (vault.template, vault.problem) = (template.map(str::to_owned), problem.map(str::to_owned));
        for times in [1, 0] {
            qubed.say(&FromQubed::Event(Event::QubeState { qube: vault.clone() }), None);
            world.turn();
            assert_eq!(qubed.heard().len(), times, "{template:?} {problem:?}");
        }
    }
}

/// Pixels of exactly this colour.
fn count(picture: &RgbImage, rgb: [u8; 3]) -> usize {
    picture.pixels().filter(|pixel| pixel.0 == rgb).count()
}

/// A picture of a qube's is seen inside its slot and nowhere else (rules FRAME and OVER).
#[test]
fn a_picture_stays_in_its_slot() {
    let (mut world, qubed) = desk_of((800, 600), 120);
    let paint: Box<[u8]> = [PAINT[0], PAINT[1], PAINT[2], 255].repeat(ICON_SIDE * ICON_SIDE).into();
    qubed.programs("games", vec![program("x", "X", "", "", Some(paint))]);
    world.turn();
    world.chord(&[SUPER, D]);
    world.types("games");
    let picture = world.picture();
    let painted: Vec<(u32, u32)> =
        picture.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 == PAINT).map(|(x, y, _)| (x, y)).collect();
    assert_eq!(painted.len(), 28 * 28);
    let (left, top) = painted[0];
    let (right, bottom) = painted[painted.len() - 1];
    assert_eq!((right - left, bottom - top), (27, 27));
    // Around it a dark line, and around that the label's colour.
    let green = Theme::builtin(Variant::Dark).label_color(Label::Green);
    for (x, y) in [(left - 1, top), (right + 1, bottom), (left, top - 1), (right, bottom + 1)] {
        assert_eq!(picture.get_pixel(x, y).0, [0; 3]);
    }
    let ring = (left - 4..right + 5).flat_map(|x| [(x, top - 4), (x, bottom + 4)]);
    let green = ring.filter(|(x, y)| picture.get_pixel(*x, *y).0 == [green.r, green.g, green.b]).count();
    assert!(green >= 24, "{green}");
    // Once it was started it is in a slot as well, and gone with the panel.
    world.chord(&[ENTER]);
    let picture = world.picture();
    assert_eq!(count(&picture, PAINT), 28 * 28);
    let [(id, _)] = qubed.orders()[..] else { panic!() };
    qubed.answer(id, Err(ErrorBody::new(ErrorKind::Backend, "no")));
    world.turn();
    assert_eq!(count(&world.picture(), PAINT), 0);
}

#[test]
fn pictures_of_it() {
    let (mut world, _qubed) = desk();
    world.chord(&[SUPER, D]);
    assert_golden("launcher", &world.picture());
    world.types("fire");
    world.chord(&[DOWN]);
    assert_golden("launcher-found", &world.picture());
    world.chord(&[ENTER]);
    world.chord(&[SUPER, D]);
    world.types("writer");
    world.chord(&[ENTER]);
    assert_golden("starting", &world.picture());
}

/// On a small screen it has fewer rows, and all of it is seen.
#[test]
fn it_fits_on_a_small_screen() {
    let (mut world, _qubed) = desk_of((960, 600), 180);
    world.chord(&[SUPER, D]);
    assert_eq!(rows(&world).len(), 4);
    world.chord(&[UP]);
    world.chord(&[END]);
    assert_golden("launcher-150", &world.picture());
    world.input(&[InputEvent::Button { code: BTN_LEFT, pressed: true }]);
    world.input(&[InputEvent::Button { code: BTN_LEFT, pressed: false }]);
}
