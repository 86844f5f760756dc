//! How long the person has done nothing, and what keeps the screens on meanwhile. No I/O; times are
//! handed in.

use std::time::Duration;

/// What a person doing nothing leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdleConfig {
    /// The desktop is locked after this; `None`: never.
    pub lock: Option<Duration>,
    /// The screens go dark after this; `None`: never.
    pub screens_off: Option<Duration>,
    /// Programs keep both away for no longer than this after the person's last deed.
    pub inhibit_at_most: Duration,
}

impl Default for IdleConfig {
    fn default() -> Self {
        let minutes = |n| Duration::from_mins(n);
        Self { lock: Some(minutes(10)), screens_off: Some(minutes(12)), inhibit_at_most: minutes(240) }
    }
}

/// Whether a program keeps the screens on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inhibit {
    /// None does.
    #[default]
    No,
    /// One does, for as long as [`IdleConfig::inhibit_at_most`] says.
    Limited,
    /// One does that the person has allowed to do so for ever.
    Unlimited,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Idle {
    /// The person's last deed.
    last: Duration,
    inhibit: Inhibit,
    /// Idle time counted from here when `inhibit` changed last.
    kept: Duration,
}

impl Idle {
    /// The person has done something.
    pub fn active(&mut self, now: Duration) {
        self.last = self.last.max(now);
    }

    /// What keeps the screens on now.
    pub fn inhibit(&mut self, config: &IdleConfig, inhibit: Inhibit, now: Duration) {
        if inhibit != self.inhibit {
            self.kept = self.since(config, now);
            self.inhibit = inhibit;
        }
    }

    /// Idle time counts from here.
    fn since(&self, config: &IdleConfig, now: Duration) -> Duration {
        let kept = match self.inhibit {
            Inhibit::No => Duration::ZERO,
            Inhibit::Limited => now.min(self.last.saturating_add(config.inhibit_at_most)),
            Inhibit::Unlimited => now,
        };
        self.last.max(self.kept).max(kept)
    }

    /// How long the desktop counts as idle.
    pub fn idle(&self, config: &IdleConfig, now: Duration) -> Duration {
        now.saturating_sub(self.since(config, now))
    }

    /// When the desktop will have been idle for `span`, if nothing happens until then; `None`: never.
    pub fn reaches(&self, config: &IdleConfig, span: Duration, now: Duration) -> Option<Duration> {
        let since = match self.inhibit {
            Inhibit::No => self.since(config, now),
            // It moves on until the limit, and stands still from there.
            Inhibit::Limited => self.since(config, now).max(self.last.saturating_add(config.inhibit_at_most)),
            Inhibit::Unlimited => return None,
        };
        since.checked_add(span)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn minutes(n: u64) -> Duration {
        Duration::from_mins(n)
    }

    #[test]
    fn a_film_keeps_the_screens_on_while_it_is_seen() {
        let config = IdleConfig::default();
        let mut idle = Idle::default();
        assert_eq!(idle.reaches(&config, minutes(10), minutes(0)), Some(minutes(10)));
        idle.inhibit(&config, Inhibit::Limited, minutes(5));
        assert_eq!(idle.idle(&config, minutes(100)), minutes(0));
        idle.inhibit(&config, Inhibit::No, minutes(100));
        assert_eq!(idle.reaches(&config, minutes(10), minutes(100)), Some(minutes(110)));
        idle.active(minutes(105));
        assert_eq!(idle.idle(&config, minutes(110)), minutes(5));
    }

    #[test]
    fn but_not_for_ever() {
        let config = IdleConfig::default();
        let mut idle = Idle::default();
        idle.inhibit(&config, Inhibit::Limited, minutes(0));
        assert_eq!(idle.reaches(&config, minutes(10), minutes(1)), Some(minutes(250)));
        assert_eq!(idle.idle(&config, minutes(250)), minutes(10));
        // Going on and off again and again does not help.
        for minute in 0..250 {
            let inhibit = if minute % 2 == 0 { Inhibit::Limited } else { Inhibit::No };
            idle.inhibit(&config, inhibit, minutes(minute));
        }
        assert_eq!(idle.idle(&config, minutes(250)), minutes(10));
        idle.inhibit(&config, Inhibit::Unlimited, minutes(250));
        assert_eq!(idle.reaches(&config, minutes(10), minutes(250)), None);
    }

    proptest! {
        #[test]
        fn no_program_that_is_limited_keeps_a_lock_away(
            steps in prop::collection::vec((0_u64..3, prop::option::of(0_u8..2)), 0..60),
        ) {
            let config = IdleConfig { inhibit_at_most: minutes(30), ..IdleConfig::default() };
            let mut idle = Idle::default();
            let (mut now, mut last) = (0, 0);
            for (pass, step) in steps {
                now += pass;
                match step {
                    None => { idle.active(minutes(now)); last = now; }
                    Some(0) => idle.inhibit(&config, Inhibit::No, minutes(now)),
                    Some(_) => idle.inhibit(&config, Inhibit::Limited, minutes(now)),
                }
                // Never less than what is left of the time since the person's deed.
                let least = minutes((now - last).saturating_sub(30));
                prop_assert!(idle.idle(&config, minutes(now)) >= least);
                prop_assert!(idle.idle(&config, minutes(now)) <= minutes(now - last));
                // What is foretold comes true.
                let at = idle.reaches(&config, minutes(10), minutes(now)).unwrap();
                prop_assert!(at <= minutes(last + 40));
                let at = at.max(minutes(now));
                prop_assert!(idle.idle(&config, at) >= minutes(10));
            }
        }
    }
}
