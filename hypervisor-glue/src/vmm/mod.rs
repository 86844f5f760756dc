//! A virtual machine monitor on KVM, as a library: it boots a stock Linux kernel and knows nothing
//! of the rest of Transom.
//!
//! ```text
//! Vm::new ──► Vm::start ──► Running::run ──► Exit
//! RAM, kernel,  a thread for   one loop for all      power-off, reset,
//! tables,       each vCPU,     devices, in the       panic, fault
//! devices       at a gate      caller's thread
//! ```
//!
//! - [`memory`]: guest RAM, one memfd sealed in its size; [`layout`]: the address map,
//! - [`boot`]: the kernel into RAM; [`acpi`]: the tables by which it finds its devices,
//! - [`devices`]: virtio over memory-mapped registers, serial console, power,
//! - [`jail`]: what keeps the process in if a guest takes it over,
//! - [`control`]: what is said between the process `transom-vmm` and its parent;
//!   [`client`]: the parent's side; [`process`]: the program itself.
//!
//! See `docs/vmm.md`. Unsafe code is in `kvm` (memory slots, a descriptor as KVM's) and
//! `jail/namespaces` (leaving them, the fork) only.

pub mod acpi;
pub mod boot;
mod bus;
pub mod client;
pub mod control;
mod cpu;
pub mod devices;
mod event_loop;
pub mod jail;
mod kvm;
pub mod layout;
pub mod memory;
pub mod process;
pub mod timing;
mod vcpu;
mod vm;

use std::{fmt, io};

use serde::{Deserialize, Serialize};

pub use event_loop::{Order, Owner, Running};
pub use kvm::open_kvm;
pub use vm::{Config, Vm};

/// How a guest came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// It switched itself off.
    PowerOff,
    /// It wants to start anew.
    Reset,
    /// Its kernel panicked and said so.
    Panic,
    /// Its processor gave up: three faults within each other. An early panic looks like this.
    TripleFault,
    /// Whoever runs it wanted it to stop.
    Stopped,
    /// KVM cannot run it any further.
    Failed(String),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PowerOff => f.write_str("the machine switched itself off"),
            Self::Reset => f.write_str("the machine wants to restart"),
            Self::Panic => f.write_str("the machine's kernel panicked"),
            Self::TripleFault => f.write_str("the machine's processor gave up (triple fault)"),
            Self::Stopped => f.write_str("the machine was stopped"),
            Self::Failed(why) => write!(f, "the machine cannot run any further: {why}"),
        }
    }
}

/// Why a machine cannot be built or started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// RAM of a size that cannot be had.
    #[error(
        "{0} bytes of RAM: it must be whole pages, at least {min} MiB and at most {max} GiB",
        min = memory::MIN_RAM >> 20,
        max = memory::MAX_RAM >> 30
    )]
    RamSize(u64),
    /// No vCPU, or more than there can be.
    #[error("{asked} vCPUs: there must be 1 to {most}")]
    Vcpus {
        /// How many were asked for.
        asked: u8,
        /// How many there can be here.
        most: u8,
    },
    /// More devices than there are interrupts.
    #[error("{0} devices: there can be at most {most}", most = layout::MAX_VIRTIO)]
    Devices(usize),
    /// KVM lacks something.
    #[error("KVM here cannot {0}")]
    Kvm(&'static str),
    /// The kernel or the initramfs.
    #[error(transparent)]
    Boot(#[from] boot::BootError),
    /// A disk.
    #[error(transparent)]
    Disk(#[from] devices::block::DiskError),
    /// The jail.
    #[error(transparent)]
    Jail(#[from] jail::JailError),
    /// The system refused.
    #[error("cannot {doing}: {source}")]
    System {
        /// At which step.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// Says at which step the system refused.
    pub(crate) fn at<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { doing, source: source.into() }
    }
}
