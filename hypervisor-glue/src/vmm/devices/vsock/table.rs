//! The state of all connections of a guest. Pure: no sockets, no queues.
//!
//! The guest opens connections; the host never does. Every number in a packet from the guest is
//! hostile. All memory is bounded: [`MAX_CONNECTIONS`], [`BUFFER`] bytes for each, [`MAX_RESETS`]
//! answers to packets that belong to no connection.

use std::collections::{BTreeMap, VecDeque};

use super::packet::{HOST_CID, Header, STREAM, flag, op};

/// Most connections at once.
pub const MAX_CONNECTIONS: usize = 64;
/// Bytes that we keep for a connection until the host's program takes them.
pub const BUFFER: u32 = 64 * 1024;
/// Most resets that wait for the guest to take them.
pub const MAX_RESETS: usize = 128;

/// Names a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The guest's port.
    pub guest: u32,
    /// The host's port.
    pub host: u32,
}

/// What the device has to do after a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Connect, then call [`Table::accept`] or [`Table::refuse`].
    Connect(Key),
    /// There may be bytes for the host in [`Connection::outgoing`], or nothing will follow them.
    Flush(Key),
    /// The connection is gone; close its socket.
    Close(Key),
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    /// Bytes from the guest that the host has not taken.
    outgoing: VecDeque<u8>,
    /// Bytes from the guest in all, and those of them that the host has taken; counted around.
    received: u32,
    forwarded: u32,
    /// The last `forwarded` that the guest knows of.
    told_forwarded: u32,
    /// The guest's buffer, what has left it, and what we sent; counted around.
    peer_buffer: u32,
    peer_forwarded: u32,
    sent: u32,
    /// What the guest said that it will not do any more.
    guest_flags: u32,
    /// What the host will not do any more.
    host_flags: u32,
    /// Packets that are due, in this order.
    respond: bool,
    tell_credit: bool,
    tell_shutdown: bool,
}

impl Connection {
    /// Bytes for the host, oldest first.
    pub fn outgoing(&self) -> (&[u8], &[u8]) {
        self.outgoing.as_slices()
    }

    /// True if bytes wait for the host to take them.
    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// True if the host will get no more bytes than [`Self::outgoing`].
    pub fn guest_sends_no_more(&self) -> bool {
        self.guest_flags & flag::NO_SEND != 0
    }

    /// True if neither side has anything more to say or hear.
    fn is_over(&self) -> bool {
        let both = flag::NO_SEND | flag::NO_RECEIVE;
        self.guest_flags & both == both && self.outgoing.is_empty()
    }

    /// Bytes that may be sent to the guest now.
    pub fn credit(&self) -> u32 {
        if self.guest_flags & flag::NO_RECEIVE != 0 || self.host_flags & flag::NO_SEND != 0 {
            return 0;
        }
        let under_way = self.sent.wrapping_sub(self.peer_forwarded);
        self.peer_buffer.saturating_sub(under_way)
    }
}

/// All connections of one guest.
#[derive(Debug)]
pub struct Table {
    guest_cid: u64,
    ports: Vec<u32>,
    connections: BTreeMap<Key, Connection>,
    resets: VecDeque<Header>,
}

impl Table {
    /// No connections yet. The guest may connect to `ports` of the host only.
    pub fn new(guest_cid: u64, ports: Vec<u32>) -> Self {
        Self { guest_cid, ports, connections: BTreeMap::new(), resets: VecDeque::new() }
    }

    /// The guest's address.
    pub fn guest_cid(&self) -> u64 {
        self.guest_cid
    }

    /// A connection.
    pub fn get(&self, key: Key) -> Option<&Connection> {
        self.connections.get(&key)
    }

    /// Number of connections.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// True if one more packet may be taken: there is room for the answer to it.
    pub fn has_room(&self) -> bool {
        self.resets.len() < MAX_RESETS
    }

    /// A packet from the guest, with its data.
    pub fn receive(&mut self, untrusted: &Header, untrusted_data: &[u8]) -> Action {
        if untrusted.source_cid.get() != self.guest_cid {
            return Action::Nothing;
        }
        let key = Key { guest: untrusted.source_port.get(), host: untrusted.target_port.get() };
        let legal = untrusted.target_cid.get() == HOST_CID
            && untrusted.kind.get() == STREAM
            && untrusted_data.len() == untrusted.length.get() as usize;
        if !legal {
            self.reset_stranger(untrusted);
            return Action::Nothing;
        }
        let op = untrusted.op.get();
        if op == op::REQUEST {
            return self.request(key, untrusted);
        }
        let Some(connection) = self.connections.get_mut(&key) else {
            self.reset_stranger(untrusted);
            return Action::Nothing;
        };
        connection.peer_buffer = untrusted.buffer.get();
        connection.peer_forwarded = untrusted.forwarded.get();
        match op {
            op::DATA if connection.guest_sends_no_more() => self.reset(key),
            op::DATA => {
                let room = (BUFFER as usize).saturating_sub(connection.outgoing.len());
                if untrusted_data.len() > room {
                    // It was told how much room there is.
                    return self.reset(key);
                }
                connection.received = connection.received.wrapping_add(untrusted_data.len() as u32);
                if connection.host_flags & flag::NO_RECEIVE != 0 {
                    // The host has hung up; this crossed the news of it.
                    connection.forwarded = connection.received;
                } else {
                    connection.outgoing.extend(untrusted_data);
                }
                Action::Flush(key)
            }
            op::SHUTDOWN => {
                connection.guest_flags |= untrusted.flags.get() & (flag::NO_SEND | flag::NO_RECEIVE);
                self.flushed(key)
            }
            op::CREDIT_UPDATE => Action::Flush(key),
            op::CREDIT_REQUEST => {
                connection.tell_credit = true;
                Action::Nothing
            }
            op::RESET => {
                self.connections.remove(&key);
                Action::Close(key)
            }
            _ => self.reset(key),
        }
    }

    fn request(&mut self, key: Key, untrusted: &Header) -> Action {
        if self.connections.contains_key(&key) {
            return self.reset(key);
        }
        if !self.ports.contains(&key.host) || self.connections.len() >= MAX_CONNECTIONS {
            self.reset_stranger(untrusted);
            return Action::Nothing;
        }
        self.connections.insert(
            key,
            Connection {
                outgoing: VecDeque::new(),
                received: 0,
                forwarded: 0,
                told_forwarded: 0,
                peer_buffer: untrusted.buffer.get(),
                peer_forwarded: untrusted.forwarded.get(),
                sent: 0,
                guest_flags: 0,
                host_flags: 0,
                respond: false,
                tell_credit: false,
                tell_shutdown: false,
            },
        );
        Action::Connect(key)
    }

    /// The host took a connection.
    pub fn accept(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.respond = true;
        }
    }

    /// The host did not take a connection.
    pub fn refuse(&mut self, key: Key) {
        self.reset(key);
    }

    /// The host took `count` bytes of [`Connection::outgoing`].
    pub fn forwarded(&mut self, key: Key, count: usize) -> Action {
        let Some(connection) = self.connections.get_mut(&key) else { return Action::Nothing };
        let count = count.min(connection.outgoing.len());
        connection.outgoing.drain(..count);
        connection.forwarded = connection.forwarded.wrapping_add(count as u32);
        // The guest must hear of it before it runs out of room, but not of every byte.
        let untold = connection.forwarded.wrapping_sub(connection.told_forwarded);
        connection.tell_credit |= untold >= BUFFER / 2;
        if connection.outgoing.is_empty() {
            // Memory is for those who use it.
            connection.outgoing.shrink_to(4096);
        }
        self.flushed(key)
    }

    /// What follows when bytes or the end of them may have reached the host.
    fn flushed(&mut self, key: Key) -> Action {
        if self.connections.get(&key).is_some_and(Connection::is_over) {
            // The answer to a full shutdown.
            return self.reset(key);
        }
        Action::Flush(key)
    }

    /// `count` bytes were sent to the guest; the header for them.
    pub fn sent(&mut self, key: Key, count: u32) -> Option<Header> {
        let guest_cid = self.guest_cid;
        let connection = self.connections.get_mut(&key)?;
        connection.sent = connection.sent.wrapping_add(count);
        let mut header = header(guest_cid, key, connection, op::DATA);
        header.length = count.into();
        Some(header)
    }

    /// The host sends no more; with `gone` it takes no more either.
    pub fn host_ended(&mut self, key: Key, gone: bool) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let mut flags = connection.host_flags | flag::NO_SEND;
        if gone {
            flags |= flag::NO_RECEIVE;
            connection.forwarded = connection.received;
            connection.outgoing = VecDeque::new();
        }
        connection.tell_shutdown |= flags != connection.host_flags;
        connection.host_flags = flags;
    }

    /// True if a packet without data is due.
    pub fn has_packet(&self) -> bool {
        !self.resets.is_empty()
            || self.connections.values().any(|each| each.respond || each.tell_credit || each.tell_shutdown)
    }

    /// The next packet without data that is due.
    pub fn next_packet(&mut self) -> Option<Header> {
        if let Some(reset) = self.resets.pop_front() {
            return Some(reset);
        }
        let guest_cid = self.guest_cid;
        self.connections.iter_mut().find_map(|(key, connection)| {
            let op = if std::mem::take(&mut connection.respond) {
                op::RESPONSE
            } else if std::mem::take(&mut connection.tell_credit) {
                op::CREDIT_UPDATE
            } else if std::mem::take(&mut connection.tell_shutdown) {
                op::SHUTDOWN
            } else {
                return None;
            };
            let mut header = header(guest_cid, *key, connection, op);
            if op == op::SHUTDOWN {
                header.flags = connection.host_flags.into();
            }
            Some(header)
        })
    }

    /// Ends a connection and tells the guest.
    fn reset(&mut self, key: Key) -> Action {
        if self.connections.remove(&key).is_none() {
            return Action::Nothing;
        }
        self.resets.push_back(Header {
            source_cid: HOST_CID.into(),
            target_cid: self.guest_cid.into(),
            source_port: key.host.into(),
            target_port: key.guest.into(),
            kind: STREAM.into(),
            op: op::RESET.into(),
            ..Header::default()
        });
        Action::Close(key)
    }

    /// Answers a packet that belongs to no connection, unless it is an answer itself.
    fn reset_stranger(&mut self, untrusted: &Header) {
        if untrusted.op.get() == op::RESET || !self.has_room() {
            return;
        }
        self.resets.push_back(Header {
            source_cid: untrusted.target_cid,
            target_cid: untrusted.source_cid,
            source_port: untrusted.target_port,
            target_port: untrusted.source_port,
            kind: untrusted.kind,
            op: op::RESET.into(),
            ..Header::default()
        });
    }

    /// Forgets everything; the guest starts anew.
    pub fn clear(&mut self) {
        self.connections.clear();
        self.resets.clear();
    }

    /// What must always hold; for tests.
    #[doc(hidden)]
    pub fn check_invariants(&self) {
        assert!(self.connections.len() <= MAX_CONNECTIONS);
        // One for each packet while there is room, and one more for each connection that ends.
        assert!(self.resets.len() <= MAX_RESETS + MAX_CONNECTIONS);
        for connection in self.connections.values() {
            let held = connection.received.wrapping_sub(connection.forwarded);
            assert_eq!(held as usize, connection.outgoing.len());
            assert!(held <= BUFFER);
        }
    }
}

/// A packet of a connection, with the room that we have.
fn header(guest_cid: u64, key: Key, connection: &mut Connection, op: u16) -> Header {
    connection.told_forwarded = connection.forwarded;
    Header {
        source_cid: HOST_CID.into(),
        target_cid: guest_cid.into(),
        source_port: key.host.into(),
        target_port: key.guest.into(),
        kind: STREAM.into(),
        op: op.into(),
        buffer: BUFFER.into(),
        forwarded: connection.forwarded.into(),
        ..Header::default()
    }
}
