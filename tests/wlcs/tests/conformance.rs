//! Lane 3: WLCS's programs against agent and desktop. What fails is in `known.txt`, with the reason.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where Debian puts the program.
const WLCS: &str = "/usr/lib/x86_64-linux-gnu/wlcs/wlcs";
/// Seconds it may take on a slow and busy machine.
const LIMIT: &str = "400";
/// So few passing tests mean that something is wrong with the run itself.
const LEAST: usize = 300;

/// What a run of WLCS came to.
#[derive(Debug, Default)]
struct Outcome {
    passed: usize,
    skipped: usize,
    failed: BTreeSet<String>,
}

/// Runs the tests that a filter names.
fn run(filter: &str) -> Outcome {
    let mut plugin: PathBuf = std::env::current_exe().unwrap();
    plugin.set_file_name("libtransom_wlcs.so");
    assert!(plugin.exists(), "{} is not built", plugin.display());
    let output = Command::new("timeout")
        .args([LIMIT, WLCS])
        .arg(plugin)
        .arg(format!("--gtest_filter={filter}"))
        .env("RUST_LOG", "off")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("tests from"), "WLCS did not run: {}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("test environment tear-down"), "WLCS did not come to its end: {filter}");
    let mut outcome = Outcome::default();
    for line in text.lines() {
        if line.starts_with("[       OK ]") {
            outcome.passed += 1;
        } else if line.starts_with("[     SKIP ]") {
            outcome.skipped += 1;
        } else if let Some(test) = line.strip_prefix("[  FAILED  ] ").filter(|_| line.ends_with(" ms)")) {
            // With the values of its parameters behind a comma.
            outcome.failed.insert(test.split([',', ' ']).next().unwrap().to_owned());
        }
    }
    outcome
}

/// Names and beginnings of names of the tests that are known to fail.
fn known() -> Vec<String> {
    let list = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("known.txt")).unwrap();
    list.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with(['#', '=']))
        .map(str::to_owned)
        .collect()
}

fn matches(pattern: &str, test: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == test, |start| test.starts_with(start))
}

#[test]
fn what_fails_is_known() {
    if !Path::new(WLCS).exists() {
        eprintln!("SKIP conformance: {WLCS} is missing, install the package wlcs");
        return;
    }
    let outcome = run("*");
    let ran = outcome.passed + outcome.failed.len();
    eprintln!("WLCS: {} passed of {ran} that ran, {} not offered", outcome.passed, outcome.skipped);
    assert!(outcome.passed >= LEAST, "only {} passed", outcome.passed);
    let known = known();
    let unknown: Vec<&String> =
        outcome.failed.iter().filter(|test| !known.iter().any(|pattern| matches(pattern, test))).collect();
    // WLCS waits for answers by the clock: on a busy machine a test may fail once.
    let again = if unknown.is_empty() {
        Outcome::default()
    } else {
        run(&unknown.iter().map(|test| test.as_str()).collect::<Vec<_>>().join(":"))
    };
    assert!(again.failed.is_empty(), "not known to fail: {:?}", again.failed);
    let stale: Vec<&String> =
        known.iter().filter(|pattern| !outcome.failed.iter().any(|test| matches(pattern, test))).collect();
    assert!(stale.is_empty(), "these pass, take them from the list: {stale:?}");
}
