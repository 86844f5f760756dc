//! Settings that a device takes up when it comes.

use crate::config::devices::{Setting, Settings};

/// What can be set: a device of libinput, or one of a test.
pub trait Knobs {
    /// Puts a setting in force.
    ///
    /// # Errors
    /// The device has no such setting, or not this value of it.
    fn set(&mut self, setting: &Setting) -> Result<(), CannotBeSet>;
}

/// Why a setting is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CannotBeSet {
    /// There is no such thing.
    #[error("the device has no such setting")]
    NoSuchSetting,
    /// There is, but not with this value.
    #[error("the device does not have this value")]
    NoSuchValue,
}

/// Sets a device; returns what could not be set, and why.
pub fn apply(device: &mut impl Knobs, settings: &Settings) -> Vec<(Setting, CannotBeSet)> {
    let set = |setting: &Setting| device.set(setting).err().map(|error| (setting.clone(), error));
    settings.iter().filter_map(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::devices::{DeviceConfig, DeviceKind, DeviceName, ScrollMethod};

    /// A device that knows taps, speed, and scrolling with two fingers.
    #[derive(Default)]
    struct Fake(Vec<Setting>);

    impl Knobs for Fake {
        fn set(&mut self, setting: &Setting) -> Result<(), CannotBeSet> {
            match setting {
                Setting::Tap(_) | Setting::AccelSpeed(_) => {}
                Setting::ScrollMethod(ScrollMethod::TwoFinger) => {}
                Setting::ScrollMethod(_) => return Err(CannotBeSet::NoSuchValue),
                _ => return Err(CannotBeSet::NoSuchSetting),
            }
            self.0.push(setting.clone());
            Ok(())
        }
    }

    #[test]
    fn what_can_be_set_is_set_and_the_rest_is_told() {
        let mut config = DeviceConfig::default();
        let kind = [Setting::AccelSpeed(0.1), Setting::Dwt(true), Setting::ScrollMethod(ScrollMethod::Edge)];
        config.set_kind(DeviceKind::Touchpad, &Settings::from_iter(kind));
        config.devices.push(("A touchpad".into(), Settings::from_iter([Setting::AccelSpeed(0.2)])));
        let device = DeviceName { name: "A touchpad".into(), id: (1, 2), kinds: vec![DeviceKind::Touchpad] };
        let mut fake = Fake::default();
        let refused = apply(&mut fake, &config.of(&device));
        assert_eq!(fake.0, [Setting::Tap(true), Setting::AccelSpeed(0.2)]);
        assert_eq!(
            refused,
            [
                (Setting::Dwt(true), CannotBeSet::NoSuchSetting),
                (Setting::ScrollMethod(ScrollMethod::Edge), CannotBeSet::NoSuchValue),
            ]
        );
        let mut other = Fake::default();
        let mouse = DeviceName { kinds: vec![DeviceKind::Mouse], name: "A mouse".into(), ..device };
        assert_eq!(apply(&mut other, &config.of(&mouse)), []);
        assert_eq!(other.0, [], "a device of another kind stays as it is");
    }
}
