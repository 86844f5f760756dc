//! The machine: a kernel of Debian's with a virtual screen, which sees this computer's programs by 9p,
//! read-only; and the wires to it.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use transom::ipc::{Reply, Request, State};
use transom_tests::wire::{Qmp, Wire};
use transom_theming::Label;

use super::{
    inside::{Ask, INSIDE},
    mirror::Mirror,
};

/// The machine's life at most, in seconds.
const LIMIT: &str = "240";
/// Modules of the wire, the screen and the devices, in order.
const MODULES: [&str; 9] = [
    "virtio_console",
    "evdev",
    "virtio_input",
    "uinput",
    "drm",
    "drm_kms_helper",
    "drm_shmem_helper",
    "virtio_dma_buf",
    "virtio-gpu",
];
/// The graphics card that every machine has.
pub(crate) const FIRST_CARD: &str = "gpu";
/// What a seat needs.
const SEAT: &str = "busybox mkdir dev/pts; busybox mount -t devpts pts dev/pts\n\
    /lib/systemd/systemd-udevd --daemon\n\
    udevadm trigger --action=add --subsystem-match=input --subsystem-match=drm; udevadm settle\n\
    seatd &";
/// Programs of this computer that run in the machine.
const NEEDED: [&str; 6] = [
    "/usr/bin/udevadm",
    "/usr/sbin/seatd",
    "/usr/bin/foot",
    "/usr/bin/bwrap",
    "/usr/bin/wlsunset",
    "/usr/bin/gammastep",
];

/// Two machines at once would each be half as fast, and find the limits of time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) struct Machine {
    dir: tempfile::TempDir,
    process: Child,
    pub(crate) qmp: Qmp,
    inside: Wire,
    /// The graphics card that is looked at, by its name in QEMU.
    pub(crate) card: &'static str,
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    /// Starts one, which runs these lines of a shell first. `None`: there can be none here, as is said, or
    /// this is the part of the test that runs in one.
    pub(crate) fn start(lines: &str) -> Option<Self> {
        Self::start_with(lines, &[])
    }

    /// As [`Machine::start`], with more devices of QEMU's.
    pub(crate) fn start_with(lines: &str, devices: &[&str]) -> Option<Self> {
        if env::var_os(INSIDE).is_some() {
            return None;
        }
        Self::try_start(lines, devices)
            .inspect_err(|missing| println!("SKIP no machine with a screen: {missing}"))
            .ok()
    }

    fn try_start(lines: &str, devices: &[&str]) -> Result<Self, String> {
        let missing = |path: &&str| !Path::new(path).exists();
        if let Some(missing) = NEEDED.iter().find(|path| missing(path)) {
            return Err(format!("{missing} is not installed"));
        }
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let mirror = Mirror::new()?;
        let dir = tempfile::tempdir().unwrap();
        let initramfs = dir.path().join("initramfs");
        let variables = format!("{INSIDE}=1 LIBSEAT_BACKEND=seatd NO_COLOR=1");
        let modules = MODULES.into_iter().map(|name| (name, ""));
        fs::write(
            &initramfs,
            mirror.archive(modules, &variables, &format!("{lines}{SEAT}"), "inside::inside"),
        )
        .unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        let mut command = Command::new("timeout");
        command
            .args([LIMIT, "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-smp", "2", "-cpu", "max"])
            .args(["-m", "2048", "-vga", "none", "-nic", "none", "-monitor", "none", "-no-reboot"])
            .args(["-device", "virtio-gpu-pci,id=gpu,max_outputs=2,xres=1024,yres=768"])
            .args(["-device", "virtio-keyboard-pci", "-device", "virtio-tablet-pci"])
            .args(["-device", "virtio-mouse-pci", "-display", "none"])
            .args(["-vnc", &format!("unix:{},display=gpu,head=0", at("viewer-0"))])
            .args(["-vnc", &format!("unix:{},display=gpu,head=1", at("viewer-1"))])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", at("qmp"))])
            .args(["-chardev", &format!("socket,id=wire,path={},server=on,wait=off", at("wire"))])
            .args(["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=wire"])
            .args(["-serial", "stdio", "-append", "console=ttyS0 quiet panic=-1", "-kernel"])
            .arg(&mirror.kernel.image)
            .arg("-initrd")
            .arg(initramfs);
        for device in devices {
            command.args(["-device", device]);
        }
        mirror.share(&mut command);
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut process = process.map_err(|error| format!("timeout: {error}"))?;
        let console = process.stdout.take().unwrap();
        thread::spawn(|| show(console));
        let qmp = Qmp::connect(Path::new(&at("qmp")));
        let inside = Wire::connect(Path::new(&at("wire")));
        Ok(Self { dir, process, qmp, inside, card: FIRST_CARD, _turn: turn })
    }

    pub(crate) fn ask(&mut self, ask: &Ask) -> Reply {
        self.inside.send(ask);
        self.inside.hear()
    }

    /// Everything about the desktop.
    pub(crate) fn state(&mut self) -> State {
        match self.ask(&Ask::Tell(Request::State)) {
            Reply::State(state) => *state,
            other => panic!("{other:?}"),
        }
    }

    /// A command of `transom`.
    pub(crate) fn run<S: AsRef<str>>(&mut self, words: &[S]) {
        self.ask(&Ask::Run(words.iter().map(|word| word.as_ref().to_owned()).collect()));
    }

    /// Makes a qube.
    pub(crate) fn create(&mut self, qube: &str, label: Label) {
        self.run(&["qube", "create", qube, &format!("--label={label}")]);
    }

    /// A file beside the machine's sockets.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // `timeout` hands the signal on; both may have ended by themselves.
        let pid = Pid::from_raw(self.process.id() as i32).unwrap();
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.process.wait();
    }
}

fn show(console: ChildStdout) {
    let begin = Instant::now();
    for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
        println!("[{:>5.1}] {}", begin.elapsed().as_secs_f32(), String::from_utf8_lossy(&line).trim_end());
    }
}
