//! Puts a Linux kernel into RAM as a 64-bit boot loader does (`Documentation/arch/x86/boot.rst`):
//! bzImage, initramfs, command line, memory map and the zero page.
//!
//! The compressed image is loaded, not the unpacked one, so that the kernel still places itself at
//! random (KASLR).

mod parameters;

use std::{fs::File, io::Read as _, os::unix::fs::FileExt as _};

use linux_loader::loader::{
    Error as LoaderError, KernelLoader as _,
    bootparam::setup_header,
    bzimage::{BzImage, Error as BzImageError},
};
use vm_memory::{Bytes as _, GuestAddress};

use super::{
    layout,
    memory::{PAGE, Ram},
};

/// What to boot.
#[derive(Debug)]
pub struct Boot {
    /// The kernel: a bzImage with a 64-bit entry.
    pub kernel: File,
    /// The first root file system, if any.
    pub initramfs: Option<File>,
    /// The kernel's command line, printable ASCII.
    pub command_line: String,
}

/// Why a kernel cannot be booted. It is about the files given, not about the guest.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The file is no bzImage at all.
    #[error("the kernel is not a bzImage")]
    NotKernel,
    /// A bzImage that is too old or for 32 bits.
    #[error("the kernel cannot be entered in 64-bit mode (boot protocol {0:#x})")]
    No64BitEntry(u16),
    /// The file ends before the kernel does.
    #[error("the kernel is cut off: it should have {expected} bytes and has {there}")]
    Truncated {
        /// Least bytes, by its header.
        expected: u64,
        /// Bytes of the file.
        there: u64,
    },
    /// Kernel and initramfs do not fit into RAM.
    #[error("kernel and initramfs need {needed} bytes of RAM, there are {there}")]
    TooLarge {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes of RAM.
        there: u64,
    },
    /// The command line is too long, or has bytes that are not printable.
    #[error("the command line must be printable ASCII of less than {} bytes", layout::COMMAND_LINE_MAX)]
    CommandLine,
    /// A file cannot be read.
    #[error("cannot read the {what}: {source}")]
    Read {
        /// Which.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// RAM cannot be written; with RAM of a legal size this does not happen.
    #[error("cannot write boot data into RAM: {0}")]
    Memory(#[from] vm_memory::GuestMemoryError),
}

/// Where the first vCPU starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its instruction pointer.
    pub address: u64,
}

/// In `setup_header.xloadflags`: there is a 64-bit entry at 0x200.
const XLF_KERNEL_64: u16 = 1;
/// Version 2.12 of the boot protocol has `xloadflags`.
const LEAST_VERSION: u16 = 0x020c;
/// The 64-bit entry, from where the kernel is loaded.
const ENTRY_64: u64 = 0x200;

/// Writes everything that the kernel needs into RAM. `acpi` are the tables for [`layout::ACPI`],
/// the root pointer first.
pub fn load(boot: &mut Boot, ram: &Ram, acpi: &[u8]) -> Result<Entry, BootError> {
    let line = command_line(&boot.command_line)?;
    let (header, kernel_end) = load_kernel(&boot.kernel, ram)?;
    let initramfs = boot.initramfs.as_mut().map(|file| load_initramfs(file, ram, &header, kernel_end));
    let initramfs = initramfs.transpose()?;
    let memory = ram.memory();
    memory.write_slice(&line, GuestAddress(layout::COMMAND_LINE))?;
    memory.write_slice(acpi, GuestAddress(layout::ACPI))?;
    memory.write_slice(&reset_code(), GuestAddress(layout::RESET_VECTOR))?;
    let parameters = parameters::boot_params(header, ram.layout(), &line, initramfs);
    memory.write_obj(parameters, GuestAddress(layout::ZERO_PAGE))?;
    Ok(Entry { address: layout::HIGH_RAM + ENTRY_64 })
}

/// All the firmware there is: real-mode code that writes to the reset register and halts.
fn reset_code() -> [u8; 7] {
    let [low, high] = layout::RESET.to_le_bytes();
    // mov dx, port; mov al, value; out dx, al; hlt
    [0xba, low, high, 0xb0, layout::RESET_VALUE, 0xee, 0xf4]
}

/// The command line with its ending zero byte.
fn command_line(text: &str) -> Result<Vec<u8>, BootError> {
    let printable = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !printable || text.len() >= layout::COMMAND_LINE_MAX {
        return Err(BootError::CommandLine);
    }
    Ok([text.as_bytes(), &[0]].concat())
}

/// Loads the kernel; says where the memory it needs for itself ends.
fn load_kernel(mut file: &File, ram: &Ram) -> Result<(setup_header, u64), BootError> {
    let read = |source| BootError::Read { what: "kernel", source };
    let there = file.metadata().map_err(read)?.len();
    let header = read_header(file).map_err(read)?.ok_or(BootError::NotKernel)?;
    let version = header.version;
    if version < LEAST_VERSION || header.xloadflags & XLF_KERNEL_64 == 0 {
        return Err(BootError::No64BitEntry(version));
    }
    // The loader takes what the file has; a kernel that was cut off would hang while unpacking.
    let setup = (u64::from(if header.setup_sects == 0 { 4 } else { header.setup_sects }) + 1) * 512;
    let expected = setup + u64::from(header.syssize) * 16;
    if there < expected {
        return Err(BootError::Truncated { expected, there });
    }
    // It unpacks itself at the preferred address or above, into `init_size` bytes.
    let size = u64::from(header.init_size).max(there - setup);
    let end = header.pref_address.max(layout::HIGH_RAM).checked_add(size);
    let available = ram.layout().size().min(layout::HOLE_START);
    let end = end
        .filter(|end| *end <= available)
        .ok_or(BootError::TooLarge { needed: end.unwrap_or(u64::MAX), there: ram.layout().size() })?;
    let start = GuestAddress(layout::HIGH_RAM);
    let loaded =
        BzImage::load(ram.memory(), Some(start), &mut file, Some(start)).map_err(|error| match error {
            LoaderError::Bzimage(BzImageError::ReadBzImageCompressedKernel) => {
                BootError::Truncated { expected, there }
            }
            _ => BootError::NotKernel,
        })?;
    Ok((loaded.setup_header.unwrap_or(header), end))
}

/// The setup header, if the file has the mark of one.
fn read_header(file: &File) -> std::io::Result<Option<setup_header>> {
    use vm_memory::ByteValued as _;
    let mut header = setup_header::default();
    match file.read_exact_at(header.as_mut_slice(), 0x1f1) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        result => result?,
    }
    Ok((header.header == u32::from_le_bytes(*b"HdrS")).then_some(header))
}

/// Loads the initramfs as high as the kernel allows. Says its address and size.
fn load_initramfs(
    file: &mut File,
    ram: &Ram,
    header: &setup_header,
    kernel_end: u64,
) -> Result<(u32, u32), BootError> {
    let read = |source| BootError::Read { what: "initramfs", source };
    let size = file.metadata().map_err(read)?.len();
    let top = ram.layout().size().min(layout::HOLE_START).min(u64::from(header.initrd_addr_max) + 1);
    let address = top.checked_sub(size).map(|address| address & !(PAGE - 1));
    let address = address
        .filter(|address| *address >= kernel_end)
        .ok_or(BootError::TooLarge { needed: kernel_end.saturating_add(size), there: ram.layout().size() })?;
    let mut source = file.take(size);
    ram.memory()
        .read_exact_volatile_from(GuestAddress(address), source.get_mut(), size as usize)
        .map_err(|error| BootError::Read { what: "initramfs", source: std::io::Error::other(error) })?;
    // Both are below 3 GiB.
    Ok((address as u32, size as u32))
}

#[cfg(test)]
mod tests;
