//! Devices while the desktop is locked: every event ends here.

use std::time::Duration;

use smithay::{input::keyboard::xkb::keysyms, utils::Point};

use super::{Told, state::Face};
use crate::{
    Desktop,
    config::bindings::{Action, Mods},
    input::{event::InputEvent, keyboard::Outcome},
};

impl Desktop {
    /// Something a person did while the desktop is locked. No qube hears of it.
    pub(crate) fn lock_input(&mut self, event: InputEvent, now: Duration) {
        match event {
            InputEvent::Key { code, pressed } => self.lock_key(code, pressed, now),
            // The pointer is not shown; it goes where it goes.
            InputEvent::PointerTo { x, y } => self.unseen_pointer((x, y).into()),
            InputEvent::PointerBy { dx, dy, .. } => {
                let at = self.input.pointer.at + Point::from((dx, dy));
                self.unseen_pointer(at);
            }
            InputEvent::Lost => {
                self.nobodys(event, now);
                self.locker_lets_go();
            }
            // The release of a press that is made here goes to nobody, also after unlocking.
            event => self.nobodys(event, now),
        }
    }

    fn lock_key(&mut self, code: u32, pressed: bool, now: Duration) {
        let (locks, layout) = (self.input.keyboard.locks(), self.layout_in_force());
        // Without a screen nobody sees that there is a lock to type into.
        let seen = !self.screens_showing().is_empty();
        let outcomes = self.input.keyboard.key(code, pressed, now);
        let mut chord = false;
        for outcome in outcomes {
            match outcome {
                // A console has a login of its own.
                Outcome::Action(action @ Action::Console(_)) => {
                    chord = true;
                    self.action(action, now);
                }
                Outcome::Action(Action::Layout(step)) => {
                    chord = true;
                    let keyboard = &mut self.input.keyboard;
                    if let Some(layout) = step.from(keyboard.layout(), keyboard.layouts()) {
                        drop(keyboard.set_layout(layout));
                    }
                }
                // No other chord does anything.
                Outcome::Action(_) => chord = true,
                Outcome::Dom0Key { sym, pressed: true } if seen && self.lock.state.face() == Face::Own => {
                    self.lock_sym(sym);
                }
                _ => {}
            }
        }
        if seen && self.lock.state.face() == Face::Program && !chord {
            self.locker_key(code, pressed, now);
        }
        if locks != self.input.keyboard.locks() || layout != self.layout_in_force() {
            self.damage_all();
        }
    }

    /// A key for the own lock screen.
    fn lock_sym(&mut self, sym: u32) {
        if self.lock.state.checking() {
            return;
        }
        let ctrl = self.input.keyboard.held_mods().meets(Mods::CTRL);
        match sym {
            keysyms::KEY_Return | keysyms::KEY_KP_Enter => return self.give_password(),
            keysyms::KEY_Escape => self.lock.entry.clear(),
            keysyms::KEY_u | keysyms::KEY_U if ctrl => self.lock.entry.clear(),
            keysyms::KEY_BackSpace => self.lock.entry.pop(),
            _ if ctrl => return,
            _ => match self.input.compose.character(sym) {
                Some(character) => self.lock.entry.push(character),
                None => return,
            },
        }
        self.lock.told = Told::Nothing;
        self.damage_all();
    }
}
