//! `tablet-v2`: smithay's, and which programs ask for it.

use std::sync::atomic::Ordering;

use smithay::{
    backend::input::TabletToolDescriptor,
    input::pointer::CursorImageStatus,
    reexports::{
        wayland_protocols::wp::tablet::zv2::server::{
            zwp_tablet_manager_v2::{self, ZwpTabletManagerV2},
            zwp_tablet_seat_v2::ZwpTabletSeatV2,
            zwp_tablet_tool_v2::ZwpTabletToolV2,
            zwp_tablet_v2::ZwpTabletV2,
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, delegate_dispatch, delegate_global_dispatch,
        },
    },
    wayland::tablet_manager::{
        TabletManagerState, TabletSeatHandler, TabletSeatUserData, TabletToolUserData, TabletUserData,
    },
};

use super::clients::ProgramData;
use crate::Agent;

impl TabletSeatHandler for Agent {
    fn tablet_tool_image(&mut self, _: &TabletToolDescriptor, image: CursorImageStatus) {
        self.cursor_wish(&image);
    }
}

impl Dispatch<ZwpTabletManagerV2, ()> for Agent {
    fn request(
        agent: &mut Self,
        client: &Client,
        manager: &ZwpTabletManagerV2,
        request: zwp_tablet_manager_v2::Request,
        data: &(),
        display: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if matches!(request, zwp_tablet_manager_v2::Request::GetTabletSeat { .. })
            && let Some(program) = client.get_data::<ProgramData>()
        {
            program.tablets.store(true, Ordering::Relaxed);
        }
        <TabletManagerState as Dispatch<ZwpTabletManagerV2, (), Self>>::request(
            agent, client, manager, request, data, display, init,
        );
    }
}

delegate_global_dispatch!(Agent: [ZwpTabletManagerV2: ()] => TabletManagerState);
delegate_dispatch!(Agent: [ZwpTabletSeatV2: TabletSeatUserData] => TabletManagerState);
delegate_dispatch!(Agent: [ZwpTabletToolV2: TabletToolUserData] => TabletManagerState);
delegate_dispatch!(Agent: [ZwpTabletV2: TabletUserData] => TabletManagerState);
