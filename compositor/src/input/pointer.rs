//! Where the pointer is, what it is over, and who gets its events.

use std::collections::BTreeSet;

use smithay::utils::{Logical, Point};
use transom_theming::{CursorShape, TitleButton};

use crate::render::scene::SurfaceKey;

/// What the pointer looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cursor {
    /// Nothing.
    Hidden,
    /// One of dom0's own.
    Shape(CursorShape),
    /// A picture of the qube whose content it is over.
    Surface {
        /// The cursor window.
        key: SurfaceKey,
        /// Its hot spot.
        hotspot: Point<i32, Logical>,
        /// The window it is over.
        over: SurfaceKey,
    },
}

/// What lies under a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Under {
    /// A qube's content; the position relative to it.
    Content(SurfaceKey, Point<f64, Logical>),
    /// A window's frame.
    Frame(SurfaceKey, transom_theming::Hit),
    /// A popup's frame: nothing happens there.
    PopupFrame(SurfaceKey),
    /// dom0's own pictures.
    Ui,
    /// The empty desktop.
    Nothing,
}

/// State of the pointer.
#[derive(Debug, Default)]
pub(crate) struct Pointer {
    /// Position on the desktop.
    pub at: Point<f64, Logical>,
    /// The window that was told that the pointer is in it, and the serial of that.
    pub entered: Option<(SurfaceKey, u32)>,
    /// Buttons that are down.
    pub buttons: BTreeSet<u32>,
    /// The window that gets all events while a button is down that was pressed in it.
    pub grab: Option<SurfaceKey>,
    /// Buttons whose press went nowhere; their release goes nowhere too.
    pub swallowed: BTreeSet<u32>,
    /// Title button under the pointer.
    pub hovered: Option<(SurfaceKey, TitleButton)>,
    /// Title button that was pressed.
    pub pressed: Option<(SurfaceKey, TitleButton)>,
    /// Last press on a title bar, for double clicks: window, milliseconds and place.
    pub last_title_press: Option<(SurfaceKey, u32, Point<f64, Logical>)>,
    /// The pointer's picture as the qube under it wants it.
    pub wish: Option<Wish>,
    /// The pointer is locked to, or confined in, this window.
    pub constraint: Option<(SurfaceKey, transom_protocol::types::Constraint)>,
}

/// A qube's wish for the pointer's picture; holds as long as the pointer is in its content.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wish {
    Hidden,
    Shape(u8),
    Surface(u32, Point<i32, Logical>),
}

/// dom0's picture for a named shape of `cursor-shape-v1`.
pub(crate) fn shape(number: u8) -> CursorShape {
    match number {
        4 => CursorShape::Pointer,
        6 => CursorShape::Wait,
        9 | 10 => CursorShape::Text,
        13 | 16 | 17 => CursorShape::Grab,
        18 | 25 | 26 | 30 => CursorShape::ResizeEw,
        19 | 22 | 27 | 31 => CursorShape::ResizeNs,
        20 | 24 | 28 => CursorShape::ResizeNesw,
        21 | 23 | 29 => CursorShape::ResizeNwse,
        32 => CursorShape::Move,
        _ => CursorShape::Default,
    }
}
