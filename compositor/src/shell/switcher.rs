//! Alt-tab: which window is next. The list is made when it opens and does not grow, so that no card
//! moves under the person's fingers.

use std::collections::BTreeSet;

use super::{Change, Key, Shell};

/// The open switcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switcher<K> {
    /// The windows to choose from, last used first, those of other workspaces and minimised ones
    /// too. Empty only if it was narrowed down to nothing. A window that waits for its modal dialog is not
    /// in it, the dialog is.
    pub windows: Vec<K>,
    /// Those that it was opened with and that are still there.
    all: Vec<K>,
    /// Index of the choice.
    pub selected: usize,
    /// The window that had the focus when it opened.
    pub origin: Option<K>,
    /// No step was made yet, and the origin is not in the list: the first step goes to its end.
    fresh: bool,
}

impl<K: Key> Switcher<K> {
    /// The window that is chosen.
    pub fn choice(&self) -> Option<K> {
        self.windows.get(self.selected).copied()
    }

    /// The windows that are left of those it was opened with, last used first.
    pub fn all(&self) -> &[K] {
        &self.all
    }

    fn step(&mut self, forward: bool) {
        let last = self.windows.len().saturating_sub(1);
        self.selected = match (std::mem::take(&mut self.fresh), forward) {
            (true, true) => 0,
            (true, false) => last,
            (false, true) if self.selected >= last => 0,
            (false, true) => self.selected + 1,
            (false, false) => self.selected.checked_sub(1).unwrap_or(last),
        };
    }

    /// A window is gone. If it was the choice, the choice falls back to where the keys already are
    /// rather than to a neighbour: the person may let go of the chord at this moment.
    /// `false`: nothing is left.
    pub(super) fn forget(&mut self, key: K) -> bool {
        let choice = self.choice();
        self.windows.retain(|k| *k != key);
        self.all.retain(|k| *k != key);
        let find = |wanted: Option<K>| self.windows.iter().position(|k| Some(*k) == wanted);
        self.selected = find(choice).or_else(|| find(self.origin)).unwrap_or(0);
        !self.all.is_empty()
    }

    /// What always holds.
    pub(super) fn check(&self) -> Result<(), String> {
        let among = |list: &[K], of: &[K]| list.iter().all(|key| of.contains(key));
        if self.all.is_empty() || !among(&self.windows, &self.all) {
            return Err(format!("the switcher has {:?} of {:?}", self.windows, self.all));
        }
        if self.choice().is_none() && !self.windows.is_empty() {
            return Err("the switcher has chosen nothing".into());
        }
        Ok(())
    }
}

impl<K: Key> Shell<K> {
    /// The switcher, if it is open.
    pub fn switcher(&self) -> Option<&Switcher<K>> {
        self.switcher.as_ref()
    }

    /// Opens the switcher over the windows for which `only` holds (all, or those of one qube). The
    /// choice is the window that has the focus; the first step leads on from it. `false`: there is
    /// none to choose, or it is open already.
    pub fn switcher_open(&mut self, only: impl Fn(&K) -> bool) -> bool {
        if self.switcher.is_some() {
            return false;
        }
        let (modal, mut seen) = (self.modal_children(), BTreeSet::new());
        let last_used_first = self.history.iter().map(|key| Self::end_of(&modal, *key));
        let windows: Vec<K> = last_used_first.filter(|key| only(key) && seen.insert(*key)).collect();
        if windows.is_empty() {
            return false;
        }
        let origin = self.focused.map(|key| self.modal_end(key));
        let selected = windows.iter().position(|k| Some(*k) == origin);
        let fresh = selected.is_none();
        self.switcher =
            Some(Switcher { all: windows.clone(), windows, selected: selected.unwrap_or(0), origin, fresh });
        self.change |= Change::SWITCHER;
        true
    }

    /// Chooses the next window, or the one before. After the last comes the first.
    pub fn switcher_step(&mut self, forward: bool) {
        if let Some(switcher) = &mut self.switcher {
            switcher.step(forward);
            self.change |= Change::SWITCHER;
        }
    }

    /// Leaves only those windows of the list to choose from for which `keep` holds. The choice stays if it is
    /// among them, else it is the first.
    pub fn switcher_narrow(&mut self, keep: impl Fn(&K) -> bool) {
        let Some(switcher) = &mut self.switcher else { return };
        let choice = switcher.choice();
        switcher.windows = switcher.all.iter().copied().filter(keep).collect();
        switcher.selected = switcher.windows.iter().position(|k| Some(*k) == choice).unwrap_or(0);
        switcher.fresh = false;
        self.change |= Change::SWITCHER;
    }

    /// Chooses a window that is in the list.
    pub fn switcher_select(&mut self, key: K) {
        if let Some(switcher) = &mut self.switcher
            && let Some(index) = switcher.windows.iter().position(|k| *k == key)
        {
            switcher.selected = index;
            switcher.fresh = false;
            self.change |= Change::SWITCHER;
        }
    }

    /// Closes the switcher. With `confirm` the chosen window gets the focus, as [`Shell::focus`]
    /// gives it, and is returned; else all stays as it was.
    pub fn switcher_close(&mut self, confirm: bool) -> Option<K> {
        let switcher = self.switcher.take()?;
        self.change |= Change::SWITCHER;
        let choice = switcher.choice().filter(|_| confirm)?;
        self.focus(choice);
        Some(choice)
    }
}
