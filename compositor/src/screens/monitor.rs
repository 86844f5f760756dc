//! A monitor, as the back end that has it tells of it.

use std::fmt;

use smithay::utils::{Logical, Physical, Point, Size};

/// How a monitor is known. Texts are those of its EDID, cleaned; empty where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// As the kernel calls its connector: `HDMI-A-1`.
    pub connector: String,
    /// Three letters of the maker.
    pub make: String,
    /// Name of the product.
    pub model: String,
    /// Serial number.
    pub serial: String,
}

impl Identity {
    /// A monitor of which only the connector is known.
    pub fn of(connector: &str) -> Self {
        Self { connector: connector.into(), ..Self::default() }
    }

    /// The same piece of hardware as far as its EDID tells, whatever it is plugged into.
    pub(super) fn same_make(&self, other: &Self) -> bool {
        (&self.make, &self.model, &self.serial) == (&other.make, &other.model, &other.serial)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.connector)?;
        let texts = [&self.make, &self.model, &self.serial].into_iter().filter(|text| !text.is_empty());
        let about: Vec<&str> = texts.map(String::as_str).collect();
        if about.is_empty() { Ok(()) } else { write!(f, " ({})", about.join(" ")) }
    }
}

/// A way to drive a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Device pixels.
    pub size: Size<i32, Physical>,
    /// Refresh in millihertz.
    pub refresh: u32,
}

/// What holds for a monitor if nobody says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// Scale in 120ths.
    pub scale: Option<u32>,
    /// Its top left corner on the desktop.
    pub at: Option<Point<i32, Logical>>,
}

/// A monitor that is plugged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Monitor {
    /// Which.
    pub identity: Identity,
    /// Its modes, the one that it likes best first. Never empty.
    pub modes: Vec<Mode>,
    /// Size in millimetres, 0: unknown.
    pub millimetres: (u32, u32),
    /// Its refresh can vary.
    pub varies: bool,
    /// What the back end would have.
    pub hint: Hint,
}

impl Monitor {
    /// A monitor with a single mode, at 60 Hz.
    pub fn simple(name: &str, size: Size<i32, Physical>) -> Self {
        Self {
            identity: Identity::of(name),
            modes: vec![Mode { size, refresh: 60_000 }],
            millimetres: (0, 0),
            varies: false,
            hint: Hint::default(),
        }
    }
}
