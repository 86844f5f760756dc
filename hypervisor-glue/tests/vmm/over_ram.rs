//! What a process holds besides guest RAM.

use std::{fs, ops::Add, path::Path};

/// Sums over its mappings, in KiB.
#[allow(dead_code, reason = "shown as a whole")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OverRam {
    /// What is there.
    pub(crate) rss: u64,
    /// The same; pages that others have too by their share.
    pub(crate) pss: u64,
    /// Its own, which it has written to.
    pub(crate) dirty: u64,
    /// Its own, as they are in a file.
    pub(crate) clean: u64,
}

impl Add for OverRam {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            rss: self.rss + other.rss,
            pss: self.pss + other.pss,
            dirty: self.dirty + other.dirty,
            clean: self.clean + other.clean,
        }
    }
}

/// Of the process in this folder of `/proc`; `None` if it may not be looked at, or is gone.
pub(crate) fn over_ram(process: &Path) -> Option<OverRam> {
    let maps = fs::read_to_string(process.join("smaps")).ok()?;
    let (mut guest, mut sums) = (false, OverRam::default());
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (first, second) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        if first.contains('-') {
            guest = line.contains("memfd:guest-ram");
        } else if let (false, Ok(kib)) = (guest, second.parse::<u64>()) {
            match first {
                "Rss:" => sums.rss += kib,
                "Pss:" => sums.pss += kib,
                "Private_Dirty:" => sums.dirty += kib,
                "Private_Clean:" => sums.clean += kib,
                _ => {}
            }
        }
    }
    Some(sums)
}
