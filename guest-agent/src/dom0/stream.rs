//! The control stream to dom0: bytes both ways, file descriptors out.
//!
//! Nothing here waits. dom0 is trusted, but it may be gone at any moment.

use std::{
    collections::VecDeque,
    io,
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg};

/// Bytes taken from the socket at once.
const READ_SIZE: usize = 64 << 10;

/// One end of a control stream.
#[derive(Debug)]
pub(super) struct Stream {
    socket: OwnedFd,
    incoming: Vec<u8>,
    out: Vec<u8>,
    sent: usize,
    /// Descriptors and the byte of `out` they go with.
    fds: VecDeque<(usize, OwnedFd)>,
}

impl Stream {
    /// Takes over a connected socket and makes it non-blocking.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self { socket, incoming: Vec::new(), out: Vec::new(), sent: 0, fds: VecDeque::new() })
    }

    /// Reads once. `Ok(true)`: something came; `Ok(false)`: nothing now.
    ///
    /// # Errors
    /// The other end is gone, or the socket failed.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        let start = self.incoming.len();
        self.incoming.resize(start + READ_SIZE, 0);
        let result = recv(&self.socket, &mut self.incoming[start..], RecvFlags::DONTWAIT);
        let bytes = result.as_ref().map_or(0, |(bytes, _)| *bytes);
        self.incoming.truncate(start + bytes);
        match result {
            Ok(_) if bytes == 0 => Err(io::ErrorKind::ConnectionReset.into()),
            Ok(_) => Ok(true),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes out what was read; [`Stream::put_back`] returns what is left of it.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.incoming)
    }

    /// See [`Stream::take`].
    pub(super) fn put_back(&mut self, mut bytes: Vec<u8>, consumed: usize) {
        bytes.drain(..consumed);
        bytes.append(&mut self.incoming);
        self.incoming = bytes;
    }

    /// Queues a message; `fd` arrives with its first byte.
    pub(super) fn queue(&mut self, fd: Option<OwnedFd>, encode: impl FnOnce(&mut Vec<u8>)) {
        if let Some(fd) = fd {
            self.fds.push_back((self.out.len(), fd));
        }
        encode(&mut self.out);
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.sent < self.out.len() {
            // A piece ends where the next descriptor begins, so that one goes with each piece.
            let carries = self.fds.front().is_some_and(|(at, _)| *at == self.sent);
            let next = self.fds.get(usize::from(carries)).map_or(self.out.len(), |(at, _)| *at);
            let piece = &self.out[self.sent..next];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            let lent: Vec<BorrowedFd<'_>> =
                self.fds.front().filter(|_| carries).map(|(_, fd)| fd.as_fd()).into_iter().collect();
            if carries {
                control.push(SendAncillaryMessage::ScmRights(&lent));
            }
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match sendmsg(&self.socket, &[io::IoSlice::new(piece)], &mut control, flags) {
                Ok(bytes) => {
                    self.sent += bytes;
                    if carries && bytes > 0 {
                        self.fds.pop_front();
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        } else if self.sent > READ_SIZE {
            self.out.drain(..self.sent);
            for (at, _) in &mut self.fds {
                *at -= self.sent;
            }
            self.sent = 0;
        }
        Ok(())
    }

    /// True if something waits to be sent.
    pub(super) fn wants_write(&self) -> bool {
        self.sent < self.out.len()
    }

    /// Bytes that wait to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.out.len() - self.sent
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream};

    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, recvmsg};

    use super::*;

    #[test]
    fn each_descriptor_comes_with_its_message() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut stream = Stream::new(ours.into()).unwrap();
        let fd = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        stream.queue(None, |out| out.extend(b"aa"));
        stream.queue(Some(fd()), |out| out.extend(b"bbb"));
        stream.queue(Some(fd()), |out| out.extend(b"c"));
        stream.queue(None, |out| out.extend(b"dd"));
        stream.flush().unwrap();
        assert!(!stream.wants_write());
        let mut fds = 0;
        let mut bytes = Vec::new();
        while bytes.len() < 8 {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut buffer = [0; 16];
            let got =
                recvmsg(&theirs, &mut [io::IoSliceMut::new(&mut buffer)], &mut control, RecvFlags::empty())
                    .unwrap();
            bytes.extend(&buffer[..got.bytes]);
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    fds += rights.count();
                }
            }
        }
        assert_eq!((bytes.as_slice(), fds), (b"aabbbcdd".as_slice(), 2));
    }

    #[test]
    fn what_does_not_fit_waits() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut stream = Stream::new(ours.into()).unwrap();
        let big = vec![7; 8 << 20];
        stream.queue(None, |out| out.extend(&big));
        stream.flush().unwrap();
        assert!(stream.wants_write());
        theirs.set_nonblocking(true).unwrap();
        let mut total = 0;
        let mut buffer = vec![0; 1 << 20];
        while total < big.len() {
            match theirs.read(&mut buffer) {
                Ok(bytes) => total += bytes,
                Err(_) => stream.flush().unwrap(),
            }
        }
        stream.flush().unwrap();
        assert_eq!((total, stream.waiting()), (big.len(), 0));
    }
}
