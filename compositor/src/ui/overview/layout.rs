//! Where the tiles of the overview are, and what is in them. Pure.

use smithay::utils::{Logical, Rectangle};

use crate::ui::motion::rect_between;

type Rect = Rectangle<i32, Logical>;

/// Tiles in a row, and rows.
pub(super) const SIDE: i32 = 3;
/// Least space between tiles and around them, in logical pixels.
const GAP: i32 = 20;
/// Height of the number above a tile.
pub(super) const HEAD: i32 = 24;

/// Tiles of all workspaces in a piece of a screen, row by row: each is of the screen's shape, with room for
/// its number above it.
pub(super) fn tiles(area: Rect, screen: Rect) -> Vec<Rect> {
    let room = |side: i32, head: i32| ((side - GAP * (SIDE + 1)) / SIDE - head).max(1);
    let (w, h) = (room(area.size.w, 0), room(area.size.h, HEAD));
    let shape = |side: i32, of: i32, to: i32| (i64::from(side) * i64::from(to) / i64::from(of.max(1))) as i32;
    let high = shape(w, screen.size.w, screen.size.h);
    let (w, h) =
        if high <= h { (w, high.max(1)) } else { (shape(h, screen.size.h, screen.size.w).max(1), h) };
    let margin = |side: i32, cell: i32| (side - cell * SIDE - GAP * (SIDE - 1)) / 2;
    let (left, top) = (area.loc.x + margin(area.size.w, w), area.loc.y + margin(area.size.h, h + HEAD));
    (0..SIDE * SIDE)
        .map(|n| (left + n % SIDE * (w + GAP), top + HEAD + n / SIDE * (h + HEAD + GAP)))
        .map(|place| Rectangle::new(place.into(), (w, h).into()))
        .collect()
}

/// What a workspace takes: its screen, and windows that reach out of it.
pub(super) fn bounds(screen: Rect, windows: impl Iterator<Item = Rect>) -> Rect {
    windows.fold(screen, Rect::merge)
}

/// A window of a workspace in its tile.
pub(super) fn miniature(tile: Rect, bounds: Rect, window: Rect) -> Rect {
    let factor = (f64::from(tile.size.w) / f64::from(bounds.size.w.max(1)))
        .min(f64::from(tile.size.h) / f64::from(bounds.size.h.max(1)));
    let shrink = |v: i32| (f64::from(v) * factor).round() as i32;
    // What is smaller than its tile in one direction lies in the middle.
    let spare = |tile: i32, bounds: i32| (tile - shrink(bounds)) / 2;
    let at = |tile: i32, spare: i32, v: i32| tile + spare + v;
    let from = window.loc - bounds.loc;
    let to = from + window.size.to_point();
    let (x, y) = (
        at(tile.loc.x, spare(tile.size.w, bounds.size.w), shrink(from.x)),
        at(tile.loc.y, spare(tile.size.h, bounds.size.h), shrink(from.y)),
    );
    let size = ((shrink(to.x) - shrink(from.x)).max(1), (shrink(to.y) - shrink(from.y)).max(1));
    Rectangle::new((x, y).into(), size.into())
}

/// The way from a screen that shows one workspace to all tiles: everything grows out of that one's tile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Zoom {
    /// The tile of the workspace that is shown.
    pub(super) tile: Rect,
    /// The screen.
    pub(super) screen: Rect,
    /// 0: the tile fills the screen; 1: it is in its place.
    pub(super) progress: f64,
}

impl Zoom {
    /// Where a part of the overview is by now.
    pub(super) fn apply(self, rect: Rect) -> Rect {
        if self.progress >= 1.0 {
            return rect;
        }
        let factor = f64::from(self.screen.size.w) / f64::from(self.tile.size.w.max(1));
        let from = rect.loc - self.tile.loc;
        let grow = |v: i32| (f64::from(v) * factor).round() as i32;
        let large = Rectangle::new(
            (self.screen.loc.x + grow(from.x), self.screen.loc.y + grow(from.y)).into(),
            (grow(rect.size.w), grow(rect.size.h)).into(),
        );
        rect_between(large, rect, self.progress)
    }
}

/// The tile in this direction of one, from 0; `None`: over the edge.
pub(super) fn tile_beside(tile: i32, dx: i32, dy: i32) -> Option<i32> {
    let (x, y) = (tile % SIDE + dx, tile / SIDE + dy);
    ((0..SIDE).contains(&x) && (0..SIDE).contains(&y)).then_some(y * SIDE + x)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rect(x: i32, y: i32, w: i32, h: i32) -> Rect {
        Rectangle::new((x, y).into(), (w, h).into())
    }

    #[test]
    fn the_edge_has_an_end() {
        assert_eq!(tile_beside(0, 1, 0), Some(1));
        assert_eq!([tile_beside(2, 1, 0), tile_beside(0, 0, -1), tile_beside(8, 0, 1)], [None; 3]);
        assert_eq!(tile_beside(4, 0, 1), Some(7));
    }

    #[test]
    fn at_first_the_tile_fills_the_screen() {
        let screen = rect(1280, 0, 1280, 720);
        let tiles = tiles(rect(1280, 28, 1280, 692), screen);
        let zoom = Zoom { tile: tiles[4], screen, progress: 0.0 };
        assert_eq!(zoom.apply(tiles[4]), screen);
        assert!(zoom.apply(tiles[3]).loc.x + zoom.apply(tiles[3]).size.w <= screen.loc.x, "out of sight");
        assert_eq!(Zoom { progress: 1.0, ..zoom }.apply(tiles[3]), tiles[3]);
    }

    proptest! {
        #[test]
        fn tiles_lie_in_their_area_and_miniatures_in_their_tiles(
            (w, h) in (320i32..4000, 240i32..4000),
            windows in prop::collection::vec((-3000i32..3000, -3000i32..3000, 1i32..3000, 1i32..3000), 0..6),
        ) {
            let screen = rect(-200, 100, w, h);
            let area = rect(-200, 128, w, h - 28);
            let tiles = tiles(area, screen);
            for (n, tile) in tiles.iter().enumerate() {
                prop_assert!(area.contains_rect(*tile), "{tile:?}");
                prop_assert!(tiles[..n].iter().all(|other| !other.overlaps(*tile)));
            }
            let windows: Vec<Rect> = windows.into_iter().map(|(x, y, w, h)| rect(x, y, w, h)).collect();
            let bounds = bounds(screen, windows.iter().copied());
            for window in windows {
                let small = miniature(tiles[5], bounds, window);
                let slack = rect(tiles[5].loc.x - 1, tiles[5].loc.y - 1, tiles[5].size.w + 2, tiles[5].size.h + 2);
                prop_assert!(slack.contains_rect(small), "{small:?} in {:?}", tiles[5]);
            }
        }
    }
}
