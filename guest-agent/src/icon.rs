//! Pictures of programs, of their notifications and status icons: found by name or given as pixels, decoded here,
//! drawn at the one size that dom0 takes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use image::{DynamicImage, ImageFormat, ImageReader, Limits, RgbaImage, imageops};
use resvg::{tiny_skia, usvg};
use transom_protocol::service::{ICON_BYTES, ICON_SIDE};

/// Largest file that is read, in bytes.
const LARGEST: u64 = 4 << 20;
/// Widest and highest picture that is decoded, in pixels.
const WIDEST: u32 = 4_096;
/// The theme that is looked into before `hicolor`, which all themes rest on.
const THEME: &str = "Adwaita";

/// The picture that an entry names, by name or path; `None` if it cannot be found or read.
pub(crate) fn draw(name: &str) -> Option<Box<[u8]>> {
    let path = find(name)?;
    let bytes =
        fs::metadata(&path).ok().filter(|meta| meta.len() <= LARGEST).and_then(|_| fs::read(&path).ok())?;
    match path.extension()?.to_str()? {
        "svg" => vector(&bytes),
        "png" => raster(&bytes),
        _ => None,
    }
}

fn find(name: &str) -> Option<PathBuf> {
    if Path::new(name).is_absolute() {
        return Some(PathBuf::from(name));
    }
    // Some entries name a file although a name is asked for.
    let name = [".png", ".svg", ".xpm"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    freedesktop_icons::lookup(name).with_size(ICON_SIDE as u16).with_theme(THEME).find()
}

fn vector(bytes: &[u8]) -> Option<Box<[u8]>> {
    // No file that it names is read.
    let hrefs = usvg::ImageHrefResolver {
        resolve_data: Box::new(|_, _, _| None),
        resolve_string: Box::new(|_, _| None),
    };
    let options = usvg::Options { image_href_resolver: hrefs, ..usvg::Options::default() };
    let tree = usvg::Tree::from_data(bytes, &options).ok()?;
    let (size, side) = (tree.size(), ICON_SIDE as f32);
    let factor = side / size.width().max(size.height());
    let moved = |length: f32| (side - length * factor) / 2.0;
    let place = tiny_skia::Transform::from_scale(factor, factor)
        .post_translate(moved(size.width()), moved(size.height()));
    let mut pixmap = tiny_skia::Pixmap::new(ICON_SIDE as u32, ICON_SIDE as u32)?;
    resvg::render(&tree, place, &mut pixmap.as_mut());
    whole(pixmap.take_demultiplied())
}

fn raster(bytes: &[u8]) -> Option<Box<[u8]>> {
    let mut reader = ImageReader::with_format(std::io::Cursor::new(bytes), ImageFormat::Png);
    let mut limits = Limits::default();
    limits.max_image_width = Some(WIDEST);
    limits.max_image_height = Some(WIDEST);
    reader.limits(limits);
    fit(reader.decode().ok()?)
}

/// Pixels as a notification brings them (`image-data`): rows of `stride` bytes, 8 bits a channel, red first, not
/// premultiplied.
pub(crate) fn from_rows(
    (width, height): (i32, i32),
    stride: i32,
    alpha: bool,
    pixels: &[u8],
) -> Option<Box<[u8]>> {
    let side = |length: i32| u32::try_from(length).ok().filter(|length| (1..=WIDEST).contains(length));
    let (width, height) = (side(width)?, side(height)?);
    let row = width as usize * if alpha { 4 } else { 3 };
    let stride = usize::try_from(stride).ok().filter(|stride| *stride >= row)?;
    // The last row need not be padded.
    let needed = stride.checked_mul(height as usize - 1)?.checked_add(row)?;
    let pixels = pixels.get(..needed)?;
    let packed: Vec<u8> = pixels.chunks(stride).flat_map(|chunk| &chunk[..row]).copied().collect();
    fit(if alpha {
        RgbaImage::from_raw(width, height, packed)?.into()
    } else {
        image::RgbImage::from_raw(width, height, packed)?.into()
    })
}

/// The best of the pixmaps of a status icon: width, height and rows of alpha, red, green and blue, not
/// premultiplied.
pub(crate) fn from_pixmaps(pixmaps: &[(i32, i32, Vec<u8>)]) -> Option<Box<[u8]>> {
    let whole = |(width, height, pixels): &&(i32, i32, Vec<u8>)| {
        let side = 1..=WIDEST as i32;
        side.contains(width)
            && side.contains(height)
            && pixels.len() == *width as usize * *height as usize * 4
    };
    // The smallest that is large enough, else the largest.
    let (width, height, pixels) = pixmaps.iter().filter(whole).min_by_key(|(width, height, _)| {
        let side = *width.max(height);
        let enough = side >= ICON_SIDE as i32;
        (!enough, if enough { side } else { -side })
    })?;
    let turned = pixels.chunks_exact(4).flat_map(|p| [p[1], p[2], p[3], p[0]]).collect();
    fit(RgbaImage::from_raw(*width as u32, *height as u32, turned)?.into())
}

/// As large as it can be in the one size, in the middle.
fn fit(picture: DynamicImage) -> Option<Box<[u8]>> {
    let side = ICON_SIDE as u32;
    let fitted = match (picture.width(), picture.height()) {
        (w, h) if (w, h) == (side, side) => picture,
        _ => picture.resize(side, side, imageops::FilterType::CatmullRom),
    };
    let mut icon = RgbaImage::new(side, side);
    let (x, y) = ((side - fitted.width().min(side)) / 2, (side - fitted.height().min(side)) / 2);
    imageops::replace(&mut icon, &fitted.to_rgba8(), x.into(), y.into());
    whole(icon.into_raw())
}

fn whole(pixels: Vec<u8>) -> Option<Box<[u8]>> {
    (pixels.len() == ICON_BYTES).then(|| pixels.into_boxed_slice())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(icon: &[u8], x: usize, y: usize) -> [u8; 4] {
        let start = (y * ICON_SIDE + x) * 4;
        icon[start..start + 4].try_into().unwrap()
    }

    #[test]
    fn both_formats_become_pixels_of_one_size() {
        let dir = tempfile::tempdir().unwrap();
        let svg = dir.path().join("a.svg");
        // Twice as wide as high: it stands in the middle, with nothing above and below.
        fs::write(
            &svg,
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10">
            <rect width="20" height="10" fill="#2040c0"/></svg>"##,
        )
        .unwrap();
        let icon = draw(svg.to_str().unwrap()).unwrap();
        assert_eq!((at(&icon, 24, 24), at(&icon, 24, 4)), ([0x20, 0x40, 0xc0, 255], [0; 4]));
        let png = dir.path().join("b.png");
        RgbaImage::from_pixel(96, 48, image::Rgba([9, 200, 30, 255])).save(&png).unwrap();
        let icon = draw(png.to_str().unwrap()).unwrap();
        assert_eq!((at(&icon, 24, 24), at(&icon, 24, 4)), ([9, 200, 30, 255], [0; 4]));
    }

    #[test]
    fn pixels_become_the_one_size() {
        let rows = [7, 8, 9].repeat(2);
        let padded: Vec<u8> = [rows.clone(), vec![0; 2], rows].concat();
        let icon = from_rows((2, 2), 8, false, &padded).unwrap();
        assert_eq!(at(&icon, 3, 40), [7, 8, 9, 255]);
        for (size, stride, length) in [
            ((2, 2), 5, 14),
            ((2, 2), 8, 13),
            ((0, 2), 8, 14),
            ((2, -1), 8, 14),
            ((i32::MAX, 2), i32::MAX, 14),
        ] {
            assert_eq!(from_rows(size, stride, false, &padded[..length]), None, "{size:?} {stride} {length}");
        }
        let pixmap =
            |side: i32, shade: u8| (side, side, [255, shade, 0, 1].repeat(side as usize * side as usize));
        let best = |sides: &[i32]| {
            let pixmaps: Vec<_> = sides.iter().map(|side| pixmap(*side, *side as u8)).collect();
            from_pixmaps(&pixmaps).map(|icon| at(&icon, 24, 24))
        };
        assert_eq!(best(&[16, 128, 64]), Some([64, 0, 1, 255]));
        assert_eq!(best(&[16, 32]), Some([32, 0, 1, 255]));
        assert_eq!(best(&[]), None);
        assert_eq!(from_pixmaps(&[(2, 2, vec![0; 15]), (-2, -2, vec![0; 16])]), None);
    }

    #[test]
    fn what_is_no_picture_is_none() {
        let dir = tempfile::tempdir().unwrap();
        for (name, bytes) in
            [("a.png", &b"not a picture"[..]), ("b.svg", b"<svg"), ("c.xpm", b"x"), ("d", b"")]
        {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            assert_eq!(draw(path.to_str().unwrap()), None, "{name}");
        }
        assert_eq!(draw("no-such-picture-anywhere"), None);
        assert_eq!(draw("/no/such/file.png"), None);
    }
}
