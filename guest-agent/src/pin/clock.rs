//! The machine's clock, set when it is wrong.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use tracing::{info, warn};

use super::wire::Status;

/// A clock that is off by no more is left alone: what dom0 says has been under way for a moment.
pub const BOUND: Duration = Duration::from_millis(500);

/// Sets the clock to this time of day, if it is off by more than [`BOUND`].
pub(super) fn set(untrusted_seconds: u64, untrusted_nanos: u64) -> Result<(), Status> {
    let told = moment(untrusted_seconds, untrusted_nanos).ok_or(Status::BadRequest)?;
    let now = clock_gettime(ClockId::Realtime);
    if is_near(now, told) {
        return Ok(());
    }
    clock_settime(ClockId::Realtime, told).map_err(|error| {
        warn!(%error, "the clock cannot be set");
        Status::Refused
    })?;
    info!(seconds = told.tv_sec - now.tv_sec, "the clock was off and is set");
    Ok(())
}

/// A moment, if it is one.
fn moment(seconds: u64, nanos: u64) -> Option<Timespec> {
    let tv_nsec = i64::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Timespec { tv_sec: i64::try_from(seconds).ok()?, tv_nsec })
}

fn is_near(one: Timespec, other: Timespec) -> bool {
    let nanos = |at: Timespec| i128::from(at.tv_sec) * 1_000_000_000 + i128::from(at.tv_nsec);
    nanos(one).abs_diff(nanos(other)) <= BOUND.as_nanos()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_clock_is_left_alone_within_the_bound_only() {
        let now = moment(1_700_000_000, 900_000_000).unwrap();
        for (seconds, nanos, near) in [
            (1_700_000_000, 900_000_000, true),
            (1_700_000_001, 400_000_000, true),
            (1_700_000_001, 400_000_001, false),
            (1_700_000_000, 400_000_000, true),
            (1_700_000_000, 399_999_999, false),
            (0, 0, false),
            (i64::MAX as u64, 999_999_999, false),
        ] {
            assert_eq!(is_near(now, moment(seconds, nanos).unwrap()), near, "{seconds} {nanos}");
        }
    }

    proptest! {
        #[test]
        fn any_numbers_are_a_moment_or_none(seconds: u64, nanos in 0u64..2_000_000_000) {
            let moment = moment(seconds, nanos);
            prop_assert_eq!(moment.is_some(), i64::try_from(seconds).is_ok() && nanos < 1_000_000_000);
            if let Some(moment) = moment {
                prop_assert!(is_near(moment, moment));
            }
        }
    }
}
