//! What the person does, and what follows: chords, gestures and switches have one action each.

use super::bindings::Action;

/// What is bound to an action.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound<K>(Vec<(K, Action)>);

impl<K: Copy + PartialEq> Bound<K> {
    /// Nothing is.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Gives it something to do; what it did before is forgotten.
    pub fn bind(&mut self, what: K, action: Action) {
        self.unbind(what);
        self.0.push((what, action));
    }

    /// Takes it away. False if there was none.
    pub fn unbind(&mut self, what: K) -> bool {
        let before = self.0.len();
        self.0.retain(|(bound, _)| *bound != what);
        self.0.len() != before
    }

    /// What it does.
    pub fn action(&self, what: K) -> Option<&Action> {
        self.0.iter().find(|(bound, _)| *bound == what).map(|(_, action)| action)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Action)> {
        self.0.iter().map(|(what, action)| (what, action))
    }
}
