//! Which files are a qube's private volume.
//!
//! | | all of it in one | shared with clones |
//! |---|---|---|
//! | plain | `private.img` | `private.img.overlay` above `private.img.base` |
//! | encrypted | `private.luks` | `private.luks.overlay` above `private.luks.base`, and `private.luks.header` |
//!
//! A base is one file with a name in the directory of each qube that uses it: the file system counts them, and
//! what nobody uses any more is gone with its last name. Nobody writes into it but to destroy its key slots,
//! which nobody uses: each qube has a header of its own.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use transom_protocol::supervisor::QubeName;

use super::{ENCRYPTED_VOLUME, PLAIN_VOLUME, Store, StoreError};
use crate::{encryption, overlay::Stored};

/// The private volume of a qube's virtual machine.
///
/// Its name says what it is, not its content: that of a plain one is the qube's, which could write a
/// header of its own choice to its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// There is none yet.
    Missing,
    /// As the guest writes it.
    Plain,
    /// What lies in a LUKS2 file, or in one and an overlay.
    Encrypted,
}

/// The files of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeFiles {
    /// What is written: all of it, or with a base what differs from that.
    pub file: PathBuf,
    /// What it shares with clones.
    pub base: Option<PathBuf>,
    /// Where the header of an encrypted one is: in a file of its own where there is a base.
    pub header: PathBuf,
}

impl VolumeFiles {
    /// Those of the volume with this name, in a qube's directory.
    pub(crate) fn of(dir: &Path, name: &str) -> Self {
        let whole = dir.join(name);
        let [overlay, base, header] = PARTS_OF_SHARED.map(|part| dir.join(format!("{name}.{part}")));
        // Before it was put into place, all of it is where it was.
        let shared = exists(&overlay) || exists(&base) && !exists(&whole);
        if shared {
            Self { file: overlay, base: Some(base), header }
        } else {
            Self { file: whole.clone(), base: None, header: whole }
        }
    }

    /// Opens it as it is, all of it as if it lay in one file.
    ///
    /// # Errors
    /// It is not there or not whole, or the disk's.
    pub fn open(&self, write: bool) -> io::Result<Stored> {
        let base = self.base.as_ref().map(|base| Ok::<_, io::Error>((File::open(base)?, 0)));
        let file = File::options().read(true).write(write).open(&self.file)?;
        Stored::open(file, base.transpose()?)
    }

    /// Of one whose files may be gone.
    pub(crate) fn are_there(&self) -> bool {
        self.base.is_some() || exists(&self.file)
    }

    /// Looks if all of a shared one is there.
    ///
    /// # Errors
    /// Something is missing.
    pub(crate) fn check(&self, encrypted: bool) -> Result<(), StoreError> {
        let Some(base) = &self.base else { return Ok(()) };
        for path in [base, &self.file].into_iter().chain(encrypted.then_some(&self.header)) {
            if !exists(path) {
                return Err(StoreError::io("find", path)(io::ErrorKind::NotFound.into()));
            }
        }
        Ok(())
    }

    /// All of them that are there.
    pub fn all(&self) -> impl Iterator<Item = &PathBuf> {
        let other = (self.header != self.file).then_some(&self.header);
        [&self.file].into_iter().chain(&self.base).chain(other).filter(|path| exists(path))
    }
}

/// Ends of the names of a shared volume's files.
const PARTS_OF_SHARED: [&str; 3] = ["overlay", "base", "header"];

pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// What there is of a volume in a qube's directory. Where there are both, the encrypted one counts: it was made
/// from the other, which was to be deleted.
pub(crate) fn volume_in(dir: &Path) -> Volume {
    if VolumeFiles::of(dir, ENCRYPTED_VOLUME).are_there() {
        Volume::Encrypted
    } else if VolumeFiles::of(dir, PLAIN_VOLUME).are_there() {
        Volume::Plain
    } else {
        Volume::Missing
    }
}

impl Store {
    /// What there is of a private volume.
    pub fn volume(&self, name: &QubeName) -> Volume {
        volume_in(&self.dir(name))
    }

    /// Where a plain volume is, in one file.
    pub fn plain_volume(&self, name: &QubeName) -> PathBuf {
        self.dir(name).join(PLAIN_VOLUME)
    }

    /// Where an encrypted volume is, in one file.
    pub fn encrypted_volume(&self, name: &QubeName) -> PathBuf {
        self.dir(name).join(ENCRYPTED_VOLUME)
    }

    /// Where a volume is, in one file or several, whether it is there or not.
    pub fn volume_files(&self, name: &QubeName, encrypted: bool) -> VolumeFiles {
        VolumeFiles::of(&self.dir(name), if encrypted { ENCRYPTED_VOLUME } else { PLAIN_VOLUME })
    }

    /// What is left of volumes that were being made when somebody was cut off.
    pub(super) fn volume_leftovers(&self, name: &QubeName) -> Leftovers {
        leftovers_in(&self.dir(name))
    }
}

/// What is to be deleted in the directory of a qube that stays.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Files to delete.
    pub(super) paths: Vec<PathBuf>,
    /// Key slots to destroy, that nobody uses.
    pub(super) slots: Vec<PathBuf>,
}

pub(super) fn leftovers_in(dir: &Path) -> Leftovers {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let draft = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(encryption::DRAFT);
    let mut left = Leftovers::default();
    left.paths.extend(entries.filter(draft).map(|entry| entry.path()));
    let counts = match volume_in(dir) {
        Volume::Encrypted => ENCRYPTED_VOLUME,
        _ => PLAIN_VOLUME,
    };
    for name in [ENCRYPTED_VOLUME, PLAIN_VOLUME] {
        let (files, whole) = (VolumeFiles::of(dir, name), dir.join(name));
        let shared = PARTS_OF_SHARED.map(|part| dir.join(format!("{name}.{part}")));
        let unused = match (name == counts, &files.base) {
            (false, _) => shared.iter().chain([&whole]).collect::<Vec<_>>(),
            // It was being shared; all of it is still in one.
            (true, None) if exists(&whole) => shared.iter().collect(),
            (true, None) => Vec::new(),
            // It is shared since.
            (true, Some(_)) => vec![&whole],
        };
        left.paths.extend(unused.into_iter().filter(|path| exists(path)).cloned());
        let base = files.base.filter(|_| name == ENCRYPTED_VOLUME && exists(&files.header));
        left.slots.extend(base.filter(|base| encryption::has_header(base)));
    }
    left
}

/// Makes the encrypted volume in a qube's directory, if there is one, unreadable for good.
pub(super) fn destroy(dir: &Path) -> Result<(), StoreError> {
    if !dir.is_dir() {
        return Ok(());
    }
    let others = PARTS_OF_SHARED.map(|part| format!("{ENCRYPTED_VOLUME}.{part}"));
    let files = others.iter().map(String::as_str).chain([ENCRYPTED_VOLUME]);
    let erase = |path: PathBuf| encryption::erase(&path).map_err(StoreError::io("erase", &path));
    files.map(|file| erase(dir.join(file))).fold(Ok(()), Result::and)
}
