//! Where screens are on the desktop, and where the pointer can go. Pure; logical pixels.

use smithay::utils::{Logical, Point, Rectangle, Size};

/// No screen begins further away from the origin than this, before the desktop is moved there.
pub const FAR: i32 = 1 << 20;
/// How far inside of an edge the pointer stays: the step of positions in the protocol.
const STEP: f64 = 1.0 / 256.0;

/// Size of a screen, and its top left corner if that was said.
pub type Wish = (Size<i32, Logical>, Option<Point<i32, Logical>>);

/// Gives every screen its place, in the order given: at its own if it has one and nobody is there,
/// else to the right of all before it. The desktop's top left corner is at (0, 0) in the end.
pub fn arrange(screens: &[Wish]) -> Vec<Rectangle<i32, Logical>> {
    let mut placed: Vec<Option<Rectangle<i32, Logical>>> = vec![None; screens.len()];
    // Those with places of their own first: the others go where room is left.
    for (index, (size, at)) in screens.iter().enumerate() {
        let Some(at) = at else { continue };
        let at = (at.x.clamp(-FAR, FAR), at.y.clamp(-FAR, FAR));
        let wanted = Rectangle::new(at.into(), *size);
        if !placed.iter().flatten().any(|other| other.overlaps(wanted)) {
            placed[index] = Some(wanted);
        }
    }
    for (index, (size, _)) in screens.iter().enumerate() {
        if placed[index].is_none() {
            let right = placed.iter().flatten().map(|rect| rect.loc.x + rect.size.w).max();
            let top = placed.iter().flatten().map(|rect| rect.loc.y).min();
            placed[index] = Some(Rectangle::new((right.unwrap_or(0), top.unwrap_or(0)).into(), *size));
        }
    }
    let mut placed: Vec<_> = placed.into_iter().flatten().collect();
    let corner = area(&placed).loc;
    for rect in &mut placed {
        rect.loc -= corner;
    }
    placed
}

/// The smallest rectangle around all.
pub fn area(screens: &[Rectangle<i32, Logical>]) -> Rectangle<i32, Logical> {
    screens.iter().copied().reduce(Rectangle::merge).unwrap_or_default()
}

/// Where among `screens` most of a rectangle is, else where the nearest to its middle is.
pub fn best_for(screens: &[Rectangle<i32, Logical>], rect: Rectangle<i32, Logical>) -> Option<usize> {
    let middle = (rect.loc + rect.size.to_point().downscale(2)).to_f64();
    let rank = |screen: &Rectangle<i32, Logical>| {
        let shown = screen.intersection(rect).map_or(0, |r| i64::from(r.size.w) * i64::from(r.size.h));
        let near = into(*screen, middle);
        let far = (near.x - middle.x).powi(2) + (near.y - middle.y).powi(2);
        (std::cmp::Reverse(shown), far.round() as i64)
    };
    screens.iter().enumerate().min_by_key(|(_, screen)| rank(screen)).map(|(index, _)| index)
}

/// The place inside a screen that is nearest.
fn into(screen: Rectangle<i32, Logical>, at: Point<f64, Logical>) -> Point<f64, Logical> {
    let (from, to) = (screen.loc.to_f64(), (screen.loc + screen.size.to_point()).to_f64());
    (at.x.min(to.x - STEP).max(from.x), at.y.min(to.y - STEP).max(from.y)).into()
}

/// The place on any screen that is nearest: where a pointer that is put somewhere comes to be.
pub fn nearest(screens: &[Rectangle<i32, Logical>], at: Point<f64, Logical>) -> Option<Point<f64, Logical>> {
    let far = |near: &Point<f64, Logical>| (near.x - at.x).powi(2) + (near.y - at.y).powi(2);
    let places = screens.iter().map(|screen| into(*screen, at));
    places.min_by(|a, b| far(a).total_cmp(&far(b)))
}

/// Moves a pointer from one place toward another. It goes over to a screen whose edge touches the one
/// it is on, and slides along an edge that touches none. `None`: there is no screen.
pub fn slide(
    screens: &[Rectangle<i32, Logical>],
    from: Point<f64, Logical>,
    to: Point<f64, Logical>,
) -> Option<Point<f64, Logical>> {
    let mut at = nearest(screens, from)?;
    let mut to = to;
    let holds = |screen: &Rectangle<i32, Logical>, at: Point<f64, Logical>| screen.to_f64().contains(at);
    let mut on = *screens.iter().find(|screen| holds(screen, at))?;
    // Each round enters a further screen or gives up a direction.
    for _ in 0..2 * screens.len() + 2 {
        let Some(Exit { inside, beyond, horizontal }) = exit(on, at, to) else { return Some(to) };
        if let Some(next) = screens.iter().find(|screen| holds(screen, beyond)) {
            (on, at) = (*next, beyond);
        } else if horizontal {
            (at, to.x) = (inside, inside.x);
        } else {
            (at, to.y) = (inside, inside.y);
        }
    }
    Some(into(on, to))
}

/// Where a way leaves a screen.
struct Exit {
    /// The last place inside.
    inside: Point<f64, Logical>,
    /// The first place beyond the edge.
    beyond: Point<f64, Logical>,
    /// The edge is that of a side.
    horizontal: bool,
}

/// Where the way from `at` to `to` leaves a screen, if it does.
fn exit(on: Rectangle<i32, Logical>, at: Point<f64, Logical>, to: Point<f64, Logical>) -> Option<Exit> {
    let (low, high) = (on.loc.to_f64(), (on.loc + on.size.to_point()).to_f64());
    let (dx, dy) = (to.x - at.x, to.y - at.y);
    // The part of the way after which an edge is met.
    let meets = |at: f64, by: f64, low: f64, high: f64| {
        if at + by >= high {
            Some((high - at) / by)
        } else if at + by < low {
            Some((low - at) / by)
        } else {
            None
        }
    };
    let side = meets(at.x, dx, low.x, high.x);
    let top = meets(at.y, dy, low.y, high.y);
    let horizontal = match (side, top) {
        (None, None) => return None,
        (Some(_), None) => true,
        (None, Some(_)) => false,
        (Some(side), Some(top)) => side <= top,
    };
    let part = if horizontal { side } else { top }.unwrap_or(0.0).clamp(0.0, 1.0);
    let met = Point::from((at.x + dx * part, at.y + dy * part));
    let inside = into(on, met);
    let mut beyond = inside;
    if horizontal {
        beyond.x = if dx > 0.0 { high.x } else { low.x - STEP };
    } else {
        beyond.y = if dy > 0.0 { high.y } else { low.y - STEP };
    }
    Some(Exit { inside, beyond, horizontal })
}

/// What must hold of places: as many as screens, of their sizes, none over another, the desktop's
/// corner at the origin.
#[cfg(test)]
fn check_invariants(screens: &[Wish], placed: &[Rectangle<i32, Logical>]) {
    assert_eq!(screens.len(), placed.len());
    for (index, rect) in placed.iter().enumerate() {
        assert_eq!(rect.size, screens[index].0);
        for other in &placed[index + 1..] {
            assert!(!rect.overlaps(*other), "{rect:?} {other:?}");
        }
    }
    assert_eq!(area(placed).loc, (0, 0).into());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rect(x: i32, y: i32, w: i32, h: i32) -> Rectangle<i32, Logical> {
        Rectangle::new((x, y).into(), (w, h).into())
    }

    fn at(x: f64, y: f64) -> Point<f64, Logical> {
        (x, y).into()
    }

    #[test]
    fn from_left_to_right_unless_someone_says_otherwise() {
        let auto = |w, h| (Size::from((w, h)), None);
        assert_eq!(arrange(&[auto(100, 50), auto(80, 90)]), [rect(0, 0, 100, 50), rect(100, 0, 80, 90)]);
        // One with a place of its own comes first; the other goes beside it.
        let set = |w, h, x: i32, y: i32| (Size::from((w, h)), Some(Point::from((x, y))));
        assert_eq!(
            arrange(&[auto(100, 50), set(80, 90, -80, 10)]),
            [rect(80, 0, 100, 50), rect(0, 0, 80, 90)]
        );
        // A place that is taken counts as none.
        assert_eq!(
            arrange(&[set(100, 50, 0, 0), set(80, 90, 99, 49)]),
            [rect(0, 0, 100, 50), rect(100, 0, 80, 90)]
        );
    }

    #[test]
    fn the_pointer_crosses_where_edges_touch_and_slides_where_not() {
        let screens = [rect(0, 0, 100, 100), rect(100, 50, 100, 100)];
        assert_eq!(slide(&screens, at(90.0, 70.0), at(120.0, 80.0)), Some(at(120.0, 80.0)));
        // Above the other's top there is nothing.
        let slid = slide(&screens, at(90.0, 20.0), at(120.0, 30.0)).unwrap();
        assert!(slid.x < 100.0 && (slid.y - 30.0).abs() < 1e-9, "{slid:?}");
        // Along the edge until it touches, and no further in this step than asked.
        let slid = slide(&screens, at(99.0, 49.0), at(104.0, 56.0)).unwrap();
        assert!((slid.y - 56.0).abs() < 1e-9, "{slid:?}");
        // Over a gap there is no way.
        let apart = [rect(0, 0, 100, 100), rect(101, 0, 100, 100)];
        assert!(slide(&apart, at(50.0, 50.0), at(150.0, 50.0)).unwrap().x < 100.0);
        assert_eq!(slide(&[], at(0.0, 0.0), at(1.0, 1.0)), None);
    }

    #[test]
    fn a_window_is_where_most_of_it_is() {
        let screens = [rect(0, 0, 100, 100), rect(100, 0, 100, 100)];
        assert_eq!(best_for(&screens, rect(60, 10, 60, 60)), Some(0));
        assert_eq!(best_for(&screens, rect(80, 10, 60, 60)), Some(1));
        assert_eq!(best_for(&screens, rect(500, 10, 60, 60)), Some(1), "else at the nearest");
        assert_eq!(best_for(&[], rect(0, 0, 1, 1)), None);
    }

    fn wish() -> impl Strategy<Value = Wish> {
        let place = prop::option::of((-400i32..400, -400i32..400));
        (1i32..300, 1i32..300, place).prop_map(|(w, h, at)| ((w, h).into(), at.map(Point::from)))
    }

    proptest! {
        #[test]
        fn screens_never_lie_over_each_other(wishes in prop::collection::vec(wish(), 0..6)) {
            let placed = arrange(&wishes);
            check_invariants(&wishes, &placed);
            // What came out can be asked for, and comes out again.
            let again: Vec<Wish> = placed.iter().map(|rect| (rect.size, Some(rect.loc))).collect();
            prop_assert_eq!(arrange(&again), placed);
        }

        #[test]
        fn the_pointer_is_always_on_a_screen(
            wishes in prop::collection::vec(wish(), 1..6),
            from in (-500.0..900.0, -500.0..900.0),
            to in (-500.0..900.0, -500.0..900.0),
        ) {
            let screens = arrange(&wishes);
            let on = |at: Point<f64, Logical>| screens.iter().position(|s| s.to_f64().contains(at));
            let from = nearest(&screens, from.into()).unwrap();
            let to = Point::from(to);
            prop_assert!(on(from).is_some());
            let end = slide(&screens, from, to).unwrap();
            prop_assert!(on(end).is_some(), "{:?}", end);
            // A way that never leaves its screen is gone to its end.
            if on(to).is_some() && on(from) == on(to) {
                prop_assert_eq!(end, to);
            }
            // It never goes further than asked in any direction, up to the step that keeps it inside.
            prop_assert!(end.x <= from.x.max(to.x) + STEP && end.x >= from.x.min(to.x) - STEP);
            prop_assert!(end.y <= from.y.max(to.y) + STEP && end.y >= from.y.min(to.y) - STEP);
        }
    }
}
