//! How a volume comes to be shared: what it is becomes a base, and the qube goes on in an overlay above it.
//! However large it is, nothing of it is copied.
//!
//! Each step leaves the volume as it was:
//!
//! 1. the file gets a second name, that of the base; of an encrypted one the header is copied;
//! 2. an overlay without a block is put into place. From here on it is what counts;
//! 3. the first name of the file is taken away, and the key slots in it, which nobody uses any more.

use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{
    StoreError, Trash, atomic,
    volume::{VolumeFiles, leftovers_in},
};
use crate::{
    encryption,
    overlay::{self, MAX_SIZE},
};

/// One at a time: several copies of a qube may be made at once.
static SHARING: Mutex<()> = Mutex::new(());

/// Why a volume is not shared.
#[derive(Debug)]
pub(super) enum NotShared {
    /// It cannot be here; it is as it was.
    Unable,
    /// The disk's.
    Failed(StoreError),
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> NotShared {
    move |source| NotShared::Failed(StoreError::io(doing, path)(source))
}

/// Makes the volume of this name shared, in the directory of a qube that does not run, if it is not.
pub(super) fn share(dir: &Path, name: &str, encrypted: bool) -> Result<(), NotShared> {
    let _alone = SHARING.lock().unwrap_or_else(PoisonError::into_inner);
    if VolumeFiles::of(dir, name).base.is_some() {
        return Ok(());
    }
    let made = make(dir, name, encrypted);
    // Of what was made for nothing, or what it was before.
    let emptied = Trash::of(Vec::new(), leftovers_in(dir)).empty();
    made?;
    emptied.map_err(NotShared::Failed)
}

fn make(dir: &Path, name: &str, encrypted: bool) -> Result<(), NotShared> {
    let whole = dir.join(name);
    let end = |end: &str| dir.join(format!("{name}.{end}"));
    let (overlay, base, header) = (end("overlay"), end("base"), end("header"));
    let size = fs::metadata(&whole).map_err(failed("read", &whole))?.len();
    if !size.is_multiple_of(512) || size > MAX_SIZE {
        return Err(NotShared::Unable);
    }
    // What somebody left who was cut off here.
    for left in [&base, &header] {
        super::remove_tree(left).map_err(NotShared::Failed)?;
    }
    let draft = || tempfile::Builder::new().prefix(encryption::DRAFT).tempfile_in(dir);
    if encrypted {
        let copy = draft().map_err(failed("write", dir))?;
        // A header that cannot be read may be a damaged one: whoever opens the copy is told.
        encryption::copy_header(&whole, copy.as_file()).map_err(|_| NotShared::Unable)?;
        copy.as_file().sync_all().map_err(failed("write", &header))?;
        copy.persist(&header).map_err(|error| failed("write", &header)(error.error))?;
    }
    let made = draft().map_err(failed("write", dir))?;
    let create = || {
        overlay::create(made.as_file(), size)?;
        made.as_file().sync_all()?;
        // All that was written to it by a machine that is gone.
        File::open(&whole)?.sync_all()
    };
    create().map_err(failed("write", &overlay))?;
    // Not all file systems know of several names, or of as many.
    fs::hard_link(&whole, &base).map_err(|_| NotShared::Unable)?;
    let sync = || atomic::sync_dir(dir).map_err(failed("write", dir));
    sync()?;
    made.persist_noclobber(&overlay).map_err(|error| failed("write", &overlay)(error.error))?;
    sync()
}

/// Gives a clone the base of a shared volume.
pub(super) fn give_base(from: &VolumeFiles, to: &Path) -> io::Result<()> {
    match &from.base {
        Some(base) => fs::hard_link(base, to.join(base.file_name().unwrap_or_default())),
        None => Ok(()),
    }
}
