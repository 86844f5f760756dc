//! `transom-vmm` as its parent sees it. Where KVM runs at least a tiny payload, a machine really
//! runs; else these tests say so.

use std::{
    fs,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use transom_hypervisor::vmm::{
    Exit,
    client::{Launch, Outcome, Vmm},
    open_kvm,
};

use crate::{over_ram::over_ram, tiny::Code};

const PROGRAM: &str = env!("CARGO_BIN_EXE_transom-vmm");
/// Far more than any of these takes; a machine that hangs is the failure.
const PATIENCE: Duration = Duration::from_secs(20);

fn launch(kvm: OwnedFd, code: Code) -> Launch {
    Launch {
        kvm,
        ram: 64 << 20,
        vcpus: 2,
        kernel: code.kernel(),
        initramfs: None,
        command_line: "quiet".into(),
        disks: Vec::new(),
        nets: Vec::new(),
        vsock: Some((3, vec![5000])),
        uid: rustix::process::geteuid().is_root().then_some(213_000),
        log: Stdio::inherit(),
    }
}

/// A machine that runs `code`, or `None` where KVM cannot even do that.
fn start(code: Code) -> Option<Vmm> {
    match open_kvm() {
        Ok(kvm) => Some(Vmm::spawn(Path::new(PROGRAM), launch(kvm, code)).unwrap()),
        Err(error) => {
            println!("SKIP {error}");
            None
        }
    }
}

/// Waits until `done` says so or the process has ended.
fn wait(vmm: &mut Vmm, mut done: impl FnMut(&mut Vmm) -> bool) -> Option<Outcome> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(outcome) = vmm.step() {
            return Some(outcome);
        }
        if done(vmm) {
            return None;
        }
        let left = end.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "nothing happened for {PATIENCE:?}");
        let mut fds: Vec<_> =
            vmm.events().iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
        poll(&mut fds, Some(&Timespec::try_from(left).unwrap())).unwrap();
    }
}

fn outcome(vmm: &mut Vmm) -> Outcome {
    wait(vmm, |_| false).unwrap()
}

fn text(vmm: &Vmm) -> String {
    let mut bytes = vec![0; 4096];
    let length = rustix::io::read(vmm.output(), &mut bytes).unwrap_or(0);
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn every_end_is_told_apart() {
    for (code, end) in [
        (Code::default().out(0x600, 5 << 2 | 1 << 5), Exit::PowerOff),
        (Code::default().out(0x602, 0x5a), Exit::Reset),
        (Code::default().out(0x604, 1), Exit::Panic),
        (Code::default().fault(), Exit::TripleFault),
    ] {
        let Some(mut vmm) = start(code.say("still here").halt()) else { return };
        assert_eq!(outcome(&mut vmm), Outcome::Exit(end));
        assert_eq!(text(&vmm), "");
    }
}

#[test]
fn a_guest_writes_to_its_console_and_its_memory_is_seen() {
    let Some(mut vmm) = start(Code::default().say("hello\n").out(0x600, 0x34)) else { return };
    assert_eq!(outcome(&mut vmm), Outcome::Exit(Exit::PowerOff));
    assert_eq!(text(&vmm), "hello\n");
    let (layout, view) = vmm.ram().unwrap();
    assert_eq!(layout.size(), 64 << 20);
    let mut line = [0; 5];
    rustix::io::pread(view, &mut line, layout.offset_of(0x2_0000, 5).unwrap()).unwrap();
    assert_eq!(&line, b"quiet");
    assert!(rustix::io::pwrite(view, b"x", 0).is_err());
    for stage in vmm.stages().unwrap() {
        println!("{:>8} us, processor {:>8} us: {}", stage.wall_us, stage.cpu_us, stage.name);
    }
}

#[test]
fn ram_goes_on_above_the_hole() {
    let Ok(kvm) = open_kvm() else {
        println!("SKIP no /dev/kvm");
        return;
    };
    let ram = 5 << 30;
    let launch = Launch { ram, ..launch(kvm, Code::default().out(0x600, 0x34)) };
    let mut vmm = Vmm::spawn(Path::new(PROGRAM), launch).unwrap();
    assert_eq!(outcome(&mut vmm), Outcome::Exit(Exit::PowerOff));
    let (layout, view) = vmm.ram().unwrap();
    assert_eq!(layout.offset_of(4 << 30, 2 << 30), Some(3 << 30));
    assert_eq!(layout.offset_of(3 << 30, 1), None);
    assert_eq!(rustix::fs::fstat(view).unwrap().st_size, ram as i64);
}

/// Empties the console; true if anything came within this time.
fn talks(vmm: &Vmm, patience: Duration) -> bool {
    while !text(vmm).is_empty() {}
    let time = Timespec::try_from(patience).unwrap();
    poll(&mut [PollFd::from_borrowed_fd(vmm.output(), PollFlags::IN)], Some(&time)).unwrap() > 0
}

#[test]
fn a_paused_machine_runs_nothing_and_goes_on_where_it_was() {
    let Some(mut vmm) = start(Code::default().say("x").repeat()) else { return };
    for _ in 0..3 {
        assert!(talks(&vmm, PATIENCE));
        vmm.set_paused(true).unwrap();
        assert_eq!(wait(&mut vmm, |vmm| vmm.is_paused()), None);
        assert!(!talks(&vmm, Duration::from_millis(200)), "it runs");
        vmm.set_paused(false).unwrap();
        assert_eq!(wait(&mut vmm, |vmm| !vmm.is_paused()), None);
    }
    // Orders that cross each other are all obeyed, in order.
    for paused in [true, false, true, true] {
        vmm.set_paused(paused).unwrap();
    }
    vmm.kill();
    assert!(matches!(outcome(&mut vmm), Outcome::Died(_)), "a paused machine can be killed");
}

/// The jailed copy: the one child of the process that was started.
fn jailed(vmm: &Vmm) -> PathBuf {
    let pid = vmm.pid();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    Path::new("/proc").join(children.trim())
}

#[test]
fn the_process_has_nothing() {
    let Some(mut vmm) = start(Code::default().spin()) else { return };
    let ended = wait(&mut vmm, |vmm| vmm.stages().is_some());
    assert_eq!(ended, None);
    let process = jailed(&vmm);
    let own = Path::new("/proc/self");
    let status = fs::read_to_string(process.join("status")).unwrap();
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    if rustix::process::geteuid().is_root() {
        assert!(status.contains("Uid:\t213000\t213000\t213000\t213000"), "{status}");
        // Each thread has a filter of its own.
        for task in fs::read_dir(process.join("task")).unwrap() {
            let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            assert!(status.contains("Seccomp:\t2"), "{status}");
        }
        for name in ["user", "mnt", "pid", "net", "ipc", "uts"] {
            let namespace = |of: &Path| fs::read_link(of.join("ns").join(name)).unwrap();
            assert_ne!(namespace(&process), namespace(own), "{name}");
        }
        assert_eq!(fs::read_dir(process.join("root")).unwrap().count(), 0);
    }
    memory(&process);
    vmm.kill();
    assert!(matches!(outcome(&mut vmm), Outcome::Died(_)));
    assert!(has_ended(&process), "the jailed process outlived its parent");
}

/// Waits until it is gone, or only not yet taken note of by whoever inherits orphans: it dies with its
/// parent, but not in the same moment.
fn has_ended(process: &Path) -> bool {
    let gone =
        || fs::read_to_string(process.join("status")).map_or(true, |status| status.contains("State:\tZ"));
    let end = Instant::now() + Duration::from_secs(10);
    while !gone() && Instant::now() < end {
        std::thread::yield_now();
    }
    gone()
}

/// What the process holds besides guest RAM.
fn memory(process: &Path) {
    let Some(sums) = over_ram(process) else { return };
    let (all, private) = (sums.pss, sums.dirty + sums.clean);
    println!("over guest RAM: {all} KiB (proportional), {private} KiB (private)");
    // A build that is not optimised has larger code; its own pages are few all the same.
    assert!(private < 8 << 10, "{private} KiB of its own");
}

#[test]
fn a_parent_that_goes_ends_the_machine() {
    let Some(mut vmm) = start(Code::default().spin()) else { return };
    assert_eq!(wait(&mut vmm, |vmm| vmm.stages().is_some()), None);
    let process = jailed(&vmm);
    let view = vmm.ram().unwrap().1.try_clone_to_owned().unwrap();
    // As if the parent had died: only its end of the control socket goes.
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(vmm.pid() as i32).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    assert!(matches!(outcome(&mut vmm), Outcome::Died(_)));
    assert!(has_ended(&process));
    // Whoever still looks at its memory does not fault.
    assert_eq!(rustix::io::pread(&view, &mut [0; 16], 0), Ok(16));
}

#[test]
fn what_cannot_be_built_is_said() {
    let Ok(kvm) = open_kvm() else {
        println!("SKIP no /dev/kvm");
        return;
    };
    let other = || -> OwnedFd { fs::File::open("/dev/null").unwrap().into() };
    let spawn = |change: &dyn Fn(&mut Launch)| {
        let mut wanted = launch(kvm.try_clone().unwrap(), Code::default().halt());
        change(&mut wanted);
        match outcome(&mut Vmm::spawn(Path::new(PROGRAM), wanted).unwrap()) {
            Outcome::Failed(why) => why,
            other => panic!("{other:?}"),
        }
    };
    assert!(spawn(&|launch| launch.kvm = other()).contains("not /dev/kvm"));
    assert!(spawn(&|launch| launch.kernel = other().into()).contains("not a bzImage"));
    assert!(spawn(&|launch| launch.ram = 4096).contains("bytes of RAM"));
    assert!(spawn(&|launch| launch.vcpus = 0).contains("0 vCPUs"));
    assert!(spawn(&|launch| launch.command_line = "\n".into()).contains("command line"));
}
