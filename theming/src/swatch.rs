//! Swatches: colour, pattern and letter of a label in a small square.

use tiny_skia::{PathBuilder, Stroke};

use crate::{
    DeviceRect, Label, Pattern, Rgb, Scale, best_text_on,
    canvas::Canvas,
    painter::Painter,
    text::{At, Style, Weight},
};

/// Side of a swatch, in logical pixels.
pub(crate) const SWATCH: i32 = 14;

/// Colours of the stripes that say *not isolated*.
const HAZARD: [Rgb; 2] = [Rgb::new(0xf2, 0xc9, 0x1e), Rgb::new(0x12, 0x12, 0x12)];

/// How much of a swatch is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// All of it.
    Whole,
    /// The lower half: something is under way.
    Half,
    /// Only the ring.
    Ring,
}

impl Painter {
    /// Draws a swatch with its upper left corner at `(x, y)`; `on` is the colour behind it.
    /// Returns its side in device pixels.
    pub(crate) fn swatch(
        &mut self,
        canvas: &mut Canvas,
        (x, y): (i32, i32),
        (label, not_isolated): (Option<Label>, bool),
        filled: Filled,
        on: Rgb,
        scale: Scale,
    ) -> i32 {
        let side = scale.to_device(SWATCH);
        let line = scale.hairline();
        let rect = DeviceRect::new(x, y, side, side);
        let tones = self.theme.tones(label);
        let pattern = label.map_or(Pattern::Steel, Label::pattern);
        canvas.outline(rect, line, best_text_on(on));
        let mut inner = rect.inset(line);
        if not_isolated {
            let band = scale.to_device(2);
            hazard(canvas, inner, band);
            inner = inner.inset(band);
        }
        // As thick as a frame's band where there is room, so that the pattern is the very same.
        let thin = not_isolated || filled == Filled::Ring;
        let band = scale.to_device(if thin { 2 } else { 3 });
        canvas.fill(inner, on);
        if filled == Filled::Ring || label.is_none() {
            self.patterns.ring(canvas, inner, band, tones, pattern);
            if filled != Filled::Ring {
                canvas.fill(inner.inset(band), tones.color);
            }
            return side;
        }
        let half = if filled == Filled::Half { inner.h / 2 } else { 0 };
        canvas.fill(DeviceRect { y: inner.y + half, h: inner.h - half, ..inner }, tones.color);
        // Beside the hazard stripes there is no room for a pattern; the frame shows it.
        let foot = if not_isolated { 0 } else { band };
        if foot > 0 {
            let strip = DeviceRect { y: inner.bottom() - foot, h: foot, ..inner };
            self.patterns.band(canvas, strip, tones, pattern);
        }
        if let (Some(label), Filled::Whole) = (label, filled) {
            let high = inner.h - foot;
            // A solid foot cannot be told from the rest: the letter stands in the middle of both.
            let top = if pattern == Pattern::Solid { foot / 2 } else { 0 };
            let plate = DeviceRect { y: inner.y + top, h: high, ..inner };
            // The same room above and below, in whole pixels.
            let margin = (plate.h / 8).max(1);
            let px = self.writer.px_for_capitals((plate.h - 2 * margin).max(1));
            let style = Style { px, beside: px, weight: Weight::Semibold, color: best_text_on(tones.color) };
            self.writer.write(canvas, label.letter().encode_utf8(&mut [0; 4]), style, plate, At::Middle);
        }
        side
    }
}

/// Fills the ring inside `rect` with diagonal stripes.
fn hazard(canvas: &mut Canvas, rect: DeviceRect, band: i32) {
    let inner = rect.inset(band);
    let width = (rect.w / 4).max(1);
    for y in rect.y..rect.bottom() {
        for x in rect.x..rect.right() {
            let inside = x >= inner.x && x < inner.right() && y >= inner.y && y < inner.bottom();
            if !inside {
                let stripe = (x - rect.x + y - rect.y).rem_euclid(2 * width) / width;
                canvas.blend(x, y, HAZARD[stripe as usize].into(), 255);
            }
        }
    }
}

/// A cross, as on the button that closes.
pub(crate) fn cross(canvas: &mut Canvas, rect: DeviceRect, thick: f32, color: Rgb) {
    // The ends of a slanted line stick out by about half its thickness.
    let inset = thick * 0.5;
    let (left, top) = (rect.x as f32 + inset, rect.y as f32 + inset);
    let (right, bottom) = (rect.right() as f32 - inset, rect.bottom() as f32 - inset);
    let mut path = PathBuilder::new();
    path.move_to(left, top);
    path.line_to(right, bottom);
    path.move_to(right, top);
    path.line_to(left, bottom);
    if let Some(path) = path.finish() {
        let stroke = Stroke { width: thick, ..Stroke::default() };
        canvas.stroke_path(&path, &stroke, color);
    }
}
