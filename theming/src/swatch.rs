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
        label: Option<Label>,
        not_isolated: bool,
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
        let ring = rect.inset(line);
        let band = scale.to_device(2).max(1);
        if not_isolated {
            hazard(canvas, ring, band);
        } else {
            self.patterns.ring(canvas, ring, band, tones, pattern);
        }
        let plate = ring.inset(band);
        match filled {
            Filled::Whole => canvas.fill(plate, tones.color),
            Filled::Half => {
                canvas.fill(plate, on);
                canvas.fill(DeviceRect { y: plate.y + plate.h / 2, h: plate.h - plate.h / 2, ..plate }, tones.color);
            }
            Filled::Ring => canvas.fill(plate, on),
        }
        if let (Some(label), Filled::Whole) = (label, filled) {
            let color = best_text_on(tones.color);
            let style = Style { px: plate.h as f32 * 1.2, weight: Weight::Semibold, color };
            let field = DeviceRect { x: plate.x - band, w: plate.w + 2 * band, ..plate };
            self.writer.write(canvas, label.letter().encode_utf8(&mut [0; 4]), style, field, At::Middle);
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
    let (left, top) = (rect.x as f32, rect.y as f32);
    let (right, bottom) = (rect.right() as f32, rect.bottom() as f32);
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
