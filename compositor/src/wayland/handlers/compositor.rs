//! `wl_compositor`, `wl_subcompositor`.

use smithay::{
    delegate_compositor,
    reexports::wayland_server::{
        Client,
        protocol::{wl_buffer::WlBuffer, wl_surface::WlSurface},
    },
    wayland::{
        buffer::BufferHandler,
        compositor::{CompositorClientState, CompositorHandler, CompositorState},
    },
};

use crate::{Desktop, wayland::clients::ProgramData};

impl CompositorHandler for Desktop {
    fn compositor_state(&mut self) -> &mut CompositorState {
        &mut self.wayland.globals.compositor
    }

    #[expect(clippy::panic, reason = "every client is made with it; there is nothing to return else")]
    fn client_compositor_state<'a>(&self, client: &'a Client) -> &'a CompositorClientState {
        match client.get_data::<ProgramData>() {
            Some(data) => &data.compositor,
            None => panic!("a client that the desktop did not take in"),
        }
    }

    fn commit(&mut self, surface: &WlSurface) {
        self.local_commit(surface);
    }

    fn destroyed(&mut self, surface: &WlSurface) {
        self.local_surface_gone(surface);
    }
}

impl BufferHandler for Desktop {
    fn buffer_destroyed(&mut self, _: &WlBuffer) {}
}

delegate_compositor!(Desktop);
