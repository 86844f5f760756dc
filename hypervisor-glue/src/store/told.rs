//! What a qube has told of itself, kept so that it is known while it is halted: its programs, its updates.
//!
//! The files can be lost without harm: the qube tells them again. They are none of the parts that copies and
//! backups have.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use transom_protocol::{
    dom0_services::{MAX_UPDATES_BYTES, UpdateList},
    programs::{MAX_LIST_BYTES, ProgramList},
    supervisor::QubeName,
};

use super::Store;

/// The file, in the qube's directory and in an image's.
pub const PROGRAMS: &str = "programs";
/// The file, in the qube's directory.
const UPDATES: &str = "updates";

impl Store {
    fn programs(&self, name: &QubeName) -> PathBuf {
        self.dir(name).join(PROGRAMS)
    }

    /// Keeps a qube's list in the place of the one before. False if that was the same.
    pub fn keep_programs(&self, name: &QubeName, list: &ProgramList) -> io::Result<bool> {
        let (path, bytes) = (self.programs(name), list.encode());
        let same = fs::metadata(&path).is_ok_and(|meta| meta.len() == bytes.len() as u64)
            && fs::read(&path).is_ok_and(|old| old == bytes);
        if same {
            return Ok(false);
        }
        keep(&path, &bytes)?;
        Ok(true)
    }

    /// Keeps the updates that a qube has told of in the place of those before; the file's time is when that was.
    pub fn keep_updates(&self, name: &QubeName, list: &UpdateList) -> io::Result<()> {
        keep(&self.dir(name).join(UPDATES), &list.encode())
    }

    /// The file with a qube's updates; `None` if there is none.
    pub fn open_updates(&self, name: &QubeName) -> io::Result<Option<File>> {
        opened_up_to(File::open(self.dir(name).join(UPDATES)), MAX_UPDATES_BYTES)
    }

    /// The file with a qube's list; `None` if there is none.
    pub fn open_programs(&self, name: &QubeName) -> io::Result<Option<File>> {
        opened(File::open(self.programs(name)))
    }
}

/// Puts a file in the place of another. It is the old or the new one for all who look, but is not brought to the
/// disk: the qube says when it is written, and nothing may wait for that.
fn keep(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(new, path)
}

/// A list of programs that need not be there.
pub(crate) fn opened(file: io::Result<File>) -> io::Result<Option<File>> {
    opened_up_to(file, MAX_LIST_BYTES)
}

/// A file that need not be there, and is none of ours if it is longer than this.
fn opened_up_to(file: io::Result<File>, most: usize) -> io::Result<Option<File>> {
    match file {
        Ok(file) => {
            let meta = file.metadata()?;
            Ok((meta.is_file() && meta.len() <= most as u64).then_some(file))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
