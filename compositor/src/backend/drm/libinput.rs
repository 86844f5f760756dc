//! Keyboards, mice, touchpads and touch screens, by libinput.

use std::fmt;

use smithay::{
    backend::{
        input::{
            AbsolutePositionEvent, Axis, AxisSource, ButtonState, InputEvent as DeviceEvent, KeyState,
            KeyboardKeyEvent as _, PointerAxisEvent, PointerButtonEvent as _, PointerMotionEvent as _,
            Switch, SwitchState, SwitchToggleEvent, TouchEvent as _,
        },
        libinput::{LibinputInputBackend, LibinputSessionInterface},
        session::{Session as _, libseat::LibSeatSession},
    },
    reexports::{
        calloop::LoopHandle,
        input::{Device, DeviceCapability, Led, Libinput},
    },
    utils::{Logical, Size},
};
use tracing::{error, info};
use transom_protocol::types;

use crate::{
    Desktop, DesktopError,
    input::{event::InputEvent, keyboard::Locks},
};

/// The devices of the seat.
pub(super) struct Devices {
    context: Libinput,
    keyboards: Vec<Device>,
    shown: Locks,
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devices").field("keyboards", &self.keyboards.len()).finish_non_exhaustive()
    }
}

impl Devices {
    pub(super) fn start(
        handle: &LoopHandle<'static, Desktop>,
        session: &LibSeatSession,
    ) -> Result<Self, DesktopError> {
        let mut context = Libinput::new_with_udev(LibinputSessionInterface::from(session.clone()));
        context
            .udev_assign_seat(&session.seat())
            .map_err(|()| DesktopError::Seat("libinput finds no devices on this seat".into()))?;
        handle
            .insert_source(LibinputInputBackend::new(context.clone()), |event, (), desktop: &mut Desktop| {
                desktop.device_event(event);
            })
            .map_err(|error| DesktopError::Loop(error.to_string()))?;
        Ok(Self { context, keyboards: Vec::new(), shown: Locks::default() })
    }

    pub(super) fn suspend(&mut self) {
        self.context.suspend();
    }

    pub(super) fn resume(&mut self) {
        if self.context.resume().is_err() {
            error!("not all devices came back");
        }
    }

    fn added(&mut self, mut device: Device) {
        info!(device = ?device.name(), "a device is there");
        // A touchpad without buttons could not click otherwise.
        if device.config_tap_finger_count() > 0 && device.config_tap_set_enabled(true).is_err() {
            error!(device = ?device.name(), "taps are no clicks there");
        }
        if device.has_capability(DeviceCapability::Keyboard) {
            device.led_update(lamps(self.shown));
            self.keyboards.push(device);
        }
    }

    pub(super) fn show_locks(&mut self, locks: Locks) {
        if std::mem::replace(&mut self.shown, locks) != locks {
            for keyboard in &mut self.keyboards {
                keyboard.led_update(lamps(locks));
            }
        }
    }
}

fn lamps(locks: Locks) -> Led {
    let lamp = |on, led| if on { led } else { Led::empty() };
    lamp(locks.caps, Led::CAPSLOCK) | lamp(locks.num, Led::NUMLOCK) | lamp(locks.scroll, Led::SCROLLLOCK)
}

impl Desktop {
    fn device_event(&mut self, event: DeviceEvent<LibinputInputBackend>) {
        match event {
            DeviceEvent::DeviceAdded { device } => {
                if let Some(drm) = self.backend.drm_mut() {
                    drm.devices.added(device);
                }
            }
            DeviceEvent::DeviceRemoved { device } => {
                if let Some(drm) = self.backend.drm_mut() {
                    drm.devices.keyboards.retain(|kept| *kept != device);
                }
            }
            DeviceEvent::SwitchToggle { event } => {
                let (switch, state) = (SwitchToggleEvent::switch(&event), SwitchToggleEvent::state(&event));
                if switch == Some(Switch::Lid) && state == SwitchState::On {
                    info!("the lid is closed");
                    self.lock();
                }
            }
            event => {
                let key = matches!(event, DeviceEvent::Keyboard { .. });
                if let Some(event) = translate(&event, self.screens.area().size) {
                    self.input(event);
                }
                if key {
                    let locks = self.input.keyboard.locks();
                    if let Some(drm) = self.backend.drm_mut() {
                        drm.show_locks(locks);
                    }
                }
            }
        }
    }
}

/// What a device says, in dom0's layout. Absolute devices reach over all of the desktop. `None`:
/// nothing the desktop has a use for yet.
fn translate(event: &DeviceEvent<LibinputInputBackend>, desktop: Size<i32, Logical>) -> Option<InputEvent> {
    Some(match event {
        DeviceEvent::Keyboard { event } => InputEvent::Key {
            // XKB counts from 8.
            code: event.key_code().raw().checked_sub(8)?,
            pressed: event.state() == KeyState::Pressed,
        },
        DeviceEvent::PointerMotion { event } => InputEvent::PointerBy {
            dx: event.delta_x(),
            dy: event.delta_y(),
            raw_dx: event.delta_x_unaccel(),
            raw_dy: event.delta_y_unaccel(),
        },
        DeviceEvent::PointerMotionAbsolute { event } => {
            let at = event.position_transformed(desktop);
            InputEvent::PointerTo { x: at.x, y: at.y }
        }
        DeviceEvent::PointerButton { event } => {
            InputEvent::Button { code: event.button_code(), pressed: event.state() == ButtonState::Pressed }
        }
        DeviceEvent::PointerAxis { event } => {
            let v120 = |axis| event.amount_v120(axis).map(|amount| amount.round() as i32);
            // A wheel's step is worth 15 units, as everywhere.
            let by =
                |axis| event.amount(axis).or_else(|| event.amount_v120(axis).map(|a| a / 8.0)).unwrap_or(0.0);
            InputEvent::Axis {
                source: match event.source() {
                    AxisSource::Wheel => types::AxisSource::Wheel,
                    AxisSource::Finger => types::AxisSource::Finger,
                    AxisSource::Continuous => types::AxisSource::Continuous,
                    AxisSource::WheelTilt => types::AxisSource::WheelTilt,
                },
                x: by(Axis::Horizontal),
                y: by(Axis::Vertical),
                x120: v120(Axis::Horizontal).unwrap_or(0),
                y120: v120(Axis::Vertical).unwrap_or(0),
            }
        }
        DeviceEvent::TouchDown { event } => {
            let at = event.position_transformed(desktop);
            InputEvent::TouchDown { id: event.slot().into(), x: at.x, y: at.y }
        }
        DeviceEvent::TouchMotion { event } => {
            let at = event.position_transformed(desktop);
            InputEvent::TouchMotion { id: event.slot().into(), x: at.x, y: at.y }
        }
        DeviceEvent::TouchUp { event } => InputEvent::TouchUp { id: event.slot().into() },
        DeviceEvent::TouchFrame { .. } => InputEvent::TouchFrame,
        DeviceEvent::TouchCancel { .. } => InputEvent::TouchCancel,
        _ => return None,
    })
}
