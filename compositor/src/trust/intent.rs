//! Rule INTENT for moving and resizing: which presses are held at this moment, and where.

use std::collections::BTreeMap;

use crate::render::scene::SurfaceKey;

/// First evdev code of a pointer button (`BTN_MISC`); keys are below.
const FIRST_BUTTON: u32 = 0x100;

/// Presses that are held, by device code, and fingers that are down: the toplevel each is on and
/// the serial its event had. Bounded by how many keys and fingers a person has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InputLog {
    presses: BTreeMap<u32, (SurfaceKey, u32)>,
    fingers: BTreeMap<i32, (SurfaceKey, u32)>,
}

impl InputLog {
    /// A key or button went down on a toplevel.
    pub fn pressed(&mut self, toplevel: SurfaceKey, serial: u32, code: u32) {
        self.presses.insert(code, (toplevel, serial));
    }

    /// It went up.
    pub fn released(&mut self, code: u32) {
        self.presses.remove(&code);
    }

    /// A finger came down on a toplevel.
    pub fn touched(&mut self, toplevel: SurfaceKey, serial: u32, finger: i32) {
        self.fingers.insert(finger, (toplevel, serial));
    }

    /// It went up.
    pub fn lifted(&mut self, finger: i32) {
        self.fingers.remove(&finger);
    }

    /// True if this serial is that of a button or finger that is still held on this toplevel.
    pub fn justifies_move(&self, toplevel: SurfaceKey, serial: u32) -> bool {
        let buttons = self.presses.range(FIRST_BUTTON..).map(|(_, held)| held);
        buttons.chain(self.fingers.values()).any(|held| *held == (toplevel, serial))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::QubeId;

    #[test]
    fn only_a_held_press_on_the_same_window_justifies() {
        let (one, other) =
            (SurfaceKey { qube: QubeId(1), window: 1 }, SurfaceKey { qube: QubeId(1), window: 2 });
        let mut log = InputLog::default();
        log.pressed(one, 7, 0x110);
        assert!(log.justifies_move(one, 7));
        assert!(!log.justifies_move(other, 7), "another window");
        assert!(!log.justifies_move(one, 8), "another event");
        log.released(0x110);
        assert!(!log.justifies_move(one, 7), "no longer held");
        log.touched(other, 9, 0);
        assert!(log.justifies_move(other, 9));
        log.lifted(0);
        assert!(!log.justifies_move(other, 9));
        log.pressed(one, 10, 30);
        assert!(!log.justifies_move(one, 10), "a key moves nothing");
    }
}
