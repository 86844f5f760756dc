//! Workspaces: numbered desks of which one is shown, over all screens.

use super::{Change, Key, Shell, columns::Place};

/// Workspaces are numbered from 1 to this.
pub const WORKSPACES: u32 = 9;

impl<K: Key> Shell<K> {
    /// Number of the workspace that is shown.
    pub fn current_workspace(&self) -> u32 {
        self.workspace
    }

    /// The workspace that a window is on.
    pub fn workspace_of(&self, key: K) -> Option<u32> {
        self.windows.get(&key).map(|w| w.workspace)
    }

    /// Workspaces that are shown or have windows, in order: number, whether it is shown, whether a
    /// window on it asks for attention.
    pub fn workspaces_in_use(&self) -> Vec<(u32, bool, bool)> {
        (1..=WORKSPACES)
            .filter_map(|number| {
                let mut on_it = self.windows.values().filter(|w| w.workspace == number).peekable();
                let shown = number == self.workspace;
                (shown || on_it.peek().is_some()).then(|| (number, shown, on_it.any(|w| w.attention)))
            })
            .collect()
    }

    /// Shows another workspace. The focus goes to the window last used there, or to none. A number
    /// that there is not does nothing.
    pub fn switch_workspace(&mut self, number: u32) {
        if !(1..=WORKSPACES).contains(&number) || number == self.workspace {
            return;
        }
        self.show_workspace(number);
        self.settle(None);
        if self.focused.is_none() {
            let next = self.last_used();
            self.give_focus(next);
        }
    }

    pub(super) fn show_workspace(&mut self, number: u32) {
        if number != self.workspace {
            self.workspace = number;
            self.change |= Change::WORKSPACE | Change::LAYOUT | Change::WANTED;
        }
    }

    /// Moves a window and all its family to a workspace. What is moved away loses the focus.
    pub fn move_to_workspace(&mut self, key: K, number: u32) {
        if (1..=WORKSPACES).contains(&number) && self.windows.contains_key(&key) {
            self.family_to_workspace(self.root(key), number);
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
}
