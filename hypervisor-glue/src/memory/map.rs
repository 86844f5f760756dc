//! One mapped grant, and copying out of it.
#![allow(unsafe_code)]

use std::{
    io,
    marker::PhantomData,
    os::fd::{AsFd, OwnedFd},
    ptr::{self, NonNull},
    sync::{
        Arc,
        atomic::{Ordering, compiler_fence},
    },
};

use rustix::{
    fs::{fcntl_get_seals, fstat, fstatfs},
    mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap},
};

use super::{
    MemoryError, guard,
    quota::Share,
    runs::{Piece, part},
};

/// `f_type` of the kernel's shared memory, see statfs(2).
const TMPFS_MAGIC: u64 = 0x0102_1994;
/// Bytes of a page, as the protocol counts them.
const PAGE_BYTES: usize = super::runs::PAGE as usize;

/// Memory of a qube, mapped read-only. Unmapped when dropped.
#[derive(Debug)]
pub struct GrantMap {
    start: NonNull<u8>,
    /// Bytes granted. The mapping itself ends at the next page.
    length: usize,
    /// `None` only while dropping.
    registration: Option<guard::Registration>,
    /// Guest RAM and where in it the grant lies, where somebody can make use of it.
    ram: Option<(Arc<OwnedFd>, Box<[Piece]>)>,
    /// Given back after the memory is unmapped.
    _share: Share,
}

// SAFETY: the mapping belongs to this value alone and is only read, through copies and raw pointers
// whose users must expect the content to change at every moment anyway.
unsafe impl Send for GrantMap {}
// SAFETY: see Send.
unsafe impl Sync for GrantMap {}

/// Maps the first `length` bytes of a file of shared memory.
pub(super) fn map_file(fd: OwnedFd, length: u64, share: Share) -> Result<GrantMap, MemoryError> {
    // First of all, and without a call into the file system behind the descriptor, which could be
    // one that the qube serves and never answers: only files of shared memory have seals.
    fcntl_get_seals(&fd).map_err(|_| MemoryError::NotMemory)?;
    // Files with huge pages have seals too, but fault and map otherwise.
    let system = fstatfs(&fd).map_err(io::Error::from)?;
    if system.f_type as u64 != TMPFS_MAGIC {
        return Err(MemoryError::NotMemory);
    }
    let stat = fstat(&fd).map_err(io::Error::from)?;
    let there = u64::try_from(stat.st_size).unwrap_or(0);
    if there < length {
        return Err(MemoryError::Short { asked: length, there });
    }
    let length = usize::try_from(length).map_err(|_| MemoryError::NotMemory)?;
    guard::install_guard()?;
    // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
    let start = unsafe { mmap(ptr::null_mut(), length, ProtFlags::READ, MapFlags::SHARED, fd.as_fd(), 0) }
        .map_err(io::Error::from)?;
    let Some(start) = NonNull::new(start.cast::<u8>()) else {
        return Err(MemoryError::System(io::Error::other("mapped at address zero")));
    };
    GrantMap { start, length, registration: None, ram: None, _share: share }.guarded()
}

/// Maps parts of a file side by side. Their sum is `bytes` rounded up to pages. The file and the
/// parts are kept if `keep` says so.
pub(super) fn map_pieces(
    file: &Arc<OwnedFd>,
    pieces: Vec<Piece>,
    keep: bool,
    bytes: u64,
    share: Share,
) -> Result<GrantMap, MemoryError> {
    let too_long = || MemoryError::WrongLength { bytes, there: u64::MAX };
    let length = usize::try_from(bytes).map_err(|_| too_long())?;
    guard::install_guard()?;
    // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
    let start = unsafe {
        mmap_anonymous(ptr::null_mut(), length, ProtFlags::empty(), MapFlags::PRIVATE | MapFlags::NORESERVE)
    }
    .map_err(io::Error::from)?;
    let Some(start) = NonNull::new(start.cast::<u8>()) else {
        return Err(MemoryError::System(io::Error::other("mapped at address zero")));
    };
    // Built before its pieces are mapped, so that dropping it unmaps them all.
    let mut map = GrantMap { start, length, registration: None, ram: None, _share: share };
    let mut at = 0usize;
    for piece in &pieces {
        let part = usize::try_from(piece.bytes).map_err(|_| too_long())?;
        let inside = at.checked_add(part).is_some_and(|end| end <= length.next_multiple_of(PAGE_BYTES));
        if !inside {
            return Err(too_long());
        }
        // SAFETY: `at..at + part` lies in the range reserved above, which nobody else has and
        // nobody reads yet; what is mapped over is the reservation.
        unsafe {
            let address = start.as_ptr().add(at).cast();
            mmap(
                address,
                part,
                ProtFlags::READ,
                MapFlags::SHARED | MapFlags::FIXED,
                file.as_fd(),
                piece.offset,
            )
        }
        .map_err(io::Error::from)?;
        at += part;
    }
    map.ram = keep.then(|| (file.clone(), pieces.into()));
    map.guarded()
}

impl Drop for GrantMap {
    fn drop(&mut self) {
        // Out of the table first: the handler must never touch what may be somebody else's.
        self.registration = None;
        // SAFETY: exactly what `map_file` or `map_pieces` mapped, up to the end of its last page;
        // nothing borrows it any more.
        if let Err(error) = unsafe { munmap(self.start.as_ptr().cast(), self.length) } {
            tracing::error!(%error, length = self.length, "a grant cannot be unmapped");
        }
    }
}

impl GrantMap {
    /// Puts the mapping into the guard's table.
    fn guarded(mut self) -> Result<Self, MemoryError> {
        self.registration = guard::Registration::new(self.start.as_ptr() as usize, self.length);
        if self.registration.is_some() { Ok(self) } else { Err(MemoryError::TooManyMappings) }
    }

    /// Bytes granted.
    pub fn len(&self) -> u64 {
        self.length as u64
    }

    /// Never true: there are no grants of no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// True if the qube took the memory away while it was read. From then on the whole grant reads
    /// as zeros, for good.
    ///
    /// A pool that was shortened and not read since is not poisoned yet.
    pub fn is_poisoned(&self) -> bool {
        self.registration.as_ref().is_some_and(guard::Registration::is_poisoned)
    }

    /// Guest RAM, the pieces of it that hold `length` bytes from `offset` on in whole pages, and where
    /// in the first page those begin. `None` where that is not inside the grant, or not known of it.
    pub(super) fn pieces(&self, offset: u64, length: u64) -> Option<(&OwnedFd, Vec<Piece>, u32)> {
        let (file, pieces) = self.ram.as_ref()?;
        let (pieces, start) = part(pieces, offset, length)?;
        Some((file, pieces, start))
    }

    /// Takes the mapping out of the guard's table, so that a fault in it is a foreign one.
    #[cfg(test)]
    pub(super) fn unguard(&mut self) {
        self.registration = None;
    }

    /// A part of the grant, wholly inside it.
    pub fn bytes(&self, offset: u64, length: u64) -> Result<GrantSlice<'_>, MemoryError> {
        self.all().part(offset, length)
    }

    /// All of the grant.
    pub fn all(&self) -> GrantSlice<'_> {
        GrantSlice { start: self.start.as_ptr(), length: self.length, map: PhantomData }
    }
}

/// A part of a mapped grant.
///
/// The qube may change the content at every moment, between any two reads.
#[derive(Clone, Copy, Debug)]
pub struct GrantSlice<'a> {
    start: *const u8,
    length: usize,
    map: PhantomData<&'a GrantMap>,
}

// SAFETY: see GrantMap; a slice borrows one.
unsafe impl Send for GrantSlice<'_> {}
// SAFETY: see GrantMap; a slice borrows one.
unsafe impl Sync for GrantSlice<'_> {}

impl<'a> GrantSlice<'a> {
    /// The first byte. Valid for reads of [`Self::len`] bytes while the [`GrantMap`] lives.
    ///
    /// What is read there is hostile and volatile: it may change between two reads, so nothing
    /// that is decided from it may be read twice, and no reference to it may be made. Meant for
    /// renderers, which only show it.
    pub fn as_ptr(&self) -> *const u8 {
        self.start
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    fn out_of_bounds(&self, offset: u64, length: u64) -> MemoryError {
        MemoryError::OutOfBounds { offset, length, there: self.length as u64 }
    }

    /// A part of this part, wholly inside it.
    pub fn part(&self, offset: u64, length: u64) -> Result<GrantSlice<'a>, MemoryError> {
        let inside = offset.checked_add(length).is_some_and(|end| end <= self.length as u64);
        if !inside {
            return Err(self.out_of_bounds(offset, length));
        }
        // SAFETY: `offset` is at most `self.length`, so this stays inside the mapping or at its end.
        let start = unsafe { self.start.add(offset as usize) };
        Ok(GrantSlice { start, length: length as usize, map: PhantomData })
    }

    /// Copies everything out, reading each byte once. `out` must be as long as this part.
    pub fn copy_to(&self, out: &mut [u8]) -> Result<(), MemoryError> {
        if out.len() != self.length {
            return Err(self.out_of_bounds(0, out.len() as u64));
        }
        // SAFETY: `start` is valid for reads of `length` bytes (`part` checked it against the
        // mapping, which is borrowed), `out` is ours and as long, and they cannot overlap. The
        // source may change while it is copied: it is memory of another process, of which only this
        // copy is looked at. If pages vanish, the guard puts zeros there.
        unsafe { ptr::copy_nonoverlapping(self.start, out.as_mut_ptr(), self.length) };
        // The source may have changed: the compiler must use the copy, not read it again.
        compiler_fence(Ordering::SeqCst);
        Ok(())
    }

    /// Copies `rows` rows of `row_bytes` bytes, `stride` bytes apart here and `out_stride` bytes
    /// apart in `out`, reading each byte once.
    ///
    /// Bytes of `out` between the rows stay as they are. Fails, before anything is copied, unless
    /// all rows are inside both, and rows of `out` do not overlap.
    pub fn copy_rows(
        &self,
        stride: u64,
        row_bytes: u64,
        rows: u64,
        out: &mut [u8],
        out_stride: usize,
    ) -> Result<(), MemoryError> {
        if rows == 0 || row_bytes == 0 {
            return Ok(());
        }
        let span = |stride: u64| stride.checked_mul(rows - 1)?.checked_add(row_bytes);
        let source = span(stride).filter(|span| *span <= self.length as u64);
        let target = span(out_stride as u64).filter(|span| *span <= out.len() as u64);
        let overlap = rows > 1 && (out_stride as u64) < row_bytes;
        if source.is_none() || target.is_none() || overlap {
            return Err(self.out_of_bounds(0, span(stride).unwrap_or(u64::MAX)));
        }
        let row_bytes = row_bytes as usize;
        for row in 0..rows as usize {
            // SAFETY: the last row's end was checked above against both lengths; rows before it end
            // earlier. As in `copy_to`.
            unsafe {
                let from = self.start.add(row * stride as usize);
                let to = out.as_mut_ptr().add(row * out_stride);
                ptr::copy_nonoverlapping(from, to, row_bytes);
            }
        }
        compiler_fence(Ordering::SeqCst);
        Ok(())
    }
}
