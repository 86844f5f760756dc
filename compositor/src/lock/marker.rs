//! What outlives a crash: a file that says that the desktop is locked.
//!
//! It is made before the first locked frame and removed after unlocking, and nothing else removes it:
//! a desktop that is killed, stopped or restarted while locked starts locked. It lies in the runtime
//! directory, which only this user can write and which goes with the user's last session.
//!
//! If it cannot be made (the file system is full), the desktop is locked all the same and says so in
//! the log; only a crash would then lose the lock. If it cannot be removed, the next desktop starts
//! locked and asks once more.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tracing::error;

/// Name of the file in the runtime directory.
pub const MARKER_NAME: &str = "locked";

/// The file; `None`: nothing outlives this desktop.
#[derive(Debug, Default)]
pub struct Marker(Option<PathBuf>);

impl Marker {
    /// A marker at this place.
    pub fn new(path: Option<PathBuf>) -> Self {
        Self(path)
    }

    /// The desktop before this one was locked. A file that cannot be looked at counts as one.
    pub fn is_set(&self) -> bool {
        self.0.as_deref().is_some_and(|path| path.try_exists().unwrap_or(true))
    }

    /// The desktop is about to be locked.
    pub fn set(&self) {
        self.change("made", |path| fs::File::create(path).map(drop));
    }

    /// The desktop is open.
    pub fn clear(&self) {
        self.change("removed", |path| match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        });
    }

    fn change(&self, what: &str, change: impl Fn(&Path) -> io::Result<()>) {
        if let Some(path) = &self.0
            && let Err(error) = change(path)
        {
            error!(path = %path.display(), %error, "the mark of the lock cannot be {what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_outlives_who_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let marker = || Marker::new(Some(dir.path().join(MARKER_NAME)));
        assert!(!marker().is_set());
        marker().set();
        marker().set();
        assert!(marker().is_set());
        marker().clear();
        marker().clear();
        assert!(!marker().is_set());
        assert!(!Marker::default().is_set());
        // What cannot be looked at is locked.
        let odd = Marker::new(Some(PathBuf::from("a\0b")));
        assert!(odd.is_set());
    }
}
