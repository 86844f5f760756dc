//! What dom0's programs and `transom-qubed` say to each other.
//!
//! Over a `SOCK_SEQPACKET` Unix socket: one JSON value per packet, at most [`MAX_PACKET`] bytes,
//! file descriptors beside it by `SCM_RIGHTS`. A client sends [`Request`]s; qubed sends
//! [`FromQubed`]: one [`Reply`] for each request, in any order, and [`Event`]s to those who asked
//! for them. Both ends are dom0 programs of the same person: this is not a border of trust, but
//! both still check what they read.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::call::Target;

/// Version of the messages in this module, see [`ReplyBody::Pong`].
pub const VERSION: u32 = 6;
/// Largest packet, in bytes. A larger one is refused by both ends.
pub const MAX_PACKET: usize = 64 * 1024;
/// Most file descriptors in one packet.
pub const MAX_FDS: usize = 4;
/// Longest name of a qube or label, in bytes.
pub const MAX_NAME: usize = 31;
/// Most arguments of one program, as [`crate::service::MAX_ARGUMENTS`].
pub const MAX_ARGUMENTS: usize = crate::service::MAX_ARGUMENTS;
/// Longest command line, all arguments and a zero byte after each together, in bytes, as
/// [`crate::service::MAX_COMMAND`].
pub const MAX_COMMAND: usize = crate::service::MAX_COMMAND;
/// The name of the trusted side, which no qube can have.
pub const DOM0: &str = "dom0";
/// The labels every theme has, from most to least often used.
pub const BUILT_IN_LABELS: [&str; 8] =
    ["red", "orange", "yellow", "green", "blue", "purple", "grey", "black"];

/// Why a text is not the name of a qube.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Wrong characters or length.
    #[error("{0:?} is not a name: use 1 to 31 of a-z, 0-9 and '-', beginning with a letter")]
    Form(String),
    /// The name stands for something else.
    #[error("{0:?} is the name of the trusted side and cannot be a qube")]
    Reserved(String),
}

/// The one rule for names: `[a-z][a-z0-9-]{0,30}`.
fn well_formed(text: &str) -> bool {
    text.len() <= MAX_NAME
        && text.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Cuts a refused text so that an error stays one short line.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The name of a qube: `[a-z][a-z0-9-]{0,30}`, never `dom0`.
///
/// It is safe as a file name, a host name, in a log and on the screen.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QubeName(String);

impl QubeName {
    /// Checks a name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if !well_formed(text) {
            Err(NameError::Form(shown(text)))
        } else if text == DOM0 {
            Err(NameError::Reserved(text.to_owned()))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a trust label, of the same form as a [`QubeName`].
///
/// Which labels exist is up to the theme; [`BUILT_IN_LABELS`] are always there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LabelName(String);

impl LabelName {
    /// Checks a label's form.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if well_formed(text) { Ok(Self(text.to_owned())) } else { Err(NameError::Form(shown(text))) }
    }

    /// The label of a qube about which nothing is known: the least trusted one.
    pub fn unknown() -> Self {
        Self("red".to_owned())
    }

    /// True for the labels that every theme has.
    pub fn is_built_in(&self) -> bool {
        BUILT_IN_LABELS.contains(&self.as_str())
    }

    /// The label as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Conversions that both kinds of name share.
macro_rules! name_type {
    ($type:ty) => {
        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(&text)
            }
        }
        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }
        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}
name_type!(QubeName);
name_type!(LabelName);

/// A question or order from a dom0 program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the client, given back in the [`Reply`].
    pub id: u64,
    /// What is asked.
    pub body: RequestBody,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RequestBody {
    /// Are you there? Answer: [`ReplyBody::Pong`].
    Ping,
    /// All qubes in the order of their names. Answer: [`ReplyBody::Qubes`], in pages.
    List {
        /// Only those whose name comes after this one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<QubeName>,
    },
    /// One qube. Answer: [`ReplyBody::Qube`].
    Info {
        /// Which.
        qube: QubeName,
    },
    /// Makes a new, halted qube. Answer: [`ReplyBody::Qube`].
    Create {
        /// Its name.
        name: QubeName,
        /// Its trust label.
        label: LabelName,
        /// The template it is made from; none in a sandbox, which has dom0's own programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        template: Option<String>,
        /// The back end.
        #[serde(default)]
        backend: BackendChoice,
        /// Its volume is not to be encrypted.
        #[serde(default)]
        plain: bool,
    },
    /// Makes a copy of a halted qube, which stays halted until then. Answer: [`ReplyBody::Qube`] of the
    /// copy when it is there.
    Clone {
        /// Which.
        qube: QubeName,
        /// The copy's name.
        name: QubeName,
    },
    /// Gives a halted qube another name. Answer: [`ReplyBody::Qube`].
    Rename {
        /// Which.
        qube: QubeName,
        /// Its new name.
        name: QubeName,
    },
    /// Where the file is that describes a qube. Answer: [`ReplyBody::File`].
    File {
        /// Which.
        qube: QubeName,
    },
    /// Keeps a halted qube as it is, so that this client can read it, until this connection ends. Answer:
    /// [`ReplyBody::Held`] with the qube's directory.
    Hold {
        /// Which.
        qube: QubeName,
    },
    /// Keeps a name for a qube that this client makes, until it is adopted or this connection ends. Answer:
    /// [`ReplyBody::Held`] with the directory to make it in: `qube` below it becomes the qube.
    Reserve {
        /// The name.
        name: QubeName,
    },
    /// Makes a qube of what this client has made at a name that it reserved, and brought to the disk. Answer:
    /// [`ReplyBody::Qube`].
    Adopt {
        /// The name.
        name: QubeName,
    },
    /// Starts a qube. Answer: [`ReplyBody::Qube`] when its agent is ready, or an error.
    Start {
        /// Which.
        qube: QubeName,
    },
    /// Ends the programs politely, then the qube. Answer: [`ReplyBody::Qube`] when it is halted.
    Stop {
        /// Which.
        qube: QubeName,
        /// After this long it is killed, in milliseconds.
        timeout_ms: u64,
    },
    /// Ends the qube at once. Answer: [`ReplyBody::Qube`] when it is halted.
    Kill {
        /// Which.
        qube: QubeName,
    },
    /// Stops a running qube where it is. Answer: [`ReplyBody::Qube`] when nothing in it runs.
    Pause {
        /// Which.
        qube: QubeName,
    },
    /// Lets a paused qube go on. Answer: [`ReplyBody::Qube`] when it runs.
    Resume {
        /// Which.
        qube: QubeName,
    },
    /// Deletes a halted qube and everything in it. Answer: [`ReplyBody::Done`].
    Remove {
        /// Which.
        qube: QubeName,
    },
    /// Starts a program in a running qube. Answer: [`ReplyBody::Done`] when it runs.
    Run {
        /// Which.
        qube: QubeName,
        /// Program and arguments: 1 to [`MAX_ARGUMENTS`], [`MAX_COMMAND`] bytes, no zero bytes.
        argv: Vec<String>,
    },
    /// Starts a program in a qube of its own, of which nothing is left once its last window is closed.
    /// Answer: [`ReplyBody::Qube`] when it runs.
    RunDisposable {
        /// What it is made like: the name of a qube, of which it has the settings and none of the files,
        /// or of a template.
        pattern: String,
        /// Its trust label; else its pattern's, and of a template's [`LabelName::unknown`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        label: Option<LabelName>,
        /// As for [`Self::Run`].
        argv: Vec<String>,
    },
    /// From the compositor: how many windows a disposable qube shows now. Answer: [`ReplyBody::Done`].
    Windows {
        /// Which.
        qube: QubeName,
        /// So many.
        windows: u32,
    },
    /// The end of a qube's log. Answer: [`ReplyBody::Log`].
    Log {
        /// Which.
        qube: QubeName,
    },
    /// The person's answer to [`Event::Ask`]. Only from the attached compositor. Answer:
    /// [`ReplyBody::Done`], also if the question is over already.
    AnswerCall {
        /// [`CallAsk::call`].
        call: u64,
        /// What was chosen.
        answer: CallAnswer,
    },
    /// Encrypts the volume of a halted qube, which stays halted until then. Answer: [`ReplyBody::Qube`]
    /// when it is done.
    Encrypt {
        /// Which.
        qube: QubeName,
    },
    /// Whether encrypted volumes can be used. Answer: [`ReplyBody::Keyring`].
    Keyring,
    /// Opens the keyring, so that they can. The passphrase is in a pipe beside the request, with its end:
    /// no packet holds one. Answer: [`ReplyBody::Done`], after seconds.
    Unlock,
    /// Sets the passphrase where none was ever set, and unlocks. It comes as with [`Self::Unlock`].
    SetPassphrase,
    /// Changes the passphrase; the old and the new one are in a pipe each. Answer: [`ReplyBody::Done`],
    /// after seconds.
    ChangePassphrase,
    /// Forgets what opens volumes. Those of running qubes stay open until they halt. Answer:
    /// [`ReplyBody::Done`].
    LockStore,
    /// Takes the compositor's role: links and events come from now on. There is one compositor at
    /// a time. Answer: [`ReplyBody::Attached`], then the state as events, then changes.
    Attach,
    /// Events without links come from now on. Answer: [`ReplyBody::Done`], then the state as
    /// events, then changes.
    Events,
}

impl RequestBody {
    /// The qube that it is about, if it is about one that exists.
    pub fn qube(&self) -> Option<&QubeName> {
        match self {
            Self::Info { qube }
            | Self::Clone { qube, .. }
            | Self::Rename { qube, .. }
            | Self::File { qube }
            | Self::Hold { qube }
            | Self::Start { qube }
            | Self::Stop { qube, .. }
            | Self::Kill { qube }
            | Self::Pause { qube }
            | Self::Resume { qube }
            | Self::Remove { qube }
            | Self::Run { qube, .. }
            | Self::Windows { qube, .. }
            | Self::Log { qube }
            | Self::Encrypt { qube } => Some(qube),
            Self::Ping
            | Self::List { .. }
            | Self::Create { .. }
            | Self::RunDisposable { .. }
            | Self::AnswerCall { .. }
            | Self::Reserve { .. }
            | Self::Adopt { .. }
            | Self::Attach
            | Self::Events
            | Self::Keyring
            | Self::Unlock
            | Self::SetPassphrase
            | Self::ChangePassphrase
            | Self::LockStore => None,
        }
    }

    /// Checks what the types do not say: the limits of a command line.
    pub fn check(&self) -> Result<(), ErrorBody> {
        let (Self::Run { argv, .. } | Self::RunDisposable { argv, .. }) = self else { return Ok(()) };
        let bytes: usize = argv.iter().map(|arg| arg.len() + 1).sum();
        let reason = match argv.first() {
            None => "no program was named".to_owned(),
            Some(program) if program.is_empty() => "the program has an empty name".to_owned(),
            Some(_) if argv.len() > MAX_ARGUMENTS => format!("more than {MAX_ARGUMENTS} arguments"),
            Some(_) if bytes > MAX_COMMAND => format!("a command line of more than {MAX_COMMAND} bytes"),
            Some(_) if argv.iter().any(|arg| arg.contains('\0')) => "a zero byte in an argument".to_owned(),
            Some(_) => return Ok(()),
        };
        Err(ErrorBody::new(ErrorKind::BadRequest, reason))
    }
}

/// Which back end a qube is described with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendChoice {
    /// The best one that works on this machine.
    #[default]
    Auto,
    /// User namespaces on dom0's own kernel: no virtual machine.
    Sandbox,
    /// A virtual machine of the linked monitor, by the processor's own virtualisation.
    Kvm,
    /// A virtual machine of QEMU, in software where the processor cannot run one.
    Qemu,
}

/// The back end that a qube runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Backend {
    /// User namespaces on dom0's own kernel: no virtual machine.
    Sandbox,
    /// A virtual machine of the linked monitor.
    Kvm,
    /// A virtual machine of QEMU.
    Qemu,
}

impl Backend {
    /// True if the qube has a kernel of its own. Windows of others are marked *not isolated*.
    pub fn isolated(self) -> bool {
        match self {
            Self::Sandbox => false,
            Self::Kvm | Self::Qemu => true,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sandbox => "sandbox",
            Self::Kvm => "kvm",
            Self::Qemu => "qemu",
        })
    }
}

/// Whether what a qube stores can be read by whoever has the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// Only with the passphrase.
    Encrypted,
    /// Yes: its volume is not encrypted.
    Plain,
    /// Nothing of it is on a disk.
    Memory,
    /// As dom0's own files: it is a directory of dom0.
    Directory,
    /// Not known.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Whether encrypted volumes can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyringState {
    /// No passphrase was ever set.
    Missing,
    /// The passphrase is needed.
    Locked,
    /// They can.
    Unlocked,
}

/// Where a qube is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum QubeState {
    /// Not running.
    Halted,
    /// The machine is there, its agent is not ready yet.
    Starting,
    /// The agent is ready.
    Running,
    /// Stopped where it was; nothing in it runs until it is resumed.
    Paused,
    /// On its way to halted.
    Stopping,
    /// Not running, because something went wrong.
    Failed {
        /// What, in one line that is safe to show.
        reason: String,
    },
}

impl QubeState {
    /// True if there is a machine: starting, running, paused or stopping.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Paused | Self::Stopping)
    }
}

impl fmt::Display for QubeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Halted => "halted",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Failed { .. } => "failed",
        })
    }
}

/// Of a qube that does not last: what it is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposable {
    /// It waits for a program, so that one can start at once. It has no link and shows nothing.
    Spare,
    /// It was started for a program, and is gone with its last window.
    InUse,
}

/// What dom0's programs are told of a qube. It holds nothing that the qube said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QubeInfo {
    /// Its name.
    pub name: QubeName,
    /// Its trust label.
    pub label: LabelName,
    /// Where it is in its life.
    pub state: QubeState,
    /// The back end it runs on, or would run on.
    pub backend: Backend,
    /// Why that one, or what is missing for the one that was asked for: one line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub backend_reason: String,
    /// False if it shares dom0's kernel.
    pub isolated: bool,
    /// Whether what it stores is encrypted, or will be when it stores anything.
    #[serde(default)]
    pub storage: Storage,
    /// The process in dom0 that holds it, while it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The template it is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// It does not last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposable: Option<Disposable>,
    /// Why its file cannot be used, in one line with file and line number. Such a qube can only be
    /// stopped and removed; its label is [`LabelName::unknown`] if it was never known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// [`Request::id`], or 0 if the request could not be read.
    pub id: u64,
    /// The answer.
    pub result: Result<ReplyBody, ErrorBody>,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum ReplyBody {
    /// It is done.
    Done,
    /// To [`RequestBody::Ping`].
    Pong {
        /// [`VERSION`] of the answering qubed.
        version: u32,
        /// Its process.
        pid: u32,
    },
    /// One page of qubes.
    Qubes {
        /// In the order of their names.
        qubes: Vec<QubeInfo>,
        /// True if there are more after the last one.
        more: bool,
    },
    /// One qube.
    Qube {
        /// The qube.
        qube: QubeInfo,
    },
    /// The end of a log.
    Log {
        /// Whole lines, cleaned of control characters; at most about 32 KiB.
        lines: Vec<String>,
        /// Where all of it is, in dom0.
        path: String,
    },
    /// The file that describes a qube.
    File {
        /// Where it is, in dom0.
        path: String,
    },
    /// A directory that this client may use.
    Held {
        /// Where it is, in dom0.
        path: String,
    },
    /// To [`RequestBody::Keyring`].
    Keyring {
        /// How it is now.
        state: KeyringState,
    },
    /// To [`RequestBody::Attach`].
    Attached {
        /// [`VERSION`] of the answering qubed.
        version: u32,
    },
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ErrorBody {
    /// For programs.
    pub kind: ErrorKind,
    /// For people: one line that says what and what to do, safe to show.
    pub message: String,
}

impl ErrorBody {
    /// Puts an error together.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// Kinds of refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request is not one, or breaks a limit.
    BadRequest,
    /// There is no such qube.
    NoSuchQube,
    /// A qube of this name exists.
    Exists,
    /// The qube is not running.
    NotRunning,
    /// The qube is up, and must not be for this.
    NotHalted,
    /// There is a compositor already.
    AlreadyAttached,
    /// The qube's file cannot be used.
    BadQubeFile,
    /// The back end cannot run here.
    Backend,
    /// The qube's agent refused, failed or went away.
    Agent,
    /// Files: no space, no permission, no such file.
    Io,
    /// Given up, because something else happened to the qube meanwhile.
    Cancelled,
    /// The passphrase is needed first.
    Locked,
    /// The passphrase is not the right one.
    WrongPassphrase,
    /// Kinds of a newer qubed.
    #[serde(other)]
    Other,
}

/// How dom0 reads the memory of a qube's windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MemoryKind {
    /// The client's own pools come as file descriptors on the control stream.
    ClientFds,
    /// Grants are runs of page frames of guest RAM. A read-only descriptor of the RAM comes as the
    /// second file descriptor of [`Event::Link`].
    GuestRam {
        /// Its size in bytes.
        bytes: u64,
        /// First guest physical address of the hole below 4 GiB; [`Self::GuestRam::bytes`] if
        /// there is none.
        hole_start: u64,
        /// First guest physical address above the hole.
        hole_end: u64,
    },
}

/// A qube asks for a service, and policy wants the person to decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAsk {
    /// Never used twice by one qubed.
    pub call: u64,
    /// Who asks.
    pub source: QubeName,
    /// The label of the one who asks.
    pub label: LabelName,
    /// The name of the service, checked by [`crate::call::is_service`].
    pub service: String,
    /// Its argument, checked by [`crate::call::is_argument`].
    pub argument: String,
    /// What it is about in the words of the qube that asks, cleaned; it may be a lie.
    pub said: String,
    /// What the person may choose from; at least one, none twice.
    pub choices: Vec<CallChoice>,
    /// The choice that is chosen at first, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chosen: Option<u32>,
}

/// A qube that a call may go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallChoice {
    /// Which.
    pub target: Target,
    /// Its label; of a disposable the label of what it is made from.
    pub label: LabelName,
    /// True if it runs already.
    pub running: bool,
}

/// What the person answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum CallAnswer {
    /// Not this time.
    Deny,
    /// Not this time, and nothing more is asked for this qube until it is started anew.
    Silence,
    /// To this one of the choices.
    Allow {
        /// Which.
        target: Target,
    },
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CallFate {
    /// It was allowed and goes on.
    Allowed,
    /// A rule says no.
    Denied,
    /// It could not be.
    Failed {
        /// Why, in one line of dom0's own words.
        reason: String,
    },
}

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A qube is new, or its state changed.
    QubeState {
        /// The qube as it is now.
        qube: QubeInfo,
    },
    /// A qube's agent opened a control stream. It comes with the stream as the first file
    /// descriptor. Only to the attached compositor. A newer link of the same qube replaces the
    /// older one.
    Link {
        /// The qube whose stream it is.
        qube: QubeInfo,
        /// Never used twice by one qubed.
        link_id: u64,
        /// How its grants are read.
        memory: MemoryKind,
    },
    /// The qube that this stream belonged to is down. Only to the attached compositor.
    LinkGone {
        /// The qube.
        qube: QubeName,
        /// [`Event::Link::link_id`].
        link_id: u64,
    },
    /// The person has to decide about a call. Only to the attached compositor, which answers with
    /// [`RequestBody::AnswerCall`].
    Ask {
        /// The question.
        ask: CallAsk,
    },
    /// A question is over without an answer. Only to the attached compositor.
    AskGone {
        /// [`CallAsk::call`].
        call: u64,
    },
    /// What became of a call, for the person. Only to the attached compositor, and not of every call
    /// where there are many.
    Call {
        /// Who asked.
        source: QubeName,
        /// The service.
        service: String,
        /// Whom it was for, if that was known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        target: Option<Target>,
        /// What became of it.
        fate: CallFate,
    },
    /// The qube was deleted.
    QubeRemoved {
        /// Its name.
        qube: QubeName,
    },
}

/// Everything qubed sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FromQubed {
    /// The answer to a request.
    Reply(Reply),
    /// Something happened.
    Event(Event),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn info() -> QubeInfo {
        QubeInfo {
            name: QubeName::new("work").unwrap(),
            label: LabelName::new("blue").unwrap(),
            state: QubeState::Failed { reason: "the agent ended with status 3".into() },
            backend: Backend::Sandbox,
            backend_reason: String::new(),
            isolated: false,
            storage: Storage::Directory,
            pid: Some(7),
            template: None,
            disposable: None,
            problem: None,
        }
    }

    #[test]
    fn names() {
        for good in ["a", "work", "sys-net", "a23", &"a".repeat(31)] {
            assert_eq!(QubeName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "1a", "-a", "Work", "a b", "a/b", "..", "a.b", "ä", "a\n", &"a".repeat(32)] {
            assert!(matches!(QubeName::new(bad), Err(NameError::Form(_))), "{bad:?}");
        }
        assert!(matches!(QubeName::new("dom0"), Err(NameError::Reserved(_))));
        assert!(serde_json::from_str::<QubeName>("\"../x\"").is_err());
        assert!(LabelName::unknown().is_built_in());
    }

    #[test]
    fn json_is_what_it_says() {
        let request = Request { id: 4, body: RequestBody::Start { qube: QubeName::new("work").unwrap() } };
        assert_eq!(
            serde_json::to_string(&request).unwrap(),
            r#"{"id":4,"body":{"ask":"start","qube":"work"}}"#
        );
        let list: Request = serde_json::from_str(r#"{"id":1,"body":{"ask":"list"}}"#).unwrap();
        assert_eq!(list.body, RequestBody::List { after: None });
        assert!(serde_json::from_str::<Request>(r#"{"id":1,"body":{"ask":"fly"}}"#).is_err());
        assert!(serde_json::from_str::<Request>(r#"{"id":1,"body":{"ask":"start","qube":"dom0"}}"#).is_err());
        let newer: ErrorBody = serde_json::from_str(r#"{"kind":"moon","message":"m"}"#).unwrap();
        assert_eq!(newer.kind, ErrorKind::Other);
    }

    #[test]
    fn both_kinds_from_qubed_come_back() {
        let ram = MemoryKind::GuestRam { bytes: 1, hole_start: 2, hole_end: 3 };
        let error = ErrorBody::new(ErrorKind::Io, "no space");
        for message in [
            FromQubed::Reply(Reply { id: 1, result: Ok(ReplyBody::Done) }),
            FromQubed::Reply(Reply { id: 2, result: Err(error) }),
            FromQubed::Reply(Reply {
                id: 3,
                result: Ok(ReplyBody::Qubes { qubes: vec![info()], more: true }),
            }),
            FromQubed::Event(Event::QubeState { qube: info() }),
            FromQubed::Event(Event::Link { qube: info(), link_id: 9, memory: MemoryKind::ClientFds }),
            FromQubed::Event(Event::Link { qube: info(), link_id: 9, memory: ram }),
            FromQubed::Event(Event::LinkGone { qube: info().name, link_id: 9 }),
            FromQubed::Event(Event::QubeRemoved { qube: info().name }),
        ] {
            let json = serde_json::to_string(&message).unwrap();
            assert_eq!(serde_json::from_str::<FromQubed>(&json).unwrap(), message, "{json}");
        }
    }

    #[test]
    fn command_lines_have_limits() {
        let run = |argv: Vec<String>| {
            RequestBody::Run { qube: QubeName::new("work").unwrap(), argv }.check().map_err(|e| e.kind)
        };
        assert_eq!(run(vec!["foot".into()]), Ok(()));
        assert_eq!(run(vec!["foot".into(), String::new()]), Ok(()));
        for bad in [
            vec![],
            vec![String::new()],
            vec!["a".to_owned(); MAX_ARGUMENTS + 1],
            vec!["a".repeat(MAX_COMMAND)],
            vec!["a\0b".to_owned()],
        ] {
            assert_eq!(run(bad), Err(ErrorKind::BadRequest));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_request_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = serde_json::from_slice::<Request>(&bytes);
            let _ = serde_json::from_slice::<FromQubed>(&bytes);
        }

        #[test]
        fn a_name_is_what_the_rule_says(text in "[a-z0-9A-Z./ -]{0,34}") {
            let rule = (1..=31).contains(&text.len())
                && text.starts_with(|c: char| c.is_ascii_lowercase())
                && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
            prop_assert_eq!(QubeName::new(&text).is_ok(), rule && text != DOM0);
        }
    }
}
