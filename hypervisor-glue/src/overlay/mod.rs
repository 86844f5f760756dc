//! Overlays: what was written to a volume since it shares the rest, its *base*, with its clones.
//!
//! A base is a file that nobody writes. An overlay is a file with room for the whole volume, as sparse as
//! what was written to it, and a map that says which blocks it has; all others are read from the base.
//!
//! ```text
//! 0         header: magic, version, bytes of a block, bytes of the volume, bytes of the base; little-endian
//! BLOCK     map: a bit for each block, the lowest of a byte first
//! DATA      block 0, block 1, …
//! ```
//!
//! Nothing in it is a place that it could name wrongly: a block lies where it lies in the volume, and bits are
//! all that a map can say. What a write costs a power cut cannot cost more: a bit comes to the disk after its
//! block is there, and it is never taken back, so that each sector is what it was at the last
//! [`Overlay::sync`] or something that was written since.
//!
//! Why not qcow2: the crate that reads and writes it here (imago 0.2) brings the place of a table to the disk
//! before the count that keeps it from being used again, and puts nothing between what it writes and what
//! points at it. A machine that is killed at the wrong moment, let alone a power cut, spoils such a file.
//! QEMU writes it with care, but would follow a name in its header, which a guest that took QEMU over may
//! have put there.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, fs::File, io, ops::Range, os::unix::fs::FileExt as _};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};

const MAGIC: [u8; 8] = *b"TRANSOVL";
const VERSION: u32 = 1;
/// Bytes of a block: what a first write of a few bytes takes from the disk.
pub(crate) const BLOCK: u64 = 16 << 10;
/// Blocks that there is a bit for.
const MOST_BLOCKS: u64 = 1 << 31;
/// Largest volume, in bytes: 32 TiB.
pub(crate) const MAX_SIZE: u64 = MOST_BLOCKS * BLOCK;
/// Where block 0 lies.
pub(crate) const DATA: u64 = BLOCK + MOST_BLOCKS / 8;
/// Bytes of the map that are written at a time.
const PAGE: usize = 4096;
const HEADER: usize = 32;
/// Bytes of the smallest thing that is written.
const SECTOR: u64 = 512;

/// What an overlay lies in: a file.
pub trait Medium {
    /// Fills `into` from `offset` on.
    fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `from`.
    fn write(&self, from: &[u8], offset: u64) -> io::Result<()>;
    /// Brings what was written to the disk.
    fn sync(&self) -> io::Result<()>;
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Makes it so long; what is new reads as zeros.
    fn set_length(&self, length: u64) -> io::Result<()>;
    /// Takes what lies there away, so that it reads as zeros.
    fn punch(&self, place: Range<u64>) -> io::Result<()>;
}

impl Medium for File {
    fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(into, offset)
    }

    fn write(&self, from: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(from, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn punch(&self, place: Range<u64>) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(self, flags, place.start, place.end - place.start)?)
    }
}

/// An open overlay with its base.
#[derive(Debug)]
pub struct Overlay<M = File> {
    file: M,
    base: M,
    /// Whole sectors of the base.
    base_size: u64,
    size: u64,
    /// The map as it will be: whole pages.
    map: Vec<u8>,
    /// Pages of it that are not on the disk yet.
    changed: BTreeSet<usize>,
}

fn bad(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

/// Takes what lies there away; false where the file system cannot.
fn let_go(file: &impl Medium, place: Range<u64>) -> io::Result<bool> {
    match file.punch(place) {
        Err(error) if error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error()) => Ok(false),
        other => other.map(|()| true),
    }
}

/// Bytes of the map of a volume, in whole pages.
fn map_bytes(size: u64) -> usize {
    (size.div_ceil(BLOCK).div_ceil(8) as usize).next_multiple_of(PAGE)
}

fn header(size: u64, base: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&(BLOCK as u32).to_le_bytes());
    bytes[16..24].copy_from_slice(&size.to_le_bytes());
    bytes[24..].copy_from_slice(&base.to_le_bytes());
    bytes
}

/// Bytes of the base that an overlay was made for, as its header says.
///
/// # Errors
/// It is no overlay.
pub fn base_of(file: &impl Medium) -> io::Result<u64> {
    Ok(sizes(file)?.1)
}

/// Bytes of the volume and of the base, checked.
fn sizes(file: &impl Medium) -> io::Result<(u64, u64)> {
    let length = file.length()?;
    if length < HEADER as u64 {
        return Err(bad("it is no overlay: it is too short"));
    }
    let mut found = [0; HEADER];
    file.read(&mut found, 0)?;
    let number = |at: usize| {
        u64::from_le_bytes(std::array::from_fn(|byte| found.get(at + byte).copied().unwrap_or_default()))
    };
    let (size, base) = (number(16), number(24));
    if found != header(size, base) {
        return Err(bad("it is no overlay: its header says something else"));
    }
    let whole = size.is_multiple_of(SECTOR) && base.is_multiple_of(SECTOR);
    if !whole || size > MAX_SIZE || base > size {
        return Err(bad("its header says a size that no overlay has"));
    }
    if length < DATA + size { Err(bad("it was cut off")) } else { Ok((size, base)) }
}

/// Makes `file`, which must be empty, an overlay without a block, for a base of `base` bytes: whole sectors.
///
/// # Errors
/// The base is too large or no whole number of sectors, or the disk's.
pub fn create(file: &impl Medium, base: u64) -> io::Result<()> {
    if !base.is_multiple_of(SECTOR) || base > MAX_SIZE {
        return Err(bad("no volume of this size can be shared"));
    }
    file.set_length(DATA + base)?;
    file.write(&header(base, base), 0)
}

impl<M: Medium> Overlay<M> {
    /// Opens an overlay above its base, of which nothing is ever written.
    ///
    /// # Errors
    /// It is none, or the base is another one.
    pub fn open(file: M, base: M) -> io::Result<Self> {
        let (size, base_size) = sizes(&file)?;
        let there = base.length()?;
        if there != base_size {
            return Err(bad(format!("its base has {there} bytes instead of {base_size}")));
        }
        let mut map = vec![0; map_bytes(size)];
        file.read(&mut map, BLOCK)?;
        Ok(Self { file, base, base_size, size, map, changed: BTreeSet::new() })
    }

    /// Bytes of the volume.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills `into` with what lies at `offset`.
    ///
    /// # Errors
    /// It does not all lie inside, or the disk's.
    pub fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let end = self.end(offset, into.len() as u64)?;
        let (mut at, mut rest) = (offset, into);
        while at < end {
            let (own, after) = self.run(at, end);
            let (part, others) = rest.split_at_mut((after - at) as usize);
            if own {
                self.file.read(part, DATA + at)?;
            } else {
                self.read_base(part, at)?;
            }
            (at, rest) = (after, others);
        }
        Ok(())
    }

    /// Writes `from` to `offset`. What of a block was in the base only comes along.
    ///
    /// # Errors
    /// It does not all lie inside, or the disk's; then what lay there is as it was, or partly written.
    pub fn write(&mut self, from: &[u8], offset: u64) -> io::Result<()> {
        let end = self.end(offset, from.len() as u64)?;
        if from.is_empty() {
            return Ok(());
        }
        let (first, last) = (offset / BLOCK, (end - 1) / BLOCK);
        if !self.has(first) {
            self.bring(first * BLOCK..offset)?;
        }
        if !self.has(last) {
            self.bring(end..((last + 1) * BLOCK).min(self.size))?;
        }
        self.file.write(from, DATA + offset)?;
        self.take(first..last + 1);
        Ok(())
    }

    /// Lets go of what lies there, as far as it is whole blocks, which then read as zeros. Where the file
    /// system cannot, nothing changes.
    ///
    /// # Errors
    /// It does not all lie inside, or the disk's.
    pub fn discard(&mut self, offset: u64, length: u64) -> io::Result<()> {
        let end = self.end(offset, length)?;
        let first = offset.div_ceil(BLOCK);
        let after = if end == self.size { end.div_ceil(BLOCK) } else { end / BLOCK };
        if first >= after {
            return Ok(());
        }
        if let_go(&self.file, DATA + first * BLOCK..DATA + (after * BLOCK).min(self.size))? {
            self.take(first..after);
        }
        Ok(())
    }

    /// Brings all of it to the disk.
    ///
    /// # Errors
    /// The disk's; it can be tried again.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync()?;
        if self.changed.is_empty() {
            return Ok(());
        }
        for page in &self.changed {
            let bytes = &self.map[page * PAGE..][..PAGE];
            self.file.write(bytes, BLOCK + (page * PAGE) as u64)?;
        }
        self.file.sync()?;
        self.changed.clear();
        Ok(())
    }

    /// Makes it `size` bytes large, if it is smaller. What is new reads as zeros. A power cut leaves it as
    /// large as it was or as it is to be.
    ///
    /// # Errors
    /// There is no such size, or the disk's.
    pub fn grow(&mut self, size: u64) -> io::Result<()> {
        if size <= self.size {
            return Ok(());
        }
        if !size.is_multiple_of(SECTOR) || size > MAX_SIZE {
            return Err(bad("no volume of this size can be shared"));
        }
        self.file.set_length(DATA + size)?;
        self.file.sync()?;
        self.file.write(&header(size, self.base_size), 0)?;
        self.file.sync()?;
        self.map.resize(map_bytes(size), 0);
        self.size = size;
        Ok(())
    }

    /// What of the volume lies in the overlay, in order.
    pub fn own(&self) -> impl Iterator<Item = Range<u64>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < self.size {
                let (own, after) = self.run(at, self.size);
                let found = at..after;
                at = after;
                if own {
                    return Some(found);
                }
            }
            None
        })
    }

    /// Its two files: what is written, and the base.
    pub fn files(&self) -> (&M, &M) {
        (&self.file, &self.base)
    }

    /// The first byte after it, if it all lies inside.
    fn end(&self, offset: u64, length: u64) -> io::Result<u64> {
        let end = offset.checked_add(length).filter(|end| *end <= self.size);
        end.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn has(&self, block: u64) -> bool {
        self.map.get((block / 8) as usize).is_some_and(|byte| byte & 1 << (block % 8) != 0)
    }

    /// Whether what lies at `at` is in the overlay, and where that ends, at `end` at the latest.
    fn run(&self, at: u64, end: u64) -> (bool, u64) {
        let mut block = at / BLOCK;
        let own = self.has(block);
        block += 1;
        while block * BLOCK < end && self.has(block) == own {
            block += 1;
        }
        (own, (block * BLOCK).min(end))
    }

    fn take(&mut self, blocks: Range<u64>) {
        for block in blocks {
            let byte = (block / 8) as usize;
            if let Some(bits) = self.map.get_mut(byte)
                && *bits & 1 << (block % 8) == 0
            {
                *bits |= 1 << (block % 8);
                self.changed.insert(byte / PAGE);
            }
        }
    }

    /// Zeros behind the end of the base.
    fn read_base(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        let there = self.base_size.saturating_sub(offset).min(into.len() as u64) as usize;
        let (part, behind) = into.split_at_mut(there);
        behind.fill(0);
        self.base.read(part, offset)
    }

    /// Copies a part of a block that the overlay does not have yet.
    fn bring(&self, place: Range<u64>) -> io::Result<()> {
        if place.is_empty() {
            return Ok(());
        }
        let mut bytes = vec![0; (place.end - place.start) as usize];
        self.read_base(&mut bytes, place.start)?;
        self.file.write(&bytes, DATA + place.start)
    }
}

/// What the bytes of a volume lie in.
#[derive(Debug)]
pub enum Stored {
    /// A file with all of them.
    File(File),
    /// An overlay on what clones share.
    Shared(Box<Overlay>),
}

impl From<File> for Stored {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

impl From<Overlay> for Stored {
    fn from(overlay: Overlay) -> Self {
        Self::Shared(Box::new(overlay))
    }
}

impl Stored {
    /// Opens a volume: `file` is all of it, or the overlay on this base, which then is made `size` bytes large
    /// at least.
    ///
    /// # Errors
    /// As those of [`Overlay::open`] and [`Overlay::grow`].
    pub fn open(file: File, base: Option<(File, u64)>) -> io::Result<Self> {
        let Some((base, size)) = base else { return Ok(file.into()) };
        let mut overlay = Overlay::open(file, base)?;
        overlay.grow(size)?;
        Ok(overlay.into())
    }

    /// Bytes.
    ///
    /// # Errors
    /// The disk's.
    pub fn size(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Shared(overlay) => Ok(overlay.size()),
        }
    }

    /// Fills `into` with what lies at `offset`.
    ///
    /// # Errors
    /// It does not all lie inside, or the disk's.
    pub fn read(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(into, offset),
            Self::Shared(overlay) => overlay.read(into, offset),
        }
    }

    /// Writes all of `from`.
    ///
    /// # Errors
    /// The disk's; of an overlay also that it does not all lie inside.
    pub fn write(&mut self, from: &[u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all_at(from, offset),
            Self::Shared(overlay) => overlay.write(from, offset),
        }
    }

    /// Lets go of what lies there: of an overlay, as far as it is whole blocks. Nobody knows what is read there then.
    ///
    /// # Errors
    /// The disk's; of an overlay also that it does not all lie inside.
    pub fn discard(&mut self, offset: u64, length: u64) -> io::Result<()> {
        match self {
            Self::File(file) => let_go(file, offset..offset.saturating_add(length)).map(|_| ()),
            Self::Shared(overlay) => overlay.discard(offset, length),
        }
    }

    /// Bytes of the smallest thing that [`Self::discard`] lets go of.
    pub(crate) fn granularity(&self) -> u32 {
        match self {
            Self::File(_) => SECTOR as u32,
            Self::Shared(_) => BLOCK as u32,
        }
    }

    /// Brings all of it to the disk.
    ///
    /// # Errors
    /// The disk's.
    pub fn sync(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.sync_data(),
            Self::Shared(overlay) => overlay.sync(),
        }
    }
}
