//! What has changed since the caller last asked.

use std::ops::{BitOr, BitOrAssign};

/// A set of things that may have changed. It may name too much, never too little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change(u8);

impl Change {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Where, how or in which order windows are drawn.
    pub const LAYOUT: Self = Self(1);
    /// Which window has the focus.
    pub const FOCUS: Self = Self(2);
    /// Which workspace is shown, or which are in use.
    pub const WORKSPACE: Self = Self(4);
    /// The switcher.
    pub const SWITCHER: Self = Self(8);
    /// What a window is asked to be.
    pub const WANTED: Self = Self(16);

    /// Everything in `other` is in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Nothing has changed.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for Change {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Change {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}
