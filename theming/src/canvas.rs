//! A picture being drawn: blue, green, red, alpha bytes, premultiplied.

use tiny_skia::{FillRule, Paint, Path, PixmapMut, Stroke, Transform};

use crate::{DeviceRect, Rgb, Rgba, geometry::MAX_SIZE};

/// A finished picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// In device pixels, at least 1.
    pub width: u32,
    /// In device pixels, at least 1.
    pub height: u32,
    /// `width * height * 4` bytes, row by row without padding: blue, green, red, alpha,
    /// premultiplied. This is DRM `ARGB8888` (little-endian). Opaque unless the function that
    /// made it says otherwise.
    pub data: Vec<u8>,
}

/// Most bytes a picture may take; what would be larger is cut in height.
const MAX_BYTES: usize = 1 << 30;

/// See the module's text. Everything that would go outside is cut.
#[derive(Debug)]
pub(crate) struct Canvas {
    width: i32,
    height: i32,
    data: Vec<u8>,
}

impl Canvas {
    /// A canvas of one colour.
    pub(crate) fn filled(width: i32, height: i32, color: Rgb) -> Self {
        let mut canvas = Self::clear(width, height);
        for pixel in canvas.data.chunks_exact_mut(4) {
            pixel.copy_from_slice(&[color.b, color.g, color.r, 255]);
        }
        canvas
    }

    /// A canvas with nothing on it.
    pub(crate) fn clear(width: i32, height: i32) -> Self {
        let width = width.clamp(1, MAX_SIZE);
        let most = (MAX_BYTES / 4 / width as usize).max(1) as i32;
        let height = height.clamp(1, MAX_SIZE.min(most));
        Self { width, height, data: vec![0; width as usize * height as usize * 4] }
    }

    pub(crate) fn bounds(&self) -> DeviceRect {
        DeviceRect::new(0, 0, self.width, self.height)
    }

    /// The picture; every pixel of it is opaque.
    pub(crate) fn into_opaque(mut self) -> Image {
        for pixel in self.data.chunks_exact_mut(4) {
            pixel[3] = 255;
        }
        self.into_image()
    }

    /// The picture as it is.
    pub(crate) fn into_image(self) -> Image {
        Image { width: self.width as u32, height: self.height as u32, data: self.data }
    }

    /// Lays `color` over one pixel; `coverage` 255 is all of it.
    pub(crate) fn blend(&mut self, x: i32, y: i32, color: Rgba, coverage: u8) {
        if x < 0 || y < 0 || x >= self.width || y >= self.height {
            return;
        }
        let at = (y as usize * self.width as usize + x as usize) * 4;
        let alpha = div255(u32::from(color.a) * u32::from(coverage));
        let Some(pixel) = self.data.get_mut(at..at + 4) else { return };
        let source = [color.rgb.b, color.rgb.g, color.rgb.r, 255];
        for (to, from) in pixel.iter_mut().zip(source) {
            *to = div255(u32::from(from) * alpha + u32::from(*to) * (255 - alpha)) as u8;
        }
    }

    /// Fills a rectangle.
    pub(crate) fn fill(&mut self, rect: DeviceRect, color: impl Into<Rgba>) {
        let color = color.into();
        let rect = rect.intersection(&self.bounds());
        for y in rect.y..rect.bottom() {
            for x in rect.x..rect.right() {
                self.blend(x, y, color, 255);
            }
        }
    }

    /// Fills the ring of this thickness just inside a rectangle.
    pub(crate) fn outline(&mut self, rect: DeviceRect, thick: i32, color: impl Into<Rgba>) {
        let color = color.into();
        let thick = thick.min(rect.h / 2).min(rect.w / 2);
        let middle = rect.h - 2 * thick;
        self.fill(DeviceRect { h: thick, ..rect }, color);
        self.fill(DeviceRect { y: rect.bottom() - thick, h: thick, ..rect }, color);
        self.fill(DeviceRect { y: rect.y + thick, w: thick, h: middle, ..rect }, color);
        self.fill(DeviceRect::new(rect.right() - thick, rect.y + thick, thick, middle), color);
    }

    /// Fills a path, its edges smoothed.
    pub(crate) fn fill_path(&mut self, path: &Path, color: impl Into<Rgba>) {
        let paint = paint(color.into());
        if let Some(mut pixmap) = self.pixmap() {
            pixmap.fill_path(path, &paint, FillRule::Winding, Transform::identity(), None);
        }
    }

    /// Draws along a path, its edges smoothed.
    pub(crate) fn stroke_path(&mut self, path: &Path, stroke: &Stroke, color: impl Into<Rgba>) {
        let paint = paint(color.into());
        if let Some(mut pixmap) = self.pixmap() {
            pixmap.stroke_path(path, &paint, stroke, Transform::identity(), None);
        }
    }

    fn pixmap(&mut self) -> Option<PixmapMut<'_>> {
        PixmapMut::from_bytes(&mut self.data, self.width as u32, self.height as u32)
    }
}

impl From<Rgb> for Rgba {
    fn from(rgb: Rgb) -> Self {
        rgb.alpha(255)
    }
}

/// tiny-skia keeps red first and does not care what the channels mean: with red and blue swapped
/// it draws into our byte order.
fn paint(color: Rgba) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(color.rgb.b, color.rgb.g, color.rgb.r, color.a);
    paint
}

/// `v / 255`, rounded; exact for products of two bytes.
fn div255(v: u32) -> u32 {
    (v + 128 + ((v + 128) >> 8)) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_drawn_outside() {
        let mut canvas = Canvas::filled(4, 3, Rgb::BLACK);
        canvas.fill(DeviceRect::new(-5, -5, 100, 100), Rgb::WHITE);
        canvas.blend(-1, 0, Rgb::WHITE.into(), 255);
        canvas.blend(0, 3, Rgb::WHITE.into(), 255);
        canvas.outline(DeviceRect::new(2, 2, 40, 40), 30, Rgb::BLACK);
        let image = canvas.into_opaque();
        assert_eq!((image.width, image.height, image.data.len()), (4, 3, 48));
    }

    #[test]
    fn opaque_over_opaque_is_exact() {
        for v in 0..=255u8 {
            let mut canvas = Canvas::filled(1, 1, Rgb::new(v, 0, 255));
            canvas.blend(0, 0, Rgb::new(0, v, 7).into(), 255);
            assert_eq!(canvas.into_image().data, [7, v, 0, 255]);
        }
    }

    #[test]
    fn sizes_are_cut_to_what_can_be_held() {
        assert_eq!(Canvas::clear(0, -3).bounds(), DeviceRect::new(0, 0, 1, 1));
    }
}
