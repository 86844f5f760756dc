//! Any layout of RAM and any runs: what is accepted must be RAM, as long as said, within the quota,
//! and readable from end to end.
#![no_main]

use std::os::fd::{AsRawFd, OwnedFd};

use libfuzzer_sys::fuzz_target;
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use transom_hypervisor::memory::{GuestRam, PAGE, Quota, RamLayout, Usage, pieces};

/// Numbers out of the input: small ones mostly, so that some runs are good.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> Option<u64> {
        let (kind, rest) = self.0.split_first()?;
        if *kind < 250 {
            self.0 = rest;
            return Some(u64::from(*kind));
        }
        let (wide, rest) = rest.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*wide))
    }
}

fn read_only(pages: u64) -> OwnedFd {
    let file = memfd_create("ram", MemfdFlags::CLOEXEC).expect("a memfd");
    ftruncate(&file, pages * PAGE).expect("its length");
    std::fs::File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("opened again").into()
}

fuzz_target!(|data: &[u8]| {
    let mut numbers = Numbers(data);
    let mut next = || numbers.next();
    let (Some(ram), Some(start), Some(end), Some(trim)) = (next(), next(), next(), next()) else { return };
    let bytes = |pages: u64| pages.wrapping_mul(PAGE);
    let Ok(layout) = RamLayout::new(bytes(ram), bytes(start), bytes(end)) else { return };
    let runs: Vec<(u64, u32)> = std::iter::from_fn(|| Some((next()?, next()? as u32))).collect();
    let sum = runs.iter().fold(0u64, |sum, (_, count)| sum.wrapping_add(bytes(u64::from(*count))));
    let asked = sum.wrapping_sub(trim);
    let found = pieces(layout, runs.iter().copied(), asked);
    if let Ok(pieces) = &found {
        for piece in pieces {
            assert!(piece.bytes != 0 && piece.offset + piece.bytes <= layout.bytes());
        }
        assert_eq!(pieces.iter().map(|p| p.bytes).sum::<u64>(), asked.next_multiple_of(PAGE));
    }
    if layout.bytes() > 1 << 24 {
        return;
    }
    let quota = Quota { max_bytes: 1 << 24, max_grants: 1, max_mappings: 64 };
    let ram = GuestRam::new(read_only(layout.bytes() / PAGE), layout, quota).expect("RAM");
    if let Ok(map) = ram.map(runs.iter().copied(), asked) {
        assert!(found.is_ok() && map.len() == asked && ram.usage().mappings <= 64);
        let mut copy = vec![1; asked as usize];
        map.all().copy_to(&mut copy).expect("all of it");
        assert!(copy.iter().all(|byte| *byte == 0) && !map.is_poisoned());
    }
    assert_eq!(ram.usage(), Usage::default());
});
