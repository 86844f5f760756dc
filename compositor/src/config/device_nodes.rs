//! The form of `input { … }` in the config file.

use knus::{
    DecodeScalar,
    ast::{Literal, TypeName},
    decode::Context,
    errors::DecodeError,
    span::{Span, Spanned},
};

use super::devices::{
    AccelProfile, ClickMethod, DeviceConfig, DeviceKind, ScrollMethod, SendEvents, Setting, Settings,
    TapButtonMap,
};
use super::file::Number;

/// Code of the first button of a mouse to that of the last (evdev).
type ButtonCode = Number<0x100, 0x2ff>;

/// A node of settings, each a child with one argument.
macro_rules! nodes {
    ($($name:ident { $($field:ident $variant:ident $type:ty,)* })*) => {$(
        #[derive(Debug, Default, knus::Decode)]
        #[knus(span_type = Span)]
        struct $name { $(#[knus(child, unwrap(argument))] $field: Option<$type>,)* }

        impl From<&$name> for Settings {
            fn from(node: &$name) -> Self {
                [$(node.$field.as_ref().map(|value| Setting::$variant(value.setting())),)*]
                    .into_iter()
                    .flatten()
                    .collect()
            }
        }
    )*};
}

nodes! {
    TouchpadNode {
        send_events SendEvents SendEvents,
        tap Tap bool,
        tap_button_map TapButtonMap TapButtonMap,
        tap_drag TapDrag bool,
        tap_drag_lock TapDragLock bool,
        dwt Dwt bool,
        natural_scroll NaturalScroll bool,
        accel_speed AccelSpeed Speed,
        accel_profile AccelProfile AccelProfile,
        click_method ClickMethod ClickMethod,
        scroll_method ScrollMethod ScrollMethod,
        scroll_button ScrollButton ButtonCode,
        middle_emulation MiddleEmulation bool,
        left_handed LeftHanded bool,
    }
    // A mouse and a trackpoint.
    MouseNode {
        send_events SendEvents SendEvents,
        natural_scroll NaturalScroll bool,
        accel_speed AccelSpeed Speed,
        accel_profile AccelProfile AccelProfile,
        scroll_method ScrollMethod ScrollMethod,
        scroll_button ScrollButton ButtonCode,
        middle_emulation MiddleEmulation bool,
        left_handed LeftHanded bool,
    }
    TabletNode {
        send_events SendEvents SendEvents,
        left_handed LeftHanded bool,
        map_to_output MapToOutput String,
    }
    TouchNode {
        send_events SendEvents SendEvents,
        map_to_output MapToOutput String,
    }
}

/// A device's own settings may be any.
#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
struct OneNode {
    #[knus(argument)]
    name: String,
    #[knus(flatten(child))]
    pointing: TouchpadNode,
    #[knus(child, unwrap(argument))]
    map_to_output: Option<String>,
}

/// `input { … }`.
#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
pub(super) struct InputNode {
    #[knus(child)]
    touchpad: Option<TouchpadNode>,
    #[knus(child)]
    mouse: Option<MouseNode>,
    #[knus(child)]
    trackpoint: Option<MouseNode>,
    #[knus(child)]
    tablet: Option<TabletNode>,
    #[knus(child)]
    touch: Option<TouchNode>,
    #[knus(children(name = "device"))]
    devices: Vec<OneNode>,
}

impl From<InputNode> for DeviceConfig {
    fn from(node: InputNode) -> Self {
        let mut config = Self::default();
        let kinds = [
            (DeviceKind::Touchpad, node.touchpad.as_ref().map(Into::into)),
            (DeviceKind::Mouse, node.mouse.as_ref().map(Into::into)),
            (DeviceKind::Trackpoint, node.trackpoint.as_ref().map(Into::into)),
            (DeviceKind::Tablet, node.tablet.as_ref().map(Into::into)),
            (DeviceKind::Touch, node.touch.as_ref().map(Into::into)),
        ];
        for (kind, settings) in kinds {
            if let Some(settings) = settings {
                config.set_kind(kind, &settings);
            }
        }
        for one in node.devices {
            let mut settings = Settings::from(&one.pointing);
            if let Some(output) = one.map_to_output {
                settings.set(Setting::MapToOutput(output));
            }
            config.devices.push((one.name, settings));
        }
        config
    }
}

/// The value of a setting.
trait Value {
    type Setting;
    fn setting(&self) -> Self::Setting;
}

macro_rules! values {
    ($($type:ty)*) => {$(
        impl Value for $type {
            type Setting = $type;
            fn setting(&self) -> $type {
                self.clone()
            }
        }
    )*};
}
values! { bool String SendEvents AccelProfile ClickMethod ScrollMethod TapButtonMap }

impl Value for ButtonCode {
    type Setting = u32;
    fn setting(&self) -> u32 {
        self.0
    }
}

impl Value for Speed {
    type Setting = f64;
    fn setting(&self) -> f64 {
        self.0
    }
}

/// A number from -1 to 1.
#[derive(Debug)]
struct Speed(f64);

impl DecodeScalar<Span> for Speed {
    fn type_check(type_name: &Option<Spanned<TypeName, Span>>, ctx: &mut Context<Span>) {
        f64::type_check(type_name, ctx);
    }

    fn raw_decode(value: &Spanned<Literal, Span>, _: &mut Context<Span>) -> Result<Self, DecodeError<Span>> {
        let number: Option<f64> = match &**value {
            Literal::Decimal(decimal) => decimal.try_into().ok(),
            Literal::Int(integer) => i32::try_from(integer).ok().map(f64::from),
            _ => None,
        };
        match number.filter(|number| (-1.0..=1.0).contains(number)) {
            Some(number) => Ok(Self(number)),
            None => Err(DecodeError::conversion(value, "a speed is a number from -1 to 1")),
        }
    }
}
