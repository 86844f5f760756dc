//! Where the surfaces of one screen go, and what they leave to windows. Pure.
//!
//! What programs ask for is clamped, not believed: whatever they ask, windows keep half of the screen in
//! both directions, and no surface is larger than its screen or further away from it than its own size.

use super::{Layer, Wish, Zone};
use crate::shell::Rect;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arranged {
    /// A place for each wish, in the order of the wishes.
    pub places: Vec<Rect>,
    /// What is left to windows.
    pub usable: Rect,
}

/// Places surfaces on a screen. `full` is all of it, `free` what dom0's own bar leaves; the flag says that
/// the surface is shown, and so keeps its zone free. Those that keep a zone free are placed first, from the
/// highest layer down and in the order in which they came; the others into what these leave.
pub(super) fn arrange(full: Rect, free: Rect, wishes: &[(Wish, bool)]) -> Arranged {
    let mut usable = free;
    let mut places = vec![Rect::default(); wishes.len()];
    let keeps = |wish: &Wish| matches!(wish.zone, Zone::Keep(_)) && wish.edge().is_some();
    for first in [true, false] {
        for layer in Layer::DOWN {
            let these = wishes.iter().enumerate();
            for (index, (wish, shown)) in these.filter(|(_, (w, _))| w.layer == layer && keeps(w) == first) {
                let bounds = if wish.zone == Zone::Ignore { full } else { usable };
                places[index] = place(full, bounds, wish);
                if let (true, true, Zone::Keep(zone)) = (first, *shown, wish.zone) {
                    usable = without(usable, free, wish, zone);
                }
            }
        }
    }
    Arranged { places, usable }
}

fn place(full: Rect, bounds: Rect, wish: &Wish) -> Rect {
    let [top, right, bottom, left] = wish.margins;
    let anchor = wish.anchor;
    let (x, w) = span((bounds.x, bounds.w), full.w, wish.size.w, (anchor.left, left), (anchor.right, right));
    let (y, h) = span((bounds.y, bounds.h), full.h, wish.size.h, (anchor.top, top), (anchor.bottom, bottom));
    Rect {
        x: x.clamp(full.x.saturating_sub(w), full.right()),
        y: y.clamp(full.y.saturating_sub(h), full.bottom()),
        w,
        h,
    }
}

/// One direction: where it begins, and how long it is. `begin` and `end` are the two sides: whether it is
/// anchored there, and its margin.
fn span((at, room): (i32, i32), most: i32, wanted: i32, begin: (bool, i32), end: (bool, i32)) -> (i32, i32) {
    let fill = wanted <= 0;
    let length = if fill { room.saturating_sub(begin.1).saturating_sub(end.1) } else { wanted };
    let length = length.clamp(1, most.max(1));
    let after = at.saturating_add(room);
    let place = match (begin.0, end.0) {
        (true, true) if fill => at.saturating_add(begin.1),
        (true, false) => at.saturating_add(begin.1),
        (false, true) => after.saturating_sub(length).saturating_sub(end.1),
        _ => at.saturating_add(room.saturating_sub(length) / 2),
    };
    (place, length)
}

/// What a zone leaves, and at least half of `free`.
fn without(usable: Rect, free: Rect, wish: &Wish, zone: i32) -> Rect {
    let [top, right, bottom, left] = wish.margins;
    let cut = |margin: i32, now: i32, of: i32| {
        zone.saturating_add(margin).clamp(0, now.saturating_sub(of.saturating_add(1) / 2).max(0))
    };
    let down = |margin| cut(margin, usable.h, free.h);
    let across = |margin| cut(margin, usable.w, free.w);
    let Rect { x, y, w, h } = usable;
    match wish.edge() {
        Some(Edge::Top) => Rect { y: y.saturating_add(down(top)), h: h - down(top), ..usable },
        Some(Edge::Bottom) => Rect { h: h - down(bottom), ..usable },
        Some(Edge::Left) => Rect { x: x.saturating_add(across(left)), w: w - across(left), ..usable },
        Some(Edge::Right) => Rect { w: w - across(right), ..usable },
        None => usable,
    }
}

/// The side of the screen that a zone is kept free at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edge {
    Top,
    Right,
    Bottom,
    Left,
}

impl Wish {
    /// It is anchored to one edge, or to one and both beside it.
    pub(super) fn edge(&self) -> Option<Edge> {
        let a = self.anchor;
        match (a.top, a.bottom, a.left, a.right) {
            (true, false, l, r) if l == r => Some(Edge::Top),
            (false, true, l, r) if l == r => Some(Edge::Bottom),
            (t, b, true, false) if t == b => Some(Edge::Left),
            (t, b, false, true) if t == b => Some(Edge::Right),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        layers::Keyboard,
        shell::{Edges, Size},
    };

    const FULL: Rect = Rect { x: 100, y: 50, w: 800, h: 600 };
    /// With a bar of 28.
    const FREE: Rect = Rect { x: 100, y: 78, w: 800, h: 572 };

    fn edges(names: &str) -> Edges {
        let has = |c: char| names.contains(c);
        Edges { top: has('t'), bottom: has('b'), left: has('l'), right: has('r') }
    }

    fn wish(anchor: &str, size: (i32, i32), zone: Zone) -> Wish {
        Wish {
            layer: Layer::Top,
            anchor: edges(anchor),
            zone,
            margins: [0; 4],
            size: Size::new(size.0, size.1),
            keyboard: Keyboard::None,
        }
    }

    fn one(wish: Wish) -> (Rect, Rect) {
        let arranged = arrange(FULL, FREE, &[(wish, true)]);
        (arranged.places[0], arranged.usable)
    }

    #[test]
    fn a_bar_stands_at_its_edge_and_keeps_its_zone_free() {
        let (place, usable) = one(wish("tlr", (0, 30), Zone::Keep(30)));
        assert_eq!(place, Rect::new(100, 78, 800, 30), "below dom0's own bar");
        assert_eq!(usable, Rect::new(100, 108, 800, 542));
        let (place, usable) = one(wish("blr", (0, 30), Zone::Keep(30)));
        assert_eq!(place, Rect::new(100, 620, 800, 30));
        assert_eq!(usable, Rect::new(100, 78, 800, 542));
        let (place, usable) = one(wish("ltb", (40, 0), Zone::Keep(44)));
        assert_eq!(place, Rect::new(100, 78, 40, 572));
        assert_eq!(usable, Rect::new(144, 78, 756, 572));
        let (place, usable) = one(wish("r", (40, 100), Zone::Keep(40)));
        assert_eq!(place, Rect::new(860, 314, 40, 100), "in the middle of its edge");
        assert_eq!(usable, Rect::new(100, 78, 760, 572));
    }

    #[test]
    fn margins_count_at_anchored_edges_and_belong_to_the_zone() {
        let mut bar = wish("tlr", (0, 30), Zone::Keep(30));
        bar.margins = [5, 7, 99, 3];
        // A margin of an edge that it is not anchored to means nothing.
        let (place, usable) = one(bar);
        assert_eq!(place, Rect::new(103, 83, 790, 30));
        assert_eq!(usable, Rect::new(100, 113, 800, 537));
    }

    #[test]
    fn bars_at_one_edge_stand_beside_each_other_and_others_make_room() {
        let bars = [
            (wish("tlr", (0, 30), Zone::Keep(30)), true),
            (wish("tlr", (0, 20), Zone::Keep(20)), true),
            (wish("tr", (50, 50), Zone::Clear), true),
            (wish("tblr", (0, 0), Zone::Ignore), true),
            (wish("", (60, 60), Zone::Clear), true),
        ];
        let arranged = arrange(FULL, FREE, &bars);
        assert_eq!(arranged.places[0], Rect::new(100, 78, 800, 30));
        assert_eq!(arranged.places[1], Rect::new(100, 108, 800, 20));
        assert_eq!(arranged.places[2], Rect::new(850, 128, 50, 50));
        assert_eq!(arranged.places[3], FULL, "a wallpaper lies under dom0's bar too");
        assert_eq!(arranged.places[4], Rect::new(470, 359, 60, 60));
        assert_eq!(arranged.usable, Rect::new(100, 128, 800, 522));
    }

    #[test]
    fn a_zone_holds_while_it_is_shown_and_at_one_edge_only() {
        let bar = wish("tlr", (0, 30), Zone::Keep(30));
        assert_eq!(arrange(FULL, FREE, &[(bar, false)]).usable, FREE);
        for anchor in ["", "tl", "lr", "tb", "tblr"] {
            assert_eq!(one(wish(anchor, (10, 10), Zone::Keep(30))).1, FREE, "{anchor}");
        }
    }

    #[test]
    fn what_is_absurd_is_clamped() {
        let (place, usable) = one(wish("tlr", (0, i32::MAX), Zone::Keep(i32::MAX)));
        assert_eq!(place, Rect::new(100, 78, 800, 600));
        assert_eq!(usable, Rect::new(100, 364, 800, 286), "windows keep half");
        let all: Vec<_> = ["t", "b", "l", "r"].map(|a| (wish(a, (1, 1), Zone::Keep(9_999)), true)).into();
        let usable = arrange(FULL, FREE, &all).usable;
        assert_eq!((usable.w, usable.h), (400, 286));
    }

    fn any_wish() -> impl Strategy<Value = (Wish, bool)> {
        let extreme = || prop_oneof![Just(i32::MIN), Just(i32::MAX), Just(0), -50..50_i32, -5_000..5_000_i32];
        let zone = prop_oneof![Just(Zone::Ignore), Just(Zone::Clear), extreme().prop_map(Zone::Keep)];
        let margins = [extreme(), extreme(), extreme(), extreme()];
        (0..4_usize, any::<[bool; 4]>(), zone, margins, (extreme(), extreme()), any::<bool>()).prop_map(
            |(layer, [top, bottom, left, right], zone, margins, (w, h), shown)| {
                let wish = Wish {
                    layer: Layer::DOWN[layer],
                    anchor: Edges { top, bottom, left, right },
                    zone,
                    margins,
                    size: Size { w, h },
                    keyboard: Keyboard::None,
                };
                (wish, shown)
            },
        )
    }

    proptest! {
        #[test]
        fn windows_keep_half_and_every_surface_stays_with_its_screen(
            (x, y, w, h, bar) in (-4_000..4_000_i32, -4_000..4_000_i32, 1..8_000_i32, 1..8_000_i32, 0..40_i32),
            wishes in prop::collection::vec(any_wish(), 0..12),
        ) {
            let full = Rect::new(x, y, w, h);
            let bar = bar.min(h - 1);
            let free = Rect::new(x, y + bar, w, h - bar);
            let Arranged { places, usable } = arrange(full, free, &wishes);
            prop_assert!(free.contains_rect(usable), "{usable:?}");
            prop_assert!(usable.w >= w / 2 && usable.h >= (h - bar) / 2, "{usable:?}");
            for place in &places {
                prop_assert!((1..=w).contains(&place.w) && (1..=h).contains(&place.h), "{place:?}");
                prop_assert!(place.x >= x - place.w && place.x <= x + w, "{place:?}");
                prop_assert!(place.y >= y - place.h && place.y <= y + h, "{place:?}");
            }
            // What is not shown changes nothing for the others.
            let hidden: Vec<_> = wishes.iter().map(|(wish, _)| (*wish, false)).collect();
            prop_assert_eq!(arrange(full, free, &hidden).usable, free);
            prop_assert_eq!(arrange(full, free, &wishes).places, places);
        }
    }
}
