//! What is in a directory that a qube fills: everything below it, in order. Nothing leads out of it: no link
//! is followed, no other file system entered. What cannot be saved is told.

use std::{
    collections::HashMap,
    fs::File,
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat, openat2, readlinkat, statat},
    io::Errno,
};

use super::{
    container::{Attribute, Kind, MAX_PATH, USER_ATTRIBUTE},
    sparse::{Piece, pieces},
};

/// Most of a file's extended attributes, in bytes.
const MAX_ATTRIBUTES: usize = 64 * 1024;
/// How much shorter paths here are than what a path may have: the qube's name and the part's come before.
const MAX_BELOW: usize = MAX_PATH - 64;

/// Something in the directory.
#[derive(Debug)]
pub(super) struct Found {
    /// Where, below the directory; empty for itself.
    pub(super) path: Vec<u8>,
    /// What; of a file it says [`Kind::File`] whether or not it has holes, of a hard link the target as a
    /// path below the directory.
    pub(super) kind: Kind,
    pub(super) stat: Stat,
    /// A file that can be read, and what of it is no hole.
    pub(super) file: Option<(File, Vec<Piece>)>,
    pub(super) attributes: Vec<Attribute>,
}

/// What is told on the way.
#[derive(Debug)]
pub(super) enum Step {
    Found(Box<Found>),
    /// This is left out, and why.
    Skipped(Vec<u8>, String),
}

/// Goes through everything, directories before what is in them, names in the order of their bytes.
pub(super) fn walk<E>(root: &OwnedFd, visit: &mut dyn FnMut(Step) -> Result<(), E>) -> Result<(), E> {
    // Files with several names, and the first of them.
    let mut linked = HashMap::new();
    // Of each directory on the way what is still to come, the last first.
    let mut ahead: Vec<Vec<u8>> = vec![Vec::new()];
    while let Some(path) = ahead.pop() {
        let step = match look(root, &path, &mut linked) {
            Ok(found) => found,
            Err(why) => Step::Skipped(path.clone(), why),
        };
        let directory = matches!(&step, Step::Found(found) if found.kind == Kind::Directory);
        visit(step)?;
        if directory {
            match names(root, &path) {
                Ok(names) => ahead.extend(names.into_iter().rev().map(|name| join(&path, &name))),
                Err(error) => visit(Step::Skipped(path, format!("what is in it: {error}")))?,
            }
        }
    }
    Ok(())
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() }
}

/// Opens something below a directory, and nothing else, whatever links are there.
fn open(root: &OwnedFd, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH
        | ResolveFlags::NO_SYMLINKS
        | ResolveFlags::NO_MAGICLINKS
        | ResolveFlags::NO_XDEV;
    openat2(root, path, flags, Mode::empty(), resolve)
}

fn names(root: &OwnedFd, path: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in Dir::new(open(root, path, OFlags::RDONLY | OFlags::DIRECTORY)?)? {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn look(root: &OwnedFd, path: &[u8], linked: &mut HashMap<(u64, u64), Vec<u8>>) -> Result<Step, String> {
    if path.len() > MAX_BELOW {
        return Err("its path is too long".to_owned());
    }
    let said = |error: Errno| io::Error::from(error).to_string();
    // Held, so that all that is asked of it is asked of the same.
    let handle = open(root, path, OFlags::PATH).map_err(|error| match error {
        Errno::XDEV => "another file system".to_owned(),
        error => said(error),
    })?;
    let stat = statat(&handle, "", AtFlags::EMPTY_PATH).map_err(said)?;
    let mut found = Found { path: path.to_vec(), kind: Kind::File, stat, file: None, attributes: Vec::new() };
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::Directory && stat.st_nlink > 1 {
        // Other names that lie elsewhere are of no concern: this one then is a file of its own.
        if let Some(first) = linked.get(&(stat.st_dev, stat.st_ino)) {
            found.kind = Kind::HardLink(first.clone());
            return Ok(Step::Found(Box::new(found)));
        }
    }
    match kind {
        FileType::RegularFile | FileType::Directory => {
            let directory = kind == FileType::Directory;
            let flags = if directory { OFlags::DIRECTORY } else { OFlags::NONBLOCK | OFlags::NOCTTY };
            let file = open(root, path, OFlags::RDONLY | flags).map_err(said)?;
            let now = rustix::fs::fstat(&file).map_err(said)?;
            if (now.st_dev, now.st_ino) != (stat.st_dev, stat.st_ino) {
                return Err("it was put in place of another at this moment".to_owned());
            }
            found.attributes = attributes(&file)?;
            if directory {
                found.kind = Kind::Directory;
            } else {
                let size = u64::try_from(stat.st_size).map_err(|_| "its size".to_owned())?;
                let pieces = pieces(&file, size).map_err(|error| match error.kind() {
                    io::ErrorKind::FileTooLarge => "it has too many holes".to_owned(),
                    _ => error.to_string(),
                })?;
                found.file = Some((file.into(), pieces));
                if stat.st_nlink > 1 {
                    linked.insert((stat.st_dev, stat.st_ino), path.to_vec());
                }
            }
        }
        FileType::Symlink => {
            let target = readlinkat(&handle, "", Vec::new()).map_err(said)?;
            found.kind = Kind::Symlink(target.into_bytes());
        }
        FileType::Fifo => found.kind = Kind::Fifo,
        FileType::Socket => return Err("a socket is of no use without its program".to_owned()),
        _ => return Err("a device".to_owned()),
    }
    Ok(Step::Found(Box::new(found)))
}

/// The extended attributes of programs.
fn attributes(file: &OwnedFd) -> Result<Vec<Attribute>, String> {
    let said = |error: Errno| format!("its extended attributes: {}", io::Error::from(error));
    let mut names = vec![0; MAX_ATTRIBUTES];
    let length = match rustix::fs::flistxattr(file.as_fd(), &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(said(error)),
    };
    let mut found = Vec::new();
    let names = names[..length].split(|byte| *byte == 0);
    // One with a sign that a record ends its key with cannot be told.
    for name in names.filter(|name| name.starts_with(USER_ATTRIBUTE) && !name.contains(&b'=')) {
        let mut value = vec![0; MAX_ATTRIBUTES];
        let length = rustix::fs::fgetxattr(file.as_fd(), name, &mut value[..]).map_err(said)?;
        value.truncate(length);
        found.push((name.to_vec(), value));
    }
    let total: usize = found.iter().map(|(name, value)| name.len() + value.len()).sum();
    if total > MAX_ATTRIBUTES {
        return Err("its extended attributes are too many".to_owned());
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::{
            ffi::OsStrExt as _,
            fs::{PermissionsExt as _, symlink},
            net::UnixListener,
        },
        path::Path,
    };

    use super::*;

    fn walked(path: &Path) -> (Vec<Found>, Vec<(Vec<u8>, String)>) {
        let root = OwnedFd::from(File::open(path).unwrap());
        let (mut found, mut skipped) = (Vec::new(), Vec::new());
        let mut visit = |step| -> Result<(), ()> {
            match step {
                Step::Found(one) => found.push(*one),
                Step::Skipped(path, why) => skipped.push((path, why)),
            }
            Ok(())
        };
        walk(&root, &mut visit).unwrap();
        (found, skipped)
    }

    #[test]
    fn everything_is_found_in_order_and_nothing_outside() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("home");
        fs::create_dir_all(dir.join("b/c")).unwrap();
        fs::write(dir.join("b/c/file"), "x").unwrap();
        fs::hard_link(dir.join("b/c/file"), dir.join("z")).unwrap();
        fs::write(temp.path().join("outside"), "x").unwrap();
        // The other name of this one lies outside: it is a file here.
        fs::hard_link(temp.path().join("outside"), dir.join("shared")).unwrap();
        symlink("/etc", dir.join("b/etc")).unwrap();
        symlink(temp.path(), dir.join("up")).unwrap();
        fs::write(dir.join(std::ffi::OsStr::from_bytes(b"\xff\n")), "x").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, dir.join("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _socket = UnixListener::bind(dir.join("socket")).unwrap();
        let (found, skipped) = walked(&dir);
        let paths: Vec<_> = found.iter().map(|one| one.path.as_slice()).collect();
        assert_eq!(
            paths,
            [&b""[..], b"b", b"b/c", b"b/c/file", b"b/etc", b"pipe", b"shared", b"up", b"z", b"\xff\n"]
        );
        assert_eq!(found[4].kind, Kind::Symlink(b"/etc".to_vec()));
        assert_eq!(found[8].kind, Kind::HardLink(b"b/c/file".to_vec()));
        assert_eq!((&found[6].kind, found[6].file.is_some()), (&Kind::File, true));
        assert_eq!(skipped.len(), 1);
        assert!(skipped[0].0 == b"socket" && skipped[0].1.contains("socket"));
    }

    #[test]
    fn depths_have_an_end() {
        let temp = tempfile::tempdir().unwrap();
        let mut dir = OwnedFd::from(File::open(temp.path()).unwrap());
        for _ in 0..40 {
            let name = "n".repeat(200);
            rustix::fs::mkdirat(&dir, &name, Mode::RWXU).unwrap();
            dir = rustix::fs::openat(&dir, &name, OFlags::RDONLY, Mode::empty()).unwrap();
        }
        let (found, skipped) = walked(temp.path());
        assert_eq!(skipped.len(), 1);
        assert!(skipped[0].1.contains("too long") && found.len() > 15, "{skipped:?}");
    }

    #[test]
    fn attributes_of_programs_are_kept() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("file"), "x").unwrap();
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(temp.path().join("file"), "user.mood", b"g\0od", flags).is_err() {
            return;
        }
        fs::set_permissions(temp.path().join("file"), fs::Permissions::from_mode(0o4755)).unwrap();
        let (found, _) = walked(temp.path());
        assert_eq!(found[1].attributes, [(b"user.mood".to_vec(), b"g\0od".to_vec())]);
    }
}
