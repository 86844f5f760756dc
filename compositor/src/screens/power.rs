//! Monitors that are dark to save power: they stay a part of the desktop, and show nothing.
//!
//! [`Desktop::screens_off`] is for whoever watches that nobody is there; what the person does next
//! lights the monitors again. A monitor that the person turned off stays off until it is turned on.

use std::collections::BTreeMap;

use super::said::Said;
use crate::Desktop;

/// Why a monitor is dark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dark {
    /// It was told to be.
    Told,
    /// Nobody was there.
    Idle,
}

impl Desktop {
    /// Makes all monitors dark until the person does something.
    pub fn screens_off(&mut self) {
        let ids: Vec<u32> = self.screens.iter().map(|screen| screen.id).collect();
        for id in ids {
            self.screens.dark.entry(id).or_insert(Dark::Idle);
        }
        self.replan();
    }

    /// Ends [`Desktop::screens_off`].
    pub fn screens_on(&mut self) {
        self.screens.dark.retain(|_, why| *why != Dark::Idle);
        self.replan();
    }

    /// The monitors are dark because nobody was there.
    pub fn screens_are_off(&self) -> bool {
        self.screens.dark.values().any(|why| *why == Dark::Idle)
    }

    /// Makes one monitor dark, or lights it. `false`: there is none of this number.
    pub(crate) fn set_power(&mut self, id: u32, on: bool) -> bool {
        if self.screens.get(id).is_none() {
            return false;
        }
        if on {
            self.screens.dark.remove(&id);
        } else {
            self.screens.dark.insert(id, Dark::Told);
        }
        self.replan();
        true
    }

    /// Takes up what is said of monitors, by number, until the desktop ends. `false`: a monitor cannot be
    /// driven so, and all is as it was.
    pub(crate) fn say_of_monitors(&mut self, said: &BTreeMap<u32, Said>) -> bool {
        let before = self.screens.said.clone();
        for (id, said) in said {
            let before = self.screens.said.entry(*id).or_default();
            // A program that knows nothing of it changes nothing about it.
            *before = Said { vrr: said.vrr.or(before.vrr), ..*said };
        }
        self.replan();
        let done =
            said.iter().all(|(id, said)| said.on.is_none_or(|on| on == self.screens.get(*id).is_some()));
        if !done {
            self.screens.said = before;
            self.replan();
        }
        done
    }

    /// Drives the monitors as is wanted now.
    fn replan(&mut self) {
        if self.backend.drm().is_some() {
            self.monitors_changed();
        } else {
            self.plug(self.screens.plugged.iter().map(|plugged| plugged.monitor.clone()).collect());
        }
    }
}
