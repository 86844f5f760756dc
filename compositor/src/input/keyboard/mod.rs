//! From keys of a device to chords of dom0, keys for the focused qube, or neither.
//!
//! Rule INTENT: no key and no modifier of a chord ever reaches a qube. A modifier that chords use
//! is kept back when it goes down. It is handed on as soon as another key, a button or its own
//! release shows that no chord was meant; if a chord fires, it is never handed on, and neither is
//! anything else until it is up again. Super is reserved to dom0 and never handed on.
//!
//! What a qube is told of modifiers is reckoned from the keys it was handed, not from the device:
//! it learns nothing of keys that went to others (NO-ORACLE). Keys repeat here and nowhere else.

mod layout;
mod sticky;

use std::{collections::BTreeMap, time::Duration};

use smithay::input::keyboard::xkb;
use tracing::warn;

use self::{
    layout::{Layout, modifier},
    sticky::Sticky,
};
pub use crate::config::bindings::Action;
use crate::config::{
    KeyboardConfig,
    bindings::{Bindings, Chord, Mods},
};

/// State of a key that is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardState {
    /// Went down.
    Pressed,
    /// Went up.
    Released,
    /// Is held.
    Repeated,
}

/// Modifiers as a qube is told of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModifierState {
    /// Held.
    pub depressed: u32,
    /// Until the next key.
    pub latched: u32,
    /// Locked.
    pub locked: u32,
    /// Layout.
    pub group: u32,
}

/// Locks that keyboards have lamps for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Locks {
    /// Caps Lock.
    pub caps: bool,
    /// Num Lock.
    pub num: bool,
    /// Scroll Lock.
    pub scroll: bool,
}

/// What comes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A key for the focused window; evdev code.
    Forward {
        /// evdev code.
        code: u32,
        /// What it does.
        state: ForwardState,
    },
    /// Modifiers for the focused window.
    Modifiers(ModifierState),
    /// A chord.
    Action(Action),
    /// The modifiers of that chord are up.
    ActionReleased(Action),
    /// A key while dom0 has the keyboard for itself.
    Dom0Key {
        /// XKB symbol.
        sym: u32,
        /// Down.
        pressed: bool,
    },
}

/// What became of a key that is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The focused qube was told.
    Forwarded,
    /// A modifier that may yet become part of a chord.
    Waiting,
    /// It went down before the focus came to where it is: its release is nobody's business.
    Stale,
    /// Part of a chord, or pressed while one was held, or Super.
    Kept,
    /// dom0's own pictures got it.
    Dom0,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    fate: Fate,
    /// The modifier it is.
    modifier: Mods,
}

/// See the module's text.
#[derive(Debug)]
pub struct Keyboard {
    layout: Layout,
    bindings: Bindings,
    delay: Duration,
    interval: Option<Duration>,
    held: BTreeMap<u32, Held>,
    /// dom0 has the keyboard for itself.
    grabbed: bool,
    /// The chord that fired and whose modifiers are still down.
    chord: Option<(Mods, Action)>,
    repeat: Option<(u32, Duration)>,
    told: ModifierState,
    sticky: Sticky,
}

/// Asks XKB whether it knows this layout.
///
/// # Errors
/// It does not; what is missing, in words.
pub fn check(config: &KeyboardConfig) -> Result<(), String> {
    Layout::new(config).map(drop)
}

impl Keyboard {
    /// A keyboard with these settings.
    ///
    /// # Errors
    /// XKB knows no such layout.
    pub fn new(config: &KeyboardConfig) -> Result<Self, String> {
        Ok(Self {
            layout: Layout::new(config)?,
            bindings: config.bindings.clone(),
            delay: config.repeat_delay,
            interval: config.repeat_interval,
            held: BTreeMap::new(),
            grabbed: false,
            chord: None,
            repeat: None,
            told: ModifierState::default(),
            sticky: Sticky::new(config.sticky),
        })
    }

    /// As [`Keyboard::new`]; where XKB knows no such layout, the default one is used and said so:
    /// a person must always be able to type.
    pub fn with_fallback(config: &KeyboardConfig) -> Self {
        Self::new(config).unwrap_or_else(|error| {
            warn!("{error}; the layout \"us\" is used");
            let fallback = KeyboardConfig { bindings: config.bindings.clone(), ..KeyboardConfig::default() };
            Self::new(&fallback).unwrap_or_else(|_| Self {
                layout: Layout::none(),
                bindings: config.bindings.clone(),
                delay: config.repeat_delay,
                interval: config.repeat_interval,
                held: BTreeMap::new(),
                grabbed: false,
                chord: None,
                repeat: None,
                told: ModifierState::default(),
                sticky: Sticky::default(),
            })
        })
    }

    /// Other settings. No key should be held: see [`Keyboard::release_all`]. True if the layout is another one.
    ///
    /// # Errors
    /// XKB knows no such layout; the old one stays, all else is taken up.
    pub fn reconfigure(&mut self, config: &KeyboardConfig) -> Result<bool, String> {
        self.bindings = config.bindings.clone();
        self.sticky.on = config.sticky;
        self.sticky.reset();
        (self.delay, self.interval) = (config.repeat_delay, config.repeat_interval);
        let layout = Layout::new(config)?;
        let changes = layout.names != self.layout.names;
        if changes {
            self.layout = layout;
            self.told = ModifierState::default();
        }
        Ok(changes)
    }

    /// Rules, model, layout, variant and options in force.
    pub fn names(&self) -> &[String; 5] {
        &self.layout.names
    }

    /// A key of the device; evdev code.
    pub fn key(&mut self, code: u32, pressed: bool, now: Duration) -> Vec<Outcome> {
        let modifier =
            self.layout.syms(code).first().is_some_and(|sym| {
                !modifier(*sym).is_empty() || sym.raw() == xkb::keysyms::KEY_ISO_Level3_Shift
            });
        let heard = self.sticky.key(code, pressed, modifier);
        heard.into_iter().flat_map(|(code, pressed)| self.heard(code, pressed, now)).collect()
    }

    fn heard(&mut self, code: u32, pressed: bool, now: Duration) -> Vec<Outcome> {
        if pressed == self.held.contains_key(&code) {
            // A device that says it twice, or a release of what was never pressed.
            return Vec::new();
        }
        if pressed { self.press(code, now) } else { self.release(code) }
    }

    fn press(&mut self, code: u32, now: Duration) -> Vec<Outcome> {
        let syms = self.layout.syms(code);
        let sym = self.layout.sym(code);
        let modifier = syms.first().map_or(Mods::NONE, |sym| modifier(*sym));
        let mut out = Vec::new();
        let mods = self.mods();
        let action = if modifier.is_empty() {
            syms.iter().find_map(|key| self.bindings.action(Chord { mods, key: *key })).cloned()
        } else {
            None
        };
        let fate = if let Some(action) = action {
            self.repeat = None;
            self.keep_modifiers(&mut out);
            self.chord = Some((mods.without(Mods::SHIFT), action.clone()));
            out.push(Outcome::Action(action));
            Fate::Kept
        } else if modifier == Mods::SUPER {
            Fate::Kept
        } else if self.grabbed {
            if modifier.is_empty() {
                out.push(Outcome::Dom0Key { sym: sym.raw(), pressed: true });
                Fate::Dom0
            } else {
                Fate::Kept
            }
        } else if self.chord_held() || mods.meets(Mods::SUPER) {
            Fate::Kept
        } else if modifier.meets(self.bindings.mods()) {
            Fate::Waiting
        } else {
            self.flush(&mut out);
            Fate::Forwarded
        };
        self.held.insert(code, Held { fate, modifier });
        // XKB hears of every key, so that locks and layouts stay right; a qube of those handed on.
        self.layout.device_key(code, true);
        if fate == Fate::Forwarded {
            out.push(Outcome::Forward { code, state: ForwardState::Pressed });
            self.layout.seen_key(code, true);
            if modifier.is_empty() {
                self.repeat =
                    self.interval.filter(|_| self.layout.repeats(code)).map(|_| (code, now + self.delay));
            }
        }
        self.tell_modifiers(&mut out);
        out
    }

    fn release(&mut self, code: u32) -> Vec<Outcome> {
        let mut out = Vec::new();
        if self.held.get(&code).is_some_and(|held| held.fate == Fate::Waiting) {
            // Pressed and let go with nothing in between: programs may mean something by it.
            self.flush(&mut out);
        }
        let Some(held) = self.held.remove(&code) else { return out };
        if self.repeat.is_some_and(|(repeating, _)| repeating == code) {
            self.repeat = None;
        }
        let sym = self.layout.sym(code);
        self.layout.device_key(code, false);
        match held.fate {
            Fate::Forwarded => {
                out.push(Outcome::Forward { code, state: ForwardState::Released });
                self.layout.seen_key(code, false);
            }
            Fate::Stale => self.layout.seen_key(code, false),
            Fate::Dom0 => out.push(Outcome::Dom0Key { sym: sym.raw(), pressed: false }),
            Fate::Waiting | Fate::Kept => {}
        }
        self.tell_modifiers(&mut out);
        if let Some((mods, _)) = self.chord
            && !mods.is_empty()
            && held.modifier.meets(mods)
            && !self.mods().meets(held.modifier)
            && let Some((_, action)) = self.chord.take()
        {
            out.push(Outcome::ActionReleased(action));
        } else if self.chord.as_ref().is_some_and(|(mods, _)| mods.is_empty()) {
            self.chord = None;
        }
        out
    }

    /// A button, a wheel or a finger: modifiers that were kept back are meant for it.
    pub fn pointer_event(&mut self) -> Vec<Outcome> {
        let mut out = Vec::new();
        if !self.grabbed {
            self.flush(&mut out);
            self.tell_modifiers(&mut out);
        }
        out
    }

    /// Another window has the focus: it is told that no key is held, and of the modifiers that
    /// are. Returns exactly one [`Outcome::Modifiers`].
    pub fn focus_changed(&mut self) -> Vec<Outcome> {
        self.repeat = None;
        self.layout.forget_seen();
        for (code, held) in &mut self.held {
            match held.fate {
                Fate::Forwarded | Fate::Stale if !held.modifier.is_empty() => {
                    held.fate = Fate::Stale;
                    self.layout.seen_key(*code, true);
                }
                Fate::Forwarded => held.fate = Fate::Stale,
                _ => {}
            }
        }
        self.told = self.layout.seen();
        vec![Outcome::Modifiers(self.told)]
    }

    /// Every key is up: the device is gone.
    pub fn release_all(&mut self, _now: Duration) -> Vec<Outcome> {
        self.sticky.reset();
        let codes: Vec<u32> = self.held.keys().copied().collect();
        codes.into_iter().flat_map(|code| self.release(code)).collect()
    }

    /// The key that repeats now, if one is due.
    pub fn repeat(&mut self, now: Duration) -> Option<Outcome> {
        let (code, at) = self.repeat?;
        let interval = self.interval?;
        if now < at {
            return None;
        }
        // After a pause the missed repeats are not made up for.
        self.repeat = Some((code, (at + interval).max(now)));
        Some(Outcome::Forward { code, state: ForwardState::Repeated })
    }

    /// When [`Keyboard::repeat`] has something.
    pub fn next_repeat(&self) -> Option<Duration> {
        self.repeat.map(|(_, at)| at)
    }

    /// dom0 takes the keyboard for itself, or gives it back. Keys that are down keep their fate.
    pub fn grab(&mut self, on: bool) {
        self.grabbed = on;
        if on {
            self.repeat = None;
            for held in self.held.values_mut().filter(|held| held.fate == Fate::Waiting) {
                held.fate = Fate::Kept;
            }
        }
    }

    /// True while dom0 has the keyboard for itself.
    pub fn is_grabbed(&self) -> bool {
        self.grabbed
    }

    /// The layout as XKB text; `None`: XKB has no data.
    pub fn keymap_text(&self) -> Option<String> {
        self.layout.text()
    }

    /// A key of the layout in force that means this, and the modifiers that it takes.
    pub fn key_for(&self, sym: xkb::Keysym) -> Option<(u32, u32)> {
        self.layout.key_for(sym)
    }

    /// True while Super is down.
    pub fn logo_held(&self) -> bool {
        self.mods().meets(Mods::SUPER)
    }

    /// How many layouts there are.
    pub fn layouts(&self) -> u32 {
        self.layout.count()
    }

    /// The layout in force, from 0.
    pub fn layout(&self) -> u32 {
        self.layout.group()
    }

    /// What the layouts are called, such as `us` or `de(neo)`.
    pub fn layout_labels(&self) -> Vec<String> {
        (0..self.layouts()).filter_map(|layout| self.layout.label(layout)).collect()
    }

    /// Puts a layout in force, from 0; nothing changes if there is none of that number.
    pub fn set_layout(&mut self, layout: u32) -> Vec<Outcome> {
        self.layout.set_group(layout);
        let mut out = Vec::new();
        self.tell_modifiers(&mut out);
        out
    }

    /// Locks that are on.
    pub fn locks(&self) -> Locks {
        self.layout.locks()
    }

    /// Modifiers that hold by themselves, in words; empty: none.
    pub fn stuck(&self) -> String {
        let names = self.sticky.held().filter_map(|(code, always)| {
            let sym = *self.layout.syms(code).first()?;
            let name = match modifier(sym) {
                Mods::CTRL => "Ctrl",
                Mods::ALT => "Alt",
                Mods::SHIFT => "Shift",
                Mods::SUPER => "Super",
                _ => "AltGr",
            };
            Some(if always { format!("{name} locked") } else { name.to_owned() })
        });
        names.collect::<Vec<_>>().join(" + ")
    }

    /// Modifiers that are down.
    pub fn held_mods(&self) -> Mods {
        self.mods()
    }

    /// Modifiers of the device itself, for a program that has every key.
    pub(crate) fn device_modifiers(&self) -> ModifierState {
        self.layout.device()
    }

    fn mods(&self) -> Mods {
        self.held.values().fold(Mods::NONE, |all, held| all.with(held.modifier))
    }

    /// True while a modifier that took part in a chord is down.
    fn chord_held(&self) -> bool {
        self.held.values().any(|held| held.fate == Fate::Kept && !held.modifier.is_empty())
    }

    /// Hands on the modifiers that were kept back.
    fn flush(&mut self, out: &mut Vec<Outcome>) {
        let waiting: Vec<u32> =
            self.held.iter().filter(|(_, held)| held.fate == Fate::Waiting).map(|(code, _)| *code).collect();
        for code in waiting {
            if let Some(held) = self.held.get_mut(&code) {
                held.fate = Fate::Forwarded;
            }
            out.push(Outcome::Forward { code, state: ForwardState::Pressed });
            self.layout.seen_key(code, true);
            self.tell_modifiers(out);
        }
    }

    /// A chord fires: its modifiers are dom0's. One that the qube knows of is taken back first.
    fn keep_modifiers(&mut self, out: &mut Vec<Outcome>) {
        let codes: Vec<u32> =
            self.held.iter().filter(|(_, held)| !held.modifier.is_empty()).map(|(code, _)| *code).collect();
        for code in codes {
            let Some(held) = self.held.get_mut(&code) else { continue };
            let before = std::mem::replace(&mut held.fate, Fate::Kept);
            if before == Fate::Forwarded {
                out.push(Outcome::Forward { code, state: ForwardState::Released });
            }
            if matches!(before, Fate::Forwarded | Fate::Stale) {
                self.layout.seen_key(code, false);
                self.tell_modifiers(out);
            }
        }
    }

    fn tell_modifiers(&mut self, out: &mut Vec<Outcome>) {
        let now = self.layout.seen();
        if now != self.told {
            self.told = now;
            out.push(Outcome::Modifiers(now));
        }
    }
}

/// evdev codes start 8 below those of XKB.
fn keycode(code: u32) -> xkb::Keycode {
    xkb::Keycode::new(code.saturating_add(8))
}

#[cfg(test)]
mod tests;
