//! Surfaces and their subsurfaces: order, places, and which one lies under a point.

use std::sync::{Mutex, PoisonError};

use smithay::{
    reexports::wayland_server::{DisplayHandle, Resource as _, protocol::wl_surface::WlSurface},
    utils::{Logical, Point, Rectangle, Size},
    wayland::compositor::{
        Cacheable, SubsurfaceCachedState, SurfaceAttributes, SurfaceData, TraversalAction, get_children,
        with_states, with_surface_tree_downward, with_surface_tree_upward,
    },
};
use transom_protocol::{
    limits::MAX_OFFSET,
    message::{SubsurfacePlace, ToDom0},
    types::Rect,
};

use super::{Role, Window, id_of, id_of_states, region};
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
                out.push((Some(found.clone()), place_of(states)));
            }
        },
        |_, _, ()| true,
    );
    out
}

/// Places of a surface's subsurfaces, as its commit names them. They are a part of what the *parent*
/// commits (`wl_subsurface.set_position`), with all that holds for that: a parent in step with its own
/// takes them up when that one commits. smithay 0.7.0 takes them as a part of the subsurface's commit.
#[derive(Clone, Debug, Default)]
struct Places(Vec<(WlSurface, Point<i32, Logical>)>);

impl Cacheable for Places {
    fn commit(&mut self, _: &DisplayHandle) -> Self {
        self.clone()
    }

    fn merge_into(self, into: &mut Self, _: &DisplayHandle) {
        *into = self;
    }
}

/// Where a subsurface is, since its parent's last commit took effect.
#[derive(Debug, Default)]
struct Place(Mutex<Point<i32, Logical>>);

fn place_of(states: &SurfaceData) -> Point<i32, Logical> {
    let place = states.data_map.get::<Place>();
    place.map(|place| *place.0.lock().unwrap_or_else(PoisonError::into_inner)).unwrap_or_default()
}

/// A surface is committed: the places that its subsurfaces were given belong to that.
pub(crate) fn commit_places(surface: &WlSurface) {
    let wanted = |child: WlSurface| {
        let place = with_states(&child, |states| {
            states.cached_state.get::<SubsurfaceCachedState>().pending().location
        });
        (child, place)
    };
    let places = get_children(surface).into_iter().map(wanted).collect();
    with_states(surface, |states| states.cached_state.get::<Places>().pending().0 = places);
}

/// A surface's commit takes effect.
pub(crate) fn take_up_places(surface: &WlSurface) {
    let places = with_states(surface, |states| states.cached_state.get::<Places>().current().0.clone());
    for (child, at) in places.into_iter().filter(|(child, _)| child.is_alive()) {
        with_states(&child, |states| {
            let place = states.data_map.get_or_insert_threadsafe(Place::default);
            *place.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
        });
    }
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

    /// The content of a window of xdg-shell whose program has not said what it is: surface and
    /// subsurfaces together (`xdg_surface.set_window_geometry`). `None`: the surface alone.
    pub(crate) fn bounds_beyond(&self, id: u32) -> Option<Rect> {
        let window = self.windows.get(id)?;
        let xdg = matches!(window.role, Role::Toplevel(_) | Role::Popup(..));
        if !xdg || window.appearance.content != Rect::new(0, 0, 0, 0) || window.picture.is_none() {
            return None;
        }
        let mut bounds: Option<Rectangle<i32, Logical>> = None;
        self.visible_parts(window, |_, _, part| {
            bounds = Some(bounds.map_or(part, |bounds| bounds.merge(part)));
        });
        let (own_w, own_h) = window.appearance.surface_size(window.picture.as_ref()?.size());
        let alone = Rectangle::from_size((own_w as i32, own_h as i32).into());
        let bounds = bounds.filter(|bounds| *bounds != alone)?;
        region::clamp(bounds.loc.x, bounds.loc.y, bounds.size.w, bounds.size.h)
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
        self.visible_parts(window, |surface, states, part| {
            let place = (origin + part.loc).to_f64();
            let local = at - place;
            if found.is_some() || !Rectangle::from_size(part.size.to_f64()).contains(local) {
                return;
            }
            let mut cached = states.cached_state.get::<SurfaceAttributes>();
            let region = cached.current().input_region.as_ref();
            if region.is_none_or(|region| region::contains(region, local.x, local.y)) {
                found = Some((surface.clone(), place));
            }
        });
        found
    }

    /// Every surface of a window's tree that shows something, topmost first, with where it lies relative
    /// to the window's own surface. What hangs on one that shows nothing is hidden with it.
    fn visible_parts(
        &self,
        window: &Window,
        mut visit: impl FnMut(&WlSurface, &SurfaceData, Rectangle<i32, Logical>),
    ) {
        let place = |surface: &WlSurface, states: &SurfaceData, parent: &Point<i32, Logical>| {
            if *surface == window.surface {
                return *parent;
            }
            *parent + place_of(states)
        };
        let size = |states: &SurfaceData| {
            let part = self.windows.get(id_of_states(states)?)?;
            let (w, h) = part.appearance.surface_size(part.picture.as_ref()?.size());
            Some(Size::from((w as i32, h as i32)))
        };
        with_surface_tree_downward(
            &window.surface,
            Point::default(),
            |surface, states, parent| match size(states) {
                Some(_) => TraversalAction::DoChildren(place(surface, states, parent)),
                None => TraversalAction::SkipChildren,
            },
            |surface, states, parent| {
                if let Some(size) = size(states) {
                    visit(surface, states, Rectangle::new(place(surface, states, parent), size));
                }
            },
            |_, _, _| true,
        );
    }
}
