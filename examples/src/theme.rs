//! Reads a theme file and draws a window frame of each label with it.
//!
//! `cargo run -p transom-examples --bin example-theme -- theming/themes/light.kdl frames.png`

use std::{error::Error, fs};

use image::RgbaImage;
use transom_theming::{Fonts, FrameKind, FrameSpec, Label, Painter, Scale, Size, Theme};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: example-theme THEME.kdl OUT.png".into());
    };
    // A bad theme says where and why.
    let theme = Theme::parse(&file, &fs::read_to_string(&file)?)?;
    let background = theme.background();
    let mut painter = Painter::new(theme, Fonts::System);
    let (columns, width, height) = (2, 420, 130);
    let mut picture = RgbaImage::new(columns * width, 4 * height);
    for pixel in picture.pixels_mut() {
        pixel.0 = [background.r, background.g, background.b, 255];
    }
    for (i, label) in Label::ALL.into_iter().enumerate() {
        let spec = FrameSpec {
            kind: FrameKind::Toplevel,
            label: Some(label),
            qube: label.name(),
            title: "a window",
            active: i % 2 == 0,
            attention: None,
            not_isolated: false,
            maximised: false,
            hovered: None,
            pressed: None,
            content: Size { w: 380, h: 70 },
            scale: Scale::default(),
        };
        let (x, y) = (i as u32 % columns * width + 10, i as u32 / columns * height + 10);
        for part in painter.frame(&spec) {
            for (at, bgra) in part.image.data.chunks_exact(4).enumerate() {
                let (px, py) = (at as u32 % part.image.width, at as u32 / part.image.width);
                let (left, top) = (x + part.rect.x as u32, y + part.rect.y as u32);
                picture.put_pixel(left + px, top + py, image::Rgba([bgra[2], bgra[1], bgra[0], 255]));
            }
        }
    }
    picture.save(out)?;
    Ok(())
}
