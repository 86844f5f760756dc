//! Copies of whole qubes.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::fs::{CWD, RenameFlags, ioctl_ficlone, renameat_with, syncfs};
use transom_protocol::supervisor::QubeName;

use super::{
    ENCRYPTED_VOLUME, HIDDEN, PARTS, PLAIN_VOLUME, PartKind, Store, StoreError, Volume, VolumeFiles, atomic,
    exists, make_dir, remove_tree,
    share::{NotShared, give_base, share},
    volume_in,
};
use crate::user;

/// Longest complaint of the copying program that is shown, in bytes.
const MAX_COMPLAINT: usize = 200;

/// A copy that is to be made. Making it can take long: [`Copying::run`].
#[must_use = "it is only made by `run`"]
#[derive(Debug)]
pub struct Copying {
    qubes: PathBuf,
    from: PathBuf,
    new: PathBuf,
    to: PathBuf,
    name: QubeName,
}

impl Store {
    /// Prepares a copy of a qube under another name: its file, its home, its private volume. An
    /// encrypted volume keeps its key, for blocks that are shared are enciphered once; the slot that
    /// holds it is the copy's own.
    ///
    /// The caller makes sure that the one does not run, and that nobody makes the other, until it is
    /// done.
    pub fn copy(&self, from: &QubeName, to: &QubeName) -> Result<Copying, StoreError> {
        if !self.contains(from) {
            return Err(StoreError::NoSuchQube(from.clone()));
        }
        if self.contains(to) {
            return Err(StoreError::Exists(to.clone()));
        }
        Ok(Copying {
            qubes: self.qubes.clone(),
            from: self.dir(from),
            new: self.qubes.join(format!("{HIDDEN}new-{to}")),
            to: self.dir(to),
            name: to.clone(),
        })
    }
}

impl Copying {
    /// Makes the copy, wholly or not at all. The blocks of a volume are shared with the original: by the file
    /// system where it can, else by an overlay of each above what becomes a base. What is shared so already
    /// keeps its base, and only what differs from it is copied: no overlay lies above another.
    pub fn run(self) -> Result<(), StoreError> {
        remove_tree(&self.new)?;
        let made = self.make();
        if made.is_err() {
            let _ = remove_tree(&self.new);
        }
        made?;
        atomic::sync_dir(&self.qubes).map_err(StoreError::io("write", &self.qubes))
    }

    fn make(&self) -> Result<(), StoreError> {
        make_dir(&self.new)?;
        self.fill()?;
        // All of it is on the disk before it has its name.
        let sync = File::open(&self.new).and_then(|dir| Ok(syncfs(dir)?));
        sync.map_err(StoreError::io("write", &self.new))?;
        renameat_with(CWD, &self.new, CWD, &self.to, RenameFlags::NOREPLACE).map_err(|errno| match errno {
            rustix::io::Errno::EXIST => StoreError::Exists(self.name.clone()),
            other => StoreError::io("make", &self.to)(other.into()),
        })
    }

    fn fill(&self) -> Result<(), StoreError> {
        let failed = StoreError::io("copy", &self.from);
        let volume = match volume_in(&self.from) {
            Volume::Missing => None,
            Volume::Plain => Some(PLAIN_VOLUME),
            Volume::Encrypted => Some(ENCRYPTED_VOLUME),
        };
        let mut parts: Vec<PathBuf> = PARTS
            .iter()
            .filter(|part| part.kind != PartKind::Volume)
            .map(|part| self.from.join(part.name))
            .filter(|part| exists(part))
            .collect();
        if let Some(name) = volume {
            parts.extend(self.volume(name)?);
        }
        self.copy(&parts).map_err(failed)
    }

    /// Gives the copy a volume, as far as that is no copying; says what is to be copied of it.
    fn volume(&self, name: &str) -> Result<Vec<PathBuf>, StoreError> {
        let whole = self.from.join(name);
        let unshared = VolumeFiles::of(&self.from, name).base.is_none();
        if unshared {
            if reflink(&whole, &self.new.join(name)).map_err(StoreError::io("copy", &whole))? {
                return Ok(Vec::new());
            }
            match share(&self.from, name, name == ENCRYPTED_VOLUME) {
                Ok(()) => {}
                Err(NotShared::Unable) => return Ok(vec![whole]),
                Err(NotShared::Failed(error)) => return Err(error),
            }
        }
        let files = VolumeFiles::of(&self.from, name);
        files.check(name == ENCRYPTED_VOLUME)?;
        give_base(&files, &self.new).map_err(StoreError::io("share", &self.from))?;
        Ok(files.all().filter(|path| Some(*path) != files.base.as_ref()).cloned().collect())
    }

    fn copy(&self, parts: &[PathBuf]) -> io::Result<()> {
        // It ends with the thread that waits for it: nobody writes into what is cleaned away later.
        let starting = user::starting();
        let cp = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "cp", "-a", "--reflink=auto", "--one-file-system", "-t"])
            .arg(&self.new)
            .arg("--")
            .args(parts)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(starting);
        let output = cp.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        // The names of files in it are the qube's.
        let untrusted = output.stderr.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let complaint = transom_protocol::text::clean(untrusted, MAX_COMPLAINT);
        Err(if complaint.ends_with("No space left on device") {
            io::ErrorKind::StorageFull.into()
        } else if complaint.is_empty() {
            io::Error::other(format!("cp: {}", output.status))
        } else {
            io::Error::other(complaint)
        })
    }
}

/// Makes `to` a file that shares all blocks of `from`, with the same times and mode. False, and there is no such
/// file, where the file system cannot.
fn reflink(from: &Path, to: &Path) -> io::Result<bool> {
    let source = match File::open(from) {
        // Somebody else has made it a base meanwhile.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        source => source?,
    };
    let meta = source.metadata()?;
    let target = File::options().write(true).create_new(true).mode(meta.mode() & 0o777).open(to)?;
    if ioctl_ficlone(&target, &source).is_err() {
        drop(target);
        return fs::remove_file(to).map(|()| false);
    }
    target.set_modified(meta.modified()?)?;
    Ok(true)
}
