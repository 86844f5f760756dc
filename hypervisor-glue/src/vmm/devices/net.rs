//! Network (virtio 1.2, section 5.1): Ethernet frames on a descriptor, one per read or write.
//!
//! The descriptor is one end of a Unix socket pair that keeps borders (`SOCK_SEQPACKET` or
//! `SOCK_DGRAM`), whose other end is another qube's VMM, or a TAP device. No offloads: what comes
//! in are plain frames of at most [`MAX_FRAME`] bytes.
//!
//! A card may be without a cable, and get another one at any time ([`Transport::plug`]). The guest is not
//! told: its card is as it was, and what it sends meanwhile is lost, as on a wire.
//!
//! [`Transport::plug`]: super::transport::Transport::plug

use std::{
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    event::PollFlags,
    io::Errno,
    net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, sockopt},
};

use super::{Broken, Device, Queues, Watch, Work};

/// Most bytes of a frame: 1500 of content, addresses, type, and one VLAN tag.
pub const MAX_FRAME: usize = 1518;
/// Bytes of virtio's header before each frame.
const HEADER: usize = 12;

const FEATURE_MTU: u64 = 1 << 3;
const FEATURE_MAC: u64 = 1 << 5;
const MTU: u16 = 1500;

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

/// What a network card is plugged into.
#[derive(Debug)]
pub struct Cable {
    /// Shared, because the card may lose it while somebody waits for it.
    fd: Arc<OwnedFd>,
    kind: CableKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CableKind {
    /// Never waits, whatever its flags are.
    Socket,
    Tap,
}

impl Cable {
    /// A Unix socket that keeps borders. `None` if it is anything else.
    pub fn socket(fd: OwnedFd) -> Option<Self> {
        is_cable(&fd).then(|| Self { fd: Arc::new(fd), kind: CableKind::Socket })
    }

    /// The same, or a TAP device, which must be non-blocking.
    pub fn open(fd: OwnedFd) -> Option<Self> {
        match sockopt::socket_type(&fd) {
            Err(Errno::NOTSOCK) => Some(Self { fd: Arc::new(fd), kind: CableKind::Tap }),
            _ => Self::socket(fd),
        }
    }

    fn read(&self, frame: &mut [u8]) -> Result<usize, Errno> {
        match self.kind {
            // Of a frame that is too long its beginning comes, as with a read.
            CableKind::Socket => recv(&self.fd, frame, RecvFlags::DONTWAIT).map(|(length, _)| length),
            CableKind::Tap => rustix::io::read(&self.fd, frame),
        }
    }

    fn write(&self, frame: &[u8]) -> Result<usize, Errno> {
        match self.kind {
            CableKind::Socket => send(&self.fd, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL),
            CableKind::Tap => rustix::io::write(&self.fd, frame),
        }
    }
}

/// True for a Unix socket that keeps borders.
pub fn is_cable(fd: impl AsFd) -> bool {
    sockopt::socket_domain(&fd) == Ok(AddressFamily::UNIX)
        && matches!(sockopt::socket_type(&fd), Ok(SocketType::SEQPACKET | SocketType::DGRAM))
}

/// The device.
#[derive(Debug)]
pub struct Net {
    /// `None`: it leads nowhere, or the other end is gone.
    cable: Option<Cable>,
    config: [u8; 12],
    /// The guest has given no more room for frames, so there is no use in waiting for any.
    starved: bool,
}

impl Net {
    /// A network card with address `mac`.
    pub fn new(cable: Option<Cable>, mac: [u8; 6]) -> Self {
        let mut config = [0; 12];
        config[..6].copy_from_slice(&mac);
        config[10..].copy_from_slice(&MTU.to_le_bytes());
        Self { cable, config, starved: true }
    }

    fn receive(&mut self, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        let Some(cable) = &self.cable else { return Ok(Work::Done) };
        let mut frame = [0; HEADER + MAX_FRAME];
        // One buffer for each frame.
        frame[10] = 1;
        for _ in 0..queues.budget(RECEIVE) {
            let Some(chain) = queues.pop(RECEIVE)? else {
                self.starved = true;
                return Ok(Work::Done);
            };
            self.starved = false;
            let length = match cable.read(&mut frame[HEADER..]) {
                Ok(length) if length > 0 => length,
                Err(Errno::AGAIN | Errno::INTR) => {
                    queues.undo_pop(RECEIVE);
                    return Ok(Work::Done);
                }
                _ => {
                    queues.undo_pop(RECEIVE);
                    self.cable = None;
                    return Ok(Work::Done);
                }
            };
            let whole = HEADER + length;
            // A buffer that is too small loses the frame, as a wire does.
            let fits = chain.writable() >= whole as u64;
            let written = if fits { chain.write_at(0, &frame[..whole]) } else { 0 };
            queues.push(RECEIVE, chain.head(), written as u32)?;
        }
        Ok(Work::More)
    }

    fn transmit(&mut self, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        let mut frame = [0; MAX_FRAME];
        for _ in 0..queues.budget(TRANSMIT) {
            let Some(chain) = queues.pop(TRANSMIT)? else { return Ok(Work::Done) };
            let untrusted_length = chain.readable().checked_sub(HEADER as u64);
            let length = untrusted_length.filter(|length| (1..=MAX_FRAME as u64).contains(length));
            if let (Some(length), Some(cable)) = (length, &self.cable) {
                let length = chain.read_at(HEADER as u64, &mut frame[..length as usize]);
                // A full cable loses frames; nobody waits.
                let sent = cable.write(&frame[..length]);
                if matches!(sent, Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN)) {
                    self.cable = None;
                }
            }
            queues.push(TRANSMIT, chain.head(), 0)?;
        }
        Ok(Work::More)
    }
}

impl Device for Net {
    fn kind(&self) -> u32 {
        1
    }

    fn features(&self) -> u64 {
        FEATURE_MAC | FEATURE_MTU
    }

    fn queue_sizes(&self) -> &'static [u16] {
        &[256, 256]
    }

    fn config(&self) -> &[u8] {
        &self.config
    }

    fn notified(&mut self, index: usize, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        match index {
            RECEIVE => self.receive(queues),
            TRANSMIT => self.transmit(queues),
            _ => Ok(Work::Done),
        }
    }

    fn watch(&self, watches: &mut Vec<Watch>) {
        if let (Some(cable), false) = (&self.cable, self.starved) {
            watches.push(Watch { fd: Arc::clone(&cable.fd), events: PollFlags::IN, token: 0 });
        }
    }

    fn ready(&mut self, _: u64, _: PollFlags, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        self.receive(queues)
    }

    fn plug(&mut self, cable: Option<Cable>) {
        self.cable = cable;
    }

    fn reset(&mut self) {
        self.starved = true;
    }
}
