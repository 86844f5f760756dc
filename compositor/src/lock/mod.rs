//! The lock screen (rule FAIL-CLOSED).
//!
//! While the desktop is locked, every scene is made by [`picture`] alone: `compose` asks here before it
//! looks at any window, for every back end, on every way to a picture (frames, screenshots, hot-plug,
//! another console and back). Every event of a device ends in [`keys`]. Which of this holds when is
//! decided by a pure state machine, [`state`].
//!
//! A lock is done once every screen has shown it; until then whoever waits for that (a locker, the
//! machine's sleep) waits. [`marker`] makes it outlive a crash. The password is checked by a process of
//! its own ([`auth`]).

pub mod auth;
mod keys;
pub mod marker;
mod person;
mod picture;
pub mod state;

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use tracing::{error, info, warn};

use self::{
    auth::{Checker, Verdict},
    marker::Marker,
    state::{Attempt, Cover, Face, Phase, State},
};
use crate::{Desktop, input::secret::Secret};

/// How a desktop is locked.
#[derive(Clone, Debug, Default)]
pub struct LockOptions {
    /// The program that checks passwords; `None`: none can be checked.
    pub helper: Option<PathBuf>,
    /// The file that makes a lock outlive a crash; `None`: nothing does.
    pub marker: Option<PathBuf>,
    /// The person's name; that of the account if `None`.
    pub person: Option<String>,
}

/// What the lock screen tells the person.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Wrong,
    /// Words of PAM's.
    Info(String),
    /// The password cannot be checked, and why.
    Trouble(String),
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Lock {
    state: State,
    entry: Secret,
    told: Told,
    checker: Checker,
    marker: Marker,
    person: String,
    kept: picture::Kept,
}

impl Lock {
    /// An open desktop; a locked one if the one before it was.
    pub(crate) fn new(options: LockOptions) -> Self {
        let mut lock = Self {
            state: State::default(),
            entry: Secret::default(),
            told: Told::Nothing,
            checker: Checker::new(options.helper),
            marker: Marker::new(options.marker),
            person: options.person.unwrap_or_else(person::name),
            kept: picture::Kept::default(),
        };
        if lock.marker.is_set() {
            warn!("the desktop before this one ended while it was locked: this one starts locked");
            lock.state.lock(Face::Own);
        }
        lock
    }

    /// True from the moment of locking.
    pub(crate) fn covers(&self) -> bool {
        self.state.covers()
    }

    /// How far the lock has come.
    pub(crate) fn phase(&self) -> Phase {
        self.state.phase()
    }

    /// What a frame that is composed now shows.
    pub(crate) fn cover(&self) -> Option<Cover> {
        self.state.cover()
    }

    /// When something is due.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.checker.deadline()
    }
}

impl Desktop {
    /// Locks the desktop: from here on nothing is composed but the lock's picture, and no qube hears
    /// of any device.
    pub fn lock(&mut self) {
        self.lock_with(Face::Own);
    }

    /// True while a password is being checked.
    pub fn checks_password(&self) -> bool {
        self.lock.state.checking()
    }

    /// As [`Desktop::lock`], with the picture of this face. `false`: it was locked already.
    pub(crate) fn lock_with(&mut self, face: Face) -> bool {
        if self.lock.covers() {
            return false;
        }
        info!("the desktop is locked");
        self.close_what_is_asked();
        // Keys, buttons and fingers that are down are let go of by whoever has them.
        self.take_devices();
        self.lock.state.lock(face);
        self.lock.marker.set();
        self.lock.entry.clear();
        self.input.compose.reset();
        self.lock.told = Told::Nothing;
        self.shut_in();
        true
    }

    /// What holds at the beginning of a lock, also of one that a desktop starts with.
    pub(crate) fn shut_in(&mut self) {
        self.trust.focus.shut(true);
        self.input.waiting_keys.clear();
        self.grab_keyboard();
        self.sync_keyboard_focus();
        let now = self.clock.now();
        self.refresh_pointer(now);
        self.lock_screens_changed();
        self.damage_all();
    }

    /// What dom0 asks the person now is taken back: nothing was given away.
    fn close_what_is_asked(&mut self) {
        let now = self.clock.now();
        self.prompt_answer(crate::ui::Given::Deny, now);
        self.deny_calls();
        self.close_launcher();
        self.put_passphrase_back();
        self.close_manager();
        if self.shell.switcher().is_some() {
            self.switcher_cancel();
        }
        self.close_overview();
        self.close_capture();
    }

    /// Which screens show what is drawn may have changed.
    pub(crate) fn lock_screens_changed(&mut self) {
        if self.lock.covers() {
            let screens = self.screens_showing();
            if self.lock.state.screens(screens) {
                self.lock_done();
            }
        }
    }

    /// Screens whose picture is the desktop's: with another console in front, without a monitor, or while
    /// monitors are dark, none is.
    pub(super) fn screens_showing(&self) -> BTreeSet<u32> {
        let front = self.backend.in_front();
        self.screens.iter().filter(|screen| front && screen.lit).map(|screen| screen.id).collect()
    }

    /// A screen shows a frame that was composed under `cover`.
    pub(crate) fn lock_frame_shown(&mut self, screen: u32, cover: Option<Cover>) {
        if self.lock.state.frame_shown(screen, cover) {
            self.lock_done();
        }
        if cover.is_some() {
            self.locker_frame_shown(screen);
        }
    }

    /// Every screen shows the lock: whoever waited for that is told.
    fn lock_done(&mut self) {
        info!("every screen shows the lock");
        self.locker_done();
        self.tell_logind(true);
    }

    /// The person gives the password that is typed.
    fn give_password(&mut self) {
        if self.lock.entry.as_bytes().is_empty() {
            return;
        }
        let Some(attempt) = self.lock.state.attempt() else { return };
        self.lock.told = Told::Nothing;
        self.input.compose.reset();
        let now = self.clock.now();
        let password = self.lock.entry.as_bytes();
        let started = self.lock.checker.start(&self.handle, attempt, password, now);
        self.lock.entry.clear();
        if let Err(problem) = started {
            self.password_checked(attempt, &Verdict::Unknown(problem));
        }
        self.damage_all();
    }

    /// The locker has unlocked.
    pub(crate) fn locker_opened(&mut self) {
        if self.lock.state.program_unlocks() {
            self.opened();
        }
    }

    /// The locker is gone: the own lock screen takes over.
    pub(crate) fn locker_died(&mut self) {
        self.lock.state.program_died();
        self.damage_all();
    }

    /// What came of an attempt.
    fn password_checked(&mut self, attempt: Attempt, verdict: &Verdict) {
        let opens = self.lock.state.answered(attempt, *verdict == Verdict::Right);
        match verdict {
            Verdict::Right => info!("the password is right"),
            Verdict::Wrong => info!("the password is wrong"),
            Verdict::Unknown(problem) => error!(problem, "the password cannot be checked"),
        }
        self.lock.told = match verdict {
            Verdict::Right => Told::Nothing,
            Verdict::Wrong => Told::Wrong,
            Verdict::Unknown(problem) => Told::Trouble(problem.clone()),
        };
        self.damage_all();
        if opens {
            self.opened();
        }
    }

    /// The state says that the desktop is open: everything is as it was.
    pub(crate) fn opened(&mut self) {
        info!("the desktop is open");
        self.lock.marker.clear();
        self.lock.entry.clear();
        self.input.compose.reset();
        self.lock.told = Told::Nothing;
        self.trust.focus.shut(false);
        // Keys that are still down from unlocking keep their fate: no qube hears of their release.
        self.grab_keyboard();
        self.follow_shell_focus();
        self.tell_logind(false);
        self.damage_all();
        self.next_question();
    }

    /// Does what is due.
    pub(crate) fn lock_tick(&mut self, now: Duration) {
        self.helper_overdue(now);
    }
}
