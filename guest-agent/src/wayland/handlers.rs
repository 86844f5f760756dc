//! Protocols that need little of the agent.

use smithay::{
    delegate_compositor, delegate_cursor_shape, delegate_fractional_scale, delegate_idle_inhibit,
    delegate_output, delegate_pointer_constraints, delegate_pointer_gestures, delegate_presentation,
    delegate_relative_pointer, delegate_single_pixel_buffer, delegate_viewporter, delegate_xdg_activation,
    input::pointer::PointerHandle,
    reexports::wayland_server::{
        Client, Resource,
        protocol::{wl_buffer::WlBuffer, wl_surface::WlSurface},
    },
    utils::{Logical, Point},
    wayland::{
        buffer::BufferHandler,
        compositor::{CompositorClientState, CompositorHandler, CompositorState, add_pre_commit_hook},
        fractional_scale::FractionalScaleHandler,
        idle_inhibit::IdleInhibitHandler,
        output::OutputHandler,
        pointer_constraints::PointerConstraintsHandler,
        xdg_activation::{
            XdgActivationHandler, XdgActivationState, XdgActivationToken, XdgActivationTokenData,
        },
    },
    xwayland::XWaylandClientData,
};
use transom_protocol::{
    message::{Switch, ToDom0},
    types::Request,
};

use super::clients::ProgramData;
use crate::{
    Agent,
    windows::{id_of, tree::commit_places},
};

impl CompositorHandler for Agent {
    fn compositor_state(&mut self) -> &mut CompositorState {
        &mut self.protocols.compositor
    }

    #[expect(
        clippy::panic,
        reason = "every client is made with one of the two; there is nothing to return else"
    )]
    fn client_compositor_state<'a>(&self, client: &'a Client) -> &'a CompositorClientState {
        let own = client.get_data::<ProgramData>().map(|data| &data.compositor);
        let x11 = || client.get_data::<XWaylandClientData>().map(|data| &data.compositor_state);
        match own.or_else(x11) {
            Some(state) => state,
            None => panic!("a client that the agent did not take in"),
        }
    }

    fn new_surface(&mut self, surface: &WlSurface) {
        add_pre_commit_hook::<Self, _>(surface, |_, _, surface| commit_places(surface));
    }

    fn commit(&mut self, surface: &WlSurface) {
        self.committed(surface);
    }

    fn destroyed(&mut self, surface: &WlSurface) {
        self.roleless.remove(&surface.id());
        // The surface's own data is gone already; its window is found by the surface.
        let found =
            self.windows.by_id.iter().find(|(_, window)| window.surface == *surface).map(|(id, _)| *id);
        if let Some(id) = found {
            self.destroy_window(id);
        }
    }
}

impl BufferHandler for Agent {
    fn buffer_destroyed(&mut self, _: &WlBuffer) {}
}

impl OutputHandler for Agent {}

impl FractionalScaleHandler for Agent {
    fn new_fractional_scale(&mut self, surface: WlSurface) {
        let root = id_of(&crate::input::root_of(&surface));
        let known = root.and_then(|id| self.windows.get(id)).map(|w| w.scale).filter(|scale| *scale > 0);
        let scale = known.unwrap_or_else(|| self.outputs.usual_scale());
        smithay::wayland::compositor::with_states(&surface, |states| {
            smithay::wayland::fractional_scale::with_fractional_scale(states, |fractional| {
                fractional.set_preferred_scale(f64::from(scale) / 120.0);
            });
        });
    }
}

impl IdleInhibitHandler for Agent {
    fn inhibit(&mut self, surface: WlSurface) {
        self.tell_idle(&surface, true);
    }

    fn uninhibit(&mut self, surface: WlSurface) {
        self.tell_idle(&surface, false);
    }
}

impl Agent {
    fn tell_idle(&mut self, surface: &WlSurface, on: bool) {
        let Some(id) = id_of(surface) else { return };
        let Some(window) = self.windows.get_mut(id) else { return };
        window.idle_inhibit = on;
        if !window.announced {
            return;
        }
        if let Some(link) = self.dom0.open() {
            link.send(id, 0, &ToDom0::IdleInhibit(&Switch { on: on.into() }));
        }
    }
}

impl PointerConstraintsHandler for Agent {
    fn new_constraint(&mut self, _: &WlSurface, _: &PointerHandle<Self>) {
        self.tell_constraint();
    }

    fn cursor_position_hint(&mut self, _: &WlSurface, _: &PointerHandle<Self>, _: Point<f64, Logical>) {}
}

impl XdgActivationHandler for Agent {
    fn activation_state(&mut self) -> &mut XdgActivationState {
        &mut self.protocols.activation
    }

    /// Any token will do: all that comes of it is a mark on the window (FOCUS).
    fn request_activation(&mut self, _: XdgActivationToken, _: XdgActivationTokenData, surface: WlSurface) {
        self.wish(&surface, Request::Activate);
    }
}

delegate_compositor!(Agent);
delegate_cursor_shape!(Agent);
delegate_fractional_scale!(Agent);
delegate_idle_inhibit!(Agent);
delegate_output!(Agent);
delegate_pointer_constraints!(Agent);
delegate_pointer_gestures!(Agent);
delegate_presentation!(Agent);
delegate_relative_pointer!(Agent);
delegate_single_pixel_buffer!(Agent);
delegate_viewporter!(Agent);
delegate_xdg_activation!(Agent);
