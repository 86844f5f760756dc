//! What a back end is: something that runs a qube as a machine.
//!
//! A back end never waits. A started [`Machine`] offers descriptors to poll; whoever owns it calls
//! [`Machine::step`] when one of them is ready, and asks it for connections of the agent.

use std::{
    fmt, io,
    os::fd::{BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use transom_protocol::supervisor::{Backend, ErrorKind, MemoryKind, QubeName};

use crate::store::Limits;

/// What a machine is made from. All paths are dom0's.
#[derive(Debug)]
pub struct MachineSpec<'a> {
    /// The qube.
    pub name: &'a QubeName,
    /// Its directory that lasts.
    pub home: &'a Path,
    /// A directory for sockets and files of this run, ours alone; it exists and is empty.
    pub run_dir: &'a Path,
    /// The agent's program.
    pub agent: &'a Path,
    /// What the programs find in their environment, besides the usual.
    pub environment: &'a [(String, String)],
    /// How much it may use.
    pub limits: &'a Limits,
}

/// Why a machine cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// This back end cannot run here; the text says what to do.
    #[error("{0}")]
    Unable(String),
    /// A file that is needed is missing.
    #[error("{what} is missing at {path}")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {doing}: {source}")]
    System {
        /// At which step.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl StartError {
    /// The kind for an answer.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Unable(_) | Self::Missing { .. } => ErrorKind::Backend,
            Self::System { .. } => ErrorKind::Io,
        }
    }

    /// Says at which step the system refused.
    pub(crate) fn at<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { doing, source: source.into() }
    }
}

/// A way to run qubes.
pub trait Hypervisor: fmt::Debug {
    /// Which it is.
    fn backend(&self) -> Backend;

    /// How dom0 reads window memory of its qubes.
    fn memory(&self) -> MemoryKind;

    /// True if its qubes have kernels of their own.
    fn isolated(&self) -> bool {
        self.backend().isolated()
    }

    /// Starts a machine. Its programs may not run yet when this returns.
    fn start(&mut self, spec: &MachineSpec<'_>) -> Result<Box<dyn Machine>, StartError>;
}

/// The streams an agent opens to dom0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// The control stream: to the compositor.
    Display,
    /// Service calls: to qubed.
    Service,
}

/// How a machine came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The agent ended with this status.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It ended before the agent was started. The text, if any, says why and what to do.
    Setup(Option<String>),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "the agent ended with status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal} ended the agent"),
            Self::Setup(Some(reason)) => f.write_str(reason),
            Self::Setup(None) => f.write_str("the machine could not be set up"),
        }
    }
}

/// What [`Machine::step`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It goes on.
    Alive,
    /// Everything of it is gone.
    Gone(Exit),
}

/// A machine that was started. Dropping it ends it.
pub trait Machine: fmt::Debug {
    /// The process in dom0 that holds it.
    fn pid(&self) -> u32;

    /// When one of these is readable, [`Machine::step`] wants to be called.
    fn events(&self) -> Vec<BorrowedFd<'_>>;

    /// Looks after the machine. After [`Step::Gone`] it may be called again and says the same, or
    /// knows more because of [`Machine::setup_line`].
    fn step(&mut self) -> Step;

    /// Ends all of it at once. [`Machine::step`] tells when it is gone.
    fn kill(&mut self);

    /// When this is readable, [`Machine::accept`] has a connection.
    fn listener(&self, channel: Channel) -> BorrowedFd<'_>;

    /// A connection that the agent opened, non-blocking. Whoever comes here is this qube, whatever
    /// it says.
    fn accept(&mut self, channel: Channel) -> io::Result<Option<OwnedFd>>;

    /// The machine's console: what it writes goes to the qube's log. Non-blocking.
    fn output(&self) -> BorrowedFd<'_>;

    /// Hears each clean line of the console that was written before the agent ran, so that
    /// [`Exit::Setup`] can say why.
    fn setup_line(&mut self, _line: &str) {}
}
