//! Guest RAM: one memfd, sealed in its size, mapped shared.
//!
//! The kernel must never take a page of it away, or whoever maps it (this process, the compositor)
//! would fault: hence the seals. [`Layout`] says which guest-physical address lies where in the
//! file; it is all that a reader of grants needs to know.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    sync::Arc,
};

use rustix::{
    fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create, open},
    io::Errno,
};
use serde::{Deserialize, Serialize};
use vm_memory::{FileOffset, GuestAddress};

use super::{Error, layout};

/// Guest RAM as rust-vmm's crates know it.
pub type GuestRam = vm_memory::GuestMemoryMmap<()>;

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Least RAM: less, and no stock kernel with its initramfs fits.
pub const MIN_RAM: u64 = 32 << 20;
/// Most RAM; the guest's addresses must fit into 40 bits on every machine.
pub const MAX_RAM: u64 = 512 << 30;

/// How RAM is laid into the address space: all below 3 GiB, and what does not fit there from 4 GiB
/// on. In the file it lies without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Bytes of RAM.
    size: u64,
}

/// A part of RAM without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Guest-physical address.
    pub address: u64,
    /// Where it lies in the file.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
}

impl Layout {
    /// The layout of `size` bytes, a whole number of pages.
    pub fn new(size: u64) -> Result<Self, Error> {
        if !(MIN_RAM..=MAX_RAM).contains(&size) || !size.is_multiple_of(PAGE) {
            return Err(Error::RamSize(size));
        }
        Ok(Self { size })
    }

    /// Bytes of RAM, which is also the length of the file.
    pub fn size(self) -> u64 {
        self.size
    }

    /// The parts, by address: one, or two with the hole between them.
    pub fn parts(self) -> impl Iterator<Item = Part> {
        let low = self.size.min(layout::HOLE_START);
        let high = self.size - low;
        let parts = [
            Part { address: 0, offset: 0, size: low },
            Part { address: layout::HOLE_END, offset: low, size: high },
        ];
        parts.into_iter().filter(|part| part.size > 0)
    }

    /// First address of the hole below 4 GiB, or the size where all RAM is below it; and the first
    /// address above the hole.
    pub fn hole(self) -> (u64, u64) {
        (self.size.min(layout::HOLE_START), layout::HOLE_END)
    }

    /// Where `length` bytes at the guest-physical `untrusted_address` lie in the file; `None` if not
    /// all of them are in one part of RAM.
    pub fn offset_of(self, untrusted_address: u64, length: u64) -> Option<u64> {
        self.parts().find_map(|part| {
            let inside = untrusted_address.checked_sub(part.address)?;
            let end = inside.checked_add(length)?;
            (end <= part.size).then_some(part.offset + inside)
        })
    }
}

/// Guest RAM, mapped.
#[derive(Debug)]
pub struct Ram {
    layout: Layout,
    file: Arc<File>,
    memory: GuestRam,
}

impl Ram {
    /// Makes RAM of `size` bytes. The pages come when they are first written.
    pub fn new(size: u64) -> Result<Self, Error> {
        let layout = Layout::new(size)?;
        let file = make_file(size).map_err(Error::at("make guest RAM"))?;
        let file = Arc::new(File::from(file));
        let ranges = layout.parts().map(|part| {
            (
                GuestAddress(part.address),
                part.size as usize,
                Some(FileOffset::from_arc(Arc::clone(&file), part.offset)),
            )
        });
        let memory = GuestRam::from_ranges_with_files(ranges)
            .map_err(|error| Error::at("map guest RAM")(io::Error::other(error.to_string())))?;
        Ok(Self { layout, file, memory })
    }

    /// How it is laid out.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The mapped memory.
    pub fn memory(&self) -> &GuestRam {
        &self.memory
    }

    /// The file again, opened so that it can only be read: for the compositor. Needs `/proc`.
    pub fn read_only(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }
}

fn make_file(size: u64) -> Result<OwnedFd, Errno> {
    let file = memfd_create("guest-ram", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, size)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rustix::fs::fcntl_get_seals;
    use vm_memory::Bytes as _;

    use super::*;

    #[test]
    fn the_file_is_sealed_shared_and_readable_elsewhere() {
        let ram = Ram::new(MIN_RAM).unwrap();
        assert_eq!(
            fcntl_get_seals(&*ram.file).unwrap(),
            SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL
        );
        let view = ram.read_only().unwrap();
        ram.memory().write_slice(b"seen", GuestAddress(0x5000)).unwrap();
        let mut bytes = [0; 4];
        rustix::io::pread(&view, &mut bytes, 0x5000).unwrap();
        assert_eq!(&bytes, b"seen");
        assert_eq!(rustix::io::pwrite(&view, b"x", 0), Err(Errno::BADF));
        assert!(rustix::io::pwrite(&*ram.file, b"x", MIN_RAM).is_err());
    }

    #[test]
    fn bad_sizes_are_refused() {
        for size in [0, PAGE, MIN_RAM + 1, MAX_RAM + PAGE, u64::MAX] {
            assert!(matches!(Layout::new(size), Err(Error::RamSize(bad)) if bad == size));
        }
    }

    proptest! {
        #[test]
        fn offsets_stay_in_the_file_and_never_overlap(
            pages in MIN_RAM / PAGE..=MAX_RAM / PAGE, address in any::<u64>(), length in 0..1_u64 << 40,
        ) {
            let layout = Layout::new(pages * PAGE).unwrap();
            let total: u64 = layout.parts().map(|part| part.size).sum();
            prop_assert_eq!(total, layout.size());
            // Mostly near the hole, where it matters.
            for address in [address, address % (8 << 30), layout::HOLE_START.wrapping_sub(length % 8192)] {
                if let Some(offset) = layout.offset_of(address, length) {
                    prop_assert!(offset + length <= layout.size());
                    let hole = layout::HOLE_START..layout::HOLE_END;
                    prop_assert!(length == 0 || !hole.contains(&address));
                    prop_assert!(length == 0 || !hole.contains(&(address + length - 1)));
                }
            }
        }
    }
}
