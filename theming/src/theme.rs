//! Colours, sizes and fonts of everything dom0 draws.

use std::str::FromStr;

use crate::{
    Label, Rgb,
    color::{contrast, difference},
};

/// Which built-in theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Variant {
    /// Light text on dark neutrals.
    #[default]
    Dark,
    /// Dark text on light neutrals.
    Light,
}

impl Variant {
    /// Name in config files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dark => "dark",
            Self::Light => "light",
        }
    }
}

impl FromStr for Variant {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "dark" => Ok(Self::Dark),
            "light" => Ok(Self::Light),
            _ => Err("a theme is either \"dark\" or \"light\""),
        }
    }
}

/// The two tones of a label, or of dom0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tones {
    /// Fills frames, bars and swatches.
    pub(crate) color: Rgb,
    /// The pattern on it.
    pub(crate) pattern: Rgb,
}

/// Tones that mean nothing about trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Neutrals {
    /// The empty desktop.
    pub(crate) background: Rgb,
    /// Behind a window's content while it has none, or where it is see-through.
    pub(crate) backdrop: Rgb,
    /// Bar, captions, prompts and notices.
    pub(crate) panel: Rgb,
    /// Title bar of a window without the keys.
    pub(crate) inactive: Rgb,
    /// Buttons of prompts.
    pub(crate) raised: Rgb,
    /// Text.
    pub(crate) text: Rgb,
    /// Text that matters less.
    pub(crate) dim: Rgb,
    /// The line between frame and content.
    pub(crate) line: Rgb,
}

/// Sizes in logical pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) frame: i32,
    pub(crate) title: i32,
    pub(crate) popup: i32,
    pub(crate) bar: i32,
    pub(crate) font: i32,
}

/// How everything of dom0's looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theme {
    pub(crate) variant: Variant,
    pub(crate) labels: [Tones; 8],
    pub(crate) steel: Tones,
    pub(crate) neutrals: Neutrals,
    pub(crate) sizes: Sizes,
    pub(crate) fonts: Vec<String>,
}

/// Rule a theme has to keep, broken.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Two labels look alike. The second one is to blame.
    Alike(Label, Label),
    /// A label looks like dom0's own.
    LikeSteel(Label),
    /// A label's pattern cannot be seen on its colour.
    FaintPattern(Option<Label>),
    /// Text cannot be read on a neutral. Which text, and on what.
    Unreadable(&'static str, &'static str),
}

/// Least difference (CIEDE2000) of any two labels to an eye that sees all colours.
const LEAST_DIFFERENCE: f32 = 8.0;
/// Least contrast of a pattern on its colour. Lower than WCAG asks of text: patterns must be
/// visible, not loud.
const LEAST_PATTERN: f32 = 1.3;

const fn tones(color: u32, pattern: u32) -> Tones {
    Tones { color: Rgb::hex(color), pattern: Rgb::hex(pattern) }
}

impl Theme {
    /// A theme that is always there.
    pub fn builtin(variant: Variant) -> Self {
        let (labels, steel, neutrals) = match variant {
            Variant::Dark => (
                [
                    tones(0x00d6_3a3f, 0x0086_1218),
                    tones(0x00f0_8a2c, 0x00a3_4c00),
                    tones(0x00f7_d548, 0x00b0_8600),
                    tones(0x003f_ab5f, 0x001d_7a3b),
                    tones(0x002f_6fe0, 0x0012_3f96),
                    tones(0x00b5_86ee, 0x0076_40b8),
                    tones(0x0084_8b93, 0x0050_575f),
                    tones(0x0008_090b, 0x0078_818c),
                ],
                tones(0x00b9_c4cf, 0x0073_8191),
                Neutrals {
                    background: Rgb::hex(0x0016_181c),
                    backdrop: Rgb::hex(0x000d_0e10),
                    panel: Rgb::hex(0x001f_2227),
                    inactive: Rgb::hex(0x002e_3238),
                    raised: Rgb::hex(0x0034_3941),
                    text: Rgb::hex(0x00eb_edf0),
                    dim: Rgb::hex(0x00a8_b0b9),
                    line: Rgb::hex(0x0007_080a),
                },
            ),
            Variant::Light => (
                [
                    tones(0x00cf_2e36, 0x007f_0f16),
                    tones(0x00ee_8420, 0x009c_4700),
                    tones(0x00f2_cb2f, 0x00a2_7a00),
                    tones(0x0035_a156, 0x0017_6c33),
                    tones(0x0025_63d4, 0x0010_3a8c),
                    tones(0x00ab_78e8, 0x006c_36ae),
                    tones(0x007f_868e, 0x004b_5259),
                    tones(0x0023_272d, 0x006b_737e),
                ],
                tones(0x00b4_bfca, 0x006f_7d8c),
                Neutrals {
                    background: Rgb::hex(0x00c8_cdd3),
                    backdrop: Rgb::hex(0x00ff_ffff),
                    panel: Rgb::hex(0x00f3_f4f6),
                    inactive: Rgb::hex(0x00e2_e5e9),
                    raised: Rgb::hex(0x00d9_dde2),
                    text: Rgb::hex(0x0015_181c),
                    dim: Rgb::hex(0x004e_565f),
                    line: Rgb::hex(0x0014_171a),
                },
            ),
        };
        Self {
            variant,
            labels,
            steel,
            neutrals,
            sizes: Sizes { frame: 3, title: 26, popup: 2, bar: 28, font: 13 },
            fonts: ["Inter", "Noto Sans", "DejaVu Sans"].map(str::to_owned).to_vec(),
        }
    }

    /// Which built-in theme it started from.
    pub fn variant(&self) -> Variant {
        self.variant
    }

    /// Colour of a label.
    pub fn label_color(&self, label: Label) -> Rgb {
        self.labels[label.index()].color
    }

    /// Colour of a label's pattern.
    pub fn label_pattern_color(&self, label: Label) -> Rgb {
        self.labels[label.index()].pattern
    }

    /// dom0's own colour, for what belongs to no qube.
    pub fn steel(&self) -> Rgb {
        self.steel.color
    }

    /// Colour of the pattern on it.
    pub fn steel_pattern_color(&self) -> Rgb {
        self.steel.pattern
    }

    /// The empty desktop.
    pub fn background(&self) -> Rgb {
        self.neutrals.background
    }

    /// Behind a window's content while it has none, or where it is see-through.
    pub fn backdrop(&self) -> Rgb {
        self.neutrals.backdrop
    }

    /// Bar, captions, prompts and notices.
    pub fn panel(&self) -> Rgb {
        self.neutrals.panel
    }

    /// Title bar of a window that does not have the keys.
    pub fn inactive(&self) -> Rgb {
        self.neutrals.inactive
    }

    /// dom0's text on [`Theme::panel`] and [`Theme::background`].
    pub fn text(&self) -> Rgb {
        self.neutrals.text
    }

    /// Text that matters less.
    pub fn dim_text(&self) -> Rgb {
        self.neutrals.dim
    }

    /// The line between frame and content.
    pub fn line(&self) -> Rgb {
        self.neutrals.line
    }

    /// Width of the coloured band around a toplevel, without the line inside it.
    pub fn frame_width(&self) -> i32 {
        self.sizes.frame
    }

    /// Height of a title bar, without the band above it.
    pub fn title_height(&self) -> i32 {
        self.sizes.title
    }

    /// Width of the coloured band around popups and drag icons.
    pub fn popup_width(&self) -> i32 {
        self.sizes.popup
    }

    /// Height of dom0's bar.
    pub fn bar_height(&self) -> i32 {
        self.sizes.bar
    }

    /// Size of text in bars.
    pub fn font_size(&self) -> i32 {
        self.sizes.font
    }

    /// Height of the caption beneath a card of the switcher.
    pub fn caption_height(&self) -> i32 {
        12 + 2 * (self.sizes.font + 7)
    }

    /// Font families, best first.
    pub fn fonts(&self) -> &[String] {
        &self.fonts
    }

    /// Tones of a label, or dom0's.
    pub(crate) fn tones(&self, label: Option<Label>) -> Tones {
        label.map_or(self.steel, |label| self.labels[label.index()])
    }

    /// The first rule that this theme breaks.
    pub(crate) fn fault(&self) -> Option<Fault> {
        for (i, second) in Label::ALL.into_iter().enumerate() {
            let tones = self.labels[i];
            if contrast(tones.color, tones.pattern) < LEAST_PATTERN {
                return Some(Fault::FaintPattern(Some(second)));
            }
            if difference(tones.color, self.steel.color) < LEAST_DIFFERENCE {
                return Some(Fault::LikeSteel(second));
            }
            for first in &Label::ALL[..i] {
                if difference(tones.color, self.label_color(*first)) < LEAST_DIFFERENCE {
                    return Some(Fault::Alike(*first, second));
                }
            }
        }
        if contrast(self.steel.color, self.steel.pattern) < LEAST_PATTERN {
            return Some(Fault::FaintPattern(None));
        }
        self.texts()
            .into_iter()
            .find(|[(_, text), (_, on)]| contrast(*text, *on) < 4.5)
            .map(|[(text, _), (on, _)]| Fault::Unreadable(text, on))
    }

    /// Each text of dom0's and what it is written on, with their names in theme files.
    pub(crate) fn texts(&self) -> [[(&'static str, Rgb); 2]; 7] {
        let n = &self.neutrals;
        let (text, dim) = (("text", n.text), ("dim", n.dim));
        let (panel, background) = (("panel", n.panel), ("background", n.background));
        let (inactive, raised) = (("inactive", n.inactive), ("raised", n.raised));
        [
            [text, panel],
            [text, background],
            [text, inactive],
            [text, raised],
            [dim, panel],
            [dim, inactive],
            [dim, background],
        ]
    }
}
