//! What encrypting a volume costs: the same requests to a file as it is and through the cipher, without
//! a disk, which would hide it.

use std::{fs::File, os::unix::fs::FileExt as _, time::Instant};

use transom_hypervisor::encryption::{Layout, Payload};

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
