//! Making files below one directory and nowhere else, whatever their paths say and whatever links lie there.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, XattrFlags, fchmod, fsetxattr,
    futimens, linkat, mkdirat, mknodat, openat2, statat, symlinkat, utimensat,
};

use super::container::{Entry, Kind};

const RESOLVE: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

/// A directory that is being filled.
#[derive(Debug)]
pub(super) struct Place {
    root: OwnedFd,
    /// Directories that are not whole yet, each below the one before. Until then only we may enter.
    open: Vec<Directory>,
}

#[derive(Debug)]
struct Directory {
    path: Vec<u8>,
    fd: OwnedFd,
    entry: Entry,
}

fn times(entry: &Entry) -> Timestamps {
    let (seconds, nanoseconds) = entry.mtime;
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// The directory of a path, and the name in it.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

/// What a file gets at its end: it may not be ours to open any more after that.
pub(super) fn finish(file: impl AsFd, entry: &Entry) -> io::Result<()> {
    for (name, value) in &entry.attributes {
        match fsetxattr(&file, &name[..], value, XattrFlags::empty()) {
            // This file system has none.
            Err(rustix::io::Errno::OPNOTSUPP) => break,
            other => other?,
        }
    }
    // Nine bits: what runs as somebody else does not come back.
    fchmod(&file, Mode::from_raw_mode(entry.mode & 0o777))?;
    Ok(futimens(&file, &times(entry))?)
}

impl Place {
    /// Fills this directory.
    pub(super) fn new(root: OwnedFd) -> Self {
        Self { root, open: Vec::new() }
    }

    fn open(&self, path: &[u8], flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let path = if path.is_empty() { b"." } else { path };
        Ok(openat2(&self.root, path, flags | OFlags::CLOEXEC | OFlags::NOFOLLOW, mode, RESOLVE)?)
    }

    /// The directory that something goes into; those that it is not in are whole.
    fn parent(&mut self, path: &[u8]) -> io::Result<OwnedFd> {
        let (parent, _) = split(path);
        self.close(|open| open.is_empty() || parent == open || parent.starts_with(&[open, b"/"].concat()))?;
        match self.open.last() {
            Some(last) if last.path == parent => last.fd.try_clone(),
            _ => self.open(parent, OFlags::PATH | OFlags::DIRECTORY, Mode::empty()),
        }
    }

    /// Ends directories, the innermost first, until one is to be kept.
    fn close(&mut self, keep: impl Fn(&[u8]) -> bool) -> io::Result<()> {
        while let Some(last) = self.open.pop() {
            if keep(&last.path) {
                self.open.push(last);
                return Ok(());
            }
            finish(&last.fd, &last.entry)?;
        }
        Ok(())
    }

    /// Everything is there.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.close(|_| false)
    }

    /// Makes what `entry` says, at a path of names below the directory; something that is there already is an
    /// error. A file is empty and only ours until [`finish`]; it is given back to be filled.
    pub(super) fn make(&mut self, path: &[u8], entry: &Entry) -> io::Result<Option<File>> {
        let parent = self.parent(path)?;
        let (_, name) = split(path);
        match &entry.kind {
            Kind::Directory => {
                mkdirat(&parent, name, Mode::RWXU)?;
                let fd = self.open(path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
                self.open.push(Directory { path: path.to_vec(), fd, entry: entry.clone() });
            }
            Kind::File | Kind::Sparse(_) => {
                let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
                let file = openat2(
                    &parent,
                    name,
                    flags | OFlags::CLOEXEC | OFlags::NOFOLLOW,
                    Mode::RUSR | Mode::WUSR,
                    RESOLVE,
                )?;
                return Ok(Some(file.into()));
            }
            Kind::Symlink(target) => {
                symlinkat(&target[..], &parent, name)?;
                utimensat(&parent, name, &times(entry), AtFlags::SYMLINK_NOFOLLOW)?;
            }
            Kind::HardLink(target) => {
                let (directory, first) = split(target);
                let directory = self.open(directory, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
                let stat = statat(&directory, first, AtFlags::SYMLINK_NOFOLLOW)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                linkat(&directory, first, &parent, name, AtFlags::empty())?;
            }
            Kind::Fifo => {
                mknodat(&parent, name, FileType::Fifo, Mode::from_raw_mode(entry.mode & 0o777), 0)?;
                utimensat(&parent, name, &times(entry), AtFlags::SYMLINK_NOFOLLOW)?;
            }
        }
        Ok(None)
    }

    /// A file that was made before, to read or to go on with.
    pub(super) fn file(&self, path: &[u8], write: bool) -> io::Result<File> {
        let flags = if write { OFlags::RDWR } else { OFlags::RDONLY };
        let file = File::from(self.open(path, flags | OFlags::NONBLOCK, Mode::empty())?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(io::ErrorKind::InvalidInput.into()) }
    }
}

/// Opens a directory of ours.
pub(super) fn directory(path: &std::path::Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{MetadataExt as _, symlink},
    };

    use super::*;

    fn place(dir: &std::path::Path) -> Place {
        Place::new(directory(dir).unwrap())
    }

    #[test]
    fn nothing_goes_through_a_link_or_out() {
        let temp = tempfile::tempdir().unwrap();
        let (inside, outside) = (temp.path().join("in"), temp.path().join("out"));
        fs::create_dir_all(inside.join("real")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "x").unwrap();
        symlink(&outside, inside.join("link")).unwrap();
        symlink("real", inside.join("near")).unwrap();
        let mut place = place(&inside);
        let file = Entry::new("", Kind::File, 0o600);
        for path in
            ["link/file", "near/file", "../file", "real/../../out/file", "link", "/etc/transom-test", "real"]
        {
            assert!(place.make(path.as_bytes(), &file).is_err(), "{path}");
        }
        for target in ["link/secret", "../out/secret", "link", "near"] {
            let link = Entry::new("", Kind::HardLink(target.into()), 0o600);
            assert!(place.make(b"hard", &link).is_err(), "{target}");
        }
        assert!(place.file(b"link/secret", false).is_err());
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert!(place.make(b"real/file", &file).unwrap().is_some());
        assert!(place.make(b"real/file", &file).is_err(), "twice");
    }

    #[test]
    fn directories_get_their_mode_and_time_when_they_are_whole() {
        let temp = tempfile::tempdir().unwrap();
        let mut place = place(temp.path());
        let mut dir = Entry::new("", Kind::Directory, 0o4500);
        dir.mtime = (1_000, 5);
        place.make(b"a", &dir).unwrap();
        place.make(b"a/b", &dir).unwrap();
        let mut file = Entry::new("", Kind::File, 0o6755);
        file.mtime = (-7, 0);
        file.attributes = vec![(b"user.mood".to_vec(), b"good".to_vec())];
        let made = place.make(b"a/b/file", &file).unwrap().unwrap();
        finish(&made, &file).unwrap();
        let mut mood = [0; 8];
        match rustix::fs::fgetxattr(&made, "user.mood", &mut mood[..]) {
            Ok(length) => assert_eq!(&mood[..length], b"good"),
            Err(error) => assert_eq!(error, rustix::io::Errno::OPNOTSUPP, "this file system has none"),
        }
        place.make(b"a/c", &Entry::new("", Kind::Symlink(b"/nowhere".into()), 0)).unwrap();
        place.make(b"ab", &dir).unwrap();
        place.end().unwrap();
        for path in ["a", "a/b", "ab"] {
            let meta = fs::metadata(temp.path().join(path)).unwrap();
            assert_eq!((meta.mode() & 0o7777, meta.mtime(), meta.mtime_nsec()), (0o500, 1_000, 5), "{path}");
        }
        let meta = fs::metadata(temp.path().join("a/b/file")).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.mtime()), (0o755, -7));
    }
}
