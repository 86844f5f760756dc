//! Variable refresh: a monitor that waits for its frames, instead of frames that wait for it.
//!
//! What a qube hears of frames stays on the beat of the monitor's mode all the same (NO-ORACLE): a frame
//! counts as shown at the next beat after its page flip (`Pacer::beat`),
//! and its programs hear of it then. What is won is that a frame which is a little late for its beat is
//! seen at once, and that a monitor on which nothing moves refreshes as seldom as it can.

use std::str::FromStr;

use smithay::reexports::calloop::timer::{TimeoutAction, Timer};
use tracing::{error, warn};

use super::frame::Awaited;
use crate::Desktop;

/// When a monitor's refresh varies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Vrr {
    /// Never.
    #[default]
    Off,
    /// Always.
    On,
    /// While a window fills it.
    Fullscreen,
}

impl Vrr {
    const ALL: [Self; 3] = [Self::Off, Self::On, Self::Fullscreen];

    /// Its name in the config file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Fullscreen => "fullscreen",
        }
    }
}

impl FromStr for Vrr {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|vrr| vrr.name() == name);
        found.ok_or("variable refresh is \"off\", \"on\" or \"fullscreen\"")
    }
}

impl Desktop {
    /// Before a frame: lets the monitor's refresh vary, or not. `filled`: a window fills it.
    pub(super) fn sync_vrr(&mut self, id: u32, filled: bool) {
        let Some(screen) = self.screens.get_mut(id).filter(|screen| screen.can_vary) else { return };
        let wanted = match screen.vrr {
            Vrr::Off => false,
            Vrr::On => true,
            Vrr::Fullscreen => filled,
        };
        // One that came anew does not, whatever it did before.
        screen.varies = self.backend.varies(id).unwrap_or(screen.varies);
        if wanted == screen.varies {
            return;
        }
        match self.backend.set_vrr(id, wanted, screen.vrr == Vrr::Fullscreen) {
            Ok(()) => screen.varies = wanted,
            Err(error) => {
                warn!(screen = screen.name, %error, "the refresh does not vary");
                screen.can_vary = false;
            }
        }
    }

    /// A frame counts as shown at its beat; until then nobody hears of it.
    pub(super) fn hold_frame(&mut self, id: u32, at: std::time::Duration, frame: Awaited) {
        let Some(screen) = self.screens.get_mut(id) else { return };
        screen.held = Some((at, frame));
        let timer = Timer::from_duration(at.saturating_sub(self.clock.now()));
        let inserted = self.handle.insert_source(timer, move |_, (), desktop: &mut Self| {
            let due = desktop.screens.get(id).and_then(|screen| screen.held.as_ref());
            if due.is_some_and(|(held, _)| *held == at) {
                desktop.tell_held_frame(id);
            }
            TimeoutAction::Drop
        });
        if let Err(error) = inserted {
            error!(%error, "no timer");
            self.tell_held_frame(id);
        }
    }

    /// Everybody hears of a frame that was held.
    pub(super) fn tell_held_frame(&mut self, id: u32) {
        if let Some((at, frame)) = self.screens.get_mut(id).and_then(|screen| screen.held.take()) {
            self.tell_frame(id, at, frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        for vrr in Vrr::ALL {
            assert_eq!(vrr.name().parse(), Ok(vrr));
        }
        assert!("sometimes".parse::<Vrr>().is_err());
    }
}
