//! Rule FOCUS: keys go only to the window that was drawn as focused in the last frame shown on every
//! screen that shows it.

use std::collections::BTreeMap;

use crate::render::scene::SurfaceKey;

/// What a screen showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The window that is drawn as the focused one wherever it is to be seen.
    pub focus: Option<SurfaceKey>,
    /// Windows that are to be seen on this screen.
    pub windows: Vec<SurfaceKey>,
}

/// Which window should have the keys, and which one the person was shown to have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FocusGate {
    wanted: Option<SurfaceKey>,
    /// The last frame of each screen.
    shown: BTreeMap<u32, Shown>,
    shut: bool,
}

impl FocusGate {
    /// The person chose another window, or none.
    pub fn want(&mut self, window: Option<SurfaceKey>) {
        self.wanted = window;
    }

    /// A frame is on a screen.
    pub fn drawn(&mut self, screen: u32, shown: Shown) {
        self.shown.insert(screen, shown);
    }

    /// A screen shows nothing any longer.
    pub fn screen_gone(&mut self, screen: u32) {
        self.shown.remove(&screen);
    }

    /// No screen shows anything of the desktop any longer.
    pub fn blank(&mut self) {
        self.shown.clear();
    }

    /// No screen has shown a frame since it came.
    pub fn is_blank(&self) -> bool {
        self.shown.is_empty()
    }

    /// No window has the keys (FAIL-CLOSED), or the one chosen may have them again, once it was drawn
    /// with them anew.
    pub fn shut(&mut self, shut: bool) {
        self.shut = shut;
        self.shown.clear();
    }

    /// The window the person chose; none while shut.
    pub fn wanted(&self) -> Option<SurfaceKey> {
        self.wanted.filter(|_| !self.shut)
    }

    /// The window that keys may go to now: the one chosen, once it was shown as such.
    pub fn keys_to(&self) -> Option<SurfaceKey> {
        let wanted = self.wanted()?;
        let mut showing = self.shown.values().filter(|shown| shown.windows.contains(&wanted)).peekable();
        showing.peek()?;
        showing.all(|shown| shown.focus == Some(wanted)).then_some(wanted)
    }

    /// The window is gone.
    pub fn vanished(&mut self, window: SurfaceKey) {
        self.wanted.take_if(|wanted| *wanted == window);
        for shown in self.shown.values_mut() {
            shown.focus.take_if(|focus| *focus == window);
            shown.windows.retain(|key| *key != window);
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

    fn shown(focus: u32, windows: &[u32]) -> Shown {
        Shown { focus: Some(window(focus)), windows: windows.iter().copied().map(window).collect() }
    }

    #[test]
    fn keys_wait_for_the_frame() {
        let mut gate = FocusGate::default();
        gate.want(Some(window(1)));
        assert_eq!(gate.keys_to(), None);
        gate.drawn(1, shown(1, &[1, 2]));
        assert_eq!(gate.keys_to(), Some(window(1)));
        gate.want(Some(window(2)));
        assert_eq!(gate.keys_to(), None, "the person still sees the other window as focused");
        gate.vanished(window(2));
        assert_eq!(gate.wanted(), None);
    }

    #[test]
    fn keys_wait_for_every_screen_that_shows_the_window() {
        let mut gate = FocusGate::default();
        // Window 1 lies over both screens, window 2 on the second alone.
        gate.drawn(1, shown(2, &[1]));
        gate.drawn(2, shown(2, &[1, 2]));
        gate.want(Some(window(1)));
        gate.drawn(2, shown(1, &[1, 2]));
        assert_eq!(gate.keys_to(), None, "the first still shows it without the focus");
        gate.drawn(1, shown(1, &[1]));
        assert_eq!(gate.keys_to(), Some(window(1)));
        // A slow screen that does not show it holds nobody.
        gate.want(Some(window(2)));
        gate.drawn(2, shown(2, &[1, 2]));
        assert_eq!(gate.keys_to(), Some(window(2)));
        gate.screen_gone(2);
        assert_eq!(gate.keys_to(), None, "nobody sees it");
    }

    proptest! {
        #[test]
        fn keys_go_only_where_the_person_chose_and_saw(
            steps in prop::collection::vec(
                (0u8..7, prop::option::of(0u32..4), 0u32..3, prop::collection::vec(0u32..4, 0..4)),
                0..60,
            ),
        ) {
            let mut gate = FocusGate::default();
            let (mut wanted, mut shut) = (None, false);
            let mut screens: BTreeMap<u32, (Option<SurfaceKey>, Vec<SurfaceKey>)> = BTreeMap::new();
            for (step, number, screen, windows) in steps {
                let key = number.map(window);
                match (step, key) {
                    (0, _) => { gate.want(key); wanted = key; }
                    (1, _) => {
                        let windows: Vec<_> = windows.into_iter().map(window).collect();
                        gate.drawn(screen, Shown { focus: key, windows: windows.clone() });
                        screens.insert(screen, (key, windows));
                    }
                    (2, _) => { gate.screen_gone(screen); screens.remove(&screen); }
                    (6, _) => { gate.blank(); screens.clear(); }
                    (4 | 5, _) => { shut = step == 4; gate.shut(shut); screens.clear(); }
                    (_, Some(key)) => {
                        gate.vanished(key);
                        if wanted == Some(key) { wanted = None; }
                        for (focus, windows) in screens.values_mut() {
                            if *focus == Some(key) { *focus = None; }
                            windows.retain(|window| *window != key);
                        }
                    }
                    _ => {}
                }
                let seen = |as_focused: bool| {
                    screens.values().any(|(focus, windows)| {
                        wanted.is_some_and(|w| windows.contains(&w)) && (*focus == wanted) == as_focused
                    })
                };
                let expected = if !shut && seen(true) && !seen(false) { wanted } else { None };
                prop_assert_eq!(gate.keys_to(), expected);
                prop_assert_eq!(gate.wanted(), wanted.filter(|_| !shut));
                prop_assert_eq!(gate.is_blank(), screens.is_empty());
            }
        }
    }
}
