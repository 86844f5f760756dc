//! When a disposable qube has done its work. Pure: told what happens, asked when it is over.

use std::time::{Duration, Instant};

/// From the last window to the end: one program's last window may make room for another's first, and a
/// desktop that was started anew hears of windows a moment after the link.
const AFTER_WINDOWS: Duration = Duration::from_secs(3);
/// From the end of the last program to the end, if there was no window: a program that hands its work to
/// one in the background, as `xdg-open` does, ends before that one shows anything.
const WITHOUT_WINDOWS: Duration = Duration::from_secs(15);

/// What is known of a disposable qube that is in use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    /// A program was started.
    begun: bool,
    /// Programs that we asked for and that have not ended.
    programs: usize,
    /// Windows on the desktop; `None`: no desktop has said.
    windows: Option<u32>,
    /// There was a window.
    had_windows: bool,
    /// Since when there is nothing to wait for.
    empty_since: Option<Instant>,
}

impl Life {
    /// So many programs that were asked for run now.
    pub(super) fn programs(&mut self, programs: usize, now: Instant) {
        self.begun |= programs > 0;
        self.programs = programs;
        self.look(now);
    }

    /// So many windows are there now; `None`: the desktop is gone, and only the next one knows.
    pub(super) fn windows(&mut self, windows: Option<u32>, now: Instant) {
        self.windows = windows;
        self.had_windows |= windows.is_some_and(|windows| windows > 0);
        self.look(now);
    }

    fn is_empty(&self) -> bool {
        match self.windows {
            _ if !self.begun => false,
            Some(windows) if self.had_windows => windows == 0,
            // A desktop that died may have left windows behind, which the next one shows.
            None if self.had_windows => false,
            _ => self.programs == 0,
        }
    }

    fn look(&mut self, now: Instant) {
        self.empty_since = self.is_empty().then(|| self.empty_since.unwrap_or(now));
    }

    /// When it is over, as things are now.
    pub(super) fn ends_at(&self) -> Option<Instant> {
        let grace = if self.had_windows { AFTER_WINDOWS } else { WITHOUT_WINDOWS };
        Some(self.empty_since? + grace)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Seconds.
    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_ends_with_its_last_window_whatever_still_runs() {
        let begin = Instant::now();
        let mut life = Life::default();
        assert_eq!(life.ends_at(), None, "before its program");
        life.programs(1, begin);
        life.windows(Some(0), begin);
        assert_eq!(life.ends_at(), None, "its program runs and shows nothing yet");
        life.windows(Some(2), begin + s(1));
        life.programs(0, begin + s(2));
        assert_eq!(life.ends_at(), None, "windows of a program in the background");
        life.programs(1, begin + s(3));
        life.windows(Some(1), begin + s(4));
        life.windows(Some(0), begin + s(5));
        assert_eq!(life.ends_at(), Some(begin + s(5) + AFTER_WINDOWS));
        life.windows(Some(1), begin + s(6));
        assert_eq!(life.ends_at(), None, "another window came in time");
        // Not begun anew by each report.
        life.windows(Some(0), begin + s(7));
        life.windows(Some(0), begin + s(8));
        assert_eq!(life.ends_at(), Some(begin + s(7) + AFTER_WINDOWS));
    }

    #[test]
    fn a_program_without_windows_is_its_life() {
        let begin = Instant::now();
        for windows in [None, Some(0)] {
            let mut life = Life::default();
            life.programs(1, begin);
            life.windows(windows, begin);
            assert_eq!(life.ends_at(), None);
            life.programs(0, begin + s(9));
            assert_eq!(life.ends_at(), Some(begin + s(9) + WITHOUT_WINDOWS));
        }
    }

    #[test]
    fn a_desktop_that_dies_ends_nothing() {
        let begin = Instant::now();
        let mut life = Life::default();
        life.programs(1, begin);
        life.windows(Some(1), begin);
        life.programs(0, begin);
        life.windows(None, begin + s(1));
        assert_eq!(life.ends_at(), None);
        life.windows(Some(0), begin + s(2));
        assert_eq!(life.ends_at(), Some(begin + s(2) + AFTER_WINDOWS));
    }

    #[derive(Clone, Copy, Debug)]
    enum Happens {
        Programs(usize),
        Windows(Option<u32>),
    }

    proptest! {
        /// It never ends while a window is known to be there, nor before something was in it, and what
        /// nothing happens to does end once nothing is in it.
        #[test]
        fn whatever_happens(all in proptest::collection::vec(prop_oneof![
            (0usize..3).prop_map(Happens::Programs),
            proptest::option::of(0u32..3).prop_map(Happens::Windows),
        ], 0..30)) {
            let begin = Instant::now();
            let mut life = Life::default();
            let (mut programs, mut windows, mut begun) = (0, None, false);
            for (n, happens) in all.into_iter().enumerate() {
                let now = begin + s(n as u64);
                match happens {
                    Happens::Programs(count) => { programs = count; begun |= count > 0; life.programs(count, now); }
                    Happens::Windows(count) => { windows = count; life.windows(count, now); }
                }
                let end = life.ends_at();
                prop_assert!(windows.is_none_or(|count| count == 0) || end.is_none());
                prop_assert!(begun || end.is_none());
                if begun && windows == Some(0) && programs == 0 {
                    prop_assert!(end.is_some());
                }
                prop_assert!(end.is_none_or(|end| end <= now + WITHOUT_WINDOWS));
            }
        }
    }
}
