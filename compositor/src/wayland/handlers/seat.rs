//! `wl_seat`.

use smithay::{
    delegate_seat,
    input::{Seat, SeatHandler, SeatState, pointer::CursorImageStatus},
    reexports::wayland_server::{Resource, protocol::wl_surface::WlSurface},
    wayland::{seat::WaylandFocus, selection::data_device::set_data_device_focus},
};

use crate::{Desktop, wayland::seat::Keys};

impl SeatHandler for Desktop {
    type KeyboardFocus = Keys;
    type PointerFocus = WlSurface;
    type TouchFocus = WlSurface;

    fn seat_state(&mut self) -> &mut SeatState<Self> {
        &mut self.wayland.globals.seat
    }

    fn focus_changed(&mut self, seat: &Seat<Self>, focused: Option<&Keys>) {
        let client = focused.and_then(WaylandFocus::wl_surface).and_then(|surface| surface.client());
        set_data_device_focus(&self.wayland.handle, seat, client);
    }

    fn cursor_image(&mut self, _: &Seat<Self>, image: CursorImageStatus) {
        self.local_cursor_wish(&image);
    }
}

delegate_seat!(Desktop);
