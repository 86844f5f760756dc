use std::io::{Seek as _, Write as _};

use linux_loader::loader::bootparam::boot_params;
use proptest::prelude::*;
use vm_memory::ByteValued as _;

use super::*;
use crate::vmm::memory::{Layout, MIN_RAM};

/// A file with the header of a kernel, and `code` at its 64-bit entry.
fn kernel(change: impl FnOnce(&mut setup_header), payload: usize) -> File {
    let mut header = setup_header {
        setup_sects: 1,
        syssize: (payload / 16) as u32,
        header: u32::from_le_bytes(*b"HdrS"),
        version: 0x020f,
        loadflags: 1,
        code32_start: 0x10_0000,
        initrd_addr_max: 0x7fff_ffff,
        xloadflags: XLF_KERNEL_64,
        pref_address: 0x100_0000,
        init_size: 0x10_0000,
        ..setup_header::default()
    };
    change(&mut header);
    let mut bytes = vec![0; 1024 + payload];
    bytes[0x1f1..0x1f1 + size_of::<setup_header>()].copy_from_slice(header.as_slice());
    bytes[1024..].fill(0xf4);
    file(&bytes)
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn try_load(kernel: File, initramfs: Option<File>) -> Result<(Ram, Entry), BootError> {
    let ram = Ram::new(MIN_RAM).unwrap();
    let mut boot = Boot { kernel, initramfs, command_line: "quiet".into() };
    load(&mut boot, &ram, b"RSD PTR ").map(|entry| (ram, entry))
}

#[test]
fn everything_is_where_the_kernel_looks_for_it() {
    let (ram, entry) = try_load(kernel(|_| (), 4096), Some(file(&[7; 5000]))).unwrap();
    assert_eq!(entry.address, 0x10_0200);
    let memory = ram.memory();
    assert_eq!(memory.read_obj::<u8>(GuestAddress(entry.address)).unwrap(), 0xf4);
    let parameters: boot_params = memory.read_obj(GuestAddress(layout::ZERO_PAGE)).unwrap();
    let (address, size, rsdp) =
        (parameters.hdr.ramdisk_image, parameters.hdr.ramdisk_size, parameters.acpi_rsdp_addr);
    assert_eq!((u64::from(address) % PAGE, size), (0, 5000));
    let mut last = [0; 1];
    memory.read_slice(&mut last, GuestAddress(u64::from(address) + 4999)).unwrap();
    assert_eq!(last, [7]);
    let mut mark = [0; 8];
    memory.read_slice(&mut mark, GuestAddress(rsdp)).unwrap();
    assert_eq!(&mark, b"RSD PTR ");
    let mut line = [0; 6];
    memory.read_slice(&mut line, GuestAddress(u64::from(parameters.hdr.cmd_line_ptr))).unwrap();
    assert_eq!(&line, b"quiet\0");
    assert_eq!(parameters.e820_entries, 3);
}

#[test]
fn wrong_kernels_are_refused_by_name() {
    let refused = |kernel| try_load(kernel, None).err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(refused(file(b"")), "the kernel is not a bzImage");
    assert_eq!(refused(file(&[0x7f; 8192])), "the kernel is not a bzImage");
    assert_eq!(refused(kernel(|header| header.header = 0, 64)), "the kernel is not a bzImage");
    assert!(refused(kernel(|header| header.version = 0x0204, 64)).contains("0x204"));
    assert!(refused(kernel(|header| header.xloadflags = 0, 64)).contains("64-bit"));
    assert!(refused(kernel(|header| header.syssize = 100, 64)).contains("cut off"));
    assert!(refused(kernel(|header| header.init_size = u32::MAX, 64)).contains("bytes of RAM"));
    assert!(refused(kernel(|header| header.pref_address = u64::MAX, 64)).contains("bytes of RAM"));
    // A directory cannot be read.
    assert!(refused(File::open("/").unwrap()).contains("cannot read the kernel"));
}

#[test]
fn an_initramfs_that_does_not_fit_is_refused() {
    let large = tempfile::tempfile().unwrap();
    for size in [MIN_RAM - 0x100_0000, MIN_RAM, u64::MAX / 4] {
        if large.set_len(size).is_err() {
            continue;
        }
        let error = try_load(kernel(|_| (), 64), Some(large.try_clone().unwrap())).err().unwrap();
        assert!(matches!(error, BootError::TooLarge { .. }), "{error}");
    }
}

#[test]
fn the_command_line_is_checked() {
    assert!(matches!(command_line("a\nb"), Err(BootError::CommandLine)));
    assert!(matches!(command_line("ü"), Err(BootError::CommandLine)));
    assert!(matches!(command_line(&"x".repeat(layout::COMMAND_LINE_MAX)), Err(BootError::CommandLine)));
    assert_eq!(command_line("x").unwrap(), b"x\0");
}

proptest! {
    #[test]
    fn any_file_is_loaded_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..4096), mark in any::<bool>()) {
        if mark && bytes.len() > 0x240 {
            bytes[0x202..0x206].copy_from_slice(b"HdrS");
            bytes[0x236] |= 1;
        }
        let _ = try_load(file(&bytes), None);
    }

    #[test]
    fn the_memory_map_is_in_order_and_covers_all_ram(pages in MIN_RAM / PAGE..=1 << 22) {
        let ram = Layout::new(pages * PAGE).unwrap();
        let map = parameters::memory_map(ram);
        let mut end = 0;
        let mut total = 0;
        for entry in map {
            let (start, size, kind) = (entry.addr, entry.size, entry.r#type);
            prop_assert!(start >= end);
            end = start + size;
            total += size;
            prop_assert!(kind == 2 || ram.offset_of(start, size).is_some());
        }
        prop_assert_eq!(total, ram.size());
    }
}
