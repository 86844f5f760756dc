//! Reading the memory that a qube granted (rule OWN-MEMORY).
//!
//! A grant is mapped read-only. The qube can write into it at every moment, so no `&[u8]` to it is
//! ever made: what is decided upon is copied out first, once, by [`GrantSlice::copy_to`] or
//! [`GrantSlice::copy_rows`]; a renderer that only shows pixels may read through
//! [`GrantSlice::as_ptr`].
//!
//! Back ends: [`ClientFds`] for the sandbox, where a grant is the file of the client's own pool.
//! The qube can shorten that file below the mapping, so reading may fault; a signal handler puts
//! zeros in the place of the lost pages and marks the mapping, see [`GrantMap::is_poisoned`].
//!
//! [`GuestRam`] for virtual machines, where a grant is runs of page frames, mapped side by side from
//! the file of guest RAM. Whoever reads a [`GrantMap`] sees no difference.
//!
//! [`udmabuf()`] gives parts of guest RAM to a GPU as they are, where the kernel can.
//!
//! [`Secret`] is memory of our own, for keys.
//!
//! Unsafe code is in `guard` (the signal handler and its table), `map` (mapping and copying),
//! `udmabuf` (one request to the kernel) and `secret` (pages that are locked).

mod guard;
mod map;
mod quota;
mod ram;
mod runs;
mod secret;
mod udmabuf;

use std::{io, os::fd::OwnedFd};

pub use guard::{MAX_MAPPINGS, install_guard};
pub use map::{GrantMap, GrantSlice};
pub use quota::{Quota, Usage};
pub use ram::GuestRam;
pub use runs::{PAGE, Piece, RamLayout, pieces};
pub use secret::Secret;
pub use udmabuf::{Exported, Udmabuf, udmabuf};

/// Why memory cannot be mapped or read.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The descriptor is not memory: not a file of the kernel's shared memory (memfd or tmpfs).
    #[error("the granted descriptor is not shared memory")]
    NotMemory,
    /// A grant of no bytes.
    #[error("the grant is empty")]
    Empty,
    /// The file is shorter than the grant.
    #[error("the grant is of {asked} bytes, its memory has {there}")]
    Short {
        /// Bytes the grant should have.
        asked: u64,
        /// Bytes the file has.
        there: u64,
    },
    /// Over the quota in bytes.
    #[error("a grant of {asked} bytes is over the quota of {max} bytes, of which {used} are in use")]
    QuotaBytes {
        /// Bytes the grant should have.
        asked: u64,
        /// Bytes in use.
        used: u64,
        /// The quota.
        max: u64,
    },
    /// Over the quota in number.
    #[error("more than {max} grants at once")]
    QuotaGrants {
        /// The quota.
        max: u32,
    },
    /// Over the quota in mappings.
    #[error("a grant of {asked} mappings is over the quota of {max}, of which {used} are in use")]
    QuotaMappings {
        /// Mappings the grant would need.
        asked: u32,
        /// Mappings in use.
        used: u32,
        /// The quota.
        max: u32,
    },
    /// The process has too many mappings already, of all qubes together.
    #[error("the grants of all qubes have too many mappings; vm.max_map_count can be raised")]
    TooManyMappings,
    /// The description of guest RAM contradicts itself.
    #[error("the layout of guest RAM makes no sense")]
    Layout,
    /// The descriptor of guest RAM could be written to.
    #[error("the descriptor of guest RAM is not read-only")]
    Writable,
    /// A run of page frames that is not RAM.
    #[error("{count} page frames from {first} on are not all guest RAM")]
    OutsideRam {
        /// First page frame.
        first: u64,
        /// How many.
        count: u32,
    },
    /// Runs that do not add up to the grant.
    #[error("the grant is of {bytes} bytes, its runs of {there}")]
    WrongLength {
        /// Bytes the grant should have.
        bytes: u64,
        /// Bytes of the runs.
        there: u64,
    },
    /// A part that is not wholly inside the grant, or rows that do not fit.
    #[error("{length} bytes at {offset} are not inside a grant of {there} bytes")]
    OutOfBounds {
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        length: u64,
        /// Bytes that are there.
        there: u64,
    },
    /// The system refused.
    #[error("cannot map a grant: {0}")]
    System(#[from] io::Error),
}

/// How grants of one qube become readable memory in dom0.
#[derive(Debug)]
#[non_exhaustive]
pub enum GuestMemory {
    /// Files of the clients' own pools.
    ClientFds(ClientFds),
    /// Runs of page frames of guest RAM.
    GuestRam(GuestRam),
}

impl GuestMemory {
    /// What is in use of the quota.
    pub fn usage(&self) -> Usage {
        match self {
            Self::ClientFds(back_end) => back_end.usage(),
            Self::GuestRam(back_end) => back_end.usage(),
        }
    }
}

/// The sandbox's back end: each grant is the file of a client's pool.
#[derive(Debug)]
pub struct ClientFds {
    quota: quota::Account,
}

impl ClientFds {
    /// A back end for one qube.
    pub fn new(quota: Quota) -> Self {
        Self { quota: quota::Account::new(quota) }
    }

    /// Maps the first `len` bytes of `fd`; the descriptor is closed afterwards.
    ///
    /// Only files of the kernel's shared memory are taken: anything else could make dom0 wait (a
    /// file on a file system that the qube serves itself), fault for other reasons (huge pages), or
    /// is no memory at all.
    pub fn map(&self, fd: OwnedFd, len: u64) -> Result<GrantMap, MemoryError> {
        if len == 0 {
            return Err(MemoryError::Empty);
        }
        let share = self.quota.take(len, 1)?;
        map::map_file(fd, len, share)
    }

    /// Bytes and grants in use.
    pub fn usage(&self) -> Usage {
        self.quota.usage()
    }
}

#[cfg(test)]
mod tests;
