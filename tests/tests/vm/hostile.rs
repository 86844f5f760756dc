//! A hostile qube, for real: process 1 of a stock kernel is a program of ours that does to dom0 what
//! it can (`transom-hostile-guest`). The desktop goes on, with another qube's window in it; each end
//! of a link has one reason; nothing of the qube stays in dom0.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use transom::ipc::{self, Reply, Request};
use transom_hypervisor::{
    client::Client,
    paths,
    supervisor::{ReplyBody, RequestBody},
};
use transom_tests::process::{binary, until};
use transom_theming::Label;

use super::{
    images::{add_to_initramfs, own},
    lab::Lab,
    picture::is_painted_within_its_frame,
};

/// Its memory in MiB: more than fits below the hole, if this computer has it.
const LARGE: u64 = 2304;
const SMALL: u64 = 512;
/// Page frames of a MiB.
const FRAMES: u64 = 256;
/// Where the hole begins and ends, in frames.
const HOLE: [u64; 2] = [2048 * FRAMES, 4096 * FRAMES];
/// Longest time between two pictures of the other qube, and longest answer of the desktop. Both are
/// far below it; another machine is emulated on the same processors.
const STALL: Duration = Duration::from_secs(5);

/// Streams of calls that qubed takes of one qube at once.
const CALLS: usize = 48;

/// The desktop and the other qube, looked at all the time.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    asked: u32,
    slowest_answer: Duration,
    longest_silence: Duration,
    pictures: u64,
}

impl Watch {
    fn start(desktop: PathBuf, qube: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let (mut seen, mut messages, mut last) = (Seen::default(), 0, Instant::now());
            while !stopped.load(Ordering::Relaxed) {
                let begin = Instant::now();
                let answer = ipc::ask(&desktop, &Request::State);
                let Ok(Reply::State(state)) = answer else { panic!("the desktop does not answer") };
                seen.asked += 1;
                seen.slowest_answer = seen.slowest_answer.max(begin.elapsed());
                let now = state.qubes.iter().find(|other| other.name == qube).expect("its link").messages;
                if now > messages {
                    seen.longest_silence = seen.longest_silence.max(last.elapsed());
                    seen.pictures += now - messages;
                    (messages, last) = (now, Instant::now());
                }
                thread::park_timeout(Duration::from_millis(20));
            }
            seen.longest_silence = seen.longest_silence.max(last.elapsed());
            seen
        });
        Self { stop, thread }
    }

    fn end(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// What dom0's processes hold.
#[derive(Debug, PartialEq)]
struct Held {
    /// Open descriptors of the desktop and of qubed.
    descriptors: [usize; 2],
    /// Mappings of guest RAM in the desktop.
    guest_ram: usize,
}

struct House<'a> {
    lab: &'a Lab,
    desktop: u32,
    qubed: u32,
}

impl<'a> House<'a> {
    fn new(lab: &'a Lab) -> Self {
        let mut client = Client::connect(&lab.house.path().join(paths::SOCKET_NAME)).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let Ok(ReplyBody::Pong { pid, .. }) = client.call(RequestBody::Ping, deadline) else {
            panic!("qubed does not answer");
        };
        Self { lab, desktop: lab.house.desktop_pid().unwrap(), qubed: pid }
    }

    fn maps(&self) -> Vec<String> {
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.desktop)).unwrap();
        maps.lines().map(str::to_owned).collect()
    }

    fn held(&self) -> Held {
        let count = |pid| fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        Held {
            descriptors: [self.desktop, self.qubed].map(count),
            guest_ram: self.maps().iter().filter(|line| line.contains("guest-ram")).count(),
        }
    }

    /// The same, without what comes and goes: clients of the moment.
    fn held_at_rest(&self) -> Held {
        let mut least = self.held();
        for _ in 0..25 {
            thread::park_timeout(Duration::from_millis(20));
            let [desktop, qubed] = self.held().descriptors;
            least.descriptors = [least.descriptors[0].min(desktop), least.descriptors[1].min(qubed)];
        }
        least
    }

    /// Sees that dom0 holds what it held before. Clients of the moment come and go.
    fn is_as_before(&self, before: &Held, what: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while self.held() != *before {
            assert!(Instant::now() < end, "after {what}: {:?} instead of {before:?}", self.held());
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// The reasons for which dom0 has cut the qube off.
    fn cuts(&self) -> Vec<String> {
        let said = self.lab.house.said();
        let cut = said.lines().filter(|line| line.contains("link closed") && line.contains("evil"));
        cut.filter(|line| line.contains("WARN")).map(str::to_owned).collect()
    }

    fn attack(&self, words: &str) {
        let all: Vec<&str> = ["qube", "run", "evil"].into_iter().chain(words.split(' ')).collect();
        let begin = Instant::now();
        let output = self.lab.house.run(&all);
        let said = String::from_utf8_lossy(&output.stderr);
        let logs = || format!("{}\n{}", self.lab.log("evil"), self.lab.house.said());
        assert!(output.status.success(), "{words}: {said}\n{}", logs());
        println!("{:.2} s: {words}", begin.elapsed().as_secs_f32());
    }
}

/// An image whose process 1 is the hostile program.
fn hostile_image(lab: &Lab) {
    let stripped = lab.house.path().join("hostile");
    let program = binary("transom-hostile-guest");
    assert!(Command::new("strip").arg("-o").arg(&stripped).arg(program).status().unwrap().success());
    let init = b"#!/bin/busybox sh\nmount -t tmpfs run /run\nexec /usr/lib/transom/hostile\n";
    let program = fs::read(&stripped).unwrap();
    add_to_initramfs(&own(lab, "hostile"), &[("transom/init", init), ("transom/hostile", &program)]);
}

/// What is granted, and what dom0 says of it.
fn bad_grants(frames_below: u64, end: u64) -> Vec<(String, &'static str)> {
    let outside = "are not all guest RAM";
    let (past, hole) = (format!("grant 8192 {}:2", end - 1), HOLE[1] - 256 * FRAMES);
    let mut bad = vec![
        (past, outside),
        (format!("grant 4096 {}:1", 1_u64 << 36), outside),
        (format!("grant 4096 {hole}:1"), outside),
        (format!("grant 8192 {}:2", u64::MAX - 1), "a number is outside its range"),
        (format!("grant 4096 {}:1", u64::MAX - 1), outside),
        ("grant 4096 4096:0".to_owned(), "a number is outside its range"),
        ("grant 4096 4096:2".to_owned(), "a number is outside its range"),
        ("grant 8192 4096:1 4096:1 4096:1".to_owned(), "a number is outside its range"),
        ("runs-in-one".to_owned(), "allowed are"),
        ("runs-in-all".to_owned(), "more grants, or more bytes or page runs"),
        ("grants".to_owned(), "more grants, or more bytes or page runs"),
        (format!("bytes {frames_below}"), "more grants, or more bytes or page runs"),
        ("revoke-twice".to_owned(), "no such grant, or it is being revoked"),
        ("noise".to_owned(), "unknown message type"),
    ];
    if end > HOLE[1] {
        // Into the hole, and out of it.
        bad.push((format!("grant 8192 {}:2", HOLE[0] - 1), outside));
        bad.push((format!("grant 8192 {}:2", HOLE[1] - 1), outside));
    } else {
        println!("SKIP a machine with a hole: it needs {LARGE} MiB of memory");
    }
    bad
}

/// The machine's memory in MiB, and the frame after its last.
fn memory() -> (u64, u64) {
    let free = fs::read_to_string("/proc/meminfo").unwrap();
    let free: u64 = free
        .lines()
        .find_map(|l| l.strip_prefix("MemAvailable:")?.trim().split(' ').next()?.parse().ok())
        .unwrap();
    if free >> 10 > LARGE + 512 {
        (LARGE, HOLE[1] + LARGE * FRAMES - HOLE[0])
    } else {
        (SMALL, SMALL * FRAMES)
    }
}

#[test]
fn a_hostile_qube_harms_itself_only() {
    let Some(mut lab) = Lab::undisturbed() else { return };
    lab.house.start_desktop();
    hostile_image(&lab);
    let (mib, end) = memory();
    lab.create("evil", "red", &format!("memory \"{mib}MiB\"\nvolume \"64MiB\""));
    let file = lab.data().join("qubes/evil/qube.kdl");
    let text = fs::read_to_string(&file).unwrap().replace("debian-12", "hostile");
    fs::write(file, text).unwrap();
    // The other qube draws all the time.
    lab.house.must(&["qube", "create", "work", "--label", "blue", "--backend", "sandbox"]);
    lab.house.must(&["qube", "start", "work"]);
    let draw = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.05; done";
    lab.house.must(&["qube", "run", "work", "foot", "--title=honest", "sh", "-c", draw]);
    lab.window("honest");
    lab.start("evil");

    let house = House::new(&lab);
    let maps = house.maps().len();
    let before = house.held_at_rest();
    println!("before: {before:?}, {maps} mappings");
    let watch = Watch::start(lab.house.path().join("desktop.sock"), "work");
    links(&house, &before, mib.min(2048) * FRAMES, end);
    machine(&house, &before);
    let seen = watch.end();
    println!("the other qube: {seen:?}");
    assert!(seen.slowest_answer < STALL && seen.longest_silence < STALL, "{seen:?}");
    assert!(house.maps().len() < maps + 64, "{} mappings, {maps} before", house.maps().len());
    assert_eq!(lab.window("honest").qube, "work");
}

/// What it does by its links.
fn links(house: &House<'_>, before: &Held, frames_below: u64, end: u64) {
    let lab = house.lab;
    for (number, (words, reason)) in bad_grants(frames_below, end).into_iter().enumerate() {
        house.attack(&words);
        until("one reason", || (house.cuts().len() > number).then_some(()));
        let cuts = house.cuts();
        assert_eq!(cuts.len(), number + 1, "{words}: {cuts:#?}");
        assert!(cuts[number].contains(reason), "{words}: {}", cuts[number]);
        let notices = lab.house.state().notices;
        let told = |notice: &String| notice.starts_with("evil was cut off: ") && notice.contains(reason);
        assert!(notices.iter().any(told), "{words}: {notices:?}");
        house.is_as_before(before, &words);
    }
    let cuts = house.cuts().len();
    // What is legal ends no link, and is in its own frame.
    for words in ["overlap", "freed", "kernel", "flood", "half", "silent", "deaf"] {
        house.attack(words);
        if words == "overlap" {
            is_painted_within_its_frame(lab, "evil", Label::Red);
        }
        if ["overlap", "freed", "kernel"].contains(&words) {
            until("dom0 reads its memory", || (house.held().guest_ram > 0).then_some(()));
            assert!(lab.house.state().windows.iter().any(|window| window.qube == "evil"));
        }
        // Who does not listen blocks his own stream, or is cut off for it.
        let there = lab.house.state().qubes.iter().any(|qube| qube.name == "evil");
        assert!(there || words == "deaf" && house.cuts().len() > cuts, "{words}: {:#?}", house.cuts());
        house.attack("nothing");
        house.is_as_before(before, words);
    }
    house.attack("knock");
    let more = house.cuts().split_off(cuts);
    let deaf = |cut: &String| cut.contains("the qube does not read what it is sent");
    assert!(more.len() <= 1 && more.iter().all(deaf), "{more:#?}");
}

/// What it does to its own machine, and the end of that.
fn machine(house: &House<'_>, before: &Held) {
    let lab = house.lab;
    house.attack("connections");
    // qubed serves everybody else, and takes no more of these than it wants.
    let begin = Instant::now();
    let mut most = 0;
    while begin.elapsed() < Duration::from_secs(6) {
        let asked = Instant::now();
        let info = lab.info("evil");
        assert!(asked.elapsed() < STALL, "qubed took {:?}", asked.elapsed());
        if info["state"]["is"] != "running" {
            break;
        }
        most = most.max(house.held().descriptors[1]);
    }
    println!("qubed held {most} descriptors at most, {} before", before.descriptors[1]);
    assert!(most < before.descriptors[1] + 24 + CALLS, "{most}");
    let info = lab.info("evil");
    if info["state"]["is"] == "running" {
        let pid = info["pid"].as_u64().and_then(|pid| Pid::from_raw(pid as i32)).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
    }
    until("it is marked", || (lab.info("evil")["state"]["is"] == "failed").then_some(()));
    println!("{}", lab.info("evil")["state"]["reason"]);
    assert!(lab.info("evil")["state"]["reason"].to_string().contains("QEMU was ended by signal 9"));
    assert!(!Path::new(&lab.house.path().join("qubes/evil")).exists(), "its folder stays");
    // Its link and its machine are gone: two streams, guest RAM, and what the machine was held by.
    // Whoever watches the desktop meanwhile comes and goes.
    until("all of it is let go", || {
        let Held { descriptors: [desktop, qubed], guest_ram } = house.held();
        (guest_ram == 0 && desktop == before.descriptors[0] && qubed < before.descriptors[1]).then_some(())
    });
    assert!(lab.log("evil").contains("hostile: port"), "no flood: {}", lab.log("evil"));
}
