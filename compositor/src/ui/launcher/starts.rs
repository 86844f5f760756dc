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
pub(crate) struct Starts {
    list: Vec<Start>,
    /// The request whose window gets the focus: the last one, if the person did nothing since.
    grant: Option<u64>,
}

/// A window that was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Come {
    /// The person did nothing since they asked for it: it gets the focus (rule FOCUS).
    pub(crate) granted: bool,
}

impl Starts {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Start> {
        self.list.iter()
    }

    /// One was asked for.
    pub(crate) fn begin(&mut self, start: Start) {
        self.grant = Some(start.request);
        if self.list.len() < MOST {
            self.list.push(start);
        }
    }

    /// The person does something else: what comes now gets the focus no more.
    pub(crate) fn person_went_on(&mut self) {
        self.grant = None;
    }

    fn come(&mut self, at: usize) -> Come {
        let start = self.list.remove(at);
        Come { granted: self.grant.take_if(|request| *request == start.request).is_some() }
    }

    /// It runs; of a disposable, in this qube. False if it is none of these.
    pub(crate) fn runs(&mut self, request: u64, qube: Option<String>, now: Duration) -> bool {
        let Some(start) = self.list.iter_mut().find(|start| start.request == request) else { return false };
        start.runs = Some(now);
        if let Some(qube) = qube {
            start.qube = qube;
        }
        true
    }

    /// It runs, in a disposable whose windows are there already. `None` if it is none of these.
    pub(crate) fn shown(&mut self, request: u64) -> Option<Come> {
        let at = self.list.iter().position(|start| start.request == request)?;
        Some(self.come(at))
    }

    /// It does not come.
    pub(crate) fn failed(&mut self, request: u64) -> Option<Start> {
        let at = self.list.iter().position(|start| start.request == request)?;
        Some(self.list.remove(at))
    }

    /// A window of this qube comes: that of the program that was asked for first. `None` if none was.
    pub(crate) fn window(&mut self, qube: &str) -> Option<Come> {
        let waits = |start: &Start| start.qube == qube && (!start.disposable || start.runs.is_some());
        let at = self.list.iter().position(waits)?;
        Some(self.come(at))
    }

    /// Nobody answers any more.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
    }

    /// When to look again.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.list.iter().filter_map(|start| Some(start.runs? + PATIENCE)).min()
    }

    /// True if one has gone because it shows nothing.
    pub(crate) fn expire(&mut self, now: Duration) -> bool {
        let before = self.list.len();
        self.list.retain(|start| start.runs.is_none_or(|since| since + PATIENCE > now));
        self.list.len() != before
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
        assert!(starts.window("web").is_none() && starts.window("work").is_some());
        assert_eq!(names(&starts), ["p2", "p3"]);
        assert_eq!(starts.failed(3).unwrap().name, "p3");
        assert!(starts.failed(3).is_none());
        assert_eq!(starts.next_deadline(), None, "one that does not run yet is waited for");
        assert!(starts.runs(2, None, Duration::from_secs(7)));
        assert_eq!(starts.next_deadline(), Some(Duration::from_secs(22)));
        assert!(!starts.expire(Duration::from_secs(21)) && starts.expire(Duration::from_secs(22)));
        assert!(names(&starts).is_empty() && starts.window("work").is_none());
    }

    #[test]
    fn a_window_of_its_pattern_is_none_of_a_disposable() {
        let mut starts = Starts::default();
        starts.begin(start(1, "work", true));
        assert!(starts.window("work").is_none());
        assert!(starts.runs(1, Some("disp-7".into()), Duration::ZERO));
        assert!(starts.window("work").is_none() && starts.window("disp-7").is_some());
        starts.begin(start(2, "work", true));
        assert_eq!(starts.shown(2), Some(Come { granted: true }), "its window was quicker");
        assert!(names(&starts).is_empty());
    }

    #[test]
    fn only_the_last_one_gets_the_focus_and_only_if_the_person_waits_for_it() {
        let mut starts = Starts::default();
        starts.begin(start(1, "work", false));
        starts.begin(start(2, "web", false));
        assert_eq!(starts.window("work"), Some(Come { granted: false }));
        assert_eq!(starts.window("web"), Some(Come { granted: true }));
        starts.begin(start(3, "work", false));
        starts.person_went_on();
        assert_eq!(starts.window("work"), Some(Come { granted: false }));
        starts.begin(start(4, "work", false));
        starts.begin(start(5, "work", false));
        assert_eq!(starts.failed(5).map(|start| start.request), Some(5));
        assert_eq!(starts.window("work"), Some(Come { granted: false }), "nobody inherits it");
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
