//! Disks (virtio 1.2, section 5.2).

mod disk;
mod segments;

use super::{Broken, Device, Queues, Work, chain::Chain};

pub use disk::{Disk, DiskError};
use segments::Limits;

const FEATURE_SIZE_MAX: u64 = 1 << 1;
const FEATURE_SEG_MAX: u64 = 1 << 2;
const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_BLOCK_SIZE: u64 = 1 << 6;
const FEATURE_FLUSH: u64 = 1 << 9;
const FEATURE_DISCARD: u64 = 1 << 13;
const FEATURE_WRITE_ZEROES: u64 = 1 << 14;

/// Bytes of a sector, whatever the disk's block size.
const SECTOR: u64 = 512;
/// The request's header: type, reserved, first sector.
const HEADER: usize = 16;
/// Bytes of a disk's name.
const ID_SIZE: usize = 20;

const TYPE_READ: u32 = 0;
const TYPE_WRITE: u32 = 1;
const TYPE_FLUSH: u32 = 4;
const TYPE_ID: u32 = 8;
const TYPE_DISCARD: u32 = 11;
const TYPE_WRITE_ZEROES: u32 = 13;

/// A request's end, as its last byte says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Status {
    Good = 0,
    Error = 1,
    Unsupported = 2,
}

/// Most bytes of a segment, as the guest is told.
const SEGMENT: u32 = 8 << 10;
/// Most bytes of one request: what its segments can hold, for the guest hears of no other limit.
const MAX_REQUEST: u64 = SEGMENT as u64 * SEGMENTS as u64;
/// Bytes moved before others get their turn.
const BUDGET: u64 = 4 << 20;
/// Most segments of a request: what a chain holds besides header and status.
const SEGMENTS: u32 = QUEUE as u32 - 2;
const QUEUE: u16 = 128;
/// What one request may discard: a hole takes the file system about the same time whatever its length.
const DISCARDS: Limits = Limits { segments: 16, sectors: 64 << 20 >> 9, unmap: false };
/// What one request may fill with zeros, which may have to be written.
const ZEROES: Limits = Limits { segments: 1, sectors: (MAX_REQUEST / SECTOR) as u32, unmap: true };
/// Bytes of the configuration (virtio 1.2, section 5.2.4), up to `write_zeroes_may_unmap` and what is unused behind it.
const CONFIG: usize = 60;

/// The device.
#[derive(Debug)]
pub struct Block {
    disk: Disk,
    id: [u8; ID_SIZE],
    config: [u8; CONFIG],
}

impl Block {
    /// A disk; the guest sees `name` as its serial number, cut to 20 bytes.
    pub fn new(disk: Disk, name: &str) -> Self {
        let mut id = [0; ID_SIZE];
        for (target, byte) in id.iter_mut().zip(name.bytes()) {
            *target = byte;
        }
        let mut config = [0; CONFIG];
        config[..8].copy_from_slice(&(disk.size() / SECTOR).to_le_bytes());
        for (at, value) in [
            (8, SEGMENT),
            (12, SEGMENTS),
            (20, SECTOR as u32),
            (36, DISCARDS.sectors),
            (40, DISCARDS.segments),
            (44, disk.granularity() / SECTOR as u32),
            (48, ZEROES.sectors),
            (52, ZEROES.segments),
            (56, 1),
        ] {
            config[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
        }
        Self { disk, id, config }
    }

    /// Carries out one request. Says the bytes that were written for the guest, and those moved.
    fn request(&mut self, chain: &Chain<'_>) -> Result<(u32, u64), Broken> {
        let mut untrusted_header = [0; HEADER];
        if chain.read_at(0, &mut untrusted_header) < HEADER {
            return Err(Broken("a disk request without a header"));
        }
        let Some(room) = chain.writable().checked_sub(1) else {
            return Err(Broken("a disk request without a status"));
        };
        let [a, b, c, d, _, _, _, _, sector @ ..] = untrusted_header;
        let untrusted_sector = u64::from_le_bytes(sector);
        let (status, moved) = match u32::from_le_bytes([a, b, c, d]) {
            TYPE_READ => match self.range(untrusted_sector, room) {
                Some(offset) => (self.disk.read(&chain.slices_to_write(0, room), offset), room),
                None => (Status::Error, 0),
            },
            TYPE_WRITE => {
                let length = chain.readable() - HEADER as u64;
                match self.range(untrusted_sector, length) {
                    Some(offset) if !self.disk.is_read_only() => {
                        let slices = chain.slices_to_read(HEADER as u64, length);
                        (self.disk.write(&slices, offset), length)
                    }
                    _ => (Status::Error, 0),
                }
            }
            // A sync may take as long as many bytes do.
            TYPE_FLUSH => (self.disk.flush(), BUDGET / 4),
            TYPE_ID => {
                let length = self.id.len().min(usize::try_from(room).unwrap_or(usize::MAX));
                chain.write_at(0, &self.id[..length]);
                (Status::Good, length as u64)
            }
            TYPE_DISCARD => {
                let discard = |disk: &mut Disk, offset, length| disk.discard(offset, length);
                (self.each_segment(chain, &DISCARDS, discard), BUDGET / 4)
            }
            TYPE_WRITE_ZEROES => {
                let zero = |disk: &mut Disk, offset, length| disk.write_zeroes(offset, length as usize);
                (self.each_segment(chain, &ZEROES, zero), BUDGET / 4)
            }
            _ => (Status::Unsupported, 0),
        };
        chain.write_at(room, &[status as u8]);
        let read = if status == Status::Good && moved <= room { moved } else { 0 };
        // The status is always written; it lies behind all room for data.
        Ok((if read == room { room as u32 + 1 } else { 1 }, moved))
    }

    /// Does something with each segment that a request names, if all of them are legal.
    fn each_segment(
        &mut self,
        chain: &Chain<'_>,
        limits: &Limits,
        mut act: impl FnMut(&mut Disk, u64, u64) -> Status,
    ) -> Status {
        if self.disk.is_read_only() {
            return Status::Error;
        }
        let length = chain.readable() - HEADER as u64;
        if length > limits.bytes() {
            return Status::Error;
        }
        let mut untrusted_segments = vec![0; length as usize];
        chain.read_at(HEADER as u64, &mut untrusted_segments);
        match limits.check(&untrusted_segments, self.disk.size() / SECTOR) {
            Ok(segments) => segments
                .into_iter()
                .map(|part| act(&mut self.disk, part.start * SECTOR, (part.end - part.start) * SECTOR))
                .find(|status| *status != Status::Good)
                .unwrap_or(Status::Good),
            Err(status) => status,
        }
    }

    /// The first byte, if the request is whole sectors, of a legal length, and on the disk.
    fn range(&self, untrusted_sector: u64, length: u64) -> Option<u64> {
        let offset = untrusted_sector.checked_mul(SECTOR)?;
        let end = offset.checked_add(length)?;
        let legal = length.is_multiple_of(SECTOR) && length <= MAX_REQUEST && length > 0;
        (legal && end <= self.disk.size()).then_some(offset)
    }
}

impl Device for Block {
    fn kind(&self) -> u32 {
        2
    }

    fn features(&self) -> u64 {
        let by_use =
            if self.disk.is_read_only() { FEATURE_READ_ONLY } else { FEATURE_DISCARD | FEATURE_WRITE_ZEROES };
        FEATURE_SIZE_MAX | FEATURE_SEG_MAX | FEATURE_BLOCK_SIZE | FEATURE_FLUSH | by_use
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[QUEUE]
    }

    fn config(&self) -> &[u8] {
        &self.config
    }

    fn notified(&mut self, index: usize, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        let mut budget = BUDGET;
        for _ in 0..queues.budget(index) {
            let Some(chain) = queues.pop(index)? else { return Ok(Work::Done) };
            let (written, moved) = self.request(&chain)?;
            queues.push(index, chain.head(), written)?;
            budget = budget.saturating_sub(moved);
            if budget == 0 {
                break;
            }
        }
        Ok(Work::More)
    }

    fn finish(&mut self) {
        // What a guest wrote and forgot to flush is not lost with it.
        self.disk.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_request_that_a_guest_may_make_is_legal() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(16 << 20).unwrap();
        let block = Block::new(Disk::raw(file, false).unwrap(), "fake");
        // `size_max` and `seg_max` (virtio 1.2, section 5.2.4).
        let [segment, segments] = [8, 12]
            .map(|at| u64::from(u32::from_le_bytes(std::array::from_fn(|byte| block.config()[at + byte]))));
        assert!(segment >= 4096 && segments > 0);
        assert_eq!(block.range(0, segment * segments), Some(0));
        assert_eq!(block.range(0, MAX_REQUEST + SECTOR), None);
    }
}
