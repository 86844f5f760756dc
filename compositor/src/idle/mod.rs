//! What happens when nothing happens: the desktop is locked and the screens go dark.
//!
//! Windows that can be seen may keep both away, as long as they are not locked out of it: a qube that
//! wishes so has its way for [`IdleConfig::inhibit_at_most`] after the person's last deed and no longer,
//! unless the config says otherwise for it.

mod state;

use std::time::Duration;

pub use state::{Idle, IdleConfig, Inhibit};
use tracing::info;

use crate::{Desktop, config::IdleInhibit, lock::state::Phase};

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    idle: Idle,
    /// Nobody's idleness counts: another desktop around this one looks after that.
    off: bool,
}

impl Watch {
    pub(crate) fn new(on: bool) -> Self {
        Self { off: !on, ..Self::default() }
    }
}

impl Desktop {
    /// The person has done something.
    pub(crate) fn person_active(&mut self) {
        let now = self.clock.now();
        self.watch.idle.active(now);
        self.programs_hear_of_activity();
        if self.screens_are_off() {
            info!("the monitors are lit");
            self.screens_on();
        }
    }

    /// What keeps the screens on: of the windows that can be seen, the one that may do most.
    fn inhibited(&self) -> Inhibit {
        if self.lock.phase() != Phase::Open {
            return Inhibit::No;
        }
        let wishes = self
            .windows
            .iter()
            .filter(|(key, record)| record.mapped && record.idle_inhibit && self.shell.is_visible(**key));
        wishes
            .filter_map(|(key, _)| self.qubes.get(key.qube))
            .map(|link| match self.config.idle_inhibit(&link.qube.name) {
                IdleInhibit::Never => Inhibit::No,
                IdleInhibit::Limited => Inhibit::Limited,
                IdleInhibit::Always => Inhibit::Unlimited,
            })
            .max()
            .unwrap_or_default()
    }

    /// Windows, focus or lock may have changed what keeps the screens on.
    pub(crate) fn settle_idle(&mut self) {
        let (now, inhibit) = (self.clock.now(), self.inhibited());
        self.watch.idle.inhibit(&self.config.idle, inhibit, now);
        self.programs_hear_of_inhibition(inhibit != Inhibit::No);
    }

    /// When something is due.
    pub(crate) fn next_idle(&self) -> Option<Duration> {
        if self.watch.off {
            return None;
        }
        let (now, config) = (self.clock.now(), &self.config.idle);
        let lock = config.lock.filter(|_| !self.lock.covers());
        let dark = config.screens_off.filter(|_| !self.screens_are_off());
        [lock, dark].into_iter().flatten().filter_map(|span| self.watch.idle.reaches(config, span, now)).min()
    }

    /// Does what is due.
    pub(crate) fn idle_tick(&mut self) {
        if self.watch.off {
            return;
        }
        let idle = self.watch.idle.idle(&self.config.idle, self.clock.now());
        let due = |span: Option<Duration>| span.is_some_and(|span| idle >= span);
        if due(self.config.idle.lock) && !self.lock.covers() {
            info!("nobody is there");
            self.lock();
        }
        if due(self.config.idle.screens_off) && !self.screens_are_off() {
            info!("the monitors are dark");
            self.screens_off();
        }
    }
}
