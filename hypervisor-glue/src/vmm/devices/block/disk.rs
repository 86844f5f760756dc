//! What a disk is made of: a raw file, a qcow2 overlay on a raw base that is never written, or the
//! encrypted part of a file.
//!
//! All files are given as descriptors; a name inside an image is never followed.

use std::{fmt, fs::File, io};

use imago::{
    DenyImplicitOpenGate, FormatAccess, FormatCreateBuilder as _, FormatDriverBuilder as _,
    file::File as Storage,
    io_buffers::{IoVector, IoVectorMut},
    qcow2::Qcow2,
    raw::Raw,
};
use vm_memory::VolatileSlice;

use super::Status;
use crate::encryption::{Layout, Payload};

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

    /// A qcow2 file that holds what differs from `base`, a raw file.
    pub fn overlay(overlay: File, base: File) -> Result<Self, DiskError> {
        let base = raw(base, false).map_err(DiskError::at("base"))?;
        let open = || {
            let file = Storage::try_from(overlay)?;
            Qcow2::<Storage>::builder(file)
                .write(true)
                .backing(Some(base))
                .data_file(None)
                .open(DenyImplicitOpenGate::default())
        };
        let image = open().map_err(DiskError::at("overlay"))?;
        Ok(Self { image: Image::Plain(FormatAccess::new(image)), read_only: false })
    }

    /// What is encrypted in a file with a volume's key.
    pub fn encrypted(file: File, key: &[u8], layout: Layout) -> Result<Self, DiskError> {
        let payload = Payload::new(file, key, layout).map_err(DiskError::at("encrypted volume"))?;
        Ok(Self { image: Image::Encrypted(Box::new(payload), Vec::new()), read_only: false })
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        match &self.image {
            Image::Plain(image) => image.size(),
            Image::Encrypted(payload, _) => payload.size(),
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

    pub(super) fn flush(&self) -> Status {
        if self.read_only {
            return Status::Good;
        }
        let flushed = match &self.image {
            Image::Plain(image) => image.flush().and_then(|()| image.sync()),
            Image::Encrypted(payload, _) => payload.sync(),
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
                let mut rest = &buffer[..];
                for slice in into {
                    let (part, after) = rest.split_at(slice.len());
                    slice.copy_from(part);
                    rest = after;
                }
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
                buffer.resize(from.iter().map(VolatileSlice::len).sum(), 0);
                let mut rest = &mut buffer[..];
                for slice in from {
                    let (part, after) = rest.split_at_mut(slice.len());
                    slice.copy_to(part);
                    rest = after;
                }
                payload.write(buffer, offset)
            }
        }
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

/// Makes `file`, which must be empty, a qcow2 overlay for a base of `size` bytes.
pub fn create_overlay(file: File, size: u64) -> Result<(), DiskError> {
    let create = || {
        Qcow2::<Storage>::create_builder(Storage::try_from(file)?)
            .size(size)
            // Only a mark that there is a base: whoever opens it says which.
            .backing("base".to_owned(), "raw".to_owned())
            .create()
    };
    create().map_err(DiskError::at("overlay"))
}
