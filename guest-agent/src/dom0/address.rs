//! Where dom0 listens.

use std::{fmt, io, os::fd::OwnedFd, os::unix::net::UnixStream, path::PathBuf};

use transom_protocol::vsock::{DISPLAY_PORT, SERVICE_PORT};
use vsock::VsockStream;

/// An address of dom0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A Unix socket (sandbox).
    Unix(PathBuf),
    /// A vsock port of the host (virtual machine).
    Vsock(u32),
}

impl Address {
    /// Port of window streams on the host.
    pub const DISPLAY: Self = Self::Vsock(DISPLAY_PORT);
    /// Port of the service stream on the host.
    pub const SERVICE: Self = Self::Vsock(SERVICE_PORT);

    /// Connects.
    ///
    /// # Errors
    /// Nobody listens there, or the machine has no such sockets.
    pub fn connect(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Unix(path) => Ok(UnixStream::connect(path)?.into()),
            Self::Vsock(port) => {
                Ok(VsockStream::connect_with_cid_port(vsock::VMADDR_CID_HOST, *port)?.into())
            }
        }
    }
}

impl From<PathBuf> for Address {
    fn from(path: PathBuf) -> Self {
        Self::Unix(path)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Vsock(port) => write!(f, "vsock port {port} of the host"),
        }
    }
}
