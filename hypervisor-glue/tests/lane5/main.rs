//! Lane 5: the linked VMM boots a stock Debian kernel through KVM, on QEMU's emulation of AMD-V.
//!
//! This test program plays two parts. Outside it makes a machine with QEMU (`outside`); inside that
//! machine it is started again by process 1 and is the parent of `transom-vmm` (`inside`). It takes
//! minutes and asks the package archive for kernels, so it runs only when asked for:
//! `cargo test -p transom-hypervisor --test lane5 -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a test that panics has failed")]

mod debian;
#[allow(unsafe_code, reason = "packet sockets")]
#[path = "../../src/bin/transom-fake-guest/ether.rs"]
mod ether;
#[allow(dead_code, unreachable_pub, reason = "the library of the tests has it, and reads what is told")]
#[path = "../../../tests/src/figure.rs"]
mod figure;
mod initramfs;
mod inside;
mod outer;
mod outside;
#[path = "../vmm/over_ram.rs"]
mod over_ram;
mod tap;

/// Set inside the machine.
const INSIDE: &str = "TRANSOM_LANE5_INSIDE";
/// What each line of the report begins with.
const MARK: &str = "LANE5 ";
/// What is done in a machine of its own.
const PARTS: [&str; 3] = ["devices", "ends", "flood"];
/// The last line.
const GOOD: &str = "LANE5 all good";
