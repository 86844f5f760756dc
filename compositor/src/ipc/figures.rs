//! Figures about frames, for reports.

use std::{collections::VecDeque, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most frame times kept.
const KEPT: usize = 4_096;

/// What is counted.
#[derive(Debug, Default)]
pub struct Figures {
    times: VecDeque<Duration>,
    drawn: u64,
    empty: u64,
    /// A key that no frame has followed yet.
    key: Option<Duration>,
    key_times: VecDeque<Duration>,
}

/// What is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrameFigures {
    /// Frames in which something changed on the screen.
    pub drawn: u64,
    /// Frames that turned out to change nothing.
    pub empty: u64,
    /// Median time to draw a frame, in microseconds.
    pub median_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// Keys after which something changed on a screen.
    pub keys: u64,
    /// Median time from such a key to the screen that shows the change, in microseconds.
    pub key_to_screen_us: u64,
}

impl Figures {
    /// A frame was drawn.
    pub(crate) fn frame(&mut self, time: Duration, changed: bool) {
        if !changed {
            self.empty += 1;
            return;
        }
        self.drawn += 1;
        self.times.push_back(time);
        if self.times.len() > KEPT {
            self.times.pop_front();
        }
    }

    /// A key was pressed.
    pub(crate) fn key(&mut self, at: Duration) {
        self.key.get_or_insert(at);
    }

    /// A frame begins: the first key that it may answer.
    pub(crate) fn key_before(&self, begin: Duration) -> Option<Duration> {
        self.key.filter(|key| *key <= begin)
    }

    /// Something changed in the frame that may answer it.
    pub(crate) fn key_answered(&mut self) {
        self.key = None;
    }

    /// The frame that answers a key is shown.
    pub(crate) fn key_shown(&mut self, key: Option<Duration>, at: Duration) {
        let Some(key) = key else { return };
        self.key_times.push_back(at.saturating_sub(key));
        if self.key_times.len() > KEPT {
            self.key_times.pop_front();
        }
    }

    /// Figures so far.
    pub fn report(&self) -> FrameFigures {
        FrameFigures {
            drawn: self.drawn,
            empty: self.empty,
            median_us: percentile(&self.times, 50),
            p99_us: percentile(&self.times, 99),
            keys: self.key_times.len() as u64,
            key_to_screen_us: percentile(&self.key_times, 50),
        }
    }
}

/// In microseconds; 0 of none.
fn percentile(times: &VecDeque<Duration>, percent: usize) -> u64 {
    let mut times: Vec<u64> = times.iter().map(|time| time.as_micros() as u64).collect();
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or(0)
}
