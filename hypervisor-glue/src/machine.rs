//! What a back end is: something that runs a qube as a machine.
//!
//! A back end never waits. A started [`Machine`] offers descriptors to poll; whoever owns it calls
//! [`Machine::step`] when one of them is ready, and asks it for connections of the agent.

use std::{
    fmt, io,
    os::fd::{BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    time::Duration,
};

use transom_protocol::{
    supervisor::{Backend, ErrorKind, MemoryKind, QubeName},
    vsock,
};

use crate::{
    encryption::VolumeKey,
    image::Image,
    store::{Limits, MachineConfig, Uplink, VolumeFiles},
};

/// What a machine is made from. All paths are dom0's.
#[derive(Debug)]
pub struct MachineSpec<'a> {
    /// The qube.
    pub name: &'a QubeName,
    /// Its directory that lasts; `None`: nothing of it lasts, and home is in memory.
    pub home: Option<&'a Path>,
    /// A directory for sockets and files of this run, ours alone; it exists and is empty.
    pub run_dir: &'a Path,
    /// The agent's program.
    pub agent: &'a Path,
    /// What the programs find in their environment, besides the usual.
    pub environment: &'a [(String, String)],
    /// How much it may use.
    pub limits: &'a Limits,
    /// What a virtual machine is made from besides; of no use in a sandbox.
    pub vm: Option<VmSpec<'a>>,
}

/// What a virtual machine boots from, and what it has.
#[derive(Debug)]
pub struct VmSpec<'a> {
    /// Kernel, initramfs and read-only root.
    pub image: &'a Image,
    /// Its private volume; `None`: home is in the guest's memory. A plain one is made by the back end at the
    /// first start.
    pub volume: Option<&'a VolumeFiles>,
    /// What opens the volume, if it is encrypted.
    pub key: Option<&'a VolumeKey>,
    /// Memory, processors, size of a new volume.
    pub config: &'a MachineConfig,
    /// Its network cards, in the guest's order.
    pub cards: &'a [Card],
    /// A way to the outside that is no cable to another qube.
    pub uplink: Option<(&'a Uplink, [u8; 6])>,
}

/// A network card.
#[derive(Debug)]
pub struct Card {
    /// One end of a `SOCK_SEQPACKET` pair, non-blocking: one Ethernet frame per packet. `None`: it leads
    /// nowhere yet.
    pub cable: Option<OwnedFd>,
    /// The card's address.
    pub address: [u8; 6],
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

    /// True if its qubes have kernels of their own.
    fn isolated(&self) -> bool {
        self.backend().isolated()
    }

    /// How long a machine may take until its agent is ready.
    fn start_limit(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// Starts a machine. Its programs may not run yet when this returns.
    fn start(&mut self, spec: &MachineSpec<'_>) -> Result<Box<dyn Machine>, StartError>;
}

/// The streams an agent opens to dom0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// The control stream: to the compositor.
    Display,
    /// Programs and the machine itself: to qubed.
    Service,
    /// Service calls of the qube's programs, one stream each: to qubed.
    Call,
    /// What the network of a virtual machine is to be: to qubed, from the guest's root.
    Network,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Display, Self::Service, Self::Call, Self::Network];

    /// dom0's vsock port for it, of virtual machines.
    pub fn vsock_port(self) -> u32 {
        match self {
            Self::Display => vsock::DISPLAY_PORT,
            Self::Service => vsock::SERVICE_PORT,
            Self::Call => vsock::CALL_PORT,
            Self::Network => vsock::NETWORK_PORT,
        }
    }
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
    /// The virtual machine came to its end, which the agent did not ask for. The text says how;
    /// nothing in it is the guest's.
    Machine(String),
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "the agent ended with status {code}"),
            Self::Signal(signal) => write!(f, "signal {signal} ended the agent"),
            Self::Setup(Some(reason)) | Self::Machine(reason) => f.write_str(reason),
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

    /// How dom0 reads the memory of its windows, and the read-only descriptor of guest RAM for
    /// [`MemoryKind::GuestRam`].
    fn memory(&self) -> (MemoryKind, Option<BorrowedFd<'_>>);

    /// Bytes of dom0's memory that it holds; `None`: not known. Of guest RAM, what was taken so far.
    fn memory_used(&self) -> Option<u64> {
        let stat = rustix::fs::fstat(self.memory().1?).ok()?;
        u64::try_from(stat.st_blocks).ok()?.checked_mul(512)
    }

    /// When one of these is readable, [`Machine::step`] wants to be called.
    fn events(&self) -> Vec<BorrowedFd<'_>>;

    /// Looks after the machine. After [`Step::Gone`] it may be called again and says the same, or
    /// knows more because of [`Machine::setup_line`].
    fn step(&mut self) -> Step;

    /// Asks it to stop where it is, or to go on. [`Machine::is_paused`] says, after a
    /// [`Machine::step`], when it has.
    ///
    /// # Errors
    /// It cannot be asked; the text says why.
    fn set_paused(&mut self, paused: bool) -> io::Result<()>;

    /// True while nothing in it runs, by our wish. What a guest may have taken over has no say in it.
    fn is_paused(&self) -> bool;

    /// Plugs another cable into a card while it runs, or none. Cards are counted as in [`VmSpec::cards`].
    ///
    /// # Errors
    /// There is no such card, or the machine does not listen.
    fn plug(&mut self, card: usize, cable: Option<OwnedFd>) -> io::Result<()> {
        let _ = (card, cable);
        Err(io::ErrorKind::InvalidInput.into())
    }

    /// Asks the system in it to switch itself off. False if there is no way to ask.
    fn press_power_button(&mut self) -> bool {
        false
    }

    /// Ends all of it at once, paused or not. [`Machine::step`] tells when it is gone.
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
