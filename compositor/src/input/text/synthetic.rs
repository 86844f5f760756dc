//! Keys of virtual keyboards: those that the input method hands back, and those of programs like `wtype`.
//!
//! They go to the window that has the keys and nowhere else: to no chord, no prompt, no lock, whatever they
//! are, and Super never. They change no focus, light no screen and are no act of the person (FOCUS, INTENT).
//! The exception is a press that the person made and the input method hands back, which is still theirs.

use std::time::Duration;

use transom_protocol::{
    message::{self, ToQube},
    types::KeyState,
};

use crate::{Desktop, clock::millis, input::keyboard::ModifierState};

/// Mod4 of XKB, which is Super.
const LOGO: u32 = 1 << 6;

/// A key of a virtual keyboard, in dom0's own layout.
#[derive(Clone, Copy, Debug)]
pub(crate) struct VirtualKey {
    /// The keyboard is the input method's.
    pub(crate) of_method: bool,
    pub(crate) code: u32,
    pub(crate) pressed: bool,
    /// Modifiers that go with it.
    pub(crate) modifiers: ModifierState,
}

impl Desktop {
    /// A key of a virtual keyboard. `true`: a window was told.
    pub(crate) fn virtual_key(&mut self, key: VirtualKey, now: Duration) -> bool {
        self.sync_text_input();
        if self.lock.covers() || self.input.keyboard.is_grabbed() || self.trust.focus.is_blank() {
            return false;
        }
        let Some(target) = self.keys_target() else { return false };
        let mut modifiers = key.modifiers;
        let mut of_person = false;
        let state = if key.pressed {
            let back = key.of_method.then(|| self.input.text.service.take_back(key.code)).flatten();
            if let Some(then) = back {
                (modifiers, of_person) = (then, true);
            } else if key.of_method && !self.input.text.service.knows() {
                // It may be meant for the window that had the keys before.
                return false;
            }
            if modifiers.depressed & LOGO != 0 {
                return false;
            }
            if self.input.told_keys.insert(key.code) { KeyState::Pressed } else { KeyState::Repeated }
        } else {
            if !self.input.told_keys.remove(&key.code) {
                return false;
            }
            KeyState::Released
        };
        let around = self.input.text.told_modifiers;
        let Some(link) = self.qubes.get_mut(target.qube) else { return false };
        let changes = key.pressed && modifiers != around;
        if changes {
            super::super::route::send_modifiers(link, target.window, modifiers);
        }
        let serial = link.serial();
        if link.label().is_none() && !of_person {
            self.input.text.synthetic.insert(serial);
        }
        let event = message::Key { time: millis(now).into(), code: key.code.into(), state };
        link.send(target.window, serial, &ToQube::Key(&event));
        if changes {
            super::super::route::send_modifiers(link, target.window, around);
        }
        true
    }
}
