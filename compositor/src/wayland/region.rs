//! Regions as short lists of rectangles.

use smithay::{
    utils::{Logical, Rectangle},
    wayland::compositor::{RectangleKind, RegionAttributes},
};
use transom_protocol::{
    limits::{MAX_DIMENSION, MAX_RECTS},
    types::Rect,
};

/// Farthest coordinate that is told.
const FAR: i32 = MAX_DIMENSION as i32;

/// What lies within reach of a rectangle; `None` if nothing does.
pub(super) fn clamp(rect: Rectangle<i32, Logical>) -> Option<Rectangle<i32, Logical>> {
    rect.intersection(Rectangle::new((-FAR, -FAR).into(), (2 * FAR, 2 * FAR).into()))
        .filter(|cut| !cut.is_empty())
}

/// A rectangle of the protocol.
pub(super) fn wire<K>(rect: Rectangle<i32, K>) -> Rect {
    Rect::new(rect.loc.x, rect.loc.y, rect.size.w, rect.size.h)
}

/// The rectangles of a region; `None` if they are more than a message holds.
pub(super) fn rects(region: &RegionAttributes) -> Option<Vec<Rect>> {
    let mut parts: Vec<Rectangle<i32, Logical>> = Vec::new();
    for (kind, rect) in &region.rects {
        let Some(rect) = clamp(*rect) else { continue };
        match kind {
            RectangleKind::Add => parts.push(rect),
            RectangleKind::Subtract => {
                parts = Rectangle::subtract_rects_many(parts, std::iter::once(rect));
            }
        }
        if parts.len() > 4 * MAX_RECTS {
            return None;
        }
    }
    (parts.len() <= MAX_RECTS).then(|| parts.into_iter().map(wire).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(parts: &[(RectangleKind, [i32; 4])]) -> RegionAttributes {
        let rect = |[x, y, w, h]: [i32; 4]| Rectangle::new((x, y).into(), (w, h).into());
        RegionAttributes { rects: parts.iter().map(|(kind, r)| (*kind, rect(*r))).collect() }
    }

    #[test]
    fn what_is_taken_away_is_in_no_rectangle() {
        let hole = region(&[(RectangleKind::Add, [0, 0, 9, 9]), (RectangleKind::Subtract, [3, 3, 3, 3])]);
        let list = rects(&hole).unwrap();
        for y in 0..9 {
            for x in 0..9 {
                let listed = list.iter().any(|r| {
                    let (rx, ry, w, h) = r.get();
                    x >= rx && x < rx + w && y >= ry && y < ry + h
                });
                let taken = (3..6).contains(&x) && (3..6).contains(&y);
                assert_eq!(listed, !taken, "{x}, {y}");
            }
        }
    }

    #[test]
    fn what_is_too_far_or_too_fine_is_not_told() {
        let all = region(&[(RectangleKind::Add, [i32::MIN, i32::MIN, i32::MAX, i32::MAX])]);
        assert!(rects(&all).is_some_and(|list| list.iter().all(|r| r.is_valid())));
        let comb: Vec<_> = (0..100).map(|i| (RectangleKind::Add, [2 * i, 0, 1, 1])).collect();
        assert!(rects(&region(&comb)).is_none());
    }
}
