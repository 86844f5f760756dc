//! Frames without a screen: a timer that runs only while there is something to draw.

use smithay::reexports::calloop::timer::{TimeoutAction, Timer};
use tracing::error;

use super::{Pace, frame_time};
use crate::Desktop;

impl Desktop {
    /// Asks for a frame if something changed and none is on its way.
    pub(crate) fn schedule_frame(&mut self) {
        if !self.screen.dirty || self.screen.scheduled || self.backend.pace() == Pace::Manual {
            return;
        }
        self.screen.scheduled = true;
        let next = self.screen.last_frame + frame_time(self.screen.refresh);
        let timer = Timer::from_duration(next.saturating_sub(self.clock.now()));
        let inserted = self.handle.insert_source(timer, |_, (), desktop: &mut Self| {
            desktop.frame();
            TimeoutAction::Drop
        });
        if let Err(error) = inserted {
            self.screen.scheduled = false;
            error!(%error, "no frame can be scheduled");
        }
    }
}
