use proptest::prelude::*;

use super::*;
use crate::trust::policy::{Rule, Who};

const WORK: QubeId = QubeId(1);
const WEB: QubeId = QubeId(2);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn clipboard(decision: Decision) -> Clipboard {
    let rules = vec![Rule { from: Who::new("work"), to: Who::new("web"), decision }];
    let policy = Policy { rules, fallback: Decision::Allow };
    Clipboard::new(ClipboardConfig { max_bytes: 100, policy, ..ClipboardConfig::default() })
}

fn offer(types: &[&str]) -> Vec<String> {
    types.iter().map(|t| (*t).to_owned()).collect()
}

fn request(effects: &[Effect]) -> u32 {
    effects
        .iter()
        .find_map(|e| match e {
            Effect::Request { serial, .. } => Some(*serial),
            _ => None,
        })
        .expect("a request")
}

/// A clipboard that holds "secret" of work.
fn holding(decision: Decision) -> Clipboard {
    let mut clipboard = clipboard(decision);
    let serial = request(&clipboard.copy_chord(WORK, "work", &offer(&["text/plain"]), at(0)));
    clipboard.data(WORK, serial, b"secret", true, false, at(0));
    clipboard
}

fn pastes(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::Paste { .. }))
}

#[test]
fn a_copy_is_pasted_once() {
    let mut clipboard = holding(Decision::Allow);
    let effects = clipboard.paste_chord(WEB, "web", at(1));
    let types = vec![("text/plain".to_owned(), Arc::from(b"secret".as_slice()))];
    assert_eq!(effects[0], Effect::Paste { qube: WEB, types });
    assert!(!pastes(&clipboard.paste_chord(WEB, "web", at(2))), "wiped after one paste");
    assert_eq!(clipboard.held_bytes(), 0);
}

#[test]
fn a_copy_is_wiped_after_a_minute() {
    let mut clipboard = holding(Decision::Allow);
    assert_eq!(clipboard.state_text(at(18)).as_deref(), Some("work → …, 42 s left"));
    assert_eq!(clipboard.tick(at(59)), vec![]);
    assert_eq!(clipboard.tick(at(60)), vec![Effect::Notice(NoticeKind::Wiped { from: "work".into() })]);
    assert!(!pastes(&clipboard.paste_chord(WEB, "web", at(61))));
}

#[test]
fn a_denied_paste_gives_nothing() {
    let mut clipboard = holding(Decision::Deny);
    let denied = Effect::Notice(NoticeKind::Denied { from: "work".into(), to: "web".into() });
    assert_eq!(clipboard.paste_chord(WEB, "web", at(1)), vec![denied]);
    assert!(pastes(&clipboard.paste_chord(WORK, "work", at(2))), "back where it came from is no crossing");
}

#[test]
fn a_question_decides() {
    let mut clipboard = holding(Decision::Ask);
    let effects = clipboard.paste_chord(WEB, "web", at(1));
    let Effect::Ask { prompt, summary, .. } = &effects[0] else { panic!("{effects:?}") };
    assert_eq!(summary, "text (6 bytes)");
    assert!(clipboard.prompt_answer(prompt + 1, true, at(2)).is_empty(), "another question");
    assert!(!pastes(&clipboard.prompt_answer(*prompt, false, at(2))));
    let effects = clipboard.paste_chord(WEB, "web", at(3));
    let Effect::Ask { prompt, .. } = &effects[0] else { panic!("{effects:?}") };
    assert!(pastes(&clipboard.prompt_answer(*prompt, true, at(4))));
}

#[test]
fn a_question_ends_with_its_qube_or_its_time() {
    let mut clipboard = holding(Decision::Ask);
    let effects = clipboard.paste_chord(WEB, "web", at(1));
    let Effect::Ask { prompt, .. } = effects[0] else { panic!("{effects:?}") };
    assert_eq!(clipboard.qube_gone(WEB, at(2)), vec![Effect::CloseAsk { prompt }]);
    assert!(!pastes(&clipboard.prompt_answer(prompt, true, at(2))), "too late");
    let effects = clipboard.paste_chord(WEB, "web", at(40));
    let Effect::Ask { prompt, .. } = effects[0] else { panic!("{effects:?}") };
    assert_eq!(clipboard.next_deadline(), Some(at(60)), "no question keeps a copy beyond its minute");
    let wiped = Effect::Notice(NoticeKind::Wiped { from: "work".into() });
    assert_eq!(clipboard.tick(at(60)), vec![Effect::CloseAsk { prompt }, wiped]);
}

#[test]
fn late_answers_are_dropped_and_shown() {
    let mut clipboard = clipboard(Decision::Allow);
    let serial = request(&clipboard.copy_chord(WORK, "work", &offer(&["text/plain"]), at(0)));
    clipboard.data(WORK, serial, b"sec", false, false, at(1));
    let effects = clipboard.tick(at(3));
    assert_eq!(effects[0], Effect::Cancel { qube: WORK, serial });
    assert!(matches!(&effects[1], Effect::Notice(NoticeKind::Refused { .. })));
    assert_eq!(clipboard.data(WORK, serial, b"ret", true, false, at(4)), vec![]);
    assert_eq!(clipboard.held_bytes(), 0);
}

#[test]
fn answers_of_another_qube_or_request_are_dropped() {
    let mut clipboard = clipboard(Decision::Allow);
    let serial = request(&clipboard.copy_chord(WORK, "work", &offer(&["text/plain"]), at(0)));
    assert_eq!(clipboard.data(WEB, serial, b"x", true, false, at(1)), vec![]);
    assert_eq!(clipboard.data(WORK, serial + 1, b"x", true, false, at(1)), vec![]);
    assert_eq!(clipboard.held_bytes(), 0);
}

#[test]
fn endless_answers_are_cut_and_shown() {
    let mut clipboard = clipboard(Decision::Allow);
    let serial = request(&clipboard.copy_chord(WORK, "work", &offer(&["text/plain"]), at(0)));
    clipboard.data(WORK, serial, &[b'x'; 90], false, false, at(0));
    let effects = clipboard.data(WORK, serial, &[b'x'; 11], false, false, at(0));
    assert_eq!(effects[0], Effect::Cancel { qube: WORK, serial });
    assert!(matches!(&effects[1], Effect::Notice(NoticeKind::Refused { .. })));
    assert_eq!((effects.len(), clipboard.held_bytes()), (2, 0));
}

#[test]
fn too_large_a_form_leaves_the_others() {
    let mut clipboard = clipboard(Decision::Allow);
    let first = clipboard.copy_chord(WORK, "work", &offer(&["image/png", "text/plain"]), at(0));
    let serial = request(&first);
    assert!(matches!(&first[0], Effect::Request { mime, .. } if mime == "text/plain"));
    let serial = request(&clipboard.data(WORK, serial, b"note", true, false, at(0)));
    let effects = clipboard.data(WORK, serial, &[0; 97], true, false, at(0));
    assert!(effects.iter().any(|e| matches!(e, Effect::Notice(NoticeKind::CopiedOut { bytes: 4, .. }))));
}

#[test]
fn a_failed_or_empty_offer_is_shown() {
    let mut clipboard = clipboard(Decision::Allow);
    assert!(matches!(
        &clipboard.copy_chord(WORK, "work", &[], at(0))[..],
        [Effect::Notice(NoticeKind::Refused { .. })]
    ));
    let serial = request(&clipboard.copy_chord(WORK, "work", &offer(&["text/plain"]), at(0)));
    assert!(matches!(
        &clipboard.data(WORK, serial, b"", true, true, at(0))[..],
        [Effect::Notice(NoticeKind::Refused { .. })]
    ));
}

#[test]
fn names_of_x11_are_no_content() {
    let types =
        choose(&offer(&["TARGETS", "STRING", "UTF8_STRING", "text/plain;charset=utf-8", "image/png", "a/b"]));
    assert_eq!(types, ["text/plain;charset=utf-8", "image/png", "a/b"]);
}

#[derive(Clone, Debug)]
enum Step {
    Copy(bool),
    Paste(bool),
    Data { web: bool, serial: u32, bytes: usize, end: bool, failed: bool },
    Answer(u64, bool),
    Gone(bool),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<bool>().prop_map(Step::Copy),
        any::<bool>().prop_map(Step::Paste),
        (any::<bool>(), 0u32..12, 0usize..80, any::<bool>(), any::<bool>())
            .prop_map(|(web, serial, bytes, end, failed)| Step::Data { web, serial, bytes, end, failed }),
        (0u64..4, any::<bool>()).prop_map(|(p, a)| Step::Answer(p, a)),
        any::<bool>().prop_map(Step::Gone),
        (0u64..40).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens in whatever order: nothing is pasted but by a paste chord or an answer,
    /// at most one paste per copy, never more bytes than the limit, never later than a minute.
    #[test]
    fn nothing_crosses_without_intent(steps in prop::collection::vec(step(), 0..80)) {
        let mut clipboard = clipboard(Decision::Ask);
        let mut now = at(0);
        let mut copied: Option<Duration> = None;
        for step in steps {
            let meant = matches!(step, Step::Paste(_) | Step::Answer(_, true));
            let effects = match step {
                Step::Copy(web) => {
                    copied = None;
                    let (qube, name) = if web { (WEB, "web") } else { (WORK, "work") };
                    clipboard.copy_chord(qube, name, &offer(&["text/plain", "image/png"]), now)
                }
                Step::Paste(web) => {
                    let (qube, name) = if web { (WEB, "web") } else { (WORK, "work") };
                    clipboard.paste_chord(qube, name, now)
                }
                Step::Data { web, serial, bytes, end, failed } => {
                    let qube = if web { WEB } else { WORK };
                    clipboard.data(qube, serial, &vec![1; bytes], end, failed, now)
                }
                Step::Answer(prompt, allow) => clipboard.prompt_answer(prompt, allow, now),
                Step::Gone(web) => clipboard.qube_gone(if web { WEB } else { WORK }, now),
                Step::Wait(seconds) => {
                    now += at(seconds);
                    clipboard.tick(now)
                }
            };
            for effect in &effects {
                if matches!(effect, Effect::Notice(NoticeKind::CopiedOut { .. })) {
                    copied = Some(now);
                }
            }
            if pastes(&effects) {
                prop_assert!(meant, "{effects:?}");
                let since = copied.take();
                prop_assert!(since.is_some_and(|t| now.checked_sub(t).unwrap() <= at(60)), "one paste per copy, within a minute");
            }
            prop_assert!(clipboard.held_bytes() <= 100);
            // Time passes through tick before anything else can happen.
            let _ = clipboard.tick(now);
        }
    }
}
