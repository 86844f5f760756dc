//! Figures, and the two ways they are told: a table and `target/bench/report.json`.

use std::{borrow::Cow, fmt::Write};

use serde::Serialize;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// Nothing is promised: it is only told.
    None,
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: Cow<'static, str>,
    goal: Option<f64>,
    holds: Option<bool>,
    samples: usize,
    #[serde(skip)]
    sign: &'static str,
}

impl Figure {
    pub(crate) fn new(
        name: impl Into<String>,
        value: f64,
        unit: impl Into<Cow<'static, str>>,
        goal: Goal,
        samples: usize,
    ) -> Self {
        let (sign, goal, holds) = match goal {
            Goal::None => ("", None, None),
            Goal::AtMost(most) => ("≤", Some(most), Some(value <= most)),
            Goal::AtLeast(least) => ("≥", Some(least), Some(value >= least)),
        };
        Self { name: name.into(), value, unit: unit.into(), goal, holds, samples, sign }
    }
}

/// The value below which this part of the samples lies.
///
/// # Errors
/// There are no samples: what was not measured has no value.
pub(crate) fn quantile(samples: &mut [f64], part: f64) -> Result<f64, String> {
    samples.sort_by(f64::total_cmp);
    let at = (samples.len().saturating_sub(1) as f64 * part).round() as usize;
    samples.get(at).copied().ok_or_else(|| "nothing was measured".into())
}

/// The figures as a table, one a line.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut out = format!(
        "{:44} {:>10} {:5} {:>7} {:5} {:>8}\n",
        "figure", "value", "unit", "goal", "holds", "samples"
    );
    for f in figures {
        let goal = f.goal.map_or_else(|| "-".into(), |goal| format!("{} {goal}", f.sign));
        let holds = f.holds.map_or("-", |holds| if holds { "yes" } else { "NO" });
        // Writing into a string cannot fail.
        let _ = writeln!(
            out,
            "{:44} {:>10.2} {:5} {goal:>7} {holds:5} {:>8}",
            f.name, f.value, f.unit, f.samples
        );
    }
    out
}
