//! Captions beneath the cards of the switcher, and the words on an empty desktop.

use crate::{
    DeviceRect, Image, Label, Scale,
    canvas::Canvas,
    frame::NOT_ISOLATED,
    painter::Painter,
    readable_on,
    swatch::{Filled, SWATCH},
    text::{At, Weight},
};

/// What stands beneath a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptionSpec<'a> {
    /// The qube's label; `None`: dom0's own window.
    pub label: Option<Label>,
    /// The qube's name.
    pub qube: &'a str,
    /// The window's title.
    pub title: &'a str,
    /// Width in logical pixels; the height is [`crate::Theme::caption_height`].
    pub width: i32,
    /// Its qube shares dom0's kernel.
    pub not_isolated: bool,
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

/// Words on an empty desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WelcomeSpec<'a> {
    /// What to do, and how.
    pub lines: &'a [(&'a str, &'a str)],
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

impl Painter {
    /// Draws a caption: swatch and name, below them the title.
    pub fn caption(&mut self, spec: &CaptionSpec<'_>) -> Image {
        let scale = spec.scale;
        let side = |logical: i32| scale.to_device(logical);
        let (width, height) = (side(spec.width), side(self.theme.caption_height()));
        let panel = self.theme.panel();
        let mut canvas = Canvas::filled(width, height, panel);
        let line = side(self.theme.font_size() + 7);
        let (pad, top) = (side(8), side(6));
        let swatch_top = top + (line - side(SWATCH)) / 2;
        let mut x = pad;
        x += self.swatch(
            &mut canvas,
            (x, swatch_top),
            (spec.label, spec.not_isolated),
            Filled::Whole,
            panel,
            scale,
        );
        x += side(6);
        let field = DeviceRect::new(x, top, width - x - pad, line);
        let color = readable_on(self.theme.tones(spec.label).color, panel);
        let style = self.style(Weight::Semibold, color, scale);
        x += self.writer.write(&mut canvas, spec.qube, style, field, At::Left) + side(7);
        if spec.not_isolated {
            let style = self.small(self.theme.dim_text(), scale);
            let field = DeviceRect { x, w: width - x - pad, ..field };
            self.writer.write(&mut canvas, NOT_ISOLATED, style, field, At::Left);
        }
        let style = self.style(Weight::Regular, self.theme.text(), scale);
        let field = DeviceRect::new(pad, top + line, width - 2 * pad, line);
        self.writer.write(&mut canvas, spec.title, style, field, At::Left);
        canvas.into_opaque()
    }

    /// Draws the words of an empty desktop.
    pub fn welcome(&mut self, spec: &WelcomeSpec<'_>) -> Image {
        let scale = spec.scale;
        let side = |logical: i32| scale.to_device(logical);
        let back = self.theme.background();
        let what = self.style(Weight::Regular, self.theme.dim_text(), scale);
        let how = self.style(Weight::Semibold, self.theme.text(), scale);
        let widest = |painter: &mut Self, style, second: bool| {
            spec.lines
                .iter()
                .map(|(a, b)| painter.writer.width(if second { b } else { a }, style))
                .max()
                .unwrap_or(0)
        };
        let (left, right) = (widest(self, what, false), widest(self, how, true));
        let (gap, line) = (side(28), side(self.theme.font_size() + 15));
        let mut canvas = Canvas::filled(left + gap + right, line * spec.lines.len() as i32, back);
        for (i, (name, means)) in spec.lines.iter().enumerate() {
            let row = DeviceRect::new(0, line * i as i32, left, line);
            self.writer.write(&mut canvas, name, what, row, At::Left);
            let row = DeviceRect { x: left + gap, w: right, ..row };
            self.writer.write(&mut canvas, means, how, row, At::Left);
        }
        canvas.into_opaque()
    }
}
