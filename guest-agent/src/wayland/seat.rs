//! The seat, and the selections and drags that go with it.

use smithay::{
    delegate_data_device, delegate_primary_selection, delegate_seat,
    input::{Seat, SeatHandler, SeatState, pointer::CursorImageStatus},
    reexports::wayland_server::{
        Resource,
        protocol::{wl_data_source::WlDataSource, wl_surface::WlSurface},
    },
    wayland::selection::{
        data_device::{
            ClientDndGrabHandler, DataDeviceHandler, DataDeviceState, ServerDndGrabHandler,
            set_data_device_focus,
        },
        primary_selection::{PrimarySelectionHandler, PrimarySelectionState, set_primary_focus},
    },
};

use crate::{
    Agent,
    input::KeyboardFocus,
    windows::{Role, id_of},
};

impl SeatHandler for Agent {
    type KeyboardFocus = KeyboardFocus;
    type PointerFocus = WlSurface;
    type TouchFocus = WlSurface;

    fn seat_state(&mut self) -> &mut SeatState<Self> {
        &mut self.seat_state
    }

    fn focus_changed(&mut self, seat: &Seat<Self>, focused: Option<&KeyboardFocus>) {
        let client = focused
            .and_then(smithay::wayland::seat::WaylandFocus::wl_surface)
            .and_then(|surface| surface.client());
        set_data_device_focus(&self.display, seat, client.clone());
        set_primary_focus(&self.display, seat, client);
    }

    fn cursor_image(&mut self, _: &Seat<Self>, image: CursorImageStatus) {
        self.cursor_wish(&image);
    }
}

impl DataDeviceHandler for Agent {
    fn data_device_state(&self) -> &DataDeviceState {
        &self.protocols.data_device
    }
}

impl PrimarySelectionHandler for Agent {
    fn primary_selection_state(&self) -> &PrimarySelectionState {
        &self.protocols.primary_selection
    }
}

impl ClientDndGrabHandler for Agent {
    fn started(&mut self, _: Option<WlDataSource>, icon: Option<WlSurface>, _: Seat<Self>) {
        let Some(icon) = icon else { return };
        if id_of(&icon).is_none() {
            self.windows.create(&icon, Role::DragIcon);
        }
        // It may have its picture already.
        self.committed(&icon);
    }

    fn dropped(&mut self, _: Option<WlSurface>, _: bool, _: Seat<Self>) {
        let icons: Vec<u32> = self
            .windows
            .by_id
            .iter()
            .filter(|(_, window)| matches!(window.role, Role::DragIcon))
            .map(|(id, _)| *id)
            .collect();
        for icon in icons {
            self.destroy_window(icon);
        }
    }
}

impl ServerDndGrabHandler for Agent {}

delegate_seat!(Agent);
delegate_data_device!(Agent);
delegate_primary_selection!(Agent);
