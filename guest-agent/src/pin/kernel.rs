//! The system calls behind a pin.
//!
//! A pin is a buffer registered with an io_uring: the kernel holds its pages for as long as it is
//! registered, whatever the program does to the file. All pins share one ring, whose table of
//! buffers is filled and emptied slot by slot; no request is ever queued on it.
//!
//! The pages are never read or written here. They are mapped for writing, since the kernel pins
//! shared pages only for who may write; pages that were not there yet are made by the kernel while
//! it pins, and if the program shortens its file meanwhile, that call fails and nothing faults.
#![allow(unsafe_code)]

use std::{fs::File, io, os::fd::AsFd, os::unix::fs::FileExt, ptr};

use io_uring::IoUring;
use rustix::{
    fs::{fcntl_get_seals, fstat, fstatfs},
    io::Errno,
    mm::{MapFlags, ProtFlags, mmap, munmap},
};
use transom_protocol::{limits::MAX_RUNS, message::PageRun};

use super::{
    frames,
    wire::{MAX_PIECE, PAGE, Status},
};

/// `f_type` of the kernel's shared memory, see statfs(2).
const TMPFS_MAGIC: u64 = 0x0102_1994;
/// Most pieces at once: slots in the ring's table. The kernel allows 16,384.
pub(super) const MAX_PIECES: u32 = 4_096;

/// What the kernel has to give once, while this program is still privileged.
pub(super) struct Kernel {
    ring: IoUring,
    pagemap: File,
    free: Vec<u32>,
}

/// A piece of a file, mapped and pinned. To be given back with [`Kernel::unpin`].
#[derive(Debug)]
pub(super) struct Pinned {
    slot: u32,
    start: usize,
    bytes: usize,
    /// Where it is.
    pub(super) runs: Vec<PageRun>,
}

impl Pinned {
    /// Bytes pinned.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes as u64
    }
}

impl Kernel {
    /// Makes the ring and opens the page map. Needs `CAP_SYS_ADMIN` to see page frames and
    /// `CAP_IPC_LOCK` to pin more than the usual limit; both are looked at now and never again.
    ///
    /// # Errors
    /// No io_uring, or one before Linux 5.19.
    pub(super) fn new() -> io::Result<Self> {
        let ring = IoUring::new(1)?;
        ring.submitter().register_buffers_sparse(MAX_PIECES)?;
        let pagemap = File::open("/proc/self/pagemap")?;
        Ok(Self { ring, pagemap, free: (0..MAX_PIECES).rev().collect() })
    }

    /// Pins `bytes` bytes from `offset` on of a file.
    pub(super) fn pin(&mut self, file: impl AsFd, offset: u64, bytes: u64) -> Result<Pinned, Status> {
        let whole = offset.is_multiple_of(PAGE) && bytes.is_multiple_of(PAGE);
        if !whole || bytes == 0 || bytes > MAX_PIECE {
            return Err(Status::BadRequest);
        }
        let end = offset.checked_add(bytes).ok_or(Status::BadRequest)?;
        // First of all, and without a call into the file system behind the descriptor, which could
        // be one that never answers: only files of shared memory have seals. Huge pages have, too.
        fcntl_get_seals(&file).map_err(|_| Status::NotMemory)?;
        if fstatfs(&file).map_err(|_| Status::NotMemory)?.f_type as u64 != TMPFS_MAGIC {
            return Err(Status::NotMemory);
        }
        let stat = fstat(&file).map_err(|_| Status::Refused)?;
        let there = u64::try_from(stat.st_size).unwrap_or(0).next_multiple_of(PAGE);
        if there < end {
            return Err(Status::Short);
        }
        let slot = self.free.pop().ok_or(Status::Quota)?;
        let length = bytes as usize;
        let both = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let mapped = unsafe { mmap(ptr::null_mut(), length, both, MapFlags::SHARED, file, offset) };
        let start = match mapped {
            Ok(start) => start as usize,
            Err(errno) => {
                self.free.push(slot);
                let sealed = matches!(errno, Errno::PERM | Errno::ACCESS);
                return Err(if sealed { Status::ReadOnly } else { Status::Refused });
            }
        };
        let mut pinned = Pinned { slot, start, bytes: length, runs: Vec::new() };
        let found = self.register(slot, start, length).and_then(|()| self.entries(&pinned, 0, bytes));
        let runs = match found {
            Ok(entries) => frames::runs(entries).ok_or(Status::Refused),
            Err(error) => {
                tracing::debug!(%error, bytes, "not pinned");
                Err(Status::Refused)
            }
        };
        match runs {
            Ok(runs) if runs.len() <= MAX_RUNS => {
                pinned.runs = runs;
                Ok(pinned)
            }
            other => {
                self.unpin(pinned);
                Err(other.err().unwrap_or(Status::Scattered))
            }
        }
    }

    /// Are the pages of a part of a piece still the ones that are pinned?
    pub(super) fn check(&self, pinned: &Pinned, offset: u64, bytes: u64) -> Result<(), Status> {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= pinned.bytes());
        if !inside || !offset.is_multiple_of(PAGE) || !bytes.is_multiple_of(PAGE) {
            return Err(Status::BadRequest);
        }
        let entries = self.entries(pinned, offset, bytes).map_err(|_| Status::Refused)?;
        let skip = (offset / PAGE) as usize;
        let same = entries
            .into_iter()
            .zip(frames::pages(&pinned.runs).skip(skip))
            .all(|(entry, page)| frames::frame(entry) == Some(page));
        if same { Ok(()) } else { Err(Status::Moved) }
    }

    /// Lets a piece go.
    pub(super) fn unpin(&mut self, pinned: Pinned) {
        if let Err(error) = self.register(pinned.slot, 0, 0) {
            // A slot that cannot be emptied is not used again. It may be empty already.
            tracing::error!(%error, slot = pinned.slot, "a piece stays pinned");
        } else {
            self.free.push(pinned.slot);
        }
        // SAFETY: exactly the mapping made in `pin`; no reference into it was ever made, and the
        // ring's hold is on the pages, not on the mapping.
        if let Err(error) = unsafe { munmap(pinned.start as *mut _, pinned.bytes) } {
            tracing::error!(%error, "a piece cannot be unmapped");
        }
    }

    /// Fills a slot of the ring's table, or empties it with no bytes.
    fn register(&self, slot: u32, start: usize, bytes: usize) -> io::Result<()> {
        let buffer = libc::iovec { iov_base: start as *mut _, iov_len: bytes };
        // SAFETY: the range is a mapping of this process that stays until the slot is emptied, or
        // empty; nothing is ever queued on the ring, so the kernel does not access it.
        unsafe { self.ring.submitter().register_buffers_update(slot, &[buffer], None) }
    }

    /// Entries of the page map for a part of a piece.
    fn entries(&self, pinned: &Pinned, offset: u64, bytes: u64) -> io::Result<Vec<u64>> {
        let first = (pinned.start as u64 + offset) / PAGE;
        let mut raw = vec![0; (bytes / PAGE) as usize * 8];
        self.pagemap.read_exact_at(&mut raw, first * 8)?;
        Ok(raw.as_chunks::<8>().0.iter().map(|entry| u64::from_ne_bytes(*entry)).collect())
    }
}
