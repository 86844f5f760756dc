//! What the decoder does with bytes that are not, or not yet, a message.

use proptest::{collection::vec, prelude::*};
use transom_protocol::wire::{self, HEADER_LEN, Header, WireError};
use zerocopy::IntoBytes;

use crate::support::{
    dice::Dice,
    samples::{every_to_agent, every_to_dom0, every_to_qube, every_to_qubed},
    targets::{TABLES, decoder},
};

/// Every message of every table, encoded, with the number of its table.
fn every_message(data: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let dice = Dice::new(data);
    let mut all = Vec::new();
    let mut keep = |table: usize, encode: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = Vec::new();
        encode(&mut bytes);
        all.push((table, bytes));
    };
    every_to_dom0(&dice, &mut |m| keep(0, &|out| m.encode(1, 2, out)));
    every_to_qube(&dice, &mut |m| keep(1, &|out| m.encode(1, 2, out)));
    every_to_qubed(&dice, &mut |m| keep(2, &|out| m.encode(1, 2, out)));
    every_to_agent(&dice, &mut |m| keep(3, &|out| m.encode(1, 2, out)));
    all
}

fn header(kind: u16, flags: u16, length: u32) -> Header {
    Header {
        kind: kind.into(),
        flags: flags.into(),
        length: length.into(),
        window: 0.into(),
        serial: 0.into(),
    }
}

proptest! {
    #[test]
    fn a_message_cut_short_asks_for_more(data in vec(any::<u8>(), 0..120)) {
        for (table, bytes) in every_message(&data) {
            let (table, direction, _) = TABLES[table];
            for length in 0..bytes.len() {
                let cut = wire::next(&bytes[..length], table, direction);
                prop_assert!(matches!(cut, Ok(None)), "{length} of {} bytes: {cut:?}", bytes.len());
            }
        }
    }

    #[test]
    fn what_follows_a_message_is_left_alone(data in vec(any::<u8>(), 0..120), more in vec(any::<u8>(), 0..40)) {
        for (table, mut bytes) in every_message(&data) {
            let (table, direction, _) = TABLES[table];
            let length = bytes.len();
            bytes.extend_from_slice(&more);
            let raw = wire::next(&bytes, table, direction).unwrap().unwrap();
            prop_assert_eq!(raw.wire_len(), length);
        }
    }

    #[test]
    fn any_bytes_give_messages_more_or_an_error(data in vec(any::<u8>(), 0..400)) {
        decoder(&data);
    }

    /// As above, but past the header: a legal one is put in front.
    #[test]
    fn any_payload_gives_a_message_or_an_error(data in vec(any::<u8>(), 0..400)) {
        for (table, direction, again) in TABLES {
            for info in table {
                let length = (data.len() as u32).clamp(info.min, info.max);
                let mut bytes = header(info.kind, 0, length).as_bytes().to_vec();
                bytes.extend(data.iter().copied().chain(std::iter::repeat(0)).take(length as usize));
                let raw = wire::next(&bytes, table, direction).unwrap().unwrap();
                let mut out = Vec::new();
                match again(&raw, &mut out) {
                    Ok(()) => prop_assert_eq!(out, bytes),
                    Err(error) => prop_assert_eq!(error, WireError::Value { name: info.name }),
                }
            }
        }
    }

    /// Bytes of real messages, changed in a few places.
    #[test]
    fn damaged_messages_give_a_message_or_an_error(
        data in vec(any::<u8>(), 0..120),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (_, mut bytes) in every_message(&data) {
            for (at, byte) in &damage {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            decoder(&bytes);
        }
    }

    #[test]
    fn only_types_of_the_table_are_known(kind: u16) {
        for (table, direction, _) in TABLES {
            let got = wire::next(header(kind, 0, 0).as_bytes(), table, direction).map(drop);
            if !table.iter().any(|info| info.kind == kind) {
                prop_assert_eq!(got, Err(WireError::UnknownType(kind)));
            }
        }
    }
}

#[test]
fn the_header_alone_refuses_a_wrong_length() {
    for (table, direction, _) in TABLES {
        for info in table {
            let next = |length| {
                wire::next(header(info.kind, 0, length).as_bytes(), table, direction).map(|raw| raw.is_some())
            };
            for length in [info.min.checked_sub(1), Some(info.max + 1), Some(u32::MAX)].into_iter().flatten()
            {
                let error = WireError::Length { name: info.name, length, min: info.min, max: info.max };
                assert_eq!(next(length), Err(error));
            }
            for length in [info.min, info.max] {
                assert_eq!(next(length), Ok(length == 0), "{}", info.name);
            }
        }
    }
}

#[test]
fn the_header_alone_refuses_reserved_flags() {
    for (table, direction, _) in TABLES {
        for info in table {
            for flags in (0..16).map(|bit| 1 << bit) {
                let got =
                    wire::next(header(info.kind, flags, info.min).as_bytes(), table, direction).map(drop);
                assert_eq!(got, Err(WireError::ReservedFlags { name: info.name, flags }));
            }
        }
    }
}

#[test]
fn a_message_of_the_other_direction_is_unknown() {
    for (table, direction, _) in TABLES {
        for (other, _, _) in TABLES {
            for info in other.iter().filter(|info| info.direction != direction) {
                let got = wire::next(header(info.kind, 0, info.min).as_bytes(), table, direction).map(drop);
                assert_eq!(got, Err(WireError::UnknownType(info.kind)));
            }
        }
    }
}

#[test]
fn the_header_has_16_bytes() {
    assert_eq!(HEADER_LEN, 16);
    let mut out = Vec::new();
    wire::write(&mut out, 0x0102, 0x0304_0506, 0x0708_090a, &[b"ab", b"c"]);
    assert_eq!(out, *b"\x02\x01\0\0\x03\0\0\0\x06\x05\x04\x03\x0a\x09\x08\x07abc");
}
