//! Moving and resizing with the pointer.

use super::{Edges, Key, Point, Rect, Shell, Size, State};

/// A move (no edges) or resize under way.
#[derive(Clone, Debug)]
pub(super) struct Drag<K> {
    pub(super) key: K,
    pub(super) edges: Edges,
    from: Point,
    /// Outer rectangle at the beginning.
    start: Rect,
    /// Content size at the beginning.
    start_content: Size,
}

impl<K> Drag<K> {
    pub(super) fn resizes(&self) -> bool {
        self.edges != Edges::default()
    }
}

impl<K: Key> Shell<K> {
    /// A window follows the pointer from here on. One that fills space is first made what it was,
    /// under the pointer.
    pub fn begin_move(&mut self, key: K, pointer: Point) {
        if !self.is_visible(key) {
            return;
        }
        self.start(key, Edges::default(), pointer);
    }

    /// The edges follow the pointer from here on. A window that fills space is not resized.
    pub fn begin_resize(&mut self, key: K, edges: Edges, pointer: Point) {
        let normal = self.windows.get(&key).is_some_and(|w| w.state == State::Normal);
        let both = (edges.top && edges.bottom) || (edges.left && edges.right);
        if normal && self.is_visible(key) && edges != Edges::default() && !both {
            self.start(key, edges, pointer);
        }
    }

    fn start(&mut self, key: K, edges: Edges, pointer: Point) {
        let (Some(start), Some(window)) = (self.outer(key), self.windows.get(&key)) else { return };
        self.drag = Some(Drag { key, edges, from: pointer, start, start_content: window.content });
    }

    /// True while a window follows the pointer.
    pub fn is_dragging(&self) -> bool {
        self.drag.is_some()
    }

    /// The pointer is here now.
    pub fn drag(&mut self, pointer: Point) {
        let Some(drag) = self.drag.clone() else { return };
        let (dx, dy) = (pointer.x.saturating_sub(drag.from.x), pointer.y.saturating_sub(drag.from.y));
        if drag.resizes() {
            let Some(window) = self.windows.get_mut(&drag.key) else { return };
            let grow = |start: i32, by: i32, low: bool, high: bool| match (low, high) {
                (true, _) => start.saturating_sub(by),
                (_, true) => start.saturating_add(by),
                _ => start,
            };
            let size = Size {
                w: grow(drag.start_content.w, dx, drag.edges.left, drag.edges.right),
                h: grow(drag.start_content.h, dy, drag.edges.top, drag.edges.bottom),
            };
            window.asked = Some(size.clamp(window.min, window.max));
            return;
        }
        if dx == 0 && dy == 0 {
            return;
        }
        self.unfill_under(drag.key, drag.from, drag.start);
        // The start moved if the window was made smaller under the pointer.
        let Some(drag) = &self.drag else { return };
        let (start, key) = (drag.start, drag.key);
        if let Some(window) = self.windows.get_mut(&key) {
            window.at = Point { x: start.x.saturating_add(dx), y: start.y.saturating_add(dy) };
        }
        self.keep_reachable(key);
    }

    /// A window that fills space becomes normal again, with the pointer at the same share of its
    /// title bar.
    fn unfill_under(&mut self, key: K, pointer: Point, filled: Rect) {
        let Some(window) = self.windows.get_mut(&key) else { return };
        if window.state == State::Normal {
            return;
        }
        window.state = State::Normal;
        window.asked = Some(window.restore);
        let width = window.restore.outset(window.insets).w;
        let share = i64::from(pointer.x.saturating_sub(filled.x)) * i64::from(width) / i64::from(filled.w.max(1));
        let start = Rect { x: pointer.x.saturating_sub(share as i32), y: filled.y, ..filled };
        if let Some(drag) = &mut self.drag {
            drag.start = start;
        }
    }

    /// The button is up.
    pub fn end_drag(&mut self) {
        self.drag = None;
    }
}
