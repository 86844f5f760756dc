//! How files and folders travel from qube to qube.
//!
//! The receiver is the one in danger: what comes may be made to harm it. The format has no paths, only
//! names, and what is not a file or a folder cannot be said in it; see [`format`](self::format).

mod format;
mod receive;
mod send;

pub use self::{
    format::{MAX_DEPTH, MAX_ENTRIES, NameError, check_name},
    receive::{Received, receive},
    send::{Plan, Progress},
};

/// What the receiver answers, one byte: all is there, or why nothing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All is there.
    Done = 0,
    /// What came is not what may come.
    Malformed = 1,
    /// There is not enough room.
    NoRoom = 2,
    /// Files cannot be written.
    Failed = 3,
    /// It is there, but there is no program that opens it.
    NotOpened = 4,
}

impl Answer {
    /// Reads an answer.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Done, Self::Malformed, Self::NoRoom, Self::Failed, Self::NotOpened]
            .into_iter()
            .find(|answer| *answer as u8 == byte)
    }

    /// What the sender tells the person.
    pub fn text(self) -> &'static str {
        match self {
            Self::Done => "it is there",
            Self::Malformed => "the other qube does not take what was sent",
            Self::NoRoom => "the other qube does not have enough room",
            Self::Failed => "the other qube could not write it",
            Self::NotOpened => "the other qube has it, but no program that opens it",
        }
    }
}
