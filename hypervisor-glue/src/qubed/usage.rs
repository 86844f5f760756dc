//! What qubes use now: memory at once, disks on a thread of its own, since a home can hold millions of files.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::CStr,
    fs::{self, File},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::MetadataExt as _,
    },
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};
use transom_protocol::{
    dom0_services::UpdateList,
    supervisor::{Backend, ErrorBody, ErrorKind, QubeName, QubeUsage, ReplyBody, TemplateInfo},
};

use super::{
    job::Job,
    server::{ClientId, Server},
};
use crate::{
    client::read_updates,
    store::{Volume, VolumeFiles},
};

/// Most files of one home that are counted.
const MOST_FILES: usize = 100_000;
/// Deepest directory that is looked into.
const DEEPEST: usize = 64;
/// Most counts at once.
const MAX_COUNTS: usize = 8;
/// Most templates that are told of.
const MAX_TEMPLATES: usize = 256;

/// What is to be counted of a qube.
#[derive(Debug)]
enum Disk {
    Nothing,
    Volume(VolumeFiles),
    Directory(PathBuf),
}

/// A count that was begun, and who asked.
#[derive(Debug)]
struct Count {
    client: ClientId,
    request: u64,
    job: Job<Vec<QubeUsage>>,
}

/// Counts that were begun, by number.
#[derive(Debug, Default)]
pub(super) struct Counts {
    counts: BTreeMap<u64, Count>,
    next: u64,
}

impl Counts {
    /// What to poll: readable when that one is done.
    pub(super) fn sources(&self) -> impl Iterator<Item = (u64, BorrowedFd<'_>)> {
        self.counts.iter().map(|(number, count)| (*number, count.job.fd()))
    }
}

impl Server {
    /// Begins to count. The answer comes when it is done.
    pub(super) fn usage(
        &mut self,
        client: ClientId,
        request: u64,
        qubes: Vec<QubeName>,
    ) -> Result<(), ErrorBody> {
        if self.counts.counts.len() >= MAX_COUNTS {
            return Err(ErrorBody::new(
                ErrorKind::BadRequest,
                "too many counts at once; wait for the others",
            ));
        }
        let asked: Vec<(QubeUsage, Disk, Option<File>)> =
            qubes.into_iter().filter_map(|qube| self.to_count(qube)).collect();
        let job = Job::begin("usage", move || asked.into_iter().map(counted).collect());
        let job = job.map_err(|e| ErrorBody::new(ErrorKind::Io, format!("cannot count: {e}")))?;
        self.counts.next += 1;
        self.counts.counts.insert(self.counts.next, Count { client, request, job });
        Ok(())
    }

    fn to_count(&self, qube: QubeName) -> Option<(QubeUsage, Disk, Option<File>)> {
        let known = self.qubes.get(qube.as_str())?;
        let memory = known.running.as_ref().and_then(super::running::Running::memory_used);
        let backend = self.info(&qube)?.backend;
        let disk = match (self.lasting(&qube), backend, self.store.volume(&qube)) {
            (Err(_), ..) => Disk::Nothing,
            (Ok(()), Backend::Sandbox, _) => Disk::Directory(self.store.dir(&qube).join("home")),
            (.., Volume::Missing) => Disk::Nothing,
            (.., volume) => Disk::Volume(self.store.volume_files(&qube, volume == Volume::Encrypted)),
        };
        // It matters to nobody else that it cannot be read.
        let updates = self.store.open_updates(&qube).unwrap_or_default();
        let usage = QubeUsage { qube, memory, disk: None, shared: None, more: false, updates: None };
        Some((usage, disk, updates))
    }

    /// A count is done.
    pub(super) fn usage_counted(&mut self, number: u64) {
        let Some(Count { client, request, job }) = self.counts.counts.remove(&number) else { return };
        let answer = match job.end() {
            Some(usage) => Ok(ReplyBody::Usage { usage }),
            None => Err(ErrorBody::new(ErrorKind::Other, "counting broke off by a mistake of transom-qubed")),
        };
        self.reply(client, request, answer);
    }

    /// The templates that there are.
    pub(super) fn templates(&self) -> Result<ReplyBody, ErrorBody> {
        let images = self.backends.images();
        let names = images.names().map_err(|e| ErrorBody::new(ErrorKind::Io, e.to_string()))?;
        let told = |name: String| TemplateInfo { disk: images.disk(&name), name };
        Ok(ReplyBody::Templates { templates: names.into_iter().take(MAX_TEMPLATES).map(told).collect() })
    }
}

fn counted((mut usage, disk, updates): (QubeUsage, Disk, Option<File>)) -> QubeUsage {
    let count = |list: UpdateList| u32::try_from(list.updates().len()).unwrap_or(u32::MAX);
    usage.updates = updates.and_then(|file| read_updates(file).ok()).map(count);
    match disk {
        Disk::Nothing => {}
        Disk::Volume(files) => (usage.disk, usage.shared) = size_of(&files),
        Disk::Directory(path) => {
            let (bytes, whole) = size_below(&path, MOST_FILES);
            (usage.disk, usage.more) = (Some(bytes), !whole);
        }
    }
    usage
}

/// Bytes on the disk that are a volume's own, and those that it shares with others. Who is the last to use a
/// base has it for its own.
fn size_of(files: &VolumeFiles) -> (Option<u64>, Option<u64>) {
    let (mut own, mut shared) = (None, None);
    for path in files.all() {
        let Ok(meta) = fs::symlink_metadata(path) else { continue };
        let others = files.base.as_ref() == Some(path) && meta.nlink() > 1;
        let sum = if others { &mut shared } else { &mut own };
        *sum = Some(sum.unwrap_or(0_u64).saturating_add(meta.blocks().saturating_mul(512)));
    }
    (own, shared)
}

/// Bytes on the disk below a directory, and whether that is all. The qube owns it and may change it meanwhile:
/// no link of it is followed, and nothing but sizes is read.
fn size_below(path: &Path, most: usize) -> (u64, bool) {
    let (mut bytes, mut whole, mut files) = (0_u64, true, 0);
    // Files with several names count once.
    let mut seen = HashSet::new();
    let Ok(top) = open(CWD, path) else { return (0, !path.exists()) };
    let mut open_dirs = vec![top];
    while let Some(dir) = open_dirs.last_mut() {
        let Some(entry) = dir.next() else {
            open_dirs.pop();
            continue;
        };
        let Ok(entry) = entry else {
            whole = false;
            open_dirs.pop();
            continue;
        };
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        files += 1;
        if files > most {
            return (bytes, false);
        }
        let Some(stat) = dir.fd().ok().and_then(|fd| statat(fd, name, AtFlags::SYMLINK_NOFOLLOW).ok()) else {
            whole = false;
            continue;
        };
        if stat.st_nlink == 1 || seen.insert((stat.st_dev, stat.st_ino)) {
            bytes = bytes.saturating_add(u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512));
        }
        if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let inner = if open_dirs.len() < DEEPEST { inside(open_dirs.last(), name) } else { None };
            match inner {
                Some(inner) => open_dirs.push(inner),
                None => whole = false,
            }
        }
    }
    (bytes, whole)
}

fn inside(dir: Option<&Dir>, name: &CStr) -> Option<Dir> {
    open(dir?.fd().ok()?, name).ok()
}

fn open(dir: impl AsFd, name: impl rustix::path::Arg) -> io::Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(Dir::new(openat(dir, name, flags, Mode::empty())?)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_home_is_counted_and_no_link_of_it_is_followed() {
        let temp = tempfile::tempdir().unwrap();
        let home = temp.path().join("home");
        fs::create_dir_all(home.join("a/b")).unwrap();
        let (empty, whole) = size_below(&home, 100);
        assert!(whole);
        fs::write(home.join("a/b/file"), vec![7; 100_000]).unwrap();
        let (with_file, _) = size_below(&home, 100);
        assert!(with_file >= empty + 100_000, "{with_file} {empty}");
        fs::hard_link(home.join("a/b/file"), home.join("a/again")).unwrap();
        symlink("/usr", home.join("usr")).unwrap();
        symlink("a", home.join("loop")).unwrap();
        let (linked, whole) = size_below(&home, 100);
        assert!(whole && linked < with_file + 100_000, "{linked}");
        assert_eq!(size_below(&home, 2), (size_below(&home, 2).0, false), "no more than was said");
        // The home itself is no link either; one that is not there yet is empty.
        symlink("/usr", temp.path().join("link")).unwrap();
        assert_eq!(size_below(&temp.path().join("link"), 100).0, 0);
        assert_eq!(size_below(&temp.path().join("nothing"), 100), (0, true));
    }

    #[test]
    fn what_a_volume_shares_is_told_apart_until_nobody_else_has_it() {
        let temp = tempfile::tempdir().unwrap();
        let path = |name: &str| temp.path().join(name);
        fs::write(path("private.img"), vec![7; 1 << 20]).unwrap();
        let files = || VolumeFiles::of(temp.path(), "private.img");
        let (own, shared) = size_of(&files());
        assert!(own.unwrap() >= 1 << 20 && shared.is_none());
        fs::rename(path("private.img"), path("private.img.base")).unwrap();
        fs::write(path("private.img.overlay"), vec![7; 100_000]).unwrap();
        fs::hard_link(path("private.img.base"), path("of a clone")).unwrap();
        let (own, shared) = size_of(&files());
        assert!((100_000..1 << 20).contains(&own.unwrap()) && shared.unwrap() >= 1 << 20);
        fs::remove_file(path("of a clone")).unwrap();
        let (own, shared) = size_of(&files());
        assert!(own.unwrap() >= (1 << 20) + 100_000 && shared.is_none());
        assert_eq!(size_of(&VolumeFiles::of(temp.path(), "private.luks")), (None, None));
    }

    #[test]
    fn a_very_deep_home_ends() {
        let temp = tempfile::tempdir().unwrap();
        let mut path = temp.path().to_owned();
        for _ in 0..DEEPEST + 5 {
            path.push("d");
        }
        fs::create_dir_all(&path).unwrap();
        assert!(!size_below(temp.path(), 1_000).1);
    }
}
