//! Maximised, tiled, fullscreen, minimised, and moving and resizing by keys.

use super::{Change, Direction, Key, Point, Shell, Size, columns::Place, window::Base};

impl<K: Key> Shell<K> {
    /// Lets a window fill the usable area of its screen, or float again where it was; its column be as
    /// wide as the area, or as it was before. A window that does not fill it is not changed by `false`.
    pub fn set_maximised(&mut self, key: K, maximised: bool) {
        let Some(window) = self.windows.get(&key) else { return };
        match (maximised, window.base) {
            (_, Base::Column) => self.set_wide(key, maximised),
            (true, _) => self.set_base(key, Base::Maximised),
            (false, Base::Maximised) => self.set_base(key, Base::Floating),
            (false, _) => {}
        }
    }

    /// Lets a window fill the left or right half of the usable area of its screen. Ends fullscreen.
    pub fn tile(&mut self, key: K, left: bool) {
        self.set_fullscreen(key, false);
        self.set_base(key, Base::Tiled { left });
    }

    /// Lets a tiled or maximised window float again where it was.
    pub fn float(&mut self, key: K) {
        self.set_base(key, Base::Floating);
    }

    pub(super) fn set_base(&mut self, key: K, base: Base) {
        let Some(window) = self.windows.get_mut(&key) else { return };
        if window.base == base {
            return;
        }
        window.base = base;
        if base == Base::Floating {
            window.back_to_floating();
        }
        self.change |= Change::LAYOUT | Change::WANTED;
        self.stand(Place::Beside);
        self.reach(key);
        if self.drag.as_ref().is_some_and(|drag| drag.key == key) {
            self.stop_drag();
        }
    }

    /// Lets a window fill its screen, or be again what it was before.
    pub fn set_fullscreen(&mut self, key: K, fullscreen: bool) {
        let Some(window) = self.windows.get_mut(&key) else { return };
        if window.fullscreen == fullscreen {
            return;
        }
        window.fullscreen = fullscreen;
        if window.floats() {
            window.back_to_floating();
            let output = self.outputs.best_for(window.floating()).id;
            self.go_to(key, output);
        }
        self.change |= Change::LAYOUT | Change::WANTED;
        self.stand(Place::End);
        self.reach(key);
        self.settle(None);
    }

    /// Lets a window fill a certain screen. A screen that is not there counts as its own.
    pub fn set_fullscreen_on(&mut self, key: K, output: u32) {
        if self.outputs.has(output) && self.contains(key) {
            self.go_to(key, output);
            self.change |= Change::LAYOUT | Change::WANTED;
            self.stand(Place::End);
        }
        self.set_fullscreen(key, true);
    }

    /// Moves a window and its dialogs to another screen, to where they were on theirs. A screen that is not
    /// there does nothing.
    pub fn move_to_output(&mut self, key: K, output: u32) {
        if !self.outputs.has(output) || !self.windows.contains_key(&key) {
            return;
        }
        let root = self.root(key);
        let in_sight = self.is_on_shown_desk(root);
        for key in self.subtree(root) {
            let Some(window) = self.windows.get_mut(&key) else { continue };
            let from = self.outputs.get(window.output).rect.location();
            let to = self.outputs.get(output).rect.location();
            window.at = window.at.plus(to.minus(from));
            window.output = output;
            window.displaced = None;
            self.reach(key);
        }
        self.change |= Change::LAYOUT | Change::WANTED | Change::WORKSPACE;
        self.keep_in_sight(root, in_sight);
        self.stand(Place::Beside);
        self.settle(None);
    }

    /// The screen on that side of a window's own; the nearest of several.
    pub fn output_towards(&self, key: K, to: Direction) -> Option<u32> {
        self.output_beside(self.windows.get(&key)?.output, to)
    }

    /// The screen on that side of a screen; the nearest of several.
    pub fn output_beside(&self, output: u32, to: Direction) -> Option<u32> {
        let own = self.outputs.get(output);
        let beyond = |other: &&super::Output| {
            let (a, b) = (own.rect.center(), other.rect.center());
            match to {
                Direction::Left => b.x < a.x && other.rect.right() <= own.rect.x,
                Direction::Right => b.x > a.x && other.rect.x >= own.rect.right(),
                Direction::Up => b.y < a.y && other.rect.bottom() <= own.rect.y,
                Direction::Down => b.y > a.y && other.rect.y >= own.rect.bottom(),
            }
        };
        let distance = |other: &&super::Output| other.rect.center().distance_squared(own.rect.center());
        self.outputs.real().iter().filter(beyond).min_by_key(distance).map(|output| output.id)
    }

    /// Puts a window out of sight, with its dialogs; a modal dialog takes its parent along. It comes
    /// back when it gets the focus.
    pub fn minimise(&mut self, key: K) {
        let modal = |k: K| self.windows.get(&k).filter(|w| w.modal).and_then(|w| w.parent);
        let top = std::iter::successors(Some(key), |k| modal(*k)).take(self.windows.len()).last();
        if let Some(window) = top.and_then(|key| self.windows.get_mut(&key))
            && !window.minimised
        {
            window.minimised = true;
            self.change |= Change::LAYOUT | Change::WANTED | Change::WORKSPACE;
            self.stand(Place::End);
            self.settle(None);
        }
    }

    /// Brings a window back into sight, and the parents without which it would not be. The focus
    /// stays where it is.
    pub fn unminimise(&mut self, key: K) {
        let chain: Vec<K> = self.ancestors(key).collect();
        for key in chain {
            if let Some(window) = self.windows.get_mut(&key)
                && std::mem::take(&mut window.minimised)
            {
                self.change |= Change::LAYOUT | Change::WANTED | Change::WORKSPACE;
            }
        }
        self.stand(Place::Beside);
    }

    /// Moves a floating or tiled window by keys. It stays within reach. A tiled one floats then.
    pub fn move_by(&mut self, key: K, dx: i32, dy: i32) {
        let Some(window) = self.windows.get(&key) else { return };
        if window.fullscreen || window.base == Base::Maximised {
            return;
        }
        let place = self.outer_of(window).location().offset(dx, dy);
        self.set_base(key, Base::Floating);
        self.put(key, place);
    }

    /// Moves a floating window to a place, as near to it as it stays within reach.
    pub fn move_to(&mut self, key: K, place: Point) {
        if self.windows.get(&key).is_some_and(super::window::Window::floats) {
            self.put(key, place);
        }
    }

    /// Moves a floating window so that its content begins at a place, or as near as it stays in reach.
    pub fn place_content(&mut self, key: K, at: Point) {
        let Some(window) = self.windows.get(&key) else { return };
        if window.floats() && self.drag.as_ref().is_none_or(|drag| drag.key != key) {
            let frame = window.frame();
            self.put(key, at.minus(Point::new(frame.left, frame.top)));
        }
    }

    pub(super) fn put(&mut self, key: K, place: Point) {
        let Some(window) = self.windows.get_mut(&key) else { return };
        let before = window.at;
        window.at = place;
        window.at = self.outputs.within_reach(window.floating());
        window.displaced = None;
        if window.at != before {
            self.change |= Change::LAYOUT;
        }
        let output = self.outputs.best_for(window.floating()).id;
        self.go_to(key, output);
        self.stand(Place::Beside);
    }

    /// Asks a floating window to be larger or smaller, by keys. Its upper left corner stays.
    pub fn resize_by(&mut self, key: K, dw: i32, dh: i32) {
        let resizing = self.is_resizing(key);
        let Some(window) = self.windows.get_mut(&key) else { return };
        if window.floats() && !resizing {
            window.anchor = None;
            window.hold = false;
            let size = Size::new(window.asked.w.saturating_add(dw), window.asked.h.saturating_add(dh));
            window.ask(size.at_least(super::LEAST_CONTENT));
            window.follow_committed();
            self.change |= Change::LAYOUT | Change::WANTED;
            self.reach(key);
        }
    }
}
