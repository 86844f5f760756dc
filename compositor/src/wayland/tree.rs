//! Subsurfaces: order, places, and which one lies under a point.

use smithay::{
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Point},
    wayland::compositor::{SubsurfaceCachedState, TraversalAction, with_surface_tree_upward},
};
use transom_protocol::{
    limits::MAX_OFFSET,
    message::{SubsurfacePlace, ToDom0},
};

use super::windows::id_of;
use crate::Desktop;

/// Subsurfaces of a surface, directly, bottom first, with their places. The surface itself stands
/// in the list as `None`.
pub(super) fn children(surface: &WlSurface) -> Vec<(Option<WlSurface>, Point<i32, Logical>)> {
    let mut out = Vec::new();
    with_surface_tree_upward(
        surface,
        (),
        |found, _, ()| {
            if found == surface { TraversalAction::DoChildren(()) } else { TraversalAction::SkipChildren }
        },
        |found, states, ()| {
            if found == surface {
                out.push((None, Point::default()));
            } else {
                let place = states.cached_state.get::<SubsurfaceCachedState>().current().location;
                out.push((Some(found.clone()), place));
            }
        },
        |_, _, ()| true,
    );
    out
}

/// Every surface of a tree.
pub(super) fn surfaces(root: &WlSurface) -> Vec<WlSurface> {
    let mut out = vec![root.clone()];
    let mut next = 0;
    while let Some(surface) = out.get(next).cloned() {
        out.extend(children(&surface).into_iter().filter_map(|(child, _)| child));
        next += 1;
    }
    out
}

impl Desktop {
    /// Tells order and places of a window's subsurfaces, where they changed. They take effect with
    /// the window's next commit.
    pub(super) fn tell_children(&mut self, id: u32) {
        let Some(window) = self.wayland.windows.announced(id) else { return };
        let far = |v: i32| v.clamp(-MAX_OFFSET, MAX_OFFSET);
        let now: Vec<(u32, (i32, i32))> = children(&window.surface)
            .into_iter()
            .filter_map(|(surface, place)| {
                let child = match surface {
                    None => 0,
                    Some(surface) => {
                        id_of(&surface).filter(|child| self.wayland.windows.announced(*child).is_some())?
                    }
                };
                Some((child, (far(place.x), far(place.y))))
            })
            .collect();
        // The surface alone: what most windows are.
        if now == window.children || (now.len() == 1 && window.children.is_empty()) {
            return;
        }
        let own = now.iter().position(|(child, _)| *child == 0).unwrap_or(0);
        // Away from the surface in both directions, each next to the one before.
        let above = now.iter().skip(own + 1).map(|child| (child, true));
        let below = now.iter().take(own).rev().map(|child| (child, false));
        let mut last = [id, id];
        for ((child, (x, y)), is_above) in above.chain(below) {
            let sibling = std::mem::replace(&mut last[usize::from(is_above)], *child);
            let place = SubsurfacePlace {
                x: (*x).into(),
                y: (*y).into(),
                sibling: sibling.into(),
                above: is_above.into(),
            };
            self.say(*child, 0, &ToDom0::SubsurfacePlace(&place));
        }
        if let Some(window) = self.wayland.windows.get_mut(id) {
            window.children = now;
        }
    }

    /// The surface of a window's tree under a point that is relative to the window's content, and
    /// the place of that surface's origin in the same measure.
    pub(super) fn local_surface_at(
        &self,
        id: u32,
        at: Point<f64, Logical>,
    ) -> Option<(WlSurface, Point<f64, Logical>)> {
        let (link, root) = self.qubes.surface(self.local_key(id)?)?;
        let origin = root.geometry().loc;
        link.tree(id).into_iter().rev().find_map(|(part, offset)| {
            let place = (offset - origin).to_f64();
            link.surface(part).filter(|surface| surface.takes_input(at - place))?;
            Some((self.wayland.windows.get(part)?.surface.clone(), place))
        })
    }
}
