//! Lane 4: grants of a real guest. A stock kernel runs in software emulation with its RAM in a
//! file; `transom-pin` pins pools of a program in there; this side maps the page frames it names
//! and compares every page.
//!
//! The same binary is the program in the guest (`guest.rs`). A line that begins with SKIP says what
//! is missing here.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod desk;
mod guest;
mod machine;
mod window;

use std::{
    collections::HashMap,
    fs::File,
    time::{Duration, Instant},
};

use transom_hypervisor::memory::{GrantMap, GuestRam, PAGE, Quota, RamLayout};

use machine::Machine;

/// What page `page` of a picture with this seed holds, in every eight bytes of it.
fn word(seed: u32, page: u64) -> u64 {
    (u64::from(seed) << 32 | page).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

/// dom0's side: grants by name, and what the guest has said.
struct Dom0 {
    ram: GuestRam,
    grants: HashMap<String, GrantMap>,
    /// What mapping the last grant took.
    mapping: Duration,
    pages: u64,
    lowest: u64,
    highest: u64,
}

impl Dom0 {
    fn new(machine: &Machine) -> Self {
        let (bytes, hole_start, hole_end) = machine.layout();
        let layout = RamLayout::new(bytes, hole_start, hole_end).unwrap();
        let ram = GuestRam::new(File::open(machine.ram()).unwrap().into(), layout, Quota::default()).unwrap();
        Self { ram, grants: HashMap::new(), mapping: Duration::ZERO, pages: 0, lowest: u64::MAX, highest: 0 }
    }

    /// `NAME BYTES FIRST:COUNT,…`
    fn grant(&mut self, name: &str, bytes: u64, runs: &str) -> usize {
        let runs: Vec<(u64, u32)> = runs
            .split(',')
            .map(|run| run.split_once(':').unwrap())
            .map(|(first, count)| (first.parse().unwrap(), count.parse().unwrap()))
            .collect();
        self.lowest = self.lowest.min(runs.iter().map(|run| run.0).min().unwrap());
        self.highest = self.highest.max(runs.iter().map(|run| run.0 + u64::from(run.1)).max().unwrap());
        let start = Instant::now();
        let map = self.ram.map(runs.iter().copied(), bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(self.grants.insert(name.to_owned(), map).is_none(), "{name} is granted twice");
        self.mapping = start.elapsed();
        runs.len()
    }

    /// Compares pages `from..to` of a grant with what a seed makes of pages numbered from there on.
    fn compare(&mut self, name: &str, from: u64, to: u64, seed: u32, number: u64) {
        let mut page = vec![0; PAGE as usize];
        for index in from..to {
            self.grants[name].bytes(index * PAGE, PAGE).unwrap().copy_to(&mut page).unwrap();
            let want = if seed == 0 { 0 } else { word(seed, number + index - from) };
            let right = page.as_chunks::<8>().0.iter().all(|got| u64::from_ne_bytes(*got) == want);
            assert!(right, "page {index} of {name} is not what the program wrote (seed {seed})");
        }
        self.pages += to - from;
    }
}

/// Runs a guest with so much RAM to its end, and checks all it grants.
fn run(mib: u64) -> Option<Dom0> {
    let mut machine = match Machine::boot(mib, "pools") {
        Ok(machine) => machine,
        Err(missing) => {
            println!("SKIP no virtual machine: {missing}");
            return None;
        }
    };
    let mut dom0: Option<Dom0> = None;
    loop {
        let line = machine.hear();
        let words: Vec<&str> = line.split(' ').collect();
        let number = |index: usize| words[index].parse::<u64>().unwrap();
        let dom0 = dom0.get_or_insert_with(|| Dom0::new(&machine));
        match words[0] {
            "grant" => {
                let runs = dom0.grant(words[1], number(2), words[3]);
                let (pages, took) = (number(2) / PAGE, dom0.mapping);
                println!(
                    "{:>10} {}: {pages} pages in {runs} runs, mapped in {took:?}",
                    machine.age(),
                    words[1]
                );
            }
            "compare" => dom0.compare(words[1], number(2), number(3), number(4) as u32, number(5)),
            "revoke" => drop(dom0.grants.remove(words[1])),
            "note" => println!("{:>10} {line}", machine.age()),
            "done" => break,
            _ => panic!("the guest failed: {line}\n{}", machine.console()),
        }
        machine.say("ok");
    }
    let dom0 = dom0?;
    assert!(dom0.grants.is_empty(), "{:?} are left", dom0.grants.keys());
    assert_eq!(dom0.ram.usage().mappings, 0);
    println!(
        "{:>10} {} MiB: {} pages compared, page frames {:#x} to {:#x}",
        machine.age(),
        mib,
        dom0.pages,
        dom0.lowest,
        dom0.highest
    );
    Some(dom0)
}

#[test]
fn every_page_is_the_programs() {
    run(1_024);
}

#[test]
fn page_frames_above_the_hole() {
    let Some(dom0) = run(4_096) else { return };
    assert!(dom0.highest > 1 << 20, "the guest used no memory above 4 GiB");
}

/// The program in the guest; here it does nothing.
#[test]
fn guest_side() {
    match std::env::var("TRANSOM_IN_GUEST").as_deref() {
        Ok("windows") => window::run(),
        Ok("windows-again") => window::run_again(),
        Ok(_) => guest::run(),
        Err(_) => {}
    }
}

/// A program that is killed in the middle of a frame; here it does nothing.
#[test]
fn guest_side_killed() {
    if std::env::var_os("TRANSOM_KILLED").is_some() {
        guest::draw_half_and_wait();
    }
}
