//! The machine: a kernel of Debian's with a virtual screen, which sees this computer's programs by 9p,
//! read-only; and the wires to it.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use transom::ipc::{Reply, Request, State};
use transom_tests::process::{binary, until};

use super::{
    debian::Kernel,
    initramfs::Initramfs,
    inside::{Ask, INSIDE},
};

/// The machine's life at most, in seconds.
const LIMIT: &str = "240";
/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(90);
/// Modules in order.
const MODULES: [&str; 17] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "9pnet",
    "9pnet_virtio",
    "netfs",
    "fscache",
    "9p",
    "virtio_console",
    "evdev",
    "virtio_input",
    "drm",
    "drm_kms_helper",
    "drm_shmem_helper",
    "virtio_dma_buf",
];
/// The screen's module.
const SCREEN: &str = "virtio-gpu";
/// What the machine sees of this computer, by the names of its folders there.
const SHARED: [&str; 3] = ["usr", "etc", "target"];
/// Programs of this computer that run in the machine.
const NEEDED: [&str; 4] = ["/usr/bin/udevadm", "/usr/sbin/seatd", "/usr/bin/foot", "/usr/bin/bwrap"];

/// Lines of JSON by a Unix socket, an answer for each.
struct Wire(BufReader<UnixStream>);

impl Wire {
    fn connect(path: &Path) -> Self {
        let socket = until("the machine's socket", || UnixStream::connect(path).ok());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(socket))
    }

    fn send(&mut self, line: &impl Serialize) {
        writeln!(self.0.get_mut(), "{}", serde_json::to_string(line).unwrap()).unwrap();
    }

    fn hear<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

pub(crate) struct Machine {
    dir: tempfile::TempDir,
    process: Child,
    qmp: Wire,
    inside: Wire,
}

impl Machine {
    /// Starts one; or why there can be none here.
    pub(crate) fn start() -> Result<Self, String> {
        let missing = |path: &&str| !Path::new(path).exists();
        if let Some(missing) = NEEDED.iter().find(|path| missing(path)) {
            return Err(format!("{missing} is not installed"));
        }
        let busybox = ["/usr/bin/busybox", "/bin/busybox"].map(fs::read).into_iter().find_map(Result::ok);
        let busybox = busybox.ok_or("busybox is not installed")?;
        let kernel = Kernel::fetch("linux-image-amd64")?;
        let target = binary("transom").parent().and_then(Path::parent).unwrap().canonicalize().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let initramfs = dir.path().join("initramfs");
        fs::write(&initramfs, archive(&kernel, &busybox, &target)).unwrap();
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
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(initramfs);
        for (name, path) in SHARED.iter().zip([Path::new("/usr"), Path::new("/etc"), target.as_path()]) {
            let share = format!("mount_tag={name},security_model=none,multidevs=remap,readonly=on");
            command.arg("-virtfs").arg(format!("local,path={},{share}", path.display()));
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut process = process.map_err(|error| format!("timeout: {error}"))?;
        let console = process.stdout.take().unwrap();
        thread::spawn(|| show(console));
        let mut qmp = Wire::connect(Path::new(&at("qmp")));
        let _greeting: Value = qmp.hear();
        let inside = Wire::connect(Path::new(&at("wire")));
        let mut machine = Self { dir, process, qmp, inside };
        machine.qmp("qmp_capabilities", json!({}));
        Ok(machine)
    }

    /// A command of QEMU's own.
    pub(crate) fn qmp(&mut self, command: &str, arguments: Value) {
        self.qmp.send(&json!({ "execute": command, "arguments": arguments }));
        loop {
            let answer: Value = self.qmp.hear();
            assert!(answer.get("error").is_none(), "{command}: {answer}");
            if answer.get("return").is_some() {
                return;
            }
        }
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
    pub(crate) fn run(&mut self, words: &[String]) {
        self.ask(&Ask::Run(words.to_vec()));
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

/// The first file system of the machine: mounts the shares, starts what a seat needs, and this binary.
fn archive(kernel: &Kernel, busybox: &[u8], target: &Path) -> Vec<u8> {
    let mut archive = Initramfs::new();
    archive.file("/bin/busybox", 0o755, busybox);
    for directory in ["/proc", "/sys", "/dev", "/new"] {
        archive.directory(directory);
    }
    let mut init = String::from(
        "#!/bin/busybox sh\n\
         b=/bin/busybox\n\
         $b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev\n",
    );
    for name in MODULES.into_iter().chain([SCREEN]) {
        archive.file(&format!("/modules/{name}.ko"), 0o644, &kernel.module(name));
        let line = format!("$b insmod /modules/{name}.ko || echo no module {name}\n");
        init.push_str(&line);
    }
    init.push_str(
        "$b mount -t tmpfs -o mode=755 new /new\n\
         cd /new; $b mkdir usr etc target tmp run proc sys dev var root home\n\
         for d in bin sbin lib lib64; do $b ln -s usr/$d $d; done\n\
         for d in usr etc target; do\n\
             $b mount -t 9p -o ro,cache=loose,trans=virtio,version=9p2000.L,msize=512000 $d $d\n\
         done\n\
         for d in proc sys dev; do $b mount -o move /$d $d; done\n\
         $b mkdir dev/shm; $b mount -t tmpfs shm dev/shm\n\
         $b cp /second run/second\n\
         exec $b switch_root . /run/second\n",
    );
    let test = env::current_exe().unwrap().canonicalize().unwrap();
    let test = Path::new("/target").join(test.strip_prefix(target).unwrap());
    let second = format!(
        "#!/bin/sh\n\
         export {INSIDE}=1 PATH=/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 LIBSEAT_BACKEND=seatd NO_COLOR=1\n\
         /lib/systemd/systemd-udevd --daemon\n\
         udevadm trigger --action=add --subsystem-match=input --subsystem-match=drm; udevadm settle\n\
         seatd &\n\
         {} --nocapture --test-threads=1 --exact inside::inside\n\
         busybox poweroff -f\n",
        test.display()
    );
    archive.file("/second", 0o755, second.as_bytes());
    archive.file("/init", 0o755, init.as_bytes());
    archive.finish()
}
