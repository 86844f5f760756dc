//! The first thing in a backup: what is in it.

use serde::{Deserialize, Serialize};
use transom_protocol::supervisor::{LabelName, QubeName};

use crate::store::{PartKind, is_template, part};

/// Its name in the container.
pub(super) const NAME: &str = "transom-backup.json";
/// What it says it is.
const FORMAT: &str = "transom-backup";
/// The version of the format that is written, and the newest that is read.
pub const VERSION: u32 = 1;
/// Largest manifest, in bytes.
pub(super) const MAX_BYTES: u64 = 4 << 20;
/// Most qubes of one backup.
const MAX_QUBES: usize = 4_096;
/// Largest key, in bytes.
pub(super) const MAX_KEY: u64 = 4 << 20;
/// Largest volume, in bytes, as in the file of a qube.
pub(super) const MAX_VOLUME: u64 = 16 << 40;

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: String,
    version: u32,
    /// Its own: 32 hexadecimal digits that no other backup has.
    pub id: String,
    /// When it was made, in RFC 3339.
    pub made: String,
    /// What made it.
    pub by: String,
    /// The qubes, in the order in which they come, each name once.
    pub qubes: Vec<Saved>,
}

/// A qube in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Its name when it was saved.
    pub name: QubeName,
    /// Its trust label.
    pub label: LabelName,
    /// The template it is made from, which is not in the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What it has, in the order in which it comes.
    pub parts: Vec<SavedPart>,
}

/// A part of a qube.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedPart {
    /// Its name in the qube's directory.
    pub name: String,
    /// What it is.
    pub kind: PartKind,
    /// How many files, directories and links it is made of.
    pub entries: u64,
    /// Bytes of its files that are in the backup.
    pub bytes: u64,
    /// Bytes of its files, holes too.
    pub size: u64,
}

impl Saved {
    /// Bytes of its files that are in the backup.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.bytes))
    }

    /// Bytes of its files, holes too.
    pub fn size(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.size))
    }
}

impl Manifest {
    /// One with these qubes.
    pub(super) fn new(id: String, made: String, qubes: Vec<Saved>) -> Self {
        let by = format!("transom {}", env!("CARGO_PKG_VERSION"));
        Self { format: FORMAT.to_owned(), version: VERSION, id, made, by, qubes }
    }

    /// As it stands in the container.
    pub(super) fn encode(&self) -> serde_json::Result<Vec<u8>> {
        let mut bytes = serde_json::to_vec_pretty(self)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads one and checks it. `Err`: why it is none.
    pub fn parse(untrusted: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u32,
        }
        let none = |_| "its list of contents cannot be read".to_owned();
        let head: Head = serde_json::from_slice(untrusted).map_err(none)?;
        if head.format != FORMAT {
            return Err("it is no backup of Transom".to_owned());
        }
        if head.version != VERSION {
            return Err(format!("it has version {}, this program knows {VERSION} only", head.version));
        }
        let untrusted: Self = serde_json::from_slice(untrusted).map_err(none)?;
        untrusted.check().map_err(str::to_owned)?;
        Ok(untrusted)
    }

    fn check(&self) -> Result<(), &'static str> {
        let plain = |text: &str| text.len() <= 64 && text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if self.id.len() != 32 || !self.id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err("its list of contents has no id");
        }
        if !plain(&self.made) || !plain(&self.by) {
            return Err("its list of contents says in an odd way when it was made");
        }
        if self.qubes.is_empty() || self.qubes.len() > MAX_QUBES {
            return Err("its list of contents has no qubes, or too many");
        }
        let mut names: Vec<_> = self.qubes.iter().map(|saved| &saved.name).collect();
        names.sort();
        if names.windows(2).any(|two| two[0] == two[1]) {
            return Err("its list of contents has a qube twice");
        }
        self.qubes.iter().try_for_each(Saved::check)
    }
}

impl Saved {
    fn check(&self) -> Result<(), &'static str> {
        if self.template.as_deref().is_some_and(|name| !is_template(name)) {
            return Err("its list of contents has a template with an odd name");
        }
        if self.parts.first().is_none_or(|first| first.kind != PartKind::Config) {
            return Err("its list of contents has a qube without a qube.kdl");
        }
        let mut places = Vec::new();
        for saved in &self.parts {
            let Some(known) = part(&saved.name).filter(|known| known.kind == saved.kind) else {
                return Err("it has a part of a qube that this program does not know; use a newer one");
            };
            places.push(crate::store::PARTS.iter().position(|part| part.name == known.name));
        }
        if !places.is_sorted_by(|a, b| a < b) {
            return Err("its list of contents has the parts of a qube in another order");
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn sample() -> Manifest {
        let part =
            |name: &str, kind| SavedPart { name: name.to_owned(), kind, entries: 1, bytes: 3, size: 9 };
        let saved = Saved {
            name: QubeName::new("work").unwrap(),
            label: LabelName::new("blue").unwrap(),
            template: Some("debian-12".to_owned()),
            parts: vec![part("qube.kdl", PartKind::Config), part("private.img", PartKind::Volume)],
        };
        Manifest::new("0".repeat(32), "2026-11-27T18:00:00Z".to_owned(), vec![saved])
    }

    #[test]
    fn it_comes_back_and_is_checked() {
        type Change = fn(&mut Manifest);
        let good = sample();
        assert_eq!(Manifest::parse(&good.encode().unwrap()), Ok(good.clone()));
        assert_eq!((good.qubes[0].bytes(), good.qubes[0].size()), (6, 18));
        let cases: [(Change, &str); 9] = [
            (|m| m.format = "tar".into(), "no backup"),
            (|m| m.version = 2, "version 2"),
            (|m| m.id = "../../x".into(), "no id"),
            (|m| m.by = "\u{1b}[2J".into(), "odd way"),
            (|m| m.qubes.clear(), "no qubes"),
            (|m| m.qubes.push(m.qubes[0].clone()), "twice"),
            (|m| m.qubes[0].template = Some("../x".into()), "odd name"),
            (|m| m.qubes[0].parts[1].name = "log".into(), "newer"),
            (|m| m.qubes[0].parts.reverse(), "qube.kdl"),
        ];
        for (change, part) in cases {
            let mut bad = good.clone();
            change(&mut bad);
            let why = Manifest::parse(&bad.encode().unwrap()).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
        let text = String::from_utf8(good.encode().unwrap()).unwrap();
        for (old, new) in [("\"work\"", "\"../x\""), ("\"volume\"", "\"moon\""), ("\"work\"", "\"dom0\"")] {
            assert!(Manifest::parse(text.replace(old, new).as_bytes()).is_err(), "{new}");
        }
        // What a newer one adds is of no concern.
        let newer = text.replace("\"made\"", "\"mood\": 1, \"made\"");
        assert_eq!(Manifest::parse(newer.as_bytes()), Ok(good));
    }
}
