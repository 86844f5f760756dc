//! Moving and resizing with the pointer: begin, follow the pointer, end or cancel. One at a time.
//!
//! A resize only asks. The window draws a new size when it is ready, and then its frame follows, with
//! the sides that are not pulled fixed: frame and content always go in step.

use super::{
    Change, Edges, Key, Point, Rect, Shell, Size,
    columns::{Place, Strip},
    tiling::{Arrangement, Desk},
    window::{Anchor, Base},
};

/// How far the pointer has to go before a maximised or tiled window comes loose, in logical pixels.
const LOOSE: i128 = 8;

/// A move or resize that is going on.
#[derive(Clone, Debug)]
pub(super) struct Drag<K> {
    pub(super) key: K,
    pub(super) kind: Kind,
    /// Where the pointer was, and is.
    from: Point,
    to: Point,
    before: Before,
    /// The strip that it stood on.
    strip: Option<(Desk, Strip<K>)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// From the window's corner to the pointer.
    Move { grip: Point },
    /// Which sides are pulled, and where the window was.
    Resize { edges: Edges, outer: Rect, content: Size },
    /// The same of a window in a column.
    Pull { edges: Edges, outer: Rect },
}

/// What a cancelled one goes back to.
#[derive(Clone, Copy, Debug)]
struct Before {
    base: Base,
    at: Point,
    slot: Size,
    asked: Size,
    output: u32,
    /// How its workspace was arranged.
    arrangement: Arrangement,
}

impl<K: Key> Shell<K> {
    /// A window is being moved or resized with the pointer.
    pub fn is_dragging(&self) -> bool {
        self.drag.is_some()
    }

    /// The window that is being moved or resized.
    pub fn dragged(&self) -> Option<K> {
        self.drag.as_ref().map(|drag| drag.key)
    }

    pub(super) fn is_resizing(&self, key: K) -> bool {
        self.drag
            .as_ref()
            .is_some_and(|d| d.key == key && matches!(d.kind, Kind::Resize { .. } | Kind::Pull { .. }))
    }

    /// Begins to move a window with the pointer. Not possible while another is moved or resized, for a
    /// window out of sight and for a fullscreen one. A maximised or tiled window comes loose when the
    /// pointer has gone some way.
    pub fn begin_move(&mut self, key: K, pointer: Point) {
        if !self.can_drag(key) {
            return;
        }
        let Some(window) = self.windows.get_mut(&key) else { return };
        window.anchor = None;
        self.begin(key, pointer, |outer, _| Kind::Move { grip: pointer.minus(outer.location()) });
    }

    /// Begins to resize a window with the pointer. As for moving, and not possible for a maximised
    /// window, nor without a side. A window that fills a half floats then; in a column it takes from its
    /// neighbours.
    pub fn begin_resize(&mut self, key: K, edges: Edges, pointer: Point) {
        let edges = edges.without_contradiction();
        if !self.can_drag(key) || !edges.any() {
            return;
        }
        let Some(window) = self.windows.get(&key).filter(|w| w.base != Base::Maximised) else { return };
        let outer = self.outer_of(window);
        if window.base == Base::Column {
            self.begin(key, pointer, |outer, _| Kind::Pull { edges, outer });
            return;
        }
        self.begin(key, pointer, |outer, content| Kind::Resize { edges, outer, content });
        if let Some(window) = self.windows.get_mut(&key) {
            if window.base != Base::Floating {
                window.base = Base::Floating;
                window.at = outer.location();
                window.ask(window.insets.shrink(outer.size()));
            }
            window.hold = false;
            window.anchor = Some(Anchor { edges, right: outer.right(), bottom: outer.bottom() });
            window.follow_committed();
        }
        self.change |= Change::LAYOUT;
        self.reach(key);
    }

    fn can_drag(&self, key: K) -> bool {
        self.drag.is_none()
            && self.is_visible(key)
            && self.windows.get(&key).is_some_and(|window| !window.fullscreen)
    }

    fn begin(&mut self, key: K, from: Point, kind: impl FnOnce(Rect, Size) -> Kind) {
        let Some(window) = self.windows.get(&key) else { return };
        let outer = self.outer_of(window);
        let before = Before {
            base: window.base,
            at: window.at,
            slot: window.slot,
            asked: window.asked,
            output: window.output,
            arrangement: self.arrangement(window.workspace),
        };
        let kind = kind(outer, window.insets.shrink(outer.size()));
        let strip = self.strip_of(key);
        self.drag = Some(Drag { key, kind, from, to: from, before, strip });
        self.change |= Change::WANTED;
    }

    /// The pointer went to a place.
    pub fn drag(&mut self, pointer: Point) {
        let Some(drag) = &mut self.drag else { return };
        drag.to = pointer;
        let (key, from) = (drag.key, drag.from);
        match drag.kind {
            Kind::Move { grip } => self.drag_move(key, from, pointer, grip),
            Kind::Resize { edges, outer, content } => {
                let by = pointer.minus(from);
                self.drag_resize(key, edges, by, outer, content);
            }
            Kind::Pull { edges, outer } => self.pull(key, edges, pointer.minus(from), outer),
        }
    }

    fn drag_move(&mut self, key: K, from: Point, pointer: Point, mut grip: Point) {
        let Some(window) = self.windows.get(&key) else { return };
        if !window.floats() {
            if pointer.distance_squared(from) < LOOSE * LOOSE {
                return;
            }
            let (old, new) = (self.outer_of(window).size(), window.floating().size());
            // The pointer keeps its place along the title bar.
            let share = i64::from(grip.x) * i64::from(new.w) / i64::from(old.w.max(1));
            grip = Point::new(share.clamp(0, i64::from(new.w)) as i32, grip.y.min(new.h.saturating_sub(1)));
            if let Some(window) = self.windows.get_mut(&key) {
                window.base = Base::Floating;
                window.back_to_floating();
            }
            if let Some(drag) = &mut self.drag {
                drag.kind = Kind::Move { grip };
            }
            self.change |= Change::LAYOUT | Change::WANTED;
            self.stand(Place::End);
        }
        self.put(key, pointer.minus(grip));
    }

    fn drag_resize(&mut self, key: K, edges: Edges, by: Point, outer: Rect, content: Size) {
        let Some(window) = self.windows.get_mut(&key) else { return };
        let pull = |side: i32, less: bool, more: bool, by: i32| match (less, more) {
            (true, _) => side.saturating_sub(by),
            (_, true) => side.saturating_add(by),
            _ => side,
        };
        let mut size = Size::new(
            pull(content.w, edges.left, edges.right, by.x),
            pull(content.h, edges.top, edges.bottom, by.y),
        );
        if edges.top {
            // The title bar goes no higher than windows may be.
            let ceiling = self.outputs.at(outer.location()).usable.y;
            let frame = window.insets.grow(Size::default()).h;
            size.h = size.h.min(outer.bottom().saturating_sub(ceiling).saturating_sub(frame));
        }
        let before = window.asked;
        window.ask(size.at_least(super::LEAST_CONTENT));
        // A side that is not pulled is asked for nothing new.
        if !edges.left && !edges.right {
            window.asked.w = before.w;
        }
        if !edges.top && !edges.bottom {
            window.asked.h = before.h;
        }
        window.unanswered = window.asked != window.committed;
        if window.asked != before {
            self.change |= Change::WANTED;
        }
    }

    /// The person let go: the window stays so; one that came out of a column, or to a
    /// workspace of columns, stands where it was let go.
    pub fn end_drag(&mut self) {
        let dropped = self.drag.as_ref().filter(|drag| {
            let now = self.workspace_of(drag.key).map(|number| self.arrangement(number));
            let moves = matches!(drag.kind, Kind::Move { .. });
            drag.strip.is_some() || moves && now.is_some_and(|now| now != drag.before.arrangement)
        });
        let dropped = dropped.map(|drag| (drag.key, drag.to));
        self.stop_drag();
        if let Some((key, at)) = dropped {
            self.drop_into_column(key, at);
        }
    }

    /// The person changed their mind: the window goes back to where it was, and is asked for the size
    /// it had.
    pub fn cancel_drag(&mut self) {
        let Some(drag) = self.drag.take() else { return };
        let before = drag.before;
        let Some(window) = self.windows.get_mut(&drag.key) else { return };
        match drag.kind {
            Kind::Move { .. } => {
                window.at = before.at;
                window.base = before.base;
            }
            Kind::Pull { .. } => {}
            Kind::Resize { .. } if before.base == Base::Floating => window.ask(before.asked),
            Kind::Resize { .. } => {
                window.anchor = None;
                window.at = before.at;
                window.slot = before.slot;
                window.base = before.base;
            }
        }
        if self.outputs.has(before.output) {
            self.go_to(drag.key, before.output);
        }
        self.change |= Change::LAYOUT | Change::WANTED;
        match drag.strip {
            Some((desk, strip)) => {
                // It may have become a dialog meanwhile.
                self.fit_in(drag.key);
                self.put_back(desk, strip);
            }
            None => self.stand(Place::Beside),
        }
        self.reach(drag.key);
    }

    pub(super) fn stop_drag(&mut self) {
        let Some(drag) = self.drag.take() else { return };
        self.change |= Change::WANTED;
        if let Some(window) = self.windows.get_mut(&drag.key) {
            if window.floats() {
                let output = self.outputs.best_for(window.floating()).id;
                if !window.unanswered {
                    window.anchor = None;
                }
                self.go_to(drag.key, output);
                self.stand(Place::Beside);
            } else if !window.unanswered {
                window.anchor = None;
            }
        }
    }
}
