//! Who is above whom, and families of windows: a window and its dialogs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Change, Key, Shell};

/// Deepest chain of dialogs of dialogs; a parent that would make a deeper one is not taken.
const MAX_DEPTH: usize = 16;

impl<K: Key> Shell<K> {
    /// The window and its parents, upwards. Bounded even if there were a loop.
    pub(super) fn ancestors(&self, key: K) -> impl Iterator<Item = K> {
        std::iter::successors(Some(key), |k| self.windows.get(k).and_then(|w| w.parent))
            .take(self.windows.len())
    }

    /// The window that a family of dialogs belongs to.
    pub(super) fn root(&self, key: K) -> K {
        self.ancestors(key).last().unwrap_or(key)
    }

    /// `key` is `of` or one of its dialogs, or theirs.
    pub(super) fn descends(&self, key: K, of: K) -> bool {
        self.ancestors(key).any(|k| k == of)
    }

    /// A window and all its dialogs, bottom first.
    pub(super) fn subtree(&self, key: K) -> Vec<K> {
        self.stack.iter().copied().filter(|k| self.descends(*k, key)).collect()
    }

    /// Whether `parent` can be the parent of `child`: both are there, no loop, not too deep.
    pub(super) fn can_adopt(&self, parent: K, child: K) -> bool {
        let below = |k: K| self.ancestors(k).take_while(|a| *a != child).count();
        let height = || self.subtree(child).into_iter().map(|k| below(k) + 1).max().unwrap_or(1);
        self.windows.contains_key(&parent)
            && !self.descends(parent, child)
            && self.ancestors(parent).count() + height() <= MAX_DEPTH
    }

    /// Makes `key` the topmost of its family and its family the topmost.
    pub(super) fn bring_up(&mut self, key: K) {
        let before = self.stack.clone();
        for group in [self.subtree(self.root(key)), self.subtree(key)] {
            self.unstack(&group);
            self.stack.extend(group);
        }
        if self.stack != before {
            self.change |= Change::LAYOUT;
        }
    }

    fn unstack(&mut self, group: &[K]) {
        let group: BTreeSet<K> = group.iter().copied().collect();
        self.stack.retain(|k| !group.contains(k));
    }

    /// Puts a window's family beneath all others.
    pub fn lower(&mut self, key: K) {
        let group = self.subtree(self.root(key));
        self.unstack(&group);
        self.stack.splice(0..0, group);
        self.change |= Change::LAYOUT;
        self.lay();
    }

    /// Puts a window's family on top of all others, without the focus.
    pub fn raise(&mut self, key: K) {
        self.bring_up(key);
        self.lay();
    }

    /// Puts a dialog and its dialogs right above the parent if they are not above it.
    pub(super) fn above_parent(&mut self, child: K, parent: K) {
        let place = |stack: &[K], key: K| stack.iter().position(|k| *k == key);
        if place(&self.stack, child) < place(&self.stack, parent) {
            let group = self.subtree(child);
            self.unstack(&group);
            let at = place(&self.stack, parent).map_or(self.stack.len(), |i| i + 1);
            self.stack.splice(at..at, group);
        }
        self.change |= Change::LAYOUT;
    }

    /// Puts a new window into the stack: a dialog on top of its parent's family, another one beneath
    /// the family that has the focus, because what a person works with is not covered by what they did
    /// not ask for; on top if nothing has the focus.
    pub(super) fn stack_new(&mut self, key: K, parent: Option<K>) {
        let at = if let Some(parent) = parent {
            let root = self.root(parent);
            self.stack.iter().rposition(|k| self.descends(*k, root)).map(|i| i + 1)
        } else if let Some(focused) = self.focused {
            let root = self.root(focused);
            self.stack.iter().position(|k| self.descends(*k, root))
        } else {
            None
        };
        self.stack.insert(at.unwrap_or(self.stack.len()), key);
        self.change |= Change::LAYOUT;
    }

    /// The dialog, if any, that has to be dealt with before this window: its topmost modal child, or
    /// that one's. Itself if there is none.
    pub(super) fn modal_end(&self, key: K) -> K {
        Self::end_of(&self.modal_children(), key)
    }

    /// The topmost modal dialog of each window that has one.
    pub(super) fn modal_children(&self) -> BTreeMap<K, K> {
        let modal = |key: &K| self.windows.get(key).filter(|w| w.modal).and_then(|w| Some((w.parent?, *key)));
        self.stack.iter().filter_map(modal).collect()
    }

    /// See [`Shell::modal_end`].
    pub(super) fn end_of(modal_children: &BTreeMap<K, K>, key: K) -> K {
        let chain = std::iter::successors(Some(key), |k| modal_children.get(k).copied());
        chain.take(modal_children.len() + 1).last().unwrap_or(key)
    }
}
