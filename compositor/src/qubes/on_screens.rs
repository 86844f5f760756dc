//! Windows and screens: which screen a window is told to draw for, and when it is told that it was
//! seen.
//!
//! A window that lies over several screens draws for the one that shows most of it, and at that
//! screen's pace; the others show the same picture, made larger or smaller.

use std::time::Duration;

use smithay::utils::{Logical, Rectangle};
use transom_protocol::{
    message::{self, OnOutput, Presented, ToQube},
    session::WindowRole,
};

use super::Link;
use crate::{
    Desktop,
    render::scene::SurfaceKey,
    trust::{QubeId, focus::Shown},
};

/// A screen as a window was told of it: its number, and its scale in 120ths.
pub(crate) type Told = (u32, u32);

impl Desktop {
    /// Where a window's picture is, or would be.
    fn place_of(&self, link: &Link, window: u32) -> Option<Rectangle<i32, Logical>> {
        let key = SurfaceKey { qube: link.id, window };
        match link.surface(window)?.role {
            WindowRole::Toplevel => {
                if let Some(layer) = self.layers.get(key) {
                    return self.screens.get(layer.screen).map(|screen| screen.area);
                }
                let outer = self.shell.outer(key)?;
                Some(Rectangle::new((outer.x, outer.y).into(), (outer.w, outer.h).into()))
            }
            WindowRole::Popup => self.content_rect(key),
            WindowRole::Cursor if self.is_candidates(key) => self.candidates_place(key),
            // They go where the pointer goes.
            WindowRole::Cursor | WindowRole::DragIcon => {
                Some(Rectangle::new(self.input.pointer.at.to_i32_floor(), (1, 1).into()))
            }
            WindowRole::Subsurface => None,
        }
    }

    fn screen_of(&self, link: &Link, window: u32) -> Option<Told> {
        let key = SurfaceKey { qube: link.id, window };
        let bound = self.placed_window(key).filter(|window| window.on_that_only);
        if let Some(screen) = bound.and_then(|window| self.screens.get(window.output)) {
            return Some((screen.id, screen.scale));
        }
        let place = self.place_of(link, window);
        let screen = match place {
            Some(place) => self.screens.best_for(place),
            // What has shown nothing yet will most likely come there.
            None => self.screens.lead(),
        };
        screen.map(|screen| (screen.id, screen.scale))
    }

    /// The window's screen shows nothing.
    pub(crate) fn is_in_the_dark(&self, key: SurfaceKey) -> bool {
        if self.screens.iter().all(|screen| screen.lit) {
            return false;
        }
        let screen = self.qubes.get(key.qube).and_then(|link| self.screen_of(link, key.window));
        screen.and_then(|(id, _)| self.screens.get(id)).is_some_and(|screen| !screen.lit)
    }

    /// Tells windows whose screen is another one than they know.
    pub(crate) fn sync_screens(&mut self) {
        let mut news: Vec<(QubeId, u32, Told)> = Vec::new();
        for link in self.qubes.iter() {
            let roots = link.surfaces().iter().filter(|(_, surface)| surface.role != WindowRole::Subsurface);
            for (window, surface) in roots {
                let Some(screen) = self.screen_of(link, *window) else { continue };
                if surface.told_screen != Some(screen) {
                    news.push((link.id, *window, screen));
                }
            }
        }
        for (qube, window, (id, scale)) in news {
            let Some(link) = self.qubes.get_mut(qube) else { continue };
            if link.session().window(window).is_none() || !link.knows_output(id) {
                continue;
            }
            let Some(surface) = link.surface_mut(window) else { continue };
            let before = surface.told_screen.replace((id, scale));
            if before.map(|(old, _)| old) != Some(id) {
                let on = |output: u32, on: bool| OnOutput { output: output.into(), on: on.into() };
                link.send(window, 0, &ToQube::OnOutput(&on(id, true)));
                // One that is gone has been left already.
                if let Some((old, _)) = before.filter(|(old, _)| link.knows_output(*old)) {
                    link.send(window, 0, &ToQube::OnOutput(&on(old, false)));
                }
            }
            if before.map(|(_, old)| old) != Some(scale) {
                link.send(window, 0, &ToQube::PreferredScale(&message::Scale { scale: scale.into() }));
            }
        }
    }

    /// A frame reached a screen: focus follows, programs may draw again.
    pub(crate) fn after_frame(&mut self, id: u32, now: Duration, shown: Shown) {
        let was_blank = self.trust.focus.is_blank();
        self.trust.focus.drawn(id, shown);
        if was_blank {
            self.sight_regained(now);
        }
        self.sync_keyboard_focus();
        self.deliver_keys(now);
        if self.lock.covers() {
            // Nothing of a qube was shown: its windows draw as hidden ones do.
            return;
        }
        let Some(screen) = self.screens.get(id) else { return };
        let presented = Presented {
            time_ns: (now.as_nanos() as u64).into(),
            refresh_ns: (crate::backend::frame_time(screen.refresh).as_nanos() as u32).into(),
            sequence: screen.frames.into(),
            flags: self.backend.presentation().into(),
        };
        for key in self.roots_on(id) {
            if let Some(link) = self.qubes.get_mut(key.qube) {
                link.presented(key.window, &presented);
                link.frame_done(key.window, now);
            }
        }
    }

    /// Windows, popups, cursors and drag icons that keep this screen's pace.
    fn roots_on(&self, id: u32) -> Vec<SurfaceKey> {
        let mut roots: Vec<SurfaceKey> = Vec::new();
        for window in self.placed_windows() {
            roots.push(window.key);
            roots.extend(self.popups_of(window.key));
        }
        for layer in self.layers.shown() {
            roots.push(layer.key);
            roots.extend(self.popups_of(layer.key));
        }
        for link in self.qubes.iter() {
            let small = |role| matches!(role, WindowRole::Cursor | WindowRole::DragIcon);
            let small = link.surfaces().iter().filter(|(_, surface)| small(surface.role));
            roots.extend(small.map(|(window, _)| SurfaceKey { qube: link.id, window: *window }));
        }
        roots.retain(|key| {
            let screen = self.qubes.get(key.qube).and_then(|link| self.screen_of(link, key.window));
            screen.is_some_and(|(screen, _)| screen == id)
        });
        roots
    }
}
