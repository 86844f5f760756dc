//! What is typed of a passphrase, and what is said about it. Pure.

use transom_hypervisor::{
    client::check_passphrase,
    supervisor::{ErrorBody, ErrorKind, KeyringState},
};

use crate::input::secret::Secret;

/// What is typed now.
#[derive(Debug)]
enum Step {
    /// The passphrase that there is.
    Open,
    /// A new one.
    New,
    /// The same once more.
    Again(Secret),
}

/// What the person is told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    /// qubed tries it.
    Checking,
    Trouble(String),
}

/// What is to be done with what was typed.
#[derive(Debug)]
pub(super) enum Wanted {
    /// Open the volumes by it.
    Unlock(Secret),
    /// Make it the passphrase.
    Set(Secret),
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Model {
    step: Step,
    typed: Secret,
    told: Told,
    /// qubed is gone: nothing can come of it.
    lost: bool,
}

impl Model {
    /// One to ask with; `None` if nothing is to be asked.
    pub(super) fn new(state: KeyringState) -> Option<Self> {
        let step = match state {
            KeyringState::Unlocked => return None,
            KeyringState::Locked => Step::Open,
            KeyringState::Missing => Step::New,
        };
        Some(Self { step, typed: Secret::default(), told: Told::Nothing, lost: false })
    }

    /// Nothing can be typed now.
    pub(super) fn busy(&self) -> bool {
        self.told == Told::Checking || self.lost
    }

    /// A passphrase is chosen, not asked for.
    pub(super) fn chooses(&self) -> bool {
        !matches!(self.step, Step::Open)
    }

    /// The first of two times that a new one is typed.
    pub(super) fn is_first(&self) -> bool {
        matches!(self.step, Step::New)
    }

    /// Characters typed.
    pub(super) fn characters(&self) -> usize {
        self.typed.characters()
    }

    /// What the person is told, and whether something is wrong.
    pub(super) fn says(&self) -> Option<(&str, bool)> {
        match &self.told {
            Told::Nothing => None,
            Told::Checking => Some(("Checking \u{2026}", false)),
            Told::Trouble(text) => Some((text, true)),
        }
    }

    /// Changes what is typed.
    pub(super) fn edit(&mut self, change: impl FnOnce(&mut Secret)) {
        if !self.busy() {
            change(&mut self.typed);
            self.told = Told::Nothing;
        }
    }

    /// It is typed. What is to be done now, if anything.
    pub(super) fn confirm(&mut self) -> Option<Wanted> {
        if self.busy() || self.typed.as_bytes().is_empty() {
            return None;
        }
        if let Err(error) = check_passphrase(self.typed.as_bytes()) {
            self.told = Told::Trouble(sentence(&error.to_string()));
            return None;
        }
        let typed = std::mem::take(&mut self.typed);
        match std::mem::replace(&mut self.step, Step::Open) {
            Step::Open => {
                self.told = Told::Checking;
                Some(Wanted::Unlock(typed))
            }
            Step::New => {
                (self.step, self.told) = (Step::Again(typed), Told::Nothing);
                None
            }
            Step::Again(first) if first.as_bytes() == typed.as_bytes() => {
                (self.step, self.told) = (Step::New, Told::Checking);
                Some(Wanted::Set(typed))
            }
            Step::Again(_) => {
                self.step = Step::New;
                self.told = Told::Trouble("The two were not the same.".into());
                None
            }
        }
    }

    /// qubed does not take it.
    pub(super) fn refused(&mut self, error: &ErrorBody) {
        // Somebody has set one meanwhile, elsewhere.
        if error.kind == ErrorKind::Exists {
            self.step = Step::Open;
        }
        self.told = Told::Trouble(sentence(&error.message));
    }

    /// qubed is gone.
    pub(super) fn lose(&mut self, why: &str) {
        self.typed.clear();
        (self.told, self.lost) = (Told::Trouble(why.into()), true);
    }

    #[cfg(test)]
    fn check_invariants(&self) {
        assert!(!self.busy() || self.characters() == 0, "what is being tried lies here no more");
        if let Step::Again(first) = &self.step {
            assert!(check_passphrase(first.as_bytes()).is_ok());
        }
    }
}

/// An error as a sentence of its own.
fn sentence(error: &str) -> String {
    let mut rest = error.chars();
    let first = rest.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(rest).chain(['.']).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn typing(model: &mut Model, text: &str) {
        model.edit(|typed| text.chars().for_each(|character| typed.push(character)));
    }

    fn text(wanted: Option<Wanted>) -> String {
        match wanted {
            Some(Wanted::Unlock(secret)) => format!("unlock {}", String::from_utf8_lossy(secret.as_bytes())),
            Some(Wanted::Set(secret)) => format!("set {}", String::from_utf8_lossy(secret.as_bytes())),
            None => String::new(),
        }
    }

    fn said(model: &Model) -> &str {
        model.says().map_or("", |(text, _)| text)
    }

    #[test]
    fn one_that_is_there_is_asked_for_until_it_is_right() {
        assert!(Model::new(KeyringState::Unlocked).is_none());
        let mut model = Model::new(KeyringState::Locked).unwrap();
        assert_eq!(text(model.confirm()), "", "nothing is no passphrase");
        typing(&mut model, "short");
        assert_eq!(text(model.confirm()), "");
        assert_eq!(said(&model), "A passphrase has 8 to 512 bytes.");
        typing(&mut model, " no more");
        assert_eq!(said(&model), "");
        assert_eq!(text(model.confirm()), "unlock short no more");
        assert!(model.busy());
        typing(&mut model, "x");
        assert_eq!(model.characters(), 0, "it is being tried");
        model.refused(&ErrorBody::new(ErrorKind::WrongPassphrase, "the passphrase is wrong"));
        assert_eq!(model.says(), Some(("The passphrase is wrong.", true)));
        typing(&mut model, "the right one");
        assert_eq!(text(model.confirm()), "unlock the right one");
    }

    #[test]
    fn a_new_one_is_typed_twice() {
        let mut model = Model::new(KeyringState::Missing).unwrap();
        assert!(model.chooses() && model.is_first());
        typing(&mut model, "long enough");
        assert_eq!(text(model.confirm()), "");
        assert!(!model.is_first() && model.characters() == 0);
        typing(&mut model, "long enouhg");
        assert_eq!(text(model.confirm()), "");
        assert!(model.is_first() && said(&model).contains("not the same"));
        for _ in 0..2 {
            typing(&mut model, "long enough");
            if let Some(wanted) = model.confirm() {
                assert_eq!(text(Some(wanted)), "set long enough");
            }
        }
        assert!(model.busy());
        // Somebody was quicker.
        model.refused(&ErrorBody::new(ErrorKind::Exists, "there is a passphrase already"));
        assert!(!model.chooses());
        model.lose("gone");
        typing(&mut model, "long enough");
        assert_eq!(text(model.confirm()), "");
        assert_eq!(said(&model), "gone");
    }

    proptest! {
        #[test]
        fn it_stays_in_order(missing: bool, steps in prop::collection::vec((0..5, "\\PC{0,12}"), 0..40)) {
            let state = if missing { KeyringState::Missing } else { KeyringState::Locked };
            let mut model = Model::new(state).unwrap();
            for (step, words) in steps {
                match step {
                    0 | 1 => typing(&mut model, &words),
                    2 => drop(model.confirm()),
                    3 => model.refused(&ErrorBody::new(ErrorKind::WrongPassphrase, words)),
                    _ => model.edit(Secret::clear),
                }
                model.check_invariants();
            }
        }
    }
}
