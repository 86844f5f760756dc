//! `transom qube …`

use clap::Parser;
use transom_hypervisor::cli::{CliError, QubeCommand, run_with};

use crate::harness::*;

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: QubeCommand,
}

fn command(qubed: &Qubed, line: &str) -> Result<String, CliError> {
    let arguments = std::iter::once("qube").chain(line.split(' ').filter(|word| !word.is_empty()));
    let cli = Cli::try_parse_from(arguments).unwrap();
    let mut out = Vec::new();
    run_with(&mut qubed.client(), cli.command, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn the_commands_work() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    assert!(command(&qubed, "list").unwrap().contains("There are no qubes"));
    assert_eq!(command(&qubed, "create work --label blue").unwrap(), "");
    assert_eq!(command(&qubed, "create mail -l green").unwrap(), "");
    assert_eq!(command(&qubed, "start work").unwrap(), "");
    assert_eq!(command(&qubed, "run work -- sh -c true").unwrap(), "");
    let list = command(&qubed, "list").unwrap();
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "LABEL", "STATE", "BACKEND", "NOTE"]);
    assert_eq!(lines[1], ["mail", "green", "halted", "sandbox", "not", "isolated"]);
    assert_eq!(lines[2], ["work", "blue", "running", "sandbox", "not", "isolated"]);
    let json = command(&qubed, "list --json").unwrap();
    let qubes: Vec<transom_hypervisor::supervisor::QubeInfo> = serde_json::from_str(&json).unwrap();
    assert_eq!(qubes.len(), 2);
    let info = command(&qubed, "info work").unwrap();
    assert!(info.contains("not isolated: it shares dom0's kernel") && info.contains("process:"), "{info}");
    assert!(command(&qubed, "log work").unwrap().contains("agent: fake agent: good"));
    assert_eq!(command(&qubed, "stop work").unwrap(), "");
    assert_eq!(command(&qubed, "kill work").unwrap(), "");
    assert_eq!(command(&qubed, "remove work --yes").unwrap(), "");
    assert!(!command(&qubed, "list").unwrap().contains("work"));
}

/// Settings change in the file and are told at once; what stands in the file besides stays.
#[test]
fn settings_are_changed_and_figures_are_shown() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    command(&qubed, "create work --label blue --backend sandbox").unwrap();
    let file = qubed.qube_dir("work").join("qube.kdl");
    let text = std::fs::read_to_string(&file).unwrap() + "// mine\n";
    std::fs::write(&file, &text).unwrap();
    command(&qubed, "set work --label green --memory 1GiB --start-with-desktop yes").unwrap();
    let changed = std::fs::read_to_string(&file).unwrap();
    assert!(changed.contains("// mine\n") && changed.contains("label \"green\""), "{changed}");
    std::fs::write(qubed.qube_dir("work").join("home/large"), vec![7; 18 << 20]).unwrap();
    let info = command(&qubed, "info work").unwrap();
    for line in ["label:    green", "memory:   1 GiB", "home:     18 MiB", "starts:   with the desktop"] {
        assert!(info.contains(line), "{line}: {info}");
    }
    // While it runs, only the start with the desktop changes.
    command(&qubed, "start work").unwrap();
    let refused = command(&qubed, "set work --memory 2GiB").unwrap_err().to_string();
    assert!(refused.contains("work is running; stop it first"), "{refused}");
    command(&qubed, "set work --start-with-desktop no").unwrap();
    assert!(!command(&qubed, "info work").unwrap().contains("starts:"));
    command(&qubed, "stop work").unwrap();
    command(&qubed, "set work --memory none").unwrap();
    assert!(command(&qubed, "info work").unwrap().contains("memory:   no limit"));
    for (line, part) in [
        ("set work --volume 9GiB", "a sandbox has no volume"),
        ("set work --memory 1MiB", "at least 64MiB"),
        ("set work --label blu", "there is no label blu"),
        ("set play --label blue", "there is no qube play"),
    ] {
        let error = command(&qubed, line).unwrap_err().to_string();
        assert!(error.contains(part) && error.lines().count() == 1, "{line}: {error}");
    }
    // Of a virtual machine the volume can only grow.
    command(&qubed, "create vm --label red --template debian-12 --backend qemu").unwrap();
    command(&qubed, "set vm --memory 512MiB --volume 9GiB").unwrap();
    let refused = command(&qubed, "set vm --volume 8GiB").unwrap_err().to_string();
    assert!(refused.contains("can only grow"), "{refused}");
    let info = command(&qubed, "info vm").unwrap();
    assert!(info.contains("memory:   512 MiB\n") && info.contains("volume:   9 GiB, nothing on"), "{info}");
    assert!(Cli::try_parse_from(["qube", "set", "work"]).is_err(), "nothing to change");
}

#[test]
fn mistakes_are_one_clear_line() {
    let qubed = Qubed::start();
    for (line, part) in [
        ("create work --label blu", "use one of red, orange"),
        ("start work", "there is no qube work"),
        ("run work -- true", "there is no qube work"),
        ("create work --label blue --template ../x", "not the name of a template"),
    ] {
        let error = command(&qubed, line).unwrap_err().to_string();
        assert!(error.contains(part) && error.lines().count() == 1, "{line}: {error}");
    }
    for line in ["qube start", "qube start dom0", "qube start A", "qube run work", "qube create x"] {
        assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

#[test]
fn many_qubes_are_listed_in_pages() {
    let qubed = Qubed::start();
    for i in 0..600 {
        let dir = qubed.temp.path().join(format!("data/qubes/q{i:03}"));
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("qube.kdl"), "label \"blue\"\n").unwrap();
    }
    let all = qubed.client().list(deadline()).unwrap();
    assert_eq!(all.len(), 600);
    assert!(all.is_sorted_by_key(|qube| qube.name.clone()));
    // And a watcher gets them all.
    let mut client = attach(&qubed);
    await_state(&mut client, "q599", |_| true);
}
