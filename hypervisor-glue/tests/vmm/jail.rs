//! `transom-vmm` as its parent sees it. Where KVM runs at least a tiny payload, a machine really
//! runs; else these tests say so.

use std::{
    fs,
    io::IoSlice,
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
        SocketType, recv, send, sendmsg, socketpair,
    },
};
use transom_hypervisor::{
    packet::{self, Received},
    vmm::{
        Exit,
        client::{Launch, Outcome, Vmm},
        control::{FromVmm, NetPlan, Plan, PlugError, ToVmm},
        open_kvm,
    },
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
fn wait(vmm: &mut Vmm, done: impl FnMut(&mut Vmm) -> bool) -> Option<Outcome> {
    wait_for(vmm, None, done)
}

/// The same where something may come by `other`, too.
fn wait_for(
    vmm: &mut Vmm,
    other: Option<&OwnedFd>,
    mut done: impl FnMut(&mut Vmm) -> bool,
) -> Option<Outcome> {
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
        let fds = vmm.events().into_iter().chain(other.map(OwnedFd::as_fd));
        let mut fds: Vec<_> = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
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

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// A cable: the machine's end and ours.
fn cable() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

/// The next frame from a machine. `None`: its end is closed.
fn frame(vmm: &mut Vmm, cable: &OwnedFd) -> Option<Vec<u8>> {
    let (mut bytes, mut heard) = ([0; 2048], None);
    let ended = wait_for(vmm, Some(cable), |_| {
        heard = match recv(cable, &mut bytes[..], RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN) => return false,
            Ok((_, length)) => Some(length).filter(|length| *length > 0),
            // What we sent was not read by anybody.
            Err(Errno::CONNRESET) => None,
            Err(error) => panic!("{error}"),
        };
        true
    });
    assert_eq!(ended, None);
    Some(bytes[..heard?].to_vec())
}

/// Says something to [`Code::echo`] and waits until it says it, too.
fn echoes(vmm: &mut Vmm, cable: &OwnedFd, words: &[u8]) {
    send(cable, words, SendFlags::DONTWAIT).unwrap();
    while !frame(vmm, cable).unwrap().starts_with(words) {}
}

fn plug(vmm: &mut Vmm, cable: Option<OwnedFd>) {
    vmm.plug(0, cable).unwrap();
    assert_eq!(wait(vmm, |vmm| vmm.is_plugged()), None);
}

#[test]
fn a_cable_is_exchanged_while_the_machine_runs() {
    let Ok(kvm) = open_kvm() else {
        println!("SKIP no /dev/kvm");
        return;
    };
    let [first, second, third] = [(), (), ()].map(|()| cable());
    let launch =
        Launch { nets: vec![(Some(first.0), MAC), (None, MAC)], ..launch(kvm, Code::default().echo()) };
    let mut vmm = Vmm::spawn(Path::new(PROGRAM), launch).unwrap();
    echoes(&mut vmm, &first.1, b"one");

    plug(&mut vmm, Some(second.0));
    while frame(&mut vmm, &first.1).is_some() {}
    echoes(&mut vmm, &second.1, b"two");
    // No cable at all: the guest goes on sending, or it would say nothing afterwards. Paused or not.
    plug(&mut vmm, None);
    while frame(&mut vmm, &second.1).is_some() {}
    vmm.set_paused(true).unwrap();
    assert_eq!(wait(&mut vmm, |vmm| vmm.is_paused()), None);
    plug(&mut vmm, Some(third.0));
    vmm.set_paused(false).unwrap();
    echoes(&mut vmm, &third.1, b"three");

    // What cannot be is refused here already.
    let (stream, _other) = UnixStream::pair().unwrap();
    for (card, wrong, says) in [(2, None, "no such network card"), (0, Some(stream.into()), "keeps borders")]
    {
        let refused = vmm.plug(card, wrong).unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
    vmm.kill();
    assert!(matches!(outcome(&mut vmm), Outcome::Died(_)));
}

#[test]
fn an_order_that_cannot_be_is_answered_in_the_jail() {
    let Ok(kvm) = open_kvm() else {
        println!("SKIP no /dev/kvm");
        return;
    };
    let (control, theirs) = cable();
    let mut child = Command::new(PROGRAM).stdin(Stdio::from(theirs)).spawn().unwrap();
    let tell = |message: &ToVmm, files: &[BorrowedFd<'_>]| {
        packet::send(&control, &serde_json::to_vec(message).unwrap(), files).unwrap();
    };
    let kernel = OwnedFd::from(Code::default().spin().kernel());
    let (cable, other) = cable();
    tell(&ToVmm::Files, &[kvm.as_fd(), kernel.as_fd(), cable.as_fd()]);
    let plan = Plan {
        ram: 64 << 20,
        vcpus: 1,
        kvm: 0,
        kernel: 1,
        initramfs: None,
        command_line: "quiet".into(),
        console: None,
        disks: Vec::new(),
        nets: vec![NetPlan { link: Some(2), address: MAC }],
        vsock: None,
        uid: None,
    };
    // Orders wait until it has begun.
    tell(&ToVmm::Start(Box::new(plan)), &[]);
    let (stream, _other) = UnixStream::pair().unwrap();
    let device = fs::File::open("/dev/zero").unwrap();
    for (card, files, answer) in [
        (0, &[cable.as_fd()][..], Ok(())),
        (1, &[], Err(PlugError::NoCard)),
        (usize::MAX, &[cable.as_fd()], Err(PlugError::NoCard)),
        (0, &[cable.as_fd(), cable.as_fd()], Err(PlugError::Count)),
        (0, &[stream.as_fd()], Err(PlugError::Kind)),
        (0, &[device.as_fd()], Err(PlugError::Kind)),
        (0, &[], Ok(())),
    ] {
        tell(&ToVmm::Plug(card), files);
        assert_eq!(hear(&control), FromVmm::Plugged(answer), "{card} {files:?}");
    }
    // More descriptors than a packet may have, and bytes that are no order: nothing comes of them.
    let many = [cable.as_fd(); 5];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(5))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    assert!(beside.push(SendAncillaryMessage::ScmRights(&many)));
    sendmsg(&control, &[IoSlice::new(b"{\"plug\":0}")], &mut beside, SendFlags::empty()).unwrap();
    for bytes in [&b"{\"plug\":-1}"[..], b"{\"plug\":0", &[b'x'; 4096], b"\0"] {
        packet::send(&control, bytes, &[cable.as_fd()]).unwrap();
    }
    tell(&ToVmm::Pause, &[]);
    assert_eq!(hear(&control), FromVmm::Paused(true));
    // It has kept none of all these descriptors.
    drop(cable);
    assert_eq!(recv(&other, &mut [0_u8; 9][..], RecvFlags::DONTWAIT).unwrap().1, 0);
    drop(control);
    assert!(child.wait().unwrap().success(), "it ends with its parent");
}

/// The next answer to an order.
fn hear(control: &OwnedFd) -> FromVmm {
    loop {
        let mut ready = [PollFd::new(control, PollFlags::IN)];
        let patience = Timespec::try_from(PATIENCE).unwrap();
        assert_eq!(poll(&mut ready, Some(&patience)), Ok(1), "no answer");
        let Ok(Received::Packet(bytes, _)) = packet::recv(control) else { panic!("it has ended") };
        match serde_json::from_slice(&bytes).unwrap() {
            FromVmm::Ram(_) | FromVmm::Started(_) => {}
            answer => return answer,
        }
    }
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
