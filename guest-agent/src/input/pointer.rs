//! The pointer: motion, buttons, wheel, gestures and constraints.

use smithay::{
    backend::input::{Axis, AxisRelativeDirection, AxisSource, ButtonState},
    input::pointer::{
        AxisFrame, ButtonEvent, GestureHoldBeginEvent, GestureHoldEndEvent, GesturePinchBeginEvent,
        GesturePinchEndEvent, GesturePinchUpdateEvent, GestureSwipeBeginEvent, GestureSwipeEndEvent,
        GestureSwipeUpdateEvent, MotionEvent, PointerHandle, RelativeMotionEvent,
    },
    reexports::wayland_server::{Resource, protocol::wl_surface::WlSurface},
    utils::{Logical, Point, SERIAL_COUNTER},
    wayland::pointer_constraints::{PointerConstraint, with_pointer_constraint},
};
use transom_protocol::{
    message::{self, ToDom0, tail_bytes},
    types::{self, Constraint, GestureKind, GesturePhase, Rect},
    wire::With,
};

use crate::{
    Agent,
    windows::{id_of, region},
};

impl Agent {
    fn pointer(&self) -> Option<PointerHandle<Self>> {
        self.seat.get_pointer()
    }

    pub(crate) fn pointer_enter(&mut self, id: u32, serial: u32, x: f64, y: f64) {
        self.input.pointer = Some((id, serial));
        self.move_pointer(id, serial, (x, y).into());
    }

    pub(crate) fn motion(&mut self, id: u32, motion: &message::TimedPosition) {
        self.input.time = motion.time.get();
        self.move_pointer(id, 0, (motion.x.to_f64(), motion.y.to_f64()).into());
    }

    pub(super) fn move_pointer(&mut self, id: u32, serial: u32, location: Point<f64, Logical>) {
        let Some(pointer) = self.pointer() else { return };
        let under = self.surface_under(id, location);
        self.input.under.clone_from(&under);
        let focus = under.or_else(|| {
            // dom0 says it is in the window, a program's input region says nobody is there.
            (pointer.is_grabbed() && !self.drags.holds())
                .then(|| self.windows.get(id).map(|w| (w.surface.clone(), (0.0, 0.0).into())))
                .flatten()
        });
        let (serial, time) = (self.input.serial(serial), self.input.time);
        pointer.motion(self, focus, &MotionEvent { location, serial, time });
    }

    /// A program has changed what lies under the pointer, though it did not move.
    pub(crate) fn refresh_pointer(&mut self) {
        let (Some((id, _)), Some(pointer)) = (self.input.pointer, self.pointer()) else { return };
        let location = pointer.current_location();
        if !pointer.is_grabbed() && self.surface_under(id, location) != self.input.under {
            self.move_pointer(id, 0, location);
            pointer.frame(self);
        }
    }

    pub(crate) fn pointer_leave(&mut self) {
        self.input.under = None;
        if self.input.pointer.take().is_none() {
            return;
        }
        self.end_gesture();
        let Some(pointer) = self.pointer() else { return };
        let (serial, time) = (SERIAL_COUNTER.next_serial(), self.input.time);
        // A drag that dom0 lets go over all windows has left this one; every other ends here.
        let roams = self.drags.roams();
        if !roams {
            self.cancel_drag();
        }
        // A button that is down keeps its window in smithay's eyes; dom0 has ended that.
        if pointer.is_grabbed() && !roams {
            pointer.unset_grab(self, serial, time);
        }
        let location = pointer.current_location();
        pointer.motion(self, None, &MotionEvent { location, serial, time });
        if !roams {
            // No program hears of it: the pointer is in none.
            self.release_buttons();
        }
        pointer.frame(self);
    }

    /// Buttons that are down are up: their release will not be heard.
    pub(crate) fn release_buttons(&mut self) {
        let Some(pointer) = self.pointer() else { return };
        let time = self.input.time;
        for button in std::mem::take(&mut self.input.pressed) {
            let (serial, state) = (SERIAL_COUNTER.next_serial(), ButtonState::Released);
            pointer.button(self, &ButtonEvent { serial, time, button, state });
        }
    }

    pub(crate) fn pointer_frame(&mut self) {
        if let Some(pointer) = self.pointer() {
            pointer.frame(self);
        }
    }

    pub(crate) fn button(&mut self, id: u32, serial: u32, button: &message::Button) {
        let Some(pointer) = self.pointer() else { return };
        self.input.time = button.time.get();
        let state = match button.state {
            types::ButtonState::Pressed => {
                self.input.last_press = Some((id, serial));
                self.input.pressed.insert(button.code.get());
                ButtonState::Pressed
            }
            // One that went up with the end of a drag is up already.
            types::ButtonState::Released if !self.input.pressed.remove(&button.code.get()) => return,
            types::ButtonState::Released => ButtonState::Released,
        };
        let serial = self.input.serial(serial);
        let event = ButtonEvent { serial, time: button.time.get(), button: button.code.get(), state };
        pointer.button(self, &event);
    }

    pub(crate) fn axis(&mut self, axis: &message::Axis) {
        let Some(pointer) = self.pointer() else { return };
        self.input.time = axis.time.get();
        let source = match axis.source {
            types::AxisSource::Wheel => AxisSource::Wheel,
            types::AxisSource::Finger => AxisSource::Finger,
            types::AxisSource::Continuous => AxisSource::Continuous,
            types::AxisSource::WheelTilt => AxisSource::WheelTilt,
        };
        let mut frame = AxisFrame::new(axis.time.get()).source(source);
        let parts = [
            (Axis::Horizontal, axis.x, axis.x120.get(), axis.stop_x),
            (Axis::Vertical, axis.y, axis.y120.get(), axis.stop_y),
        ];
        for (direction, value, v120, stop) in parts {
            if value.to_f64() != 0.0 {
                frame = frame.value(direction, value.to_f64());
            }
            if v120 != 0 {
                frame = frame.v120(direction, v120);
            }
            if stop.get() {
                frame = frame.stop(direction);
            }
            if axis.inverted.get() {
                frame = frame.relative_direction(direction, AxisRelativeDirection::Inverted);
            }
        }
        pointer.axis(self, frame);
    }

    pub(crate) fn relative_motion(&mut self, motion: &message::RelativeMotion) {
        let Some(pointer) = self.pointer() else { return };
        let focus = pointer.current_focus().map(|surface| (surface, Point::default()));
        let event = RelativeMotionEvent {
            delta: (motion.x.to_f64(), motion.y.to_f64()).into(),
            delta_unaccel: (motion.raw_x.to_f64(), motion.raw_y.to_f64()).into(),
            utime: motion.time_us.get(),
        };
        pointer.relative_motion(self, focus, &event);
    }

    pub(crate) fn gesture(&mut self, serial: u32, gesture: &message::Gesture) {
        let Some(pointer) = self.pointer() else { return };
        let (time, fingers) = (gesture.time.get(), gesture.fingers.get());
        let delta = (gesture.x.to_f64(), gesture.y.to_f64()).into();
        let cancelled = gesture.phase == GesturePhase::Cancel;
        let serial = self.input.serial(serial);
        self.input.time = time;
        self.input.gesture =
            (!matches!(gesture.phase, GesturePhase::End | GesturePhase::Cancel)).then_some(gesture.kind);
        match (gesture.kind, gesture.phase) {
            (GestureKind::Swipe, GesturePhase::Begin) => {
                pointer.gesture_swipe_begin(self, &GestureSwipeBeginEvent { serial, time, fingers });
            }
            (GestureKind::Swipe, GesturePhase::Update) => {
                pointer.gesture_swipe_update(self, &GestureSwipeUpdateEvent { time, delta });
            }
            (GestureKind::Swipe, _) => {
                pointer.gesture_swipe_end(self, &GestureSwipeEndEvent { serial, time, cancelled });
            }
            (GestureKind::Pinch, GesturePhase::Begin) => {
                pointer.gesture_pinch_begin(self, &GesturePinchBeginEvent { serial, time, fingers });
            }
            (GestureKind::Pinch, GesturePhase::Update) => {
                let (scale, rotation) = (gesture.scale.to_f64(), gesture.rotation.to_f64());
                pointer.gesture_pinch_update(self, &GesturePinchUpdateEvent { time, delta, scale, rotation });
            }
            (GestureKind::Pinch, _) => {
                pointer.gesture_pinch_end(self, &GesturePinchEndEvent { serial, time, cancelled });
            }
            (GestureKind::Hold, GesturePhase::Begin) => {
                pointer.gesture_hold_begin(self, &GestureHoldBeginEvent { serial, time, fingers });
            }
            (GestureKind::Hold, GesturePhase::Update) => {}
            (GestureKind::Hold, _) => {
                pointer.gesture_hold_end(self, &GestureHoldEndEvent { serial, time, cancelled });
            }
        }
    }

    /// The pointer leaves, or dom0 is gone: a gesture under way was nothing after all.
    fn end_gesture(&mut self) {
        let (Some(kind), Some(pointer)) = (self.input.gesture.take(), self.pointer()) else { return };
        let (serial, time, cancelled) = (SERIAL_COUNTER.next_serial(), self.input.time, true);
        match kind {
            GestureKind::Swipe => {
                pointer.gesture_swipe_end(self, &GestureSwipeEndEvent { serial, time, cancelled });
            }
            GestureKind::Pinch => {
                pointer.gesture_pinch_end(self, &GesturePinchEndEvent { serial, time, cancelled });
            }
            GestureKind::Hold => {
                pointer.gesture_hold_end(self, &GestureHoldEndEvent { serial, time, cancelled });
            }
        }
    }

    /// A program asks to lock or confine the pointer, or has given that up: dom0 is told.
    pub(crate) fn tell_constraint(&mut self) {
        let Some(pointer) = self.pointer() else { return };
        let wanted = pointer.current_focus().and_then(|surface| {
            let root = root_of(&surface);
            let id = id_of(&root)?;
            let (kind, rects) = with_pointer_constraint(&surface, &pointer, |constraint| {
                let constraint = constraint?;
                let kind = match &*constraint {
                    PointerConstraint::Confined(_) => Constraint::Confine,
                    PointerConstraint::Locked(_) => Constraint::Lock,
                };
                let rects =
                    constraint.region().map(|r| region::rects(r).unwrap_or_else(|| region::bounds(r)));
                Some((kind, rects.unwrap_or_default()))
            })?;
            Some((id, kind, rects))
        });
        let now = wanted.as_ref().map(|(id, kind, _)| (*id, *kind));
        if now == self.input.constraint {
            return;
        }
        if let Some((id, _)) = self.input.constraint.take()
            && now.is_none_or(|(new, _)| new != id)
        {
            self.send_constraint(id, Constraint::None, &[]);
        }
        if let Some((id, kind, rects)) = wanted {
            self.input.constraint = Some((id, kind));
            self.send_constraint(id, kind, &rects);
        }
    }

    fn send_constraint(&mut self, id: u32, constraint: Constraint, rects: &[Rect]) {
        if !self.windows.get(id).is_some_and(|w| w.announced) {
            return;
        }
        let Some(link) = self.dom0.open() else { return };
        let fixed = message::PointerConstraint {
            constraint,
            has_hint: false.into(),
            hint_x: 0.0.into(),
            hint_y: 0.0.into(),
            rects: (rects.len() as u16).into(),
        };
        let message = With { fixed: &fixed, tail: tail_bytes(rects) };
        link.send(id, 0, &ToDom0::PointerConstraint(message));
    }

    /// dom0 has put the constraint in force, or ended it.
    pub(crate) fn constraint_active(&mut self, on: bool) {
        let Some(pointer) = self.pointer() else { return };
        let Some(surface) = pointer.current_focus() else { return };
        with_pointer_constraint(&surface, &pointer, |constraint| {
            let Some(constraint) = constraint else { return };
            if on {
                constraint.activate();
            } else {
                constraint.deactivate();
            }
        });
        if !on {
            // One that lasts may be asked for again; the program's wish is told anew.
            self.input.constraint = None;
        }
    }
}

/// The surface that a subsurface belongs to in the end.
pub(crate) fn root_of(surface: &WlSurface) -> WlSurface {
    let mut root = surface.clone();
    while root.is_alive()
        && let Some(parent) = smithay::wayland::compositor::get_parent(&root)
    {
        root = parent;
    }
    root
}
