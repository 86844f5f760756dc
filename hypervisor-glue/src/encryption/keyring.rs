//! The one passphrase: a LUKS2 header without a payload, whose key opens the volumes of all qubes.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use super::{
    EncryptionError,
    luks::{self, Slot},
};
use crate::{memory::Secret, store::sync_dir};

/// Its file, in the data directory.
pub const KEYRING_FILE: &str = "keyring.luks";
/// Bytes of its header: room for the two copies and seven slots.
const HEADER: u64 = 2 << 20;
/// Bytes of its file. A payload that is never used is behind the header, or `cryptsetup` complains.
const LENGTH: u64 = HEADER + (1 << 20);
/// Shortest and longest passphrase, in bytes: the longest is that of `cryptsetup`.
const PASSPHRASE: std::ops::RangeInclusive<usize> = 8..=512;

/// The keyring of one data directory.
#[derive(Clone, Debug)]
pub struct Keyring {
    path: PathBuf,
}

/// What opens the volumes.
#[derive(Debug)]
pub struct MasterKey(pub(super) Secret);

/// Refuses what cannot be a passphrase: too short to be one, too long, or not to be typed.
pub fn check_passphrase(passphrase: &[u8]) -> Result<(), EncryptionError> {
    if !PASSPHRASE.contains(&passphrase.len()) {
        return Err(EncryptionError::Passphrase("a passphrase has 8 to 512 bytes"));
    }
    if passphrase.iter().any(u8::is_ascii_control) {
        return Err(EncryptionError::Passphrase("a passphrase is one line without control characters"));
    }
    Ok(())
}

impl Keyring {
    /// That of a data directory, which need not have one yet.
    pub fn of(data_dir: &Path) -> Self {
        Self { path: data_dir.join(KEYRING_FILE) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if there is one, usable or not.
    pub fn exists(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// Makes one, wholly or not at all, and opens it. Takes seconds.
    ///
    /// # Errors
    /// There is one already, the passphrase is none, or the disk's.
    pub fn create(&self, passphrase: &[u8], slot: Slot) -> Result<MasterKey, EncryptionError> {
        check_passphrase(passphrase)?;
        if self.exists() {
            return Err(EncryptionError::Exists(self.path.clone()));
        }
        let draft = self.draft(None)?;
        luks::format(draft.path(), slot, passphrase, HEADER)?;
        let key = luks::key(draft.path(), passphrase)?;
        let io = EncryptionError::io("write", &self.path);
        let put = draft.as_file().sync_all().and_then(|()| Ok(draft.persist_noclobber(&self.path)?));
        put.and_then(|_| self.sync()).map_err(io)?;
        Ok(MasterKey(key))
    }

    /// Opens it. Takes seconds, for whoever guesses too.
    ///
    /// # Errors
    /// There is none, the passphrase is wrong, or the file is damaged.
    pub fn open(&self, passphrase: &[u8]) -> Result<MasterKey, EncryptionError> {
        if !self.exists() {
            return Err(EncryptionError::NoPassphrase);
        }
        match luks::key(&self.path, passphrase) {
            Err(EncryptionError::WrongKey(_)) => Err(EncryptionError::WrongPassphrase),
            other => other.map(MasterKey),
        }
    }

    /// Puts another passphrase in the place of the old one: a power cut leaves the one or the other.
    ///
    /// # Errors
    /// As those of [`Self::open`] and [`Self::create`].
    pub fn change(&self, old: &[u8], new: &[u8], slot: Slot) -> Result<(), EncryptionError> {
        check_passphrase(new)?;
        // The same key, and that it opens, before anything is written.
        let key = self.open(old)?;
        let draft = self.draft(Some(&self.path))?;
        luks::change_slot(draft.path(), slot, old, new)?;
        if *luks::key(draft.path(), new)? != *key.0 {
            return Err(EncryptionError::Refused {
                path: self.path.clone(),
                why: "the new passphrase opens another key".to_owned(),
            });
        }
        let put = draft.as_file().sync_all().and_then(|()| Ok(draft.persist(&self.path)?));
        put.and_then(|_| self.sync()).map_err(EncryptionError::io("write", &self.path))
    }

    /// A file beside it, ours alone, with the bytes of another. Goes away unless it is put into place.
    fn draft(&self, from: Option<&Path>) -> Result<tempfile::NamedTempFile, EncryptionError> {
        let make = || {
            let mut draft = tempfile::Builder::new().prefix(".keyring-").tempfile_in(self.dir())?;
            match from {
                Some(from) => io::copy(&mut File::open(from)?, &mut draft).map(drop)?,
                None => draft.as_file().set_len(LENGTH)?,
            }
            Ok(draft)
        };
        make().map_err(EncryptionError::io("write", &self.path))
    }

    fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    fn sync(&self) -> io::Result<()> {
        sync_dir(self.dir())
    }

    /// Deletes what attempts that were cut off have left.
    pub fn clean(&self) {
        for entry in self.dir().read_dir().into_iter().flatten().filter_map(Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(".keyring-") {
                let _ = luks::remove(&entry.path());
            }
        }
    }
}
