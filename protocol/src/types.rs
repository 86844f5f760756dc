//! Small types that several messages share.
//!
//! Each has exactly its layout on the wire: little-endian, no padding, any alignment. An enum that
//! comes with a value it does not have makes the whole message an error.

use zerocopy::{
    Immutable, IntoBytes, KnownLayout, TryFromBytes, Unaligned,
    little_endian::{I32, U32},
};

/// Gives a wire type the derives that all of them have.
macro_rules! wire_type {
    ($($(#[$meta:meta])* pub struct $name:ident { $($(#[$fmeta:meta])* pub $field:ident: $t:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq,
            zerocopy::TryFromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout,
            zerocopy::Immutable, zerocopy::Unaligned,
        )]
        #[repr(C)]
        pub struct $name { $($(#[$fmeta])* pub $field: $t,)* }
    )*};
    ($($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $value:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, Hash,
            zerocopy::TryFromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout,
            zerocopy::Immutable, zerocopy::Unaligned,
        )]
        #[repr(u8)]
        pub enum $name { $($(#[$vmeta])* $variant = $value,)* }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
        }
    )*};
}
pub(crate) use wire_type;

/// A truth value of one byte: 0 or 1, anything else is refused.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, TryFromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(transparent)]
pub struct Flag(bool);

impl From<bool> for Flag {
    fn from(value: bool) -> Self {
        Self(value)
    }
}

impl Flag {
    /// The value.
    pub fn get(self) -> bool {
        self.0
    }
}

/// Signed fixed point with 8 fractional bits (24.8), as in `wl_fixed_t`.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, TryFromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(transparent)]
pub struct Fixed(pub I32);

impl Fixed {
    /// The value; exact.
    pub fn to_f64(self) -> f64 {
        f64::from(self.0.get()) / 256.0
    }
}

impl From<f64> for Fixed {
    /// The nearest value; what does not fit becomes the nearest end, NaN becomes 0.
    fn from(value: f64) -> Self {
        // `as` saturates and maps NaN to 0.
        Self(((value * 256.0).round() as i32).into())
    }
}

wire_type! {
    /// A rectangle in whole units; which units, the message says.
    pub struct Rect {
        /// Left edge.
        pub x: I32,
        /// Top edge.
        pub y: I32,
        /// Width; negative is refused where a rectangle is used.
        pub width: I32,
        /// Height.
        pub height: I32,
    }

    /// A rectangle in fixed point; which units, the message says.
    pub struct FixedRect {
        /// Left edge.
        pub x: Fixed,
        /// Top edge.
        pub y: Fixed,
        /// Width.
        pub width: Fixed,
        /// Height.
        pub height: Fixed,
    }

    /// Rules for placing a popup, as in `xdg_positioner`. Logical pixels.
    pub struct Positioner {
        /// Size of the popup's content.
        pub width: U32,
        /// See `width`.
        pub height: U32,
        /// Anchor rectangle, relative to the parent's content rectangle.
        pub anchor_rect: Rect,
        /// `xdg_positioner.anchor`.
        pub anchor: Anchor,
        /// `xdg_positioner.gravity`.
        pub gravity: Anchor,
        /// Bits of `xdg_positioner.constraint_adjustment`; unknown bits are refused.
        pub adjustment: u8,
        /// Place it anew when the parent moves or dom0's outputs change.
        pub reactive: Flag,
        /// Offset from the anchor point.
        pub offset_x: I32,
        /// See `offset_x`.
        pub offset_y: I32,
    }
}

impl Rect {
    /// A rectangle from plain numbers.
    pub fn new(x: i32, y: i32, width: i32, height: i32) -> Self {
        Self { x: x.into(), y: y.into(), width: width.into(), height: height.into() }
    }

    /// As plain numbers: `(x, y, width, height)`.
    pub fn get(self) -> (i32, i32, i32, i32) {
        (self.x.get(), self.y.get(), self.width.get(), self.height.get())
    }

    /// True if no size is negative and no edge overflows.
    pub fn is_valid(self) -> bool {
        let (x, y, width, height) = self.get();
        width >= 0 && height >= 0 && x.checked_add(width).is_some() && y.checked_add(height).is_some()
    }
}

impl FixedRect {
    /// True if all of it is zero, which means "not set".
    pub fn is_unset(self) -> bool {
        [self.x, self.y, self.width, self.height].iter().all(|v| v.0.get() == 0)
    }
}

wire_type! {
    /// How pixels lie in memory. Numbers are our own; the layouts are those of `drm_fourcc.h`.
    pub enum Format {
        /// 32 bits, `DRM_FORMAT_ARGB8888`, premultiplied.
        Argb8888 = 0,
        /// 32 bits, `DRM_FORMAT_XRGB8888`.
        Xrgb8888 = 1,
        /// 32 bits, `DRM_FORMAT_ABGR8888`, premultiplied.
        Abgr8888 = 2,
        /// 32 bits, `DRM_FORMAT_XBGR8888`.
        Xbgr8888 = 3,
        /// 32 bits, `DRM_FORMAT_ARGB2101010`, premultiplied.
        Argb2101010 = 4,
        /// 32 bits, `DRM_FORMAT_XRGB2101010`.
        Xrgb2101010 = 5,
    }

    /// How the buffer is turned before it is shown, as in `wl_output.transform`.
    pub enum Transform {
        /// As it is.
        Normal = 0,
        /// 90° counter-clockwise.
        Rot90 = 1,
        /// 180°.
        Rot180 = 2,
        /// 270° counter-clockwise.
        Rot270 = 3,
        /// Mirrored left to right.
        Flipped = 4,
        /// Mirrored, then 90°.
        Flipped90 = 5,
        /// Mirrored, then 180°.
        Flipped180 = 6,
        /// Mirrored, then 270°.
        Flipped270 = 7,
    }

    /// A side or corner, as in `xdg_positioner.anchor` and `.gravity`.
    pub enum Anchor {
        /// Centre.
        None = 0,
        /// Top side.
        Top = 1,
        /// Bottom side.
        Bottom = 2,
        /// Left side.
        Left = 3,
        /// Right side.
        Right = 4,
        /// Top left corner.
        TopLeft = 5,
        /// Bottom left corner.
        BottomLeft = 6,
        /// Top right corner.
        TopRight = 7,
        /// Bottom right corner.
        BottomRight = 8,
    }

    /// A trust label. Its colour, pattern and letter are theming's business.
    pub enum Label {
        /// Red.
        Red = 0,
        /// Orange.
        Orange = 1,
        /// Yellow.
        Yellow = 2,
        /// Green.
        Green = 3,
        /// Blue.
        Blue = 4,
        /// Purple.
        Purple = 5,
        /// Grey.
        Grey = 6,
        /// Black.
        Black = 7,
    }

    /// What a window is.
    pub enum WindowKind {
        /// A window of its own, with a title bar.
        Toplevel = 0,
        /// A picture that is part of its parent and clipped to the parent's toplevel or popup.
        Subsurface = 1,
        /// Follows the pointer during a drag inside the qube.
        DragIcon = 2,
        /// The picture of a pointer; shown only over content of the same qube.
        Cursor = 3,
    }

    /// What happens to a window's picture in a commit.
    pub enum BufferChange {
        /// The last buffer stays.
        Keep = 0,
        /// A buffer in a grant.
        Attach = 1,
        /// One colour, no memory.
        Solid = 2,
        /// None: the window is hidden.
        Detach = 3,
    }

    /// A wish about a toplevel. dom0 decides.
    pub enum Request {
        /// Ask for attention (never takes the focus: rule FOCUS).
        Activate = 0,
        /// Fill the work area.
        Maximise = 1,
        /// Leave that.
        Unmaximise = 2,
        /// Fill the screen (rule OVER: a strip stays).
        Fullscreen = 3,
        /// Leave that.
        Unfullscreen = 4,
        /// Put it away.
        Minimise = 5,
    }

    /// How a grant names memory.
    pub enum GrantKind {
        /// A file descriptor comes with the message (sandbox back end only).
        ClientFd = 0,
        /// Runs of guest page frames follow.
        PageRuns = 1,
    }

    /// State of a key.
    pub enum KeyState {
        /// Went up.
        Released = 0,
        /// Went down.
        Pressed = 1,
        /// Held down: dom0's repeat.
        Repeated = 2,
    }

    /// State of a button.
    pub enum ButtonState {
        /// Went up.
        Released = 0,
        /// Went down.
        Pressed = 1,
    }

    /// Where scrolling comes from, as in `wl_pointer.axis_source`.
    pub enum AxisSource {
        /// A wheel with detents.
        Wheel = 0,
        /// A finger on a touchpad.
        Finger = 1,
        /// Something continuous.
        Continuous = 2,
        /// A wheel that tilts.
        WheelTilt = 3,
    }

    /// Which selection.
    pub enum Selection {
        /// The clipboard.
        Clipboard = 0,
        /// The primary selection.
        Primary = 1,
        /// What a program drags.
        Drag = 2,
    }

    /// What the pointer looks like.
    pub enum CursorKind {
        /// Nothing.
        Hidden = 0,
        /// A named shape, see `CursorChange::shape`.
        Shape = 1,
        /// A window of kind `Cursor`.
        Window = 2,
    }

    /// What a program asks of the pointer, as in `pointer-constraints`.
    pub enum Constraint {
        /// Nothing any more.
        None = 0,
        /// Stay where it is.
        Lock = 1,
        /// Stay inside the region.
        Confine = 2,
    }

    /// A gesture of a touchpad.
    pub enum GestureKind {
        /// Fingers move together.
        Swipe = 0,
        /// Fingers move apart, together or around.
        Pinch = 1,
        /// Fingers rest.
        Hold = 2,
    }

    /// Where a gesture stands.
    pub enum GesturePhase {
        /// Began.
        Begin = 0,
        /// Goes on.
        Update = 1,
        /// Ended.
        End = 2,
        /// Was something else after all.
        Cancel = 3,
    }

    /// A tool of a drawing tablet.
    pub enum ToolKind {
        /// A pen.
        Pen = 0,
        /// An eraser.
        Eraser = 1,
        /// A brush.
        Brush = 2,
        /// A pencil.
        Pencil = 3,
        /// An airbrush.
        Airbrush = 4,
        /// A mouse on the tablet.
        Mouse = 5,
        /// A mouse with a lens.
        Lens = 6,
    }

    /// How much a notification matters, as in the Desktop Notifications Specification.
    pub enum Urgency {
        /// Little.
        Low = 0,
        /// As most do.
        Normal = 1,
        /// It stays until the person puts it away.
        Critical = 2,
    }

    /// Whether a status icon wants to be seen, as in StatusNotifierItem.
    pub enum Status {
        /// It is not shown.
        Passive = 0,
        /// It is.
        Active = 1,
        /// It is, and marked.
        NeedsAttention = 2,
    }

    /// With what a status icon was clicked.
    pub enum Activation {
        /// The left button.
        Primary = 0,
        /// The middle button.
        Secondary = 1,
        /// The right button.
        Context = 2,
    }

    /// Format of a keymap message.
    pub enum KeymapFormat {
        /// Five strings: rules, model, layout, variant, options, each ended by a zero byte.
        Names = 0,
        /// XKB text, format 1.
        Text = 1,
    }
}

/// State bits of a configure.
pub mod states {
    /// Fills the work area.
    pub const MAXIMISED: u32 = 1;
    /// Fills the screen.
    pub const FULLSCREEN: u32 = 1 << 1;
    /// Has the person's keys, or looks as if.
    pub const ACTIVATED: u32 = 1 << 2;
    /// Is being resized by the person.
    pub const RESIZING: u32 = 1 << 3;
    /// Hidden: draws at most one frame a second.
    pub const SUSPENDED: u32 = 1 << 4;
    /// Tiled on the left, right, top, bottom.
    pub const TILED: [u32; 4] = [1 << 5, 1 << 6, 1 << 7, 1 << 8];
    /// Every bit that has a meaning.
    pub const ALL: u32 = (1 << 9) - 1;
}

/// Axes that a tool may have beside its place.
pub mod tool_axes {
    /// Pressure.
    pub const PRESSURE: u8 = 1;
    /// Distance from the tablet.
    pub const DISTANCE: u8 = 1 << 1;
    /// Tilt in both directions.
    pub const TILT: u8 = 1 << 2;
    /// Rotation about itself.
    pub const ROTATION: u8 = 1 << 3;
    /// A slider.
    pub const SLIDER: u8 = 1 << 4;
    /// A wheel.
    pub const WHEEL: u8 = 1 << 5;
    /// Every bit that has a meaning.
    pub const ALL: u8 = (1 << 6) - 1;
}

/// Edge bits of an interactive resize.
pub mod edges {
    /// Top.
    pub const TOP: u32 = 1;
    /// Bottom.
    pub const BOTTOM: u32 = 2;
    /// Left.
    pub const LEFT: u32 = 4;
    /// Right.
    pub const RIGHT: u32 = 8;
}

/// Splits zero-terminated UTF-8 strings; `None` if the form is wrong or there are more than `max`.
pub fn strings(tail: &[u8], max: usize) -> Option<Vec<&str>> {
    if tail.is_empty() {
        return Some(Vec::new());
    }
    let body = tail.strip_suffix(&[0])?;
    let parts: Vec<&str> =
        body.split(|b| *b == 0).take(max + 1).map(str::from_utf8).collect::<Result<_, _>>().ok()?;
    (parts.len() <= max).then_some(parts)
}

/// Joins strings for [`strings`]. Strings that hold a zero byte are left out.
pub fn join_strings<'a>(parts: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        if !part.as_bytes().contains(&0) {
            out.extend_from_slice(part.as_bytes());
            out.push(0);
        }
    }
    out
}
