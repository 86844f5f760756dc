//! Qubes on disk.
//!
//! `DATA/qubes/NAME/qube.kdl` describes a qube, `DATA/qubes/NAME/home/` is its home, which lasts
//! (of a virtual machine: `private.luks`, or `private.img` where that is not encrypted), and `DATA/qubes/NAME/log/` is what its console said. A person may edit `qube.kdl`; a mistake in
//! one makes that qube unusable and no other.

mod atomic;
mod copy;
mod network;
mod parts;
mod pci;
mod qube_file;
mod settings;
mod share;
mod staging;
mod told;
mod volume;

use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use transom_protocol::{
    network::{Firewall, Vpn},
    supervisor::{BackendChoice, LabelName, Program, QubeName},
};

use crate::encryption;

use self::volume::Leftovers;
pub(crate) use self::{
    atomic::sync_dir,
    network::with_network,
    parts::part,
    qube_file::{first_error, is_template, parse_bytes},
    settings::with_settings,
    staging::{JOURNAL, all as stagings},
    told::opened as opened_programs,
    volume::{exists, volume_in},
};
pub use self::{
    atomic::write as replace,
    copy::Copying,
    network::{Namespace, Uplink, firewall_of},
    parts::{PARTS, Part, PartKind},
    pci::PciAddress,
    qube_file::{FileError, parse, write},
    staging::STAGED,
    told::PROGRAMS,
    volume::{Volume, VolumeFiles},
};

/// The file that describes a qube.
pub const QUBE_FILE: &str = "qube.kdl";
/// The private volume of a virtual machine, encrypted or not.
pub(crate) const ENCRYPTED_VOLUME: &str = "private.luks";
pub(crate) const PLAIN_VOLUME: &str = "private.img";
/// Largest such file, in bytes.
pub const MAX_QUBE_FILE: u64 = 64 * 1024;
/// Prefix of qubes that are being made or deleted. No name of a qube begins with a dot.
const HIDDEN: &str = ".";

/// What a qube is, as its file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QubeConfig {
    /// Its trust label.
    pub label: LabelName,
    /// The template it is made from.
    pub template: Option<String>,
    /// The back end.
    pub backend: BackendChoice,
    /// Programs that start with the qube: program and arguments each.
    pub autostart: Vec<Vec<String>>,
    /// It starts with the desktop.
    pub start_with_desktop: bool,
    /// The qube that its network goes through; without one it has no network card.
    pub network: Option<QubeName>,
    /// A way to the outside that is no other qube.
    pub uplink: Option<Uplink>,
    /// What it may reach; see [`firewall_of`].
    pub firewall: Option<Firewall>,
    /// The tunnel that all it sends goes through, and all of those whose network goes through it.
    pub vpn: Option<Vpn>,
    /// How much it may use.
    pub limits: Limits,
    /// What its virtual machine has; of no use in a sandbox.
    pub machine: MachineConfig,
    /// What its programs find in their environment, besides the usual.
    pub environment: Vec<(String, String)>,
    /// Disposable qubes that are made like it.
    pub disposables: Disposables,
}

impl QubeConfig {
    /// A qube with this label and nothing else said.
    pub fn new(label: LabelName) -> Self {
        Self {
            label,
            template: None,
            backend: BackendChoice::Auto,
            autostart: Vec::new(),
            start_with_desktop: false,
            network: None,
            uplink: None,
            firewall: None,
            vpn: None,
            limits: Limits::default(),
            machine: MachineConfig::default(),
            environment: Vec::new(),
            disposables: Disposables::default(),
        }
    }

    /// True if it never has a machine of its own, whatever this computer can run.
    pub fn is_sandbox(&self) -> bool {
        match self.backend {
            BackendChoice::Sandbox => true,
            BackendChoice::Auto => self.template.is_none(),
            _ => false,
        }
    }
}

/// Most disposables of one qube that wait: each holds the memory of a qube that has just started.
pub const MAX_READY: u8 = 8;

/// Disposable qubes that are made like this one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disposables {
    /// So many wait, started and paused, for any program: with those of `open` at most [`MAX_READY`].
    pub ready: u8,
    /// Started in each of them before it waits, and ended again, so that what this program needs is in
    /// memory; empty: none.
    pub warm: Vec<String>,
    /// For each of these one more waits, in which that program has its window open, where nobody sees it.
    pub open: Vec<Program>,
}

/// How much a qube may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most memory, in bytes.
    pub memory: Option<u64>,
    /// Most processes and threads.
    pub tasks: u32,
    /// Most processor time, in percent of one processor.
    pub cpu_percent: Option<u32>,
    /// Programs may make sandboxes of their own (some browsers want to). It opens more of the
    /// kernel to them.
    pub nested_sandboxes: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory: None, tasks: 4_096, cpu_percent: None, nested_sandboxes: false }
    }
}

/// What a virtual machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineConfig {
    /// Its memory, in bytes: whole MiB, from 128 MiB to 64 GiB. Taken from dom0 as it is used.
    pub memory: u64,
    /// Its processors, 1 to 32.
    pub vcpus: u8,
    /// Size of its private volume, in bytes: what it may store. Taken from the disk as it is used.
    pub volume: u64,
    /// Its private volume is made encrypted. One that is there stays what it is.
    pub encryption: bool,
    /// How QEMU runs its processors; `None`: by KVM where the processor can.
    pub accelerator: Option<Accelerator>,
    /// Devices of the computer that it has by VFIO, such as a USB controller. QEMU only.
    pub devices: Vec<PciAddress>,
}

impl Default for MachineConfig {
    fn default() -> Self {
        Self {
            memory: 1 << 30,
            vcpus: 2,
            volume: 8 << 30,
            encryption: true,
            accelerator: None,
            devices: Vec::new(),
        }
    }
}

/// How QEMU runs processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// In software. It works everywhere and is slow.
    Tcg,
    /// With the kernel's KVM.
    Kvm,
}

/// Why the store cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such qube.
    #[error("there is no qube {0}")]
    NoSuchQube(QubeName),
    /// There is one already.
    #[error("there is a qube {0} already")]
    Exists(QubeName),
    /// Its file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The template's name is none.
    #[error("{0:?} is not the name of a template: use a-z, A-Z, 0-9, '.', '_' and '-'")]
    Template(String),
    /// A mistake of ours.
    #[error("it broke off by a mistake of transom-qubed")]
    Panicked,
    /// Reading or writing failed.
    #[error("cannot {doing} {path}: {}", reason(.source))]
    Io {
        /// At which step.
        doing: &'static str,
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What the system said, and what to do about the common cases.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full; free some space".to_owned(),
        io::ErrorKind::QuotaExceeded => "your disk quota is used up; free some space".to_owned(),
        io::ErrorKind::FileTooLarge => "files may not grow that large here (ulimit -f)".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        io::ErrorKind::PermissionDenied => "no permission; check who owns it".to_owned(),
        _ => error.to_string(),
    }
}

impl StoreError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

/// The qubes below one data directory.
#[derive(Debug)]
pub struct Store {
    qubes: PathBuf,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.qubes.display())
    }
}

/// Makes a directory for us alone, with those above it.
fn make_dir(path: &Path) -> Result<(), StoreError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(StoreError::io("make the directory", path))
}

/// Makes what belongs to a new qube.
fn fill(dir: &Path, config: &QubeConfig) -> Result<(), StoreError> {
    make_dir(&dir.join("home"))?;
    let path = dir.join(QUBE_FILE);
    atomic::write(&path, write(config).as_bytes()).map_err(StoreError::io("write", &path))
}

impl Store {
    /// Opens the store, and makes it where it is missing.
    pub fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let qubes = data_dir.join("qubes");
        make_dir(&qubes)?;
        Ok(Self { qubes })
    }

    /// The directory of one qube.
    pub fn dir(&self, name: &QubeName) -> PathBuf {
        self.qubes.join(name.as_str())
    }

    /// The home of one qube, made where it is missing.
    pub fn home(&self, name: &QubeName) -> Result<PathBuf, StoreError> {
        self.made(name, "home")
    }

    /// The directory of one qube's logs, made where it is missing.
    pub fn log_dir(&self, name: &QubeName) -> Result<PathBuf, StoreError> {
        self.made(name, "log")
    }

    fn made(&self, name: &QubeName, what: &str) -> Result<PathBuf, StoreError> {
        let path = self.dir(name).join(what);
        make_dir(&path)?;
        Ok(path)
    }

    /// The names of all qubes, in order. Directories with other names are none.
    pub fn names(&self) -> Result<Vec<QubeName>, StoreError> {
        let io = StoreError::io("read", &self.qubes);
        let mut names = match fs::read_dir(&self.qubes) {
            Ok(entries) => entries
                .filter_map(Result::ok)
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .filter_map(|entry| QubeName::new(entry.file_name().to_str()?).ok())
                .collect::<Vec<_>>(),
            Err(error) => return Err(io(error)),
        };
        names.sort();
        Ok(names)
    }

    /// True if there is such a qube, usable or not.
    pub fn contains(&self, name: &QubeName) -> bool {
        self.dir(name).is_dir()
    }

    /// Reads a qube's file.
    pub fn load(&self, name: &QubeName) -> Result<QubeConfig, StoreError> {
        if !self.contains(name) {
            return Err(StoreError::NoSuchQube(name.clone()));
        }
        let path = self.dir(name).join(QUBE_FILE);
        let meta = fs::metadata(&path).map_err(StoreError::io("read", &path))?;
        if meta.len() > MAX_QUBE_FILE || !meta.is_file() {
            let too_long = io::Error::other(format!("not a file of at most {MAX_QUBE_FILE} bytes"));
            return Err(StoreError::io("read", &path)(too_long));
        }
        let text = fs::read_to_string(&path).map_err(StoreError::io("read", &path))?;
        Ok(parse(&path, &text)?)
    }

    /// Makes a new qube, wholly or not at all.
    pub fn create(&self, name: &QubeName, config: &QubeConfig) -> Result<(), StoreError> {
        if self.contains(name) {
            return Err(StoreError::Exists(name.clone()));
        }
        if let Some(template) = config.template.as_ref().filter(|name| !qube_file::is_template(name)) {
            return Err(StoreError::Template(template.chars().take(40).collect()));
        }
        let new = self.qubes.join(format!("{HIDDEN}new-{name}"));
        // What a broken attempt may have left.
        remove_tree(&new)?;
        let made = fill(&new, config).and_then(|()| {
            let dir = self.dir(name);
            renameat_with(CWD, &new, CWD, &dir, RenameFlags::NOREPLACE).map_err(|errno| match errno {
                rustix::io::Errno::EXIST => StoreError::Exists(name.clone()),
                other => StoreError::io("make", &dir)(other.into()),
            })
        });
        if made.is_err() {
            let _ = remove_tree(&new);
        }
        made?;
        atomic::sync_dir(&self.qubes).map_err(StoreError::io("write", &self.qubes))
    }

    /// Gives a qube another name.
    ///
    /// The caller makes sure that it does not run.
    pub fn rename(&self, from: &QubeName, to: &QubeName) -> Result<(), StoreError> {
        let (old, new) = (self.dir(from), self.dir(to));
        renameat_with(CWD, &old, CWD, &new, RenameFlags::NOREPLACE).map_err(|errno| match errno {
            rustix::io::Errno::EXIST => StoreError::Exists(to.clone()),
            rustix::io::Errno::NOENT => StoreError::NoSuchQube(from.clone()),
            other => StoreError::io("rename", &old)(other.into()),
        })?;
        atomic::sync_dir(&self.qubes).map_err(StoreError::io("write", &self.qubes))
    }

    /// Takes a qube away. Its files are deleted by [`Trash::empty`], which can take long.
    ///
    /// The caller makes sure that it does not run.
    pub fn remove(&self, name: &QubeName) -> Result<Trash, StoreError> {
        let dir = self.dir(name);
        if !self.contains(name) {
            return Err(StoreError::NoSuchQube(name.clone()));
        }
        for n in 0..1_000 {
            let gone = self.qubes.join(format!("{HIDDEN}removed-{name}-{n}"));
            match renameat_with(CWD, &dir, CWD, &gone, RenameFlags::NOREPLACE) {
                Ok(()) => {
                    atomic::sync_dir(&self.qubes).map_err(StoreError::io("write", &self.qubes))?;
                    return Ok(Trash::of(vec![gone], Leftovers::default()));
                }
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(StoreError::io("remove", &dir)(error.into())),
            }
        }
        Err(StoreError::io("remove", &dir)(io::Error::other("too many removed qubes are not deleted yet")))
    }

    /// What earlier removals and broken attempts left.
    pub fn leftovers(&self) -> Trash {
        let paths = fs::read_dir(&self.qubes).into_iter().flatten().filter_map(Result::ok);
        let paths = paths.filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let unfinished = || !entry.path().join(JOURNAL).exists();
            name.starts_with(".removed-")
                || name.starts_with(".new-")
                // One that is written down can be gone on with.
                || name.starts_with(&staging::prefix()) && unfinished()
        });
        let mut trash = Trash::of(paths.map(|entry| entry.path()).collect(), Leftovers::default());
        for name in self.names().unwrap_or_default() {
            let Leftovers { paths, slots } = self.volume_leftovers(&name);
            trash.paths.extend(paths);
            trash.slots.extend(slots);
        }
        trash
    }
}

/// Directories and files to delete.
#[must_use = "it is only deleted by `empty`"]
#[derive(Debug)]
pub struct Trash {
    paths: Vec<PathBuf>,
    /// Files that stay, and whose key slots nobody uses.
    slots: Vec<PathBuf>,
}

impl Trash {
    fn of(mut paths: Vec<PathBuf>, left: Leftovers) -> Self {
        paths.extend(left.paths);
        Self { paths, slots: left.slots }
    }

    /// True if there is nothing to delete.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.slots.is_empty()
    }

    /// Deletes; of an encrypted volume first what it could be read with. Can take long; gives the first
    /// error, after trying everything.
    pub fn empty(self) -> Result<(), StoreError> {
        let delete = |path: &PathBuf| {
            let (destroyed, deleted) = (volume::destroy(path), remove_tree(path));
            deleted.and(destroyed)
        };
        let empty = |path: &PathBuf| encryption::empty_header(path).map_err(StoreError::io("erase", path));
        let emptied = self.slots.iter().map(empty).fold(Ok(()), Result::and);
        self.paths.iter().map(delete).fold(emptied, Result::and)
    }
}

/// Deletes a directory, or a file, that may not be there.
pub(crate) fn remove_tree(path: &Path) -> Result<(), StoreError> {
    let removed = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            // Somebody took away their own right to change their directories.
            open_directories(path);
            fs::remove_dir_all(path)
        }
        other => other,
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("delete", path)(error)),
        _ => Ok(()),
    }
}

/// Lets us into all directories below one that is to be deleted, as far as they are ours.
fn open_directories(path: &Path) {
    let mut ahead = vec![path.to_owned()];
    while let Some(path) = ahead.pop() {
        let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o700));
        let entries = fs::read_dir(&path).into_iter().flatten().filter_map(Result::ok);
        let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        ahead.extend(dirs.map(|entry| entry.path()));
    }
}

#[cfg(test)]
mod tests;
