//! Screens and input devices.
//!
//! [`headless`]: no screen at all, frames by timer or by hand. [`nested`]: a window on another
//! desktop. Both draw on the same [`Canvas`](crate::render::canvas::Canvas).

mod headless;
mod host_gone;
pub mod nested;

use std::time::Duration;

use crate::render::{DeviceRect, canvas::Canvas};

/// Who says when a frame is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A timer, at the screen's refresh; only while there is something to draw.
    Timer,
    /// Whoever calls [`Desktop::frame`](crate::Desktop::frame): tests.
    Manual,
}

/// The back end in use.
#[derive(Debug)]
pub(crate) struct Backend {
    pace: Pace,
    window: Option<nested::Presenter>,
}

impl Backend {
    pub(crate) fn new(pace: Pace) -> Self {
        Self { pace, window: None }
    }

    /// `headless` or `nested`.
    pub(crate) fn name(&self) -> &'static str {
        if self.window.is_some() { "nested" } else { "headless" }
    }

    pub(crate) fn attach(&mut self, window: nested::Presenter) {
        self.window = Some(window);
    }

    /// Shows what was drawn.
    pub(crate) fn present(&mut self, canvas: &mut Canvas, damage: &[DeviceRect]) {
        if let Some(window) = &mut self.window
            && !damage.is_empty()
        {
            window.present(canvas, damage);
        }
    }

    pub(crate) fn pace(&self) -> Pace {
        self.pace
    }
}

/// Time of one frame at a refresh in millihertz.
pub(crate) fn frame_time(refresh: u32) -> Duration {
    Duration::from_nanos(1_000_000_000_000 / u64::from(refresh.max(1)))
}
