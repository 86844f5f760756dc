//! The back end with the linked VMM: a [`Machine`] made of a running `transom-vmm`.
//!
//! Thin on purpose: [`crate::vmm::client`] does the work. Every file is opened here and handed over;
//! the jailed process opens none.

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io,
    os::fd::{BorrowedFd, OwnedFd},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, OnceLock},
    time::Duration,
};

use transom_protocol::supervisor::{Backend, MemoryKind};

use crate::{
    encryption::VolumeKey,
    image::{self, OWN_INITRAMFS, OpenVolume},
    machine::{Card, Channel, Exit, Hypervisor, Machine, MachineSpec, StartError, Step},
    paths,
    sandbox::{Cgroup, Cgroups},
    store::Limits,
    user::own_uid,
    vmm::{
        self,
        client::{DiskFile, Launch, Outcome, Vmm},
    },
};

/// Where the kernel offers virtual machines.
pub(crate) const DEVICE: &str = "/dev/kvm";
/// What the agents of one computer's machines see as their own vsock address. Each machine has a
/// vsock of its own, so that none needs to differ.
const CID: u32 = 3;
/// What `transom-vmm` takes above guest RAM at most, in bytes; where control groups are.
const OVERHEAD: u64 = 64 << 20;

/// Runs qubes with the linked VMM.
#[derive(Debug)]
pub struct Kvm {
    program: Option<PathBuf>,
    cgroups: Option<Arc<Cgroups>>,
}

impl Kvm {
    /// Looks for `transom-vmm` where it usually is.
    pub(crate) fn new(cgroups: Option<Arc<Cgroups>>) -> Self {
        Self { program: paths::find_program("transom-vmm"), cgroups }
    }

    fn program(&self) -> Result<&Path, String> {
        let program = self.program.as_deref().filter(|path| paths::is_program(path));
        program.ok_or_else(|| "transom-vmm is missing: build or install Transom anew".to_owned())
    }

    /// Says what is missing on this computer.
    ///
    /// # Errors
    /// One line that says what.
    pub fn check(&self) -> Result<(), String> {
        self.program()?;
        able_here()
    }
}

/// Says what this computer lacks for virtual machines on its processor.
///
/// # Errors
/// One line that says what.
pub fn check() -> Result<(), String> {
    Kvm::new(None).check()
}

/// Says why KVM runs no stock kernel here.
pub(crate) fn able_here() -> Result<(), String> {
    // The processor stays what it is, and a look costs the more the more cores it has.
    static PROCESSOR: OnceLock<Result<(), &'static str>> = OnceLock::new();
    PROCESSOR
        .get_or_init(|| able(&fs::read_to_string("/proc/cpuinfo").unwrap_or_default()))
        .map_err(str::to_owned)?;
    open_device().map(drop).map_err(|error| format!("{DEVICE} cannot be opened: {error}"))
}

/// A device alone does not promise that a stock kernel runs: there are kinds of KVM without hardware
/// behind them, on which it hangs. VT-x and AMD-V show in the processor's flags.
fn able(cpuinfo: &str) -> Result<(), &'static str> {
    let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")).unwrap_or_default();
    if flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm") {
        Ok(())
    } else {
        Err("the processor has neither VT-x nor AMD-V, or they are off in its firmware")
    }
}

fn open_device() -> io::Result<OwnedFd> {
    Ok(File::options().read(true).write(true).open(DEVICE)?.into())
}

impl Hypervisor for Kvm {
    fn backend(&self) -> Backend {
        Backend::Kvm
    }

    fn start_limit(&self) -> Duration {
        // A first start makes the volume.
        Duration::from_mins(2)
    }

    fn start(&mut self, spec: &MachineSpec<'_>) -> Result<Box<dyn Machine>, StartError> {
        let program = self.program().map_err(StartError::Unable)?;
        let Some(vm) = &spec.vm else {
            return Err(StartError::Unable("a virtual machine needs an image".to_owned()));
        };
        // Said before anything is made.
        let needs_qemu = |what| Err(StartError::Unable(format!("{what} needs QEMU: backend \"qemu\"")));
        if !vm.config.devices.is_empty() {
            return needs_qemu("a device of the computer");
        }
        if vm.uplink.is_some() {
            return needs_qemu("an uplink");
        }
        let read = |path: &Path| File::open(path).map_err(StartError::at("open the image"));
        let volume = image::open_volume(vm)?;
        image::write_initramfs(spec, vm.image).map_err(StartError::at("write the qube's initramfs"))?;
        let disk = |serial: &str, file, read_only| DiskFile {
            serial: serial.to_owned(),
            file,
            base: None,
            read_only,
            key: None,
        };
        let key = vm.key.map(VolumeKey::try_clone).transpose();
        let key = key.map_err(StartError::at("take memory for a key"))?;
        let copy = |card: &Card| {
            let cable = card.cable.as_ref().map(OwnedFd::try_clone).transpose()?;
            Ok((cable, card.address))
        };
        let cables: io::Result<_> = vm.cards.iter().map(copy).collect();
        let cables = cables.map_err(StartError::at("copy a cable"))?;
        let mut disks = vec![disk("root", read(&vm.image.root())?, true)];
        disks.extend(volume.map(|OpenVolume { file, base }| DiskFile {
            base,
            key,
            ..disk("private", file, false)
        }));
        let launch = Launch {
            kvm: open_device().map_err(StartError::at("open /dev/kvm"))?,
            ram: vm.config.memory,
            vcpus: vm.config.vcpus,
            kernel: read(&vm.image.kernel())?,
            initramfs: Some(read(&spec.run_dir.join(OWN_INITRAMFS))?),
            command_line: "console=ttyS0 quiet panic=-1".to_owned(),
            disks,
            nets: cables,
            vsock: Some((CID, Channel::ALL.map(Channel::vsock_port).to_vec())),
            uid: own_uid(spec.name.as_str()),
            log: Stdio::inherit(),
        };
        let limits = Limits { memory: Some(vm.config.memory + OVERHEAD), ..spec.limits.clone() };
        let cgroup = self.cgroups.as_ref().and_then(|cgroups| cgroups.make(spec.name, &limits));
        Ok(Box::new(KvmMachine::start(program, launch, cgroup)?))
    }
}

/// A qube as a virtual machine.
#[derive(Debug)]
pub struct KvmMachine {
    vmm: Vmm,
    cgroup: Option<Cgroup>,
}

impl KvmMachine {
    /// Starts `program`, which is `transom-vmm`.
    fn start(program: &Path, launch: Launch, cgroup: Option<Cgroup>) -> Result<Self, StartError> {
        let vmm = Vmm::spawn(program, launch).map_err(StartError::at("start transom-vmm"))?;
        // Its second process is made later, and is in the group by birth.
        if let Some(cgroup) = &cgroup {
            cgroup.take_in(vmm.pid(), "transom-vmm");
        }
        Ok(Self { vmm, cgroup })
    }
}

/// What the end of a VMM is to whoever only knows of machines.
fn exit(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Exit(vmm::Exit::PowerOff | vmm::Exit::Stopped) => Exit::Code(0),
        Outcome::Exit(other) => Exit::Machine(other.to_string()),
        Outcome::Failed(why) => Exit::Setup(Some(why)),
        ref died @ Outcome::Died(_) if died.by_jail() => {
            Exit::Machine("transom-vmm made a forbidden system call and was ended".to_owned())
        }
        Outcome::Died(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => Exit::Signal(signal),
            // As shells do, the outer process adds a signal to 128.
            (None, Some(code)) if code > 128 => Exit::Signal(code - 128),
            (None, code) => Exit::Code(code.unwrap_or(-1)),
        },
    }
}

impl Machine for KvmMachine {
    fn pid(&self) -> u32 {
        self.vmm.pid()
    }

    fn memory(&self) -> (MemoryKind, Option<BorrowedFd<'_>>) {
        let Some((layout, file)) = self.vmm.ram() else {
            // No guest has spoken before it runs in this memory: nobody asks so early.
            return (MemoryKind::GuestRam { bytes: 0, hole_start: 0, hole_end: 0 }, None);
        };
        let (hole_start, hole_end) = layout.hole();
        (MemoryKind::GuestRam { bytes: layout.size(), hole_start, hole_end }, Some(file))
    }

    fn events(&self) -> Vec<BorrowedFd<'_>> {
        self.vmm.events()
    }

    fn step(&mut self) -> Step {
        self.vmm.step().map_or(Step::Alive, |outcome| Step::Gone(exit(outcome)))
    }

    fn set_paused(&mut self, paused: bool) -> io::Result<()> {
        self.vmm.set_paused(paused)
    }

    fn is_paused(&self) -> bool {
        self.vmm.is_paused()
    }

    fn plug(&mut self, card: usize, cable: Option<OwnedFd>) -> io::Result<()> {
        self.vmm.plug(card, cable)
    }

    fn kill(&mut self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
        self.vmm.kill();
    }

    fn listener(&self, channel: Channel) -> BorrowedFd<'_> {
        // Both were asked for at the start.
        self.vmm.listener(channel.vsock_port()).unwrap_or_else(|| self.vmm.output())
    }

    fn accept(&mut self, channel: Channel) -> io::Result<Option<OwnedFd>> {
        Ok(self.vmm.accept(channel.vsock_port())?.map(|(connection, _)| connection))
    }

    fn output(&self) -> BorrowedFd<'_> {
        self.vmm.output()
    }
}
