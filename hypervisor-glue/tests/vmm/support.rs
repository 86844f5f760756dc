//! A guest's driver in a few lines, and any bytes as a guest: shared by tests and fuzz targets.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::{
    fs::File,
    io::Write as _,
    os::{
        fd::OwnedFd,
        unix::net::{UnixDatagram, UnixStream},
    },
    sync::Arc,
};

use rustix::{
    event::PollFlags,
    fs::{MemfdFlags, memfd_create},
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};
use transom_hypervisor::{
    encryption::{KEY, Layout, Payload},
    overlay::{self, Overlay},
    vmm::{
        devices::{
            Device, Work,
            block::{Block, Disk},
            net::{Cable, Net},
            rng::Rng,
            transport::{Interrupt, Transport},
            vsock::{Port, Vsock},
        },
        memory::GuestRam,
    },
};
use vm_memory::{Bytes as _, GuestAddress};
use vmm_sys_util::eventfd::EventFd;

/// RAM of the fake guest: two parts with a hole between them.
const PART: u64 = 512 << 10;
const HOLE: u64 = 512 << 10;
pub(crate) const HIGH: u64 = PART + HOLE;
/// Entries of each queue.
pub(crate) const SIZE: u16 = 8;
/// Where each queue's rings lie.
const RINGS: u64 = 0x1_0000;
const RING: u64 = 0x1000;
/// Room for data.
pub(crate) const DATA: u64 = 0x2_0000;
/// Bytes of the fake disk.
pub(crate) const DISK: u64 = 64 << 10;
/// Bytes before the payload of the encrypted one.
const HEADER: usize = 16 << 10;

/// The kinds of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rng,
    Disk,
    ReadOnly,
    Overlay,
    Encrypted,
    EncryptedOverlay,
    Net,
    Vsock,
}

pub(crate) const KINDS: [Kind; 8] = [
    Kind::Rng,
    Kind::Disk,
    Kind::ReadOnly,
    Kind::Overlay,
    Kind::Encrypted,
    Kind::EncryptedOverlay,
    Kind::Net,
    Kind::Vsock,
];

/// The other ends of what a device is connected to.
#[derive(Debug, Default)]
pub(crate) struct Host {
    pub(crate) cable: Option<UnixDatagram>,
    pub(crate) handover: Option<OwnedFd>,
    /// The file that what is written to a disk goes into.
    pub(crate) disk: Option<File>,
}

fn memory_file(content: &[u8]) -> File {
    let mut file = File::from(memfd_create("disk", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(content).unwrap();
    file
}

/// A cable, and its other end. Its own end would wait, if it were asked to.
pub(crate) fn cable() -> (Cable, UnixDatagram) {
    let (ours, theirs) = UnixDatagram::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    (Cable::socket(ours.into()).unwrap(), theirs)
}

fn device(kind: Kind, host: &mut Host) -> Box<dyn Device> {
    let content = || memory_file(&vec![0x5a; DISK as usize]);
    let block = |disk: Disk| Box::new(Block::new(disk, "fake"));
    let mut seen = |file: &File| host.disk = Some(file.try_clone().unwrap());
    match kind {
        Kind::Rng => Box::new(Rng),
        Kind::Disk => {
            let file = content();
            seen(&file);
            block(Disk::raw(file, false).unwrap())
        }
        Kind::ReadOnly => block(Disk::raw(content(), true).unwrap()),
        Kind::Overlay => {
            let file = memory_file(&[]);
            overlay::create(&file, DISK).unwrap();
            seen(&file);
            block(Disk::overlay(Overlay::open(file, content()).unwrap()))
        }
        Kind::Encrypted => {
            let (file, layout) = (
                memory_file(&vec![0; HEADER + DISK as usize]),
                Layout { offset: HEADER as u64, sector: 512 },
            );
            let key: [u8; KEY] = std::array::from_fn(|n| n as u8);
            let mut payload = Payload::new(file.try_clone().unwrap(), &key, layout).unwrap();
            payload.write(&mut vec![0x5a; DISK as usize], 0).unwrap();
            seen(&file);
            block(Disk::encrypted(file, &key, layout).unwrap())
        }
        Kind::EncryptedOverlay => {
            // What is in it lies in the base.
            let (base, layout) = (
                memory_file(&vec![0; HEADER + DISK as usize]),
                Layout { offset: HEADER as u64, sector: 512 },
            );
            let key: [u8; KEY] = std::array::from_fn(|n| n as u8);
            let mut payload = Payload::new(base.try_clone().unwrap(), &key, layout).unwrap();
            payload.write(&mut vec![0x5a; DISK as usize], 0).unwrap();
            let file = memory_file(&[]);
            overlay::create(&file, HEADER as u64 + DISK).unwrap();
            seen(&file);
            block(Disk::encrypted(Overlay::open(file, base).unwrap(), &key, layout).unwrap())
        }
        Kind::Net => {
            let (cable, theirs) = cable();
            host.cable = Some(theirs);
            Box::new(Net::new(Some(cable), [2, 0, 0, 0, 0, 1]))
        }
        Kind::Vsock => {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
            host.handover = Some(theirs);
            Box::new(Vsock::new(3, vec![Port { number: 5000, handover: ours }]))
        }
    }
}

/// A guest's driver for one device, which does as it is told, right or wrong.
pub(crate) struct Driver {
    pub(crate) transport: Transport,
    pub(crate) memory: GuestRam,
    pub(crate) host: Host,
    /// The next free descriptor and the next index, of each queue.
    next: [(u16, u16); 3],
}

impl Driver {
    pub(crate) fn new(kind: Kind) -> Self {
        let low = (GuestAddress(0), PART as usize);
        let high = (GuestAddress(HIGH), PART as usize);
        let memory = GuestRam::from_ranges(&[low, high]).unwrap();
        let mut host = Host::default();
        let interrupt = Arc::new(Interrupt::new(EventFd::new(libc_nonblock()).unwrap()));
        let transport = Transport::new(device(kind, &mut host), memory.clone(), interrupt).unwrap();
        let mut this = Self { transport, memory, host, next: [(0, 0); 3] };
        this.set_up();
        this
    }

    pub(crate) fn write(&mut self, register: u64, value: u32) -> bool {
        self.transport.write(register, &value.to_le_bytes())
    }

    pub(crate) fn read(&self, register: u64) -> u32 {
        let mut bytes = [0; 4];
        self.transport.read(register, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// Makes the device ready for use, as a driver does.
    pub(crate) fn set_up(&mut self) {
        self.write(0x70, 0);
        self.write(0x70, 1 | 2);
        // All that is offered, but notifications by index.
        for half in [0, 1] {
            self.write(0x14, half);
            let offered = self.read(0x10);
            self.write(0x24, half);
            self.write(0x20, if half == 0 { offered & !(1 << 29) } else { offered });
        }
        self.write(0x70, 1 | 2 | 8);
        for index in 0..3 {
            let rings = RINGS + index * 4 * RING;
            self.write(0x30, index as u32);
            self.write(0x38, u32::from(SIZE));
            for (register, address) in [(0x80, rings), (0x90, rings + RING), (0xa0, rings + 2 * RING)] {
                self.write(register, address as u32);
                self.write(register + 4, 0);
            }
            self.memory.write_slice(&[0; 3 * RING as usize], GuestAddress(rings)).unwrap();
            self.write(0x44, 1);
        }
        self.write(0x70, 1 | 2 | 8 | 4);
        self.next = [(0, 0); 3];
    }

    /// Writes descriptor `number` of a queue.
    pub(crate) fn descriptor(
        &mut self,
        queue: usize,
        number: u16,
        address: u64,
        length: u32,
        flags: u16,
        next: u16,
    ) {
        let place = RINGS + queue as u64 * 4 * RING + u64::from(number % SIZE) * 16;
        let bytes =
            [&address.to_le_bytes()[..], &length.to_le_bytes(), &flags.to_le_bytes(), &next.to_le_bytes()];
        self.memory.write_slice(&bytes.concat(), GuestAddress(place)).unwrap();
    }

    /// Offers the chain that begins with descriptor `head`.
    pub(crate) fn offer(&mut self, queue: usize, head: u16) {
        let ring = RINGS + queue as u64 * 4 * RING + RING;
        let (_, index) = &mut self.next[queue];
        self.memory.write_obj(head, GuestAddress(ring + 4 + u64::from(*index % SIZE) * 2)).unwrap();
        *index = index.wrapping_add(1);
        self.memory.write_obj(*index, GuestAddress(ring + 2)).unwrap();
    }

    pub(crate) fn set_index(&mut self, queue: usize, index: u16) {
        self.next[queue].1 = index;
        self.memory.write_obj(index, GuestAddress(RINGS + queue as u64 * 4 * RING + RING + 2)).unwrap();
    }

    /// Offers a right chain of parts: address, length, and whether the device may write.
    pub(crate) fn chain(&mut self, queue: usize, parts: &[(u64, u32, bool)]) {
        let first = self.next[queue].0;
        for (index, (address, length, write)) in parts.iter().enumerate() {
            let number = (first + index as u16) % SIZE;
            let last = index + 1 == parts.len();
            let flags = u16::from(!last) | u16::from(*write) << 1;
            self.descriptor(queue, number, *address, *length, flags, (number + 1) % SIZE);
        }
        self.next[queue].0 = (first + parts.len() as u16) % SIZE;
        self.offer(queue, first);
    }

    /// Notifies until the device has done all. It must come to an end by itself.
    pub(crate) fn notify(&mut self) {
        let mut turns = 0;
        while self.transport.notified() == Work::More {
            turns += 1;
            assert!(turns < 100, "the device finds no end");
        }
    }

    /// Lets the device see everything that it watches as ready.
    pub(crate) fn poll(&mut self, events: PollFlags) {
        let mut watches = Vec::new();
        self.transport.watch(&mut watches);
        for watch in watches {
            let mut turns = 0;
            while self.transport.ready(watch.token, events) == Work::More {
                turns += 1;
                assert!(turns < 100, "the device finds no end");
            }
        }
    }

    /// Plugs another cable in, or none, as the event loop does.
    pub(crate) fn plug(&mut self, there: bool) {
        let (ours, theirs) = there.then(cable).unzip();
        if self.transport.plug(ours) == Work::More {
            self.notify();
        }
        self.host.cable = theirs;
    }

    /// What the device handed back of a queue: head and length of each.
    pub(crate) fn used(&self, queue: usize) -> Vec<(u32, u32)> {
        let ring = RINGS + queue as u64 * 4 * RING + 2 * RING;
        let count: u16 = self.memory.read_obj(GuestAddress(ring + 2)).unwrap();
        (0..u64::from(count))
            .map(|index| {
                let place = ring + 4 + index % u64::from(SIZE) * 8;
                (
                    self.memory.read_obj(GuestAddress(place)).unwrap(),
                    self.memory.read_obj(GuestAddress(place + 4)).unwrap(),
                )
            })
            .collect()
    }

    pub(crate) fn bytes(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.memory.read_slice(&mut bytes, GuestAddress(address)).unwrap();
        bytes
    }
}

fn libc_nonblock() -> i32 {
    rustix::event::EventfdFlags::NONBLOCK.bits() as i32
}

/// Takes numbers off the front of any bytes.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    /// An address that is mostly in RAM, often at its borders.
    fn address(&mut self) -> Option<u64> {
        let [kind, a, b] = self.take()?;
        let small = u64::from(u16::from_le_bytes([a, b]));
        Some(match kind % 8 {
            0 => PART.wrapping_sub(small % 64),
            1 => HIGH + small,
            2 => HIGH + PART - small % 64,
            3 => u64::from_le_bytes(self.take()?),
            4 => RINGS + small % (16 * RING),
            _ => DATA + small,
        })
    }

    /// A length that is mostly small.
    fn length(&mut self) -> Option<u32> {
        let [kind, a, b] = self.take()?;
        let small = u32::from(u16::from_le_bytes([a, b]));
        Some(match kind % 8 {
            0 => u32::from_le_bytes(self.take()?),
            1 => 0,
            2 => 1,
            3 => 16,
            4 => 44,
            5 => 512 * (small % 64),
            _ => small,
        })
    }
}

/// Any bytes as what a guest does to a device. It must neither panic nor hang, whatever they are.
pub(crate) fn any_guest(kind: Kind, bytes: &[u8]) {
    let mut driver = Driver::new(kind);
    let mut script = Script(bytes);
    let mut connections = Vec::new();
    while step(&mut driver, &mut script, &mut connections).is_some() {}
    // The device can be used again after a reset, and the host's memory was not eaten meanwhile.
    driver.notify();
    driver.set_up();
    driver.notify();
    assert!(!driver.transport.is_broken());
    driver.transport.finish();
}

fn step(driver: &mut Driver, script: &mut Script<'_>, connections: &mut Vec<UnixStream>) -> Option<()> {
    let operation = script.byte()?;
    let queue = usize::from(operation >> 4) % 3;
    match operation & 15 {
        0..=3 => {
            let ([number, flags, next], address, length) =
                (script.take()?, script.address()?, script.length()?);
            // Mostly "goes on" and "may be written", seldom a table of its own.
            let flags = if flags & 0x70 == 0 { flags & 7 } else { flags & 3 };
            driver.descriptor(
                queue,
                u16::from(number),
                address,
                length,
                u16::from(flags),
                u16::from(next % 9),
            );
        }
        4..=6 => driver.offer(queue, u16::from(script.byte()? % 10)),
        7 | 8 => driver.notify(),
        9 => {
            let (address, content) = (script.address()?, script.take::<16>()?);
            let _ = driver.memory.write_slice(&content, GuestAddress(address));
        }
        10 => {
            let ([register], value) = (script.take()?, script.take()?);
            driver.write(u64::from(register), u32::from_le_bytes(value));
        }
        11 => driver.set_index(queue, u16::from_le_bytes(script.take()?)),
        12 => {
            let [events] = script.take()?;
            driver.poll(PollFlags::from_bits_truncate(u16::from(events & 0x1d)));
        }
        13 => {
            // A right header, so that what lies behind it is reached too.
            let [op, port, length, flags] = script.take()?;
            if flags & 0x80 != 0 {
                return of_a_disk(driver, op, port, length, flags);
            }
            let mut header = [0; 44];
            (header[0], header[8], header[16], header[24]) = (3, 2, port % 4, length);
            header[20..24].copy_from_slice(&5000_u32.to_le_bytes());
            (header[28], header[30], header[32], header[37]) = (1, op % 9, flags, 1);
            driver.memory.write_slice(&header, GuestAddress(DATA)).ok()?;
            driver.chain(1, &[(DATA, 44, false), (DATA + 44, u32::from(length), false)]);
        }
        14 => host(driver, script.byte()?, connections),
        _ => driver.set_up(),
    }
    Some(())
}

/// A request to a disk with a right header, to discard or to write zeros more often than not.
fn of_a_disk(driver: &mut Driver, kind: u8, sector: u8, sectors: u8, flags: u8) -> Option<()> {
    let kind = [11_u32, 13, 11, 13, 0, 1, 4, u32::from(kind)][usize::from(kind % 8)];
    let number = |byte: u8| [byte.into(), byte.wrapping_neg().into(), u64::from(byte).wrapping_neg()];
    let of_three = usize::from(flags >> 2) % 3;
    let segment = |first: u64| {
        let sectors = number(sectors)[of_three] as u32;
        [&first.to_le_bytes()[..], &sectors.to_le_bytes(), &[flags & 1, flags & 2, 0, 0]].concat()
    };
    let header = [&kind.to_le_bytes()[..], &[0; 12]].concat();
    let data = [segment(number(sector)[of_three]), segment(sector.into())].concat();
    driver.memory.write_slice(&[header, data].concat(), GuestAddress(DATA)).ok()?;
    let length = [16, 32, 17, 0][usize::from(flags >> 4) % 4];
    driver.chain(0, &[(DATA, 16, false), (DATA + 16, length, false), (DATA + 0x100, 1, true)]);
    Some(())
}

/// The host's side does something.
fn host(driver: &mut Driver, what: u8, connections: &mut Vec<UnixStream>) {
    if let Some(cable) = &driver.host.cable {
        let _ = cable.send(&vec![what; usize::from(what) * 9]);
        let _ = cable.recv(&mut [0; 2048]);
    }
    if what.is_multiple_of(5) {
        driver.plug(!what.is_multiple_of(3));
    }
    if let Some(handover) = &driver.host.handover
        && let Ok(transom_hypervisor::packet::Received::Packet(_, files)) =
            transom_hypervisor::packet::recv(handover)
    {
        connections.extend(files.into_iter().map(UnixStream::from));
    }
    match what % 4 {
        0 => drop(connections.pop()),
        1 => {
            for mut connection in connections.iter() {
                let _ = connection.write(&[what; 300]);
            }
        }
        _ => {
            for connection in connections.iter() {
                let _ = rustix::io::read(connection, &mut [0; 4096]);
            }
        }
    }
}
