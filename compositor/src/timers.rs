//! Things that happen at a time: key repeat, notices that go, the clipboard's deadlines, the clock.
//!
//! One timer, set to the next of them; none while nothing is due, so that an idle desktop sleeps.

use std::time::Duration;

use smithay::reexports::calloop::{
    RegistrationToken,
    timer::{TimeoutAction, Timer},
};
use tracing::error;

use crate::Desktop;

/// Hidden windows that wait for a frame get one this often.
const HIDDEN_FRAME: Duration = Duration::from_secs(1);

/// The one timer.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    set: Option<(Duration, RegistrationToken)>,
    /// When the time of day in the bar changes, if it is shown.
    next_minute: Option<Duration>,
}

impl Desktop {
    fn next_deadline(&self) -> Option<Duration> {
        let now = self.clock.now();
        [
            self.input.keyboard.next_repeat(),
            self.ui.notices.next_deadline(),
            self.ui.cards.next_deadline(),
            self.ui.tray.next_deadline(),
            self.trust.clipboard.next_deadline(),
            self.trust.drag.next_deadline(),
            // The bar counts down while the clipboard holds something.
            self.trust.clipboard.state_text(now).map(|_| now + Duration::from_secs(1)),
            self.ui.kept.prompt.as_ref().and_then(|p| p.enables_at(now)),
            self.next_hidden_frame(),
            self.lock.next_deadline(),
            self.next_idle(),
            self.next_leaving(),
            self.next_figures(),
            self.ui.starting.next_deadline(),
            self.backend.drm().and_then(crate::backend::drm::Drm::card_due),
            self.timers.next_minute,
            self.next_ramp(),
            self.input.text.service.next_news(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Sets the timer to what is due next.
    pub(crate) fn schedule_timers(&mut self) {
        let next = self.next_deadline();
        let set = self.timers.set.as_ref().map(|(at, _)| *at);
        // A timer that fires too early only looks again; one that fires too late is set anew.
        let keep = match (set, next) {
            (Some(set), Some(next)) => set <= next && set >= self.clock.now(),
            (None, None) => true,
            _ => false,
        };
        if keep {
            return;
        }
        if let Some((_, token)) = self.timers.set.take() {
            self.handle.remove(token);
        }
        let Some(next) = next else { return };
        let timer = Timer::from_duration(next.saturating_sub(self.clock.now()));
        let inserted = self.handle.insert_source(timer, |_, (), desktop: &mut Self| {
            desktop.timers.set = None;
            desktop.tick();
            TimeoutAction::Drop
        });
        match inserted {
            Ok(token) => self.timers.set = Some((next, token)),
            Err(error) => error!(%error, "no timer"),
        }
    }

    /// Does what is due. Tests with a manual clock call it after moving the clock.
    pub fn tick(&mut self) {
        let now = self.clock.now();
        self.repeat_due(now);
        if self.ui.notices.expire(now) {
            self.damage_all();
        }
        self.expire_cards(now);
        if self.ui.tray.tick(now) {
            self.damage_all();
        }
        let effects = self.trust.clipboard.tick(now);
        self.clipboard_effects(effects);
        let effects = self.trust.drag.tick(now);
        self.drag_effects(effects);
        self.hidden_frames(now);
        self.lock_tick(now);
        self.idle_tick();
        self.leave_when_done();
        self.expire_starts(now);
        self.manager_tick(now);
        if self.next_ramp().is_some_and(|at| now >= at) {
            self.sync_ramps();
        }
        self.settle_card();
        if self.timers.next_minute.is_some_and(|minute| now >= minute) {
            self.show_time_of_day();
        }
        let counts = self.ui.kept.prompt.is_some() || self.ui.leaving.is_some();
        if counts || self.trust.clipboard.state_text(now).is_some() {
            self.damage_all();
        }
    }

    /// Brings the clock in the bar up to date; once a minute from then on.
    pub(crate) fn show_time_of_day(&mut self) {
        let local = self.clock.local();
        self.ui.clock_text = local.strftime("%H:%M").to_string();
        self.ui.date_text = local.strftime("%A, %-d %B").to_string();
        let left = 60_u64.saturating_sub(u64::try_from(local.second()).unwrap_or(0)).max(1);
        self.timers.next_minute = Some(self.clock.now() + Duration::from_secs(left));
        self.damage_all();
        // The clock on the wall may have been set, or the machine have slept.
        self.sync_ramps();
    }

    fn hidden_roots(&self) -> Vec<crate::render::scene::SurfaceKey> {
        let locked = self.lock.covers();
        let hidden = |key: &&crate::render::scene::SurfaceKey| {
            locked || !self.shell.is_visible(**key) || self.is_in_the_dark(**key)
        };
        self.windows.keys().filter(hidden).copied().collect()
    }

    fn next_hidden_frame(&self) -> Option<Duration> {
        self.hidden_roots()
            .into_iter()
            .filter_map(|key| self.qubes.surface(key))
            .filter(|(_, surface)| surface.content.is_some() && surface.wants_frame)
            .map(|(_, surface)| surface.last_frame + HIDDEN_FRAME)
            .min()
    }

    /// Windows that are not to be seen draw at most once a second.
    fn hidden_frames(&mut self, now: Duration) {
        for key in self.hidden_roots() {
            let due = self.qubes.surface(key).is_some_and(|(_, s)| {
                s.content.is_some() && s.wants_frame && now >= s.last_frame + HIDDEN_FRAME
            });
            if due && let Some(link) = self.qubes.get_mut(key.qube) {
                link.frame_done(key.window, now);
            }
        }
    }
}
