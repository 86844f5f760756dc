//! What a person, or a program of dom0, says of monitors.

use std::str::FromStr;

use smithay::utils::{Logical, Physical, Point, Size, Transform};

use super::{Identity, Mode, Monitor, vrr::Vrr};

/// Scales that make sense, in 120ths.
pub const SCALES: std::ops::RangeInclusive<u32> = 60..=480;

/// Which monitors are meant: those of which all that is given is true.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// Name of the connector.
    pub connector: Option<String>,
    /// Maker.
    pub make: Option<String>,
    /// Product.
    pub model: Option<String>,
    /// Serial number.
    pub serial: Option<String>,
}

impl Which {
    /// This one is meant.
    pub fn fits(&self, monitor: &Identity) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
        fits(&self.connector, &monitor.connector)
            && fits(&self.make, &monitor.make)
            && fits(&self.model, &monitor.model)
            && fits(&self.serial, &monitor.serial)
    }
}

/// A mode as a person names it: `1920x1080` or `1920x1080@59.94`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedMode {
    /// Device pixels.
    pub size: Size<i32, Physical>,
    /// Refresh in millihertz; the first that the monitor has if not given.
    pub refresh: Option<u32>,
}

impl WantedMode {
    /// The monitor's mode that is meant: of this size, the nearest refresh within a hertz.
    pub fn of(&self, monitor: &Monitor) -> Option<Mode> {
        let mut modes = monitor.modes.iter().copied().filter(|mode| mode.size == self.size);
        match self.refresh {
            None => modes.next(),
            Some(refresh) => modes
                .min_by_key(|mode| mode.refresh.abs_diff(refresh))
                .filter(|mode| mode.refresh.abs_diff(refresh) <= 1_000),
        }
    }
}

impl From<Mode> for WantedMode {
    fn from(mode: Mode) -> Self {
        Self { size: mode.size, refresh: Some(mode.refresh) }
    }
}

impl FromStr for WantedMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a mode is \"1920x1080\" or \"1920x1080@59.94\"";
        let (size, refresh) = match text.split_once('@') {
            Some((size, refresh)) => (size, Some(refresh)),
            None => (text, None),
        };
        let side = |text: &str| text.parse::<u16>().ok().filter(|side| *side > 0).map(i32::from);
        let (width, height) = size.split_once('x').ok_or(wrong)?;
        let (width, height) = (side(width).ok_or(wrong)?, side(height).ok_or(wrong)?);
        let refresh = refresh.map(|text| text.parse::<f64>().ok().filter(|hz| (1.0..=1_000.0).contains(hz)));
        let refresh = match refresh {
            Some(hz) => Some((hz.ok_or(wrong)? * 1_000.0).round() as u32),
            None => None,
        };
        Ok(Self { size: (width, height).into(), refresh })
    }
}

/// What was said of a monitor; what was not is left to the next who has something to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// It is a part of the desktop.
    pub on: Option<bool>,
    /// Its mode.
    pub mode: Option<WantedMode>,
    /// Scale in 120ths.
    pub scale: Option<u32>,
    /// Its top left corner on the desktop.
    pub at: Option<Point<i32, Logical>>,
    /// How it is mounted.
    pub transform: Option<Transform>,
    /// When its refresh varies.
    pub vrr: Option<Vrr>,
}

impl Said {
    /// This, and what another has to say beside it.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            on: self.on.or(other.on),
            mode: self.mode.or(other.mode),
            scale: self.scale.or(other.scale),
            at: self.at.or(other.at),
            transform: self.transform.or(other.transform),
            vrr: self.vrr.or(other.vrr),
        }
    }
}

/// Names of transforms: degrees counter-clockwise, after mirroring.
const TRANSFORMS: [(&str, Transform); 8] = [
    ("normal", Transform::Normal),
    ("90", Transform::_90),
    ("180", Transform::_180),
    ("270", Transform::_270),
    ("flipped", Transform::Flipped),
    ("flipped-90", Transform::Flipped90),
    ("flipped-180", Transform::Flipped180),
    ("flipped-270", Transform::Flipped270),
];

/// The name of a transform.
pub fn transform_name(transform: Transform) -> &'static str {
    TRANSFORMS.iter().find(|(_, known)| *known == transform).map_or("normal", |(name, _)| name)
}

/// The transform of a name.
pub fn transform_named(name: &str) -> Option<Transform> {
    TRANSFORMS.iter().find(|(known, _)| *known == name).map(|(_, transform)| *transform)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_found_as_they_are_named() {
        let mode = |w, h, refresh| Mode { size: (w, h).into(), refresh };
        let monitor = Monitor {
            modes: vec![mode(1920, 1080, 60_000), mode(1920, 1080, 59_940), mode(1280, 720, 120_000)],
            ..Monitor::simple("DP-1", (1, 1).into())
        };
        let named = |text: &str| text.parse::<WantedMode>().unwrap().of(&monitor);
        assert_eq!(named("1920x1080"), Some(monitor.modes[0]));
        assert_eq!(named("1920x1080@59.9"), Some(monitor.modes[1]));
        assert_eq!(named("1280x720@60"), None);
        assert_eq!(named("800x600"), None);
        for bad in ["", "1920", "1920x", "0x1", "1920x1080@", "1920x1080@no", "1920x1080@-3", "99999x1"] {
            assert!(bad.parse::<WantedMode>().is_err(), "{bad}");
        }
    }

    #[test]
    fn transforms_have_their_names() {
        for (name, transform) in TRANSFORMS {
            assert_eq!((transform_name(transform), transform_named(name)), (name, Some(transform)));
        }
        assert_eq!(transform_named("45"), None);
    }
}
