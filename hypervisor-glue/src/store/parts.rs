//! What belongs to a qube: the one list that copies and backups go by.

use serde::{Deserialize, Serialize};

/// What a part of a qube is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// The file that describes it.
    Config,
    /// A directory with whatever the qube puts there.
    Tree,
    /// A disk of its machine: one large file with holes.
    Volume,
    /// What opens its volume: one small file, with holes. In a backup it is that of the computer; in a qube's
    /// directory it lies while the volume was not taken over yet (see [`crate::encryption::take_over`]).
    Key,
}

/// Something in a qube's directory.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its name there.
    pub name: &'static str,
    /// What it is.
    pub kind: PartKind,
}

/// All of them, in the order in which a backup has them. Any but the first may be missing. Logs are none:
/// they are of this computer.
pub const PARTS: [Part; 5] = [
    Part { name: super::QUBE_FILE, kind: PartKind::Config },
    Part { name: "home", kind: PartKind::Tree },
    Part { name: super::ENCRYPTED_VOLUME, kind: PartKind::Volume },
    Part { name: super::PLAIN_VOLUME, kind: PartKind::Volume },
    Part { name: crate::encryption::KEYRING_FILE, kind: PartKind::Key },
];

/// The part of this name.
pub(crate) fn part(name: &str) -> Option<Part> {
    PARTS.into_iter().find(|part| part.name == name)
}
