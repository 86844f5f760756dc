//! Which gamma ramp each monitor has, and by whom: a program of dom0's that holds one for it, else night
//! colour. The lock screen and dom0's questions are shown through it as everything is: no ramp is taken
//! through which they could not be read.

use std::{collections::BTreeMap, time::Duration};

use jiff::Zoned;
use tracing::{info, warn};

use super::{
    gamma::{Ramp, RampError},
    night::{Mode, Moment, white},
};
use crate::Desktop;

/// What is known of ramps.
#[derive(Debug, Default)]
pub(crate) struct Ramps {
    mode: Mode,
    /// Those of programs, by screen.
    programs: BTreeMap<u32, Ramp>,
    /// What each monitor has that can have one; it stays known while one is dark.
    set: BTreeMap<u32, InForce>,
    /// The temperature of monitors that no program holds, in kelvin.
    kelvin: u32,
    /// When that changes next.
    next: Option<Duration>,
}

/// The ramp of a monitor.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    /// What it has.
    pub(crate) ramp: Ramp,
    /// A program's; else that of night colour.
    pub(crate) program: bool,
    /// Its graphics card refused it.
    pub(crate) refused: bool,
}

/// The setting of night colour, and what it comes to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NightNow {
    pub(crate) mode: Mode,
    pub(crate) kelvin: u32,
}

impl Desktop {
    /// Takes up ramps on all monitors as they should be now. Where nothing changed, nothing happens.
    pub(crate) fn sync_ramps(&mut self) {
        let now = self.clock.local();
        let config = &self.config.night;
        let Moment { step, next } = config.at(self.ramps.mode, &now);
        let kelvin = config.kelvin(step);
        if kelvin != self.ramps.kelvin {
            tracing::debug!(kelvin, "night colour");
        }
        self.ramps.kelvin = kelvin;
        self.ramps.next = next.map(|next| self.clock.now() + until(&now, &next));
        let parts = white(kelvin);
        let lit: Vec<u32> = self.screens.iter().filter(|screen| screen.lit).map(|screen| screen.id).collect();
        for id in lit {
            let size = self.backend.gamma_size(id);
            if size == 0 {
                self.ramps.set.remove(&id);
                continue;
            }
            let program = self.ramps.programs.get(&id).filter(|ramp| ramp.size() == size).cloned();
            let held = program.is_some();
            let ramp = program.unwrap_or_else(|| Ramp::to(size, parts));
            let refused = self.backend.set_ramp(id, &ramp).inspect_err(|error| {
                if !self.ramps.set.get(&id).is_some_and(|before| before.refused) {
                    warn!(screen = id, %error, "the graphics card refuses a gamma ramp");
                }
            });
            let refused = refused.is_err();
            self.ramps.set.insert(id, InForce { ramp, program: held, refused });
        }
    }

    /// When the colour changes next by itself.
    pub(crate) fn next_ramp(&self) -> Option<Duration> {
        self.ramps.next
    }

    /// Day, night, or as the schedule says.
    pub(crate) fn set_night(&mut self, mode: Mode) {
        info!(?mode, "night colour");
        self.ramps.mode = mode;
        self.sync_ramps();
    }

    /// Night colour as it is.
    pub(crate) fn night_now(&self) -> NightNow {
        NightNow { mode: self.ramps.mode, kelvin: self.ramps.kelvin }
    }

    /// The ramp of a monitor; `None`: it has none.
    pub(crate) fn ramp_of(&self, screen: u32) -> Option<&InForce> {
        self.ramps.set.get(&screen)
    }

    /// Entries of a monitor's ramp; 0: it has none.
    pub(crate) fn ramp_size(&self, screen: u32) -> u32 {
        self.ramp_of(screen).map_or(0, |set| set.ramp.size())
    }

    /// Takes up a program's ramp. On a dark monitor it holds once that is lit.
    ///
    /// # Errors
    /// Why it is not taken; the one before holds.
    pub(crate) fn set_program_ramp(&mut self, screen: u32, ramp: Ramp) -> Result<(), RampError> {
        if ramp.size() != self.ramp_size(screen) {
            return Err(RampError::Length);
        }
        ramp.check(self.ui.theme())?;
        self.ramps.programs.insert(screen, ramp);
        self.sync_ramps();
        Ok(())
    }

    /// The program that had set a ramp is gone.
    pub(crate) fn drop_program_ramp(&mut self, screen: u32) {
        if self.ramps.programs.remove(&screen).is_some() {
            self.sync_ramps();
        }
    }

    /// A graphics card has refused a ramp after all.
    pub(crate) fn ramp_refused(&mut self, screen: u32) {
        if let Some(set) = self.ramps.set.get_mut(&screen) {
            set.refused = true;
        }
        self.tell_gamma_controls();
    }
}

fn until(now: &Zoned, next: &Zoned) -> Duration {
    Duration::try_from(now.duration_until(next)).unwrap_or_default()
}
