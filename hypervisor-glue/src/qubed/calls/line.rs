//! One call stream: bytes in and out within bounds. Nothing here waits (rule NO-STALL).

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown},
};
use transom_protocol::{
    call::{MAX_DATA, next_call_up},
    wire::{HEADER_LEN, Raw, WireError},
};

/// Most bytes that wait for one end; while there are more, the other end is not read.
const MAX_OUT: usize = 256 * 1024;
/// Bytes read from a stream at once, before others have their turn.
const BUDGET: usize = 2 * (HEADER_LEN + MAX_DATA);

/// See the module's text.
#[derive(Debug)]
pub(super) struct Line {
    socket: OwnedFd,
    incoming: Vec<u8>,
    out: Vec<u8>,
    sent: usize,
    /// The other end has closed it, or it broke.
    pub(super) closed: bool,
}

impl Line {
    /// Takes a non-blocking socket.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket, incoming: Vec::new(), out: Vec::new(), sent: 0, closed: false }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Reads once, within the budget.
    pub(super) fn fill(&mut self) {
        let start = self.incoming.len();
        let room = BUDGET.saturating_sub(start);
        self.incoming.resize(start + room, 0);
        let result = recv(&self.socket, &mut self.incoming[start..], RecvFlags::DONTWAIT);
        let bytes = result.as_ref().map_or(0, |(bytes, _)| *bytes);
        self.incoming.truncate(start + bytes);
        match result {
            Ok(_) if bytes == 0 && room > 0 => self.closed = true,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.closed = true,
        }
    }

    /// Hands every whole message to `each`, as long as that wants more.
    pub(super) fn drain<E: From<WireError>>(
        &mut self,
        mut each: impl FnMut(&Raw<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut used = 0;
        while let Some(raw) = next_call_up(&self.incoming[used..])? {
            used += raw.wire_len();
            if !each(&raw)? {
                break;
            }
        }
        self.incoming.drain(..used);
        Ok(())
    }

    /// Where messages for this end are put.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// True if this end may be told more.
    pub(super) fn has_room(&self) -> bool {
        self.waiting() < MAX_OUT
    }

    pub(super) fn waiting(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&mut self) {
        while self.sent < self.out.len() && !self.closed {
            match send(&self.socket, &self.out[self.sent..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(bytes) => self.sent += bytes,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.closed = true,
            }
        }
        if self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        } else if self.sent >= MAX_OUT / 2 {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// True if the other end has gone, whether or not it is read.
    pub(super) fn is_hung_up(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut fds = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        poll(&mut fds, Some(&now)).is_ok_and(|ready| ready > 0)
    }
}

impl Drop for Line {
    /// Hangs up. What came and was not read is thrown away first: a socket that is closed with something
    /// unread in it looks to the other end like one that broke, and QEMU's vsock daemon tells a guest
    /// nothing of that.
    fn drop(&mut self) {
        if shutdown(&self.socket, Shutdown::Both).is_err() {
            return;
        }
        // Nothing more comes in; what is there is no more than a socket holds.
        let mut untrusted = [0; 16 << 10];
        for _ in 0..256 {
            match recv(&self.socket, &mut untrusted, RecvFlags::DONTWAIT) {
                Ok((bytes, _)) if bytes > 0 => {}
                _ => break,
            }
        }
    }
}
