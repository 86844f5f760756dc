//! Files with holes: which pieces of them hold data, and how that stands in the container (GNU tar's
//! sparse format 1.0: a list of decimal numbers, a line each, filled up to a whole block, then the data).

use std::{io, os::fd::AsFd};

use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};

use super::{container::BLOCK, pax::number};

/// Most pieces of one file. Its list is held in memory.
pub(super) const MAX_PIECES: usize = 4 << 20;
/// Holes smaller than this are stored as zeros.
const SMALL_HOLE: u64 = 64 << 10;

/// Bytes of a file that are no hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) start: u64,
    pub(super) length: u64,
}

impl Piece {
    /// The first byte after it.
    pub(super) fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }
}

/// The pieces of a file of `size` bytes. More than [`MAX_PIECES`] are an error of kind `FileTooLarge`.
pub(super) fn pieces(file: impl AsFd, size: u64) -> io::Result<Vec<Piece>> {
    let mut found: Vec<Piece> = Vec::new();
    let mut at = 0;
    while at < size {
        let start = match seek(&file, SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            // A file system that knows of no holes.
            Err(Errno::INVAL | Errno::OPNOTSUPP) if found.is_empty() => {
                return Ok(vec![Piece { start: 0, length: size }]);
            }
            Err(error) => return Err(error.into()),
        };
        let end = seek(&file, SeekFrom::Hole(start))?.min(size);
        if start >= end {
            break;
        }
        // Whole blocks of the container, but for the last.
        let start = start - start % BLOCK as u64;
        let end = end.next_multiple_of(BLOCK as u64).min(size);
        match found.last_mut() {
            Some(last) if start.saturating_sub(last.end()) < SMALL_HOLE => last.length = end - last.start,
            _ => found.push(Piece { start, length: end - start }),
        }
        if found.len() > MAX_PIECES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        at = end;
    }
    Ok(found)
}

/// True if these pieces are all of a file of this size.
pub(super) fn is_whole(pieces: &[Piece], size: u64) -> bool {
    match pieces {
        [] => size == 0,
        [only] => only.start == 0 && only.length == size,
        _ => false,
    }
}

/// The same bytes in order, each once, and no small holes between them.
pub(super) fn merged(mut pieces: Vec<Piece>) -> io::Result<Vec<Piece>> {
    pieces.sort_by_key(|piece| piece.start);
    let mut found: Vec<Piece> = Vec::new();
    for piece in pieces {
        match found.last_mut() {
            Some(last) if piece.start.saturating_sub(last.end()) < SMALL_HOLE => {
                last.length = last.end().max(piece.end()) - last.start;
            }
            _ => found.push(piece),
        }
    }
    if found.len() > MAX_PIECES { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(found) }
}

/// Bytes of data in these pieces.
pub(super) fn total(pieces: &[Piece]) -> u64 {
    pieces.iter().map(|piece| piece.length).sum()
}

/// The list as it stands before the data.
pub(super) fn encode(pieces: &[Piece], size: u64) -> Vec<u8> {
    // The end of the file is told by an empty piece where a hole is there.
    let last = pieces.last().is_none_or(|last| last.end() < size).then_some(Piece { start: size, length: 0 });
    let mut text = format!("{}\n", pieces.len() + usize::from(last.is_some())).into_bytes();
    for piece in pieces.iter().chain(&last) {
        text.extend_from_slice(format!("{}\n{}\n", piece.start, piece.length).as_bytes());
    }
    text.resize(text.len().next_multiple_of(BLOCK), 0);
    text
}

/// Reads such a list, a block at a time.
#[derive(Debug, Default)]
pub(super) struct Decode {
    line: Vec<u8>,
    /// How many numbers are to come; none as long as that is not known.
    left: Option<u64>,
    start: Option<u64>,
    pieces: Vec<Piece>,
}

impl Decode {
    /// Takes the next block. Gives the list, without empty pieces, when it is whole; `Err` if it is none of a
    /// file of `size` bytes.
    pub(super) fn block(&mut self, untrusted: &[u8], size: u64) -> Result<Option<Vec<Piece>>, &'static str> {
        for byte in untrusted {
            if self.left == Some(0) {
                break;
            }
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() > 20 {
                    return Err("a list of pieces with no number in it");
                }
                continue;
            }
            let untrusted_number = number(&self.line).ok_or("a list of pieces with no number in it")?;
            self.line.clear();
            self.number(untrusted_number, size)?;
        }
        Ok((self.left == Some(0)).then(|| std::mem::take(&mut self.pieces)))
    }

    fn number(&mut self, untrusted: u64, size: u64) -> Result<(), &'static str> {
        let Some(left) = &mut self.left else {
            if untrusted > MAX_PIECES as u64 + 1 {
                return Err("a file in too many pieces");
            }
            self.left = Some(untrusted * 2);
            return Ok(());
        };
        *left -= 1;
        let Some(start) = self.start.take() else {
            self.start = Some(untrusted);
            return Ok(());
        };
        let piece = Piece { start, length: untrusted };
        let after = self.pieces.last().map_or(0, Piece::end);
        if start < after || start.checked_add(untrusted).is_none_or(|end| end > size) {
            return Err("pieces that overlap or lie outside of the file");
        }
        if piece.length > 0 {
            // Only the last may end within a block: each begins with one in the container.
            if self.pieces.last().is_some_and(|last| !last.length.is_multiple_of(BLOCK as u64)) {
                return Err("a piece that is no whole number of blocks");
            }
            self.pieces.push(piece);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use proptest::prelude::*;

    use super::*;

    fn decode(bytes: &[u8], size: u64) -> Result<Option<Vec<Piece>>, &'static str> {
        let mut decode = Decode::default();
        for block in bytes.chunks(BLOCK) {
            if let Some(pieces) = decode.block(block, size)? {
                return Ok(Some(pieces));
            }
        }
        Ok(None)
    }

    #[test]
    fn pieces_of_a_file() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(pieces(&file, 0).unwrap(), []);
        file.set_len(64 << 20).unwrap();
        assert_eq!(pieces(&file, 64 << 20).unwrap(), []);
        file.write_all_at(b"x", 10 << 20).unwrap();
        file.write_all_at(b"x", (10 << 20) + 40_000).unwrap();
        file.write_all_at(b"x", (64 << 20) - 1).unwrap();
        let found = pieces(&file, 64 << 20).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].start <= 10 << 20 && found[0].end() > (10 << 20) + 40_000);
        assert!(total(&found) <= 256 << 10);
        assert!(!is_whole(&found, 64 << 20) && is_whole(&[Piece { start: 0, length: 5 }], 5));
    }

    #[test]
    fn lists_that_are_none() {
        for bad in [
            "x\n",
            "1\n-1\n2\n",
            "1\n0\n11\n",
            "2\n0\n512\n10\n512\n",
            "99999999999999999999\n",
            "2\n0\n1\n2\n3\n",
        ] {
            assert!(decode(bad.as_bytes(), 10).is_err(), "{bad:?}");
        }
        assert!(decode(b"1\n18446744073709551615\n2\n", u64::MAX).is_err());
        assert_eq!(decode(b"1\n0\n", 10), Ok(None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(gaps in proptest::collection::vec((1u64..90, 1u64..90), 0..80), tail: bool) {
            let mut at = 0;
            let pieces: Vec<Piece> = gaps.iter().map(|(gap, length)| {
                let start = at + gap * 512;
                at = start + length * 512;
                Piece { start, length: length * 512 }
            }).collect();
            let size = at + u64::from(tail) * 7_000;
            let bytes = encode(&pieces, size);
            prop_assert!(bytes.len().is_multiple_of(BLOCK));
            prop_assert_eq!(decode(&bytes, size), Ok(Some(pieces)));
        }

        #[test]
        fn any_text_is_a_list_or_an_error(text in "[0-9\n]{0,700}", size: u64) {
            if let Ok(Some(pieces)) = decode(text.as_bytes(), size) {
                prop_assert!(pieces.windows(2).all(|two| two[0].end() <= two[1].start));
                prop_assert!(pieces.iter().all(|piece| piece.end() <= size));
            }
        }
    }
}
