//! LUKS2 files: a header with key slots, and the payload behind it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use serde::Deserialize;

use super::{
    EncryptionError,
    cryptsetup::{self, Said},
    payload::Layout,
    xts::KEY,
};
use crate::memory::Secret;

/// The only cipher.
const CIPHER: &str = "aes-xts-plain64";
/// How a LUKS header begins.
const MAGIC: [u8; 6] = *b"LUKS\xba\xbe";
/// Bytes before a volume's payload, as `cryptsetup` makes them by itself.
pub(super) const VOLUME_HEADER: u64 = 16 << 20;

/// How a key slot is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// By a passphrase: Argon2id, made so that this computer needs about two seconds and up to 1 GiB
    /// of memory to try one.
    Passphrase,
    /// The same at no cost. For tests.
    CheapPassphrase,
    /// By a key of [`KEY`] random bytes, which need not be made dear to guess.
    Key,
}

impl Slot {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Passphrase => &["--pbkdf", "argon2id"],
            Self::CheapPassphrase => &[
                "--pbkdf",
                "argon2id",
                "--pbkdf-force-iterations",
                "4",
                "--pbkdf-memory",
                "32",
                "--pbkdf-parallel",
                "1",
            ],
            // The least that there can be.
            Self::Key => &["--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", "-"],
        }
    }
}

/// Makes the file at `path` a LUKS2 file with a new random key, in one slot that `secret` opens. It must
/// have the length of header and payload; where the payload begins is said by `header`, in bytes.
pub(super) fn format(path: &Path, slot: Slot, secret: &[u8], header: u64) -> Result<(), EncryptionError> {
    let (sectors, area) = ((header / 512).to_string(), (header - (32 << 10)).to_string());
    // A guest asks for sectors of 512 bytes: no other size lets it write one without touching its
    // neighbours.
    let fixed = [
        "--type=luks2",
        "--cipher=aes-xts-plain64",
        "--key-size=512",
        "--hash=sha256",
        "--sector-size=512",
        "--luks2-metadata-size=16k",
        "--luks2-keyslots-size",
        &area,
        "--offset",
        &sectors,
    ];
    let said = cryptsetup::run("luksFormat", &[&fixed, slot.options()].concat(), path, secret)?;
    if said.is_good() { Ok(()) } else { Err(said.failed(path)) }
}

/// Puts a slot that `new` opens in the place of the one that `old` opens. Breaks the file if it is
/// interrupted: done on copies only. Neither may hold a line feed.
pub(super) fn change_slot(path: &Path, slot: Slot, old: &[u8], new: &[u8]) -> Result<(), EncryptionError> {
    let mut lines = Secret::zeros(old.len() + new.len() + 2).map_err(no_memory)?;
    lines[..old.len()].copy_from_slice(old);
    lines[old.len()] = b'\n';
    lines[old.len() + 1..][..new.len()].copy_from_slice(new);
    lines[old.len() + new.len() + 1] = b'\n';
    let said = cryptsetup::run("luksChangeKey", slot.options(), path, &lines)?;
    if said.is_good() { Ok(()) } else { Err(why_not(path, &said)) }
}

/// Adds a slot that the key `new` opens to a file that the key `old` opens; both have [`KEY`] bytes. A power
/// cut leaves it as it was or with the new slot.
pub(super) fn add_slot(path: &Path, old: &[u8], new: &[u8]) -> Result<(), EncryptionError> {
    let mut both = Secret::zeros(2 * KEY).map_err(no_memory)?;
    let (first, second) = both.split_at_mut(KEY);
    first.copy_from_slice(old);
    second.copy_from_slice(new);
    // From the same pipe, one after the other: each reads as many bytes as it is told.
    let sizes = ["--keyfile-size=64", "--new-keyfile-size=64", "--new-keyfile=-"];
    let said = cryptsetup::run("luksAddKey", &[Slot::Key.options(), &sizes].concat(), path, &both)?;
    if said.is_good() { Ok(()) } else { Err(why_not(path, &said)) }
}

/// Destroys all slots but those that `secret` opens, of which there must be one.
pub(super) fn keep_only(path: &Path, secret: &[u8]) -> Result<(), EncryptionError> {
    let slots = header(path)?.keyslots;
    let mut others = Vec::new();
    for slot in slots.keys() {
        // What is no number is no slot.
        let number = slot.parse::<u8>().map_err(|_| EncryptionError::Header(path.to_owned()))?.to_string();
        let options = ["--test-passphrase", "--key-file=-", "--key-slot", &number];
        if !cryptsetup::run("luksOpen", &options, path, secret)?.is_good() {
            others.push(number);
        }
    }
    if others.len() == slots.len() {
        return Err(EncryptionError::WrongKey(path.to_owned()));
    }
    for slot in others {
        let said = cryptsetup::run_with("luksKillSlot", &[], path, Some(&slot), &[])?;
        if !said.is_good() {
            return Err(said.failed(path));
        }
    }
    Ok(())
}

/// The key of a LUKS2 file, if `secret` opens one of its slots.
pub(super) fn key(path: &Path, secret: &[u8]) -> Result<Secret, EncryptionError> {
    let said = cryptsetup::run("luksDump", &["--dump-volume-key", "--key-file", "-"], path, secret)?;
    if !said.is_good() {
        return Err(why_not(path, &said));
    }
    parse_key(&said.output).ok_or_else(|| EncryptionError::Refused {
        path: path.to_owned(),
        why: "cryptsetup prints the key in a way that is not known".to_owned(),
    })
}

/// Where the payload is. The header is checked and, if one of its two copies is damaged, mended.
pub(super) fn layout(path: &Path) -> Result<Layout, EncryptionError> {
    header(path)?.layout().map_err(|why| EncryptionError::Refused { path: path.to_owned(), why })
}

/// Says what is wrong when no slot was opened.
fn why_not(path: &Path, said: &Said) -> EncryptionError {
    match header(path) {
        Ok(header) if header.keyslots.is_empty() => EncryptionError::NoSlot(path.to_owned()),
        Ok(_) if said.is_wrong_key() => EncryptionError::WrongKey(path.to_owned()),
        Ok(_) => said.failed(path),
        Err(error) => error,
    }
}

fn header(path: &Path) -> Result<Header, EncryptionError> {
    let said = cryptsetup::run("luksDump", &["--dump-json-metadata"], path, &[])?;
    if !said.is_good() {
        // Not there, not to be read, or no header.
        File::open(path).map_err(EncryptionError::io("read", path))?;
        return Err(EncryptionError::Header(path.to_owned()));
    }
    serde_json::from_slice(&said.output)
        .map_err(|error| EncryptionError::Refused { path: path.to_owned(), why: error.to_string() })
}

/// Copies all that comes before the payload of the file at `from`.
pub(super) fn copy_header(from: &Path, to: &File) -> Result<(), EncryptionError> {
    let Layout { offset, .. } = layout(from)?;
    if offset != VOLUME_HEADER {
        let why = "its payload does not begin where Transom lets it begin".to_owned();
        return Err(EncryptionError::Refused { path: from.to_owned(), why });
    }
    let copy = || {
        to.set_len(offset)?;
        let source = File::open(from)?;
        let mut chunk = vec![0; 1 << 20];
        let mut at = 0;
        while at < offset {
            let length = (offset - at).min(chunk.len() as u64);
            let part = &mut chunk[..length as usize];
            source.read_exact_at(part, at)?;
            // What was never used is a hole.
            if part.iter().any(|byte| *byte != 0) {
                to.write_all_at(part, at)?;
            }
            at += length;
        }
        Ok(())
    };
    copy().map_err(EncryptionError::io("copy the header of", from))
}

/// True if a file begins as a LUKS header does.
pub(super) fn has_header(path: &Path) -> bool {
    let mut found = [0; MAGIC.len()];
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut found, 0));
    read.is_ok() && found == MAGIC
}

/// Gives back the room of a header that was erased, where the file system can.
pub(super) fn punch_header(path: &Path) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    let length = VOLUME_HEADER.min(file.metadata()?.len());
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match fallocate(&file, flags, 0, length) {
        Err(Errno::OPNOTSUPP) => Ok(()),
        other => Ok(other?),
    }
}

/// Destroys all that a key could be found with: what is in the payload cannot be read any more.
pub(super) fn erase(path: &Path) -> io::Result<()> {
    let file = match File::options().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let mut found = [0; MAGIC.len()];
    if file.read_exact_at(&mut found, 0).is_ok() && found == MAGIC {
        let header = VOLUME_HEADER.min(file.metadata()?.len());
        let zeros = vec![0; 1 << 20];
        let mut at = 0;
        while at < header {
            let count = (header - at).min(zeros.len() as u64) as usize;
            file.write_all_at(&zeros[..count], at)?;
            at += count as u64;
        }
        file.sync_data()?;
    }
    Ok(())
}

pub(super) fn no_memory(source: io::Error) -> EncryptionError {
    EncryptionError::System { doing: "take memory for a key", source }
}

/// The parts of a LUKS2 header's JSON that matter here (LUKS2 On-Disk Format Specification, chapter 3).
#[derive(Debug, Deserialize)]
struct Header {
    keyslots: BTreeMap<String, serde_json::Value>,
    segments: BTreeMap<String, Segment>,
    config: Config,
}

#[derive(Debug, Deserialize)]
struct Segment {
    #[serde(rename = "type")]
    kind: String,
    offset: String,
    size: String,
    iv_tweak: String,
    encryption: String,
    sector_size: u32,
    integrity: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Config {
    requirements: Option<serde::de::IgnoredAny>,
}

impl Header {
    /// Where the payload is, if it is of the one kind that can be read.
    fn layout(&self) -> Result<Layout, String> {
        let [segment] = self.segments.values().collect::<Vec<_>>()[..] else {
            return Err("it has several segments: let `cryptsetup reencrypt` come to its end".to_owned());
        };
        if self.config.requirements.is_some() {
            return Err("it is being changed: let `cryptsetup reencrypt` come to its end".to_owned());
        }
        let known = segment.kind == "crypt"
            && segment.encryption == CIPHER
            && segment.iv_tweak == "0"
            && segment.size == "dynamic"
            && segment.integrity.is_none();
        let offset = segment.offset.parse::<u64>().ok().filter(|offset| offset.is_multiple_of(512));
        match offset {
            Some(offset) if known => Ok(Layout { offset, sector: segment.sector_size }),
            _ => Err(format!("it is not enciphered with {CIPHER} as a whole")),
        }
    }
}

/// Finds the key in what `luksDump --dump-volume-key` prints.
fn parse_key(printed: &[u8]) -> Option<Secret> {
    let name = b"MK dump:";
    let start = printed.windows(name.len()).position(|part| part == name)? + name.len();
    let mut digits = printed[start..]
        .iter()
        .filter(|byte| !byte.is_ascii_whitespace())
        .map(|byte| (*byte as char).to_digit(16));
    let mut key = Secret::zeros(KEY).ok()?;
    for byte in key.iter_mut() {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = (high << 4 | low) as u8;
    }
    // Longer ones are for other ciphers.
    digits.next().is_none().then_some(key)
}

/// Removes a file that may not be there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Layout, String> {
        serde_json::from_str::<Header>(json).map_err(|error| error.to_string())?.layout()
    }

    fn segment(change: (&str, &str)) -> String {
        let segment = r#""0":{"type":"crypt","offset":"16777216","size":"dynamic","iv_tweak":"0",
            "encryption":"aes-xts-plain64","sector_size":512}"#;
        format!(
            r#"{{"keyslots":{{}},"tokens":{{}},"segments":{{{}}},"digests":{{}},"config":{{"json_size":"12288"}}}}"#,
            segment.replace(change.0, change.1)
        )
    }

    #[test]
    fn a_payload_of_the_known_kind_is_found() {
        assert_eq!(read(&segment(("", ""))), Ok(Layout { offset: 16 << 20, sector: 512 }));
        assert_eq!(read(&segment(("512", "4096"))), Ok(Layout { offset: 16 << 20, sector: 4096 }));
    }

    #[test]
    fn other_kinds_are_refused() {
        for change in [
            ("crypt", "linear"),
            ("dynamic", "512"),
            (r#""iv_tweak":"0""#, r#""iv_tweak":"8""#),
            ("aes-xts-plain64", "aes-cbc-essiv:sha256"),
            ("16777216", "-1"),
            ("16777216", "100"),
            (r#""sector_size":512"#, r#""sector_size":512,"integrity":{}"#),
            (r#""config":{"#, r#""config":{"requirements":{"mandatory":["online-reencrypt"]},"#),
        ] {
            let json = segment(("", "")).replace(change.0, change.1);
            assert!(read(&json).is_err(), "{json}");
        }
        assert!(read(&segment(("\"0\":{\"type\"", "\"1\":{\"type\""))).is_ok());
        assert!(read("{}").is_err() && read("").is_err());
    }

    #[test]
    fn a_printed_key_is_read() {
        let digits: Vec<String> = (0..64).map(|n| format!("{n:02x} ")).collect();
        let digits = digits.concat();
        let printed = format!("Payload offset:\t32768\nMK bits:       \t512\nMK dump:\t{digits}\n");
        let key: Vec<u8> = (0..64).collect();
        assert_eq!(&*parse_key(printed.as_bytes()).unwrap(), &key[..]);
        for bad in [&printed[..printed.len() - 5], &format!("{printed}00"), "MK dump:\tzz", ""] {
            assert!(parse_key(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }
}
