//! Measurements: `make bench`, `make bench-quick`. Writes `target/bench/report.json`.
//!
//! What is compared is measured in turns in one run, so that a busy machine slows both. Latency over
//! the same program without a qube in between is not among the figures: dom0 serves no Wayland
//! programs of its own yet. Nor is waypipe's cost.
#![allow(clippy::print_stdout, reason = "a program that prints a table")]

mod process;
mod windows;

use serde::Serialize;

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    /// At most this; none: only reported.
    goal: Option<f64>,
    holds: Option<bool>,
    samples: usize,
}

impl Figure {
    pub(crate) fn new(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        goal: Option<f64>,
        samples: usize,
    ) -> Self {
        Self { name: name.into(), value, unit, goal, holds: goal.map(|goal| value <= goal), samples }
    }
}

/// The value below which this part of the samples lies.
pub(crate) fn quantile(samples: &mut [f64], part: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let at = ((samples.len() as f64 - 1.0) * part).round() as usize;
    samples.get(at).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let mut figures = Vec::new();
    // First, while no memory has been used and given back.
    windows::memory_of_ten(&mut figures);
    windows::latency(if quick { 60 } else { 400 }, &mut figures);
    windows::commit_cost(if quick { 300 } else { 3_000 }, &mut figures);
    windows::drawing(if quick { 60 } else { 400 }, &mut figures);
    process::idle(if quick { 3 } else { 10 }, &mut figures);
    println!("{:44} {:>10} {:8} {:>8} {:6} {:>7}", "figure", "value", "unit", "goal", "holds", "samples");
    for f in &figures {
        let goal = f.goal.map_or_else(|| "-".into(), |goal| format!("≤ {goal:.1}"));
        let holds = f.holds.map_or("-", |holds| if holds { "yes" } else { "no" });
        println!("{:44} {:>10.2} {:8} {:>8} {:6} {:>7}", f.name, f.value, f.unit, goal, holds, f.samples);
    }
    std::fs::create_dir_all("target/bench")?;
    std::fs::write("target/bench/report.json", serde_json::to_string_pretty(&figures)?)?;
    Ok(())
}
