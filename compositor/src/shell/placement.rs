//! Where a new window goes.
//!
//! A dialog goes to the middle of its parent. Any other window goes where it covers least of what is
//! there, in reading order if several places are as good: so windows stand side by side while there is
//! room. Where it would cover much, it begins a cascade in the middle, so that every title bar can be
//! seen.

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
    let best = columns(outer, usable, others)
        .flat_map(|x| rows(outer, usable, others).map(move |y| Point::new(x, y)))
        .map(|at| Rect::at(at, outer).clamped_into(usable))
        .map(|rect| (covered(rect, others), rect.location()))
        .min_by_key(|&(covered, at)| (covered, at.y, at.x));
    match best {
        Some((covered, at)) if covered <= outer.area() / 2 => at,
        _ => cascade(outer, usable, others),
    }
}

fn covered(rect: Rect, others: &[Rect]) -> i64 {
    others.iter().fold(0, |sum, other| sum.saturating_add(rect.overlap(*other)))
}

fn columns(outer: Size, usable: Rect, others: &[Rect]) -> impl Iterator<Item = i32> {
    let sides = others.iter().flat_map(move |o| [o.right(), o.x.saturating_sub(outer.w)]);
    [usable.x, usable.right().saturating_sub(outer.w)].into_iter().chain(sides)
}

fn rows(outer: Size, usable: Rect, others: &[Rect]) -> impl Iterator<Item = i32> {
    let sides = others.iter().flat_map(move |o| [o.bottom(), o.y.saturating_sub(outer.h)]);
    [usable.y, usable.bottom().saturating_sub(outer.h)].into_iter().chain(sides)
}

/// Steps down and to the right from the middle, around at the edges, to the first place whose corner
/// is not on another's.
fn cascade(outer: Size, usable: Rect, others: &[Rect]) -> Point {
    let (room_x, room_y) = (usable.w.saturating_sub(outer.w).max(0), usable.h.saturating_sub(outer.h).max(0));
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
