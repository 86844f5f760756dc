//! The receiving end: everything that comes is hostile.
//!
//! Files are made in a hidden folder of their own and only put into place when all of it is there. No
//! path is ever followed that the sender had a say in: each name is made, not opened, below a folder
//! that this process holds open, and nothing but files and folders is made.

use std::{
    fs::File,
    io::{self, Read, Write as _},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{
        AtFlags, CWD, FlockOperation, Mode, OFlags, RawDir, RenameFlags, flock, fstatvfs, mkdirat, openat,
        renameat_with, syncfs, unlinkat,
    },
    io::Errno,
};

use super::{
    Answer,
    format::{Entry, FormatError, Head, MAX_DEPTH, MAX_ENTRIES},
};

/// How hidden folders begin.
const STAGING: &str = ".transom-incoming-";
/// Most tries for a name that is free.
const MAX_TRIES: u32 = 10_000;
/// Room on the file system for each entry besides its bytes.
const ENTRY_BYTES: u64 = 4_096;

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Names in the folder, as they are there now.
    pub names: Vec<String>,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Why nothing was received. The text is for this qube's log.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("{0}")]
    Rule(&'static str),
    #[error("there is not enough room: {bytes} bytes in {entries} entries are to come, {free} are free")]
    NoRoom { bytes: u64, entries: u64, free: u64 },
    #[error("it cannot be written: {0}")]
    Io(#[from] Errno),
}

impl Problem {
    fn answer(&self) -> Answer {
        match self {
            Self::Format(_) | Self::Rule(_) => Answer::Malformed,
            Self::NoRoom { .. } | Self::Io(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => Answer::NoRoom,
            Self::Io(_) => Answer::Failed,
        }
    }
}

/// Receives all that `input` holds into `incoming/source`, which is made if it is missing. With `one`,
/// only one file may come.
///
/// # Errors
/// Nothing was received, and nothing of it is left. What to answer, and why.
pub fn receive(
    input: &mut impl Read,
    incoming: &Path,
    source: &str,
    one: bool,
) -> Result<Received, (Answer, String)> {
    let mut run = || -> Result<Received, Problem> {
        let base = open_dir(CWD, incoming)?;
        let base = open_dir(base.as_fd(), Path::new(source))?;
        let head = Head::read(input)?;
        check_head(head, base.as_fd(), one)?;
        let staging = Staging::new(base.as_fd())?;
        let names = fill(input, staging.dir.as_fd(), head, one)?;
        syncfs(&staging.dir)?;
        let names = names.iter().map(|name| put(staging.dir.as_fd(), base.as_fd(), name));
        let names = names.collect::<Result<_, _>>()?;
        Ok(Received { names, bytes: head.bytes })
    };
    run().map_err(|problem| (problem.answer(), problem.to_string()))
}

/// A folder that is no link, made if it is missing, only for us.
fn open_dir(at: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    match mkdirat(at, path, Mode::RWXU) {
        Err(Errno::EXIST) | Ok(()) => {}
        Err(error) => return Err(error),
    }
    enter(at, path)
}

fn enter(at: BorrowedFd<'_>, path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
    openat(at, path, flags, Mode::empty())
}

/// At most half of what is free may come at once.
fn check_head(head: Head, base: BorrowedFd<'_>, one: bool) -> Result<(), Problem> {
    if head.entries > MAX_ENTRIES || head.entries == 0 {
        return Err(Problem::Rule("no entries, or too many"));
    }
    if one && head.entries != 1 {
        return Err(Problem::Rule("more than one file"));
    }
    let found = fstatvfs(base)?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let needed = head.bytes.saturating_add(head.entries.saturating_mul(ENTRY_BYTES));
    if needed > free / 2 {
        return Err(Problem::NoRoom { bytes: head.bytes, entries: head.entries, free });
    }
    Ok(())
}

/// Makes all entries below `root`; gives the names that lie in it.
fn fill(input: &mut impl Read, root: BorrowedFd<'_>, head: Head, one: bool) -> Result<Vec<String>, Problem> {
    let mut folders: Vec<OwnedFd> = Vec::new();
    let mut names = Vec::new();
    let (mut entries, mut bytes) = (0_u64, 0_u64);
    loop {
        let entry = Entry::read(input)?;
        let at = folders.last().map_or(root, AsFd::as_fd);
        if let Entry::File { name, .. } | Entry::FolderBegins { name } = &entry {
            entries += 1;
            if entries > head.entries {
                return Err(Problem::Rule("more entries than were announced"));
            }
            if folders.is_empty() {
                names.push(name.clone());
            }
        }
        match entry {
            Entry::File { name, executable, size } => {
                bytes = bytes.checked_add(size).filter(|sum| *sum <= head.bytes).ok_or(
                    // Before anything of it is written.
                    Problem::Rule("more bytes than were announced"),
                )?;
                write_file(input, at, &name, executable, size)?;
            }
            Entry::FolderBegins { .. } if one => return Err(Problem::Rule("a folder instead of a file")),
            Entry::FolderBegins { .. } if folders.len() >= MAX_DEPTH => {
                return Err(Problem::Rule("folders are nested too deeply"));
            }
            Entry::FolderBegins { name } => {
                mkdirat(at, name.as_str(), Mode::RWXU)?;
                let folder = enter(at, name.as_str())?;
                folders.push(folder);
            }
            Entry::FolderEnds => {
                if folders.pop().is_none() {
                    return Err(Problem::Rule("a folder ends that did not begin"));
                }
            }
            Entry::End => break,
        }
    }
    if !folders.is_empty() || entries != head.entries || bytes != head.bytes {
        return Err(Problem::Rule("less than was announced"));
    }
    if input.read(&mut [0]).map_err(FormatError::from)? != 0 {
        return Err(Problem::Rule("something behind the end"));
    }
    Ok(names)
}

fn write_file(
    input: &mut impl Read,
    at: BorrowedFd<'_>,
    name: &str,
    executable: bool,
    size: u64,
) -> Result<(), Problem> {
    let mode = if executable { Mode::RWXU } else { Mode::RUSR | Mode::WUSR };
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = File::from(openat(at, name, flags, mode)?);
    let mut chunk = vec![0; 256 << 10];
    let mut left = size;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.len());
        let read = match input.read(&mut chunk[..most]) {
            Ok(0) => return Err(FormatError::Short.into()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other.map_err(FormatError::from)?,
        };
        let written = file.write_all(&chunk[..read]);
        written.map_err(|error| Problem::Io(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        left -= read as u64;
    }
    Ok(())
}

/// Puts one finished entry into place, under a name that is free. Gives the name.
fn put(staging: BorrowedFd<'_>, base: BorrowedFd<'_>, name: &str) -> Result<String, Problem> {
    for number in 1..MAX_TRIES {
        let free = if number == 1 { name.to_owned() } else { numbered(name, number) };
        match renameat_with(staging, name, base, free.as_str(), RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(free),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Problem::Rule("too many of this name are there"))
}

/// `report.pdf` becomes `report (2).pdf`.
fn numbered(name: &str, number: u32) -> String {
    let (stem, end) = match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= 12 => name.split_at(at),
        _ => (name, ""),
    };
    let mark = format!(" ({number})");
    let most = 255 - mark.len() - end.len();
    format!("{}{mark}{end}", &stem[..stem.floor_char_boundary(most)])
}

/// The hidden folder of one transfer. It goes away with everything in it.
struct Staging<'a> {
    base: BorrowedFd<'a>,
    name: String,
    dir: OwnedFd,
}

impl<'a> Staging<'a> {
    fn new(base: BorrowedFd<'a>) -> Result<Self, Errno> {
        clear_old(base);
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let name = format!("{STAGING}{:016x}", u64::from_le_bytes(random));
        mkdirat(base, name.as_str(), Mode::RWXU)?;
        let dir = enter(base, name.as_str())?;
        // As long as it is held the transfer goes on.
        flock(&dir, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { base, name, dir })
    }
}

impl Drop for Staging<'_> {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(self.base, &self.name, MAX_DEPTH + 1) {
            tracing::warn!(%error, "what was received in part cannot be removed");
        }
    }
}

/// Removes what receivers that were killed have left.
fn clear_old(base: BorrowedFd<'_>) {
    for name in names_in(base).unwrap_or_default() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(STAGING)) else { continue };
        let Ok(dir) = enter(base, name) else { continue };
        if flock(&dir, FlockOperation::NonBlockingLockExclusive).is_ok() {
            let _ = remove_tree(base, name, MAX_DEPTH + 1);
        }
    }
}

fn names_in(dir: BorrowedFd<'_>) -> Result<Vec<std::ffi::OsString>, Errno> {
    // A descriptor of its own: the place in the folder is of the open file.
    let own = enter(dir, ".")?;
    let mut buffer = Vec::with_capacity(32 << 10);
    let mut entries = RawDir::new(&own, buffer.spare_capacity_mut());
    let mut names = Vec::new();
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(std::os::unix::ffi::OsStringExt::from_vec(name.to_vec()));
        }
    }
    Ok(names)
}

/// Removes a folder and all in it; links are removed, not followed.
fn remove_tree(at: BorrowedFd<'_>, name: impl rustix::path::Arg + Copy, depth: usize) -> Result<(), Errno> {
    let dir = enter(at, name)?;
    for entry in names_in(dir.as_fd())? {
        match unlinkat(&dir, entry.as_os_str(), AtFlags::empty()) {
            Err(Errno::ISDIR) if depth > 0 => remove_tree(dir.as_fd(), entry.as_os_str(), depth - 1)?,
            other => other?,
        }
    }
    unlinkat(at, name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
#[path = "receive_tests.rs"]
mod tests;
