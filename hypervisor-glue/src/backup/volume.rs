//! What of a volume is saved: all of it as if it lay in one file, whether or not it shares a part with clones.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use rustix::fs::{CWD, Mode, OFlags, openat};

use super::sparse::{self, Piece};
use crate::{
    overlay::{DATA, Overlay},
    store::VolumeFiles,
};

/// A file to save, or several that are one.
pub(super) enum Source {
    /// One.
    File(File),
    /// An overlay on its base, and the header of what is encrypted.
    Shared(Box<Overlay>, Option<File>),
}

fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

impl Source {
    /// Opens the volume of this name in a qube's directory.
    pub(super) fn open(dir: &Path, name: &str) -> io::Result<Self> {
        loop {
            let files = VolumeFiles::of(dir, name);
            let Some(base) = &files.base else {
                match open(&files.file) {
                    // It has just come to be shared with a clone: it is the same in other files.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        if VolumeFiles::of(dir, name).base.is_some() {
                            continue;
                        }
                        return Err(error);
                    }
                    file => return Ok(Self::File(file?)),
                }
            };
            let named = |path: &Path, error: io::Error| {
                io::Error::new(error.kind(), format!("{}: {error}", path.display()))
            };
            let opened = |path: &Path| open(path).map_err(|error| named(path, error));
            let overlay = Overlay::open(opened(&files.file)?, opened(base)?);
            let overlay = overlay.map_err(|error| named(&files.file, error))?;
            let encrypted = name == crate::store::ENCRYPTED_VOLUME;
            let header = encrypted.then(|| opened(&files.header)).transpose()?;
            return Ok(Self::Shared(Box::new(overlay), header));
        }
    }

    /// Bytes, holes included.
    pub(super) fn size(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Shared(overlay, _) => Ok(overlay.size()),
        }
    }

    /// What there is of it.
    pub(super) fn pieces(&self, size: u64) -> io::Result<Vec<Piece>> {
        let (overlay, header) = match self {
            Self::File(file) => return sparse::pieces(file, size),
            Self::Shared(overlay, header) => (overlay, header),
        };
        let (own, base) = overlay.files();
        let begins = begins(header.as_ref())?;
        let mut all = sparse::pieces(base, base.metadata()?.len())?;
        // What a guest gave back is the overlay's own, too, and a hole in it.
        all.extend(sparse::pieces(own, DATA.saturating_add(size))?.into_iter().filter_map(|piece| {
            let start = piece.start.max(DATA);
            let length = piece.end().checked_sub(start).filter(|length| *length > 0)?;
            Some(Piece { start: start - DATA, length })
        }));
        // The header of the base is nobody's.
        all.retain_mut(|piece| {
            let end = piece.end();
            piece.start = piece.start.max(begins);
            piece.length = end.saturating_sub(piece.start);
            piece.length > 0
        });
        if let Some(header) = header {
            all.extend(sparse::pieces(header, begins)?);
        }
        sparse::merged(all)
    }

    /// Reads some of what lies at `at`: nothing only at its end.
    pub(super) fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let (overlay, header) = match self {
            Self::File(file) => return file.read_at(into, at),
            Self::Shared(overlay, header) => (overlay, header),
        };
        let begins = begins(header.as_ref())?;
        if let Some(header) = header
            && at < begins
        {
            let most = (begins - at).min(into.len() as u64) as usize;
            return header.read_at(&mut into[..most], at);
        }
        let most = overlay.size().saturating_sub(at).min(into.len() as u64) as usize;
        overlay.read(&mut into[..most], at)?;
        Ok(most)
    }

    /// Of what is written.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        match self {
            Self::File(file) => file.metadata(),
            Self::Shared(overlay, _) => overlay.files().0.metadata(),
        }
    }
}

fn begins(header: Option<&File>) -> io::Result<u64> {
    header.map_or(Ok(0), |header| Ok(header.metadata()?.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overlay;

    #[test]
    fn what_an_overlay_let_go_of_is_not_saved() {
        const SIZE: u64 = 8 << 20;
        let (file, base) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        base.set_len(SIZE).unwrap();
        overlay::create(&file, SIZE).unwrap();
        let mut made = Overlay::open(file, base).unwrap();
        made.write(&vec![7; 64 << 10], 1 << 20).unwrap();
        made.discard(2 << 20, 4 << 20).unwrap();
        let source = Source::Shared(Box::new(made), None);
        assert_eq!(source.pieces(SIZE).unwrap(), [Piece { start: 1 << 20, length: 64 << 10 }]);
    }
}
