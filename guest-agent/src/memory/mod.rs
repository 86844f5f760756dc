//! How dom0 gets to read the memory of programs.
//!
//! - [`granter`]: the two ways to grant a piece of a pool, as a [`Granter`](granter::Granter):
//!   hand on its file descriptor (sandbox), or pin it and name its page frames (virtual machine),
//! - [`grants`]: which pieces are granted, from the first commit that needs one to its end,
//! - [`bounce`]: copies of pictures that cannot be granted where they are.

pub(crate) mod bounce;
pub(crate) mod granter;
pub(crate) mod grants;

use std::{io, ops::Range, os::fd::AsFd as _, path::PathBuf};

use calloop::{Interest, Mode, PostAction, generic::Generic};
use rustix::net::{RecvFlags, recv};
use tracing::{error, warn};

use self::{granter::Pinned, grants::Grants};
use crate::Agent;

/// Bytes in a pool.
pub(crate) type Bytes = Range<u64>;

/// True if all of `inner` is in `outer`.
pub(crate) fn contains(outer: &Bytes, inner: &Bytes) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// A pool that cannot be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrantError {
    #[error("the pool's file is shorter than the program says")]
    NotBacked,
    #[error("no file descriptor is left")]
    NoFd,
    #[error("the qube may not grant more memory")]
    Quota,
    #[error("the picture cannot be granted where it is: {0}")]
    NotHere(crate::pin::wire::Status),
    #[error("transom-pin is gone")]
    NoPins,
}

impl Agent {
    /// Grants page frames pinned by the `transom-pin` that listens at `socket`, as in a virtual
    /// machine, instead of file descriptors. To be called before dom0 is looked for.
    pub fn use_pins(&mut self, socket: PathBuf) {
        self.dom0.grants = Grants::new(Box::new(Pinned::new(socket)));
        if !self.pins_ready() {
            warn!("transom-pin is not there yet");
        }
    }

    /// True if memory could be granted now. The line to `transom-pin` is watched from then on.
    pub(crate) fn pins_ready(&mut self) -> bool {
        let granter = self.dom0.grants.granter();
        if granter.line().is_some() {
            return true;
        }
        let ready = granter.is_ready();
        let Some(line) = granter.line() else { return ready };
        let watched = line.try_clone_to_owned().and_then(|line| {
            let source = Generic::new(line, Interest::READ, Mode::Level);
            let inserted = self.handle.insert_source(source, |_, line, agent: &mut Self| {
                // Answers are taken when they are asked for: what is left to read is the end.
                let mut byte = [0];
                let peek = recv(line.as_fd(), &mut byte, RecvFlags::PEEK | RecvFlags::DONTWAIT);
                if peek.is_err_and(|errno| errno == rustix::io::Errno::AGAIN) {
                    return Ok(PostAction::Continue);
                }
                agent.pins_gone();
                Ok(PostAction::Remove)
            });
            inserted.map_err(|error| io::Error::other(error.to_string()))
        });
        if let Err(error) = &watched {
            error!(%error, "the line to transom-pin cannot be watched");
        }
        ready && watched.is_ok()
    }

    /// With `transom-pin` its pins are gone: dom0 must not read on, so all begins anew.
    fn pins_gone(&mut self) {
        warn!("transom-pin is gone: the connection to dom0 begins anew");
        self.dom0.grants.pins_gone();
        self.lost_dom0();
    }
}
