//! Fingers.

use smithay::{
    backend::input::TouchSlot,
    input::touch::{DownEvent, MotionEvent, TouchHandle, UpEvent},
};
use transom_protocol::message::{TouchPoint, TouchUp};

use crate::Agent;

fn slot(id: i32) -> TouchSlot {
    TouchSlot::from(u32::try_from(id).ok())
}

impl Agent {
    fn touch(&self) -> Option<TouchHandle<Self>> {
        self.seat.get_touch()
    }

    pub(crate) fn touch_down(&mut self, id: u32, serial: u32, point: &TouchPoint) {
        let Some(touch) = self.touch() else { return };
        let time = point.time.get();
        self.input.time = time;
        self.input.touches.insert(point.id.get(), id);
        self.input.last_press = Some((id, serial));
        let location = (point.x.to_f64(), point.y.to_f64()).into();
        let focus = self.surface_under(id, location);
        let serial = self.input.serial(serial);
        touch.down(self, focus, &DownEvent { slot: slot(point.id.get()), location, serial, time });
    }

    pub(crate) fn touch_motion(&mut self, id: u32, point: &TouchPoint) {
        let Some(touch) = self.touch() else { return };
        let time = point.time.get();
        self.input.time = time;
        let location = (point.x.to_f64(), point.y.to_f64()).into();
        let focus = self.surface_under(id, location);
        touch.motion(self, focus, &MotionEvent { slot: slot(point.id.get()), location, time });
    }

    pub(crate) fn touch_up(&mut self, serial: u32, up: TouchUp) {
        let Some(touch) = self.touch() else { return };
        let time = up.time.get();
        self.input.time = time;
        self.input.touches.remove(&up.id.get());
        let serial = self.input.serial(serial);
        touch.up(self, &UpEvent { slot: slot(up.id.get()), serial, time });
    }

    pub(crate) fn touch_frame(&mut self) {
        if let Some(touch) = self.touch() {
            touch.frame(self);
        }
    }

    pub(crate) fn touch_cancel(&mut self) {
        if std::mem::take(&mut self.input.touches).is_empty() {
            return;
        }
        if let Some(touch) = self.touch() {
            touch.cancel(self);
        }
    }
}
