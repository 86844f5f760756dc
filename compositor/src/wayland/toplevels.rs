//! Windows as dom0's programs are told of them, for taskbars and scripts: those of qubes and dom0's own, on
//! all workspaces. What a qube has backstage is none.
//!
//! What a qube says of a window is never told alone (CLEAN-TEXT): the qube's name stands before its title,
//! and in its application id, so that no qube chooses one of dom0's icons by it.

use std::collections::BTreeMap;

use smithay::wayland::foreign_toplevel_list::ForeignToplevelHandle;

use crate::{Desktop, render::scene::SurfaceKey};

/// A window as programs were told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Toplevel {
    /// What its qube says.
    said: (String, String),
    pub(super) title: String,
    pub(super) app_id: String,
    pub(super) state: State,
    pub(super) parent: Option<SurfaceKey>,
    /// Screens that show it.
    pub(super) screens: Vec<u32>,
}

/// How a window stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) maximised: bool,
    pub(super) minimised: bool,
    pub(super) activated: bool,
    pub(super) fullscreen: bool,
}

/// Windows that programs know of.
#[derive(Debug, Default)]
pub(super) struct Toplevels {
    pub(super) told: BTreeMap<SurfaceKey, Toplevel>,
    /// The same for `ext-foreign-toplevel-list-v1`.
    listed: BTreeMap<SurfaceKey, ForeignToplevelHandle>,
}

/// What is new about a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub(super) title: bool,
    pub(super) app_id: bool,
    pub(super) state: bool,
    pub(super) parent: bool,
    pub(super) screens: bool,
}

impl News {
    pub(super) const ALL: Self = Self { title: true, app_id: true, state: true, parent: true, screens: true };
}

/// How a window is called: its qube first.
fn title(qube: &str, not_isolated: bool, title: &str) -> String {
    let isolation = if not_isolated { " (not isolated)" } else { "" };
    format!("{qube}{isolation}: {title}")
}

/// Application id of a window; dom0's own programs keep theirs.
fn app_id(qube: Option<&str>, app_id: &str) -> String {
    qube.map_or_else(|| app_id.to_owned(), |qube| format!("qube.{qube}.{app_id}"))
}

impl Desktop {
    /// The end of a turn: programs hear what has changed about windows.
    pub(super) fn tell_toplevels(&mut self) {
        let mut known = std::mem::take(&mut self.wayland.toplevels.told);
        known.retain(|key, _| {
            let stays = self.windows.get(key).is_some_and(|record| record.mapped);
            if !stays {
                self.toplevel_closed(*key);
                if let Some(listed) = self.wayland.toplevels.listed.remove(key) {
                    self.unlist(&listed);
                }
            }
            stays
        });
        // Parents before their dialogs, as far as numbers go; a later one is told with the next change.
        let keys: Vec<SurfaceKey> =
            self.windows.iter().filter(|(_, record)| record.mapped).map(|(key, _)| *key).collect();
        let mut news: Vec<(SurfaceKey, News)> = Vec::new();
        for key in keys {
            let is_new = self.note_toplevel(key, &mut known);
            news.extend(is_new.map(|new| (key, new)));
        }
        self.wayland.toplevels.told = known;
        for (key, new) in news {
            self.list_toplevel(key);
            self.toplevel_changed(key, new);
        }
        self.refuse_taskbars();
    }

    /// Takes up what a window is now. `None`: as before.
    fn note_toplevel(&self, key: SurfaceKey, known: &mut BTreeMap<SurfaceKey, Toplevel>) -> Option<News> {
        let (link, surface) = self.qubes.surface(key)?;
        let placed = self.shell.placed(key)?;
        let state = State {
            maximised: placed.maximised,
            minimised: self.shell.is_minimised(key),
            activated: self.trust.focus.wanted() == Some(key),
            fullscreen: placed.state == crate::shell::State::Fullscreen,
        };
        let parent = self.shell.parent(key);
        let placed = self.shell.is_visible(key).then(|| crate::qubes::PlacedWindow::from(placed));
        let shows = |screen: &&crate::screens::Screen| {
            placed.as_ref().is_some_and(|placed| screen.view().shows_window(placed))
        };
        let screens = || self.screens.iter().filter(shows).map(|screen| screen.id);
        let name = &link.qube.name;
        if let Some(told) = known.get_mut(&key) {
            let new = News {
                title: told.said.0 != surface.title,
                app_id: told.said.1 != surface.app_id,
                state: told.state != state,
                parent: told.parent != parent,
                screens: !told.screens.iter().copied().eq(screens()),
            };
            if new.title {
                told.title = title(name, !link.qube.isolated, &surface.title);
                told.said.0.clone_from(&surface.title);
            }
            if new.app_id {
                told.app_id = app_id(link.label().map(|_| name.as_str()), &surface.app_id);
                told.said.1.clone_from(&surface.app_id);
            }
            if new.screens {
                told.screens = screens().collect();
            }
            (told.state, told.parent) = (state, parent);
            return (new != News::default()).then_some(new);
        }
        let toplevel = Toplevel {
            said: (surface.title.clone(), surface.app_id.clone()),
            title: title(name, !link.qube.isolated, &surface.title),
            app_id: app_id(link.label().map(|_| name.as_str()), &surface.app_id),
            state,
            parent,
            screens: screens().collect(),
        };
        known.insert(key, toplevel);
        Some(News::ALL)
    }

    /// Tells of a window in the list that has names only.
    fn list_toplevel(&mut self, key: SurfaceKey) {
        let toplevels = &self.wayland.toplevels;
        let Some(told) = toplevels.told.get(&key).cloned() else { return };
        if let Some(listed) = toplevels.listed.get(&key) {
            if (listed.title(), listed.app_id()) != (told.title.clone(), told.app_id.clone()) {
                listed.send_title(&told.title);
                listed.send_app_id(&told.app_id);
                listed.send_done();
            }
        } else {
            let listed = self.list_new(told.title, told.app_id);
            self.wayland.toplevels.listed.insert(key, listed);
        }
    }

    /// A program of dom0 wants a window to have the focus. It gets it if the person has just done something
    /// that means it (FOCUS), and is marked otherwise.
    pub(super) fn toplevel_activate(&mut self, key: SurfaceKey) {
        let now = self.clock.now();
        if self.trust.act.take(now) && !self.lock.covers() && !self.dom0_asks() {
            self.focus_window(key);
        } else {
            self.attention(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_qube_is_said_first() {
        assert_eq!(title("work", false, "vault: keys"), "work: vault: keys");
        assert_eq!(title("web", true, ""), "web (not isolated): ");
        assert_eq!(app_id(Some("work"), "firefox"), "qube.work.firefox");
        assert_eq!(app_id(None, "foot"), "foot");
    }
}
