//! Backups of a store of its own, without qubed.

mod damage;
mod hostile;
mod moved;
mod resume;
mod round_trip;

use std::{
    fs::{self, File},
    io::{Cursor, Write as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::Path,
};

use age::x25519;
use transom_protocol::supervisor::LabelName;

use super::*;
use crate::store::{QubeConfig, Store};

fn name(text: &str) -> QubeName {
    QubeName::new(text).unwrap()
}

/// Hears everything, and ends it when it is told to.
#[derive(Default)]
struct Listener {
    notes: Vec<String>,
    done: u64,
    total: u64,
    /// After so many bytes; with this.
    end: Option<(u64, fn() -> BackupError)>,
}

impl Watch for Listener {
    fn progress(&mut self, progress: &Progress<'_>) {
        assert!(progress.done >= self.done, "it goes on");
        (self.done, self.total) = (progress.done, progress.total);
    }
    fn note(&mut self, line: &str) {
        assert_eq!(line.lines().count(), 1);
        self.notes.push(line.to_owned());
    }
    fn go_on(&mut self) -> Result<(), BackupError> {
        match self.end {
            Some((after, with)) if self.done >= after => Err(with()),
            _ => Ok(()),
        }
    }
}

/// A machine: a store in a folder of its own.
struct Machine {
    temp: tempfile::TempDir,
    store: Store,
}

impl Machine {
    fn new() -> Self {
        // In memory where that can be: a disk would be waited for again and again.
        let temp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let store = Store::open(&temp.path().join("data")).unwrap();
        Self { temp, store }
    }

    /// One with a small qube, `mail`.
    fn with_mail() -> Self {
        let machine = Self::new();
        machine.store.create(&name("mail"), &QubeConfig::new(LabelName::new("green").unwrap())).unwrap();
        let home = machine.store.home(&name("mail")).unwrap();
        fs::write(home.join("letter"), "dear all").unwrap();
        machine
    }

    /// Adds `work`, which has whatever a qube can have.
    fn and_work(self) -> Self {
        let config = QubeConfig {
            template: Some("debian-12".into()),
            ..QubeConfig::new(LabelName::new("blue").unwrap())
        };
        self.store.create(&name("work"), &config).unwrap();
        let dir = self.store.dir(&name("work"));
        let home = dir.join("home");
        fs::create_dir_all(home.join("deep/er")).unwrap();
        fs::write(home.join(std::ffi::OsStr::from_bytes(b"deep/er/\x1b[31m odd\nname \xff\\")), "odd")
            .unwrap();
        fs::write(home.join("-rf"), "an option?").unwrap();
        fs::write(home.join("empty"), "").unwrap();
        fs::write(home.join("n".repeat(255)), "long").unwrap();
        fs::set_permissions(home.join("-rf"), fs::Permissions::from_mode(0o4711)).unwrap();
        symlink("/etc/hostname", home.join("link")).unwrap();
        symlink("t".repeat(300), home.join("long link")).unwrap();
        fs::hard_link(home.join("-rf"), home.join("second name")).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, home.join("pipe"), fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let sparse = File::create(home.join("sparse")).unwrap();
        sparse.set_len(1 << 33).unwrap();
        sparse.write_all_at(b"far out", 1 << 32).unwrap();
        let old =
            fs::FileTimes::new().set_modified(std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000, 5));
        File::open(home.join("empty")).unwrap().set_times(old).unwrap();
        fs::set_permissions(home.join("deep"), fs::Permissions::from_mode(0o500)).unwrap();
        File::open(home.join("deep")).unwrap().set_times(old).unwrap();
        let volume = File::create(dir.join("private.img")).unwrap();
        volume.set_len(1 << 40).unwrap();
        volume.write_all_at(b"in the middle", 1 << 39).unwrap();
        volume.write_all_at(&noise(600_000), 1 << 20).unwrap();
        fs::create_dir_all(dir.join("log")).unwrap();
        fs::write(dir.join("log/console.log"), "of this computer").unwrap();
        self
    }

    fn save(&mut self, qubes: &[&str], key: &x25519::Identity) -> Vec<u8> {
        let qubes: Vec<_> = qubes.iter().map(|qube| name(qube)).collect();
        let lock = Lock::Recipients(vec![key.to_public()]);
        create(&mut self.store, &qubes, lock, Vec::new(), &mut Listener::default()).unwrap()
    }

    fn restore(&mut self, backup: &[u8], key: &x25519::Identity) -> Result<Vec<Restored>, BackupError> {
        restore(&mut self.store, &mut opened(backup, key)?, None, None, &mut Listener::default())
    }

    /// True if there is nothing: no qube, and nothing that should be hidden.
    fn is_empty(&self) -> bool {
        fs::read_dir(self.store.qubes()).unwrap().count() == 0
    }
}

/// Bytes that do not repeat.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

fn keys(key: &x25519::Identity) -> Keys {
    use age::secrecy::ExposeSecret as _;
    Keys::Identities(identities(key.to_string().expose_secret()).unwrap())
}

/// As it comes by a pipe.
fn opened(backup: &[u8], key: &x25519::Identity) -> Result<Archive, BackupError> {
    Archive::open(open_stream(Box::new(Cursor::new(backup.to_vec())), keys(key))?)
}

/// As it lies in a file.
fn opened_file(backup: &[u8], key: &x25519::Identity) -> Result<Archive, BackupError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(backup).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    Archive::open(open_file(file, keys(key))?)
}

fn checked(backup: &[u8], key: &x25519::Identity) -> Result<(), BackupError> {
    verify(&mut opened(backup, key)?, &mut Listener::default())
}

/// Path, mode, time, and what is in it.
type Seen = (Vec<u8>, u32, i64, i64, Vec<u8>);

/// Everything below a directory.
fn tree(dir: &Path) -> Vec<Seen> {
    let mut found = Vec::new();
    let mut ahead = vec![dir.to_owned()];
    while let Some(next) = ahead.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = if meta.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if meta.is_file() {
                content(&path)
            } else {
                Vec::new()
            };
            if meta.is_dir() {
                ahead.push(path.clone());
            }
            let below = path.strip_prefix(dir).unwrap().as_os_str().as_bytes().to_vec();
            // Others may not run a file as its owner afterwards.
            let mode = if meta.is_symlink() { 0 } else { meta.mode() & !0o7000 };
            found.push((below, mode, meta.mtime(), meta.mtime_nsec(), content));
        }
    }
    found.sort();
    found
}

/// The size of a file, and a digest of what is in it.
fn content(path: &Path) -> Vec<u8> {
    let file = File::open(path).unwrap();
    let size = file.metadata().unwrap().len();
    let mut hasher = digest::Hasher::sparse(size);
    for piece in sparse::pieces(&file, size).unwrap() {
        let mut bytes = vec![0; piece.length as usize];
        file.read_exact_at(&mut bytes, piece.start).unwrap();
        hasher.put(piece.start, &bytes);
    }
    format!("{size} {}", sums::hex(&hasher.end()[..6])).into_bytes()
}

/// The parts of a qube that belong to it.
fn qube_tree(store: &Store, qube: &str) -> Vec<Seen> {
    let mut all = tree(&store.dir(&name(qube)));
    all.retain(|(path, ..)| !path.starts_with(b"log"));
    for one in all.iter_mut().filter(|one| !one.0.starts_with(b"home")) {
        // What is no qube's own is dom0's alone afterwards.
        one.1 = one.1 & !0o777 | 0o600;
    }
    all
}
