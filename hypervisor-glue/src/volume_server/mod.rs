//! `transom-volume`: the volume of one qube that is encrypted, or shared with clones, served to its QEMU in a
//! jailed process of its own.
//!
//! QEMU sees an NBD export of plain sectors on a socket that it inherits; the files and the key are here
//! only. A guest that takes QEMU over gets none of them.
//!
//! ```text
//! parent ──start (layout; volume, socket, key, base)──► standard input of transom-volume
//!                                                 enters its jail, serves until QEMU goes away
//! ```

mod nbd;

use std::{
    fs::File,
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::Stdio,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use serde::{Deserialize, Serialize};

pub use self::nbd::{Export, NbdError, serve};
use crate::{
    encryption::{KEY, Layout, Payload, VolumeKey, filled_pipe},
    image::OpenVolume,
    memory::Secret,
    overlay::{Overlay, Stored},
    packet::{self, Received},
    vmm::jail::{self, Jail, JailError, Kind},
};

/// What is to be served, beside its descriptors: the volume's file, the socket, a pipe with the key if there
/// is one, the base if there is one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    /// Where what is encrypted begins.
    encrypted: Option<Layout>,
    /// The file is an overlay on a base, and is to have so many bytes at least.
    base: Option<u64>,
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
    #[error("the volume: {0}")]
    Volume(#[from] io::Error),
}

/// Puts a plan where `transom-volume` will look for it: its standard input.
pub(crate) fn plan(
    volume: OpenVolume,
    key: Option<&VolumeKey>,
    uid: Option<u32>,
    socket: UnixStream,
) -> io::Result<Stdio> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let OpenVolume { file, base } = volume;
    let (encrypted, size) = (key.map(|key| key.layout), base.as_ref().map(|(_, size)| *size));
    let bytes = serde_json::to_vec(&Plan { encrypted, base: size, uid })?;
    let pipe = key.map(|key| filled_pipe(&key.key)).transpose()?;
    let mut files = vec![file.as_fd(), socket.as_fd()];
    files.extend(pipe.as_ref().map(AsFd::as_fd));
    files.extend(base.as_ref().map(|(base, _)| base.as_fd()));
    packet::send(&ours, &bytes, &files)?;
    Ok(Stdio::from(theirs))
}

/// What is served.
enum Volume {
    Encrypted(Box<Payload>),
    Shared(Box<Overlay>),
}

impl Export for Volume {
    fn size(&self) -> u64 {
        match self {
            Self::Encrypted(payload) => payload.size(),
            Self::Shared(overlay) => overlay.size(),
        }
    }

    fn read(&mut self, into: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::Encrypted(payload) => payload.read(into, offset),
            Self::Shared(overlay) => overlay.read(into, offset),
        }
    }

    fn write(&mut self, from: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::Encrypted(payload) => payload.write(from, offset),
            Self::Shared(overlay) => overlay.write(from, offset),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Encrypted(payload) => payload.sync(),
            Self::Shared(overlay) => overlay.sync(),
        }
    }

    fn discard(&mut self, offset: u64, length: u64) -> io::Result<()> {
        match self {
            Self::Encrypted(payload) => payload.discard(offset, length),
            Self::Shared(overlay) => overlay.discard(offset, length),
        }
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
    let mut files = files.drain(..).map(File::from);
    let (file, socket) = (files.next(), files.next());
    let key = plan.encrypted.map(|layout| Some((files.next()?, layout)));
    let base = plan.base.map(|size| Some((files.next()?, size)));
    let (Some(file), Some(socket), None | Some(Some(_)), None | Some(Some(_)), None) =
        (file, socket, &key, &base, files.next())
    else {
        return Err(ServerError::NoPlan("it needs other descriptors"));
    };
    let (key, base) = (key.flatten(), base.flatten());
    Jail { uid: plan.uid }.enter()?;
    jail::empty_root()?;
    jail::lock()?;
    let stored = Stored::open(file, base)?;
    let mut volume = match (key, stored) {
        (Some((key, layout)), stored) => {
            let key = Secret::read(key, KEY)?;
            let payload = Payload::new(stored, key.as_deref().unwrap_or_default(), layout)?;
            Volume::Encrypted(Box::new(payload))
        }
        (None, Stored::Shared(overlay)) => Volume::Shared(overlay),
        (None, Stored::File(_)) => return Err(ServerError::NoPlan("that needs no server")),
    };
    let mut socket = UnixStream::from(OwnedFd::from(socket));
    socket.set_nonblocking(false)?;
    jail::apply(&jail::filter(Kind::Volume)?)?;
    let served = serve(&mut socket, &mut volume);
    // What a guest wrote and forgot to flush is not lost with it.
    volume.flush()?;
    Ok(served?)
}
