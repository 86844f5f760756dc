use std::{fs, os::fd::AsRawFd as _};

use proptest::prelude::*;
use rustix::{
    fs::{MemfdFlags, ftruncate, memfd_create},
    io::pwrite,
};

use super::*;
use crate::memory::{GuestMemory, PAGE};

/// RAM of `pages` pages, each full of its own number, as its owner has it and read-only.
fn ram(pages: u64, hole: (u64, u64), quota: Quota) -> (OwnedFd, GuestRam) {
    let file = memfd_create("ram", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, pages * PAGE).unwrap();
    for page in 0..pages {
        assert_eq!(pwrite(&file, &[page as u8 + 1; PAGE as usize], page * PAGE).unwrap() as u64, PAGE);
    }
    let read_only = fs::File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    let layout = RamLayout::new(pages * PAGE, hole.0 * PAGE, hole.1 * PAGE).unwrap();
    (file, GuestRam::new(read_only.into(), layout, quota).unwrap())
}

fn read(map: &GrantMap) -> Vec<u8> {
    let mut out = vec![0; map.len() as usize];
    map.all().copy_to(&mut out).unwrap();
    out
}

/// The first byte of each page.
fn heads(map: &GrantMap) -> Vec<u8> {
    read(map).chunks(PAGE as usize).map(|page| page[0]).collect()
}

#[test]
fn runs_lie_side_by_side_and_are_live() {
    let (file, ram) = ram(16, (8, 64), Quota::default());
    let map = ram.map([(3, 2), (66, 1), (0, 1), (4, 1)], 5 * PAGE - 7).unwrap();
    assert_eq!(map.len(), 5 * PAGE - 7);
    assert_eq!(heads(&map), [4, 5, 11, 1, 5]);
    assert_eq!(ram.usage(), Usage { bytes: 5 * PAGE - 7, grants: 1, mappings: 4 });
    pwrite(&file, b"new", 4 * PAGE).unwrap();
    assert_eq!(&read(&map)[PAGE as usize..][..3], b"new");
    assert_eq!(&read(&map)[4 * PAGE as usize..][..3], b"new", "a page may be there twice");
    drop(map);
    assert_eq!(ram.usage(), Usage::default());
}

#[test]
fn what_is_not_ram_is_refused_and_takes_nothing() {
    let (_file, ram) = ram(16, (8, 64), Quota::default());
    for runs in
        [vec![(7, 2)], vec![(0, 1), (8, 1)], vec![(63, 2)], vec![(71, 2)], vec![(u64::MAX, 2)], vec![(0, 0)]]
    {
        let error = ram.map(runs.clone(), 2 * PAGE).unwrap_err();
        assert!(matches!(error, MemoryError::OutsideRam { .. }), "{runs:?}: {error}");
    }
    for bytes in [PAGE, 2 * PAGE + 1, u64::MAX] {
        assert!(matches!(ram.map([(0, 2)], bytes), Err(MemoryError::WrongLength { .. })));
    }
    assert!(matches!(ram.map([(0, 1)], 0), Err(MemoryError::Empty)));
    assert!(matches!(ram.map([], PAGE), Err(MemoryError::WrongLength { .. })));
    assert_eq!(ram.usage(), Usage::default());
}

#[test]
fn quotas_hold() {
    let quota = Quota { max_bytes: 8 * PAGE, max_grants: 2, max_mappings: 4 };
    let (_file, ram) = ram(16, (16, 16), quota);
    let scattered = |n: u64| (0..n).map(|i| (i * 2, 1));
    assert!(matches!(ram.map([(0, 9)], 9 * PAGE), Err(MemoryError::QuotaBytes { .. })));
    assert!(matches!(ram.map(scattered(5), 5 * PAGE), Err(MemoryError::QuotaMappings { .. })));
    let a = ram.map(scattered(3), 3 * PAGE).unwrap();
    assert!(matches!(ram.map(scattered(2), 2 * PAGE), Err(MemoryError::QuotaMappings { .. })));
    let _b = ram.map([(0, 2)], 2 * PAGE).unwrap();
    assert!(matches!(ram.map([(0, 1)], PAGE), Err(MemoryError::QuotaGrants { .. })));
    drop(a);
    assert!(ram.map(scattered(3), 3 * PAGE).is_ok());
}

#[test]
fn ram_that_could_be_written_or_is_short_is_refused() {
    let file = memfd_create("ram", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, PAGE).unwrap();
    let read_only = || OwnedFd::from(fs::File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap());
    let layout = |pages: u64| RamLayout::new(pages * PAGE, pages * PAGE, 0).unwrap();
    let new = |file, pages| GuestRam::new(file, layout(pages), Quota::default());
    assert!(matches!(new(file.try_clone().unwrap(), 1), Err(MemoryError::Writable)));
    assert!(matches!(new(read_only(), 2), Err(MemoryError::Short { .. })));
    assert!(new(read_only(), 1).is_ok());
}

/// A virtual machine monitor that shortens its guest's RAM is broken into, or broken.
#[test]
fn ram_that_is_taken_away_reads_as_zeros() {
    let (file, ram) = ram(4, (4, 4), Quota::default());
    let map = ram.map([(3, 1), (0, 1)], 2 * PAGE).unwrap();
    ftruncate(&file, 0).unwrap();
    assert_eq!(read(&map), vec![0; 2 * PAGE as usize]);
    assert!(map.is_poisoned());
}

#[test]
fn a_thousand_grants_leave_no_mapping() {
    let file = memfd_create("ram-leak-test", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, 64 * PAGE).unwrap();
    let ours = || fs::read_to_string("/proc/self/maps").unwrap().matches("/memfd:ram-leak-test").count();
    let read_only = fs::File::open(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap();
    let layout = RamLayout::new(64 * PAGE, 64 * PAGE, 0).unwrap();
    let ram = GuestRam::new(read_only.into(), layout, Quota::default()).unwrap();
    for round in 0..10 {
        let maps: Vec<_> =
            (0..100).map(|i| ram.map([(i % 60, 2), (62, 1), (round, 1)], 4 * PAGE).unwrap()).collect();
        assert_eq!(ram.usage().grants, 100);
        assert!(ours() >= 200);
        drop(maps);
    }
    assert_eq!(ours(), 0);
    assert_eq!(GuestMemory::GuestRam(ram).usage(), Usage::default());
}

proptest! {
    #[test]
    fn every_page_is_the_one_that_was_named(frames in proptest::collection::vec(0u64..24, 1..40)) {
        let (_file, ram) = ram(24, (24, 24), Quota::default());
        let map = ram.map(frames.iter().map(|f| (*f, 1)), frames.len() as u64 * PAGE).unwrap();
        prop_assert_eq!(heads(&map), frames.iter().map(|f| *f as u8 + 1).collect::<Vec<_>>());
    }
}
