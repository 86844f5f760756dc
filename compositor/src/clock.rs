//! The one clock of the compositor, so that tests can turn its hands.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use jiff::{Timestamp, Zoned, tz::TimeZone};

/// 2001-01-01, noon, in seconds since 1970.
const MANUAL_START: i64 = 978_350_400;

/// Where "now" comes from. Times are counted from the start of the compositor: a qube that sees
/// one learns nothing of dom0's uptime (rule NO-ORACLE).
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's monotonic clock.
    Monotonic(Instant),
    /// A clock that stands still until it is moved.
    Manual(Rc<Cell<Duration>>),
}

impl Default for Clock {
    fn default() -> Self {
        Self::Monotonic(Instant::now())
    }
}

impl Clock {
    /// A clock that stands at zero.
    pub fn manual() -> Self {
        Self::Manual(Rc::default())
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        match self {
            Self::Monotonic(start) => start.elapsed(),
            Self::Manual(time) => time.get(),
        }
    }

    /// The date and time of day where this machine is. A manual clock starts on a noon in UTC.
    pub fn local(&self) -> Zoned {
        match self {
            Self::Monotonic(_) => Zoned::now(),
            Self::Manual(time) => {
                let start = Timestamp::from_second(MANUAL_START).unwrap_or_default();
                start.saturating_add(time.get()).unwrap_or(start).to_zoned(TimeZone::UTC)
            }
        }
    }

    /// Moves a manual clock; does nothing to the machine's.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(time) = self {
            time.set(time.get().saturating_add(by));
        }
    }
}

/// Milliseconds as the protocol counts them: they wrap after 49 days.
pub fn millis(time: Duration) -> u32 {
    time.as_millis() as u32
}
