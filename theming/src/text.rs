//! One line of text in one field.

use cosmic_text::{
    Align, Attrs, Buffer, Color, Ellipsize, EllipsizeHeightLimit, Family, FeatureTag, FontFeatures, Hinting,
    Metrics, Shaping, SwashCache, Wrap,
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
    fn shape(&mut self, text: &str, style: Style, width: Option<f32>) -> Option<Buffer> {
        let face = self.book.face.clone()?;
        let weight = match style.weight {
            Weight::Regular => face.regular,
            Weight::Semibold => face.semibold,
        };
        let text: String = text.chars().take(MOST_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut features = FontFeatures::new();
        features.enable(FeatureTag::new(b"tnum"));
        let attrs = Attrs::new().family(Family::Name(&face.family)).weight(weight).font_features(features);
        let mut buffer = Buffer::new(&mut self.book.system, Metrics::new(style.px, style.px * 1.5));
        buffer.set_hinting(Hinting::Enabled);
        buffer.set_wrap(Wrap::None);
        if width.is_some() {
            buffer.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(1)));
        }
        buffer.set_size(width, None);
        // Left whatever the direction of the text: where a field begins does not hang on its words.
        buffer.set_text(&text, &attrs, Shaping::Advanced, Some(Align::Left));
        buffer.shape_until_scroll(&mut self.book.system, false);
        Some(buffer)
    }

    /// Width of the whole text, in device pixels.
    pub(crate) fn width(&mut self, text: &str, style: Style) -> i32 {
        let Some(buffer) = self.shape(text, style, None) else { return 0 };
        buffer.layout_runs().next().map_or(0, |run| run.line_w.ceil() as i32)
    }

    /// Writes text into a field, in the middle of its height. What does not fit ends in an
    /// ellipsis; nothing is drawn outside the field. Returns the width it took.
    pub(crate) fn write(&mut self, canvas: &mut Canvas, text: &str, style: Style, field: DeviceRect, at: At) -> i32 {
        if field.is_empty() || text.is_empty() {
            return 0;
        }
        let whole = self.width(text, style);
        let room = (whole > field.w).then_some(field.w as f32);
        let Some(buffer) = self.shape(text, style, room) else { return 0 };
        let width = whole.min(field.w);
        let left = match at {
            At::Left => field.x,
            At::Middle => field.x + (field.w - width) / 2,
        };
        let cap = self.book.face.as_ref().map_or(0.72, |face| face.cap_height) * style.px;
        let baseline = field.y as f32 + ((field.h as f32 + cap) / 2.0).round();
        let ink = Color::rgb(style.color.r, style.color.g, style.color.b);
        let clip = field.intersection(&canvas.bounds());
        let Some(run) = buffer.layout_runs().next() else { return 0 };
        for glyph in run.glyphs {
            let place = glyph.physical((left as f32, baseline), 1.0);
            self.cache.with_pixels(&mut self.book.system, place.cache_key, ink, |dx, dy, pixel| {
                let (x, y) = (place.x + dx, place.y + dy);
                if x >= clip.x && x < clip.right() && y >= clip.y && y < clip.bottom() {
                    canvas.blend(x, y, Rgb::new(pixel.r(), pixel.g(), pixel.b()).alpha(pixel.a()), 255);
                }
            });
        }
        width
    }
}
