//! A vCPU before its first instruction: what it says it can do, its model-specific registers, and
//! for the first one the state in which the kernel wants to be entered.

mod cpuid;
mod registers;

use kvm_bindings::{CpuId, KVM_MAX_CPUID_ENTRIES};
use kvm_ioctls::{Kvm, VcpuFd};

use super::{Error, boot::Entry, memory::GuestRam};

/// What is the same for all vCPUs.
#[derive(Debug)]
pub(super) struct Template {
    cpuid: CpuId,
    count: u8,
}

impl Template {
    /// Asks KVM what this machine can do for guests.
    pub(super) fn new(kvm: &Kvm, count: u8) -> Result<Self, Error> {
        let cpuid = kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(Error::at("ask KVM for the processor's features"))?;
        Ok(Self { cpuid, count })
    }

    /// Prepares vCPU `id`. Those after the first wait until the kernel starts them.
    pub(super) fn apply(
        &self,
        vcpu: &VcpuFd,
        id: u8,
        entry: Option<Entry>,
        memory: &GuestRam,
    ) -> Result<(), Error> {
        let mut cpuid = self.cpuid.clone();
        cpuid::adapt(cpuid.as_mut_slice(), id, self.count);
        vcpu.set_cpuid2(&cpuid).map_err(Error::at("set a vCPU's features"))?;
        registers::set_msrs(vcpu)?;
        registers::set_local_apic(vcpu)?;
        if let Some(entry) = entry {
            registers::enter_kernel(vcpu, entry, memory)?;
        }
        Ok(())
    }
}
