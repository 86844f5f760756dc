//! Columns on the desktop: which windows stand in them, and what the person does with them.
//!
//! A workspace is arranged in one of two ways. Floating windows stand where they were put. On a
//! workspace of columns every screen has a [strip](super::columns) of them; dialogs and windows of a
//! fixed size float above it, and so does any window that the person takes out.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Change, Direction, Key, Point, Rect, Shell, WORKSPACES,
    columns::{Area, ColumnSettings, Place, Show, Strip},
    window::{Base, LEAST_CONTENT, Window},
};

/// How far a chord moves a floating window, and by how much it resizes any window, in logical pixels.
const STEP: i32 = 32;

/// How the windows of a workspace stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Arrangement {
    /// Where they were put, over each other.
    #[default]
    Floating,
    /// Side by side, in columns.
    Columns,
}

/// Numbers of a workspace and of a screen.
pub(super) type Desk = (u32, u32);

/// All strips.
#[derive(Clone, Debug)]
pub(super) struct Tiling<K> {
    /// Workspaces of columns.
    columns: BTreeSet<u32>,
    pub(super) strips: BTreeMap<Desk, Strip<K>>,
    settings: ColumnSettings,
}

impl<K> Default for Tiling<K> {
    fn default() -> Self {
        Self { columns: BTreeSet::new(), strips: BTreeMap::new(), settings: ColumnSettings::default() }
    }
}

/// The strip that a window should be on.
fn desk_of<K>(window: &Window<K>) -> Option<Desk> {
    (window.base == Base::Column && !window.minimised).then_some((window.workspace, window.output))
}

impl<K: Key> Shell<K> {
    /// How a workspace is arranged.
    pub fn arrangement(&self, workspace: u32) -> Arrangement {
        if self.tiling.columns.contains(&workspace) { Arrangement::Columns } else { Arrangement::Floating }
    }

    /// Arranges a workspace anew. What floats goes into columns from left to right as it stands; what
    /// stands in columns floats again where it did before. A number that there is not does nothing.
    pub fn arrange(&mut self, workspace: u32, arrangement: Arrangement) {
        if !(1..=WORKSPACES).contains(&workspace) || self.arrangement(workspace) == arrangement {
            return;
        }
        let mut there: Vec<(i32, K)> = self
            .stack
            .iter()
            .filter_map(|key| Some((*key, self.windows.get(key)?)))
            .filter(|(_, window)| window.workspace == workspace)
            .map(|(key, window)| (self.outer_of(window).center().x, key))
            .collect();
        there.sort_by_key(|(x, _)| *x);
        match arrangement {
            Arrangement::Floating => drop(self.tiling.columns.remove(&workspace)),
            Arrangement::Columns => drop(self.tiling.columns.insert(workspace)),
        }
        self.change |= Change::WORKSPACE;
        for (_, key) in there {
            self.fit_in(key);
            self.stand(Place::End);
        }
        if let Some(drag) = &self.drag
            && self.workspace_of(drag.key) == Some(workspace)
        {
            self.stop_drag();
        }
    }

    /// Says how columns look.
    pub fn set_columns(&mut self, settings: ColumnSettings) {
        self.tiling.settings = settings;
        self.lay();
    }

    /// Takes a window out of the columns of its workspace, or puts it there; one that cannot stand in a
    /// column goes on floating.
    pub fn set_floating(&mut self, key: K, floating: bool) {
        let Some(window) = self.windows.get(&key) else { return };
        let columns = self.arrangement(window.workspace) == Arrangement::Columns;
        if !floating && columns && window.can_stand() {
            self.set_base(key, Base::Column);
        } else if floating && window.base == Base::Column {
            self.set_base(key, Base::Floating);
        }
    }

    /// The window stands in a column.
    pub fn stands(&self, key: K) -> bool {
        self.windows.get(&key).is_some_and(|window| window.base == Base::Column)
    }

    /// The window fills its area, or its column is as wide as that.
    pub fn is_maximised(&self, key: K) -> bool {
        let Some(window) = self.windows.get(&key) else { return false };
        let wide =
            || desk_of(window).and_then(|desk| self.tiling.strips.get(&desk)).is_some_and(|s| s.is_wide(key));
        !window.fullscreen && (window.base == Base::Maximised || wide())
    }

    /// The window on that side of this one that a person would name: in its strip, else by where they
    /// are.
    pub fn neighbour(&self, key: K, to: Direction) -> Option<K> {
        let window = self.windows.get(&key)?;
        let on_strip = || self.tiling.strips.get(&desk_of(window)?)?.neighbour(key, to);
        let own = self.outer_of(window).center();
        // Half of a step aside is as far as a whole one ahead.
        let distance = |outer: Rect| {
            let by = outer.center().minus(own);
            let (ahead, aside) = match to {
                Direction::Left => (by.x.saturating_neg(), by.y),
                Direction::Right => (by.x, by.y),
                Direction::Up => (by.y.saturating_neg(), by.x),
                Direction::Down => (by.y, by.x),
            };
            (ahead > 0).then(|| i64::from(ahead) + 2 * i64::from(aside).abs())
        };
        let by_place = || {
            let others = self.visible().filter(|placed| placed.key != key);
            others.filter_map(|placed| Some((distance(placed.outer)?, placed.key))).min().map(|(_, key)| key)
        };
        on_strip().or_else(by_place)
    }

    /// Moves a window by one step: past others in columns, else a little.
    pub fn shift(&mut self, key: K, to: Direction) {
        let Some(window) = self.windows.get(&key) else { return };
        if let Some(desk) = desk_of(window).filter(|_| !window.fullscreen) {
            self.on_strip(desk, |strip, _| strip.shift(key, to));
            return;
        }
        let (dx, dy) = match to {
            Direction::Left => (-STEP, 0),
            Direction::Right => (STEP, 0),
            Direction::Up => (0, -STEP),
            Direction::Down => (0, STEP),
        };
        self.move_by(key, dx, dy);
    }

    /// Makes a window larger or smaller by so many steps: its column, its part of it, or itself.
    pub fn grow(&mut self, key: K, wider: i32, higher: i32) {
        let Some(window) = self.windows.get(&key) else { return };
        let by = |size: i32, steps: i32| size.saturating_add(steps.saturating_mul(STEP));
        let Some(desk) = desk_of(window).filter(|_| !window.fullscreen) else {
            self.resize_by(key, by(0, wider), by(0, higher));
            return;
        };
        let outer = self.outer_of(window);
        self.on_strip(desk, |strip, area| {
            if wider != 0 {
                strip.set_width(key, by(outer.w, wider), false, area);
            }
            if higher != 0 {
                let last = strip.neighbour(key, Direction::Down).is_none();
                strip.set_height(key, by(outer.h, higher), last, area);
            }
        });
    }

    /// Gives a window's column the next of the usual widths, wider or narrower.
    pub fn next_width(&mut self, key: K, wider: bool) {
        if let Some(desk) = self.windows.get(&key).and_then(desk_of) {
            self.on_strip(desk, |strip, _| strip.next_width(key, wider));
        }
    }

    /// Shows the windows of a window's column in another way; `None`: the next one.
    pub fn set_show(&mut self, key: K, show: Option<Show>) {
        if let Some(desk) = self.windows.get(&key).and_then(desk_of) {
            self.on_strip(desk, |strip, _| strip.set_show(key, show));
        }
    }

    pub(super) fn set_wide(&mut self, key: K, wide: bool) {
        if let Some(desk) = self.windows.get(&key).and_then(desk_of) {
            self.on_strip(desk, |strip, _| strip.set_wide(key, wide));
        }
    }

    /// The person pulls at sides of a window of a column, which was `outer` before.
    pub(super) fn pull(&mut self, key: K, edges: super::Edges, by: Point, outer: Rect) {
        let Some(desk) = self.windows.get(&key).and_then(desk_of) else { return };
        self.on_strip(desk, |strip, area| {
            if edges.left || edges.right {
                let dx = if edges.left { by.x.saturating_neg() } else { by.x };
                strip.set_width(key, outer.w.saturating_add(dx), edges.left, area);
            }
            if edges.top || edges.bottom {
                let dy = if edges.top { by.y.saturating_neg() } else { by.y };
                strip.set_height(key, outer.h.saturating_add(dy), edges.top, area);
            }
        });
    }

    /// The person lets go of a window that came out of a column: it stands where that is.
    pub(super) fn drop_into_column(&mut self, key: K, at: Point) {
        let can_stand = |window: &Window<K>| window.floats() && window.can_stand() && !window.minimised;
        if !self.windows.get(&key).is_some_and(can_stand) {
            return;
        }
        self.go_to(key, self.outputs.at(at).id);
        let Some(window) = self.windows.get_mut(&key) else { return };
        if !self.tiling.columns.contains(&window.workspace) {
            return;
        }
        window.base = Base::Column;
        let desk = (window.workspace, window.output);
        let area = self.area(desk);
        let width = self.tiling.settings.width;
        self.tiling.strips.entry(desk).or_default().drop_at(key, at, area, &heads(&self.windows), width);
        self.stand(Place::Beside);
    }

    /// A strip as it was, unless other windows have come or gone since.
    pub(super) fn put_back(&mut self, desk: Desk, strip: Strip<K>) {
        self.stand(Place::Beside);
        if self.tiling.strips.get(&desk).is_some_and(|now| now.has_same_windows(&strip)) {
            self.tiling.strips.insert(desk, strip);
            self.change |= Change::LAYOUT | Change::WANTED;
            self.lay();
        }
    }

    /// The strip that a window stands on, to be put back.
    pub(super) fn strip_of(&self, key: K) -> Option<(Desk, Strip<K>)> {
        let desk = desk_of(self.windows.get(&key)?)?;
        Some((desk, self.tiling.strips.get(&desk)?.clone()))
    }

    fn on_strip(&mut self, desk: Desk, change: impl FnOnce(&mut Strip<K>, Area)) {
        let area = self.area(desk);
        if let Some(strip) = self.tiling.strips.get_mut(&desk) {
            change(strip, area);
            self.change |= Change::LAYOUT | Change::WANTED;
            self.lay();
        }
    }

    fn area(&self, (_, output): Desk) -> Area {
        Area::new(self.outputs.get(output).usable, self.tiling.settings.gap)
    }

    /// Stands a window in a column or lets it float, as its workspace is arranged. [`Shell::stand`] has
    /// to follow.
    pub(super) fn fit_in(&mut self, key: K) {
        let Some(window) = self.windows.get_mut(&key) else { return };
        let columns = self.tiling.columns.contains(&window.workspace) && window.can_stand();
        match (window.base, columns) {
            (Base::Floating, true) => window.base = Base::Column,
            (Base::Column, false) => {
                window.base = Base::Floating;
                window.back_to_floating();
            }
            _ => return,
        }
        self.change |= Change::LAYOUT | Change::WANTED;
    }

    /// Puts every window on the strip that it should be on, and on no other. What is new on one comes
    /// to `place`, in the order in which it stood elsewhere.
    pub(super) fn stand(&mut self, place: Place) {
        if self.tiling.strips.is_empty() && !self.windows.values().any(|window| window.base == Base::Column) {
            return;
        }
        let mut strays = Vec::new();
        let mut standing = BTreeSet::new();
        let areas: Vec<(Desk, Area)> =
            self.tiling.strips.keys().map(|desk| (*desk, self.area(*desk))).collect();
        for (desk, area) in areas {
            let Some(strip) = self.tiling.strips.get_mut(&desk) else { continue };
            for key in strip.keys().collect::<Vec<K>>() {
                let should = self.windows.get(&key).and_then(desk_of);
                if should == Some(desk) {
                    standing.insert(key);
                    continue;
                }
                strip.remove(key, area);
                self.change |= Change::LAYOUT | Change::WANTED;
                strays.extend(should.map(|desk| (desk, key)));
            }
        }
        standing.extend(strays.iter().map(|(_, key)| *key));
        let new = self.windows.iter().filter(|(key, _)| !standing.contains(key));
        strays.extend(new.filter_map(|(key, window)| Some((desk_of(window)?, *key))));
        for (desk, key) in strays {
            self.tiling.strips.entry(desk).or_default().insert(key, place, self.tiling.settings.width);
        }
        self.tiling.strips.retain(|_, strip| !strip.is_empty());
        self.lay();
    }

    /// Lays all strips out anew. The window that has the focus is in sight.
    pub(super) fn lay(&mut self) {
        let mut laid = BTreeMap::new();
        let areas: Vec<(Desk, Area)> =
            self.tiling.strips.keys().map(|desk| (*desk, self.area(*desk))).collect();
        for (desk, area) in areas {
            let Some(strip) = self.tiling.strips.get_mut(&desk) else { continue };
            if let Some(focused) = self.focused {
                strip.activate(focused);
            }
            strip.settle_view(area);
            laid.extend(strip.lay(area, &heads(&self.windows)).into_iter().map(|laid| (laid.key, laid)));
        }
        for (key, window) in &mut self.windows {
            let laid = laid.get(key).copied();
            if window.laid != laid {
                window.laid = laid;
                self.change |= Change::LAYOUT | Change::WANTED;
            }
        }
        self.float_above();
    }

    /// On a workspace of columns, what the person has used and does not stand in one lies above all columns:
    /// it would be lost beneath them. What nobody has used yet is not in the way of the columns.
    fn float_above(&mut self) {
        if self.tiling.strips.is_empty() {
            return;
        }
        let high = self.high();
        let before = self.stack.clone();
        self.stack.sort_by_key(|key| high.contains(key));
        if self.stack != before {
            self.change |= Change::LAYOUT;
        }
    }

    /// What lies above columns, with its dialogs.
    fn high(&self) -> BTreeSet<K> {
        let above = |window: &Window<K>| {
            self.tiling.columns.contains(&window.workspace)
                && (window.base != Base::Column || window.fullscreen)
        };
        let used = self.windows.iter().filter(|(_, window)| window.used).map(|(key, _)| self.root(*key));
        let roots: BTreeSet<K> = used.filter(|root| self.windows.get(root).is_some_and(above)).collect();
        self.stack.iter().copied().filter(|key| roots.contains(&self.root(*key))).collect()
    }

    /// A window of a strip is at least partly on its screen; any other always is.
    pub(super) fn is_in_view(&self, key: K) -> bool {
        let Some(window) = self.windows.get(&key) else { return false };
        let screen = self.outputs.get(window.output).rect;
        window.fullscreen || window.laid.is_none_or(|laid| laid.outer.overlap(screen) > 0)
    }

    /// Strips have the windows that should be on them, each once, and these know where they are.
    pub(super) fn check_strips(&self) -> Result<(), String> {
        let mut there = BTreeMap::new();
        for (desk, strip) in &self.tiling.strips {
            let area = self.area(*desk);
            strip.check(area, &heads(&self.windows)).map_err(|broken| format!("{desk:?}: {broken}"))?;
            for laid in strip.lay(area, &heads(&self.windows)) {
                if there.insert(laid.key, (*desk, laid)).is_some() {
                    return Err(format!("{:?} is on two strips", laid.key));
                }
            }
        }
        let high = self.high();
        if !self.tiling.strips.is_empty() && !self.stack.is_sorted_by_key(|key| high.contains(key)) {
            return Err(format!("columns lie above what floats: {:?} {high:?}", self.stack));
        }
        for (key, window) in &self.windows {
            let (desk, laid) = there.remove(key).unzip();
            if desk != desk_of(window) || laid != window.laid {
                return Err(format!("{key:?} is on {desk:?} at {laid:?}, and thinks at {:?}", window.laid));
            }
            if window.base == Base::Column && window.parent.is_some() {
                return Err(format!("{key:?} is a dialog in a column"));
            }
            if self.focused == Some(*key) && laid.is_some_and(|laid| !laid.shown || !self.is_in_view(*key)) {
                return Err(format!("{key:?} has the focus and is out of view"));
            }
        }
        if there.is_empty() { Ok(()) } else { Err(format!("{there:?} are gone")) }
    }
}

/// How high a window is of which nothing but the title bar is shown.
fn heads<K: Key>(windows: &BTreeMap<K, Window<K>>) -> impl Fn(K) -> i32 {
    move |key| windows.get(&key).map_or(1, |window| window.insets.grow(LEAST_CONTENT).h)
}
