//! Which file is a qube's private volume.

use std::{fs, path::PathBuf};

use transom_protocol::supervisor::QubeName;

use super::{ENCRYPTED_VOLUME, PLAIN_VOLUME, Store, StoreError};
use crate::encryption;

/// The private volume of a qube's virtual machine.
///
/// Its name says what it is, not its content: that of a plain one is the qube's, which could write a
/// header of its own choice to its beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Volume {
    /// There is none yet.
    Missing,
    /// As the guest writes it.
    Plain,
    /// A LUKS2 file.
    Encrypted,
}

impl Store {
    /// What there is of a private volume. Where there are both, the encrypted one counts: it was made
    /// from the other, which was to be deleted.
    pub fn volume(&self, name: &QubeName) -> Volume {
        let there = |path: PathBuf| path.symlink_metadata().is_ok();
        if there(self.encrypted_volume(name)) {
            Volume::Encrypted
        } else if there(self.plain_volume(name)) {
            Volume::Plain
        } else {
            Volume::Missing
        }
    }

    /// Where a plain volume is.
    pub fn plain_volume(&self, name: &QubeName) -> PathBuf {
        self.dir(name).join(PLAIN_VOLUME)
    }

    /// Where an encrypted volume is.
    pub fn encrypted_volume(&self, name: &QubeName) -> PathBuf {
        self.dir(name).join(ENCRYPTED_VOLUME)
    }

    /// What is left of volumes that were being made when somebody was cut off.
    pub(super) fn volume_leftovers(&self, name: &QubeName) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir(name)).into_iter().flatten().filter_map(Result::ok);
        let draft = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(encryption::DRAFT);
        let mut paths: Vec<_> = entries.filter(draft).map(|entry| entry.path()).collect();
        let plain = self.plain_volume(name);
        if self.volume(name) == Volume::Encrypted && plain.symlink_metadata().is_ok() {
            paths.push(plain);
        }
        paths
    }
}

/// Makes the encrypted volume in a qube's directory, if there is one, unreadable for good.
pub(super) fn destroy(dir: &std::path::Path) -> Result<(), StoreError> {
    if !dir.is_dir() {
        return Ok(());
    }
    let path = dir.join(ENCRYPTED_VOLUME);
    encryption::erase(&path).map_err(StoreError::io("erase", &path))
}
