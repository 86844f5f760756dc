//! Saving qubes.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Read as _, Write},
    os::{fd::OwnedFd, unix::fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, OFlags, openat};
use transom_protocol::supervisor::QubeName;

use super::{
    BUFFER, Meter, Watch,
    container::{BLOCK, END, Entry, Kind},
    crypt::{Lock, seal},
    digest::Hasher,
    error::{BackupError, shown},
    house::House,
    manifest::{self, MAX_KEY, Manifest, Saved, SavedPart},
    place,
    sparse::{self, Piece, total},
    sums::{self, Sum, hex},
    tree::{Found, Step, walk},
    volume::Source,
};
use crate::store::{ENCRYPTED_VOLUME, MAX_QUBE_FILE, PARTS, Part, PartKind, QubeConfig, VolumeFiles, parse};

/// A qube that is held.
struct Held {
    name: QubeName,
    path: PathBuf,
    dir: OwnedFd,
}

/// Writes a backup of these qubes, in the order of their names, each once; `lock` says who can read it.
/// Until it is done nobody else can change them. `output` has to be finished by the caller.
pub fn create<W: Write>(
    house: &mut dyn House,
    qubes: &[QubeName],
    lock: Lock,
    output: W,
    watch: &mut dyn Watch,
) -> Result<W, BackupError> {
    let mut names = qubes.to_vec();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Err(BackupError::NoQubes);
    }
    let mut held = Vec::new();
    for name in names {
        let path = house.hold(&name)?;
        let dir = place::directory(&path).map_err(BackupError::io("read", path.display()))?;
        held.push(Held { name, path, dir });
    }
    let mut saved = Vec::new();
    for qube in &held {
        saved.push(qube.plan()?);
        watch.go_on()?;
    }
    let mut id = [0; 16];
    rustix::rand::getrandom(&mut id[..], rustix::rand::GetRandomFlags::empty())
        .map_err(BackupError::io("read", "random numbers"))?;
    let manifest = Manifest::new(hex(&id), jiff::Timestamp::now().strftime("%FT%TZ").to_string(), saved);
    let total = manifest.qubes.iter().fold(0, |sum: u64, saved| sum.saturating_add(saved.bytes()));
    let mut writer = Writer {
        output: seal(lock, BufWriter::with_capacity(BUFFER, output))?,
        meter: Meter { watch, qube: None, done: 0, total },
        sums: Vec::new(),
        buffer: vec![0; BUFFER],
    };
    let text = manifest.encode().map_err(BackupError::io("write", "the list of contents"))?;
    let mut entry = Entry::new(manifest::NAME, Kind::File, 0o600);
    entry.mtime.0 = jiff::Timestamp::now().as_second();
    writer.small(entry, &text)?;
    for (qube, saved) in held.iter().zip(&manifest.qubes) {
        writer.qube(qube, saved)?;
    }
    writer.write(&END)?;
    let written =
        writer.output.finish().and_then(|output| output.into_inner().map_err(io::IntoInnerError::into_error));
    written.map_err(BackupError::io("write", "the backup"))
}

impl Held {
    /// Where a part is. What opens an encrypted volume is the computer's, but for one that came from another
    /// computer and was not taken over yet.
    fn place(&self, part: Part) -> PathBuf {
        let own = self.path.join(part.name);
        match self.path.parent().and_then(Path::parent) {
            Some(data) if part.kind == PartKind::Key && !exists(&own) => data.join(part.name),
            _ => own,
        }
    }

    fn file(&self, part: Part) -> Result<File, BackupError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = self.place(part);
        let file = match part.kind {
            PartKind::Key => openat(CWD, &path, flags, Mode::empty()),
            _ => openat(&self.dir, part.name, flags, Mode::empty()),
        };
        let file = file.map(File::from);
        let file = file.map_err(BackupError::io("read", path.display()))?;
        let meta = file.metadata().map_err(BackupError::io("read", path.display()))?;
        if meta.is_file() {
            return Ok(file);
        }
        Err(BackupError::io("read", path.display())(io::Error::other("it is no file")))
    }

    /// A volume or a key.
    fn source(&self, part: Part) -> Result<Source, BackupError> {
        match part.kind {
            PartKind::Volume => {
                let opened = Source::open(&self.path, part.name);
                opened.map_err(BackupError::io("read", self.path.join(part.name).display()))
            }
            _ => self.file(part).map(Source::File),
        }
    }

    /// The directory of a tree, and it alone.
    fn tree(&self, part: Part) -> Result<OwnedFd, BackupError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(&self.dir, part.name, flags, Mode::empty())
            .map_err(BackupError::io("read", self.path.join(part.name).display()))
    }

    /// A small file of it, wholly.
    fn small(&self, part: Part, most: u64) -> Result<Vec<u8>, BackupError> {
        let mut bytes = Vec::new();
        let path = self.path.join(part.name);
        let read = self.file(part)?.take(most + 1).read_to_end(&mut bytes);
        read.map_err(BackupError::io("read", path.display()))?;
        if bytes.len() as u64 > most {
            return Err(BackupError::io("read", path.display())(io::Error::other("it is too long")));
        }
        Ok(bytes)
    }

    fn config(&self, bytes: &[u8]) -> Result<QubeConfig, BackupError> {
        let path = self.path.join(PARTS[0].name);
        let text = std::str::from_utf8(bytes)
            .map_err(|error| BackupError::io("read", path.display())(io::Error::other(error)))?;
        Ok(parse(&path, text).map_err(crate::store::StoreError::from)?)
    }

    fn has(&self, part: Part) -> bool {
        match part.kind {
            PartKind::Key if !self.has_volume(ENCRYPTED_VOLUME) => false,
            PartKind::Volume => self.has_volume(part.name),
            _ => exists(&self.place(part)),
        }
    }

    fn has_volume(&self, name: &str) -> bool {
        VolumeFiles::of(&self.path, name).are_there()
    }

    /// What it has, and how much of it.
    fn plan(&self) -> Result<Saved, BackupError> {
        let mut saved = Saved {
            name: self.name.clone(),
            label: transom_protocol::supervisor::LabelName::unknown(),
            template: None,
            parts: Vec::new(),
        };
        for part in PARTS.into_iter().filter(|part| part.kind == PartKind::Config || self.has(*part)) {
            let (mut entries, mut bytes, mut size) = (1, 0, 0);
            match part.kind {
                PartKind::Config => {
                    let text = self.small(part, MAX_QUBE_FILE)?;
                    let config = self.config(&text)?;
                    (saved.label, saved.template) = (config.label, config.template);
                    (bytes, size) = (text.len() as u64, text.len() as u64);
                }
                PartKind::Volume | PartKind::Key => {
                    let file = self.source(part)?;
                    (bytes, size) = self.volume(part, &file).map(|(pieces, size)| (total(&pieces), size))?;
                }
                PartKind::Tree => {
                    entries = 0;
                    let root = self.tree(part)?;
                    walk(&root, &mut |step| {
                        if let Step::Found(found) = step {
                            entries += 1;
                            if let Some((_, pieces)) = found.file {
                                bytes += total(&pieces);
                                size += u64::try_from(found.stat.st_size).unwrap_or(0);
                            }
                        }
                        Ok::<_, BackupError>(())
                    })?;
                }
            }
            saved.parts.push(SavedPart { name: part.name.to_owned(), kind: part.kind, entries, bytes, size });
        }
        Ok(saved)
    }

    fn volume(&self, part: Part, file: &Source) -> Result<(Vec<Piece>, u64), BackupError> {
        let path = self.place(part);
        let size = file.size().map_err(BackupError::io("read", path.display()))?;
        if part.kind == PartKind::Key && size > MAX_KEY {
            return Err(BackupError::io("read", path.display())(io::Error::other("it is too long")));
        }
        Ok((file.pieces(size).map_err(BackupError::io("read", path.display()))?, size))
    }
}

struct Writer<'a, W: Write> {
    output: age::stream::StreamWriter<BufWriter<W>>,
    meter: Meter<'a>,
    /// The lines of this qube's digests.
    sums: Vec<u8>,
    buffer: Vec<u8>,
}

impl<W: Write> Writer<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.output.write_all(bytes).map_err(BackupError::io("write", "the backup"))
    }

    fn fill(&mut self, written: u64) -> Result<(), BackupError> {
        let fill = (written.wrapping_neg() % BLOCK as u64) as usize;
        self.write(&END[..fill])
    }

    /// An entry whose data are here.
    fn small(&mut self, mut entry: Entry, bytes: &[u8]) -> Result<(), BackupError> {
        entry.stored = bytes.len() as u64;
        self.write(&entry.encode())?;
        self.write(bytes)?;
        self.fill(entry.stored)
    }

    fn qube(&mut self, qube: &Held, saved: &Saved) -> Result<(), BackupError> {
        self.meter.qube = Some(qube.name.clone());
        self.sums.clear();
        self.write(&Entry::new(qube.name.as_str(), Kind::Directory, 0o700).encode())?;
        for saved in &saved.parts {
            let Some(part) = crate::store::part(&saved.name) else { continue };
            let path = below(&qube.name, part.name, b"");
            match part.kind {
                PartKind::Config => {
                    let bytes = qube.small(part, MAX_QUBE_FILE)?;
                    if bytes.len() as u64 != saved.size {
                        return Err(BackupError::Changed(path));
                    }
                    let mut hasher = Hasher::plain();
                    hasher.put(0, &bytes);
                    self.sum(part.name.into(), false, hasher.end());
                    let file = Source::File(qube.file(part)?);
                    self.small(entry_of(&file, path)?, &bytes)?;
                    self.meter.add(saved.size)?;
                }
                PartKind::Volume | PartKind::Key => {
                    let file = qube.source(part)?;
                    let (pieces, size) = qube.volume(part, &file)?;
                    if size != saved.size {
                        return Err(BackupError::Changed(path));
                    }
                    let entry = entry_of(&file, path)?;
                    self.file(entry, &file, &pieces, size, part.name.into())?;
                }
                PartKind::Tree => self.tree(qube, part)?,
            }
        }
        let sums = std::mem::take(&mut self.sums);
        self.small(Entry::new(below(&qube.name, sums::NAME, b""), Kind::File, 0o600), &sums)
    }

    fn sum(&mut self, path: Vec<u8>, sparse: bool, digest: [u8; 32]) {
        self.sums.extend(Sum { path, sparse, digest }.line());
    }

    fn tree(&mut self, qube: &Held, part: Part) -> Result<(), BackupError> {
        let root = qube.tree(part)?;
        walk(&root, &mut |step| match step {
            Step::Skipped(path, _) if path.is_empty() => {
                Err(BackupError::Changed(below(&qube.name, part.name, b"")))
            }
            Step::Skipped(path, why) => {
                let path = shown(&below(&qube.name, part.name, &path));
                self.meter.watch.note(&format!("left out: {path}: {why}"));
                Ok(())
            }
            Step::Found(found) => self.node(qube, part, *found),
        })
    }

    fn node(&mut self, qube: &Held, part: Part, found: Found) -> Result<(), BackupError> {
        let mut entry = Entry::new(below(&qube.name, part.name, &found.path), found.kind, found.stat.st_mode);
        entry.mtime = (found.stat.st_mtime, u32::try_from(found.stat.st_mtime_nsec).unwrap_or(0));
        entry.attributes = found.attributes;
        if let Kind::HardLink(target) = &mut entry.kind {
            *target = below(&qube.name, part.name, target);
        }
        let Some((file, pieces)) = found.file else { return self.write(&entry.encode()) };
        let size = u64::try_from(found.stat.st_size).unwrap_or(0);
        let path = [part.name.as_bytes(), b"/", &found.path].concat();
        self.file(entry, &Source::File(file), &pieces, size, path)
    }

    /// A file with its data; `path` is the one in its digest.
    fn file(
        &mut self,
        mut entry: Entry,
        file: &Source,
        pieces: &[Piece],
        size: u64,
        path: Vec<u8>,
    ) -> Result<(), BackupError> {
        let before = file.metadata().map_err(BackupError::io("read", shown(&entry.path)))?;
        let sparse = !sparse::is_whole(pieces, size);
        let list = if sparse { sparse::encode(pieces, size) } else { Vec::new() };
        if sparse {
            entry.kind = Kind::Sparse(size);
        }
        entry.stored = list.len() as u64 + total(pieces);
        self.write(&entry.encode())?;
        self.write(&list)?;
        let mut hasher = if sparse { Hasher::sparse(size) } else { Hasher::plain() };
        let mut buffer = std::mem::take(&mut self.buffer);
        for piece in pieces {
            let mut at = piece.start;
            while at < piece.end() {
                let most = usize::try_from(piece.end() - at).unwrap_or(BUFFER).min(BUFFER);
                let read = match file.read_at(&mut buffer[..most], at) {
                    Ok(0) => return Err(BackupError::Changed(entry.path)),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read.map_err(BackupError::io("read", shown(&entry.path)))?,
                };
                hasher.put(at, &buffer[..read]);
                self.write(&buffer[..read])?;
                self.meter.add(read as u64)?;
                at += read as u64;
            }
        }
        self.buffer = buffer;
        self.fill(entry.stored)?;
        let after = file.metadata().map_err(BackupError::io("read", shown(&entry.path)))?;
        let state = |meta: &fs::Metadata| (meta.len(), meta.mtime(), meta.mtime_nsec());
        let now = file.size().map_err(BackupError::io("read", shown(&entry.path)))?;
        if state(&before) != state(&after) || now != size {
            return Err(BackupError::Changed(entry.path));
        }
        self.sum(path, sparse, hasher.end());
        Ok(())
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// A path in the container.
fn below(qube: &QubeName, part: &str, path: &[u8]) -> Vec<u8> {
    let mut all = Path::new(qube.as_str()).join(part).into_os_string().into_encoded_bytes();
    if !path.is_empty() {
        all.push(b'/');
        all.extend_from_slice(path);
    }
    all
}

/// The entry of a part that is a file.
fn entry_of(file: &Source, path: Vec<u8>) -> Result<Entry, BackupError> {
    let meta = file.metadata().map_err(BackupError::io("read", shown(&path)))?;
    let mut entry = Entry::new(path, Kind::File, meta.mode());
    entry.mtime = (meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap_or(0));
    Ok(entry)
}
