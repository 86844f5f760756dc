//! Trust labels: colour, pattern and letter together.

use std::{fmt, str::FromStr};

use thiserror::Error;

/// How far the person trusts a qube. Shown as colour, pattern and letter at once, so that none of
/// the three has to be seen for the label to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Not trusted at all.
    Red,
    /// See [`Label::name`].
    Orange,
    /// See [`Label::name`].
    Yellow,
    /// See [`Label::name`].
    Green,
    /// See [`Label::name`].
    Blue,
    /// See [`Label::name`].
    Purple,
    /// See [`Label::name`].
    Grey,
    /// By custom the most trusted.
    Black,
}

impl Label {
    /// All labels in the order in which lists show them. Neighbours differ for every kind of
    /// colour vision.
    pub const ALL: [Self; 8] = [
        Self::Red,
        Self::Orange,
        Self::Yellow,
        Self::Green,
        Self::Blue,
        Self::Purple,
        Self::Grey,
        Self::Black,
    ];

    /// Name in config files and for the person.
    pub fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Yellow => "yellow",
            Self::Green => "green",
            Self::Blue => "blue",
            Self::Purple => "purple",
            Self::Grey => "grey",
            Self::Black => "black",
        }
    }

    /// The label of this name, exactly as [`Label::name`] writes it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|label| label.name() == name)
    }

    /// One letter for the swatch: the first of the name that no earlier label has.
    pub fn letter(self) -> char {
        match self {
            Self::Red => 'R',
            Self::Orange => 'O',
            Self::Yellow => 'Y',
            Self::Green => 'G',
            Self::Blue => 'B',
            Self::Purple => 'P',
            Self::Grey => 'E',
            Self::Black => 'L',
        }
    }

    /// The pattern of frames and swatches. No two labels share one, and the two directions of
    /// stripes are far apart in the list.
    pub fn pattern(self) -> Pattern {
        match self {
            Self::Red => Pattern::StripesUp,
            Self::Orange => Pattern::Dots,
            Self::Yellow => Pattern::Chevrons,
            Self::Green => Pattern::Solid,
            Self::Blue => Pattern::Grid,
            Self::Purple => Pattern::Waves,
            Self::Grey => Pattern::StripesDown,
            Self::Black => Pattern::Checks,
        }
    }

    /// Place in [`Label::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that no label has.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("there is no label of that name; labels are red, orange, yellow, green, blue, purple, grey, black")]
pub struct ParseLabelError;

impl FromStr for Label {
    type Err = ParseLabelError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::from_name(name).ok_or(ParseLabelError)
    }
}

/// Pattern in a frame: readable without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// One tone.
    Solid,
    /// Diagonals that rise to the right.
    StripesUp,
    /// Diagonals that fall to the right.
    StripesDown,
    /// A row of dots.
    Dots,
    /// A line along the strip, crossed by rungs.
    Grid,
    /// Arrow heads.
    Chevrons,
    /// A wavy line.
    Waves,
    /// A chequerboard.
    Checks,
    /// A brushed band along the strip: dom0's own. No label has it.
    Steel,
}
