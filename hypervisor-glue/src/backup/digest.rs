//! Digests of files.
//!
//! Of a file without holes it is SHA-256 of what is in it. Of one with holes, which may be larger than anybody
//! would want to read, it is SHA-256 over each block of 64 KiB that is not all zeros: its number (64 bits,
//! little-endian), then its bytes; of the last block as many as the file has. It does not depend on where a
//! file system has its holes.

use sha2::{Digest as _, Sha256};

const DATA_BLOCK: usize = 64 * 1024;

/// The digest of a file whose bytes come in order.
pub(super) struct Hasher {
    sha: Sha256,
    /// For a file with holes: its size, the number of the block, and the block.
    block: Option<(u64, u64, Vec<u8>)>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    /// For a file without holes.
    pub(super) fn plain() -> Self {
        Self { sha: Sha256::new(), block: None }
    }

    /// For a file with holes, of this size.
    pub(super) fn sparse(size: u64) -> Self {
        Self { sha: Sha256::new(), block: Some((size, 0, vec![0; DATA_BLOCK])) }
    }

    /// The bytes at this place, which comes after those before; between them are zeros.
    pub(super) fn put(&mut self, mut at: u64, mut bytes: &[u8]) {
        let Some((size, number, block)) = &mut self.block else {
            self.sha.update(bytes);
            return;
        };
        while !bytes.is_empty() {
            let (next, offset) = (at / DATA_BLOCK as u64, (at % DATA_BLOCK as u64) as usize);
            if next != *number {
                close(&mut self.sha, *size, *number, block);
                *number = next;
            }
            let length = bytes.len().min(DATA_BLOCK - offset);
            let (now, rest) = bytes.split_at(length);
            block[offset..offset + length].copy_from_slice(now);
            at += length as u64;
            bytes = rest;
        }
    }

    /// The digest of everything.
    pub(super) fn end(mut self) -> [u8; 32] {
        if let Some((size, number, block)) = &mut self.block {
            close(&mut self.sha, *size, *number, block);
        }
        self.sha.finalize().into()
    }
}

/// Counts a block, and makes it empty.
fn close(sha: &mut Sha256, size: u64, number: u64, block: &mut [u8]) {
    if block.iter().all(|byte| *byte == 0) {
        return;
    }
    let left = size.saturating_sub(number * DATA_BLOCK as u64);
    let length = usize::try_from(left).unwrap_or(DATA_BLOCK).min(DATA_BLOCK);
    sha.update(number.to_le_bytes());
    sha.update(&block[..length]);
    block.fill(0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(size: u64, pieces: &[(u64, Vec<u8>)]) -> [u8; 32] {
        let mut hasher = Hasher::sparse(size);
        for (at, bytes) in pieces {
            hasher.put(*at, bytes);
        }
        hasher.end()
    }

    #[test]
    fn what_the_format_says() {
        let mut plain = Hasher::plain();
        plain.put(0, b"abc");
        assert_eq!(super::super::sums::hex(&plain.end())[..16], *"ba7816bf8f01cfea");
        // Block 2 has one byte, as the file ends there.
        let mut by_hand = Sha256::new();
        by_hand.update(0u64.to_le_bytes());
        by_hand.update([&[0; 10][..], b"x", &vec![0; 65_536 - 11]].concat());
        by_hand.update(2u64.to_le_bytes());
        by_hand.update(b"y");
        let by_hand: [u8; 32] = by_hand.finalize().into();
        assert_eq!(of(2 * 65_536 + 1, &[(10, b"x".to_vec()), (2 * 65_536, b"y".to_vec())]), by_hand);
    }

    proptest! {
        #[test]
        fn where_the_pieces_are_cut_does_not_matter(
            at in 0u64..400_000, bytes in proptest::collection::vec(any::<u8>(), 1..3_000), cut in 0usize..3_000,
        ) {
            let size = 500_000;
            let whole = of(size, &[(at, bytes.clone())]);
            let cut = cut.min(bytes.len());
            let two = [(at, bytes[..cut].to_vec()), (at + cut as u64, bytes[cut..].to_vec())];
            prop_assert_eq!(of(size, &two), whole);
            let mut all = vec![0; size as usize];
            all[at as usize..at as usize + bytes.len()].copy_from_slice(&bytes);
            prop_assert_eq!(of(size, &[(0, all)]), whole);
            if bytes.iter().any(|byte| *byte != 0) {
                prop_assert_ne!(of(size, &[(at + 1, bytes)]), whole);
            }
        }
    }
}
