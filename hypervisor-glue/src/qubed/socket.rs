//! A guest's end of a conversation with qubed, as a socket: bytes in within a budget, bytes out as it takes
//! them. Nothing here waits (rule NO-STALL).

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::{
    io::Errno,
    net::{RecvFlags, SendFlags, recv, send},
};

/// Bytes read at once.
const CHUNK: usize = 4_096;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Socket {
    socket: OwnedFd,
    closed: bool,
}

impl Socket {
    /// Takes a connection that was accepted for a qube.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, closed: false }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// True when the guest has closed it, or it broke.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Reads at most `budget` bytes and hands them on in pieces. What a piece fails with ends it.
    pub(super) fn read<E>(
        &mut self,
        budget: usize,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut untrusted = [0; CHUNK];
        let mut left = budget;
        while left > 0 {
            match recv(&self.socket, &mut untrusted[..left.min(CHUNK)], RecvFlags::DONTWAIT) {
                Ok((length, _)) if length > 0 => {
                    left -= length;
                    each(&untrusted[..length])?;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                _ => {
                    self.closed = true;
                    break;
                }
            }
        }
        Ok(())
    }

    /// Writes as much of `out` as the socket takes. Of one that broke nothing is left.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        while !out.is_empty() {
            match send(&self.socket, out, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(length) => {
                    out.drain(..length);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => {
                    self.closed = true;
                    out.clear();
                }
            }
        }
    }
}
