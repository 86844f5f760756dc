//! Keys.

use smithay::{
    backend::input::KeyState,
    input::keyboard::{FilterResult, KeyboardHandle, KeyboardTarget, Keycode, ModifiersState, XkbConfig},
    utils::SERIAL_COUNTER,
};
use tracing::warn;
use transom_protocol::{message, types, types::KeymapFormat, wire::With};

use super::KeyboardFocus;
use crate::{Agent, windows::Role};

impl Agent {
    fn keyboard(&self) -> Option<KeyboardHandle<Self>> {
        self.seat.get_keyboard()
    }

    pub(crate) fn keyboard_enter(&mut self, id: u32, serial: u32) {
        let Some(keyboard) = self.keyboard() else { return };
        let Some(window) = self.windows.get(id) else { return };
        let focus = match &window.role {
            Role::X11(x11) | Role::X11Popup(x11) => KeyboardFocus::X11(x11.clone(), window.surface.clone()),
            _ => KeyboardFocus::Wayland(window.surface.clone()),
        };
        if let Role::X11(x11) = &window.role {
            self.x11.focused(&x11.clone());
        }
        let serial = self.input.serial(serial);
        keyboard.set_focus(self, Some(focus), serial);
    }

    pub(crate) fn keyboard_leave(&mut self) {
        self.text_input_leave();
        let Some(keyboard) = self.keyboard() else { return };
        keyboard.set_focus(self, None, SERIAL_COUNTER.next_serial());
        // With nobody listening every key goes up: the next window begins with none.
        for code in keyboard.pressed_keys() {
            let (serial, time) = (SERIAL_COUNTER.next_serial(), self.input.time);
            keyboard.input::<(), _>(self, code, KeyState::Released, serial, time, |_, _, _| {
                FilterResult::Forward
            });
        }
    }

    pub(crate) fn key(&mut self, serial: u32, key: &message::Key) {
        let Some(keyboard) = self.keyboard() else { return };
        self.input.time = key.time.get();
        let state = match key.state {
            types::KeyState::Released => KeyState::Released,
            // Programs have no word for a repeat by the server: one more press is a repeat to them.
            types::KeyState::Pressed | types::KeyState::Repeated => KeyState::Pressed,
        };
        let code = Keycode::new(key.code.get().saturating_add(8));
        let serial = self.input.serial(serial);
        keyboard.input::<(), _>(self, code, state, serial, key.time.get(), |_, _, _| FilterResult::Forward);
    }

    pub(crate) fn modifiers(&mut self, modifiers: &message::Modifiers) {
        let told = (
            modifiers.depressed.get(),
            modifiers.latched.get(),
            modifiers.locked.get(),
            modifiers.group.get(),
        );
        self.input.modifiers = told;
        let focus = self.keyboard().and_then(|keyboard| keyboard.current_focus());
        if let Some(focus) = focus {
            let seat = self.seat.clone();
            focus.modifiers(&seat, self, ModifiersState::default(), SERIAL_COUNTER.next_serial());
        }
    }

    pub(crate) fn keymap(&mut self, keymap: &With<'_, message::Keymap>) {
        let Some(keyboard) = self.keyboard() else { return };
        let result = match keymap.fixed.format {
            KeymapFormat::Names => {
                let names = types::strings(keymap.tail, 5).unwrap_or_default();
                let [rules, model, layout, variant, options] = names[..] else { return };
                let options = (!options.is_empty()).then(|| options.to_owned());
                keyboard.set_xkb_config(self, XkbConfig { rules, model, layout, variant, options })
            }
            KeymapFormat::Text => {
                let text = String::from_utf8_lossy(keymap.tail).into_owned();
                keyboard.set_keymap_from_string(self, text)
            }
        };
        if let Err(error) = result {
            warn!(%error, "dom0's keyboard layout is not known here; the old one stays");
        }
    }
}
