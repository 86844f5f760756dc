//! The programs that a qube has listed, kept so that they are known while it is halted.
//!
//! The file can be lost without harm: the qube lists them again at its next start. It is none of the parts that
//! copies and backups have.

use std::{
    fs::{self, File},
    io,
    path::PathBuf,
};

use transom_protocol::{
    programs::{MAX_LIST_BYTES, ProgramList},
    supervisor::QubeName,
};

use super::Store;

/// The file, in the qube's directory and in an image's.
pub const PROGRAMS: &str = "programs";

impl Store {
    fn programs(&self, name: &QubeName) -> PathBuf {
        self.dir(name).join(PROGRAMS)
    }

    /// Keeps a qube's list in the place of the one before. False if that was the same.
    ///
    /// The file is the old or the new one for all who look, but is not brought to the disk: the qube says when
    /// it is written, and nothing may wait for that.
    pub fn keep_programs(&self, name: &QubeName, list: &ProgramList) -> io::Result<bool> {
        let (path, bytes) = (self.programs(name), list.encode());
        let same = fs::metadata(&path).is_ok_and(|meta| meta.len() == bytes.len() as u64)
            && fs::read(&path).is_ok_and(|old| old == bytes);
        if same {
            return Ok(false);
        }
        let new = path.with_extension("new");
        fs::write(&new, bytes)?;
        fs::rename(new, path)?;
        Ok(true)
    }

    /// The file with a qube's list; `None` if there is none.
    pub fn open_programs(&self, name: &QubeName) -> io::Result<Option<File>> {
        opened(File::open(self.programs(name)))
    }
}

/// A file that need not be there, and is none of ours if it is too long.
pub(crate) fn opened(file: io::Result<File>) -> io::Result<Option<File>> {
    match file {
        Ok(file) => {
            let meta = file.metadata()?;
            Ok((meta.is_file() && meta.len() <= MAX_LIST_BYTES as u64).then_some(file))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
