//! Rule FOCUS: keys go only to the window that was drawn as focused in the last frame shown.

use crate::render::scene::SurfaceKey;

/// Which window should have the keys, and which one the person was shown to have them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FocusGate {
    wanted: Option<SurfaceKey>,
    drawn: Option<SurfaceKey>,
    shut: bool,
}

impl FocusGate {
    /// The person chose another window, or none.
    pub fn want(&mut self, window: Option<SurfaceKey>) {
        self.wanted = window;
    }

    /// A frame was shown in which this window was drawn as the focused one.
    pub fn drawn(&mut self, window: Option<SurfaceKey>) {
        self.drawn = window;
    }

    /// No window has the keys (FAIL-CLOSED), or the one chosen may have them again, once it was drawn
    /// with them anew.
    pub fn shut(&mut self, shut: bool) {
        self.shut = shut;
        self.drawn = None;
    }

    /// The window the person chose; none while shut.
    pub fn wanted(&self) -> Option<SurfaceKey> {
        self.wanted.filter(|_| !self.shut)
    }

    /// The window that keys may go to now: the one chosen, once it was shown as such.
    pub fn keys_to(&self) -> Option<SurfaceKey> {
        self.wanted().filter(|key| self.drawn == Some(*key))
    }

    /// The window is gone.
    pub fn vanished(&mut self, window: SurfaceKey) {
        for place in [&mut self.wanted, &mut self.drawn] {
            if *place == Some(window) {
                *place = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::trust::QubeId;

    fn window(number: u32) -> SurfaceKey {
        SurfaceKey { qube: QubeId(number % 2), window: number }
    }

    #[test]
    fn keys_wait_for_the_frame() {
        let mut gate = FocusGate::default();
        gate.want(Some(window(1)));
        assert_eq!(gate.keys_to(), None);
        gate.drawn(Some(window(1)));
        assert_eq!(gate.keys_to(), Some(window(1)));
        gate.want(Some(window(2)));
        assert_eq!(gate.keys_to(), None, "the person still sees the other window as focused");
        gate.vanished(window(2));
        assert_eq!(gate.wanted(), None);
    }

    proptest! {
        #[test]
        fn keys_go_only_where_the_person_chose_and_saw(
            steps in prop::collection::vec((0u8..5, prop::option::of(0u32..4)), 0..60),
        ) {
            let mut gate = FocusGate::default();
            let (mut wanted, mut shown, mut shut) = (None, None, false);
            for (step, number) in steps {
                let key = number.map(window);
                match (step, key) {
                    (0, _) => { gate.want(key); wanted = key; }
                    (1, _) => { gate.drawn(key); shown = key; }
                    (3 | 4, _) => { shut = step == 3; gate.shut(shut); shown = None; }
                    (_, Some(key)) => {
                        gate.vanished(key);
                        if wanted == Some(key) { wanted = None; }
                        if shown == Some(key) { shown = None; }
                    }
                    _ => {}
                }
                prop_assert!(!shut || (gate.keys_to(), gate.wanted()) == (None, None));
                if let Some(key) = gate.keys_to() {
                    prop_assert_eq!(Some(key), wanted);
                    prop_assert_eq!(Some(key), shown);
                } else {
                    prop_assert!(shut || wanted.is_none() || wanted != shown);
                }
            }
        }
    }
}
