//! The parent's side of `transom-vmm`: starts one and offers what it has as descriptors to poll.
//!
//! Nothing here waits, but [`Vmm::spawn`] for the program to be loaded. When one of [`Vmm::events`]
//! is readable, [`Vmm::step`] wants to be called.

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt as _,
    },
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use rustix::{
    net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt},
    pipe::{PipeFlags, pipe_with},
    process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal},
};
use transom_protocol::supervisor::MAX_FDS;

use super::{
    Exit,
    control::{DiskPlan, FileNumber, FromVmm, NetPlan, Plan, PlugError, ToVmm, VsockPlan},
    devices::net::is_cable,
    memory::Layout,
    timing::Stage,
};
use crate::{
    encryption::{VolumeKey, filled_pipe},
    packet::{self, Received},
};

/// A disk to give to a machine.
#[derive(Debug)]
pub struct DiskFile {
    /// The serial number that the guest sees, at most 20 bytes.
    pub serial: String,
    /// Raw, or with a `base` an overlay.
    pub file: File,
    /// A raw file that is never written, and how many bytes the overlay is to have at least.
    pub base: Option<(File, u64)>,
    /// The guest may only read.
    pub read_only: bool,
    /// What is in it is encrypted, and this opens it.
    pub key: Option<VolumeKey>,
}

/// A machine to start. All files are open; the guest gets what these descriptors may do.
#[derive(Debug)]
pub struct Launch {
    /// `/dev/kvm`.
    pub kvm: OwnedFd,
    /// Bytes of RAM.
    pub ram: u64,
    /// vCPUs.
    pub vcpus: u8,
    /// The kernel, a bzImage.
    pub kernel: File,
    /// The initramfs.
    pub initramfs: Option<File>,
    /// The kernel's command line; `console=ttyS0` shows its log by [`Vmm::output`].
    pub command_line: String,
    /// Disks, in the guest's order.
    pub disks: Vec<DiskFile>,
    /// Cables and addresses of network cards; a cable may come later, by [`Vmm::plug`].
    pub nets: Vec<(Option<OwnedFd>, [u8; 6])>,
    /// The guest's vsock address, and the host's ports that it may connect to.
    pub vsock: Option<(u32, Vec<u32>)>,
    /// A user id of its own; only for root.
    pub uid: Option<u32>,
    /// Where the program's own log goes.
    pub log: Stdio,
}

/// How the process came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The guest did.
    Exit(Exit),
    /// The machine could not be built; the text says why.
    Failed(String),
    /// The process ended without a word: killed, by its jail or from outside.
    Died(ExitStatus),
}

impl Outcome {
    /// True if the jail ended the process because of a forbidden call.
    pub fn by_jail(&self) -> bool {
        match self {
            Self::Died(status) => {
                status.code() == Some(128 + libc::SIGSYS) || status.signal() == Some(libc::SIGSYS)
            }
            _ => false,
        }
    }
}

/// A running `transom-vmm`. Dropping it ends it.
#[derive(Debug)]
pub struct Vmm {
    child: Child,
    pidfd: OwnedFd,
    control: OwnedFd,
    output: OwnedFd,
    handovers: Vec<(u32, OwnedFd)>,
    ram: Option<(Layout, OwnedFd)>,
    stages: Option<Vec<Stage>>,
    paused: bool,
    /// Orders of that kind that were not answered yet.
    orders: u32,
    /// Its network cards, and orders to plug that were not answered yet.
    cards: usize,
    plugs: u32,
    last_word: Option<Outcome>,
    /// The jailed process has closed its end: it has ended, and all that it held is gone.
    closed: bool,
    status: Option<ExitStatus>,
}

impl Vmm {
    /// Starts `program` and tells it what to run. Whether the plan is any good shows later, by
    /// [`Self::step`].
    pub fn spawn(program: &Path, launch: Launch) -> io::Result<Self> {
        let (control, theirs) = pair()?;
        let (output, console) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&output, true)?;
        let mut files = Files::default();
        let mut handovers = Vec::new();
        let cards = launch.nets.len();
        let vsock = launch.vsock.map(|(cid, numbers)| {
            let mut ports = Vec::new();
            for number in numbers {
                let (ours, theirs) = pair()?;
                handovers.push((number, ours));
                ports.push((number, files.add(theirs)));
            }
            Ok::<_, io::Error>(VsockPlan { cid, ports })
        });
        let plan = Plan {
            ram: launch.ram,
            vcpus: launch.vcpus,
            kvm: files.add(launch.kvm),
            kernel: files.add(launch.kernel),
            initramfs: launch.initramfs.map(|file| files.add(file)),
            command_line: launch.command_line,
            console: Some(files.add(console)),
            disks: launch.disks.into_iter().map(|disk| files.disk(disk)).collect::<io::Result<_>>()?,
            nets: launch
                .nets
                .into_iter()
                .map(|(link, address)| NetPlan { link: link.map(|link| files.add(link)), address })
                .collect(),
            vsock: vsock.transpose()?,
            uid: launch.uid,
        };
        let child = Command::new(program)
            .env_clear()
            .envs(std::env::var_os("TRANSOM_LOG").map(|level| ("TRANSOM_LOG", level)))
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(launch.log)
            .spawn()?;
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        let this = Self {
            child,
            pidfd,
            control,
            output,
            handovers,
            ram: None,
            stages: None,
            paused: false,
            orders: 0,
            cards,
            plugs: 0,
            last_word: None,
            closed: false,
            status: None,
        };
        for files in files.0.chunks(MAX_FDS) {
            let files: Vec<_> = files.iter().map(OwnedFd::as_fd).collect();
            this.tell(&ToVmm::Files, &files)?;
        }
        this.tell(&ToVmm::Start(Box::new(plan)), &[])?;
        Ok(this)
    }

    fn tell(&self, message: &ToVmm, files: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        // A plan is less than a socket holds; what is too much later is an error of its own.
        Ok(packet::send(&self.control, &bytes, files)?)
    }

    /// Asks for a pause, or for its end. [`Self::is_paused`] says after a [`Self::step`] when it is
    /// so.
    ///
    /// # Errors
    /// The process does not listen.
    pub fn set_paused(&mut self, paused: bool) -> io::Result<()> {
        self.tell(if paused { &ToVmm::Pause } else { &ToVmm::Resume }, &[])?;
        self.orders += 1;
        Ok(())
    }

    /// True while no vCPU runs because of [`Self::set_paused`].
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Gives a network card, by its number in [`Launch::nets`], another cable, or none: a Unix socket that
    /// keeps borders. Frames that are under way on the old one are lost. [`Self::is_plugged`] says after a
    /// [`Self::step`] when it is done.
    ///
    /// # Errors
    /// There is no such card, it is no cable, or the process does not listen.
    pub fn plug(&mut self, card: usize, cable: Option<OwnedFd>) -> io::Result<()> {
        let refused = |why: PlugError| io::Error::new(io::ErrorKind::InvalidInput, why);
        if card >= self.cards {
            return Err(refused(PlugError::NoCard));
        }
        if cable.as_ref().is_some_and(|cable| !is_cable(cable)) {
            return Err(refused(PlugError::Kind));
        }
        let files: Vec<_> = cable.iter().map(OwnedFd::as_fd).collect();
        self.tell(&ToVmm::Plug(card), &files)?;
        self.plugs += 1;
        Ok(())
    }

    /// True if all that was asked for by [`Self::plug`] is done.
    pub fn is_plugged(&self) -> bool {
        self.plugs == 0
    }

    /// The process that was started.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// When one of these is readable, [`Self::step`] wants to be called.
    pub fn events(&self) -> Vec<BorrowedFd<'_>> {
        let control = (!self.closed).then(|| self.control.as_fd());
        let process = self.status.is_none().then(|| self.pidfd.as_fd());
        control.into_iter().chain(process).collect()
    }

    /// Hears what the process says. Once it has ended, and ever after: how.
    pub fn step(&mut self) -> Option<Outcome> {
        if self.status.is_none() {
            match self.child.try_wait() {
                Ok(status) => self.status = status,
                Err(error) => {
                    tracing::error!(%error, "transom-vmm cannot be waited for");
                    self.status = Some(ExitStatus::from_raw(libc::SIGKILL));
                }
            }
        }
        // After the look at the process, so that its last word is heard with its end.
        self.hear();
        let status = self.status.filter(|_| self.closed)?;
        Some(self.last_word.clone().unwrap_or(Outcome::Died(status)))
    }

    fn hear(&mut self) {
        // A few messages are all that there ever are.
        for _ in 0..8 {
            let (bytes, mut files) = match packet::recv(&self.control) {
                Ok(Received::Packet(bytes, files)) => (bytes, files),
                Ok(Received::Nothing) => return,
                Ok(Received::TooLarge) => continue,
                Ok(Received::Closed) | Err(_) => {
                    self.closed = true;
                    return;
                }
            };
            match serde_json::from_slice(&bytes) {
                Ok(FromVmm::Ram(layout)) if self.ram.is_none() && files.len() == 1 => {
                    self.ram = files.pop().map(|file| (layout, file));
                }
                Ok(FromVmm::Started(stages)) if self.stages.is_none() => self.stages = Some(stages),
                Ok(FromVmm::Paused(paused)) if self.orders > 0 => {
                    self.orders -= 1;
                    self.paused = paused;
                }
                Ok(FromVmm::Plugged(result)) if self.plugs > 0 => {
                    self.plugs -= 1;
                    if let Err(why) = result {
                        tracing::warn!(pid = self.pid(), %why, "a network card keeps its cable");
                    }
                }
                Ok(FromVmm::Exit(exit)) if self.last_word.is_none() => {
                    self.last_word = Some(Outcome::Exit(exit));
                }
                Ok(FromVmm::Failed(why)) if self.last_word.is_none() => {
                    self.last_word = Some(Outcome::Failed(why));
                }
                _ => {
                    tracing::warn!(pid = self.pid(), "transom-vmm says something unknown and is ended");
                    self.kill();
                    return;
                }
            }
        }
    }

    /// Guest RAM, once the process has told: how it is laid out, and a descriptor that can only be
    /// read.
    pub fn ram(&self) -> Option<(Layout, BorrowedFd<'_>)> {
        self.ram.as_ref().map(|(layout, file)| (*layout, file.as_fd()))
    }

    /// The stages of its start, once the first instruction ran.
    pub fn stages(&self) -> Option<&[Stage]> {
        self.stages.as_deref()
    }

    /// The serial console. Non-blocking.
    pub fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// When this is readable, [`Self::accept`] has a connection for the host's `port`. `None` for a
    /// port that the machine was not started with.
    pub fn listener(&self, port: u32) -> Option<BorrowedFd<'_>> {
        self.handovers.iter().find(|(number, _)| *number == port).map(|(_, socket)| socket.as_fd())
    }

    /// A connection that the guest opened to `port`, non-blocking, with the guest's port.
    ///
    /// Should the guest take the process over, it shares the connection's file description and can
    /// make it blocking again: whoever must never wait reads with `MSG_DONTWAIT`.
    pub fn accept(&mut self, port: u32) -> io::Result<Option<(OwnedFd, u32)>> {
        let Some(socket) = self.listener(port) else { return Ok(None) };
        // Bad packets come only from a process that was taken over; the next call goes on.
        for _ in 0..8 {
            match packet::recv(socket)? {
                Received::Packet(bytes, mut files) => {
                    let (Some([_, _, _, _, a, b, c, d]), Some(file)) = (bytes.first_chunk(), files.pop())
                    else {
                        continue;
                    };
                    let is_stream = sockopt::socket_domain(&file) == Ok(AddressFamily::UNIX)
                        && sockopt::socket_type(&file) == Ok(SocketType::STREAM);
                    if is_stream {
                        rustix::io::ioctl_fionbio(&file, true)?;
                        return Ok(Some((file, u32::from_le_bytes([*a, *b, *c, *d]))));
                    }
                }
                Received::Nothing => return Ok(None),
                Received::TooLarge => {}
                Received::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        Ok(None)
    }

    /// Ends it at once. [`Self::step`] tells when it is gone.
    pub fn kill(&mut self) {
        if self.status.is_none() {
            // The jailed copy is killed with it.
            let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        }
    }
}

impl Drop for Vmm {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.kill();
            // Killed processes end soon; not to wait would leave a zombie.
            let _ = self.child.wait();
            self.status = Some(ExitStatus::default());
        }
    }
}

/// Two ends of a socket that keeps borders.
fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Descriptors in the order in which they are sent.
#[derive(Debug, Default)]
struct Files(Vec<OwnedFd>);

impl Files {
    fn add(&mut self, file: impl Into<OwnedFd>) -> FileNumber {
        self.0.push(file.into());
        self.0.len() - 1
    }

    fn disk(&mut self, disk: DiskFile) -> io::Result<DiskPlan> {
        let encrypted = match disk.key {
            Some(VolumeKey { key, layout }) => Some((self.add(filled_pipe(&key)?), layout)),
            None => None,
        };
        Ok(DiskPlan {
            encrypted,
            serial: disk.serial,
            file: self.add(disk.file),
            base: disk.base.map(|(base, size)| (self.add(base), size)),
            read_only: disk.read_only,
        })
    }
}
