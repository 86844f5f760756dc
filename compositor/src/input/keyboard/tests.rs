use proptest::prelude::*;

use super::*;

const ESC: u32 = 1;
const TAB: u32 = 15;
const CTRL: u32 = 29;
const A: u32 = 30;
const B: u32 = 48;
const SHIFT: u32 = 42;
const C: u32 = 46;
const ALT: u32 = 56;
const CAPS: u32 = 58;
const SUPER: u32 = 125;

fn keyboard() -> Keyboard {
    Keyboard::new(&KeyboardConfig::default()).unwrap()
}

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Presses (+) and releases (-) in order.
fn run(keyboard: &mut Keyboard, steps: &[(u32, bool)]) -> Vec<Outcome> {
    steps.iter().flat_map(|(code, pressed)| keyboard.key(*code, *pressed, at(0))).collect()
}

fn forwarded(outcomes: &[Outcome]) -> Vec<(u32, bool)> {
    outcomes
        .iter()
        .filter_map(|o| match o {
            Outcome::Forward { code, state } => Some((*code, *state == ForwardState::Pressed)),
            _ => None,
        })
        .collect()
}

fn actions(outcomes: &[Outcome]) -> Vec<&Action> {
    outcomes
        .iter()
        .filter_map(|o| match o {
            Outcome::Action(action) => Some(action),
            _ => None,
        })
        .collect()
}

#[test]
fn plain_keys_are_handed_on() {
    let out = run(&mut keyboard(), &[(A, true), (A, false)]);
    assert_eq!(forwarded(&out), [(A, true), (A, false)]);
}

#[test]
fn no_key_of_a_chord_reaches_a_qube() {
    let mut keyboard = keyboard();
    let out = run(&mut keyboard, &[(SUPER, true), (C, true), (C, false), (SUPER, false)]);
    assert_eq!(actions(&out), [&Action::ClipboardCopyOut]);
    assert_eq!(forwarded(&out), []);
    assert!(!out.iter().any(|o| matches!(o, Outcome::Modifiers(_))), "{out:?}");
    let out =
        run(&mut keyboard, &[(ALT, true), (TAB, true), (TAB, false), (A, true), (A, false), (ALT, false)]);
    assert_eq!(forwarded(&out), [], "a key pressed while a chord is held is nobody's");
    assert_eq!(out.last(), Some(&Outcome::ActionReleased(Action::SwitchNext)));
    let out = run(&mut keyboard, &[(A, true), (A, false)]);
    assert_eq!(forwarded(&out).len(), 2, "and then all is as before");
}

#[test]
fn a_modifier_without_a_chord_is_handed_on_late() {
    let out = run(&mut keyboard(), &[(ALT, true)]);
    assert_eq!(out, []);
    let out = run(&mut keyboard(), &[(ALT, true), (A, true), (A, false), (ALT, false)]);
    assert_eq!(forwarded(&out), [(ALT, true), (A, true), (A, false), (ALT, false)]);
    let Some(Outcome::Modifiers(state)) = out.get(1) else { panic!("{out:?}") };
    assert_ne!(state.depressed, 0, "told before the key it goes with");
    let out = run(&mut keyboard(), &[(ALT, true), (ALT, false)]);
    assert_eq!(forwarded(&out), [(ALT, true), (ALT, false)], "menus open on Alt alone");
}

#[test]
fn super_is_dom0s_alone() {
    // A chord that is bound to nothing.
    let out = run(&mut keyboard(), &[(SUPER, true), (B, true), (B, false), (SUPER, false)]);
    assert_eq!(out, []);
}

#[test]
fn a_modifier_that_a_qube_knows_of_is_taken_back() {
    let out =
        run(&mut keyboard(), &[(ALT, true), (A, true), (A, false), (TAB, true), (TAB, false), (ALT, false)]);
    assert_eq!(forwarded(&out), [(ALT, true), (A, true), (A, false), (ALT, false)]);
    assert_eq!(actions(&out), [&Action::SwitchNext]);
}

#[test]
fn a_click_gets_the_modifiers_that_wait() {
    let mut keyboard = keyboard();
    run(&mut keyboard, &[(SHIFT, true)]);
    let out = keyboard.pointer_event();
    assert_eq!(forwarded(&out), [(SHIFT, true)]);
    assert!(matches!(out.last(), Some(Outcome::Modifiers(state)) if state.depressed != 0));
}

#[test]
fn a_new_focus_knows_modifiers_but_no_keys() {
    let mut keyboard = keyboard();
    run(&mut keyboard, &[(CTRL, true), (A, true)]);
    let out = keyboard.focus_changed();
    assert!(matches!(out[..], [Outcome::Modifiers(state)] if state.depressed != 0), "{out:?}");
    let out = run(&mut keyboard, &[(A, false), (CTRL, false)]);
    assert_eq!(forwarded(&out), [], "they were pressed for another window");
    assert!(matches!(out[..], [Outcome::Modifiers(state)] if state.depressed == 0), "{out:?}");
}

#[test]
fn keys_repeat_here() {
    let mut keyboard = keyboard();
    keyboard.key(A, true, at(0));
    assert_eq!(keyboard.next_repeat(), Some(at(400)));
    assert_eq!(keyboard.repeat(at(399)), None);
    assert_eq!(keyboard.repeat(at(400)), Some(Outcome::Forward { code: A, state: ForwardState::Repeated }));
    assert_eq!(keyboard.next_repeat(), Some(at(433)));
    keyboard.repeat(at(9_000));
    assert_eq!(keyboard.next_repeat(), Some(at(9_000)), "missed repeats are not made up for, one at most");
    keyboard.key(A, false, at(9_001));
    assert_eq!(keyboard.next_repeat(), None);
    keyboard.key(SHIFT, true, at(9_002));
    assert_eq!(keyboard.next_repeat(), None, "modifiers do not repeat");
}

#[test]
fn dom0_can_have_the_keyboard() {
    let mut keyboard = keyboard();
    run(&mut keyboard, &[(A, true)]);
    keyboard.grab(true);
    let out = run(&mut keyboard, &[(ESC, true), (A, false), (ESC, false)]);
    assert_eq!(forwarded(&out), [(A, false)], "what was pressed before is let go of");
    let escape = xkb::keysyms::KEY_Escape;
    assert_eq!(out[0], Outcome::Dom0Key { sym: escape, pressed: true });
    assert_eq!(keyboard.next_repeat(), None);
    keyboard.grab(false);
    let out = run(&mut keyboard, &[(A, true)]);
    assert_eq!(forwarded(&out), [(A, true)]);
}

#[test]
fn locks_and_layouts_hold_everywhere() {
    let config = KeyboardConfig { layout: "us,ru".into(), ..KeyboardConfig::default() };
    let mut keyboard = Keyboard::new(&config).unwrap();
    let out = run(&mut keyboard, &[(CAPS, true), (CAPS, false)]);
    assert!(out.iter().any(|o| matches!(o, Outcome::Modifiers(state) if state.locked != 0)));
    assert!(matches!(keyboard.set_layout(1)[..], [Outcome::Modifiers(state)] if state.group == 1));
    let out = run(&mut keyboard, &[(SUPER, true), (C, true)]);
    assert_eq!(actions(&out), [&Action::ClipboardCopyOut], "chords work with a layout without Latin letters");
}

#[test]
fn layouts_have_numbers_and_names() {
    let config =
        KeyboardConfig { layout: "us,de,de".into(), variant: ",,neo".into(), ..KeyboardConfig::default() };
    let mut keyboard = Keyboard::new(&config).unwrap();
    assert_eq!((keyboard.layouts(), keyboard.layout()), (3, 0));
    assert_eq!(keyboard.layout_labels(), ["us", "de", "de(neo)"]);
    keyboard.set_layout(2);
    assert_eq!(keyboard.layout(), 2);
    assert_eq!(keyboard.set_layout(3), [], "there is none of that number");
    assert_eq!(keyboard.layout(), 2);
}

#[test]
fn a_key_of_the_layout_chooses_another() {
    let config = KeyboardConfig {
        layout: "us,de".into(),
        options: "grp:alt_shift_toggle".into(),
        ..KeyboardConfig::default()
    };
    let mut keyboard = Keyboard::new(&config).unwrap();
    let toggle = [(ALT, true), (SHIFT, true), (SHIFT, false), (ALT, false)];
    let out = run(&mut keyboard, &toggle);
    assert_eq!(keyboard.layout(), 1);
    let last = out.iter().rev().find_map(|o| match o {
        Outcome::Modifiers(state) => Some(*state),
        _ => None,
    });
    assert_eq!(last, Some(ModifierState { group: 1, ..ModifierState::default() }), "the qube is told");
    // One that was chosen otherwise is the beginning of the next step.
    keyboard.set_layout(0);
    run(&mut keyboard, &toggle);
    assert_eq!(keyboard.layout(), 1);
    run(&mut keyboard, &toggle);
    assert_eq!(keyboard.layout(), 0);
}

#[test]
fn a_layout_that_is_not_there_gives_the_default() {
    let config = KeyboardConfig { layout: "klingon".into(), ..KeyboardConfig::default() };
    let error = Keyboard::new(&config).expect_err("there is no such layout");
    assert!(error.contains("klingon"), "{error}");
    let mut keyboard = Keyboard::with_fallback(&config);
    assert_eq!(forwarded(&run(&mut keyboard, &[(A, true)])), [(A, true)]);
}

proptest! {
    /// Whatever is pressed in whatever order: a qube is told of presses and releases in pairs, of
    /// Super never, and of no key of a chord.
    #[test]
    fn qubes_see_pairs_and_no_chords(steps in prop::collection::vec((0usize..8, 0u8..6), 0..120)) {
        let codes = [ESC, TAB, CTRL, A, SHIFT, C, ALT, SUPER];
        let mut keyboard = keyboard();
        let mut down: Vec<u32> = Vec::new();
        for (which, what) in steps {
            let code = codes[which];
            let held = keyboard.held.contains_key(&code);
            let out = match what {
                0..4 => keyboard.key(code, !held, at(0)),
                4 => keyboard.pointer_event(),
                _ => { down.clear(); keyboard.focus_changed() }
            };
            let fired = !actions(&out).is_empty();
            for outcome in &out {
                let Outcome::Forward { code, state } = outcome else { continue };
                prop_assert_ne!(*code, SUPER);
                if state == &ForwardState::Pressed {
                    prop_assert!(!fired, "pressed together with a chord");
                    prop_assert!(!down.contains(code));
                    down.push(*code);
                } else {
                    prop_assert!(down.contains(code), "released what was never pressed");
                    down.retain(|c| c != code);
                }
            }
        }
        let out = keyboard.release_all(at(0));
        for (code, _) in forwarded(&out) {
            down.retain(|c| *c != code);
        }
        prop_assert!(down.is_empty(), "left pressed: {:?}", down);
        prop_assert_eq!(keyboard.told.depressed, 0);
    }
}
