//! Qubes as machines.
//!
//! - [`client`]: how other dom0 programs talk to `transom-qubed`,
//! - [`memory`]: reading the memory that a qube granted,
//! - [`cli`]: the `transom qube …` command,
//! - [`store`]: qubes on disk, one KDL file each; [`backup`]: all of them in one encrypted file, and back;
//!   [`encryption`]: their volumes, which only a passphrase opens,
//! - [`machine`]: what a back end is; [`kvm`]: virtual machines by the linked VMM, [`qemu`]: by
//!   QEMU, [`sandbox`]: no virtual machine,
//! - [`vmm`]: the linked virtual machine monitor, a library of its own, and `transom-vmm`,
//! - [`overlay`]: what was written to a volume that shares the rest with its clones,
//! - [`volume_server`]: an encrypted or shared volume for QEMU, and `transom-volume`,
//! - [`image`]: what virtual machines boot from, and the `transom image …` command,
//! - [`policy`]: which services of other qubes a qube may call,
//! - [`qubed`]: the supervisor itself, run by the `transom-qubed` binary.
//!
//! Unsafe code is in [`memory`] and in [`vmm`] (`kvm`, `jail/namespaces`) only.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

mod backends;
pub mod backup;
pub mod cli;
pub mod client;
pub mod encryption;
pub mod image;
pub mod kvm;
mod listener;
pub mod machine;
pub mod memory;
pub mod overlay;
pub mod packet;
pub mod paths;
pub mod policy;
pub mod qemu;
pub mod qubed;
pub mod sandbox;
pub mod store;
mod user;
pub mod vmm;
pub mod volume_server;

pub use transom_protocol::supervisor;
