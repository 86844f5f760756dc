//! `zwlr_layer_shell_v1`: bars, docks, wallpapers, launchers.

use smithay::{
    delegate_layer_shell,
    reexports::wayland_server::protocol::{wl_output::WlOutput, wl_surface::WlSurface},
    wayland::shell::wlr_layer::{
        Layer, LayerSurface, LayerSurfaceConfigure, WlrLayerShellHandler, WlrLayerShellState,
    },
};

use crate::Desktop;

impl WlrLayerShellHandler for Desktop {
    fn shell_state(&mut self) -> &mut WlrLayerShellState {
        &mut self.wayland.globals.layer_shell
    }

    fn new_layer_surface(&mut self, surface: LayerSurface, output: Option<WlOutput>, _: Layer, _: String) {
        self.new_layer(surface, output.as_ref());
    }

    fn ack_configure(&mut self, surface: WlSurface, configure: LayerSurfaceConfigure) {
        self.acked(&surface, configure.serial);
    }

    fn layer_destroyed(&mut self, surface: LayerSurface) {
        self.local_surface_gone(surface.wl_surface());
    }
}

delegate_layer_shell!(Desktop);
