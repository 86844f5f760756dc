//! The scene of a frame: everything on one screen, front to back.
//!
//! This is where rule FRAME is kept. A qube's pixels enter the scene only through
//! [`Desktop::guest_items`], which takes the rectangle inside a frame that the same function's
//! caller draws, and cuts to it. Behind every content lies an opaque backdrop, so that a
//! transparent window never shows what is behind it inside its own frame.

use smithay::utils::{Logical, Physical, Point, Rectangle, Size};
use transom_protocol::session::WindowRole;
use transom_theming::{FrameKind, FrameSpec};

use super::{
    DeviceRect,
    scene::{Item, Scene, SurfaceKey, color},
    view::View,
};
use crate::{
    Desktop,
    input::Cursor,
    layers::Band,
    qubes::{PlacedWindow, surface::Content},
    ui::frames::FrameLook,
};

/// dom0's own pointers reach no further than this from where they point, in their own size.
const CURSOR: i32 = 3;

/// A window's frame on the screen: where it is, what is inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framed {
    /// Inside the frame: the only place for the qube's pixels.
    pub inner: DeviceRect,
}

/// A fullscreen window takes the place of a screen's bar; its frame is the strip of rule OVER.
pub(crate) fn bar_is_covered(placed: &[PlacedWindow], screen: u32) -> bool {
    placed.iter().rfind(|window| window.output == screen).is_some_and(|window| window.fullscreen)
}

impl Desktop {
    /// Everything on a screen now.
    pub(crate) fn compose(&mut self, view: View) -> Scene {
        self.compose_with(view, true)
    }

    /// As [`Desktop::compose`], with the pointer or without it.
    pub(crate) fn compose_with(&mut self, view: View, pointer: bool) -> Scene {
        // FAIL-CLOSED: before any window is looked at.
        if self.lock.covers() {
            return self.compose_lock(view);
        }
        if self.ui.kept.capture.is_some() {
            return self.compose_capture(view, pointer);
        }
        let mut items = Vec::new();
        if pointer {
            self.compose_cursor(view, &mut items);
        }
        self.compose_overlays(view, &mut items);
        let placed = self.placed_windows();
        let filled = bar_is_covered(&placed, view.screen);
        if !filled && !self.config.no_bar {
            self.compose_bar(view, &mut items);
        }
        let hidden = self.overview_is_seen();
        self.compose_overview(view, &mut items);
        self.compose_leaving_windows(view, &mut items);
        self.compose_candidates(view, &mut items);
        self.compose_layers(view, Band::Above, filled, &mut items);
        for window in placed.iter().rev().filter(|_| !hidden) {
            let view = self.view_of(view, window);
            for popup in self.popups_of(window.key).into_iter().rev() {
                self.compose_popup(view, popup, &mut items);
            }
            if view.shows_window(window) {
                self.compose_window(view, window, &mut items);
            }
        }
        if !hidden {
            self.compose_left_workspace(view, &mut items);
        }
        if placed.is_empty() && !self.layers.furnish(view.screen) {
            self.compose_welcome(view, &mut items);
        }
        self.compose_layers(view, Band::Between, filled, &mut items);
        self.compose_layers(view, Band::Below, filled, &mut items);
        let background = color(self.ui.theme().background());
        Scene { screen: view.screen, size: view.size, items, background, magnified: None }
    }

    pub(crate) fn compose_window(&mut self, view: View, window: &PlacedWindow, items: &mut Vec<Item>) {
        let key = window.key;
        let Some(look) = self.frame_look(key) else { return };
        let content = transom_theming::Size { w: window.content.size.w, h: window.content.size.h };
        let spec = FrameSpec {
            kind: look.kind,
            label: look.label,
            qube: &look.qube,
            title: &look.title,
            active: look.active,
            attention: look.attention,
            not_isolated: look.not_isolated,
            maximised: look.maximised,
            hovered: look.hovered,
            pressed: look.pressed,
            content,
            scale: view.drawn_in(),
        };
        let framed = self.compose_frame(view, key, window.outer, &spec, items);
        self.guest_items(view, key, framed.inner, items);
        items.push(self.ui.backdrop(key).item(framed.inner));
    }

    pub(crate) fn compose_popup(&mut self, view: View, key: SurfaceKey, items: &mut Vec<Item>) {
        let Some(geometry) = self.popup_geometry(key) else { return };
        self.compose_small(view, key, FrameKind::Popup, geometry.outer, geometry.content, items);
    }

    /// A popup or drag icon: a thin frame and what is in it.
    fn compose_small(
        &mut self,
        view: View,
        key: SurfaceKey,
        kind: FrameKind,
        outer: Rectangle<i32, Logical>,
        content: Rectangle<i32, Logical>,
        items: &mut Vec<Item>,
    ) {
        if !view.shows(outer) {
            return;
        }
        let Some(link) = self.qubes.get(key.qube) else { return };
        let label = link.label();
        let not_isolated = !link.qube.isolated;
        let size = transom_theming::Size { w: content.size.w, h: content.size.h };
        let spec = FrameSpec::thin(kind, label, not_isolated, size, view.drawn_in());
        let framed = self.compose_frame(view, key, outer, &spec, items);
        self.guest_items(view, key, framed.inner, items);
        items.push(self.ui.backdrop(key).item(framed.inner));
    }

    fn compose_frame(
        &mut self,
        view: View,
        key: SurfaceKey,
        outer: Rectangle<i32, Logical>,
        spec: &FrameSpec<'_>,
        items: &mut Vec<Item>,
    ) -> Framed {
        let at = view.to_device(outer.loc);
        let frame = self.ui.frame(key, spec);
        for (rect, picture) in &frame.parts {
            items.push(Item::Picture { picture: picture.clone(), at: at + rect.loc, clip: None });
        }
        let place = |mut rect: DeviceRect| {
            rect.loc += at;
            rect
        };
        Framed { inner: place(frame.inner) }
    }

    /// A window made smaller, in a frame of its own: for the switcher.
    pub(crate) fn compose_preview(
        &mut self,
        view: View,
        key: SurfaceKey,
        outer: Rectangle<i32, Logical>,
        spec: &FrameSpec<'_>,
        factor: f64,
        items: &mut Vec<Item>,
    ) {
        // Frames and backdrops are kept per window; the preview's are kept apart from them.
        let kept = SurfaceKey { window: u32::MAX - key.window, ..key };
        let framed = self.compose_frame(view, kept, outer, spec, items);
        self.guest_items_scaled(view, key, framed.inner, factor, items);
        items.push(self.ui.backdrop(kept).item(framed.inner));
    }

    /// The pixels of a window tree, cut to `inner`.
    pub(crate) fn guest_items(&self, view: View, root: SurfaceKey, inner: DeviceRect, items: &mut Vec<Item>) {
        self.guest_items_scaled(view, root, inner, 1.0, items);
    }

    fn guest_items_scaled(
        &self,
        view: View,
        root: SurfaceKey,
        inner: DeviceRect,
        factor: f64,
        items: &mut Vec<Item>,
    ) {
        let Some((link, surface)) = self.qubes.surface(root) else { return };
        let origin = surface.geometry().loc;
        for (window, at) in link.tree(root.window).into_iter().rev() {
            let Some(surface) = link.surface(window) else { continue };
            let Some(content) = &surface.content else { continue };
            let offset = at - origin;
            let from = view.length(offset, factor);
            let to = view.length(offset + content.size().to_point(), factor);
            let mut dst = Rectangle::new(inner.loc + from, (to.x - from.x, to.y - from.y).into());
            if dst.is_empty() {
                continue;
            }
            dst.size = snap(dst.size, content);
            let Some(clip) = inner.intersection(dst) else { continue };
            items.push(Item::Guest {
                key: SurfaceKey { window, ..root },
                id: surface.element.clone(),
                content: content.clone(),
                damage: surface.damage.snapshot(),
                dst,
                clip,
            });
        }
    }

    pub(crate) fn compose_cursor(&mut self, view: View, items: &mut Vec<Item>) {
        let at = self.input.pointer.at;
        let at = view.to_device((at.x.floor() as i32, at.y.floor() as i32).into());
        match self.cursor() {
            Cursor::Hidden => {}
            Cursor::Shape(shape) => {
                let (picture, hotspot) = self.ui.cursor(shape, self.config.cursor.drawn_at(view.scale));
                if Rectangle::from_size(view.size).overlaps(Rectangle::new(at - hotspot, picture.size())) {
                    items.push(Item::Picture { picture, at: at - hotspot, clip: None });
                }
            }
            Cursor::Surface { key, hotspot, over } => {
                // A qube's picture of the pointer stays inside that qube's content (FRAME).
                let Some(inside) = self.inner_rect(view, over) else { return };
                let Some((_, surface)) = self.qubes.surface(key) else { return };
                let Some(content) = surface.content.clone() else { return };
                let size = view.length(content.size().to_point(), 1.0);
                let hotspot = view.length(hotspot - surface.delta, 1.0);
                let mut dst = Rectangle::new(at - hotspot, (size.x, size.y).into());
                dst.size = snap(dst.size, &content);
                let Some(clip) = inside.intersection(dst) else { return };
                items.push(Item::Guest {
                    key,
                    id: surface.element.clone(),
                    content,
                    damage: surface.damage.snapshot(),
                    dst,
                    clip,
                });
            }
        }
        self.compose_drag_card(view, items);
        self.compose_drag_icon(view, items);
    }

    /// The pointer with all that hangs on it was at a place, or is there now.
    pub(crate) fn damage_pointer(&mut self, at: Point<f64, Logical>) {
        let zoomed = self.screens.zoom.factor() > 1.0;
        if zoomed
            || matches!(self.cursor(), Cursor::Surface { .. })
            || self.drag_icon().is_some()
            || self.trust.drag.held().is_some()
        {
            self.damage_all();
        } else {
            let reach = CURSOR * self.config.cursor.0 as i32;
            let corner = at.to_i32_floor() - Point::from((reach, reach));
            self.damage(Rectangle::new(corner, (2 * reach, 2 * reach).into()));
        }
    }

    fn compose_drag_icon(&mut self, view: View, items: &mut Vec<Item>) {
        let Some(key) = self.drag_icon() else { return };
        let Some((_, surface)) = self.qubes.surface(key) else { return };
        let Some(content) = &surface.content else { return };
        let at = self.input.pointer.at;
        let at = Point::<i32, Logical>::from((at.x as i32, at.y as i32)) + surface.delta;
        let content = Rectangle::new(at, content.size());
        let insets = self.ui.theme().insets(FrameKind::DragIcon);
        let outer = Rectangle::new(
            content.loc - Point::from((insets.left, insets.top)),
            (content.size.w + insets.left + insets.right, content.size.h + insets.top + insets.bottom).into(),
        );
        self.compose_small(view, key, FrameKind::DragIcon, outer, content, items);
    }

    /// The drag icon of the qube whose press is held, if it has one on show. One that goes over all
    /// windows of its qube is seen over them only.
    pub(crate) fn drag_icon(&self) -> Option<SurfaceKey> {
        let holder = self.input.pointer.grab?;
        if self.trust.drag.held().is_some() && self.input.pointer.entered.is_none() {
            return None;
        }
        let link = self.qubes.get(holder.qube)?;
        let icon = |(id, s): (&u32, &crate::qubes::surface::Surface)| {
            (s.role == WindowRole::DragIcon && s.content.is_some()).then_some(*id)
        };
        let window = link.surfaces().iter().find_map(icon)?;
        Some(SurfaceKey { window, ..holder })
    }

    /// Inside of a window's or popup's frame, in device pixels, where it was last composed.
    fn inner_rect(&self, view: View, key: SurfaceKey) -> Option<DeviceRect> {
        self.content_rect(key).map(|rect| view.rect_to_device(rect))
    }

    /// What a toplevel's frame says now.
    pub(crate) fn frame_look(&self, key: SurfaceKey) -> Option<FrameLook> {
        let (link, surface) = self.qubes.surface(key)?;
        let window = self.placed_window(key)?;
        let hover = self.input.hovered_button(key);
        Some(FrameLook {
            kind: if window.fullscreen && !self.input.title_shown {
                FrameKind::Fullscreen
            } else {
                FrameKind::Toplevel
            },
            label: link.label(),
            qube: link.qube.name.clone(),
            title: surface.title.clone(),
            active: self.trust.focus.wanted() == Some(key),
            attention: window.attention.then_some(1.0),
            not_isolated: !link.qube.isolated,
            maximised: window.maximised,
            hovered: hover.0,
            pressed: hover.1,
        })
    }
}

/// A picture that misses its place by a single pixel, as rounding of fractional scales makes it, is
/// shown pixel for pixel instead of being blurred.
fn snap(size: Size<i32, Physical>, content: &Content) -> Size<i32, Physical> {
    if content.source.is_some() {
        return size;
    }
    let buffer = content.transform.transform_size(content.buffer_size());
    let near = |a: i32, b: i32| (a - b).abs() <= 1;
    if near(size.w, buffer.w) && near(size.h, buffer.h) { (buffer.w, buffer.h).into() } else { size }
}
