//! When to try for a graphics card again: pure, with the clock handed in.
//!
//! A card that is lost is tried for at once: after a reset it is mostly there again, and another one may
//! be. What fails is tried again after a time that doubles, up to [`LONGEST`], for ever: a person without a
//! screen cannot ask for it. A card that is lost soon after it was taken does not make the time short
//! again, so that a broken one is no busy loop; one that is lost so a few times in a row is not trusted with
//! a GPU's renderer any longer ([`Recovery::trusts_gpu`]), and
//! then not at all while there is another ([`Recovery::trusts_card`]). News of udev are a reason to try at once.

use std::time::Duration;

/// The first wait after a failure.
const FIRST: Duration = Duration::from_millis(250);
/// The longest one.
const LONGEST: Duration = Duration::from_secs(10);
/// A card that was ours for so long was well.
const STEADY: Duration = Duration::from_secs(30);
/// Quick losses in a row after which the CPU draws.
const TRUST: u32 = 3;

/// Whether there is a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Card {
    /// It is ours, since then.
    Ours { since: Duration },
    /// There is none; it is tried for then.
    Lost { due: Duration },
}

/// See the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recovery {
    card: Card,
    /// The seat is ours: a card can be had.
    seated: bool,
    /// The wait after the next failure.
    wait: Duration,
    /// Cards that were lost soon after they were taken, in a row.
    quick: u32,
}

impl Recovery {
    /// No card yet, and no seat.
    pub(super) fn new(now: Duration) -> Self {
        Self { card: Card::Lost { due: now }, seated: false, wait: FIRST, quick: 0 }
    }

    /// The seat is ours or another's. A card that is missing is tried for at once then.
    pub(super) fn seated(&mut self, seated: bool, now: Duration) {
        if seated && !self.seated {
            self.news(now);
        }
        self.seated = seated;
    }

    /// udev tells of cards: whatever did not help before may help now.
    pub(super) fn news(&mut self, now: Duration) {
        if let Card::Lost { due } = &mut self.card {
            *due = now;
            self.wait = FIRST;
        }
    }

    /// A card is ours.
    pub(super) fn taken(&mut self, now: Duration) {
        self.card = Card::Ours { since: now };
    }

    /// The card failed, and is given up.
    pub(super) fn lost(&mut self, now: Duration) {
        let Card::Ours { since } = self.card else { return };
        if now.saturating_sub(since) >= STEADY {
            (self.wait, self.quick) = (FIRST, 0);
            self.card = Card::Lost { due: now };
        } else {
            self.quick = self.quick.saturating_add(1);
            // The first time at once, then slower and slower.
            let wait = if self.quick == 1 { Duration::ZERO } else { self.longer() };
            self.card = Card::Lost { due: now.saturating_add(wait) };
        }
    }

    /// The card is gone, or left for a better one: nothing is wrong with whichever comes next.
    pub(super) fn gone(&mut self, now: Duration) {
        (self.wait, self.quick) = (FIRST, 0);
        self.card = Card::Lost { due: now };
    }

    /// No card could be had.
    pub(super) fn failed(&mut self, now: Duration) {
        if matches!(self.card, Card::Lost { .. }) {
            let wait = self.longer();
            self.card = Card::Lost { due: now.saturating_add(wait) };
        }
    }

    fn longer(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = wait.saturating_mul(2).min(LONGEST);
        wait
    }

    /// The seat is ours.
    pub(super) fn is_seated(&self) -> bool {
        self.seated
    }

    /// When to try; `None`: not before something else happens.
    pub(super) fn due(&self) -> Option<Duration> {
        match self.card {
            Card::Lost { due } if self.seated => Some(due),
            _ => None,
        }
    }

    /// The card is not worse than any other.
    pub(super) fn trusts_card(&self) -> bool {
        self.quick < 2 * TRUST
    }

    /// A GPU may draw. If not, the CPU does, which needs less of the card.
    pub(super) fn trusts_gpu(&self) -> bool {
        self.quick < TRUST
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    impl Recovery {
        /// What holds at every moment.
        fn check_invariants(&self, now: Duration) {
            assert!((FIRST..=LONGEST).contains(&self.wait), "{self:?}");
            match (self.due(), self.card) {
                (Some(due), Card::Lost { .. }) => {
                    assert!(self.seated && due <= now + LONGEST, "nobody waits longer: {self:?}");
                }
                (None, Card::Lost { .. }) => assert!(!self.seated, "a person may wait for ever: {self:?}"),
                (due, Card::Ours { since }) => assert!(due.is_none() && since <= now, "{self:?}"),
            }
        }
    }

    /// A card that could be had, at a moment long after the start.
    fn ours() -> (Recovery, Duration) {
        let now = 100 * SECOND;
        let mut recovery = Recovery::new(now);
        recovery.seated(true, now);
        recovery.taken(now);
        (recovery, now)
    }

    #[test]
    fn a_card_that_is_lost_is_tried_for_at_once() {
        let (mut recovery, now) = ours();
        assert_eq!(recovery.due(), None);
        let now = now + 60 * SECOND;
        recovery.lost(now);
        assert_eq!(recovery.due(), Some(now));
        assert!(recovery.trusts_gpu());
    }

    #[test]
    fn what_fails_is_tried_slower_and_slower_for_ever() {
        let (mut recovery, mut now) = ours();
        recovery.gone(now);
        let mut waits = Vec::new();
        for _ in 0..8 {
            recovery.failed(now);
            let due = recovery.due().unwrap();
            waits.push(due.saturating_sub(now).as_millis());
            now = due;
        }
        assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        // Something changed.
        recovery.news(now);
        assert_eq!(recovery.due(), Some(now));
        recovery.failed(now);
        assert_eq!(recovery.due(), Some(now + FIRST));
    }

    #[test]
    fn a_card_that_breaks_again_and_again_is_no_busy_loop() {
        let (mut recovery, mut now) = ours();
        let mut trusted = Vec::new();
        for _ in 0..20 {
            now += SECOND;
            recovery.lost(now);
            trusted.push(recovery.trusts_gpu());
            now = recovery.due().unwrap().max(now);
            recovery.taken(now);
        }
        recovery.lost(now + SECOND);
        assert_eq!(recovery.due(), Some(now + SECOND + LONGEST));
        assert_eq!(trusted.iter().filter(|trusted| **trusted).count(), 2, "then the CPU draws");
        // It was well for a while: all is forgotten.
        recovery.taken(now);
        recovery.lost(now + STEADY);
        assert_eq!(recovery.due(), Some(now + STEADY));
        assert!(recovery.trusts_gpu());
    }

    #[test]
    fn nothing_is_tried_while_another_console_is_in_front() {
        let (mut recovery, now) = ours();
        recovery.seated(false, now);
        recovery.gone(now);
        assert_eq!(recovery.due(), None);
        recovery.news(now + SECOND);
        assert_eq!(recovery.due(), None);
        recovery.failed(now + SECOND);
        recovery.seated(true, now + 2 * SECOND);
        assert_eq!(recovery.due(), Some(now + 2 * SECOND));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Pass(u64),
        Seated(bool),
        News,
        Lost,
        Gone,
        /// Tries if that is due; whether it succeeds.
        Try(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u64..40_000).prop_map(Step::Pass),
            any::<bool>().prop_map(Step::Seated),
            Just(Step::News),
            Just(Step::Lost),
            Just(Step::Gone),
            any::<bool>().prop_map(Step::Try),
        ]
    }

    proptest! {
        #[test]
        fn a_screen_is_always_waited_for_and_never_too_eagerly(
            steps in prop::collection::vec(step(), 0..80),
        ) {
            let mut now = Duration::ZERO;
            let mut recovery = Recovery::new(now);
            // Tries since anything else gave a reason for one.
            let mut eager = 0;
            for step in steps {
                match step {
                    Step::Pass(ms) => {
                        now += Duration::from_millis(ms);
                        eager = 0;
                    }
                    Step::Seated(seated) => {
                        recovery.seated(seated, now);
                        eager = 0;
                    }
                    Step::News => {
                        recovery.news(now);
                        eager = 0;
                    }
                    Step::Lost => recovery.lost(now),
                    Step::Gone => {
                        recovery.gone(now);
                        eager = 0;
                    }
                    Step::Try(works) => {
                        if recovery.due().is_some_and(|due| due <= now) {
                            eager += 1;
                            if works { recovery.taken(now) } else { recovery.failed(now) }
                        }
                    }
                }
                recovery.check_invariants(now);
                // One for the reason, and one after a first quick loss.
                prop_assert!(eager <= 2, "{recovery:?}");
            }
        }
    }
}
