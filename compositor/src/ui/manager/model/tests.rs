//! Tests of the manager's model.

use proptest::prelude::*;
use transom_hypervisor::supervisor::{
    Backend, Changes, LabelName, NetworkTo, QubeInfo, QubeState, Settings, Storage,
};

use super::*;
use crate::ui::manager::{form::Value, rows::State};

fn info(name: &str, state: QubeState) -> QubeInfo {
    QubeInfo {
        name: QubeName::new(name).unwrap(),
        label: LabelName::new("blue").unwrap(),
        state,
        backend: Backend::Kvm,
        backend_reason: String::new(),
        isolated: true,
        storage: Storage::Encrypted,
        pid: None,
        template: Some("debian-12".into()),
        disposable: None,
        settings: Settings { memory: Some(1 << 30), volume: Some(8 << 30), ..Settings::default() },
        problem: None,
    }
}

fn row(name: &str, state: QubeState) -> Row {
    Row::of_qube(&info(name, state), Label::Blue, None, None)
}

fn some() -> Vec<Row> {
    let template = transom_hypervisor::supervisor::TemplateInfo { name: "debian-12".into(), disk: 1 << 30 };
    let disposable = Row { kind: Kind::Disposable, ..row("disp-1", QubeState::Running) };
    vec![
        Row::of_template(&template, 3),
        disposable,
        row("work", QubeState::Running),
        row("vault", QubeState::Halted),
        row("banking", QubeState::Paused),
    ]
}

fn model() -> Model {
    let mut model = Model::new(some());
    model.set_slots(3, 5);
    model
}

impl Model {
    /// Finds what must not be.
    fn check_invariants(&self) {
        let mut found = self.found.clone();
        found.dedup();
        assert_eq!(found.len(), self.found.len(), "nothing is found twice");
        assert!(found.is_sorted() && found.iter().all(|at| *at < self.rows.len()));
        assert!(self.typed.chars().count() <= MOST_TYPED);
        if self.found.is_empty() {
            assert_eq!((self.chosen, self.first), (0, 0));
        } else {
            assert!(self.chosen < self.found.len());
            assert!((self.first..self.first + self.slots.0).contains(&self.chosen), "the chosen one is seen");
            assert!(self.first == 0 || self.first + self.slots.0 <= self.found.len(), "no row is left empty");
        }
        assert!(!matches!(self.focus, Focus::Verb(number) if number >= VERBS.len()));
        match &self.page {
            Page::Table => {}
            Page::Form(form) => {
                form.check_invariants();
                let asked = |ticket| self.waits.iter().any(|wait| wait.ticket == ticket);
                assert!(form.ticket.is_none_or(asked), "what is waited for was asked");
                assert!(form.ticket.is_none() || form.problem(&[]).is_none());
            }
            Page::Log(log) => assert!(log.first == 0 || log.first + self.slots.1 <= log.lines.len()),
        }
        let mut tickets: Vec<u64> = self.waits.iter().map(|wait| wait.ticket).collect();
        tickets.dedup();
        assert!(tickets.len() == self.waits.len() && tickets.iter().all(|ticket| *ticket <= self.tickets));
    }

    fn keys(&mut self, keys: &[Key]) -> Option<Order> {
        keys.iter().map(|key| self.key(*key)).last().flatten()
    }

    fn type_in(&mut self, text: &str) {
        for character in text.chars() {
            self.key(Key::Char(character));
        }
    }

    fn names(&self) -> Vec<&str> {
        self.found.iter().map(|at| self.rows[*at].name.as_str()).collect()
    }

    fn press_verb(&mut self, verb: Verb) -> Option<Order> {
        self.press(Place::Verb(VERBS.iter().position(|other| *other == verb).unwrap()))
    }

    fn choose_named(&mut self, name: &str) {
        let place = self.names().iter().position(|other| *other == name).unwrap();
        self.choose(place);
    }

    fn said_text(&self) -> String {
        self.said().map(|said| said.text).unwrap_or_default()
    }
}

fn asked(order: Option<Order>) -> (u64, Vec<RequestBody>) {
    match order {
        Some(Order::Ask { ticket, requests }) => (ticket, requests),
        other => panic!("{other:?}"),
    }
}

fn qube(name: &str) -> QubeName {
    QubeName::new(name).unwrap()
}

#[test]
fn qubes_come_first_and_what_is_typed_finds_them() {
    let mut model = model();
    assert_eq!(model.names(), ["banking", "vault", "work", "disp-1", "debian-12"]);
    for (typed, names) in [
        ("running", &["work", "disp-1"][..]),
        ("VAU", &["vault"]),
        ("template", &["debian-12"]),
        ("disposable", &["disp-1"]),
        ("nothing", &[]),
    ] {
        model.type_in(typed);
        assert_eq!(model.names(), names, "{typed}");
        assert_eq!(model.keys(&[Key::Escape]), None);
    }
    assert_eq!(model.keys(&[Key::Escape]), Some(Order::Close));
    let firsts: Vec<bool> = {
        model.set_slots(9, 5);
        model.seen().map(|(.., first)| first).collect()
    };
    assert_eq!(firsts, [false, false, false, true, true]);
}

#[test]
fn return_and_tab_lead_to_the_verbs_and_back() {
    let mut model = model();
    model.choose_named("vault");
    model.keys(&[Key::Return]);
    assert_eq!(model.focus, Focus::Verb(0), "start is what can be done");
    let (ticket, requests) = asked(model.keys(&[Key::Return]));
    assert_eq!(requests, [RequestBody::Start { qube: qube("vault") }]);
    assert_eq!(model.said_text(), "is being started");
    model.answered(ticket, Err("vault cannot start: the disk is full".into()));
    assert_eq!(model.said_text(), " cannot start: the disk is full");
    model.keys(&[Key::Right]);
    assert_eq!(model.said_text(), "is not running", "why the verb is off");
    model.keys(&[Key::Down]);
    assert_eq!(model.focus, Focus::Verb(9));
    model.keys(&[Key::Up, Key::Up]);
    assert_eq!(model.focus, Focus::Rows);
    model.keys(&[Key::Tab(false)]);
    assert_eq!(model.focus, Focus::Verb(12));
    model.keys(&[Key::Tab(true)]);
    assert_eq!(model.focus, Focus::Rows);
    model.keys(&[Key::Tab(true), Key::Char('w')]);
    assert_eq!((model.focus, model.typed()), (Focus::Rows, "w"), "typing searches");
}

#[test]
fn verbs_fit_the_state_or_say_why_not() {
    let reason = |verb: Verb, row: &Row| verb.fits(Some(row)).err().unwrap_or("");
    let (up, down, paused) =
        (row("a", QubeState::Running), row("a", QubeState::Halted), row("a", QubeState::Paused));
    for (verb, of_up, of_down, of_paused) in [
        (Verb::Start, "already", "", "resume it"),
        (Verb::Stop, "", "not running", ""),
        (Verb::Restart, "", "not running", ""),
        (Verb::Pause, "", "not running", "already"),
        (Verb::Resume, "not paused", "not paused", ""),
        (Verb::Kill, "", "not running", ""),
        (Verb::Programs, "", "", "resume it"),
        (Verb::Log, "", "", ""),
        (Verb::New, "", "", ""),
        (Verb::Clone, "stop it first", "", "stop it first"),
        (Verb::Rename, "stop it first", "", "stop it first"),
        (Verb::Settings, "", "", ""),
        (Verb::Remove, "stop it first", "", "stop it first"),
    ] {
        for (row, wanted) in [(&up, of_up), (&down, of_down), (&paused, of_paused)] {
            let said = reason(verb, row);
            assert!(said.contains(wanted) && said.is_empty() == wanted.is_empty(), "{verb:?} {said:?}");
        }
    }
    let broken = Row { problem: Some("qube.kdl:3: no".into()), ..down.clone() };
    assert!(Verb::Start.fits(Some(&broken)).is_err() && Verb::Remove.fits(Some(&broken)).is_ok());
    let failed = Row { state: State::Failed, ..down };
    assert!(Verb::Start.fits(Some(&failed)).is_ok() && Verb::Kill.fits(Some(&failed)).is_err());
    assert!(Verb::Start.fits(None).is_err() && Verb::New.fits(None).is_ok());
}

#[test]
fn a_restart_is_a_stop_and_then_a_start() {
    let mut model = model();
    model.choose_named("work");
    let (ticket, requests) = asked(model.press_verb(Verb::Restart));
    let stop = RequestBody::Stop { qube: qube("work"), timeout_ms: STOP_MS };
    assert_eq!(requests, [stop, RequestBody::Start { qube: qube("work") }]);
    model.answered(ticket, Ok(()));
    assert!(!model.waits());
}

#[test]
fn a_qube_is_made_and_then_chosen() {
    let mut model = model();
    model.type_in("vault");
    model.press_verb(Verb::New);
    assert_eq!(model.keys(&[Key::Return]), None, "without a name nothing is made");
    model.type_in("work");
    assert_eq!(model.keys(&[Key::Return]), None);
    let Page::Form(form) = &model.page else { panic!() };
    assert!(form.refused.as_ref().unwrap().contains("already"), "{form:?}");
    model.keys(&[Key::Clear]);
    model.type_in("New");
    model.keys(&[Key::Return]);
    let Page::Form(form) = &model.page else { panic!() };
    assert!(form.refused.as_ref().unwrap().contains("is not a name"), "{form:?}");
    model.keys(&[Key::Clear]);
    model.type_in("games");
    // Green, by its letter; and the template that is already chosen.
    model.keys(&[Key::Tab(true), Key::Char('g')]);
    let (ticket, requests) = asked(model.keys(&[Key::Return]));
    let RequestBody::Create { name, label, template, backend: _, plain: false } = &requests[0] else {
        panic!()
    };
    assert_eq!((name.as_str(), label.as_str(), template.as_deref()), ("games", "green", Some("debian-12")));
    // While it is waited for, nothing is changed; what is refused is said where it was asked.
    assert_eq!(model.keys(&[Key::Return]), None);
    model.answered(ticket, Err("the disk is full".into()));
    let Page::Form(form) = &model.page else { panic!() };
    assert_eq!((form.refused.as_deref(), form.ticket), (Some("the disk is full"), None));
    let (ticket, _) = asked(model.keys(&[Key::Return]));
    model.answered(ticket, Ok(()));
    assert_eq!(model.page, Page::Table);
    let mut rows = some();
    rows.push(row("games", QubeState::Halted));
    model.set_rows(rows);
    assert_eq!(model.chosen().unwrap().name, "games");
    assert_eq!(model.typed(), "", "what was typed for another one does not hide it");
}

#[test]
fn what_is_lost_is_asked_for_first() {
    let mut model = model();
    model.choose_named("work");
    assert_eq!(model.press_verb(Verb::Kill), None);
    assert_eq!(model.keys(&[Key::Return]), None, "the safe answer is chosen");
    assert_eq!(model.page, Page::Table);
    model.press_verb(Verb::Kill);
    let (_, requests) = asked(model.keys(&[Key::Right, Key::Return]));
    assert_eq!(requests, [RequestBody::Kill { qube: qube("work") }]);
    model.keys(&[Key::Escape]);
    model.choose_named("vault");
    model.press_verb(Verb::Remove);
    assert_eq!(model.keys(&[Key::Return]), None);
    model.type_in("vaul");
    assert_eq!(model.press(Place::Button(1)), None, "not its name");
    model.press(Place::Line(0));
    model.type_in("t");
    let (_, requests) = asked(model.press(Place::Button(1)));
    assert_eq!(requests, [RequestBody::Remove { qube: qube("vault") }]);
    assert_eq!(model.press_beside(), None, "a form is not lost by a slip");
}

#[test]
fn settings_ask_for_what_was_changed_and_nothing_else() {
    let mut model = model();
    model.choose_named("vault");
    model.press_verb(Verb::Settings);
    assert_eq!(model.keys(&[Key::Return]), None, "nothing was changed");
    for place in [Place::Next(2), Place::Next(3), Place::Next(4), Place::Next(1)] {
        assert_eq!(model.press(place), None);
    }
    let (_, requests) = asked(model.press(Place::Button(1)));
    let changes = Changes {
        label: None,
        memory: Some(3 << 29),
        volume: Some(12 << 30),
        start_with_desktop: Some(true),
    };
    let network = RequestBody::Network { qube: qube("vault"), to: NetworkTo::Qube(qube("banking")) };
    assert_eq!(requests, [RequestBody::Set { qube: qube("vault"), changes }, network]);
    // A running one keeps what its machine was made with.
    model.keys(&[Key::Escape]);
    model.choose_named("work");
    model.press_verb(Verb::Settings);
    let Page::Form(form) = &model.page else { panic!() };
    assert_eq!(
        form.lines.iter().map(|line| line.enabled).collect::<Vec<_>>(),
        [false, true, false, false, true]
    );
    assert_eq!(form.focus, 1);
    for number in [0, 2, 3] {
        model.press(Place::Next(number));
    }
    let Page::Form(form) = &model.page else { panic!() };
    assert!(
        form.lines
            .iter()
            .all(|line| matches!(line.value, Value::Choice { chosen, first, .. } if chosen == first))
    );
}

#[test]
fn a_log_follows_its_end_until_it_is_scrolled() {
    let mut model = model();
    model.choose_named("work");
    assert_eq!(model.press_verb(Verb::Log), Some(Order::Log("work".into())));
    let lines = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
    let first = |model: &Model| match &model.page {
        Page::Log(log) => log.first,
        other => panic!("{other:?}"),
    };
    model.set_log("vault", lines(50));
    assert_eq!(first(&model), 0, "another qube's");
    model.set_log("work", lines(20));
    assert_eq!(first(&model), 15);
    model.set_log("work", lines(22));
    assert_eq!(first(&model), 17);
    model.wheel(-1);
    model.set_log("work", lines(30));
    assert_eq!(first(&model), 14);
    model.keys(&[Key::End(true)]);
    model.set_log("work", lines(31));
    assert_eq!(first(&model), 26);
    model.keys(&[Key::Escape]);
    assert_eq!(model.page, Page::Table);
}

#[test]
fn when_qubed_is_gone_nothing_is_waited_for() {
    let mut model = model();
    model.choose_named("vault");
    model.press_verb(Verb::Start);
    model.lost();
    assert!(!model.waits() && model.said_text().contains("gone"));
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![
        4 => prop::sample::select(vec!['a', 'w', 'r', ' ', 'g', '\u{7}', 'Z']).prop_map(Key::Char),
        1 => Just(Key::Backspace),
        1 => Just(Key::Clear),
        1 => Just(Key::Up),
        1 => Just(Key::Down),
        2 => Just(Key::Left),
        2 => Just(Key::Right),
        1 => any::<bool>().prop_map(Key::Page),
        1 => any::<bool>().prop_map(Key::End),
        3 => any::<bool>().prop_map(Key::Tab),
        4 => Just(Key::Return),
        1 => Just(Key::Escape),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        1 => (0..12_usize).prop_map(Place::Row),
        3 => (0..15_usize).prop_map(Place::Verb),
        1 => (0..7_usize).prop_map(Place::Line),
        1 => (0..7_usize).prop_map(Place::Previous),
        2 => (0..7_usize).prop_map(Place::Next),
        2 => (0..4_usize).prop_map(Place::Button),
    ]
}

#[derive(Clone, Debug)]
enum Deed {
    Key(Key),
    Press(Place),
    Wheel(isize),
    Rows(Vec<(u8, u8)>),
    Slots(usize, usize),
    Answer(u64, bool),
    Log(usize),
    Lost,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => key().prop_map(Deed::Key),
        5 => place().prop_map(Deed::Press),
        1 => (-5..5_isize).prop_map(Deed::Wheel),
        2 => prop::collection::vec((0..30_u8, any::<u8>()), 0..40).prop_map(Deed::Rows),
        1 => (0..9_usize, 0..9_usize).prop_map(|(rows, lines)| Deed::Slots(rows, lines)),
        2 => (0..6_u64, any::<bool>()).prop_map(|(ticket, good)| Deed::Answer(ticket, good)),
        1 => (0..40_usize).prop_map(Deed::Log),
        1 => Just(Deed::Lost),
    ]
}

fn random_rows(of: &[(u8, u8)]) -> Vec<Row> {
    let states = [
        QubeState::Halted,
        QubeState::Starting,
        QubeState::Running,
        QubeState::Paused,
        QubeState::Stopping,
        QubeState::Failed { reason: "no".into() },
    ];
    let mut names = std::collections::BTreeSet::new();
    of.iter()
        .filter(|(name, _)| names.insert(*name))
        .map(|(name, kind)| {
            let mut row = row(&format!("q{name}"), states[usize::from(*kind) % states.len()].clone());
            (row.kind, row.label) = match kind % 7 {
                0 => (Kind::Disposable, row.label),
                1 => (Kind::Spare, row.label),
                2 => (Kind::Template, None),
                _ => (Kind::Qube, row.label),
            };
            row.sandbox = kind % 11 == 0;
            row
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is done: what is chosen is seen, what is off stays as it is, and nothing is asked of qubed for a row
    /// that does not fit it.
    #[test]
    fn whatever_is_done(deeds in prop::collection::vec(deed(), 1..60)) {
        let mut model = model();
        for deed in deeds {
            let before = model.clone();
            let order = match deed {
                Deed::Key(key) => model.key(key),
                Deed::Press(place) => model.press(place),
                Deed::Wheel(steps) => { model.wheel(steps); None }
                Deed::Rows(rows) => { model.set_rows(random_rows(&rows)); None }
                Deed::Slots(rows, lines) => { model.set_slots(rows, lines); None }
                Deed::Answer(ticket, good) => {
                    model.answered(ticket, if good { Ok(()) } else { Err("no".into()) });
                    None
                }
                Deed::Log(lines) => { model.set_log("work", vec![String::new(); lines]); None }
                Deed::Lost => { model.lost(); None }
            };
            model.check_invariants();
            if let Some(Order::Ask { requests, ticket }) = order {
                prop_assert!(!requests.is_empty() && model.waits.iter().any(|wait| wait.ticket == ticket));
                // What destroys something is asked for by a form only, with the other answer chosen first.
                let grave = |request: &RequestBody| {
                    matches!(request, RequestBody::Remove { .. } | RequestBody::Kill { .. })
                };
                if requests.iter().any(grave) {
                    let Page::Form(form) = &before.page else { panic!("{requests:?}") };
                    prop_assert!(form.purpose == Purpose::Kill || form.problem(&[]).is_none());
                }
            }
        }
    }
}
