//! The launcher: programs of all qubes, each picture in a slot of its qube's colour; and what is on its way.
//!
//! A program's picture and words are its qube's. The picture stays inside a ring of the label's colour and
//! pattern, drawn here, and the words inside their own fields: neither can look like a mark of dom0's (rules FRAME
//! and CLEAN-TEXT).

use crate::{
    DeviceRect, Image, Label, Pattern, Rect, Rgb, Rgba, Scale,
    canvas::Canvas,
    frame::NOT_ISOLATED,
    painter::Painter,
    prompt::device,
    readable_on,
    swatch::{Filled, SWATCH},
    text::{At, Weight},
};

/// A program's picture, as its qube drew it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icon<'a> {
    /// Width and height, in pixels.
    pub side: usize,
    /// `side` rows of red, green, blue and alpha, not premultiplied. Of another length it is not drawn.
    pub pixels: &'a [u8],
}

/// A program in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LauncherRow<'a> {
    /// Its qube's label.
    pub label: Label,
    /// Its qube's name.
    pub qube: &'a str,
    /// Its qube shares dom0's kernel.
    pub not_isolated: bool,
    /// What is to be said of the qube, or nothing.
    pub note: &'a str,
    /// What the program is called.
    pub name: &'a str,
    /// What it is for.
    pub comment: &'a str,
    /// Its picture.
    pub icon: Option<Icon<'a>>,
    /// It is chosen.
    pub chosen: bool,
}

/// What the launcher shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LauncherSpec<'a> {
    /// What was typed.
    pub query: &'a str,
    /// How many there are, at the right of what was typed.
    pub count: &'a str,
    /// Programs, top to bottom; at most `slots`.
    pub rows: &'a [LauncherRow<'a>],
    /// Rows that there is room for: the size of the whole does not hang on what is found.
    pub slots: usize,
    /// Said where there are no rows.
    pub message: &'a str,
    /// Which keys do what.
    pub hint: &'a str,
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

/// A drawn launcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LauncherImage {
    /// The picture, opaque.
    pub image: Image,
    /// Where the rows are, in logical pixels relative to the picture.
    pub rows: Vec<Rect>,
}

/// A program that was asked for and is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartingSpec<'a> {
    /// Its qube's label.
    pub label: Label,
    /// Its qube's name.
    pub qube: &'a str,
    /// What the program is called.
    pub name: &'a str,
    /// Its picture.
    pub icon: Option<Icon<'a>>,
    /// How far it is.
    pub note: &'a str,
    /// Device pixels per logical pixel.
    pub scale: Scale,
}

/// Width of the launcher, in logical pixels.
const WIDTH: i32 = 620;
/// Space around what is in it.
const PAD: i32 = 16;
/// Height of the field for what is typed.
const FIELD: i32 = 36;
/// Height of a row.
const ROW: i32 = 46;
/// Height of the line at the foot.
const FOOT: i32 = 26;
/// Least and greatest width of the column with qubes: the longest name a qube can have is not cut.
const QUBE: (i32, i32) = (200, 310);
/// Side of the slot with a picture, its ring included.
pub(crate) const SLOT: i32 = 36;
/// Thickness of the ring: that of a window's frame.
pub(crate) const RING: i32 = 3;
/// Width of what says that a program is on its way.
const STARTING: i32 = 400;

impl Painter {
    /// Height of the launcher with so many rows, in logical pixels.
    pub fn launcher_height(slots: usize) -> i32 {
        let rows = i32::try_from(slots).unwrap_or(i32::MAX / ROW / 2);
        2 * PAD + FIELD + PAD / 2 + rows * ROW + FOOT
    }

    /// Draws the launcher.
    pub fn launcher(&mut self, spec: &LauncherSpec<'_>) -> LauncherImage {
        let scale = spec.scale;
        let height = Self::launcher_height(spec.slots);
        let mut canvas = Canvas::filled(scale.to_device(WIDTH), scale.to_device(height), self.theme.panel());
        let (bounds, tones) = (canvas.bounds(), self.theme.tones(None));
        self.patterns.ring(&mut canvas, bounds, scale.to_device(4), tones, Pattern::Steel);
        let inner = WIDTH - 2 * PAD;
        let field = device(Rect { x: PAD, y: PAD, w: inner, h: FIELD }, scale);
        let typed = (spec.query, "Type to search programs and qubes", spec.count);
        self.typed(&mut canvas, typed, field, scale);
        let first = PAD + FIELD + PAD / 2;
        let bold = self.style(Weight::Semibold, self.theme.text(), scale);
        let names = spec.rows.iter().map(|row| self.writer.width(row.qube, bold)).max().unwrap_or(0);
        let qubes = (scale.to_logical_up(names as f32) + SWATCH + 6 + 16).clamp(QUBE.0, QUBE.1);
        let mut rows = Vec::with_capacity(spec.rows.len());
        for (number, row) in (0..).zip(spec.rows.iter().take(spec.slots)) {
            let rect = Rect { x: PAD, y: first + number * ROW, w: inner, h: ROW };
            self.program(&mut canvas, row, rect, qubes, scale);
            rows.push(rect);
        }
        if rows.is_empty() {
            let style = self.style(Weight::Regular, self.theme.dim_text(), scale);
            let rect = device(Rect { x: PAD, y: first, w: inner, h: ROW }, scale);
            self.writer.write(&mut canvas, spec.message, style, rect, At::Middle);
        }
        let style = self.small(self.theme.dim_text(), scale);
        let foot = device(Rect { x: PAD, y: height - PAD / 2 - FOOT, w: inner, h: FOOT }, scale);
        self.writer.write(&mut canvas, spec.hint, style, foot, At::Middle);
        LauncherImage { image: canvas.into_opaque(), rows }
    }

    /// What was typed, a caret behind it, and the count. `empty` is said while nothing was.
    pub(crate) fn typed(
        &mut self,
        canvas: &mut Canvas,
        (query, empty, count): (&str, &str, &str),
        field: DeviceRect,
        scale: Scale,
    ) {
        let side = |logical: i32| scale.to_device(logical);
        canvas.fill(field, self.theme.neutrals.raised);
        canvas.outline(field, scale.hairline(), self.theme.steel());
        let dim = self.style(Weight::Regular, self.theme.text(), scale);
        let small = self.small(self.theme.text(), scale);
        let pad = side(12);
        let width = self.writer.width(count, small);
        let right = DeviceRect { x: field.right() - pad - width, w: width, ..field };
        self.writer.write(canvas, count, small, right, At::Left);
        let room = DeviceRect { x: field.x + pad, w: right.x - 2 * pad - field.x, ..field };
        let caret = side(2);
        let mut x = room.x;
        if query.is_empty() {
            let words = DeviceRect { x: x + caret + side(4), w: room.w - caret - side(4), ..room };
            self.writer.write(canvas, empty, dim, words, At::Left);
        } else {
            let style = self.style(Weight::Semibold, self.theme.text(), scale);
            x += self.writer.write(canvas, query, style, DeviceRect { w: room.w - caret, ..room }, At::Left);
        }
        let high = side(18);
        let bar = DeviceRect { x, y: field.y + (field.h - high) / 2, w: caret, h: high };
        canvas.fill(bar, self.theme.text());
    }

    /// The chosen one is marked by its ground and an outline, not by a colour: colour means trust.
    fn program(&mut self, canvas: &mut Canvas, row: &LauncherRow<'_>, rect: Rect, qubes: i32, scale: Scale) {
        let back = if row.chosen { self.theme.neutrals.raised } else { self.theme.panel() };
        let whole = device(rect, scale);
        canvas.fill(whole, back);
        if row.chosen {
            canvas.outline(whole, 2 * scale.hairline(), self.theme.steel());
        }
        let slot = Rect { x: rect.x + 8, y: rect.y + (ROW - SLOT) / 2, w: SLOT, h: SLOT };
        self.slot(canvas, (row.label, row.name, row.icon), device(slot, scale), RING, scale);
        let qube = Rect { x: rect.x + rect.w - qubes, w: qubes - 8, ..rect };
        let note = match (row.not_isolated, row.note) {
            (false, note) => note.to_owned(),
            (true, "") => NOT_ISOLATED.to_owned(),
            (true, note) => format!("{note}, {NOT_ISOLATED}"),
        };
        let left = slot.x + SLOT + 12;
        let words = Rect { x: left, w: qube.x - left - 8, ..rect };
        let name = self.style(Weight::Semibold, self.theme.text(), scale);
        let small = self.small(self.theme.dim_text(), scale);
        if row.comment.is_empty() {
            self.writer.write(canvas, row.name, name, device(words, scale), At::Left);
        } else {
            let (upper, lower) = halves(words);
            self.writer.write(canvas, row.name, name, device(upper, scale), At::Left);
            self.writer.write(canvas, row.comment, small, device(lower, scale), At::Left);
        }
        let (upper, lower) = if note.is_empty() { (qube, qube) } else { halves(qube) };
        self.qube(canvas, (row.label, row.not_isolated, row.qube), device(upper, scale), back, scale);
        if !note.is_empty() {
            let indent = SWATCH + 6;
            let field = Rect { x: lower.x + indent, w: lower.w - indent, ..lower };
            self.writer.write(canvas, &note, small, device(field, scale), At::Left);
        }
    }

    /// A qube's swatch, and its name in its colour.
    pub(crate) fn qube(
        &mut self,
        canvas: &mut Canvas,
        (label, not_isolated, name): (Label, bool, &str),
        field: DeviceRect,
        back: Rgb,
        scale: Scale,
    ) {
        let top = field.y + (field.h - scale.to_device(SWATCH)) / 2;
        let mark = (Some(label), not_isolated);
        let side = self.swatch(canvas, (field.x, top), mark, Filled::Whole, back, scale) + scale.to_device(6);
        let color = readable_on(self.theme.label_color(label), back);
        let style = self.style(Weight::Semibold, color, scale);
        let rest = DeviceRect { x: field.x + side, w: field.w - side, ..field };
        self.writer.write(canvas, name, style, rest, At::Left);
    }

    /// A program's picture in a ring of its qube's colour, of this thickness in logical pixels; without one, the
    /// first letter of its name.
    pub(crate) fn slot(
        &mut self,
        canvas: &mut Canvas,
        (label, name, icon): (Label, &str, Option<Icon<'_>>),
        rect: DeviceRect,
        ring: i32,
        scale: Scale,
    ) {
        let (band, line) = (scale.to_device(ring), scale.hairline());
        self.patterns.ring(canvas, rect, band, self.theme.tones(Some(label)), label.pattern());
        // As in a window: content in the label's colour cannot seem to belong to the ring.
        let inner = rect.inset(band);
        canvas.outline(inner, line, Rgb::BLACK);
        let inside = inner.inset(line);
        canvas.fill(inside, self.theme.backdrop());
        if let Some(icon) = icon {
            draw(canvas, icon, inside);
        } else {
            let letter = name.chars().find(|c| c.is_alphanumeric());
            let letter: String = letter.into_iter().flat_map(char::to_uppercase).take(1).collect();
            let color = readable_on(self.theme.text(), self.theme.backdrop());
            let style = self.style(Weight::Semibold, color, scale);
            self.writer.write(canvas, &letter, style, inside, At::Middle);
        }
    }

    /// Draws what says that a program is on its way.
    pub fn starting(&mut self, spec: &StartingSpec<'_>) -> Image {
        let scale = spec.scale;
        let height = ROW + 2 * PAD;
        let mut canvas =
            Canvas::filled(scale.to_device(STARTING), scale.to_device(height), self.theme.panel());
        let (bounds, tones, panel) = (canvas.bounds(), self.theme.tones(None), self.theme.panel());
        self.patterns.ring(&mut canvas, bounds, scale.to_device(3), tones, Pattern::Steel);
        let slot = Rect { x: PAD, y: PAD + (ROW - SLOT) / 2, w: SLOT, h: SLOT };
        self.slot(&mut canvas, (spec.label, spec.name, spec.icon), device(slot, scale), RING, scale);
        let left = slot.x + SLOT + 12;
        let (upper, lower) = halves(Rect { x: left, y: PAD, w: STARTING - PAD - left, h: ROW });
        self.qube(&mut canvas, (spec.label, false, spec.qube), device(upper, scale), panel, scale);
        let lower = device(lower, scale);
        let name = self.style(Weight::Semibold, self.theme.text(), scale);
        let note = self.style(Weight::Regular, self.theme.dim_text(), scale);
        // What dom0 says is never pushed away by the name.
        let said = self.writer.width(spec.note, note);
        let gap = scale.to_device(7);
        let room = DeviceRect { w: lower.w - said - gap, ..lower };
        let x = lower.x + self.writer.write(&mut canvas, spec.name, name, room, At::Left) + gap;
        let rest = DeviceRect { x, w: lower.right() - x, ..lower };
        self.writer.write(&mut canvas, spec.note, note, rest, At::Left);
        canvas.into_opaque()
    }
}

/// Two lines in a row.
pub(crate) fn halves(rect: Rect) -> (Rect, Rect) {
    let line = 20;
    let top = rect.y + (rect.h - 2 * line) / 2;
    (Rect { y: top, h: line, ..rect }, Rect { y: top + line, h: line, ..rect })
}

/// Draws a picture over all of a square, and nowhere else. Every pixel is the mean of what it covers.
fn draw(canvas: &mut Canvas, icon: Icon<'_>, square: DeviceRect) {
    let (from, to) = (icon.side, square.w.min(square.h).max(0) as usize);
    if from == 0 || to == 0 || icon.pixels.len() != from * from * 4 {
        return;
    }
    // Both grids divide the same length, `from * to`: a source pixel covers `to` of it, a target pixel `from`.
    let covered = |target: usize| {
        let (start, end) = (target * from, (target + 1) * from);
        (start / to..from)
            .map(move |source| {
                let overlap = end.min((source + 1) * to).saturating_sub(start.max(source * to));
                (source, overlap as u64)
            })
            .take_while(|(_, overlap)| *overlap > 0)
    };
    let area = (from * from) as u64;
    for y in 0..to {
        for x in 0..to {
            let mut sums = [0_u64; 4];
            for (sy, wy) in covered(y) {
                for (sx, wx) in covered(x) {
                    let at = (sy * from + sx) * 4;
                    let [red, green, blue, alpha] = [0, 1, 2, 3].map(|c| u64::from(icon.pixels[at + c]));
                    let weight = wx * wy;
                    sums[3] += alpha * weight;
                    for (sum, color) in sums.iter_mut().zip([red, green, blue]) {
                        *sum += color * alpha * weight;
                    }
                }
            }
            let [red, green, blue, alpha] = sums;
            if alpha > 0 {
                let [r, g, b] = [red, green, blue].map(|sum| ((sum + alpha / 2) / alpha) as u8);
                let color: Rgba = Rgb::new(r, g, b).alpha(((alpha + area / 2) / area) as u8);
                canvas.blend(square.x + x as i32, square.y + y as i32, color, 255);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(side: usize, pixel: [u8; 4], square: DeviceRect) -> Image {
        let mut canvas = Canvas::filled(20, 20, Rgb::BLACK);
        let pixels = pixel.repeat(side * side);
        draw(&mut canvas, Icon { side, pixels: &pixels }, square);
        canvas.into_image()
    }

    #[test]
    fn a_picture_fills_its_square_and_nothing_else() {
        for side in [1, 3, 7, 10, 48] {
            let image = drawn(side, [250, 100, 50, 255], DeviceRect::new(5, 6, 10, 10));
            for (at, pixel) in image.data.chunks_exact(4).enumerate() {
                let (x, y) = (at % 20, at / 20);
                let inside = (5..15).contains(&x) && (6..16).contains(&y);
                assert_eq!(pixel[..3], if inside { [50, 100, 250] } else { [0; 3] }, "{side} {x} {y}");
            }
        }
        let half = drawn(48, [255, 255, 255, 128], DeviceRect::new(0, 0, 20, 20));
        assert!(half.data.chunks_exact(4).all(|pixel| pixel[..3] == [128; 3]));
        let clear = drawn(48, [255, 255, 255, 0], DeviceRect::new(0, 0, 20, 20));
        assert!(clear.data.chunks_exact(4).all(|pixel| pixel[..3] == [0; 3]));
    }

    #[test]
    fn a_picture_of_another_length_is_not_drawn() {
        let mut canvas = Canvas::filled(4, 4, Rgb::BLACK);
        for (side, length) in [(48, 47), (0, 0), (2, 15), (2, 17)] {
            draw(&mut canvas, Icon { side, pixels: &vec![255; length] }, DeviceRect::new(0, 0, 4, 4));
        }
        assert!(canvas.into_image().data.chunks_exact(4).all(|pixel| pixel[..3] == [0; 3]));
    }
}
