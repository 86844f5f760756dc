//! `zwp_virtual_keyboard_manager_v1`: keys that programs of dom0 make.
//!
//! What becomes of them: see `input/text/synthetic.rs`. A virtual keyboard brings a layout of its own. If it
//! is dom0's, as an input method's is, its keys are dom0's; else what a key means is looked for in dom0's
//! layout, and a key that means nothing there is dropped: windows keep the layout that they know.

use std::{
    collections::BTreeMap,
    os::{fd::OwnedFd, unix::fs::FileExt},
};

use smithay::{
    input::keyboard::xkb,
    reexports::{
        wayland_protocols_misc::zwp_virtual_keyboard_v1::server::{
            zwp_virtual_keyboard_manager_v1::{self, ZwpVirtualKeyboardManagerV1},
            zwp_virtual_keyboard_v1::{self, ZwpVirtualKeyboardV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, backend::ClientId,
            protocol::wl_keyboard::KeymapFormat,
        },
    },
};
use transom_protocol::limits::MAX_KEYMAP;

use crate::{
    Desktop,
    input::{keyboard::ModifierState, text::VirtualKey},
};

/// Real modifiers that choose what a key means: Shift, Lock, and the third level (Mod5).
const LEVELS: u32 = 1 | 1 << 1 | 1 << 7;

/// The layout of a virtual keyboard.
enum Layout {
    /// dom0's.
    Same,
    /// Another one, and what is held on it.
    Own(xkb::State),
}

/// A virtual keyboard.
struct VirtualKeyboard {
    object: ZwpVirtualKeyboardV1,
    layout: Option<Layout>,
    modifiers: ModifierState,
    /// Its keys that are down, and dom0's keys that they were taken for.
    down: BTreeMap<u32, u32>,
}

/// All virtual keyboards.
#[derive(Default)]
pub(in crate::wayland) struct VirtualKeyboards(Vec<VirtualKeyboard>);

impl std::fmt::Debug for VirtualKeyboards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("VirtualKeyboards").field(&self.0.len()).finish()
    }
}

/// The text of a layout that a program hands over. Nothing is mapped and nothing waited for.
fn read_keymap(file: OwnedFd, size: u32) -> Option<String> {
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_KEYMAP)?;
    let mut bytes = vec![0; size];
    std::fs::File::from(file).read_exact_at(&mut bytes, 0).ok()?;
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(size);
    bytes.truncate(end);
    String::from_utf8(bytes).ok()
}

impl Desktop {
    fn virtual_layout(&self, text: Option<String>) -> Option<Layout> {
        let text = text?;
        if self.input.keyboard.keymap_text().as_ref() == Some(&text) {
            return Some(Layout::Same);
        }
        let context = xkb::Context::new(xkb::CONTEXT_NO_FLAGS);
        let (format, flags) = (xkb::KEYMAP_FORMAT_TEXT_V1, xkb::KEYMAP_COMPILE_NO_FLAGS);
        let keymap = xkb::Keymap::new_from_string(&context, text, format, flags)?;
        Some(Layout::Own(xkb::State::new(&keymap)))
    }

    /// dom0's key that a key of a virtual keyboard stands for, and its modifiers.
    fn real_key(&self, keyboard: &VirtualKeyboard, code: u32) -> Option<(u32, ModifierState)> {
        let Some(Layout::Own(state)) = &keyboard.layout else { return Some((code, keyboard.modifiers)) };
        let sym = state.key_get_one_sym(code.checked_add(8)?.into());
        let (real, levels) = self.input.keyboard.key_for(sym)?;
        let group = self.input.text.told_modifiers.group;
        let depressed = keyboard.modifiers.depressed & !LEVELS | levels;
        Some((real, ModifierState { depressed, latched: 0, locked: 0, group }))
    }

    fn virtual_press(&mut self, client: &Client, at: usize, code: u32, pressed: bool) {
        let of_method = self.wayland.is_input_method(client);
        let Some(keyboard) = self.wayland.virtual_keyboards.0.get(at) else { return };
        let known = keyboard.down.get(&code).copied();
        let Some((real, modifiers)) = (match known {
            Some(real) if !pressed => Some((real, keyboard.modifiers)),
            // An input method hands releases back of keys whose press the window had before.
            _ => self.real_key(keyboard, code),
        }) else {
            return;
        };
        let now = self.clock.now();
        let told = self.virtual_key(VirtualKey { of_method, code: real, pressed, modifiers }, now);
        let Some(keyboard) = self.wayland.virtual_keyboards.0.get_mut(at) else { return };
        if !pressed {
            keyboard.down.remove(&code);
        } else if told {
            keyboard.down.insert(code, real);
        }
    }
}

impl GlobalDispatch<ZwpVirtualKeyboardManagerV1, ()> for Desktop {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwpVirtualKeyboardManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(manager, ());
    }
}

impl Dispatch<ZwpVirtualKeyboardManagerV1, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        _: &ZwpVirtualKeyboardManagerV1,
        request: zwp_virtual_keyboard_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let zwp_virtual_keyboard_manager_v1::Request::CreateVirtualKeyboard { id, .. } = request else {
            return;
        };
        let object = init.init(id, ());
        let modifiers = ModifierState::default();
        let keyboard = VirtualKeyboard { object, layout: None, modifiers, down: BTreeMap::new() };
        desktop.wayland.virtual_keyboards.0.push(keyboard);
    }
}

impl Dispatch<ZwpVirtualKeyboardV1, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        client: &Client,
        object: &ZwpVirtualKeyboardV1,
        request: zwp_virtual_keyboard_v1::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use zwp_virtual_keyboard_v1::Request as R;
        let keyboards = &desktop.wayland.virtual_keyboards.0;
        let Some(at) = keyboards.iter().position(|keyboard| keyboard.object == *object) else { return };
        if let R::Keymap { format, fd, size } = request {
            let known = format == KeymapFormat::XkbV1 as u32;
            let layout = desktop.virtual_layout(known.then(|| read_keymap(fd, size)).flatten());
            desktop.wayland.virtual_keyboards.0[at].layout = layout;
            return;
        }
        if keyboards[at].layout.is_none() && !matches!(request, R::Destroy) {
            object.post_error(
                zwp_virtual_keyboard_v1::Error::NoKeymap,
                "a keymap that can be read comes first",
            );
            return;
        }
        match request {
            R::Key { key, state, .. } => desktop.virtual_press(client, at, key, state == 1),
            R::Modifiers { mods_depressed, mods_latched, mods_locked, group } => {
                let keyboard = &mut desktop.wayland.virtual_keyboards.0[at];
                keyboard.modifiers = ModifierState {
                    depressed: mods_depressed,
                    latched: mods_latched,
                    locked: mods_locked,
                    group,
                };
                if let Some(Layout::Own(state)) = &mut keyboard.layout {
                    state.update_mask(mods_depressed, mods_latched, mods_locked, 0, 0, group);
                }
            }
            _ => {}
        }
    }

    /// Keys that it leaves down go up.
    fn destroyed(desktop: &mut Self, _: ClientId, object: &ZwpVirtualKeyboardV1, (): &()) {
        let keyboards = &mut desktop.wayland.virtual_keyboards.0;
        let Some(at) = keyboards.iter().position(|keyboard| keyboard.object == *object) else { return };
        let keyboard = keyboards.remove(at);
        let now = desktop.clock.now();
        for code in keyboard.down.into_values() {
            let modifiers = ModifierState::default();
            desktop.virtual_key(VirtualKey { of_method: false, code, pressed: false, modifiers }, now);
        }
    }
}
