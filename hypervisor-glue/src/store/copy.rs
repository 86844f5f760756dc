//! Copies of whole qubes.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
    process::{Command, Stdio},
};

use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use transom_protocol::supervisor::QubeName;

use super::{HIDDEN, PARTS, Store, StoreError, atomic, make_dir, remove_tree};
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
    /// Makes the copy, wholly or not at all. Blocks are shared with the original where the file system
    /// can; else what is no hole is copied.
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
        self.fill().map_err(StoreError::io("copy", &self.from))?;
        // All of it is on the disk before it has its name.
        let sync = File::open(&self.new).and_then(|dir| Ok(syncfs(dir)?));
        sync.map_err(StoreError::io("write", &self.new))?;
        renameat_with(CWD, &self.new, CWD, &self.to, RenameFlags::NOREPLACE).map_err(|errno| match errno {
            rustix::io::Errno::EXIST => StoreError::Exists(self.name.clone()),
            other => StoreError::io("make", &self.to)(other.into()),
        })
    }

    fn fill(&self) -> io::Result<()> {
        // It ends with the thread that waits for it: nobody writes into what is cleaned away later.
        let starting = user::starting();
        let cp = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "cp", "-a", "--reflink=auto", "--one-file-system", "-t"])
            .arg(&self.new)
            .arg("--")
            .args(
                PARTS
                    .map(|part| self.from.join(part.name))
                    .iter()
                    .filter(|part| fs::exists(part).unwrap_or(true)),
            )
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
