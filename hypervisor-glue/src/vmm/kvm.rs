//! The calls into KVM that are not safe by themselves.
#![allow(unsafe_code)]

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd},
};

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Cap, Kvm, VmFd};
use vm_memory::{Address as _, GuestMemoryBackend as _, GuestMemoryRegion as _};
use vmm_sys_util::eventfd::EventFd;

use super::{Error, memory::Ram};

/// The version of KVM's interface that has been the only one since 2007.
const API_VERSION: i32 = 12;

/// Opens `/dev/kvm` for [`super::Vm::new`], for callers that may open files.
pub fn open_kvm() -> Result<OwnedFd, Error> {
    let file = File::options().read(true).write(true).open("/dev/kvm");
    Ok(file.map_err(Error::at("open /dev/kvm"))?.into())
}

/// Takes a descriptor of `/dev/kvm`, after finding out that it is one.
pub(super) fn from_fd(fd: OwnedFd) -> Result<Kvm, Error> {
    // SAFETY: the descriptor is open and ours alone; `Kvm` closes it.
    let kvm = unsafe { Kvm::from_raw_fd(fd.into_raw_fd()) };
    if kvm.get_api_version() != API_VERSION {
        return Err(Error::Kvm("be used: the descriptor is not /dev/kvm"));
    }
    let needed = [
        (Cap::Irqchip, "emulate interrupt controllers"),
        (Cap::Ioeventfd, "notify by descriptors"),
        (Cap::Irqfd, "interrupt by descriptors"),
        (Cap::UserMemory, "run on memory of this process"),
        (Cap::SetTssAddr, "move its own pages"),
        (Cap::ExtCpuid, "set the processor's features"),
    ];
    for (capability, what) in needed {
        if !kvm.check_extension(capability) {
            return Err(Error::Kvm(what));
        }
    }
    Ok(kvm)
}

/// Gives RAM to the machine. `ram` must outlive it, which [`super::vm`] sees to.
pub(super) fn set_memory(vm: &VmFd, ram: &Ram) -> Result<(), Error> {
    for (slot, region) in ram.memory().iter().enumerate() {
        let host = ram
            .memory()
            .get_host_address(region.start_addr())
            .map_err(|error| Error::at("give RAM to KVM")(io::Error::other(error)))?;
        let region = kvm_userspace_memory_region {
            slot: slot as u32,
            guest_phys_addr: region.start_addr().raw_value(),
            memory_size: region.len(),
            userspace_addr: host as u64,
            flags: 0,
        };
        // SAFETY: the region is mapped for as long as `ram` lives, regions do not overlap, and
        // nobody holds references into it: it is only accessed by volatile copies.
        unsafe { vm.set_user_memory_region(region) }.map_err(Error::at("give RAM to KVM"))?;
    }
    Ok(())
}

/// An eventfd as a descriptor to wait for.
pub(super) fn borrow(event: &EventFd) -> BorrowedFd<'_> {
    // SAFETY: it is open for as long as `event` is borrowed.
    unsafe { BorrowedFd::borrow_raw(event.as_raw_fd()) }
}
