//! Rectangles against the pixels they stand for.

use proptest::prelude::*;

use crate::shell::{Insets, Point, Rect, Size};

fn small() -> impl Strategy<Value = Rect> {
    (-6..6, -6..6, 0..8, 0..8).prop_map(|(x, y, w, h)| Rect::new(x, y, w, h))
}

fn wild() -> impl Strategy<Value = i32> {
    prop_oneof![Just(i32::MIN), Just(i32::MAX), -100..100, any::<i32>()]
}

fn pixels() -> impl Iterator<Item = Point> {
    (-8..16).flat_map(|y| (-8..16).map(move |x| Point::new(x, y)))
}

proptest! {
    #[test]
    fn intersection_and_difference_are_those_of_pixels(a in small(), b in small()) {
        let parts: Vec<Rect> = a.subtract(b).collect();
        for at in pixels() {
            let (in_a, in_b) = (a.contains(at), b.contains(at));
            prop_assert_eq!(a.intersection(b).is_some_and(|both| both.contains(at)), in_a && in_b);
            let covering = parts.iter().filter(|part| part.contains(at)).count();
            prop_assert_eq!(covering, usize::from(in_a && !in_b), "{:?} of {:?}", at, parts);
        }
        let both = pixels().filter(|at| a.contains(*at) && b.contains(*at)).count();
        prop_assert_eq!(a.overlap(b), both as i64);
    }

    #[test]
    fn clamping_keeps_what_fits_inside(a in small(), b in small()) {
        let clamped = a.clamped_into(b);
        prop_assert_eq!(clamped.size(), a.size());
        if a.w <= b.w && a.h <= b.h {
            prop_assert!(b.contains_rect(clamped));
        } else {
            prop_assert!(clamped.x >= b.x && clamped.y >= b.y);
        }
        if b.contains_rect(a) && !a.is_empty() {
            prop_assert_eq!(clamped, a);
        }
    }

    #[test]
    fn no_number_wraps_around(v in prop::array::uniform12(wild())) {
        let [x, y, w, h, top, right, bottom, left, dx, dy, px, py] = v;
        let (rect, insets) = (Rect::new(x, y, w, h), Insets::new(top, right, bottom, left));
        let other = Rect::new(px, py, dx, dy);
        for r in [rect.translate(dx, dy), rect.inset(insets), rect.outset(insets), rect.centered_in(other)] {
            prop_assert!(r.w >= 0 && r.h >= 0 && r.right() >= r.x && r.bottom() >= r.y);
        }
        prop_assert_eq!(rect.intersection(other), other.intersection(rect));
        prop_assert!(rect.clamped_into(other).size() == rect.size());
        prop_assert!(rect.subtract(other).all(|part| !part.is_empty()));
        prop_assert!(Point::new(x, y).distance_squared(Point::new(px, py)) >= 0);
        let grown = insets.shrink(Size::new(w, h));
        prop_assert!(grown.w >= 1 && grown.h >= 1);
    }

    #[test]
    fn a_frame_and_its_inside_fit(w in 1..20_000, h in 1..20_000, top in 0..256, side in 0..256) {
        let (content, insets) = (Size::new(w, h), Insets::new(top, side, side, side));
        let outer = Rect::at(Point::new(-7, 9), insets.grow(content));
        prop_assert_eq!(outer.inset(insets).size(), content);
        prop_assert_eq!(outer.inset(insets).outset(insets), outer);
        prop_assert_eq!(insets.shrink(outer.size()), content);
    }
}
