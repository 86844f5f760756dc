//! Volumes that came from another computer, out of a backup: beside them lies the keyring of that one, until
//! they were taken over into the keyring of this one.

use std::path::Path;

use super::{
    EncryptionError,
    keyring::{Keyring, MasterKey},
    luks,
    volume::{self, VolumeKey},
};
use crate::store::sync_dir;

fn keyring_beside(volume: &Path) -> Keyring {
    Keyring::of(volume.parent().unwrap_or(Path::new("/")))
}

/// As [`volume::open`], of a volume that may have come from another computer. If it opens, it is this
/// computer's, and needs the other keyring no more.
///
/// # Errors
/// As those, and [`EncryptionError::Moved`].
pub fn open_moved(path: &Path, bytes: u64, master: &MasterKey) -> Result<VolumeKey, EncryptionError> {
    let keyring = keyring_beside(path);
    if !keyring.exists() {
        return volume::open(path, bytes, master);
    }
    match volume::open(path, bytes, master) {
        Ok(key) => {
            settle(path, &keyring, master)?;
            Ok(key)
        }
        Err(EncryptionError::WrongKey(_)) => Err(EncryptionError::Moved),
        other => other,
    }
}

/// Lets this computer's key open a volume that the keyring beside it opened, and takes every other way to
/// open it. `passphrase` is that of the other computer. At any time one of the two opens it. Takes seconds.
///
/// # Errors
/// [`EncryptionError::NotMoved`]; the passphrase is wrong; the files are damaged, or the disk's.
pub fn take_over(path: &Path, passphrase: &[u8], master: &MasterKey) -> Result<(), EncryptionError> {
    let keyring = keyring_beside(path);
    if !keyring.exists() {
        return Err(EncryptionError::NotMoved);
    }
    // It may be this computer's already.
    if luks::key(path, &master.0).is_err() {
        let old = keyring.open(passphrase)?;
        let key = luks::key(path, &old.0)?;
        luks::add_slot(path, &old.0, &master.0)?;
        if *luks::key(path, &master.0)? != *key {
            let why = "the new slot opens another key".to_owned();
            return Err(EncryptionError::Refused { path: path.to_owned(), why });
        }
    }
    settle(path, &keyring, master)
}

/// Takes the other ways to open it, and then the other keyring.
fn settle(path: &Path, keyring: &Keyring, master: &MasterKey) -> Result<(), EncryptionError> {
    luks::keep_only(path, &master.0)?;
    let dir = path.parent().unwrap_or(Path::new("/"));
    luks::remove(keyring.path())
        .and_then(|()| sync_dir(dir))
        .map_err(EncryptionError::io("delete", keyring.path()))
}
