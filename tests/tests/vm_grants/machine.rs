//! A virtual machine in software emulation with its RAM in a file.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use transom_tests::process::binary;

/// Longest silence of a guest on a slow and busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// QEMU's `pc` machine: RAM of this size or more is split by a hole.
const SPLIT_FROM: u64 = 0xe000_0000;
/// And this much of it lies below.
const BELOW_HOLE: u64 = 0xc000_0000;
const HOLE_END: u64 = 1 << 32;

/// A running guest.
#[derive(Debug)]
pub(crate) struct Machine {
    qemu: Child,
    talk: ChildStdin,
    lines: Receiver<String>,
    _vsock: Option<Vsock>,
    directory: tempfile::TempDir,
    bytes: u64,
    born: Instant,
}

impl Machine {
    /// Boots a guest that runs one part of this test's own binary; or says what is missing.
    pub(crate) fn boot(mib: u64, part: &str) -> Result<Self, String> {
        let busybox = ["/bin/busybox", "/usr/bin/busybox"].iter().map(Path::new).find(|path| path.exists());
        let busybox = busybox.ok_or("busybox is not installed")?;
        let kernel = kernel()?;
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let root = directory.path().join("root");
        fill(&root, busybox)?;
        modules(&root, &kernel)?;
        let initramfs = directory.path().join("initramfs");
        let packed = Command::new("sh")
            .args(["-c", "cd \"$1\" && find . | \"$2\" cpio -o -H newc > \"$3\"", "sh"])
            .args([&root, busybox, &initramfs])
            .stderr(Stdio::null())
            .status();
        if !packed.is_ok_and(|status| status.success()) {
            return Err("busybox packs no initramfs".into());
        }
        let backend = format!(
            "memory-backend-file,id=m,size={mib}M,mem-path={},share=on",
            directory.path().join("ram").display()
        );
        let vsock = if part.starts_with("windows") { Some(Vsock::start(directory.path())?) } else { None };
        let born = Instant::now();
        let mut qemu = Command::new("qemu-system-x86_64")
            .args(["-machine", "pc,memory-backend=m", "-object", &backend, "-m", &format!("{mib}M")])
            .args(["-accel", "tcg,thread=multi", "-smp", "2", "-cpu", "max"])
            .args(["-display", "none", "-vga", "none", "-nic", "none", "-monitor", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(&kernel)
            .arg("-initrd")
            .arg(&initramfs)
            .args(["-append", &format!("console=ttyS0 quiet panic=-1 part={part}")])
            .args(["-serial", &format!("file:{}", directory.path().join("console").display())])
            .args(["-serial", "stdio"])
            .args(vsock.as_ref().map(Vsock::arguments).into_iter().flatten())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("qemu-system-x86_64: {error}"))?;
        let talk = qemu.stdin.take().ok_or("no pipe")?;
        let output = BufReader::new(qemu.stdout.take().ok_or("no pipe")?);
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line.trim().to_owned()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { qemu, talk, lines, _vsock: vsock, directory, bytes: mib << 20, born })
    }

    /// The file of its RAM.
    pub(crate) fn ram(&self) -> PathBuf {
        self.directory.path().join("ram")
    }

    /// Listens where a vsock port of the host's arrives. Before the guest connects.
    pub(crate) fn listen(&self, port: u32) -> UnixListener {
        UnixListener::bind(self.directory.path().join(format!("vm.vsock_{port}"))).unwrap()
    }

    /// The next thing it says, if it has said one.
    pub(crate) fn hear_now(&self) -> Option<String> {
        self.lines.try_recv().ok()
    }

    /// Bytes of RAM, start and end of its hole.
    pub(crate) fn layout(&self) -> (u64, u64, u64) {
        if self.bytes >= SPLIT_FROM {
            (self.bytes, BELOW_HOLE, HOLE_END)
        } else {
            (self.bytes, self.bytes, 0)
        }
    }

    /// The next thing it says.
    pub(crate) fn hear(&self) -> String {
        self.lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("{error}; its console:\n{}", self.console()))
    }

    /// Answers it.
    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.talk, "{line}").unwrap();
    }

    /// What it wrote on its console.
    pub(crate) fn console(&self) -> String {
        fs::read_to_string(self.directory.path().join("console")).unwrap_or_default()
    }

    /// Time since it was started.
    pub(crate) fn age(&self) -> String {
        format!("{:.2} s", self.born.elapsed().as_secs_f32())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// A vsock device in user space, for hosts whose kernel has none.
#[derive(Debug)]
struct Vsock {
    daemon: Child,
    socket: PathBuf,
}

impl Vsock {
    fn start(directory: &Path) -> Result<Self, String> {
        let socket = directory.join("vhost.socket");
        let paths = format!(
            "guest-cid=4,uds-path={},socket={}",
            directory.join("vm.vsock").display(),
            socket.display()
        );
        let daemon = Command::new("vhost-device-vsock").args(["--vm", &paths]).stderr(Stdio::null()).spawn();
        let daemon = daemon.map_err(|error| format!("vhost-device-vsock: {error}"))?;
        let vsock = Self { daemon, socket };
        let since = Instant::now();
        while !vsock.socket.exists() {
            if since.elapsed() > PATIENCE {
                return Err("vhost-device-vsock does not listen".into());
            }
            thread::yield_now();
        }
        Ok(vsock)
    }

    fn arguments(&self) -> [String; 4] {
        let chardev = format!("socket,id=v,path={}", self.socket.display());
        ["-chardev".into(), chardev, "-device".into(), "vhost-user-vsock-pci,chardev=v".into()]
    }
}

impl Drop for Vsock {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Modules of a guest with vsock, in the order they are loaded.
const MODULES: [&str; 8] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "vsock",
    "vmw_vsock_virtio_transport_common",
    "vmw_vsock_virtio_transport",
];

/// Copies the kernel's modules for [`MODULES`] into `modules` of the guest, numbered.
fn modules(root: &Path, kernel: &Path) -> Result<(), String> {
    let tree = kernel.parent().and_then(Path::parent).ok_or("a kernel without modules")?.join("lib/modules");
    fs::create_dir_all(root.join("modules")).map_err(|error| error.to_string())?;
    for (index, name) in MODULES.iter().enumerate() {
        let found = Command::new("find").arg(&tree).args(["-name", &format!("{name}.ko")]).output();
        let found = found.map_err(|error| error.to_string())?;
        let path = String::from_utf8_lossy(&found.stdout).trim().to_owned();
        fs::copy(&path, root.join(format!("modules/{index}.ko")))
            .map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// Tests run beside each other: the first fetches, the others find.
static FETCHING: Mutex<()> = Mutex::new(());

/// A stock cloud kernel, fetched once with the system's own tools.
fn kernel() -> Result<PathBuf, String> {
    let _turn = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/vm/cache");
    let find = || {
        let boot = fs::read_dir(cache.join("cloud-kernel/boot")).ok()?;
        boot.flatten().map(|entry| entry.path()).find(|path| path.to_string_lossy().contains("vmlinuz-"))
    };
    if let Some(found) = find() {
        return Ok(found);
    }
    fs::create_dir_all(&cache).map_err(|error| error.to_string())?;
    let script = "set -e; name=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ {print $2; exit}'); \
                  test -n \"$name\"; apt-get download \"$name\"; rm -rf half; dpkg -x \"$name\"_*.deb half; mv half cloud-kernel";
    let fetched = Command::new("sh").args(["-c", script]).current_dir(&cache).output();
    find().ok_or_else(|| {
        let why = fetched.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&o.stderr).into_owned());
        format!("no kernel linux-image-cloud-amd64: {}", why.trim())
    })
}

/// What the guest needs: busybox, `transom-pin`, the agent, this binary, and their libraries.
fn fill(root: &Path, busybox: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    for folder in ["bin", "mnt", "proc", "sys", "dev", "run", "tmp"] {
        fs::create_dir_all(root.join(folder)).map_err(failed)?;
    }
    fs::copy(busybox, root.join("bin/busybox")).map_err(failed)?;
    let layouts = root.join("usr/share/X11");
    fs::create_dir_all(&layouts).map_err(failed)?;
    let keymaps = Command::new("cp").args(["-rL", "/usr/share/X11/xkb"]).arg(layouts).status();
    if !keymaps.is_ok_and(|status| status.success()) {
        return Err("xkb-data is not installed".into());
    }
    for (from, to) in [
        (binary("transom-pin"), "bin/transom-pin"),
        (binary("transom-agent"), "bin/transom-agent"),
        (std::env::current_exe().map_err(failed)?, "bin/client"),
    ] {
        let stripped = Command::new("strip").arg("-o").arg(root.join(to)).arg(&from).status();
        if !stripped.is_ok_and(|status| status.success()) {
            fs::copy(&from, root.join(to)).map_err(failed)?;
        }
        libraries(root, &from).map_err(failed)?;
    }
    // The one that a Wayland program loads by itself.
    let cache = Command::new("ldconfig").arg("-p").output().map_err(failed)?;
    let cache = String::from_utf8_lossy(&cache.stdout).into_owned();
    let wayland =
        cache.lines().find(|line| line.contains("libwayland-client.so.0") && line.contains("x86-64"));
    let wayland =
        wayland.and_then(|line| line.rsplit(' ').next()).ok_or("libwayland-client is not installed")?;
    copy_library(root, Path::new(wayland)).map_err(failed)?;
    libraries(root, Path::new(wayland)).map_err(failed)?;
    let init = root.join("init");
    fs::write(&init, INIT).map_err(failed)?;
    fs::set_permissions(init, std::os::unix::fs::PermissionsExt::from_mode(0o755)).map_err(failed)
}

/// Copies the libraries that a binary is linked with.
fn libraries(root: &Path, binary: &Path) -> std::io::Result<()> {
    let linked = Command::new("ldd").arg(binary).output()?;
    let text = String::from_utf8_lossy(&linked.stdout).into_owned();
    for path in text.split_whitespace().filter(|word| word.starts_with('/')) {
        copy_library(root, Path::new(path))?;
    }
    Ok(())
}

fn copy_library(root: &Path, path: &Path) -> std::io::Result<()> {
    let target = root.join(path.strip_prefix("/").unwrap_or(path));
    fs::create_dir_all(target.parent().unwrap_or(root))?;
    fs::copy(path, target).map(drop)
}

const INIT: &str = "#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
$b mount -t tmpfs tmp /tmp
$b mount -t tmpfs run /run
$b mount -t ramfs ram /mnt
$b stty -F /dev/ttyS1 raw -echo
for m in /modules/*.ko; do $b insmod $m; done
while true; do
    /bin/transom-pin --socket /run/pin --agent-uid 1000 &
    echo $! > /run/pin.pid
    wait
done &
while ! [ -S /run/pin ]; do $b usleep 10000; done
$b chmod 666 /dev/ttyS1
$b chmod 777 /mnt /run
TRANSOM_IN_GUEST=$part RUST_BACKTRACE=1 /bin/client --exact guest_side --nocapture --test-threads=1
echo failed > /dev/ttyS1
$b poweroff -f
";
