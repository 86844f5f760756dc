//! What one screen shows of the desktop, and how large.

use smithay::utils::{Logical, Physical, Point, Rectangle, Size};
use transom_theming::Scale;

use super::DeviceRect;

/// A piece of the desktop in device pixels of one screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The screen.
    pub screen: u32,
    /// The piece.
    pub area: Rectangle<i32, Logical>,
    /// Its size on the screen.
    pub size: Size<i32, Physical>,
    /// Scale in 120ths.
    pub scale: u32,
}

impl View {
    /// The scale as dom0's pictures are drawn in.
    pub(crate) fn drawn_in(&self) -> Scale {
        Scale::new(self.scale)
    }

    /// What is seen through it is seen so far away from its place.
    pub(crate) fn shifted(mut self, by: Point<i32, Logical>) -> Self {
        self.area.loc -= by;
        self
    }

    /// Some of this is on the screen.
    pub(crate) fn shows(&self, rect: Rectangle<i32, Logical>) -> bool {
        self.area.overlaps(rect)
    }

    /// Some of the window is on the screen: one that stands in a column may reach out of its own.
    pub(crate) fn shows_window(&self, window: &crate::qubes::PlacedWindow) -> bool {
        window.may_be_on(self.screen) && self.shows(window.outer)
    }

    /// Device position of a logical position; the same rounding for all edges.
    pub(crate) fn to_device(self, at: Point<i32, Logical>) -> Point<i32, Physical> {
        let at = at - self.area.loc;
        (self.drawn_in().to_device(at.x), self.drawn_in().to_device(at.y)).into()
    }

    /// Device rectangle of a logical rectangle: edges are rounded, not sizes, so that neighbours
    /// stay neighbours.
    pub(crate) fn rect_to_device(self, rect: Rectangle<i32, Logical>) -> DeviceRect {
        let from = self.to_device(rect.loc);
        let to = self.to_device(rect.loc + rect.size.to_point());
        Rectangle::new(from, (to.x - from.x, to.y - from.y).into())
    }

    /// Device length of a logical length that is made smaller by a factor.
    pub(crate) fn length(self, length: Point<i32, Logical>, factor: f64) -> Point<i32, Physical> {
        let scale = f64::from(self.scale) / 120.0 * factor;
        let round = |v: i32| (f64::from(v) * scale + 0.5).floor() as i32;
        (round(length.x), round(length.y)).into()
    }

    /// Where a picture of this size is in the middle.
    pub(crate) fn centred(self, size: Size<i32, Physical>) -> Point<i32, Physical> {
        ((self.size.w - size.w) / 2, (self.size.h - size.h) / 2).into()
    }

    /// A place of the desktop, relative to a picture of this size in the middle.
    pub(crate) fn inside(self, size: Size<i32, Physical>, at: Point<f64, Logical>) -> Point<f64, Logical> {
        let corner = self.centred(size).to_f64().to_logical(f64::from(self.scale) / 120.0);
        at - (corner + self.area.loc.to_f64())
    }
}
