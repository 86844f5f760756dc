//! What encrypting a volume costs: the same requests to a file as it is and through the cipher, without
//! a disk, which would hide it; and what cloning one costs, on the disk.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::Path,
    time::Instant,
};

use transom_hypervisor::{
    encryption::{Layout, Payload},
    store::{Copying, QubeConfig, Store, Trash},
    supervisor::{LabelName, QubeName},
};

use crate::report::{Figure, Goal, quantile};

/// Bytes of the volume: more than a processor's caches hold.
const SIZE: usize = 64 << 20;
/// Bytes of a request: what a guest's kernel makes of a long read or write.
const REQUEST: usize = 128 << 10;

/// Bytes per second that are read and written, plain and encrypted.
pub(crate) fn encryption(quick: bool, figures: &mut Vec<Figure>) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    let file = File::from(
        rustix::fs::memfd_create("volume", rustix::fs::MemfdFlags::CLOEXEC).map_err(|e| io(e.into()))?,
    );
    file.set_len(SIZE as u64).map_err(io)?;
    let key: Vec<u8> = (0..64).collect();
    let layout = Layout { offset: 0, sector: 512 };
    let mut encrypted = Payload::new(file.try_clone().map_err(io)?, &key, layout).map_err(io)?;
    let rounds = if quick { 6 } else { 24 };
    let mut buffer = vec![1; REQUEST];
    // Read plain, read encrypted, written plain, written encrypted: in turns.
    let mut times = [const { Vec::new() }; 4];
    for round in 0..=rounds {
        for (which, times) in times.iter_mut().enumerate() {
            let begin = Instant::now();
            for at in (0..SIZE as u64).step_by(REQUEST) {
                match which {
                    0 => file.read_exact_at(&mut buffer, at),
                    1 => encrypted.read(&mut buffer, at),
                    2 => file.write_all_at(&buffer, at),
                    _ => encrypted.write(&mut buffer, at),
                }
                .map_err(io)?;
            }
            // The first round takes the memory.
            if round > 0 {
                times.push(begin.elapsed().as_secs_f64());
            }
        }
    }
    let mut medians = [0.0; 4];
    for (median, times) in medians.iter_mut().zip(&mut times) {
        *median = quantile(times, 0.5)?;
    }
    for (name, pair) in [("read", &medians[..2]), ("write", &medians[2..])] {
        let speed = |time: f64| SIZE as f64 / f64::from(1 << 20) / time;
        let figure = |what: &str, value, unit: &'static str, goal| {
            Figure::new(format!("volume.{name}.{what}"), value, unit, goal, rounds)
        };
        figures.push(figure("plain_mib_per_s", speed(pair[0]), "MiB/s", Goal::None));
        // As much as a fast disk gives.
        figures.push(figure("encrypted_mib_per_s", speed(pair[1]), "MiB/s", Goal::AtLeast(500.0)));
        figures.push(figure("encrypted_over_plain", pair[1] / pair[0], "×", Goal::None));
    }
    Ok(())
}

/// Bytes on the disk of all files below a directory, each once.
fn on_disk(dir: &Path) -> io::Result<u64> {
    let mut seen = std::collections::BTreeSet::new();
    let (mut bytes, mut ahead) = (0, vec![dir.to_owned()]);
    while let Some(next) = ahead.pop() {
        for entry in fs::read_dir(next)? {
            let (path, meta) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
            if meta.is_dir() {
                ahead.push(path);
            } else if seen.insert(meta.ino()) {
                bytes += meta.blocks() * 512;
            }
        }
    }
    Ok(bytes)
}

/// Time and room that a clone takes, of a qube with a full volume; and those of a copy of its file.
pub(crate) fn clones(quick: bool, figures: &mut Vec<Figure>) -> Result<(), String> {
    fn text(error: impl std::fmt::Display) -> String {
        error.to_string()
    }
    let (bytes, times) = if quick { (64 << 20, 1) } else { (1 << 30, 3) };
    let dir = Path::new("target/bench");
    fs::create_dir_all(dir).map_err(text)?;
    let temp = tempfile::Builder::new().prefix("clone-").tempdir_in(dir).map_err(text)?;
    let store = Store::open(&temp.path().join("data")).map_err(text)?;
    let (full, copy) = (QubeName::new("full").map_err(text)?, QubeName::new("copy").map_err(text)?);
    let mut seconds: [Vec<f64>; 2] = Default::default();
    let mut room = [0; 2];
    for _ in 0..times {
        let config = QubeConfig::new(LabelName::new("grey").map_err(text)?);
        store.create(&full, &config).map_err(text)?;
        let volume = store.plain_volume(&full);
        let mut file = File::create(&volume).map_err(text)?;
        let random = File::open("/dev/urandom").map_err(text)?;
        io::copy(&mut random.take(bytes), &mut file).and_then(|_| file.sync_all()).map_err(text)?;
        let before = on_disk(temp.path()).map_err(text)?;
        let begin = Instant::now();
        let whole = temp.path().join("copy");
        io::copy(&mut File::open(&volume).map_err(text)?, &mut File::create(&whole).map_err(text)?)
            .and_then(|_| File::open(&whole)?.sync_all())
            .map_err(text)?;
        seconds[0].push(begin.elapsed().as_secs_f64());
        room[0] = on_disk(temp.path()).map_err(text)?.saturating_sub(before);
        fs::remove_file(&whole).map_err(text)?;
        let begin = Instant::now();
        store.copy(&full, &copy).and_then(Copying::run).map_err(text)?;
        seconds[1].push(begin.elapsed().as_secs_f64());
        room[1] = on_disk(temp.path()).map_err(text)?.saturating_sub(before);
        for name in [&full, &copy] {
            store.remove(name).and_then(Trash::empty).map_err(text)?;
        }
    }
    for ((what, seconds), room) in ["copied", "cloned"].into_iter().zip(&mut seconds).zip(room) {
        let figure =
            |name, value, unit| Figure::new(format!("volume.{what}.{name}"), value, unit, Goal::None, times);
        figures.push(figure("ms", quantile(seconds, 0.5)? * 1e3, "ms"));
        figures.push(figure("kib_on_disk", room as f64 / 1024.0, "KiB"));
    }
    Ok(())
}
