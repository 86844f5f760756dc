//! Keyboards, mice, touchpads and touch screens, by libinput.

use std::fmt;

use smithay::{
    backend::{
        input::{
            AbsolutePositionEvent, Axis, AxisRelativeDirection, AxisSource, ButtonState,
            GestureBeginEvent as _, GestureEndEvent as _, GesturePinchUpdateEvent as _,
            GestureSwipeUpdateEvent as _, InputEvent as DeviceEvent, KeyState, KeyboardKeyEvent as _,
            PointerAxisEvent as _, PointerButtonEvent as _, PointerMotionEvent as _, ProximityState, Switch,
            SwitchState, SwitchToggleEvent, TabletToolButtonEvent, TabletToolCapabilities, TabletToolEvent,
            TabletToolProximityEvent as _, TabletToolTipEvent, TabletToolTipState, TabletToolType,
            TouchEvent as _,
        },
        libinput::{LibinputInputBackend, LibinputSessionInterface, PointerScrollAxis},
        session::{Session as _, libseat::LibSeatSession},
    },
    reexports::{
        calloop::LoopHandle,
        input::{Device, Led, Libinput},
    },
    utils::{Logical, Point, Rectangle},
};
use tracing::{error, info, warn};
use transom_protocol::types::{self, GestureKind, GesturePhase, ToolKind, tool_axes};

use super::knobs::{self, Settable};
use crate::{
    Desktop, DesktopError,
    config::{
        devices::{DeviceConfig, DeviceKind, DeviceName, Setting, Settings},
        gestures::SwitchEvent,
    },
    input::{
        devices::{CannotBeSet, apply},
        event::{Gesture, InputEvent, ToolAct, ToolAxes},
        keyboard::Locks,
    },
    ipc,
};

/// The devices of the seat.
pub(super) struct Devices {
    context: Libinput,
    known: Vec<Known>,
    shown: Locks,
}

/// A device that is there.
struct Known {
    device: Device,
    name: DeviceName,
    settings: Settings,
    refused: Vec<(Setting, CannotBeSet)>,
}

impl Known {
    /// Puts its settings in force, as far as it has them.
    fn take_up(&mut self, config: &DeviceConfig) {
        self.settings = config.of(&self.name);
        self.refused = apply(&mut Settable(&mut self.device), &self.settings);
        for (setting, why) in &self.refused {
            warn!(device = ?self.name.name, %setting, %why, "a setting is not in force");
        }
    }
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Devices").field("known", &self.known.len()).finish_non_exhaustive()
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
        Ok(Self { context, known: Vec::new(), shown: Locks::default() })
    }

    pub(super) fn suspend(&mut self) {
        self.context.suspend();
    }

    pub(super) fn resume(&mut self) {
        if self.context.resume().is_err() {
            error!("not all devices came back");
        }
    }

    fn added(&mut self, mut device: Device, config: &DeviceConfig) {
        let name = knobs::name(&device);
        info!(device = ?name.name, id = name.id_text(), kinds = ?name.kinds, "a device is there");
        if name.kinds.contains(&DeviceKind::Keyboard) {
            device.led_update(lamps(self.shown));
        }
        let mut known = Known { device, name, settings: Settings::default(), refused: Vec::new() };
        known.take_up(config);
        self.known.push(known);
    }

    /// Other settings, for the devices that are there too. What they say nothing of any more stays as it
    /// is until a device comes again.
    pub(crate) fn take_up(&mut self, config: &DeviceConfig) {
        for known in &mut self.known {
            known.take_up(config);
        }
    }

    fn removed(&mut self, device: &Device) {
        self.known.retain(|known| known.device != *device);
    }

    /// The monitor that a device is meant for.
    fn output(&self, device: &Device) -> Option<&str> {
        self.known.iter().find(|known| known.device == *device).and_then(|known| known.settings.output())
    }

    pub(super) fn report(&self) -> Vec<ipc::Device> {
        let report = |known: &Known| ipc::Device {
            name: known.name.name.clone(),
            id: known.name.id_text(),
            kinds: known.name.kinds.iter().map(|kind| kind.name().to_owned()).collect(),
            settings: knobs::in_force(&known.device)
                .iter()
                .chain(known.settings.iter().filter(|setting| matches!(setting, Setting::MapToOutput(_))))
                .map(ToString::to_string)
                .collect(),
            refused: known.refused.iter().map(|(setting, why)| format!("{setting}: {why}")).collect(),
        };
        self.known.iter().map(report).collect()
    }

    pub(super) fn show_locks(&mut self, locks: Locks) {
        if std::mem::replace(&mut self.shown, locks) != locks {
            for known in &mut self.known {
                if known.name.kinds.contains(&DeviceKind::Keyboard) {
                    known.device.led_update(lamps(locks));
                }
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
                    drm.devices.added(device, &self.config.devices);
                }
            }
            DeviceEvent::DeviceRemoved { device } => {
                if let Some(drm) = self.backend.drm_mut() {
                    drm.devices.removed(&device);
                }
            }
            event => {
                let key = matches!(event, DeviceEvent::Keyboard { .. });
                if let Some(event) = translate(&event, |device| self.reach(device)) {
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

    /// What a device that points at places reaches over: its monitor, or the desktop.
    fn reach(&self, device: &Device) -> Rectangle<i32, Logical> {
        let wanted = self.backend.drm().and_then(|drm| drm.devices.output(device));
        let screen = wanted.and_then(|name| self.screens.named(name));
        screen.map_or_else(|| self.screens.area(), |screen| screen.area)
    }
}

/// The place on the desktop that a device points at.
fn place(
    event: &impl AbsolutePositionEvent<LibinputInputBackend>,
    reach: impl Fn(&Device) -> Rectangle<i32, Logical>,
) -> Point<f64, Logical> {
    let area = reach(&event.device());
    area.loc.to_f64() + event.position_transformed(area.size)
}

/// What a device says, in dom0's layout. `None`: nothing the desktop has a use for.
fn translate(
    event: &DeviceEvent<LibinputInputBackend>,
    reach: impl Fn(&Device) -> Rectangle<i32, Logical>,
) -> Option<InputEvent> {
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
            let at = place(event, reach);
            InputEvent::PointerTo { x: at.x, y: at.y }
        }
        DeviceEvent::PointerButton { event } => {
            InputEvent::Button { code: event.button_code(), pressed: event.state() == ButtonState::Pressed }
        }
        DeviceEvent::PointerAxis { event } => axis(event),
        DeviceEvent::TouchDown { event } => {
            let at = place(event, reach);
            InputEvent::TouchDown { id: event.slot().into(), x: at.x, y: at.y }
        }
        DeviceEvent::TouchMotion { event } => {
            let at = place(event, reach);
            InputEvent::TouchMotion { id: event.slot().into(), x: at.x, y: at.y }
        }
        DeviceEvent::TouchUp { event } => InputEvent::TouchUp { id: event.slot().into() },
        DeviceEvent::TouchFrame { .. } => InputEvent::TouchFrame,
        DeviceEvent::TouchCancel { .. } => InputEvent::TouchCancel,
        DeviceEvent::TabletToolProximity { event } => {
            let act = match event.state() {
                ProximityState::In => tool(event)?,
                ProximityState::Out => ToolAct::Out,
            };
            tool_event(act, event, reach)
        }
        DeviceEvent::TabletToolAxis { event } => tool_event(ToolAct::Moved, event, reach),
        DeviceEvent::TabletToolTip { event } => tool_event(
            ToolAct::Tip(TabletToolTipEvent::tip_state(event) == TabletToolTipState::Down),
            event,
            reach,
        ),
        DeviceEvent::TabletToolButton { event } => {
            let pressed = TabletToolButtonEvent::button_state(event) == ButtonState::Pressed;
            tool_event(ToolAct::Button { code: TabletToolButtonEvent::button(event), pressed }, event, reach)
        }
        DeviceEvent::SwitchToggle { event } => {
            let on = SwitchToggleEvent::state(event) == SwitchState::On;
            InputEvent::Switch(match (SwitchToggleEvent::switch(event)?, on) {
                (Switch::Lid, true) => SwitchEvent::LidClose,
                (Switch::Lid, false) => SwitchEvent::LidOpen,
                (Switch::TabletMode, true) => SwitchEvent::TabletModeOn,
                (Switch::TabletMode, false) => SwitchEvent::TabletModeOff,
                _ => return None,
            })
        }
        event => InputEvent::Gesture(gesture(event)?),
    })
}

fn axis(event: &PointerScrollAxis) -> InputEvent {
    let v120 = |axis| event.amount_v120(axis).map_or(0, |amount| amount.round() as i32);
    // A wheel's step is worth 15 units, as everywhere.
    let by = |axis| event.amount(axis).or_else(|| event.amount_v120(axis).map(|a| a / 8.0)).unwrap_or(0.0);
    // Fingers that are lifted say so by a distance of 0.
    let stop = |axis| event.source() != AxisSource::Wheel && event.amount(axis) == Some(0.0);
    InputEvent::Axis {
        source: match event.source() {
            AxisSource::Wheel => types::AxisSource::Wheel,
            AxisSource::Finger => types::AxisSource::Finger,
            AxisSource::Continuous => types::AxisSource::Continuous,
            AxisSource::WheelTilt => types::AxisSource::WheelTilt,
        },
        x: by(Axis::Horizontal),
        y: by(Axis::Vertical),
        x120: v120(Axis::Horizontal),
        y120: v120(Axis::Vertical),
        stop: (stop(Axis::Horizontal), stop(Axis::Vertical)),
        inverted: event.relative_direction(Axis::Vertical) == AxisRelativeDirection::Inverted,
    }
}

fn gesture(event: &DeviceEvent<LibinputInputBackend>) -> Option<Gesture> {
    let begin = |kind, fingers| Gesture { kind, fingers, ..Gesture::default() };
    let end = |kind, cancelled| {
        let phase = if cancelled { GesturePhase::Cancel } else { GesturePhase::End };
        Gesture { kind, phase, ..Gesture::default() }
    };
    Some(match event {
        DeviceEvent::GestureSwipeBegin { event } => begin(GestureKind::Swipe, event.fingers()),
        DeviceEvent::GestureSwipeUpdate { event } => Gesture {
            kind: GestureKind::Swipe,
            phase: GesturePhase::Update,
            dx: event.delta_x(),
            dy: event.delta_y(),
            ..Gesture::default()
        },
        DeviceEvent::GestureSwipeEnd { event } => end(GestureKind::Swipe, event.cancelled()),
        DeviceEvent::GesturePinchBegin { event } => begin(GestureKind::Pinch, event.fingers()),
        DeviceEvent::GesturePinchUpdate { event } => Gesture {
            kind: GestureKind::Pinch,
            phase: GesturePhase::Update,
            dx: event.delta_x(),
            dy: event.delta_y(),
            scale: event.scale(),
            rotation: event.rotation(),
            ..Gesture::default()
        },
        DeviceEvent::GesturePinchEnd { event } => end(GestureKind::Pinch, event.cancelled()),
        DeviceEvent::GestureHoldBegin { event } => begin(GestureKind::Hold, event.fingers()),
        DeviceEvent::GestureHoldEnd { event } => end(GestureKind::Hold, event.cancelled()),
        _ => return None,
    })
}

/// What comes near. `None`: nothing to draw with.
fn tool(event: &impl TabletToolEvent<LibinputInputBackend>) -> Option<ToolAct> {
    let tool = event.tool();
    let kind = match tool.tool_type {
        TabletToolType::Pen | TabletToolType::Unknown => ToolKind::Pen,
        TabletToolType::Eraser => ToolKind::Eraser,
        TabletToolType::Brush => ToolKind::Brush,
        TabletToolType::Pencil => ToolKind::Pencil,
        TabletToolType::Airbrush => ToolKind::Airbrush,
        TabletToolType::Mouse => ToolKind::Mouse,
        TabletToolType::Lens => ToolKind::Lens,
        TabletToolType::Totem => return None,
    };
    let bits = [
        (TabletToolCapabilities::PRESSURE, tool_axes::PRESSURE),
        (TabletToolCapabilities::DISTANCE, tool_axes::DISTANCE),
        (TabletToolCapabilities::TILT, tool_axes::TILT),
        (TabletToolCapabilities::ROTATION, tool_axes::ROTATION),
        (TabletToolCapabilities::SLIDER, tool_axes::SLIDER),
        (TabletToolCapabilities::WHEEL, tool_axes::WHEEL),
    ];
    let axes = bits.iter().filter(|(capability, _)| tool.capabilities.contains(*capability));
    Some(ToolAct::In { kind, axes: axes.fold(0, |all, (_, bit)| all | bit) })
}

fn tool_event(
    act: ToolAct,
    event: &impl TabletToolEvent<LibinputInputBackend>,
    reach: impl Fn(&Device) -> Rectangle<i32, Logical>,
) -> InputEvent {
    let at = place(event, reach);
    let wheel = if event.wheel_has_changed() {
        (event.wheel_delta(), event.wheel_delta_discrete())
    } else {
        (0.0, 0)
    };
    let axes = ToolAxes {
        pressure: event.pressure(),
        distance: event.distance(),
        tilt: event.tilt(),
        rotation: event.rotation(),
        slider: event.slider_position(),
        wheel,
    };
    InputEvent::Tool { act, x: at.x, y: at.y, axes }
}
