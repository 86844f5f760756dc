//! Waiting for the daemon's socket, on a thread of its own: qubed itself never waits.

use std::{
    io,
    os::{
        fd::{AsFd as _, AsRawFd as _, BorrowedFd},
        unix::net::UnixStream,
    },
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags, open},
    net::sockopt::socket_peercred,
};

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
    /// Whoever tries gives up when nobody has this any more.
    _wanted: Arc<()>,
}

impl Connector {
    /// Begins, with a socket of this name in a folder. Who listens must be this user, if one is given: the folder is
    /// theirs.
    ///
    /// The folder is meant and not its name: a machine that was given up leaves the next one's daemon alone, whose
    /// folder has the same name.
    pub(super) fn start(dir: &Path, name: &'static str, uid: Option<u32>) -> Result<Self, StartError> {
        let dir = open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map_err(StartError::at("open the folder of a machine"))?;
        let wanted = Arc::new(());
        let is_wanted = Arc::downgrade(&wanted);
        let (done, theirs) = UnixStream::pair().map_err(StartError::at("make a socket pair"))?;
        let (sender, result) = channel();
        let work = move || {
            let path = format!("/proc/self/fd/{}/{name}", dir.as_raw_fd());
            let end = Instant::now() + PATIENCE;
            let connected = loop {
                match UnixStream::connect(&path) {
                    Err(error) if Instant::now() >= end || is_wanted.strong_count() == 0 => break Err(error),
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
        Ok(Self { result, done, _wanted: wanted })
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
    use std::{fs, io::Read as _, os::unix::net::UnixListener};

    use super::*;

    #[test]
    fn a_machine_that_was_given_up_leaves_the_next_ones_daemon_alone() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("work");
        fs::create_dir(&dir).unwrap();
        let connector = Connector::start(&dir, "socket", None).unwrap();
        let mut ended = connector.done.try_clone().unwrap();
        drop(connector);
        fs::remove_dir(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        let next = UnixListener::bind(dir.join("socket")).unwrap();
        next.set_nonblocking(true).unwrap();
        assert_eq!(ended.read(&mut [0]).unwrap(), 0);
        assert_eq!(next.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let connector = Connector::start(&dir, "socket", None).unwrap();
        let mut ended = connector.done.try_clone().unwrap();
        assert_eq!(ended.read(&mut [0]).unwrap(), 0);
        assert!(connector.take().unwrap().is_ok() && next.accept().is_ok());
    }

    #[test]
    fn somebody_else_is_not_the_daemon() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let own = rustix::process::geteuid().as_raw();
        assert!(is_of(&ours, None).is_ok() && is_of(&ours, Some(own)).is_ok());
        assert!(is_of(&ours, Some(own + 1)).is_err());
    }
}
