//! Guest RAM: a memory file of a fixed size.

use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use transom_protocol::supervisor::MemoryKind;

use crate::machine::StartError;

/// Guest RAM below the hole, in bytes, at most. QEMU's board would choose between 2 and 2.75 GiB;
/// it is told this, so that we know.
pub(super) const LOW: u64 = 2 << 30;
/// Where the hole ends.
const HOLE_END: u64 = 4 << 30;
/// What has to be left to dom0, in bytes.
const RESERVE: u64 = 128 << 20;

/// Guest RAM.
#[derive(Debug)]
pub(super) struct GuestRam {
    bytes: u64,
    /// QEMU's.
    writable: OwnedFd,
    /// Everybody else's.
    readable: OwnedFd,
}

impl GuestRam {
    /// Makes RAM of this size. The pages come as the guest touches them.
    pub(super) fn new(bytes: u64) -> Result<Self, StartError> {
        // What a guest cannot get later would end another program of dom0 at its most unlucky
        // moment.
        if let Some(free) = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(available)
            && free < bytes.saturating_add(RESERVE)
        {
            return Err(StartError::Unable(format!(
                "it needs {} MiB of memory, and only {} MiB are free: stop another qube, or give this one less \
                 (machine {{ memory }} in its file)",
                bytes >> 20,
                free >> 20
            )));
        }
        Self::make(bytes).map_err(StartError::at("make the qube's memory"))
    }

    fn make(bytes: u64) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let writable = memfd_create("guest-ram", flags)?;
        rustix::fs::ftruncate(&writable, bytes)?;
        // Whoever maps it can never fault on it.
        fcntl_add_seals(&writable, SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
        let readable = File::open(format!("/proc/self/fd/{}", writable.as_raw_fd()))?.into();
        Ok(Self { bytes, writable, readable })
    }

    /// QEMU's descriptor.
    pub(super) fn writable(&self) -> BorrowedFd<'_> {
        self.writable.as_fd()
    }

    /// Its number.
    pub(super) fn raw(&self) -> RawFd {
        self.writable.as_raw_fd()
    }

    /// What the desktop is told and given.
    pub(super) fn view(&self) -> (MemoryKind, BorrowedFd<'_>) {
        (layout(self.bytes), self.readable.as_fd())
    }
}

/// Where RAM of this size lies in the guest.
fn layout(bytes: u64) -> MemoryKind {
    let hole_start = bytes.min(LOW);
    let hole_end = if bytes > LOW { HOLE_END } else { hole_start };
    MemoryKind::GuestRam { bytes, hole_start, hole_end }
}

/// Bytes that can be had without harm, from `/proc/meminfo`.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_is_read_only_and_of_fixed_size() {
        let ram = GuestRam::make(4 << 20).unwrap();
        let (kind, view) = ram.view();
        assert_eq!(kind, MemoryKind::GuestRam { bytes: 4 << 20, hole_start: 4 << 20, hole_end: 4 << 20 });
        rustix::io::pwrite(ram.writable(), b"guest", 4096).unwrap();
        let mut read = [0; 5];
        rustix::io::pread(view, &mut read, 4096).unwrap();
        assert_eq!(&read, b"guest");
        assert!(rustix::io::pwrite(view, b"dom0", 0).is_err());
        assert!(rustix::fs::ftruncate(ram.writable(), 0).is_err());
        assert!(rustix::fs::ftruncate(ram.writable(), 8 << 20).is_err());
    }

    #[test]
    fn there_is_a_hole_only_where_ram_goes_past_it() {
        let hole = |bytes| match layout(bytes) {
            MemoryKind::GuestRam { hole_start, hole_end, .. } => (hole_start, hole_end),
            other => panic!("{other:?}"),
        };
        assert_eq!(hole(1 << 30), (1 << 30, 1 << 30));
        assert_eq!(hole(2 << 30), (2 << 30, 2 << 30));
        assert_eq!(hole(3 << 30), (2 << 30, 4 << 30));
    }

    #[test]
    fn memory_that_is_not_there_is_said_in_one_line() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
        let text = GuestRam::new(1 << 50).unwrap_err().to_string();
        assert!(text.contains("MiB are free") && !text.contains('\n'), "{text}");
    }
}
