//! A strip of columns: how windows stand side by side on one screen of a workspace.
//!
//! A column has a width of its own, whatever else is on the strip; the screen shows a piece of the
//! strip. So a window that comes makes no other one smaller, and one that nobody asked for comes at the
//! far end and moves nothing that is in sight: no qube can shift another's window under the pointer by
//! opening windows (rule INTENT). When a window goes, the column that the person is in stays where it
//! is, as far as the ends of the strip allow.

use super::{Direction, Key, Point, Rect, Size};

/// Widths of columns are parts of the area: so many are all of it.
pub const WHOLE: u32 = 10_000;
/// The widths that a column is given one after the other by a chord.
const WIDTHS: [u32; 4] = [WHOLE / 3, WHOLE / 2, WHOLE * 2 / 3, WHOLE];
/// Most windows in a column.
pub(super) const MOST_TILES: usize = 8;
/// No column is narrower than this, in logical pixels.
const LEAST_WIDTH: i32 = 64;
/// No window of a column is made lower than this by hand, in logical pixels.
const LEAST_HEIGHT: i32 = 48;

/// How columns look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnSettings {
    /// Between columns, between windows in them, and around, in logical pixels.
    pub gap: i32,
    /// Width of a new column, of [`WHOLE`].
    pub width: u32,
}

impl Default for ColumnSettings {
    fn default() -> Self {
        Self { gap: 8, width: WHOLE / 2 }
    }
}

/// How the windows of a column share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Show {
    /// One above the other.
    #[default]
    Split,
    /// One is seen; the others are title bars above and beneath it.
    Stacked,
    /// One is seen; the others are title bars side by side above it.
    Tabbed,
}

impl Show {
    fn next(self) -> Self {
        match self {
            Self::Split => Self::Stacked,
            Self::Stacked => Self::Tabbed,
            Self::Tabbed => Self::Split,
        }
    }
}

/// Where windows stand that are new on a strip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Beside the column that the person is in.
    Beside,
    /// At the far end.
    End,
}

/// What a strip is laid out in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) rect: Rect,
    gap: i32,
}

impl Area {
    /// Gaps give way on a small screen.
    pub(super) fn new(rect: Rect, gap: i32) -> Self {
        Self { rect, gap: gap.clamp(0, (rect.w.min(rect.h) / 16).max(0)) }
    }
}

/// Where a window of a strip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Laid<K> {
    pub(super) key: K,
    /// With its frame; on the desktop, in sight or not.
    pub(super) outer: Rect,
    /// What it has, or would have if it were the one that its column shows.
    pub(super) whole: Size,
    /// More than its title bar is shown.
    pub(super) shown: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Tile<K> {
    key: K,
    /// Its share of the height, among those of its column.
    weight: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Column<K> {
    tiles: Vec<Tile<K>>,
    /// The one that has, or last had, the person's attention.
    active: usize,
    width: u32,
    /// As wide as the area, for as long as it is maximised.
    wide: bool,
    show: Show,
}

impl<K: Key> Column<K> {
    fn new(key: K, width: u32) -> Self {
        Self {
            tiles: vec![Tile { key, weight: WHOLE }],
            active: 0,
            width,
            wide: false,
            show: Show::default(),
        }
    }

    fn pixels(&self, area: Area) -> i32 {
        let room = i64::from(area.rect.w.saturating_sub(area.gap));
        let part = if self.wide { WHOLE } else { self.width };
        let width = room * i64::from(part) / i64::from(WHOLE) - i64::from(area.gap);
        (width as i32).max(LEAST_WIDTH.min(area.rect.w.saturating_sub(area.gap.saturating_mul(2))))
    }

    fn place_of(&self, key: K) -> Option<usize> {
        self.tiles.iter().position(|tile| tile.key == key)
    }

    fn take(&mut self, tile: usize) -> K {
        let key = self.tiles.remove(tile).key;
        if self.active > tile || self.active == self.tiles.len() {
            self.active = self.active.saturating_sub(1);
        }
        key
    }

    fn put(&mut self, tile: usize, key: K) {
        let tile = tile.min(self.tiles.len());
        let sum: u64 = self.tiles.iter().map(|tile| u64::from(tile.weight)).sum();
        let weight = (sum / self.tiles.len().max(1) as u64).clamp(1, u64::from(WHOLE)) as u32;
        self.tiles.insert(tile, Tile { key, weight });
        self.active = tile;
    }

    /// Heights of all of them, from the top, with a gap between.
    fn heights(&self, area: Area) -> Vec<i32> {
        let count = self.tiles.len() as i64;
        let room = (i64::from(area.rect.h) - i64::from(area.gap) * (count + 1)).max(count);
        let sum: i64 = self.tiles.iter().map(|tile| i64::from(tile.weight)).sum::<i64>().max(1);
        let mut done = 0;
        let mut upto = 0;
        let edge = |tile: &Tile<K>| {
            upto += i64::from(tile.weight);
            let end = room * upto / sum;
            let height = end - std::mem::replace(&mut done, end);
            (height as i32).max(1)
        };
        self.tiles.iter().map(edge).collect()
    }

    fn lay(&self, x: i32, area: Area, head: &impl Fn(K) -> i32, laid: &mut Vec<Laid<K>>) {
        let w = self.pixels(area);
        let top = area.rect.y.saturating_add(area.gap);
        let all = area.rect.h.saturating_sub(area.gap.saturating_mul(2)).max(1);
        if self.show == Show::Split || self.tiles.len() < 2 {
            let mut y = top;
            for (tile, h) in self.tiles.iter().zip(self.heights(area)) {
                let outer = Rect::new(x, y, w, h);
                laid.push(Laid { key: tile.key, outer, whole: outer.size(), shown: true });
                y = y.saturating_add(h).saturating_add(area.gap);
            }
            return;
        }
        let others = self.tiles.len() as i32 - 1;
        let rows = if self.show == Show::Stacked { others } else { 1 };
        // On a screen that is very low the title bars get half of it.
        let head = |key| head(key).min(all / 2 / rows).max(1);
        let heads: Vec<i32> = self.tiles.iter().map(|tile| head(tile.key)).collect();
        let of_others = |(tile, h): (usize, &i32)| if tile == self.active { 0 } else { *h };
        let taken = match self.show {
            Show::Stacked => heads.iter().enumerate().map(of_others).sum(),
            _ => heads.iter().enumerate().map(of_others).max().unwrap_or(0),
        };
        let whole = Size { w, h: all.saturating_sub(taken).max(1) };
        let mut y = top;
        for (number, (tile, head)) in self.tiles.iter().zip(heads).enumerate() {
            let shown = number == self.active;
            let outer = match self.show {
                Show::Tabbed if shown => Rect::new(x, top.saturating_add(taken), w, whole.h),
                Show::Tabbed => {
                    let at = number as i32 - i32::from(number > self.active);
                    let edge = |at: i32| (i64::from(w) * i64::from(at) / i64::from(others)) as i32;
                    let width = edge(at + 1).saturating_sub(edge(at)).max(1);
                    Rect::new(x.saturating_add(edge(at)), top, width, taken)
                }
                _ => Rect::new(x, y, w, if shown { whole.h } else { head }),
            };
            y = y.saturating_add(outer.h);
            laid.push(Laid { key: tile.key, outer, whole, shown });
        }
    }
}

/// The columns of one screen of one workspace. There is no column without a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Strip<K> {
    columns: Vec<Column<K>>,
    /// The column that the person is in, or was last.
    active: usize,
    /// How much of the strip lies left of the area, in logical pixels.
    view: i32,
}

impl<K> Default for Strip<K> {
    fn default() -> Self {
        Self { columns: Vec::new(), active: 0, view: 0 }
    }
}

impl<K: Key> Strip<K> {
    pub(super) fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// All windows, from left to right and from the top down.
    pub(super) fn keys(&self) -> impl Iterator<Item = K> {
        self.columns.iter().flat_map(|column| column.tiles.iter().map(|tile| tile.key))
    }

    fn find(&self, key: K) -> Option<(usize, usize)> {
        let mut places = self.columns.iter().enumerate();
        places.find_map(|(number, column)| Some((number, column.place_of(key)?)))
    }

    fn column(&self, key: K) -> Option<&Column<K>> {
        self.columns.get(self.find(key)?.0)
    }

    fn column_mut(&mut self, key: K) -> Option<&mut Column<K>> {
        let (column, _) = self.find(key)?;
        self.columns.get_mut(column)
    }

    /// Both strips have the same windows.
    pub(super) fn has_same_windows(&self, other: &Self) -> bool {
        let sorted = |strip: &Self| strip.keys().collect::<std::collections::BTreeSet<K>>();
        sorted(self) == sorted(other)
    }

    /// Its column is as wide as the area.
    pub(super) fn is_wide(&self, key: K) -> bool {
        self.column(key).is_some_and(|column| column.wide)
    }

    pub(super) fn set_wide(&mut self, key: K, wide: bool) {
        if let Some(column) = self.column_mut(key) {
            column.wide = wide;
        }
    }

    // Windows come and go.

    /// A window comes, in a column of its own. Beside is to the right.
    pub(super) fn insert(&mut self, key: K, place: Place, width: u32) {
        let at = match place {
            Place::Beside if !self.columns.is_empty() => self.active + 1,
            _ => self.columns.len(),
        };
        self.insert_at(at, Column::new(key, width));
    }

    fn insert_at(&mut self, at: usize, column: Column<K>) {
        if at <= self.active && !self.columns.is_empty() {
            self.active += 1;
        }
        self.columns.insert(at.min(self.columns.len()), column);
    }

    /// A window goes. What is left of the person's column goes on without moving: `area` is what the
    /// strip was laid out in.
    pub(super) fn remove(&mut self, key: K, area: Area) {
        let Some((number, tile)) = self.find(key) else { return };
        let Some(column) = self.columns.get_mut(number) else { return };
        let width = column.pixels(area);
        column.take(tile);
        if column.tiles.is_empty() {
            self.columns.remove(number);
            if number < self.active {
                self.view = self.view.saturating_sub(width.saturating_add(area.gap));
            }
            if number < self.active || self.active == self.columns.len() {
                self.active = self.active.saturating_sub(1);
            }
        }
    }

    /// The person turns to a window: its column is the one that stays in sight.
    pub(super) fn activate(&mut self, key: K) {
        let Some((number, tile)) = self.find(key) else { return };
        self.active = number;
        if let Some(column) = self.columns.get_mut(number) {
            column.active = tile;
        }
    }

    // What the person does with them.

    /// The window on that side of this one.
    pub(super) fn neighbour(&self, key: K, to: Direction) -> Option<K> {
        let (number, tile) = self.find(key)?;
        let column = match to {
            Direction::Left => number.checked_sub(1)?,
            Direction::Right => number + 1,
            Direction::Up | Direction::Down => number,
        };
        let column = self.columns.get(column)?;
        let tile = match to {
            Direction::Left | Direction::Right => column.active,
            Direction::Up => tile.checked_sub(1)?,
            Direction::Down => tile + 1,
        };
        column.tiles.get(tile).map(|tile| tile.key)
    }

    /// Moves a window by one step. To a side: out of a column that it shares, else into the column that
    /// is there; past one that is full. Up and down: past its neighbour.
    pub(super) fn shift(&mut self, key: K, to: Direction) {
        let Some((number, tile)) = self.find(key) else { return };
        let Some(column) = self.columns.get_mut(number) else { return };
        match to {
            Direction::Up | Direction::Down => {
                let other = if to == Direction::Up { tile.checked_sub(1) } else { Some(tile + 1) };
                if let Some(other) = other.filter(|other| *other < column.tiles.len()) {
                    column.tiles.swap(tile, other);
                    column.active = other;
                }
            }
            Direction::Left | Direction::Right if column.tiles.len() > 1 => {
                let own = Column::new(column.take(tile), column.width);
                let at = number + usize::from(to == Direction::Right);
                self.columns.insert(at, own);
                self.active = at;
            }
            Direction::Left | Direction::Right => {
                let other = if to == Direction::Left { number.checked_sub(1) } else { Some(number + 1) };
                let Some(other) = other.filter(|other| *other < self.columns.len()) else { return };
                if self.columns.get(other).is_some_and(|column| column.tiles.len() >= MOST_TILES) {
                    self.columns.swap(number, other);
                    self.active = other;
                    return;
                }
                self.columns.remove(number);
                let other = if other > number { other - 1 } else { other };
                self.join(other, usize::MAX, key);
            }
        }
    }

    fn join(&mut self, number: usize, tile: usize, key: K) {
        if let Some(column) = self.columns.get_mut(number) {
            column.put(tile, key);
            self.active = number;
        }
    }

    /// Gives its column the next of the usual widths, wider or narrower; after the last comes the first.
    pub(super) fn next_width(&mut self, key: K, wider: bool) {
        let Some(column) = self.column_mut(key) else { return };
        let now = if std::mem::take(&mut column.wide) { WHOLE } else { column.width };
        let next = if wider {
            WIDTHS.iter().find(|width| **width > now).or(WIDTHS.first())
        } else {
            WIDTHS.iter().rev().find(|width| **width < now).or(WIDTHS.last())
        };
        column.width = next.copied().unwrap_or(now);
    }

    /// Shows its column in another way; `None`: the next one.
    pub(super) fn set_show(&mut self, key: K, show: Option<Show>) {
        if let Some(column) = self.column_mut(key) {
            column.show = show.unwrap_or(column.show.next());
        }
    }

    /// Makes its column so many pixels wide. As a rule its left side stays, else its right one.
    pub(super) fn set_width(&mut self, key: K, width: i32, right_stays: bool, area: Area) {
        let Some(column) = self.column_mut(key) else { return };
        let before = column.pixels(area);
        let room = i64::from(area.rect.w.saturating_sub(area.gap)).max(1);
        // Rounded up, so that these are the pixels that it gets.
        let part = (i64::from(width.max(LEAST_WIDTH)) + i64::from(area.gap)) * i64::from(WHOLE);
        column.width = ((part + room - 1) / room).clamp(1, i64::from(WHOLE)) as u32;
        column.wide = false;
        let by = column.pixels(area).saturating_sub(before);
        if right_stays {
            self.view = self.view.saturating_add(by);
        }
    }

    /// Makes it so many pixels high, at the cost of the window beneath it, or of the one above it.
    pub(super) fn set_height(&mut self, key: K, height: i32, above: bool, area: Area) {
        let Some(column) = self.column_mut(key).filter(|column| column.show == Show::Split) else { return };
        let heights = column.heights(area);
        let Some(tile) = column.place_of(key) else { return };
        let other = if above { tile.checked_sub(1) } else { Some(tile + 1) };
        let Some(other) = other.filter(|other| *other < heights.len()) else { return };
        let (Some(own), Some(others)) = (heights.get(tile), heights.get(other)) else { return };
        let both = own.saturating_add(*others);
        let most = both.saturating_sub(LEAST_HEIGHT);
        let own = if most < LEAST_HEIGHT { both / 2 } else { height.clamp(LEAST_HEIGHT, most) };
        let heights = heights.iter().enumerate().map(|(number, h)| match number {
            _ if number == tile => own,
            _ if number == other => both.saturating_sub(own),
            _ => *h,
        });
        for (tile, h) in column.tiles.iter_mut().zip(heights) {
            tile.weight = h.max(1) as u32;
        }
    }

    /// A window comes where the person lets go of it: near a side of a column beside it, else into it,
    /// above or beneath the window that is there.
    pub(super) fn drop_at(&mut self, key: K, at: Point, area: Area, head: &impl Fn(K) -> i32, width: u32) {
        let mut into = self.columns.len();
        let mut x = self.left(area);
        for (number, column) in self.columns.iter().enumerate() {
            let w = column.pixels(area);
            let third = w / 3;
            if at.x < x.saturating_add(third) {
                into = number;
                break;
            }
            if at.x < x.saturating_add(w).saturating_sub(third) && column.tiles.len() < MOST_TILES {
                let mut laid = Vec::new();
                column.lay(x, area, head, &mut laid);
                let above = |laid: &&Laid<K>| laid.outer.center().y < at.y;
                let tile = laid.iter().filter(above).count();
                self.join(number, tile, key);
                return;
            }
            x = x.saturating_add(w).saturating_add(area.gap);
        }
        self.insert_at(into, Column::new(key, width));
        self.active = into;
    }

    // Where they are.

    fn left(&self, area: Area) -> i32 {
        area.rect.x.saturating_add(area.gap).saturating_sub(self.view)
    }

    /// Moves the view, no further than is needed, so that all of the person's column is in it.
    pub(super) fn settle_view(&mut self, area: Area) {
        let gap = area.gap;
        let (mut x, mut active) = (gap, (0, 0));
        for (number, column) in self.columns.iter().enumerate() {
            let end = x.saturating_add(column.pixels(area));
            if number == self.active {
                active = (x, end);
            }
            x = end.saturating_add(gap);
        }
        let most = x.saturating_sub(area.rect.w).max(0);
        let last = active.0.saturating_sub(gap);
        let first = active.1.saturating_add(gap).saturating_sub(area.rect.w).min(last);
        self.view = self.view.clamp(0, most).clamp(first, last);
    }

    /// Where each of them is. `head` is how high a title bar is.
    pub(super) fn lay(&self, area: Area, head: &impl Fn(K) -> i32) -> Vec<Laid<K>> {
        let mut laid = Vec::new();
        let mut x = self.left(area);
        for column in &self.columns {
            column.lay(x, area, head, &mut laid);
            x = x.saturating_add(column.pixels(area)).saturating_add(area.gap);
        }
        laid
    }

    /// What always holds of a strip, once [`Strip::settle_view`] was called.
    pub(super) fn check(&self, area: Area, head: &impl Fn(K) -> i32) -> Result<(), String> {
        for column in &self.columns {
            let count = column.tiles.len();
            if count == 0 || column.active >= count || count > MOST_TILES {
                return Err(format!("a column of {count} windows, of which {} is active", column.active));
            }
            if !(1..=WHOLE).contains(&column.width) || column.tiles.iter().any(|tile| tile.weight == 0) {
                return Err(format!("{column:?} has an odd size"));
            }
        }
        if !self.columns.is_empty() && self.active >= self.columns.len() {
            return Err(format!("column {} of {} is active", self.active, self.columns.len()));
        }
        let laid = self.lay(area, head);
        for (number, one) in laid.iter().enumerate() {
            if let Some(other) = laid.iter().skip(number + 1).find(|other| one.outer.overlap(other.outer) > 0)
            {
                return Err(format!("{one:?} and {other:?} lie on each other"));
            }
            if one.outer.y < area.rect.y || one.outer.bottom() > area.rect.bottom() {
                return Err(format!("{one:?} is higher than {:?}", area.rect));
            }
        }
        let active = self.columns.get(self.active).map(|column| column.tiles.iter().map(|tile| tile.key));
        for key in active.into_iter().flatten() {
            let fits = |laid: &&Laid<K>| {
                laid.key != key || (laid.outer.x >= area.rect.x && laid.outer.right() <= area.rect.right())
            };
            if let Some(outside) = laid.iter().find(|laid| !fits(laid)) {
                return Err(format!("{outside:?} is not in sight"));
            }
        }
        Ok(())
    }
}
