//! QEMU's command line.

use std::os::fd::RawFd;

use transom_protocol::{network::Mac, supervisor::QubeName};

use super::memory;
use crate::{
    image::OWN_INITRAMFS,
    store::{Accelerator, MachineConfig},
};

/// A descriptor in QEMU of a private volume.
#[derive(Clone, Copy, Debug)]
pub(super) enum Volume {
    /// The file itself.
    File(RawFd),
    /// A socket where it is served by NBD.
    Served(RawFd),
}

/// What a command line is made from.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    pub(super) name: &'a QubeName,
    pub(super) config: &'a MachineConfig,
    pub(super) accelerator: Accelerator,
    /// Descriptors in QEMU, which opens no file of ours by name but the initramfs: the kernel,
    pub(super) kernel: RawFd,
    /// the image's root, read-only,
    pub(super) root: RawFd,
    /// the private volume, if it has one.
    pub(super) volume: Option<Volume>,
    /// Guest RAM's descriptor in QEMU.
    pub(super) ram: RawFd,
    /// QEMU's end of the line to us.
    pub(super) qmp: RawFd,
    /// The cables' descriptors in QEMU, and the cards' addresses.
    pub(super) cards: &'a [(RawFd, [u8; 6])],
    /// What else it has.
    pub(super) more: Vec<String>,
}

impl Arguments<'_> {
    /// The arguments.
    pub(super) fn list(self) -> Vec<String> {
        let (bytes, vcpus, ram) = (self.config.memory, self.config.vcpus, self.ram);
        let (accelerator, cpu, kernel) = match self.accelerator {
            // An emulated processor does not run ahead of itself: guards against that only cost.
            Accelerator::Tcg => ("tcg,thread=multi", "max", " mitigations=off"),
            Accelerator::Kvm => ("kvm", "host", ""),
        };
        let mut list: Vec<String> = self.more;
        let mut add = |option: &str, value: String| list.extend([option.to_owned(), value]);
        add("-name", self.name.to_string());
        add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny".into());
        add("-accel", accelerator.into());
        add(
            "-machine",
            format!(
                "q35,memory-backend=ram,max-ram-below-4g={},dump-guest-core=off,vmport=off,smm=off,sata=off,\
                 smbus=off,i8042=off,usb=off,hpet=off",
                memory::LOW
            ),
        );
        add("-cpu", cpu.into());
        add("-smp", vcpus.to_string());
        add("-m", format!("{}M", bytes >> 20));
        add(
            "-object",
            format!("memory-backend-file,id=ram,size={bytes},mem-path=/proc/self/fd/{ram},share=on"),
        );
        add("-rtc", "base=utc,clock=host".into());
        add("-kernel", format!("/proc/self/fd/{}", self.kernel));
        add("-initrd", OWN_INITRAMFS.into());
        add("-append", format!("console=ttyS0 quiet panic=-1{kernel}"));
        let mut file = |set: u32, id, fd: RawFd, read_only: bool| {
            add("-add-fd", format!("fd={fd},set={set}"));
            let path = format!("/dev/fdset/{set}");
            let mut drive = serde_json::json!({
                "node-name": id,
                "driver": "raw",
                "read-only": read_only,
                "file": { "driver": "file", "filename": path, "read-only": read_only },
            });
            if !read_only {
                drive["discard"] = "unmap".into();
            }
            drive
        };
        let root = file(1, "root", self.root, true);
        let private = self.volume.map(|volume| match volume {
            Volume::File(fd) => file(2, "private", fd, false),
            Volume::Served(fd) => serde_json::json!({
                "node-name": "private",
                "driver": "nbd",
                "server": { "type": "fd", "str": fd.to_string() },
                // Where the server can.
                "discard": "unmap",
            }),
        });
        let private = private.map(|drive| ("private", drive));
        for (id, drive) in [("root", root)].into_iter().chain(private) {
            add("-blockdev", drive.to_string());
            add("-device", format!("virtio-blk-pci,drive={id}"));
        }
        add("-device", "virtio-rng-pci".into());
        add("-device", "pvpanic-pci".into());
        for (number, (cable, address)) in self.cards.iter().enumerate() {
            // A hub of two ports, so that the cable can be another one while the card stays.
            add("-netdev", format!("hubport,id=card{number},hubid={number}"));
            add("-netdev", format!("dgram,id=cable{number},local.type=fd,local.str={cable}"));
            add("-netdev", format!("hubport,id=plug{number},hubid={number},netdev=cable{number}"));
            let mac = Mac(*address);
            // No program for booting from it.
            add("-device", format!("virtio-net-pci,netdev=card{number},mac={mac},romfile="));
        }
        add("-chardev", "stdio,id=console,signal=off".into());
        add("-serial", "chardev:console".into());
        add("-chardev", format!("socket,id=qmp,fd={}", self.qmp));
        add("-mon", "chardev=qmp,mode=control".into());
        add("-display", "none".into());
        list.extend(["-nodefaults", "-no-user-config", "-no-reboot"].map(str::to_owned));
        list
    }
}

/// The device of the guest's streams, by a connected line to the daemon.
pub(super) fn vsock(fd: RawFd) -> [String; 4] {
    [
        "-chardev".to_owned(),
        format!("socket,id=vsock,fd={fd}"),
        "-device".to_owned(),
        "vhost-user-vsock-pci,chardev=vsock".to_owned(),
    ]
}
