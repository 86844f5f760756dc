//! Words to choose from: windows of dom0's input method, beside the text cursor of the window that it serves.
//!
//! They are dom0's own, in a frame of steel, above all windows and below dom0's own pictures (OVER). Where the
//! text cursor is, is a qube's word: it is believed within that qube's content only, and the window of words
//! stays on the screen with its frame, whatever its size.

use smithay::utils::{Logical, Point, Rectangle, Size};
use transom_theming::FrameKind;

use crate::{
    Desktop,
    input::pointer::Under,
    render::{
        scene::{Item, SurfaceKey},
        view::View,
    },
};

/// Where a window of this size goes beside a cursor: below it, else above it, else wherever there is room;
/// never out of `area`.
fn beside(
    cursor: Rectangle<i32, Logical>,
    size: Size<i32, Logical>,
    area: Rectangle<i32, Logical>,
) -> Rectangle<i32, Logical> {
    let size: Size<i32, Logical> = (size.w.min(area.size.w), size.h.min(area.size.h)).into();
    let (top, bottom) = (area.loc.y, area.loc.y + area.size.h - size.h);
    let (above, below) = (cursor.loc.y - size.h, cursor.loc.y + cursor.size.h);
    let y = if below <= bottom || above < top { below } else { above };
    let x = cursor.loc.x.min(area.loc.x + area.size.w - size.w).max(area.loc.x);
    Rectangle::new((x, y.min(bottom).max(top)).into(), size)
}

/// The part of a cursor that lies in a window; its nearest point if none does. A cursor of which nothing is
/// known is taken to be at the window's lower edge.
fn within(
    cursor: Option<Rectangle<i32, Logical>>,
    content: Rectangle<i32, Logical>,
) -> Rectangle<i32, Logical> {
    let (left, top) = (content.loc.x, content.loc.y);
    let (right, bottom) = (left + content.size.w, top + content.size.h);
    let Some(cursor) = cursor else { return Rectangle::new((left, bottom).into(), (0, 0).into()) };
    let x = |v: i32| v.clamp(left, right.max(left));
    let y = |v: i32| v.clamp(top, bottom.max(top));
    let from = Point::from((x(cursor.loc.x), y(cursor.loc.y)));
    let to = (
        x(cursor.loc.x.saturating_add(cursor.size.w.max(0))),
        y(cursor.loc.y.saturating_add(cursor.size.h.max(0))),
    );
    Rectangle::new(from, (to.0 - from.x, to.1 - from.y).into())
}

impl Desktop {
    /// It is a window of words to choose from.
    pub(crate) fn is_candidates(&self, key: SurfaceKey) -> bool {
        self.wayland.candidates().contains(&key)
    }

    /// Where the text cursor of the field that is served is on the desktop.
    pub(crate) fn text_cursor(&self) -> Option<Rectangle<i32, Logical>> {
        let (key, field) = self.input.text.service.active()?;
        let content = self.content_rect(key)?;
        let (_, surface) = self.qubes.surface(key)?;
        let origin = surface.geometry().loc;
        let place = |(x, y, w, h): (i32, i32, i32, i32)| {
            let at = |v: i32, to: i32, from: i32| v.saturating_add(to).saturating_sub(from);
            let loc = (at(x, content.loc.x, origin.x), at(y, content.loc.y, origin.y));
            Rectangle::new(loc.into(), (w, h).into())
        };
        Some(within(field.rect.map(place), content))
    }

    /// Where the content of a window of words is; `None`: it is none, or nothing is composed.
    pub(crate) fn candidates_place(&self, key: SurfaceKey) -> Option<Rectangle<i32, Logical>> {
        if !self.is_candidates(key) {
            return None;
        }
        let (_, surface) = self.qubes.surface(key)?;
        surface.content.as_ref()?;
        let cursor = self.text_cursor()?;
        let insets = self.ui.theme().insets(FrameKind::Popup);
        let frame = Size::from((insets.left + insets.right, insets.top + insets.bottom));
        let size = surface.geometry().size;
        let outer = beside(cursor, size + frame, self.work_area_at(cursor.loc));
        let inner = (outer.size.w - frame.w, outer.size.h - frame.h);
        let loc = outer.loc + Point::from((insets.left, insets.top));
        Some(Rectangle::new(loc, (inner.0.max(1), inner.1.max(1)).into()))
    }

    /// What is told of the input method.
    pub(crate) fn input_method_state(&self) -> Option<crate::ipc::InputMethod> {
        let area = |rect: Rectangle<i32, Logical>| [rect.loc.x, rect.loc.y, rect.size.w, rect.size.h];
        let place = |key: SurfaceKey| self.candidates_place(key).map(area);
        self.wayland.has_input_method().then(|| crate::ipc::InputMethod {
            serves: self.input.text.service.knows() && self.wayland.input_method_wants_keys(),
            words: self.wayland.candidates().into_iter().filter_map(place).collect(),
        })
    }

    pub(crate) fn compose_candidates(&mut self, view: View, items: &mut Vec<Item>) {
        for key in self.wayland.candidates() {
            self.compose_popup(view, key, items);
        }
    }

    /// The window of words under a point.
    pub(crate) fn candidates_under(&self, at: Point<f64, Logical>) -> Option<Under> {
        self.wayland.candidates().into_iter().find_map(|key| {
            let geometry = self.popup_geometry(key)?;
            if geometry.content.to_f64().contains(at) {
                return Some(Under::Content(key, at - geometry.content.loc.to_f64()));
            }
            geometry.outer.to_f64().contains(at).then_some(Under::PopupFrame(key))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rect(x: i32, y: i32, w: i32, h: i32) -> Rectangle<i32, Logical> {
        Rectangle::new((x, y).into(), (w, h).into())
    }

    const AREA: (i32, i32, i32, i32) = (0, 28, 800, 572);

    #[test]
    fn below_the_cursor_if_there_is_room_and_above_it_else() {
        let area = rect(AREA.0, AREA.1, AREA.2, AREA.3);
        assert_eq!(beside(rect(100, 100, 2, 20), (200, 50).into(), area), rect(100, 120, 200, 50));
        assert_eq!(beside(rect(100, 560, 2, 20), (200, 50).into(), area), rect(100, 510, 200, 50));
        assert_eq!(beside(rect(700, 100, 2, 20), (200, 50).into(), area), rect(600, 120, 200, 50));
        assert_eq!(beside(rect(0, 300, 2, 20), (2_000, 570).into(), area), rect(0, 30, 800, 570));
    }

    #[test]
    fn a_cursor_is_believed_within_its_window_only() {
        let content = rect(100, 100, 300, 200);
        assert_eq!(within(Some(rect(150, 150, 2, 20)), content), rect(150, 150, 2, 20));
        assert_eq!(within(Some(rect(-5_000, 50_000, 9, 9)), content), rect(100, 300, 0, 0));
        assert_eq!(within(Some(rect(0, 0, i32::MAX, i32::MAX)), content), content);
        assert_eq!(within(None, content), rect(100, 300, 0, 0));
    }

    proptest! {
        #[test]
        fn words_stay_on_the_screen(
            cursor in (any::<i32>(), any::<i32>(), any::<i32>(), any::<i32>()),
            content in (-900i32..900, -900i32..900, 0i32..900, 0i32..900), size in (1i32..2_000, 1i32..2_000),
        ) {
            let content = rect(content.0, content.1, content.2, content.3);
            let cursor = within(Some(rect(cursor.0, cursor.1, cursor.2.max(0), cursor.3.max(0))), content);
            prop_assert!(content.contains_rect(cursor));
            let area = rect(AREA.0, AREA.1, AREA.2, AREA.3);
            let place = beside(cursor, size.into(), area);
            prop_assert!(area.contains_rect(place), "{place:?}");
        }
    }
}
