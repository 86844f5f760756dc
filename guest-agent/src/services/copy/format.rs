//! The form of what travels. Little-endian.
//!
//! ```text
//! head    8 bytes "TRNSFER1", entries u64, bytes u64     what all of it comes to
//! entry   kind u8, name length u8, name, and for files: size u64, data
//! ```
//!
//! Kinds: 1 file, 2 file that can be run, 3 a folder begins, 4 the folder ends (no name), 5 all of it
//! ends (no name). A name is one name, never a path.

use std::io::{self, Read, Write};

/// How all of it begins.
const MAGIC: [u8; 8] = *b"TRNSFER1";
/// Most files and folders together.
pub const MAX_ENTRIES: u64 = 100_000;
/// Deepest nesting of folders.
pub const MAX_DEPTH: usize = 64;

/// Why something cannot be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 255 bytes of UTF-8 without '/' and without control characters, not '.' or '..'")]
pub struct NameError;

/// Checks a name of a file or folder. Characters that turn the direction of text count as control
/// characters: with them a name looks like another one.
pub fn check_name(untrusted: &[u8]) -> Result<&str, NameError> {
    let name = str::from_utf8(untrusted).map_err(|_| NameError)?;
    let turns = |c: char| matches!(c as u32, 0x61c | 0x200e..=0x200f | 0x2028..=0x202e | 0x2066..=0x2069);
    let bad = |c: char| c.is_control() || c == '/' || turns(c);
    if name.is_empty() || name.len() > 255 || name == "." || name == ".." || name.contains(bad) {
        return Err(NameError);
    }
    Ok(name)
}

/// What all of it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Files and folders.
    pub(super) entries: u64,
    /// Bytes of all files.
    pub(super) bytes: u64,
}

/// One piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    File { name: String, executable: bool, size: u64 },
    FolderBegins { name: String },
    FolderEnds,
    End,
}

/// Why something cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    #[error("it ends in the middle")]
    Short,
    #[error("it is of another kind")]
    Magic,
    #[error("it holds an entry of an unknown kind")]
    Kind,
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

impl From<io::Error> for FormatError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::Short } else { Self::Io(error) }
    }
}

fn array<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

impl Head {
    pub(super) fn read(input: &mut impl Read) -> Result<Self, FormatError> {
        if array(input)? != MAGIC {
            return Err(FormatError::Magic);
        }
        let (entries, bytes) = (u64::from_le_bytes(array(input)?), u64::from_le_bytes(array(input)?));
        Ok(Self { entries, bytes })
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&MAGIC)?;
        out.write_all(&self.entries.to_le_bytes())?;
        out.write_all(&self.bytes.to_le_bytes())
    }
}

impl Entry {
    pub(super) fn read(input: &mut impl Read) -> Result<Self, FormatError> {
        let [kind, length] = array(input)?;
        let mut name = [0; 255];
        let name = &mut name[..usize::from(length)];
        input.read_exact(name)?;
        match (kind, length) {
            (1 | 2, _) => {
                let name = check_name(name)?.to_owned();
                Ok(Self::File { name, executable: kind == 2, size: u64::from_le_bytes(array(input)?) })
            }
            (3, _) => Ok(Self::FolderBegins { name: check_name(name)?.to_owned() }),
            (4, 0) => Ok(Self::FolderEnds),
            (5, 0) => Ok(Self::End),
            _ => Err(FormatError::Kind),
        }
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut head = |kind: u8, name: &str| {
            let length = u8::try_from(name.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
            out.write_all(&[kind, length])?;
            out.write_all(name.as_bytes())
        };
        match self {
            Self::File { name, executable, size } => {
                head(if *executable { 2 } else { 1 }, name)?;
                out.write_all(&size.to_le_bytes())
            }
            Self::FolderBegins { name } => head(3, name),
            Self::FolderEnds => head(4, ""),
            Self::End => head(5, ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names() {
        for good in ["a", ".bashrc", "report (2).pdf", "שלום.txt", "a\\b", "-rf", "...", &"x".repeat(255)]
        {
            assert_eq!(check_name(good.as_bytes()), Ok(good));
        }
        for bad in ["", ".", "..", "a/b", "/", "a\0", "a\nb", "\u{1b}[2J", "\u{202e}gpj.exe", "\u{85}"] {
            assert_eq!(check_name(bad.as_bytes()), Err(NameError), "{bad:?}");
        }
        assert_eq!(check_name(b"\xff"), Err(NameError));
        assert_eq!(check_name("x".repeat(256).as_bytes()), Err(NameError));
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let name = || "[a-zA-Z0-9 ü._-]{1,60}".prop_filter("a name", |n| check_name(n.as_bytes()).is_ok());
        prop_oneof![
            (name(), any::<bool>(), any::<u64>()).prop_map(|(name, executable, size)| Entry::File {
                name,
                executable,
                size
            }),
            name().prop_map(|name| Entry::FolderBegins { name }),
            Just(Entry::FolderEnds),
            Just(Entry::End),
        ]
    }

    proptest! {
        #[test]
        fn entries_come_back(entry in entry(), entries: u64, bytes: u64) {
            let mut out = Vec::new();
            let head = Head { entries, bytes };
            head.write(&mut out).unwrap();
            entry.write(&mut out).unwrap();
            let mut input = out.as_slice();
            prop_assert_eq!(Head::read(&mut input).unwrap(), head);
            prop_assert_eq!(Entry::read(&mut input).unwrap(), entry);
            prop_assert!(input.is_empty());
        }

        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Entry::File { name, .. } | Entry::FolderBegins { name }) = Entry::read(&mut bytes.as_slice()) {
                prop_assert!(check_name(name.as_bytes()).is_ok());
            }
            let _ = Head::read(&mut bytes.as_slice());
        }
    }
}
