//! How dom0's programs talk to `transom-qubed`.
//!
//! [`Client`] never waits: give its descriptor to an event loop and call [`Client::recv`] until it
//! gives `None`. [`Client::call`] waits for one answer, for the command line.

mod copy;
mod ensure;
mod log;
mod told;

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub use crate::encryption::check_passphrase;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with,
        sockopt::{Timeout, set_socket_timeout},
    },
};
pub use transom_protocol::supervisor::FromQubed as Incoming;
use transom_protocol::supervisor::{ErrorBody, QubeInfo, Reply, ReplyBody, Request, RequestBody};

pub use self::{
    copy::{CopyError, copy_command},
    ensure::{Launch, ensure_running},
    log::program_ended,
    told::{read_programs, read_updates},
};
use crate::{
    encryption::filled_pipe,
    packet::{self, Received},
    paths::{self, PathError},
};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Most messages kept aside while [`Client::call`] waits for its answer.
const MAX_ASIDE: usize = 4_096;

/// Why talking to qubed failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at the socket: it is not there, or nobody listens.
    #[error("transom-qubed does not answer at {path}: {source}")]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It could not be started.
    #[error("transom-qubed did not start: {reason}")]
    NotStarted {
        /// Why, in one line.
        reason: String,
    },
    /// The runtime directory cannot be used.
    #[error(transparent)]
    Path(#[from] PathError),
    /// qubed went away, or cut this client off because it did not read.
    #[error("transom-qubed closed the connection")]
    Closed,
    /// qubed does not read at the moment: nothing was sent.
    #[error("transom-qubed is busy")]
    Busy,
    /// The answer did not come in time.
    #[error("transom-qubed did not answer in time")]
    Timeout,
    /// It said something that this program does not understand.
    #[error("transom-qubed is of another version than this program; stop it and try again ({0})")]
    Foreign(String),
    /// It refused.
    #[error(transparent)]
    Refused(#[from] ErrorBody),
    /// The system refused.
    #[error("cannot talk to transom-qubed: {0}")]
    System(#[from] io::Error),
}

impl From<Errno> for ClientError {
    fn from(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

/// Where qubed's socket is, see [`paths::runtime_dir`].
pub fn default_socket_path() -> Result<PathBuf, PathError> {
    Ok(paths::runtime_dir()?.join(paths::SOCKET_NAME))
}

/// How long qubed may take to end its qubes and itself.
const STOP: std::time::Duration = std::time::Duration::from_secs(15);

/// A connection to `transom-qubed`.
#[derive(Debug)]
pub struct Client {
    socket: OwnedFd,
    next_id: u64,
    /// Came while [`Client::call`] waited for something else.
    aside: VecDeque<(Incoming, Vec<OwnedFd>)>,
}

impl AsFd for Client {
    /// Readable when [`Client::recv`] has something to give.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Client {
    /// Connects to a running qubed. Waits only while others connect.
    pub fn connect(path: &Path) -> Result<Self, ClientError> {
        let not_running =
            |errno: Errno| ClientError::NotRunning { path: path.to_owned(), source: errno.into() };
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let address = SocketAddrUnix::new(path).map_err(not_running)?;
        // Where many connect at once, each waits for its turn; all else on the socket never waits.
        set_socket_timeout(&socket, Timeout::Send, Some(CONNECT_TIMEOUT))?;
        connect(&socket, &address).map_err(not_running)?;
        Ok(Self::from_socket(socket))
    }

    /// A client on a socket that is connected already.
    pub fn from_socket(socket: OwnedFd) -> Self {
        Self { socket, next_id: 1, aside: VecDeque::new() }
    }

    /// Sends a request and gives the id that its answer will carry. Never waits.
    pub fn send(&mut self, body: RequestBody) -> Result<u64, ClientError> {
        self.send_with(body, &[])
    }

    fn send_with(&mut self, body: RequestBody, files: &[BorrowedFd<'_>]) -> Result<u64, ClientError> {
        let id = self.next_id;
        self.send_as(id, body, files)?;
        self.next_id += 1;
        Ok(id)
    }

    /// Sends a request once more that was refused: its answer will carry the same id. Never waits.
    pub fn send_again(&mut self, id: u64, body: RequestBody) -> Result<(), ClientError> {
        self.send_as(id, body, &[])
    }

    fn send_as(&self, id: u64, body: RequestBody, files: &[BorrowedFd<'_>]) -> Result<(), ClientError> {
        body.check()?;
        let bytes = serde_json::to_vec(&Request { id, body }).map_err(io::Error::from)?;
        match packet::send(&self.socket, &bytes, files) {
            Ok(()) => Ok(()),
            Err(Errno::AGAIN) => Err(ClientError::Busy),
            Err(Errno::PIPE | Errno::CONNRESET) => Err(ClientError::Closed),
            Err(error) => Err(error.into()),
        }
    }

    /// What came next, with its file descriptors; `None` if nothing is there now. Never waits.
    pub fn recv(&mut self) -> Result<Option<(Incoming, Vec<OwnedFd>)>, ClientError> {
        match self.aside.pop_front() {
            Some(message) => Ok(Some(message)),
            None => self.recv_packet(),
        }
    }

    fn recv_packet(&mut self) -> Result<Option<(Incoming, Vec<OwnedFd>)>, ClientError> {
        match packet::recv(&self.socket)? {
            Received::Nothing => Ok(None),
            Received::Closed => Err(ClientError::Closed),
            Received::TooLarge => Err(ClientError::Foreign("a packet over the limit".to_owned())),
            Received::Packet(bytes, fds) => match serde_json::from_slice(&bytes) {
                Ok(message) => Ok(Some((message, fds))),
                Err(error) => Err(ClientError::Foreign(error.to_string())),
            },
        }
    }

    /// Sends a request and waits for its answer until `deadline`.
    ///
    /// Events that come meanwhile are kept for [`Client::recv`].
    pub fn call(&mut self, body: RequestBody, deadline: Instant) -> Result<ReplyBody, ClientError> {
        self.call_with(body, &[], deadline)
    }

    /// As [`Client::call`], with passphrases beside it: each goes into a pipe, and from there nowhere but
    /// to qubed.
    pub fn call_with(
        &mut self,
        body: RequestBody,
        passphrases: &[&[u8]],
        deadline: Instant,
    ) -> Result<ReplyBody, ClientError> {
        let id = self.send_passphrases(body, passphrases)?;
        self.answer(id, deadline).map(|(answer, _)| answer)
    }

    /// As [`Client::send`], with passphrases beside it as in [`Client::call_with`].
    pub fn send_passphrases(&mut self, body: RequestBody, passphrases: &[&[u8]]) -> Result<u64, ClientError> {
        let pipes = passphrases.iter().map(|text| filled_pipe(text)).collect::<io::Result<Vec<_>>>()?;
        self.send_with(body, &pipes.iter().map(OwnedFd::as_fd).collect::<Vec<_>>())
    }

    /// As [`Client::call`], with the descriptors that come beside the answer.
    fn call_for_files(
        &mut self,
        body: RequestBody,
        deadline: Instant,
    ) -> Result<(ReplyBody, Vec<OwnedFd>), ClientError> {
        let id = self.send(body)?;
        self.answer(id, deadline)
    }

    fn answer(&mut self, id: u64, deadline: Instant) -> Result<(ReplyBody, Vec<OwnedFd>), ClientError> {
        loop {
            while let Some((message, fds)) = self.recv_packet()? {
                match message {
                    Incoming::Reply(Reply { id: answered, result }) if answered == id => {
                        return Ok((result?, fds));
                    }
                    // An answer to nothing: the request could not even be read.
                    Incoming::Reply(Reply { id: 0, result: Err(error) }) => return Err(error.into()),
                    _ if self.aside.len() >= MAX_ASIDE => {
                        return Err(ClientError::Foreign("an endless stream of events".to_owned()));
                    }
                    other => self.aside.push_back((other, fds)),
                }
            }
            wait_readable(&self.socket, deadline)?;
        }
    }

    /// All qubes, in the order of their names. Waits.
    pub fn list(&mut self, deadline: Instant) -> Result<Vec<QubeInfo>, ClientError> {
        let mut all: Vec<QubeInfo> = Vec::new();
        loop {
            let after = all.last().map(|qube| qube.name.clone());
            match self.call(RequestBody::List { after: after.clone() }, deadline)? {
                ReplyBody::Qubes { qubes, more } => {
                    let end = !more || qubes.is_empty();
                    all.extend(qubes);
                    if end {
                        return Ok(all);
                    }
                }
                other => return Err(unexpected(&other)),
            }
        }
    }
}

/// Asks the qubed behind a socket to end, with all its qubes, and waits until it has. One that is
/// not there counts as ended.
pub fn stop(path: &Path) -> Result<(), ClientError> {
    let mut client = match Client::connect(path) {
        Err(ClientError::NotRunning { .. }) => return Ok(()),
        other => other?,
    };
    let deadline = Instant::now() + STOP;
    let ReplyBody::Pong { pid, .. } = client.call(RequestBody::Ping, deadline)? else {
        return Err(ClientError::Foreign("no pong".to_owned()));
    };
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
    }
    // Its end closes the socket; what comes before that is of no interest.
    loop {
        match client.recv() {
            Ok(Some(_)) => {}
            Ok(None) => wait_readable(&client.socket, deadline)?,
            Err(_) => return Ok(()),
        }
    }
}

/// An answer to another question than was asked.
pub(crate) fn unexpected(reply: &ReplyBody) -> ClientError {
    ClientError::Foreign(format!("an unexpected answer: {reply:?}").chars().take(120).collect())
}

/// Waits until `fd` can be read or its other end is gone.
fn wait_readable(fd: impl AsFd, deadline: Instant) -> Result<(), ClientError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ClientError::Timeout);
        }
        let timeout = Timespec::try_from(left.min(Duration::from_hours(1))).ok();
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], timeout.as_ref()) {
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::socketpair;
    use transom_protocol::supervisor::{ErrorKind, Event, QubeName};

    use super::*;

    fn pair() -> (Client, OwnedFd) {
        let (a, b) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        (Client::from_socket(a), b)
    }

    fn say(socket: &OwnedFd, message: &Incoming) {
        packet::send(socket, &serde_json::to_vec(message).unwrap(), &[]).unwrap();
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn a_call_keeps_events_for_later() {
        let (mut client, qubed) = pair();
        let gone = Event::QubeRemoved { qube: QubeName::new("old").unwrap() };
        say(&qubed, &Incoming::Event(gone.clone()));
        say(&qubed, &Incoming::Reply(Reply { id: 1, result: Ok(ReplyBody::Done) }));
        assert_eq!(client.call(RequestBody::Ping, soon()).unwrap(), ReplyBody::Done);
        let (message, fds) = client.recv().unwrap().unwrap();
        assert_eq!((message, fds.len()), (Incoming::Event(gone), 0));
        assert!(client.recv().unwrap().is_none());
    }

    #[test]
    fn refusals_dead_peers_and_garbage_are_errors() {
        let (mut client, qubed) = pair();
        let no = ErrorBody::new(ErrorKind::NoSuchQube, "no");
        say(&qubed, &Incoming::Reply(Reply { id: 1, result: Err(no.clone()) }));
        let error = client.call(RequestBody::Ping, soon()).unwrap_err();
        assert!(matches!(error, ClientError::Refused(e) if e == no));
        packet::send(&qubed, b"{\"what\":1}", &[]).unwrap();
        assert!(matches!(client.recv(), Err(ClientError::Foreign(_))));
        drop(qubed);
        assert!(matches!(client.recv(), Err(ClientError::Closed)));
        assert!(matches!(client.send(RequestBody::Ping), Err(ClientError::Closed)));
    }

    #[test]
    fn an_illegal_command_line_is_not_even_sent() {
        let (mut client, qubed) = pair();
        let run = RequestBody::Run { qube: QubeName::new("a").unwrap(), argv: vec![] };
        assert!(matches!(client.send(run), Err(ClientError::Refused(_))));
        assert!(matches!(packet::recv(&qubed).unwrap(), Received::Nothing));
    }

    #[test]
    fn a_call_ends_at_its_deadline() {
        let (mut client, _qubed) = pair();
        assert!(matches!(client.call(RequestBody::Ping, Instant::now()), Err(ClientError::Timeout)));
    }

    #[test]
    fn nobody_there_is_one_clear_line() {
        let temp = tempfile::tempdir().unwrap();
        let error = Client::connect(&temp.path().join("none.sock")).unwrap_err();
        assert!(error.to_string().contains("does not answer at"), "{error}");
    }
}
