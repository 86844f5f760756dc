//! Answers and refusals.

use serde::{Deserialize, Serialize};

use super::{QubeInfo, QubeName, QubeUsage, TemplateInfo};
#[cfg(doc)]
use super::{Request, RequestBody, VERSION};

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
    /// To [`RequestBody::Programs`].
    Programs {
        /// Of which qube.
        qube: QubeName,
        /// The list comes as a file descriptor beside this, in the form of
        /// [`ProgramList::decode`](crate::programs::ProgramList::decode). Without it, the qube never listed any.
        known: bool,
    },
    /// To [`RequestBody::Updates`].
    Updates {
        /// Of which qube.
        qube: QubeName,
        /// When it told them, in seconds since 1970. The list comes as a file descriptor beside this, in the form of
        /// [`UpdateList::parse`](crate::dom0_services::UpdateList::parse). `None`: it never did, and nothing comes.
        told: Option<u64>,
    },
    /// To [`RequestBody::Usage`].
    Usage {
        /// Of those qubes that there are.
        usage: Vec<QubeUsage>,
    },
    /// To [`RequestBody::Templates`].
    Templates {
        /// In the order of their names.
        templates: Vec<TemplateInfo>,
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
