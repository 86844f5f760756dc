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
//! Unsafe code is in `guard` (the signal handler and its table) and `map` (mapping and copying).

mod guard;
mod map;
mod quota;

use std::{io, os::fd::OwnedFd};

pub use guard::{MAX_MAPPINGS, install_guard};
pub use map::{GrantMap, GrantSlice};
pub use quota::{Quota, Usage};

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
    /// The process has too many mappings already, of all qubes together.
    #[error("more than {MAX_MAPPINGS} grants of all qubes at once")]
    TooManyMappings,
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
}

impl GuestMemory {
    /// Bytes and grants in use.
    pub fn usage(&self) -> Usage {
        match self {
            Self::ClientFds(back_end) => back_end.usage(),
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
        let share = self.quota.take(len)?;
        map::map_file(fd, len, share)
    }

    /// Bytes and grants in use.
    pub fn usage(&self) -> Usage {
        self.quota.usage()
    }
}

#[cfg(test)]
mod tests;
