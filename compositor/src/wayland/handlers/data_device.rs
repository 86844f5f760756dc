//! `wl_data_device_manager`: copy, paste and drags among dom0's programs.

use std::os::fd::OwnedFd;

use smithay::{
    delegate_data_device,
    input::Seat,
    reexports::wayland_server::protocol::{wl_data_source::WlDataSource, wl_surface::WlSurface},
    wayland::selection::{
        SelectionHandler, SelectionSource, SelectionTarget,
        data_device::{ClientDndGrabHandler, DataDeviceHandler, DataDeviceState, ServerDndGrabHandler},
    },
};

use crate::{
    Desktop,
    wayland::{selection::Pasted, windows::Role},
};

impl SelectionHandler for Desktop {
    type SelectionUserData = Pasted;

    fn new_selection(&mut self, target: SelectionTarget, source: Option<SelectionSource>, _: Seat<Self>) {
        if target == SelectionTarget::Clipboard {
            let types = source.map(|source| source.mime_types()).unwrap_or_default();
            self.offer_local(&types);
        }
    }

    fn send_selection(
        &mut self,
        _: SelectionTarget,
        mime: String,
        fd: OwnedFd,
        _: Seat<Self>,
        pasted: &Pasted,
    ) {
        self.write_pasted(pasted, &mime, fd);
    }
}

impl DataDeviceHandler for Desktop {
    fn data_device_state(&self) -> &DataDeviceState {
        &self.wayland.globals.data_device
    }
}

impl ClientDndGrabHandler for Desktop {
    fn started(&mut self, _: Option<WlDataSource>, icon: Option<WlSurface>, _: Seat<Self>) {
        if let Some(icon) = icon {
            self.local_small_window(&icon, Role::DragIcon);
        }
    }

    fn dropped(&mut self, _: Option<WlSurface>, _: bool, _: Seat<Self>) {
        let windows = &self.wayland.windows.by_id;
        let icons: Vec<u32> =
            windows.iter().filter(|(_, w)| matches!(w.role, Role::DragIcon)).map(|(id, _)| *id).collect();
        for icon in icons {
            self.destroy_local(icon);
        }
    }
}

impl ServerDndGrabHandler for Desktop {}

delegate_data_device!(Desktop);
