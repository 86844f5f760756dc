//! Who has the focus. See rule FOCUS in the text of [`super`].

use super::{Change, Key, Shell};

/// Where the focus goes when the window that has it cannot keep it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fallback {
    /// To the closed dialog's parent, else to the window that the person used last among those in
    /// sight.
    #[default]
    LastUsed,
    /// To none: the person chooses.
    Nothing,
}

impl<K: Key> Shell<K> {
    /// The window that has the focus. It is always in sight.
    pub fn focused(&self) -> Option<K> {
        self.focused
    }

    /// Gives a window the focus: to be called for something the person did, and for nothing else. The
    /// window comes up, back from being minimised or put away, and its workspace is shown. If it has a modal
    /// dialog, that one gets the focus.
    pub fn focus(&mut self, key: K) {
        let key = self.modal_end(key);
        self.fetch_scratch(key);
        let Some(root) = self.windows.get(&self.root(key)) else { return };
        self.show_workspace(root.output, root.workspace);
        self.unminimise(key);
        if let Some(window) = self.windows.get_mut(&key) {
            window.used = true;
        }
        self.give_focus(Some(key));
        self.settle(None);
    }

    /// Takes the focus from every window: the person chose the desktop itself.
    pub fn unfocus(&mut self) {
        self.give_focus(None);
    }

    /// Says where the focus goes when the window that has it cannot keep it.
    pub fn set_fallback(&mut self, fallback: Fallback) {
        self.fallback = fallback;
    }

    pub(super) fn give_focus(&mut self, key: Option<K>) {
        if self.focused != key {
            self.desks.active = self.active_output();
            self.focused = key;
            self.change |= Change::FOCUS | Change::LAYOUT | Change::WANTED;
        }
        let Some(key) = key else { return };
        if let Some(index) = self.history.iter().position(|k| *k == key) {
            self.history[..=index].rotate_right(1);
        }
        self.set_attention(key, false);
        self.bring_up(key);
        self.lay();
    }

    /// The window in sight that the person used last, or its modal dialog; only of the screen where they
    /// are if screens have workspaces of their own.
    pub(super) fn last_used(&self) -> Option<K> {
        let (anywhere, here) = (!self.desks.apart(), self.active_output());
        let used = |key: &K| self.windows.get(key).is_some_and(|w| w.used && (anywhere || w.output == here));
        self.history.iter().copied().filter(used).find_map(|key| self.can_have_focus(key))
    }

    fn can_have_focus(&self, key: K) -> Option<K> {
        self.is_visible(key).then(|| self.modal_end(key)).filter(|end| self.is_visible(*end))
    }

    /// Lets go of what is not in sight any longer: the focus goes on, to `prefer` if it can, and a
    /// move or resize ends.
    pub(super) fn settle(&mut self, prefer: Option<K>) {
        if self.focused.is_some_and(|key| !self.is_visible(key)) {
            let next = match self.fallback {
                Fallback::Nothing => None,
                Fallback::LastUsed => {
                    prefer.and_then(|key| self.can_have_focus(key)).or_else(|| self.last_used())
                }
            };
            self.give_focus(next);
        }
        if let Some(drag) = &self.drag
            && (!self.is_visible(drag.key) || self.windows.get(&drag.key).is_some_and(|w| w.fullscreen))
        {
            self.stop_drag();
        }
    }
}
