//! The lock screen: one panel of dom0's, in steel, for the middle of a monitor.

use crate::{
    DeviceRect, Image, Pattern, Rect, Scale,
    canvas::Canvas,
    painter::Painter,
    prompt::device,
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
/// Height of the field.
const FIELD: i32 = 36;
/// Side of a dot, and its distance from the next.
const DOT: (i32, i32) = (8, 14);
/// Most dots.
const MOST_DOTS: usize = 20;

impl Painter {
    /// Draws the lock screen's panel, opaque.
    pub fn lock(&mut self, spec: &LockSpec<'_>) -> Image {
        let scale = spec.scale;
        let line = self.theme.font_size() + 9;
        let height = PAD + TIME + 8 + 4 * line + FIELD + 40 + PAD;
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
        self.password_field(&mut canvas, spec.typed, row(y, FIELD), scale);
        y += FIELD + 12;
        if let Some((text, wrong)) = spec.message {
            let style = if wrong { strong } else { dim };
            self.writer.write(&mut canvas, text, style, row(y, line), At::Middle);
        }
        y += line;
        let caps = if spec.caps { "Caps Lock is on" } else { "" };
        let hints: Vec<&str> =
            [caps, spec.layout.unwrap_or_default()].into_iter().filter(|hint| !hint.is_empty()).collect();
        let style = if spec.caps { strong } else { dim };
        self.writer.write(&mut canvas, &hints.join("  \u{b7}  "), style, row(y, line), At::Middle);
        canvas.into_opaque()
    }

    fn password_field(&mut self, canvas: &mut Canvas, typed: usize, field: DeviceRect, scale: Scale) {
        canvas.fill(field, self.theme.neutrals.raised);
        canvas.outline(field, scale.hairline(), self.theme.steel());
        let ink = self.theme.text();
        if typed == 0 {
            let style = self.style(Weight::Regular, ink, scale);
            self.writer.write(canvas, "Password", style, field, At::Middle);
            return;
        }
        let (side, step) = (scale.to_device(DOT.0), scale.to_device(DOT.1));
        let dots = typed.min(MOST_DOTS) as i32;
        let width = (dots - 1) * step + side;
        let (left, top) = (field.x + (field.w - width) / 2, field.y + (field.h - side) / 2);
        for dot in 0..dots {
            canvas.fill(DeviceRect::new(left + dot * step, top, side, side), ink);
        }
    }
}
