//! A guest that asks each of its devices for as much as it can, all at once, as root.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    thread,
    time::{Duration, Instant},
};

use crate::{ALLOWED, FORBIDDEN, Result, connect, ether, wait_for};

/// How long.
const FLOOD: Duration = Duration::from_secs(12);
/// Bytes at once from and to a disk.
const BLOCK: usize = 64 << 10;
/// Bytes of a disk.
const DISK: u64 = 1 << 20;

/// One way to use a device; whether the device did what it was asked for.
type Once = Box<dyn FnMut(u64) -> io::Result<()> + Send>;

/// Tells how often each was used, and how often in vain.
pub(crate) fn flood() -> Result<String> {
    for path in ["/dev/vda", "/dev/vdb", "/dev/hwrng", "/sys/class/net/eth0"] {
        wait_for(path)?;
    }
    let mut frames = File::from(ether::open("eth0")?);
    let mut frame = vec![0xff; 1514];
    frame[12..14].copy_from_slice(&ether::ETHER_TYPE.to_be_bytes());
    let mut random = File::open("/dev/hwrng")?;
    let mut console = OpenOptions::new().write(true).open("/dev/console")?;
    let mut held = Vec::new();
    let all: Vec<(&str, Once)> = vec![
        ("reads", disk("/dev/vda", false)?),
        ("writes", disk("/dev/vdb", true)?),
        ("random", Box::new(move |_| random.read_exact(&mut [0; 64]))),
        ("frames", Box::new(move |_| frames.write_all(&frame))),
        (
            "streams",
            Box::new(move |number| {
                if number % 100 == 0 {
                    held.clear();
                }
                held.push(connect(ALLOWED)?);
                Ok(())
            }),
        ),
        ("knocks", Box::new(|_| connect(FORBIDDEN).map(drop))),
        ("lines", Box::new(move |number| writeln!(console, "noise {number} {}", "x".repeat(60)))),
    ];
    // All of them begin before one is waited for.
    let threads: Vec<_> =
        all.into_iter().map(|(name, once)| (name, thread::spawn(move || again(once)))).collect();
    let mut told = Vec::new();
    for (name, thread) in threads {
        let (done, vain) = thread.join().map_err(|_| format!("{name} panicked"))?;
        told.push(format!("{name} {done}+{vain}"));
    }
    Ok(told.join(", "))
}

/// Does it until the time is over; how often it went well, and how often not.
fn again(mut once: Once) -> (u64, u64) {
    let (end, mut done, mut vain) = (Instant::now() + FLOOD, 0, 0);
    while Instant::now() < end {
        match once(done + vain) {
            Ok(()) => done += 1,
            Err(_) => vain += 1,
        }
    }
    (done, vain)
}

/// Blocks of a disk, past the guest's own cache.
fn disk(path: &str, write: bool) -> io::Result<Once> {
    let file = OpenOptions::new().read(true).write(write).custom_flags(libc::O_DIRECT).open(path)?;
    let mut bytes = vec![0xa5; BLOCK + 4096];
    let start = bytes.as_ptr().align_offset(4096);
    Ok(Box::new(move |number| {
        let (part, at) = (&mut bytes[start..start + BLOCK], number * BLOCK as u64 % DISK);
        if write { file.write_all_at(part, at) } else { file.read_exact_at(part, at) }
    }))
}
