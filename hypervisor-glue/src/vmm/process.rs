//! The program `transom-vmm`: one machine in one jailed process.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::{Errno, ioctl_fionbio},
};

use super::{
    Config, Error, Order, Owner, Vm,
    boot::Boot,
    control::{FileNumber, FromVmm, MAX_FILES, Plan, PlugError, ToVmm},
    devices::{block::Disk, net::Cable, vsock::Port},
    jail::{self, Jail, Kind},
    memory::Ram,
    timing::{Mark, Stages},
};
use crate::{
    encryption::KEY,
    memory::Secret,
    overlay::Stored,
    packet::{self, Received},
};

/// Most bytes of an order.
const ORDER: usize = 64;

/// Why the program ends without a machine.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The parent did not say what to do.
    #[error("nobody said what to run: {0}")]
    NoPlan(&'static str),
    /// The plan names a descriptor that did not come, or names one twice.
    #[error("the plan names descriptor {0}, which is not there or already used")]
    File(FileNumber),
    /// A network card's descriptor is neither a socket that keeps borders nor a device.
    #[error("a network card's cable is of no kind that is known")]
    Cable,
    /// The machine.
    #[error(transparent)]
    Machine(#[from] Error),
    /// The control socket.
    #[error("the control socket: {0}")]
    Control(#[from] Errno),
}

impl From<jail::JailError> for ProcessError {
    fn from(error: jail::JailError) -> Self {
        Self::Machine(error.into())
    }
}

/// Does what the parent says over `control`, until the machine has ended. Must be called in a
/// process with one thread. True if a machine ran.
pub fn run(control: OwnedFd, mut stages: Stages) -> bool {
    match serve(&control, &mut stages) {
        Ok(last) => {
            tell(&control, &last, &[]);
            true
        }
        Err(error) => {
            tracing::error!("{error}");
            tell(&control, &FromVmm::Failed(error.to_string()), &[]);
            false
        }
    }
}

fn serve(control: &OwnedFd, stages: &mut Stages) -> Result<FromVmm, ProcessError> {
    let (plan, mut files) = receive(control)?;
    stages.done("plan received");
    let before = Jail { uid: plan.uid }.enter()?;
    stages.continue_after(before);
    stages.done("namespaces");
    let ram = Ram::new(plan.ram)?;
    let view = ram.read_only().map_err(Error::at("open guest RAM for reading"))?;
    tell(control, &FromVmm::Ram(ram.layout()), &[view.as_fd()]);
    drop(view);
    jail::empty_root()?;
    jail::lock()?;
    stages.done("jail");
    let kvm = files.take(plan.kvm)?;
    let config = config(plan, &mut files)?;
    stages.done("disks opened");
    let vm = Vm::new(kvm, ram, config)?;
    stages.done("machine built");
    let running = vm.start(Some(jail::filter(Kind::Vcpu)?))?;
    let filter = jail::filter(Kind::EventLoop { orders: control.as_raw_fd() })?;
    jail::apply(&filter)?;
    stages.done("filters");
    Ok(FromVmm::Exit(running.run(&mut Parent { control, stages })))
}

/// The parent, while the machine runs.
struct Parent<'a> {
    control: &'a OwnedFd,
    stages: &'a mut Stages,
}

impl Owner for Parent<'_> {
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.control.as_fd())
    }

    fn order(&mut self) -> Order {
        let (bytes, files) = match packet::recv_at_most(self.control, ORDER) {
            Ok(Received::Packet(bytes, files)) => (bytes, files),
            Ok(Received::Nothing) => return Order::Nothing,
            Ok(Received::TooLarge) => (Vec::new(), Vec::new()),
            Ok(Received::Closed) | Err(_) => return Order::Stop,
        };
        match serde_json::from_slice(&bytes) {
            Ok(ToVmm::Pause) => Order::Pause,
            Ok(ToVmm::Resume) => Order::Resume,
            Ok(ToVmm::Plug(card)) => match cable(files) {
                Ok(cable) => Order::Plug { card, cable },
                Err(why) => {
                    tell(self.control, &FromVmm::Plugged(Err(why)), &[]);
                    Order::Nothing
                }
            },
            Ok(ToVmm::Files | ToVmm::Start(_)) | Err(_) => {
                tracing::warn!("an order is not understood");
                Order::Nothing
            }
        }
    }

    fn started(&mut self, mark: Mark) {
        self.stages.done_at("first instruction", mark);
        tell(self.control, &FromVmm::Started(self.stages.list().to_vec()), &[]);
    }

    fn paused(&mut self, paused: bool) {
        tell(self.control, &FromVmm::Paused(paused), &[]);
    }

    fn plugged(&mut self, there: bool) {
        let result = if there { Ok(()) } else { Err(PlugError::NoCard) };
        tell(self.control, &FromVmm::Plugged(result), &[]);
    }
}

/// The cable that came beside an order.
fn cable(mut files: Vec<OwnedFd>) -> Result<Option<Cable>, PlugError> {
    let file = files.pop();
    if !files.is_empty() {
        return Err(PlugError::Count);
    }
    file.map(|file| Cable::socket(file).ok_or(PlugError::Kind)).transpose()
}

/// A parent that does not listen is none of our concern.
fn tell(control: &OwnedFd, message: &FromVmm, files: &[BorrowedFd<'_>]) {
    if let Ok(bytes) = serde_json::to_vec(message) {
        let _ = packet::send(control, &bytes, files);
    }
}

/// Descriptors from the parent, each to be used once.
#[derive(Debug, Default)]
struct Files(Vec<Option<OwnedFd>>);

impl Files {
    fn take(&mut self, number: FileNumber) -> Result<OwnedFd, ProcessError> {
        self.0.get_mut(number).and_then(Option::take).ok_or(ProcessError::File(number))
    }

    fn take_file(&mut self, number: FileNumber) -> Result<File, ProcessError> {
        self.take(number).map(File::from)
    }

    /// For what must never make us wait.
    fn take_stream(&mut self, number: FileNumber) -> Result<OwnedFd, ProcessError> {
        let fd = self.take(number)?;
        ioctl_fionbio(&fd, true)?;
        Ok(fd)
    }
}

fn receive(control: &OwnedFd) -> Result<(Plan, Files), ProcessError> {
    let mut files = Files::default();
    loop {
        let (bytes, fds) = match packet::recv(control)? {
            Received::Packet(bytes, fds) => (bytes, fds),
            Received::TooLarge => return Err(ProcessError::NoPlan("a packet is too large")),
            Received::Closed => return Err(ProcessError::NoPlan("the control socket was closed")),
            Received::Nothing => {
                match poll(&mut [PollFd::new(control, PollFlags::IN)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                }
                continue;
            }
        };
        match serde_json::from_slice(&bytes) {
            Ok(ToVmm::Files) if files.0.len() + fds.len() <= MAX_FILES => {
                files.0.extend(fds.into_iter().map(Some));
            }
            Ok(ToVmm::Files) => return Err(ProcessError::NoPlan("too many descriptors")),
            Ok(ToVmm::Start(plan)) => return Ok((*plan, files)),
            Ok(ToVmm::Pause | ToVmm::Resume | ToVmm::Plug(_)) | Err(_) => {
                return Err(ProcessError::NoPlan("a packet is not understood"));
            }
        }
    }
}

fn config(plan: Plan, files: &mut Files) -> Result<Config, ProcessError> {
    let boot = Boot {
        kernel: files.take_file(plan.kernel)?,
        initramfs: plan.initramfs.map(|number| files.take_file(number)).transpose()?,
        command_line: plan.command_line,
    };
    let mut config = Config { vcpus: plan.vcpus, ..Config::new(boot) };
    config.console = plan.console.map(|number| files.take_stream(number)).transpose()?;
    for disk in plan.disks {
        let file = files.take_file(disk.file)?;
        let base = disk.base.map(|(base, size)| Ok::<_, ProcessError>((files.take_file(base)?, size)));
        let opened = match (base.transpose()?, disk.encrypted) {
            (None, None) => Disk::raw(file, disk.read_only),
            (base, encrypted) => {
                let read = |(key, layout)| {
                    let key = Secret::read(files.take_file(key)?, KEY);
                    Ok::<_, ProcessError>((key.map_err(Error::at("read a disk's key"))?, layout))
                };
                let key = encrypted.map(read).transpose()?;
                // One that is longer is none, as one that is shorter.
                let key = key.as_ref().map(|(key, layout)| (key.as_deref().unwrap_or_default(), *layout));
                let stored = Stored::open(file, base).map_err(Error::at("open a disk with its base"))?;
                Disk::stored(stored, key)
            }
        };
        config.disks.push((opened.map_err(Error::from)?, disk.serial));
    }
    for net in plan.nets {
        let link = net.link.map(|number| files.take_stream(number)).transpose()?;
        let cable = link.map(|link| Cable::open(link).ok_or(ProcessError::Cable)).transpose()?;
        config.nets.push((cable, net.address));
    }
    if let Some(vsock) = plan.vsock {
        let port = |(number, file)| Ok(Port { number, handover: files.take_stream(file)? });
        let ports = vsock.ports.into_iter().map(port).collect::<Result<_, ProcessError>>()?;
        config.vsock = Some((vsock.cid, ports));
    }
    Ok(config)
}

/// The control socket, which is standard input.
pub fn control_socket() -> io::Result<OwnedFd> {
    io::stdin().as_fd().try_clone_to_owned()
}
