//! The pointer's picture as programs wish it.

use smithay::{
    input::pointer::{CursorIcon, CursorImageStatus, CursorImageSurfaceData},
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    wayland::compositor::with_states,
};
use transom_protocol::{
    limits::MAX_DIMENSION,
    message::{CursorChange, ToDom0},
    types::CursorKind,
};

use crate::{
    Agent,
    windows::{Role, id_of},
};

impl Agent {
    pub(crate) fn cursor_wish(&mut self, status: &CursorImageStatus) {
        let Some(serial) = self.input.entry() else { return };
        let none = CursorChange {
            kind: CursorKind::Hidden,
            shape: 0,
            window: 0.into(),
            hot_x: 0.into(),
            hot_y: 0.into(),
        };
        let change = match status {
            CursorImageStatus::Hidden => none,
            CursorImageStatus::Named(icon) => {
                CursorChange { kind: CursorKind::Shape, shape: shape(*icon), ..none }
            }
            CursorImageStatus::Surface(surface) => {
                let Some(id) = self.cursor_window(surface) else { return };
                let hotspot = with_states(surface, |states| {
                    let data =
                        states.data_map.get::<CursorImageSurfaceData>().and_then(|data| data.lock().ok());
                    data.map(|data| data.hotspot).unwrap_or_default()
                });
                let near = |v: i32| v.clamp(-(MAX_DIMENSION as i32), MAX_DIMENSION as i32).into();
                CursorChange {
                    kind: CursorKind::Window,
                    window: id.into(),
                    hot_x: near(hotspot.x),
                    hot_y: near(hotspot.y),
                    ..none
                }
            }
        };
        if let Some(link) = self.dom0.open() {
            link.send(0, serial, &ToDom0::Cursor(&change));
        }
    }

    /// The window of a cursor surface that dom0 knows of.
    fn cursor_window(&mut self, surface: &WlSurface) -> Option<u32> {
        let id = if let Some(id) = id_of(surface) {
            id
        } else {
            let id = self.windows.create(surface, Role::Cursor);
            // It may have been committed before it was anyone's cursor.
            self.committed(surface);
            id
        };
        self.announce(id);
        self.windows.get(id).filter(|window| window.announced).map(|_| id)
    }
}

/// The number of a shape in `cursor-shape-v1`.
fn shape(icon: CursorIcon) -> u8 {
    use CursorIcon as C;
    match icon {
        C::ContextMenu => 2,
        C::Help => 3,
        C::Pointer => 4,
        C::Progress => 5,
        C::Wait => 6,
        C::Cell => 7,
        C::Crosshair => 8,
        C::Text => 9,
        C::VerticalText => 10,
        C::Alias => 11,
        C::Copy => 12,
        C::Move => 13,
        C::NoDrop => 14,
        C::NotAllowed => 15,
        C::Grab => 16,
        C::Grabbing => 17,
        C::EResize => 18,
        C::NResize => 19,
        C::NeResize => 20,
        C::NwResize => 21,
        C::SResize => 22,
        C::SeResize => 23,
        C::SwResize => 24,
        C::WResize => 25,
        C::EwResize => 26,
        C::NsResize => 27,
        C::NeswResize => 28,
        C::NwseResize => 29,
        C::ColResize => 30,
        C::RowResize => 31,
        C::AllScroll => 32,
        C::ZoomIn => 33,
        C::ZoomOut => 34,
        _ => 1,
    }
}
