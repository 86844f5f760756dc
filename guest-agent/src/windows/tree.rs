//! Surfaces and their subsurfaces: order, places, and which one lies under a point.

use smithay::{
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Point},
    wayland::compositor::{
        SubsurfaceCachedState, SurfaceAttributes, TraversalAction, with_surface_tree_downward,
        with_surface_tree_upward,
    },
};
use transom_protocol::{
    limits::MAX_OFFSET,
    message::{SubsurfacePlace, ToDom0},
};

use super::{id_of, region};
use crate::Agent;

/// Subsurfaces of a surface, directly, bottom first, with their places. The surface itself stands
/// in the list as `None`.
pub(crate) fn children(surface: &WlSurface) -> Vec<(Option<WlSurface>, Point<i32, Logical>)> {
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

impl Agent {
    /// Tells dom0 order and places of a window's subsurfaces, where they changed. They take effect
    /// with the window's next commit.
    pub(crate) fn tell_children(&mut self, id: u32) {
        let Some(window) = self.windows.get(id) else { return };
        let now: Vec<(u32, (i32, i32))> = children(&window.surface)
            .into_iter()
            .filter_map(|(surface, place)| {
                let far = |v: i32| v.clamp(-MAX_OFFSET, MAX_OFFSET);
                match surface {
                    None => Some((0, (0, 0))),
                    Some(surface) => {
                        let child = id_of(&surface)?;
                        let announced = self.windows.get(child).is_some_and(|w| w.announced);
                        announced.then_some((child, (far(place.x), far(place.y))))
                    }
                }
            })
            .collect();
        let Some(window) = self.windows.by_id.get_mut(&id) else { return };
        let Some(link) = self.dom0.open() else { return };
        if !window.announced || now == window.children {
            return;
        }
        let own = now.iter().position(|(child, _)| *child == 0).unwrap_or(0);
        let mut place = |child: u32, (x, y): (i32, i32), sibling: u32, above: bool| {
            let place =
                SubsurfacePlace { x: x.into(), y: y.into(), sibling: sibling.into(), above: above.into() };
            link.send(child, 0, &ToDom0::SubsurfacePlace(&place));
        };
        // Away from the surface in both directions, each next to the one before.
        let mut last = id;
        for (child, at) in &now[(own + 1).min(now.len())..] {
            place(*child, *at, last, true);
            last = *child;
        }
        let mut last = id;
        for (child, at) in now[..own].iter().rev() {
            place(*child, *at, last, false);
            last = *child;
        }
        window.children = now;
    }

    /// The surface of a window's tree under a point that is relative to the window's content, and
    /// the place of that surface's origin in the same measure.
    pub(crate) fn surface_under(
        &self,
        id: u32,
        at: Point<f64, Logical>,
    ) -> Option<(WlSurface, Point<f64, Logical>)> {
        let window = self.windows.get(id)?;
        let (x, y, _, _) = window.appearance.content.get();
        let origin = Point::<i32, Logical>::from((-x, -y));
        let mut found = None;
        with_surface_tree_downward(
            &window.surface,
            origin,
            |surface, states, from| {
                let mut place = *from;
                if *surface != window.surface {
                    place += states.cached_state.get::<SubsurfaceCachedState>().current().location;
                }
                TraversalAction::DoChildren(place)
            },
            |surface, states, from| {
                let mut place = *from;
                if *surface != window.surface {
                    place += states.cached_state.get::<SubsurfaceCachedState>().current().location;
                }
                if found.is_some() {
                    return;
                }
                let id = states.data_map.get::<super::WindowId>().map_or(0, |id| id.0.get());
                let Some(part) = self.windows.get(id) else { return };
                let Some(picture) = &part.picture else { return };
                let (w, h) = part.appearance.surface_size(picture.size());
                let local = at - place.to_f64();
                let inside =
                    local.x >= 0.0 && local.y >= 0.0 && local.x < f64::from(w) && local.y < f64::from(h);
                let mut cached = states.cached_state.get::<SurfaceAttributes>();
                let takes = cached
                    .current()
                    .input_region
                    .as_ref()
                    .is_none_or(|r| region::contains(r, local.x, local.y));
                if inside && takes {
                    found = Some((surface.clone(), place.to_f64()));
                }
            },
            |_, _, _| true,
        );
        found
    }
}
