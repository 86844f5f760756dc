//! Images: what virtual machines boot from.
//!
//! `DATA/images/NAME/` holds a *template*: `kernel` (Debian's, as it is), `initramfs` (ours: mounts
//! the rest, and carries the agent), `root.erofs` (the file system, read-only), and `image.json`,
//! which says what they are. `boot.cpio` is the initramfs without the agent, so that another agent
//! needs no new root. `programs` lists what is installed in it. An image is made wholly or not at all.

mod build;
pub mod cli;
mod initramfs;
mod manifest;
mod modules;
mod own;
mod rootfs;

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// The names under which `transom-services` is found in a qube.
pub(crate) const TOOLS: [&str; 7] = [
    "transom-copy",
    "transom-move",
    "transom-open",
    "transom-start",
    "transom-clock",
    "transom-updates",
    "transom-call",
];

pub use self::{
    build::{BuildError, Programs, build, init, replace_agent},
    initramfs::settings,
    manifest::{Manifest, Recipe},
    own::{OWN_INITRAMFS, OpenVolume, make_volume, open_volume, write_initramfs},
};
use crate::store::{PROGRAMS, is_template, reason};

/// The file that describes an image.
const MANIFEST: &str = "image.json";
/// Largest such file, in bytes.
const MAX_MANIFEST: u64 = 64 * 1024;
/// The image that a virtual machine gets where nobody says which.
pub const DEFAULT_NAME: &str = "debian-12";

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is none.
    #[error("there is no image {0}: make it with `transom image build {0}`")]
    NoSuchImage(String),
    /// The name is none.
    #[error("{0:?} is not the name of an image: use a-z, A-Z, 0-9, '.', '_' and '-'")]
    Name(String),
    /// There is one already.
    #[error("there is an image {0} already: make it anew with `transom image update {0}`")]
    Exists(String),
    /// A file of it is not as it was made.
    #[error("the image {name} is damaged ({problem}): make it anew with `transom image update {name}`")]
    Damaged {
        /// The image.
        name: String,
        /// What is wrong with which file.
        problem: String,
    },
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

impl ImageError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }
}

/// An image that was found to be whole.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its name.
    pub name: String,
    /// What it is.
    pub manifest: Manifest,
    dir: PathBuf,
}

impl Image {
    /// The kernel, a bzImage.
    pub fn kernel(&self) -> PathBuf {
        self.dir.join("kernel")
    }

    /// The initramfs: cpio archives (newc), uncompressed, of a length that is a multiple of four.
    /// A back end appends [`settings`] to it.
    pub fn initramfs(&self) -> PathBuf {
        self.dir.join("initramfs")
    }

    /// The root file system, EROFS, never written to.
    pub fn root(&self) -> PathBuf {
        self.dir.join("root.erofs")
    }

    /// The programs that are installed in it, as a qube lists them; `None` in an image from before there were
    /// such lists.
    pub fn programs(&self) -> Option<fs::File> {
        crate::store::opened_programs(fs::File::open(self.dir.join(PROGRAMS))).ok().flatten()
    }

    /// Compares sizes with those of the day it was made.
    fn check(&self) -> Result<(), ImageError> {
        let sizes = &self.manifest.bytes;
        for (path, expected) in
            [(self.kernel(), sizes.kernel), (self.initramfs(), sizes.initramfs), (self.root(), sizes.root)]
        {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let problem = match fs::metadata(&path) {
                Ok(meta) if meta.is_file() && meta.len() == expected => continue,
                Ok(meta) => format!("{file} has {} bytes instead of {expected}", meta.len()),
                Err(error) => format!("{file}: {error}"),
            };
            return Err(ImageError::Damaged { name: self.name.clone(), problem });
        }
        Ok(())
    }
}

/// The images below one data directory.
#[derive(Clone, Debug)]
pub struct Images {
    dir: PathBuf,
}

impl Images {
    /// Those below this data directory, which need not exist.
    pub fn new(data_dir: &Path) -> Self {
        Self { dir: data_dir.join("images") }
    }

    /// Where they are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self, name: &str) -> Result<PathBuf, ImageError> {
        if is_template(name) {
            Ok(self.dir.join(name))
        } else {
            Err(ImageError::Name(name.chars().take(40).collect()))
        }
    }

    /// The names of all images, in order, whole or not.
    pub fn names(&self) -> Result<Vec<String>, ImageError> {
        let entries = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(ImageError::io("read", &self.dir))?,
        };
        let names = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|name| is_template(name)).collect();
        names.sort();
        Ok(names)
    }

    /// Reads what an image is, without a look at its other files.
    fn describe(&self, name: &str) -> Result<Image, ImageError> {
        let dir = self.path(name)?;
        if !dir.is_dir() {
            return Err(ImageError::NoSuchImage(name.to_owned()));
        }
        let damaged = |problem: String| ImageError::Damaged { name: name.to_owned(), problem };
        let path = dir.join(MANIFEST);
        let meta = fs::metadata(&path).map_err(|error| damaged(format!("{MANIFEST}: {error}")))?;
        if !meta.is_file() || meta.len() > MAX_MANIFEST {
            return Err(damaged(format!("{MANIFEST} is not a file of at most {MAX_MANIFEST} bytes")));
        }
        let text = fs::read(&path).map_err(ImageError::io("read", &path))?;
        let manifest = Manifest::parse(&text).map_err(|error| damaged(format!("{MANIFEST}: {error}")))?;
        Ok(Image { name: name.to_owned(), manifest, dir })
    }

    /// Finds an image and sees that it is whole.
    pub fn load(&self, name: &str) -> Result<Image, ImageError> {
        let image = self.describe(name)?;
        image.check()?;
        Ok(image)
    }

    /// Bytes on the disk of an image, whole or not.
    pub(crate) fn disk(&self, name: &str) -> u64 {
        let entries = self.path(name).ok().and_then(|dir| fs::read_dir(dir).ok());
        let files = entries.into_iter().flatten().filter_map(Result::ok);
        let blocks = files.filter_map(|file| Some(file.metadata().ok()?.blocks()));
        blocks.fold(0, |sum: u64, blocks| sum.saturating_add(blocks.saturating_mul(512)))
    }

    /// Deletes an image. Qubes that run go on with it; others need another one.
    pub fn remove(&self, name: &str) -> Result<(), ImageError> {
        let dir = self.path(name)?;
        let hidden = self.dir.join(format!(".removed-{}-{name}", std::process::id()));
        match fs::rename(&dir, &hidden) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ImageError::NoSuchImage(name.to_owned()));
            }
            other => other.map_err(ImageError::io("remove", &dir))?,
        }
        fs::remove_dir_all(&hidden).map_err(ImageError::io("delete", &hidden))
    }

    /// A new folder for an image that is being made. It goes away unless [`Images::put`] takes it.
    fn draft(&self) -> Result<tempfile::TempDir, ImageError> {
        let failed = ImageError::io("make a folder in", &self.dir);
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.and_then(|()| tempfile::Builder::new().prefix(".new-").tempdir_in(&self.dir)).map_err(failed)
    }

    /// Puts a finished draft in the place of `name`; what was there is deleted.
    fn put(&self, draft: tempfile::TempDir, name: &str) -> Result<(), ImageError> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let dir = self.path(name)?;
        let failed = |source: rustix::io::Errno| ImageError::io("put into place", &dir)(source.into());
        let both = dir.is_dir();
        let flags = if both { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        renameat_with(CWD, draft.path(), CWD, &dir, flags).map_err(failed)?;
        // Now the old image, if any, is in the draft's place and goes away with it.
        if !both {
            let _ = draft.keep();
        }
        fs::File::open(&self.dir).and_then(|dir| dir.sync_all()).map_err(ImageError::io("write", &self.dir))
    }
}

#[cfg(test)]
mod tests;
