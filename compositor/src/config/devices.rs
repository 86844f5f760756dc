//! Settings of devices: for a kind of them, and for single ones.
//!
//! A setting that is left out stays as libinput has it for that device.

use std::fmt;

use super::named::named;

named! {
    /// Whether a device is heard.
    pub enum SendEvents {
        /// Always.
        Enabled "enabled",
        /// Never.
        Disabled "disabled",
        /// Unless a mouse is there.
        DisabledOnExternalMouse "disabled-on-external-mouse",
    }

    /// How the pointer follows a motion.
    pub enum AccelProfile {
        /// Faster motions go farther.
        Adaptive "adaptive",
        /// All go equally far.
        Flat "flat",
    }

    /// What pressing a touchpad without buttons means.
    pub enum ClickMethod {
        /// The place at its lower edge says which button.
        ButtonAreas "button-areas",
        /// The number of fingers does.
        Clickfinger "clickfinger",
    }

    /// How one scrolls.
    pub enum ScrollMethod {
        /// Not at all, but with a wheel.
        None "none",
        /// Two fingers.
        TwoFinger "two-finger",
        /// A finger along the edge.
        Edge "edge",
        /// Motion while a button is held.
        OnButtonDown "on-button-down",
    }

    /// Which buttons taps of one, two and three fingers are.
    pub enum TapButtonMap {
        /// Left, right, middle.
        LeftRightMiddle "left-right-middle",
        /// Left, middle, right.
        LeftMiddleRight "left-middle-right",
    }

    /// Kinds of devices that settings are for. One device may be of several.
    pub enum DeviceKind {
        /// A touchpad.
        Touchpad "touchpad",
        /// A mouse, a trackball.
        Mouse "mouse",
        /// A stick among the keys.
        Trackpoint "trackpoint",
        /// A drawing tablet.
        Tablet "tablet",
        /// A touch screen.
        Touch "touch",
        /// A keyboard.
        Keyboard "keyboard",
        /// A switch, as of a lid.
        Switch "switch",
    }
}

/// One setting. [`fmt::Display`] gives it as the config file has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// See [`SendEvents`].
    SendEvents(SendEvents),
    /// A tap is a click.
    Tap(bool),
    /// See [`TapButtonMap`].
    TapButtonMap(TapButtonMap),
    /// A tap and a finger that stays down drag.
    TapDrag(bool),
    /// Such a drag outlasts a finger that is lifted for a moment.
    TapDragLock(bool),
    /// The touchpad rests while keys are typed.
    Dwt(bool),
    /// Contents follow the fingers.
    NaturalScroll(bool),
    /// From -1 to 1; 0 is the usual.
    AccelSpeed(f64),
    /// See [`AccelProfile`].
    AccelProfile(AccelProfile),
    /// See [`ClickMethod`].
    ClickMethod(ClickMethod),
    /// See [`ScrollMethod`].
    ScrollMethod(ScrollMethod),
    /// The button of `on-button-down`; evdev code.
    ScrollButton(u32),
    /// Left and right button together are the middle one.
    MiddleEmulation(bool),
    /// For the left hand.
    LeftHanded(bool),
    /// The monitor that the device reaches over, by its connector; else the desktop.
    MapToOutput(String),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SendEvents(value) => write!(f, "send-events {value}"),
            Self::Tap(on) => write!(f, "tap {on}"),
            Self::TapButtonMap(value) => write!(f, "tap-button-map {value}"),
            Self::TapDrag(on) => write!(f, "tap-drag {on}"),
            Self::TapDragLock(on) => write!(f, "tap-drag-lock {on}"),
            Self::Dwt(on) => write!(f, "dwt {on}"),
            Self::NaturalScroll(on) => write!(f, "natural-scroll {on}"),
            Self::AccelSpeed(speed) => write!(f, "accel-speed {speed:?}"),
            Self::AccelProfile(value) => write!(f, "accel-profile {value}"),
            Self::ClickMethod(value) => write!(f, "click-method {value}"),
            Self::ScrollMethod(value) => write!(f, "scroll-method {value}"),
            Self::ScrollButton(code) => write!(f, "scroll-button {code}"),
            Self::MiddleEmulation(on) => write!(f, "middle-emulation {on}"),
            Self::LeftHanded(on) => write!(f, "left-handed {on}"),
            Self::MapToOutput(output) => write!(f, "map-to-output \"{output}\""),
        }
    }
}

/// Settings, each at most once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// Adds a setting, in the place of the same one that was there.
    pub fn set(&mut self, setting: Setting) {
        let same = |other: &Setting| std::mem::discriminant(other) == std::mem::discriminant(&setting);
        match self.0.iter().position(same) {
            Some(at) => self.0[at] = setting,
            None => self.0.push(setting),
        }
    }

    /// Adds all of these.
    pub fn set_all(&mut self, other: &Self) {
        for setting in &other.0 {
            self.set(setting.clone());
        }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    /// The monitor to reach over.
    pub fn output(&self) -> Option<&str> {
        self.0.iter().find_map(|setting| match setting {
            Setting::MapToOutput(output) => Some(output.as_str()),
            _ => None,
        })
    }
}

impl FromIterator<Setting> for Settings {
    fn from_iter<T: IntoIterator<Item = Setting>>(settings: T) -> Self {
        let mut all = Self::default();
        settings.into_iter().for_each(|setting| all.set(setting));
        all
    }
}

/// What a device is, as far as settings ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceName {
    /// Its name.
    pub name: String,
    /// USB vendor and product, or what other buses have in their place.
    pub id: (u32, u32),
    /// Its kinds.
    pub kinds: Vec<DeviceKind>,
}

impl DeviceName {
    /// The vendor and product as `046d:c52b`.
    pub fn id_text(&self) -> String {
        format!("{:04x}:{:04x}", self.id.0, self.id.1)
    }
}

/// Settings of all devices.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceConfig {
    /// For kinds.
    pub kinds: Vec<(DeviceKind, Settings)>,
    /// For single devices, by name or `vendor:product`. They come after those of the kind.
    pub devices: Vec<(String, Settings)>,
}

impl Default for DeviceConfig {
    fn default() -> Self {
        // A touchpad without buttons could not click otherwise.
        let touchpad = Settings::from_iter([Setting::Tap(true)]);
        Self { kinds: vec![(DeviceKind::Touchpad, touchpad)], devices: Vec::new() }
    }
}

impl DeviceConfig {
    /// Sets what holds for a kind, in addition to what held.
    pub fn set_kind(&mut self, kind: DeviceKind, settings: &Settings) {
        match self.kinds.iter_mut().find(|(of, _)| *of == kind) {
            Some((_, all)) => all.set_all(settings),
            None => self.kinds.push((kind, settings.clone())),
        }
    }

    /// What a device should be set to.
    pub fn of(&self, device: &DeviceName) -> Settings {
        let mut all = Settings::default();
        for (_, settings) in self.kinds.iter().filter(|(kind, _)| device.kinds.contains(kind)) {
            all.set_all(settings);
        }
        let (name, id) = (device.name.as_str(), device.id_text());
        let own = |of: &str| of == name || of.eq_ignore_ascii_case(&id);
        for (_, settings) in self.devices.iter().filter(|(of, _)| own(of)) {
            all.set_all(settings);
        }
        all
    }
}
