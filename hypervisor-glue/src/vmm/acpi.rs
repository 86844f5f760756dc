//! ACPI tables of a machine with reduced hardware: all that a stock kernel learns of it.
//!
//! RSDP, XSDT, FADT (`HW_REDUCED_ACPI`, with the sleep and reset registers), MADT (vCPUs and
//! IO-APIC) and a DSDT with the serial port (`PNP0501`, for with reduced hardware there are no
//! interrupts of old), the panic port (`QEMU0001`) and a node for each virtio device (`LNRO0005`).

use acpi_tables::{
    Aml,
    aml::{Device, EISAName, IO, Interrupt, Memory32Fixed, Name, Package, Path, ResourceTemplate, Scope},
    fadt::{FADTBuilder, Flags, PmProfile},
    gas::{AccessSize, AddressSpace, GAS},
    madt::{EnabledStatus, IoApic, LocalInterruptController, MADT, ProcessorLocalApic},
    rsdp::Rsdp,
    sdt::Sdt,
    xsdt::XSDT,
};

use super::layout;

const OEM: [u8; 6] = *b"TRANSM";
const OEM_TABLE: [u8; 8] = *b"TRANSOM ";
const OEM_REVISION: u32 = 1;
/// A table's header.
const HEADER: u32 = 36;

/// The tables of a machine with `vcpus` vCPUs and `devices` virtio devices, to be written at
/// [`layout::ACPI`]; the root pointer is at the beginning.
pub fn tables(vcpus: u8, devices: usize) -> Vec<u8> {
    // The root pointer names the XSDT, which names the others, which must lie somewhere: so they are
    // laid out from the last to the first, behind the room for the root pointer.
    let mut bytes = vec![0; Rsdp::len().next_multiple_of(16)];
    let dsdt = place(&mut bytes, dsdt(devices).as_slice());
    let fadt = place(&mut bytes, &to_bytes(&fadt(dsdt)));
    let madt = place(&mut bytes, &to_bytes(&madt(vcpus)));
    let mut xsdt = XSDT::new(OEM, OEM_TABLE, OEM_REVISION);
    xsdt.add_entry(fadt);
    xsdt.add_entry(madt);
    let xsdt = place(&mut bytes, &to_bytes(&xsdt));
    let root = to_bytes(&Rsdp::new(OEM, xsdt));
    bytes[..root.len()].copy_from_slice(&root);
    bytes
}

/// Appends a table, says its address.
fn place(bytes: &mut Vec<u8>, table: &[u8]) -> u64 {
    let address = layout::ACPI + bytes.len() as u64;
    bytes.extend_from_slice(table);
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    address
}

fn to_bytes(table: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.to_aml_bytes(&mut bytes);
    bytes
}

fn fadt(dsdt: u64) -> impl Aml {
    let port =
        |number: u16| GAS::new(AddressSpace::SystemIo, 8, 0, AccessSize::ByteAccess, u64::from(number));
    let mut table = FADTBuilder::new(OEM, OEM_TABLE, OEM_REVISION)
        .dsdt_64(dsdt)
        .preferred_pm_profile(PmProfile::PerformanceServer)
        .flag(Flags::HwReducedAcpi)
        .flag(Flags::ResetRegSup)
        // There are no buttons with registers of their own.
        .flag(Flags::PwrButton)
        .flag(Flags::SlpButton);
    table.reset_reg = port(layout::RESET);
    table.reset_value = layout::RESET_VALUE;
    table.sleep_control_reg = port(layout::SLEEP_CONTROL);
    table.sleep_status_reg = port(layout::SLEEP_STATUS);
    // No VGA, no ASPM, no clock of old: what is not there need not be looked for.
    table.iapc_boot_arch = (1 << 2 | 1 << 4 | 1 << 5).into();
    table.finalize()
}

fn madt(vcpus: u8) -> MADT {
    let address = LocalInterruptController::Address(layout::LOCAL_APIC);
    let mut table = MADT::new(OEM, OEM_TABLE, OEM_REVISION, address);
    for id in 0..vcpus {
        table.add_structure(ProcessorLocalApic::new(id, id, EnabledStatus::Enabled));
    }
    table.add_structure(IoApic::new(0, layout::IO_APIC, 0));
    table
}

fn dsdt(devices: usize) -> Sdt {
    let mut table = Sdt::new(*b"DSDT", HEADER, 6, OEM, OEM_TABLE, OEM_REVISION);
    // Power-off.
    let off = Package::new(vec![&layout::SLEEP_TYPE_OFF, &0_u8]);
    table.append_slice(&to_bytes(&Name::new(Path::new("_S5_"), &off)));
    let line = |gsi| Interrupt::new(true, true, false, false, gsi);
    let ports = IO::new(layout::COM1, layout::COM1, 1, layout::COM1_PORTS as u8);
    let serial = EISAName::new("PNP0501");
    table.append_slice(&device("COM1", &serial, 0, vec![&line(layout::COM1_GSI), &ports]));
    let port = IO::new(layout::PVPANIC, layout::PVPANIC, 1, 1);
    table.append_slice(&device("PEVT", &"QEMU0001", 0, vec![&port]));
    for index in 0..devices as u32 {
        let address = layout::VIRTIO as u32 + index * layout::VIRTIO_STRIDE as u32;
        let registers = Memory32Fixed::new(true, address, layout::VIRTIO_STRIDE as u32);
        let line = line(layout::VIRTIO_GSI + index);
        table.append_slice(&device(&format!("V{index:03}"), &"LNRO0005", index, vec![&registers, &line]));
    }
    table
}

/// A device on the system bus, present and working.
fn device(name: &str, id: &dyn Aml, number: u32, resources: Vec<&dyn Aml>) -> Vec<u8> {
    // Present, enabled, shown, working.
    const PRESENT: u8 = 0xf;
    let resources = ResourceTemplate::new(resources);
    let names = [
        Name::new(Path::new("_HID"), id),
        Name::new(Path::new("_UID"), &number),
        Name::new(Path::new("_STA"), &PRESENT),
        // DMA sees what the processor wrote.
        Name::new(Path::new("_CCA"), &1_u8),
        Name::new(Path::new("_CRS"), &resources),
    ];
    let device = Device::new(Path::new(name), names.iter().map(|name| name as &dyn Aml).collect());
    to_bytes(&Scope::new(Path::new("_SB_"), vec![&device]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
    }

    fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
        bytes[at..at + N].try_into().unwrap()
    }

    fn table(bytes: &[u8], address: u64) -> &[u8] {
        let start = (address - layout::ACPI) as usize;
        let length = u32::from_le_bytes(number(bytes, start + 4)) as usize;
        &bytes[start..start + length]
    }

    fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
        bytes.windows(wanted.len()).any(|window| window == wanted)
    }

    #[test]
    fn every_table_is_reached_and_its_sum_is_zero() {
        for (vcpus, devices) in [(1, 0), (2, 5), (layout::MAX_VCPUS, layout::MAX_VIRTIO)] {
            let bytes = tables(vcpus, devices);
            assert!(bytes.len() <= layout::ACPI_MAX);
            assert_eq!(&bytes[..8], b"RSD PTR ");
            assert_eq!((sum(&bytes[..20]), sum(&bytes[..36])), (0, 0));
            let xsdt = table(&bytes, u64::from_le_bytes(number(&bytes, 24)));
            assert_eq!((&xsdt[..4], sum(xsdt)), (&b"XSDT"[..], 0));
            let fadt = table(&bytes, u64::from_le_bytes(number(xsdt, 36)));
            assert_eq!((&fadt[..4], sum(fadt)), (&b"FACP"[..], 0));
            let madt = table(&bytes, u64::from_le_bytes(number(xsdt, 44)));
            assert_eq!((&madt[..4], sum(madt)), (&b"APIC"[..], 0));
            let dsdt = table(&bytes, u64::from_le_bytes(number(fadt, 140)));
            assert_eq!((&dsdt[..4], sum(dsdt)), (&b"DSDT"[..], 0));
            // One entry for each vCPU, then the IO-APIC.
            assert_eq!(madt.len(), 44 + usize::from(vcpus) * 8 + 12);
        }
    }

    #[test]
    fn the_fixed_table_has_reset_and_sleep_registers() {
        let table = to_bytes(&fadt(layout::ACPI));
        let flags = u32::from_le_bytes(number(&table, 112));
        assert_eq!(flags & (1 << 20 | 1 << 10), 1 << 20 | 1 << 10);
        for (at, port) in [(116, layout::RESET), (244, layout::SLEEP_CONTROL), (256, layout::SLEEP_STATUS)] {
            // In the ports' space, 8 bits wide, accessed by bytes.
            assert_eq!(table[at..at + 4], [1, 8, 0, 1]);
            assert_eq!(u64::from_le_bytes(number(&table, at + 4)), u64::from(port));
        }
        assert_eq!(table[128], layout::RESET_VALUE);
    }

    #[test]
    fn the_devices_are_named_with_their_addresses_and_interrupts() {
        let table = dsdt(2);
        let code = &table.as_slice()[36..];
        // Name (_S5_, Package (2) {5, 0})
        assert!(contains(code, b"\x08_S5_\x12\x05\x02\x0a\x05\x00"));
        // Name (_HID, "LNRO0005") twice; EISAID ("PNP0501").
        assert_eq!(code.windows(8).filter(|window| window == b"LNRO0005").count(), 2);
        assert!(contains(code, &[0x0c, 0x41, 0xd0, 0x05, 0x01]));
        for index in 0..2_u32 {
            // Memory32Fixed (ReadWrite, base, 0x1000), then Interrupt (consumer, edge, high) {gsi}.
            let mut wanted = vec![0x86, 9, 0, 1];
            wanted.extend((0xd000_0000 + index * 0x1000).to_le_bytes());
            wanted.extend(0x1000_u32.to_le_bytes());
            wanted.extend([0x89, 6, 0, 3, 1]);
            wanted.extend((5 + index).to_le_bytes());
            assert!(contains(code, &wanted));
        }
    }
}
