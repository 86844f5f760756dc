//! Where a backup goes: a file that is there whole or not at all, or a pipe.

use std::{
    fs::File,
    io::{self, IsTerminal as _, Write},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags, flock, openat, renameat_with},
    io::Errno,
};

use super::error::BackupError;

/// What is added to the name of a file that is not whole.
const PART: &str = ".part";

/// A backup that is being written.
#[derive(Debug)]
pub enum Output {
    /// Standard output.
    Pipe(io::Stdout),
    /// A file, which gets its name when it is whole.
    File(Part),
}

/// A file under another name until it is whole; deleted unless it is.
#[derive(Debug)]
pub struct Part {
    file: File,
    under: PathBuf,
    path: PathBuf,
    whole: bool,
}

impl Output {
    /// Standard output, which must be none that a person reads.
    pub fn pipe() -> Result<Self, BackupError> {
        let stdout = io::stdout();
        if stdout.is_terminal() { Err(BackupError::Terminal) } else { Ok(Self::Pipe(stdout)) }
    }

    /// A new file. What an earlier attempt left under its other name is written over.
    pub fn file(path: &Path) -> Result<Self, BackupError> {
        if path.symlink_metadata().is_ok() {
            return Err(BackupError::FileExists(path.to_owned()));
        }
        let mut part = path.as_os_str().to_owned();
        part.push(PART);
        let part = PathBuf::from(part);
        let io = || BackupError::io::<io::Error>("write", part.display());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file =
            File::from(openat(CWD, &part, flags, Mode::RUSR | Mode::WUSR).map_err(|e| io()(e.into()))?);
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Err(BackupError::InUse(path.to_owned())),
            // Some file systems have no locks.
            _ => file.set_len(0).map_err(io())?,
        }
        Ok(Self::File(Part { file, under: part, path: path.to_owned(), whole: false }))
    }

    /// Everything was written: brings it to the disk, and gives it its name.
    pub fn finish(self) -> Result<(), BackupError> {
        match self {
            Self::Pipe(mut stdout) => stdout.flush().map_err(BackupError::io("write", "the backup")),
            Self::File(part) => part.finish(),
        }
    }
}

impl Part {
    fn finish(mut self) -> Result<(), BackupError> {
        let io = || BackupError::io::<io::Error>("write", self.path.display());
        self.file.sync_all().map_err(io())?;
        match renameat_with(CWD, &self.under, CWD, &self.path, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(BackupError::FileExists(self.path.clone())),
            // A file system that cannot promise it.
            Err(Errno::INVAL) if self.path.symlink_metadata().is_err() => {
                std::fs::rename(&self.under, &self.path).map_err(io())?;
            }
            Err(error) => return Err(io()(error.into())),
        }
        let dir = match self.path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(io())?;
        self.whole = true;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.whole {
            let _ = std::fs::remove_file(&self.under);
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(stdout) => stdout.write(bytes),
            Self::File(part) => part.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Pipe(stdout) => stdout.flush(),
            Self::File(part) => part.file.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn it_is_whole_or_not_there() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("file.age");
        let mut output = Output::file(&path).unwrap();
        output.write_all(b"half").unwrap();
        assert!(matches!(Output::file(&path), Err(BackupError::InUse(_))));
        drop(output);
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
        // One that was killed.
        fs::write(temp.path().join("file.age.part"), "older and longer").unwrap();
        let mut output = Output::file(&path).unwrap();
        output.write_all(b"new").unwrap();
        output.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
        assert!(matches!(Output::file(&path), Err(BackupError::FileExists(_))));
        // One that came meanwhile stays.
        let late = temp.path().join("late");
        let output = Output::file(&late).unwrap();
        fs::write(&late, "theirs").unwrap();
        assert!(matches!(output.finish(), Err(BackupError::FileExists(_))));
        assert_eq!(fs::read(&late).unwrap(), b"theirs");
    }
}
