//! Keys for dom0's programs, and the serials by which programs name what the person did.

use std::{
    borrow::Cow,
    collections::{BTreeSet, VecDeque},
};

use smithay::{
    backend::input::KeyState,
    input::{
        Seat,
        keyboard::{
            FilterResult, KeyboardHandle, KeyboardTarget, Keycode, KeysymHandle, ModifiersState,
            SerializedMods, XkbConfig,
        },
    },
    reexports::wayland_server::{backend::ObjectId, protocol::wl_surface::WlSurface},
    utils::{IsAlive, SERIAL_COUNTER, Serial},
    wayland::seat::WaylandFocus,
};
use tracing::warn;
use transom_protocol::{message, types, types::KeymapFormat, wire::With};

use crate::Desktop;

/// How many serials are remembered: far more than a person makes while a program thinks.
const SERIALS: usize = 512;

/// What the server remembers of input.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// Serials of programs and the link's serials of the same events, newest last.
    serials: VecDeque<(Serial, u32)>,
    /// Modifiers as the desktop said: held, latched, locked, layout.
    modifiers: (u32, u32, u32, u32),
    /// The window the pointer is in, and the link's serial of its entry.
    pub(super) pointer: Option<(u32, u32)>,
    /// Time of the newest event, for those that come without.
    pub(super) time: u32,
    /// Fingers that are down.
    pub(super) touches: BTreeSet<i32>,
}

impl Input {
    /// A serial for programs that stands for one of the link's.
    pub(super) fn serial(&mut self, of_link: u32) -> Serial {
        let serial = SERIAL_COUNTER.next_serial();
        self.serials.push_back((serial, of_link));
        if self.serials.len() > SERIALS {
            self.serials.pop_front();
        }
        serial
    }

    /// The link's serial of an event that a program names.
    pub(super) fn desktop_serial(&self, serial: Serial) -> Option<u32> {
        self.serials.iter().rev().find(|(own, _)| *own == serial).map(|(_, of_link)| *of_link)
    }
}

/// A surface that can have the keys. Its modifiers are what the desktop says, not what the keys
/// that came here add up to: locks and layout hold beyond the window that has the keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys(WlSurface);

impl Keys {
    pub(super) fn new(surface: &WlSurface) -> Self {
        Self(surface.clone())
    }
}

impl IsAlive for Keys {
    fn alive(&self) -> bool {
        self.0.alive()
    }
}

impl WaylandFocus for Keys {
    fn wl_surface(&self) -> Option<Cow<'_, WlSurface>> {
        Some(Cow::Borrowed(&self.0))
    }

    fn same_client_as(&self, object: &ObjectId) -> bool {
        self.0.same_client_as(object)
    }
}

impl KeyboardTarget<Desktop> for Keys {
    fn enter(
        &self,
        seat: &Seat<Desktop>,
        desktop: &mut Desktop,
        keys: Vec<KeysymHandle<'_>>,
        serial: Serial,
    ) {
        KeyboardTarget::enter(&self.0, seat, desktop, keys, serial);
    }

    fn leave(&self, seat: &Seat<Desktop>, desktop: &mut Desktop, serial: Serial) {
        KeyboardTarget::leave(&self.0, seat, desktop, serial);
    }

    fn key(
        &self,
        seat: &Seat<Desktop>,
        desktop: &mut Desktop,
        key: KeysymHandle<'_>,
        state: KeyState,
        serial: Serial,
        time: u32,
    ) {
        KeyboardTarget::key(&self.0, seat, desktop, key, state, serial, time);
    }

    fn modifiers(&self, seat: &Seat<Desktop>, desktop: &mut Desktop, state: ModifiersState, serial: Serial) {
        let (depressed, latched, locked, layout_effective) = desktop.wayland.input.modifiers;
        let serialized = SerializedMods { depressed, latched, locked, layout_effective };
        let state = ModifiersState { serialized, ..state };
        KeyboardTarget::modifiers(&self.0, seat, desktop, state, serial);
    }
}

impl Desktop {
    fn local_keyboard(&self) -> Option<KeyboardHandle<Self>> {
        self.wayland.seat.get_keyboard()
    }

    pub(super) fn local_keyboard_enter(&mut self, id: u32, serial: u32) {
        let Some(keyboard) = self.local_keyboard() else { return };
        let Some(window) = self.wayland.windows.get(id) else { return };
        let focus = Keys(window.surface.clone());
        let serial = self.wayland.input.serial(serial);
        keyboard.set_focus(self, Some(focus), serial);
    }

    pub(super) fn local_keyboard_leave(&mut self) {
        let Some(keyboard) = self.local_keyboard() else { return };
        keyboard.set_focus(self, None, SERIAL_COUNTER.next_serial());
        // With nobody listening every key goes up: the next window begins with none.
        for code in keyboard.pressed_keys() {
            let (serial, time) = (SERIAL_COUNTER.next_serial(), self.wayland.input.time);
            keyboard.input::<(), _>(self, code, KeyState::Released, serial, time, |_, _, _| {
                FilterResult::Forward
            });
        }
    }

    pub(super) fn local_key_event(&mut self, serial: u32, key: &message::Key) {
        let Some(keyboard) = self.local_keyboard() else { return };
        let time = key.time.get();
        self.wayland.input.time = time;
        let state = match key.state {
            types::KeyState::Released => KeyState::Released,
            // One more press is a repeat to programs.
            types::KeyState::Pressed | types::KeyState::Repeated => KeyState::Pressed,
        };
        let code = Keycode::new(key.code.get().saturating_add(8));
        let serial = self.wayland.input.serial(serial);
        keyboard.input::<(), _>(self, code, state, serial, time, |_, _, _| FilterResult::Forward);
    }

    pub(super) fn local_modifiers(&mut self, told: &message::Modifiers) {
        self.wayland.input.modifiers =
            (told.depressed.get(), told.latched.get(), told.locked.get(), told.group.get());
        if let Some(focus) = self.local_keyboard().and_then(|keyboard| keyboard.current_focus()) {
            let seat = self.wayland.seat.clone();
            focus.modifiers(&seat, self, ModifiersState::default(), SERIAL_COUNTER.next_serial());
        }
    }

    pub(super) fn local_keymap(&mut self, keymap: &With<'_, message::Keymap>) {
        let Some(keyboard) = self.local_keyboard() else { return };
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
            warn!(%error, "dom0's programs keep another keyboard layout");
        }
        self.keymap_for_input_method();
    }

    /// A window is about to go: input lets go of it.
    pub(super) fn forget_local_focus(&mut self, id: u32) {
        if self.wayland.input.pointer.is_some_and(|(window, _)| window == id) {
            self.local_pointer_leave();
        }
    }
}
