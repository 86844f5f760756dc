//! How much one qube may have mapped, and all qubes together.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use transom_protocol::limits::MAX_ALL_RUNS;

use super::MemoryError;

/// Limits of one qube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Most bytes of all grants together.
    pub max_bytes: u64,
    /// Most grants at once.
    pub max_grants: u32,
    /// Most mappings of all grants together: one for a file, one for each run of pages that is no
    /// neighbour of the one before.
    pub max_mappings: u32,
}

impl Default for Quota {
    /// 1 GiB in 1,024 grants: sixteen windows of 4K with two buffers each.
    fn default() -> Self {
        Self { max_bytes: 1 << 30, max_grants: 1_024, max_mappings: MAX_ALL_RUNS as u32 }
    }
}

/// What is in use of a [`Quota`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all grants together.
    pub bytes: u64,
    /// Grants.
    pub grants: u32,
    /// Mappings of all grants together.
    pub mappings: u32,
}

/// Mappings that are left to the rest of the process.
const RESERVE: usize = 12_288;

/// Mappings of the grants of all qubes.
static ALL_MAPPINGS: AtomicUsize = AtomicUsize::new(0);

/// Most mappings of the grants of all qubes: what the kernel gives a process (`vm.max_map_count`),
/// less what the rest of the process needs.
fn max_all_mappings() -> usize {
    static MAX: OnceLock<usize> = OnceLock::new();
    *MAX.get_or_init(|| {
        let read = std::fs::read_to_string("/proc/sys/vm/max_map_count").ok();
        let count = read.and_then(|text| text.trim().parse().ok()).unwrap_or(65_530usize);
        count.saturating_sub(RESERVE)
    })
}

#[derive(Debug)]
struct Counters {
    quota: Quota,
    bytes: AtomicU64,
    grants: AtomicU32,
    mappings: AtomicU32,
}

/// Counts against a quota. Shares give back what they took when they are dropped, even after the
/// account itself is gone.
#[derive(Debug)]
pub(super) struct Account(Arc<Counters>);

impl Account {
    pub(super) fn new(quota: Quota) -> Self {
        let (bytes, grants, mappings) = (AtomicU64::new(0), AtomicU32::new(0), AtomicU32::new(0));
        Self(Arc::new(Counters { quota, bytes, grants, mappings }))
    }

    /// Takes `bytes`, one grant and `mappings`, or nothing.
    pub(super) fn take(&self, bytes: u64, mappings: u32) -> Result<Share, MemoryError> {
        // Filled as it takes; dropping it early gives back what it has.
        let mut share = Share { counters: Arc::clone(&self.0), bytes: 0, grants: 0, mappings: 0, all: 0 };
        let Counters { quota, bytes: used_bytes, grants: used_grants, mappings: used_mappings } = &*self.0;
        let order = Ordering::Relaxed;
        used_bytes
            .fetch_update(order, order, |used| used.checked_add(bytes).filter(|sum| *sum <= quota.max_bytes))
            .map_err(|used| MemoryError::QuotaBytes { asked: bytes, used, max: quota.max_bytes })?;
        share.bytes = bytes;
        used_grants
            .fetch_update(order, order, |used| (used < quota.max_grants).then(|| used + 1))
            .map_err(|_| MemoryError::QuotaGrants { max: quota.max_grants })?;
        share.grants = 1;
        used_mappings
            .fetch_update(order, order, |used| {
                used.checked_add(mappings).filter(|sum| *sum <= quota.max_mappings)
            })
            .map_err(|used| MemoryError::QuotaMappings { asked: mappings, used, max: quota.max_mappings })?;
        share.mappings = mappings;
        let all = mappings as usize;
        ALL_MAPPINGS
            .fetch_update(order, order, |used| used.checked_add(all).filter(|sum| *sum <= max_all_mappings()))
            .map_err(|_| MemoryError::TooManyMappings)?;
        share.all = all;
        Ok(share)
    }

    pub(super) fn usage(&self) -> Usage {
        let Counters { bytes, grants, mappings, .. } = &*self.0;
        Usage {
            bytes: bytes.load(Ordering::Relaxed),
            grants: grants.load(Ordering::Relaxed),
            mappings: mappings.load(Ordering::Relaxed),
        }
    }
}

/// One grant's part of a quota.
#[derive(Debug)]
pub(super) struct Share {
    counters: Arc<Counters>,
    bytes: u64,
    grants: u32,
    mappings: u32,
    /// Its part of [`ALL_MAPPINGS`].
    all: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.counters.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.counters.grants.fetch_sub(self.grants, Ordering::Relaxed);
        self.counters.mappings.fetch_sub(self.mappings, Ordering::Relaxed);
        ALL_MAPPINGS.fetch_sub(self.all, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn all_limits_hold_and_a_refusal_takes_nothing() {
        let account = Account::new(Quota { max_bytes: 100, max_grants: 2, max_mappings: 5 });
        let a = account.take(60, 2).unwrap();
        assert!(matches!(
            account.take(41, 1),
            Err(MemoryError::QuotaBytes { asked: 41, used: 60, max: 100 })
        ));
        assert!(matches!(account.take(u64::MAX, 1), Err(MemoryError::QuotaBytes { .. })));
        assert!(matches!(account.take(1, 4), Err(MemoryError::QuotaMappings { asked: 4, used: 2, max: 5 })));
        assert!(matches!(account.take(1, u32::MAX), Err(MemoryError::QuotaMappings { .. })));
        assert_eq!(account.usage(), Usage { bytes: 60, grants: 1, mappings: 2 });
        let _b = account.take(40, 3).unwrap();
        assert!(matches!(account.take(0, 0), Err(MemoryError::QuotaGrants { max: 2 })));
        assert_eq!(account.usage(), Usage { bytes: 100, grants: 2, mappings: 5 });
        drop(a);
        assert_eq!(account.usage(), Usage { bytes: 40, grants: 1, mappings: 3 });
    }

    #[test]
    fn all_qubes_together_have_a_limit() {
        let quota = Quota { max_bytes: 1, max_grants: 1, max_mappings: u32::MAX };
        let account = Account::new(quota);
        assert!(matches!(account.take(1, u32::MAX), Err(MemoryError::TooManyMappings)));
        assert_eq!(account.usage(), Usage::default());
    }

    proptest! {
        #[test]
        fn usage_is_the_sum_of_the_shares(steps in proptest::collection::vec((any::<bool>(), 0u64..60), 0..60)) {
            let account = Account::new(Quota { max_bytes: 200, max_grants: 8, max_mappings: 30 });
            let mut shares = Vec::new();
            for (take, n) in steps {
                if take {
                    shares.extend(account.take(n, n as u32 / 5));
                } else if !shares.is_empty() {
                    shares.remove(n as usize % shares.len());
                }
                let usage = account.usage();
                prop_assert_eq!(usage.bytes, shares.iter().map(|s| s.bytes).sum::<u64>());
                prop_assert_eq!(usage.grants as usize, shares.len());
                prop_assert_eq!(usage.mappings, shares.iter().map(|s| s.mappings).sum::<u32>());
                prop_assert!(usage.bytes <= 200 && usage.grants <= 8 && usage.mappings <= 30);
            }
        }
    }
}
