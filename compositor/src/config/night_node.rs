//! `night-colour` in the config file.

use std::{str::FromStr, time::Duration};

use jiff::civil::Time;
use knus::span::Span;

use super::{NightConfig, file::TimeSpan};
use crate::screens::night::{NEUTRAL, Schedule, WARMEST};

/// How long night takes to come if nothing is said.
const FADE: Duration = Duration::from_mins(30);

#[derive(Debug, knus::Decode)]
#[knus(span_type = Span)]
pub(super) struct NightNode {
    #[knus(span)]
    pub(super) span: Span,
    #[knus(child, unwrap(argument))]
    temperature: Option<u32>,
    #[knus(child, unwrap(argument, str))]
    from: Option<TimeOfDay>,
    #[knus(child, unwrap(argument, str))]
    until: Option<TimeOfDay>,
    #[knus(child, unwrap(argument, str))]
    fade: Option<TimeSpan>,
}

/// `"20:00"`.
#[derive(Clone, Copy, Debug)]
struct TimeOfDay(Time);

impl FromStr for TimeOfDay {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Time::strptime("%H:%M", text).map(Self).map_err(|_| "a time of day is written as in \"20:00\"")
    }
}

/// The settings of a node, or what is wrong with it.
pub(super) fn night(node: NightNode) -> Result<NightConfig, String> {
    let mut config = NightConfig::default();
    if let Some(kelvin) = node.temperature {
        if kelvin < WARMEST {
            return Err(format!(
                "a temperature of {kelvin} K is too warm: below {WARMEST} K trust labels and what is written \
                 on them can no longer be told apart"
            ));
        }
        if kelvin > NEUTRAL {
            return Err(format!("{kelvin} K is colder than the screen's own white, {NEUTRAL} K"));
        }
        config.temperature = kelvin;
    }
    // "never": at once.
    let fade = node.fade.map_or(FADE, |span| span.0.unwrap_or_default());
    config.schedule = match (node.from, node.until) {
        (Some(from), Some(until)) => Some(Schedule::new(from.0, until.0, fade)?),
        (None, None) => None,
        _ => return Err("a night has both \"from\" and \"until\"".into()),
    };
    Ok(config)
}
