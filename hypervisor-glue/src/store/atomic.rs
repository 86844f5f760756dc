//! Files that are either old or new, never half.

use std::{
    fs::File,
    io::{self, Write as _},
    path::Path,
};

/// Writes a file beside its final place, brings it to the disk, and puts it there: it is the old or the
/// new one at any time.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    // Deleted again if anything fails before `persist`.
    let mut file = tempfile::Builder::new().prefix(".write-").tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    sync_dir(dir)
}

/// Brings the names in a directory to the disk.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}
