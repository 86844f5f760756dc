//! What a disk is made of: a raw file, an overlay on a base that is never written, or the encrypted part
//! of either.
//!
//! All files are given as descriptors; no image has a name in it.

use std::{fmt, fs::File, io};

use imago::{
    FormatAccess,
    file::File as Storage,
    io_buffers::{IoVector, IoVectorMut},
    raw::Raw,
};
use vm_memory::VolatileSlice;

use super::Status;
use crate::{
    encryption::{Layout, Payload},
    overlay::{self, Overlay, Stored},
};

/// Bytes of a block of most file systems: less than one leaves no hole.
const PAGE: u32 = 4096;

/// A disk cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the disk's {part}: {source}")]
pub struct DiskError {
    part: &'static str,
    source: io::Error,
}

impl DiskError {
    fn at(part: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { part, source }
    }
}

/// An open disk.
pub struct Disk {
    image: Image,
    read_only: bool,
}

enum Image {
    Plain(FormatAccess<Storage>),
    /// With room for what is enciphered or not yet: never in the guest's memory, where the guest could
    /// see and change it on the way.
    Encrypted(Box<Payload>, Vec<u8>),
    /// With room for what comes from several places.
    Shared(Box<Overlay>, Vec<u8>),
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disk")
            .field("size", &self.size())
            .field("read_only", &self.read_only)
            .finish_non_exhaustive()
    }
}

impl Disk {
    /// A file with the disk's bytes as they are.
    pub fn raw(file: File, read_only: bool) -> Result<Self, DiskError> {
        let image = raw(file, !read_only).map_err(DiskError::at("file"))?;
        Ok(Self { image: Image::Plain(image), read_only })
    }

    /// What differs from a base, and the rest of it.
    pub fn overlay(overlay: Overlay) -> Self {
        Self { image: Image::Shared(Box::new(overlay), Vec::new()), read_only: false }
    }

    /// What a guest may write to: all bytes of it, or what is encrypted in it with a volume's key.
    ///
    /// # Errors
    /// It cannot be used as one.
    pub fn stored(stored: Stored, key: Option<(&[u8], Layout)>) -> Result<Self, DiskError> {
        match (key, stored) {
            (Some((key, layout)), stored) => Self::encrypted(stored, key, layout),
            (None, Stored::File(file)) => Self::raw(file, false),
            (None, Stored::Shared(overlay)) => Ok(Self::overlay(*overlay)),
        }
    }

    /// What is encrypted in a file, or an overlay, with a volume's key.
    pub fn encrypted(stored: impl Into<Stored>, key: &[u8], layout: Layout) -> Result<Self, DiskError> {
        let payload = Payload::new(stored, key, layout).map_err(DiskError::at("encrypted volume"))?;
        Ok(Self { image: Image::Encrypted(Box::new(payload), Vec::new()), read_only: false })
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        match &self.image {
            Image::Plain(image) => image.size(),
            Image::Encrypted(payload, _) => payload.size(),
            Image::Shared(overlay, _) => overlay.size(),
        }
    }

    /// True if the guest may only read.
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    pub(super) fn read(&mut self, into: &[VolatileSlice<'_>], offset: u64) -> Status {
        status("read", self.image.read(into, offset))
    }

    pub(super) fn write(&mut self, from: &[VolatileSlice<'_>], offset: u64) -> Status {
        status("write", self.image.write(from, offset))
    }

    /// Lets go of what lies there, as far as it can; whoever reads it then finds anything.
    pub(super) fn discard(&mut self, offset: u64, length: u64) -> Status {
        let result = match &mut self.image {
            Image::Plain(image) => image.discard_to_any(offset, length),
            Image::Encrypted(payload, _) => payload.discard(offset, length),
            Image::Shared(overlay, _) => overlay.discard(offset, length),
        };
        status("discard", result)
    }

    /// Makes zeros of what lies there; where a hole reads as zeros, it is one then.
    pub(super) fn write_zeroes(&mut self, offset: u64, length: usize) -> Status {
        let zeros = |buffer: &mut Vec<u8>| {
            buffer.clear();
            buffer.resize(length, 0);
        };
        let result = match &mut self.image {
            Image::Plain(image) => image.discard_to_zero(offset, length as u64),
            Image::Encrypted(payload, buffer) => {
                zeros(buffer);
                payload.write(buffer, offset)
            }
            Image::Shared(overlay, buffer) => {
                zeros(buffer);
                overlay.write(buffer, offset)
            }
        };
        status("write zeros", result)
    }

    /// Bytes of the smallest thing that can be let go of.
    pub(super) fn granularity(&self) -> u32 {
        match &self.image {
            Image::Plain(_) => PAGE,
            Image::Encrypted(payload, _) => payload.granularity().max(PAGE),
            Image::Shared(..) => overlay::BLOCK as u32,
        }
    }

    pub(super) fn flush(&mut self) -> Status {
        if self.read_only {
            return Status::Good;
        }
        let flushed = match &mut self.image {
            Image::Plain(image) => image.flush().and_then(|()| image.sync()),
            Image::Encrypted(payload, _) => payload.sync(),
            Image::Shared(overlay, _) => overlay.sync(),
        };
        status("flush", flushed)
    }
}

impl Image {
    fn read(&mut self, into: &[VolatileSlice<'_>], offset: u64) -> io::Result<()> {
        match self {
            Self::Plain(image) => {
                let (vector, _guard) = IoVectorMut::from_volatile_slice(into);
                image.readv(vector, offset)
            }
            Self::Encrypted(payload, buffer) => {
                buffer.resize(into.iter().map(VolatileSlice::len).sum(), 0);
                payload.read(buffer, offset)?;
                scatter(buffer, into);
                Ok(())
            }
            Self::Shared(overlay, buffer) => {
                buffer.resize(into.iter().map(VolatileSlice::len).sum(), 0);
                overlay.read(buffer, offset)?;
                scatter(buffer, into);
                Ok(())
            }
        }
    }

    fn write(&mut self, from: &[VolatileSlice<'_>], offset: u64) -> io::Result<()> {
        match self {
            Self::Plain(image) => {
                let (vector, _guard) = IoVector::from_volatile_slice(from);
                image.writev(vector, offset)
            }
            Self::Encrypted(payload, buffer) => {
                gather(from, buffer);
                payload.write(buffer, offset)
            }
            Self::Shared(overlay, buffer) => {
                gather(from, buffer);
                overlay.write(buffer, offset)
            }
        }
    }
}

fn scatter(mut from: &[u8], into: &[VolatileSlice<'_>]) {
    for slice in into {
        let (part, after) = from.split_at(slice.len());
        slice.copy_from(part);
        from = after;
    }
}

fn gather(from: &[VolatileSlice<'_>], into: &mut Vec<u8>) {
    into.resize(from.iter().map(VolatileSlice::len).sum(), 0);
    let mut rest = &mut into[..];
    for slice in from {
        let (part, after) = rest.split_at_mut(slice.len());
        slice.copy_to(part);
        rest = after;
    }
}

fn raw(file: File, writable: bool) -> io::Result<FormatAccess<Storage>> {
    let image = Raw::open_image(Storage::try_from(file)?, writable)?;
    Ok(FormatAccess::new(image))
}

fn status(doing: &str, result: io::Result<()>) -> Status {
    match result {
        Ok(()) => Status::Good,
        Err(error) => {
            // Once in a while is enough: a full disk fails every request.
            tracing::debug!(doing, %error, "a disk request failed");
            Status::Error
        }
    }
}
