//! Entropy (virtio 1.2, section 5.4): the host's, by getrandom.

use rustix::rand::{GetRandomFlags, getrandom};

use super::{Broken, Device, Queues, Work};

/// Most bytes for one request; a guest that wants more asks again.
const MOST: u64 = 4096;

/// The device.
#[derive(Debug, Default)]
pub struct Rng;

impl Device for Rng {
    fn kind(&self) -> u32 {
        4
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[64]
    }

    fn notified(&mut self, index: usize, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        for _ in 0..queues.budget(index) {
            let Some(chain) = queues.pop(index)? else { return Ok(Work::Done) };
            let mut bytes = vec![0; chain.writable().min(MOST) as usize];
            // With 256 bytes and more it may be interrupted; then there are less.
            let filled = getrandom(&mut bytes[..], GetRandomFlags::empty()).unwrap_or(0);
            let written = chain.write_at(0, &bytes[..filled]);
            queues.push(index, chain.head(), written as u32)?;
        }
        Ok(Work::More)
    }
}
