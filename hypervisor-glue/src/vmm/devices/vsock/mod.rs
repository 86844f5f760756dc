//! vsock in user space (virtio 1.2, section 5.10): streams from the guest to ports of the host.
//!
//! For each allowed port there is a *hand-over* socket (`SOCK_SEQPACKET`) that was given at start.
//! For a connection that the guest opens, a socket pair is made and one end is handed over, beside
//! a packet of 8 bytes: the host's port and the guest's port, little-endian. Nothing is opened by
//! name, and a guest can reach nothing else. [`table`] holds the state; this is the I/O around it.

pub mod packet;
pub mod table;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
};

use rustix::{
    event::PollFlags,
    io::Errno,
    net::{AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType, send, shutdown, socketpair},
};
use zerocopy::IntoBytes as _;

use self::{
    packet::{HEADER, Header},
    table::{Action, BUFFER, Key, Table},
};
use super::{Broken, Device, Queues, Watch, Work};

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

/// Most bytes of data in a packet to the guest.
const MAX_DATA: u32 = 16 * 1024;

/// A host port that the guest may connect to.
#[derive(Debug)]
pub struct Port {
    /// Its number.
    pub number: u32,
    /// Where connections are handed over: a `SOCK_SEQPACKET` Unix socket.
    pub handover: OwnedFd,
}

/// The host's end of a connection.
#[derive(Debug)]
struct Socket {
    fd: Arc<OwnedFd>,
    /// The guest's last byte was handed on, and its end too.
    shut: bool,
    /// The host's program ended its side.
    ended: bool,
}

/// The device.
#[derive(Debug)]
pub struct Vsock {
    config: [u8; 8],
    ports: Vec<Port>,
    table: Table,
    sockets: BTreeMap<Key, Socket>,
    /// The guest has given no more room for packets.
    starved: bool,
    /// For reading from sockets, kept so that it need not be made for each packet.
    buffer: Vec<u8>,
}

impl Vsock {
    /// A device for the guest with address `cid`, which is 3 or more.
    pub fn new(cid: u32, ports: Vec<Port>) -> Self {
        let numbers = ports.iter().map(|port| port.number).collect();
        Self {
            config: u64::from(cid).to_le_bytes(),
            table: Table::new(u64::from(cid), numbers),
            ports,
            sockets: BTreeMap::new(),
            starved: true,
            buffer: Vec::new(),
        }
    }

    /// Takes packets from the guest.
    fn transmit(&mut self, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        for _ in 0..queues.budget(TRANSMIT) {
            if !self.table.has_room() {
                // Until the guest takes its answers.
                self.send_packets(queues)?;
                if !self.table.has_room() {
                    return Ok(Work::Done);
                }
            }
            let Some(chain) = queues.pop(TRANSMIT)? else { return Ok(Work::Done) };
            let mut untrusted_header = Header::default();
            if chain.read_at(0, untrusted_header.as_mut_bytes()) < HEADER {
                return Err(Broken("a vsock packet without a header"));
            }
            let there = chain.readable() - HEADER as u64;
            let untrusted_length = u64::from(untrusted_header.length.get());
            // More than this is never legal; the table sees the wrong length and refuses.
            let length = untrusted_length.min(there).min(u64::from(BUFFER)) as usize;
            self.buffer.resize(length, 0);
            chain.read_at(HEADER as u64, &mut self.buffer);
            let action = self.table.receive(&untrusted_header, &self.buffer);
            queues.push(TRANSMIT, chain.head(), 0)?;
            self.act(action);
        }
        Ok(Work::More)
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Nothing => {}
            Action::Connect(key) => match self.connect(key) {
                Ok(fd) => {
                    self.sockets.insert(key, Socket { fd: Arc::new(fd), shut: false, ended: false });
                    self.table.accept(key);
                }
                Err(error) => {
                    tracing::debug!(port = key.host, %error, "a connection is refused");
                    self.table.refuse(key);
                }
            },
            Action::Flush(key) => self.flush(key),
            Action::Close(key) => {
                self.sockets.remove(&key);
            }
        }
    }

    /// Makes a connection and hands its other end over.
    fn connect(&self, key: Key) -> Result<OwnedFd, Errno> {
        let port = self.ports.iter().find(|port| port.number == key.host).ok_or(Errno::CONNREFUSED)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let mut packet = [0; 8];
        packet[..4].copy_from_slice(&key.host.to_le_bytes());
        packet[4..].copy_from_slice(&key.guest.to_le_bytes());
        crate::packet::send(&port.handover, &packet, &[theirs.as_fd()])?;
        Ok(ours)
    }

    /// Gives the host what it can take of the guest's bytes.
    fn flush(&mut self, key: Key) {
        while let (Some(socket), Some(connection)) = (self.sockets.get_mut(&key), self.table.get(key)) {
            let (bytes, _) = connection.outgoing();
            if bytes.is_empty() {
                if connection.guest_sends_no_more() && !socket.shut {
                    socket.shut = true;
                    let _ = shutdown(&socket.fd, Shutdown::Write);
                }
                return;
            }
            match send(&socket.fd, bytes, SendFlags::NOSIGNAL) {
                Ok(count) => {
                    if let Action::Close(key) = self.table.forwarded(key, count) {
                        self.sockets.remove(&key);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => {
                    self.table.host_ended(key, true);
                    self.sockets.remove(&key);
                }
            }
        }
    }

    /// Gives the guest packets without data, as far as it has room. False if it has none.
    fn send_packets(&mut self, queues: &mut Queues<'_>) -> Result<bool, Broken> {
        while self.table.has_packet() {
            let Some(chain) = queues.pop(RECEIVE)? else {
                self.starved = true;
                return Ok(false);
            };
            if chain.writable() < HEADER as u64 {
                return Err(Broken("no room for a vsock header"));
            }
            if let Some(header) = self.table.next_packet() {
                chain.write_at(0, header.as_bytes());
            }
            queues.push(RECEIVE, chain.head(), HEADER as u32)?;
        }
        Ok(true)
    }

    /// Reads one packet from the host's program for the guest. False if there is nothing more to do.
    fn receive_one(&mut self, key: Key, hung_up: bool, queues: &mut Queues<'_>) -> Result<bool, Broken> {
        let (Some(socket), Some(connection)) = (self.sockets.get_mut(&key), self.table.get(key)) else {
            return Ok(false);
        };
        let credit = connection.credit();
        if socket.ended || credit == 0 {
            return Ok(false);
        }
        let Some(chain) = queues.pop(RECEIVE)? else {
            self.starved = true;
            return Ok(false);
        };
        let Some(room) = chain.writable().checked_sub(HEADER as u64).filter(|room| *room > 0) else {
            return Err(Broken("no room for vsock data"));
        };
        let most = credit.min(MAX_DATA).min(u32::try_from(room).unwrap_or(u32::MAX));
        self.buffer.resize(most as usize, 0);
        match rustix::io::read(&socket.fd, &mut self.buffer) {
            Ok(count) if count > 0 => {
                chain.write_at(HEADER as u64, &self.buffer[..count]);
                if let Some(header) = self.table.sent(key, count as u32) {
                    chain.write_at(0, header.as_bytes());
                }
                queues.push(RECEIVE, chain.head(), (HEADER + count) as u32)?;
                Ok(true)
            }
            Err(Errno::INTR) => {
                queues.undo_pop(RECEIVE);
                Ok(true)
            }
            Err(Errno::AGAIN) => {
                queues.undo_pop(RECEIVE);
                Ok(false)
            }
            end => {
                queues.undo_pop(RECEIVE);
                let gone = hung_up || end.is_err();
                socket.ended = true;
                self.table.host_ended(key, gone);
                if gone {
                    self.sockets.remove(&key);
                }
                Ok(false)
            }
        }
    }
}

impl Device for Vsock {
    fn kind(&self) -> u32 {
        19
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[128, 128, 8]
    }

    fn config(&self) -> &[u8] {
        &self.config
    }

    fn notified(&mut self, index: usize, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        let work = match index {
            RECEIVE => {
                self.starved = false;
                Work::Done
            }
            TRANSMIT => self.transmit(queues)?,
            // Events about a moved host: there are none.
            _ => Work::Done,
        };
        self.send_packets(queues)?;
        Ok(work)
    }

    fn watch(&self, watches: &mut Vec<Watch>) {
        for (key, socket) in &self.sockets {
            let Some(connection) = self.table.get(*key) else { continue };
            let mut events = PollFlags::empty();
            if !socket.ended && !self.starved && connection.credit() > 0 {
                events |= PollFlags::IN;
            }
            if connection.has_outgoing() {
                events |= PollFlags::OUT;
            }
            // One that ended half is still watched for its end.
            if !events.is_empty() || socket.ended {
                let token = u64::from(key.guest) << 32 | u64::from(key.host);
                watches.push(Watch { fd: Arc::clone(&socket.fd), events, token });
            }
        }
    }

    fn ready(&mut self, token: u64, events: PollFlags, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        let key = Key { guest: (token >> 32) as u32, host: token as u32 };
        self.flush(key);
        if events.contains(PollFlags::HUP) && self.sockets.get(&key).is_some_and(|socket| socket.ended) {
            self.table.host_ended(key, true);
            self.sockets.remove(&key);
        }
        let hung_up = events.intersects(PollFlags::HUP | PollFlags::ERR);
        if hung_up || events.contains(PollFlags::IN) {
            // The rest comes with the next turn.
            for _ in 0..8 {
                if !self.receive_one(key, hung_up, queues)? {
                    break;
                }
            }
        }
        self.send_packets(queues)?;
        Ok(Work::Done)
    }

    fn reset(&mut self) {
        self.table.clear();
        self.sockets.clear();
        self.starved = true;
    }
}
