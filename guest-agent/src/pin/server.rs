//! `transom-pin`: a small privileged program that pins memory for the agent, and sets the clock.
//!
//! It starts as root, takes what needs privileges (a ring, the page map, its socket) and gives them
//! up before it hears anybody, but for the right to set the clock. One thread, no waiting for a peer: a request is a packet, and
//! an answer that does not fit into the peer's socket ends that peer's connection.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::OwnedFd,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags,
        accept_with, recvmsg, sendmsg,
    },
};
use tracing::{debug, info, warn};
use transom_protocol::message::tail_bytes;
use zerocopy::{IntoBytes as _, TryFromBytes as _};

use super::{
    clock,
    kernel::{Kernel, Pinned},
    wire::{Answer, Order, Request, Status, Usage},
};

/// Most connections at once. The agent needs one; another is for an agent that takes its place.
const MAX_PEERS: usize = 4;
/// Most packets of one peer before the others are heard.
const TURN: usize = 16;

/// The service.
pub struct Server {
    kernel: Kernel,
    listener: OwnedFd,
    peers: Vec<Peer>,
    max_bytes: u64,
    bytes: u64,
    pieces: u64,
}

struct Peer {
    socket: OwnedFd,
    pieces: BTreeMap<u32, Pinned>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("pieces", &self.pieces)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// A service on a listening socket, which pins at most `max_bytes` bytes together. Takes what
    /// needs privileges; they can be given up afterwards.
    ///
    /// # Errors
    /// The kernel has no io_uring for us.
    pub fn new(listener: OwnedFd, max_bytes: u64) -> io::Result<Self> {
        Ok(Self { kernel: Kernel::new()?, listener, peers: Vec::new(), max_bytes, bytes: 0, pieces: 0 })
    }

    /// What is pinned.
    pub fn usage(&self) -> Usage {
        Usage { pieces: self.pieces.into(), bytes: self.bytes.into() }
    }

    /// Serves until something breaks.
    ///
    /// # Errors
    /// The listening socket is gone.
    pub fn run(&mut self) -> io::Result<()> {
        loop {
            self.turn()?;
        }
    }

    /// Waits for packets and answers them.
    fn turn(&mut self) -> io::Result<()> {
        let ready: Vec<bool> = {
            let mut fds = vec![PollFd::new(&self.listener, PollFlags::IN)];
            fds.extend(self.peers.iter().map(|peer| PollFd::new(&peer.socket, PollFlags::IN)));
            match poll(&mut fds, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
            fds.iter().map(|fd| !fd.revents().is_empty()).collect()
        };
        for index in (0..self.peers.len()).rev() {
            if ready[index + 1]
                && let Err(reason) = self.hear(index)
            {
                self.leave(index, &reason);
            }
        }
        if ready[0] {
            self.accept()?;
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        match accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(socket) if self.peers.len() < MAX_PEERS => {
                self.peers.push(Peer { socket, pieces: BTreeMap::new() });
            }
            Ok(_) => warn!("one connection too many is refused"),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR | rustix::io::Errno::CONNABORTED) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(())
    }

    /// A peer is gone, and with it all that was pinned for it.
    fn leave(&mut self, index: usize, reason: &io::Error) {
        let peer = self.peers.swap_remove(index);
        info!(%reason, pieces = peer.pieces.len(), "connection closed");
        for pinned in peer.pieces.into_values() {
            self.unpin(pinned);
        }
    }

    fn unpin(&mut self, pinned: Pinned) {
        self.bytes -= pinned.bytes();
        self.pieces -= 1;
        self.kernel.unpin(pinned);
    }

    /// Reads some packets of a peer and answers them.
    fn hear(&mut self, index: usize) -> io::Result<()> {
        for _ in 0..TURN {
            let mut packet = [0; size_of::<Request>()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let got = recvmsg(
                &self.peers[index].socket,
                &mut [IoSliceMut::new(&mut packet)],
                &mut control,
                RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
            );
            let bytes = match got {
                Ok(got) => got.bytes,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            };
            if bytes == 0 {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            let file = control.drain().find_map(|message| match message {
                RecvAncillaryMessage::ScmRights(mut files) => files.next(),
                _ => None,
            });
            let request = Request::try_read_from_bytes(&packet[..bytes])
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a packet that is no request"))?;
            let answer = self.answer(index, &request, file);
            // A peer that does not read its answers is cut off, not waited for.
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let mut none = SendAncillaryBuffer::default();
            sendmsg(&self.peers[index].socket, &[IoSlice::new(&answer)], &mut none, flags)?;
        }
        Ok(())
    }

    /// Does what is asked for; the answer as a packet.
    fn answer(&mut self, index: usize, request: &Request, file: Option<OwnedFd>) -> Vec<u8> {
        let result = match request.order {
            Order::Pin => self.pin(index, request, file),
            Order::Unpin => match self.peers[index].pieces.remove(&request.piece.get()) {
                Some(pinned) => {
                    self.unpin(pinned);
                    Ok(Vec::new())
                }
                None => Err(Status::BadRequest),
            },
            Order::Check => match self.peers[index].pieces.get(&request.piece.get()) {
                Some(pinned) => {
                    self.kernel.check(pinned, request.offset.get(), request.bytes.get()).map(|()| Vec::new())
                }
                None => Err(Status::BadRequest),
            },
            Order::Usage => Ok(self.usage().as_bytes().to_vec()),
            Order::SetClock => clock::set(request.offset.get(), request.bytes.get()).map(|()| Vec::new()),
        };
        let status = result.as_ref().err().copied().unwrap_or(Status::Done);
        debug!(?request, %status);
        let mut packet = Answer { status, piece: request.piece }.as_bytes().to_vec();
        packet.extend(result.unwrap_or_default());
        packet
    }

    fn pin(&mut self, index: usize, request: &Request, file: Option<OwnedFd>) -> Result<Vec<u8>, Status> {
        let file = file.ok_or(Status::BadRequest)?;
        let (piece, bytes) = (request.piece.get(), request.bytes.get());
        if self.peers[index].pieces.contains_key(&piece) {
            return Err(Status::BadRequest);
        }
        let total = self.bytes.checked_add(bytes).filter(|total| *total <= self.max_bytes);
        let total = total.ok_or(Status::Quota)?;
        let pinned = self.kernel.pin(&file, request.offset.get(), bytes)?;
        let runs = tail_bytes(&pinned.runs).to_vec();
        self.bytes = total;
        self.pieces += 1;
        self.peers[index].pieces.insert(piece, pinned);
        Ok(runs)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        while !self.peers.is_empty() {
            self.leave(0, &io::Error::other("the service ends"));
        }
    }
}
