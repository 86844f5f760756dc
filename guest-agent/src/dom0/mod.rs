//! The connection to dom0: one stream, the protocol's state, and beginning again when it is gone.

mod address;
mod messages;
mod stream;

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use calloop::{
    Interest, Mode, PostAction, RegistrationToken,
    generic::Generic,
    timer::{TimeoutAction, Timer},
};
use tracing::{debug, error, info, warn};
use transom_protocol::{
    MAGIC, VERSION, VERSION_MIN,
    message::{self, ToDom0},
    session::{End, Phase, ProtocolError, Session},
    wire::{Header, Raw},
};

pub use self::address::Address;
use self::stream::Stream;
use crate::{Agent, memory::grants::Grants};

/// Waits between attempts to connect: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Bytes on their way to dom0 above which new pictures wait.
const BUSY: usize = 1 << 20;

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: Stream,
    session: Session,
}

impl Link {
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// True once dom0 has answered the hello.
    pub(crate) fn is_open(&self) -> bool {
        self.session.phase() == Phase::Open
    }

    /// True if so much is on its way that new pictures had better wait.
    pub(crate) fn is_busy(&self) -> bool {
        self.stream.waiting() > BUSY
    }

    /// Queues a message. One that the state machine refuses is a bug of the agent: it is logged
    /// and not sent, as dom0 would end the connection.
    pub(crate) fn send(&mut self, window: u32, serial: u32, message: &ToDom0<'_>) -> bool {
        self.queue(None, window, serial, message)
    }

    /// As [`Link::send`], with a file descriptor.
    pub(crate) fn send_fd(&mut self, fd: OwnedFd, message: &ToDom0<'_>) {
        self.queue(Some(fd), 0, 0, message);
    }

    fn queue(&mut self, fd: Option<OwnedFd>, window: u32, serial: u32, message: &ToDom0<'_>) -> bool {
        let header = Header {
            kind: message.kind().into(),
            flags: 0.into(),
            length: 0.into(),
            window: window.into(),
            serial: serial.into(),
        };
        match self.session.to_dom0(header, message) {
            Ok(()) => {
                self.stream.queue(fd, |out| message.encode(window, serial, out));
                true
            }
            Err(violation) => {
                error!(%violation, "the agent was about to break the protocol; the message is not sent");
                false
            }
        }
    }
}

/// Where dom0 is, and the connection while there is one.
#[derive(Debug, Default)]
pub(crate) struct Dom0 {
    address: Option<Address>,
    link: Option<Link>,
    source: Option<RegistrationToken>,
    writing: bool,
    retry: Duration,
    pub(crate) grants: Grants,
    pub(crate) last_commit: u32,
}

impl Dom0 {
    /// The connection, if dom0 has answered.
    pub(crate) fn open(&mut self) -> Option<&mut Link> {
        self.link.as_mut().filter(|link| link.is_open())
    }

    /// Connection and grants together.
    pub(crate) fn open_with_grants(&mut self) -> Option<(&mut Link, &mut Grants, &mut u32)> {
        let link = self.link.as_mut().filter(|link| link.is_open())?;
        Some((link, &mut self.grants, &mut self.last_commit))
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error("dom0's end is gone: {0}")]
    Io(#[from] io::Error),
    #[error("dom0 said what it may not say: {0}")]
    Protocol(#[from] ProtocolError),
    #[error("dom0 ended the connection: {0}")]
    Goodbye(String),
}

impl Agent {
    /// Connects to dom0, now and whenever the connection is lost.
    pub fn connect_to(&mut self, address: impl Into<Address>) {
        self.dom0.address = Some(address.into());
        self.dom0.retry = RETRY.0;
        self.try_connect();
    }

    fn try_connect(&mut self) {
        let Some(address) = self.dom0.address.clone() else { return };
        if !self.pins_ready() {
            self.retry_later();
            return;
        }
        match address.connect() {
            Ok(stream) => {
                if let Err(error) = self.connect_stream(stream) {
                    warn!(%error, "the connection to dom0 cannot be used");
                    self.retry_later();
                }
            }
            Err(error) => {
                debug!(%error, %address, "dom0 is not there");
                self.retry_later();
            }
        }
    }

    fn retry_later(&mut self) {
        if self.dom0.address.is_none() {
            return;
        }
        let wait = self.dom0.retry;
        self.dom0.retry = (wait * 2).min(RETRY.1);
        let timer = self.handle.insert_source(Timer::from_duration(wait), |_, (), agent: &mut Self| {
            agent.try_connect();
            TimeoutAction::Drop
        });
        if let Err(error) = timer {
            error!(%error, "no timer: dom0 is not looked for any more");
        }
    }

    /// Begins a connection on a stream that is connected already.
    pub fn connect_stream(&mut self, stream: impl Into<OwnedFd>) -> io::Result<()> {
        self.drop_link();
        let stream = Stream::new(stream.into())?;
        let fd = stream.as_fd().try_clone_to_owned()?;
        let source = Generic::new(fd, Interest::READ, Mode::Level);
        let token = self
            .handle
            .insert_source(source, |_, _, agent: &mut Self| {
                agent.dom0_readable();
                Ok(PostAction::Continue)
            })
            .map_err(|error| io::Error::other(error.to_string()))?;
        let mut link = Link { stream, session: Session::new(End::Agent) };
        let hello = message::Hello {
            magic: MAGIC,
            version_min: VERSION_MIN.into(),
            version_max: VERSION.into(),
            features: 0.into(),
        };
        link.send(0, 0, &ToDom0::Hello(&hello));
        self.dom0.last_commit = 0;
        self.dom0.link = Some(link);
        self.dom0.source = Some(token);
        Ok(())
    }

    fn dom0_readable(&mut self) {
        if let Err(error) = self.read_dom0() {
            if let LinkError::Io(_) = &error {
                info!(%error, "link closed");
            } else {
                warn!(%error, "link closed");
            }
            self.lost_dom0();
        }
    }

    fn read_dom0(&mut self) -> Result<(), LinkError> {
        loop {
            let Some(link) = &mut self.dom0.link else { return Ok(()) };
            let filled = link.stream.fill();
            let bytes = link.stream.take();
            let mut consumed = 0;
            let mut result = Ok(());
            while let Some(raw) = message::next_to_qube(&bytes[consumed..]).map_err(ProtocolError::from)? {
                consumed += raw.wire_len();
                result = self.take_up(&raw);
                if result.is_err() {
                    break;
                }
            }
            if let Some(link) = &mut self.dom0.link {
                link.stream.put_back(bytes, consumed);
            }
            result?;
            if !filled? {
                return Ok(());
            }
        }
    }

    fn take_up(&mut self, raw: &Raw<'_>) -> Result<(), LinkError> {
        let Some(link) = &mut self.dom0.link else { return Ok(()) };
        let message = link.session.receive_in_qube(raw)?;
        self.dom0_says(raw.header.window.get(), raw.header.serial.get(), &message)
    }

    /// The connection is gone: buffers come back to their programs, input ends, and dom0 is
    /// looked for again.
    pub(crate) fn lost_dom0(&mut self) {
        self.drop_link();
        self.retry_later();
    }

    fn drop_link(&mut self) {
        if let Some(token) = self.dom0.source.take() {
            self.handle.remove(token);
        }
        self.dom0.writing = false;
        if self.dom0.link.take().is_some() {
            self.forget_dom0();
        }
    }

    /// Sends what is queued. Called at the end of each turn of the event loop.
    pub(crate) fn flush_dom0(&mut self) {
        let Some(link) = &mut self.dom0.link else { return };
        if let Err(error) = link.stream.flush() {
            info!(%error, "link closed");
            self.lost_dom0();
            return;
        }
        let wants = link.stream.wants_write();
        if wants != self.dom0.writing {
            self.watch_writable(wants);
        }
    }

    /// Wakes up when dom0 takes more, while something waits.
    fn watch_writable(&mut self, wants: bool) {
        self.dom0.writing = wants;
        if !wants {
            return;
        }
        let Some(link) = &self.dom0.link else { return };
        let Ok(fd) = link.stream.as_fd().try_clone_to_owned() else { return };
        let source = Generic::new(fd, Interest::WRITE, Mode::Level);
        let inserted = self.handle.insert_source(source, |_, _, agent: &mut Self| {
            agent.dom0.writing = false;
            agent.flush_dom0();
            Ok(PostAction::Remove)
        });
        if let Err(error) = inserted {
            error!(%error, "cannot wait for dom0");
        }
    }

    /// dom0 has answered: everything is announced.
    fn dom0_open(&mut self) {
        self.dom0.retry = RETRY.0;
        info!("connected to dom0");
        self.announce_everything();
    }
}
