//! Looking at pictures pixel by pixel.

use std::{collections::HashMap, path::PathBuf};

use transom_theming::{DeviceRect, Fonts, Image, Painter, Rgb, Theme, Variant};

pub(crate) const VARIANTS: [Variant; 2] = [Variant::Dark, Variant::Light];

/// The same fonts on every Debian 12 machine: the package fonts-dejavu-core.
pub(crate) fn painter(variant: Variant) -> Painter {
    let files = ["DejaVuSans.ttf", "DejaVuSans-Bold.ttf"]
        .map(|name| PathBuf::from("/usr/share/fonts/truetype/dejavu").join(name));
    let painter = Painter::new(Theme::builtin(variant), Fonts::Files(files.to_vec()));
    assert_eq!(painter.problem(), None, "the tests need the package fonts-dejavu-core");
    painter
}

pub(crate) fn whole(image: &Image) -> DeviceRect {
    DeviceRect::new(0, 0, image.width as i32, image.height as i32)
}

pub(crate) fn pixel(image: &Image, x: i32, y: i32) -> Rgb {
    let at = (y as usize * image.width as usize + x as usize) * 4;
    Rgb::new(image.data[at + 2], image.data[at + 1], image.data[at])
}

pub(crate) fn colors(image: &Image, area: DeviceRect) -> impl Iterator<Item = Rgb> {
    (area.y..area.bottom()).flat_map(move |y| (area.x..area.right()).map(move |x| pixel(image, x, y)))
}

/// The colour that most of an area has.
pub(crate) fn ground(image: &Image, area: DeviceRect) -> Rgb {
    let mut counts: HashMap<Rgb, usize> = HashMap::new();
    for color in colors(image, area) {
        *counts.entry(color).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).expect("the area is not empty").0
}

/// The contrast of what stands out most from the ground of an area.
pub(crate) fn best_contrast(image: &Image, area: DeviceRect) -> f32 {
    let ground = ground(image, area);
    colors(image, area).map(|color| transom_theming::contrast(color, ground)).fold(1.0, f32::max)
}

/// The smallest rectangle around all pixels in which two pictures of one size differ.
pub(crate) fn changed(a: &Image, b: &Image) -> Option<DeviceRect> {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let line = a.width as usize * 4;
    let mut found: Option<DeviceRect> = None;
    for (y, (one, two)) in a.data.chunks_exact(line).zip(b.data.chunks_exact(line)).enumerate() {
        let differs = |x: usize| one[x * 4..x * 4 + 4] != two[x * 4..x * 4 + 4];
        let (Some(left), Some(right)) =
            ((0..line / 4).find(|x| differs(*x)), (0..line / 4).rev().find(|x| differs(*x)))
        else {
            continue;
        };
        let (left, right, y) = (left as i32, right as i32 + 1, y as i32);
        found = Some(found.map_or(DeviceRect::new(left, y, right - left, 1), |f| {
            let (x, end) = (f.x.min(left), f.right().max(right));
            DeviceRect::new(x, f.y, end - x, y + 1 - f.y)
        }));
    }
    found
}

/// True if `inner` lies in `outer`.
pub(crate) fn within(inner: DeviceRect, outer: DeviceRect) -> bool {
    inner.intersection(&outer) == inner
}
