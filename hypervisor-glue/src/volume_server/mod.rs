//! `transom-volume`: the encrypted volume of one qube, served to its QEMU in a jailed process of its own.
//!
//! QEMU sees an NBD export of plain sectors on a socket that it inherits; the file and the key are here
//! only. A guest that takes QEMU over gets neither.
//!
//! ```text
//! parent ──start (layout; volume, key, socket)──► standard input of transom-volume
//!                                                 enters its jail, serves until QEMU goes away
//! ```

mod nbd;

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    process::Stdio,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::{Deserialize, Serialize};

pub use self::nbd::{Export, NbdError, serve};
use crate::{
    encryption::{KEY, Layout, Payload, VolumeKey, filled_pipe},
    memory::Secret,
    packet::{self, Received},
    vmm::jail::{self, Jail, JailError, Kind},
};

/// What is to be served, beside three descriptors: the volume's file, a pipe with its key, the socket.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    layout: Layout,
    /// A user id of its own; only where the parent is root.
    uid: Option<u32>,
}

/// Why the program ends before its client.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The parent did not say what to do.
    #[error("nobody said what to serve: {0}")]
    NoPlan(&'static str),
    /// The jail.
    #[error(transparent)]
    Jail(#[from] JailError),
    /// The client.
    #[error(transparent)]
    Client(#[from] NbdError),
    /// The volume.
    #[error("the encrypted volume: {0}")]
    Volume(#[from] io::Error),
}

/// Puts a plan where `transom-volume` will look for it: its standard input.
pub(crate) fn plan(file: File, key: &VolumeKey, uid: Option<u32>, socket: UnixStream) -> io::Result<Stdio> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let bytes = serde_json::to_vec(&Plan { layout: key.layout, uid })?;
    let pipe = filled_pipe(&key.key)?;
    packet::send(&ours, &bytes, &[file.as_fd(), pipe.as_fd(), socket.as_fd()])?;
    Ok(Stdio::from(theirs))
}

impl Export for Payload {
    fn size(&self) -> u64 {
        Payload::size(self)
    }

    fn read(&mut self, into: &mut [u8], offset: u64) -> io::Result<()> {
        Payload::read(self, into, offset)
    }

    fn write(&mut self, from: &mut [u8], offset: u64) -> io::Result<()> {
        Payload::write(self, from, offset)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sync()
    }
}

/// Serves what the plan in `control` says, until the client goes away. Must be called in a process with
/// one thread.
///
/// # Errors
/// There is no plan, no jail, no volume, or the client broke the rules.
pub fn run(control: OwnedFd) -> Result<(), ServerError> {
    let Received::Packet(bytes, mut files) = packet::recv(&control).map_err(io::Error::from)? else {
        return Err(ServerError::NoPlan("there is no packet"));
    };
    drop(control);
    let plan: Plan =
        serde_json::from_slice(&bytes).map_err(|_| ServerError::NoPlan("it is not understood"))?;
    let (Some(socket), Some(key), Some(file), true) =
        (files.pop(), files.pop(), files.pop(), files.is_empty())
    else {
        return Err(ServerError::NoPlan("it needs three descriptors"));
    };
    Jail { uid: plan.uid }.enter()?;
    jail::empty_root()?;
    jail::lock()?;
    let key = Secret::read(File::from(key), KEY)?;
    let mut payload = Payload::new(File::from(file), key.as_deref().unwrap_or_default(), plan.layout)?;
    drop(key);
    let mut socket = UnixStream::from(socket);
    socket.set_nonblocking(false)?;
    jail::apply(&jail::filter(Kind::Volume)?)?;
    let served = serve(&mut socket, &mut payload);
    // What a guest wrote and forgot to flush is not lost with it.
    payload.sync()?;
    Ok(served?)
}
