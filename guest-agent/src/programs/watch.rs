//! Which of the directories of entries has changed.

use std::{
    fs, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};

/// Most directories that are watched.
const MOST: usize = 128;
/// How deep below a directory of entries.
const DEEPEST: usize = 4;

/// A watch over directories. Those that are not there yet are waited for in the nearest one that is.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: OwnedFd,
    dirs: Vec<PathBuf>,
}

impl Watch {
    /// Watches these directories and those below them.
    pub(super) fn new(dirs: &[PathBuf]) -> io::Result<Self> {
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let watch = Self { inotify, dirs: dirs.to_vec() };
        watch.add();
        Ok(watch)
    }

    /// Adds what is there now; what is watched already stays so.
    fn add(&self) {
        let mut left = MOST;
        for dir in &self.dirs {
            self.add_tree(dir, 0, &mut left);
        }
    }

    fn add_tree(&self, dir: &Path, depth: usize, left: &mut usize) {
        let entries = WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::ONLYDIR;
        if *left == 0 {
            return;
        }
        *left -= 1;
        if add_watch(&self.inotify, dir, entries).is_err() {
            // It may come to be: somebody makes it in the one above.
            let made = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
            dir.ancestors().skip(1).find(|above| add_watch(&self.inotify, *above, made).is_ok());
            return;
        }
        let below = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
        for entry in
            below.filter(|entry| depth < DEEPEST && entry.file_type().is_ok_and(|kind| kind.is_dir()))
        {
            self.add_tree(&entry.path(), depth + 1, left);
        }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Takes what has happened. True if anything has; directories that came are watched from then on.
    pub(super) fn drain(&mut self) -> bool {
        let mut events = [0; 4_096];
        let mut any = false;
        while rustix::io::read(&self.inotify, &mut events[..]).is_ok_and(|read| read > 0) {
            any = true;
        }
        if any {
            self.add();
        }
        any
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_that_come_later_are_seen() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("share/applications");
        let mut watch = Watch::new(std::slice::from_ref(&dir)).unwrap();
        assert!(!watch.drain());
        fs::create_dir_all(dir.join("more")).unwrap();
        assert!(watch.drain());
        fs::write(dir.join("more/a.desktop"), "x").unwrap();
        assert!(watch.drain());
        fs::remove_file(dir.join("more/a.desktop")).unwrap();
        assert!(watch.drain() && !watch.drain());
    }
}
