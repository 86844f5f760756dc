//! When a screen is drawn, and what follows once it shows the frame.

use std::time::Duration;

use smithay::reexports::calloop::timer::{TimeoutAction, Timer};
use tracing::error;

use crate::{
    Desktop,
    backend::{Pace, frame_time},
    lock::state::Cover,
    trust::focus::Shown,
};

/// A frame that could not be drawn is tried again after this.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// A frame that its screen does not show yet.
#[derive(Clone, Debug)]
pub(super) struct Awaited {
    shown: Shown,
    /// The lock that it shows.
    cover: Option<Cover>,
    /// When the first key was pressed that it may answer.
    key: Option<Duration>,
}

impl Desktop {
    /// Asks for a frame of each screen that changed and has none on its way.
    pub(crate) fn schedule_frames(&mut self) {
        if self.backend.pace() == Pace::Manual {
            return;
        }
        // A screen that is not ready says so when it is, and then comes the next turn of the loop.
        let now = self.clock.now();
        for screen in self.screens.iter_mut() {
            if !screen.dirty || !screen.lit || screen.scheduled || !self.backend.ready(screen.id) {
                continue;
            }
            screen.scheduled = true;
            let id = screen.id;
            let begin = screen.next_frame.max(screen.pacer.begin_at(now));
            let timer = Timer::from_duration(begin.saturating_sub(now));
            let inserted = self.handle.insert_source(timer, move |_, (), desktop: &mut Self| {
                if let Some(screen) = desktop.screens.get_mut(id) {
                    screen.scheduled = false;
                }
                desktop.frame_of(id);
                TimeoutAction::Drop
            });
            if let Err(error) = inserted {
                screen.scheduled = false;
                error!(%error, "no frame can be scheduled");
            }
        }
    }

    /// Draws a frame of each screen that changed. `true`: there was something to draw.
    pub fn frame(&mut self) -> bool {
        let ids: Vec<u32> = self.screens.iter().map(|screen| screen.id).collect();
        let drawn: Vec<bool> = ids.into_iter().map(|id| self.frame_of(id)).collect();
        drawn.contains(&true)
    }

    /// Draws a frame of one screen, if it changed.
    pub fn frame_of(&mut self, id: u32) -> bool {
        let now = self.clock.now();
        let ready = self.backend.ready(id);
        let Some(screen) = self.screens.get_mut(id).filter(|screen| screen.dirty && screen.lit && ready)
        else {
            return false;
        };
        screen.next_frame = now + frame_time(screen.refresh);
        let view = screen.view();
        self.begin_motions(id);
        let moves = self.is_moving();
        if let Some(screen) = self.screens.get_mut(id) {
            screen.dirty = moves;
        }
        self.tell_held_frame(id);
        let filled = crate::render::compose::bar_is_covered(&self.placed_windows(), id);
        self.sync_vrr(id, filled && !self.lock.covers());
        let mut scene = self.compose(view);
        scene.magnified = self.magnifier(view);
        let cover = self.lock.cover();
        // While locked no window is to be seen, and none is focused.
        let hidden = cover.is_some();
        let windows = self
            .placed_windows()
            .into_iter()
            .filter(|window| !hidden && self.view_of(view, window).shows_window(window));
        let layers = if hidden { Vec::new() } else { self.layers_seen_on(id, filled) };
        let shown = Shown {
            focus: self.trust.focus.wanted().filter(|_| !hidden),
            windows: windows.map(|window| window.key).chain(layers).collect(),
        };
        let (started, key) = (std::time::Instant::now(), self.figures.key_before(now));
        let drawn = self.backend.draw(&mut self.canvas, &scene);
        let Some(screen) = self.screens.get_mut(id) else { return true };
        match drawn {
            Ok(frame) => {
                screen.frames += 1;
                screen.changes += u64::from(frame.changed);
                self.figures.frame(started.elapsed(), frame.changed);
                let key = key.filter(|_| frame.changed);
                if key.is_some() {
                    self.figures.key_answered();
                }
                if frame.pending {
                    // The screen sets the pace.
                    screen.next_frame = now;
                    screen.pacer.queued(now, now + started.elapsed());
                    screen.awaited = Some(Awaited { shown, cover, key });
                } else {
                    self.figures.key_shown(key, now);
                    self.after_frame(id, now, shown);
                    self.lock_frame_shown(id, cover);
                }
            }
            Err(error) => {
                // Nothing new was shown, so nobody is told of it.
                error!(screen = screen.name, %error, "a frame is lost");
                screen.dirty = true;
                screen.next_frame = now + AFTER_FAILURE;
            }
        }
        true
    }

    /// A screen shows what was drawn last.
    pub(crate) fn screen_shows(&mut self, id: u32, at: Duration) {
        let Some(screen) = self.screens.get_mut(id) else { return };
        let counts = if screen.varies { screen.pacer.beat(at) } else { at };
        screen.pacer.flipped(counts);
        let Some(frame) = screen.awaited.take() else { return };
        self.figures.key_shown(frame.key, at);
        if counts > self.clock.now() {
            self.hold_frame(id, counts, frame);
        } else {
            self.tell_frame(id, counts, frame);
        }
    }

    /// Everybody hears of a frame that is shown.
    pub(super) fn tell_frame(&mut self, id: u32, at: Duration, frame: Awaited) {
        self.after_frame(id, at, frame.shown);
        self.lock_frame_shown(id, frame.cover);
    }

    /// Whatever was on the screens is gone from there.
    pub(crate) fn nothing_is_shown(&mut self) {
        // Nobody will say when frames that are on their way are shown.
        for screen in self.screens.iter_mut() {
            screen.awaited = None;
            screen.held = None;
            screen.pacer.interrupted();
        }
        if !self.trust.focus.is_blank() {
            self.trust.focus.blank();
            self.sight_lost();
        }
    }
}
