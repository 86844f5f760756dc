//! Where things lie in the guest's address space. All numbers are guest-physical.

/// The first page that is not RAM on a PC of old: nothing is loaded at or above it but firmware
/// tables, until [`HIGH_RAM`].
pub const LOW_RAM_END: u64 = 0x9_fc00;
/// Segment descriptors for the first vCPU.
pub const GDT: u64 = 0x500;
/// An empty interrupt table for the first vCPU.
pub const IDT: u64 = 0x520;
/// `struct boot_params`, one page: the "zero page".
pub const ZERO_PAGE: u64 = 0x7000;
/// Stack of the first vCPU, growing down from here.
pub const BOOT_STACK: u64 = 0x8ff0;
/// Page tables of the first vCPU: one of level 4, one of level 3, four of level 2.
pub const PAGE_TABLES: u64 = 0x9000;
/// The kernel's command line.
pub const COMMAND_LINE: u64 = 0x2_0000;
/// Most bytes of the command line, its ending zero byte included.
pub const COMMAND_LINE_MAX: usize = 2048;
/// ACPI tables, in the area that a kernel expects firmware in.
pub const ACPI: u64 = 0xe_0000;
/// Bytes for ACPI tables.
pub const ACPI_MAX: usize = (RESET_VECTOR - ACPI) as usize;
/// Where a processor of old begins, in real mode, after a reset. Linux jumps there to restart a
/// machine with reduced hardware and without EFI.
pub const RESET_VECTOR: u64 = 0xf_fff0;
/// RAM goes on here; the kernel is loaded here.
pub const HIGH_RAM: u64 = 0x10_0000;

/// RAM ends here at the latest, to go on at [`HOLE_END`].
pub const HOLE_START: u64 = 3 << 30;
/// The first address above the hole for devices.
pub const HOLE_END: u64 = 4 << 30;
/// Registers of the first virtio device; one page for each.
pub const VIRTIO: u64 = 0xd000_0000;
/// Bytes between two virtio devices.
pub const VIRTIO_STRIDE: u64 = 0x1000;
/// KVM's IO-APIC.
pub const IO_APIC: u32 = 0xfec0_0000;
/// KVM's local APICs.
pub const LOCAL_APIC: u32 = 0xfee0_0000;
/// Three pages that KVM on Intel needs for itself.
pub const KVM_TSS: usize = 0xfffb_d000;
/// One page that KVM on Intel needs for itself.
pub const KVM_IDENTITY_MAP: u64 = 0xfffb_c000;

/// First port of the serial console.
pub const COM1: u16 = 0x3f8;
/// Ports of the serial console.
pub const COM1_PORTS: u16 = 8;
/// Interrupt of the serial console.
pub const COM1_GSI: u32 = 4;
/// Interrupt of the first virtio device; one for each. The IO-APIC has 24.
pub const VIRTIO_GSI: u32 = 5;
/// Most virtio devices.
pub const MAX_VIRTIO: usize = 19;

/// ACPI's sleep control register: power off.
pub const SLEEP_CONTROL: u16 = 0x600;
/// ACPI's sleep status register.
pub const SLEEP_STATUS: u16 = 0x601;
/// ACPI's reset register.
pub const RESET: u16 = 0x602;
/// The value that resets.
pub const RESET_VALUE: u8 = 0x5a;
/// The port by which a guest tells of its panic (`QEMU0001`).
pub const PVPANIC: u16 = 0x604;
/// The sleep type of power-off, as the `_S5` object says.
pub const SLEEP_TYPE_OFF: u8 = 5;

/// Most vCPUs: a local APIC's number has 8 bits and 255 means all.
pub const MAX_VCPUS: u8 = 254;
