//! Figures about frames, for reports.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

/// Most frame times kept.
const KEPT: usize = 4_096;

/// What is counted.
#[derive(Debug, Default)]
pub struct Figures {
    times: VecDeque<Duration>,
    drawn: u64,
    empty: u64,
}

/// What is reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FrameFigures {
    /// Frames in which something changed on the screen.
    pub drawn: u64,
    /// Frames that turned out to change nothing.
    pub empty: u64,
    /// Median time to draw a frame, in microseconds.
    pub median_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
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

    /// Figures so far.
    pub fn report(&self) -> FrameFigures {
        let mut times: Vec<u64> = self.times.iter().map(|t| t.as_micros() as u64).collect();
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len().saturating_sub(1) * percent / 100).copied();
        FrameFigures {
            drawn: self.drawn,
            empty: self.empty,
            median_us: at(50).unwrap_or(0),
            p99_us: at(99).unwrap_or(0),
        }
    }
}
