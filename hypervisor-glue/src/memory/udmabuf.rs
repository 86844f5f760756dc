//! Parts of guest RAM as DMA buffers, for a GPU that reads them where they are.
//!
//! The kernel's `udmabuf` (`/dev/udmabuf`, `include/uapi/linux/udmabuf.h`) makes a DMA buffer of pages
//! of a memfd that cannot shrink. It holds the pages while it lives, so a grant that is revoked never
//! faults; whoever keeps a buffer must let go of it with the grant. Pages of guest RAM can be written
//! through such a buffer by whoever maps it for writing: here it goes to a renderer as a texture, and
//! to nobody else.
#![allow(unsafe_code)]

use std::{
    ffi::c_void,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
    sync::OnceLock,
};

use rustix::{
    fs::{Mode, OFlags, open},
    ioctl::{Ioctl, IoctlOutput, Opcode, opcode},
};

use super::{GrantMap, MemoryError};

/// `UDMABUF_FLAGS_CLOEXEC`.
const CLOEXEC: u32 = 1;
/// Most pieces that the kernel takes unless its administrator says otherwise (`list_limit`).
const MAX_PIECES: usize = 1_024;

/// The device.
#[derive(Debug)]
pub struct Udmabuf(OwnedFd);

/// A picture's memory as a DMA buffer.
#[derive(Debug)]
pub struct Exported {
    /// The buffer.
    pub buffer: OwnedFd,
    /// Where in it the first byte is that was asked for; less than a page.
    pub offset: u32,
}

/// The device, if this host has one that may be opened. It is looked for once.
pub fn udmabuf() -> Option<&'static Udmabuf> {
    static DEVICE: OnceLock<Option<Udmabuf>> = OnceLock::new();
    DEVICE.get_or_init(|| Udmabuf::open().ok()).as_ref()
}

impl Udmabuf {
    fn open() -> io::Result<Self> {
        Ok(Self(open("/dev/udmabuf", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// A DMA buffer over `length` bytes of a grant from `offset` on. It shows the pages themselves:
    /// what the qube writes there is seen.
    ///
    /// # Errors
    /// [`MemoryError::OutOfBounds`]: not inside the grant; [`MemoryError::NotMemory`]: the grant is no
    /// part of guest RAM, or in too many pieces; [`MemoryError::System`]: the kernel refuses.
    pub fn export(&self, map: &GrantMap, offset: u64, length: u64) -> Result<Exported, MemoryError> {
        map.bytes(offset, length)?;
        let (file, pieces, start) = map.pieces(offset, length).ok_or(MemoryError::NotMemory)?;
        if pieces.len() > MAX_PIECES {
            return Err(MemoryError::NotMemory);
        }
        let memfd = file.as_raw_fd().cast_unsigned();
        // struct udmabuf_create_list, and after it as many of struct udmabuf_create_item.
        let mut words = vec![u64::from(CLOEXEC) | (pieces.len() as u64) << 32];
        for piece in &pieces {
            words.extend([u64::from(memfd), piece.offset, piece.bytes]);
        }
        // SAFETY: `words` has the layout that this request wants on little-endian machines, with as
        // many items as its header says; the kernel only reads it.
        let buffer = unsafe { rustix::ioctl::ioctl(&self.0, CreateList { words }) };
        Ok(Exported { buffer: buffer.map_err(io::Error::from)?, offset: start })
    }
}

#[cfg(not(target_endian = "little"))]
compile_error!("struct udmabuf_create_list is written for little-endian machines");

/// `UDMABUF_CREATE_LIST`.
struct CreateList {
    words: Vec<u64>,
}

// SAFETY: the opcode is the kernel's, for a header of 8 bytes; the pointer is to the owned list, which
// lives until the call is over; what comes back is a new descriptor that nobody else has.
unsafe impl Ioctl for CreateList {
    type Output = OwnedFd;
    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        opcode::write::<[u32; 2]>(b'u', 0x43)
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.words.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(out: IoctlOutput, _: *mut c_void) -> rustix::io::Result<OwnedFd> {
        // SAFETY: the kernel returned it just now, and it is nobody else's.
        Ok(unsafe { OwnedFd::from_raw_fd(out) })
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, ptr};

    use rustix::{
        fs::{MemfdFlags, SealFlags, SeekFrom, fcntl_add_seals, ftruncate, memfd_create, seek},
        io::pwrite,
        mm::{MapFlags, ProtFlags, mmap, munmap},
    };

    use super::*;
    use crate::memory::{GuestRam, PAGE, Quota, RamLayout};

    /// The first byte of each page.
    fn heads(buffer: &OwnedFd, pages: usize) -> Vec<u8> {
        let length = pages * PAGE as usize;
        // SAFETY: a new mapping, read within its length and let go of below.
        unsafe {
            let start = mmap(ptr::null_mut(), length, ProtFlags::READ, MapFlags::SHARED, buffer, 0).unwrap();
            let heads = (0..pages).map(|page| *start.cast::<u8>().add(page * PAGE as usize)).collect();
            munmap(start, length).unwrap();
            heads
        }
    }

    /// A picture that begins and ends within pages, in a grant of scattered ones. Debian 12's kernel
    /// has no such device, Debian 13's has.
    #[test]
    fn a_picture_as_a_dma_buffer() {
        let Some(device) = udmabuf() else {
            println!("SKIP no /dev/udmabuf");
            return;
        };
        let file = memfd_create("ram", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&file, 16 * PAGE).unwrap();
        fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).unwrap();
        for page in 0..16 {
            pwrite(&file, &[page as u8 + 1; PAGE as usize], page * PAGE).unwrap();
        }
        let read_only = File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
        let layout = RamLayout::new(16 * PAGE, 8 * PAGE, 64 * PAGE).unwrap();
        let ram = GuestRam::new(read_only.into(), layout, Quota::default()).unwrap();
        let map = ram.map([(3, 2), (66, 1), (0, 1)], 4 * PAGE).unwrap();
        let exported = device.export(&map, PAGE + 100, 2 * PAGE).unwrap();
        assert_eq!(exported.offset, 100);
        assert_eq!(seek(&exported.buffer, SeekFrom::End(0)).unwrap(), 3 * PAGE);
        assert_eq!(heads(&exported.buffer, 3), [5, 11, 1]);
        pwrite(&file, &[99], 10 * PAGE).unwrap();
        assert_eq!(heads(&exported.buffer, 3), [5, 99, 1], "what the qube writes is seen");
        assert!(matches!(device.export(&map, 4 * PAGE - 1, 2), Err(MemoryError::OutOfBounds { .. })));
        println!("exported");
    }
}
