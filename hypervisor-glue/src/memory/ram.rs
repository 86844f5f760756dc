//! The virtual machines' back end: a grant is runs of page frames of guest RAM.

use std::{io, os::fd::OwnedFd, sync::Arc};

use rustix::fs::{OFlags, fcntl_getfl, fstat};

use super::{
    GrantMap, MemoryError, Quota, Usage, map, quota,
    runs::{RamLayout, pieces},
    udmabuf,
};

/// Guest RAM of one qube, of which grants are parts.
///
/// The file has a fixed size, so that nothing a guest does makes a mapped grant fault. Should its
/// virtual machine monitor shorten the file, the guard of the sandbox's back end holds here too.
#[derive(Debug)]
pub struct GuestRam {
    file: Arc<OwnedFd>,
    layout: RamLayout,
    quota: quota::Account,
}

impl GuestRam {
    /// A back end for one qube over the file of its RAM, opened for reading only.
    ///
    /// # Errors
    /// [`MemoryError::Writable`]: `file` could be written; [`MemoryError::Short`]: it is shorter
    /// than RAM.
    pub fn new(file: OwnedFd, layout: RamLayout, quota: Quota) -> Result<Self, MemoryError> {
        if fcntl_getfl(&file).map_err(io::Error::from)? & OFlags::ACCMODE != OFlags::RDONLY {
            return Err(MemoryError::Writable);
        }
        let stat = fstat(&file).map_err(io::Error::from)?;
        let there = u64::try_from(stat.st_size).unwrap_or(0);
        if there < layout.bytes() {
            return Err(MemoryError::Short { asked: layout.bytes(), there });
        }
        Ok(Self { file: Arc::new(file), layout, quota: quota::Account::new(quota) })
    }

    /// Maps runs `(first page frame, count)` side by side, as one grant of `bytes` bytes.
    ///
    /// Runs may overlap or come twice: it is the qube's own memory either way, and each counts
    /// against the quotas.
    ///
    /// # Errors
    /// A run that is not RAM, a wrong sum, or a quota; then nothing is mapped.
    pub fn map(
        &self,
        untrusted_runs: impl IntoIterator<Item = (u64, u32)>,
        bytes: u64,
    ) -> Result<GrantMap, MemoryError> {
        if bytes == 0 {
            return Err(MemoryError::Empty);
        }
        let pieces = pieces(self.layout, untrusted_runs, bytes)?;
        let mappings = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        let share = self.quota.take(bytes, mappings)?;
        map::map_pieces(&self.file, pieces, udmabuf().is_some(), bytes, share)
    }

    /// Bytes, grants and mappings in use.
    pub fn usage(&self) -> Usage {
        self.quota.usage()
    }
}

#[cfg(test)]
#[path = "ram_tests.rs"]
mod tests;
