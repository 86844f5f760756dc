//! The seat, and the selections and drags that go with it.

use smithay::{
    delegate_primary_selection, delegate_seat,
    input::{Seat, SeatHandler, SeatState, pointer::CursorImageStatus},
    reexports::wayland_server::{
        Resource, delegate_dispatch, delegate_global_dispatch,
        protocol::{
            wl_data_device_manager::WlDataDeviceManager, wl_data_source::WlDataSource, wl_surface::WlSurface,
        },
    },
    wayland::selection::{
        data_device::{
            ClientDndGrabHandler, DataDeviceHandler, DataDeviceState, DataSourceUserData,
            ServerDndGrabHandler, set_data_device_focus,
        },
        primary_selection::{PrimarySelectionHandler, PrimarySelectionState, set_primary_focus},
    },
};

use crate::{Agent, input::KeyboardFocus};

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
        if let Some(icon) = icon {
            self.show_drag_icon(&icon);
        }
    }

    fn dropped(&mut self, _: Option<WlSurface>, _: bool, _: Seat<Self>) {
        self.drop_drag_icons();
    }
}

impl ServerDndGrabHandler for Agent {}

delegate_seat!(Agent);
// As `delegate_data_device!` says it, but for `WlDataDevice`, which the room of drags hears.
delegate_global_dispatch!(Agent: [WlDataDeviceManager: ()] => DataDeviceState);
delegate_dispatch!(Agent: [WlDataDeviceManager: ()] => DataDeviceState);
delegate_dispatch!(Agent: [WlDataSource: DataSourceUserData] => DataDeviceState);
delegate_primary_selection!(Agent);
