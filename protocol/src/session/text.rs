//! Text input: which window the input method serves, and what may be said of its text field.

use super::{Rule, Session, Step, ensure};
use crate::{
    limits::{CONTENT_HINTS, CONTENT_PURPOSES, MAX_INPUT_TEXT},
    message::{DeleteSurrounding, Switch, TextInput},
};

impl Session {
    /// The window that the input method serves: that with the keys, or none.
    pub fn text_focus(&self) -> Option<u32> {
        self.text
    }

    /// What a qube says may cross with the end of the focus, so the window need not have it.
    pub(super) fn text_input(&self, window: u32, input: &TextInput) -> Step {
        self.living(window)?;
        let known = input.hint.get() & !CONTENT_HINTS == 0 && input.purpose.get() <= CONTENT_PURPOSES;
        ensure(known && input.rect.is_valid(), Rule::OutOfRange)
    }

    pub(super) fn text_input_focus(&mut self, window: u32, serial: u32, switch: Switch) -> Step {
        self.addressed_mut(window)?;
        if switch.on.get() {
            ensure(self.keyboard == Some(window), Rule::NoFocus)?;
            ensure(self.text.is_none(), Rule::FocusHeld)?;
            ensure(serial != 0, Rule::UnknownSerial)?;
            self.text = Some(window);
        } else {
            ensure(self.text == Some(window), Rule::NoFocus)?;
            self.text = None;
        }
        Ok(())
    }

    pub(super) fn delete_surrounding(&mut self, window: u32, delete: DeleteSurrounding) -> Step {
        let most = MAX_INPUT_TEXT as u32;
        ensure(delete.before.get() <= most && delete.after.get() <= most, Rule::OutOfRange)?;
        self.text_event(window)
    }

    pub(super) fn text_event(&mut self, window: u32) -> Step {
        self.addressed_mut(window)?;
        ensure(self.text == Some(window), Rule::NoFocus)
    }
}
