//! The scene of a frame: everything on the screen, front to back.
//!
//! This is where rule FRAME is kept. A qube's pixels enter the scene only through
//! [`Desktop::guest_items`], which takes the rectangle inside a frame that the same function's
//! caller draws, and cuts to it. Behind every content lies an opaque backdrop, so that a
//! transparent window never shows what is behind it inside its own frame.

use smithay::{
    backend::renderer::Color32F,
    utils::{Logical, Physical, Point, Rectangle, Size},
};
use transom_protocol::session::WindowRole;
use transom_theming::{FrameKind, FrameSpec};

use super::{
    DeviceRect,
    scene::{Item, Scene, SurfaceKey, color},
};
use crate::{Desktop, input::Cursor, qubes::surface::Content, ui::frames::FrameLook};

/// A window's frame on the screen: where it is, what is inside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Framed {
    /// Inside the frame: the only place for the qube's pixels.
    pub inner: DeviceRect,
}

impl Desktop {
    /// Device position of a logical position; the same rounding for all edges.
    pub(crate) fn to_device(&self, at: Point<i32, Logical>) -> Point<i32, Physical> {
        let scale = transom_theming::Scale::new(self.screen.scale);
        (scale.to_device(at.x), scale.to_device(at.y)).into()
    }

    /// Device rectangle of a logical rectangle: edges are rounded, not sizes, so that neighbours
    /// stay neighbours.
    pub(crate) fn rect_to_device(&self, rect: Rectangle<i32, Logical>) -> DeviceRect {
        let from = self.to_device(rect.loc);
        let to = self.to_device(rect.loc + rect.size.to_point());
        Rectangle::new(from, (to.x - from.x, to.y - from.y).into())
    }

    /// Everything on the screen now.
    pub(crate) fn compose(&mut self) -> Scene {
        // FAIL-CLOSED: before any window is looked at.
        if self.lock.covers() {
            return self.compose_lock();
        }
        if self.screens_off() {
            return Scene { items: Vec::new(), background: Color32F::BLACK };
        }
        let mut items = Vec::new();
        self.compose_cursor(&mut items);
        self.compose_overlays(&mut items);
        let placed = self.placed_windows();
        let covered = placed.last().is_some_and(|w| w.fullscreen);
        if !covered {
            self.compose_bar(&mut items);
        }
        for window in placed.iter().rev() {
            for popup in self.popups_of(window.key).into_iter().rev() {
                self.compose_popup(popup, &mut items);
            }
            self.compose_window(window.key, &mut items);
        }
        if placed.is_empty() {
            self.compose_welcome(&mut items);
        }
        Scene { items, background: color(self.ui.theme().background()) }
    }

    fn compose_window(&mut self, key: SurfaceKey, items: &mut Vec<Item>) {
        let Some(window) = self.placed_window(key) else { return };
        let Some(look) = self.frame_look(key) else { return };
        let scale = transom_theming::Scale::new(self.screen.scale);
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
            scale,
        };
        let framed = self.compose_frame(key, window.outer, &spec, items);
        self.guest_items(key, framed.inner, items);
        items.push(self.ui.backdrop(key).item(framed.inner));
    }

    fn compose_popup(&mut self, key: SurfaceKey, items: &mut Vec<Item>) {
        let Some(geometry) = self.popup_geometry(key) else { return };
        self.compose_small(key, FrameKind::Popup, geometry.outer, geometry.content, items);
    }

    /// A popup or drag icon: a thin frame and what is in it.
    fn compose_small(
        &mut self,
        key: SurfaceKey,
        kind: FrameKind,
        outer: Rectangle<i32, Logical>,
        content: Rectangle<i32, Logical>,
        items: &mut Vec<Item>,
    ) {
        let Some(link) = self.qubes.get(key.qube) else { return };
        let label = link.label();
        let not_isolated = !link.qube.isolated;
        let spec = FrameSpec {
            kind,
            label,
            qube: "",
            title: "",
            active: true,
            attention: None,
            not_isolated,
            maximised: false,
            hovered: None,
            pressed: None,
            content: transom_theming::Size { w: content.size.w, h: content.size.h },
            scale: transom_theming::Scale::new(self.screen.scale),
        };
        let framed = self.compose_frame(key, outer, &spec, items);
        self.guest_items(key, framed.inner, items);
        items.push(self.ui.backdrop(key).item(framed.inner));
    }

    fn compose_frame(
        &mut self,
        key: SurfaceKey,
        outer: Rectangle<i32, Logical>,
        spec: &FrameSpec<'_>,
        items: &mut Vec<Item>,
    ) -> Framed {
        let at = self.to_device(outer.loc);
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
        key: SurfaceKey,
        outer: Rectangle<i32, Logical>,
        spec: &FrameSpec<'_>,
        factor: f64,
        items: &mut Vec<Item>,
    ) {
        // Frames and backdrops are kept per window; the preview's are kept apart from them.
        let kept = SurfaceKey { window: u32::MAX - key.window, ..key };
        let framed = self.compose_frame(kept, outer, spec, items);
        self.guest_items_scaled(key, framed.inner, factor, items);
        items.push(self.ui.backdrop(kept).item(framed.inner));
    }

    /// The pixels of a window tree, cut to `inner`.
    pub(crate) fn guest_items(&self, root: SurfaceKey, inner: DeviceRect, items: &mut Vec<Item>) {
        self.guest_items_scaled(root, inner, 1.0, items);
    }

    fn guest_items_scaled(&self, root: SurfaceKey, inner: DeviceRect, factor: f64, items: &mut Vec<Item>) {
        let Some((link, surface)) = self.qubes.surface(root) else { return };
        let origin = surface.geometry().loc;
        for (window, at) in link.tree(root.window).into_iter().rev() {
            let Some(surface) = link.surface(window) else { continue };
            let Some(content) = &surface.content else { continue };
            let offset = at - origin;
            let from = self.scaled_to_device(offset, factor);
            let to = self.scaled_to_device(offset + content.size().to_point(), factor);
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

    fn length_to_device(&self, length: Point<i32, Logical>) -> Point<i32, Physical> {
        self.scaled_to_device(length, 1.0)
    }

    fn scaled_to_device(&self, length: Point<i32, Logical>, factor: f64) -> Point<i32, Physical> {
        let scale = f64::from(self.screen.scale) / 120.0 * factor;
        let round = |v: i32| (f64::from(v) * scale + 0.5).floor() as i32;
        (round(length.x), round(length.y)).into()
    }

    fn compose_cursor(&mut self, items: &mut Vec<Item>) {
        let at = self.input.pointer.at;
        let at = self.to_device((at.x.floor() as i32, at.y.floor() as i32).into());
        match self.cursor() {
            Cursor::Hidden => {}
            Cursor::Shape(shape) => {
                let (picture, hotspot) = self.ui.cursor(shape, self.screen.scale);
                items.push(Item::Picture { picture, at: at - hotspot, clip: None });
            }
            Cursor::Surface { key, hotspot, over } => {
                // A qube's picture of the pointer stays inside that qube's content (FRAME).
                let Some(inside) = self.inner_rect(over) else { return };
                let Some((_, surface)) = self.qubes.surface(key) else { return };
                let Some(content) = surface.content.clone() else { return };
                let size = self.length_to_device(content.size().to_point());
                let hotspot = self.length_to_device(hotspot - surface.delta);
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
        self.compose_drag_icon(items);
    }

    fn compose_drag_icon(&mut self, items: &mut Vec<Item>) {
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
        self.compose_small(key, FrameKind::DragIcon, outer, content, items);
    }

    /// The drag icon of the qube whose press is held, if it has one on show.
    fn drag_icon(&self) -> Option<SurfaceKey> {
        let holder = self.input.pointer.grab?;
        let link = self.qubes.get(holder.qube)?;
        let icon = |(id, s): (&u32, &crate::qubes::surface::Surface)| {
            (s.role == WindowRole::DragIcon && s.content.is_some()).then_some(*id)
        };
        let window = link.surfaces().iter().find_map(icon)?;
        Some(SurfaceKey { window, ..holder })
    }

    /// Inside of a window's or popup's frame, in device pixels, where it was last composed.
    fn inner_rect(&self, key: SurfaceKey) -> Option<DeviceRect> {
        self.content_rect(key).map(|rect| self.rect_to_device(rect))
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
