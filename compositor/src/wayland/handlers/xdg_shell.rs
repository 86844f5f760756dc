//! `xdg_wm_base`: toplevels and popups.

use smithay::{
    delegate_xdg_shell,
    reexports::{
        wayland_protocols::xdg::shell::server::xdg_toplevel,
        wayland_server::protocol::{wl_output::WlOutput, wl_seat::WlSeat, wl_surface::WlSurface},
    },
    utils::Serial,
    wayland::shell::xdg::{
        Configure, PopupSurface, PositionerState, ToplevelSurface, XdgShellHandler, XdgShellState,
    },
};
use transom_protocol::types::{Request, edges};

use crate::{
    Desktop,
    wayland::windows::{Role, id_of},
};

impl XdgShellHandler for Desktop {
    fn xdg_shell_state(&mut self) -> &mut XdgShellState {
        &mut self.wayland.globals.xdg_shell
    }

    fn new_toplevel(&mut self, toplevel: ToplevelSurface) {
        let surface = toplevel.wl_surface().clone();
        self.wayland.windows.create(&surface, Role::Toplevel(toplevel));
    }

    fn new_popup(&mut self, popup: PopupSurface, positioner: PositionerState) {
        popup.with_pending_state(|state| state.positioner = positioner);
        let surface = popup.wl_surface().clone();
        self.wayland.windows.create(&surface, Role::Popup(popup, None));
    }

    fn toplevel_destroyed(&mut self, toplevel: ToplevelSurface) {
        self.local_surface_gone(toplevel.wl_surface());
    }

    fn popup_destroyed(&mut self, popup: PopupSurface) {
        self.local_surface_gone(popup.wl_surface());
    }

    fn grab(&mut self, popup: PopupSurface, _: WlSeat, serial: Serial) {
        let serial = self.wayland.input.desktop_serial(serial).unwrap_or(0);
        if let Some(window) = id_of(popup.wl_surface()).and_then(|id| self.wayland.windows.get_mut(id)) {
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
        self.ask_drag(toplevel.wl_surface(), serial, None);
    }

    fn resize_request(
        &mut self,
        toplevel: ToplevelSurface,
        _: WlSeat,
        serial: Serial,
        edge: xdg_toplevel::ResizeEdge,
    ) {
        use xdg_toplevel::ResizeEdge as E;
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
        self.ask_drag(toplevel.wl_surface(), serial, Some(edges));
    }

    fn maximize_request(&mut self, toplevel: ToplevelSurface) {
        self.wish(toplevel.wl_surface(), Request::Maximise);
    }

    fn unmaximize_request(&mut self, toplevel: ToplevelSurface) {
        self.wish(toplevel.wl_surface(), Request::Unmaximise);
    }

    fn fullscreen_request(&mut self, toplevel: ToplevelSurface, _: Option<WlOutput>) {
        self.wish(toplevel.wl_surface(), Request::Fullscreen);
    }

    fn unfullscreen_request(&mut self, toplevel: ToplevelSurface) {
        self.wish(toplevel.wl_surface(), Request::Unfullscreen);
    }

    fn minimize_request(&mut self, toplevel: ToplevelSurface) {
        self.wish(toplevel.wl_surface(), Request::Minimise);
    }

    fn title_changed(&mut self, toplevel: ToplevelSurface) {
        self.tell_names(&toplevel);
    }

    fn app_id_changed(&mut self, toplevel: ToplevelSurface) {
        self.tell_names(&toplevel);
    }

    fn parent_changed(&mut self, toplevel: ToplevelSurface) {
        if let Some(id) = id_of(toplevel.wl_surface()) {
            self.tell_parent(id);
        }
    }
}

delegate_xdg_shell!(Desktop);
