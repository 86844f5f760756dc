//! Any bytes as what a guest does to a device: an encrypted disk.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "shared with the tests, which use the rest")]
#[path = "../../tests/vmm/support.rs"]
mod support;

fuzz_target!(|data: &[u8]| support::any_guest(support::Kind::Encrypted, data));
