//! From the kernel's page map to runs of page frames. Pure.

use transom_protocol::message::PageRun;

/// Bits of an entry of `/proc/PID/pagemap` that hold the page frame number.
const FRAME: u64 = (1 << 55) - 1;
/// The page is in memory.
const PRESENT: u64 = 1 << 63;

/// The page frame of an entry; `None` if no page is there, or the kernel does not tell.
pub fn frame(entry: u64) -> Option<u64> {
    let frame = entry & FRAME;
    (entry & PRESENT != 0 && frame != 0).then_some(frame)
}

/// Runs of neighbouring page frames, in the order of the pages; `None` if a page is missing.
pub fn runs(entries: impl IntoIterator<Item = u64>) -> Option<Vec<PageRun>> {
    let mut runs: Vec<PageRun> = Vec::new();
    for entry in entries {
        let frame = frame(entry)?;
        match runs.last_mut() {
            Some(run)
                if run.first.get() + u64::from(run.count.get()) == frame && run.count.get() < u32::MAX =>
            {
                run.count += 1;
            }
            _ => runs.push(PageRun { first: frame.into(), count: 1.into() }),
        }
    }
    Some(runs)
}

/// The page frames that runs stand for, one by one.
pub fn pages(runs: &[PageRun]) -> impl Iterator<Item = u64> + '_ {
    runs.iter().flat_map(|run| (0..u64::from(run.count.get())).map(|i| run.first.get() + i))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pages_that_are_not_there_have_no_frame() {
        assert_eq!(frame(PRESENT | 5), Some(5));
        assert_eq!(frame(5), None, "not present, or swapped out");
        assert_eq!(frame(PRESENT | 1 << 55), None, "hidden from who may not know");
        assert!(runs([PRESENT | 5, 6]).is_none());
    }

    #[test]
    fn neighbours_make_a_run() {
        let found = runs([7, 8, 9, 3, 4, 4].map(|f| PRESENT | f)).unwrap();
        let found: Vec<_> = found.iter().map(|r| (r.first.get(), r.count.get())).collect();
        assert_eq!(found, [(7, 3), (3, 2), (4, 1)]);
    }

    proptest! {
        #[test]
        fn runs_are_the_pages_and_no_two_could_be_one(frames in proptest::collection::vec(1u64..30, 0..80)) {
            let runs = runs(frames.iter().map(|f| PRESENT | 1 << 61 | f)).unwrap();
            prop_assert_eq!(pages(&runs).collect::<Vec<_>>(), frames);
            let apart = runs.windows(2)
                .all(|w| w[0].first.get() + u64::from(w[0].count.get()) != w[1].first.get());
            prop_assert!(apart);
        }
    }
}
