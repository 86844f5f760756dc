//! Puts a machine together.

use std::{
    fmt,
    os::fd::OwnedFd,
    sync::{Arc, Mutex},
    thread,
};

use kvm_ioctls::{IoEventAddress, Kvm, NoDatamatch, VcpuFd, VmFd};
use seccompiler::BpfProgram;
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};

use super::{
    Error, acpi,
    boot::{self, Boot},
    bus::{Bus, Slot},
    cpu::Template,
    devices::{
        Device,
        block::{Block, Disk},
        net::{Cable, Net},
        rng::Rng,
        serial::Console,
        transport::{Interrupt, NOTIFY_OFFSET, Transport},
        vsock::{Port, Vsock},
    },
    event_loop::Running,
    kvm, layout,
    memory::Ram,
    vcpu::{self, Shared},
};

/// What a machine is made of. All files are given open.
#[derive(Debug)]
pub struct Config {
    /// vCPUs.
    pub vcpus: u8,
    /// What it boots.
    pub boot: Boot,
    /// Where its serial console writes to; should be non-blocking.
    pub console: Option<OwnedFd>,
    /// Its disks, in this order, each with the serial number that the guest sees.
    pub disks: Vec<(Disk, String)>,
    /// Its network cards, each a cable, or none yet, and an address.
    pub nets: Vec<(Option<Cable>, [u8; 6])>,
    /// Its vsock: the guest's address, and the ports of the host that it may connect to.
    pub vsock: Option<(u32, Vec<Port>)>,
}

impl Config {
    /// One vCPU, no devices but entropy, nothing written anywhere.
    pub fn new(boot: Boot) -> Self {
        Self { vcpus: 1, boot, console: None, disks: Vec::new(), nets: Vec::new(), vsock: None }
    }
}

/// A machine that is ready to start.
pub struct Vm {
    // Dropped in this order: the machine goes before its memory.
    vcpus: Vec<VcpuFd>,
    machine: VmFd,
    bus: Arc<Bus>,
    ram: Ram,
}

impl fmt::Debug for Vm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vm").field("vcpus", &self.vcpus.len()).field("ram", &self.ram).finish_non_exhaustive()
    }
}

impl Vm {
    /// Builds a machine with `kvm`, a descriptor of `/dev/kvm`, and loads its kernel.
    pub fn new(kvm: OwnedFd, ram: Ram, mut config: Config) -> Result<Self, Error> {
        let kvm = kvm::from_fd(kvm)?;
        check_vcpus(&kvm, config.vcpus)?;
        let vm = kvm.create_vm().map_err(Error::at("create a machine"))?;
        vm.set_identity_map_address(layout::KVM_IDENTITY_MAP)
            .and_then(|()| vm.set_tss_address(layout::KVM_TSS))
            .and_then(|()| vm.create_irq_chip())
            .map_err(Error::at("set up a machine"))?;
        kvm::set_memory(&vm, &ram)?;

        let first_card = config.disks.len();
        let cards = first_card..first_card + config.nets.len();
        let devices = make_devices(&mut config);
        if devices.len() > layout::MAX_VIRTIO {
            return Err(Error::Devices(devices.len()));
        }
        let tables = acpi::tables(config.vcpus, devices.len());
        let entry = boot::load(&mut config.boot, &ram, &tables)?;
        let slots = devices
            .into_iter()
            .enumerate()
            .map(|(index, device)| plug_in(&vm, &ram, index, device))
            .collect::<Result<_, _>>()?;
        let line = event()?;
        vm.register_irqfd(&line, layout::COM1_GSI).map_err(Error::at("connect an interrupt"))?;
        let bus = Bus {
            console: Mutex::new(Console::new(line, config.console.take())),
            power: Mutex::default(),
            devices: slots,
            cards,
        };

        let template = Template::new(&kvm, config.vcpus)?;
        let make_vcpu = |id| {
            let vcpu = vm.create_vcpu(u64::from(id)).map_err(Error::at("create a vCPU"))?;
            template.apply(&vcpu, id, (id == 0).then_some(entry), ram.memory())?;
            Ok::<_, Error>(vcpu)
        };
        let vcpus = (0..config.vcpus).map(make_vcpu).collect::<Result<_, _>>()?;
        Ok(Self { vcpus, machine: vm, bus: Arc::new(bus), ram })
    }

    /// Its RAM.
    pub fn ram(&self) -> &Ram {
        &self.ram
    }

    /// Makes the vCPUs' threads, each with `filter` if given. They run with [`Running::run`].
    pub fn start(self, filter: Option<BpfProgram>) -> Result<Running, Error> {
        let shared = Arc::new(Shared::new(event()?));
        let mut running = Running {
            threads: Vec::new(),
            shared: Arc::clone(&shared),
            bus: Arc::clone(&self.bus),
            _machine: self.machine,
            _ram: self.ram,
        };
        vcpu::install_signal_handler().map_err(Error::at("install a signal handler"))?;
        for (id, vcpu) in self.vcpus.into_iter().enumerate() {
            let (shared, bus, filter) = (Arc::clone(&shared), Arc::clone(&self.bus), filter.clone());
            let thread = thread::Builder::new()
                .name(format!("vcpu{id}"))
                // The default of 2 MiB is only reserved, but less is enough.
                .stack_size(256 * 1024)
                .spawn(move || vcpu::thread(vcpu, id == 0, filter, &shared, &bus))
                .map_err(Error::at("start a thread"))?;
            running.threads.push(thread);
        }
        Ok(running)
    }
}

fn check_vcpus(kvm: &Kvm, asked: u8) -> Result<(), Error> {
    let most = kvm.get_max_vcpus().min(usize::from(layout::MAX_VCPUS)) as u8;
    if asked == 0 || asked > most { Err(Error::Vcpus { asked, most }) } else { Ok(()) }
}

/// Disks come first, so that the guest's names for them do not depend on the rest; then network cards.
fn make_devices(config: &mut Config) -> Vec<Box<dyn Device>> {
    let mut devices: Vec<Box<dyn Device>> = Vec::new();
    for (disk, name) in config.disks.drain(..) {
        devices.push(Box::new(Block::new(disk, &name)));
    }
    for (cable, address) in config.nets.drain(..) {
        devices.push(Box::new(Net::new(cable, address)));
    }
    if let Some((cid, ports)) = config.vsock.take() {
        devices.push(Box::new(Vsock::new(cid, ports)));
    }
    devices.push(Box::new(Rng));
    devices
}

fn plug_in(vm: &VmFd, ram: &Ram, index: usize, device: Box<dyn Device>) -> Result<Slot, Error> {
    let line = event()?;
    let gsi = layout::VIRTIO_GSI + index as u32;
    vm.register_irqfd(&line, gsi).map_err(Error::at("connect an interrupt"))?;
    let kick = event()?;
    let address = layout::VIRTIO + index as u64 * layout::VIRTIO_STRIDE + NOTIFY_OFFSET;
    vm.register_ioevent(&kick, &IoEventAddress::Mmio(address), NoDatamatch)
        .map_err(Error::at("connect a notification"))?;
    let transport = Transport::new(device, ram.memory().clone(), Arc::new(Interrupt::new(line)))
        .map_err(Error::at("make a device"))?;
    Ok(Slot { transport: Mutex::new(transport), kick })
}

fn event() -> Result<EventFd, Error> {
    EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC).map_err(Error::at("make an eventfd"))
}
