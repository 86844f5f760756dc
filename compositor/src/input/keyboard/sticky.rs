//! Modifiers that stay down by themselves, for who presses one key at a time.
//!
//! A modifier that is pressed and let go with nothing in between holds until the next key is let go; once more,
//! and it holds until it is pressed a third time. Pure: device keys in, device keys as if they were held out.

use std::collections::BTreeSet;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Sticky {
    pub(super) on: bool,
    /// Modifiers that fingers are on, and those of them with nothing since.
    down: BTreeSet<u32>,
    fresh: BTreeSet<u32>,
    /// Modifiers that hold for the next key, and until they are pressed again.
    next: BTreeSet<u32>,
    always: BTreeSet<u32>,
    /// Keys that went down while one held.
    typed: BTreeSet<u32>,
}

impl Sticky {
    pub(super) fn new(on: bool) -> Self {
        Self { on, ..Self::default() }
    }

    /// A key of the device went down or up. Returns what the rest is to hear, in this order.
    pub(super) fn key(&mut self, code: u32, pressed: bool, modifier: bool) -> Vec<(u32, bool)> {
        if !self.on {
            return vec![(code, pressed)];
        }
        match (modifier, pressed) {
            (true, true) => {
                self.down.insert(code);
                self.fresh.insert(code);
                if self.holds(code) { Vec::new() } else { vec![(code, true)] }
            }
            (true, false) => {
                self.down.remove(&code);
                let tapped = self.fresh.remove(&code);
                match tapped {
                    true if self.always.remove(&code) => vec![(code, false)],
                    true if self.next.remove(&code) => {
                        self.always.insert(code);
                        Vec::new()
                    }
                    true => {
                        self.next.insert(code);
                        Vec::new()
                    }
                    false if self.holds(code) => Vec::new(),
                    false => vec![(code, false)],
                }
            }
            (false, true) => {
                self.fresh.clear();
                if !self.next.is_empty() {
                    self.typed.insert(code);
                }
                vec![(code, true)]
            }
            (false, false) => {
                let mut out = vec![(code, false)];
                if self.typed.remove(&code) {
                    let held = std::mem::take(&mut self.next);
                    out.extend(held.into_iter().filter(|code| !self.down.contains(code)).map(|c| (c, false)));
                }
                out
            }
        }
    }

    /// Nothing holds any longer.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.on);
    }

    /// Modifiers that hold: for the next key (`false`), or until they are pressed again (`true`).
    pub(super) fn held(&self) -> impl Iterator<Item = (u32, bool)> {
        let next = self.next.iter().map(|code| (*code, false));
        next.chain(self.always.iter().map(|code| (*code, true)))
    }

    fn holds(&self, code: u32) -> bool {
        self.next.contains(&code) || self.always.contains(&code)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHIFT: u32 = 42;
    const CTRL: u32 = 29;
    const A: u32 = 30;

    /// What is heard of taps, as pairs.
    fn taps(sticky: &mut Sticky, codes: &[u32]) -> Vec<(u32, bool)> {
        let events = codes.iter().flat_map(|code| [(*code, true), (*code, false)]);
        events.flat_map(|(code, pressed)| sticky.key(code, pressed, code != A)).collect()
    }

    #[test]
    fn a_modifier_that_is_tapped_holds_for_the_next_key() {
        let mut sticky = Sticky::new(true);
        let heard = taps(&mut sticky, &[CTRL, SHIFT, A, A]);
        let both = [(CTRL, true), (SHIFT, true), (A, true), (A, false), (CTRL, false), (SHIFT, false)];
        assert_eq!(heard, [&both[..], &[(A, true), (A, false)]].concat());
    }

    #[test]
    fn tapped_twice_it_holds_until_it_is_tapped_again() {
        let mut sticky = Sticky::new(true);
        assert_eq!(taps(&mut sticky, &[SHIFT, SHIFT]), [(SHIFT, true)]);
        assert_eq!(sticky.held().collect::<Vec<_>>(), [(SHIFT, true)]);
        assert_eq!(taps(&mut sticky, &[A, A]), [(A, true), (A, false), (A, true), (A, false)]);
        assert_eq!(taps(&mut sticky, &[SHIFT]), [(SHIFT, false)]);
    }

    #[test]
    fn held_with_another_key_it_is_as_always() {
        let mut sticky = Sticky::new(true);
        let heard: Vec<_> = [(SHIFT, true), (A, true), (A, false), (SHIFT, false)]
            .into_iter()
            .flat_map(|(code, pressed)| sticky.key(code, pressed, code != A))
            .collect();
        assert_eq!(heard, [(SHIFT, true), (A, true), (A, false), (SHIFT, false)]);
        assert_eq!(sticky.held().count(), 0);
    }

    proptest! {
        /// Every key that is heard to go down can be heard to go up, in turn, and nothing hangs but what holds.
        #[test]
        fn presses_and_releases_alternate(keys in prop::collection::vec(0u32..5, 0..80)) {
            let mut sticky = Sticky::new(true);
            let (mut fingers, mut heard) = (BTreeSet::new(), BTreeSet::new());
            for code in keys {
                let pressed = fingers.insert(code) || !fingers.remove(&code);
                for (code, pressed) in sticky.key(code, pressed, code < 3) {
                    prop_assert_eq!(heard.contains(&code), !pressed, "{} {}", code, pressed);
                    if pressed { heard.insert(code) } else { heard.remove(&code) };
                }
                let held: BTreeSet<u32> = sticky.held().map(|(code, _)| code).collect();
                let should: BTreeSet<u32> = fingers.union(&held).copied().collect();
                prop_assert_eq!(&heard, &should);
            }
        }
    }
}
