//! The qube manager: what it shows and asks for, by keys and by pointer, and that no qube hears of it.

use std::time::Duration;

use transom::{
    config::Config,
    input::event::{BTN_LEFT, InputEvent},
    ipc::{Manager, Reply, Request},
};
use transom_hypervisor::supervisor::{
    Backend, Disposable, ErrorBody, ErrorKind, Event, FromQubed, KeyringState, QubeInfo, QubeName, QubeState,
    QubeUsage, ReplyBody, RequestBody, Settings, TemplateInfo,
};
use transom_tests::fixture::{
    World, assert_golden,
    qubed::{Qubed, info},
};
use transom_theming::Label;

const ESCAPE: u32 = 1;
const TAB: u32 = 15;
const ENTER: u32 = 28;
const A: u32 = 30;
const D: u32 = 32;
const C: u32 = 46;
const V: u32 = 47;
const ALT: u32 = 56;
const DOWN: u32 = 108;
const RIGHT: u32 = 106;
const SUPER: u32 = 125;
const GIB: u64 = 1 << 30;

fn machine(name: &str, label: Label, state: QubeState) -> QubeInfo {
    let network = (!name.starts_with("sys-")).then(|| QubeName::new("sys-firewall").unwrap());
    QubeInfo {
        template: Some("debian-12".into()),
        settings: Settings { memory: Some(GIB), volume: Some(8 * GIB), network, start_with_desktop: false },
        ..info(name, label, state)
    }
}

fn sandbox(name: &str, label: Label, state: QubeState) -> QubeInfo {
    QubeInfo { backend: Backend::Sandbox, isolated: false, ..info(name, label, state) }
}

fn tell(qubed: &Qubed, qube: QubeInfo) {
    qubed.say(&FromQubed::Event(Event::QubeState { qube }), None);
}

/// Qubes of every kind.
fn some() -> Vec<QubeInfo> {
    use QubeState as S;
    let failed = S::Failed { reason: "the agent ended with status 3; see `transom qube log games`".into() };
    let mut firewall = machine("sys-firewall", Label::Grey, S::Running);
    firewall.settings.start_with_desktop = true;
    let mut disposable = machine("disp-4711", Label::Red, S::Running);
    disposable.disposable = Some(Disposable::InUse);
    disposable.settings.volume = None;
    vec![
        machine("work", Label::Blue, S::Running),
        machine("banking", Label::Purple, S::Paused),
        machine("vault", Label::Black, S::Halted),
        sandbox("scratch", Label::Orange, S::Running),
        machine("games", Label::Green, failed),
        firewall,
        disposable,
    ]
}

/// A desktop with these qubes, and a window of `work` that has the keys.
fn desk_of(qubes: Vec<QubeInfo>, size: (u32, u32), scale: u32) -> (World, Qubed) {
    let mut world = World::with(Config::default(), size, scale);
    let qubed = Qubed::attach(&mut world);
    for qube in qubes {
        tell(&qubed, qube);
        world.turn();
    }
    let qube = world.add_qube("work", Label::Blue);
    let client = world.add_client(qube);
    world.clients[client].listen();
    world.add_window(client, "one", (200, 100), 0xff00_8080);
    world.click_into("one");
    world.clients[client].heard.keys.clear();
    world.clients[client].heard.buttons.clear();
    qubed.heard();
    (world, qubed)
}

fn desk() -> (World, Qubed) {
    desk_of(some(), (800, 600), 120)
}

/// Opens it, and answers what it wants to know.
fn open(world: &mut World, qubed: &Qubed) {
    world.chord(&[SUPER, A]);
    answer_figures(world, qubed);
}

fn answer_figures(world: &mut World, qubed: &Qubed) -> usize {
    let mut counts = 0;
    for request in qubed.heard() {
        let answer = match request.body {
            RequestBody::Templates => {
                let template = |name: &str, disk| TemplateInfo { name: name.into(), disk };
                let templates = vec![template("debian-12", 812 << 20), template("minimal", 205 << 20)];
                ReplyBody::Templates { templates }
            }
            RequestBody::Keyring => ReplyBody::Keyring { state: KeyringState::Locked },
            RequestBody::Usage { qubes } => {
                counts += 1;
                let usage = |(n, qube): (u64, QubeName)| QubeUsage {
                    memory: Some((180 + 97 * n) << 20),
                    disk: Some((310 + 777 * n) << 20),
                    shared: None,
                    more: false,
                    updates: (qube.as_str() == "work").then_some(12),
                    qube,
                };
                ReplyBody::Usage { usage: (0..).zip(qubes).map(usage).collect() }
            }
            _ => continue,
        };
        qubed.answer(request.id, Ok(answer));
    }
    world.frame();
    counts
}

fn manager(world: &World) -> Manager {
    world.desktop.state().manager.expect("an open manager")
}

fn is_open(world: &World) -> bool {
    world.desktop.state().manager.is_some()
}

/// Clicks on something of the manager.
fn press(world: &mut World, what: &str) {
    let [x, y, w, h] = manager(world)
        .places
        .iter()
        .rev()
        .find(|(name, _)| name == what)
        .unwrap_or_else(|| panic!("{what} in {:?}", manager(world).places))
        .1;
    world.click(f64::from(x) + f64::from(w) / 2.0, f64::from(y) + f64::from(h) / 2.0);
}

fn orders(qubed: &Qubed) -> Vec<(u64, RequestBody)> {
    let mut orders = qubed.orders();
    orders.retain(|(_, body)| *body != RequestBody::Keyring);
    orders
}

fn order(qubed: &Qubed) -> (u64, RequestBody) {
    let mut orders = orders(qubed);
    assert_eq!(orders.len(), 1, "{orders:?}");
    orders.remove(0)
}

fn name(text: &str) -> QubeName {
    QubeName::new(text).unwrap()
}

#[test]
fn it_shows_every_qube_and_no_qube_hears_what_is_typed() {
    let (mut world, qubed) = desk();
    open(&mut world, &qubed);
    let state = manager(&world);
    assert_eq!(state.chosen.as_deref(), Some("banking"));
    assert!(
        state.rows[0].starts_with("banking: paused 180 MiB of 1 GiB 310 MiB of 8 GiB"),
        "{:?}",
        state.rows
    );
    assert!(state.rows[1].contains("failed see below"), "{:?}", state.rows);
    world.types("vault");
    let state = manager(&world);
    assert_eq!((state.rows.len(), state.typed.as_str()), (1, "vault"));
    assert!(state.rows[0].contains("needs passphrase"), "{:?}", state.rows);
    assert!(state.says.contains("Start asks for it"), "{}", state.says);
    world.chord(&[ESCAPE]);
    assert!(is_open(&world), "what was typed goes first");
    world.chord(&[ESCAPE]);
    assert!(!is_open(&world) && world.clients[0].heard.keys.is_empty());
    assert!(orders(&qubed).is_empty());
    world.chord(&[D]);
    assert_eq!(world.clients[0].heard.keys, [(D, true), (D, false)], "the keys are the window's again");
    // The chord closes as it opens; the command line opens.
    for _ in 0..2 {
        world.chord(&[SUPER, A]);
    }
    assert!(!is_open(&world));
    assert_eq!(world.desktop.answer(&Request::Manager), Reply::Done);
    assert!(is_open(&world));
}

#[test]
fn figures_come_again_while_it_is_open_and_never_two_at_once() {
    let (mut world, qubed) = desk();
    open(&mut world, &qubed);
    world.wait(Duration::from_secs(1));
    assert_eq!(answer_figures(&mut world, &qubed), 0);
    world.wait(Duration::from_secs(1));
    world.wait(Duration::from_secs(9));
    assert_eq!(answer_figures(&mut world, &qubed), 1, "the next waits for the answer");
    world.chord(&[SUPER, A]);
    world.wait(Duration::from_secs(9));
    assert_eq!(answer_figures(&mut world, &qubed), 0, "nobody looks");
}

#[test]
fn states_change_as_qubed_tells_of_them() {
    let (mut world, qubed) = desk();
    open(&mut world, &qubed);
    world.types("vault");
    tell(&qubed, machine("vault", Label::Black, QubeState::Starting));
    world.turn();
    assert!(manager(&world).rows[0].starts_with("vault: starting"), "{:?}", manager(&world).rows);
    qubed.say(&FromQubed::Event(Event::QubeRemoved { qube: name("vault") }), None);
    world.turn();
    let state = manager(&world);
    assert!(state.rows.is_empty() && state.chosen.is_none(), "{:?}", state.rows);
}

#[test]
fn by_keys_a_qube_is_started_and_a_refusal_is_said_in_the_panel() {
    let (mut world, qubed) = desk();
    open(&mut world, &qubed);
    world.types("vault");
    world.chord(&[ENTER]);
    assert_eq!(manager(&world).focus, "Start");
    world.chord(&[ENTER]);
    let (id, body) = order(&qubed);
    assert_eq!(body, RequestBody::Start { qube: name("vault") });
    assert!(manager(&world).waits && manager(&world).says.contains("is being started"));
    let refusal = ErrorBody::new(ErrorKind::Backend, "vault cannot start: there is no image debian-12");
    qubed.answer(id, Err(refusal));
    world.turn();
    assert_eq!(manager(&world).says, "vault cannot start: there is no image debian-12");
    assert!(world.desktop.state().notices.is_empty(), "it is said once");
    // A verb that does not fit says why not, and asks for nothing.
    world.chord(&[RIGHT]);
    assert_eq!(
        (manager(&world).focus.as_str(), manager(&world).says.as_str()),
        ("Stop", "vault is not running")
    );
    world.chord(&[ENTER]);
    assert!(orders(&qubed).is_empty());
    // What comes after it was closed is told all the same.
    world.chord(&[TAB]);
    world.types(" ");
    world.chord(&[ESCAPE]);
    world.chord(&[ENTER]);
    world.chord(&[ENTER]);
    let (id, _) = order(&qubed);
    world.chord(&[SUPER, A]);
    qubed.answer(id, Err(ErrorBody::new(ErrorKind::Io, "the disk is full")));
    world.turn();
    assert_eq!(world.desktop.state().notices, ["vault: the disk is full"]);
}

/// The mouse alone: from the bar to a qube that is made, changed and gone.
#[test]
fn by_the_pointer_alone() {
    let (mut world, qubed) = desk();
    // The states of the qubes in the bar; seven of them, each 20 wide, the last one at the right.
    world.click(800.0 - 10.0 - 7.0 - 2.0 * 20.0, 14.0);
    answer_figures(&mut world, &qubed);
    assert_eq!(manager(&world).chosen.as_deref(), Some("sys-firewall"));
    world.input(&[InputEvent::wheel(0.0, -9.0)]);
    assert_eq!(manager(&world).chosen.as_deref(), Some("banking"));
    press(&mut world, "row scratch");
    assert_eq!(manager(&world).chosen.as_deref(), Some("scratch"));
    press(&mut world, "verb Pause");
    let (id, body) = order(&qubed);
    assert_eq!(body, RequestBody::Pause { qube: name("scratch") });
    qubed.answer(id, Ok(ReplyBody::Done));
    world.turn();
    press(&mut world, "verb Remove\u{2026}");
    assert_eq!(manager(&world).says, "scratch is running: stop it first");
    press(&mut world, "verb Kill\u{2026}");
    assert!(manager(&world).page.contains("what is not saved"), "{}", manager(&world).page);
    world.click(20.0, 590.0);
    assert!(is_open(&world), "a form is not lost by a slip");
    press(&mut world, "button 0");
    press(&mut world, "verb Kill\u{2026}");
    press(&mut world, "button 1");
    let (id, body) = order(&qubed);
    assert_eq!(body, RequestBody::Kill { qube: name("scratch") });
    qubed.answer(id, Ok(ReplyBody::Done));
    world.frame();
    press(&mut world, "row banking");
    press(&mut world, "verb Settings\u{2026}");
    press(&mut world, "next Network through");
    press(&mut world, "next With the desktop");
    press(&mut world, "button 1");
    let (id, body) = order(&qubed);
    assert!(
        matches!(&body, RequestBody::Set { qube, changes } if qube.as_str() == "banking" && changes.start_with_desktop == Some(true)),
        "{body:?}"
    );
    qubed.answer(id, Ok(ReplyBody::Done));
    world.turn();
    let (id, body) = order(&qubed);
    assert!(matches!(body, RequestBody::Network { .. }), "after the first was done: {body:?}");
    qubed.answer(id, Err(ErrorBody::new(ErrorKind::NotHalted, "banking was started without a card")));
    world.turn();
    assert_eq!(manager(&world).says, "banking was started without a card");
    press(&mut world, "button 0");
    world.click(20.0, 590.0);
    assert!(!is_open(&world), "beside the table it closes");
    assert!(world.clients[0].heard.buttons.is_empty() && world.clients[0].heard.keys.is_empty());
}

#[test]
fn programs_are_handed_over_to_the_launcher() {
    let (mut world, qubed) = desk();
    let program = |name: &str| transom_protocol::programs::Program {
        id: name.to_lowercase(),
        name: name.into(),
        comment: String::new(),
        categories: String::new(),
        keywords: String::new(),
        icon: None,
    };
    qubed.programs("work", vec![program("Terminal"), program("Files")]);
    qubed.programs("vault", vec![program("Terminal at work")]);
    world.turn();
    open(&mut world, &qubed);
    world.types("work");
    press(&mut world, "verb Programs");
    assert!(!is_open(&world));
    let launcher = world.desktop.state().launcher.expect("the launcher");
    assert_eq!(launcher.rows, ["work: Files", "work: Terminal"]);
    // Over it the manager opens in its place, and the other way round.
    world.chord(&[SUPER, A]);
    assert!(is_open(&world) && world.desktop.state().launcher.is_none());
    world.chord(&[SUPER, D]);
    assert!(!is_open(&world) && world.desktop.state().launcher.is_some());
}

#[test]
fn a_log_is_shown_clean_and_lives() {
    let (mut world, qubed) = desk();
    open(&mut world, &qubed);
    world.types("games");
    press(&mut world, "verb Log");
    let (id, body) = order(&qubed);
    assert_eq!(body, RequestBody::Log { qube: name("games") });
    let hostile =
        "2026-01-31T12:34:56Z agent: \u{202e}txet\u{1b}[31m red\u{7} \u{5e9}\u{5dc}\u{5d5}\u{5dd}".to_owned();
    let line = |n: u32| format!("2026-01-31T12:34:{:02}Z qubed: program {n} ended with status 0", n % 60);
    let lines: Vec<String> = (0..60).map(line).chain([hostile]).collect();
    qubed.answer(id, Ok(ReplyBody::Log { lines, path: "x".into() }));
    world.frame();
    let state = manager(&world);
    assert_eq!((state.page.as_str(), state.lines.len()), ("log of games", 61));
    assert!(!state.lines[60].contains(['\u{202e}', '\u{1b}', '\u{7}']), "{:?}", state.lines[60]);
    assert_golden("manager-log", &world.picture());
    world.wait(Duration::from_secs(2));
    let asked = qubed.heard().into_iter().any(|request| matches!(request.body, RequestBody::Log { .. }));
    assert!(asked, "it is read again while it is looked at");
    press(&mut world, "button 0");
    assert_eq!(manager(&world).page, "table");
}

#[test]
fn what_is_dom0s_own_goes_before_it() {
    let (mut world, qubed) = desk();
    // The switcher does not open over it.
    open(&mut world, &qubed);
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
    world.chord(&[SUPER, A]);
    assert!(!is_open(&world));
    assert!(matches!(world.desktop.answer(&Request::Manager), Reply::Error { .. }));
}

/// A question has the keys as long as it is open; then the manager is what it was.
#[test]
fn a_question_goes_before_it() {
    use transom_hypervisor::supervisor::{CallAsk, CallChoice, LabelName};
    let (mut world, qubed) = desk();
    open(&mut world, &qubed);
    world.types("va");
    let ask = CallAsk {
        call: 7,
        source: name("work"),
        label: LabelName::new("blue").unwrap(),
        service: "transom.Open".into(),
        argument: String::new(),
        said: "a link".into(),
        choices: vec![CallChoice {
            target: transom_protocol::call::Target::Qube(name("vault")),
            label: LabelName::new("black").unwrap(),
            running: false,
        }],
        chosen: None,
    };
    qubed.say(&FromQubed::Event(Event::Ask { ask }), None);
    world.turn();
    assert!(world.desktop.state().prompt.is_some());
    world.types("ult");
    world.chord(&[ENTER]);
    assert!(world.desktop.state().prompt.is_none(), "the safe answer");
    assert!(matches!(order(&qubed).1, RequestBody::AnswerCall { call: 7, .. }));
    assert_eq!(manager(&world).typed, "va");
    // Nor does it open over one.
    world.chord(&[ESCAPE]);
    world.chord(&[ESCAPE]);
    world.chord(&[SUPER, C]);
    world.chord(&[SUPER, V]);
    assert!(!is_open(&world));
}

/// A start that needs the passphrase has it asked for over the manager; without it the refusal is said there.
#[test]
fn the_passphrase_is_asked_for_over_it() {
    let (mut world, qubed) = desk();
    open(&mut world, &qubed);
    world.types("vault");
    press(&mut world, "verb Start");
    let (id, body) = order(&qubed);
    let refusal = ErrorBody::new(ErrorKind::Locked, "vault cannot start: the passphrase is needed first");
    qubed.answer(id, Err(refusal.clone()));
    world.turn();
    answer_figures(&mut world, &qubed);
    assert!(manager(&world).waits && world.desktop.state().passphrase.is_some());
    // What is typed now is the passphrase, and no search.
    world.types("secret");
    assert_eq!(manager(&world).typed, "vault");
    world.chord(&[ESCAPE]);
    assert!(world.desktop.state().passphrase.is_none());
    assert_eq!(manager(&world).says, "vault cannot start: the passphrase is needed first");
    assert!(matches!(body, RequestBody::Start { .. }) && is_open(&world));
    assert!(world.desktop.state().notices.is_empty());
}

#[test]
fn without_qubed_it_says_so_and_nothing_is_waited_for() {
    let (mut world, qubed) = desk();
    open(&mut world, &qubed);
    world.types("vault");
    press(&mut world, "verb Start");
    assert!(manager(&world).waits);
    drop(qubed);
    world.turn();
    let state = manager(&world);
    assert!(!state.waits && state.rows.is_empty(), "{:?}", state.rows);
    assert!(state.says.contains("transom-qubed is not there"), "{}", state.says);
    world.wait(Duration::from_secs(5));
    assert!(is_open(&world));
}

/// Forty qubes, names of every length: all of them are reached, and the chosen one is always seen.
#[test]
fn forty_qubes() {
    let labels = Label::ALL;
    let states = [QubeState::Running, QubeState::Halted, QubeState::Halted, QubeState::Paused];
    let mut qubes: Vec<QubeInfo> = (0..40)
        .map(|n| {
            let name = match n % 5 {
                0 => format!("a-qube-with-a-name-as-long-x{n:03}"),
                1 => format!("q{n}"),
                _ => format!("project-{n}"),
            };
            machine(&name, labels[n % labels.len()], states[n % states.len()].clone())
        })
        .collect();
    qubes.push(sandbox("zz-last", Label::Red, QubeState::Halted));
    let (mut world, qubed) = desk_of(qubes, (1280, 800), 120);
    open(&mut world, &qubed);
    let first = manager(&world);
    assert!((8..20).contains(&first.rows.len()), "{}", first.rows.len());
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..45 {
        let state = manager(&world);
        let chosen = state.chosen.clone().unwrap();
        assert!(state.rows.iter().any(|row| row.starts_with(&chosen)), "{chosen} {:?}", state.rows);
        seen.insert(chosen);
        world.chord(&[DOWN]);
    }
    assert_eq!(seen.len(), 43, "qubes and templates");
    world.types("qube-with");
    assert_eq!(manager(&world).rows.len(), 8);
    world.chord(&[ESCAPE]);
    world.wait(Duration::from_secs(3));
    answer_figures(&mut world, &qubed);
    assert_golden("manager-forty", &world.picture());
}

#[test]
fn pictures_of_it() {
    let (mut world, qubed) = desk();
    open(&mut world, &qubed);
    world.types("games");
    world.chord(&[ENTER]);
    assert_golden("manager-failed", &world.picture());
    let (mut world, qubed) = desk_of(some(), (1280, 800), 120);
    open(&mut world, &qubed);
    press(&mut world, "row work");
    let picture = world.picture();
    // For the docs.
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/manager.png");
    picture.save(path).unwrap();
    assert_golden("manager", &picture);
    press(&mut world, "verb Settings\u{2026}");
    assert_golden("manager-settings", &world.picture());
}

/// On a small screen it has fewer rows, and all of it is seen.
#[test]
fn it_fits_on_a_small_screen() {
    let (mut world, qubed) = desk_of(some(), (960, 600), 180);
    open(&mut world, &qubed);
    assert_eq!(manager(&world).rows.len(), 3);
    for (place, [x, y, w, h]) in manager(&world).places {
        assert!(x >= 0 && y >= 28 && x + w <= 640 && y + h <= 400, "{place} {x} {y} {w} {h}");
    }
    world.chord(&[DOWN]);
    assert_golden("manager-150", &world.picture());
    press(&mut world, "verb New\u{2026}");
    world.types("mail");
    press(&mut world, "next Colour");
    press(&mut world, "button 1");
    let (_, body) = order(&qubed);
    assert!(
        matches!(&body, RequestBody::Create { name, label, template: Some(template), .. }
            if name.as_str() == "mail" && label.as_str() == "orange" && template == "debian-12"),
        "{body:?}"
    );
    world.input(&[InputEvent::Button { code: BTN_LEFT, pressed: true }]);
    world.input(&[InputEvent::Button { code: BTN_LEFT, pressed: false }]);
}
