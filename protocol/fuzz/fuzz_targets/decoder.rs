//! Any bytes, read as a stream of each of the message tables.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "shared with the tests, which use the rest")]
#[path = "../../tests/protocol/support/mod.rs"]
mod support;

fuzz_target!(|data: &[u8]| {
    support::targets::decoder(data);
});
