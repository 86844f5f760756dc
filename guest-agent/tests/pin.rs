//! `transom-pin` on this machine's kernel, in every way a program can treat its pool.
//!
//! Needs what `transom-pin` needs: the right to see page frames, and io_uring. Whether the page
//! frames are the right ones only a host can tell: `tests/tests/vm_grants` does.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that panics has failed")]

use std::{
    fs::File,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use rustix::{
    fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create},
    io::{pread, pwrite},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
};
use tempfile::TempDir;
use transom_agent::pin::{
    client::{Client, PinError},
    frames::pages,
    server::Server,
    wire::{PAGE, Status},
};
use transom_protocol::message::PageRun;

const QUOTA: u64 = 64 << 20;

/// A `transom-pin` in a thread; `None`, with the reason printed, where this machine has none.
fn service() -> Option<(TempDir, Client)> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("pin");
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::NONBLOCK, None).unwrap();
    bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&socket, 4).unwrap();
    let mut server = match Server::new(socket, QUOTA) {
        Ok(server) => server,
        Err(error) => {
            println!("SKIP no io_uring here: {error}");
            return None;
        }
    };
    thread::spawn(move || server.run());
    let mut client = Client::connect(&path).unwrap();
    match client.pin(pool(1).0.as_fd(), 0, PAGE) {
        Ok((piece, _)) => client.unpin(piece).unwrap(),
        Err(error) => {
            println!("SKIP page frames cannot be pinned or seen here: {error}");
            return None;
        }
    }
    Some((directory, client))
}

fn pool(pages: u64) -> (OwnedFd, u64) {
    let file = memfd_create("pool", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, pages * PAGE).unwrap();
    (file, pages * PAGE)
}

fn usage(client: &mut Client) -> (u64, u64) {
    let usage = client.usage().unwrap();
    (usage.pieces.get(), usage.bytes.get())
}

fn refused<T: std::fmt::Debug>(result: Result<T, PinError>) -> Status {
    match result {
        Err(PinError::Refused(status)) => status,
        other => panic!("{other:?}"),
    }
}

fn count(runs: &[PageRun]) -> u64 {
    pages(runs).count() as u64
}

#[test]
fn a_pool_is_pinned_and_untouched() {
    let Some((_directory, mut client)) = service() else { return };
    let (file, bytes) = pool(300);
    pwrite(&file, b"mine", 7 * PAGE).unwrap();
    let (piece, runs) = client.pin(file.as_fd(), 0, bytes).unwrap();
    let mut frames: Vec<u64> = pages(&runs).collect();
    frames.sort_unstable();
    frames.dedup();
    assert_eq!((count(&runs), frames.len()), (300, 300), "no page frame twice");
    let mut all = vec![1; bytes as usize];
    pread(&file, &mut all, 0).unwrap();
    assert_eq!(&all[7 * PAGE as usize..][..4], b"mine");
    assert_eq!(all.iter().filter(|byte| **byte != 0).count(), 4, "nothing else was written");
    client.check(piece, 0, bytes).unwrap();
    // The same memory again, as part of another piece: the same page frames.
    let (again, part) = client.pin(file.as_fd(), 10 * PAGE, 20 * PAGE).unwrap();
    assert_eq!(pages(&part).collect::<Vec<_>>(), pages(&runs).skip(10).take(20).collect::<Vec<_>>());
    assert_eq!(usage(&mut client), (2, 320 * PAGE));
    client.unpin(piece).unwrap();
    client.unpin(again).unwrap();
    assert_eq!(usage(&mut client), (0, 0));
    assert_eq!(refused(client.unpin(piece)), Status::BadRequest);
}

#[test]
fn of_a_sparse_pool_only_the_piece_is_filled() {
    let Some((_directory, mut client)) = service() else { return };
    let (file, _) = pool(512 << 8);
    let (_, runs) = client.pin(file.as_fd(), 128 << 20, 100 * PAGE).unwrap();
    assert_eq!(count(&runs), 100);
    assert_eq!(rustix::fs::fstat(&file).unwrap().st_blocks as u64 * 512, 100 * PAGE);
}

#[test]
fn a_pool_that_was_truncated_or_punched_has_moved() {
    let Some((_directory, mut client)) = service() else { return };
    let (file, bytes) = pool(16);
    let (piece, runs) = client.pin(file.as_fd(), 0, bytes).unwrap();
    fallocate(&file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 4 * PAGE, PAGE).unwrap();
    client.check(piece, 0, 4 * PAGE).unwrap();
    assert_eq!(refused(client.check(piece, 0, bytes)), Status::Moved);
    pwrite(&file, b"new page", 4 * PAGE).unwrap();
    assert_eq!(refused(client.check(piece, 4 * PAGE, PAGE)), Status::Moved);
    client.check(piece, 5 * PAGE, 11 * PAGE).unwrap();
    ftruncate(&file, 0).unwrap();
    ftruncate(&file, bytes).unwrap();
    assert_eq!(refused(client.check(piece, 0, PAGE)), Status::Moved);
    // Its old page frames are still held: none of them is given out again.
    let (_, anew) = client.pin(file.as_fd(), 0, bytes).unwrap();
    assert!(pages(&anew).all(|new| pages(&runs).all(|old| old != new)));
    assert_eq!(refused(client.check(piece, 16 * PAGE, PAGE)), Status::BadRequest);
    assert_eq!(refused(client.check(piece, u64::MAX - PAGE + 1, PAGE)), Status::BadRequest);
}

#[test]
fn what_cannot_be_pinned_is_refused() {
    let Some((_directory, mut client)) = service() else { return };
    let (file, bytes) = pool(4);
    assert_eq!(refused(client.pin(file.as_fd(), 0, bytes + PAGE)), Status::Short);
    for (offset, bytes) in
        [(u64::MAX - PAGE + 1, PAGE), (1, PAGE), (0, 1), (0, 0), (0, u64::MAX / PAGE * PAGE)]
    {
        let status = refused(client.pin(file.as_fd(), offset, bytes));
        assert!(matches!(status, Status::BadRequest | Status::Quota), "{status}");
    }
    assert_eq!(refused(client.pin(pool(1).0.as_fd(), 0, QUOTA + PAGE)), Status::Quota);
    let (pipe, _other) = rustix::pipe::pipe().unwrap();
    let disk = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    for other in [pipe, disk.into(), File::open("/dev/zero").unwrap().into()] {
        assert_eq!(refused(client.pin(other.as_fd(), 0, PAGE)), Status::NotMemory);
    }
    fcntl_add_seals(&file, SealFlags::WRITE).unwrap();
    assert_eq!(refused(client.pin(file.as_fd(), 0, bytes)), Status::ReadOnly);
    let (open, _) = pool(1);
    let read_only = File::open(format!("/proc/self/fd/{}", open.as_raw_fd())).unwrap();
    assert_eq!(refused(client.pin(read_only.as_fd(), 0, PAGE)), Status::ReadOnly);
    // Sealed against a change of size: what most programs do, and fine.
    let (sealed, bytes) = pool(4);
    fcntl_add_seals(&sealed, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).unwrap();
    assert!(client.pin(sealed.as_fd(), 0, bytes).is_ok());
    // Not a whole number of pages: the last one is pinned as it is.
    let (odd, _) = pool(2);
    ftruncate(&odd, PAGE + 10).unwrap();
    assert!(client.pin(odd.as_fd(), 0, 2 * PAGE).is_ok());
    assert_eq!(usage(&mut client), (2, 6 * PAGE));
}

#[test]
fn a_closed_pool_stays_until_it_is_let_go() {
    let Some((_directory, mut client)) = service() else { return };
    let (file, bytes) = pool(8);
    let (piece, runs) = client.pin(file.as_fd(), 0, bytes).unwrap();
    drop(file);
    client.check(piece, 0, bytes).unwrap();
    let (other, bytes) = pool(64);
    let (_, others) = client.pin(other.as_fd(), 0, bytes).unwrap();
    assert!(pages(&others).all(|new| pages(&runs).all(|old| old != new)));
}

#[test]
fn a_lost_connection_lets_everything_go() {
    let Some((directory, mut client)) = service() else { return };
    let mut other = Client::connect(&directory.path().join("pin")).unwrap();
    let (file, bytes) = pool(32);
    for _ in 0..10 {
        client.pin(file.as_fd(), 0, bytes).unwrap();
    }
    assert_eq!(usage(&mut other), (10, 320 * PAGE));
    assert_eq!(refused(other.unpin(1)), Status::BadRequest, "of another connection");
    drop(client);
    // The service hears of it before it hears the next packet, or right after.
    let left = (0..1_000).map(|_| usage(&mut other)).find(|left| *left == (0, 0));
    assert_eq!(left, Some((0, 0)));
}

#[test]
fn a_clock_that_is_right_is_left_alone() {
    let Some((_directory, mut client)) = service() else { return };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    client.set_clock(now.as_secs(), now.subsec_nanos()).unwrap();
    assert_eq!(refused(client.set_clock(now.as_secs(), 1_000_000_000)), Status::BadRequest);
    assert_eq!(refused(client.set_clock(u64::MAX, 0)), Status::BadRequest);
}

#[test]
fn a_thousand_pools_leave_nothing() {
    let Some((_directory, mut client)) = service() else { return };
    let maps = || std::fs::read_to_string("/proc/self/maps").unwrap().matches("/memfd:passing").count();
    for round in 0..1_000u64 {
        let file = memfd_create("passing", MemfdFlags::CLOEXEC).unwrap();
        let bytes = (1 + round % 17) * PAGE;
        ftruncate(&file, bytes).unwrap();
        let (piece, runs) = client.pin(file.as_fd(), 0, bytes).unwrap();
        assert_eq!(count(&runs) * PAGE, bytes);
        if round % 3 == 0 {
            ftruncate(&file, 0).unwrap();
        }
        client.unpin(piece).unwrap();
    }
    assert_eq!(usage(&mut client), (0, 0));
    assert_eq!(maps(), 0);
}

#[test]
fn programs_that_truncate_while_they_are_pinned() {
    let Some((_directory, mut client)) = service() else { return };
    let (file, bytes) = pool(256);
    let (racer, end) = (file.try_clone().unwrap(), Arc::new(AtomicBool::new(false)));
    let ended = Arc::clone(&end);
    let thread = thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            ftruncate(&racer, 0).unwrap();
            ftruncate(&racer, bytes).unwrap();
        }
    });
    let (mut good, mut bad) = (0, 0);
    for _ in 0..300 {
        match client.pin(file.as_fd(), 0, bytes) {
            Ok((piece, runs)) => {
                assert_eq!(count(&runs), 256);
                client.unpin(piece).unwrap();
                good += 1;
            }
            Err(PinError::Refused(Status::Short | Status::Refused)) => bad += 1,
            Err(error) => panic!("{error}"),
        }
    }
    end.store(true, Ordering::Relaxed);
    thread.join().unwrap();
    println!("{good} pinned, {bad} refused");
    assert_eq!(usage(&mut client), (0, 0));
    ftruncate(&file, bytes).unwrap();
    assert!(client.pin(file.as_fd(), 0, bytes).is_ok());
}
