//! The scratch area: windows that are put away and come where the person is, above all others, when they
//! are called.

use super::{Change, Key, Shell, Size, columns::Place};

impl<K: Key> Shell<K> {
    /// The window, or the one that it is a dialog of, belongs to the scratch area.
    pub fn is_scratch(&self, key: K) -> bool {
        self.windows.get(&self.root(key)).is_some_and(|root| root.scratch)
    }

    /// Puts a window and its dialogs away into the scratch area, or lets one that is there be a window as all
    /// others, where it is.
    pub fn set_scratch(&mut self, key: K, scratch: bool) {
        let root = self.root(key);
        if self.is_scratch(root) == scratch || !self.contains(root) {
            return;
        }
        if scratch {
            self.set_fullscreen(root, false);
            self.float(root);
        }
        if let Some(window) = self.windows.get_mut(&root) {
            window.scratch = scratch;
            window.minimised |= scratch;
        }
        self.change |= Change::LAYOUT | Change::WANTED | Change::WORKSPACE;
        if !scratch {
            self.fit_in(root);
        }
        self.stand(Place::Beside);
        self.settle(None);
    }

    /// Brings the window of the scratch area that was used last to where the person is, with the focus; or
    /// puts it away again if that is where the focus is.
    pub fn toggle_scratch(&mut self) {
        if let Some(focused) = self.focused.filter(|key| self.is_scratch(*key)) {
            self.minimise(self.root(focused));
        } else if let Some(key) = self.history.iter().copied().find(|key| self.is_scratch(*key)) {
            self.focus(key);
        }
    }

    /// A window of the scratch area that is put away comes to the middle of the screen where the person is.
    pub(super) fn fetch_scratch(&mut self, key: K) {
        let root = self.root(key);
        if !self.is_scratch(root) || self.is_visible(root) {
            return;
        }
        let output = *self.outputs.get(self.active_output());
        let number = self.desks.shown(output.id);
        let Some(before) = self.windows.get(&root).map(|window| self.outputs.get(window.output).rect) else {
            return;
        };
        for key in self.subtree(root) {
            let Some(window) = self.windows.get_mut(&key) else { continue };
            window.at = window.at.plus(output.rect.location().minus(before.location()));
            window.workspace = number;
            window.output = output.id;
            window.displaced = None;
            if key == root {
                let Size { w, h } = window.floating().size();
                let usable = output.usable;
                window.at = usable.location().offset((usable.w - w) / 2, ((usable.h - h) / 2).max(0));
            }
            window.at = self.outputs.within_reach(window.floating());
        }
        self.change |= Change::LAYOUT | Change::WANTED | Change::WORKSPACE;
        self.stand(Place::End);
    }
}
