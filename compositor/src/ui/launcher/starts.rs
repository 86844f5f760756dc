//! Programs that were asked for and are not there yet: shown from the first moment until the first window, or
//! until it is known why there will be none. Pure.

use std::{rc::Rc, time::Duration};

use transom_theming::Label;

/// Most that are shown; what is asked beyond them is started all the same.
pub(crate) const MOST: usize = 6;
/// A program that runs and shows no window in this time is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// The request that asked for it.
    pub(crate) request: u64,
    /// The qube; of a disposable that has no name yet, what it is made like.
    pub(crate) qube: String,
    pub(crate) label: Label,
    pub(crate) disposable: bool,
    pub(crate) name: String,
    pub(crate) icon: Option<Rc<[u8]>>,
    /// When it was said that it runs.
    pub(crate) runs: Option<Duration>,
}

/// All of them, the first that was asked for first.
#[derive(Debug, Default)]
pub(crate) struct Starts(Vec<Start>);

impl Starts {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Start> {
        self.0.iter()
    }

    /// One was asked for.
    pub(crate) fn begin(&mut self, start: Start) {
        if self.0.len() < MOST {
            self.0.push(start);
        }
    }

    /// It runs; of a disposable, in this qube, whose windows may be there already.
    pub(crate) fn runs(&mut self, request: u64, qube: Option<String>, shown: bool, now: Duration) -> bool {
        let Some(at) = self.0.iter().position(|start| start.request == request) else { return false };
        if shown {
            self.0.remove(at);
            return true;
        }
        let start = &mut self.0[at];
        start.runs = Some(now);
        if let Some(qube) = qube {
            start.qube = qube;
        }
        true
    }

    /// It does not come.
    pub(crate) fn failed(&mut self, request: u64) -> Option<Start> {
        let at = self.0.iter().position(|start| start.request == request)?;
        Some(self.0.remove(at))
    }

    /// A window of this qube is there: that of the program that was asked for first. False if none was.
    pub(crate) fn window(&mut self, qube: &str) -> bool {
        let waits = |start: &Start| start.qube == qube && (!start.disposable || start.runs.is_some());
        let at = self.0.iter().position(waits);
        at.map(|at| self.0.remove(at)).is_some()
    }

    /// Nobody answers any more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// When to look again.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.0.iter().filter_map(|start| Some(start.runs? + PATIENCE)).min()
    }

    /// True if one has gone because it shows nothing.
    pub(crate) fn expire(&mut self, now: Duration) -> bool {
        let before = self.0.len();
        self.0.retain(|start| start.runs.is_none_or(|since| since + PATIENCE > now));
        self.0.len() != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(request: u64, qube: &str, disposable: bool) -> Start {
        let (qube, name) = (qube.to_owned(), format!("p{request}"));
        Start { request, qube, label: Label::Blue, disposable, name, icon: None, runs: None }
    }

    fn names(starts: &Starts) -> Vec<&str> {
        starts.iter().map(|start| start.name.as_str()).collect()
    }

    #[test]
    fn one_goes_with_its_window_or_its_failure_or_after_a_while() {
        let mut starts = Starts::default();
        for request in 1..=3 {
            starts.begin(start(request, "work", false));
        }
        assert!(!starts.window("web") && starts.window("work"));
        assert_eq!(names(&starts), ["p2", "p3"]);
        assert_eq!(starts.failed(3).unwrap().name, "p3");
        assert!(starts.failed(3).is_none());
        assert_eq!(starts.next_deadline(), None, "one that does not run yet is waited for");
        assert!(starts.runs(2, None, false, Duration::from_secs(7)));
        assert_eq!(starts.next_deadline(), Some(Duration::from_secs(22)));
        assert!(!starts.expire(Duration::from_secs(21)) && starts.expire(Duration::from_secs(22)));
        assert!(names(&starts).is_empty() && !starts.window("work"));
    }

    #[test]
    fn a_window_of_its_pattern_is_none_of_a_disposable() {
        let mut starts = Starts::default();
        starts.begin(start(1, "work", true));
        assert!(!starts.window("work"));
        assert!(starts.runs(1, Some("disp-7".into()), false, Duration::ZERO));
        assert!(!starts.window("work") && starts.window("disp-7"));
        starts.begin(start(2, "work", true));
        assert!(starts.runs(2, Some("disp-8".into()), true, Duration::ZERO), "its window was quicker");
        assert!(names(&starts).is_empty());
    }

    #[test]
    fn there_is_no_end_of_asking_but_of_showing() {
        let mut starts = Starts::default();
        for request in 0..100 {
            starts.begin(start(request, "work", false));
        }
        assert_eq!(names(&starts).len(), MOST);
    }
}
