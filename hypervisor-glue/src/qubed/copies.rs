//! Copies of qubes that are being made.

use std::{collections::BTreeMap, os::fd::BorrowedFd};

use transom_protocol::supervisor::{ErrorBody, ErrorKind, QubeName};

use super::job::Job;
use crate::store::{Copying, StoreError};

/// Most at once.
const MAX_COPIES: usize = 8;

#[derive(Debug)]
struct Copy {
    from: QubeName,
    job: Job<Result<(), StoreError>>,
}

/// By the names of the new qubes.
#[derive(Debug, Default)]
pub(super) struct Copies(BTreeMap<QubeName, Copy>);

impl Copies {
    /// Refuses if this qube is being copied or made.
    pub(super) fn leave_alone(&self, name: &QubeName) -> Result<(), ErrorBody> {
        let said = if self.0.contains_key(name) {
            format!("{name} is being made; wait until it is there")
        } else if self.0.values().any(|copy| copy.from == *name) {
            format!("{name} is being cloned; wait until that is done")
        } else {
            return Ok(());
        };
        Err(ErrorBody::new(ErrorKind::NotHalted, said))
    }

    /// Begins one. Its thread ends with this process, and what it has made is deleted at the next start.
    pub(super) fn begin(&mut self, from: QubeName, to: QubeName, copying: Copying) -> Result<(), ErrorBody> {
        if self.0.len() >= MAX_COPIES {
            let said = format!("{MAX_COPIES} qubes are being cloned; wait until one is done");
            return Err(ErrorBody::new(ErrorKind::BadRequest, said));
        }
        let job = Job::begin("clone", || copying.run());
        let job = job.map_err(|e| ErrorBody::new(ErrorKind::Io, format!("cannot clone: {e}")))?;
        self.0.insert(to, Copy { from, job });
        Ok(())
    }

    /// What to poll: readable when that one is done.
    pub(super) fn sources(&self) -> impl Iterator<Item = (&QubeName, BorrowedFd<'_>)> {
        self.0.iter().map(|(name, copy)| (name, copy.job.fd()))
    }

    /// What came of one that is done.
    pub(super) fn end(&mut self, name: &QubeName) -> Option<Result<(), StoreError>> {
        let copy = self.0.remove(name)?;
        Some(copy.job.end().unwrap_or(Err(StoreError::Panicked)))
    }
}
