//! Points, sizes and rectangles in logical pixels of the desktop.
//!
//! All arithmetic saturates: a guest or a pointer can name any number, and none may wrap around into
//! a place that looks sensible. Sizes are never negative.

/// Where something is, or goes, from something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the left.
    Left,
    /// To the right.
    Right,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// A place, in logical pixels; the desktop's origin is wherever the caller has put it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Point {
    /// To the right.
    pub x: i32,
    /// Down.
    pub y: i32,
}

impl Point {
    /// The place at `x`, `y`.
    pub const fn new(x: i32, y: i32) -> Self {
        Self { x, y }
    }

    /// Moved by `dx` to the right and `dy` down.
    #[must_use]
    pub const fn offset(self, dx: i32, dy: i32) -> Self {
        Self { x: self.x.saturating_add(dx), y: self.y.saturating_add(dy) }
    }

    /// Moved by a vector.
    #[must_use]
    pub const fn plus(self, by: Point) -> Self {
        self.offset(by.x, by.y)
    }

    /// The vector from `from` to here.
    #[must_use]
    pub const fn minus(self, from: Point) -> Self {
        Self { x: self.x.saturating_sub(from.x), y: self.y.saturating_sub(from.y) }
    }

    /// Square of the distance, in square pixels.
    pub fn distance_squared(self, other: Point) -> i128 {
        let dx = i128::from(self.x) - i128::from(other.x);
        let dy = i128::from(self.y) - i128::from(other.y);
        dx * dx + dy * dy
    }
}

/// A width and a height in logical pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Size {
    /// Width.
    pub w: i32,
    /// Height.
    pub h: i32,
}

impl Size {
    /// The size `w` by `h`.
    pub const fn new(w: i32, h: i32) -> Self {
        Self { w, h }
    }

    /// The larger of both, each side for itself.
    #[must_use]
    pub fn at_least(self, other: Size) -> Self {
        Self { w: self.w.max(other.w), h: self.h.max(other.h) }
    }

    /// The smaller of both, each side for itself.
    #[must_use]
    pub fn at_most(self, other: Size) -> Self {
        Self { w: self.w.min(other.w), h: self.h.min(other.h) }
    }

    /// Area in square pixels; 0 if a side is not positive.
    pub fn area(self) -> i64 {
        i64::from(self.w.max(0)) * i64::from(self.h.max(0))
    }
}

/// A rectangle: the pixels from `x`, `y` up to, but without, `x + w`, `y + h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Upper edge.
    pub y: i32,
    /// Width.
    pub w: i32,
    /// Height.
    pub h: i32,
}

impl Rect {
    /// The rectangle at `x`, `y`; a negative side becomes 0.
    pub fn new(x: i32, y: i32, w: i32, h: i32) -> Self {
        Self { x, y, w: w.max(0), h: h.max(0) }
    }

    /// The rectangle of this size at this place.
    pub fn at(place: Point, size: Size) -> Self {
        Self::new(place.x, place.y, size.w, size.h)
    }

    /// Upper left corner.
    pub const fn location(self) -> Point {
        Point { x: self.x, y: self.y }
    }

    /// Width and height.
    pub const fn size(self) -> Size {
        Size { w: self.w, h: self.h }
    }

    /// First column to the right of it.
    pub const fn right(self) -> i32 {
        self.x.saturating_add(self.w)
    }

    /// First row beneath it.
    pub const fn bottom(self) -> i32 {
        self.y.saturating_add(self.h)
    }

    /// The middle, rounded to the upper left.
    pub const fn center(self) -> Point {
        Point { x: self.x.saturating_add(self.w / 2), y: self.y.saturating_add(self.h / 2) }
    }

    /// It has no pixel.
    pub const fn is_empty(self) -> bool {
        self.w <= 0 || self.h <= 0
    }

    /// The place is inside.
    pub const fn contains(self, at: Point) -> bool {
        at.x >= self.x && at.y >= self.y && at.x < self.right() && at.y < self.bottom()
    }

    /// Every pixel of `other` is inside.
    pub fn contains_rect(self, other: Rect) -> bool {
        other.is_empty()
            || (other.x >= self.x
                && other.y >= self.y
                && other.right() <= self.right()
                && other.bottom() <= self.bottom())
    }

    /// The pixels in both, if there are any.
    pub fn intersection(self, other: Rect) -> Option<Rect> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let w = self.right().min(other.right()).saturating_sub(x);
        let h = self.bottom().min(other.bottom()).saturating_sub(y);
        (w > 0 && h > 0).then_some(Rect { x, y, w, h })
    }

    /// How many pixels are in both.
    pub fn overlap(self, other: Rect) -> i64 {
        self.intersection(other).map_or(0, |both| both.size().area())
    }

    /// Moved by `dx` to the right and `dy` down.
    #[must_use]
    pub fn translate(self, dx: i32, dy: i32) -> Self {
        Self::at(self.location().offset(dx, dy), self.size())
    }

    /// What is left inside after a strip was taken from each side; never of negative size.
    #[must_use]
    pub fn inset(self, by: Insets) -> Self {
        Self::new(
            self.x.saturating_add(by.left),
            self.y.saturating_add(by.top),
            self.w.saturating_sub(by.left).saturating_sub(by.right),
            self.h.saturating_sub(by.top).saturating_sub(by.bottom),
        )
    }

    /// With a strip added on each side.
    #[must_use]
    pub fn outset(self, by: Insets) -> Self {
        Self::at(
            self.location().offset(by.left.saturating_neg(), by.top.saturating_neg()),
            by.grow(self.size()),
        )
    }

    /// The same size in the middle of `bounds`.
    #[must_use]
    pub fn centered_in(self, bounds: Rect) -> Self {
        let x = bounds.x.saturating_add(bounds.w.saturating_sub(self.w) / 2);
        let y = bounds.y.saturating_add(bounds.h.saturating_sub(self.h) / 2);
        Self { x, y, ..self }
    }

    /// Moved as little as possible so that it lies in `bounds`. What is larger than `bounds` keeps its
    /// upper left corner, where a window's name is, inside.
    #[must_use]
    pub fn clamped_into(self, bounds: Rect) -> Self {
        let x = self.x.min(bounds.right().saturating_sub(self.w)).max(bounds.x);
        let y = self.y.min(bounds.bottom().saturating_sub(self.h)).max(bounds.y);
        Self { x, y, ..self }
    }

    /// The parts of it that are not in `other`: at most four rectangles that do not overlap.
    pub fn subtract(self, other: Rect) -> impl Iterator<Item = Rect> {
        let both = self.intersection(other).unwrap_or(Rect { x: self.x, y: self.y, w: 0, h: 0 });
        let parts = if both.is_empty() {
            [self, both, both, both]
        } else {
            let below = self.bottom().saturating_sub(both.bottom());
            let beside = self.right().saturating_sub(both.right());
            [
                Rect::new(self.x, self.y, self.w, both.y.saturating_sub(self.y)),
                Rect::new(self.x, both.y, both.x.saturating_sub(self.x), both.h),
                Rect::new(both.right(), both.y, beside, both.h),
                Rect::new(self.x, both.bottom(), self.w, below),
            ]
        };
        parts.into_iter().filter(|part| !part.is_empty())
    }
}

/// Strips between a window's outer edge and its content, in logical pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Insets {
    /// Above the content: border and title bar.
    pub top: i32,
    /// Right of it.
    pub right: i32,
    /// Beneath it.
    pub bottom: i32,
    /// Left of it.
    pub left: i32,
}

impl Insets {
    /// Strips of these widths.
    pub const fn new(top: i32, right: i32, bottom: i32, left: i32) -> Self {
        Self { top, right, bottom, left }
    }

    /// Outer size around content of this size.
    pub fn grow(self, content: Size) -> Size {
        Size {
            w: content.w.saturating_add(self.left).saturating_add(self.right),
            h: content.h.saturating_add(self.top).saturating_add(self.bottom),
        }
    }

    /// Content size inside an outer size; at least 1 by 1.
    pub fn shrink(self, outer: Size) -> Size {
        Size {
            w: outer.w.saturating_sub(self.left).saturating_sub(self.right).max(1),
            h: outer.h.saturating_sub(self.top).saturating_sub(self.bottom).max(1),
        }
    }

    /// Each strip within 0 and `most`.
    pub(super) fn sane(self, most: i32) -> Self {
        Self {
            top: self.top.clamp(0, most),
            right: self.right.clamp(0, most),
            bottom: self.bottom.clamp(0, most),
            left: self.left.clamp(0, most),
        }
    }
}

/// Sides of a rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Edges {
    /// Upper side.
    pub top: bool,
    /// Lower side.
    pub bottom: bool,
    /// Left side.
    pub left: bool,
    /// Right side.
    pub right: bool,
}

impl Edges {
    /// No side.
    pub const NONE: Self = Self { top: false, bottom: false, left: false, right: false };

    /// There is a side in it.
    pub const fn any(self) -> bool {
        self.top || self.bottom || self.left || self.right
    }

    /// Opposite sides cannot both follow a pointer: of a pair, the lower or right one stays.
    #[must_use]
    pub const fn without_contradiction(self) -> Self {
        Self { top: self.top && !self.bottom, left: self.left && !self.right, ..self }
    }
}
