//! What an age file may hold that somebody else made: the container, its manifest, its digests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use transom_hypervisor::backup::{Manifest, read_any};

fuzz_target!(|bytes: &[u8]| {
    read_any(bytes);
    let _ = Manifest::parse(bytes);
});
