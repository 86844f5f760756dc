//! `wp_fractional_scale_manager_v1`.

use smithay::{
    delegate_fractional_scale, reexports::wayland_server::protocol::wl_surface::WlSurface,
    wayland::fractional_scale::FractionalScaleHandler,
};

use crate::{Desktop, wayland::outputs::tell_scale};

impl FractionalScaleHandler for Desktop {
    fn new_fractional_scale(&mut self, surface: WlSurface) {
        tell_scale(&surface, self.scale_of(&surface));
    }
}

delegate_fractional_scale!(Desktop);
