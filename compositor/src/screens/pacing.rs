//! When a monitor's frame is drawn: as late as it safely can be, so that it shows what is newest.
//!
//! Vertical blanks are a refresh apart, counted from the last page flip. Drawing begins so long before
//! the next of them as the slowest of the last frames took, and a reserve. A frame that comes late all the
//! same makes the reserve larger; frames that come in time make it smaller again, slowly.
//!
//! Pure: times are those of the desktop's clock.

use std::time::Duration;

/// So many frames are remembered.
const REMEMBERED: usize = 32;
/// The reserve is at least this.
const LEAST_RESERVE: Duration = Duration::from_micros(500);
/// A card of which so many flips in a row come too early does not wait for blanks.
const EARLY: u8 = 2;
/// So many frames in time make the reserve smaller by a step.
const GOOD_FRAMES: u32 = 120;

/// The pace of one screen.
#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    period: Duration,
    /// The last page flip.
    flip: Option<Duration>,
    /// What the last frames took, from the beginning of drawing until the card had them.
    costs: [Duration; REMEMBERED],
    next_cost: usize,
    reserve: Duration,
    good: u32,
    /// So many flips, one after the other, came before their blank.
    early: u8,
    /// A frame is on its way to the first blank after this.
    aim: Option<Duration>,
    missed: u64,
}

impl Pacer {
    /// For a refresh in millihertz.
    pub(crate) fn new(refresh: u32) -> Self {
        let period = crate::backend::frame_time(refresh);
        Self {
            period,
            flip: None,
            costs: [Duration::ZERO; REMEMBERED],
            next_cost: 0,
            reserve: (period / 8).max(LEAST_RESERVE),
            good: 0,
            early: 0,
            aim: None,
            missed: 0,
        }
    }

    fn step(&self) -> Duration {
        (self.period / 16).max(LEAST_RESERVE)
    }

    /// What the slowest of the last frames took.
    fn cost(&self) -> Duration {
        self.costs.iter().copied().max().unwrap_or_default()
    }

    /// So long before a vertical blank drawing begins; a whole refresh at most.
    pub(crate) fn margin(&self) -> Duration {
        (self.cost() + self.reserve).min(self.period)
    }

    /// The first vertical blank after `now`, as far as is known.
    fn next_blank(&self, now: Duration) -> Option<Duration> {
        let flip = self.flip?;
        // The blank that is still to come has its frame.
        let Some(since) = now.checked_sub(flip) else { return Some(flip + self.period) };
        let behind = since.as_nanos().checked_rem(self.period.as_nanos())?;
        Some(now + self.period.saturating_sub(Duration::from_nanos(behind as u64)))
    }

    /// When to begin a frame that is wanted now: between now and a refresh later.
    pub(crate) fn begin_at(&self, now: Duration) -> Duration {
        let Some(blank) = self.next_blank(now) else { return now };
        if now + self.cost() > blank && self.cost() < self.period {
            // Too late for this one. A frame begun now would only be older at the next.
            return (blank + self.period).saturating_sub(self.margin()).max(now).min(now + self.period);
        }
        blank.saturating_sub(self.margin()).max(now).min(now + self.period)
    }

    /// The card has a frame that was begun then.
    pub(crate) fn queued(&mut self, begun: Duration, now: Duration) {
        self.costs[self.next_cost] = now.saturating_sub(begun).min(self.period);
        self.next_cost = (self.next_cost + 1) % REMEMBERED;
        self.aim = Some(self.next_blank(begun).unwrap_or(now + self.period));
    }

    /// The card has flipped to that frame.
    pub(crate) fn flipped(&mut self, at: Duration) {
        let aim = self.aim.take();
        self.flip = Some(at);
        let Some(aim) = aim else { return };
        // After a rest a flip may come a little before it was reckoned. A card whose flips always do is a
        // virtual one that flips when it is told to: no reason to draw more often than it refreshes.
        self.early = if at + self.period / 64 < aim { self.early.saturating_add(1) } else { 0 };
        if self.early > EARLY {
            self.flip = Some(aim);
        }
        // A blank counts as missed from its middle on: clocks differ a little.
        let late = at.saturating_sub(aim) + self.period / 2;
        let missed = late.as_nanos().checked_div(self.period.as_nanos()).unwrap_or(0);
        if missed > 0 {
            self.missed += missed as u64;
            self.reserve = (self.reserve + self.step()).min(self.period);
            self.good = 0;
        } else {
            self.good += 1;
            if self.good >= GOOD_FRAMES {
                self.good = 0;
                self.reserve = self.reserve.saturating_sub(self.step()).max(LEAST_RESERVE);
            }
        }
    }

    /// When a frame that a monitor with variable refresh flipped to at this time counts as shown: at the
    /// next of the times at which one with a fixed refresh would have flipped. A flip just after one is
    /// still that one's: clocks differ a little.
    pub(crate) fn beat(&self, at: Duration) -> Duration {
        let Some(flip) = self.flip else { return at };
        // No monitor flips twice in a beat; one that has all the same is told of as of the one before.
        let since = at.saturating_sub(flip);
        let period = self.period.as_nanos().max(1);
        let beats = (since.as_nanos() + period * 7 / 8) / period;
        flip + u64::try_from(beats * period).map_or(since, Duration::from_nanos)
    }

    /// The screen was another's for a while, or off: blanks are counted anew.
    pub(crate) fn interrupted(&mut self) {
        self.flip = None;
        self.aim = None;
    }

    /// Vertical blanks so far that went by while a frame was on its way to them.
    pub(crate) fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PERIOD: Duration = Duration::from_nanos(16_666_666);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at_60() -> Pacer {
        Pacer::new(60_000)
    }

    proptest! {
        /// Whenever a monitor flips, what is told lies on the beat, hardly before the flip and no more
        /// than a period after it.
        #[test]
        fn beats_tell_nothing_of_when_a_flip_was(
            refresh in 24_000_u32..500_000,
            first in 0_u64..1 << 40,
            waits in prop::collection::vec(0_u64..1 << 36, 1..40),
        ) {
            let mut pacer = Pacer::new(refresh);
            let first = Duration::from_nanos(first);
            pacer.flipped(pacer.beat(first));
            let mut flip = first;
            for wait in waits {
                flip += Duration::from_nanos(wait);
                let told = pacer.beat(flip);
                let since = told.checked_sub(first).unwrap();
                prop_assert_eq!(since.as_nanos() % pacer.period.as_nanos(), 0);
                prop_assert!(told + pacer.period / 8 + Duration::from_nanos(2) >= flip);
                prop_assert!(told <= flip + pacer.period);
                pacer.flipped(told);
                // No monitor flips twice in a period.
                flip = flip.max(told);
            }
        }
    }

    /// A screen that flips at its blanks. Gives how long before the blank each frame was begun.
    fn run(pacer: &mut Pacer, costs: &[Duration]) -> Vec<Duration> {
        let mut now = ms(1);
        let mut blank = ms(0);
        let mut ahead = Vec::new();
        for cost in costs {
            now = pacer.begin_at(now);
            let begun = now;
            now += *cost;
            pacer.queued(begun, now);
            while blank < now {
                blank += PERIOD;
            }
            ahead.push(blank.checked_sub(begun).unwrap());
            now = blank;
            pacer.flipped(now);
        }
        ahead
    }

    #[test]
    fn an_even_pace_is_late_and_misses_nothing() {
        let mut pacer = at_60();
        let ahead = run(&mut pacer, &vec![ms(2); 2_000]);
        // The first frame does not know where the blanks are.
        assert_eq!(pacer.missed(), 0);
        assert!(ahead[1_999] < ms(3), "{:?}", ahead[1_999]);
    }

    #[test]
    fn a_slow_frame_is_counted_and_makes_the_next_earlier() {
        let mut pacer = at_60();
        run(&mut pacer, &[ms(2); 1_000]);
        let before = pacer.margin();
        run_on(&mut pacer, ms(10));
        assert_eq!(pacer.missed(), 1);
        assert!(pacer.margin() > before);
    }

    /// One frame, on a screen whose last flip is known.
    fn run_on(pacer: &mut Pacer, cost: Duration) {
        let flip = pacer.flip.unwrap();
        let begun = pacer.begin_at(flip);
        pacer.queued(begun, begun + cost);
        let mut blank = flip;
        while blank < begun + cost {
            blank += PERIOD;
        }
        pacer.flipped(blank);
    }

    #[test]
    fn after_a_rest_the_next_blank_is_aimed_at() {
        let mut pacer = at_60();
        run(&mut pacer, &[ms(1); 500]);
        let flip = pacer.flip.unwrap();
        // 100 refreshes later and a little more: there is time for this one.
        let now = flip + PERIOD * 100 + ms(3);
        let begin = pacer.begin_at(now);
        assert_eq!(begin, (flip + PERIOD * 101).checked_sub(pacer.margin()).unwrap());
        // Too late for it: the one after that.
        let now = (flip + PERIOD * 101).checked_sub(Duration::from_micros(300)).unwrap();
        assert_eq!(pacer.begin_at(now), (flip + PERIOD * 102).checked_sub(pacer.margin()).unwrap());
    }

    #[test]
    fn who_takes_longer_than_a_refresh_begins_at_once() {
        let mut pacer = at_60();
        run(&mut pacer, &[ms(30); 20]);
        let now = pacer.flip.unwrap() + ms(1);
        assert_eq!(pacer.begin_at(now), now);
    }

    #[test]
    fn a_card_that_does_not_wait_for_blanks_keeps_the_pace() {
        for cost in [1, 6, 15] {
            let mut pacer = at_60();
            let (begin, mut now) = (ms(5), ms(5));
            for _ in 0..300 {
                let begun = pacer.begin_at(now);
                now = begun + ms(cost);
                pacer.queued(begun, now);
                pacer.flipped(now);
            }
            assert!(now.checked_sub(begin).unwrap() > PERIOD * 290, "{cost} ms: {now:?}");
            assert_eq!(pacer.missed(), 0);
        }
    }

    proptest! {
        #[test]
        fn nobody_waits_for_more_than_a_refresh(
            refresh in 1_000_u32..500_000,
            frames in proptest::collection::vec((0_u64..40_000, 0_u64..60_000), 0..80),
            later in 0_u64..200_000,
        ) {
            let mut pacer = Pacer::new(refresh);
            let period = pacer.period;
            let mut now = ms(1);
            for (cost, until_flip) in frames {
                let begun = pacer.begin_at(now);
                prop_assert!(begun >= now && begun <= now + period);
                now = begun + Duration::from_micros(cost);
                pacer.queued(begun, now);
                now += Duration::from_micros(until_flip);
                pacer.flipped(now);
                prop_assert!(pacer.margin() <= period && pacer.reserve >= LEAST_RESERVE);
            }
            let now = now + Duration::from_micros(later);
            let begin = pacer.begin_at(now);
            prop_assert!(begin >= now && begin <= now + period);
        }

        #[test]
        fn frames_that_take_what_they_took_are_in_time(refresh in 20_000_u32..250_000, part in 1_u32..70) {
            let mut pacer = Pacer::new(refresh);
            let cost = pacer.period * part / 100;
            let (mut now, mut blank) = (ms(1), ms(0));
            for _ in 0..200 {
                let begun = pacer.begin_at(now);
                now = begun + cost;
                pacer.queued(begun, now);
                while blank < now {
                    blank += pacer.period;
                }
                now = blank;
                pacer.flipped(now);
            }
            // The first does not know what a frame takes.
            prop_assert!(pacer.missed() <= 1, "{}", pacer.missed());
        }
    }
}
