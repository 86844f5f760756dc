//! The two ways to grant a piece of a pool.

use std::{
    fmt::Debug,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use tracing::{debug, warn};
use transom_protocol::message::PageRun;

use super::{Bytes, GrantError};
use crate::pin::{
    client::{Client, PinError},
    wire::{PAGE, Status},
};

/// Pools up to this are granted whole: programs keep many small pictures in one (cursors).
const SMALL: u64 = 1 << 20;

/// What goes with a grant's message.
#[derive(Debug)]
pub(crate) enum Granted {
    /// The file itself.
    File(OwnedFd),
    /// A pin, and the page frames that it holds.
    Pages(u32, Vec<PageRun>),
}

/// A way to grant memory.
pub(crate) trait Granter: Debug {
    /// True if a grant could be made now. May try to become so.
    fn is_ready(&mut self) -> bool {
        true
    }

    /// The piece of a pool of `pool` bytes to grant for a picture in `picture`.
    fn piece(&self, pool: u64, picture: &Bytes) -> Bytes;

    /// Makes a piece of a file ready to be read by dom0.
    fn grant(&mut self, file: BorrowedFd<'_>, piece: &Bytes) -> Result<Granted, GrantError>;

    /// True if dom0 would still read the file's own memory in a part of a pinned piece.
    fn is_current(&mut self, _pin: u32, _part: &Bytes) -> bool {
        true
    }

    /// dom0 reads a pinned piece no more.
    fn release(&mut self, _pin: u32) {}

    /// The line to `transom-pin`, to be watched for its end.
    fn line(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The line has ended: everything that was pinned is free.
    fn line_ended(&mut self) {}
}

/// Sandbox: the pool's own file descriptor.
#[derive(Debug)]
pub(crate) struct ClientFds;

impl Granter for ClientFds {
    fn piece(&self, pool: u64, _: &Bytes) -> Bytes {
        0..pool
    }

    fn grant(&mut self, file: BorrowedFd<'_>, _: &Bytes) -> Result<Granted, GrantError> {
        file.try_clone_to_owned().map(Granted::File).map_err(|_| GrantError::NoFd)
    }
}

/// Virtual machine: pinned page frames.
#[derive(Debug)]
pub(crate) struct Pinned {
    socket: PathBuf,
    client: Option<Client>,
}

impl Pinned {
    /// Pins by the `transom-pin` that listens at `socket`.
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket, client: None }
    }

    /// Does something with the line; `None` without one, or when it breaks.
    fn with<T>(
        &mut self,
        action: impl FnOnce(&mut Client) -> Result<T, PinError>,
    ) -> Option<Result<T, Status>> {
        match action(self.client.as_mut()?) {
            Ok(value) => Some(Ok(value)),
            Err(PinError::Refused(status)) => Some(Err(status)),
            Err(PinError::Gone(error)) => {
                // The line stays open until the event loop sees its end, and ends what it held.
                warn!(%error, "transom-pin is gone");
                None
            }
        }
    }
}

impl Granter for Pinned {
    fn is_ready(&mut self) -> bool {
        if self.client.is_none() {
            self.client = Client::connect(&self.socket)
                .inspect_err(|error| debug!(%error, socket = %self.socket.display(), "no transom-pin"))
                .ok();
        }
        self.client.is_some()
    }

    fn piece(&self, pool: u64, picture: &Bytes) -> Bytes {
        // Programs make pools far larger than what they fill (foot: 512 MiB), and pinning fills
        // what was empty: of a large pool, only what a picture uses.
        let used = if pool <= SMALL { 0..pool } else { picture.clone() };
        used.start / PAGE * PAGE..used.end.next_multiple_of(PAGE)
    }

    fn grant(&mut self, file: BorrowedFd<'_>, piece: &Bytes) -> Result<Granted, GrantError> {
        match self.with(|client| client.pin(file, piece.start, piece.end - piece.start)) {
            Some(Ok((pin, runs))) => Ok(Granted::Pages(pin, runs)),
            Some(Err(Status::Short)) => Err(GrantError::NotBacked),
            Some(Err(status)) => Err(GrantError::NotHere(status)),
            None => Err(GrantError::NoPins),
        }
    }

    fn is_current(&mut self, pin: u32, part: &Bytes) -> bool {
        let (start, end) = (part.start / PAGE * PAGE, part.end.next_multiple_of(PAGE));
        matches!(self.with(|client| client.check(pin, start, end - start)), Some(Ok(())))
    }

    fn release(&mut self, pin: u32) {
        if let Some(Err(status)) = self.with(|client| client.unpin(pin)) {
            warn!(%status, pin, "a piece was not let go");
        }
    }

    fn line(&self) -> Option<BorrowedFd<'_>> {
        self.client.as_ref().map(AsFd::as_fd)
    }

    fn line_ended(&mut self) {
        self.client = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_large_pool_only_the_pages_of_a_picture() {
        let pinned = Pinned::new("/nowhere".into());
        assert_eq!(pinned.piece(512 << 20, &(4_100..12_000)), 4_096..12_288);
        assert_eq!(pinned.piece(10_000, &(4_100..9_000)), 0..12_288, "a small one whole");
        assert_eq!(ClientFds.piece(10_000, &(4_100..9_000)), 0..10_000);
    }

    #[test]
    fn without_transom_pin_nothing_is_granted() {
        let mut pinned = Pinned::new("/nowhere/pin".into());
        let file = std::fs::File::open("/dev/null").unwrap();
        assert!(!pinned.is_ready());
        assert!(matches!(pinned.grant(file.as_fd(), &(0..4_096)), Err(GrantError::NoPins)));
    }
}
