//! Who made a monitor: the first block of its EDID (VESA E-EDID, section 3).

use super::Identity;

/// Length of a block in bytes.
const BLOCK: usize = 128;
const HEADER: [u8; 8] = [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
/// Where the four descriptors begin, each of 18 bytes.
const DESCRIPTORS: [usize; 4] = [54, 72, 90, 108];
/// A descriptor with the serial number as text.
const SERIAL: u8 = 0xff;
/// A descriptor with the name of the product.
const NAME: u8 = 0xfc;

/// The monitor at a connector, by the EDID that it sent. One that makes no sense counts as none.
pub(crate) fn identity(connector: &str, edid: &[u8]) -> Identity {
    let mut identity = Identity::of(connector);
    let Some(block) = edid.first_chunk::<BLOCK>() else { return identity };
    let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if block[..8] != HEADER || sum != 0 {
        return identity;
    }
    // Three letters of five bits, A is 1.
    let id = u16::from_be_bytes([block[8], block[9]]);
    let letter = |shift: u16| (id >> shift & 0x1f) as u8;
    let letters = [letter(10), letter(5), letter(0)];
    if letters.iter().all(|letter| (1..=26).contains(letter)) {
        identity.make = letters.iter().map(|letter| char::from(b'A' - 1 + letter)).collect();
    }
    let text = |tag| DESCRIPTORS.iter().find_map(|at| text(&block[*at..*at + 18], tag));
    let product = u16::from_le_bytes([block[10], block[11]]);
    identity.model = text(NAME).unwrap_or_else(|| format!("{product:#06x}"));
    let number = u32::from_le_bytes([block[12], block[13], block[14], block[15]]);
    // 0 and 1 are what makers write who number nothing.
    let number = (number > 1).then(|| format!("{number:#010x}"));
    identity.serial = text(SERIAL).or(number).unwrap_or_default();
    identity
}

/// The text of a descriptor, if it has this tag and says something: ASCII, ended by a line feed.
fn text(descriptor: &[u8], tag: u8) -> Option<String> {
    let [0, 0, 0, kind, _, text @ ..] = descriptor else { return None };
    if *kind != tag {
        return None;
    }
    let text = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let clean: String =
        text.iter().filter(|byte| (b' '..=b'~').contains(byte)).map(|byte| char::from(*byte)).collect();
    Some(clean.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(name: &[u8], serial: &[u8], number: u32) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..8].copy_from_slice(&HEADER);
        // "DEL", as in E-EDID table 3.4: D is 4, E is 5, L is 12.
        block[8..10].copy_from_slice(&[0x10, 0xac]);
        block[10..12].copy_from_slice(&0xa0b1_u16.to_le_bytes());
        block[12..16].copy_from_slice(&number.to_le_bytes());
        for (at, tag, text) in [(72, NAME, name), (90, SERIAL, serial)] {
            if !text.is_empty() {
                block[at + 3] = tag;
                block[at + 5..at + 18].fill(b' ');
                block[at + 5..at + 5 + text.len()].copy_from_slice(text);
            }
        }
        let sum = block.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        block[127] = sum.wrapping_neg();
        block
    }

    #[test]
    fn maker_name_and_number_are_read() {
        let known = identity("DP-1", &block(b"U2720Q\n", b"ABC 12\n", 7));
        assert_eq!(known.to_string(), "DP-1 (DEL U2720Q ABC 12)");
        let bare = identity("DP-1", &block(b"", b"", 0x1234));
        assert_eq!((bare.model.as_str(), bare.serial.as_str()), ("0xa0b1", "0x00001234"));
        assert_eq!(identity("DP-1", &block(b"", b"", 1)).serial, "");
        // What a monitor says is no more to be trusted than its cable.
        let rude = identity("DP-1", &block(b"\x1b[2Ja\xffb\n", b"", 0));
        assert_eq!(rude.model, "[2Jab");
    }

    #[test]
    fn a_broken_one_counts_as_none() {
        let mut broken = block(b"U2720Q\n", b"", 7);
        broken[20] ^= 1;
        assert_eq!(identity("DP-1", &broken), Identity::of("DP-1"));
        assert_eq!(identity("DP-1", &broken[..100]), Identity::of("DP-1"));
    }

    proptest! {
        #[test]
        fn texts_are_clean_whatever_comes(mut bytes in prop::collection::vec(any::<u8>(), 128)) {
            bytes[..8].copy_from_slice(&HEADER);
            let sum = bytes[..127].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            bytes[127] = sum.wrapping_neg();
            let known = identity("DP-1", &bytes);
            for text in [known.make, known.model, known.serial] {
                prop_assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{:?}", text);
                prop_assert!(text.len() <= 13);
            }
        }
    }
}
