//! Announcing windows by role, and what dom0 says about their size and state.

use smithay::{
    reexports::{
        wayland_protocols::xdg::shell::server::{xdg_positioner, xdg_toplevel},
        wayland_server::{Resource, protocol::wl_surface::WlSurface},
    },
    utils::{Rectangle, Serial},
    wayland::{
        compositor::{get_parent, get_role, with_states},
        shell::xdg::{PositionerState, SurfaceCachedState, ToplevelSurface, XdgToplevelSurfaceData},
    },
    xwayland::X11Surface,
};
use tracing::debug;
use transom_protocol::{
    limits::{MAX_APP_ID, MAX_DIMENSION, MAX_OFFSET, MAX_TITLE},
    message::{
        Configure, PopupCreate, PopupReposition, SetParent, SizeLimits, ToDom0, WindowCreate, WindowRequest,
    },
    types::{Anchor, Positioner, Rect, Request, WindowKind, states},
};

use super::{Role, Window, id_of};
use crate::Agent;

impl Agent {
    /// Sees to it that a surface with a role is a window, and that dom0 knows of it.
    pub(crate) fn ensure_window(&mut self, surface: &WlSurface) {
        let id = match id_of(surface) {
            Some(id) => id,
            None if get_role(surface) == Some("subsurface") && get_parent(surface).is_some() => {
                self.windows.create(surface, Role::Subsurface)
            }
            None => return,
        };
        self.announce(id);
    }

    /// The surface a window hangs on.
    pub(crate) fn parent_of(&self, window: &Window) -> Option<WlSurface> {
        match &window.role {
            Role::Toplevel(toplevel) => toplevel.parent(),
            Role::Popup(popup, _) => popup.get_parent_surface(),
            Role::Subsurface => window.surface.is_alive().then(|| get_parent(&window.surface)).flatten(),
            Role::X11(x11) => self.x11.transient_parent(x11),
            Role::X11Popup(x11) => self.x11.popup_parent(x11),
            Role::Cursor | Role::DragIcon => None,
        }
    }

    /// Tells dom0 of a window, if it does not know of it and can.
    pub(crate) fn announce(&mut self, id: u32) {
        let Some(window) = self.windows.get(id) else { return };
        if window.announced || self.dom0.open().is_none() {
            return;
        }
        let parent = self.parent_of(window);
        let role = window.role.clone();
        let nested = matches!(role, Role::Subsurface | Role::Popup(..) | Role::X11Popup(_));
        let parent = match parent.as_ref().and_then(id_of) {
            Some(parent) => {
                self.announce(parent);
                self.windows.get(parent).filter(|w| w.announced).map(|_| parent)
            }
            None => None,
        };
        if nested && parent.is_none() {
            if let Role::Popup(popup, _) = &role {
                popup.send_popup_done();
            }
            return;
        }
        let Some(link) = self.dom0.open() else { return };
        if link.session().windows().count() + 8 >= link.session().limits().windows as usize {
            debug!(id, "more windows than dom0 allows: not shown");
            return;
        }
        let create = |kind, parent: u32| WindowCreate { kind, parent: parent.into() };
        let sent = match &role {
            Role::Toplevel(_) | Role::X11(_) => {
                link.send(id, 0, &ToDom0::WindowCreate(&create(WindowKind::Toplevel, 0)))
            }
            Role::Subsurface => {
                link.send(id, 0, &ToDom0::WindowCreate(&create(WindowKind::Subsurface, parent.unwrap_or(0))))
            }
            Role::Cursor => link.send(id, 0, &ToDom0::WindowCreate(&create(WindowKind::Cursor, 0))),
            Role::DragIcon => link.send(id, 0, &ToDom0::WindowCreate(&create(WindowKind::DragIcon, 0))),
            Role::Popup(popup, grab) => {
                let positioner = positioner(&popup.with_pending_state(|state| state.positioner));
                let grab_serial = grab.unwrap_or(0);
                let message = PopupCreate {
                    parent: parent.unwrap_or(0).into(),
                    positioner,
                    grab: grab.is_some().into(),
                };
                link.send(id, grab_serial, &ToDom0::PopupCreate(&message))
            }
            Role::X11Popup(x11) => {
                let positioner = exactly_at(self.x11.relative(x11));
                let message =
                    PopupCreate { parent: parent.unwrap_or(0).into(), positioner, grab: false.into() };
                link.send(id, 0, &ToDom0::PopupCreate(&message))
            }
        };
        if let Some(window) = self.windows.get_mut(id) {
            window.announced = sent;
        }
        match &role {
            Role::Toplevel(toplevel) => {
                self.tell_title(toplevel);
                self.tell_parent(id);
            }
            Role::X11(x11) => {
                self.tell_x11_title(id, &x11.clone());
                self.tell_parent(id);
            }
            _ => {}
        }
        self.tell_state(id);
        if let Some(window) = self.windows.get_mut(id)
            && let Some(request) = window.early_wish.take()
        {
            let surface = window.surface.clone();
            self.wish(&surface, request);
        }
    }

    /// With a new connection dom0 knows nothing: every window is announced with what it shows.
    pub(crate) fn announce_everything(&mut self) {
        let ids: Vec<u32> = self.windows.by_id.keys().copied().collect();
        for id in &ids {
            let Some(window) = self.windows.get_mut(*id) else { continue };
            // Only windows whose programs have begun to use them: their first commit is done.
            let begun = match &window.role {
                Role::Toplevel(toplevel) => window.picture.is_some() || !toplevel.is_initial_configure_sent(),
                _ => window.picture.is_some(),
            };
            window.restoring = window.picture.is_some();
            if begun {
                self.announce(*id);
            }
        }
        for id in ids {
            if self.windows.get(id).is_some_and(|w| w.announced) {
                self.tell_children(id);
                self.send_again(id);
            }
        }
        self.offer_again();
        self.tell_notifications();
    }

    pub(crate) fn tell_title(&mut self, toplevel: &ToplevelSurface) {
        let Some(id) = id_of(toplevel.wl_surface()) else { return };
        let (title, app_id) = with_states(toplevel.wl_surface(), |states| {
            let data = states.data_map.get::<XdgToplevelSurfaceData>().and_then(|data| data.lock().ok());
            data.map(|data| (data.title.clone(), data.app_id.clone())).unwrap_or_default()
        });
        self.tell_names(id, title.as_deref(), app_id.as_deref());
    }

    /// Title and application id of a toplevel.
    pub(crate) fn tell_names(&mut self, id: u32, title: Option<&str>, app_id: Option<&str>) {
        if !self.windows.get(id).is_some_and(|w| w.announced) {
            return;
        }
        let Some(link) = self.dom0.open() else { return };
        let cut = |text: &str, most: usize| text.as_bytes()[..text.floor_char_boundary(most)].to_vec();
        if let Some(title) = title {
            link.send(id, 0, &ToDom0::Title(&cut(title, MAX_TITLE)));
        }
        if let Some(app_id) = app_id {
            link.send(id, 0, &ToDom0::AppId(&cut(app_id, MAX_APP_ID)));
        }
    }

    /// Which toplevel a toplevel belongs to.
    pub(crate) fn tell_parent(&mut self, id: u32) {
        let Some(window) = self.windows.get(id).filter(|w| w.announced) else { return };
        let parent = self.parent_of(window).as_ref().and_then(id_of);
        let parent =
            parent.filter(|p| self.windows.get(*p).is_some_and(|w| w.announced && w.role.is_toplevel()));
        let Some(link) = self.dom0.open() else { return };
        let set = SetParent { parent: parent.unwrap_or(0).into(), modal: false.into() };
        if link.session().window(id).is_some_and(|w| w.parent != parent.unwrap_or(0)) {
            link.send(id, 0, &ToDom0::SetParent(&set));
        }
    }

    /// Size limits of a toplevel, where they changed.
    pub(crate) fn tell_state(&mut self, id: u32) {
        let Some(window) = self.windows.by_id.get_mut(&id) else { return };
        let limits = match &window.role {
            Role::Toplevel(toplevel) => with_states(toplevel.wl_surface(), |states| {
                let mut cached = states.cached_state.get::<SurfaceCachedState>();
                let current = cached.current();
                [current.min_size, current.max_size]
            }),
            Role::X11(x11) => [x11.min_size().unwrap_or_default(), x11.max_size().unwrap_or_default()],
            _ => return,
        };
        let side = |v: i32| (v.max(0) as u32).min(MAX_DIMENSION);
        let [min, max] = limits;
        let mut now = [side(min.w), side(min.h), side(max.w), side(max.h)];
        for axis in 0..2 {
            if now[2 + axis] != 0 && now[2 + axis] < now[axis] {
                now[2 + axis] = now[axis];
            }
        }
        if !window.announced || now == window.limits {
            return;
        }
        let Some(link) = self.dom0.open() else { return };
        let [min_width, min_height, max_width, max_height] = now.map(Into::into);
        link.send(id, 0, &ToDom0::SizeLimits(&SizeLimits { min_width, min_height, max_width, max_height }));
        window.limits = now;
    }

    /// A program wishes something for its toplevel.
    pub(crate) fn wish(&mut self, surface: &WlSurface, request: Request) {
        let Some(id) = id_of(surface) else { return };
        if !self.windows.get(id).is_some_and(|w| w.announced && w.role.is_toplevel()) {
            return;
        }
        if let Some(link) = self.dom0.open() {
            link.send(id, 0, &ToDom0::WindowRequest(&WindowRequest { request }));
        }
    }

    pub(crate) fn reposition(&mut self, surface: &WlSurface, state: &PositionerState, token: u32) {
        let Some(id) = id_of(surface) else { return };
        if !self.windows.get(id).is_some_and(|w| w.announced) {
            return;
        }
        let message = PopupReposition { positioner: positioner(state), token: token.into() };
        if let Some(link) = self.dom0.open() {
            link.send(id, 0, &ToDom0::PopupReposition(&message));
        }
    }

    /// dom0 says which size and state a window should have.
    pub(crate) fn configure(&mut self, id: u32, serial: u32, configure: &Configure) {
        let Some(window) = self.windows.get_mut(id) else { return };
        let restoring = std::mem::take(&mut window.restoring);
        match window.role.clone() {
            Role::Toplevel(toplevel) => {
                set_toplevel_state(&toplevel, configure, restoring);
                if restoring {
                    toplevel.send_pending_configure();
                    self.acknowledge(id, serial);
                } else {
                    let own = toplevel.send_configure();
                    self.await_ack(id, own, serial);
                }
            }
            Role::Popup(popup, _) => {
                let rect = Rectangle::new(
                    (configure.x.get(), configure.y.get()).into(),
                    (configure.width.get() as i32, configure.height.get() as i32).into(),
                );
                popup.with_pending_state(|state| state.geometry = rect);
                let own = match configure.token.get() {
                    0 => popup.send_configure().ok(),
                    token => Some(popup.send_repositioned(token)),
                };
                match own {
                    Some(own) if !restoring => self.await_ack(id, own, serial),
                    _ => self.acknowledge(id, serial),
                }
            }
            Role::X11(x11) => {
                Self::configure_x11(&x11, configure);
                self.acknowledge(id, serial);
            }
            Role::X11Popup(_) => self.acknowledge(id, serial),
            Role::Subsurface | Role::Cursor | Role::DragIcon => {}
        }
    }

    /// A configure went to the program. One that has drawn its first picture without waiting for it
    /// is taken at its word.
    fn await_ack(&mut self, id: u32, own: Serial, serial: u32) {
        let Some(window) = self.windows.get_mut(id) else { return };
        if window.deferred && window.picture.is_some() && window.configures.is_empty() {
            self.acknowledge(id, serial);
        } else {
            window.configures.push_back((own, serial));
        }
    }

    /// A program has taken up a configure.
    pub(crate) fn acked(&mut self, surface: &WlSurface, own: Serial) {
        let Some(id) = id_of(surface) else { return };
        let Some(window) = self.windows.get_mut(id) else { return };
        let Some(at) = window.configures.iter().position(|(serial, _)| *serial == own) else { return };
        let serial = window.configures.drain(..=at).next_back().map(|(_, serial)| serial);
        if let (Some(serial), Some(link)) = (serial, self.dom0.open()) {
            link.send(id, serial, &ToDom0::AckConfigure(()));
        }
    }

    /// Takes up a configure in the program's stead, and shows what waited for it.
    fn acknowledge(&mut self, id: u32, serial: u32) {
        if let Some(link) = self.dom0.open() {
            link.send(id, serial, &ToDom0::AckConfigure(()));
        }
        if self.windows.get(id).is_some_and(|w| w.deferred) {
            self.send_again(id);
        }
    }

    /// dom0: the person closes the window.
    pub(crate) fn close(&mut self, id: u32) {
        match self.windows.get(id).map(|w| w.role.clone()) {
            Some(Role::Toplevel(toplevel)) => toplevel.send_close(),
            Some(Role::X11(x11)) => {
                if let Err(error) = x11.close() {
                    debug!(%error, "an X11 window cannot be asked to close");
                }
            }
            _ => {}
        }
    }

    /// dom0: the popup was dismissed.
    pub(crate) fn popup_done(&mut self, id: u32) {
        match self.windows.get(id).map(|w| w.role.clone()) {
            Some(Role::Popup(popup, _)) => popup.send_popup_done(),
            // X11 has no word for it: the click that dismissed it is all a program could hear of.
            Some(Role::X11Popup(_)) | None => {}
            Some(_) => {}
        }
    }
}

/// Brings a toplevel's pending state in line with a configure. A window that showed its picture
/// before keeps its size where dom0 has no wish.
fn set_toplevel_state(toplevel: &ToplevelSurface, configure: &Configure, restoring: bool) {
    use xdg_toplevel::State as S;
    let (w, h) = (configure.width.get() as i32, configure.height.get() as i32);
    let (bw, bh) = (configure.bounds_width.get() as i32, configure.bounds_height.get() as i32);
    let bits = configure.states.get();
    toplevel.with_pending_state(|state| {
        if !(restoring && w == 0 && h == 0) {
            state.size = (w > 0 || h > 0).then(|| (w, h).into());
        }
        state.bounds = (bw > 0 && bh > 0).then(|| (bw, bh).into());
        let tiled = [S::TiledLeft, S::TiledRight, S::TiledTop, S::TiledBottom];
        let flags = [
            (states::MAXIMISED, S::Maximized),
            (states::FULLSCREEN, S::Fullscreen),
            (states::ACTIVATED, S::Activated),
            (states::RESIZING, S::Resizing),
            (states::SUSPENDED, S::Suspended),
        ]
        .into_iter()
        .chain(states::TILED.into_iter().zip(tiled));
        for (bit, name) in flags {
            if bits & bit != 0 {
                state.states.set(name);
            } else {
                state.states.unset(name);
            }
        }
    });
}

fn far(v: i32) -> i32 {
    v.clamp(-MAX_OFFSET, MAX_OFFSET)
}

/// A positioner as the protocol has it.
pub(crate) fn positioner(state: &PositionerState) -> Positioner {
    let side = |v: i32| (v.max(1) as u32).min(MAX_DIMENSION);
    let rect = state.anchor_rect;
    let anchor = match state.anchor_edges {
        xdg_positioner::Anchor::Top => Anchor::Top,
        xdg_positioner::Anchor::Bottom => Anchor::Bottom,
        xdg_positioner::Anchor::Left => Anchor::Left,
        xdg_positioner::Anchor::Right => Anchor::Right,
        xdg_positioner::Anchor::TopLeft => Anchor::TopLeft,
        xdg_positioner::Anchor::BottomLeft => Anchor::BottomLeft,
        xdg_positioner::Anchor::TopRight => Anchor::TopRight,
        xdg_positioner::Anchor::BottomRight => Anchor::BottomRight,
        _ => Anchor::None,
    };
    let gravity = match state.gravity {
        xdg_positioner::Gravity::Top => Anchor::Top,
        xdg_positioner::Gravity::Bottom => Anchor::Bottom,
        xdg_positioner::Gravity::Left => Anchor::Left,
        xdg_positioner::Gravity::Right => Anchor::Right,
        xdg_positioner::Gravity::TopLeft => Anchor::TopLeft,
        xdg_positioner::Gravity::BottomLeft => Anchor::BottomLeft,
        xdg_positioner::Gravity::TopRight => Anchor::TopRight,
        xdg_positioner::Gravity::BottomRight => Anchor::BottomRight,
        _ => Anchor::None,
    };
    Positioner {
        width: side(state.rect_size.w).into(),
        height: side(state.rect_size.h).into(),
        anchor_rect: Rect::new(
            far(rect.loc.x),
            far(rect.loc.y),
            far(rect.size.w.max(0)),
            far(rect.size.h.max(0)),
        ),
        anchor,
        gravity,
        adjustment: (state.constraint_adjustment.bits() & 63) as u8,
        reactive: state.reactive.into(),
        offset_x: far(state.offset.x).into(),
        offset_y: far(state.offset.y).into(),
    }
}

/// A positioner that means one place only.
pub(crate) fn exactly_at(rect: Rectangle<i32, smithay::utils::Logical>) -> Positioner {
    let side = |v: i32| (v.max(1) as u32).min(MAX_DIMENSION);
    Positioner {
        width: side(rect.size.w).into(),
        height: side(rect.size.h).into(),
        anchor_rect: Rect::new(far(rect.loc.x), far(rect.loc.y), 1, 1),
        anchor: Anchor::TopLeft,
        gravity: Anchor::BottomRight,
        adjustment: 0,
        reactive: false.into(),
        offset_x: 0.into(),
        offset_y: 0.into(),
    }
}

impl Agent {
    pub(crate) fn tell_x11_title(&mut self, id: u32, x11: &X11Surface) {
        self.tell_names(id, Some(&x11.title()), Some(&x11.class()));
    }
}
