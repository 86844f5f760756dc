//! Grants: pools of programs that dom0 may read.
//!
//! A pool is granted when a picture in it is first committed, as long as it is then. When it has
//! grown and a picture lies beyond, it is granted anew and the old grant revoked. When nothing in
//! the qube uses the pool any more, its grant is revoked.

use std::{collections::HashMap, sync::Arc};

use transom_protocol::{
    message::{GrantCreate, GrantName, ToDom0},
    types::GrantKind,
    wire::With,
};

use super::Link;
use crate::wayland::shm::{Pool, ShmBuffer};

/// Grants in force, by pool.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    by_pool: HashMap<u64, Grant>,
    next: u32,
    /// Grants that a newer one has taken the place of.
    stale: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Grant {
    id: u32,
    bytes: u64,
}

/// A pool that cannot be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GrantError {
    #[error("the pool's file is shorter than the program says")]
    NotBacked,
    #[error("no file descriptor is left")]
    NoFd,
    #[error("the qube may not grant more memory")]
    Quota,
}

impl Grants {
    /// The grant that holds a buffer's memory, made if there is none.
    pub(crate) fn for_buffer(&mut self, link: &mut Link, buffer: &ShmBuffer) -> Result<u32, GrantError> {
        let end = buffer.offset + u64::from(buffer.stride) * u64::from(buffer.height);
        if let Some(grant) = self.by_pool.get(&buffer.pool.id).filter(|grant| grant.bytes >= end) {
            return Ok(grant.id);
        }
        let id = self.create(link, &buffer.pool)?;
        let grant = Grant { id, bytes: buffer.pool.bytes() };
        if let Some(old) = self.by_pool.insert(buffer.pool.id, grant) {
            self.stale.push(old.id);
        }
        Ok(id)
    }

    fn create(&mut self, link: &mut Link, pool: &Arc<Pool>) -> Result<u32, GrantError> {
        if !pool.is_backed() {
            return Err(GrantError::NotBacked);
        }
        let (limits, bytes) = (link.session().limits(), pool.bytes());
        let room = link.session().granted_bytes().saturating_add(bytes) <= limits.grant_bytes
            && link.session().grant_count() < limits.grants as usize;
        if !room {
            return Err(GrantError::Quota);
        }
        let fd = pool.fd.try_clone().map_err(|_| GrantError::NoFd)?;
        loop {
            self.next = self.next.wrapping_add(1).max(1);
            if link.session().grant(self.next).is_none() {
                break;
            }
        }
        let fixed = GrantCreate { grant: self.next.into(), kind: GrantKind::ClientFd, bytes: bytes.into() };
        link.send_fd(fd, &ToDom0::GrantCreate(With { fixed: &fixed, tail: &[] }));
        Ok(self.next)
    }

    /// Revokes grants whose pools are gone or were granted anew. To be called after the commits
    /// that no longer name them.
    pub(crate) fn revoke(&mut self, link: &mut Link, gone: Vec<u64>) {
        let gone = gone.into_iter().filter_map(|pool| self.by_pool.remove(&pool)).map(|grant| grant.id);
        for id in self.stale.drain(..).chain(gone) {
            let name = GrantName { grant: id.into() };
            link.send(0, 0, &ToDom0::GrantRevoke(&name));
        }
    }

    /// The connection they belonged to is gone.
    pub(crate) fn forget(&mut self, gone: &[u64]) {
        for pool in gone {
            self.by_pool.remove(pool);
        }
    }

    /// A new connection knows no grants.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}
