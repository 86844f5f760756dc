//! Any bytes as lists of programs, and as a list that dom0 has kept.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "shared with the tests, which use the rest")]
#[path = "../../tests/protocol/support/mod.rs"]
mod support;

fuzz_target!(|data: &[u8]| {
    support::targets::programs(data);
});
