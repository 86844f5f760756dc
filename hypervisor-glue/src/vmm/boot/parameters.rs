//! The zero page: what a boot loader tells the kernel.

use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};

use crate::vmm::{layout, memory::Layout};

/// Usable RAM, as the memory map calls it.
const RAM: u32 = 1;
/// Not to be used.
const RESERVED: u32 = 2;
/// "Some other boot loader", for there is no number for ours.
const LOADER_TYPE: u8 = 0xff;

/// The zero page. `initramfs` is its address and size.
pub(super) fn boot_params(
    mut header: setup_header,
    ram: Layout,
    line: &[u8],
    initramfs: Option<(u32, u32)>,
) -> boot_params {
    header.type_of_loader = LOADER_TYPE;
    header.cmd_line_ptr = layout::COMMAND_LINE as u32;
    header.cmdline_size = line.len() as u32;
    (header.ramdisk_image, header.ramdisk_size) = initramfs.unwrap_or((0, 0));
    let mut parameters = boot_params { hdr: header, acpi_rsdp_addr: layout::ACPI, ..boot_params::default() };
    let map = memory_map(ram);
    parameters.e820_entries = map.len() as u8;
    parameters.e820_table[..map.len()].copy_from_slice(&map);
    parameters
}

/// What is RAM and what is not, by address.
pub(super) fn memory_map(ram: Layout) -> Vec<boot_e820_entry> {
    let entry = |start: u64, end: u64, kind| boot_e820_entry { addr: start, size: end - start, r#type: kind };
    let mut map =
        vec![entry(0, layout::LOW_RAM_END, RAM), entry(layout::LOW_RAM_END, layout::HIGH_RAM, RESERVED)];
    for part in ram.parts() {
        map.push(entry(part.address.max(layout::HIGH_RAM), part.address + part.size, RAM));
    }
    map
}
