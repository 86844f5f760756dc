//! Qubes that start with the desktop.
//!
//! Once for each session: a desktop that takes the place of one that crashed starts nothing that the person has
//! stopped meanwhile. A session is over when the desktop leaves and no qube is up any more, as after logging out.

use std::{collections::BTreeSet, time::Instant};

use transom_protocol::supervisor::{ErrorKind, Event, QubeName};

use super::server::{Qube, Server};

/// What was started so far.
#[derive(Debug, Default)]
pub(super) struct Startup {
    begun: bool,
    /// Those that wait for the passphrase.
    locked: BTreeSet<QubeName>,
}

impl Server {
    /// A desktop is there.
    pub(super) fn start_with_desktop(&mut self, now: Instant) {
        if std::mem::replace(&mut self.startup.begun, true) {
            return;
        }
        let wanted = |qube: &Qube| {
            qube.running.is_none() && qube.config.as_ref().is_ok_and(|config| config.start_with_desktop)
        };
        let wanted: Vec<QubeName> =
            self.qubes.iter().filter(|(_, qube)| wanted(qube)).map(|(name, _)| name.clone()).collect();
        for name in wanted {
            self.start_at_login(name, now);
        }
    }

    fn start_at_login(&mut self, name: QubeName, now: Instant) {
        let Err(refusal) = self.start(name.clone(), now) else { return };
        tracing::warn!(qube = %name, reason = refusal.message, "it does not start with the desktop");
        if let Some(qube) = self.qubes.get_mut(name.as_str())
            && qube.running.is_none()
            && qube.config.is_ok()
        {
            qube.failure = Some(refusal.message);
        }
        self.announce(&name);
        if refusal.kind == ErrorKind::Locked {
            self.tell_compositor(Event::Locked { qube: name.clone() }, Vec::new());
            self.startup.locked.insert(name);
        }
    }

    /// The passphrase was given: those that waited for it start, unless somebody was quicker.
    pub(super) fn start_unlocked(&mut self, now: Instant) {
        for name in std::mem::take(&mut self.startup.locked) {
            self.refresh(&name);
            if self.qubes.get(name.as_str()).is_some_and(|qube| qube.running.is_none()) {
                self.start_at_login(name, now);
            }
        }
    }

    /// The desktop is gone.
    pub(super) fn desktop_left(&mut self) {
        if self.qubes.values().all(|qube| qube.running.is_none() || qube.fleeting.is_some()) {
            self.startup = Startup::default();
        }
    }
}
