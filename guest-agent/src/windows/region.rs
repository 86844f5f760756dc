//! Regions and damage as short lists of rectangles.

use smithay::{
    utils::{Logical, Rectangle},
    wayland::compositor::{RectangleKind, RegionAttributes},
};
use transom_protocol::{
    limits::{MAX_DIMENSION, MAX_RECTS},
    types::Rect,
};

/// Farthest coordinate that is sent.
const FAR: i32 = MAX_DIMENSION as i32;

/// What lies within reach of a rectangle; `None` if nothing does.
pub(crate) fn clamp(x: i32, y: i32, w: i32, h: i32) -> Option<Rect> {
    let (right, bottom) = (x.saturating_add(w.max(0)).min(FAR), y.saturating_add(h.max(0)).min(FAR));
    let (x, y) = (x.max(-FAR), y.max(-FAR));
    (right > x && bottom > y).then(|| Rect::new(x, y, right - x, bottom - y))
}

/// The rectangles of a region, without overlap of added and subtracted parts.
///
/// `None` if they are more than a message holds.
pub(crate) fn rects(region: &RegionAttributes) -> Option<Vec<Rect>> {
    let mut parts: Vec<Rectangle<i32, Logical>> = Vec::new();
    for (kind, rect) in &region.rects {
        let Some(rect) = clamp(rect.loc.x, rect.loc.y, rect.size.w, rect.size.h) else { continue };
        let (x, y, w, h) = rect.get();
        let rect = Rectangle::new((x, y).into(), (w, h).into());
        match kind {
            RectangleKind::Add => parts.push(rect),
            RectangleKind::Subtract => {
                parts = Rectangle::subtract_rects_many(parts, std::iter::once(rect));
            }
        }
        // A program may make a region as fine as it likes; here it is not worth it.
        if parts.len() > 4 * MAX_RECTS {
            return None;
        }
    }
    (parts.len() <= MAX_RECTS)
        .then(|| parts.iter().map(|r| Rect::new(r.loc.x, r.loc.y, r.size.w, r.size.h)).collect())
}

/// One rectangle around all of a region's added parts.
pub(crate) fn bounds(region: &RegionAttributes) -> Vec<Rect> {
    let added =
        region.rects.iter().filter(|(kind, _)| matches!(kind, RectangleKind::Add)).map(|(_, rect)| *rect);
    let around = added.reduce(smithay::utils::Rectangle::merge);
    around.and_then(|r| clamp(r.loc.x, r.loc.y, r.size.w, r.size.h)).into_iter().collect()
}

/// True if a point lies in a region.
pub(crate) fn contains(region: &RegionAttributes, x: f64, y: f64) -> bool {
    region.rects.iter().fold(false, |inside, (kind, rect)| {
        if rect.to_f64().contains((x, y)) { matches!(kind, RectangleKind::Add) } else { inside }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn region() -> impl Strategy<Value = RegionAttributes> {
        let rect = (any::<bool>(), -20i32..40, -20i32..40, 0i32..30, 0i32..30);
        prop::collection::vec(rect, 0..8).prop_map(|rects| {
            let kind = |add| if add { RectangleKind::Add } else { RectangleKind::Subtract };
            RegionAttributes {
                rects: rects
                    .into_iter()
                    .map(|(add, x, y, w, h)| (kind(add), Rectangle::new((x, y).into(), (w, h).into())))
                    .collect(),
            }
        })
    }

    proptest! {
        #[test]
        fn the_list_covers_the_same_pixels(region in region()) {
            let Some(list) = rects(&region) else { return Ok(()) };
            for y in -22..72 {
                for x in -22..72 {
                    let (fx, fy) = (f64::from(x) + 0.5, f64::from(y) + 0.5);
                    let listed = list.iter().any(|r| {
                        let (rx, ry, w, h) = r.get();
                        x >= rx && x < rx + w && y >= ry && y < ry + h
                    });
                    prop_assert_eq!(listed, contains(&region, fx, fy), "{} {}", x, y);
                }
            }
        }
    }

    #[test]
    fn far_rectangles_are_cut() {
        let rect = clamp(i32::MIN, -5, i32::MAX, i32::MAX).unwrap_or(Rect::new(0, 0, 0, 0));
        assert!(rect.is_valid());
        assert!(clamp(0, 0, 0, 5).is_none());
        let all = clamp(0, 0, i32::MAX, i32::MAX).map(Rect::get);
        assert_eq!(all, Some((0, 0, FAR, FAR)));
    }
}
