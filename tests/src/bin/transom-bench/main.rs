//! Measurements: `make bench`, `make bench-quick`. Prints a table and writes
//! `target/bench/report.json`; `docs/benchmarks.md` says what each figure means. Of virtual machines
//! it takes what the lanes of `make test-vm` printed.
//!
//! What is compared is measured in turns in one run, so that a busy machine slows both.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints a table")]

mod backup;
mod commits;
mod lanes;
mod latency;
mod link;
mod process;
mod program;
mod report;
mod storage;
mod windows;

use std::{path::Path, process::ExitCode};

use report::Figure;

const VGA: (i32, i32) = (640, 480);
const FULL_HD: (i32, i32) = (1_920, 1_080);
const UHD: (i32, i32) = (3_840, 2_160);

/// Where the report goes.
const REPORT: &str = "target/bench/report.json";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => measure(false, None),
        ["--quick"] => measure(true, None),
        ["--backup"] => backup(),
        ["--clones"] => clones(),
        ["--lanes", logs] => measure(false, Some(Path::new(logs))),
        // Inside a qube, for the figure of memory.
        ["--windows", count] => {
            count.parse().map_err(|_| "how many windows?".into()).and_then(|n| program::windows(n, FULL_HD))
        }
        _ => Err("usage: transom-bench [--quick | --backup | --clones | --lanes LOGS]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("transom-bench: {reason}");
            ExitCode::FAILURE
        }
    }
}

/// The figures of clones alone.
fn clones() -> Result<(), String> {
    let mut figures = Vec::new();
    storage::clones(false, &mut figures)?;
    print!("{}", report::table(&figures));
    Ok(())
}

/// The figures of backups alone.
fn backup() -> Result<(), String> {
    let mut figures = Vec::new();
    backup::speed(false, &mut figures)?;
    print!("{}", report::table(&figures));
    Ok(())
}

fn measure(quick: bool, lanes: Option<&Path>) -> Result<(), String> {
    let mut figures = Vec::new();
    let outcomes = [
        ("latency", windows::latency(quick, &mut figures)),
        ("latency over native", latency::over_native(quick, &mut figures)),
        ("commit cost", commits::commit_cost(quick, &mut figures)),
        ("waypipe", commits::proxy_cpu(quick, &mut figures)),
        ("drawing", windows::drawing(quick, &mut figures)),
        ("idle", process::idle(quick, &mut figures)),
        ("memory", process::memory(&mut figures)),
        ("backups", backup::speed(quick, &mut figures)),
        ("encryption", storage::encryption(quick, &mut figures)),
        ("clones", storage::clones(quick, &mut figures)),
        ("virtual machines", lanes.map_or(Ok(()), |logs| lanes::figures(logs, &mut figures))),
    ];
    print!("{}", report::table(&figures));
    write(&figures).map_err(|e| format!("{REPORT}: {e}"))?;
    // A figure that could not be measured is missing in the report, never made up.
    let failed: Vec<String> = outcomes
        .into_iter()
        .filter_map(|(what, outcome)| Some(format!("{what}: {}", outcome.err()?)))
        .collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("not measured: {}", failed.join("; "))) }
}

fn write(figures: &[Figure]) -> std::io::Result<()> {
    std::fs::create_dir_all("target/bench")?;
    std::fs::write(REPORT, serde_json::to_string_pretty(figures)? + "\n")
}
