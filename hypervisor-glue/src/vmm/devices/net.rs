//! Network (virtio 1.2, section 5.1): Ethernet frames on a descriptor, one per read or write.
//!
//! The descriptor is one end of a Unix socket pair that keeps borders (`SOCK_SEQPACKET` or
//! `SOCK_DGRAM`), whose other end is another qube's VMM, or a TAP device. No offloads: what comes
//! in are plain frames of at most [`MAX_FRAME`] bytes.

use std::{os::fd::OwnedFd, sync::Arc};

use rustix::{
    event::PollFlags,
    io::Errno,
    net::{SendFlags, send, sockopt},
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

/// The device.
#[derive(Debug)]
pub struct Net {
    link: Arc<OwnedFd>,
    /// It is a socket, not a TAP device.
    is_socket: bool,
    config: [u8; 12],
    /// The guest has given no more room for frames, so there is no use in waiting for any.
    starved: bool,
    /// The other end is gone; frames go nowhere.
    closed: bool,
}

impl Net {
    /// A network card with address `mac` whose cable is `link`, which must be non-blocking.
    pub fn new(link: OwnedFd, mac: [u8; 6]) -> Self {
        let mut config = [0; 12];
        config[..6].copy_from_slice(&mac);
        config[10..].copy_from_slice(&MTU.to_le_bytes());
        let is_socket = sockopt::socket_type(&link).is_ok();
        Self { link: Arc::new(link), is_socket, config, starved: true, closed: false }
    }

    fn receive(&mut self, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        let mut frame = [0; HEADER + MAX_FRAME];
        // One buffer for each frame.
        frame[10] = 1;
        for _ in 0..queues.budget(RECEIVE) {
            let Some(chain) = queues.pop(RECEIVE)? else {
                self.starved = true;
                return Ok(Work::Done);
            };
            self.starved = false;
            let length = match rustix::io::read(&self.link, &mut frame[HEADER..]) {
                Ok(length) if length > 0 => length,
                Err(Errno::AGAIN | Errno::INTR) => {
                    queues.undo_pop(RECEIVE);
                    return Ok(Work::Done);
                }
                _ => {
                    queues.undo_pop(RECEIVE);
                    self.closed = true;
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
            if let (Some(length), false) = (length, self.closed) {
                let length = chain.read_at(HEADER as u64, &mut frame[..length as usize]);
                // A full cable loses frames; nobody waits.
                let frame = &frame[..length];
                let sent = if self.is_socket {
                    send(&self.link, frame, SendFlags::NOSIGNAL)
                } else {
                    rustix::io::write(&self.link, frame)
                };
                if matches!(sent, Err(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN)) {
                    self.closed = true;
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
            RECEIVE if !self.closed => self.receive(queues),
            TRANSMIT => self.transmit(queues),
            _ => Ok(Work::Done),
        }
    }

    fn watch(&self, watches: &mut Vec<Watch>) {
        if !self.starved && !self.closed {
            watches.push(Watch { fd: Arc::clone(&self.link), events: PollFlags::IN, token: 0 });
        }
    }

    fn ready(&mut self, _: u64, _: PollFlags, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        self.receive(queues)
    }

    fn reset(&mut self) {
        self.starved = true;
    }
}
