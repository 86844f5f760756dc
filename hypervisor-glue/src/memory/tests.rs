use std::{fs, os::fd::AsFd as _, sync::Barrier, thread};

use proptest::prelude::*;
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create},
    io::pwrite,
};

use super::*;

fn memfd(bytes: u64, fill: u8) -> OwnedFd {
    let fd = memfd_create("pool", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&fd, bytes).unwrap();
    assert_eq!(pwrite(&fd, &vec![fill; bytes as usize], 0).unwrap() as u64, bytes);
    fd
}

fn back_end() -> ClientFds {
    ClientFds::new(Quota::default())
}

/// Maps a second handle of the same file, so that the test keeps one, as a qube does.
fn map(back_end: &ClientFds, fd: &OwnedFd, len: u64) -> Result<GrantMap, MemoryError> {
    back_end.map(fd.try_clone().unwrap(), len)
}

fn read(slice: GrantSlice<'_>) -> Vec<u8> {
    let mut out = vec![0xee; slice.len()];
    slice.copy_to(&mut out).unwrap();
    out
}

#[test]
fn what_the_client_writes_is_seen() {
    let fd = memfd(3 * PAGE, 7);
    let back_end = back_end();
    let map = map(&back_end, &fd, 2 * PAGE + 5).unwrap();
    assert_eq!(map.len(), 2 * PAGE + 5);
    assert_eq!(back_end.usage(), Usage { bytes: 2 * PAGE + 5, grants: 1, mappings: 1 });
    pwrite(&fd, b"hello", PAGE).unwrap();
    assert_eq!(read(map.bytes(PAGE - 1, 7).unwrap()), b"\x07hello\x07");
    assert_eq!(read(map.bytes(PAGE, 5).unwrap().part(1, 3).unwrap()), b"ell");
    assert!(!map.is_poisoned());
    drop(map);
    assert_eq!(back_end.usage(), Usage::default());
}

#[test]
fn a_truncated_pool_reads_as_zeros_and_is_poisoned() {
    let fd = memfd(4 * PAGE, 9);
    let back_end = back_end();
    let map = map(&back_end, &fd, 4 * PAGE).unwrap();
    let other = self::map(&back_end, &memfd(PAGE, 5), PAGE).unwrap();
    assert_eq!(read(map.all()), vec![9; 4 * PAGE as usize]);
    ftruncate(&fd, PAGE).unwrap();
    assert!(!map.is_poisoned());
    assert_eq!(read(map.bytes(0, PAGE).unwrap()), vec![9; PAGE as usize], "what is left is still there");
    assert_eq!(read(map.bytes(2 * PAGE + 9, 100).unwrap()), vec![0; 100]);
    assert!(map.is_poisoned());
    // For good, and as a whole, even if the client grows its pool again.
    ftruncate(&fd, 4 * PAGE).unwrap();
    pwrite(&fd, &[1; 64], 0).unwrap();
    assert_eq!(read(map.all()), vec![0; 4 * PAGE as usize]);
    assert!(!other.is_poisoned());
    assert_eq!(read(other.all()), vec![5; PAGE as usize]);
}

#[test]
fn rows_are_zero_after_truncation_too() {
    let fd = memfd(8 * PAGE, 3);
    let back_end = back_end();
    let map = map(&back_end, &fd, 8 * PAGE).unwrap();
    ftruncate(&fd, 0).unwrap();
    let mut out = vec![1; 8 * 100];
    map.all().copy_rows(PAGE, 100, 8, &mut out, 100).unwrap();
    assert_eq!(out, vec![0; 800]);
    assert!(map.is_poisoned());
}

#[test]
fn a_new_mapping_in_a_used_slot_is_not_poisoned() {
    let back_end = back_end();
    for _ in 0..50 {
        let fd = memfd(PAGE, 2);
        let map = map(&back_end, &fd, PAGE).unwrap();
        assert!(!map.is_poisoned());
        ftruncate(&fd, 0).unwrap();
        assert_eq!(read(map.all()), vec![0; PAGE as usize]);
        assert!(map.is_poisoned());
    }
}

#[test]
fn many_threads_truncate_and_read() {
    let back_end = back_end();
    let barrier = Barrier::new(8);
    thread::scope(|scope| {
        for t in 0..8u8 {
            let (back_end, barrier) = (&back_end, &barrier);
            scope.spawn(move || {
                barrier.wait();
                for round in 0..100 {
                    let fd = memfd(8 * PAGE, t + 1);
                    let map = map(back_end, &fd, 8 * PAGE).unwrap();
                    if round % 2 == 0 {
                        ftruncate(&fd, (round % 8) * PAGE).unwrap();
                    }
                    let bytes = read(map.all());
                    assert!(bytes.iter().all(|b| *b == 0 || *b == t + 1));
                    assert_eq!(map.is_poisoned(), round % 2 == 0);
                }
            });
        }
    });
    assert_eq!(back_end.usage(), Usage::default());
}

#[test]
fn threads_share_one_mapping_that_goes_away() {
    let fd = memfd(64 * PAGE, 4);
    let back_end = back_end();
    let map = map(&back_end, &fd, 64 * PAGE).unwrap();
    let barrier = Barrier::new(5);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..200 {
                    assert!(read(map.all()).iter().all(|b| *b == 0 || *b == 4));
                }
            });
        }
        barrier.wait();
        ftruncate(&fd, 0).unwrap();
    });
    assert_eq!(read(map.all()), vec![0; 64 * PAGE as usize]);
    assert!(map.is_poisoned());
}

#[test]
fn mappings_do_not_leak() {
    // Counted by name, for other tests of this process map memory at the same time.
    let ours = || fs::read_to_string("/proc/self/maps").unwrap().matches("/memfd:leak-test").count();
    let fd = memfd_create("leak-test", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&fd, 4 * PAGE).unwrap();
    let back_end = back_end();
    for _ in 0..10 {
        let maps: Vec<_> = (0..100).map(|i| map(&back_end, &fd, 1 + i * 100).unwrap()).collect();
        assert_eq!(back_end.usage().grants, 100);
        assert!(ours() >= 1);
        drop(maps);
    }
    assert_eq!(ours(), 0);
    assert_eq!(back_end.usage(), Usage::default());
}

#[test]
fn only_shared_memory_is_mapped() {
    let back_end = back_end();
    let (pipe, _other) = rustix::pipe::pipe().unwrap();
    let disk = fs::File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let directory = fs::File::open("/dev/shm").or_else(|_| fs::File::open("/tmp")).unwrap();
    let refused = [
        pipe,
        disk.into(),
        directory.into(),
        fs::File::open("/dev/zero").unwrap().into(),
        fs::File::open("/proc/self/status").unwrap().into(),
        std::os::unix::net::UnixStream::pair().unwrap().0.into(),
        rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap(),
    ];
    for fd in refused {
        let error = back_end.map(fd, 1).unwrap_err();
        assert!(matches!(error, MemoryError::NotMemory | MemoryError::Short { .. }), "{error}");
    }
    assert_eq!(back_end.usage(), Usage::default());
}

#[test]
fn a_descriptor_that_cannot_be_read_is_an_error() {
    let fd = memfd(PAGE, 1);
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&fd));
    let write_only = fs::OpenOptions::new().write(true).open(path).unwrap();
    assert!(matches!(back_end().map(write_only.into(), PAGE), Err(MemoryError::System(_))));
}

#[test]
fn a_pool_that_is_shorter_than_said_is_refused() {
    let back_end = back_end();
    let fd = memfd(PAGE, 1);
    for asked in [PAGE + 1, u64::MAX / 2] {
        let error =
            map(&ClientFds::new(Quota { max_bytes: u64::MAX, ..Quota::default() }), &fd, asked).unwrap_err();
        assert!(matches!(error, MemoryError::Short { there, .. } if there == PAGE), "{error}");
    }
    assert!(matches!(map(&back_end, &fd, 0), Err(MemoryError::Empty)));
    assert!(matches!(map(&back_end, &fd, u64::MAX), Err(MemoryError::QuotaBytes { .. })));
    assert!(map(&back_end, &fd, PAGE).is_ok());
}

#[test]
fn a_sealed_pool_is_fine() {
    let fd = memfd(PAGE, 6);
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE).unwrap();
    let map = back_end().map(fd, PAGE).unwrap();
    assert_eq!(read(map.all()), vec![6; PAGE as usize]);
}

#[test]
fn the_quota_counts_grants_until_they_are_dropped() {
    let back_end = ClientFds::new(Quota { max_bytes: 3 * PAGE, max_grants: 2, ..Quota::default() });
    let fd = memfd(2 * PAGE, 0);
    let a = map(&back_end, &fd, 2 * PAGE).unwrap();
    assert!(matches!(map(&back_end, &fd, 2 * PAGE), Err(MemoryError::QuotaBytes { .. })));
    let _b = map(&back_end, &fd, PAGE).unwrap();
    drop(back_end.map(rustix::pipe::pipe().unwrap().0, 1));
    drop(a);
    assert!(map(&back_end, &fd, 2 * PAGE).is_ok());
    assert_eq!(GuestMemory::ClientFds(back_end).usage(), Usage { bytes: PAGE, grants: 1, mappings: 1 });
}

#[test]
fn rows_keep_what_lies_between() {
    let fd = memfd(PAGE, 0);
    pwrite(&fd, b"abcdefghijklmnop", 0).unwrap();
    let map = back_end().map(fd, 16).unwrap();
    let mut out = *b"----------";
    map.all().copy_rows(6, 2, 3, &mut out, 4).unwrap();
    assert_eq!(&out, b"ab--gh--mn");
    assert!(map.all().copy_rows(7, 3, 3, &mut out, 3).is_err(), "ends behind the source");
    assert!(map.all().copy_rows(1, 4, 3, &mut out, 4).is_err(), "ends behind the target");
    assert!(map.all().copy_rows(1, 4, 2, &mut out, 3).is_err(), "rows of the target overlap");
    assert!(map.all().copy_to(&mut out).is_err(), "another length");
    assert!(map.all().copy_rows(u64::MAX, u64::MAX, u64::MAX, &mut out, usize::MAX).is_err());
    assert!(map.all().copy_rows(u64::MAX, 0, u64::MAX, &mut out, 0).is_ok());
    assert_eq!(&out, b"ab--gh--mn");
}

/// A process of its own, since it dies: a fault outside of every grant must still end the process.
#[test]
fn a_foreign_fault_still_kills() {
    if std::env::var_os("TRANSOM_TEST_FOREIGN_FAULT").is_some() {
        let fd = memfd(PAGE, 1);
        let mut map = map(&back_end(), &fd, PAGE).unwrap();
        ftruncate(&fd, 0).unwrap();
        map.unguard();
        read(map.all());
        std::process::exit(0);
    }
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "memory::tests::a_foreign_fault_still_kills", "--test-threads=1"])
        .env("TRANSOM_TEST_FOREIGN_FAULT", "1")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(libc::SIGBUS));
}

fn near(edge: u64) -> impl Strategy<Value = u64> {
    prop_oneof![0..=edge + 2, Just(u64::MAX), (u64::MAX - edge)..=u64::MAX, any::<u64>()]
}

proptest! {
    #[test]
    fn parts_are_inside_or_refused(offset in near(5000), length in near(5000), sub in near(300), sublen in near(300)) {
        let back_end = back_end();
        let map = back_end.map(memfd(2 * PAGE, 1), 5000).unwrap();
        let inside = |o: u64, l: u64, n: u64| u128::from(o) + u128::from(l) <= u128::from(n);
        match map.bytes(offset, length) {
            Ok(slice) => {
                prop_assert!(inside(offset, length, 5000));
                prop_assert_eq!(slice.len() as u64, length);
                prop_assert_eq!(slice.as_ptr() as usize - map.all().as_ptr() as usize, offset as usize);
                prop_assert_eq!(slice.part(sub, sublen).is_ok(), inside(sub, sublen, length));
                prop_assert_eq!(read(slice), vec![1; length as usize]);
            }
            Err(_) => prop_assert!(!inside(offset, length, 5000)),
        }
    }

    #[test]
    fn rows_are_inside_or_refused(
        stride in near(200), row in near(200), rows in near(30), out_len in 0usize..3000, out_stride in 0usize..300,
    ) {
        let back_end = back_end();
        let fd = memfd(PAGE, 0);
        let pattern: Vec<u8> = (0..3000u32).map(|i| (i % 251) as u8 + 1).collect();
        pwrite(fd.as_fd(), &pattern, 0).unwrap();
        let map = back_end.map(fd, 3000).unwrap();
        let mut out = vec![0; out_len];
        let end = |stride: u64| (u128::from(stride)) * (u128::from(rows).saturating_sub(1)) + u128::from(row);
        let fits = rows == 0 || row == 0 || (end(stride) <= 3000 && end(out_stride as u64) <= out_len as u128
            && (rows == 1 || out_stride as u64 >= row));
        prop_assert_eq!(map.all().copy_rows(stride, row, rows, &mut out, out_stride).is_ok(), fits);
        let mut expected = vec![0; out_len];
        if fits && row > 0 {
            for r in 0..rows as usize {
                let (from, to, n) = (r * stride as usize, r * out_stride, row as usize);
                expected[to..to + n].copy_from_slice(&pattern[from..from + n]);
            }
        }
        prop_assert_eq!(out, expected);
    }
}
