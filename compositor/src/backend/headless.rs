//! When frames are drawn: a timer that runs only while there is something to draw.

use smithay::reexports::calloop::timer::{TimeoutAction, Timer};
use tracing::error;

use super::Pace;
use crate::Desktop;

impl Desktop {
    /// Asks for a frame if something changed and none is on its way.
    pub(crate) fn schedule_frame(&mut self) {
        if !self.screen.dirty || self.screen.scheduled || self.backend.pace() == Pace::Manual {
            return;
        }
        // A screen that is not ready says so when it is, and then comes the next turn of the loop.
        if !self.backend.ready() {
            return;
        }
        self.screen.scheduled = true;
        let next = self.screen.next_frame;
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
