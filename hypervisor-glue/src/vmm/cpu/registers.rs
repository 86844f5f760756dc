//! Registers: those of the 64-bit boot protocol, and what a processor has after power-on.

use kvm_bindings::{Msrs, kvm_fpu, kvm_msr_entry, kvm_regs, kvm_segment};
use kvm_ioctls::VcpuFd;
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryError};

use crate::vmm::{Error, boot::Entry, layout, memory::GuestRam};

/// Selectors that the boot protocol wants, and a task segment that long mode must have.
const CODE: u16 = 0x10;
const DATA: u16 = 0x18;
const TASK: u16 = 0x20;

const CR0_PROTECTED: u64 = 1;
const CR0_EXTENSION: u64 = 1 << 4;
const CR0_PAGING: u64 = 1 << 31;
const CR4_PAE: u64 = 1 << 5;
const EFER_LONG: u64 = 1 << 8;
const EFER_LONG_ACTIVE: u64 = 1 << 10;

/// In a page table: present, writable.
const PRESENT: u64 = 1 | 2;
/// In a table of level 2: a page of 2 MiB.
const LARGE: u64 = 1 << 7;

/// The state in which the kernel is entered: long mode, the first 4 GiB mapped one to one,
/// interrupts off, the zero page in RSI.
pub(super) fn enter_kernel(vcpu: &VcpuFd, entry: Entry, memory: &GuestRam) -> Result<(), Error> {
    let written = write_tables(memory).and_then(|()| write_gdt(memory));
    written.map_err(|error| Error::at("write boot tables")(std::io::Error::other(error)))?;

    let mut special = vcpu.get_sregs().map_err(Error::at("read a vCPU's registers"))?;
    special.cs = segment(CODE, 0xb, true);
    let data = segment(DATA, 0x3, false);
    (special.ds, special.es, special.fs, special.gs, special.ss) = (data, data, data, data, data);
    special.tr = kvm_segment { l: 0, db: 0, s: 0, g: 0, limit: 0x67, ..segment(TASK, 0xb, false) };
    special.gdt.base = layout::GDT;
    special.gdt.limit = 5 * 8 - 1;
    special.idt.base = layout::IDT;
    special.idt.limit = 7;
    special.cr0 = CR0_PROTECTED | CR0_EXTENSION | CR0_PAGING;
    special.cr3 = layout::PAGE_TABLES;
    special.cr4 = CR4_PAE;
    special.efer = EFER_LONG | EFER_LONG_ACTIVE;
    vcpu.set_sregs(&special).map_err(Error::at("set a vCPU's registers"))?;

    vcpu.set_regs(&kvm_regs {
        rip: entry.address,
        rsi: layout::ZERO_PAGE,
        rsp: layout::BOOT_STACK,
        rbp: layout::BOOT_STACK,
        // Bit 1 is always set.
        rflags: 2,
        ..kvm_regs::default()
    })
    .map_err(Error::at("set a vCPU's registers"))?;
    // As after FNINIT.
    vcpu.set_fpu(&kvm_fpu { fcw: 0x37f, mxcsr: 0x1f80, ..kvm_fpu::default() })
        .map_err(Error::at("set a vCPU's registers"))
}

fn segment(selector: u16, kind: u8, code: bool) -> kvm_segment {
    kvm_segment {
        base: 0,
        limit: 0xffff_ffff,
        selector,
        type_: kind,
        present: 1,
        dpl: 0,
        db: u8::from(!code),
        s: 1,
        l: u8::from(code),
        g: 1,
        ..kvm_segment::default()
    }
}

fn write_gdt(memory: &GuestRam) -> Result<(), GuestMemoryError> {
    let descriptors: [u64; 5] = [
        0,
        0,
        // Code of 64 bits, data of 32, a task segment at 0.
        0x00af_9b00_0000_ffff,
        0x00cf_9300_0000_ffff,
        0x0000_8b00_0000_0067,
    ];
    for (index, descriptor) in descriptors.into_iter().enumerate() {
        memory.write_obj(descriptor, GuestAddress(layout::GDT + index as u64 * 8))?;
    }
    memory.write_obj(0_u64, GuestAddress(layout::IDT))
}

fn write_tables(memory: &GuestRam) -> Result<(), GuestMemoryError> {
    let level_4 = layout::PAGE_TABLES;
    let level_3 = level_4 + 0x1000;
    let level_2 = level_3 + 0x1000;
    memory.write_obj(level_3 | PRESENT, GuestAddress(level_4))?;
    for gib in 0..4 {
        let table = level_2 + gib * 0x1000;
        memory.write_obj(table | PRESENT, GuestAddress(level_3 + gib * 8))?;
        let mut entries = [0; 4096];
        for (index, entry) in entries.chunks_exact_mut(8).enumerate() {
            let page = gib << 30 | (index as u64) << 21;
            entry.copy_from_slice(&(page | PRESENT | LARGE).to_le_bytes());
        }
        memory.write_slice(&entries, GuestAddress(table))?;
    }
    Ok(())
}

/// Model-specific registers as after power-on, where Linux trusts firmware to have set them.
pub(super) fn set_msrs(vcpu: &VcpuFd) -> Result<(), Error> {
    const SYSENTER_CS: u32 = 0x174;
    const SYSENTER_ESP: u32 = 0x175;
    const SYSENTER_EIP: u32 = 0x176;
    const MISC_ENABLE: u32 = 0x1a0;
    const MTRR_DEFAULT: u32 = 0x2ff;
    const STAR: u32 = 0xc000_0081;
    const LSTAR: u32 = 0xc000_0082;
    const CSTAR: u32 = 0xc000_0083;
    const SYSCALL_MASK: u32 = 0xc000_0084;
    const KERNEL_GS_BASE: u32 = 0xc000_0102;
    /// Fast string operations.
    const FAST_STRING: u64 = 1;
    /// MTRRs on, all memory write-back.
    const WRITE_BACK: u64 = 1 << 11 | 6;
    let values = [
        (SYSENTER_CS, 0),
        (SYSENTER_ESP, 0),
        (SYSENTER_EIP, 0),
        (MISC_ENABLE, FAST_STRING),
        (MTRR_DEFAULT, WRITE_BACK),
        (STAR, 0),
        (LSTAR, 0),
        (CSTAR, 0),
        (SYSCALL_MASK, 0),
        (KERNEL_GS_BASE, 0),
    ]
    .map(|(index, data)| kvm_msr_entry { index, data, ..kvm_msr_entry::default() });
    let msrs = Msrs::from_entries(&values)
        .map_err(|error| Error::at("set a vCPU's registers")(std::io::Error::other(format!("{error:?}"))))?;
    let set = vcpu.set_msrs(&msrs).map_err(Error::at("set a vCPU's registers"))?;
    if set < values.len() {
        let index = values[set].index;
        tracing::warn!(index = format_args!("{index:#x}"), "KVM refuses a model-specific register");
    }
    Ok(())
}

/// Local interrupt 1 is the NMI, as a PC has it.
pub(super) fn set_local_apic(vcpu: &VcpuFd) -> Result<(), Error> {
    const LVT_LINT1: usize = 0x360;
    const NMI: u32 = 4 << 8;
    let mut apic = vcpu.get_lapic().map_err(Error::at("read a vCPU's APIC"))?;
    for (register, byte) in apic.regs[LVT_LINT1..LVT_LINT1 + 4].iter_mut().zip(NMI.to_le_bytes()) {
        *register = byte as _;
    }
    vcpu.set_lapic(&apic).map_err(Error::at("set a vCPU's APIC"))
}
