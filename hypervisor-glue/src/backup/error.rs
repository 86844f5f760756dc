//! What can go wrong, and where.

use std::{fmt, io, ops::Range, path::PathBuf};

use transom_protocol::{
    supervisor::{NameError, QubeName},
    text::clean,
};

use crate::{
    client::ClientError,
    paths::PathError,
    store::{StoreError, reason},
};

/// Longest name of a file that is shown, in bytes.
const MAX_SHOWN: usize = 200;

/// A place in a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Of which qube; none before the first.
    pub qube: Option<QubeName>,
    /// Which of its files, and at which of its bytes. The name is the qube's.
    pub file: Option<(Vec<u8>, u64)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.qube, &self.file) {
            (None, _) => f.write_str("in the list of contents"),
            (Some(qube), None) => write!(f, "of qube {qube}, between two files"),
            (Some(qube), Some((untrusted, byte))) => {
                write!(f, "of qube {qube}, file {}, at its byte {byte}", shown(untrusted))
            }
        }
    }
}

/// A name of a qube's file, safe to show (rule CLEAN-TEXT).
pub(super) fn shown(untrusted: &[u8]) -> String {
    clean(untrusted, MAX_SHOWN)
}

/// Why a backup cannot be made, checked or restored: one line.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// qubed refused, or cannot be reached.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no runtime directory.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A name is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Nothing to do.
    #[error("there are no qubes to save; name some with --qube, or make one with `transom qube create`")]
    NoQubes,
    /// A qube is not in the backup.
    #[error("there is no qube {0} in this backup; see `transom backup list`")]
    NotInBackup(QubeName),
    /// Two qubes would get one name.
    #[error("two qubes would be restored as {0}; give one another name: --qube NAME=NEW")]
    SameName(QubeName),
    /// The file is there already.
    #[error("{} is there already; move it away, or choose another name", .0.display())]
    FileExists(PathBuf),
    /// Somebody writes it at this moment.
    #[error("another backup is being written to {}", .0.display())]
    InUse(PathBuf),
    /// A backup is no text for people.
    #[error("a backup is not written to a terminal; give a file, or send it through a pipe")]
    Terminal,
    /// No passphrase came.
    #[error("no passphrase: {0}")]
    NoPassphrase(String),
    /// A key is none.
    #[error("{0}")]
    Key(String),
    /// It opens with another passphrase.
    #[error("this passphrase does not open it; or the line of its header that it was made with is damaged")]
    WrongPassphrase,
    /// It opens with other keys.
    #[error("none of the keys opens it; or the lines of its header that they were made with are damaged")]
    WrongKey,
    /// It opens with keys.
    #[error("it was made for keys, not for a passphrase: say --identity FILE")]
    NeedsKey,
    /// It opens with a passphrase.
    #[error("it was made with a passphrase, not for keys: leave --identity out")]
    NeedsPassphrase,
    /// The passphrase needs more work than anybody would ask for.
    #[error("its passphrase was made to take 2^{0} steps, which would take this computer too long")]
    TooMuchWork(u8),
    /// The header is no longer what was written.
    #[error("its header is damaged, within its first {0} bytes")]
    Header(u64),
    /// It never was a backup, or its very beginning is gone.
    #[error("it is no backup, or its beginning is damaged: no age header within its first {0} bytes")]
    NoHeader(u64),
    /// Bytes of it were changed.
    #[error("it is damaged between its bytes {} and {}: {place}", .bytes.start, .bytes.end)]
    Damaged {
        /// Which bytes of the file; one of them at least.
        bytes: Range<u64>,
        /// What is there.
        place: Place,
    },
    /// Its end is missing, damaged, or followed by something.
    #[error("its end is missing or damaged, or something was added to it, after its byte {at}: {place}")]
    End {
        /// So far it is good.
        at: u64,
        /// What should be there.
        place: Place,
    },
    /// It is as it was written, but by somebody who wrote no backup.
    #[error("it is not what a backup can be: {what} ({place})")]
    Content {
        /// What is wrong.
        what: String,
        /// Where.
        place: Place,
    },
    /// A file is not what its digest says.
    #[error("what was restored is not what was saved: {place}; it was removed")]
    Digest {
        /// Which file.
        place: Place,
    },
    /// A file of a qube was changed while it was read.
    #[error("{} was changed while it was read; try again", shown(.0))]
    Changed(Vec<u8>),
    /// Interrupted by the person.
    #[error("cancelled")]
    Cancelled,
    /// A program was told to end.
    #[error("interrupted")]
    Interrupted,
    /// Reading or writing failed.
    #[error("cannot {doing} {what}: {}", reason(.source))]
    Io {
        /// At which step.
        doing: &'static str,
        /// What.
        what: String,
        /// Why.
        source: io::Error,
    },
}

impl BackupError {
    pub(super) fn io<E: Into<io::Error>>(
        doing: &'static str,
        what: impl fmt::Display,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Io { doing, what: what.to_string(), source: source.into() }
    }

    /// True if trying again can go on where this ended: nothing is wrong with the backup, and nobody said no.
    pub fn can_go_on(&self) -> bool {
        matches!(self, Self::Interrupted | Self::Io { .. } | Self::Client(_))
    }
}
