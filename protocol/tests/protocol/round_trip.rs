//! What is encoded is what is decoded, for every message of every table.

use proptest::{collection::vec, prelude::*};
use transom_protocol::{
    call::{CALL_DOWN, CALL_UP, CallDown, CallUp},
    message::{TO_DOM0, TO_QUBE, ToDom0, ToQube},
    network::{FROM_NET, FromNet, TO_NET, ToNet},
    service::{TO_AGENT, TO_QUBED, ToAgent, ToQubed},
    wire::{self, Direction, MessageInfo},
};

use crate::support::{
    dice::Dice,
    samples::{
        every_call_down, every_call_up, every_from_net, every_to_agent, every_to_dom0, every_to_net,
        every_to_qube, every_to_qubed,
    },
};

/// Sends every variant of `$enum` to and fro; evaluates to the kinds that there were.
macro_rules! there_and_back {
    ($enum:ident, $every:ident, $table:expr, $direction:expr, $data:expr, $window:expr, $serial:expr) => {{
        let mut kinds = Vec::new();
        $every(&Dice::new($data), &mut |message| {
            let mut bytes = b"before".to_vec();
            message.encode($window, $serial, &mut bytes);
            let bytes = &bytes[6..];
            let raw = wire::next(bytes, $table, $direction).unwrap().expect("a whole message");
            assert_eq!(raw.wire_len(), bytes.len());
            assert_eq!((raw.header.window.get(), raw.header.serial.get()), ($window, $serial));
            assert_eq!((raw.info.kind, raw.info.name), (message.kind(), message.name()));
            assert_eq!($enum::parse(&raw).as_ref(), Ok(message));
            kinds.push(message.kind());
        });
        kinds
    }};
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_message_comes_back(data in vec(any::<u8>(), 0..300), window: u32, serial: u32) {
        there_and_back!(ToDom0, every_to_dom0, TO_DOM0, Direction::ToDom0, &data, window, serial);
        there_and_back!(ToQube, every_to_qube, TO_QUBE, Direction::ToQube, &data, window, serial);
        there_and_back!(ToQubed, every_to_qubed, TO_QUBED, Direction::ToDom0, &data, window, serial);
        there_and_back!(ToAgent, every_to_agent, TO_AGENT, Direction::ToQube, &data, window, serial);
        there_and_back!(CallUp, every_call_up, CALL_UP, Direction::ToDom0, &data, window, serial);
        there_and_back!(CallDown, every_call_down, CALL_DOWN, Direction::ToQube, &data, window, serial);
        there_and_back!(FromNet, every_from_net, FROM_NET, Direction::ToDom0, &data, window, serial);
        there_and_back!(ToNet, every_to_net, TO_NET, Direction::ToQube, &data, window, serial);
    }
}

#[test]
fn every_message_of_the_tables_is_sampled() {
    let kinds = |table: &[MessageInfo]| table.iter().map(|info| info.kind).collect::<Vec<_>>();
    let to_dom0 = there_and_back!(ToDom0, every_to_dom0, TO_DOM0, Direction::ToDom0, &[], 0, 0);
    assert_eq!(to_dom0, kinds(TO_DOM0));
    let to_qube = there_and_back!(ToQube, every_to_qube, TO_QUBE, Direction::ToQube, &[], 0, 0);
    assert_eq!(to_qube, kinds(TO_QUBE));
    let to_qubed = there_and_back!(ToQubed, every_to_qubed, TO_QUBED, Direction::ToDom0, &[], 0, 0);
    assert_eq!(to_qubed, kinds(TO_QUBED));
    let to_agent = there_and_back!(ToAgent, every_to_agent, TO_AGENT, Direction::ToQube, &[], 0, 0);
    assert_eq!(to_agent, kinds(TO_AGENT));
    let up = there_and_back!(CallUp, every_call_up, CALL_UP, Direction::ToDom0, &[], 0, 0);
    assert_eq!(up, kinds(CALL_UP));
    let down = there_and_back!(CallDown, every_call_down, CALL_DOWN, Direction::ToQube, &[], 0, 0);
    assert_eq!(down, kinds(CALL_DOWN));
    let from_net = there_and_back!(FromNet, every_from_net, FROM_NET, Direction::ToDom0, &[], 0, 0);
    assert_eq!(from_net, kinds(FROM_NET));
    let to_net = there_and_back!(ToNet, every_to_net, TO_NET, Direction::ToQube, &[], 0, 0);
    assert_eq!(to_net, kinds(TO_NET));
}

#[test]
fn tables_are_sound() {
    for (table, direction) in [
        (TO_DOM0, Direction::ToDom0),
        (TO_QUBE, Direction::ToQube),
        (TO_QUBED, Direction::ToDom0),
        (TO_AGENT, Direction::ToQube),
        (CALL_UP, Direction::ToDom0),
        (CALL_DOWN, Direction::ToQube),
        (FROM_NET, Direction::ToDom0),
        (TO_NET, Direction::ToQube),
    ] {
        assert!(table.windows(2).all(|pair| pair[0].kind < pair[1].kind), "in order, each number once");
        for info in table {
            assert_eq!(info.direction, direction, "{}", info.name);
            assert_eq!(info.kind & 0x8000 != 0, direction == Direction::ToQube, "{}", info.name);
            assert!(info.min <= info.max, "{}", info.name);
        }
    }
}
