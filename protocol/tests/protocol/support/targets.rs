//! The bodies of the fuzz targets. Both panic where something does not hold.

use transom_protocol::{
    call::{CALL_DOWN, CALL_UP, CallDown, CallUp},
    input,
    message::{TO_DOM0, TO_QUBE, ToDom0, ToQube, next_to_dom0},
    network::{FROM_NET, FromNet, TO_NET, ToNet},
    service::{TO_AGENT, TO_QUBED, ToAgent, ToQubed},
    session::{End, Phase, Session},
    wire::{self, Direction, HEADER_LEN, MessageInfo, Raw, WireError},
};

use transom_protocol::programs::{Gathering, ProgramList};

use super::{dice::Dice, propose::Proposer};

/// Encodes a message of any table again.
type Again = fn(&Raw<'_>, &mut Vec<u8>) -> Result<(), WireError>;

macro_rules! again {
    ($enum:ident) => {
        |raw, out| {
            $enum::parse(raw)?.encode(raw.header.window.get(), raw.header.serial.get(), out);
            Ok(())
        }
    };
}

/// Every table with its direction and its parser.
pub(crate) const TABLES: [(&[MessageInfo], Direction, Again); 8] = [
    (TO_DOM0, Direction::ToDom0, again!(ToDom0)),
    (TO_QUBE, Direction::ToQube, again!(ToQube)),
    (TO_QUBED, Direction::ToDom0, again!(ToQubed)),
    (TO_AGENT, Direction::ToQube, again!(ToAgent)),
    (CALL_UP, Direction::ToDom0, again!(CallUp)),
    (CALL_DOWN, Direction::ToQube, again!(CallDown)),
    (FROM_NET, Direction::ToDom0, again!(FromNet)),
    (TO_NET, Direction::ToQube, again!(ToNet)),
];

/// Reads bytes as a stream of each table. Returns how many messages there were.
pub(crate) fn decoder(data: &[u8]) -> usize {
    let mut count = 0;
    for (table, direction, again) in TABLES {
        let mut rest = data;
        while let Ok(Some(raw)) = wire::next(rest, table, direction) {
            let mut out = Vec::new();
            if again(&raw, &mut out).is_err() {
                break;
            }
            // There is one way to write a message.
            assert_eq!(out, &rest[..raw.wire_len()], "{} does not come back", raw.info.name);
            count += 1;
            rest = &rest[raw.wire_len()..];
        }
        if let Ok(None) = wire::next(rest, table, direction) {
            let most = table.iter().map(|info| info.max as usize).max().unwrap_or(0);
            assert!(rest.len() < HEADER_LEN + most, "{} bytes and still no message", rest.len());
        }
    }
    // A device's records have no frame: any bytes are some, or it is cut off.
    for kind in input::Kind::ALL {
        let _ = input::Checked::new(kind).take(data, |_| {});
    }
    count
}

/// Reads bytes as lists of programs. Returns how many lists were whole.
pub(crate) fn programs(data: &[u8]) -> usize {
    let (mut gathering, mut whole) = (Gathering::default(), 0);
    let mut rest = data;
    while let Ok(Some(raw)) = wire::next(rest, TO_QUBED, Direction::ToDom0) {
        rest = &rest[raw.wire_len()..];
        let taken = match ToQubed::parse(&raw) {
            Ok(ToQubed::List(list)) => gathering.begin(list),
            Ok(ToQubed::Listed(listed)) => gathering.add(&listed),
            Ok(ToQubed::ListEnd(())) => gathering.end().map(|list| {
                whole += 1;
                // What dom0 keeps is what it will read again.
                assert_eq!(ProgramList::decode(&list.encode()), Ok(list));
            }),
            _ => Ok(()),
        };
        if let Err(broken) = gathering.check_invariants() {
            panic!("{broken}");
        }
        if taken.is_err() {
            break;
        }
    }
    let _ = ProgramList::decode(data);
    whole
}

/// Reads bytes as what an agent sends; dom0 answers, with choices made from the same bytes.
/// Returns how many messages of the agent were legal.
pub(crate) fn session(data: &[u8]) -> usize {
    let mut session = Session::new(End::Dom0);
    let mut proposer = Proposer::default();
    let mut rest = data;
    let mut count = 0;
    while let Ok(Some(raw)) = next_to_dom0(rest) {
        let before = session.clone();
        let legal = session.receive(&raw).is_ok();
        hold(&session);
        if !legal {
            assert!(session == before, "{} was refused and changed the state", raw.info.name);
            break;
        }
        count += 1;
        let choices = scattered(&rest[..raw.wire_len()]);
        rest = &rest[raw.wire_len()..];
        let mut dice = Dice::new(&choices);
        let mut out = Vec::new();
        if session.phase() == Phase::Welcome {
            Proposer::welcome(&mut dice, &mut out);
        } else if dice.once_in(2) {
            proposer.as_dom0(&session, &mut dice, &mut out);
        }
        say_to_qube(&mut session, &out);
    }
    count
}

/// Choices for dom0 that hang on every byte of a message. Most messages leave a field of the header
/// unused, so that a fuzzer can have any answer to the same message.
fn scattered(bytes: &[u8]) -> Vec<u8> {
    // FNV-1a, then a multiplicative generator: nothing here needs to be better than that.
    let mut state = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(48).collect()
}

fn say_to_qube(session: &mut Session, bytes: &[u8]) {
    let Ok(Some(raw)) = wire::next(bytes, TO_QUBE, Direction::ToQube) else { return };
    let before = session.clone();
    if session.receive_in_qube(&raw).is_err() {
        assert!(*session == before, "{} was refused and changed the state", raw.info.name);
    }
    hold(session);
}

fn hold(session: &Session) {
    if let Err(broken) = session.check_invariants() {
        panic!("{broken}");
    }
}
