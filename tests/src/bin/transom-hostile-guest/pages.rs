//! Memory whose page frames are known.

use std::{fs::File, io, os::unix::fs::FileExt};

use transom_agent::pin::frames;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;

/// Whole pages of this process.
#[derive(Debug)]
pub(crate) struct Pages {
    bytes: Vec<u8>,
    start: usize,
}

impl Pages {
    /// So many pages, filled with one colour.
    pub(crate) fn new(count: usize, argb: u32) -> Self {
        let mut bytes = argb.to_le_bytes().repeat((count + 1) * PAGE / 4);
        let start = bytes.as_ptr().align_offset(PAGE);
        bytes.truncate(start + count * PAGE);
        Self { bytes, start }
    }

    /// Where they lie in the guest: runs of a first frame and a count.
    pub(crate) fn runs(&self) -> io::Result<Vec<(u64, u32)>> {
        let pages = &self.bytes[self.start..];
        let mut entries = vec![0; pages.len() / PAGE * 8];
        let at = (pages.as_ptr() as usize / PAGE * 8) as u64;
        File::open("/proc/self/pagemap")?.read_exact_at(&mut entries, at)?;
        let entries = entries.as_chunks().0.iter().map(|entry| u64::from_le_bytes(*entry));
        let runs = frames::runs(entries).ok_or_else(|| io::Error::other("a page is not there"))?;
        Ok(runs.iter().map(|run| (run.first.get(), run.count.get())).collect())
    }

    /// As [`Self::runs`], one by one.
    pub(crate) fn frames(&self) -> io::Result<Vec<u64>> {
        Ok(self.runs()?.into_iter().flat_map(|(first, count)| first..first + u64::from(count)).collect())
    }
}
