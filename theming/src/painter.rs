//! The painter: a theme, its fonts and patterns, ready to draw.

use crate::{
    Fonts, Scale, Theme,
    font::FontBook,
    pattern::Patterns,
    text::{Style, Weight, Writer},
};

/// Draws everything of dom0's. Slow to make (it looks for fonts), quick to use.
#[derive(Debug)]
pub struct Painter {
    pub(crate) theme: Theme,
    pub(crate) writer: Writer,
    pub(crate) patterns: Patterns,
    fonts: Fonts,
}

impl Painter {
    /// A painter for this theme with these fonts.
    pub fn new(theme: Theme, fonts: Fonts) -> Self {
        let writer = Writer::new(FontBook::new(&fonts, theme.fonts()));
        Self { theme, writer, patterns: Patterns::default(), fonts }
    }

    /// Another theme, with the same fonts to choose from.
    pub fn set_theme(&mut self, theme: Theme) {
        if theme.fonts() != self.theme.fonts() {
            self.writer = Writer::new(FontBook::new(&self.fonts, theme.fonts()));
        }
        self.theme = theme;
        self.patterns = Patterns::default();
    }

    /// The theme.
    pub fn theme(&self) -> &Theme {
        &self.theme
    }

    /// What is wrong with the fonts, and what to do about it.
    pub fn problem(&self) -> Option<&str> {
        self.writer.problem()
    }

    /// Ordinary text of bars.
    pub(crate) fn style(&self, weight: Weight, color: crate::Rgb, scale: Scale) -> Style {
        let px = self.theme.font_size() as f32 * scale.factor();
        Style { px, beside: px, weight, color }
    }

    /// Smaller text, for what goes with a name.
    pub(crate) fn small(&self, color: crate::Rgb, scale: Scale) -> Style {
        let beside = self.theme.font_size() as f32 * scale.factor();
        let px = (self.theme.font_size() - 2) as f32 * scale.factor();
        Style { px, beside, weight: Weight::Regular, color }
    }
}
