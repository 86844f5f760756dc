//! Requests of `xdg_shell` on their way to smithay, and the errors that it does not see.

use smithay::{
    reexports::{
        wayland_protocols::xdg::shell::server::{
            xdg_popup::XdgPopup,
            xdg_positioner::XdgPositioner,
            xdg_surface::XdgSurface,
            xdg_toplevel::XdgToplevel,
            xdg_wm_base::{self, XdgWmBase},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, Resource, backend::ClientId, delegate_dispatch,
            delegate_global_dispatch, protocol::wl_surface::WlSurface,
        },
    },
    wayland::{
        compositor::{SurfaceAttributes, get_role, with_states},
        shell::xdg::{
            XDG_POPUP_ROLE, XDG_TOPLEVEL_ROLE, XdgPositionerUserData, XdgShellState, XdgShellSurfaceUserData,
            XdgSurfaceUserData, XdgWmBaseUserData,
        },
    },
};

use crate::{Agent, windows::commit::Roleless};

delegate_global_dispatch!(Agent: [XdgWmBase: ()] => XdgShellState);
delegate_dispatch!(Agent: [XdgPositioner: XdgPositionerUserData] => XdgShellState);
delegate_dispatch!(Agent: [XdgSurface: XdgSurfaceUserData] => XdgShellState);
delegate_dispatch!(Agent: [XdgPopup: XdgShellSurfaceUserData] => XdgShellState);
delegate_dispatch!(Agent: [XdgToplevel: XdgShellSurfaceUserData] => XdgShellState);

impl Agent {
    /// True if a picture was attached to a surface, committed or not.
    fn has_picture(&self, surface: &WlSurface) -> bool {
        let attached = with_states(surface, |states| {
            states.cached_state.get::<SurfaceAttributes>().pending().buffer.is_some()
        });
        attached || self.roleless.get(&surface.id()).is_some_and(Roleless::has_picture)
    }
}

impl Dispatch<XdgWmBase, XdgWmBaseUserData> for Agent {
    fn request(
        agent: &mut Self,
        client: &Client,
        wm_base: &XdgWmBase,
        request: xdg_wm_base::Request,
        data: &XdgWmBaseUserData,
        display: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let xdg_wm_base::Request::GetXdgSurface { surface, .. } = &request {
            let role = get_role(surface);
            if role.is_some_and(|role| role != XDG_TOPLEVEL_ROLE && role != XDG_POPUP_ROLE) {
                wm_base.post_error(xdg_wm_base::Error::Role, "the surface has another role already");
            } else if agent.has_picture(surface) {
                let reason = "the surface has a picture already";
                wm_base.post_error(xdg_wm_base::Error::InvalidSurfaceState, reason);
            }
        }
        // The new object has to be made in any case.
        <XdgShellState as Dispatch<_, _, Self>>::request(
            agent, client, wm_base, request, data, display, init,
        );
    }

    fn destroyed(agent: &mut Self, client: ClientId, wm_base: &XdgWmBase, data: &XdgWmBaseUserData) {
        <XdgShellState as Dispatch<_, _, Self>>::destroyed(agent, client, wm_base, data);
    }
}
