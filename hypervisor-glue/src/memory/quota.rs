//! How much one qube may have mapped.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

use super::MemoryError;

/// Limits of one qube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Most bytes of all grants together.
    pub max_bytes: u64,
    /// Most grants at once.
    pub max_grants: u32,
}

impl Default for Quota {
    /// 1 GiB in 1,024 grants: sixteen windows of 4K with two buffers each.
    fn default() -> Self {
        Self { max_bytes: 1 << 30, max_grants: 1_024 }
    }
}

/// What is in use of a [`Quota`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all grants together.
    pub bytes: u64,
    /// Grants.
    pub grants: u32,
}

#[derive(Debug)]
struct Counters {
    quota: Quota,
    bytes: AtomicU64,
    grants: AtomicU32,
}

/// Counts against a quota. Shares give back what they took when they are dropped, even after the
/// account itself is gone.
#[derive(Debug)]
pub(super) struct Account(Arc<Counters>);

impl Account {
    pub(super) fn new(quota: Quota) -> Self {
        Self(Arc::new(Counters { quota, bytes: AtomicU64::new(0), grants: AtomicU32::new(0) }))
    }

    /// Takes `bytes` and one grant, or nothing.
    pub(super) fn take(&self, bytes: u64) -> Result<Share, MemoryError> {
        let counters = &self.0;
        let Quota { max_bytes, max_grants } = counters.quota;
        counters
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= max_bytes)
            })
            .map_err(|used| MemoryError::QuotaBytes { asked: bytes, used, max: max_bytes })?;
        let grants = counters
            .grants
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| (used < max_grants).then(|| used + 1));
        if grants.is_err() {
            counters.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(MemoryError::QuotaGrants { max: max_grants });
        }
        Ok(Share { counters: Arc::clone(counters), bytes })
    }

    pub(super) fn usage(&self) -> Usage {
        Usage { bytes: self.0.bytes.load(Ordering::Relaxed), grants: self.0.grants.load(Ordering::Relaxed) }
    }
}

/// One grant's part of a quota.
#[derive(Debug)]
pub(super) struct Share {
    counters: Arc<Counters>,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.counters.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.counters.grants.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_limits_hold_and_a_refusal_takes_nothing() {
        let account = Account::new(Quota { max_bytes: 100, max_grants: 2 });
        let a = account.take(60).unwrap();
        assert!(matches!(account.take(41), Err(MemoryError::QuotaBytes { asked: 41, used: 60, max: 100 })));
        assert!(matches!(account.take(u64::MAX), Err(MemoryError::QuotaBytes { .. })));
        let _b = account.take(40).unwrap();
        assert!(matches!(account.take(0), Err(MemoryError::QuotaGrants { max: 2 })));
        assert_eq!(account.usage(), Usage { bytes: 100, grants: 2 });
        drop(a);
        assert_eq!(account.usage(), Usage { bytes: 40, grants: 1 });
    }

    proptest! {
        #[test]
        fn usage_is_the_sum_of_the_shares(steps in proptest::collection::vec((any::<bool>(), 0u64..60), 0..60)) {
            let account = Account::new(Quota { max_bytes: 200, max_grants: 8 });
            let mut shares = Vec::new();
            for (take, n) in steps {
                if take {
                    shares.extend(account.take(n));
                } else if !shares.is_empty() {
                    shares.remove(n as usize % shares.len());
                }
                let usage = account.usage();
                prop_assert_eq!(usage.bytes, shares.iter().map(|s| s.bytes).sum::<u64>());
                prop_assert_eq!(usage.grants as usize, shares.len());
                prop_assert!(usage.bytes <= 200 && usage.grants <= 8);
            }
        }
    }
}
