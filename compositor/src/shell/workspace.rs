//! Workspaces: numbered desks, of which every screen shows one.
//!
//! Screens change their workspaces each by itself, or all together ([`Workspaces`]). A window is on the
//! workspace of its family's root, on the screen of that root: a dialog that lies on another screen comes
//! and goes with the window that it belongs to.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Key, Output, Shell, columns::Place, window::Displaced};

/// Workspaces are numbered from 1 to this.
pub const WORKSPACES: u32 = 9;

/// How the workspaces of several screens hang together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Workspaces {
    /// Every screen has workspaces of its own.
    #[default]
    Apart,
    /// A workspace reaches over all screens.
    Together,
}

/// Which workspace each screen shows, and where the person is.
#[derive(Clone, Debug)]
pub(super) struct Desks {
    kind: Workspaces,
    /// What all show, or a screen of which nothing else is known.
    common: u32,
    /// By screen, also of screens that are gone.
    shown: BTreeMap<u32, u32>,
    /// The screen of the window that had the focus last, or that the person turned to since.
    pub(super) active: u32,
}

impl Default for Desks {
    fn default() -> Self {
        Self { kind: Workspaces::default(), common: 1, shown: BTreeMap::new(), active: 0 }
    }
}

impl Desks {
    /// Every screen has workspaces of its own.
    pub(super) fn apart(&self) -> bool {
        self.kind == Workspaces::Apart
    }

    /// The workspace that a screen shows.
    pub(super) fn shown(&self, output: u32) -> u32 {
        let own = self.shown.get(&output).filter(|_| self.apart());
        own.copied().unwrap_or(self.common)
    }

    fn show(&mut self, output: u32, number: u32) {
        match self.kind {
            Workspaces::Apart => drop(self.shown.insert(output, number)),
            Workspaces::Together => self.common = number,
        }
    }

    /// All that is shown is a workspace.
    pub(super) fn check(&self) -> Result<(), String> {
        let bad = self.shown.values().chain([&self.common]).find(|n| !(1..=WORKSPACES).contains(*n));
        bad.map_or(Ok(()), |number| Err(format!("workspace {number} is shown")))
    }
}

impl<K: Key> Shell<K> {
    /// Number of the workspace that is shown on the screen where the person is.
    pub fn current_workspace(&self) -> u32 {
        self.desks.shown(self.active_output())
    }

    /// Number of the workspace that a screen shows.
    pub fn workspace_on(&self, output: u32) -> u32 {
        self.desks.shown(output)
    }

    /// The screen where the person is: that of the window that has the focus, or had it last, unless they
    /// turned to another one.
    pub fn active_output(&self) -> u32 {
        let of_focus = self.focused.and_then(|key| self.windows.get(&key)).map(|window| window.output);
        self.outputs.get(of_focus.unwrap_or(self.desks.active)).id
    }

    /// The workspace that a window is on.
    pub fn workspace_of(&self, key: K) -> Option<u32> {
        self.windows.get(&key).map(|w| w.workspace)
    }

    /// How the workspaces of several screens hang together.
    pub fn workspaces(&self) -> Workspaces {
        self.desks.kind
    }

    /// Changes that.
    pub fn set_workspaces(&mut self, kind: Workspaces) {
        if self.desks.kind == kind {
            return;
        }
        let current = self.current_workspace();
        self.desks.kind = kind;
        self.desks.common = current;
        self.desks.shown.clear();
        self.change |= Change::WORKSPACE | Change::LAYOUT | Change::WANTED;
        self.settle(None);
    }

    /// Workspaces of a screen that it shows or that have windows, in order: number, whether it is shown,
    /// whether a window on it asks for attention.
    pub fn workspaces_in_use(&self, output: u32) -> Vec<(u32, bool, bool)> {
        let mut used = BTreeSet::new();
        let mut asking = BTreeSet::new();
        for (key, window) in &self.windows {
            let on_it = !self.desks.apart() || self.desk(*key).is_some_and(|(_, there)| there == output);
            // What is put away in the scratch area is on no workspace.
            let away = self.is_scratch(*key) && self.is_minimised(*key);
            if on_it && !away {
                used.insert(window.workspace);
            }
            if on_it && window.attention {
                asking.insert(window.workspace);
            }
        }
        let shown = self.desks.shown(output);
        used.extend(asking.iter().copied().chain([shown]));
        used.into_iter().map(|number| (number, number == shown, asking.contains(&number))).collect()
    }

    /// Shows another workspace on the screen where the person is. See [`Shell::switch_workspace_on`].
    pub fn switch_workspace(&mut self, number: u32) {
        if number != self.current_workspace() {
            self.switch_workspace_on(self.active_output(), number);
        }
    }

    /// Shows a workspace on a screen, to which the person turns. The focus goes to the window last used
    /// there, or to none. A number or a screen that there is not does nothing.
    pub fn switch_workspace_on(&mut self, output: u32, number: u32) {
        if !(1..=WORKSPACES).contains(&number) || !self.outputs.has(output) {
            return;
        }
        self.show_workspace(output, number);
        self.settle(None);
        self.turn_to(output);
    }

    /// The person turns to a screen: the focus goes to the window last used there, or to none. A screen that
    /// there is not does nothing.
    pub fn turn_to(&mut self, output: u32) {
        if !self.outputs.has(output) {
            return;
        }
        if self.active_output() != output {
            self.give_focus(None);
            self.set_active(output);
        }
        if self.focused.is_none() {
            let next = self.last_used();
            self.give_focus(next);
        }
    }

    /// While no window has the focus, the person is at this screen.
    pub fn be_at(&mut self, output: u32) {
        if self.focused.is_none() && self.outputs.has(output) {
            self.set_active(output);
        }
    }

    fn set_active(&mut self, output: u32) {
        if self.desks.active != output {
            self.desks.active = output;
            self.change |= Change::WORKSPACE;
        }
    }

    pub(super) fn show_workspace(&mut self, output: u32, number: u32) {
        if number != self.desks.shown(output) {
            self.desks.show(output, number);
            self.change |= Change::WORKSPACE | Change::LAYOUT | Change::WANTED;
        }
    }

    /// Moves a window and all its family to a workspace of its screen. What is moved away loses the focus.
    pub fn move_to_workspace(&mut self, key: K, number: u32) {
        if (1..=WORKSPACES).contains(&number) && self.windows.contains_key(&key) {
            let root = self.root(key);
            for key in self.subtree(root) {
                if let Some(displaced) = self.windows.get_mut(&key).and_then(|w| w.displaced.as_mut()) {
                    displaced.workspace = number;
                }
            }
            self.family_to_workspace(root, number);
            self.settle(None);
        }
    }

    pub(super) fn family_to_workspace(&mut self, root: K, number: u32) {
        for key in self.subtree(root) {
            if let Some(window) = self.windows.get_mut(&key) {
                window.workspace = number;
            }
            self.fit_in(key);
        }
        self.change |= Change::WORKSPACE | Change::LAYOUT | Change::WANTED;
        self.stand(Place::Beside);
    }

    /// Workspace and screen that a window comes and goes with.
    fn desk(&self, key: K) -> Option<(u32, u32)> {
        self.windows.get(&self.root(key)).map(|root| (root.workspace, root.output))
    }

    /// The workspace that the window is on is shown on its screen.
    pub(super) fn is_on_shown_desk(&self, key: K) -> bool {
        self.desk(key).is_some_and(|(workspace, output)| self.desks.shown(output) == workspace)
    }

    // Windows go to other screens.

    /// A window is on another screen now. If it was in sight there, it stays in sight: it goes, with its
    /// dialogs, to the workspace that is shown here.
    pub(super) fn go_to(&mut self, key: K, output: u32) {
        let in_sight = self.is_on_shown_desk(key);
        let Some(window) = self.windows.get_mut(&key) else { return };
        if std::mem::replace(&mut window.output, output) != output {
            self.change |= Change::LAYOUT | Change::WORKSPACE | Change::WANTED;
            self.keep_in_sight(key, in_sight);
        }
    }

    /// What was in sight with its family still is: where it does not, it goes to the workspace that its
    /// screen shows.
    pub(super) fn keep_in_sight(&mut self, key: K, in_sight: bool) {
        let Some(window) = self.windows.get(&key) else { return };
        let number = self.desks.shown(window.output);
        if in_sight && self.desks.apart() && window.parent.is_none() && window.workspace != number {
            self.family_goes_as_it_stands(key, number);
        }
    }

    /// As [`Shell::family_to_workspace`], but what floats in columns by the person's wish goes on floating, as
    /// does what they hold in their hand. [`Shell::stand`] has to follow.
    fn family_goes_as_it_stands(&mut self, root: K, number: u32) {
        let held = self.drag.as_ref().map(|drag| drag.key);
        for key in self.subtree(root) {
            let Some(window) = self.windows.get_mut(&key) else { continue };
            let before = std::mem::replace(&mut window.workspace, number);
            if held != Some(key) && self.arrangement(before) != self.arrangement(number) {
                self.fit_in(key);
            }
        }
        self.change |= Change::WORKSPACE | Change::LAYOUT | Change::WANTED;
    }

    /// Windows of screens that are not there any longer remember where they were and go to another. What was
    /// in sight is so there.
    pub(super) fn leave(&mut self, gone: Option<Output>) {
        let in_sight: Vec<K> =
            self.windows.keys().copied().filter(|key| self.is_on_shown_desk(*key)).collect();
        let mut left = Vec::new();
        for (key, window) in &mut self.windows {
            if self.outputs.has(window.output) {
                continue;
            }
            left.push(*key);
            if let Some(gone) = gone.filter(|gone| gone.id == window.output) {
                let at = window.at.minus(gone.rect.location());
                let workspace = window.workspace;
                window.displaced.get_or_insert(Displaced { output: gone.id, at, workspace });
            }
            window.at = self.outputs.within_reach(window.floating());
            window.output = self.outputs.best_for(window.floating()).id;
        }
        for key in left {
            self.keep_in_sight(key, in_sight.contains(&key));
        }
    }

    /// Windows that were on a screen before it went away come back to it.
    pub(super) fn come_back(&mut self, output: u32) {
        let corner = self.outputs.get(output).rect.location();
        let mut back = Vec::new();
        for (key, window) in &mut self.windows {
            if let Some(displaced) = window.displaced.take_if(|d| d.output == output) {
                window.output = output;
                window.at = corner.plus(displaced.at);
                back.push((*key, displaced.workspace));
            }
        }
        for (key, number) in back {
            if self.desks.apart() && self.parent(key).is_none() {
                self.family_goes_as_it_stands(key, number);
            }
        }
        // The keys stay where they are.
        if let Some((workspace, output)) = self.focused.and_then(|key| self.desk(key)) {
            self.show_workspace(output, workspace);
        }
    }

    /// A screen stands in for the one that went last.
    pub(super) fn inherit_workspace(&mut self, from: u32, to: u32) {
        if self.desks.apart() {
            self.show_workspace(to, self.desks.shown(from));
        }
    }
}
