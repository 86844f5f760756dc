//! What can have the keys: a surface, or a window of X11, which the X server must be told of too.

use std::borrow::Cow;

use smithay::{
    backend::input::KeyState,
    input::{
        Seat,
        keyboard::{KeyboardTarget, KeysymHandle, ModifiersState, SerializedMods},
    },
    reexports::wayland_server::{backend::ObjectId, protocol::wl_surface::WlSurface},
    utils::{IsAlive, Serial},
    wayland::seat::WaylandFocus,
    xwayland::X11Surface,
};

use crate::Agent;

/// See the module's text.
#[expect(clippy::large_enum_variant, reason = "there are as many as people have keyboards")]
#[derive(Clone, Debug, PartialEq)]
pub enum KeyboardFocus {
    /// A surface of a Wayland program.
    Wayland(WlSurface),
    /// A window of an X11 program, and its surface.
    X11(X11Surface, WlSurface),
}

impl IsAlive for KeyboardFocus {
    fn alive(&self) -> bool {
        match self {
            Self::Wayland(surface) => surface.alive(),
            Self::X11(window, _) => window.alive(),
        }
    }
}

impl WaylandFocus for KeyboardFocus {
    fn wl_surface(&self) -> Option<Cow<'_, WlSurface>> {
        match self {
            Self::Wayland(surface) => Some(Cow::Borrowed(surface)),
            Self::X11(_, surface) => Some(Cow::Borrowed(surface)),
        }
    }

    fn same_client_as(&self, object: &ObjectId) -> bool {
        match self {
            Self::Wayland(surface) => surface.same_client_as(object),
            Self::X11(_, surface) => surface.same_client_as(object),
        }
    }
}

impl KeyboardTarget<Agent> for KeyboardFocus {
    fn enter(&self, seat: &Seat<Agent>, agent: &mut Agent, keys: Vec<KeysymHandle<'_>>, serial: Serial) {
        match self {
            Self::Wayland(surface) => KeyboardTarget::enter(surface, seat, agent, keys, serial),
            Self::X11(window, surface) => {
                // Xwayland before 23.1 does not tie the two together, and is told of both.
                if window.wl_surface().is_none() {
                    KeyboardTarget::enter(window, seat, agent, Vec::new(), serial);
                    KeyboardTarget::enter(surface, seat, agent, keys, serial);
                } else {
                    KeyboardTarget::enter(window, seat, agent, keys, serial);
                }
            }
        }
    }

    fn leave(&self, seat: &Seat<Agent>, agent: &mut Agent, serial: Serial) {
        match self {
            Self::Wayland(surface) => KeyboardTarget::leave(surface, seat, agent, serial),
            Self::X11(window, surface) => {
                KeyboardTarget::leave(window, seat, agent, serial);
                if window.wl_surface().is_none() {
                    KeyboardTarget::leave(surface, seat, agent, serial);
                }
            }
        }
    }

    fn key(
        &self,
        seat: &Seat<Agent>,
        agent: &mut Agent,
        key: KeysymHandle<'_>,
        state: KeyState,
        serial: Serial,
        time: u32,
    ) {
        match self {
            Self::Wayland(surface) => KeyboardTarget::key(surface, seat, agent, key, state, serial, time),
            Self::X11(window, surface) => {
                if window.wl_surface().is_none() {
                    KeyboardTarget::key(surface, seat, agent, key, state, serial, time);
                } else {
                    KeyboardTarget::key(window, seat, agent, key, state, serial, time);
                }
            }
        }
    }

    /// Modifiers are what dom0 says, not what the keys that came here add up to: locks and layout
    /// hold beyond the window that has the keys.
    fn modifiers(&self, seat: &Seat<Agent>, agent: &mut Agent, modifiers: ModifiersState, serial: Serial) {
        let (depressed, latched, locked, layout_effective) = agent.input.modifiers;
        let serialized = SerializedMods { depressed, latched, locked, layout_effective };
        let modifiers = ModifiersState { serialized, ..modifiers };
        match self {
            Self::Wayland(surface) => KeyboardTarget::modifiers(surface, seat, agent, modifiers, serial),
            Self::X11(window, surface) => {
                KeyboardTarget::modifiers(window, seat, agent, modifiers, serial);
                if window.wl_surface().is_none() {
                    KeyboardTarget::modifiers(surface, seat, agent, modifiers, serial);
                }
            }
        }
    }
}
