//! Night colour: how warm the screen is at what time of day. Pure; times are handed in.
//!
//! Warmth is the colour temperature of a black body, relative to the screen's own white (6500 K). The
//! way from one to the other is even in mired (a million divided by kelvin), in which equal steps look
//! equal. It is gone in [`STEPS`], and nothing is due between two of them.

use std::time::Duration;

use jiff::{SignedDuration, ToSpan as _, Zoned, civil::Time};
use serde::{Deserialize, Serialize};
use tracing::warn;
use transom_theming::Theme;

use super::gamma::Ramp;

/// The screen's own white, in kelvin.
pub const NEUTRAL: u32 = 6_500;
/// No warmer: beneath, text on trust labels of the built-in themes has a contrast of less than 3 : 1. A
/// test measures it.
pub const WARMEST: u32 = 3_000;
/// Steps of a fade.
pub const STEPS: u32 = 256;

/// What the config says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NightConfig {
    /// At night, in kelvin: [`WARMEST`] to [`NEUTRAL`].
    pub temperature: u32,
    /// When it is night; `None`: when the person says so.
    pub schedule: Option<Schedule>,
}

impl Default for NightConfig {
    fn default() -> Self {
        Self { temperature: 4_000, schedule: None }
    }
}

/// When it is night, by the clock on the wall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    from: Time,
    until: Time,
    fade: Duration,
}

/// Which of the two holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// As the schedule says.
    #[default]
    Auto,
    /// Night.
    On,
    /// Day.
    Off,
}

/// How far into the night a moment is.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// From 0, day, to [`STEPS`], night.
    pub step: u32,
    /// When that changes next; `None`: never.
    pub next: Option<Zoned>,
}

impl Schedule {
    /// A night from one time of day until another, on the next day if that is not later. It comes and
    /// goes in `fade`, beginning at these times.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(from: Time, until: Time, fade: Duration) -> Result<Self, &'static str> {
        let fade_signed = SignedDuration::try_from(fade).map_err(|_| "the fade is too long")?;
        let day = SignedDuration::from_hours(24);
        let night = match from.duration_until(until) {
            forward if forward.is_zero() => return Err("night begins and ends at the same time"),
            forward if forward.is_negative() => forward + day,
            forward => forward,
        };
        if fade_signed > night || fade_signed > day - night {
            return Err("the fade is longer than the night or the day");
        }
        Ok(Self { from, until, fade })
    }

    /// The nights around a moment, in order: when each begins and ends. One that the change to summer
    /// time leaves no room for is not there.
    fn nights(&self, now: &Zoned) -> Vec<(Zoned, Zoned)> {
        let night = |days: i64| {
            let date = now.date().checked_add(days.days()).ok()?;
            let end = if self.until > self.from { date } else { date.tomorrow().ok()? };
            let zone = now.time_zone();
            let from = date.to_datetime(self.from).to_zoned(zone.clone()).ok()?;
            let until = end.to_datetime(self.until).to_zoned(zone.clone()).ok()?;
            (from < until).then_some((from, until))
        };
        (-2..=2).filter_map(night).collect()
    }

    /// How far into the night it is.
    pub fn at(&self, now: &Zoned) -> Moment {
        let edges: Vec<(Zoned, bool)> =
            self.nights(now).into_iter().flat_map(|(from, until)| [(from, true), (until, false)]).collect();
        let next_edge = edges.iter().map(|(at, _)| at).find(|at| *at > now).cloned();
        let Some((edge, night)) = edges.into_iter().rev().find(|(at, _)| at <= now) else {
            return Moment { step: 0, next: next_edge };
        };
        let passed = Duration::try_from(edge.duration_until(now)).unwrap_or_default().as_nanos();
        let (fade, steps) = (self.fade.as_nanos(), u128::from(STEPS));
        let done = (passed * steps).checked_div(fade).map_or(STEPS, |done| done.min(steps) as u32);
        // The first moment at which one more is done.
        let after = (u128::from(done + 1) * fade).div_ceil(steps);
        let after = u64::try_from(after).ok().map(Duration::from_nanos).filter(|_| done < STEPS);
        let next_step = after.and_then(|after| edge.checked_add(SignedDuration::try_from(after).ok()?).ok());
        Moment {
            step: if night { done } else { STEPS - done },
            // A night that is shorter than its fade, by a change of the clock, ends all the same.
            next: match (next_step, next_edge) {
                (Some(step), Some(edge)) => Some(step.min(edge)),
                (step, edge) => step.or(edge),
            },
        }
    }
}

impl NightConfig {
    /// How far into the night it is.
    pub fn at(&self, mode: Mode, now: &Zoned) -> Moment {
        match (mode, &self.schedule) {
            (Mode::On, _) => Moment { step: STEPS, next: None },
            (Mode::Auto, Some(schedule)) => schedule.at(now),
            (Mode::Off, _) | (Mode::Auto, None) => Moment { step: 0, next: None },
        }
    }

    /// The colour temperature of a step, in kelvin.
    pub fn kelvin(&self, step: u32) -> u32 {
        let mired = |kelvin: u32| 1e6 / f64::from(kelvin.max(1));
        let part = f64::from(step.min(STEPS)) / f64::from(STEPS);
        let (day, night) = (mired(NEUTRAL), mired(self.temperature));
        (1e6 / (day + (night - day) * part)).round() as u32
    }

    /// This, no warmer than a theme can bear.
    #[must_use]
    pub fn within(self, theme: &Theme) -> Self {
        if self.temperature >= WARMEST && Ramp::to(256, white(self.temperature)).check(theme).is_ok() {
            return self;
        }
        let temperature = self.temperature.max(warmest(theme));
        warn!(temperature, "night colour is less warm than was asked for: labels could not be told apart");
        Self { temperature, ..self }
    }
}

/// How much of each channel's light is left at a colour temperature, from 0 to 1 of the encoded value.
///
/// The black body's chromaticity is the cubic approximation of Kim et al. ("Design of Advanced Color:
/// Temperature Control System for HDTV Applications", Journal of the Korean Physical Society 41, 2002),
/// which holds from 1667 to 25000 K; taken into linear sRGB (IEC 61966-2-1), relative to [`NEUTRAL`].
pub fn white(kelvin: u32) -> [f64; 3] {
    let (body, neutral) = (black_body(kelvin), black_body(NEUTRAL));
    let linear = [0, 1, 2].map(|i| (body[i] / neutral[i]).max(0.0));
    let most = linear.into_iter().fold(f64::MIN_POSITIVE, f64::max);
    linear.map(|light| encode(light / most))
}

/// Linear sRGB of a black body, its luminance 1.
fn black_body(kelvin: u32) -> [f64; 3] {
    let t = f64::from(kelvin.clamp(1_667, 25_000));
    let cubic = |v: f64, [a, b, c, d]: [f64; 4]| ((a * v + b) * v + c) * v + d;
    let x = cubic(
        1e3 / t,
        if t <= 4_000.0 {
            [-0.266_123_9, -0.234_358_9, 0.877_695_6, 0.179_910]
        } else {
            [-3.025_846_9, 2.107_037_9, 0.222_634_7, 0.240_390]
        },
    );
    let y = cubic(
        x,
        if t <= 2_222.0 {
            [-1.106_381_4, -1.348_110_20, 2.185_558_32, -0.202_196_83]
        } else if t <= 4_000.0 {
            [-0.954_947_6, -1.374_185_93, 2.091_370_15, -0.167_488_67]
        } else {
            [3.081_758_0, -5.873_386_70, 3.751_129_97, -0.370_014_83]
        },
    );
    let xyz = [x / y, 1.0, (1.0 - x - y) / y];
    [
        [3.240_454_2, -1.537_138_5, -0.498_531_4],
        [-0.969_266_0, 1.876_010_8, 0.041_556_0],
        [0.055_643_4, -0.204_025_9, 1.057_225_2],
    ]
    .map(|row: [f64; 3]| row.iter().zip(xyz).map(|(factor, value)| factor * value).sum())
}

/// Gamma-encodes a linear channel.
fn encode(v: f64) -> f64 {
    if v <= 0.003_130_8 { v * 12.92 } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}

/// The warmest temperature at which a theme can be told apart, in steps of 50 K; [`NEUTRAL`] if at none.
pub fn warmest(theme: &Theme) -> u32 {
    let holds = |kelvin: &u32| Ramp::to(256, white(*kelvin)).check(theme).is_ok();
    (WARMEST..NEUTRAL).step_by(50).rev().take_while(holds).last().unwrap_or(NEUTRAL)
}

#[cfg(test)]
mod tests;
