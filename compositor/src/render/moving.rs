//! Where windows are drawn while they go somewhere: to another workspace, along their columns, away.
//!
//! The shell says at once where a window is, and the pointer and fingers go by that; here is only what is
//! drawn meanwhile. Frame and content go together, as one [`View`] moves them. A window that is not on the
//! screen yet is not told as shown, so keys wait for it (FOCUS).

use std::collections::HashMap;

use smithay::utils::{Logical, Point, Rectangle};

use super::{
    scene::{Item, SurfaceKey},
    view::View,
};
use crate::{
    Desktop,
    qubes::PlacedWindow,
    ui::motion::{Motion, between, rect_between},
};

/// What a window becomes that is put away, in logical pixels.
const AWAY: (i32, i32) = (48, 20);

/// What is on its way, and what was drawn last.
#[derive(Debug, Default)]
pub(crate) struct Moving {
    /// By screen.
    slides: HashMap<u32, Slide>,
    glides: HashMap<SurfaceKey, Glide>,
    leaving: Vec<Leaving>,
    /// The workspace that each screen showed.
    shown: HashMap<u32, u32>,
    /// Windows that each screen had, and where what is inside their frames was.
    placed: HashMap<u32, HashMap<SurfaceKey, Rectangle<i32, Logical>>>,
}

/// A screen goes from one workspace to another.
#[derive(Clone, Copy, Debug)]
struct Slide {
    from: u32,
    /// The new one comes from the right.
    forward: bool,
    motion: Motion,
}

/// A window of a column goes along.
#[derive(Clone, Copy, Debug)]
struct Glide {
    /// How far from its place it was.
    off: Point<i32, Logical>,
    motion: Motion,
}

/// A window is put away.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    key: SurfaceKey,
    screen: u32,
    content: Rectangle<i32, Logical>,
    motion: Motion,
}

impl Desktop {
    /// Looks at what has changed since the last frame of a screen; to be called before each.
    pub(crate) fn begin_motions(&mut self, screen: u32) {
        let now = self.clock.now();
        let number = self.shell.workspace_on(screen);
        let windows: Vec<PlacedWindow> =
            self.placed_windows().into_iter().filter(|window| window.output == screen).collect();
        let places: HashMap<_, _> = windows.iter().map(|window| (window.key, window.content)).collect();
        let at_once = self.config.no_animations || self.lock.covers() || self.overview_is_seen();
        let moving = &mut self.moving;
        let before = moving.placed.insert(screen, places).unwrap_or_default();
        let from = moving.shown.insert(screen, number).unwrap_or(number);
        if at_once {
            moving.slides.remove(&screen);
            moving.glides.clear();
            moving.leaving.clear();
            return;
        }
        let motion = Motion::new(now, true);
        if from != number {
            moving.slides.insert(screen, Slide { from, forward: number > from, motion });
            return;
        }
        let dragging = self.shell.is_dragging();
        for window in windows.iter().filter(|window| window.on_that_only && !dragging) {
            let Some(old) = before.get(&window.key).filter(|old| old.loc != window.content.loc) else {
                continue;
            };
            // From where it is drawn now, if it is on its way already.
            let drawn = moving.glides.get(&window.key).map(|glide| glide.now(now)).unwrap_or_default();
            moving.glides.insert(window.key, Glide { off: old.loc - window.content.loc + drawn, motion });
        }
        for (key, content) in before {
            if self.shell.is_minimised(key) && self.shell.contains(key) {
                self.moving.leaving.push(Leaving { key, screen, content, motion });
            }
        }
    }

    /// Something is on its way. What has arrived is forgotten.
    pub(crate) fn windows_move(&mut self) -> bool {
        let now = self.clock.now();
        let moving = &mut self.moving;
        moving.slides.retain(|_, slide| !slide.motion.is_over(now));
        moving.glides.retain(|_, glide| !glide.motion.is_over(now));
        moving.leaving.retain(|leaving| !leaving.motion.is_over(now));
        !moving.slides.is_empty() || !moving.glides.is_empty() || !moving.leaving.is_empty()
    }

    /// The view that a window is drawn through: of a window that is on its way, a shifted one.
    pub(crate) fn view_of(&self, view: View, window: &PlacedWindow) -> View {
        let now = self.clock.now();
        let slide = self.moving.slides.get(&view.screen).filter(|_| window.output == view.screen);
        let glide = self.moving.glides.get(&window.key).map(|glide| glide.now(now)).unwrap_or_default();
        let slid = slide.map_or(0, |slide| slide.new_at(view, now));
        view.shifted(glide + Point::from((slid, 0)))
    }

    /// The workspace that a screen goes away from, behind the one that it shows.
    pub(crate) fn compose_left_workspace(&mut self, view: View, items: &mut Vec<Item>) {
        let Some(slide) = self.moving.slides.get(&view.screen).copied() else { return };
        let width = view.area.size.w;
        let new_at = slide.new_at(view, self.clock.now());
        let shifted = view.shifted((if slide.forward { new_at - width } else { new_at + width }, 0).into());
        for window in self.windows_of_desk((view.screen, slide.from)).iter().rev() {
            if shifted.shows_window(window) {
                self.compose_window(shifted, window, items);
            }
        }
    }

    /// Windows that are put away, on their way to the corner with the states of the qubes.
    pub(crate) fn compose_leaving_windows(&mut self, view: View, items: &mut Vec<Item>) {
        let now = self.clock.now();
        // Beneath the bar, with room for a frame.
        let below = self.bar_height() + AWAY.1 / 2;
        let corner = view.area.loc + Point::from((view.area.size.w - AWAY.0 - AWAY.1 / 2, below));
        let away = Rectangle::new(corner, AWAY.into());
        for leaving in self.moving.leaving.clone() {
            if leaving.screen == view.screen && self.shell.contains(leaving.key) {
                let content = rect_between(leaving.content, away, leaving.motion.progress(now));
                self.compose_small_window(view, leaving.key, content, items);
            }
        }
    }
}

impl Slide {
    /// How far to the right of its place the new workspace is drawn.
    fn new_at(self, view: View, now: std::time::Duration) -> i32 {
        let width = view.area.size.w;
        between(if self.forward { width } else { -width }, 0, self.motion.progress(now))
    }
}

impl Glide {
    /// How far from its place it is.
    fn now(self, now: std::time::Duration) -> Point<i32, Logical> {
        let progress = self.motion.progress(now);
        (between(self.off.x, 0, progress), between(self.off.y, 0, progress)).into()
    }
}
