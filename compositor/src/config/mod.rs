//! Settings: one KDL file, every part of it optional.
//!
//! `default.kdl` shows every setting with its default; a test holds the two together.

mod arrangement;
pub mod bindings;
pub mod bound;
pub mod cards;
mod device_nodes;
pub mod devices;
mod error;
mod file;
pub mod gestures;
mod named;
mod night_node;
mod outputs;
pub mod window_rules;

use std::{path::Path, path::PathBuf, time::Duration};

pub use arrangement::ArrangeConfig;
pub use error::ConfigError;
pub use outputs::OutputConfig;
use transom_protocol::session::Limits;
use transom_theming::Variant;

use self::{
    bindings::Bindings,
    bound::Bound,
    cards::CardName,
    devices::DeviceConfig,
    gestures::{Gestures, SwitchEvent},
    named::named,
};
use crate::trust::policy::Policy;
pub use crate::{idle::IdleConfig, screens::night::NightConfig, trust::clipboard::ClipboardConfig};

/// The commented default config.
pub const DEFAULT: &str = include_str!("default.kdl");

/// All settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Keyboard and chords.
    pub keyboard: KeyboardConfig,
    /// Settings of devices.
    pub devices: DeviceConfig,
    /// Gestures of the desktop.
    pub gestures: Gestures,
    /// What switches of the machine do.
    pub switches: Bound<SwitchEvent>,
    /// The clipboard between qubes.
    pub clipboard: ClipboardConfig,
    /// What may be dropped where.
    pub drag: Policy,
    /// How it looks.
    pub theme: ThemeConfig,
    /// What happens when nobody is there.
    pub idle: IdleConfig,
    /// Night colour.
    pub night: NightConfig,
    /// Notifications of qubes.
    pub notifications: NotificationConfig,
    /// What single qubes may do.
    pub qubes: Vec<QubeConfig>,
    /// Graphics cards, the one that is liked best first.
    pub cards: Vec<CardName>,
    /// How windows stand on workspaces.
    pub arrange: ArrangeConfig,
    /// What holds of windows that come; of several rules what is said last.
    pub windows: Vec<window_rules::WindowRule>,
    /// Monitors; the first that fits holds.
    pub outputs: Vec<OutputConfig>,
    /// The desktop draws no bar: a program of dom0 does.
    pub no_bar: bool,
    /// Nothing moves by itself.
    pub no_animations: bool,
    /// How large the pointer is.
    pub cursor: CursorSize,
}

/// Side of the pointer's picture in logical pixels, of those pointers that dom0 draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorSize(pub u32);

impl Default for CursorSize {
    fn default() -> Self {
        Self(24)
    }
}

impl CursorSize {
    /// The scale in 120ths at which a pointer is that large, on a screen of this scale.
    pub(crate) fn drawn_at(self, scale: u32) -> u32 {
        scale * self.0 / Self::default().0
    }
}

named! {
    /// Whose the chosen one of several layouts is.
    pub enum LayoutScope {
        /// The desktop's.
        Global "global",
        /// Each window has its own.
        Window "window",
    }
}

/// Keyboard layout and chords.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyboardConfig {
    /// XKB names; empty: the default of libxkbcommon.
    pub rules: String,
    /// See `rules`.
    pub model: String,
    /// See `rules`; several with commas between.
    pub layout: String,
    /// See `rules`.
    pub variant: String,
    /// See `rules`.
    pub options: String,
    /// Whose the chosen one of several layouts is.
    pub layout_scope: LayoutScope,
    /// How long a key is held before it repeats.
    pub repeat_delay: Duration,
    /// Time between repeats; `None`: keys never repeat.
    pub repeat_interval: Option<Duration>,
    /// Modifiers that are tapped hold for the next key.
    pub sticky: bool,
    /// Chords.
    pub bindings: Bindings,
}

impl Default for KeyboardConfig {
    fn default() -> Self {
        Self {
            rules: String::new(),
            model: String::new(),
            layout: "us".into(),
            variant: String::new(),
            options: String::new(),
            layout_scope: LayoutScope::Global,
            repeat_delay: Duration::from_millis(400),
            repeat_interval: Some(Duration::from_millis(33)),
            sticky: false,
            bindings: Bindings::default(),
        }
    }
}

/// Which theme.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThemeConfig {
    /// Built-in one that is used without a file, or with a bad one.
    pub variant: Variant,
    /// A theme file.
    pub file: Option<PathBuf>,
}

/// How notifications of qubes are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotificationConfig {
    /// How long one that matters little is seen.
    pub low: Duration,
    /// How long one that matters as most do is seen.
    pub normal: Duration,
    /// None is shown until the person says otherwise.
    pub quiet: bool,
}

impl Default for NotificationConfig {
    fn default() -> Self {
        Self { low: Duration::from_secs(4), normal: Duration::from_secs(8), quiet: false }
    }
}

/// Settings for one qube.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QubeConfig {
    /// Its name.
    pub name: String,
    /// Most windows of every kind.
    pub windows: Option<u32>,
    /// Most window memory it may grant, in MiB.
    pub memory_mib: Option<u32>,
    /// How far it may keep the screens on.
    pub idle_inhibit: Option<IdleInhibit>,
    /// Its programs' notifications are shown.
    pub notifications: Option<bool>,
    /// Its programs' status icons are shown.
    pub status_icons: Option<bool>,
}

/// How far a qube may keep the lock and the dark screen away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdleInhibit {
    /// Not at all.
    Never,
    /// For a time: [`IdleConfig::inhibit_at_most`].
    #[default]
    Limited,
    /// As long as it likes.
    Always,
}

impl Config {
    /// Reads settings. `file_name` is for messages, and says where included files are looked for.
    ///
    /// # Errors
    /// Syntax, unknown settings, values out of range, an included file that cannot be read; with file,
    /// line and column.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, ConfigError> {
        let mut read = file::Read::default();
        read.take(file_name, text)?;
        Ok(read.config)
    }

    /// How far a qube may keep the screens on.
    pub fn idle_inhibit(&self, qube: &str) -> IdleInhibit {
        self.own(qube, |own| own.idle_inhibit).unwrap_or_default()
    }

    /// A setting of one qube, as it was said last.
    fn own<T>(&self, qube: &str, setting: impl Fn(&QubeConfig) -> Option<T>) -> Option<T> {
        self.qubes.iter().filter(|own| own.name == qube).filter_map(setting).next_back()
    }

    /// True if a qube's notifications are shown.
    pub fn takes_notifications(&self, qube: &str) -> bool {
        self.own(qube, |own| own.notifications).unwrap_or(true)
    }

    /// True if a qube's status icons are shown.
    pub fn takes_status_icons(&self, qube: &str) -> bool {
        self.own(qube, |own| own.status_icons).unwrap_or(true)
    }

    /// Limits of a qube's link.
    pub fn limits(&self, qube: &str) -> Limits {
        let mut limits = Limits {
            selection_bytes: u32::try_from(self.clipboard.max_bytes).unwrap_or(u32::MAX),
            ..Limits::default()
        };
        for own in self.qubes.iter().filter(|own| own.name == qube) {
            limits.windows = own.windows.unwrap_or(limits.windows);
            limits.grant_bytes = own.memory_mib.map_or(limits.grant_bytes, |mib| u64::from(mib) << 20);
        }
        limits
    }
}

/// A config file as it was read.
#[derive(Debug)]
pub struct Loaded {
    /// Its settings, or what is wrong with them.
    pub config: Result<Config, ConfigError>,
    /// It, and the files that it includes, as far as it was read: a change of one of them is a reason to
    /// read it again.
    pub files: Vec<PathBuf>,
}

impl Default for Loaded {
    /// No file: the built-in settings.
    fn default() -> Self {
        Self { config: Ok(Config::default()), files: Vec::new() }
    }
}

/// Reads a config file.
pub fn load(path: &Path) -> Loaded {
    let mut read = file::Read { files: vec![path.to_owned()], ..file::Read::default() };
    let taken = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::unreadable(path, &error))
        .and_then(|text| read.take(&path.display().to_string(), &text));
    Loaded { config: taken.map(|()| read.config), files: read.files }
}

#[cfg(test)]
mod tests;
