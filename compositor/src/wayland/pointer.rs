//! Pointer and fingers for dom0's programs.
//!
//! The desktop names windows; which subsurface lies under the pointer is found here. Positions are
//! relative to the window's content, and so are those the seat reckons with: only one window has
//! the pointer at a time.

use smithay::{
    backend::input::{Axis, AxisSource, ButtonState, TouchSlot},
    input::{
        pointer::{
            AxisFrame, ButtonEvent, CursorIcon, CursorImageStatus, CursorImageSurfaceData, MotionEvent,
            PointerHandle,
        },
        touch::{self, DownEvent, TouchHandle, UpEvent},
    },
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Point, SERIAL_COUNTER},
    wayland::compositor::with_states,
};
use transom_protocol::{
    limits::MAX_DIMENSION,
    message::{self, CursorChange, ToDom0, TouchPoint, TouchUp},
    types::{self, CursorKind},
};

use super::windows::{Role, id_of};
use crate::Desktop;

impl Desktop {
    fn local_pointer(&self) -> Option<PointerHandle<Self>> {
        self.wayland.seat.get_pointer()
    }

    pub(super) fn local_pointer_enter(&mut self, id: u32, serial: u32, at: Point<f64, Logical>) {
        self.wayland.input.pointer = Some((id, serial));
        self.move_local_pointer(id, serial, at);
    }

    pub(super) fn local_motion(&mut self, id: u32, motion: &message::TimedPosition) {
        self.wayland.input.time = motion.time.get();
        self.move_local_pointer(id, 0, (motion.x.to_f64(), motion.y.to_f64()).into());
    }

    fn move_local_pointer(&mut self, id: u32, serial: u32, location: Point<f64, Logical>) {
        let Some(pointer) = self.local_pointer() else { return };
        let focus = self.local_surface_at(id, location);
        let (serial, time) = (self.wayland.input.serial(serial), self.wayland.input.time);
        pointer.motion(self, focus, &MotionEvent { location, serial, time });
    }

    pub(super) fn local_pointer_leave(&mut self) {
        if self.wayland.input.pointer.take().is_none() {
            return;
        }
        let Some(pointer) = self.local_pointer() else { return };
        let (serial, time) = (SERIAL_COUNTER.next_serial(), self.wayland.input.time);
        // A button that is down keeps its surface in the seat's eyes; the desktop has ended that.
        if pointer.is_grabbed() {
            pointer.unset_grab(self, serial, time);
        }
        let location = pointer.current_location();
        pointer.motion(self, None, &MotionEvent { location, serial, time });
        pointer.frame(self);
    }

    pub(super) fn local_pointer_frame(&mut self) {
        if let Some(pointer) = self.local_pointer() {
            pointer.frame(self);
        }
    }

    pub(super) fn local_button(&mut self, serial: u32, button: &message::Button) {
        let Some(pointer) = self.local_pointer() else { return };
        let time = button.time.get();
        self.wayland.input.time = time;
        let state = match button.state {
            types::ButtonState::Pressed => ButtonState::Pressed,
            types::ButtonState::Released => ButtonState::Released,
        };
        let serial = self.wayland.input.serial(serial);
        pointer.button(self, &ButtonEvent { serial, time, button: button.code.get(), state });
    }

    pub(super) fn local_axis(&mut self, axis: &message::Axis) {
        let Some(pointer) = self.local_pointer() else { return };
        self.wayland.input.time = axis.time.get();
        let source = match axis.source {
            types::AxisSource::Wheel => AxisSource::Wheel,
            types::AxisSource::Finger => AxisSource::Finger,
            types::AxisSource::Continuous => AxisSource::Continuous,
            types::AxisSource::WheelTilt => AxisSource::WheelTilt,
        };
        let mut frame = AxisFrame::new(axis.time.get()).source(source);
        for (direction, value, v120, stop) in [
            (Axis::Horizontal, axis.x, axis.x120.get(), axis.stop_x),
            (Axis::Vertical, axis.y, axis.y120.get(), axis.stop_y),
        ] {
            if value.to_f64() != 0.0 {
                frame = frame.value(direction, value.to_f64());
            }
            if v120 != 0 {
                frame = frame.v120(direction, v120);
            }
            if stop.get() {
                frame = frame.stop(direction);
            }
        }
        pointer.axis(self, frame);
    }

    // Fingers.

    fn local_touch(&self) -> Option<TouchHandle<Self>> {
        self.wayland.seat.get_touch()
    }

    pub(super) fn local_touch_down(&mut self, id: u32, serial: u32, point: &TouchPoint) {
        let Some(touch) = self.local_touch() else { return };
        let (time, location) = self.local_touch_point(point);
        self.wayland.input.touches.insert(point.id.get());
        let focus = self.local_surface_at(id, location);
        let serial = self.wayland.input.serial(serial);
        touch.down(self, focus, &DownEvent { slot: slot(point.id.get()), location, serial, time });
    }

    pub(super) fn local_touch_motion(&mut self, id: u32, point: &TouchPoint) {
        let Some(touch) = self.local_touch() else { return };
        let (time, location) = self.local_touch_point(point);
        let focus = self.local_surface_at(id, location);
        touch.motion(self, focus, &touch::MotionEvent { slot: slot(point.id.get()), location, time });
    }

    fn local_touch_point(&mut self, point: &TouchPoint) -> (u32, Point<f64, Logical>) {
        self.wayland.input.time = point.time.get();
        (point.time.get(), (point.x.to_f64(), point.y.to_f64()).into())
    }

    pub(super) fn local_touch_up(&mut self, serial: u32, up: TouchUp) {
        let Some(touch) = self.local_touch() else { return };
        let time = up.time.get();
        self.wayland.input.time = time;
        self.wayland.input.touches.remove(&up.id.get());
        let serial = self.wayland.input.serial(serial);
        touch.up(self, &UpEvent { slot: slot(up.id.get()), serial, time });
    }

    pub(super) fn local_touch_frame(&mut self) {
        if let Some(touch) = self.local_touch() {
            touch.frame(self);
        }
    }

    pub(super) fn local_touch_cancel(&mut self) {
        if std::mem::take(&mut self.wayland.input.touches).is_empty() {
            return;
        }
        if let Some(touch) = self.local_touch() {
            touch.cancel(self);
        }
    }

    // The pointer's picture.

    pub(super) fn local_cursor_wish(&mut self, status: &CursorImageStatus) {
        let Some((_, serial)) = self.wayland.input.pointer else { return };
        let hidden = CursorChange {
            kind: CursorKind::Hidden,
            shape: 0,
            window: 0.into(),
            hot_x: 0.into(),
            hot_y: 0.into(),
        };
        let change = match status {
            CursorImageStatus::Hidden => hidden,
            CursorImageStatus::Named(icon) => {
                CursorChange { kind: CursorKind::Shape, shape: shape(*icon), ..hidden }
            }
            CursorImageStatus::Surface(surface) => {
                let Some(id) = self.local_small_window(surface, Role::Cursor) else { return };
                let hotspot = with_states(surface, |states| {
                    let data =
                        states.data_map.get::<CursorImageSurfaceData>().and_then(|data| data.lock().ok());
                    data.map(|data| data.hotspot).unwrap_or_default()
                });
                let near = |v: i32| v.clamp(-(MAX_DIMENSION as i32), MAX_DIMENSION as i32).into();
                let (hot_x, hot_y) = (near(hotspot.x), near(hotspot.y));
                CursorChange { kind: CursorKind::Window, window: id.into(), hot_x, hot_y, ..hidden }
            }
        };
        self.say(0, serial, &ToDom0::Cursor(&change));
    }

    /// The window of a surface that has just become a cursor or a drag icon.
    pub(super) fn local_small_window(&mut self, surface: &WlSurface, role: Role) -> Option<u32> {
        if id_of(surface).is_none() {
            self.wayland.windows.create(surface, role);
        }
        // It may have its picture already.
        self.local_commit(surface);
        id_of(surface).filter(|id| self.wayland.windows.announced(*id).is_some())
    }
}

fn slot(id: i32) -> TouchSlot {
    TouchSlot::from(u32::try_from(id).ok())
}

/// The number of a shape in `cursor-shape-v1`.
fn shape(icon: CursorIcon) -> u8 {
    use CursorIcon as C;
    /// In the order of the protocol, which begins with 1.
    const ALL: [CursorIcon; 34] = [
        C::Default,
        C::ContextMenu,
        C::Help,
        C::Pointer,
        C::Progress,
        C::Wait,
        C::Cell,
        C::Crosshair,
        C::Text,
        C::VerticalText,
        C::Alias,
        C::Copy,
        C::Move,
        C::NoDrop,
        C::NotAllowed,
        C::Grab,
        C::Grabbing,
        C::EResize,
        C::NResize,
        C::NeResize,
        C::NwResize,
        C::SResize,
        C::SeResize,
        C::SwResize,
        C::WResize,
        C::EwResize,
        C::NsResize,
        C::NeswResize,
        C::NwseResize,
        C::ColResize,
        C::RowResize,
        C::AllScroll,
        C::ZoomIn,
        C::ZoomOut,
    ];
    ALL.iter().position(|known| *known == icon).map_or(1, |at| at as u8 + 1)
}
