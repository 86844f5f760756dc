//! Rule FAIL-CLOSED as a state machine: whether the screens are covered, whether all of them have
//! shown it, and whether a password is being checked. No I/O and no clock.

use std::collections::BTreeSet;

/// A lock, told apart from those before and after it. A frame carries the one that it was composed
/// under, so that a frame from before a lock never counts as a picture of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cover(u64);

/// A password that is being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt(u64);

/// How far a lock has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not locked.
    Open,
    /// Every frame is composed of the lock's picture alone, but a screen may still show an older one.
    Covering,
    /// Every screen has shown it.
    Locked,
}

impl Phase {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Covering => "covering",
            Self::Locked => "locked",
        }
    }
}

/// Whose picture covers the screens, and who may unlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// The desktop's own lock screen: the person's password unlocks.
    Own,
    /// A locker of dom0 (`ext-session-lock-v1`): it unlocks. When it dies, the face is the own one.
    Program,
}

/// See the module's text.
#[derive(Debug)]
pub struct State {
    phase: Phase,
    face: Face,
    /// Counts locks.
    cover: u64,
    /// Screens that show what is drawn.
    screens: BTreeSet<u32>,
    /// Those among them that have shown this lock.
    shown: BTreeSet<u32>,
    /// The password that is being checked. There is never more than one.
    attempt: Option<u64>,
    /// Counts attempts.
    attempts: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            phase: Phase::Open,
            face: Face::Own,
            cover: 0,
            screens: BTreeSet::new(),
            shown: BTreeSet::new(),
            attempt: None,
            attempts: 0,
        }
    }
}

impl State {
    /// How far the lock has come.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// True from the moment of locking: no frame may be composed of anything else.
    pub fn covers(&self) -> bool {
        self.phase != Phase::Open
    }

    /// Whose picture covers the screens.
    pub fn face(&self) -> Face {
        self.face
    }

    /// What a frame that is composed now shows; `None`: the desktop.
    pub fn cover(&self) -> Option<Cover> {
        self.covers().then_some(Cover(self.cover))
    }

    /// True while a password is being checked.
    pub fn checking(&self) -> bool {
        self.attempt.is_some()
    }

    /// Locks. `false`: it was locked already, and nothing changes.
    pub fn lock(&mut self, face: Face) -> bool {
        if self.covers() {
            return false;
        }
        self.phase = Phase::Covering;
        self.face = face;
        self.cover += 1;
        self.shown.clear();
        true
    }

    /// The locker is gone without unlocking: the own lock screen takes over.
    pub fn program_died(&mut self) {
        self.face = Face::Own;
    }

    /// These screens show what is drawn: those that are plugged in and in front. `true`: with that,
    /// the lock is done. One that comes back has to show the lock anew.
    pub fn screens(&mut self, now: BTreeSet<u32>) -> bool {
        self.shown.retain(|screen| now.contains(screen));
        self.screens = now;
        self.settle()
    }

    /// A screen has shown a frame that was composed under `cover`. `true`: with that, the lock is
    /// done.
    pub fn frame_shown(&mut self, screen: u32, cover: Option<Cover>) -> bool {
        if cover.is_some() && cover == self.cover() && self.screens.contains(&screen) {
            self.shown.insert(screen);
        }
        self.settle()
    }

    fn settle(&mut self) -> bool {
        let done = self.phase == Phase::Covering && self.screens.is_subset(&self.shown);
        if done {
            self.phase = Phase::Locked;
        }
        done
    }

    /// The person has given a password. `None`: one is being checked already, or none is asked for.
    pub fn attempt(&mut self) -> Option<Attempt> {
        if !self.covers() || self.face != Face::Own || self.attempt.is_some() {
            return None;
        }
        self.attempts += 1;
        self.attempt = Some(self.attempts);
        self.attempt.map(Attempt)
    }

    /// A password was right, or was not. `true`: the desktop is open. An answer to an attempt that
    /// is over counts for nothing.
    pub fn answered(&mut self, attempt: Attempt, right: bool) -> bool {
        if self.attempt != Some(attempt.0) {
            return false;
        }
        self.attempt = None;
        let opens = right && self.covers() && self.face == Face::Own;
        if opens {
            self.phase = Phase::Open;
        }
        opens
    }

    /// The locker unlocks. `true`: the desktop is open. It has to have been told that all is locked.
    pub fn program_unlocks(&mut self) -> bool {
        let opens = self.phase == Phase::Locked && self.face == Face::Program;
        if opens {
            self.phase = Phase::Open;
            self.face = Face::Own;
        }
        opens
    }

    /// What always holds.
    ///
    /// # Panics
    /// If it does not.
    pub fn check_invariants(&self) {
        assert!(self.shown.is_subset(&self.screens), "a screen that is not there has shown something");
        let all = self.screens.is_subset(&self.shown);
        assert!(self.phase != Phase::Covering || !all, "done, but not said to be");
        assert!(self.attempt.is_none() || self.face == Face::Own, "a password for another's lock");
        assert!(self.attempt.is_none() || self.covers(), "a password without a lock");
        assert!(self.covers() || self.face == Face::Own, "a locker without a lock");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(screens: &[u32]) -> BTreeSet<u32> {
        screens.iter().copied().collect()
    }

    #[test]
    fn it_is_done_when_every_screen_has_shown_it() {
        let mut state = State::default();
        state.screens(set(&[1, 2]));
        let before = state.cover();
        assert!(state.lock(Face::Own));
        assert!(!state.lock(Face::Own), "it is locked already");
        assert!(!state.frame_shown(1, before), "a frame from before");
        assert!(!state.frame_shown(1, state.cover()));
        assert_eq!(state.phase(), Phase::Covering);
        assert!(!state.screens(set(&[1, 2, 3])), "a third one comes");
        assert!(!state.frame_shown(2, state.cover()));
        assert!(state.screens(set(&[1, 2])), "and goes");
        assert_eq!(state.phase(), Phase::Locked);
        state.screens(set(&[1, 2, 4]));
        assert_eq!(state.phase(), Phase::Locked, "a new one shows nothing else");
    }

    #[test]
    fn without_a_screen_nothing_is_waited_for() {
        let mut state = State::default();
        state.lock(Face::Own);
        assert!(state.screens(BTreeSet::new()));
        assert_eq!(state.phase(), Phase::Locked);
    }

    #[test]
    fn one_password_at_a_time() {
        let mut state = State::default();
        assert_eq!(state.attempt(), None, "nothing is asked");
        state.lock(Face::Own);
        let first = state.attempt().unwrap();
        assert_eq!(state.attempt(), None);
        assert!(!state.answered(first, false));
        let second = state.attempt().unwrap();
        assert!(!state.answered(first, true), "a late answer");
        assert!(state.covers());
        assert!(state.answered(second, true));
        assert!(!state.covers());
        assert!(!state.answered(second, true));
    }

    #[test]
    fn a_locker_unlocks_only_what_it_was_told_is_locked() {
        let mut state = State::default();
        state.screens(set(&[1]));
        state.lock(Face::Program);
        assert_eq!(state.attempt(), None, "the locker asks");
        assert!(!state.program_unlocks(), "not yet");
        assert!(state.frame_shown(1, state.cover()));
        state.program_died();
        assert!(!state.program_unlocks(), "it is gone");
        assert!(state.covers());
        let attempt = state.attempt().unwrap();
        assert!(state.answered(attempt, true));
        state.lock(Face::Own);
        state.frame_shown(1, state.cover());
        assert!(!state.program_unlocks(), "another's lock");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Lock(bool),
        Died,
        Screens(BTreeSet<u32>),
        Shown(u32, usize),
        Attempt,
        Answer(usize, bool),
        ProgramUnlocks,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            any::<bool>().prop_map(Step::Lock),
            Just(Step::Died),
            prop::collection::btree_set(0_u32..3, 0..3).prop_map(Step::Screens),
            (0_u32..3, 0_usize..4).prop_map(|(screen, age)| Step::Shown(screen, age)),
            Just(Step::Attempt),
            (0_usize..3, any::<bool>()).prop_map(|(age, right)| Step::Answer(age, right)),
            Just(Step::ProgramUnlocks),
        ]
    }

    proptest! {
        /// Whatever happens, only a right answer to the one attempt under way opens the own lock, and
        /// only its locker another's; and a lock is done only if each screen showed a frame of it.
        #[test]
        fn only_what_may_open_it_opens_it(steps in prop::collection::vec(step(), 0..80)) {
            let mut state = State::default();
            let (mut covers, mut attempts) = (vec![None], Vec::new());
            let mut proof: BTreeSet<u32> = BTreeSet::new();
            let mut screens = BTreeSet::new();
            for step in steps {
                let was = (state.phase(), state.face(), state.attempt);
                let done = match step.clone() {
                    Step::Lock(own) => {
                        if state.lock(if own { Face::Own } else { Face::Program }) {
                            proof.clear();
                        }
                        false
                    }
                    Step::Died => { state.program_died(); false }
                    Step::Screens(now) => {
                        proof.retain(|screen| now.contains(screen));
                        screens.clone_from(&now);
                        state.screens(now)
                    }
                    Step::Shown(screen, age) => {
                        let cover = covers[covers.len().saturating_sub(age + 1)];
                        if cover.is_some() && cover == state.cover() && screens.contains(&screen) {
                            proof.insert(screen);
                        }
                        state.frame_shown(screen, cover)
                    }
                    Step::Attempt => { attempts.extend(state.attempt()); false }
                    Step::Answer(age, right) => {
                        if let Some(attempt) = attempts.iter().rev().nth(age) {
                            state.answered(*attempt, right);
                        }
                        false
                    }
                    Step::ProgramUnlocks => { state.program_unlocks(); false }
                };
                covers.push(state.cover());
                if done {
                    prop_assert!(screens.is_subset(&proof));
                }
                if was.0 != Phase::Open && state.phase() == Phase::Open {
                    let by_password = matches!(step, Step::Answer(_, true)) && was.1 == Face::Own && was.2.is_some();
                    let by_locker = matches!(step, Step::ProgramUnlocks) && was.1 == Face::Program && was.0 == Phase::Locked;
                    prop_assert!(by_password || by_locker, "{step:?}");
                }
                // A locker that comes while screens are already known to show nothing: the next look
                // at the screens settles it.
                state.screens(screens.clone());
                state.check_invariants();
            }
        }
    }
}
