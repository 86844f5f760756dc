//! The control stream of one qube: bytes in with a budget, bytes out with a bound.
//!
//! Nothing here waits. What does not fit is an error that ends this stream and no other
//! (rule NO-STALL).

use std::{
    collections::VecDeque,
    io,
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, Shutdown, recv, recvmsg, send, shutdown,
};

/// Most bytes that may wait to be read by a qube before it is cut off.
const MAX_OUT: usize = 4 << 20;
/// Most file descriptors that may wait for the messages they belong to.
const MAX_FDS: usize = 64;
/// Bytes taken from the socket at once.
const READ_SIZE: usize = 64 << 10;

/// What reading brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// So many new bytes.
    Bytes(usize),
    /// Nothing now.
    Nothing,
    /// The other end is gone.
    End,
}

/// Why a stream cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The qube does not read.
    #[error("the qube does not read what it is sent")]
    TooSlow,
    /// The qube sent file descriptors that no message names.
    #[error("more file descriptors than messages that carry one")]
    TooManyFds,
}

/// One end of a control stream.
#[derive(Debug)]
pub(super) struct Stream {
    /// `None`: the other end is in this process, see [`super::link`]'s local link.
    socket: Option<UnixStream>,
    untrusted_in: Vec<u8>,
    read_from: usize,
    untrusted_fds: VecDeque<OwnedFd>,
    out: Vec<u8>,
    sent: usize,
    /// Where in `out` the last motion stands, if nothing follows it: the next one replaces it.
    motion_at: Option<usize>,
}

impl Stream {
    /// Takes over a connected socket and makes it non-blocking.
    pub(super) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket: Some(socket), ..Self::local() })
    }

    /// A stream whose other end is in this process.
    pub(super) fn local() -> Self {
        Self {
            socket: None,
            untrusted_in: Vec::new(),
            read_from: 0,
            untrusted_fds: VecDeque::new(),
            out: Vec::new(),
            sent: 0,
            motion_at: None,
        }
    }

    /// Gives a file descriptor to a local stream, for the message that takes it.
    pub(super) fn push_fd(&mut self, fd: OwnedFd) {
        self.untrusted_fds.push_back(fd);
    }

    /// Takes what a local stream would have sent; `empty` takes its place.
    pub(super) fn take_out(&mut self, empty: Vec<u8>) -> Vec<u8> {
        self.motion_at = None;
        std::mem::replace(&mut self.out, empty)
    }

    /// Reads once from the socket.
    pub(super) fn fill(&mut self) -> Result<Filled, StreamError> {
        let Some(socket) = &self.socket else { return Ok(Filled::Nothing) };
        if self.read_from > 0 {
            self.untrusted_in.drain(..self.read_from);
            self.read_from = 0;
        }
        let start = self.untrusted_in.len();
        self.untrusted_in.resize(start + READ_SIZE, 0);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(28))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut iov = [io::IoSliceMut::new(&mut self.untrusted_in[start..])];
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let result = recvmsg(socket, &mut iov, &mut control, flags);
        let bytes = result.as_ref().map_or(0, |message| message.bytes);
        self.untrusted_in.truncate(start + bytes);
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.untrusted_fds.extend(fds);
            }
        }
        if self.untrusted_fds.len() > MAX_FDS {
            return Err(StreamError::TooManyFds);
        }
        match result {
            Ok(_) if bytes == 0 => Ok(Filled::End),
            Ok(_) => Ok(Filled::Bytes(bytes)),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(Filled::Nothing),
            Err(rustix::io::Errno::CONNRESET) => Ok(Filled::End),
            Err(errno) => Err(StreamError::Io(errno.into())),
        }
    }

    /// Bytes that were read and not yet consumed.
    pub(super) fn untrusted_pending(&self) -> &[u8] {
        &self.untrusted_in[self.read_from..]
    }

    /// Says that the first `bytes` of [`Stream::untrusted_pending`] are done with.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.read_from = (self.read_from + bytes).min(self.untrusted_in.len());
    }

    /// The next file descriptor that came.
    pub(super) fn take_fd(&mut self) -> Option<OwnedFd> {
        self.untrusted_fds.pop_front()
    }

    /// Queues one message, made by `encode`.
    pub(super) fn queue(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        self.motion_at = None;
        encode(&mut self.out);
    }

    /// Queues a motion; one that still waits as the last message is replaced.
    pub(super) fn queue_motion(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        let at = self.motion_at.filter(|at| *at >= self.sent).unwrap_or(self.out.len());
        self.out.truncate(at);
        encode(&mut self.out);
        self.motion_at = Some(at);
    }

    /// Sends what the socket takes. `Ok(true)`: all is sent.
    pub(super) fn flush(&mut self) -> Result<bool, StreamError> {
        let Some(socket) = &self.socket else { return Ok(true) };
        while self.sent < self.out.len() {
            match send(socket, &self.out[self.sent..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => self.sent += sent,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(errno) => return Err(StreamError::Io(errno.into())),
            }
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
            self.motion_at = None;
            return Ok(true);
        }
        if self.out.len() - self.sent > MAX_OUT {
            return Err(StreamError::TooSlow);
        }
        if self.sent > MAX_OUT {
            self.out.drain(..self.sent);
            self.motion_at = self.motion_at.and_then(|at| at.checked_sub(self.sent));
            self.sent = 0;
        }
        Ok(false)
    }

    /// Ends it both ways. What came and was not read is thrown away first: a socket that is closed with
    /// something unread in it looks to the other end like one that broke, and QEMU's vsock daemon tells
    /// a guest nothing of that.
    pub(super) fn hang_up(&self) {
        let Some(socket) = &self.socket else { return };
        if shutdown(socket, Shutdown::Both).is_err() {
            return;
        }
        let mut untrusted = [0; 16 << 10];
        // Nothing more comes in; what is there is no more than a socket holds.
        for _ in 0..MAX_OUT / untrusted.len() {
            match recv(socket, &mut untrusted, RecvFlags::DONTWAIT) {
                Ok((bytes, _)) if bytes > 0 => {}
                _ => break,
            }
        }
    }

    /// Its socket, if it has one.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(AsFd::as_fd)
    }

    /// True if something waits to be sent.
    pub(super) fn wants_write(&self) -> bool {
        self.sent < self.out.len()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    #[test]
    fn what_is_not_read_does_not_look_like_a_broken_line() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut stream = Stream::new(ours).unwrap();
        theirs.write_all(&vec![7; 100_000]).unwrap();
        stream.queue(|out| out.extend_from_slice(b"bye"));
        stream.flush().unwrap();
        stream.hang_up();
        drop(stream);
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).unwrap();
        assert_eq!(heard, b"bye");
        assert!(theirs.write_all(b"more").is_err());
    }
}
