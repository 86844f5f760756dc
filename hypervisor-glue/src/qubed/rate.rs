//! How often something that a qube causes may happen (rule NO-STALL).

use std::time::{Duration, Instant};

/// Tokens that come back with time. Times are given by the caller.
#[derive(Debug)]
pub(super) struct Bucket {
    capacity: u64,
    /// Tokens that come back per second; more than 0.
    per_second: u64,
    tokens: u64,
    since: Instant,
}

impl Bucket {
    /// A full bucket.
    pub(super) fn new(capacity: u64, per_second: u64, now: Instant) -> Self {
        Self { capacity, per_second: per_second.max(1), tokens: capacity, since: now }
    }

    /// Tokens that are there at `now`.
    fn level(&self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.since).as_millis();
        let gained = passed.saturating_mul(self.per_second.into()) / 1_000;
        self.tokens.saturating_add(u64::try_from(gained).unwrap_or(u64::MAX)).min(self.capacity)
    }

    /// True if at least one token is there.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.level(now) > 0
    }

    /// Takes tokens, at most those that are there.
    pub(super) fn take(&mut self, amount: u64, now: Instant) {
        let level = self.level(now);
        // What is gained of the next token is kept as long as none was.
        if level > self.tokens || level == self.capacity {
            self.since = now;
        }
        self.tokens = level.saturating_sub(amount);
    }

    /// When to look again, while it is empty at `now`.
    pub(super) fn opens_at(&self, now: Instant) -> Option<Instant> {
        let wait = Duration::from_millis(1_000u64.div_ceil(self.per_second));
        (!self.is_open(now)).then(|| self.since + wait)
    }
}

/// Something large that may come a few times at once, and then with time between.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    at_once: u32,
    /// When all that came would have come, had it kept its distance.
    paid: Instant,
}

impl Pace {
    /// So many at once, then one in each span of `between`.
    pub(super) fn new(at_once: u32, between: Duration, now: Instant) -> Self {
        Self { between, at_once: at_once.max(1), paid: now }
    }

    /// Counts one. False if it comes too soon.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let paid = self.paid.max(now);
        if paid.saturating_duration_since(now) > self.between.saturating_mul(self.at_once - 1) {
            return false;
        }
        self.paid = paid + self.between;
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_come_back() {
        let start = Instant::now();
        let mut bucket = Bucket::new(2, 4, start);
        assert_eq!(bucket.opens_at(start), None);
        bucket.take(1, start);
        bucket.take(1, start);
        assert!(!bucket.is_open(start));
        let next = bucket.opens_at(start).unwrap();
        assert_eq!(next, start + Duration::from_millis(250));
        assert!(!bucket.is_open(start + Duration::from_millis(249)));
        assert!(bucket.is_open(next));
        bucket.take(9, next);
        assert!(!bucket.is_open(next));
        assert!(bucket.is_open(next + Duration::from_secs(9)));
        assert_eq!(bucket.level(next + Duration::from_secs(9)), 2);
    }

    #[test]
    fn a_few_at_once_and_then_one_by_one() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut pace = Pace::new(3, Duration::from_secs(10), start);
        assert_eq!([0, 0, 0, 0].map(|s| pace.take(at(s))), [true, true, true, false]);
        assert_eq!([9, 10, 11, 20].map(|s| pace.take(at(s))), [false, true, false, true]);
        assert_eq!([99, 99, 99, 99].map(|s| pace.take(at(s))), [true, true, true, false]);
    }

    proptest! {
        #[test]
        fn no_more_than_promised(steps in proptest::collection::vec((0u64..400, 0u64..4), 1..100)) {
            let start = Instant::now();
            let mut now = start;
            let mut bucket = Bucket::new(5, 10, start);
            let mut taken = 0;
            for (wait, wanted) in steps {
                now += Duration::from_millis(wait);
                for _ in 0..wanted {
                    if bucket.is_open(now) {
                        bucket.take(1, now);
                        taken += 1;
                    } else {
                        prop_assert!(bucket.opens_at(now).unwrap() > now);
                    }
                }
            }
            prop_assert!(taken <= 5 + (now - start).as_millis() / 100);
        }
    }
}
