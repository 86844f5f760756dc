//! Gamma ramps: what a monitor is sent instead of each value of a channel. Pure.

use std::fmt;

use transom_theming::{Blurred, Rgb, Theme};

/// Fewest and most entries that a ramp may have: from what draws a line, to what 16 bits can tell apart.
pub const SIZES: std::ops::RangeInclusive<u32> = 2..=65_536;

/// No channel has less than this part of the brightest one's full light: under stronger tints a label has
/// another one's hue. White of 3000 K has 0.43.
const LEAST_PART: f64 = 0.4;

/// A ramp of each channel, all of one length, from nothing to full light.
#[derive(Clone, PartialEq, Eq)]
pub struct Ramp([Vec<u16>; 3]);

impl fmt::Debug for Ramp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ramp({} entries to {:?})", self.size(), self.last())
    }
}

/// Why a ramp is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RampError {
    /// It is as long as its monitor's is not.
    #[error("the ramp has another length than the monitor's")]
    Length,
    /// Somewhere more is less.
    #[error("the ramp falls")]
    Falls,
    /// It tints.
    #[error("the ramp leaves one colour less than {LEAST_PART} of another's light")]
    Tints,
    /// dom0's own pictures could not be told apart.
    #[error("with this ramp {0}")]
    Blurs(#[from] Blurred),
}

impl Ramp {
    /// A straight line to these parts, from 0 to 1, of each channel's full light.
    pub fn to(size: u32, parts: [f64; 3]) -> Self {
        let steps = f64::from(size.max(2) - 1);
        let line = |part: f64| {
            let full = part.clamp(0.0, 1.0) * f64::from(u16::MAX);
            (0..size.max(2)).map(|at| (full * f64::from(at) / steps).round() as u16).collect()
        };
        Self(parts.map(line))
    }

    /// Red, green and blue one after the other, each `size` native 16-bit numbers.
    ///
    /// # Errors
    /// [`RampError::Length`].
    pub fn from_bytes(size: u32, bytes: &[u8]) -> Result<Self, RampError> {
        let values: Vec<u16> =
            bytes.chunks_exact(2).map(|pair| u16::from_ne_bytes([pair[0], pair[1]])).collect();
        let size = size as usize;
        match values.chunks_exact(size.max(1)).collect::<Vec<_>>()[..] {
            [red, green, blue] if Some(bytes.len()) == size.checked_mul(6) => {
                Ok(Self([red, green, blue].map(<[u16]>::to_vec)))
            }
            _ => Err(RampError::Length),
        }
    }

    /// Entries of each channel.
    pub fn size(&self) -> u32 {
        self.0[0].len() as u32
    }

    /// Red, green and blue.
    pub fn channels(&self) -> [&[u16]; 3] {
        self.0.each_ref().map(Vec::as_slice)
    }

    /// Where each channel begins.
    pub fn first(&self) -> [u16; 3] {
        self.channels().map(|channel| channel.first().copied().unwrap_or(0))
    }

    /// Where each channel ends.
    pub fn last(&self) -> [u16; 3] {
        self.channels().map(|channel| channel.last().copied().unwrap_or(0))
    }

    /// How a monitor with this ramp shows a colour.
    pub fn shown(&self, color: Rgb) -> Rgb {
        let through = |channel: &[u16], value: u8| {
            let at = usize::from(value) * channel.len().saturating_sub(1) / 255;
            (u32::from(channel.get(at).copied().unwrap_or(0)) * 255).div_ceil(u32::from(u16::MAX)) as u8
        };
        let [red, green, blue] = self.channels();
        Rgb::new(through(red, color.r), through(green, color.g), through(blue, color.b))
    }

    /// Whether everything of dom0's can still be read and told apart through it.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, theme: &Theme) -> Result<(), RampError> {
        if self.channels().into_iter().any(|channel| !channel.is_sorted()) {
            return Err(RampError::Falls);
        }
        let [least, .., most] = {
            let mut last = self.last();
            last.sort_unstable();
            last.map(f64::from)
        };
        if least < most * LEAST_PART {
            return Err(RampError::Tints);
        }
        Ok(theme.holds_as(|color| self.shown(color))?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transom_theming::Variant;

    use super::*;

    fn bytes(channels: [&[u16]; 3]) -> Vec<u8> {
        channels.concat().into_iter().flat_map(u16::to_ne_bytes).collect()
    }

    #[test]
    fn a_line_is_a_line() {
        let ramp = Ramp::to(256, [1.0, 0.5, 0.0]);
        assert_eq!((ramp.size(), ramp.first(), ramp.last()), (256, [0; 3], [65_535, 32_768, 0]));
        assert_eq!(ramp.channels()[0][128], 128 * 257);
        for value in 0..=u8::MAX {
            let grey = Rgb::new(value, value, value);
            for size in [256, 1_024, 4_096] {
                let shown = Ramp::to(size, [1.0; 3]).shown(grey);
                assert!(shown.r.abs_diff(value) <= 1 && shown.r == shown.b, "{size} {value} {shown}");
            }
        }
    }

    #[test]
    fn a_ramp_must_be_readable() {
        let dark = Theme::builtin(Variant::Dark);
        assert_eq!(Ramp::to(256, [1.0; 3]).check(&dark), Ok(()));
        assert_eq!(Ramp::to(256, [0.9, 0.85, 0.7]).check(&dark), Ok(()));
        // Black, nearly black; one colour only, one missing; and upside down.
        for blurs in [[0.0; 3], [0.2; 3], [0.5; 3]] {
            let found = Ramp::to(256, blurs).check(&dark);
            assert!(matches!(found, Err(RampError::Blurs(_))), "{blurs:?}: {found:?}");
        }
        for tint in [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.3, 1.0, 1.0], [1.0, 0.3, 1.0]] {
            assert_eq!(Ramp::to(256, tint).check(&dark), Err(RampError::Tints), "{tint:?}");
        }
        let up: Vec<u16> = (0..256).map(|v| v * 257).collect();
        let down: Vec<u16> = up.iter().rev().copied().collect();
        let upside = Ramp::from_bytes(256, &bytes([&down, &down, &down])).unwrap();
        assert_eq!(upside.check(&dark), Err(RampError::Falls));
        let one = Ramp::from_bytes(256, &bytes([&up, &down, &up])).unwrap();
        assert_eq!(one.check(&dark), Err(RampError::Falls));
        let flat = Ramp::from_bytes(256, &bytes([&[30_000; 256], &[30_000; 256], &[30_000; 256]])).unwrap();
        assert!(flat.check(&dark).is_err());
    }

    proptest! {
        #[test]
        fn bytes_of_the_right_length_and_no_others(
            size in 0_u32..40, length in 0_usize..260, values in prop::collection::vec(any::<u8>(), 260),
        ) {
            let read = Ramp::from_bytes(size, &values[..length]);
            if size > 0 && length == size as usize * 6 {
                let ramp = read.unwrap();
                prop_assert_eq!(bytes(ramp.channels()), &values[..length]);
                prop_assert_eq!(ramp.size(), size);
                // Whatever it is, it is looked at without harm.
                let _ = ramp.check(&Theme::builtin(Variant::Light));
            } else {
                prop_assert_eq!(read, Err(RampError::Length));
            }
        }

        #[test]
        fn what_is_taken_rises(
            mut channels in prop::collection::vec(prop::collection::vec(any::<u16>(), 16), 3),
            sorted in any::<bool>(),
        ) {
            if sorted {
                for channel in &mut channels {
                    channel.sort_unstable();
                }
            }
            let ramp = Ramp::from_bytes(16, &bytes([&channels[0], &channels[1], &channels[2]])).unwrap();
            if ramp.check(&Theme::builtin(Variant::Dark)).is_ok() {
                for channel in ramp.channels() {
                    prop_assert!(channel.is_sorted());
                }
            }
        }
    }
}
