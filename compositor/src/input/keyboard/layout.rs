//! What XKB knows of a keyboard: the layout, the device's state, and the state a qube is told of.

use smithay::input::keyboard::xkb::{self, Keysym, keysyms};

use super::{Locks, ModifierState, keycode};
use crate::config::{KeyboardConfig, bindings::Mods};

pub(super) struct Layout {
    /// Rules, model, layout, variant, options.
    pub(super) names: [String; 5],
    /// `None`: XKB has no data at all; keys are handed on, nothing is known of their meaning.
    xkb: Option<Keymap>,
}

struct Keymap {
    map: xkb::Keymap,
    /// All keys of the device.
    device: xkb::State,
    /// Those that the focused qube was handed.
    seen: xkb::State,
    /// Chosen layout.
    group: u32,
}

impl std::fmt::Debug for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layout").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The modifier that a key is, by what it means without others.
pub(super) fn modifier(sym: Keysym) -> Mods {
    match sym.raw() {
        keysyms::KEY_Control_L | keysyms::KEY_Control_R => Mods::CTRL,
        keysyms::KEY_Alt_L | keysyms::KEY_Alt_R | keysyms::KEY_Meta_L | keysyms::KEY_Meta_R => Mods::ALT,
        keysyms::KEY_Shift_L | keysyms::KEY_Shift_R => Mods::SHIFT,
        keysyms::KEY_Super_L | keysyms::KEY_Super_R | keysyms::KEY_Hyper_L | keysyms::KEY_Hyper_R => {
            Mods::SUPER
        }
        _ => Mods::NONE,
    }
}

impl Layout {
    pub(super) fn new(config: &KeyboardConfig) -> Result<Self, String> {
        let context = xkb::Context::new(xkb::CONTEXT_NO_FLAGS);
        let options = (!config.options.is_empty()).then(|| config.options.clone());
        let keymap = xkb::Keymap::new_from_names(
            &context,
            &config.rules,
            &config.model,
            &config.layout,
            &config.variant,
            options,
            xkb::KEYMAP_COMPILE_NO_FLAGS,
        )
        .ok_or_else(|| {
            format!(
                "there is no keyboard layout \"{}\" with variant \"{}\", model \"{}\" and options \"{}\"",
                config.layout, config.variant, config.model, config.options
            )
        })?;
        let names = [&config.rules, &config.model, &config.layout, &config.variant, &config.options]
            .map(String::clone);
        let (device, seen) = (xkb::State::new(&keymap), xkb::State::new(&keymap));
        Ok(Self { names, xkb: Some(Keymap { map: keymap, device, seen, group: 0 }) })
    }

    pub(super) fn none() -> Self {
        Self { names: std::array::from_fn(|_| String::new()), xkb: None }
    }

    /// What the key means now.
    pub(super) fn sym(&self, code: u32) -> Keysym {
        self.xkb.as_ref().map_or(Keysym::from(0), |k| k.device.key_get_one_sym(keycode(code)))
    }

    /// What the key means without modifiers: in the layout chosen, then in the others, so that
    /// chords with letters work with a layout that has none of them.
    pub(super) fn syms(&self, code: u32) -> Vec<Keysym> {
        let Some(Keymap { map: keymap, group, .. }) = &self.xkb else { return Vec::new() };
        let code = keycode(code);
        let layouts = keymap.num_layouts_for_key(code);
        let first = (*group).min(layouts.saturating_sub(1));
        let plain = |layout| keymap.key_get_syms_by_level(code, layout, 0).first().copied();
        let Some(own) = (layouts > 0).then(|| plain(first)).flatten() else { return Vec::new() };
        // A Latin letter or a key without letters means what it says.
        if own.raw() < 0x100 || own.raw() >= 0xff00 && own.raw() < 0x1_0000 {
            return vec![own];
        }
        std::iter::once(own).chain((0..layouts).filter(|l| *l != first).filter_map(plain)).collect()
    }

    /// All of it as XKB text.
    pub(super) fn text(&self) -> Option<String> {
        self.xkb.as_ref().map(|k| k.map.get_as_string(xkb::KEYMAP_FORMAT_TEXT_V1))
    }

    /// A key that means this in the layout in force, and the modifiers that it takes: none, Shift, the third
    /// level, or both.
    pub(super) fn key_for(&self, sym: Keysym) -> Option<(u32, u32)> {
        const SHIFT: u32 = 1;
        const LEVEL3: u32 = 1 << 7;
        let k = self.xkb.as_ref()?;
        let mut state = xkb::State::new(&k.map);
        [0, SHIFT, LEVEL3, SHIFT | LEVEL3].into_iter().find_map(|mods| {
            state.update_mask(mods, 0, 0, 0, 0, k.group);
            let mut codes = k.map.min_keycode().raw()..=k.map.max_keycode().raw();
            let code = codes.find(|code| state.key_get_one_sym((*code).into()) == sym)?;
            Some((code.checked_sub(8)?, mods))
        })
    }

    /// True if the key may repeat.
    pub(super) fn repeats(&self, code: u32) -> bool {
        self.xkb.as_ref().is_some_and(|k| k.map.key_repeats(keycode(code)))
    }

    pub(super) fn device_key(&mut self, code: u32, pressed: bool) {
        if let Some(k) = &mut self.xkb {
            k.device.update_key(keycode(code), direction(pressed));
            // A key of the layout itself may have chosen another one.
            k.group = k.device.serialize_layout(xkb::STATE_LAYOUT_EFFECTIVE);
        }
    }

    pub(super) fn seen_key(&mut self, code: u32, pressed: bool) {
        if let Some(k) = &mut self.xkb {
            k.seen.update_key(keycode(code), direction(pressed));
        }
    }

    /// The qube is told of no key.
    pub(super) fn forget_seen(&mut self) {
        if let Some(k) = &mut self.xkb {
            k.seen = xkb::State::new(&k.map);
        }
    }

    /// The modifiers that the qube is told of. Locks and the layout are the person's own choice
    /// and hold for every window; what is held down is only what the qube was handed.
    pub(super) fn seen(&self) -> ModifierState {
        let Some(k) = &self.xkb else { return ModifierState::default() };
        ModifierState {
            depressed: k.seen.serialize_mods(xkb::STATE_MODS_DEPRESSED),
            latched: k.seen.serialize_mods(xkb::STATE_MODS_LATCHED),
            locked: k.device.serialize_mods(xkb::STATE_MODS_LOCKED),
            group: k.group,
        }
    }

    /// The modifiers of the device, whoever was handed their keys.
    pub(super) fn device(&self) -> ModifierState {
        let Some(k) = &self.xkb else { return ModifierState::default() };
        ModifierState {
            depressed: k.device.serialize_mods(xkb::STATE_MODS_DEPRESSED),
            latched: k.device.serialize_mods(xkb::STATE_MODS_LATCHED),
            locked: k.device.serialize_mods(xkb::STATE_MODS_LOCKED),
            group: k.group,
        }
    }

    /// See [`Locks`].
    pub(super) fn locks(&self) -> Locks {
        let on = |name: &str| self.xkb.as_ref().is_some_and(|k| k.device.led_name_is_active(name));
        Locks { caps: on(xkb::LED_NAME_CAPS), num: on(xkb::LED_NAME_NUM), scroll: on(xkb::LED_NAME_SCROLL) }
    }

    /// How many layouts there are.
    pub(super) fn count(&self) -> u32 {
        self.xkb.as_ref().map_or(0, |k| k.map.num_layouts())
    }

    /// The one in force, from 0.
    pub(super) fn group(&self) -> u32 {
        self.xkb.as_ref().map_or(0, |k| k.group)
    }

    /// Puts another one in force, if there is one of that number.
    pub(super) fn set_group(&mut self, group: u32) {
        let Some(k) = self.xkb.as_mut().filter(|k| group < k.map.num_layouts()) else { return };
        k.group = group;
        let mods = |state: &xkb::State, part| state.serialize_mods(part);
        let (depressed, latched, locked) = (
            mods(&k.device, xkb::STATE_MODS_DEPRESSED),
            mods(&k.device, xkb::STATE_MODS_LATCHED),
            mods(&k.device, xkb::STATE_MODS_LOCKED),
        );
        k.device.update_mask(depressed, latched, locked, 0, 0, group);
    }

    /// What a layout is called in the bar: `de`, or with its variant `de(neo)`.
    pub(super) fn label(&self, group: u32) -> Option<String> {
        let [_, _, layouts, variants, _] = &self.names;
        let at = |names: &str| names.split(',').nth(group as usize).map(|name| name.trim().to_owned());
        let layout = at(layouts).filter(|name| !name.is_empty())?;
        match at(variants).filter(|name| !name.is_empty()) {
            Some(variant) => Some(format!("{layout}({variant})")),
            None => Some(layout),
        }
    }
}

fn direction(pressed: bool) -> xkb::KeyDirection {
    if pressed { xkb::KeyDirection::Down } else { xkb::KeyDirection::Up }
}
