//! What a backup consists of, in which order, and what each entry may be. Whoever made it may have meant
//! harm: nothing of an entry is used before it was checked here.
//!
//! The manifest; then of each qube in it a directory with its name, its parts in their order, its digests;
//! then the end.

use transom_protocol::supervisor::QubeName;

use super::{
    container::{Bad, Entry, Input, Kind, MAX_PATH, Unpack},
    crypt::Plain,
    error::{BackupError, Place, shown},
    manifest::{self, MAX_KEY, MAX_VOLUME, Manifest, Saved, SavedPart},
    sparse::Piece,
    sums,
};
use crate::store::{MAX_QUBE_FILE, PartKind};

/// Longest name of a file, in bytes, as Linux has it.
const MAX_FILE_NAME: usize = 255;

/// The next thing.
#[derive(Debug)]
pub(super) enum Item {
    /// A qube begins: its number in the manifest.
    Qube(usize),
    /// Something of it.
    Node(Node),
    /// What its files should be; the data are lines of [`sums`].
    Sums,
    /// Everything was there.
    End,
}

/// A file, directory or link of a qube.
#[derive(Debug)]
pub(super) struct Node {
    /// To which of the qube's parts it belongs, by its number.
    pub(super) part: usize,
    /// Where it is, below the qube's directory: names that are none of `.` and `..`, with `/` between them;
    /// the first is its part's.
    pub(super) path: Vec<u8>,
    /// What it is. Its own path is of no use any more; a hard link's target is a path as above, below the
    /// same part.
    pub(super) entry: Entry,
}

/// A backup that is being read, an entry after another.
#[derive(Debug)]
pub struct Archive(Reader<Plain>);

/// The same, wherever its bytes come from.
#[derive(Debug)]
struct Reader<I> {
    unpack: Unpack<I>,
    manifest: Manifest,
    /// How many qubes have begun.
    begun: usize,
    /// How many parts of this one have begun.
    parts: usize,
    /// Its digests have come.
    closed: bool,
    place: Place,
    /// How long the data of this entry are.
    stored: u64,
}

impl<I: Input> Reader<I> {
    /// Reads the manifest. `why` tells what an error of reading means.
    fn begin(input: I, why: impl Fn(&I, Bad, Place) -> BackupError) -> Result<Self, BackupError> {
        let mut unpack = Unpack::new(input);
        let mut read = || {
            let entry = unpack.next()?.ok_or(Bad::Wrong("nothing in it"))?;
            if entry.path != manifest::NAME.as_bytes() || entry.kind != Kind::File {
                return Err(Bad::Wrong("no list of contents"));
            }
            whole(&mut unpack, manifest::MAX_BYTES)
        };
        let untrusted = read().map_err(|bad| why(unpack.input(), bad, Place::default()))?;
        let manifest = Manifest::parse(&untrusted)
            .map_err(|what| BackupError::Content { what, place: Place::default() })?;
        // Nothing is missing before the first.
        Ok(Self { unpack, manifest, begun: 0, parts: 0, closed: true, place: Place::default(), stored: 0 })
    }

    fn saved(&self) -> Option<&Saved> {
        self.manifest.qubes.get(self.begun.checked_sub(1)?)
    }

    fn advance(&mut self) -> Result<Item, Bad> {
        self.place.file = None;
        let Some(entry) = self.unpack.next()? else {
            if self.begun < self.manifest.qubes.len() || !self.closed {
                return Err(Bad::Wrong("it ends before the last qube does"));
            }
            return Ok(Item::End);
        };
        self.stored = entry.stored;
        let path = entry.path.clone();
        if let Some(qube) = self.manifest.qubes.get(self.begun).filter(|_| self.closed)
            && path == qube.name.as_str().as_bytes()
        {
            if entry.kind != Kind::Directory {
                return Err(Bad::Wrong("a qube that is no directory"));
            }
            self.place.qube = Some(qube.name.clone());
            (self.begun, self.parts, self.closed) = (self.begun + 1, 0, false);
            return Ok(Item::Qube(self.begun - 1));
        }
        let qube = self.saved().filter(|_| !self.closed).ok_or(Bad::Wrong("something that is of no qube"))?;
        let path = within(&qube.name, &path)?;
        if path == sums::NAME.as_bytes() {
            if self.parts < qube.parts.len() {
                return Err(Bad::Wrong("a qube whose parts are not all there"));
            }
            if entry.kind != Kind::File {
                return Err(Bad::Wrong("digests that are no file"));
            }
            self.closed = true;
            self.place.file = Some((sums::NAME.into(), 0));
            return Ok(Item::Sums);
        }
        let top = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        let is = |part: &SavedPart| part.name.as_bytes() == top;
        let root = path.len() == top.len();
        let part = match self.parts.checked_sub(1) {
            Some(part) if !root && qube.parts.get(part).is_some_and(is) => part,
            _ if root && qube.parts.get(self.parts).is_some_and(is) => self.parts,
            _ => return Err(Bad::Wrong("a file that is of no part of the qube, or at another place")),
        };
        let saved = qube.parts.get(part).ok_or(Bad::Wrong("a file of no part"))?;
        let entry = checked(entry, saved, &qube.name, root)?;
        let path = path.to_vec();
        self.parts = part + 1;
        self.place.file = Some((path.clone(), 0));
        Ok(Item::Node(Node { part, path, entry }))
    }
}

/// The path below a qube's directory.
fn within<'a>(qube: &QubeName, untrusted: &'a [u8]) -> Result<&'a [u8], Bad> {
    let path = untrusted.strip_prefix(qube.as_str().as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
    let path = path.ok_or(Bad::Wrong("a path outside of the qube"))?;
    let name = |name: &[u8]| {
        !name.is_empty() && name != b"." && name != b".." && name.len() <= MAX_FILE_NAME && !name.contains(&0)
    };
    if untrusted.len() > MAX_PATH || !path.split(|byte| *byte == b'/').all(name) {
        return Err(Bad::Wrong("a path outside of the qube, or one that no file can have"));
    }
    Ok(path)
}

/// An entry that may stand in this part.
fn checked(mut entry: Entry, part: &SavedPart, qube: &QubeName, root: bool) -> Result<Entry, Bad> {
    let good = match (part.kind, &entry.kind) {
        (PartKind::Tree, Kind::Directory) => true,
        (PartKind::Tree, Kind::HardLink(untrusted_target)) if !root => {
            let target = within(qube, untrusted_target)?.to_vec();
            let below = target.strip_prefix(part.name.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"));
            entry.kind = Kind::HardLink(target);
            below
        }
        (PartKind::Tree, Kind::Symlink(target)) => {
            !root && !target.is_empty() && target.len() <= MAX_PATH && !target.contains(&0)
        }
        (PartKind::Tree, _) => !root,
        (PartKind::Config, Kind::File) => entry.stored <= MAX_QUBE_FILE && entry.stored == part.size,
        (PartKind::Key, Kind::File) => entry.stored <= MAX_KEY && entry.stored == part.size,
        (PartKind::Key, Kind::Sparse(size)) => *size <= MAX_KEY && *size == part.size,
        (PartKind::Volume, Kind::File) => entry.stored <= MAX_VOLUME && entry.stored == part.size,
        (PartKind::Volume, Kind::Sparse(size)) => *size <= MAX_VOLUME && *size == part.size,
        _ => false,
    };
    let names = entry.attributes.iter().all(|(name, _)| name.len() <= MAX_FILE_NAME && !name.contains(&0));
    if good && names { Ok(entry) } else { Err(Bad::Wrong("an entry that has no business there")) }
}

/// All data of an entry, if they are no more than that.
fn whole<I: Input>(unpack: &mut Unpack<I>, most: u64) -> Result<Vec<u8>, Bad> {
    if unpack.left() > most {
        return Err(Bad::Wrong("a file that is too long"));
    }
    let mut bytes = vec![0; unpack.left() as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += unpack.read(&mut bytes[filled..])?;
    }
    Ok(bytes)
}

/// A place in a backup at which a qube can be gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Of the container.
    pub(super) position: u64,
    /// How many parts of the qube lie before it.
    pub(super) parts: usize,
}

impl Archive {
    /// Reads the manifest.
    pub fn open(input: Plain) -> Result<Self, BackupError> {
        Reader::begin(input, explain).map(Self)
    }

    /// What is in it.
    pub fn manifest(&self) -> &Manifest {
        &self.0.manifest
    }

    fn told<T>(&self, result: Result<T, Bad>) -> Result<T, BackupError> {
        result.map_err(|bad| explain(self.0.unpack.input(), bad, self.here()))
    }

    /// Where it is.
    pub(super) fn here(&self) -> Place {
        let mut place = self.0.place.clone();
        if let Some((_, byte)) = &mut place.file {
            *byte = self.0.stored.saturating_sub(self.0.unpack.left());
        }
        place
    }

    /// What is here is no backup's.
    pub(super) fn wrong(&self, what: &str) -> BackupError {
        BackupError::Content { what: what.to_owned(), place: self.here() }
    }

    /// The next thing; what is left of this one's data is skipped.
    pub(super) fn next(&mut self) -> Result<Item, BackupError> {
        let item = self.0.advance();
        self.told(item)
    }

    /// Where to come back to for the next thing.
    pub(super) fn mark(&self) -> Mark {
        Mark { position: self.0.unpack.next_at(), parts: self.0.parts }
    }

    /// Goes on at a mark of this qube.
    pub(super) fn jump(&mut self, to: Mark) -> Result<(), BackupError> {
        let jumped = if self.0.saved().is_some_and(|saved| to.parts <= saved.parts.len()) {
            self.0.unpack.jump(to.position)
        } else {
            Err(Bad::Wrong("fewer parts than there were"))
        };
        self.0.parts = to.parts;
        self.told(jumped)
    }

    /// Reads data of this entry; 0 where it ends.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BackupError> {
        let read = self.0.unpack.read(buffer);
        self.told(read)
    }

    /// Skips data of this entry.
    pub(super) fn skip(&mut self, bytes: u64) -> Result<(), BackupError> {
        let skipped = self.0.unpack.skip(bytes);
        self.told(skipped)
    }

    /// All data of a small entry.
    pub(super) fn whole(&mut self, most: u64) -> Result<Vec<u8>, BackupError> {
        let bytes = whole(&mut self.0.unpack, most);
        self.told(bytes)
    }

    /// The pieces of a file with holes.
    pub(super) fn pieces(&mut self, size: u64) -> Result<Vec<Piece>, BackupError> {
        let pieces = self.0.unpack.pieces(size);
        self.told(pieces)
    }
}

fn explain(input: &Plain, bad: Bad, place: Place) -> BackupError {
    match bad {
        // Its reader says so where plain bytes are missing; the age file is whole.
        Bad::Io(error) => input.why(error, place),
        Bad::Wrong(what) => BackupError::Content { what: what.to_owned(), place },
    }
}

/// Reads whatever somebody may have put into an age file, also after a good beginning; for fuzzing.
#[doc(hidden)]
pub fn read_any(untrusted: &[u8]) {
    read_all(untrusted);
    let mut after = beginning();
    after.extend_from_slice(untrusted);
    read_all(&after);
}

/// A manifest with a qube, and the qube's directory.
fn beginning() -> Vec<u8> {
    let parts = crate::store::PARTS.map(|part| {
        serde_json::json!({"name": part.name, "kind": part.kind, "entries": 1, "bytes": 1, "size": 1 << 20})
    });
    let text = serde_json::json!({
        "format": "transom-backup", "version": manifest::VERSION, "id": "0".repeat(32), "made": "", "by": "",
        "qubes": [{"name": "work", "label": "blue", "parts": parts}],
    })
    .to_string();
    let mut first = Entry::new(manifest::NAME, Kind::File, 0o600);
    first.stored = text.len() as u64;
    let mut bytes = first.encode();
    bytes.extend_from_slice(text.as_bytes());
    bytes.resize(bytes.len().next_multiple_of(super::container::BLOCK), 0);
    bytes.extend(Entry::new("work", Kind::Directory, 0o700).encode());
    bytes
}

fn read_all(untrusted: &[u8]) {
    let told = |_: &_, bad, place| match bad {
        Bad::Io(error) => BackupError::io("read", "it")(error),
        Bad::Wrong(what) => BackupError::Content { what: shown(what.as_bytes()), place },
    };
    let Ok(mut archive) = Reader::begin(std::io::Cursor::new(untrusted), told) else { return };
    let mut buffer = [0; 4096];
    while let Ok(item) = archive.advance() {
        match item {
            Item::Node(Node { path, entry, .. }) => {
                assert!(
                    !path.starts_with(b"/") && !path.split(|byte| *byte == b'/').any(|name| name == b"..")
                );
                if let Kind::Sparse(size) = entry.kind {
                    let _ = archive.unpack.pieces(size);
                }
                while archive.unpack.read(&mut buffer).is_ok_and(|read| read > 0) {}
            }
            Item::Sums => {
                let Ok(text) = whole(&mut archive.unpack, 1 << 20) else { return };
                text.split(|byte| *byte == b'\n').for_each(|line| drop(sums::Sum::parse(line)));
            }
            Item::Qube(_) => {}
            Item::End => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_beginning_is_one() {
        let mut archive =
            Reader::begin(std::io::Cursor::new(beginning()), |_, bad, _| panic!("{bad:?}")).unwrap();
        assert!(matches!(archive.advance(), Ok(Item::Qube(0))));
    }

    prop_compose! {
        fn entry()(
            path in prop_oneof![
                "work/(qube.kdl|home|private.img|SHA256SUMS)", "work/home/[a-c./]{1,6}", "[a-z./]{0,12}",
            ],
            kind in prop_oneof![
                Just(Kind::Directory), Just(Kind::File), Just(Kind::Fifo), (0u64..3_000_000).prop_map(Kind::Sparse),
                "[a-z./]{0,12}".prop_map(|target| Kind::Symlink(target.into_bytes())),
                "(work/home/)?[a-z./]{0,12}".prop_map(|target| Kind::HardLink(target.into_bytes())),
            ],
            data in proptest::collection::vec(any::<u8>(), 0..700),
        ) -> Vec<u8> {
            let mut entry = Entry::new(path, kind, 0o600);
            let data = if matches!(entry.kind, Kind::File | Kind::Sparse(_)) { data } else { Vec::new() };
            entry.stored = data.len() as u64;
            let mut bytes = entry.encode();
            bytes.extend(data);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
            bytes
        }
    }

    proptest! {
        #[test]
        fn any_entries_are_a_backup_or_an_error(
            entries in proptest::collection::vec(entry(), 0..8), at in 0usize..9_000, byte: u8,
        ) {
            let mut bytes = entries.concat();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            read_any(&bytes);
        }
    }
}
