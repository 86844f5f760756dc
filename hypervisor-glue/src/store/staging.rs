//! Qubes that are made elsewhere and put into the store whole, when they are there.
//!
//! `DATA/qubes/.restore-NAME/` is where that happens: `qube/` in it becomes the qube, what else is there is
//! its maker's. It stays when the maker is interrupted, so that it can go on.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use transom_protocol::supervisor::QubeName;

use super::{HIDDEN, Store, StoreError, atomic};

/// What becomes the qube.
pub const STAGED: &str = "qube";
/// Where its maker writes down what is there, if it can go on from there.
pub(crate) const JOURNAL: &str = "journal.json";

/// What the names of such places begin with.
pub(super) fn prefix() -> String {
    format!("{HIDDEN}restore-")
}

/// All places below a directory of qubes where one is being made or was left unfinished, by the qubes' names.
pub(crate) fn all(qubes: &Path) -> Result<Vec<(QubeName, PathBuf)>, StoreError> {
    let entries = fs::read_dir(qubes).map_err(StoreError::io("read", qubes))?;
    let names = entries.filter_map(Result::ok).map(|entry| entry.file_name());
    let of = |name: OsString| QubeName::new(name.to_str()?.strip_prefix(&prefix())?).ok();
    let mut found: Vec<_> = names.filter_map(|name| Some((of(name.clone())?, qubes.join(name)))).collect();
    found.sort();
    Ok(found)
}

impl Store {
    /// The directory of all qubes.
    pub fn qubes(&self) -> &Path {
        &self.qubes
    }

    /// Where a qube that is not there yet is made. The directory may not be there, or hold what an earlier
    /// attempt left.
    ///
    /// The caller makes sure that nobody else makes one of this name.
    pub fn staging(&self, name: &QubeName) -> Result<PathBuf, StoreError> {
        if self.contains(name) {
            return Err(StoreError::Exists(name.clone()));
        }
        Ok(self.qubes.join(format!("{}{name}", prefix())))
    }

    /// Makes a qube of what was made at its [`Store::staging`], which is on the disk already.
    pub fn adopt(&self, name: &QubeName) -> Result<(), StoreError> {
        let staging = self.staging(name)?;
        let (made, dir) = (staging.join(STAGED), self.dir(name));
        let meta = fs::symlink_metadata(&made).map_err(StoreError::io("use", &made))?;
        if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(StoreError::io("use", &made)(std::io::ErrorKind::NotADirectory.into()));
        }
        renameat_with(CWD, &made, CWD, &dir, RenameFlags::NOREPLACE).map_err(|errno| match errno {
            rustix::io::Errno::EXIST => StoreError::Exists(name.clone()),
            other => StoreError::io("make", &dir)(other.into()),
        })?;
        for changed in [&self.qubes, &staging] {
            atomic::sync_dir(changed).map_err(StoreError::io("write", changed))?;
        }
        Ok(())
    }
}
