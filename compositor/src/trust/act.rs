//! Rule FOCUS for programs of dom0 that bring windows up (a taskbar, a script): only what the person has
//! just done there lets them.
//!
//! A press counts if it went to a program of dom0, was the last one the person made, and is not long ago.
//! It counts once. Without one, a window that is to come up is marked instead. Which program of dom0 asks
//! does not matter: a script that a key in a terminal starts is another one than the terminal. A qube has no
//! part in it: no press in its windows counts, and one there ends what counted before.

use std::time::Duration;

/// As long as a program may take to do what it was clicked for.
const LASTS: Duration = Duration::from_secs(3);

/// The last press, if it counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastAct(Option<Duration>);

impl LastAct {
    /// The person pressed something, wherever it goes.
    pub fn pressed(&mut self) {
        self.0 = None;
    }

    /// The last press went to a program of dom0.
    pub fn went_to_dom0(&mut self, now: Duration) {
        self.0 = Some(now);
    }

    /// `true`: the person has just done something that lets a program of dom0 bring a window up.
    pub fn take(&mut self, now: Duration) -> bool {
        self.0.take().is_some_and(|at| now.saturating_sub(at) <= LASTS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_press_counts_once_and_not_for_long() {
        let mut act = LastAct::default();
        let at = Duration::from_secs;
        assert!(!act.take(at(0)));
        act.went_to_dom0(at(1));
        assert!(act.take(at(4)));
        assert!(!act.take(at(4)));
        act.went_to_dom0(at(5));
        assert!(!act.take(at(9)));
        act.went_to_dom0(at(10));
        act.pressed();
        assert!(!act.take(at(10)), "the last press went elsewhere");
    }

    proptest! {
        #[test]
        fn only_the_last_press_counts(steps in prop::collection::vec((0u8..3, 0u64..2_000), 0..40)) {
            let (mut act, mut now, mut last) = (LastAct::default(), Duration::ZERO, None);
            for (step, millis) in steps {
                now += Duration::from_millis(millis);
                match step {
                    0 => { act.pressed(); last = None; }
                    1 => { act.went_to_dom0(now); last = Some(now); }
                    _ => {
                        let expected = last.take().is_some_and(|at: Duration| now <= at + LASTS);
                        prop_assert_eq!(act.take(now), expected);
                    }
                }
            }
        }
    }
}
