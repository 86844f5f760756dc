//! The parts of a disk that a request to discard, or to write zeros, names (virtio 1.2, section 5.2.6).

use std::ops::Range;

use super::Status;

/// Bytes of one: first sector (8), sectors (4), flags (4).
const SEGMENT: usize = 16;
/// The only flag: what is to read as zeros may be let go of.
const UNMAP: u32 = 1;

/// What a request may name, as the guest is told.
#[derive(Debug)]
pub(super) struct Limits {
    /// Most segments.
    pub(super) segments: u32,
    /// Most sectors of each.
    pub(super) sectors: u32,
    /// The flag has a meaning.
    pub(super) unmap: bool,
}

impl Limits {
    /// Most bytes of a request's segments.
    pub(super) fn bytes(&self) -> u64 {
        u64::from(self.segments) * SEGMENT as u64
    }

    /// The sectors of each segment, on a disk of `size` sectors.
    ///
    /// # Errors
    /// The status of the whole request, of which then nothing is done: one of them has a flag that is unknown,
    /// is empty, too long or not wholly on the disk, or there are none, too many, or half of one.
    pub(super) fn check(&self, untrusted_bytes: &[u8], size: u64) -> Result<Vec<Range<u64>>, Status> {
        let (untrusted_segments, rest) = untrusted_bytes.as_chunks::<SEGMENT>();
        if untrusted_segments.is_empty()
            || !rest.is_empty()
            || untrusted_segments.len() > self.segments as usize
        {
            return Err(Status::Error);
        }
        untrusted_segments.iter().map(|untrusted_segment| self.one(*untrusted_segment, size)).collect()
    }

    fn one(&self, untrusted_segment: [u8; SEGMENT], size: u64) -> Result<Range<u64>, Status> {
        let untrusted_numbers = u128::from_le_bytes(untrusted_segment);
        let (untrusted_first, untrusted_sectors) =
            (untrusted_numbers as u64, (untrusted_numbers >> 64) as u32);
        let known = if self.unmap { UNMAP } else { 0 };
        if (untrusted_numbers >> 96) as u32 & !known != 0 {
            return Err(Status::Unsupported);
        }
        if untrusted_sectors == 0 || untrusted_sectors > self.sectors {
            return Err(Status::Error);
        }
        let end = untrusted_first.checked_add(u64::from(untrusted_sectors)).filter(|end| *end <= size);
        end.map(|end| untrusted_first..end).ok_or(Status::Error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { segments: 4, sectors: 100, unmap: false };
    const SIZE: u64 = 1000;

    fn segment(first: u64, sectors: u32, flags: u32) -> Vec<u8> {
        [&first.to_le_bytes()[..], &sectors.to_le_bytes(), &flags.to_le_bytes()].concat()
    }

    #[test]
    fn what_is_legal_and_what_is_not() {
        let check = |bytes: &[u8]| LIMITS.check(bytes, SIZE);
        assert_eq!(check(&[segment(900, 100, 0), segment(5, 2, 0)].concat()), Ok(vec![900..1000, 5..7]));
        for (first, sectors) in
            [(900, 101), (901, 100), (SIZE, 1), (0, 0), (u64::MAX, 1), (u64::MAX - 99, 100)]
        {
            assert_eq!(check(&segment(first, sectors, 0)), Err(Status::Error), "{first} {sectors}");
            // The others of the request are right, and not done.
            let among = [segment(0, 1, 0), segment(first, sectors, 0)].concat();
            assert_eq!(check(&among), Err(Status::Error));
        }
        for wrong in [&[][..], &[0; 15], &[0; 17], &segment(0, 1, 0).repeat(5)] {
            assert_eq!(check(wrong), Err(Status::Error));
        }
        for flags in [UNMAP, 2, 1 << 31] {
            assert_eq!(check(&segment(0, 1, flags)), Err(Status::Unsupported), "{flags}");
        }
        let zeroes = Limits { unmap: true, ..LIMITS };
        let either = [segment(3, 4, UNMAP), segment(9, 1, 0)].concat();
        assert_eq!(zeroes.check(&either, SIZE), Ok(vec![3..7, 9..10]));
        assert_eq!(zeroes.check(&segment(3, 4, UNMAP | 2), SIZE), Err(Status::Unsupported));
    }

    proptest! {
        #[test]
        fn whatever_is_named_lies_on_the_disk(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            first in prop_oneof![0..1100_u64, any::<u64>()],
            sectors in prop_oneof![0..120_u32, any::<u32>()],
            unmap: bool,
        ) {
            let limits = Limits { unmap, ..LIMITS };
            for bytes in [bytes.clone(), [segment(first, sectors, 0), bytes].concat(), segment(first, sectors, 1)] {
                let Ok(segments) = limits.check(&bytes, SIZE) else { continue };
                prop_assert!((1..=4).contains(&segments.len()) && segments.len() * SEGMENT == bytes.len());
                for part in segments {
                    prop_assert!(part.start < part.end && part.end <= SIZE && part.end - part.start <= 100);
                }
            }
        }
    }
}
