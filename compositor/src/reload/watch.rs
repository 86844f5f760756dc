//! Watches files by inotify: their folders, as editors put new files in their place.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    io,
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

use rustix::{
    fs::inotify::{self, CreateFlags, WatchFlags},
    io::Errno,
};
use smithay::reexports::calloop::{Interest, Mode, PostAction, RegistrationToken, generic::Generic};
use tracing::warn;

use crate::{Desktop, DesktopError};

/// Room for events that are read at once.
const ROOM: usize = 4096;

/// What is watched.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    files: BTreeSet<PathBuf>,
    token: Option<RegistrationToken>,
}

/// The files, and where they really are: a link's folder does not change when its target does.
fn places(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let real = files.iter().filter_map(|path| path.canonicalize().ok());
    files.iter().cloned().chain(real).collect()
}

fn watch(places: &BTreeSet<PathBuf>) -> io::Result<(OwnedFd, Vec<(i32, PathBuf)>)> {
    let fd = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
    let folders: BTreeSet<&Path> = places.iter().filter_map(|path| path.parent()).collect();
    let mut watches = Vec::new();
    for folder in folders {
        // A folder that is not there has no file that could change.
        let flags = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO;
        match inotify::add_watch(&fd, folder, flags) {
            Ok(number) => watches.push((number, folder.to_owned())),
            Err(Errno::NOENT) => {}
            Err(error) => {
                warn!(folder = %folder.display(), %error, "changes of settings are not noticed there");
            }
        }
    }
    Ok((fd, watches))
}

/// Reads all that has happened. True if one of these files was written or put in its place.
fn happened(fd: &OwnedFd, watches: &[(i32, PathBuf)], places: &BTreeSet<PathBuf>) -> bool {
    let mut room = [MaybeUninit::uninit(); ROOM];
    let mut reader = inotify::Reader::new(fd, &mut room);
    let mut ours = false;
    while let Ok(event) = reader.next() {
        let folder = watches.iter().find(|(number, _)| *number == event.wd()).map(|(_, folder)| folder);
        let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
        ours |= folder.zip(name).is_some_and(|(folder, name)| places.contains(&folder.join(name)));
    }
    ours
}

impl Desktop {
    /// Reads a config file again whenever it or one of `files` (those that it includes, its theme) changes.
    ///
    /// # Errors
    /// The machine has no inotify left.
    pub fn watch_settings(&mut self, path: &Path, mut files: Vec<PathBuf>) -> Result<(), DesktopError> {
        files.push(path.to_owned());
        let files = places(&files);
        if files == self.watched.files {
            return Ok(());
        }
        let failed = |source| DesktopError::Io { what: "settings cannot be watched".into(), source };
        let (fd, watches) = watch(&files).map_err(failed)?;
        let (path, of_source) = (path.to_owned(), files.clone());
        let source = Generic::new(fd, Interest::READ, Mode::Level);
        let token = self
            .handle
            .insert_source(source, move |_, fd, desktop: &mut Self| {
                if happened(fd, &watches, &of_source) {
                    desktop.reload(&path);
                }
                Ok(PostAction::Continue)
            })
            .map_err(|error| DesktopError::Loop(error.to_string()))?;
        self.watched.files = files;
        if let Some(old) = self.watched.token.replace(token) {
            self.handle.remove(old);
        }
        Ok(())
    }

    /// As [`Desktop::watch_settings`], after a change. What changed before they were watched is read, too.
    pub(super) fn watch_files(&mut self, path: &Path, files: Vec<PathBuf>) {
        let before = self.watched.files.clone();
        if let Err(error) = self.watch_settings(path, files) {
            warn!(%error, "further changes of settings are not noticed");
        } else if before != self.watched.files {
            self.reload(path);
        }
    }
}
