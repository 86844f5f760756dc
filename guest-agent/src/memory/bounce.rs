//! Copies of pictures that cannot be granted where they are: in a sealed pool, on a disk, scattered
//! over too many page frames, or beyond a quota of pins.
//!
//! Each buffer of a program gets a place in memory of the agent's own, and the rows that changed
//! since it was last copied are copied again. What a commit damages is what changed against the
//! window's picture before, which was another buffer: so a commit makes its rows stale in every
//! place of that window, and then the committed buffer's own place is brought up to date.

use std::{
    collections::HashMap,
    io,
    ops::Range,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create},
    io::{Errno, pread, pwrite},
};
use transom_protocol::types::Rect;

use super::Bytes;
use crate::{pin::wire::PAGE, wayland::shm::ShmBuffer};

/// Smallest piece of memory that is made and granted at once, in bytes.
const CHUNK: u64 = 8 << 20;
/// Bytes copied with one system call.
const COPY: usize = 1 << 20;

/// A piece of the agent's own memory. Made, pinned and granted as a whole.
#[derive(Debug)]
pub(crate) struct Chunk {
    /// The memory.
    pub(crate) file: OwnedFd,
    bytes: u64,
    /// Places taken, by first byte.
    taken: Vec<Bytes>,
}

impl Chunk {
    /// New memory with room for `bytes`.
    pub(crate) fn new(bytes: u64) -> io::Result<Self> {
        let bytes = bytes.next_multiple_of(PAGE).max(CHUNK);
        let file = memfd_create("transom-bounce", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, bytes)?;
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self { file, bytes, taken: Vec::new() })
    }

    /// All of it.
    pub(crate) fn all(&self) -> Bytes {
        0..self.bytes
    }

    /// Takes the first gap of `bytes`, on a page of its own.
    fn take(&mut self, bytes: u64) -> Option<Bytes> {
        let bytes = bytes.next_multiple_of(PAGE);
        let mut start = 0;
        let mut index = self.taken.len();
        for (i, taken) in self.taken.iter().enumerate() {
            if taken.start - start >= bytes {
                index = i;
                break;
            }
            start = taken.end;
        }
        let end = start.checked_add(bytes).filter(|end| *end <= self.bytes)?;
        self.taken.insert(index, start..end);
        Some(start..end)
    }

    fn give_back(&mut self, place: &Bytes) {
        self.taken.retain(|taken| taken != place);
    }
}

/// Where a buffer's copy is.
#[derive(Debug)]
struct Place {
    grant: u32,
    bytes: Bytes,
    /// The window it was last committed to.
    window: u32,
    /// Rows that changed since they were copied.
    stale: Range<u32>,
}

/// All copies.
#[derive(Debug, Default)]
pub(crate) struct Bounce {
    /// By grant.
    chunks: HashMap<u32, Chunk>,
    /// By buffer.
    places: HashMap<u64, Place>,
    /// Pixels copied since the agent began, in bytes.
    copied: u64,
}

impl Bounce {
    /// Bytes of pixels copied since the agent began.
    pub(crate) fn copied(&self) -> u64 {
        self.copied
    }

    /// Takes up a chunk that was granted.
    pub(crate) fn add(&mut self, grant: u32, chunk: Chunk) {
        self.chunks.insert(grant, chunk);
    }

    /// True if this buffer has a place.
    pub(crate) fn has(&self, buffer: &ShmBuffer) -> bool {
        self.places.contains_key(&buffer.id())
    }

    /// A place for a buffer, if there is one or room for one: its grant, and the first byte there.
    /// `None`: a new chunk is needed.
    pub(crate) fn place(&mut self, window: u32, buffer: &ShmBuffer) -> Option<(u32, u64)> {
        if let Some(place) = self.places.get_mut(&buffer.id()) {
            if place.window != window {
                place.window = window;
                place.stale = 0..buffer.height;
            }
            return Some((place.grant, place.bytes.start));
        }
        let (grant, bytes) =
            self.chunks.iter_mut().find_map(|(grant, chunk)| Some((*grant, chunk.take(buffer.length())?)))?;
        let start = bytes.start;
        self.places.insert(buffer.id(), Place { grant, bytes, window, stale: 0..buffer.height });
        Some((grant, start))
    }

    /// A commit has changed these parts of a window.
    pub(crate) fn damaged(&mut self, window: u32, damage: &[Rect]) {
        let rows = rows(damage);
        for place in self.places.values_mut().filter(|place| place.window == window) {
            place.stale = hull(&place.stale, &rows);
        }
    }

    /// Copies what is stale in a buffer's place.
    ///
    /// Reads by system calls: a file that its program shortens meanwhile reads as zeros, and faults
    /// nowhere.
    pub(crate) fn update(&mut self, buffer: &ShmBuffer) -> io::Result<()> {
        let Some(place) = self.places.get_mut(&buffer.id()) else { return Ok(()) };
        let Some(chunk) = self.chunks.get(&place.grant) else { return Ok(()) };
        let rows = place.stale.start..place.stale.end.min(buffer.height);
        place.stale = 0..0;
        if rows.is_empty() {
            return Ok(());
        }
        let (stride, first) = (u64::from(buffer.stride), u64::from(rows.start));
        let bytes = stride * u64::from(rows.end - rows.start);
        let (from, to) = (buffer.offset + first * stride, place.bytes.start + first * stride);
        copy(&buffer.pool.fd, from, &chunk.file, to, bytes)?;
        self.copied += bytes;
        Ok(())
    }

    /// A buffer is gone.
    pub(crate) fn forget(&mut self, buffer: u64) {
        let Some(place) = self.places.remove(&buffer) else { return };
        if let Some(chunk) = self.chunks.get_mut(&place.grant) {
            chunk.give_back(&place.bytes);
        }
    }

    /// Takes out chunks that nothing uses, but for one that is kept for the next picture.
    pub(crate) fn take_idle(&mut self) -> Vec<u32> {
        let idle = self.chunks.iter().filter(|(_, chunk)| chunk.taken.is_empty()).map(|(grant, _)| *grant);
        let idle: Vec<u32> = idle.skip(1).collect();
        self.chunks.retain(|grant, _| !idle.contains(grant));
        idle
    }

    /// The connection that knew the grants is gone.
    pub(crate) fn reset(&mut self) {
        *self = Self { copied: self.copied, ..Self::default() };
    }
}

/// The rows that rectangles touch.
fn rows(rects: &[Rect]) -> Range<u32> {
    rects.iter().fold(0..0, |rows, rect| {
        let (_, y, _, height) = rect.get();
        let end = y.saturating_add(height);
        hull(&rows, &(u32::try_from(y).unwrap_or(0)..u32::try_from(end).unwrap_or(0)))
    })
}

/// The smallest range that holds both.
fn hull(a: &Range<u32>, b: &Range<u32>) -> Range<u32> {
    if a.is_empty() {
        return b.clone();
    }
    if b.is_empty() {
        return a.clone();
    }
    a.start.min(b.start)..a.end.max(b.end)
}

/// Copies bytes from file to file; what the source does not have is zeros.
fn copy(from: impl AsFd, mut at: u64, to: impl AsFd, mut target: u64, mut bytes: u64) -> io::Result<()> {
    let mut buffer = vec![0; COPY.min(usize::try_from(bytes).unwrap_or(COPY))];
    while bytes > 0 {
        let part = buffer.len().min(usize::try_from(bytes).unwrap_or(COPY));
        let read = match pread(&from, &mut buffer[..part], at) {
            Ok(0) => {
                buffer[..part].fill(0);
                part
            }
            Ok(read) => read,
            Err(Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        };
        let written = rustix::io::retry_on_intr(|| pwrite(&to, &buffer[..read], target))?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        at += written as u64;
        target += written as u64;
        bytes -= written as u64;
    }
    Ok(())
}

#[cfg(test)]
#[path = "bounce_tests.rs"]
mod tests;
