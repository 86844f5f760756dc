//! Volumes that cannot be read without their owner's passphrase.
//!
//! ```text
//! passphrase ──Argon2id──► keyring.luks ──► master key ──► private.luks ──► volume's key ──► payload
//!   a person's               DATA/          in qubed, while    of each qube     in the process that
//!                                           unlocked                            serves it to the guest
//! ```
//!
//! Both files are LUKS2, made and opened by `cryptsetup` ([`luks`]), so that their owner can open them
//! without Transom. Only the sectors of the payload are enciphered here ([`xts`], [`payload`]). See
//! `docs/encryption.md`.

mod cryptsetup;
mod keyring;
mod luks;
mod moved;
mod payload;
mod volume;
mod xts;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

pub(crate) use self::{cryptsetup::filled_pipe, volume::DRAFT};
pub use self::{
    keyring::{KEYRING_FILE, Keyring, MasterKey, check_passphrase},
    luks::Slot,
    moved::{open_moved, take_over},
    payload::{Layout, Payload},
    volume::{VolumeKey, encrypt, open},
    xts::{KEY, Xts},
};
use crate::store::reason;

/// Why something encrypted cannot be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum EncryptionError {
    /// The program is not installed.
    #[error("cryptsetup is missing: install the package cryptsetup-bin")]
    NoProgram,
    /// No passphrase was ever set.
    #[error("no passphrase is set yet: set one with `transom unlock`")]
    NoPassphrase,
    /// There is a keyring already.
    #[error("there is a passphrase already ({0}): change it with `transom qube passphrase`")]
    Exists(PathBuf),
    /// It cannot be used as one.
    #[error("{0}")]
    Passphrase(&'static str),
    /// It does not open the keyring.
    #[error("the passphrase is wrong")]
    WrongPassphrase,
    /// What should open a file does not.
    #[error("the key slot of {0} is damaged, or of another passphrase's keyring")]
    WrongKey(PathBuf),
    /// It came from another computer.
    #[error(
        "its volume is opened by the passphrase of the computer that it came from: take it over with \
         `transom qube take-over NAME`"
    )]
    Moved,
    /// It did not, or was taken over already.
    #[error("its volume is opened by this computer's passphrase already")]
    NotMoved,
    /// All key slots are gone.
    #[error("{0} has no key slot left: what is in it cannot be read any more; take a backup")]
    NoSlot(PathBuf),
    /// Neither of the two copies of the header can be used.
    #[error("the header of {0} is damaged, and so is its second copy: take a backup")]
    Header(PathBuf),
    /// Too little room on the disk.
    #[error("{path} has no room for {} MiB more", bytes.div_ceil(1 << 20))]
    Room {
        /// Where.
        path: PathBuf,
        /// How much is needed.
        bytes: u64,
    },
    /// Something else is wrong with a file.
    #[error("{path} cannot be used: {why}")]
    Refused {
        /// Which.
        path: PathBuf,
        /// What, in one line.
        why: String,
    },
    /// Reading or writing failed.
    #[error("cannot {doing} {path}: {}", reason(.source))]
    Io {
        /// At which step.
        doing: &'static str,
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system refused.
    #[error("cannot {doing}: {}", reason(.source))]
    System {
        /// At which step.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
}

impl EncryptionError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

/// Says what is missing on this computer.
///
/// # Errors
/// [`EncryptionError::NoProgram`].
pub fn check() -> Result<(), EncryptionError> {
    if cryptsetup::is_there() { Ok(()) } else { Err(EncryptionError::NoProgram) }
}

/// True if a file begins as one with key slots does.
pub(crate) fn has_header(path: &Path) -> bool {
    luks::has_header(path)
}

/// As [`erase`], and gives the room of the header back: of a file that stays.
///
/// # Errors
/// The disk's.
pub(crate) fn empty_header(path: &Path) -> io::Result<()> {
    luks::erase(path)?;
    luks::punch_header(path)
}

/// Writes a copy of a volume's header to `to`, an empty file: all that comes before the payload.
///
/// # Errors
/// It cannot be read, or the disk's.
pub(crate) fn copy_header(from: &Path, to: &File) -> Result<(), EncryptionError> {
    luks::copy_header(from, to)
}

/// Destroys the key slots of a volume, so that nobody can read what is left of it. Does nothing to a file
/// that is not encrypted or not there.
///
/// # Errors
/// The disk's.
pub fn erase(path: &Path) -> io::Result<()> {
    luks::erase(path)
}

#[cfg(test)]
mod tests;
