//! The program in the guest: makes pools, has them pinned, and treats them in every way a program
//! can, while dom0 looks on.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    os::{fd::AsFd, unix::fs::FileExt},
    path::Path,
    process::Command,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rustix::{
    fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, ftruncate, memfd_create},
    process::{Gid, Uid},
    thread::{set_thread_res_gid, set_thread_res_uid},
    time::{ClockId, Timespec, clock_settime},
};
use transom_agent::pin::{
    client::{Client, PinError},
    wire::{PAGE, Status},
};

use crate::word;

/// A pool of a program.
struct Pool {
    file: File,
}

impl Pool {
    fn new(pages: u64) -> Self {
        let file = memfd_create("pool", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&file, pages * PAGE).unwrap();
        Self { file: file.into() }
    }

    /// Draws pages `from..to`.
    fn draw(&self, from: u64, to: u64, seed: u32) {
        draw(&self.file, from, to, seed);
    }
}

fn draw(file: &File, from: u64, to: u64, seed: u32) {
    for page in from..to {
        let bytes = word(seed, page).to_ne_bytes().repeat(PAGE as usize / 8);
        file.write_all_at(&bytes, page * PAGE).unwrap();
    }
}

/// A program that draws half a frame into the pool that is its input, and never the rest.
pub(crate) fn draw_half_and_wait() {
    let pool = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    draw(&pool.into(), 0, 50, 7);
    fs::write("/tmp/half", "drawn").unwrap();
    loop {
        std::thread::park();
    }
}

/// The lines to dom0 and to `transom-pin`.
struct Guest {
    dom0: BufReader<File>,
    pins: Client,
}

impl Guest {
    /// Says something to dom0 and waits until it has done it.
    fn tell(&mut self, line: &str) {
        writeln!(self.dom0.get_mut(), "{line}").unwrap();
        let mut answer = String::new();
        self.dom0.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), "ok");
    }

    /// Grants pages `from..to` of a pool under a name; the pin.
    fn grant(&mut self, name: &str, pool: &Pool, from: u64, to: u64) -> u32 {
        let (piece, runs) = self.pins.pin(pool.file.as_fd(), from * PAGE, (to - from) * PAGE).unwrap();
        let runs: Vec<String> = runs.iter().map(|run| format!("{}:{}", run.first, run.count)).collect();
        self.tell(&format!("grant {name} {} {}", (to - from) * PAGE, runs.join(",")));
        piece
    }

    fn compare(&mut self, name: &str, from: u64, to: u64, seed: u32, number: u64) {
        self.tell(&format!("compare {name} {from} {to} {seed} {number}"));
    }

    /// dom0 unmaps; only then the pin goes.
    fn revoke(&mut self, name: &str, piece: u32) {
        self.tell(&format!("revoke {name}"));
        self.pins.unpin(piece).unwrap();
    }
}

/// Fills memory, so that page frames that were free are somebody else's.
fn press(pages: u64) {
    let pool = Pool::new(pages);
    pool.draw(0, pages, 99);
}

/// Pins that the kernel counts: made and let go.
fn kernel_pins() -> (u64, u64) {
    let text = fs::read_to_string("/proc/vmstat").unwrap();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |value| value.trim().parse().unwrap())
    };
    (value("nr_foll_pin_acquired "), value("nr_foll_pin_released "))
}

/// From here on an ordinary user, as the agent is.
pub(crate) fn become_user() {
    let (user, group) = (Uid::from_raw(1_000), Gid::from_raw(1_000));
    set_thread_res_gid(group, group, group).unwrap();
    set_thread_res_uid(user, user, user).unwrap();
}

/// The clock, and what it shows as a time since 1970.
fn clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

fn set_clock(time: Duration) -> rustix::io::Result<()> {
    let time = Timespec { tv_sec: time.as_secs() as i64, tv_nsec: time.subsec_nanos().into() };
    clock_settime(ClockId::Realtime, time)
}

pub(crate) fn run() {
    // Wrong, as after a pause; from then on only `transom-pin` can set it.
    let (right, since) = (clock(), Instant::now());
    set_clock(right.saturating_sub(Duration::from_secs(1_000))).unwrap();
    become_user();
    let dom0 = OpenOptions::new().read(true).write(true).open("/dev/ttyS1").unwrap();
    let mut guest =
        Guest { dom0: BufReader::new(dom0), pins: Client::connect(Path::new("/run/pin")).unwrap() };
    a_wrong_clock(&mut guest, || right + since.elapsed());
    two_4k_pictures(&mut guest);
    a_sparse_pool(&mut guest);
    truncated(&mut guest);
    sealed_and_closed(&mut guest);
    killed(&mut guest);
    scattered(&mut guest);
    a_thousand(&mut guest);
    guest.tell("done");
}

fn a_wrong_clock(guest: &mut Guest, right: impl Fn() -> Duration) {
    assert!(right().abs_diff(clock()) > Duration::from_secs(999));
    assert!(set_clock(right()).is_err(), "this user could do it alone");
    let time = right();
    guest.pins.set_clock(time.as_secs(), time.subsec_nanos()).unwrap();
    assert!(right().abs_diff(clock()) < Duration::from_millis(500), "it was not set");
    // Near enough is left alone.
    let (time, before) = (right() + Duration::from_millis(300), right().abs_diff(clock()));
    guest.pins.set_clock(time.as_secs(), time.subsec_nanos()).unwrap();
    let after = right().abs_diff(clock());
    assert!(after.abs_diff(before) < Duration::from_millis(200), "it was set without need");
}

fn two_4k_pictures(guest: &mut Guest) {
    let pages = 3840 * 2160 * 4 / PAGE;
    let pool = Pool::new(2 * pages);
    pool.draw(0, pages, 1);
    let piece = guest.grant("4k", &pool, 0, pages);
    guest.compare("4k", 0, pages, 1, 0);
    // Another buffer of the same pool, and one that overlaps both.
    let second = guest.grant("second", &pool, pages, 2 * pages);
    guest.compare("second", 0, pages, 0, 0);
    let over = guest.grant("over", &pool, pages - 10, pages + 10);
    guest.compare("over", 0, 10, 1, pages - 10);
    // What the program draws later is seen too.
    pool.draw(0, 2 * pages, 2);
    guest.compare("4k", 0, pages, 2, 0);
    guest.compare("second", 0, pages, 2, pages);
    guest.compare("over", 0, 20, 2, pages - 10);
    guest.revoke("4k", piece);
    guest.revoke("over", over);
    guest.revoke("second", second);
}

fn a_sparse_pool(guest: &mut Guest) {
    let pool = Pool::new((512 << 20) / PAGE);
    let from = (128 << 20) / PAGE;
    pool.draw(from, from + 20, 3);
    let piece = guest.grant("sparse", &pool, from, from + 500);
    pool.draw(from + 400, from + 500, 3);
    guest.compare("sparse", 0, 20, 3, from);
    guest.compare("sparse", 20, 400, 0, 0);
    guest.compare("sparse", 400, 500, 3, from + 400);
    let filled = rustix::fs::fstat(&pool.file).unwrap().st_blocks as u64 * 512 / PAGE;
    assert_eq!(filled, 500, "the rest of the pool stays empty");
    guest.revoke("sparse", piece);
}

fn truncated(guest: &mut Guest) {
    let pool = Pool::new(200);
    pool.draw(0, 200, 4);
    let piece = guest.grant("truncated", &pool, 0, 200);
    ftruncate(&pool.file, 0).unwrap();
    press(4_000);
    ftruncate(&pool.file, 200 * PAGE).unwrap();
    pool.draw(0, 200, 5);
    // dom0 sees the picture that was, and never a page of somebody else.
    guest.compare("truncated", 0, 200, 4, 0);
    assert!(matches!(guest.pins.check(piece, 0, PAGE), Err(PinError::Refused(Status::Moved))));
    let again = guest.grant("again", &pool, 0, 200);
    guest.compare("again", 0, 200, 5, 0);
    guest.revoke("truncated", piece);
    // A program that scrolls: a hole, and new pages in it.
    fallocate(&pool.file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, 50 * PAGE).unwrap();
    pool.draw(0, 50, 6);
    assert!(guest.pins.check(again, 50 * PAGE, 150 * PAGE).is_ok());
    assert!(matches!(guest.pins.check(again, 0, 200 * PAGE), Err(PinError::Refused(Status::Moved))));
    guest.compare("again", 0, 200, 5, 0);
    guest.revoke("again", again);
}

fn sealed_and_closed(guest: &mut Guest) {
    let pool = Pool::new(64);
    pool.draw(0, 64, 8);
    fcntl_add_seals(&pool.file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).unwrap();
    let piece = guest.grant("sealed", &pool, 0, 64);
    drop(pool);
    press(4_000);
    guest.compare("sealed", 0, 64, 8, 0);
    guest.revoke("sealed", piece);
    let frozen = Pool::new(4);
    frozen.draw(0, 4, 8);
    fcntl_add_seals(&frozen.file, SealFlags::WRITE).unwrap();
    let refused = guest.pins.pin(frozen.file.as_fd(), 0, 4 * PAGE);
    assert!(matches!(refused, Err(PinError::Refused(Status::ReadOnly))), "{refused:?}");
}

/// The pool is shared with a child, which is killed while it draws.
fn killed(guest: &mut Guest) {
    let pool = Pool::new(100);
    pool.draw(0, 100, 9);
    let piece = guest.grant("killed", &pool, 0, 100);
    let mut child = Command::new("/proc/self/exe")
        .args(["--exact", "guest_side_killed", "--test-threads=1"])
        .env("TRANSOM_KILLED", "1")
        .stdin(pool.file.try_clone().unwrap())
        .spawn()
        .unwrap();
    while fs::read("/tmp/half").is_err() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    drop(pool);
    press(4_000);
    guest.compare("killed", 0, 50, 7, 0);
    guest.compare("killed", 50, 100, 9, 50);
    guest.revoke("killed", piece);
}

/// Two pools that are filled page by page in turn lie mixed in memory.
fn scattered(guest: &mut Guest) {
    let (one, other) = (Pool::new(4_000), Pool::new(4_000));
    for page in 0..4_000 {
        one.draw(page, page + 1, 10);
        other.draw(page, page + 1, 11);
    }
    let first = guest.grant("one", &one, 0, 4_000);
    let second = guest.grant("other", &other, 0, 4_000);
    guest.compare("one", 0, 4_000, 10, 0);
    guest.compare("other", 0, 4_000, 11, 0);
    guest.revoke("one", first);
    guest.revoke("other", second);
}

fn a_thousand(guest: &mut Guest) {
    let start = Instant::now();
    for round in 0..1_000u64 {
        let pool = Pool::new(1 + round % 30);
        let (piece, _) = guest.pins.pin(pool.file.as_fd(), 0, (1 + round % 30) * PAGE).unwrap();
        if round % 2 == 0 {
            drop(pool);
        }
        guest.pins.unpin(piece).unwrap();
    }
    let took = start.elapsed();
    let usage = guest.pins.usage().unwrap();
    assert_eq!((usage.pieces.get(), usage.bytes.get()), (0, 0));
    // The kernel lets go behind the back of who asks, about a second later.
    let patience = Instant::now();
    let pins = loop {
        let pins = kernel_pins();
        if pins.0 == pins.1 || patience.elapsed() > Duration::from_secs(20) {
            break pins;
        }
        std::thread::yield_now();
    };
    assert_eq!(pins.0, pins.1, "pins are left in the kernel");
    guest.tell(&format!(
        "note 1000 pools in {} ms; {} pages pinned in all, all let go",
        took.as_millis(),
        pins.0
    ));
}
