//! Encrypted volumes: made, opened, and made out of plain ones.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use super::{
    EncryptionError,
    keyring::MasterKey,
    luks::{self, Slot, VOLUME_HEADER},
    payload::{Layout, Payload},
};
use crate::{
    memory::Secret,
    store::{VolumeFiles, sync_dir},
};

/// Bytes at a payload's beginning that are written when it is made, so that they read as zeros: a guest
/// must see that there is no file system yet. The rest reads as noise until it is written.
const BLANK: usize = 1 << 20;
/// Bytes copied at a time.
const CHUNK: usize = 1 << 20;
/// Prefix of volumes that are being made.
pub(crate) const DRAFT: &str = ".volume-";

/// What whoever serves a volume to its guest must have: its key, and where its payload lies.
#[derive(Debug)]
pub struct VolumeKey {
    /// The volume's own key.
    pub key: Secret,
    /// Its payload.
    pub layout: Layout,
}

impl VolumeKey {
    /// Another one of the same.
    ///
    /// # Errors
    /// There is no memory.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { key: Secret::copy(&self.key)?, layout: self.layout })
    }
}

/// Opens the volume at `path`, with room for `bytes` at least; makes it where it is missing, wholly or
/// not at all. A larger one stays as large as it is.
///
/// # Errors
/// It is damaged, the master key does not open it, or the disk's.
pub fn open(path: &Path, bytes: u64, master: &MasterKey) -> Result<VolumeKey, EncryptionError> {
    if !path.try_exists().map_err(EncryptionError::io("read", path))? {
        make(path, bytes, master, |_| Ok(()))?;
    }
    let layout = luks::layout(path)?;
    let key = luks::key(path, &master.0)?;
    let wanted = layout.offset.saturating_add(bytes);
    let grown = File::options()
        .write(true)
        .open(path)
        .and_then(|file| if file.metadata()?.len() < wanted { file.set_len(wanted) } else { Ok(()) });
    grown.map_err(EncryptionError::io("grow", path))?;
    Ok(VolumeKey { key, layout })
}

/// Makes an encrypted volume at `new` with all that is in the plain one `plain`, and then deletes
/// that: at any time one of them is there and whole. What was no hole in it and is longer on the disk
/// for it is all of it: holes would not read as zeros. What it shared with clones it does not share any more.
/// Takes long.
///
/// # Errors
/// As those of [`open`].
pub fn encrypt(plain: &VolumeFiles, new: &Path, master: &MasterKey) -> Result<(), EncryptionError> {
    let read = || EncryptionError::io("read", &plain.file);
    let from = plain.open(false).map_err(read())?;
    let there = from.size().map_err(read())?;
    let bytes = there.next_multiple_of(512);
    let dir = new.parent().unwrap_or(Path::new("/"));
    let room = rustix::fs::statvfs(dir).map_err(|errno| EncryptionError::io("look at", dir)(errno.into()))?;
    if room.f_bavail.saturating_mul(room.f_frsize) < bytes + VOLUME_HEADER {
        return Err(EncryptionError::Room { path: dir.to_owned(), bytes: bytes + VOLUME_HEADER });
    }
    make(new, bytes, master, |payload| {
        let mut chunk = vec![0; CHUNK];
        let mut at = 0;
        while at < bytes {
            let length = (bytes - at).min(CHUNK as u64) as usize;
            let part = &mut chunk[..length];
            // The last sector may be longer than the file.
            part.fill(0);
            from.read(&mut part[..(there - at).min(length as u64) as usize], at)?;
            payload.write(part, at)?;
            at += length as u64;
        }
        Ok(())
    })?;
    for path in plain.all() {
        fs::remove_file(path).map_err(EncryptionError::io("delete", path))?;
    }
    sync_dir(dir).map_err(EncryptionError::io("write", dir))
}

/// Makes a volume with its first bytes as `fill` leaves them.
fn make(
    path: &Path,
    bytes: u64,
    master: &MasterKey,
    fill: impl FnOnce(&mut Payload) -> io::Result<()>,
) -> Result<(), EncryptionError> {
    let write = || EncryptionError::io("write", path);
    let dir = path.parent().unwrap_or(Path::new("/"));
    // Deleted again if anything fails before it is put into place.
    let draft = tempfile::Builder::new().prefix(DRAFT).tempfile_in(dir).map_err(write())?;
    draft.as_file().set_len(VOLUME_HEADER + bytes).map_err(write())?;
    luks::format(draft.path(), Slot::Key, &master.0, VOLUME_HEADER)?;
    let (key, layout) = (luks::key(draft.path(), &master.0)?, luks::layout(draft.path())?);
    let put = || {
        let mut payload = Payload::new(draft.as_file().try_clone()?, &key, layout)?;
        payload.write(&mut vec![0; BLANK.min(payload.size() as usize)], 0)?;
        fill(&mut payload)?;
        draft.as_file().sync_all()?;
        Ok::<_, io::Error>(())
    };
    put().map_err(write())?;
    draft.persist_noclobber(path).map_err(|error| write()(error.error))?;
    sync_dir(dir).map_err(write())
}
