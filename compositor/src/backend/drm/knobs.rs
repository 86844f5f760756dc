//! What libinput's devices are, what can be set on them, and what is in force.

use smithay::reexports::{
    input::{self, Device, DeviceCapability, DeviceConfigError, SendEventsMode},
    udev,
};

use crate::{
    config::devices::{
        AccelProfile, ClickMethod, DeviceKind, DeviceName, ScrollMethod, SendEvents, Setting, TapButtonMap,
    },
    input::devices::{CannotBeSet, Knobs},
};

/// Name, number and kinds of a device.
pub(super) fn name(device: &Device) -> DeviceName {
    let has = |capability| device.has_capability(capability);
    let mut kinds = Vec::new();
    if has(DeviceCapability::Pointer) {
        // libinput says so of touchpads only.
        kinds.push(if device.config_tap_finger_count() > 0 {
            DeviceKind::Touchpad
        } else if is_stick(device) {
            DeviceKind::Trackpoint
        } else {
            DeviceKind::Mouse
        });
    }
    let others = [
        (DeviceCapability::TabletTool, DeviceKind::Tablet),
        (DeviceCapability::TabletPad, DeviceKind::Tablet),
        (DeviceCapability::Touch, DeviceKind::Touch),
        (DeviceCapability::Keyboard, DeviceKind::Keyboard),
        (DeviceCapability::Switch, DeviceKind::Switch),
    ];
    for (capability, kind) in others {
        if has(capability) && !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    DeviceName { name: device.name().to_owned(), id: (device.id_vendor(), device.id_product()), kinds }
}

/// A stick among the keys, as udev says: libinput does not.
fn is_stick(device: &Device) -> bool {
    udev::Device::from_subsystem_sysname("input".into(), device.sysname().to_owned())
        .is_ok_and(|device| device.property_value("ID_INPUT_POINTINGSTICK").is_some_and(|value| value == "1"))
}

/// A device of libinput as something that can be set.
pub(super) struct Settable<'a>(pub(super) &'a mut Device);

impl Knobs for Settable<'_> {
    fn set(&mut self, setting: &Setting) -> Result<(), CannotBeSet> {
        let device = &mut *self.0;
        let done = match setting {
            Setting::SendEvents(value) => device.config_send_events_set_mode(match value {
                SendEvents::Enabled => SendEventsMode::ENABLED,
                SendEvents::Disabled => SendEventsMode::DISABLED,
                SendEvents::DisabledOnExternalMouse => SendEventsMode::DISABLED_ON_EXTERNAL_MOUSE,
            }),
            Setting::Tap(on) => device.config_tap_set_enabled(*on),
            Setting::TapButtonMap(map) => device.config_tap_set_button_map(match map {
                TapButtonMap::LeftRightMiddle => input::TapButtonMap::LeftRightMiddle,
                TapButtonMap::LeftMiddleRight => input::TapButtonMap::LeftMiddleRight,
            }),
            Setting::TapDrag(on) => device.config_tap_set_drag_enabled(*on),
            Setting::TapDragLock(on) => device.config_tap_set_drag_lock_enabled(*on),
            Setting::Dwt(on) => device.config_dwt_set_enabled(*on),
            Setting::NaturalScroll(on) => device.config_scroll_set_natural_scroll_enabled(*on),
            Setting::AccelSpeed(speed) => device.config_accel_set_speed(*speed),
            Setting::AccelProfile(profile) => device.config_accel_set_profile(match profile {
                AccelProfile::Adaptive => input::AccelProfile::Adaptive,
                AccelProfile::Flat => input::AccelProfile::Flat,
            }),
            Setting::ClickMethod(method) => device.config_click_set_method(match method {
                ClickMethod::ButtonAreas => input::ClickMethod::ButtonAreas,
                ClickMethod::Clickfinger => input::ClickMethod::Clickfinger,
            }),
            Setting::ScrollMethod(method) => device.config_scroll_set_method(match method {
                ScrollMethod::None => input::ScrollMethod::NoScroll,
                ScrollMethod::TwoFinger => input::ScrollMethod::TwoFinger,
                ScrollMethod::Edge => input::ScrollMethod::Edge,
                ScrollMethod::OnButtonDown => input::ScrollMethod::OnButtonDown,
            }),
            Setting::ScrollButton(code) => device.config_scroll_set_button(*code),
            Setting::MiddleEmulation(on) => device.config_middle_emulation_set_enabled(*on),
            Setting::LeftHanded(on) => device.config_left_handed_set(*on),
            // The desktop's own; it holds for devices that point at a place by themselves.
            Setting::MapToOutput(_) if reaches_over(device) => Ok(()),
            Setting::MapToOutput(_) => Err(DeviceConfigError::Unsupported),
        };
        done.map_err(|error| match error {
            DeviceConfigError::Unsupported => CannotBeSet::NoSuchSetting,
            DeviceConfigError::Invalid => CannotBeSet::NoSuchValue,
        })
    }
}

/// True if the device may be told a monitor to reach over. A mouse is among them: those of virtual
/// machines point at places.
fn reaches_over(device: &Device) -> bool {
    let capabilities = [DeviceCapability::TabletTool, DeviceCapability::Touch, DeviceCapability::Pointer];
    capabilities.into_iter().any(|capability| device.has_capability(capability))
        && device.config_tap_finger_count() == 0
}

/// What is in force of all that the device has.
pub(super) fn in_force(device: &Device) -> Vec<Setting> {
    let events = device.config_send_events_mode();
    let mut all = vec![Setting::SendEvents(if events.contains(SendEventsMode::DISABLED) {
        SendEvents::Disabled
    } else if events.contains(SendEventsMode::DISABLED_ON_EXTERNAL_MOUSE) {
        SendEvents::DisabledOnExternalMouse
    } else {
        SendEvents::Enabled
    })];
    if device.config_tap_finger_count() > 0 {
        all.push(Setting::Tap(device.config_tap_enabled()));
        all.push(Setting::TapDrag(device.config_tap_drag_enabled()));
        let map = device.config_tap_button_map().and_then(|map| match map {
            input::TapButtonMap::LeftRightMiddle => Some(TapButtonMap::LeftRightMiddle),
            input::TapButtonMap::LeftMiddleRight => Some(TapButtonMap::LeftMiddleRight),
            _ => None,
        });
        all.extend(map.map(Setting::TapButtonMap));
    }
    if device.config_dwt_is_available() {
        all.push(Setting::Dwt(device.config_dwt_enabled()));
    }
    if device.config_scroll_has_natural_scroll() {
        all.push(Setting::NaturalScroll(device.config_scroll_natural_scroll_enabled()));
    }
    if device.config_accel_is_available() {
        all.push(Setting::AccelSpeed(device.config_accel_speed()));
        let profile = device.config_accel_profile().and_then(|profile| match profile {
            input::AccelProfile::Adaptive => Some(AccelProfile::Adaptive),
            input::AccelProfile::Flat => Some(AccelProfile::Flat),
            _ => None,
        });
        all.extend(profile.map(Setting::AccelProfile));
    }
    let click = device.config_click_method().and_then(|method| match method {
        input::ClickMethod::ButtonAreas => Some(ClickMethod::ButtonAreas),
        input::ClickMethod::Clickfinger => Some(ClickMethod::Clickfinger),
        _ => None,
    });
    all.extend(click.map(Setting::ClickMethod));
    let scroll = device.config_scroll_method().and_then(|method| match method {
        input::ScrollMethod::TwoFinger => Some(ScrollMethod::TwoFinger),
        input::ScrollMethod::Edge => Some(ScrollMethod::Edge),
        input::ScrollMethod::OnButtonDown => Some(ScrollMethod::OnButtonDown),
        _ => None,
    });
    all.extend(scroll.map(Setting::ScrollMethod));
    if scroll == Some(ScrollMethod::OnButtonDown) {
        all.push(Setting::ScrollButton(device.config_scroll_button()));
    }
    if device.config_middle_emulation_is_available() {
        all.push(Setting::MiddleEmulation(device.config_middle_emulation_enabled()));
    }
    if device.config_left_handed_is_available() {
        all.push(Setting::LeftHanded(device.config_left_handed()));
    }
    all
}
