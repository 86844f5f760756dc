//! Qubes as machines.
//!
//! - [`client`]: how other dom0 programs talk to `transom-qubed`,
//! - [`memory`]: reading the memory that a qube granted,
//! - [`cli`]: the `transom qube …` command,
//! - [`store`]: qubes on disk, one KDL file each,
//! - [`machine`]: what a back end is; [`qemu`]: virtual machines; [`sandbox`]: none,
//! - [`image`]: what virtual machines boot from, and the `transom image …` command,
//! - [`qubed`]: the supervisor itself, run by the `transom-qubed` binary.
//!
//! Unsafe code is in [`memory`] only.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]

mod backends;
pub mod cli;
pub mod client;
pub mod image;
mod listener;
pub mod machine;
pub mod memory;
pub mod packet;
pub mod paths;
pub mod qemu;
pub mod qubed;
pub mod sandbox;
pub mod store;

pub use transom_protocol::supervisor;
