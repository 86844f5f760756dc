//! The pointer while a program drags: no surface has it, and its button's release is the drop.

use smithay::{
    input::{
        SeatHandler,
        pointer::{
            AxisFrame, ButtonEvent, GestureHoldBeginEvent, GestureHoldEndEvent, GesturePinchBeginEvent,
            GesturePinchEndEvent, GesturePinchUpdateEvent, GestureSwipeBeginEvent, GestureSwipeEndEvent,
            GestureSwipeUpdateEvent, GrabStartData, MotionEvent, PointerGrab, PointerInnerHandle,
            RelativeMotionEvent,
        },
    },
    reexports::wayland_server::{
        Client, DataInit, Dispatch, DisplayHandle, Resource,
        protocol::{
            wl_data_device::{self, WlDataDevice},
            wl_surface::WlSurface,
        },
    },
    utils::{Logical, Point, Serial},
    wayland::selection::data_device::{DataDeviceState, DataDeviceUserData},
};

use super::may_be_icon;
use crate::Agent;

/// See the module's text.
pub(super) struct DragGrab {
    start: GrabStartData<Agent>,
}

impl DragGrab {
    pub(super) fn new(start: GrabStartData<Agent>) -> Self {
        Self { start }
    }
}

type Handle<'a, 'b> = &'a mut PointerInnerHandle<'b, Agent>;
type Under = Option<(<Agent as SeatHandler>::PointerFocus, Point<f64, Logical>)>;

/// What a drag has nothing to do with goes where it would go anyway.
macro_rules! passed_on {
    ($($name:ident $event:ty;)*) => {$(
        fn $name(&mut self, agent: &mut Agent, handle: Handle<'_, '_>, event: &$event) {
            handle.$name(agent, event);
        }
    )*};
}

impl PointerGrab<Agent> for DragGrab {
    fn motion(&mut self, agent: &mut Agent, handle: Handle<'_, '_>, focus: Under, event: &MotionEvent) {
        handle.motion(agent, None, event);
        agent.drag_over(focus, event);
    }

    fn relative_motion(
        &mut self,
        agent: &mut Agent,
        handle: Handle<'_, '_>,
        focus: Under,
        event: &RelativeMotionEvent,
    ) {
        handle.relative_motion(agent, focus, event);
    }

    fn button(&mut self, agent: &mut Agent, handle: Handle<'_, '_>, event: &ButtonEvent) {
        if handle.current_pressed().is_empty() {
            handle.unset_grab(self, agent, event.serial, event.time, true);
        }
    }

    fn axis(&mut self, agent: &mut Agent, handle: Handle<'_, '_>, details: AxisFrame) {
        handle.axis(agent, details);
    }

    fn frame(&mut self, agent: &mut Agent, handle: Handle<'_, '_>) {
        handle.frame(agent);
    }

    passed_on! {
        gesture_swipe_begin GestureSwipeBeginEvent;
        gesture_swipe_update GestureSwipeUpdateEvent;
        gesture_swipe_end GestureSwipeEndEvent;
        gesture_pinch_begin GesturePinchBeginEvent;
        gesture_pinch_update GesturePinchUpdateEvent;
        gesture_pinch_end GesturePinchEndEvent;
        gesture_hold_begin GestureHoldBeginEvent;
        gesture_hold_end GestureHoldEndEvent;
    }

    fn start_data(&self) -> &GrabStartData<Agent> {
        &self.start
    }

    fn unset(&mut self, agent: &mut Agent) {
        agent.drag_released();
    }
}

/// A drag with something to hand out, begun with the pointer, is the agent's. Smithay has the rest: it
/// keeps those of fingers, and those that stay within their program, in the window they began in.
impl Dispatch<WlDataDevice, DataDeviceUserData> for Agent {
    fn request(
        agent: &mut Self,
        client: &Client,
        device: &WlDataDevice,
        request: wl_data_device::Request,
        data: &DataDeviceUserData,
        display: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wl_data_device::Request::StartDrag { source: Some(source), origin, icon, serial } = &request
            && agent.has_press(Serial::from(*serial), origin)
        {
            if may_be_icon(icon.as_ref()) {
                agent.start_drag(source.clone(), icon.clone(), Serial::from(*serial));
            } else {
                device.post_error(wl_data_device::Error::Role, "the icon is something else already");
            }
            return;
        }
        DataDeviceState::request(agent, client, device, request, data, display, init);
    }
}

impl Agent {
    /// The pointer is held by this press, on a surface of the program whose surface this is.
    fn has_press(&self, serial: Serial, origin: &WlSurface) -> bool {
        let Some(pointer) = self.seat.get_pointer().filter(|pointer| pointer.has_grab(serial)) else {
            return false;
        };
        let focus = pointer.grab_start_data().and_then(|start| start.focus);
        focus.is_some_and(|(surface, _)| surface.id().same_client_as(&origin.id()))
    }
}
