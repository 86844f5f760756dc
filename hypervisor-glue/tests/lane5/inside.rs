//! Inside: the parent of `transom-vmm`, on a machine whose KVM runs a stock kernel.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    os::{
        fd::OwnedFd,
        unix::{
            fs::FileExt as _,
            net::{UnixDatagram, UnixStream},
        },
    },
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use transom_hypervisor::{
    overlay,
    vmm::{
        Exit,
        client::{DiskFile, Launch, Outcome, Vmm},
        open_kvm,
    },
};

use crate::{
    GOOD, INSIDE, MARK,
    figure::figure,
    over_ram::{OverRam, over_ram},
    tap,
};

const RAM: u64 = 256 << 20;
const PORT: u32 = 5000;
const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
/// Of the second card.
const TAP_MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x57];
/// Most that `transom-vmm` may take above guest RAM while its guest asks for all it can; a quarter of
/// what qubed grants it.
const MOST_KIB: u64 = 16 << 10;
/// Longest time that another thread of this machine may wait for its turn meanwhile: four threads of
/// the guest's machine want its two processors, all of it emulated.
const LATEST: Duration = Duration::from_secs(2);
/// One boot, under two layers of emulation.
const PATIENCE: Duration = Duration::from_secs(80);

/// Of what a guest says; all of it is shown when a test fails.
const WORTH_SEEING: &[&str] = &[
    "GUEST",
    "Linux version",
    "Run /init",
    "PM: (supports",
    "Brought up",
    "Kernel panic",
    "reboot: ",
    "BUG",
];

#[test]
#[ignore = "runs inside the machine that the other test makes"]
fn all() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    // The kernel's command line names it.
    match std::env::var("part").as_deref() {
        Ok("devices") => devices(),
        Ok("flood") => flood(),
        Ok("ends") => {
            for (probe, end) in [("panic", Exit::Panic), ("reset", Exit::Reset)] {
                // Each processor of the guest's is one more chance for the emulation to hang: see `outer`.
                let mut run = Run::start(Launch { vcpus: 1, ..launch(probe) });
                assert_eq!(run.serve(), Outcome::Exit(end));
                println!("{MARK}{probe}: seen and reported");
            }
        }
        part => panic!("which part? {part:?}"),
    }
    println!("{GOOD}");
}

/// What the guest program expects in sector `number`.
fn pattern(number: usize) -> impl Iterator<Item = u8> {
    (0..512).map(move |index| (number * 7 + index) as u8)
}

fn launch(probe: &str) -> Launch {
    Launch {
        kvm: open_kvm().unwrap(),
        ram: RAM,
        vcpus: 2,
        kernel: File::open("/guest/vmlinuz").unwrap(),
        initramfs: Some(File::open("/guest/initramfs").unwrap()),
        command_line: format!("console=ttyS0 panic=-1 probe={probe}"),
        disks: Vec::new(),
        nets: Vec::new(),
        vsock: Some((3, vec![PORT])),
        uid: Some(213_000),
        log: Stdio::inherit(),
    }
}

/// Two disks: one read-only, one a layer above it.
fn disks(content: &[u8]) -> Vec<DiskFile> {
    fs::write("/tmp/base", content).unwrap();
    let open = |path: &str, write: bool| File::options().read(true).write(write).open(path).unwrap();
    File::create("/tmp/overlay").unwrap();
    overlay::create(&open("/tmp/overlay", true), content.len() as u64).unwrap();
    vec![
        DiskFile {
            serial: "base".into(),
            file: open("/tmp/base", false),
            base: None,
            read_only: true,
            key: None,
        },
        DiskFile {
            serial: "overlay".into(),
            file: open("/tmp/overlay", true),
            base: Some((open("/tmp/base", false), content.len() as u64)),
            read_only: false,
            key: None,
        },
    ]
}

fn devices() {
    let content: Vec<u8> = (0..2048).flat_map(pattern).collect();
    let (cable, far_end) = UnixDatagram::pair().unwrap();
    let (tap, tap_end) = tap::make("tap0").unwrap();
    let card = thread::spawn(move || network(&far_end, MAC));
    let tap_card = thread::spawn(move || network(&tap_end, TAP_MAC));

    let mut launch = launch("off");
    launch.disks = disks(&content);
    launch.nets = vec![(Some(cable.into()), MAC), (Some(tap), TAP_MAC)];
    let mut run = Run::start(launch);
    let outcome = run.serve();
    let heard = &run.heard;
    assert_eq!(outcome, Outcome::Exit(Exit::PowerOff));
    for wanted in [
        "GUEST cpus 0-1",
        "GUEST rng: 32 bytes from virtio_rng",
        "GUEST disk: read, serial base, read-only",
        "GUEST overlay: read and written",
        "GUEST net: 52:54:00:12:34:56 heard \"from the host\"",
        "GUEST tap: 52:54:00:12:34:57 heard \"from the host\"",
        "GUEST vsock: 1048576 bytes there and back",
        "GUEST vsock refused: Connection reset by peer",
        "GUEST done",
    ] {
        assert!(heard.contains(wanted), "the guest did not say: {wanted}");
    }
    assert!(!heard.contains("GUEST error"));
    assert!(card.join().unwrap().starts_with(b"from the guest"));
    assert!(tap_card.join().unwrap().starts_with(b"from the guest"));
    assert_eq!(fs::read("/tmp/base").unwrap(), content, "the base was written");
    // Blocks lie at its end; before them is a map with room for far more.
    let file = File::open("/tmp/overlay").unwrap();
    let mut blocks = vec![0; content.len()];
    file.read_exact_at(&mut blocks, file.metadata().unwrap().len() - content.len() as u64).unwrap();
    assert!(blocks.windows(4096).any(|window| window == [0xa5; 4096]), "the overlay was not written");
    println!("{MARK}devices: all work");
}

/// A guest that asks each of its devices for all it can, as root. Nobody reads its cable.
fn flood() {
    let content = vec![0; 1 << 20];
    let (cable, _far_end) = UnixDatagram::pair().unwrap();
    let mut launch = launch("flood");
    launch.disks = disks(&content);
    launch.nets = vec![(Some(cable.into()), MAC)];
    let mut run = Run::start(launch);
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, pid) = (stop.clone(), run.vmm.pid());
    let other_work = thread::spawn(move || {
        let (mut latest, mut most, mut turns) = (Duration::ZERO, 0, 0);
        while !stopped.load(Ordering::Relaxed) {
            let (asleep, nap) = (Instant::now(), Duration::from_millis(20));
            thread::park_timeout(nap);
            latest = latest.max(asleep.elapsed().saturating_sub(nap));
            turns += 1;
            if turns % 20 == 0 {
                most = most.max(both(pid).map_or(0, |sums| sums.dirty));
            }
        }
        (latest, most, turns)
    });
    let outcome = run.serve();
    stop.store(true, Ordering::Relaxed);
    let (latest, most, turns) = other_work.join().unwrap();
    println!(
        "{MARK}flood: {most} KiB of its own at most; another thread had {turns} turns, {latest:?} late at most"
    );
    assert_eq!(outcome, Outcome::Exit(Exit::PowerOff));
    let told = run.heard.lines().find_map(|line| line.trim().strip_prefix("GUEST flood: ")).unwrap();
    for part in told.split(", ") {
        let (name, counts) = part.split_once(' ').unwrap();
        let (done, vain) = counts.split_once('+').unwrap();
        // What is shut stays shut; all else does what it is there for.
        let count = if name == "knocks" { vain } else { done };
        assert!(count.parse::<u64>().unwrap() > 10, "{told}");
        assert!(name != "knocks" || done == "0", "{told}");
    }
    assert!(most > 0 && most < MOST_KIB, "{most} KiB");
    assert!(latest < LATEST, "{latest:?}");
    assert_eq!(fs::read("/tmp/base").unwrap(), content, "the base was written");
    println!("{MARK}flood: withstood");
}

/// The other end of a guest's cable: answers one frame. Says what was in it.
fn network(far_end: &UnixDatagram, mac: [u8; 6]) -> Vec<u8> {
    const ETHER_TYPE: [u8; 2] = [0x88, 0xb5];
    let mut frame = [0; 2048];
    far_end.set_read_timeout(Some(PATIENCE)).unwrap();
    loop {
        let length = far_end.recv(&mut frame).unwrap();
        if frame[12..14] == ETHER_TYPE {
            assert_eq!(frame[6..12], mac);
            let answer = [&mac[..], &[2, 0, 0, 0, 0, 1], &ETHER_TYPE, b"from the host", &[0; 60]].concat();
            far_end.send(&answer).unwrap();
            return frame[14..length].to_vec();
        }
    }
}

/// A machine and what it said.
struct Run {
    vmm: Vmm,
    start: Instant,
    heard: String,
    shown: usize,
    told: bool,
    idle: Vec<(String, u64)>,
}

impl Run {
    fn start(launch: Launch) -> Self {
        let start = Instant::now();
        let vmm = Vmm::spawn(Path::new("/bin/transom-vmm"), launch).unwrap();
        Self { vmm, start, heard: String::new(), shown: 0, told: false, idle: Vec::new() }
    }

    /// Serves the machine until it has ended.
    fn serve(&mut self) -> Outcome {
        loop {
            self.wait();
            let outcome = self.vmm.step();
            self.listen();
            self.stages();
            while let Ok(Some((connection, _))) = self.vmm.accept(PORT) {
                thread::spawn(move || echo(connection));
            }
            if let Some(outcome) = outcome {
                return outcome;
            }
            assert!(self.start.elapsed() < PATIENCE, "it takes too long");
        }
    }

    fn wait(&self) {
        let output = self.vmm.output();
        let others = [output, self.vmm.listener(PORT).unwrap()];
        let all = self.vmm.events().into_iter().chain(others);
        let mut fds: Vec<_> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        poll(&mut fds, Some(&Timespec { tv_sec: 5, tv_nsec: 0 })).unwrap();
    }

    fn listen(&mut self) {
        let mut bytes = [0; 4096];
        while let Ok(length) = rustix::io::read(self.vmm.output(), &mut bytes) {
            if length == 0 {
                break;
            }
            self.heard += &String::from_utf8_lossy(&bytes[..length]);
        }
        while let Some(end) = self.heard[self.shown..].find('\n') {
            let line = self.heard[self.shown..self.shown + end].trim_end().to_owned();
            self.shown += end + 1;
            if WORTH_SEEING.iter().any(|words| line.contains(words)) {
                println!("{MARK}{:>6.2} | {line}", self.start.elapsed().as_secs_f32());
            }
            match line.as_str() {
                "GUEST idle" => self.idle = self.switches(),
                "GUEST done" => {
                    let woken: Vec<_> = self
                        .switches()
                        .into_iter()
                        .zip(&self.idle)
                        .map(|((name, now), (_, then))| (name, now - then))
                        .collect();
                    if !woken.is_empty() {
                        println!("{MARK}idle for five seconds, each thread's wake-ups: {woken:?}");
                        // What wakes a vCPU are the guest's own timers.
                        let devices = woken.iter().filter(|(name, _)| !name.starts_with("vcpu"));
                        let sum: u64 = devices.map(|(_, times)| times).sum();
                        figure("vmm.idle_wakeups_per_s", sum as f64 / 5.0, "1/s", 1);
                    }
                    self.memory();
                }
                _ => {}
            }
        }
    }

    fn stages(&mut self) {
        if let (false, Some(stages)) = (self.told, self.vmm.stages()) {
            self.told = true;
            for stage in stages {
                println!(
                    "{MARK}stage {:>7} us, processor {:>7} us: {}",
                    stage.wall_us, stage.cpu_us, stage.name
                );
            }
        }
    }

    /// How often each thread of the jailed process has gone to sleep so far.
    fn switches(&self) -> Vec<(String, u64)> {
        let pid = self.vmm.pid();
        let child = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", child.trim())) else { return Vec::new() };
        let of = |task: std::io::Result<fs::DirEntry>| {
            let text = fs::read_to_string(task.ok()?.path().join("status")).ok()?;
            let field = |name| text.lines().find_map(|line: &str| line.strip_prefix(name)).map(str::trim);
            Some((field("Name:")?.to_owned(), field("voluntary_ctxt_switches:")?.parse().ok()?))
        };
        tasks.filter_map(of).collect()
    }

    /// What `transom-vmm` holds besides guest RAM while the guest is up.
    fn memory(&self) {
        if let Some(sums) = both(self.vmm.pid()) {
            println!("{MARK}both processes over guest RAM, KiB: {sums:?}");
            // Pages that others have too count by their share.
            figure("vmm.overhead_mib", sums.pss as f64 / 1024.0, "MiB", 1);
        }
    }
}

/// What both processes of a `transom-vmm` hold besides guest RAM.
fn both(pid: u32) -> Option<OverRam> {
    let child = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    let of = |pid: &str| over_ram(&Path::new("/proc").join(pid)).unwrap_or_default();
    Some(of(child.trim()) + of(&pid.to_string()))
}

impl Drop for Run {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{}", self.heard);
        }
    }
}

/// Sends back what comes, until it ends.
fn echo(connection: OwnedFd) {
    let mut stream = UnixStream::from(connection);
    stream.set_nonblocking(false).unwrap();
    let mut bytes = [0; 16 * 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return,
            Ok(length) => stream.write_all(&bytes[..length]).unwrap(),
            Err(error) if error.raw_os_error() == Some(Errno::INTR.raw_os_error()) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
