//! The sending end.

use std::{
    collections::BTreeSet,
    fs::{self, File, Metadata},
    io::{self, Read as _, Write},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::format::{Entry, Head, MAX_DEPTH, MAX_ENTRIES, check_name};
use crate::services::ServiceError;

/// One step of a plan.
#[derive(Debug)]
enum Step {
    File { path: PathBuf, entry: Entry, size: u64 },
    Mark(Entry),
}

/// What will be sent, looked at beforehand.
#[derive(Debug)]
pub struct Plan {
    steps: Vec<Step>,
    head: Head,
    /// What was named, without a slash at the end.
    roots: Vec<PathBuf>,
    names: Vec<String>,
    /// Links, devices and the like, which do not travel.
    pub skipped: Vec<PathBuf>,
}

/// Hears how many bytes of how many are sent.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

fn local(path: &Path, error: impl std::fmt::Display) -> ServiceError {
    ServiceError::Local(format!("{}: {error}", path.display()))
}

impl Plan {
    /// Looks at files and folders. Links that are named are followed; links in folders are left out.
    pub fn new(paths: &[PathBuf]) -> Result<Self, ServiceError> {
        let head = Head { entries: 0, bytes: 0 };
        let mut plan =
            Self { steps: Vec::new(), head, roots: Vec::new(), names: Vec::new(), skipped: Vec::new() };
        let mut names = BTreeSet::new();
        for path in paths {
            let named = std::path::absolute(path).map_err(|error| local(path, error))?;
            // `.` and the like have no name of their own.
            let named = match named.file_name() {
                Some(_) => named,
                None => fs::canonicalize(path).map_err(|error| local(path, error))?,
            };
            let meta = fs::metadata(&named).map_err(|error| local(path, error))?;
            let name = plan.add(&named, &meta, 0)?;
            let Some(name) = name else {
                return Err(local(path, "neither a file nor a folder"));
            };
            if !names.insert(name.clone()) {
                return Err(ServiceError::Local(format!("two of the same name: {name}")));
            }
            plan.names.push(name);
            plan.roots.push(named);
        }
        if plan.head.entries == 0 {
            return Err(ServiceError::Local("nothing was named".to_owned()));
        }
        plan.steps.push(Step::Mark(Entry::End));
        Ok(plan)
    }

    fn add(&mut self, path: &Path, meta: &Metadata, depth: usize) -> Result<Option<String>, ServiceError> {
        if !meta.is_file() && !meta.is_dir() {
            self.skipped.push(path.to_owned());
            return Ok(None);
        }
        let name = path.file_name().map(std::os::unix::ffi::OsStrExt::as_bytes).unwrap_or_default();
        let name = check_name(name).map_err(|error| local(path, error))?.to_owned();
        self.head.entries += 1;
        if self.head.entries > MAX_ENTRIES {
            return Err(ServiceError::Local(format!("more than {MAX_ENTRIES} files and folders at once")));
        }
        if meta.is_file() {
            let size = meta.len();
            let sum = self.head.bytes.checked_add(size);
            self.head.bytes = sum.ok_or_else(|| local(path, "too large"))?;
            let entry = Entry::File { name: name.clone(), executable: meta.mode() & 0o100 != 0, size };
            self.steps.push(Step::File { path: path.to_owned(), entry, size });
            return Ok(Some(name));
        }
        if depth >= MAX_DEPTH {
            return Err(local(path, "folders are nested too deeply"));
        }
        self.steps.push(Step::Mark(Entry::FolderBegins { name: name.clone() }));
        let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries: Vec<PathBuf> =
            entries.map_err(|error| local(path, error))?.into_iter().map(|entry| entry.path()).collect();
        entries.sort();
        for entry in entries {
            let meta = fs::symlink_metadata(&entry).map_err(|error| local(&entry, error))?;
            self.add(&entry, &meta, depth + 1)?;
        }
        self.steps.push(Step::Mark(Entry::FolderEnds));
        Ok(Some(name))
    }

    /// What it is about, in a few words.
    pub fn description(&self) -> String {
        let size = size(self.head.bytes);
        match (self.names.as_slice(), self.head.entries) {
            ([name], 1) => format!("{name} ({size})"),
            ([name], entries) => format!("{name} ({entries} files and folders, {size})"),
            (names, entries) => {
                format!("{} and {} more ({entries} files and folders, {size})", names[0], names.len() - 1)
            }
        }
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.head.bytes
    }

    /// True if it is one file and nothing else.
    pub fn is_one_file(&self) -> bool {
        self.head.entries == 1 && matches!(self.steps.first(), Some(Step::File { .. }))
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// [`io::ErrorKind::BrokenPipe`] is the other end's doing; else a file is not as it was.
    pub fn send(&self, out: &mut impl Write, progress: Progress<'_>) -> Result<(), ServiceError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::BrokenPipe => ServiceError::Lost,
            _ => ServiceError::Stream(error),
        };
        let mut out = io::BufWriter::with_capacity(transom_protocol::call::MAX_DATA, out);
        self.head.write(&mut out).map_err(failed)?;
        let mut sent = 0;
        let mut chunk = vec![0; transom_protocol::call::MAX_DATA];
        for step in &self.steps {
            match step {
                Step::Mark(entry) => entry.write(&mut out).map_err(failed)?,
                Step::File { path, entry, size } => {
                    entry.write(&mut out).map_err(failed)?;
                    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
                    let mut file = file.map_err(|error| local(path, error))?.take(*size);
                    let mut left = *size;
                    while left > 0 {
                        let read = file.read(&mut chunk).map_err(|error| local(path, error))?;
                        if read == 0 {
                            return Err(local(path, "it has become shorter meanwhile"));
                        }
                        out.write_all(&chunk[..read]).map_err(failed)?;
                        left -= read as u64;
                        sent += read as u64;
                        progress(sent, self.head.bytes);
                    }
                }
            }
        }
        out.flush().map_err(failed)
    }

    /// Removes what was sent, after the other end has said that all of it is there.
    pub fn remove(&self) -> Result<(), ServiceError> {
        for root in &self.roots {
            let meta = fs::symlink_metadata(root).map_err(|error| local(root, error))?;
            let removed = if meta.is_dir() { fs::remove_dir_all(root) } else { fs::remove_file(root) };
            removed.map_err(|error| local(root, error))?;
        }
        Ok(())
    }
}

/// A number of bytes for people.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".into(),
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
