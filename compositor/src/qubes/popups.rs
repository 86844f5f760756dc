//! Popups: where they go, and when they end.
//!
//! The qube says how a popup relates to its parent; dom0 places it so that popup and frame stay on
//! the work area, and ends it when the person presses anywhere else.

use smithay::{
    reexports::wayland_protocols::xdg::shell::server::xdg_positioner,
    utils::{Logical, Point, Rectangle},
    wayland::shell::xdg::PositionerState,
};
use transom_protocol::{
    message::{Configure, ToQube},
    session::WindowRole,
    types::{Anchor, Positioner},
};
use transom_theming::FrameKind;

use super::Link;
use crate::{Desktop, render::scene::SurfaceKey, trust::QubeId};

/// Where a popup is on the desktop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PopupGeometry {
    /// With its frame.
    pub outer: Rectangle<i32, Logical>,
    /// The qube's part.
    pub content: Rectangle<i32, Logical>,
}

impl Desktop {
    /// Where the content of a toplevel or popup is on the desktop.
    pub(crate) fn content_rect(&self, key: SurfaceKey) -> Option<Rectangle<i32, Logical>> {
        let (link, surface) = self.qubes.surface(key)?;
        match surface.role {
            WindowRole::Toplevel => match self.layers.get(key) {
                Some(layer) => Some(layer.place),
                None => self.window_content(key),
            },
            WindowRole::Popup => {
                let parent = self.content_rect(SurfaceKey { window: surface.parent, ..key })?;
                let popup = surface.popup.as_ref()?;
                // What is shown is never more than dom0 placed, and never less than it has.
                let size = match &surface.content {
                    Some(_) => surface.geometry().size,
                    None => popup.rect.size,
                };
                debug_assert!(link.id == key.qube);
                Some(Rectangle::new(parent.loc + popup.rect.loc, size))
            }
            WindowRole::Cursor => self.candidates_place(key),
            _ => None,
        }
    }

    /// Where a popup is, with its frame; `None` while it shows nothing.
    pub(crate) fn popup_geometry(&self, key: SurfaceKey) -> Option<PopupGeometry> {
        let (_, surface) = self.qubes.surface(key)?;
        surface.content.as_ref()?;
        let content = self.content_rect(key)?;
        let insets = self.ui.theme().insets(FrameKind::Popup);
        let outer = Rectangle::new(
            content.loc - Point::from((insets.left, insets.top)),
            (content.size.w + insets.left + insets.right, content.size.h + insets.top + insets.bottom).into(),
        );
        Some(PopupGeometry { outer, content })
    }

    /// Popups of a toplevel that are on screen, parents before children: bottom first.
    pub(crate) fn popups_of(&self, toplevel: SurfaceKey) -> Vec<SurfaceKey> {
        fn walk(link: &Link, parent: u32, out: &mut Vec<u32>) {
            for (id, surface) in link.popups(parent) {
                if surface.popup.as_ref().is_some_and(|p| !p.dismissed) {
                    out.push(id);
                    walk(link, id, out);
                }
            }
        }
        let mut out = Vec::new();
        if let Some(link) = self.qubes.get(toplevel.qube) {
            walk(link, toplevel.window, &mut out);
        }
        out.into_iter().map(|window| SurfaceKey { window, ..toplevel }).collect()
    }

    /// Places a popup and tells the qube.
    pub(super) fn place_popup(&mut self, key: SurfaceKey) {
        let Some((_, surface)) = self.qubes.surface(key) else { return };
        let Some(popup) = surface.popup else { return };
        let parent_key = SurfaceKey { window: surface.parent, ..key };
        let Some(parent) = self.content_rect(parent_key) else { return };
        let insets = self.ui.theme().insets(FrameKind::Popup);
        let (x, y, width, height) = popup.positioner.anchor_rect.get();
        let inside = |at: i32, length: i32, of: i32| at.saturating_add(length / 2).clamp(0, of.max(0));
        let anchor = Point::from((inside(x, width, parent.size.w), inside(y, height, parent.size.h)));
        let mut area = self.work_area_at(parent.loc + anchor);
        // The frame must fit too.
        area.loc += Point::from((insets.left, insets.top));
        area.size.w = (area.size.w - insets.left - insets.right).max(1);
        area.size.h = (area.size.h - insets.top - insets.bottom).max(1);
        area.loc -= parent.loc;
        let rect = positioner_state(&popup.positioner).get_unconstrained_geometry(area);
        let configure = Configure {
            width: (rect.size.w.max(1) as u32).into(),
            height: (rect.size.h.max(1) as u32).into(),
            bounds_width: 0.into(),
            bounds_height: 0.into(),
            states: 0.into(),
            x: rect.loc.x.into(),
            y: rect.loc.y.into(),
            token: popup.token.into(),
        };
        let Some(link) = self.qubes.get_mut(key.qube) else { return };
        if link.configure(key.window, &configure).is_some()
            && let Some(popup) = link.surface_mut(key.window).and_then(|s| s.popup.as_mut())
        {
            popup.rect = rect;
            popup.token = 0;
        }
        self.damage_all();
    }

    /// Ends popups of a qube: the given one and all above it, or (with `None`) every one.
    pub(crate) fn dismiss_popups(&mut self, qube: QubeId, below: Option<u32>) {
        let Some(link) = self.qubes.get_mut(qube) else { return };
        let mut ending: Vec<u32> = match below {
            Some(window) => vec![window],
            None => link
                .surfaces()
                .iter()
                .filter(|(_, s)| s.popup.as_ref().is_some_and(|p| !p.dismissed))
                .map(|(id, _)| *id)
                .collect(),
        };
        // Topmost first, as xdg-shell wants it: ids of children are not always larger.
        ending.sort_by_key(|id| std::cmp::Reverse(depth(link, *id)));
        for window in ending {
            if let Some(popup) = link.surface_mut(window).and_then(|s| s.popup.as_mut()) {
                popup.dismissed = true;
                link.send(window, 0, &ToQube::PopupDone(()));
            }
        }
        self.damage_all();
    }

    /// The topmost popup that has grabbed the pointer of its qube, if any.
    pub(crate) fn grabbing_popup(&self, toplevel: SurfaceKey) -> Option<SurfaceKey> {
        self.popups_of(toplevel)
            .into_iter()
            .rev()
            .find(|key| self.qubes.surface(*key).and_then(|(_, s)| s.popup).is_some_and(|p| p.grab))
    }
}

fn depth(link: &Link, mut window: u32) -> usize {
    let mut depth = 0;
    while let Some(surface) = link.surface(window).filter(|s| s.role != WindowRole::Toplevel) {
        depth += 1;
        window = surface.parent;
    }
    depth
}

fn positioner_state(p: &Positioner) -> PositionerState {
    let (x, y, width, height) = p.anchor_rect.get();
    PositionerState {
        rect_size: (p.width.get() as i32, p.height.get() as i32).into(),
        anchor_rect: Rectangle::new((x, y).into(), (width, height).into()),
        anchor_edges: anchor(p.anchor),
        gravity: gravity(p.gravity),
        constraint_adjustment: xdg_positioner::ConstraintAdjustment::from_bits_truncate(p.adjustment.into()),
        offset: (p.offset_x.get(), p.offset_y.get()).into(),
        reactive: p.reactive.get(),
        parent_size: None,
        parent_configure: None,
    }
}

fn anchor(a: Anchor) -> xdg_positioner::Anchor {
    use xdg_positioner::Anchor as X;
    match a {
        Anchor::None => X::None,
        Anchor::Top => X::Top,
        Anchor::Bottom => X::Bottom,
        Anchor::Left => X::Left,
        Anchor::Right => X::Right,
        Anchor::TopLeft => X::TopLeft,
        Anchor::BottomLeft => X::BottomLeft,
        Anchor::TopRight => X::TopRight,
        Anchor::BottomRight => X::BottomRight,
    }
}

fn gravity(a: Anchor) -> xdg_positioner::Gravity {
    use xdg_positioner::Gravity as X;
    match a {
        Anchor::None => X::None,
        Anchor::Top => X::Top,
        Anchor::Bottom => X::Bottom,
        Anchor::Left => X::Left,
        Anchor::Right => X::Right,
        Anchor::TopLeft => X::TopLeft,
        Anchor::BottomLeft => X::BottomLeft,
        Anchor::TopRight => X::TopRight,
        Anchor::BottomRight => X::BottomRight,
    }
}
