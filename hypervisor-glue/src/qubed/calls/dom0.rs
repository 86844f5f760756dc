//! Calls of the person's own programs in dom0: a socket beside qubed's, where the tools of a qube call as they
//! do inside one.

use std::{
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{SocketFlags, accept_with, sockopt::socket_peercred},
};
use transom_protocol::call::Caller;

use crate::qubed::server::Server;

/// How long nobody is let in after letting somebody in has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// Where they come in.
#[derive(Debug)]
pub(super) struct Door {
    listener: OwnedFd,
    pause: Option<Instant>,
}

impl Door {
    pub(super) fn new(listener: OwnedFd) -> Self {
        Self { listener, pause: None }
    }

    /// What to poll, unless it is shut for a moment.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.pause.is_none().then(|| self.listener.as_fd())
    }

    /// When it opens again.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.pause
    }

    pub(super) fn tick(&mut self, now: Instant) {
        self.pause.take_if(|until| *until <= now);
    }
}

impl Server {
    /// A program of dom0 comes in.
    pub(in crate::qubed) fn call_of_dom0(&mut self, now: Instant) {
        let door = &mut self.calls.door;
        let socket = match accept_with(&door.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok(socket) => socket,
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return,
            Err(error) => {
                tracing::warn!(%error, "a call of dom0 cannot be accepted");
                door.pause = Some(now + PAUSE);
                return;
            }
        };
        let ours = rustix::process::geteuid();
        match socket_peercred(&socket) {
            Ok(peer) if peer.uid == ours || peer.uid.is_root() => {
                self.call_stream(Caller::Dom0, socket, now);
            }
            other => tracing::warn!(?other, "a call of another user is refused"),
        }
    }
}
