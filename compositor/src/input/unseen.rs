//! Devices while nothing of the desktop is on any screen: no monitor, no graphics card, all of them dark,
//! or none that has shown a frame yet (rules FOCUS and FAIL-CLOSED).
//!
//! What a person does then is meant for nobody, since nobody was to be seen: it reaches no window, not
//! later either, nor does the release of what was pressed meanwhile. What helps to get a screen back, or
//! is safe without one, still works: another console, the lock, the end of the session.

use std::time::Duration;

use smithay::utils::Point;

use super::{
    event::InputEvent,
    keyboard::{Action, Outcome},
};
use crate::{Desktop, render::scene::SurfaceKey};

impl Desktop {
    /// The last frame that could be seen is gone: whoever had a key, a button or a finger has it no longer.
    pub(crate) fn sight_lost(&mut self) {
        if self.lock.covers() {
            let now = self.clock.now();
            self.lock_input(InputEvent::Lost, now);
            return;
        }
        // Modifiers that go up now choose nothing.
        if self.shell.switcher().is_some() {
            self.switcher_cancel();
        }
        self.close_overview();
        self.close_capture();
        self.take_devices();
        self.input.waiting_keys.clear();
        self.grab_keyboard();
        self.sync_keyboard_focus();
    }

    /// The first frame after none can be seen.
    pub(crate) fn sight_regained(&mut self, now: Duration) {
        self.grab_keyboard();
        self.refresh_pointer(now);
    }

    /// Something a person did while nothing was to be seen.
    pub(super) fn unseen_input(&mut self, event: InputEvent, now: Duration) {
        match event {
            InputEvent::Key { code, pressed } => self.unseen_key(code, pressed, now),
            InputEvent::PointerTo { x, y } => self.unseen_pointer((x, y).into()),
            InputEvent::PointerBy { dx, dy, .. } => {
                let from = self.input.pointer.at;
                let at = self.screens.slide(from, from + Point::from((dx, dy)));
                self.unseen_pointer(at);
            }
            InputEvent::Switch(event) => self.switched(event, now),
            event => self.nobodys(event, now),
        }
    }

    /// An event of a device that goes to nobody; neither does its end.
    pub(crate) fn nobodys(&mut self, event: InputEvent, now: Duration) {
        match event {
            InputEvent::Button { code, pressed: true } => {
                self.input.pointer.buttons.insert(code);
                self.input.pointer.swallowed.insert(code);
            }
            InputEvent::Button { code, pressed: false } => {
                self.input.pointer.buttons.remove(&code);
                self.input.pointer.swallowed.remove(&code);
            }
            InputEvent::TouchDown { id, .. } => self.input.touch.down_on_nothing(id),
            InputEvent::TouchUp { id } => self.input.touch.up(id),
            InputEvent::TouchCancel => self.input.touch.all_up(),
            InputEvent::Lost => {
                drop(self.input.keyboard.release_all(now));
                self.input.pointer.buttons.clear();
                self.input.pointer.swallowed.clear();
                self.input.touch.all_up();
            }
            // Gestures and pens were taken from the windows before; nobody hears of more.
            _ => {}
        }
    }

    fn unseen_key(&mut self, code: u32, pressed: bool, now: Duration) {
        let layout = self.input.keyboard.layout();
        for outcome in self.input.keyboard.key(code, pressed, now) {
            if let Outcome::Action(
                action @ (Action::Console(_) | Action::Lock | Action::Logout | Action::Quit),
            ) = outcome
            {
                self.action(action, now);
            }
        }
        if self.input.keyboard.layout() != layout {
            self.layout_chosen();
        }
    }

    /// The pointer goes where it goes.
    pub(crate) fn unseen_pointer(&mut self, at: Point<f64, smithay::utils::Logical>) {
        if let Some(at) = self.screens.nearest(at) {
            self.input.pointer.at = at;
        }
    }

    /// The window is on a screen that is lit, or will be with the next frame.
    pub(super) fn can_be_seen(&self, key: SurfaceKey) -> bool {
        if let Some(layer) = self.layers.get(key) {
            return self.screens.get(layer.screen).is_some_and(|screen| screen.lit);
        }
        self.placed_window(key).is_some_and(|window| {
            self.screens.iter().any(|screen| screen.lit && screen.view().shows_window(&window))
        })
    }
}
