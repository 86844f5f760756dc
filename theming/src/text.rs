//! One line of text in one field.

use cosmic_text::{
    Align, Attrs, Buffer, Color, Ellipsize, EllipsizeHeightLimit, Family, FeatureTag, FontFeatures, Metrics,
    Shaping, SwashCache, Wrap,
};

use crate::{DeviceRect, Rgb, canvas::Canvas, font::FontBook};

/// How heavy text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Semibold,
}

/// How text looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// Font size in device pixels.
    pub(crate) px: f32,
    /// Font size of the text beside it, in device pixels: both stand on the same line.
    pub(crate) beside: f32,
    pub(crate) weight: Weight,
    pub(crate) color: Rgb,
}

/// Where text stands in its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Left,
    Middle,
}

/// Longest text that is shaped, in characters: nothing wider fits on a bar.
const MOST_CHARS: usize = 400;
/// How often a line is cut anew until it fits.
const TRIES: usize = 6;

/// Writes text with the fonts of a [`FontBook`]; without any usable font it writes nothing.
#[derive(Debug)]
pub(crate) struct Writer {
    book: FontBook,
    cache: SwashCache,
}

impl Writer {
    pub(crate) fn new(book: FontBook) -> Self {
        Self { book, cache: SwashCache::new() }
    }

    /// What is wrong with the fonts.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.book.problem.as_deref()
    }

    /// Shapes one line. `width`: cut there, ending in an ellipsis.
    fn shape(&mut self, text: &str, style: Style, width: Option<f32>) -> Option<Line> {
        let face = self.book.face.clone()?;
        let weight = match style.weight {
            Weight::Regular => face.regular,
            Weight::Semibold => face.semibold,
        };
        let text: String =
            text.chars().take(MOST_CHARS).map(|c| if ends_line(c) { ' ' } else { c }).collect();
        let mut features = FontFeatures::new();
        features.enable(FeatureTag::new(b"tnum"));
        let attrs = Attrs::new().family(Family::Name(&face.family)).weight(weight).font_features(features);
        let mut buffer = Buffer::new(&mut self.book.system, Metrics::new(style.px, style.px * 1.5));
        buffer.set_wrap(Wrap::None);
        if width.is_some() {
            buffer.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(1)));
        }
        buffer.set_size(width, None);
        // Left whatever the direction of the text: where a field begins does not hang on its words.
        buffer.set_text(&text, &attrs, Shaping::Advanced, Some(Align::Left));
        buffer.shape_until_scroll(&mut self.book.system, false);
        Line::new(buffer)
    }

    /// Shapes a line for this much room: what does not fit ends in an ellipsis. Nothing, if not
    /// even that fits.
    fn fit(&mut self, text: &str, style: Style, room: i32) -> Option<Line> {
        let mut line = self.shape(text, style, None)?;
        let mut width = room;
        for _ in 0..TRIES {
            let excess = line.width - room;
            if excess <= 0 {
                return Some(line);
            }
            if width <= 0 {
                return None;
            }
            line = self.shape(text, style, Some(width as f32))?;
            width -= excess.clamp(1, 2);
        }
        (line.width <= room).then_some(line)
    }

    /// Font size at which capitals are this high, both in device pixels.
    pub(crate) fn px_for_capitals(&self, height: i32) -> f32 {
        height as f32 / self.cap_height()
    }

    /// Height of capitals, in parts of the font size.
    fn cap_height(&self) -> f32 {
        self.book.face.as_ref().map_or(0.72, |face| face.cap_height)
    }

    /// Width of the whole text, in device pixels.
    pub(crate) fn width(&mut self, text: &str, style: Style) -> i32 {
        self.shape(text, style, None).map_or(0, |line| line.width)
    }

    /// Writes text into a field, in the middle of its height. What does not fit ends in an
    /// ellipsis; nothing is drawn outside the field. Returns the width it took.
    pub(crate) fn write(
        &mut self,
        canvas: &mut Canvas,
        text: &str,
        style: Style,
        field: DeviceRect,
        at: At,
    ) -> i32 {
        if field.is_empty() || text.is_empty() {
            return 0;
        }
        let Some(line) = self.fit(text, style, field.w) else { return 0 };
        let left = match at {
            At::Left => field.x,
            At::Middle => field.x + (field.w - line.width) / 2,
        };
        let cap = self.cap_height() * style.beside;
        let baseline = field.y as f32 + f32::midpoint(field.h as f32, cap).round();
        let ink = Color::rgb(style.color.r, style.color.g, style.color.b);
        let clip = field.intersection(&canvas.bounds());
        for glyph in line.glyphs() {
            let place = glyph.physical((left as f32 - line.start, baseline), 1.0);
            self.cache.with_pixels(&mut self.book.system, place.cache_key, ink, |dx, dy, pixel| {
                let (x, y) = (place.x + dx, place.y + dy);
                if x >= clip.x && x < clip.right() && y >= clip.y && y < clip.bottom() {
                    canvas.blend(x, y, Rgb::new(pixel.r(), pixel.g(), pixel.b()).alpha(pixel.a()), 255);
                }
            });
        }
        line.width
    }
}

/// True for what begins a new line or paragraph, and for all other controls. The shaper panics on
/// a line with two paragraphs of different direction, and text comes from qubes.
fn ends_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// A shaped line.
#[derive(Debug)]
struct Line {
    buffer: Buffer,
    /// Where its leftmost glyph begins.
    start: f32,
    /// From there to where its rightmost glyph ends, in whole pixels.
    width: i32,
}

impl Line {
    /// Measures the glyphs themselves: the width that the shaper reports is not what it lays out
    /// when text runs from right to left or glyphs are moved to whole pixels.
    fn new(buffer: Buffer) -> Option<Self> {
        let (mut start, mut end) = (f32::INFINITY, f32::NEG_INFINITY);
        for glyph in buffer.layout_runs().next()?.glyphs {
            start = start.min(glyph.x);
            end = end.max(glyph.x + glyph.w);
        }
        let empty = start > end;
        let (start, end) = if empty { (0.0, 0.0) } else { (start, end) };
        Some(Self { buffer, start, width: (end - start).ceil() as i32 })
    }

    fn glyphs(&self) -> impl Iterator<Item = &cosmic_text::LayoutGlyph> {
        self.buffer.layout_runs().take(1).flat_map(|run| run.glyphs)
    }
}
