//! Reading the files of a backup: into files, or into nothing to see whether they are good.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    os::unix::fs::FileExt as _,
};

use super::{
    BUFFER, Meter, Watch,
    archive::{Archive, Item, Node},
    container::{Entry, Kind},
    digest::Hasher,
    error::{BackupError, Place, shown},
    sparse::Piece,
    sums::Sum,
};
use crate::store::{FileError, PartKind, QUBE_FILE, QubeConfig, parse};

/// Called now and then with how many bytes of a file's data are written.
pub(super) type Checkpoint<'a> = &'a mut dyn FnMut(u64) -> Result<(), BackupError>;

/// Reads the data of a file, writes them into `file`, and gives its digest. The first `done` bytes of data are
/// there already: they are read from it instead.
pub(super) fn data(
    archive: &mut Archive,
    entry: &Entry,
    file: Option<&File>,
    done: u64,
    meter: &mut Meter<'_>,
    checkpoint: Checkpoint<'_>,
) -> Result<[u8; 32], BackupError> {
    let write = || BackupError::io::<std::io::Error>("write", shown(&entry.path));
    let (pieces, mut hasher) = match entry.kind {
        Kind::Sparse(size) => {
            let pieces = archive.pieces(size)?;
            if let Some(file) = file {
                file.set_len(size).map_err(write())?;
            }
            (pieces, Hasher::sparse(size))
        }
        _ => (vec![Piece { start: 0, length: entry.stored }], Hasher::plain()),
    };
    archive.skip(done)?;
    let mut buffer = vec![0; BUFFER.min(usize::try_from(entry.stored).unwrap_or(BUFFER))];
    let mut count = 0;
    for piece in pieces {
        let mut at = piece.start;
        while at < piece.end() {
            let mut most = usize::try_from(piece.end() - at).unwrap_or(BUFFER).min(BUFFER);
            if count < done {
                most = usize::try_from(done - count).unwrap_or(BUFFER).min(most);
                let file = file.ok_or_else(|| write()(std::io::ErrorKind::NotFound.into()))?;
                let read = file.read_exact_at(&mut buffer[..most], at);
                read.map_err(BackupError::io("read", shown(&entry.path)))?;
            } else {
                let mut filled = 0;
                while filled < most {
                    match archive.read(&mut buffer[filled..most])? {
                        0 => return Err(archive.wrong("a file that is shorter than it says")),
                        read => filled += read,
                    }
                }
                if let Some(file) = file {
                    file.write_all_at(&buffer[..most], at).map_err(write())?;
                }
            }
            hasher.put(at, &buffer[..most]);
            at += most as u64;
            count += most as u64;
            meter.add(most as u64)?;
            if count > done {
                checkpoint(count)?;
            }
        }
    }
    Ok(hasher.end())
}

/// The digest of a file as it lies on the disk.
pub(super) fn digest_of(file: &File, sparse: bool, watch: &mut dyn Watch) -> Result<[u8; 32], BackupError> {
    let io = || BackupError::io::<std::io::Error>("read", "what was restored before");
    let size = file.metadata().map_err(io())?.len();
    let (pieces, mut hasher) = if sparse {
        (super::sparse::pieces(file, size).map_err(io())?, Hasher::sparse(size))
    } else {
        (vec![Piece { start: 0, length: size }], Hasher::plain())
    };
    let mut buffer = vec![0; BUFFER];
    for piece in pieces {
        let mut at = piece.start;
        while at < piece.end() {
            let most = usize::try_from(piece.end() - at).unwrap_or(BUFFER).min(BUFFER);
            file.read_exact_at(&mut buffer[..most], at).map_err(io())?;
            hasher.put(at, &buffer[..most]);
            at += most as u64;
            watch.go_on()?;
        }
    }
    Ok(hasher.end())
}

/// Compares the digests of a qube with those in the backup, which come next, line by line.
pub(super) fn compare(archive: &mut Archive, ours: impl Read) -> Result<(), BackupError> {
    let mut ours = BufReader::new(ours);
    let mut theirs = BufReader::new(Data(archive, None));
    loop {
        let (mut own, mut untrusted) = (Vec::new(), Vec::new());
        ours.read_until(b'\n', &mut own).map_err(BackupError::io("read", "the digests"))?;
        // A line is no longer than what there is to compare it with.
        let most = (own.len() as u64).max(1);
        let read = (&mut theirs).take(most).read_until(b'\n', &mut untrusted);
        if let Err(error) = read {
            let told = theirs.get_mut().1.take();
            return Err(told.unwrap_or_else(|| BackupError::io("read", "the backup")(error)));
        }
        if own != untrusted {
            let sum = Sum::parse(own.strip_suffix(b"\n").unwrap_or(&own));
            let mut place = theirs.get_mut().0.here();
            if let Some(sum) = sum {
                place.file = Some((sum.path, 0));
            }
            return Err(BackupError::Digest { place });
        }
        if own.is_empty() {
            return Ok(());
        }
    }
}

/// The data of an entry as a file; and what went wrong, which such a file cannot say.
struct Data<'a>(&'a mut Archive, Option<BackupError>);

impl Read for Data<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            self.1 = Some(error);
            std::io::ErrorKind::Other.into()
        })
    }
}

/// The file that describes a qube, if it is one, and says what the manifest does.
pub(super) fn config(archive: &Archive, number: usize, untrusted: &[u8]) -> Result<QubeConfig, BackupError> {
    let place = || Place { file: None, ..archive.here() };
    let content = |what: String| BackupError::Content { what, place: place() };
    let text = std::str::from_utf8(untrusted).map_err(|_| content(format!("{QUBE_FILE} is no text")))?;
    let config = parse(QUBE_FILE.as_ref(), text).map_err(|error: FileError| content(error.to_string()))?;
    let saved = &archive.manifest().qubes[number];
    if config.label != saved.label || config.template != saved.template {
        let what = "its qube.kdl has another label or template than the list of contents".to_owned();
        return Err(content(what));
    }
    Ok(config)
}

/// Reads all of a backup and checks all of it.
pub fn verify(archive: &mut Archive, watch: &mut dyn Watch) -> Result<(), BackupError> {
    let total = archive.manifest().qubes.iter().fold(0, |sum: u64, saved| sum.saturating_add(saved.bytes()));
    let mut meter = Meter { watch, qube: None, done: 0, total };
    let mut sums = Vec::new();
    let mut number = 0;
    loop {
        match archive.next()? {
            Item::Qube(next) => {
                number = next;
                meter.qube = Some(archive.manifest().qubes[number].name.clone());
                sums.clear();
            }
            Item::Node(Node { part, path, entry }) => {
                let saved = &archive.manifest().qubes[number].parts[part];
                if saved.kind == PartKind::Config {
                    let bytes = archive.whole(entry.stored)?;
                    config(archive, number, &bytes)?;
                    let mut hasher = Hasher::plain();
                    hasher.put(0, &bytes);
                    meter.add(entry.stored)?;
                    sums.extend(Sum { path, sparse: false, digest: hasher.end() }.line());
                } else if matches!(entry.kind, Kind::File | Kind::Sparse(_)) {
                    let digest = data(archive, &entry, None, 0, &mut meter, &mut |_| Ok(()))?;
                    let sparse = matches!(entry.kind, Kind::Sparse(_));
                    sums.extend(Sum { path, sparse, digest }.line());
                }
            }
            Item::Sums => compare(archive, &sums[..])?,
            Item::End => return Ok(()),
        }
    }
}
