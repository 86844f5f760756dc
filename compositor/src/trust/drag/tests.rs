use proptest::prelude::*;

use super::*;
use crate::trust::policy::{Rule, Who};

const WORK: QubeId = QubeId(1);
const WEB: QubeId = QubeId(2);
const TEXT: &str = "text/plain";

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn drag(decision: Decision) -> Drag {
    let clipboard = ClipboardConfig { max_bytes: 100, ..ClipboardConfig::default() };
    Drag::new(Policy { rules: Vec::new(), fallback: decision }, clipboard)
}

fn types(types: &[&str]) -> Vec<String> {
    types.iter().map(|t| (*t).to_owned()).collect()
}

fn web(window: u32) -> Place {
    Place { window: SurfaceKey { qube: WEB, window }, name: "web".into(), at: (3.0, 4.0).into() }
}

const OVER: Effect = Effect::Over { qube: WORK, press: 7 };

fn held(decision: Decision, offered: &[&str]) -> Drag {
    let mut drag = drag(decision);
    let effects = drag.start(WORK, "work", 7, types(offered));
    assert_eq!(effects, [Effect::Take { qube: WORK, press: 7 }]);
    drag
}

fn request(effects: &[Effect]) -> u32 {
    let serial = |e: &Effect| if let Effect::Request { serial, .. } = e { Some(*serial) } else { None };
    effects.iter().find_map(serial).expect("a request")
}

fn asked(effects: &[Effect]) -> u64 {
    let prompt = |e: &Effect| if let Effect::Ask { prompt, .. } = e { Some(*prompt) } else { None };
    effects.iter().find_map(prompt).expect("a question")
}

fn drops(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::Drop { .. }))
}

fn fails(effects: &[Effect], with: &str) -> bool {
    effects
        .iter()
        .any(|e| matches!(e, Effect::Notice(NoticeKind::Failed { reason, .. }) if reason.contains(with)))
}

#[test]
fn what_is_allowed_is_fetched_and_dropped_once() {
    let mut drag = held(Decision::Allow, &[TEXT]);
    let serial = request(&drag.released(Some(web(5)), at(0)));
    assert!(Drag::is_request(serial));
    drag.data(WORK, serial, b"se", false, false);
    let effects = drag.data(WORK, serial, b"cret", true, false);
    assert_eq!(effects[0], OVER);
    let Effect::Drop { place, types } = &effects[1] else { panic!("{effects:?}") };
    assert_eq!((place, &*types[0].1), (&web(5), b"secret".as_slice()));
    assert!(drag.data(WORK, serial, b"again", true, false).is_empty());
}

#[test]
fn nothing_is_asked_of_the_source_before_the_person_has_said_yes() {
    let mut drag = held(Decision::Ask, &[TEXT]);
    let effects = drag.released(Some(web(5)), at(0));
    let prompt = asked(&effects);
    assert_eq!(effects.len(), 1, "the source hears nothing: {effects:?}");
    assert!(drag.prompt_answer(prompt + 1, true, at(1)).is_empty(), "another question");
    request(&drag.prompt_answer(prompt, true, at(1)));
    let mut drag = held(Decision::Ask, &[TEXT]);
    let prompt = asked(&drag.released(Some(web(5)), at(0)));
    assert_eq!(drag.prompt_answer(prompt, false, at(1))[0], OVER);
}

#[test]
fn what_may_not_be_pasted_may_not_be_dropped() {
    let mut drag = held(Decision::Allow, &[TEXT]);
    assert_eq!(drag.verdict("web"), Some(Verdict::Drops));
    let mut clipboard = ClipboardConfig::default();
    let rule = Rule { from: Who::new("work"), to: Who::Any, decision: Decision::Deny };
    clipboard.policy.rules.push(rule);
    drag.reconfigure(Policy { rules: Vec::new(), fallback: Decision::Allow }, clipboard);
    assert_eq!(drag.verdict("web"), Some(Verdict::Denied));
    let effects = drag.released(Some(web(5)), at(0));
    assert!(matches!(&effects[..], [Effect::Over { .. }, Effect::Notice(NoticeKind::Denied { .. })]));
}

#[test]
fn dom0_takes_nothing_even_where_a_rule_names_it() {
    let mut drag = held(Decision::Allow, &[TEXT]);
    let rule = Rule { from: Who::Any, to: Who::new(DOM0), decision: Decision::Allow };
    let policy = Policy { rules: vec![rule], fallback: Decision::Allow };
    let clipboard = ClipboardConfig { policy: policy.clone(), ..ClipboardConfig::default() };
    drag.reconfigure(policy, clipboard);
    assert_eq!(drag.verdict(DOM0), Some(Verdict::Denied));
}

#[test]
fn a_source_without_end_is_given_up_in_time() {
    let mut drag = held(Decision::Allow, &[TEXT]);
    let serial = request(&drag.released(Some(web(5)), at(0)));
    drag.data(WORK, serial, b"a", false, false);
    assert!(drag.tick(at(2)).is_empty());
    let effects = drag.tick(at(3));
    assert_eq!(effects[..2], [Effect::Cancel { qube: WORK, serial }, OVER]);
    assert!(fails(&effects, "in time"));
    assert!(drag.data(WORK, serial, b"late", true, false).is_empty());
}

#[test]
fn too_much_is_cut_and_said() {
    let mut drag = held(Decision::Allow, &[TEXT]);
    let serial = request(&drag.released(Some(web(5)), at(0)));
    drag.data(WORK, serial, &[b'x'; 99], false, false);
    let effects = drag.data(WORK, serial, b"yz", false, false);
    assert!(effects.contains(&Effect::Cancel { qube: WORK, serial }) && !drops(&effects));
    assert!(fails(&effects, "larger than the limit") && effects.contains(&OVER));
}

#[test]
fn names_of_files_do_not_cross_and_links_do() {
    for (list, crosses) in [
        (b"https://example.org/\r\n".as_slice(), true),
        (b"# two\r\n https://example.org/\r\nFILE:///etc/passwd\r\n", false),
    ] {
        let mut drag = held(Decision::Allow, &["text/uri-list"]);
        assert_eq!(drag.card(), Some(("work", "links")));
        let serial = request(&drag.released(Some(web(5)), at(0)));
        let effects = drag.data(WORK, serial, list, true, false);
        assert_eq!(drops(&effects), crosses, "{effects:?}");
        assert_eq!(fails(&effects, "transom-copy"), !crosses);
    }
}

#[test]
fn it_ends_with_either_end() {
    let window = SurfaceKey { qube: WEB, window: 5 };
    let ends: [fn(&mut Drag, SurfaceKey) -> Vec<Effect>; 4] = [
        |drag, _| drag.qube_gone(WORK),
        |drag, _| drag.qube_gone(WEB),
        Drag::window_gone,
        |drag, _| drag.cancel(),
    ];
    for end in ends {
        let mut drag = held(Decision::Ask, &[TEXT]);
        let prompt = asked(&drag.released(Some(web(5)), at(0)));
        let effects = end(&mut drag, window);
        assert_eq!(effects[..2], [Effect::CloseAsk { prompt }, OVER]);
        assert!(drag.prompt_answer(prompt, true, at(1)).is_empty(), "too late");
    }
}

#[test]
fn a_second_drag_changes_nothing() {
    let mut drag = held(Decision::Allow, &[TEXT]);
    assert!(drag.start(WORK, "work", 8, types(&["image/png"])).is_empty());
    assert!(drag.start(WEB, "web", 8, types(&["image/png"])).is_empty());
    assert_eq!((drag.held(), drag.card()), (Some(WORK), Some(("work", "text"))));
}

#[derive(Clone, Debug)]
enum Step {
    Start(bool, u32),
    Home,
    Release(Option<u32>),
    Answer(u64, bool),
    Data { web: bool, nth: u32, bytes: usize, end: bool, failed: bool },
    Cancel,
    Gone(bool),
    WindowGone(u32),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any::<bool>(), 1u32..4).prop_map(|(web, press)| Step::Start(web, press)),
        1 => Just(Step::Home),
        3 => proptest::option::weighted(0.8, 1u32..3).prop_map(Step::Release),
        3 => (0u64..6, any::<bool>()).prop_map(|(p, a)| Step::Answer(p, a)),
        6 => (any::<bool>(), 0u32..12, 0usize..80, any::<bool>(), any::<bool>())
            .prop_map(|(web, nth, bytes, end, failed)| Step::Data { web, nth, bytes, end, failed }),
        1 => Just(Step::Cancel),
        1 => any::<bool>().prop_map(Step::Gone),
        1 => (1u32..3).prop_map(Step::WindowGone),
        1 => (0u64..20).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens in whatever order: nothing is fetched or dropped without a release and a yes to
    /// the question that came of it, at most one drop for each, and what was taken up ends exactly once.
    #[test]
    fn nothing_crosses_without_intent(steps in prop::collection::vec(step(), 0..120)) {
        let mut drag = drag(Decision::Ask);
        let mut now = at(0);
        let (mut taken, mut yes, mut released) = (None, false, false);
        for step in steps {
            let (before, answers) = (released, matches!(step, Step::Answer(_, true)));
            let releases = matches!(step, Step::Release(Some(_)));
            let effects = match step {
                Step::Start(web, press) => {
                    let (qube, name) = if web { (WEB, "web") } else { (WORK, "work") };
                    drag.start(qube, name, press, types(&[TEXT, "image/png"]))
                }
                Step::Home => drag.released_at_home(),
                Step::Release(window) => {
                    let other = if drag.held() == Some(WEB) { (WORK, "work") } else { (WEB, "web") };
                    let place = |window| Place {
                        window: SurfaceKey { qube: other.0, window },
                        name: other.1.into(),
                        at: Point::default(),
                    };
                    drag.released(window.map(place), now)
                }
                Step::Answer(prompt, allow) => drag.prompt_answer(prompt, allow, now),
                Step::Data { web, nth, bytes, end, failed } => {
                    let qube = if web { WEB } else { WORK };
                    drag.data(qube, OWN | nth, &vec![1; bytes], end, failed)
                }
                Step::Cancel => drag.cancel(),
                Step::Gone(web) => drag.qube_gone(if web { WEB } else { WORK }),
                Step::WindowGone(window) => drag.window_gone(SurfaceKey { qube: WEB, window }),
                Step::Wait(seconds) => {
                    now += at(seconds);
                    drag.tick(now)
                }
            };
            drag.check_invariants().map_err(TestCaseError::fail)?;
            for effect in &effects {
                match effect {
                    Effect::Take { qube, press } => {
                        prop_assert_eq!(taken, None);
                        (taken, yes, released) = (Some((*qube, *press)), false, false);
                    }
                    Effect::Over { qube, press } => prop_assert_eq!(taken.take(), Some((*qube, *press))),
                    Effect::Ask { .. } => {
                        prop_assert!(releases);
                        released = true;
                    }
                    Effect::Request { .. } => {
                        prop_assert!(yes || (before && answers), "fetched without a yes: {:?}", effects);
                        yes = true;
                    }
                    Effect::Drop { place, .. } => {
                        prop_assert!(std::mem::take(&mut yes), "dropped twice, or without a yes");
                        prop_assert!(matches!(place.window.qube, WEB | WORK));
                    }
                    Effect::Cancel { .. } | Effect::CloseAsk { .. } | Effect::Notice(_) => {}
                }
            }
        }
    }
}
