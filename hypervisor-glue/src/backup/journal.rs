//! What a restore that was interrupted has done: so far it is on the disk.

use std::{fs, io, path::Path};

use serde::{Deserialize, Serialize};
use transom_protocol::supervisor::QubeName;

use super::archive::Mark;
use crate::store::replace;

/// Its name in the qube's staging directory.
pub(crate) const NAME: &str = crate::store::JOURNAL;
/// Of the file. Others are of no use.
const VERSION: u32 = 1;
/// Largest such file, in bytes.
const MAX_BYTES: u64 = 4_096;

/// One qube's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    version: u32,
    /// The backup's own number.
    pub(super) backup: String,
    /// The qube's name in it.
    pub(super) qube: QubeName,
    #[serde(flatten)]
    pub(super) state: State,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(super) enum State {
    /// Some parts are there.
    Begun {
        /// Where the next part begins in the container.
        position: u64,
        /// How many parts lie before it.
        parts: usize,
        /// Bytes of the digests of their files.
        sums: u64,
        /// Bytes of data of the next part, if that is a volume.
        data: u64,
    },
    /// All of it is there, and has its name or is about to get it.
    Finished {
        /// What its directory is known by: its number, and when it was made.
        directory: (u64, u64),
    },
}

impl Journal {
    pub(super) fn new(backup: &str, qube: &QubeName, state: State) -> Self {
        Self { version: VERSION, backup: backup.to_owned(), qube: qube.clone(), state }
    }

    /// The one in a staging directory; `None` if there is none of any use.
    pub(super) fn load(staging: &Path) -> Option<Self> {
        let path = staging.join(NAME);
        let meta = fs::symlink_metadata(&path).ok()?;
        if !meta.is_file() || meta.len() > MAX_BYTES {
            return None;
        }
        let journal: Self = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (journal.version == VERSION).then_some(journal)
    }

    /// Brings it to the disk, whole.
    pub(super) fn save(&self, staging: &Path) -> io::Result<()> {
        replace(&staging.join(NAME), &serde_json::to_vec(self)?)
    }

    /// True if it is of this qube of this backup.
    pub(super) fn is_of(&self, backup: &str, qube: &QubeName) -> bool {
        self.backup == backup && self.qube == *qube
    }
}

impl State {
    pub(super) fn begun(mark: Mark, sums: u64, data: u64) -> Self {
        Self::Begun { position: mark.position, parts: mark.parts, sums, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_and_others_are_none() {
        let temp = tempfile::tempdir().unwrap();
        let qube = QubeName::new("work").unwrap();
        let begun = State::begun(Mark { position: 7, parts: 1 }, 3, 9);
        for state in [begun, State::Finished { directory: (5, 6) }] {
            let journal = Journal::new("ab", &qube, state);
            journal.save(temp.path()).unwrap();
            assert_eq!(Journal::load(temp.path()), Some(journal.clone()));
            assert!(journal.is_of("ab", &qube) && !journal.is_of("ac", &qube));
            for bad in [
                "",
                "{}",
                "x",
                &serde_json::to_string(&journal).unwrap().replace("\"version\":1", "\"version\":2"),
            ] {
                fs::write(temp.path().join(NAME), bad).unwrap();
                assert_eq!(Journal::load(temp.path()), None, "{bad}");
            }
        }
    }
}
