//! `xdg_shell`: toplevels, popups and their decoration.

use smithay::{
    delegate_kde_decoration, delegate_xdg_decoration,
    reexports::{
        wayland_protocols::xdg::{
            decoration::zv1::server::zxdg_toplevel_decoration_v1::Mode, shell::server::xdg_toplevel,
        },
        wayland_server::protocol::{wl_output::WlOutput, wl_seat::WlSeat, wl_surface::WlSurface},
    },
    utils::Serial,
    wayland::shell::{
        kde::decoration::{KdeDecorationHandler, KdeDecorationState},
        xdg::{
            Configure, PopupSurface, PositionerState, ToplevelSurface, XdgShellHandler, XdgShellState,
            decoration::XdgDecorationHandler,
        },
    },
};
use transom_protocol::{
    message::{ResizeRequest, ToDom0},
    types::{Request, edges},
};

use crate::{
    Agent,
    windows::{Role, id_of},
};

impl XdgShellHandler for Agent {
    fn xdg_shell_state(&mut self) -> &mut XdgShellState {
        &mut self.protocols.xdg_shell
    }

    fn new_toplevel(&mut self, toplevel: ToplevelSurface) {
        toplevel.with_pending_state(|state| state.decoration_mode = Some(Mode::ServerSide));
        let surface = toplevel.wl_surface().clone();
        self.windows.create(&surface, Role::Toplevel(toplevel));
    }

    fn new_popup(&mut self, popup: PopupSurface, positioner: PositionerState) {
        popup.with_pending_state(|state| state.positioner = positioner);
        let surface = popup.wl_surface().clone();
        self.windows.create(&surface, Role::Popup(popup, None));
    }

    fn toplevel_destroyed(&mut self, toplevel: ToplevelSurface) {
        self.role_gone(toplevel.wl_surface());
    }

    fn popup_destroyed(&mut self, popup: PopupSurface) {
        self.role_gone(popup.wl_surface());
    }

    fn grab(&mut self, popup: PopupSurface, _: WlSeat, serial: Serial) {
        let serial = self.input.dom0_serial(serial).unwrap_or(0);
        let Some(id) = id_of(popup.wl_surface()) else { return };
        if let Some(window) = self.windows.get_mut(id) {
            window.role = Role::Popup(popup, Some(serial));
        }
    }

    fn reposition_request(&mut self, popup: PopupSurface, positioner: PositionerState, token: u32) {
        popup.with_pending_state(|state| state.positioner = positioner);
        self.reposition(popup.wl_surface(), &positioner, token);
    }

    fn ack_configure(&mut self, surface: WlSurface, configure: Configure) {
        let serial = match configure {
            Configure::Toplevel(configure) => configure.serial,
            Configure::Popup(configure) => configure.serial,
        };
        self.acked(&surface, serial);
    }

    fn move_request(&mut self, toplevel: ToplevelSurface, _: WlSeat, serial: Serial) {
        let Some(id) = id_of(toplevel.wl_surface()) else { return };
        let Some(serial) = self.input.dom0_serial(serial) else { return };
        self.ask_move(id, serial);
    }

    fn resize_request(
        &mut self,
        toplevel: ToplevelSurface,
        _: WlSeat,
        serial: Serial,
        edge: xdg_toplevel::ResizeEdge,
    ) {
        use xdg_toplevel::ResizeEdge as E;
        let Some(id) = id_of(toplevel.wl_surface()) else { return };
        let Some(serial) = self.input.dom0_serial(serial) else { return };
        let edges = match edge {
            E::Top => edges::TOP,
            E::Bottom => edges::BOTTOM,
            E::Left => edges::LEFT,
            E::Right => edges::RIGHT,
            E::TopLeft => edges::TOP | edges::LEFT,
            E::TopRight => edges::TOP | edges::RIGHT,
            E::BottomLeft => edges::BOTTOM | edges::LEFT,
            E::BottomRight => edges::BOTTOM | edges::RIGHT,
            _ => return,
        };
        self.ask_resize(id, serial, edges);
    }

    fn maximize_request(&mut self, toplevel: ToplevelSurface) {
        self.wish_configured(&toplevel, Request::Maximise);
    }

    fn unmaximize_request(&mut self, toplevel: ToplevelSurface) {
        self.wish_configured(&toplevel, Request::Unmaximise);
    }

    fn fullscreen_request(&mut self, toplevel: ToplevelSurface, _: Option<WlOutput>) {
        self.wish_configured(&toplevel, Request::Fullscreen);
    }

    fn unfullscreen_request(&mut self, toplevel: ToplevelSurface) {
        self.wish_configured(&toplevel, Request::Unfullscreen);
    }

    fn minimize_request(&mut self, toplevel: ToplevelSurface) {
        self.wish(toplevel.wl_surface(), Request::Minimise);
    }

    fn title_changed(&mut self, toplevel: ToplevelSurface) {
        self.tell_title(&toplevel);
    }

    fn app_id_changed(&mut self, toplevel: ToplevelSurface) {
        self.tell_title(&toplevel);
    }

    fn parent_changed(&mut self, toplevel: ToplevelSurface) {
        if let Some(id) = id_of(toplevel.wl_surface()) {
            self.tell_parent(id);
        }
    }
}

impl Agent {
    fn role_gone(&mut self, surface: &WlSurface) {
        let found =
            self.windows.by_id.iter().find(|(_, window)| window.surface == *surface).map(|(id, _)| *id);
        if let Some(id) = found {
            self.destroy_window(id);
        }
    }

    /// The person drags the window, if dom0 finds that the press behind the serial means it.
    pub(crate) fn ask_move(&mut self, id: u32, serial: u32) {
        if self.windows.get(id).is_some_and(|w| w.announced && w.role.is_toplevel())
            && let Some(link) = self.dom0.open()
        {
            link.send(id, serial, &ToDom0::MoveRequest(()));
        }
    }

    /// As [`Agent::ask_move`], for an edge.
    pub(crate) fn ask_resize(&mut self, id: u32, serial: u32, edges: u32) {
        if self.windows.get(id).is_some_and(|w| w.announced && w.role.is_toplevel())
            && let Some(link) = self.dom0.open()
        {
            link.send(id, serial, &ToDom0::ResizeRequest(&ResizeRequest { edges: edges.into() }));
        }
    }

    /// A wish that the protocol answers with a configure. Before the first commit dom0 does not
    /// know of the window; then the wish is told with it.
    fn wish_configured(&mut self, toplevel: &ToplevelSurface, request: Request) {
        let surface = toplevel.wl_surface().clone();
        match id_of(&surface).and_then(|id| self.windows.get_mut(id)) {
            Some(window) if !window.announced => window.early_wish = Some(request),
            _ => self.wish(&surface, request),
        }
    }
}

impl XdgDecorationHandler for Agent {
    fn new_decoration(&mut self, toplevel: ToplevelSurface) {
        server_side(&toplevel);
    }

    fn request_mode(&mut self, toplevel: ToplevelSurface, _: Mode) {
        server_side(&toplevel);
    }

    fn unset_mode(&mut self, toplevel: ToplevelSurface) {
        server_side(&toplevel);
    }
}

/// dom0 draws every frame (FRAME); a program's own would only be a second one.
fn server_side(toplevel: &ToplevelSurface) {
    toplevel.with_pending_state(|state| state.decoration_mode = Some(Mode::ServerSide));
    if toplevel.is_initial_configure_sent() {
        toplevel.send_pending_configure();
    }
}

impl KdeDecorationHandler for Agent {
    fn kde_decoration_state(&self) -> &KdeDecorationState {
        &self.protocols.kde_decoration
    }
}

delegate_kde_decoration!(Agent);
delegate_xdg_decoration!(Agent);
