//! The lock screen: one panel of dom0's, in steel, for the middle of a monitor.

use crate::{
    Image, Pattern, Rect, Scale,
    canvas::Canvas,
    painter::Painter,
    prompt::device,
    secret::SecretField,
    text::{At, Style, Weight},
};

/// What the lock screen says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockSpec<'a> {
    /// Time of day; empty: not known.
    pub time: &'a str,
    /// The day.
    pub date: &'a str,
    /// Whose desktop this is.
    pub person: &'a str,
    /// Characters typed so far. More than fit are not told apart.
    pub typed: usize,
    /// What the person is told, and whether something is wrong.
    pub message: Option<(&'a str, bool)>,
    /// Caps Lock is on.
    pub caps: bool,
    /// The keyboard layout, if there are several.
    pub layout: Option<&'a str>,
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

/// Width of the panel, in logical pixels.
const WIDTH: i32 = 440;
/// Space around what is on it.
const PAD: i32 = 28;
/// Size of the time of day.
const TIME: i32 = 56;

impl Painter {
    /// Draws the lock screen's panel, opaque.
    pub fn lock(&mut self, spec: &LockSpec<'_>) -> Image {
        let scale = spec.scale;
        let line = self.theme.font_size() + 9;
        let height = PAD + TIME + 8 + 2 * line + 28 + self.secret_height() + PAD;
        let mut canvas = Canvas::filled(scale.to_device(WIDTH), scale.to_device(height), self.theme.panel());
        let (bounds, tones) = (canvas.bounds(), self.theme.tones(None));
        self.patterns.ring(&mut canvas, bounds, scale.to_device(4), tones, Pattern::Steel);
        let inner = WIDTH - 2 * PAD;
        let row = |y: i32, h: i32| device(Rect { x: PAD, y, w: inner, h }, scale);
        let mut y = PAD;
        let px = TIME as f32 * scale.factor();
        let large = Style { px, beside: px, weight: Weight::Regular, color: self.theme.text() };
        self.writer.write(&mut canvas, spec.time, large, row(y, TIME), At::Middle);
        y += TIME + 8;
        let dim = self.style(Weight::Regular, self.theme.dim_text(), scale);
        let strong = self.style(Weight::Semibold, self.theme.text(), scale);
        self.writer.write(&mut canvas, spec.date, dim, row(y, line), At::Middle);
        y += line + 20;
        self.writer.write(&mut canvas, spec.person, strong, row(y, line), At::Middle);
        y += line + 8;
        let field = SecretField {
            name: "Password",
            typed: spec.typed,
            message: spec.message,
            caps: spec.caps,
            layout: spec.layout,
        };
        self.secret(&mut canvas, &field, (PAD, y), inner, scale);
        canvas.into_opaque()
    }
}
