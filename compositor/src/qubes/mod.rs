//! One link per qube: its stream, its windows, its granted memory.
//!
//! [`link`] holds what belongs to one qube; [`Qubes`] holds all links; `events`, `windows` and
//! `popups` carry what a link says over to the other rooms of the [`Desktop`](crate::Desktop).

mod backstage;
mod budget;
mod events;
pub mod link;
mod notifications;
mod on_screens;
mod popups;
mod source;
mod stream;
mod supervisor;
pub mod surface;
mod windows;

use std::collections::BTreeMap;

pub use link::{Link, LinkError, LinkMemory, QubeIdentity};
pub use notifications::{Notification, StatusIcon};
pub use popups::PopupGeometry;
pub(crate) use supervisor::Supervisor;
pub(crate) use windows::{PlacedWindow, WindowRecord};

use crate::{render::scene::SurfaceKey, trust::QubeId};

/// All links.
#[derive(Debug, Default)]
pub struct Qubes {
    links: BTreeMap<QubeId, Link>,
    sources: BTreeMap<QubeId, source::Sources>,
    last: u32,
}

impl Qubes {
    /// A number for a new link; never used twice in one run.
    pub(crate) fn next_id(&mut self) -> QubeId {
        self.last += 1;
        QubeId(self.last)
    }

    /// Adds a link that no source feeds.
    pub(crate) fn insert(&mut self, link: Link) {
        self.links.insert(link.id, link);
    }

    /// One link.
    pub fn get(&self, id: QubeId) -> Option<&Link> {
        self.links.get(&id)
    }

    /// One link.
    pub fn get_mut(&mut self, id: QubeId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    /// All links, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// All links, by number.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.links.values_mut()
    }

    /// The link of the qube of this name.
    pub fn by_name(&self, name: &str) -> Option<&Link> {
        self.links.values().find(|l| l.qube.name == name)
    }

    /// A window and its link.
    pub fn surface(&self, key: SurfaceKey) -> Option<(&Link, &surface::Surface)> {
        let link = self.get(key.qube)?;
        Some((link, link.surface(key.window)?))
    }
}
