//! The back end with QEMU: virtual machines on any computer, in software where its processor
//! cannot run them.
//!
//! A machine is two processes in dom0: QEMU, and a daemon that carries the guest's vsock streams
//! to Unix sockets of this qube alone (`vhost-device-vsock`, a vhost-user device). Guest RAM is a
//! memory file of ours: the desktop gets a read-only descriptor of it. The guest has no display, a
//! network card for each cable that it was given, and no other way to reach another guest.
//!
//! A volume that is encrypted or shared with clones is served to QEMU by a third process, [`crate::volume_server`], over NBD on a
//! socket pair. The alternative of vhost-user-blk needs guest RAM in the process that has the key, and its
//! queues to outlive each reset; NBD is a few hundred lines that know neither.
//!
//! Where qubed is root, all processes are a user of this qube alone, who owns the folder with their
//! sockets; image and volume come to QEMU as open descriptors.

mod arguments;
mod connector;
mod machine;
mod memory;
mod passthrough;
mod process;
mod qmp;
mod uplink;

use std::{
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd as _, OwnedFd, RawFd},
        unix::{fs::MetadataExt as _, net::UnixStream},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rustix::{
    io::{FdFlags, fcntl_setfd},
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
    pipe::{PipeFlags, pipe_with},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use transom_protocol::supervisor::Backend;

use self::{
    arguments::{Arguments, Volume},
    connector::Connector,
    machine::QemuMachine,
    memory::GuestRam,
    process::Process,
    qmp::Qmp,
};
use crate::{
    encryption::VolumeKey,
    image::{self, OpenVolume},
    kvm,
    listener::Listeners,
    machine::{Card, Channel, Hypervisor, Machine, MachineSpec, StartError},
    paths,
    sandbox::Cgroups,
    store::{Accelerator, Limits, MachineConfig},
    user::{self, own_uid},
    volume_server,
};

/// QEMU's program.
const QEMU: &str = "qemu-system-x86_64";
/// The daemon's program.
const VSOCK: &str = "vhost-device-vsock";
/// The program that serves a volume that is encrypted or shared.
const SERVER: &str = "transom-volume";
/// The daemon's side of the streams, in the run directory: `vsock_PORT` is where port PORT goes.
const STREAMS: &str = "vsock";
/// Where the daemon waits for QEMU, in the run directory.
const VHOST: &str = "vhost.sock";
/// What QEMU and the daemon take above guest RAM at most, in bytes; where control groups are.
const OVERHEAD: u64 = 512 << 20;

/// Runs qubes with QEMU.
#[derive(Debug)]
pub struct Qemu {
    program: Option<PathBuf>,
    vsock: Option<PathBuf>,
    server: Option<PathBuf>,
    cgroups: Option<Arc<Cgroups>>,
}

impl Qemu {
    /// Looks for the programs where they usually are.
    pub(crate) fn new(cgroups: Option<Arc<Cgroups>>) -> Self {
        Self {
            program: paths::in_path(QEMU),
            vsock: paths::find_program(VSOCK),
            server: paths::find_program(SERVER),
            cgroups,
        }
    }

    /// Both programs, or what to install.
    fn programs(&self) -> Result<(&Path, &Path), String> {
        let program = self.program.as_deref().filter(|path| paths::is_program(path));
        let program =
            program.ok_or_else(|| format!("{QEMU} is missing: install the package qemu-system-x86"))?;
        let vsock = self.vsock.as_deref().filter(|path| paths::is_program(path)).ok_or_else(|| {
            format!("{VSOCK} is missing: run `make vsock`, or `cargo install {VSOCK}` and put it into PATH")
        })?;
        Ok((program, vsock))
    }

    /// Starts what serves a volume that QEMU cannot read itself, and gives QEMU's end of its socket. It goes into a jail
    /// and becomes the qube's user by itself.
    fn serve_volume(
        &self,
        volume: OpenVolume,
        key: Option<&VolumeKey>,
        uid: Option<u32>,
        spec: &MachineSpec<'_>,
        complaints: OwnedFd,
    ) -> Result<(UnixStream, Process), StartError> {
        let program = self.server.as_deref().filter(|path| paths::is_program(path)).ok_or_else(|| {
            StartError::Unable(format!("{SERVER} is missing: build or install Transom anew"))
        })?;
        let doing = "run the volume's server";
        let (ours, theirs) = UnixStream::pair().map_err(StartError::at("make a socket pair"))?;
        let plan = volume_server::plan(volume, key, uid, theirs).map_err(StartError::at(doing))?;
        let mut command = Command::new(program);
        command
            .current_dir(spec.run_dir)
            .env_clear()
            .stdin(plan)
            .stdout(Stdio::null())
            .stderr(Stdio::from(complaints));
        Ok((ours, Process::spawn(&mut command, doing)?))
    }

    /// Says what is missing on this computer.
    ///
    /// # Errors
    /// One line that says what to install.
    pub fn check(&self) -> Result<(), String> {
        self.programs().map(|_| ())
    }
}

impl Hypervisor for Qemu {
    fn backend(&self) -> Backend {
        Backend::Qemu
    }

    fn start_limit(&self) -> Duration {
        // A first start in software on a busy computer, with a volume to make.
        Duration::from_mins(3)
    }

    fn start(&mut self, spec: &MachineSpec<'_>) -> Result<Box<dyn Machine>, StartError> {
        let (program, daemon) = self.programs().map_err(StartError::Unable)?;
        let Some(vm) = &spec.vm else {
            return Err(StartError::Unable("a virtual machine needs an image".to_owned()));
        };
        let accelerator = accelerator(vm.config);
        let ram = GuestRam::new(vm.config.memory)?;
        let volume = image::open_volume(vm)?;
        image::write_initramfs(spec, vm.image).map_err(StartError::at("write the qube's initramfs"))?;
        let listeners =
            Listeners::bind(|channel| spec.run_dir.join(format!("{STREAMS}_{}", channel.vsock_port())))?;
        let uid = own_uid(spec.name.as_str());
        let initramfs = spec.run_dir.join(image::OWN_INITRAMFS);
        let mut theirs = vec![spec.run_dir, initramfs.as_path()];
        theirs.extend(Channel::ALL.map(|channel| listeners.of(channel).path()));
        user::give(uid, &theirs).map_err(StartError::at("give the qube's user its sockets"))?;

        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(StartError::at("make a pipe"));
        let (console, console_theirs) = pipe()?;
        let (complaints, complaints_theirs) = pipe()?;
        for fd in [&console, &complaints] {
            rustix::io::ioctl_fionbio(fd, true).map_err(StartError::at("make a pipe"))?;
        }
        let (qmp, qmp_theirs) = UnixStream::pair().map_err(StartError::at("make a socket pair"))?;

        let limits = Limits { memory: Some(vm.config.memory + OVERHEAD), ..spec.limits.clone() };
        let cgroup = self.cgroups.as_ref().and_then(|cgroups| cgroups.make(spec.name, &limits));
        let theirs = || complaints_theirs.try_clone().map_err(StartError::at("make a pipe"));
        let (mut command, held) = user::command(daemon, spec.run_dir, uid.map(|uid| (uid, uid)))
            .map_err(StartError::at("run the vsock daemon"))?;
        command
            // No name of a folder can be mistaken for a part of the arguments.
            .args(["--guest-cid", "3", "--uds-path", STREAMS, "--socket", VHOST])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(theirs()?));
        let daemon = Process::spawn(&mut command, "run the vsock daemon")?;
        drop(held);
        let connector = Connector::start(spec.run_dir, VHOST, uid)?;

        let mut inherited: Vec<OwnedFd> = vec![qmp_theirs.into()];
        let mut pass = |file: File| -> RawFd {
            inherited.push(file.into());
            inherited[inherited.len() - 1].as_raw_fd()
        };
        let open = |path: PathBuf| File::open(path).map_err(StartError::at("open the image"));
        let kernel = open(vm.image.kernel())?;
        // QEMU opens it anew, by its descriptor.
        let mode = kernel.metadata().map_err(StartError::at("open the image"))?.mode();
        if uid.is_some() && mode & 0o004 == 0 {
            let path = vm.image.kernel();
            let text = format!("{} must be readable for all: use chmod a+r", path.display());
            return Err(StartError::Unable(text));
        }
        let (kernel, root) = (pass(kernel), pass(open(vm.image.root())?));
        let (volume, server) = match (volume, vm.key) {
            (None, _) => (None, None),
            (Some(OpenVolume { file, base: None }), None) => (Some(Volume::File(pass(file))), None),
            (Some(volume), key) => {
                let (socket, server) = self.serve_volume(volume, key, uid, spec, theirs()?)?;
                (Some(Volume::Served(pass(File::from(OwnedFd::from(socket))))), Some(server))
            }
        };

        let cable = |card: &Card| match &card.cable {
            Some(cable) => cable.try_clone(),
            None => nowhere(),
        };
        let cables: io::Result<Vec<OwnedFd>> = vm.cards.iter().map(cable).collect();
        let cables = cables.map_err(StartError::at("copy a cable"))?;
        let cards: Vec<_> =
            cables.iter().zip(vm.cards).map(|(cable, card)| (cable.as_raw_fd(), card.address)).collect();
        let way =
            vm.uplink.map(|(uplink, card)| uplink::begin(uplink, card, spec.run_dir, uid)).transpose()?;
        let mut way = way.unwrap_or_default();
        for device in &vm.config.devices {
            way.arguments.extend(passthrough::give(device, uid)?);
            way.locks_memory = true;
        }
        let arguments = Arguments {
            name: spec.name,
            config: vm.config,
            accelerator,
            kernel,
            root,
            volume,
            ram: ram.raw(),
            qmp: inherited[0].as_raw_fd(),
            cards: &cards,
            more: way.arguments,
        };
        let launch = Launch {
            program: program.to_owned(),
            run_dir: spec.run_dir.to_owned(),
            arguments: arguments.list(),
            user: uid.map(|uid| (uid, group(uid, accelerator))),
            inherited: inherited.into_iter().chain(cables).chain(way.inherited).collect(),
            locks_memory: way.locks_memory,
            console: console_theirs,
            complaints: complaints_theirs,
        };
        Ok(Box::new(QemuMachine::new(
            daemon,
            server,
            way.process,
            vm.cards.len(),
            connector,
            launch,
            ram,
            Qmp::new(qmp).map_err(StartError::at("open the line to QEMU"))?,
            console,
            complaints,
            listeners,
            cgroup,
        )))
    }
}

/// How a machine's processors run: as its file says, else by KVM where the processor can, and a user of
/// the machine's own may.
pub(crate) fn accelerator(config: &MachineConfig) -> Accelerator {
    let may = || {
        let root_only = |device: fs::Metadata| device.mode() & 0o066 == 0;
        !rustix::process::geteuid().is_root() || !fs::metadata(kvm::DEVICE).is_ok_and(root_only)
    };
    let best = || if kvm::able_here().is_ok() && may() { Accelerator::Kvm } else { Accelerator::Tcg };
    config.accelerator.unwrap_or_else(best)
}

/// The group of a machine's user: its own, but where it needs `/dev/kvm` and only a group may use that.
fn group(uid: u32, accelerator: Accelerator) -> u32 {
    match fs::metadata(kvm::DEVICE) {
        Ok(device) if accelerator == Accelerator::Kvm && device.mode() & 0o006 != 0o006 => device.gid(),
        _ => uid,
    }
}

/// A cable without another end.
fn nowhere() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?.0)
}

/// What QEMU is started with, once the daemon is there.
#[derive(Debug)]
struct Launch {
    program: PathBuf,
    run_dir: PathBuf,
    arguments: Vec<String>,
    /// User and group; those of qubed if `None`.
    user: Option<(u32, u32)>,
    /// Descriptors that the arguments name by number, besides RAM's.
    inherited: Vec<OwnedFd>,
    /// A device works on guest RAM by itself.
    locks_memory: bool,
    console: OwnedFd,
    complaints: OwnedFd,
}

impl Launch {
    /// Starts QEMU. `vsock` is its line to the daemon.
    fn spawn(self, ram: &GuestRam, vsock: &UnixStream) -> Result<Process, StartError> {
        let (mut command, _held) =
            user::command(&self.program, &self.run_dir, self.user).map_err(StartError::at("run QEMU"))?;
        command
            .args(&self.arguments)
            .args(arguments::vsock(vsock.as_raw_fd()))
            .stdin(Stdio::null())
            .stdout(Stdio::from(self.console))
            .stderr(Stdio::from(self.complaints));
        // Dropped after the descriptors.
        let _alone = user::starting();
        let inherited = self.inherited;
        for fd in &inherited {
            fcntl_setfd(fd, FdFlags::empty()).map_err(StartError::at("pass a descriptor on"))?;
        }
        let keep = |flags| {
            fcntl_setfd(ram.writable(), flags)
                .and_then(|()| fcntl_setfd(vsock, flags))
                .map_err(StartError::at("pass a descriptor on"))
        };
        keep(FdFlags::empty())?;
        // It inherits the limit; only root can have so much.
        let before = getrlimit(Resource::Memlock);
        if self.locks_memory
            && let Err(error) = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None })
        {
            tracing::warn!(%error, "memory for a device cannot be locked");
        }
        let spawned = Process::spawn(&mut command, "run QEMU");
        if self.locks_memory {
            let _ = setrlimit(Resource::Memlock, before);
        }
        keep(FdFlags::CLOEXEC)?;
        drop(inherited);
        spawned
    }
}
