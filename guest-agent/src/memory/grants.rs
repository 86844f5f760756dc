//! Grants: pieces of programs' pools that dom0 may read.
//!
//! A piece is granted when a picture in it is first committed; how much of the pool that is, the
//! [`Granter`] says. A later piece that holds an earlier one takes its place. A piece that no
//! buffer lies in any more is revoked, but for the last few of a pool: some programs make a new
//! buffer of the same memory for each frame. When nothing in the qube uses a pool, all its pieces
//! are revoked.
//!
//! A pinned piece stays pinned until dom0 has said that it does not read it any more. A program can
//! give the kernel pages back and get others (foot does, when it scrolls); a piece is looked at
//! whenever a buffer is committed that it has not served before, and granted anew if it has moved.

use std::{
    collections::{BTreeSet, HashMap},
    os::fd::AsFd as _,
};

use tracing::{debug, info, warn};
use transom_protocol::{
    limits::MAX_ALL_RUNS,
    message::{GrantCreate, GrantName, ToDom0, tail_bytes},
    types::{GrantKind, Rect},
    wire::With,
};

use super::{
    Bytes, GrantError,
    bounce::{Bounce, Chunk},
    contains,
    granter::{ClientFds, Granted, Granter},
};
use crate::{
    dom0::Link,
    wayland::shm::{Gone, ShmBuffer},
};

/// Pieces of one pool that are kept though no buffer lies in them.
const IDLE_PIECES: usize = 2;

/// A granted piece of a pool.
#[derive(Debug)]
struct Piece {
    pool: u64,
    bytes: Bytes,
    pin: Option<u32>,
    /// Buffers that were committed from it.
    buffers: BTreeSet<u64>,
}

/// Grants in force.
#[derive(Debug)]
pub(crate) struct Grants {
    granter: Box<dyn Granter>,
    /// By grant.
    pieces: HashMap<u32, Piece>,
    /// Grants of each pool, oldest first.
    by_pool: HashMap<u64, Vec<u32>>,
    bounce: Bounce,
    /// Pins of the bounce's chunks, by grant.
    chunks: HashMap<u32, Option<u32>>,
    next: u32,
    /// Grants to revoke, with their pins.
    stale: Vec<(u32, Option<u32>)>,
    /// Pins of grants that dom0 may still read, though they are revoked.
    revoking: HashMap<u32, Option<u32>>,
}

impl Default for Grants {
    fn default() -> Self {
        Self::new(Box::new(ClientFds))
    }
}

/// Where a buffer is for dom0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Location {
    pub(crate) grant: u32,
    /// First byte in the grant.
    pub(crate) offset: u64,
}

impl Grants {
    /// No grants yet.
    pub(crate) fn new(granter: Box<dyn Granter>) -> Self {
        Self {
            granter,
            pieces: HashMap::new(),
            by_pool: HashMap::new(),
            bounce: Bounce::default(),
            chunks: HashMap::new(),
            next: 0,
            stale: Vec::new(),
            revoking: HashMap::new(),
        }
    }

    /// The way grants are made.
    pub(crate) fn granter(&mut self) -> &mut dyn Granter {
        &mut *self.granter
    }

    /// Where dom0 finds a buffer that is committed to a window, granted if it is not yet. `damage`
    /// is what changed in the window, in buffer pixels.
    pub(crate) fn for_buffer(
        &mut self,
        link: &mut Link,
        window: u32,
        buffer: &ShmBuffer,
        damage: &[Rect],
    ) -> Result<Location, GrantError> {
        self.bounce.damaged(window, damage);
        if !self.bounce.has(buffer) {
            if let Some(found) = self.find(buffer) {
                return Ok(found);
            }
            match self.grant_piece(link, buffer) {
                Err(GrantError::NotHere(status)) => {
                    debug!(%status, buffer = buffer.id(), "a picture is copied");
                }
                other => return other,
            }
        }
        self.copied(link, window, buffer)
    }

    /// A window shows the same buffer on, with these parts of it changed.
    pub(crate) fn kept(&mut self, window: u32, buffer: &ShmBuffer, damage: &[Rect]) {
        self.bounce.damaged(window, damage);
        if self.bounce.has(buffer)
            && let Err(error) = self.bounce.update(buffer)
        {
            warn!(%error, "a picture cannot be copied");
        }
    }

    /// A grant in force that holds the buffer's memory.
    fn find(&mut self, buffer: &ShmBuffer) -> Option<Location> {
        let needed = buffer.range();
        let pieces = &self.pieces;
        let grants = self.by_pool.get(&buffer.pool.id)?;
        let id = *grants
            .iter()
            .rev()
            .find(|id| pieces.get(id).is_some_and(|piece| contains(&piece.bytes, &needed)))?;
        let piece = self.pieces.get_mut(&id)?;
        let base = piece.bytes.start;
        if !piece.buffers.contains(&buffer.id())
            && let Some(pin) = piece.pin
        {
            let part = needed.start - base..needed.end - base;
            if !self.granter.is_current(pin, &part) {
                self.drop_piece(id);
                return None;
            }
        }
        self.pieces.get_mut(&id)?.buffers.insert(buffer.id());
        Some(Location { grant: id, offset: needed.start - base })
    }

    /// Grants the piece that a buffer is in.
    fn grant_piece(&mut self, link: &mut Link, buffer: &ShmBuffer) -> Result<Location, GrantError> {
        let pool = &buffer.pool;
        if !pool.is_backed() {
            return Err(GrantError::NotBacked);
        }
        let needed = buffer.range();
        let bytes = self.granter.piece(pool.bytes(), &needed);
        room(link, &bytes)?;
        let granted = self.granter.grant(pool.fd.as_fd(), &bytes)?;
        let (id, pin) = self.send(link, &bytes, granted)?;
        let held: Vec<u32> = self.by_pool.get(&pool.id).into_iter().flatten().copied().collect();
        for old in held {
            if self.pieces.get(&old).is_some_and(|piece| contains(&bytes, &piece.bytes)) {
                self.drop_piece(old);
            }
        }
        let location = Location { grant: id, offset: needed.start - bytes.start };
        let piece = Piece { pool: pool.id, bytes, pin, buffers: [buffer.id()].into() };
        self.pieces.insert(id, piece);
        self.by_pool.entry(pool.id).or_default().push(id);
        Ok(location)
    }

    /// Copies a buffer, or what changed in it, to where it can be granted.
    fn copied(&mut self, link: &mut Link, window: u32, buffer: &ShmBuffer) -> Result<Location, GrantError> {
        let mut place = self.bounce.place(window, buffer);
        if place.is_none() {
            let chunk = Chunk::new(buffer.length()).map_err(|_| GrantError::NoFd)?;
            room(link, &chunk.all())?;
            let granted = self.granter.grant(chunk.file.as_fd(), &chunk.all())?;
            let (id, pin) = self.send(link, &chunk.all(), granted)?;
            self.bounce.add(id, chunk);
            self.chunks.insert(id, pin);
            place = self.bounce.place(window, buffer);
        }
        let (grant, offset) = place.ok_or(GrantError::Quota)?;
        let before = self.bounce.copied();
        self.bounce.update(buffer).map_err(|_| GrantError::NotBacked)?;
        let bytes = self.bounce.copied();
        debug!(bytes, "pixels copied so far");
        // Often enough to be seen, and not with every frame.
        if bytes.checked_ilog2() != before.checked_ilog2() {
            info!(bytes, "pixels copied so far");
        }
        Ok(Location { grant, offset })
    }

    /// Tells dom0 of a grant.
    fn send(
        &mut self,
        link: &mut Link,
        bytes: &Bytes,
        granted: Granted,
    ) -> Result<(u32, Option<u32>), GrantError> {
        loop {
            self.next = self.next.wrapping_add(1).max(1);
            if link.session().grant(self.next).is_none() && !self.revoking.contains_key(&self.next) {
                break;
            }
        }
        let length = bytes.end - bytes.start;
        let fixed = |kind| GrantCreate { grant: self.next.into(), kind, bytes: length.into() };
        match granted {
            Granted::File(fd) => {
                let fixed = fixed(GrantKind::ClientFd);
                link.send_fd(fd, &ToDom0::GrantCreate(With { fixed: &fixed, tail: &[] }));
                Ok((self.next, None))
            }
            Granted::Pages(pin, runs) => {
                let fits = link.session().granted_runs() + runs.len() <= MAX_ALL_RUNS;
                let fixed = fixed(GrantKind::PageRuns);
                let message = ToDom0::GrantCreate(With { fixed: &fixed, tail: tail_bytes(&runs) });
                if !fits || !link.send(0, 0, &message) {
                    self.granter.release(pin);
                    return Err(GrantError::Quota);
                }
                debug!(grant = self.next, bytes = length, runs = runs.len(), "granted");
                Ok((self.next, Some(pin)))
            }
        }
    }

    /// A piece is no longer for use; it is revoked after the commits that do not name it any more.
    fn drop_piece(&mut self, id: u32) {
        let Some(piece) = self.pieces.remove(&id) else { return };
        if let Some(grants) = self.by_pool.get_mut(&piece.pool) {
            grants.retain(|grant| *grant != id);
            if grants.is_empty() {
                self.by_pool.remove(&piece.pool);
            }
        }
        self.stale.push((id, piece.pin));
    }

    /// Buffers and pools that nothing uses any more.
    pub(crate) fn forget(&mut self, gone: Vec<Gone>) {
        for gone in gone {
            match gone {
                Gone::Buffer { buffer, pool } => {
                    self.bounce.forget(buffer);
                    for id in self.by_pool.get(&pool).into_iter().flatten() {
                        if let Some(piece) = self.pieces.get_mut(id) {
                            piece.buffers.remove(&buffer);
                        }
                    }
                    self.drop_idle(pool);
                }
                Gone::Pool(pool) => {
                    for id in self.by_pool.get(&pool).cloned().unwrap_or_default() {
                        self.drop_piece(id);
                    }
                }
            }
        }
        for grant in self.bounce.take_idle() {
            let pin = self.chunks.remove(&grant).flatten();
            self.stale.push((grant, pin));
        }
    }

    /// Drops a pool's oldest pieces that no buffer lies in.
    fn drop_idle(&mut self, pool: u64) {
        let Some(grants) = self.by_pool.get(&pool) else { return };
        let idle =
            grants.iter().filter(|id| self.pieces.get(id).is_some_and(|piece| piece.buffers.is_empty()));
        let idle: Vec<u32> = idle.copied().collect();
        for id in &idle[..idle.len().saturating_sub(IDLE_PIECES)] {
            self.drop_piece(*id);
        }
    }

    /// Revokes what is no longer for use. To be called after the commits that no longer name it.
    pub(crate) fn revoke(&mut self, link: &mut Link) {
        for (id, pin) in self.stale.drain(..) {
            self.revoking.insert(id, pin);
            let name = GrantName { grant: id.into() };
            link.send(0, 0, &ToDom0::GrantRevoke(&name));
        }
    }

    /// dom0 reads a grant no more.
    pub(crate) fn revoked(&mut self, grant: u32) {
        if let Some(Some(pin)) = self.revoking.remove(&grant) {
            self.granter.release(pin);
        }
    }

    /// The connection that knew the grants is gone: nothing is granted any more.
    pub(crate) fn reset(&mut self) {
        let pieces = self.pieces.drain().map(|(_, piece)| piece.pin);
        let chunks = self.chunks.drain().map(|(_, pin)| pin);
        let stale = self.stale.drain(..).map(|(_, pin)| pin);
        let revoking = self.revoking.drain().map(|(_, pin)| pin);
        for pin in pieces.chain(chunks).chain(stale).chain(revoking).flatten() {
            self.granter.release(pin);
        }
        self.by_pool.clear();
        self.bounce.reset();
        self.next = 0;
    }

    /// `transom-pin` is gone, and with it every pin.
    pub(crate) fn pins_gone(&mut self) {
        // Without a line, letting go of what is gone does nothing.
        self.granter.line_ended();
        self.reset();
    }
}

/// Is there room for a grant of these bytes?
fn room(link: &Link, bytes: &Bytes) -> Result<(), GrantError> {
    let session = link.session();
    let limits = session.limits();
    let fits = session.granted_bytes().saturating_add(bytes.end - bytes.start) <= limits.grant_bytes
        && session.grant_count() < limits.grants as usize;
    if fits { Ok(()) } else { Err(GrantError::Quota) }
}
