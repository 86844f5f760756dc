//! Where the parts of a frame are, in logical and in device pixels, and what lies under a point.

use crate::Theme;

/// How far from a corner an edge grabs both ways, in logical pixels.
pub const CORNER: i32 = 12;
/// Width of a button in a title bar, in logical pixels; it is as high as the bar.
pub(crate) const BUTTON_WIDTH: i32 = 30;
/// What a title bar keeps for the swatch and a bit of the name before it shows all buttons.
const NAME_ROOM: i32 = 96;
/// Largest width or height that is reckoned with; what is larger is cut. Far above any screen,
/// far below any overflow.
pub(crate) const MAX_SIZE: i32 = 65_535;

/// Width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Size {
    /// Width.
    pub w: i32,
    /// Height.
    pub h: i32,
}

/// A place in logical pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Point {
    /// To the right.
    pub x: i32,
    /// Downward.
    pub y: i32,
}

/// A rectangle in logical pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Rect {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Width.
    pub w: i32,
    /// Height.
    pub h: i32,
}

impl Rect {
    /// True if the point lies inside; the right and lower edges are outside.
    pub fn contains(&self, (x, y): (f64, f64)) -> bool {
        let within = |v: f64, from: i32, len: i32| v >= f64::from(from) && v < f64::from(from + len);
        within(x, self.x, self.w) && within(y, self.y, self.h)
    }
}

/// A rectangle in device pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct DeviceRect {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Width.
    pub w: i32,
    /// Height.
    pub h: i32,
}

impl DeviceRect {
    /// A rectangle.
    pub const fn new(x: i32, y: i32, w: i32, h: i32) -> Self {
        Self { x, y, w, h }
    }

    /// First column right of it.
    pub fn right(&self) -> i32 {
        self.x + self.w
    }

    /// First row below it.
    pub fn bottom(&self) -> i32 {
        self.y + self.h
    }

    /// True if nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.w <= 0 || self.h <= 0
    }

    /// What lies in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (right, bottom) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        Self::new(x, y, (right - x).max(0), (bottom - y).max(0))
    }

    /// Smaller by `by` on every side.
    #[must_use]
    pub(crate) fn inset(&self, by: i32) -> Self {
        Self::new(self.x + by, self.y + by, (self.w - 2 * by).max(0), (self.h - 2 * by).max(0))
    }
}

/// Device pixels per logical pixel, in 120ths (as `wp_fractional_scale_v1` counts): 120 is 1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scale(u32);

impl Default for Scale {
    fn default() -> Self {
        Self(120)
    }
}

impl Scale {
    /// A scale in 120ths. Cut to 0.25 … 16, so that it can never be zero or overflow.
    pub const fn new(in_120ths: u32) -> Self {
        let cut = if in_120ths < 30 {
            30
        } else if in_120ths > 1920 {
            1920
        } else {
            in_120ths
        };
        Self(cut)
    }

    /// In 120ths.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// As a number: 1.0 is one device pixel per logical pixel.
    pub fn factor(self) -> f32 {
        self.0 as f32 / 120.0
    }

    /// Device pixels for a logical length or position: rounded to nearest, halves up. Positions
    /// that are equal before are equal after, so neighbours share an edge without gap or overlap.
    pub fn to_device(self, logical: i32) -> i32 {
        let device = (i64::from(logical) * i64::from(self.0) + 60).div_euclid(120);
        device.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    }

    /// Width of a line that is one logical pixel wide, never less than a device pixel. Rounded
    /// down, so that lines stay fine at 1.25 and 1.5.
    pub fn hairline(self) -> i32 {
        (self.0 / 120).max(1) as i32
    }

    /// Logical pixels that hold this many device pixels.
    pub(crate) fn to_logical_up(self, device: f32) -> i32 {
        (device / self.factor()).ceil() as i32
    }
}

/// What kind of window a frame goes around.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// A window with a title bar.
    Toplevel,
    /// A menu or tooltip: a thin frame without bar.
    Popup,
    /// What the pointer drags: as a popup.
    DragIcon,
    /// A window that fills the screen: a strip on top.
    Fullscreen,
}

/// What a frame takes on each side, in logical pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Insets {
    /// Above.
    pub top: i32,
    /// On the right.
    pub right: i32,
    /// Below.
    pub bottom: i32,
    /// On the left.
    pub left: i32,
}

impl Theme {
    /// What a frame takes around the content, in logical pixels.
    ///
    /// The dark line (1 px) between frame and content counts as frame and comes on top of the
    /// coloured band on every side the frame has. With the built-in sizes: toplevel 3 + 1 at the
    /// sides, 3 + 26 + 1 on top; popup and drag icon 2 + 1; fullscreen 3 + 1 on top only.
    pub fn insets(&self, kind: FrameKind) -> Insets {
        let (top, side) = match kind {
            FrameKind::Toplevel => (self.frame_width() + self.title_height() + 1, self.frame_width() + 1),
            FrameKind::Popup | FrameKind::DragIcon => (self.popup_width() + 1, self.popup_width() + 1),
            FrameKind::Fullscreen => (self.frame_width() + 1, 0),
        };
        Insets { top, right: side, bottom: side, left: side }
    }
}

/// A frame in device pixels, relative to its own outer top left corner. The one source of truth
/// for both painting and composing.
///
/// The content has the size that `wp_fractional_scale_v1` gives its buffer (rounded to nearest);
/// the frame's sides are rounded each on its own and put around it. So the content is never
/// scaled and all sides are equally thick, at the price that the whole may be one device pixel
/// larger or smaller than its rounded logical size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FrameGeometry {
    /// The whole; its corner is `(0, 0)`.
    pub outer: DeviceRect,
    /// Where the content goes.
    pub inner: DeviceRect,
    /// Thickness of the coloured band.
    pub band: i32,
    /// Thickness of the dark line inside it.
    pub line: i32,
    /// The title bar inside the band; empty for kinds without one.
    pub bar: DeviceRect,
}

impl FrameGeometry {
    /// The frame around content of this logical size.
    pub fn device(theme: &Theme, kind: FrameKind, content: Size, scale: Scale) -> Self {
        let insets = theme.insets(kind);
        let side = |logical: i32| scale.to_device(logical);
        let (top, right, bottom, left) =
            (side(insets.top), side(insets.right), side(insets.bottom), side(insets.left));
        let w = scale.to_device(content.w.clamp(0, MAX_SIZE)).min(MAX_SIZE);
        let h = scale.to_device(content.h.clamp(0, MAX_SIZE)).min(MAX_SIZE);
        let line = scale.hairline();
        let band = match kind {
            FrameKind::Fullscreen => top - line,
            FrameKind::Toplevel | FrameKind::Popup | FrameKind::DragIcon => left - line,
        }
        .max(1);
        let outer = DeviceRect::new(0, 0, left + w + right, top + h + bottom);
        let bar = if kind == FrameKind::Toplevel {
            DeviceRect::new(band, band, outer.w - 2 * band, top - band - line)
        } else {
            DeviceRect::default()
        };
        Self { outer, inner: DeviceRect::new(left, top, w, h), band, line, bar }
    }
}

/// A button in a title bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TitleButton {
    /// Hides the window.
    Minimise,
    /// Fills the screen with it, or restores it.
    Maximise,
    /// Asks it to close.
    Close,
}

/// Buttons that fit into a frame of this outer width, left to right. A narrow window keeps only
/// *close*, a very narrow one none: the qube's name goes first.
fn buttons_for(theme: &Theme, outer_width: i32) -> &'static [TitleButton] {
    let room = outer_width - 2 * theme.frame_width() - NAME_ROOM;
    if room >= 3 * BUTTON_WIDTH {
        &[TitleButton::Minimise, TitleButton::Maximise, TitleButton::Close]
    } else if room >= BUTTON_WIDTH {
        &[TitleButton::Close]
    } else {
        &[]
    }
}

/// Places of the buttons of a toplevel's frame, relative to its outer corner.
pub fn title_buttons(theme: &Theme, outer: Size) -> Vec<(TitleButton, Rect)> {
    let buttons = buttons_for(theme, outer.w);
    let (frame, h) = (theme.frame_width(), theme.title_height());
    let from = outer.w - frame - buttons.len() as i32 * BUTTON_WIDTH;
    buttons
        .iter()
        .enumerate()
        .map(|(i, button)| {
            (*button, Rect { x: from + i as i32 * BUTTON_WIDTH, y: frame, w: BUTTON_WIDTH, h })
        })
        .collect()
}

/// What lies under a point of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hit {
    /// The window's own picture.
    Content,
    /// The title bar, beside its buttons.
    TitleBar,
    /// A button.
    Button(TitleButton),
    /// The frame. Edges that a drag from here moves; none for a frame that cannot be resized
    /// (popups, drag icons, fullscreen).
    Edge {
        /// The upper edge.
        top: bool,
        /// The lower edge.
        bottom: bool,
        /// The left edge.
        left: bool,
        /// The right edge.
        right: bool,
    },
    /// Not in the frame at all.
    Outside,
}

/// What lies at a point, in logical pixels relative to the frame's outer corner. `outer` is the
/// frame's whole logical size. On the frame's edges, the last [`CORNER`] pixels before a corner
/// grab both ways; title bar and buttons keep all their room.
pub fn hit_test(theme: &Theme, kind: FrameKind, outer: Size, at: (f64, f64)) -> Hit {
    let whole = Rect { x: 0, y: 0, w: outer.w, h: outer.h };
    if !whole.contains(at) {
        return Hit::Outside;
    }
    let insets = theme.insets(kind);
    let inner = Rect {
        x: insets.left,
        y: insets.top,
        w: outer.w - insets.left - insets.right,
        h: outer.h - insets.top - insets.bottom,
    };
    if inner.contains(at) {
        return Hit::Content;
    }
    let none = Hit::Edge { top: false, bottom: false, left: false, right: false };
    if kind != FrameKind::Toplevel {
        return none;
    }
    let (x, y) = at;
    let (w, h) = (f64::from(outer.w), f64::from(outer.h));
    let frame = f64::from(theme.frame_width());
    let in_bar = y >= frame && y < f64::from(insets.top) && x >= frame && x < w - frame;
    if in_bar {
        let button = title_buttons(theme, outer).into_iter().find(|(_, rect)| rect.contains(at));
        return button.map_or(Hit::TitleBar, |(button, _)| Hit::Button(button));
    }
    let corner = f64::from(CORNER);
    // In a window smaller than two corners the nearer one wins.
    let (near_left, near_right) = (x < corner && x <= w / 2.0, x >= w - corner && x > w / 2.0);
    let (near_top, near_bottom) = (y < corner && y <= h / 2.0, y >= h - corner && y > h / 2.0);
    let on_side = x < f64::from(insets.left) || x >= w - f64::from(insets.right);
    let on_end = y < frame || y >= h - f64::from(insets.bottom);
    Hit::Edge {
        top: (on_end && y < frame) || (on_side && near_top),
        bottom: (on_end && y >= frame) || (on_side && near_bottom),
        left: (on_side && x < w / 2.0) || (on_end && near_left),
        right: (on_side && x >= w / 2.0) || (on_end && near_right),
    }
}
