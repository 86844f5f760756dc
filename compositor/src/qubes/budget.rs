//! How much of a qube's talk is heard between two frames (rule NO-STALL).

use std::time::Duration;

/// Most messages of one qube in one period.
const MESSAGES: u32 = 4_096;
/// Most bytes of one qube in one period.
const BYTES: usize = 4 << 20;
/// Runs of pages that may be mapped in one period; for more, more periods pass. Mapping a run takes
/// some 3 µs, and unmapping it as long.
const RUNS: u32 = 256;
/// Length of a period: about one frame.
const PERIOD: Duration = Duration::from_millis(16);

/// A budget that fills up again with time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    messages: u32,
    bytes: usize,
    since: Duration,
}

impl Budget {
    /// A full budget.
    pub(super) fn new(now: Duration) -> Self {
        Self { messages: MESSAGES, bytes: BYTES, since: now }
    }

    /// Fills it up if a period has passed.
    pub(super) fn refill(&mut self, now: Duration) {
        if now.saturating_sub(self.since) >= PERIOD {
            *self = Self::new(now);
        }
    }

    /// Takes one message of `bytes`.
    pub(super) fn take(&mut self, bytes: usize) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Takes what mapping `runs` runs of pages costs: a part of the bytes, or this and as many more
    /// periods as it is worth.
    pub(super) fn take_runs(&mut self, runs: usize) {
        let runs = u32::try_from(runs).unwrap_or(u32::MAX);
        self.bytes = self.bytes.saturating_sub(BYTES / RUNS as usize * runs.min(RUNS) as usize);
        self.since += PERIOD * (runs / RUNS).saturating_sub(1);
    }

    /// True if nothing is left: the rest has to wait.
    pub(super) fn is_spent(&self) -> bool {
        self.messages == 0 || self.bytes == 0
    }

    /// When to go on if it is spent.
    pub(super) fn refills_at(&self) -> Duration {
        self.since + PERIOD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_waits_for_the_next_period() {
        let mut budget = Budget::new(Duration::ZERO);
        for _ in 0..MESSAGES {
            assert!(!budget.is_spent());
            budget.take(16);
        }
        assert!(budget.is_spent());
        budget.refill(Duration::from_millis(15));
        assert!(budget.is_spent());
        budget.refill(budget.refills_at());
        assert!(!budget.is_spent());
    }

    #[test]
    fn scattered_grants_wait_too() {
        let mut budget = Budget::new(Duration::ZERO);
        budget.take_runs(200);
        assert!(!budget.is_spent());
        budget.take_runs(56);
        assert!(budget.is_spent());
        budget.refill(PERIOD);
        assert!(!budget.is_spent());
        // A large one is paid for before anything more is heard.
        budget.take_runs(8_192);
        assert!(budget.is_spent());
        budget.refill(PERIOD * 32);
        assert!(budget.is_spent());
        assert_eq!(budget.refills_at(), PERIOD * 33);
        budget.refill(budget.refills_at());
        assert!(!budget.is_spent());
    }
}
