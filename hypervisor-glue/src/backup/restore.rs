//! Making qubes of a backup.
//!
//! Each is made in its staging directory, and gets its name when all of it is there, agrees with its digests,
//! and the backup went on or ended as it should. Every now and then what is there is brought to the disk and
//! written down, so that an interrupted restore goes on from there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use rustix::{fs::syncfs, io::Errno};
use transom_protocol::supervisor::QubeName;

use super::{
    Meter, Watch,
    archive::{Archive, Item, Mark, Node},
    container::{Entry, Kind},
    digest::Hasher,
    error::{BackupError, shown},
    house::House,
    journal::{Journal, State},
    manifest::Saved,
    place::{self, Place},
    receive::{compare, config, data, digest_of},
    sums::{self, Sum},
};
use crate::store::{PartKind, QubeConfig, STAGED, StoreError, remove_tree, stagings};

/// After so many bytes what is there is brought to the disk and written down.
const STEP: u64 = 256 << 20;

/// A qube that was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Its name in the backup.
    pub from: QubeName,
    /// Its name now.
    pub name: QubeName,
    /// What it is, as its file says; `None` if an earlier, interrupted restore has finished it.
    pub config: Option<QubeConfig>,
}

/// Makes qubes of those in a backup: all, or those named, by their names in it, each under its new name.
/// Bytes between two journals are `step`, or as many as is best.
pub fn restore(
    house: &mut dyn House,
    archive: &mut Archive,
    wanted: Option<&[(QubeName, QubeName)]>,
    step: Option<u64>,
    watch: &mut dyn Watch,
) -> Result<Vec<Restored>, BackupError> {
    let targets = targets(archive.manifest().qubes.iter(), wanted)?;
    let wanted_bytes = |saved: &&Saved| targets.contains_key(&saved.name);
    let total = archive.manifest().qubes.iter().filter(wanted_bytes);
    let total = total.fold(0, |sum: u64, saved| sum.saturating_add(saved.bytes()));
    let mut run = Run {
        house,
        meter: Meter { watch, qube: None, done: 0, total },
        targets,
        backup: archive.manifest().id.clone(),
        step: step.unwrap_or(STEP),
        stagings: Vec::new(),
        restored: Vec::new(),
        current: None,
    };
    let result = run.all(archive);
    run.clean_up(&result);
    result.map(|()| run.restored)
}

/// New names by names in the backup.
fn targets<'a>(
    saved: impl Iterator<Item = &'a Saved>,
    wanted: Option<&[(QubeName, QubeName)]>,
) -> Result<BTreeMap<QubeName, QubeName>, BackupError> {
    let all: BTreeSet<_> = saved.map(|saved| saved.name.clone()).collect();
    let Some(wanted) = wanted else { return Ok(all.into_iter().map(|name| (name.clone(), name)).collect()) };
    let (mut targets, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for (from, to) in wanted {
        if !all.contains(from) {
            return Err(BackupError::NotInBackup(from.clone()));
        }
        if !taken.insert(to) || targets.insert(from.clone(), to.clone()).is_some() {
            return Err(BackupError::SameName(to.clone()));
        }
    }
    Ok(targets)
}

/// A qube that is being made.
struct Current {
    from: QubeName,
    name: QubeName,
    staging: PathBuf,
    place: Place,
    /// The lines of its digests so far.
    sums: File,
    config: Option<QubeConfig>,
    /// Something was written down: an interrupted restore can go on.
    journaled: bool,
    /// Bytes since then.
    fresh: u64,
    /// It is whole; it gets its name when the backup goes on as it should.
    whole: bool,
}

struct Run<'a> {
    house: &'a mut dyn House,
    meter: Meter<'a>,
    targets: BTreeMap<QubeName, QubeName>,
    /// Its own number.
    backup: String,
    step: u64,
    /// Those of qubes that are finished. They stay until all are, so that a later attempt knows.
    stagings: Vec<PathBuf>,
    restored: Vec<Restored>,
    current: Option<Current>,
}

impl Run<'_> {
    fn all(&mut self, archive: &mut Archive) -> Result<(), BackupError> {
        // Where the next thing begins.
        let mut mark = archive.mark();
        let mut number = 0;
        loop {
            let item = archive.next()?;
            match item {
                Item::Qube(next) => {
                    self.publish()?;
                    if self.restored.len() == self.targets.len() {
                        return Ok(());
                    }
                    number = next;
                    self.begin(archive, number)?;
                }
                Item::Node(node) => {
                    if self.current.is_some() {
                        self.node(archive, number, node, mark, 0)?;
                    }
                }
                Item::Sums => {
                    if let Some(current) = &mut self.current {
                        let ends = current.place.end();
                        ends.map_err(BackupError::io("write", &current.name))?;
                        current.sums.seek(SeekFrom::Start(0)).map_err(BackupError::io("read", sums::NAME))?;
                        compare(archive, &current.sums)?;
                        current.whole = true;
                    }
                }
                Item::End => return self.publish(),
            }
            mark = archive.mark();
        }
    }

    fn begin(&mut self, archive: &mut Archive, number: usize) -> Result<(), BackupError> {
        let from = archive.manifest().qubes[number].name.clone();
        let id = archive.manifest().id.clone();
        self.meter.qube = Some(from.clone());
        let Some(name) = self.targets.get(&from).cloned() else { return Ok(()) };
        if let Some(staging) = self.was_finished(&id, &from, &name)? {
            self.meter.watch.note(&format!("{name} was restored before the interruption, and stays"));
            self.meter.add(archive.manifest().qubes[number].bytes())?;
            self.stagings.push(staging);
            self.restored.push(Restored { from, name, config: None });
            return Ok(());
        }
        let staging = self.house.reserve(&name)?;
        if let Some(journal) = Journal::load(&staging) {
            let now = identity(&staging.join(STAGED));
            if let (true, State::Finished { directory: of }) = (journal.is_of(&id, &from), &journal.state)
                && Some(*of) == now
            {
                // All of it is on the disk and was compared; only its name was missing.
                self.house.adopt(&name)?;
                self.meter.add(archive.manifest().qubes[number].bytes())?;
                self.stagings.push(staging);
                self.restored.push(Restored { from, name, config: None });
                return Ok(());
            }
            if let (true, State::Begun { position, parts, sums, data }) =
                (journal.is_of(&id, &from), &journal.state)
            {
                let to = (Mark { position: *position, parts: *parts }, *sums, *data);
                match self.resume(archive, number, &staging, to) {
                    Err(Resume::Anew(why)) => {
                        self.meter.watch.note(&format!("{name} is restored from its beginning: {why}"));
                    }
                    Err(Resume::Failed(error)) => return Err(error),
                    Ok(()) => return Ok(()),
                }
            } else {
                self.meter.watch.note(&format!("what another restore of {name} left unfinished is deleted"));
            }
        }
        remove_tree(&staging)?;
        let made = staging.join(STAGED);
        let io = || BackupError::io::<std::io::Error>("make", staging.display());
        fs::DirBuilder::new().mode(0o700).create(&staging).map_err(io())?;
        fs::DirBuilder::new().mode(0o700).create(&made).map_err(io())?;
        let sums = File::options().read(true).write(true).create_new(true).open(staging.join(sums::NAME));
        let place = Place::new(place::directory(&made).map_err(io())?);
        self.current = Some(Current {
            from,
            name,
            sums: sums.map_err(io())?,
            staging,
            place,
            config: None,
            journaled: false,
            fresh: 0,
            whole: false,
        });
        Ok(())
    }

    /// The staging directory of a qube that an interrupted restore of this backup has finished.
    fn was_finished(
        &mut self,
        id: &str,
        from: &QubeName,
        name: &QubeName,
    ) -> Result<Option<PathBuf>, BackupError> {
        let Some(dir) = self.house.find(name)? else { return Ok(None) };
        let qubes = dir.parent().unwrap_or(Path::new("/"));
        let Some((_, staging)) = stagings(qubes)?.into_iter().find(|(of, _)| of == name) else {
            return Ok(None);
        };
        let journal = Journal::load(&staging).filter(|journal| journal.is_of(id, from));
        let now = identity(&dir);
        let same = journal.is_some_and(
            |journal| matches!(journal.state, State::Finished { directory: of } if Some(of) == now),
        );
        Ok(same.then_some(staging))
    }

    /// Goes on with what an interrupted restore left, after reading it all again.
    fn resume(
        &mut self,
        archive: &mut Archive,
        number: usize,
        staging: &Path,
        (mark, length, done): (Mark, u64, u64),
    ) -> Result<(), Resume> {
        let saved = archive.manifest().qubes[number].clone();
        let made = staging.join(STAGED);
        let gone = |error| Resume::Anew(format!("what is there cannot be read: {error}"));
        let place = Place::new(place::directory(&made).map_err(gone)?);
        let sums = File::options().read(true).write(true).open(staging.join(sums::NAME)).map_err(gone)?;
        if sums.metadata().map_err(gone)?.len() < length {
            return Err(Resume::Anew("its digests are not all there".to_owned()));
        }
        sums.set_len(length).map_err(gone)?;
        let Some(part) = saved.parts.get(mark.parts) else {
            return Err(Resume::Anew("its journal is of another backup".to_owned()));
        };
        let bytes =
            saved.parts.iter().take(mark.parts).fold(0, |sum: u64, part| sum.saturating_add(part.bytes));
        let mut configured = None;
        for line in BufReader::new(&sums).split(b'\n') {
            let sum =
                Sum::parse(&line.map_err(gone)?).ok_or(Resume::Anew("a digest that is none".to_owned()))?;
            let file = place.file(&sum.path, false).map_err(gone)?;
            if digest_of(&file, sum.sparse, self.meter.watch)? != sum.digest {
                return Err(Resume::Anew(format!("{} is not what it was", shown(&sum.path))));
            }
            if sum.path == saved.parts[0].name.as_bytes() {
                let mut text = Vec::new();
                place
                    .file(&sum.path, false)
                    .and_then(|mut file| file.read_to_end(&mut text))
                    .map_err(gone)?;
                configured = Some(config(archive, number, &text)?);
            }
        }
        // What came after what was written down.
        for later in &saved.parts[mark.parts..] {
            if later.name != part.name || done == 0 {
                remove_tree(&made.join(&later.name)).map_err(|error| Resume::Anew(error.to_string()))?;
            }
        }
        let mut sums = sums;
        sums.seek(SeekFrom::End(0)).map_err(gone)?;
        self.meter.watch.note(&format!(
            "{} is gone on with: {} MiB of it are there already",
            self.targets[&saved.name],
            (bytes + done) >> 20
        ));
        self.meter.add(bytes)?;
        self.current = Some(Current {
            from: saved.name.clone(),
            name: self.targets[&saved.name].clone(),
            staging: staging.to_owned(),
            place,
            sums,
            config: configured,
            journaled: true,
            fresh: 0,
            whole: false,
        });
        archive.jump(mark)?;
        if done > 0 {
            let Item::Node(node) = archive.next()? else {
                return Err(archive.wrong("another thing than before").into());
            };
            self.node(archive, number, node, mark, done)?;
        }
        Ok(())
    }

    /// Makes something of a qube; the first `done` bytes of a file are there already. `mark` is where it begins.
    fn node(
        &mut self,
        archive: &mut Archive,
        number: usize,
        node: Node,
        mark: Mark,
        done: u64,
    ) -> Result<(), BackupError> {
        let Node { part, path, entry } = node;
        let saved = archive.manifest().qubes[number].parts[part].clone();
        let id = archive.manifest().id.clone();
        let step = self.step;
        let Some(current) = &mut self.current else { return Ok(()) };
        if mark.parts == part && part > 0 {
            // A part is whole: it is written down if it took long.
            current.place.end().map_err(BackupError::io("write", &current.name))?;
            if current.fresh >= step {
                current.checkpoint(&id, mark, 0)?;
            }
        }
        let failed = |source: std::io::Error| match Errno::from_io_error(&source) {
            Some(Errno::EXIST) => archive.wrong("a file that comes twice"),
            Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV | Errno::INVAL) => {
                archive.wrong("a path through what is no directory, or another name of no file")
            }
            _ => BackupError::Io { doing: "write", what: shown(&path), source },
        };
        let file = if done > 0 {
            Some(current.place.file(&path, true).map_err(failed)?)
        } else {
            current.place.make(&path, &entry).map_err(failed)?
        };
        let Some(file) = file else { return self.meter.watch.go_on() };
        let sparse = matches!(entry.kind, Kind::Sparse(_));
        let digest = if saved.kind == PartKind::Config {
            let bytes = archive.whole(entry.stored)?;
            current.config = Some(config(archive, number, &bytes)?);
            (&file).write_all(&bytes).map_err(BackupError::io("write", shown(&path)))?;
            let mut hasher = Hasher::plain();
            hasher.put(0, &bytes);
            self.meter.add(entry.stored)?;
            hasher.end()
        } else {
            let (mut last, volume) = (done, saved.kind == PartKind::Volume);
            data(archive, &entry, Some(&file), done, &mut self.meter, &mut |count| {
                current.fresh += count - last.min(count);
                if volume && current.fresh >= step {
                    current.checkpoint(&id, mark, count)?;
                }
                last = count;
                Ok(())
            })?
        };
        place::finish(&file, &kept(&entry, saved.kind)).map_err(BackupError::io("write", shown(&path)))?;
        current
            .sums
            .write_all(&Sum { path, sparse, digest }.line())
            .map_err(BackupError::io("write", sums::NAME))
    }

    /// Gives a whole qube its name.
    fn publish(&mut self) -> Result<(), BackupError> {
        let Some(mut current) = self.current.take_if(|current| current.whole) else { return Ok(()) };
        let io = || BackupError::io::<std::io::Error>("write", current.staging.display());
        let result = (|| {
            let staged = current.staging.join(STAGED);
            let made = File::open(&staged).map_err(io())?;
            // All of it is on the disk before it has its name.
            syncfs(&made).map_err(|errno| io()(errno.into()))?;
            let directory = identity(&staged).ok_or_else(|| io()(std::io::ErrorKind::NotFound.into()))?;
            Journal::new(&self.backup, &current.from, State::Finished { directory })
                .save(&current.staging)
                .map_err(io())?;
            current.journaled = true;
            self.house.adopt(&current.name)
        })();
        if result.is_err() {
            self.current = Some(current);
            return result;
        }
        self.stagings.push(current.staging);
        self.restored.push(Restored { from: current.from, name: current.name, config: current.config });
        Ok(())
    }

    /// Nothing half stays, unless it can be gone on with.
    fn clean_up(&mut self, result: &Result<(), BackupError>) {
        let keep = matches!(result, Err(error) if error.can_go_on());
        let mut gone = if keep { Vec::new() } else { std::mem::take(&mut self.stagings) };
        if let Some(current) = self.current.take()
            && !(keep && current.journaled)
        {
            gone.push(current.staging);
        }
        for staging in gone {
            if let Err(error) = remove_tree(&staging) {
                self.meter.watch.note(&error.to_string());
            }
        }
    }
}

impl Current {
    /// Brings everything to the disk and writes it down: the parts before `mark`, and `data` bytes of a volume.
    fn checkpoint(&mut self, id: &str, mark: Mark, data: u64) -> Result<(), BackupError> {
        let io = || BackupError::io::<std::io::Error>("write", self.staging.display());
        syncfs(&self.sums).map_err(|errno| io()(errno.into()))?;
        let sums = self.sums.stream_position().map_err(io())?;
        Journal::new(id, &self.from, State::begun(mark, sums, data)).save(&self.staging).map_err(io())?;
        (self.journaled, self.fresh) = (true, 0);
        Ok(())
    }
}

/// What tells a directory from any other, whatever its name: its number, and when it was made, in nanoseconds.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let meta = fs::symlink_metadata(path).ok()?;
    let made = meta.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    Some((meta.ino(), made.map_or(0, |made| made.as_nanos() as u64)))
}

/// Why an interrupted restore is not gone on with.
enum Resume {
    /// What is there is of no use.
    Anew(String),
    /// It went wrong.
    Failed(BackupError),
}

impl From<BackupError> for Resume {
    fn from(error: BackupError) -> Self {
        Self::Failed(error)
    }
}

/// What a file of a qube gets: what is not the qube's own is ours alone, whatever the backup says.
fn kept(entry: &Entry, kind: PartKind) -> Entry {
    let mut entry = entry.clone();
    if kind != PartKind::Tree {
        entry.mode = 0o600;
        entry.attributes.clear();
    }
    entry
}

/// The qubes whose restore was interrupted, and how many MiB of each are there.
pub fn left_unfinished(qubes: &Path) -> Result<Vec<QubeName>, StoreError> {
    Ok(stagings(qubes)?.into_iter().map(|(name, _)| name).collect())
}

/// Deletes what interrupted restores left of a qube.
pub fn discard(house: &mut dyn House, qubes: &Path, name: &QubeName) -> Result<(), BackupError> {
    // Nobody goes on with it meanwhile. A qube that is there was finished, and what is left are notes.
    if house.find(name)?.is_none() {
        house.reserve(name)?;
    }
    for (_, staging) in stagings(qubes)?.into_iter().filter(|(of, _)| of == name) {
        remove_tree(&staging)?;
    }
    Ok(())
}
