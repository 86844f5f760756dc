use proptest::prelude::*;

use super::*;

fn name(text: &str) -> QubeName {
    QubeName::new(text).unwrap()
}

fn wanted(source: &str) -> Wanted {
    Wanted {
        source: Caller::new(source).unwrap(),
        label: LabelName::new("blue").unwrap(),
        service: "transom.copy".into(),
        argument: String::new(),
        said: "a file".into(),
    }
}

fn choices(of: &[&str]) -> Vec<CallChoice> {
    let choice = |text: &&str| CallChoice {
        target: Target::Qube(name(text)),
        label: LabelName::new("red").unwrap(),
        running: true,
    };
    of.iter().map(choice).collect()
}

fn ask() -> Verdict {
    Verdict::Ask { choices: choices(&["vault", "web"]), chosen: None }
}

fn shown(effects: &[Effect]) -> Vec<CallId> {
    let show = |effect: &Effect| match effect {
        Effect::Show(ask) => Some(ask.call),
        _ => None,
    };
    effects.iter().filter_map(show).collect()
}

fn allow(target: &str) -> CallAnswer {
    CallAnswer::Allow { target: Target::new(target).unwrap() }
}

#[test]
fn what_the_person_calls_is_neither_asked_about_nor_served_by_dom0() {
    let now = Instant::now();
    let mut book = Book::default();
    for verdict in [ask(), Verdict::Wait, Verdict::Go(Target::Dom0), Verdict::Deny] {
        assert_eq!(book.place(wanted("dom0"), verdict, now), None);
    }
    let vault = Target::Qube(name("vault"));
    let (id, effects) = book.place(wanted("dom0"), Verdict::Go(vault.clone()), now).unwrap();
    assert_eq!(effects, [Effect::Launch(id, vault)]);
    book.going_to(id, &name("vault"));
    let offer = book.offer(id, [7; 16], now).unwrap();
    assert!(matches!(offer, Effect::Offer { source: Caller::Dom0, .. }));
    assert_eq!(book.accept(&name("work"), &[7; 16]), None, "another qube does not get it");
    assert_eq!(book.accept(&name("vault"), &[7; 16]), Some(id));
    assert_eq!(book.qube_gone(&name("vault")), [Effect::Close(id)]);
    book.check_invariants(now);
}

#[test]
fn a_call_from_question_to_end() {
    let now = Instant::now();
    let mut book = Book::default();
    let (id, effects) = book.place(wanted("work"), ask(), now).unwrap();
    assert_eq!(shown(&effects), [id]);
    assert!(book.answer(id, &allow("mail")).is_empty(), "it was no choice");
    assert!(book.answer(id + 1, &allow("vault")).is_empty());
    let launch = book.answer(id, &allow("vault"));
    assert_eq!(launch, [Effect::Launch(id, Target::Qube(name("vault")))]);
    assert!(book.answer(id, &CallAnswer::Deny).is_empty(), "it is answered once");
    book.going_to(id, &name("vault"));
    assert_eq!(book.waiting_for(&name("vault")), [id]);
    let offer = book.offer(id, [7; 16], now).unwrap();
    assert!(
        matches!(offer, Effect::Offer { target, source, .. } if target == name("vault") && source.qube() == Some(&name("work")))
    );
    assert_eq!(book.accept(&name("web"), &[7; 16]), None, "another qube has the token");
    assert_eq!(book.accept(&name("vault"), &[8; 16]), None);
    assert_eq!(book.accept(&name("vault"), &[7; 16]), Some(id));
    assert_eq!(book.accept(&name("vault"), &[7; 16]), None, "a token is of use once");
    assert!(book.end(id).is_empty());
    assert_eq!(book.qube_gone(&name("vault")), []);
}

#[test]
fn many_questions_of_one_qube_hide_none_of_another() {
    let now = Instant::now();
    let mut book = Book::default();
    let ids: Vec<_> = (0..MAX_ASKS).map(|_| book.place(wanted("loud"), ask(), now).unwrap().0).collect();
    assert!(book.place(wanted("loud"), ask(), now).is_none(), "as many as may wait");
    let (quiet, effects) = book.place(wanted("quiet"), ask(), now).unwrap();
    assert_eq!(shown(&effects), [quiet], "shown at once, beside the first of the other");
    let effects = book.answer(ids[0], &CallAnswer::Deny);
    assert_eq!(effects[0], Effect::Refuse(ids[0]));
    assert_eq!(shown(&effects), [ids[1]], "the next comes when one is answered");
    assert!(book.answer(ids[3], &allow("vault")).is_empty(), "nobody has seen this one");
    let effects = book.answer(ids[1], &CallAnswer::Silence);
    assert_eq!(effects, ids[1..].iter().map(|id| Effect::Refuse(*id)).collect::<Vec<_>>());
    let later = now + Duration::from_hours(1);
    assert!(book.place(wanted("loud"), ask(), later).is_none(), "silenced");
    assert!(book.place(wanted("loud"), Verdict::Go(Target::Disposable), later).is_some(), "a rule allows it");
    let gone = book.qube_gone(&name("loud"));
    assert!(matches!(gone[..], [Effect::Refuse(_)]));
    assert!(book.place(wanted("loud"), ask(), later).is_some(), "started anew");
}

#[test]
fn questions_and_offers_end_by_themselves() {
    let now = Instant::now();
    let mut book = Book::default();
    let (id, _) = book.place(wanted("work"), ask(), now).unwrap();
    assert_eq!(book.next_wake(), Some(now + ANSWER));
    assert!(book.tick(now + ANSWER.checked_sub(Duration::from_millis(1)).unwrap()).is_empty());
    assert_eq!(book.tick(now + ANSWER), [Effect::Hide(id), Effect::Refuse(id)]);
    let (id, _) = book.place(wanted("work"), Verdict::Go(Target::Qube(name("web"))), now).unwrap();
    book.going_to(id, &name("web"));
    book.offer(id, [1; 16], now);
    assert_eq!(book.tick(now + ACCEPT), [Effect::Refuse(id)]);
    let (id, _) = book.place(wanted("work"), ask(), now + ANSWER).unwrap();
    assert_eq!(book.person_gone(), [Effect::Hide(id), Effect::Refuse(id)]);
    assert_eq!(book.next_wake(), None);
}

fn ask_dom0() -> Verdict {
    let label = LabelName::new("red").unwrap();
    let choice = CallChoice { target: Target::Dom0, label, running: true };
    Verdict::Ask { choices: vec![choice], chosen: Some(0) }
}

#[test]
fn what_is_for_dom0_waits_for_its_desktop() {
    let now = Instant::now();
    let mut book = Book::default();
    let (id, effects) = book.place(wanted("usb"), Verdict::Wait, now).unwrap();
    assert_eq!((effects, book.parked(), book.next_wake()), (vec![], vec![id], None));
    assert!(book.answer(id, &allow("dom0")).is_empty(), "nobody was asked");
    assert_eq!(shown(&book.unpark(id, ask_dom0(), now)), [id]);
    assert!(book.unpark(id, ask_dom0(), now).is_empty(), "it waits no more");
    assert_eq!(book.person_gone(), [Effect::Hide(id)], "it waits again");
    assert_eq!(shown(&book.unpark(id, ask_dom0(), now)), [id]);
    assert_eq!(book.answer(id, &allow("dom0")), [Effect::Launch(id, Target::Dom0)]);
    assert_eq!(book.serve(id), Some(&wanted("usb")));
    assert_eq!(book.serve(id), None);
    assert!(book.answer(id, &CallAnswer::Deny).is_empty());
    assert!(book.person_gone().is_empty(), "its stream ends by itself");
    // Denied while it waited.
    let (other, _) = book.place(wanted("usb"), Verdict::Wait, now).unwrap();
    assert_eq!(book.unpark(other, Verdict::Deny, now), [Effect::Refuse(other)]);
    assert_eq!(book.qube_gone(&name("usb")), [Effect::Close(id)]);
}

/// A device that is not what it said: dom0 serves that qube nothing more, whatever a rule says.
#[test]
fn who_is_cut_off_is_served_no_more() {
    let now = Instant::now();
    let mut book = Book::default();
    let ids: Vec<_> = (0..3)
        .map(|_| {
            let (id, effects) = book.place(wanted("usb"), Verdict::Go(Target::Dom0), now).unwrap();
            assert_eq!(effects, [Effect::Launch(id, Target::Dom0)]);
            book.serve(id).unwrap();
            id
        })
        .collect();
    let (asks, _) = book.place(wanted("usb"), ask_dom0(), now).unwrap();
    let (other, _) = book.place(wanted("mail"), Verdict::Go(Target::Dom0), now).unwrap();
    book.serve(other).unwrap();
    let mut expected: Vec<_> = ids.iter().map(|id| Effect::Close(*id)).collect();
    expected.extend([Effect::Hide(asks), Effect::Refuse(asks)]);
    assert_eq!(book.answer(ids[1], &CallAnswer::Silence), expected);
    assert!(book.place(wanted("usb"), Verdict::Go(Target::Dom0), now).is_none());
    assert!(book.place(wanted("usb"), Verdict::Wait, now).is_none());
    assert!(book.answer(other, &CallAnswer::Silence).contains(&Effect::Close(other)));
    assert!(book.qube_gone(&name("usb")).is_empty());
    assert!(book.place(wanted("usb"), Verdict::Go(Target::Dom0), now).is_some(), "started anew");
}

/// A device that is plugged in again and again by a rule does not flood the person.
#[test]
fn what_a_rule_lets_dom0_serve_has_a_rate() {
    let now = Instant::now();
    let mut book = Book::default();
    let mut place = |now| {
        let (id, _) = book.place(wanted("usb"), Verdict::Go(Target::Dom0), now)?;
        book.serve(id)?;
        book.end(id);
        Some(())
    };
    assert_eq!((0..100).filter_map(|_| place(now)).count() as u64, SERVES.0);
    assert!(place(now + Duration::from_millis(1_001)).is_some());
}

#[derive(Clone, Debug)]
enum Step {
    Place(u8, u8),
    Answer(u64, u8),
    Going(u64, u8),
    Serve(u64),
    Unpark(u64, u8),
    Offer(u64),
    Accept(u8, u64),
    End(u64),
    Fail(u64),
    Gone(u8),
    PersonGone,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u8..3, 0u8..7).prop_map(|(q, v)| Step::Place(q, v)),
        2 => (0u64..24).prop_map(Step::Serve),
        2 => (0u64..24, 0u8..7).prop_map(|(c, v)| Step::Unpark(c, v)),
        3 => (0u64..24, 0u8..5).prop_map(|(c, a)| Step::Answer(c, a)),
        2 => (0u64..24, 0u8..3).prop_map(|(c, q)| Step::Going(c, q)),
        2 => (0u64..24).prop_map(Step::Offer),
        2 => (0u8..3, 0u64..24).prop_map(|(q, c)| Step::Accept(q, c)),
        1 => (0u64..24).prop_map(Step::End),
        1 => (0u64..24).prop_map(Step::Fail),
        1 => (0u8..3).prop_map(Step::Gone),
        1 => Just(Step::PersonGone),
        1 => (0u64..40).prop_map(Step::Wait),
    ]
}

/// What the outside knows: a question is shown or not, and a call is over once.
#[derive(Default)]
struct Outside {
    shown: BTreeSet<CallId>,
    over: BTreeSet<CallId>,
    open: BTreeSet<CallId>,
}

impl Outside {
    fn see(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Show(ask) => assert!(self.shown.insert(ask.call) && !self.over.contains(&ask.call)),
                Effect::Hide(id) => assert!(self.shown.remove(id), "hidden, but not shown"),
                Effect::Refuse(id) => {
                    assert!(self.over.insert(*id), "refused twice");
                    assert!(!self.open.contains(id), "refused when open");
                    self.shown.remove(id);
                }
                Effect::Close(id) => assert!(self.open.remove(id) && self.over.insert(*id)),
                Effect::Launch(id, _) => {
                    self.shown.remove(id);
                }
                Effect::Offer { .. } => {}
            }
        }
    }
}

fn verdict(which: u8) -> Verdict {
    match which {
        0 => Verdict::Deny,
        1 => Verdict::Go(Target::Qube(name("vault"))),
        2 => Verdict::Ask { choices: Vec::new(), chosen: Some(3) },
        3 => Verdict::Wait,
        4 => Verdict::Go(Target::Dom0),
        5 => ask_dom0(),
        _ => Verdict::Ask { choices: choices(&["vault", "web"]), chosen: Some(9) },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_order_of_events_keeps_the_book_in_order(steps in proptest::collection::vec(step(), 1..120)) {
        let qubes = ["work", "vault", "web"];
        let mut now = Instant::now();
        let (mut book, mut outside) = (Book::default(), Outside::default());
        let token = |call: u64| { let mut token = [0; 16]; token[..8].copy_from_slice(&call.to_le_bytes()); token };
        for step in steps {
            let effects = match step {
                Step::Place(qube, which) => {
                    let placed = book.place(wanted(qubes[qube as usize]), verdict(which), now);
                    placed.map_or(Vec::new(), |(_, effects)| effects)
                }
                Step::Unpark(call, which) => {
                    let parked = book.parked().contains(&call);
                    let effects = book.unpark(call, verdict(which), now);
                    prop_assert!(parked || effects.is_empty(), "it did not wait");
                    effects
                }
                Step::Serve(call) => {
                    if book.serve(call).is_some() {
                        prop_assert!(outside.open.insert(call) && !outside.over.contains(&call));
                    }
                    Vec::new()
                }
                Step::Answer(call, how) => {
                    let was_shown = outside.shown.contains(&call);
                    // What dom0 serves can be silenced.
                    let silences = how == 1 && outside.open.contains(&call);
                    let answer = match how {
                        0 => CallAnswer::Deny,
                        1 => CallAnswer::Silence,
                        2 => allow("vault"),
                        3 => allow("dom0"),
                        _ => allow("mail"),
                    };
                    let effects = book.answer(call, &answer);
                    prop_assert!(was_shown || silences || effects.is_empty(), "an answer to nothing did something");
                    effects
                }
                Step::Going(call, qube) => { book.going_to(call, &name(qubes[qube as usize])); Vec::new() }
                Step::Offer(call) => book.offer(call, token(call), now).into_iter().collect(),
                Step::Accept(qube, call) => {
                    let by = name(qubes[qube as usize]);
                    if let Some(id) = book.accept(&by, &token(call)) {
                        prop_assert_eq!(id, call);
                        prop_assert_eq!(book.target(id), Some(&by));
                        prop_assert!(outside.open.insert(id) && !outside.over.contains(&id));
                    }
                    Vec::new()
                }
                Step::End(call) => {
                    let effects = book.end(call);
                    outside.open.remove(&call);
                    effects
                }
                Step::Fail(call) => book.fail(call),
                Step::Gone(qube) => book.qube_gone(&name(qubes[qube as usize])),
                Step::PersonGone => book.person_gone(),
                Step::Wait(seconds) => { now += Duration::from_secs(seconds); book.tick(now) }
            };
            outside.see(&effects);
            book.check_invariants(now);
        }
    }
}
