//! The agent's end of the line to `transom-pin`.
//!
//! The agent waits for each answer: `transom-pin` waits for nobody, and answers within the time
//! that the kernel takes to pin.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    time::Duration,
};

use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType, connect, recv, sendmsg, socket_with, sockopt,
};
use transom_protocol::message::PageRun;
use zerocopy::{FromBytes as _, IntoBytes as _, TryFromBytes as _};

use super::wire::{MAX_PACKET, Order, Request, Status, Usage, parse_answer};

/// How long an answer may take before `transom-pin` counts as broken.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why there is no answer, or not the one that was hoped for.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// `transom-pin` refused.
    #[error(transparent)]
    Refused(#[from] Status),
    /// `transom-pin` is gone, or does not answer.
    #[error("transom-pin does not answer: {0}")]
    Gone(#[from] io::Error),
}

/// A connection to `transom-pin`. When it ends, all that was pinned through it is let go.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    last: u32,
    answer: Vec<u8>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there, or not to this user.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &SocketAddrUnix::new(path)?)?;
        Self::new(socket)
    }

    /// Takes over a connected socket.
    ///
    /// # Errors
    /// It is no socket.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(PATIENCE))?;
        Ok(Self { socket, last: 0, answer: vec![0; MAX_PACKET] })
    }

    /// Pins `bytes` bytes from `offset` on of a file: the piece's number, and where it is.
    pub fn pin(
        &mut self,
        file: BorrowedFd<'_>,
        offset: u64,
        bytes: u64,
    ) -> Result<(u32, Vec<PageRun>), PinError> {
        self.last = self.last.wrapping_add(1);
        let piece = self.last;
        let tail = self.ask(Order::Pin, piece, offset, bytes, Some(file))?;
        let runs = <[PageRun]>::try_ref_from_bytes(tail).map_err(|_| broken())?.to_vec();
        Ok((piece, runs))
    }

    /// Lets a piece go.
    pub fn unpin(&mut self, piece: u32) -> Result<(), PinError> {
        self.ask(Order::Unpin, piece, 0, 0, None).map(drop)
    }

    /// Fails with [`Status::Moved`] if a part of a piece is not what the file holds now.
    pub fn check(&mut self, piece: u32, offset: u64, bytes: u64) -> Result<(), PinError> {
        self.ask(Order::Check, piece, offset, bytes, None).map(drop)
    }

    /// What `transom-pin` has pinned, for everybody.
    pub fn usage(&mut self) -> Result<Usage, PinError> {
        let tail = self.ask(Order::Usage, 0, 0, 0, None)?;
        Ok(Usage::read_from_bytes(tail).map_err(|_| broken())?)
    }

    /// Sets the machine's clock to a time of day, UTC, unless it is near enough.
    pub fn set_clock(&mut self, seconds: u64, nanos: u32) -> Result<(), PinError> {
        self.ask(Order::SetClock, 0, seconds, nanos.into(), None).map(drop)
    }

    fn ask(
        &mut self,
        order: Order,
        piece: u32,
        offset: u64,
        bytes: u64,
        file: Option<BorrowedFd<'_>>,
    ) -> Result<&[u8], PinError> {
        let request = Request { order, piece: piece.into(), offset: offset.into(), bytes: bytes.into() };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files: Vec<_> = file.into_iter().collect();
        if !files.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&files));
        }
        let packet = [IoSlice::new(request.as_bytes())];
        rustix::io::retry_on_intr(|| sendmsg(&self.socket, &packet, &mut control, SendFlags::NOSIGNAL))
            .map_err(io::Error::from)?;
        let received =
            rustix::io::retry_on_intr(|| recv(&self.socket, &mut self.answer[..], RecvFlags::empty()));
        let (length, _) = received.map_err(io::Error::from)?;
        if length == 0 {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
        }
        let (answer, tail) = parse_answer(&self.answer[..length]).ok_or_else(broken)?;
        if answer.piece.get() != piece {
            return Err(broken().into());
        }
        match answer.status {
            Status::Done => Ok(tail),
            refused => Err(refused.into()),
        }
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an answer that is none")
}
