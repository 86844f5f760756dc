//! Where a new window goes.
//!
//! A dialog goes to the middle of its parent. Any other window goes to the middle if it is free there,
//! else to where it covers least of what is there; where that is still much, it is set off from the
//! others, so that every title bar can be seen.

use super::geometry::{Point, Rect, Size};

/// How many windows are looked at, from the top. Bounds the work that a qube with very many windows
/// can cause (rule NO-STALL).
const MOST: usize = 24;
/// From one title bar to the next in a cascade, in logical pixels.
const STEP: i32 = 32;
/// Corners nearer to each other than this hide each other's title, in logical pixels.
const NEAR: i32 = 24;

/// Upper left corner for a new window of the size `outer`, inside `usable` as far as it fits.
/// `others` are the windows there, topmost first.
pub(super) fn place(outer: Size, usable: Rect, others: &[Rect], parent: Option<Rect>) -> Point {
    let window = Rect::at(usable.location(), outer);
    if let Some(parent) = parent {
        return window.centered_in(parent).clamped_into(usable).location();
    }
    let others = &others[..others.len().min(MOST)];
    let middle = window.centered_in(usable).clamped_into(usable).location();
    let best = columns(outer, usable, others)
        .flat_map(|x| rows(outer, usable, others).map(move |y| Point::new(x, y)))
        .chain([middle])
        .map(|at| Rect::at(at, outer).clamped_into(usable))
        .map(|rect| (covered(rect, others), rect.location().distance_squared(middle), rect.location()))
        .min_by_key(|&(covered, distance, at)| (covered, distance, at.y, at.x));
    match best {
        Some((covered, _, at)) if covered <= outer.area() / 2 => at,
        _ => cascade(outer, usable, others),
    }
}

fn covered(rect: Rect, others: &[Rect]) -> i64 {
    others.iter().fold(0, |sum, other| sum.saturating_add(rect.overlap(*other)))
}

fn columns(outer: Size, usable: Rect, others: &[Rect]) -> impl Iterator<Item = i32> {
    let sides = others.iter().flat_map(move |o| [o.right(), o.x.saturating_sub(outer.w)]);
    let middle = usable.x.saturating_add(usable.w.saturating_sub(outer.w) / 2);
    [usable.x, usable.right().saturating_sub(outer.w), middle].into_iter().chain(sides)
}

fn rows(outer: Size, usable: Rect, others: &[Rect]) -> impl Iterator<Item = i32> {
    let sides = others.iter().flat_map(move |o| [o.bottom(), o.y.saturating_sub(outer.h)]);
    let middle = usable.y.saturating_add(usable.h.saturating_sub(outer.h) / 2);
    [usable.y, usable.bottom().saturating_sub(outer.h), middle].into_iter().chain(sides)
}

/// Steps down and to the right from the middle, around at the edges, to the first place whose corner
/// is not on another's.
fn cascade(outer: Size, usable: Rect, others: &[Rect]) -> Point {
    let (room_x, room_y) =
        (usable.w.saturating_sub(outer.w).max(0), usable.h.saturating_sub(outer.h).max(0));
    let step = |i: usize| {
        let by = STEP.saturating_mul(i as i32);
        Point::new(
            usable.x.saturating_add(room_x.saturating_div(2).saturating_add(by) % room_x.saturating_add(1)),
            usable.y.saturating_add(room_y.saturating_div(2).saturating_add(by) % room_y.saturating_add(1)),
        )
    };
    let free = |at: &Point| {
        others.iter().all(|o| {
            o.x.saturating_sub(at.x).saturating_abs() >= NEAR
                || o.y.saturating_sub(at.y).saturating_abs() >= NEAR
        })
    };
    (0..2 * MOST).map(step).find(free).unwrap_or_else(|| step(0))
}
