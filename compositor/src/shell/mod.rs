//! Windows on the desktop: where they are, who is above whom, who has the focus.
//!
//! This room is pure: it knows neither Wayland nor qubes, does no input or output and reads no clock.
//! Windows are named by keys of the caller's. All measures are logical pixels. The caller tells what
//! the person did and what windows drew, and reads back what to draw ([`Shell::visible`]), what to ask
//! of each window ([`Shell::wanted`]) and who has the focus ([`Shell::focused`]);
//! [`Shell::take_change`] says whether it is worth looking.
//!
//! Rule FOCUS in this room: the focus moves only by [`Shell::focus`], by the switcher, by a window that
//! the person has just started ([`Spec::grant_focus`]), and when the window that had it cannot have it
//! any longer (closed, minimised, on a workspace that is not shown). Then it falls to its parent or to
//! the window that the person used last among those in sight, or to none ([`Fallback`]). A window that
//! the person never used does not get it this way, so that no qube can lie in wait for it; for the same
//! reason a new window is last in the switcher, not first.
//!
//! A popup is part of its window and unknown here. A window that takes its picture away is removed,
//! and inserted again when it comes back.

mod change;
mod columns;
mod focus;
mod geometry;
mod interactive;
mod invariants;
mod output;
mod placement;
mod scratch;
mod stack;
mod states;
mod switcher;
#[cfg(test)]
mod tests;
mod tiling;
mod window;
mod workspace;

use std::{collections::BTreeMap, fmt::Debug, hash::Hash};

pub use change::Change;
pub use columns::{ColumnSettings, Show, WHOLE};
pub use focus::Fallback;
pub use geometry::{Direction, Edges, Insets, Point, Rect, Size};
pub use output::{BAR_HEIGHT, Output, REACH};
pub use switcher::Switcher;
pub use tiling::Arrangement;
pub use window::{Hit, LEAST_CONTENT, MAX_SIDE, Part, Placed, Spec, State, Wanted};
pub use workspace::{WORKSPACES, Workspaces};

use columns::Place;
use interactive::Drag;
use output::{Outputs, Set};
use tiling::Tiling;
use window::{Base, Limits, MAX_INSET, Window};
use workspace::Desks;

/// What can name a window.
pub trait Key: Copy + Eq + Hash + Ord + Debug {}

impl<T: Copy + Eq + Hash + Ord + Debug> Key for T {}

/// Near a corner, this many pixels of a border pull both sides.
const CORNER: i32 = 16;

/// The windows of the desktop. See the module's text.
#[derive(Clone, Debug)]
pub struct Shell<K: Key> {
    windows: BTreeMap<K, Window<K>>,
    /// All windows, bottom first.
    stack: Vec<K>,
    /// All windows, last used first; those never used in the order in which they came.
    history: Vec<K>,
    focused: Option<K>,
    fallback: Fallback,
    outputs: Outputs,
    desks: Desks,
    tiling: Tiling<K>,
    drag: Option<Drag<K>>,
    switcher: Option<Switcher<K>>,
    change: Change,
}

impl<K: Key> Default for Shell<K> {
    fn default() -> Self {
        Self {
            windows: BTreeMap::new(),
            stack: Vec::new(),
            history: Vec::new(),
            focused: None,
            fallback: Fallback::default(),
            outputs: Outputs::default(),
            desks: Desks::default(),
            tiling: Tiling::default(),
            drag: None,
            switcher: None,
            change: Change::NONE,
        }
    }
}

impl<K: Key> Shell<K> {
    /// No windows, no screens, workspace 1 everywhere.
    pub fn new() -> Self {
        Self::default()
    }

    // Reading.

    /// What has changed since this was last called.
    pub fn take_change(&mut self) -> Change {
        std::mem::take(&mut self.change)
    }

    /// The window is there.
    pub fn contains(&self, key: K) -> bool {
        self.windows.contains_key(&key)
    }

    /// All windows, last used first.
    pub fn history(&self) -> &[K] {
        &self.history
    }

    /// All windows of all workspaces, bottom first.
    pub fn stacking(&self) -> &[K] {
        &self.stack
    }

    /// The screens that are there.
    pub fn outputs(&self) -> &[Output] {
        self.outputs.real()
    }

    /// The screen at a place, else the nearest; while there is none, the last one that was.
    pub fn output_at(&self, at: Point) -> Output {
        *self.outputs.at(at)
    }

    /// The windows in sight on the workspaces that are shown, bottom first; of a strip of columns only what
    /// its screen shows.
    pub fn visible(&self) -> impl Iterator<Item = Placed<K>> {
        let in_sight = |key: &&K| self.is_visible(**key) && self.is_in_view(**key);
        self.stack.iter().filter(in_sight).filter_map(|key| self.placed(*key))
    }

    /// A window on any workspace, minimised or not, where it is or would be.
    pub fn placed(&self, key: K) -> Option<Placed<K>> {
        let window = self.windows.get(&key)?;
        let outer = self.outer_of(window);
        Some(Placed {
            key,
            outer,
            content: outer.inset(window.frame()),
            focused: self.focused == Some(key),
            attention: window.attention,
            state: window.state(),
            maximised: self.is_maximised(key),
            output: window.output,
        })
    }

    /// A window with its frame.
    pub fn outer(&self, key: K) -> Option<Rect> {
        self.placed(key).map(|placed| placed.outer)
    }

    /// The inside of a window's frame.
    pub fn content(&self, key: K) -> Option<Rect> {
        self.placed(key).map(|placed| placed.content)
    }

    /// What a window is to be asked to be.
    pub fn wanted(&self, key: K) -> Option<Wanted> {
        let window = self.windows.get(&key)?;
        let state = window.state();
        let laid = window.laid.filter(|_| state == State::Column);
        let content = match laid {
            _ if window.floats() => window.asked,
            Some(laid) => window.frame().shrink(laid.whole),
            None => window.frame().shrink(self.outer_of(window).size()),
        };
        Some(Wanted {
            content,
            maximised: self.is_maximised(key),
            fullscreen: state == State::Fullscreen,
            activated: self.focused == Some(key),
            resizing: self.is_resizing(key),
            suspended: !self.is_visible(key) || !self.is_in_view(key) || laid.is_some_and(|laid| !laid.shown),
            tiled: matches!(state, State::TiledLeft | State::TiledRight | State::Column),
        })
    }

    /// The topmost window in sight at a place, and which part of it is there.
    pub fn window_at(&self, at: Point) -> Option<Hit<K>> {
        let on_top = self.stack.iter().rev().filter(|key| self.is_visible(**key));
        let there = |placed: &Placed<K>| {
            let beyond = || !self.outputs.get(placed.output).rect.contains(at);
            placed.outer.contains(at) && (placed.state != State::Column || !beyond())
        };
        let placed = on_top.filter_map(|key| self.placed(*key)).find(there)?;
        let window = self.windows.get(&placed.key)?;
        Some(Hit { key: placed.key, part: part_at(&placed, window.frame(), at) })
    }

    /// The window is on a workspace that is shown, and neither it nor one of its parents is minimised.
    pub fn is_visible(&self, key: K) -> bool {
        self.is_on_shown_desk(key) && !self.is_minimised(key)
    }

    /// The window or one of its parents is minimised.
    pub fn is_minimised(&self, key: K) -> bool {
        self.ancestors(key).any(|k| self.windows.get(&k).is_some_and(|w| w.minimised))
    }

    /// How a window stands.
    pub fn state(&self, key: K) -> Option<State> {
        self.windows.get(&key).map(Window::state)
    }

    /// The window that this one is a dialog of.
    pub fn parent(&self, key: K) -> Option<K> {
        self.windows.get(&key).and_then(|w| w.parent)
    }

    /// The window asks for attention.
    pub fn attention(&self, key: K) -> bool {
        self.windows.get(&key).is_some_and(|w| w.attention)
    }

    fn outer_of(&self, window: &Window<K>) -> Rect {
        let output = self.outputs.get(window.output);
        match window.base {
            _ if window.fullscreen => output.rect,
            Base::Floating => window.floating(),
            Base::Tiled { left } => output.half(left),
            Base::Column => window.laid.map_or(window.floating(), |laid| laid.outer),
            Base::Maximised => output.usable,
        }
    }

    // Windows come and go.

    /// A window comes, with its first picture. It is placed on its parent's workspace, else on the one
    /// where the person is, and gets the focus only if that is granted; else it is marked. A key that is
    /// there already does nothing.
    pub fn insert(&mut self, key: K, spec: Spec<K>) {
        if self.windows.contains_key(&key) {
            return;
        }
        let parent = spec.parent.filter(|parent| self.can_adopt(*parent, key));
        let beside = |k: K| self.windows.get(&k).map(|w| (w.workspace, w.output));
        let here = || (self.current_workspace(), self.active_output());
        let (workspace, output) = parent.and_then(beside).unwrap_or_else(here);
        let output = self.outputs.get(output);
        let mut window = Window::new(&spec, workspace, output.id);
        window.parent = parent;
        window.at = self.place(&window, output.usable);
        let room = window.insets.shrink(output.usable.size());
        window.ask(window.asked.at_most(room));
        let grant = spec.grant_focus && self.switcher.is_none();
        window.attention = !grant;
        self.windows.insert(key, window);
        self.stack_new(key, parent);
        self.history.push(key);
        self.fit_in(key);
        self.reach(key);
        self.stand(if grant { Place::Beside } else { Place::End });
        self.change |= Change::WORKSPACE | Change::WANTED;
        if grant {
            self.focus(key);
        }
    }

    fn place(&self, window: &Window<K>, usable: Rect) -> Point {
        let parent = window.parent.and_then(|p| self.windows.get(&p)).map(|p| self.outer_of(p));
        let in_the_way = |key: &&K| {
            !self.is_minimised(**key)
                && self.windows.get(key).is_some_and(|w| {
                    w.workspace == window.workspace && !w.fullscreen && w.base != Base::Maximised
                })
        };
        let others: Vec<Rect> = self
            .stack
            .iter()
            .rev()
            .filter(in_the_way)
            .filter_map(|key| self.windows.get(key).map(|w| self.outer_of(w)))
            .filter(|outer| outer.overlap(usable) > 0)
            .collect();
        placement::place(window.floating().size(), usable, &others, parent)
    }

    /// A window is gone. Its dialogs become dialogs of its parent. The focus, if it had it, falls to
    /// its parent or as [`Fallback`] says.
    pub fn remove(&mut self, key: K) {
        let in_sight = self.is_on_shown_desk(key);
        let Some(window) = self.windows.remove(&key) else { return };
        if self.focused == Some(key) {
            self.desks.active = window.output;
        }
        let mut orphans = Vec::new();
        for (child, its) in self.windows.iter_mut().filter(|(_, its)| its.parent == Some(key)) {
            its.parent = window.parent;
            its.scratch = window.scratch && window.parent.is_none();
            orphans.push(*child);
        }
        self.stack.retain(|k| *k != key);
        self.history.retain(|k| *k != key);
        if self.drag.as_ref().is_some_and(|drag| drag.key == key) {
            self.drag = None;
        }
        if let Some(switcher) = &mut self.switcher {
            if !switcher.forget(key) {
                self.switcher = None;
            }
            self.change |= Change::SWITCHER;
        }
        self.change |= Change::LAYOUT | Change::WORKSPACE | Change::WANTED;
        for orphan in orphans {
            self.keep_in_sight(orphan, in_sight);
        }
        self.stand(Place::End);
        self.settle(window.parent);
    }

    /// A window drew its content in a size. While it floats its frame takes that size: the window
    /// decides. While the person resizes it, and until it has answered, the sides that are not pulled
    /// stay where they are.
    pub fn content_committed(&mut self, key: K, size: Size) {
        let Some(window) = self.windows.get_mut(&key) else { return };
        window.committed = window::sane_size(size);
        if window.committed == window.asked {
            window.unanswered = false;
            window.hold = false;
        }
        self.follow(key);
    }

    /// The window's last picture answers the newest configure that was made from [`Shell::wanted`]
    /// (to be called after [`Shell::content_committed`]). From here on the size it drew is what it is
    /// asked for, so that a program that rounds its size (a terminal) is left in peace, and a size that
    /// it takes by itself later is not taken back.
    pub fn answered(&mut self, key: K) {
        let Some(window) = self.windows.get_mut(&key) else { return };
        window.unanswered = false;
        window.hold = false;
        self.follow(key);
    }

    fn follow(&mut self, key: K) {
        let resizing = self.is_resizing(key);
        let Some(window) = self.windows.get_mut(&key) else { return };
        if !window.floats() || window.hold {
            return;
        }
        let before = (window.floating(), window.asked);
        window.follow_committed();
        if !window.unanswered && !resizing {
            window.anchor = None;
            window.asked = window.limits.clamp(window.committed);
        }
        if before != (window.floating(), window.asked) {
            self.change |= Change::LAYOUT | Change::WANTED;
            self.reach(key);
        }
    }

    /// Changes whose dialog a window is. It goes to the parent's workspace and above it. A parent that
    /// is not there, or that is its own dialog, counts as none.
    pub fn set_parent(&mut self, key: K, parent: Option<K>) {
        let parent = parent.filter(|parent| self.can_adopt(*parent, key));
        let in_sight = self.is_on_shown_desk(key);
        let Some(window) = self.windows.get_mut(&key) else { return };
        if window.parent != parent {
            window.parent = parent;
            window.scratch &= parent.is_none();
            // Without a minimised parent it is in sight again, with all its dialogs.
            self.change |= Change::LAYOUT | Change::WANTED | Change::WORKSPACE;
        }
        if let Some(parent) = parent {
            if let Some(number) = self.workspace_of(parent) {
                self.family_to_workspace(key, number);
            }
            self.above_parent(key, parent);
        }
        if parent.is_some() {
            self.fit_in(key);
        }
        self.keep_in_sight(key, in_sight);
        self.stand(Place::End);
        self.settle(None);
    }

    /// Says whether a dialog has to be dealt with before its parent: then focus of the parent goes to
    /// it.
    pub fn set_modal(&mut self, key: K, modal: bool) {
        if let Some(window) = self.windows.get_mut(&key) {
            window.modal = modal;
        }
    }

    /// Changes the smallest and largest content size; 0: no limit.
    pub fn set_limits(&mut self, key: K, min: Size, max: Size) {
        let Some(window) = self.windows.get_mut(&key) else { return };
        window.limits = Limits { min, max };
        let asked = window.limits.clamp(window.asked);
        if asked != window.asked {
            window.ask(asked);
            self.change |= Change::WANTED;
            self.follow(key);
        }
    }

    /// Changes a window's frame; its content keeps its size.
    pub fn set_insets(&mut self, key: K, insets: Insets, fullscreen_insets: Insets) {
        let Some(window) = self.windows.get_mut(&key) else { return };
        window.insets = insets.sane(MAX_INSET);
        window.fullscreen_insets = fullscreen_insets.sane(MAX_INSET);
        self.change |= Change::LAYOUT | Change::WANTED;
        self.lay();
        self.reach(key);
    }

    /// Marks a window that asks for attention, or takes the mark away. The window that has the focus
    /// has attention.
    pub fn set_attention(&mut self, key: K, attention: bool) {
        let attention = attention && self.focused != Some(key);
        if let Some(window) = self.windows.get_mut(&key)
            && window.attention != attention
        {
            window.attention = attention;
            self.change |= Change::LAYOUT | Change::WORKSPACE;
        }
    }

    // Screens.

    /// A screen comes or changes. Windows on it move along with its corner; windows that had been on a
    /// screen of this number before it went away, and were not moved since, come back.
    pub fn set_output(&mut self, output: Output) {
        let gone = match self.outputs.set(output) {
            Set::Same => return,
            Set::Changed(old) => {
                let by = self.outputs.get(output.id).rect.location().minus(old.rect.location());
                for window in self.windows.values_mut().filter(|w| w.output == output.id) {
                    window.at = window.at.plus(by);
                }
                None
            }
            Set::New { instead_of } => instead_of,
        };
        if let Some(gone) = gone {
            self.inherit_workspace(gone.id, output.id);
        }
        self.leave(gone);
        self.come_back(output.id);
        self.reach_all();
    }

    /// A screen goes away. Its windows go to the others. After the last one windows stay where they
    /// are, unseen, until there is one again.
    pub fn remove_output(&mut self, id: u32) {
        if let Some(output) = self.outputs.remove(id) {
            self.leave(Some(output));
            self.reach_all();
        }
    }

    fn reach_all(&mut self) {
        self.change |= Change::LAYOUT | Change::WORKSPACE | Change::WANTED;
        for window in self.windows.values_mut() {
            window.at = self.outputs.within_reach(window.floating());
        }
        self.stand(Place::End);
        self.settle(None);
    }

    /// Moves a window so that a person can take hold of it.
    fn reach(&mut self, key: K) {
        if let Some(window) = self.windows.get_mut(&key) {
            let at = self.outputs.within_reach(window.floating());
            if at != window.at {
                window.at = at;
                self.change |= Change::LAYOUT;
            }
        }
    }
}

fn part_at<K>(placed: &Placed<K>, frame: Insets, at: Point) -> Part {
    let (outer, content) = (placed.outer, placed.content);
    if content.contains(at) {
        return Part::Content(at.minus(content.location()));
    }
    if !matches!(placed.state, State::Normal | State::Column) {
        return Part::Title;
    }
    // The border is as wide at the top as at the sides; the rest of the top is the title bar.
    let top = frame.left.max(frame.right).min(frame.top);
    let from = at.minus(outer.location());
    let to = Point::new(outer.right().saturating_sub(1), outer.bottom().saturating_sub(1)).minus(at);
    let pulls = |corner: i32| Edges {
        top: from.y < top.max(corner),
        bottom: to.y < frame.bottom.max(corner),
        left: from.x < frame.left.max(corner),
        right: to.x < frame.right.max(corner),
    };
    if pulls(0).any() { Part::Border(pulls(CORNER).without_contradiction()) } else { Part::Title }
}
