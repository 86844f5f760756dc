//! Backups: any set of qubes in one encrypted, authenticated file or stream.
//!
//! A backup is a tar archive in an age file: `docs/backup.md` has the format to the byte. [`create`] writes
//! one, [`verify`] reads all of it, [`restore`] makes qubes of it. Who owns the qubes is behind [`House`]:
//! `transom-qubed`, which refuses everything else to a qube that is being read or made, or in tests the store
//! itself. Nothing here runs in qubed's process: a backup may come from anybody.

mod archive;
pub mod cli;
mod container;
mod create;
mod crypt;
mod digest;
mod error;
mod house;
mod journal;
mod manifest;
mod output;
mod pax;
mod place;
mod receive;
mod restore;
mod sparse;
mod sums;
mod tree;
mod volume;

use transom_protocol::supervisor::QubeName;

pub use self::{
    archive::{Archive, read_any},
    create::create,
    crypt::{Keys, Lock, Plain, identities, open_file, open_stream, recipient},
    error::{BackupError, Place},
    house::House,
    manifest::{Manifest, Saved, SavedPart, VERSION},
    output::Output,
    receive::verify,
    restore::{Restored, discard, left_unfinished, restore},
};

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress<'a> {
    /// The qube, by its name in the backup.
    pub qube: &'a QubeName,
    /// Bytes of files that are done, of all qubes.
    pub done: u64,
    /// Bytes of files of all qubes.
    pub total: u64,
}

/// Whoever waits for it.
pub trait Watch {
    /// It went on. Called about once for each quarter of a MiB.
    fn progress(&mut self, progress: &Progress<'_>);
    /// One line that a person should know, safe to show.
    fn note(&mut self, line: &str);
    /// Asked as often: [`BackupError::Cancelled`] or [`BackupError::Interrupted`] ends it.
    fn go_on(&mut self) -> Result<(), BackupError>;
}

/// Bytes that are read and written at once.
const BUFFER: usize = 256 * 1024;

/// Counts what is done.
struct Meter<'a> {
    watch: &'a mut dyn Watch,
    qube: Option<QubeName>,
    done: u64,
    total: u64,
}

impl Meter<'_> {
    /// So many bytes more of files are done.
    fn add(&mut self, bytes: u64) -> Result<(), BackupError> {
        self.done = self.done.saturating_add(bytes);
        if let Some(qube) = &self.qube {
            self.watch.progress(&Progress { qube, done: self.done, total: self.total });
        }
        self.watch.go_on()
    }
}

#[cfg(test)]
mod tests;
