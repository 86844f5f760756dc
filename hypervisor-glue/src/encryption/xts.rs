//! AES-256 in XTS mode (IEEE 1619-2007) with `plain64` tweaks, as dm-crypt calls it: a sector's tweak
//! is its number, counted in 512 bytes from the start of the payload.
//!
//! The block cipher is the `aes` crate's, which uses the processor's own instructions. The mode is
//! here, for the crate that has it enciphers one block after the other and so at an eighth of the speed
//! (`docs/encryption.md`); the tests compare the two.

use std::{fmt, io};

use aes::{
    Aes256, Block,
    cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _},
};

/// Bytes of a key: one half for the data, one for the tweaks.
pub const KEY: usize = 64;
/// Bytes that tweaks are counted in.
pub(super) const UNIT: usize = 512;
/// Blocks enciphered in one go.
const BATCH: usize = UNIT / 16;

/// A cipher with its key, which is wiped when it is dropped.
pub struct Xts {
    data: Aes256,
    tweak: Aes256,
}

impl fmt::Debug for Xts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Xts")
    }
}

#[derive(Clone, Copy)]
enum Direction {
    Encrypt,
    Decrypt,
}

impl Xts {
    /// A cipher with a key of [`KEY`] bytes.
    ///
    /// # Errors
    /// The key is of another length, or its halves are the same.
    pub fn new(key: &[u8]) -> io::Result<Self> {
        let bad = |text: &'static str| io::Error::new(io::ErrorKind::InvalidInput, text);
        if key.len() != KEY {
            return Err(bad("the volume's key is not of 64 bytes"));
        }
        let (data, tweak) = key.split_at(KEY / 2);
        if data == tweak {
            return Err(bad("the halves of the volume's key are the same"));
        }
        let cipher = |half| Aes256::new_from_slice(half).map_err(|_| bad("the volume's key cannot be used"));
        Ok(Self { data: cipher(data)?, tweak: cipher(tweak)? })
    }

    /// Enciphers whole sectors of `sector` bytes, a multiple of [`UNIT`], in their place. `first` is
    /// the number of the first one's first unit.
    pub fn encrypt(&self, bytes: &mut [u8], sector: usize, first: u64) {
        self.each(bytes, sector, first, Direction::Encrypt);
    }

    /// The way back.
    pub fn decrypt(&self, bytes: &mut [u8], sector: usize, first: u64) {
        self.each(bytes, sector, first, Direction::Decrypt);
    }

    fn each(&self, bytes: &mut [u8], sector: usize, first: u64, direction: Direction) {
        debug_assert!(sector >= UNIT && sector.is_multiple_of(UNIT) && bytes.len().is_multiple_of(sector));
        let step = (sector / UNIT) as u64;
        let mut number = first;
        for sector in bytes.chunks_exact_mut(sector) {
            self.sector(sector, number, direction);
            number = number.wrapping_add(step);
        }
    }

    fn sector(&self, sector: &mut [u8], number: u64, direction: Direction) {
        let mut first = Block::from(u128::from(number).to_le_bytes());
        self.tweak.encrypt_block(&mut first);
        let mut next = u128::from_le_bytes(first.into());
        for part in sector.chunks_exact_mut(UNIT) {
            let mut tweaks = [0; BATCH];
            for tweak in &mut tweaks {
                *tweak = next;
                // Times x in the field of 2^128 elements.
                next = (next << 1) ^ (0x87 * (next >> 127));
            }
            let (blocks, _) = Block::slice_as_chunks_mut(part);
            mix(blocks, &tweaks);
            match direction {
                Direction::Encrypt => self.data.encrypt_blocks(blocks),
                Direction::Decrypt => self.data.decrypt_blocks(blocks),
            }
            mix(blocks, &tweaks);
        }
    }
}

fn mix(blocks: &mut [Block], tweaks: &[u128; BATCH]) {
    for (block, tweak) in blocks.iter_mut().zip(tweaks) {
        *block = (u128::from_le_bytes((*block).into()) ^ tweak).to_le_bytes().into();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().map(|c| (c as char).to_digit(16).unwrap() as u8).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    /// IEEE 1619-2007, annex B, vector 10: the first two blocks of a sector with the number 0xff.
    #[test]
    fn the_standards_vector() {
        let key = hex(concat!(
            "2718281828459045235360287471352662497757247093699959574966967627",
            "3141592653589793238462643383279502884197169399375105820974944592",
        ));
        let mut sector: Vec<u8> = (0..512).map(|n| n as u8).collect();
        let plain = sector.clone();
        let cipher = Xts::new(&key).unwrap();
        cipher.encrypt(&mut sector, 512, 0xff);
        assert_eq!(sector[..32], hex("1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b"));
        cipher.decrypt(&mut sector, 512, 0xff);
        assert_eq!(sector, plain);
    }

    #[test]
    fn bad_keys_are_refused() {
        assert!(Xts::new(&[1; 32]).is_err());
        assert!(Xts::new(&[1; 64]).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        /// The crate that has the mode, with the same block cipher, comes to the same.
        #[test]
        fn the_same_as_the_slow_crate(
            key in prop::collection::vec(any::<u8>(), KEY),
            first in any::<u32>().prop_map(|n| u64::from(n) << 3),
            power in 0usize..4,
            count in 1usize..5,
            seed: u8,
        ) {
            let sector = UNIT << power;
            let plain: Vec<u8> = (0..sector * count).map(|n| (n * 7 + n / 255) as u8 ^ seed).collect();
            let half = |half: &[u8]| Aes256::new_from_slice(half).unwrap();
            let slow = xts_mode::Xts128::new(half(&key[..32]), half(&key[32..]));
            let mut expected = plain.clone();
            for (n, part) in expected.chunks_mut(sector).enumerate() {
                let number = first + (n << power) as u64;
                slow.encrypt_sector(part, xts_mode::get_tweak_default(u128::from(number)));
            }
            let cipher = Xts::new(&key).unwrap();
            let mut found = plain.clone();
            cipher.encrypt(&mut found, sector, first);
            prop_assert_eq!(&found, &expected);
            cipher.decrypt(&mut found, sector, first);
            prop_assert_eq!(found, plain);
        }
    }
}
