//! A Unix socket that only one qube can reach. Who connects to it is that qube.

use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::PermissionsExt as _,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use crate::machine::{Channel, StartError};

/// The sockets of one qube, one for each kind of stream.
#[derive(Debug)]
pub(crate) struct Listeners {
    display: Listener,
    service: Listener,
    call: Listener,
    network: Listener,
}

impl Listeners {
    /// Listens for each kind of stream at the path that `at` gives for it.
    pub(crate) fn bind(at: impl Fn(Channel) -> PathBuf) -> Result<Self, StartError> {
        let listen = |channel| Listener::bind(&at(channel));
        let (display, service) = (listen(Channel::Display)?, listen(Channel::Service)?);
        Ok(Self { display, service, call: listen(Channel::Call)?, network: listen(Channel::Network)? })
    }

    /// The socket of one kind of stream.
    pub(crate) fn of(&self, channel: Channel) -> &Listener {
        match channel {
            Channel::Display => &self.display,
            Channel::Service => &self.service,
            Channel::Call => &self.call,
            Channel::Network => &self.network,
        }
    }
}

/// A listening stream socket; its file goes away with it.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Listens at `path`, where nothing is yet.
    pub(crate) fn bind(path: &Path) -> Result<Self, StartError> {
        let at = "open a socket for the qube";
        let socket = UnixListener::bind(path).map_err(StartError::at(at))?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(StartError::at(at))?;
        socket.set_nonblocking(true).map_err(StartError::at(at))?;
        Ok(Self { socket, path: path.to_owned() })
    }

    /// Its name among files.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A waiting connection, non-blocking.
    pub(crate) fn accept(&self) -> io::Result<Option<OwnedFd>> {
        match self.socket.accept() {
            Ok((stream, _)) => {
                UnixStream::set_nonblocking(&stream, true)?;
                Ok(Some(stream.into()))
            }
            // Gone again before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}
