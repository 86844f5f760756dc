//! Devices as a guest's driver meets them: what is right works, what is wrong breaks the device and
//! nothing else.

use std::os::{
    fd::OwnedFd,
    unix::{
        fs::MetadataExt as _,
        net::{UnixDatagram, UnixStream},
    },
};

use proptest::prelude::*;
use rustix::event::PollFlags;
use transom_hypervisor::{
    packet::{Received, recv},
    vmm::devices::{Work, net::Cable},
};

use crate::support::{DATA, DISK, Driver, HIGH, KINDS, Kind, SIZE, any_guest, cable};

/// What is wrong with one chain, for every device and queue that the guest fills.
fn breaks(what: &str, act: impl Fn(&mut Driver, usize)) {
    for (kind, queue) in [
        (Kind::Rng, 0),
        (Kind::Disk, 0),
        (Kind::Overlay, 0),
        (Kind::Encrypted, 0),
        (Kind::Net, 1),
        (Kind::Vsock, 1),
    ] {
        let mut driver = Driver::new(kind);
        act(&mut driver, queue);
        driver.notify();
        assert!(driver.transport.is_broken(), "{kind:?}: {what}");
        assert_eq!(driver.read(0x70) & 0x40, 0x40, "it says so in its status");
        assert_eq!(driver.read(0x60) & 2, 2, "and by an interrupt");
        // It does nothing more, until it is reset.
        driver.chain(queue, &[(DATA, 64, false)]);
        driver.notify();
        driver.poll(PollFlags::IN);
        assert_eq!(driver.used(queue), []);
        driver.set_up();
        assert!(!driver.transport.is_broken());
    }
}

#[test]
fn chains_that_cannot_be_right_break_the_device() {
    breaks("a loop of one", |driver, queue| {
        driver.descriptor(queue, 0, DATA, 16, 1, 0);
        driver.offer(queue, 0);
    });
    breaks("a loop of two", |driver, queue| {
        driver.descriptor(queue, 0, DATA, 16, 1, 1);
        driver.descriptor(queue, 1, DATA, 16, 1, 0);
        driver.offer(queue, 0);
    });
    breaks("a next outside the table", |driver, queue| {
        driver.descriptor(queue, 0, DATA, 16, 1, SIZE);
        driver.offer(queue, 0);
    });
    breaks("a head outside the table", |driver, queue| driver.offer(queue, u16::MAX));
    breaks("an address outside RAM", |driver, queue| driver.chain(queue, &[(1 << 40, 64, false)]));
    breaks("an address in the hole", |driver, queue| driver.chain(queue, &[(HIGH - 64, 64, false)]));
    breaks("a length past RAM", |driver, queue| driver.chain(queue, &[(HIGH - (512 << 10) - 8, 64, false)]));
    breaks("a length around the address space", |driver, queue| {
        driver.chain(queue, &[(u64::MAX - 8, 64, false)]);
    });
    breaks("the largest length", |driver, queue| driver.chain(queue, &[(DATA, u32::MAX, true)]));
    breaks("to read after to write", |driver, queue| {
        driver.chain(queue, &[(DATA, 16, true), (DATA, 16, false)]);
    });
    breaks("an index far ahead", |driver, queue| driver.set_index(queue, 5000));
    breaks("a table of its own that names itself", |driver, queue| {
        driver.memory_table(DATA);
        driver.descriptor(queue, 0, DATA, 16, 4, 0);
        driver.offer(queue, 0);
    });
}

impl Driver {
    /// An indirect table with one entry, an indirect table: itself.
    fn memory_table(&mut self, at: u64) {
        use vm_memory::{Bytes as _, GuestAddress};
        let entry =
            [&at.to_le_bytes()[..], &16_u32.to_le_bytes(), &4_u16.to_le_bytes(), &0_u16.to_le_bytes()];
        self.memory.write_slice(&entry.concat(), GuestAddress(at)).unwrap();
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        use vm_memory::{Bytes as _, GuestAddress};
        self.memory.write_slice(bytes, GuestAddress(at)).unwrap();
    }
}

#[test]
fn queues_outside_ram_are_not_activated() {
    for register in [0x80, 0x90, 0xa0] {
        let mut driver = Driver::new(Kind::Rng);
        driver.write(0x70, 0);
        for status in [1, 3] {
            driver.write(0x70, status);
        }
        driver.write(0x24, 1);
        driver.write(0x20, 1);
        driver.write(0x70, 11);
        driver.write(0x30, 0);
        driver.write(0x38, u32::from(SIZE));
        for (other, address) in [(0x80, 0x1_0000), (0x90, 0x1_1000), (0xa0, 0x1_2000)] {
            driver.write(other, if other == register { (HIGH - 16) as u32 } else { address });
        }
        driver.write(0x44, 1);
        driver.write(0x70, 15);
        assert!(driver.transport.is_broken() && !driver.transport.is_active());
    }
}

#[test]
fn features_that_were_not_offered_are_refused() {
    let mut driver = Driver::new(Kind::Disk);
    for (half, features, accepted) in [(1, 1, true), (1, 3, false), (1, 0, false)] {
        driver.write(0x70, 0);
        driver.write(0x70, 3);
        driver.write(0x24, half);
        driver.write(0x20, features);
        driver.write(0x70, 11);
        assert_eq!(driver.read(0x70) & 8 != 0, accepted, "{features:#x}");
        // Nor can it be used then.
        driver.write(0x70, 15);
        assert_eq!(driver.transport.is_active(), accepted);
    }
}

#[test]
fn entropy_comes_and_is_bounded() {
    let mut driver = Driver::new(Kind::Rng);
    driver.chain(0, &[(DATA, 64, true), (HIGH, 64 << 10, true)]);
    driver.notify();
    assert_eq!(driver.used(0), [(0, 4096)]);
    assert_ne!(driver.bytes(DATA, 64), [0; 64]);
    assert_eq!(driver.read(0x60), 1);
    driver.write(0x64, 1);
    assert_eq!(driver.read(0x60), 0);
}

/// One request to a disk. Says its status.
fn request(driver: &mut Driver, kind: u32, sector: u64, data: u32, write: bool) -> u8 {
    let header = [&kind.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat();
    driver.put(DATA, &header);
    driver.put(DATA + 0x100, &[0xee]);
    driver.chain(0, &[(DATA, 16, false), (DATA + 0x1000, data, write), (DATA + 0x100, 1, true)]);
    driver.notify();
    assert!(!driver.transport.is_broken());
    driver.bytes(DATA + 0x100, 1)[0]
}

#[test]
fn disks_read_write_and_refuse() {
    for kind in [Kind::Disk, Kind::Overlay, Kind::Encrypted, Kind::EncryptedOverlay, Kind::ReadOnly] {
        let mut driver = Driver::new(kind);
        assert_eq!(u64::from(driver.read(0x100)), DISK / 512);
        assert_eq!(request(&mut driver, 0, 8, 4096, true), 0);
        assert_eq!(driver.bytes(DATA + 0x1000, 4096), [0x5a; 4096]);
        driver.put(DATA + 0x1000, &[0xa5; 1024]);
        let refused = u8::from(kind == Kind::ReadOnly);
        assert_eq!(request(&mut driver, 1, 9, 1024, false), refused);
        driver.put(DATA + 0x1000, &[0; 1024]);
        assert_eq!(request(&mut driver, 0, 9, 1024, true), 0);
        let there = if refused == 1 { 0x5a } else { 0xa5 };
        assert_eq!(driver.bytes(DATA + 0x1000, 1024), [there; 1024]);
        assert_eq!(request(&mut driver, 4, 0, 0, false), 0);
        assert_eq!(request(&mut driver, 8, 0, 20, true), 0);
        assert_eq!(driver.bytes(DATA + 0x1000, 5), b"fake\0");
        // Past the end, around the end, no whole sectors, none at all, an unknown type.
        for (kind, sector, length, status) in [
            (0, DISK / 512, 512, 1),
            (0, DISK / 512 - 1, 1024, 1),
            (0, u64::MAX, 512, 1),
            (0, u64::MAX / 512, 512, 1),
            (0, 0, 100, 1),
            (0, 0, 0, 1),
            (99, 0, 512, 2),
        ] {
            assert_eq!(request(&mut driver, kind, sector, length, true), status, "{sector} {length}");
        }
    }
}

/// A segment of a request to discard or to write zeros: first sector, sectors, flags.
type Segment = (u64, u32, u32);

/// Has the device carry out such a request. Says its status.
fn segments(driver: &mut Driver, kind: u32, segments: &[Segment]) -> u8 {
    let bytes: Vec<u8> = segments
        .iter()
        .flat_map(|(first, sectors, flags)| {
            [&first.to_le_bytes()[..], &sectors.to_le_bytes(), &flags.to_le_bytes()].concat()
        })
        .collect();
    driver.put(DATA + 0x1000, &bytes);
    request(driver, kind, 0, bytes.len() as u32, false)
}

const DISCARD: u32 = 11;
const ZEROES: u32 = 13;
const WRITABLE: [Kind; 4] = [Kind::Disk, Kind::Overlay, Kind::Encrypted, Kind::EncryptedOverlay];

#[test]
fn a_disk_gives_blocks_back() {
    for kind in WRITABLE {
        let mut driver = Driver::new(kind);
        let stored = |driver: &Driver| driver.host.disk.as_ref().unwrap().metadata().unwrap().blocks() * 512;
        // All of it is written, so that nothing is left to the base of an overlay.
        driver.put(DATA + 0x1000, &vec![0xa5; 32 << 10]);
        for sector in [0, 64] {
            assert_eq!(request(&mut driver, 1, sector, 32 << 10, false), 0);
        }
        let before = stored(&driver);
        assert!(before >= DISK, "{kind:?}: {before}");
        // 16 KiB and, beyond a gap, 32 KiB.
        assert_eq!(segments(&mut driver, DISCARD, &[(0, 32, 0), (64, 64, 0)]), 0);
        assert!(stored(&driver) <= before - (32 << 10), "{kind:?}: {before}, {}", stored(&driver));
        assert_eq!(request(&mut driver, 0, 32, 16 << 10, true), 0);
        assert_eq!(driver.bytes(DATA + 0x1000, 16 << 10), [0xa5; 16 << 10], "{kind:?}: what lies between");
        // What was let go of can be read, whatever comes of it, and written.
        assert_eq!(request(&mut driver, 0, 64, 4096, true), 0);
        driver.put(DATA + 0x1000, &[7; 512]);
        assert_eq!(request(&mut driver, 1, 64, 512, false), 0);
        assert_eq!(request(&mut driver, 0, 64, 512, true), 0);
        assert_eq!(driver.bytes(DATA + 0x1000, 512), [7; 512]);
    }
}

#[test]
fn zeros_are_written_at_once() {
    for kind in WRITABLE {
        for unmap in [0, 1] {
            let mut driver = Driver::new(kind);
            // No whole block of anything.
            assert_eq!(segments(&mut driver, ZEROES, &[(3, 70, unmap)]), 0);
            assert_eq!(request(&mut driver, 0, 0, 40 << 10, true), 0);
            let bytes = driver.bytes(DATA + 0x1000, 40 << 10);
            let zeros: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] == 0).collect();
            assert_eq!(zeros, (3 * 512..73 * 512).collect::<Vec<_>>(), "{kind:?} {unmap}");
        }
    }
}

#[test]
fn what_cannot_be_discarded_changes_nothing() {
    const SECTORS: u64 = DISK / 512;
    for kind in [&WRITABLE[..], &[Kind::ReadOnly]].concat() {
        let mut driver = Driver::new(kind);
        driver.write(0x14, 0);
        let offered = driver.read(0x10) >> 13 & 3;
        assert_eq!(offered, if kind == Kind::ReadOnly { 0 } else { 3 });
        let [most, parts, unit, most_zeros, zeros_parts] =
            [0x124, 0x128, 0x12c, 0x130, 0x134].map(|register| driver.read(register));
        assert!(most >= 8 && parts > 0 && unit >= 8 && most_zeros >= 8 && zeros_parts == 1);
        let whole = (0, SECTORS as u32, 0);
        let mut refused: Vec<(u32, Vec<Segment>, u8)> = Vec::new();
        for what in [DISCARD, ZEROES] {
            for wrong in [
                (SECTORS, 1, 0),
                (SECTORS - 1, 2, 0),
                (u64::MAX, 1, 0),
                (u64::MAX / 512, 8, 0),
                (u64::MAX - 7, 8, 0),
                (0, 0, 0),
                (0, u32::MAX, 0),
            ] {
                refused.push((what, vec![wrong], 1));
                if what == DISCARD {
                    refused.push((what, vec![whole, wrong], 1));
                }
            }
            refused.push((what, vec![], 1));
            refused.push((what, vec![(0, 8, 2)], 2));
            refused.push((what, vec![(0, 8, 1 << 31)], 2));
        }
        refused.push((DISCARD, vec![whole, (0, 8, 1)], 2));
        refused.push((DISCARD, vec![whole; parts as usize + 1], 1));
        refused.push((ZEROES, vec![(0, 8, 0), (8, 8, 0)], 1));
        refused.push((ZEROES, vec![(0, most_zeros + 1, 0)], 1));
        for (what, wrong, status) in refused {
            let status = if kind == Kind::ReadOnly { 1 } else { status };
            assert_eq!(segments(&mut driver, what, &wrong), status, "{kind:?} {what} {wrong:?}");
        }
        for odd in [15, 17] {
            assert_eq!(request(&mut driver, DISCARD, 0, odd, false), 1);
        }
        // Of a disk that may be read only, this changes nothing either.
        let legal = segments(&mut driver, DISCARD, &[(0, 8, 0)]);
        assert_eq!(legal, u8::from(kind == Kind::ReadOnly));
        assert_eq!(request(&mut driver, 0, 8, 32 << 10, true), 0);
        assert_eq!(driver.bytes(DATA + 0x1000, 32 << 10), vec![0x5a; 32 << 10], "{kind:?}");
    }
}

#[test]
fn frames_go_both_ways_and_wrong_ones_are_lost() {
    let mut driver = Driver::new(Kind::Net);
    driver.put(DATA + 12, b"to the host");
    driver.chain(1, &[(DATA, 12, false), (DATA + 12, 11, false)]);
    // No frame at all, and one that is too long.
    driver.chain(1, &[(DATA, 12, false)]);
    driver.chain(1, &[(DATA, 4, false)]);
    driver.chain(1, &[(DATA, 12 + 1519, false)]);
    driver.notify();
    assert_eq!(driver.used(1).len(), 4);
    let mut frame = [0; 2048];
    let length = driver.host.cable.as_ref().unwrap().recv(&mut frame).unwrap();
    assert_eq!(&frame[..length], b"to the host");
    assert!(driver.host.cable.as_ref().unwrap().recv(&mut frame).is_err());

    driver.chain(0, &[(DATA + 0x1000, 4, true), (DATA + 0x1004, 2000, true)]);
    driver.chain(0, &[(DATA + 0x2000, 16, true)]);
    driver.notify();
    for text in ["from the host", "does not fit into sixteen bytes"] {
        driver.host.cable.as_ref().unwrap().send(text.as_bytes()).unwrap();
    }
    driver.poll(PollFlags::IN);
    assert_eq!(driver.used(0), [(0, 12 + 13), (2, 0)]);
    assert_eq!(driver.bytes(DATA + 0x1000 + 12, 13), b"from the host");
    // The other qube goes; this one's card goes on, into the void.
    driver.host.cable = None;
    driver.chain(1, &[(DATA, 12, false), (DATA + 12, 11, false)]);
    driver.chain(1, &[(DATA, 12, false), (DATA + 12, 11, false)]);
    driver.notify();
    assert_eq!((driver.used(1).len(), driver.transport.is_broken()), (6, false));
}

/// A frame of the guest, with these words, not yet notified.
fn say(driver: &mut Driver, at: u64, words: &[u8]) {
    driver.put(at + 12, words);
    driver.chain(1, &[(at, 12 + words.len() as u32, false)]);
}

/// What arrives at the other end of the cable.
fn heard(cable: &UnixDatagram) -> Vec<Vec<u8>> {
    let mut frame = [0; 2048];
    std::iter::from_fn(|| cable.recv(&mut frame).ok().map(|length| frame[..length].to_vec())).collect()
}

#[test]
fn frames_of_the_old_cable_never_come_over_the_new_one() {
    let mut driver = Driver::new(Kind::Net);
    driver.chain(0, &[(DATA + 0x1000, 2000, true)]);
    driver.notify();
    // One waits in the guest's queue and one in the old cable.
    say(&mut driver, DATA, b"to the old");
    let old = driver.host.cable.take().unwrap();
    old.send(b"from the old").unwrap();
    driver.plug(true);
    assert_eq!(driver.used(1).len(), 1, "the guest does not wait for it");
    assert_eq!(driver.used(0), []);
    assert!(old.send(b"x").is_err(), "the old one is closed");
    let new = driver.host.cable.take().unwrap();
    say(&mut driver, DATA + 0x100, b"to the new");
    driver.notify();
    assert_eq!(heard(&new), [b"to the new"]);
    assert_eq!(heard(&old), [[0_u8; 0]; 0]);
    new.send(b"from the new").unwrap();
    driver.poll(PollFlags::IN);
    assert_eq!(driver.bytes(DATA + 0x1000 + 12, 12), b"from the new");
}

#[test]
fn a_card_without_a_cable_makes_nobody_wait() {
    let mut driver = Driver::new(Kind::Net);
    driver.plug(false);
    let mut watches = Vec::new();
    for round in 1..20 {
        say(&mut driver, DATA, b"to nobody");
        driver.notify();
        assert_eq!(driver.used(1).len(), round);
        driver.poll(PollFlags::IN | PollFlags::HUP);
    }
    // Room that the guest gave meanwhile is used at once when there is something to come.
    driver.chain(0, &[(DATA + 0x1000, 2000, true)]);
    driver.notify();
    driver.transport.watch(&mut watches);
    assert!(watches.is_empty(), "there is nothing to wait for");
    driver.plug(true);
    driver.transport.watch(&mut watches);
    assert_eq!(watches.len(), 1);
    let cable = driver.host.cable.take().unwrap();
    assert_eq!(heard(&cable), [[0_u8; 0]; 0]);
    cable.send(b"here").unwrap();
    driver.poll(PollFlags::IN);
    assert_eq!(driver.used(0), [(0, 16)]);
    assert!(!driver.transport.is_broken());
}

#[test]
fn a_cable_is_exchanged_whatever_the_card_is_doing() {
    // Of a guest that does not use it yet, of one that broke it, and of one that begins anew.
    let mut driver = Driver::new(Kind::Net);
    driver.write(0x70, 0);
    driver.plug(true);
    driver.set_up();
    driver.set_index(1, 5000);
    driver.plug(true);
    assert!(driver.transport.is_broken());
    driver.plug(true);
    driver.set_up();
    say(&mut driver, DATA, b"at last");
    driver.notify();
    assert_eq!(heard(driver.host.cable.as_ref().unwrap()), [b"at last"]);
    // What is no network card takes none.
    for kind in KINDS.into_iter().filter(|kind| *kind != Kind::Net) {
        let mut driver = Driver::new(kind);
        let (cable, other) = cable();
        assert_eq!(driver.transport.plug(Some(cable)), Work::Done);
        assert!(other.send(b"x").is_err(), "{kind:?}");
    }
}

#[test]
fn a_full_cable_loses_frames_and_waits_for_nobody() {
    let mut driver = Driver::new(Kind::Net);
    for _ in 0..2_000 {
        say(&mut driver, DATA, &[7; 1500]);
        driver.notify();
    }
    let other = driver.host.cable.take().unwrap();
    let came = heard(&other).len();
    assert!((1..2_000).contains(&came), "{came}");
}

#[test]
fn a_cable_is_a_socket_that_keeps_borders() {
    let (stream, _other) = UnixStream::pair().unwrap();
    let inet = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for wrong in [OwnedFd::from(stream), inet.into()] {
        assert!(Cable::open(wrong.try_clone().unwrap()).is_none());
        assert!(Cable::socket(wrong).is_none());
    }
    // A device is one at the start only.
    assert!(Cable::socket(tempfile::tempfile().unwrap().into()).is_none());
}

/// A packet from the guest.
fn packet(driver: &mut Driver, op: u8, port: u32, data: &[u8]) {
    let mut header = [0; 44];
    (header[0], header[8], header[16], header[28], header[30]) = (3, 2, 77, 1, op);
    header[20..24].copy_from_slice(&port.to_le_bytes());
    header[24..28].copy_from_slice(&(data.len() as u32).to_le_bytes());
    header[36..40].copy_from_slice(&65_536_u32.to_le_bytes());
    driver.put(DATA, &header);
    driver.put(DATA + 44, data);
    driver.chain(1, &[(DATA, 44, false), (DATA + 44, data.len() as u32, false)]);
    driver.notify();
}

#[test]
fn a_guest_connects_to_its_own_port_only() {
    let mut driver = Driver::new(Kind::Vsock);
    for number in 0..6 {
        driver.chain(0, &[(DATA + 0x1000 + number * 0x400, 0x400, true)]);
    }
    driver.notify();
    let answer = |driver: &Driver, number: u64| driver.bytes(DATA + 0x1000 + number * 0x400, 64);
    packet(&mut driver, 1, 22, &[]);
    assert_eq!(answer(&driver, 0)[30], 3, "refused");
    packet(&mut driver, 1, 5000, &[]);
    assert_eq!(answer(&driver, 1)[30], 2, "connected");
    let Received::Packet(ports, mut files) = recv(driver.host.handover.as_ref().unwrap()).unwrap() else {
        panic!("nothing was handed over")
    };
    assert_eq!(ports, [5000_u32.to_le_bytes(), 77_u32.to_le_bytes()].concat());
    let mut stream = UnixStream::from(files.pop().unwrap());
    packet(&mut driver, 5, 5000, b"hello host");
    let mut text = [0; 32];
    let length = std::io::Read::read(&mut stream, &mut text).unwrap();
    assert_eq!(&text[..length], b"hello host");
    std::io::Write::write_all(&mut stream, b"hello guest").unwrap();
    driver.poll(PollFlags::IN);
    let data = answer(&driver, 2);
    assert_eq!((data[30], data[24]), (5, 11));
    assert_eq!(&data[44..55], b"hello guest");
    drop(stream);
    driver.poll(PollFlags::IN | PollFlags::HUP);
    let end = answer(&driver, 3);
    assert_eq!((end[30], end[32]), (4, 3), "shut down in both directions");
}

#[test]
fn a_guest_that_takes_no_answers_is_not_waited_for() {
    let mut driver = Driver::new(Kind::Vsock);
    // Each of these wants a refusal, and there is no room for any.
    for _ in 0..500 {
        packet(&mut driver, 1, 22, &[]);
    }
    assert!(!driver.transport.is_broken());
    assert!(driver.used(1).len() < 200, "taken though nothing could be answered");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_guest_breaks_nothing_but_its_device(bytes in prop::collection::vec(any::<u8>(), 0..800)) {
        for kind in KINDS {
            any_guest(kind, &bytes);
        }
    }

    #[test]
    fn registers_answer_any_access(accesses in prop::collection::vec((any::<bool>(), 0_u64..0x300, any::<u32>(), 0_usize..9), 0..100)) {
        let mut driver = Driver::new(Kind::Disk);
        for (write, offset, value, length) in accesses {
            let mut bytes = [value.to_le_bytes(), value.to_le_bytes()].concat();
            bytes.resize(length, 1);
            if write { driver.transport.write(offset, &bytes); } else { driver.transport.read(offset, &mut bytes); }
            driver.notify();
        }
    }
}
