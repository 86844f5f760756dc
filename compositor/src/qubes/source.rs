//! A link in the event loop: read when there is something, written when there is room, paused
//! when it has had its share.

use std::os::fd::OwnedFd;

use smithay::reexports::calloop::{
    Interest, Mode, PostAction, RegistrationToken,
    generic::Generic,
    timer::{TimeoutAction, Timer},
};
use tracing::error;

use super::Link;
use crate::{Desktop, trust::QubeId};

/// What a link has in the event loop.
#[derive(Debug)]
pub(super) struct Sources {
    read: RegistrationToken,
    write: Option<RegistrationToken>,
    paused: bool,
}

impl Desktop {
    /// Puts a link into the event loop.
    pub(super) fn watch_link(&mut self, id: QubeId) -> std::io::Result<()> {
        let Some(fd) = self.link_fd(id)? else { return Ok(()) };
        let source = Generic::new(fd, Interest::READ, Mode::Level);
        let read = self
            .handle
            .insert_source(source, move |_, _, desktop: &mut Self| {
                desktop.link_readable(id);
                Ok(PostAction::Continue)
            })
            .map_err(|e| std::io::Error::other(e.error))?;
        self.qubes.sources.insert(id, Sources { read, write: None, paused: false });
        Ok(())
    }

    fn link_fd(&self, id: QubeId) -> std::io::Result<Option<OwnedFd>> {
        self.qubes.get(id).and_then(Link::socket).map(|fd| fd.try_clone_to_owned()).transpose()
    }

    /// Takes a link out of the event loop.
    pub(super) fn unwatch_link(&mut self, id: QubeId) {
        if let Some(sources) = self.qubes.sources.remove(&id) {
            self.handle.remove(sources.read);
            if let Some(write) = sources.write {
                self.handle.remove(write);
            }
        }
    }

    /// Stops reading a link whose budget is spent until it fills up again: the others go on.
    pub(super) fn pause_link(&mut self, id: QubeId) {
        let now = self.clock.now();
        let Some(until) = self.qubes.get(id).and_then(super::Link::paused_until) else { return };
        let Some(sources) = self.qubes.sources.get_mut(&id) else { return };
        if std::mem::replace(&mut sources.paused, true) {
            return;
        }
        if let Err(error) = self.handle.disable(&sources.read) {
            error!(%error, "a link cannot be paused");
        }
        let timer = Timer::from_duration(until.saturating_sub(now));
        let resumed = self.handle.insert_source(timer, move |_, (), desktop: &mut Self| {
            if let Some(sources) = desktop.qubes.sources.get_mut(&id) {
                sources.paused = false;
                if let Err(error) = desktop.handle.enable(&sources.read) {
                    error!(%error, "a link cannot be resumed");
                }
                desktop.link_readable(id);
            }
            TimeoutAction::Drop
        });
        if let Err(error) = resumed {
            error!(%error, "a link stays paused");
        }
    }

    /// Sends what is queued for every link; waits in the event loop for those that are full.
    pub(crate) fn flush_links(&mut self) {
        let ids: Vec<QubeId> = self.qubes.links.keys().copied().collect();
        for id in ids {
            let Some(link) = self.qubes.get_mut(id) else { continue };
            if !link.wants_write() {
                continue;
            }
            match link.flush() {
                Ok(done) => self.wait_to_write(id, !done),
                Err(error) => self.close_link(id, &error),
            }
        }
    }

    fn wait_to_write(&mut self, id: QubeId, wait: bool) {
        let waiting = self.qubes.sources.get(&id).is_some_and(|s| s.write.is_some());
        if wait == waiting {
            return;
        }
        let token = if wait {
            let Ok(Some(fd)) = self.link_fd(id) else { return };
            let source = Generic::new(fd, Interest::WRITE, Mode::Level);
            // Only wakes the loop: every turn of it ends in `flush_links`.
            self.handle.insert_source(source, |_, _, _: &mut Self| Ok(PostAction::Continue)).ok()
        } else {
            if let Some(write) = self.qubes.sources.get_mut(&id).and_then(|s| s.write.take()) {
                self.handle.remove(write);
            }
            None
        };
        if let Some(sources) = self.qubes.sources.get_mut(&id) {
            sources.write = token;
        }
    }
}
