//! Waiting for the daemon's socket, on a thread of its own: qubed itself never waits.

use std::{
    io,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    sync::mpsc::{Receiver, TryRecvError, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::net::sockopt::socket_peercred;

use crate::machine::StartError;

/// How long the daemon may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two tries. It takes a few milliseconds on a computer at rest.
const PAUSE: Duration = Duration::from_millis(2);

/// Connects to a socket that is about to be there.
#[derive(Debug)]
pub(super) struct Connector {
    result: Receiver<io::Result<UnixStream>>,
    /// At its end when there is a result.
    done: UnixStream,
}

impl Connector {
    /// Begins.
    /// Who listens must be this user, if one is given: the folder is theirs.
    pub(super) fn start(path: PathBuf, uid: Option<u32>) -> Result<Self, StartError> {
        let (done, theirs) = UnixStream::pair().map_err(StartError::at("make a socket pair"))?;
        let (sender, result) = channel();
        let work = move || {
            let end = Instant::now() + PATIENCE;
            let connected = loop {
                match UnixStream::connect(&path) {
                    Err(error) if Instant::now() >= end => break Err(error),
                    Err(_) => thread::park_timeout(PAUSE),
                    Ok(stream) => break Ok(stream),
                }
            };
            let connected = connected.and_then(|stream| is_of(&stream, uid).map(|()| stream));
            // Nobody listens if the machine was given up meanwhile.
            let _ = sender.send(connected);
            drop(theirs);
        };
        let spawned = thread::Builder::new().name("connector".to_owned()).spawn(work);
        spawned.map_err(StartError::at("start a thread"))?;
        Ok(Self { result, done })
    }

    /// Readable when there is a result.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    /// The result, once.
    pub(super) fn take(&self) -> Option<io::Result<UnixStream>> {
        match self.result.try_recv() {
            Ok(result) => Some(result),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

/// Fails if a socket's other end is another user's than `uid`.
fn is_of(stream: &UnixStream, uid: Option<u32>) -> io::Result<()> {
    match (uid, socket_peercred(stream)?.uid.as_raw()) {
        (Some(uid), found) if uid != found => Err(io::ErrorKind::PermissionDenied.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_else_is_not_the_daemon() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert!(is_of(&ours, None).is_ok() && is_of(&ours, Some(own)).is_ok());
        assert!(is_of(&ours, Some(own + 1)).is_err());
    }
}
