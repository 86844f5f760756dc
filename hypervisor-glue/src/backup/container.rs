//! The container: a POSIX tar archive, of which only a strict part is written and read.
//!
//! An entry is one `ustar` header, after an extended one (`x`) where the first has no room for something,
//! and its data in whole blocks of 512 bytes. Two blocks of zeros end it, and nothing follows. What else
//! tar archives may hold (global headers, devices, GNU's long names) is refused. Pure: no files.

use std::io::{self, Read};

use tar::{EntryType, Header};

use super::{
    pax,
    sparse::{Decode, Piece},
};

/// Bytes of a block.
pub(super) const BLOCK: usize = 512;
/// Longest extended header, in bytes.
const MAX_RECORDS: u64 = 1 << 20;
/// Longest path and target of a link, in bytes, as Linux has it.
pub(super) const MAX_PATH: usize = 4_095;
/// Extended attributes of programs; no others are kept.
pub(super) const USER_ATTRIBUTE: &[u8] = b"user.";
/// Before them in a record's key.
const ATTRIBUTE_KEY: &[u8] = b"SCHILY.xattr.";
/// Most that is told of numbers of a header in plain octal.
const MAX_OCTAL: u64 = 0o777_7777_7777;

/// An extended attribute: name and value.
pub(super) type Attribute = (Vec<u8>, Vec<u8>);

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A directory.
    Directory,
    /// A file: [`Entry::stored`] bytes.
    File,
    /// A file with holes, of so many bytes.
    Sparse(u64),
    /// A symbolic link to anywhere.
    Symlink(Vec<u8>),
    /// Another name of a file that came before, by its path in the container.
    HardLink(Vec<u8>),
    /// A named pipe.
    Fifo,
}

/// One entry, but for its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it is, as it is written: nothing is known of it.
    pub(super) path: Vec<u8>,
    /// What it is.
    pub(super) kind: Kind,
    /// Who may do what: nine bits.
    pub(super) mode: u32,
    /// When it was last written: seconds since 1970, and nanoseconds.
    pub(super) mtime: (i64, u32),
    /// Bytes of data that follow; of a file with holes its list of pieces as well.
    pub(super) stored: u64,
    /// Extended attributes.
    pub(super) attributes: Vec<Attribute>,
}

impl Entry {
    /// An entry without data and attributes, of no particular time.
    pub(super) fn new(path: impl Into<Vec<u8>>, kind: Kind, mode: u32) -> Self {
        Self { path: path.into(), kind, mode, mtime: (0, 0), stored: 0, attributes: Vec::new() }
    }

    /// What stands before its data.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut records = Vec::new();
        let mut header = Header::new_ustar();
        let mut record = |key: &[u8], value: &[u8]| pax::push(&mut records, key, value);
        let (kind, name) = match &self.kind {
            Kind::Directory => (EntryType::Directory, &self.path[..]),
            Kind::File => (EntryType::Regular, &self.path[..]),
            Kind::Symlink(_) => (EntryType::Symlink, &self.path[..]),
            Kind::HardLink(_) => (EntryType::Link, &self.path[..]),
            Kind::Fifo => (EntryType::Fifo, &self.path[..]),
            Kind::Sparse(size) => {
                record(b"GNU.sparse.major", b"1");
                record(b"GNU.sparse.minor", b"0");
                record(b"GNU.sparse.name", &self.path);
                record(b"GNU.sparse.realsize", size.to_string().as_bytes());
                // What a program finds that knows nothing of holes.
                (EntryType::Regular, &b"GNUSparseFile.0/file"[..])
            }
        };
        if let Some(ustar) = header.as_ustar_mut() {
            if !fill(&mut ustar.name, name) {
                record(b"path", name);
            }
            if let Kind::Symlink(target) | Kind::HardLink(target) = &self.kind
                && !fill(&mut ustar.linkname, target)
            {
                record(b"linkpath", target);
            }
        }
        let (seconds, nanoseconds) = self.mtime;
        let whole = u64::try_from(seconds).unwrap_or(0).min(MAX_OCTAL);
        if nanoseconds != 0 || i64::try_from(whole) != Ok(seconds) {
            record(b"mtime", time(seconds, nanoseconds).as_bytes());
        }
        if self.stored > MAX_OCTAL {
            record(b"size", self.stored.to_string().as_bytes());
        }
        for (name, value) in &self.attributes {
            record(&[ATTRIBUTE_KEY, name].concat(), value);
        }
        header.set_entry_type(kind);
        header.set_mode(self.mode & 0o777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(whole);
        header.set_size(self.stored);
        header.set_cksum();
        let mut bytes = Vec::new();
        if !records.is_empty() {
            let mut before = Header::new_ustar();
            if let Some(ustar) = before.as_ustar_mut() {
                fill(&mut ustar.name, b"PaxHeaders/entry");
            }
            before.set_entry_type(EntryType::XHeader);
            before.set_mode(0o600);
            before.set_size(records.len() as u64);
            before.set_cksum();
            bytes.extend_from_slice(before.as_bytes());
            bytes.extend_from_slice(&records);
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        }
        bytes.extend_from_slice(header.as_bytes());
        bytes
    }

    /// Reads a header and the records before it.
    fn decode(untrusted: &Header, untrusted_records: &[u8]) -> Result<Self, Bad> {
        let ustar = untrusted.as_ustar().ok_or(Bad::Wrong("no header where one should be"))?;
        if ustar.prefix.iter().any(|byte| *byte != 0) {
            return Err(Bad::Wrong("a name in two parts"));
        }
        let stored = untrusted.entry_size().map_err(|_| Bad::Wrong("a size that is no number"))?;
        let mtime = untrusted.mtime().ok().and_then(|mtime| i64::try_from(mtime).ok());
        let mut entry = Self {
            path: until_zero(&ustar.name).to_vec(),
            kind: Kind::File,
            mode: untrusted.mode().map_err(|_| Bad::Wrong("a mode that is no number"))? & 0o777,
            mtime: (mtime.ok_or(Bad::Wrong("a time that is no number"))?, 0),
            stored,
            attributes: Vec::new(),
        };
        let mut target = until_zero(&ustar.linkname).to_vec();
        let (mut version, mut real_size, mut real_name) = ((None, None), None, None);
        let mut left = untrusted_records;
        while !left.is_empty() {
            let (key, value) = pax::take(&mut left).ok_or(Bad::Wrong("an extended header that is none"))?;
            let number = || pax::number(value).ok_or(Bad::Wrong("a record that is no number"));
            match key {
                b"path" => entry.path = value.to_vec(),
                b"linkpath" => target = value.to_vec(),
                b"mtime" => entry.mtime = parse_time(value).ok_or(Bad::Wrong("a time that is none"))?,
                // Two sizes that differ would mean two things to two programs.
                b"size" if number()? == stored => {}
                b"GNU.sparse.major" => version.0 = Some(number()?),
                b"GNU.sparse.minor" => version.1 = Some(number()?),
                b"GNU.sparse.realsize" => real_size = Some(number()?),
                b"GNU.sparse.name" => real_name = Some(value.to_vec()),
                _ => match key.strip_prefix(ATTRIBUTE_KEY) {
                    Some(name) if name.starts_with(USER_ATTRIBUTE) => {
                        entry.attributes.push((name.to_vec(), value.to_vec()));
                    }
                    _ => return Err(Bad::Wrong("a record that is not known")),
                },
            }
        }
        let sparse = match (version, real_size, real_name) {
            ((None, None), None, None) => None,
            ((Some(1), Some(0)), Some(size), Some(name)) => {
                entry.path = name;
                Some(size)
            }
            _ => return Err(Bad::Wrong("holes that are told in another way")),
        };
        entry.kind = match (untrusted.entry_type(), sparse) {
            (EntryType::Regular, None) => Kind::File,
            (EntryType::Regular, Some(size)) => Kind::Sparse(size),
            (EntryType::Directory, None) => Kind::Directory,
            (EntryType::Symlink, None) => Kind::Symlink(target),
            (EntryType::Link, None) => Kind::HardLink(target),
            (EntryType::Fifo, None) => Kind::Fifo,
            _ => return Err(Bad::Wrong("an entry of a kind that no backup has")),
        };
        if stored != 0 && !matches!(entry.kind, Kind::File | Kind::Sparse(_)) {
            return Err(Bad::Wrong("data of what is no file"));
        }
        Ok(entry)
    }
}

/// Writes a name into a field of a header. False, and something like it stands there, if it is too long or
/// more than ASCII.
fn fill(field: &mut [u8; 100], name: &[u8]) -> bool {
    for (place, byte) in field.iter_mut().zip(name) {
        *place = if (0x20..0x7f).contains(byte) { *byte } else { b'_' };
    }
    name.len() <= field.len() && name.iter().all(|byte| (0x20..0x7f).contains(byte))
}

fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A time in decimal. Before 1970 the nanoseconds of a file still count forwards.
fn time(seconds: i64, nanoseconds: u32) -> String {
    match (seconds, nanoseconds) {
        (_, 0) => seconds.to_string(),
        (0.., _) => format!("{seconds}.{nanoseconds:09}"),
        (..0, _) => format!("-{}.{:09}", (seconds + 1).unsigned_abs(), 1_000_000_000 - nanoseconds),
    }
}

fn parse_time(untrusted: &[u8]) -> Option<(i64, u32)> {
    let (negative, text) = match untrusted.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, untrusted),
    };
    let mut parts = text.splitn(2, |byte| *byte == b'.');
    let whole = i64::try_from(pax::number(parts.next()?)?).ok()?;
    let fraction = match parts.next() {
        None => 0,
        Some(digits) if digits.len() <= 9 => {
            u32::try_from(pax::number(digits)?).ok()? * 10u32.pow(9 - digits.len() as u32)
        }
        Some(_) => return None,
    };
    Some(match (negative, fraction) {
        (false, _) => (whole, fraction),
        (true, 0) => (-whole, 0),
        (true, _) => (-whole - 1, 1_000_000_000 - fraction),
    })
}

/// Why there is no next entry, or no more data of this one.
#[derive(Debug)]
pub(super) enum Bad {
    /// It cannot be read, or its end is missing.
    Io(io::Error),
    /// What is there is no backup's.
    Wrong(&'static str),
}

impl From<io::Error> for Bad {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The bytes of a container, in order.
pub(super) trait Input: Read {
    /// How many were read or skipped.
    fn position(&self) -> u64;
    /// Leaves some out.
    fn skip(&mut self, bytes: u64) -> io::Result<()>;
}

impl<T: AsRef<[u8]>> Input for io::Cursor<T> {
    fn position(&self) -> u64 {
        self.position()
    }
    fn skip(&mut self, bytes: u64) -> io::Result<()> {
        self.set_position(self.position().saturating_add(bytes));
        Ok(())
    }
}

/// Reads a container.
#[derive(Debug)]
pub(super) struct Unpack<I> {
    input: I,
    /// What is left of the data of this entry.
    left: u64,
    /// What fills its last block.
    fill: u64,
    over: bool,
}

impl<I: Input> Unpack<I> {
    /// Begins with the first entry.
    pub(super) fn new(input: I) -> Self {
        Self { input, left: 0, fill: 0, over: false }
    }

    /// What it reads from.
    pub(super) fn input(&self) -> &I {
        &self.input
    }

    /// Where the next header is.
    pub(super) fn next_at(&self) -> u64 {
        self.input.position().saturating_add(self.left).saturating_add(self.fill)
    }

    /// Goes on with the entry at this position, which comes later.
    pub(super) fn jump(&mut self, position: u64) -> Result<(), Bad> {
        let bytes =
            position.checked_sub(self.input.position()).ok_or(Bad::Wrong("a place that is behind"))?;
        self.input.skip(bytes)?;
        (self.left, self.fill) = (0, 0);
        Ok(())
    }

    /// What is left of the data of this entry, in bytes.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The next entry; what is left of this one's data is skipped. `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Bad> {
        if self.over {
            return Ok(None);
        }
        self.input.skip(self.left.checked_add(self.fill).ok_or(Bad::Wrong("an entry without an end"))?)?;
        (self.left, self.fill) = (0, 0);
        let mut header = self.header()?;
        let mut records = Vec::new();
        if let Some(untrusted) = &header
            && untrusted.entry_type() == EntryType::XHeader
        {
            let size = untrusted.entry_size().ok().filter(|size| *size <= MAX_RECORDS);
            let size = size.ok_or(Bad::Wrong("an extended header that is too long"))?;
            records.resize(size.next_multiple_of(BLOCK as u64) as usize, 0);
            self.input.read_exact(&mut records)?;
            records.truncate(size as usize);
            header = Some(self.header()?.ok_or(Bad::Wrong("an extended header of nothing"))?);
        }
        let Some(untrusted) = header else {
            self.end()?;
            return Ok(None);
        };
        let entry = Entry::decode(&untrusted, &records)?;
        self.left = entry.stored;
        self.fill = entry.stored.wrapping_neg() % BLOCK as u64;
        Ok(Some(entry))
    }

    /// A header; `None` for a block of zeros.
    fn header(&mut self) -> Result<Option<Header>, Bad> {
        let mut block = [0; BLOCK];
        self.input.read_exact(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block);
        let sum: u32 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                // The sum counts its own field as spaces.
                u32::from(if (148..156).contains(&at) { b' ' } else { *byte })
            })
            .sum();
        if header.cksum().ok() != Some(sum) {
            return Err(Bad::Wrong("no header where one should be"));
        }
        Ok(Some(header.clone()))
    }

    /// One more block of zeros, and the end.
    fn end(&mut self) -> Result<(), Bad> {
        let mut block = [0; BLOCK];
        self.input.read_exact(&mut block)?;
        if block.iter().any(|byte| *byte != 0) || self.input.read(&mut block[..1])? != 0 {
            return Err(Bad::Wrong("something after the end"));
        }
        self.over = true;
        Ok(())
    }

    /// Reads data of this entry; 0 where it ends.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Bad> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.input.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.left -= read as u64;
        Ok(read)
    }

    /// Skips data of this entry.
    pub(super) fn skip(&mut self, bytes: u64) -> Result<(), Bad> {
        let bytes = bytes.min(self.left);
        self.input.skip(bytes)?;
        self.left -= bytes;
        Ok(())
    }

    /// Reads the list of pieces of a file with holes. What follows is their data, and no more than that.
    pub(super) fn pieces(&mut self, size: u64) -> Result<Vec<Piece>, Bad> {
        let mut decode = Decode::default();
        let pieces = loop {
            if self.left < BLOCK as u64 {
                return Err(Bad::Wrong("a list of pieces without an end"));
            }
            let mut block = [0; BLOCK];
            let mut filled = 0;
            while filled < BLOCK {
                filled += self.read(&mut block[filled..])?;
            }
            if let Some(pieces) = decode.block(&block, size).map_err(Bad::Wrong)? {
                break pieces;
            }
        };
        if super::sparse::total(&pieces) != self.left {
            return Err(Bad::Wrong("pieces of another length than their data"));
        }
        Ok(pieces)
    }
}

/// What ends a container.
pub(super) const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(b'/'), 1u8..=255];
        proptest::collection::vec(byte, 1..300)
    }

    fn kind() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::Directory),
            Just(Kind::File),
            Just(Kind::Fifo),
            any::<u64>().prop_map(Kind::Sparse),
            path().prop_map(Kind::Symlink),
            path().prop_map(Kind::HardLink),
        ]
    }

    prop_compose! {
        fn entry()(
            path in path(),
            kind in kind(),
            mode in 0u32..0o1000,
            seconds in prop_oneof![any::<i64>().prop_map(|s| s / 4), 0i64..2_000_000_000],
            nanoseconds in 0u32..1_000_000_000,
            stored in prop_oneof![0u64..3_000, any::<u64>()],
            attribute in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
        ) -> Entry {
            let stored = if matches!(kind, Kind::File | Kind::Sparse(_)) { stored } else { 0 };
            let attributes = attribute.map(|value| (b"user.x".to_vec(), value)).into_iter().collect();
            Entry { path, kind, mode, mtime: (seconds, nanoseconds), stored, attributes }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(entry in entry()) {
            let mut unpack = Unpack::new(io::Cursor::new(entry.encode()));
            prop_assert_eq!(unpack.next().unwrap(), Some(entry));
        }

        #[test]
        fn any_bytes_are_entries_or_an_error(
            entry in entry(), at in 0usize..2_000, bytes in proptest::collection::vec(any::<u8>(), 0..700),
        ) {
            let mut all = entry.encode();
            let at = at.min(all.len());
            all.splice(at.., bytes);
            let mut unpack = Unpack::new(io::Cursor::new(all));
            while let Ok(Some(entry)) = unpack.next() {
                if let Kind::Sparse(size) = entry.kind {
                    let _ = unpack.pieces(size);
                }
            }
        }
    }

    #[test]
    fn the_end_is_the_end() {
        let read = |bytes: &[u8]| Unpack::new(io::Cursor::new(bytes.to_vec())).next();
        assert!(matches!(read(&END), Ok(None)));
        assert!(matches!(read(&END[..700]), Err(Bad::Io(_))));
        assert!(matches!(read(&[0; 3 * BLOCK]), Err(Bad::Wrong("something after the end"))));
        assert!(matches!(read(&[1; BLOCK]), Err(Bad::Wrong("no header where one should be"))));
    }

    #[test]
    fn times_before_and_after_1970() {
        for (seconds, nanoseconds, text) in
            [(0, 0, "0"), (7, 5, "7.000000005"), (-1, 500_000_000, "-0.500000000"), (-3, 0, "-3")]
        {
            assert_eq!(time(seconds, nanoseconds), text);
            assert_eq!(parse_time(text.as_bytes()), Some((seconds, nanoseconds)));
        }
        for bad in ["", "-", "1.", ".1", "1.0000000001", "x", "--1", "99999999999999999999"] {
            assert_eq!(parse_time(bad.as_bytes()), None, "{bad}");
        }
    }
}
