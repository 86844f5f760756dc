use proptest::prelude::*;

use super::{
    packet::{HOST_CID, Header, STREAM, flag, op},
    table::{Action, BUFFER, Key, MAX_CONNECTIONS, Table},
};

const CID: u64 = 7;
const KEY: Key = Key { guest: 1024, host: 5000 };

fn packet(op: u16, length: usize) -> Header {
    Header {
        source_cid: CID.into(),
        target_cid: HOST_CID.into(),
        source_port: KEY.guest.into(),
        target_port: KEY.host.into(),
        length: (length as u32).into(),
        kind: STREAM.into(),
        op: op.into(),
        buffer: 1000.into(),
        ..Header::default()
    }
}

fn connected() -> Table {
    let mut table = Table::new(CID, vec![5000, 5001]);
    assert_eq!(table.receive(&packet(op::REQUEST, 0), &[]), Action::Connect(KEY));
    table.accept(KEY);
    let response = table.next_packet().unwrap();
    assert_eq!((response.op.get(), response.target_cid.get()), (op::RESPONSE, CID));
    assert_eq!((response.source_port.get(), response.target_port.get()), (KEY.host, KEY.guest));
    assert_eq!(response.buffer.get(), BUFFER);
    assert!(!table.has_packet());
    table
}

#[test]
fn bytes_go_both_ways_within_credit() {
    let mut table = connected();
    assert_eq!(table.receive(&packet(op::DATA, 3), b"abc"), Action::Flush(KEY));
    assert_eq!(table.get(KEY).unwrap().outgoing().0, b"abc");
    assert_eq!(table.forwarded(KEY, 3), Action::Flush(KEY));
    assert!(!table.has_packet(), "three bytes are not worth an update");

    assert_eq!(table.get(KEY).unwrap().credit(), 1000);
    let header = table.sent(KEY, 990).unwrap();
    assert_eq!((header.length.get(), header.forwarded.get()), (990, 3));
    assert_eq!(table.get(KEY).unwrap().credit(), 10);
    let mut update = packet(op::CREDIT_UPDATE, 0);
    update.forwarded = 500.into();
    table.receive(&update, &[]);
    assert_eq!(table.get(KEY).unwrap().credit(), 510);
    // A guest that takes room back, or claims to have read what was never sent, gets nothing.
    update.buffer = 0.into();
    update.forwarded = 2000.into();
    table.receive(&update, &[]);
    assert_eq!(table.get(KEY).unwrap().credit(), 0);
}

#[test]
fn half_of_the_buffer_taken_is_told() {
    let mut table = connected();
    let half = BUFFER as usize / 2;
    table.receive(&packet(op::DATA, half), &vec![0; half]);
    assert!(!table.has_packet());
    table.forwarded(KEY, half);
    let update = table.next_packet().unwrap();
    assert_eq!((update.op.get(), update.forwarded.get()), (op::CREDIT_UPDATE, BUFFER / 2));
}

#[test]
fn more_than_the_buffer_resets() {
    let mut table = connected();
    let all = BUFFER as usize;
    assert_eq!(table.receive(&packet(op::DATA, all), &vec![0; all]), Action::Flush(KEY));
    assert_eq!(table.receive(&packet(op::DATA, 1), &[0]), Action::Close(KEY));
    assert_eq!(table.next_packet().unwrap().op.get(), op::RESET);
    assert!(table.is_empty());
}

#[test]
fn shutdown_waits_for_bytes_and_ends_with_a_reset() {
    let mut table = connected();
    table.receive(&packet(op::DATA, 2), b"ab");
    let mut end = packet(op::SHUTDOWN, 0);
    end.flags = (flag::NO_SEND | flag::NO_RECEIVE).into();
    assert_eq!(table.receive(&end, &[]), Action::Flush(KEY));
    assert_eq!(table.forwarded(KEY, 1), Action::Flush(KEY));
    assert_eq!(table.forwarded(KEY, 1), Action::Close(KEY));
    assert_eq!(table.next_packet().unwrap().op.get(), op::RESET);
}

#[test]
fn the_host_hangs_up() {
    let mut table = connected();
    table.host_ended(KEY, false);
    let end = table.next_packet().unwrap();
    assert_eq!((end.op.get(), end.flags.get()), (op::SHUTDOWN, flag::NO_SEND));
    assert_eq!(table.get(KEY).unwrap().credit(), 0);
    table.host_ended(KEY, true);
    assert_eq!(table.next_packet().unwrap().flags.get(), flag::NO_SEND | flag::NO_RECEIVE);
    // What crossed the news is thrown away, and does not pile up.
    for _ in 0..10 {
        assert_eq!(table.receive(&packet(op::DATA, 60_000), &vec![0; 60_000]), Action::Flush(KEY));
        table.check_invariants();
    }
    assert_eq!(table.receive(&packet(op::RESET, 0), &[]), Action::Close(KEY));
    assert!(!table.has_packet(), "a reset is not answered");
}

#[test]
fn only_allowed_ports_of_the_host_and_not_too_many() {
    let mut table = Table::new(CID, vec![5000]);
    let mut refused = |change: &dyn Fn(&mut Header)| {
        let mut header = packet(op::REQUEST, 0);
        change(&mut header);
        assert_eq!(table.receive(&header, &[]), Action::Nothing);
        let reset = table.next_packet();
        reset.map(|reset| (reset.op.get(), reset.source_cid, reset.source_port, reset.target_port))
    };
    let to = |port: u32, cid: u64| Some((op::RESET, cid.into(), port.into(), KEY.guest.into()));
    assert_eq!(refused(&|header| header.target_port = 22.into()), to(22, HOST_CID));
    assert_eq!(refused(&|header| header.target_cid = 9.into()), to(5000, 9));
    assert_eq!(refused(&|header| header.kind = 2.into()), to(5000, HOST_CID));
    assert_eq!(refused(&|header| header.length = 9.into()), to(5000, HOST_CID));
    // Somebody else's name: not even answered.
    assert_eq!(refused(&|header| header.source_cid = 8.into()), None);
    for port in 0..2 * MAX_CONNECTIONS as u32 {
        let mut header = packet(op::REQUEST, 0);
        header.source_port = port.into();
        table.receive(&header, &[]);
    }
    assert_eq!(table.len(), MAX_CONNECTIONS);
}

#[derive(Clone, Debug)]
enum Step {
    Packet(Header, usize),
    Accept(Key),
    Refuse(Key),
    Forwarded(Key, usize),
    Sent(Key, u32),
    Ended(Key, bool),
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = (0..4_u32, prop_oneof![Just(5000_u32), Just(5001), Just(1)])
        .prop_map(|(guest, host)| Key { guest, host });
    let cid = prop_oneof![20 => Just(CID), 1 => any::<u64>()];
    let kind = prop_oneof![20 => Just(STREAM), 1 => any::<u16>()];
    let op = prop_oneof![20 => 0..9_u16, 1 => any::<u16>()];
    let length =
        prop_oneof![Just(0_usize), 0..200_usize, Just(BUFFER as usize / 2), Just(BUFFER as usize + 1)];
    let wrong = prop_oneof![20 => Just(0_u32), 1 => any::<u32>()];
    let packet = (key.clone(), cid, kind, op, length, any::<(u32, u32, u32)>(), wrong).prop_map(
        |(key, cid, kind, op, length, (flags, buffer, forwarded), wrong)| {
            let header = Header {
                source_cid: cid.into(),
                target_cid: HOST_CID.into(),
                source_port: key.guest.into(),
                target_port: key.host.into(),
                length: (length as u32 ^ wrong).into(),
                kind: kind.into(),
                op: op.into(),
                flags: (flags & 7).into(),
                buffer: buffer.into(),
                forwarded: forwarded.into(),
            };
            Step::Packet(header, length)
        },
    );
    let step = prop_oneof![
        8 => packet,
        1 => key.clone().prop_map(Step::Accept),
        1 => key.clone().prop_map(Step::Refuse),
        2 => (key.clone(), 0..100_000_usize).prop_map(|(key, count)| Step::Forwarded(key, count)),
        2 => (key.clone(), any::<u32>()).prop_map(|(key, count)| Step::Sent(key, count)),
        1 => (key, any::<bool>()).prop_map(|(key, gone)| Step::Ended(key, gone)),
        4 => Just(Step::Take),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn nothing_grows_without_bound_and_nothing_panics(steps in steps()) {
        let mut table = Table::new(CID, vec![5000, 5001]);
        for step in steps {
            match step {
                Step::Packet(header, length) if table.has_room() => {
                    let before = table.get(KEY).is_some();
                    if let Action::Connect(key) = table.receive(&header, &vec![1; length]) {
                        prop_assert!([5000, 5001].contains(&key.host));
                        prop_assert!(!before || key != KEY);
                    }
                }
                Step::Packet(..) => {}
                Step::Accept(key) => table.accept(key),
                Step::Refuse(key) => table.refuse(key),
                Step::Forwarded(key, count) => { table.forwarded(key, count); }
                Step::Sent(key, count) => {
                    // Never more than there is credit for.
                    let credit = table.get(key).map_or(0, super::table::Connection::credit);
                    table.sent(key, count.min(credit));
                }
                Step::Ended(key, gone) => table.host_ended(key, gone),
                Step::Take => {
                    if let Some(header) = table.next_packet() {
                        prop_assert_eq!(header.length.get(), 0);
                    }
                }
            }
            table.check_invariants();
        }
        let mut due = 0;
        while table.next_packet().is_some() {
            due += 1;
            prop_assert!(due < 1000, "packets without end");
        }
    }
}
