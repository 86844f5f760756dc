//! A sheet to lay pictures out on, as red, green, blue.

use std::path::{Path, PathBuf};

use image::{
    ExtendedColorType, ImageEncoder,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};
use transom_theming::{FrameSpec, Image, Painter, Rgb};

/// A picture of pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sheet {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) data: Vec<u8>,
}

impl Sheet {
    pub(crate) fn new(width: u32, height: u32, back: Rgb) -> Self {
        let data = [back.r, back.g, back.b].repeat(width as usize * height as usize);
        Self { width, height, data }
    }

    /// Lays a picture over the sheet; what lies outside is cut.
    pub(crate) fn place(&mut self, image: &Image, x: i32, y: i32) {
        for (row, line) in image.data.chunks_exact(image.width as usize * 4).enumerate() {
            for (column, pixel) in line.chunks_exact(4).enumerate() {
                let (x, y) = (x + column as i32, y + row as i32);
                if x < 0 || y < 0 || x >= self.width as i32 || y >= self.height as i32 {
                    continue;
                }
                let at = (y as usize * self.width as usize + x as usize) * 3;
                let rest = 255 - u32::from(pixel[3]);
                for (to, from) in self.data[at..at + 3].iter_mut().zip([pixel[2], pixel[1], pixel[0]]) {
                    *to = (u32::from(from) + u32::from(*to) * rest / 255).min(255) as u8;
                }
            }
        }
    }

    pub(crate) fn save(&self, path: &Path) {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).expect("the folder can be made");
        }
        let file = std::fs::File::create(path).expect("the file can be made");
        PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Adaptive)
            .write_image(&self.data, self.width, self.height, ExtendedColorType::Rgb8)
            .expect("the picture can be written");
    }
}

/// One after the other, each row as high as its highest picture.
pub(crate) fn rows(rows: &[Vec<Image>], gap: i32, back: Rgb) -> Sheet {
    let width = |row: &Vec<Image>| row.iter().map(|i| i.width as i32 + gap).sum::<i32>() + gap;
    let height = |row: &Vec<Image>| row.iter().map(|i| i.height as i32).max().unwrap_or(0);
    let whole = rows.iter().map(height).map(|h| h + gap).sum::<i32>() + gap;
    let mut sheet = Sheet::new(rows.iter().map(width).max().unwrap_or(1) as u32, whole as u32, back);
    let mut y = gap;
    for row in rows {
        let mut x = gap;
        for image in row {
            sheet.place(image, x, y);
            x += image.width as i32 + gap;
        }
        y += height(row) + gap;
    }
    sheet
}

/// A frame put together as the compositor does it, its content in one colour.
pub(crate) fn framed(painter: &mut Painter, spec: &FrameSpec<'_>, content: Rgb) -> Image {
    let outer = painter.frame_geometry(spec).outer;
    let (width, height) = (outer.w.max(1) as u32, outer.h.max(1) as u32);
    let data = [content.b, content.g, content.r, 255].repeat(width as usize * height as usize);
    let mut whole = Image { width, height, data };
    for part in painter.frame(spec) {
        let line = part.image.width as usize * 4;
        for (row, pixels) in part.image.data.chunks_exact(line).enumerate() {
            let at = ((part.rect.y as usize + row) * width as usize + part.rect.x as usize) * 4;
            whole.data[at..at + line].copy_from_slice(pixels);
        }
    }
    whole
}

/// Where pictures for people go.
pub(crate) fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/theming")
}
