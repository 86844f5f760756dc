//! Pools of dom0's programs as grants of the local link: their memory is mapped once and read in
//! place, as that of a sandbox qube's programs.
//!
//! A pool is granted with the first picture in it that is committed; anew when it has grown and a
//! picture lies beyond. When nothing uses it any more, its grant is revoked.

use std::collections::HashMap;

use tracing::warn;
use transom_protocol::{
    message::{GrantCreate, GrantName, ToDom0},
    types::GrantKind,
    wire::With,
};

use super::handlers::ShmBuffer;
use crate::Desktop;

/// Grants in force.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// By pool: the grant and how many bytes of the pool it holds.
    by_pool: HashMap<u64, (u32, u64)>,
    /// Grants that a newer one has taken the place of.
    stale: Vec<u32>,
    next: u32,
}

impl Desktop {
    /// The grant that holds a buffer's memory, made if there is none.
    ///
    /// # Errors
    /// In words for the program.
    pub(super) fn grant_for(&mut self, buffer: &ShmBuffer) -> Result<u32, String> {
        let pool = &buffer.pool;
        let end = buffer.offset + u64::from(buffer.stride) * u64::from(buffer.height);
        if let Some((grant, bytes)) = self.wayland.grants.by_pool.get(&pool.id)
            && *bytes >= end
        {
            return Ok(*grant);
        }
        if !pool.is_backed() {
            return Err("the pool's file is shorter than the program says".into());
        }
        let fd = pool.fd.try_clone().map_err(|error| error.to_string())?;
        let grants = &mut self.wayland.grants;
        grants.next = grants.next.wrapping_add(1).max(1);
        let (id, bytes) = (grants.next, pool.bytes());
        let fixed = GrantCreate { grant: id.into(), kind: GrantKind::ClientFd, bytes: bytes.into() };
        let create = ToDom0::GrantCreate(With { fixed: &fixed, tail: &[] });
        if let Err(error) = self.try_say(Some(fd), 0, 0, &create) {
            // Known to the link, but not mapped.
            if self.local_link().is_some_and(|link| link.session().grant(id).is_some()) {
                self.revoke_local(id);
            }
            return Err(error.to_string());
        }
        if let Some((old, _)) = self.wayland.grants.by_pool.insert(pool.id, (id, bytes)) {
            self.wayland.grants.stale.push(old);
        }
        Ok(id)
    }

    fn revoke_local(&mut self, grant: u32) {
        if !self.say(0, 0, &ToDom0::GrantRevoke(&GrantName { grant: grant.into() })) {
            warn!(grant, "a grant of dom0's programs stays");
        }
    }

    /// Revokes what no commit names any more.
    pub(super) fn revoke_gone_pools(&mut self) {
        let mut ending = std::mem::take(&mut self.wayland.grants.stale);
        for pool in self.wayland.pools.take_gone() {
            ending.extend(self.wayland.grants.by_pool.remove(&pool).map(|(grant, _)| grant));
        }
        for grant in ending {
            self.revoke_local(grant);
        }
    }
}
