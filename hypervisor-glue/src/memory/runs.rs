//! Where runs of guest page frames lie in the file of guest RAM. Pure arithmetic.

use super::MemoryError;

/// Bytes of a page frame of a guest, as the protocol counts them.
pub const PAGE: u64 = 4_096;

/// How guest physical addresses map to the file of guest RAM.
///
/// The file holds RAM without its hole: what lies above the hole follows what lies below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamLayout {
    bytes: u64,
    hole_start: u64,
    hole_end: u64,
}

impl RamLayout {
    /// RAM of `bytes` bytes with a hole in `hole_start..hole_end`, as in
    /// [`MemoryKind::GuestRam`](transom_protocol::supervisor::MemoryKind::GuestRam). A hole that
    /// starts at the end of RAM is none.
    ///
    /// # Errors
    /// [`MemoryError::Layout`]: a number is no multiple of a page, the hole ends before it starts
    /// or starts above RAM, or RAM ends above the last address.
    pub fn new(bytes: u64, hole_start: u64, hole_end: u64) -> Result<Self, MemoryError> {
        let (hole_start, hole_end) =
            if hole_start == bytes { (bytes, bytes) } else { (hole_start, hole_end) };
        let pages = [bytes, hole_start, hole_end].iter().all(|n| n.is_multiple_of(PAGE));
        let ordered = bytes != 0 && hole_start <= bytes && hole_start <= hole_end;
        if pages && ordered && bytes.checked_add(hole_end - hole_start).is_some() {
            Ok(Self { bytes, hole_start, hole_end })
        } else {
            Err(MemoryError::Layout)
        }
    }

    /// Bytes of RAM.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// First byte in the file of `untrusted_count` page frames from `untrusted_first` on, and their
    /// length in bytes; `None` unless all of them are RAM.
    fn locate(&self, untrusted_first: u64, untrusted_count: u64) -> Option<Piece> {
        let start = untrusted_first.checked_mul(PAGE)?;
        let bytes = untrusted_count.checked_mul(PAGE).filter(|bytes| *bytes != 0)?;
        let end = start.checked_add(bytes)?;
        let offset = if end <= self.hole_start {
            start
        } else {
            // Not below the hole as a whole: it must be above it as a whole.
            start.checked_sub(self.hole_end)?.checked_add(self.hole_start)?
        };
        (offset.checked_add(bytes)? <= self.bytes).then_some(Piece { offset, bytes })
    }
}

/// A part of the file of guest RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First byte in the file.
    pub offset: u64,
    /// Bytes; a multiple of [`PAGE`], not 0.
    pub bytes: u64,
}

/// The parts of the file that runs `(first page frame, count)` stand for, in their order, with
/// neighbours made one.
///
/// # Errors
/// [`MemoryError::OutsideRam`] names the first run that is empty or not wholly RAM;
/// [`MemoryError::WrongLength`]: together they are not `bytes` bytes, rounded up to pages.
pub fn pieces(
    layout: RamLayout,
    untrusted_runs: impl IntoIterator<Item = (u64, u32)>,
    bytes: u64,
) -> Result<Vec<Piece>, MemoryError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut total = 0u64;
    for (first, count) in untrusted_runs {
        let piece = layout.locate(first, count.into()).ok_or(MemoryError::OutsideRam { first, count })?;
        total = total.checked_add(piece.bytes).ok_or(MemoryError::WrongLength { bytes, there: u64::MAX })?;
        match pieces.last_mut() {
            // Both are inside RAM, so the sum does not overflow.
            Some(last) if last.offset + last.bytes == piece.offset => last.bytes += piece.bytes,
            _ => pieces.push(piece),
        }
    }
    if bytes.checked_next_multiple_of(PAGE) == Some(total) {
        Ok(pieces)
    } else {
        Err(MemoryError::WrongLength { bytes, there: total })
    }
}

/// What of `pieces`, side by side, holds `length` bytes from `offset` on, in whole pages; and how far
/// into the first of these pages they begin. `None`: they are not all there, or there are none.
pub(super) fn part(pieces: &[Piece], offset: u64, length: u64) -> Option<(Vec<Piece>, u32)> {
    let start = offset / PAGE * PAGE;
    let end = offset.checked_add(length).filter(|end| *end > offset)?.checked_next_multiple_of(PAGE)?;
    let mut found: Vec<Piece> = Vec::new();
    let mut at = 0u64;
    for piece in pieces {
        let next = at.checked_add(piece.bytes)?;
        let (from, to) = (start.max(at), end.min(next));
        if from < to {
            found.push(Piece { offset: piece.offset + (from - at), bytes: to - from });
        }
        at = next;
    }
    (end <= at).then(|| (found, (offset - start) as u32))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_above_the_hole_lie_lower_in_the_file() {
        let layout = RamLayout::new(10 * PAGE, 4 * PAGE, 100 * PAGE).unwrap();
        let at = |first, count| layout.locate(first, count).map(|p| (p.offset / PAGE, p.bytes / PAGE));
        assert_eq!(at(0, 4), Some((0, 4)));
        assert_eq!(at(100, 6), Some((4, 6)));
        assert_eq!(at(105, 1), Some((9, 1)));
        for (first, count) in [
            (3, 2),
            (4, 1),
            (99, 2),
            (50, 1),
            (105, 2),
            (0, 0),
            (0, 200),
            (u64::MAX, 1),
            (u64::MAX / PAGE, 1),
        ] {
            assert_eq!(at(first, count), None, "{first} {count}");
        }
    }

    #[test]
    fn neighbours_become_one_even_across_the_hole() {
        let layout = RamLayout::new(8 * PAGE, 4 * PAGE, 16 * PAGE).unwrap();
        let joined = pieces(layout, [(2, 2), (16, 1), (17, 1), (0, 1), (0, 1)], 6 * PAGE - 5).unwrap();
        let joined: Vec<_> = joined.iter().map(|p| (p.offset / PAGE, p.bytes / PAGE)).collect();
        assert_eq!(joined, [(2, 4), (0, 1), (0, 1)]);
    }

    proptest! {
        /// Page for page it is what stands there in the whole.
        #[test]
        fn a_part_is_what_the_whole_has_there(
            lengths in proptest::collection::vec((0u64..50, 1u64..5), 0..8),
            offset in 0..30 * PAGE,
            length in 0..30 * PAGE,
        ) {
            let whole: Vec<Piece> =
                lengths.iter().map(|(at, n)| Piece { offset: at * PAGE, bytes: n * PAGE }).collect();
            let pages = |pieces: &[Piece]| -> Vec<u64> {
                pieces.iter().flat_map(|p| (p.offset..p.offset + p.bytes).step_by(PAGE as usize)).collect()
            };
            let all = pages(&whole);
            let (from, to) = ((offset / PAGE) as usize, (offset + length).div_ceil(PAGE) as usize);
            match part(&whole, offset, length) {
                Some((pieces, start)) => {
                    prop_assert_eq!(pages(&pieces), &all[from..to]);
                    prop_assert_eq!(u64::from(start), offset % PAGE);
                }
                None => prop_assert!(length == 0 || to > all.len()),
            }
        }
    }

    #[test]
    fn parts_that_are_not_there() {
        let whole = [Piece { offset: 0, bytes: PAGE }];
        for (offset, length) in [(0, 0), (0, PAGE + 1), (PAGE, 1), (1, u64::MAX), (u64::MAX, 1)] {
            assert_eq!(part(&whole, offset, length), None, "{offset} {length}");
        }
    }

    #[test]
    fn layouts_that_cannot_be_are_refused() {
        assert!(RamLayout::new(PAGE, PAGE, 0).is_ok(), "no hole, whatever its end");
        for (bytes, start, end) in [
            (0, 0, 0),
            (PAGE + 1, PAGE, PAGE),
            (2 * PAGE, 1, PAGE),
            (2 * PAGE, PAGE, PAGE + 1),
            (2 * PAGE, 3 * PAGE, 4 * PAGE),
            (4 * PAGE, 2 * PAGE, PAGE),
            (4 * PAGE, PAGE, u64::MAX / PAGE * PAGE),
        ] {
            assert!(
                matches!(RamLayout::new(bytes, start, end), Err(MemoryError::Layout)),
                "{bytes} {start} {end}"
            );
        }
    }

    /// The file's page of a page frame, found by walking over all of RAM.
    fn walk(ram: u64, hole: (u64, u64)) -> Vec<(u64, u64)> {
        let mut frame = 0;
        (0..ram)
            .map(|page| {
                if frame == hole.0 {
                    frame = hole.1;
                }
                frame += 1;
                (frame - 1, page)
            })
            .collect()
    }

    proptest! {
        #[test]
        fn as_page_by_page(
            ram in 1u64..40,
            start in 0u64..40,
            width in 0u64..30,
            runs in proptest::collection::vec((prop_oneof![9 => 0u64..80, 1 => any::<u64>()],
                prop_oneof![9 => 0u32..9, 1 => any::<u32>()]), 0..12),
            bytes_off in prop_oneof![3 => Just(0u64), 1 => 1u64..5000],
        ) {
            let start = start.min(ram);
            let hole = (start, start + width);
            let table = walk(ram, if start == ram { (u64::MAX, 0) } else { hole });
            let layout = RamLayout::new(ram * PAGE, hole.0 * PAGE, hole.1 * PAGE).unwrap();
            // What it should be: every page frame looked up in the table. A run over a hole of no
            // pages is whole; one over a real hole is not, for its frames in the hole are no RAM.
            let mut pages = Vec::new();
            let mut legal = true;
            for (first, count) in &runs {
                legal &= *count != 0 && u64::from(*count) <= 80;
                for frame in (0..u64::from(*count).min(81)).map(|i| first.wrapping_add(i)) {
                    match table.iter().find(|(f, _)| *f == frame) {
                        Some((_, page)) => pages.push(*page),
                        None => legal = false,
                    }
                }
            }
            let bytes = (pages.len() as u64 * PAGE).saturating_sub(bytes_off);
            legal &= bytes.div_ceil(PAGE) == pages.len() as u64;
            match pieces(layout, runs.iter().copied(), bytes) {
                Ok(pieces) => {
                    prop_assert!(legal);
                    let got: Vec<u64> = pieces
                        .iter()
                        .flat_map(|p| (p.offset / PAGE)..((p.offset + p.bytes) / PAGE))
                        .collect();
                    prop_assert_eq!(got, pages);
                    let joined = pieces.windows(2).all(|w| w[0].offset + w[0].bytes != w[1].offset);
                    prop_assert!(joined, "neighbours are left");
                }
                Err(_) => prop_assert!(!legal),
            }
        }
    }
}
