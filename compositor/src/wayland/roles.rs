//! Announcing windows by role, and what the desktop says about their size and state.

use smithay::{
    reexports::{
        wayland_protocols::xdg::shell::server::xdg_toplevel, wayland_server::protocol::wl_surface::WlSurface,
    },
    utils::{Rectangle, Serial},
    wayland::{
        compositor::with_states,
        shell::xdg::{PositionerState, SurfaceCachedState, ToplevelSurface, XdgToplevelSurfaceData},
    },
};
use transom_protocol::{
    limits::{MAX_APP_ID, MAX_DIMENSION, MAX_OFFSET, MAX_TITLE},
    message::{
        Configure, PopupCreate, PopupReposition, ResizeRequest, SetParent, SizeLimits, ToDom0, WindowCreate,
        WindowRequest,
    },
    types::{Anchor, Positioner, Rect, Request, WindowKind, states},
};

use super::windows::{Role, id_of};
use crate::Desktop;

impl Desktop {
    /// Sees to it that the link knows of a window, if its parent is known.
    pub(super) fn announce(&mut self, id: u32) {
        let Some(window) = self.wayland.windows.get(id).filter(|window| !window.announced) else { return };
        let (role, surface) = (window.role.clone(), window.surface.clone());
        let parent = window.parent().as_ref().and_then(id_of).filter(|parent| *parent != id);
        if let Some(parent) = parent {
            self.announce(parent);
        }
        let parent = parent.filter(|parent| self.wayland.windows.announced(*parent).is_some());
        let create = |kind, parent: u32| WindowCreate { kind, parent: parent.into() };
        let told = match (&role, parent) {
            (Role::Popup(popup, grab), Some(parent)) => {
                let message = PopupCreate {
                    parent: parent.into(),
                    positioner: positioner(&popup.with_pending_state(|state| state.positioner)),
                    grab: grab.is_some().into(),
                };
                self.try_say(None, id, grab.unwrap_or(0), &ToDom0::PopupCreate(&message))
            }
            (Role::Popup(popup, _), None) => {
                popup.send_popup_done();
                return;
            }
            (Role::Subsurface, Some(parent)) => {
                let message = create(WindowKind::Subsurface, parent);
                self.try_say(None, id, 0, &ToDom0::WindowCreate(&message))
            }
            (Role::Subsurface, None) => return,
            (Role::Toplevel(_) | Role::Layer(_) | Role::Cursor | Role::DragIcon | Role::Candidates, _) => {
                let kind = match role {
                    Role::Cursor | Role::Candidates => WindowKind::Cursor,
                    Role::DragIcon => WindowKind::DragIcon,
                    _ => WindowKind::Toplevel,
                };
                self.try_say(None, id, 0, &ToDom0::WindowCreate(&create(kind, 0)))
            }
        };
        if let Err(error) = told {
            Self::refuse_program(&surface, &error.to_string());
            return;
        }
        let Some(window) = self.wayland.windows.get_mut(id) else { return };
        window.announced = true;
        let early_wish = window.early_wish.take();
        if let Role::Toplevel(toplevel) = &role {
            self.tell_names(toplevel);
            self.tell_parent(id);
            self.tell_limits(id);
        }
        if let Some(request) = early_wish {
            self.wish(&surface, request);
        }
    }

    /// Title and application id of a toplevel.
    pub(super) fn tell_names(&mut self, toplevel: &ToplevelSurface) {
        let surface = toplevel.wl_surface();
        let Some(id) = self.announced_toplevel(surface) else { return };
        let (title, app_id) = with_states(surface, |states| {
            let data = states.data_map.get::<XdgToplevelSurfaceData>().and_then(|data| data.lock().ok());
            data.map(|data| (data.title.clone(), data.app_id.clone())).unwrap_or_default()
        });
        let cut = |text: &str, most: usize| text.as_bytes()[..text.floor_char_boundary(most)].to_vec();
        if let Some(title) = title {
            self.say(id, 0, &ToDom0::Title(&cut(&title, MAX_TITLE)));
        }
        if let Some(app_id) = app_id {
            self.say(id, 0, &ToDom0::AppId(&cut(&app_id, MAX_APP_ID)));
        }
    }

    fn announced_toplevel(&self, surface: &WlSurface) -> Option<u32> {
        let id = id_of(surface)?;
        self.wayland.windows.announced(id).filter(|window| window.role.is_toplevel()).map(|_| id)
    }

    /// Which toplevel a toplevel belongs to, where that changed.
    pub(super) fn tell_parent(&mut self, id: u32) {
        let Some(window) = self.wayland.windows.announced(id) else { return };
        let parent = window.parent().and_then(|parent| self.announced_toplevel(&parent)).unwrap_or(0);
        let known = self.local_link().and_then(|link| Some(link.session().window(id)?.parent));
        if known.is_some_and(|known| known != parent) {
            let set = SetParent { parent: parent.into(), modal: false.into() };
            self.say(id, 0, &ToDom0::SetParent(&set));
        }
    }

    /// Size limits of a toplevel, where they changed.
    pub(super) fn tell_limits(&mut self, id: u32) {
        let Some(window) = self.wayland.windows.by_id.get_mut(&id) else { return };
        if !window.announced || !window.role.is_toplevel() {
            return;
        }
        let (min, max) = with_states(&window.surface, |states| {
            let mut cached = states.cached_state.get::<SurfaceCachedState>();
            let current = cached.current();
            (current.min_size, current.max_size)
        });
        let side = |v: i32| (v.max(0) as u32).min(MAX_DIMENSION);
        let most = |max: i32, min: i32| if max > 0 { side(max.max(min)) } else { 0 };
        let now = [side(min.w), side(min.h), most(max.w, min.w), most(max.h, min.h)];
        if now == std::mem::replace(&mut window.limits, now) {
            return;
        }
        let [min_width, min_height, max_width, max_height] = now.map(Into::into);
        self.say(id, 0, &ToDom0::SizeLimits(&SizeLimits { min_width, min_height, max_width, max_height }));
    }

    /// A program wishes something for its toplevel; before its first commit that is told with it.
    pub(super) fn wish(&mut self, surface: &WlSurface, request: Request) {
        if let Some(id) = self.announced_toplevel(surface) {
            self.say(id, 0, &ToDom0::WindowRequest(&WindowRequest { request }));
        } else if let Some(window) = id_of(surface).and_then(|id| self.wayland.windows.get_mut(id)) {
            window.early_wish = Some(request);
        }
    }

    /// The person drags the window, or with `edges` one side of it, if the press behind the serial
    /// means it.
    pub(super) fn ask_drag(&mut self, surface: &WlSurface, serial: Serial, edges: Option<u32>) {
        let Some(id) = self.announced_toplevel(surface) else { return };
        let Some(serial) = self.wayland.input.desktop_serial(serial) else { return };
        match edges {
            None => self.say(id, serial, &ToDom0::MoveRequest(())),
            Some(edges) => {
                let request = ResizeRequest { edges: edges.into() };
                self.say(id, serial, &ToDom0::ResizeRequest(&request))
            }
        };
    }

    pub(super) fn reposition(&mut self, surface: &WlSurface, state: &PositionerState, token: u32) {
        let Some(id) = id_of(surface).filter(|id| self.wayland.windows.announced(*id).is_some()) else {
            return;
        };
        let message = PopupReposition { positioner: positioner(state), token: token.into() };
        self.say(id, 0, &ToDom0::PopupReposition(&message));
    }

    /// The desktop says which size and state a window should have.
    pub(super) fn local_configure(&mut self, id: u32, serial: u32, configure: &Configure) {
        let Some(window) = self.wayland.windows.get_mut(id) else { return };
        let own = match &window.role {
            Role::Toplevel(toplevel) => {
                set_toplevel_state(toplevel, configure);
                Some(toplevel.send_configure())
            }
            Role::Popup(popup, _) => {
                let rect = Rectangle::new(
                    (configure.x.get(), configure.y.get()).into(),
                    (configure.width.get() as i32, configure.height.get() as i32).into(),
                );
                popup.with_pending_state(|state| state.geometry = rect);
                match configure.token.get() {
                    0 => popup.send_configure().ok(),
                    token => Some(popup.send_repositioned(token)),
                }
            }
            Role::Layer(layer) => {
                let size = (configure.width.get() as i32, configure.height.get() as i32);
                layer.with_pending_state(|state| state.size = Some(size.into()));
                Some(layer.send_configure())
            }
            Role::Subsurface | Role::Cursor | Role::DragIcon | Role::Candidates => return,
        };
        match own {
            Some(own) => window.configures.push_back((own, serial)),
            // A popup of a program that cannot be told twice stays where it is.
            None => drop(self.say(id, serial, &ToDom0::AckConfigure(()))),
        }
    }

    /// A program has taken up a configure.
    pub(super) fn acked(&mut self, surface: &WlSurface, own: Serial) {
        let Some(id) = id_of(surface) else { return };
        let Some(window) = self.wayland.windows.get_mut(id) else { return };
        let Some(at) = window.configures.iter().position(|(serial, _)| *serial == own) else { return };
        let last = window.configures.drain(..=at).next_back();
        if let Some((_, serial)) = last {
            self.say(id, serial, &ToDom0::AckConfigure(()));
        }
    }
}

fn set_toplevel_state(toplevel: &ToplevelSurface, configure: &Configure) {
    use xdg_toplevel::State as S;
    let size = (configure.width.get() as i32, configure.height.get() as i32);
    let bounds = (configure.bounds_width.get() as i32, configure.bounds_height.get() as i32);
    let bits = configure.states.get();
    let tiled = [S::TiledLeft, S::TiledRight, S::TiledTop, S::TiledBottom];
    let flags = [
        (states::MAXIMISED, S::Maximized),
        (states::FULLSCREEN, S::Fullscreen),
        (states::ACTIVATED, S::Activated),
        (states::RESIZING, S::Resizing),
        (states::SUSPENDED, S::Suspended),
    ];
    toplevel.with_pending_state(|state| {
        state.size = (size != (0, 0)).then(|| size.into());
        state.bounds = (bounds != (0, 0)).then(|| bounds.into());
        for (bit, name) in flags.into_iter().chain(states::TILED.into_iter().zip(tiled)) {
            if bits & bit != 0 {
                state.states.set(name);
            } else {
                state.states.unset(name);
            }
        }
    });
}

/// A positioner as the protocol has it.
fn positioner(state: &PositionerState) -> Positioner {
    let side = |v: i32| (v.max(1) as u32).min(MAX_DIMENSION).into();
    let far = |v: i32| v.clamp(-MAX_OFFSET, MAX_OFFSET);
    let rect = state.anchor_rect;
    Positioner {
        width: side(state.rect_size.w),
        height: side(state.rect_size.h),
        anchor_rect: Rect::new(
            far(rect.loc.x),
            far(rect.loc.y),
            far(rect.size.w.max(0)),
            far(rect.size.h.max(0)),
        ),
        anchor: anchor(state.anchor_edges as u32),
        gravity: anchor(state.gravity as u32),
        adjustment: (state.constraint_adjustment.bits() & 63) as u8,
        reactive: state.reactive.into(),
        offset_x: far(state.offset.x).into(),
        offset_y: far(state.offset.y).into(),
    }
}

/// Anchor and gravity of `xdg_positioner` have the same numbers.
fn anchor(number: u32) -> Anchor {
    const ALL: [Anchor; 9] = [
        Anchor::None,
        Anchor::Top,
        Anchor::Bottom,
        Anchor::Left,
        Anchor::Right,
        Anchor::TopLeft,
        Anchor::BottomLeft,
        Anchor::TopRight,
        Anchor::BottomRight,
    ];
    ALL.get(number as usize).copied().unwrap_or(Anchor::None)
}

#[cfg(test)]
mod tests {
    use smithay::reexports::wayland_protocols::xdg::shell::server::xdg_positioner::{
        Anchor as A, Gravity as G,
    };

    use super::*;

    #[test]
    fn anchors_and_gravities_have_their_names() {
        let pairs = [
            (A::None, G::None, Anchor::None),
            (A::Top, G::Top, Anchor::Top),
            (A::Bottom, G::Bottom, Anchor::Bottom),
            (A::Left, G::Left, Anchor::Left),
            (A::Right, G::Right, Anchor::Right),
            (A::TopLeft, G::TopLeft, Anchor::TopLeft),
            (A::BottomLeft, G::BottomLeft, Anchor::BottomLeft),
            (A::TopRight, G::TopRight, Anchor::TopRight),
            (A::BottomRight, G::BottomRight, Anchor::BottomRight),
        ];
        for (edges, gravity, name) in pairs {
            assert_eq!((anchor(edges as u32), anchor(gravity as u32)), (name, name));
        }
    }
}
