//! Gestures of touchpads: the desktop's own, or for the window under the pointer.
//!
//! Whose a gesture is, is settled when it begins (INTENT): one that the desktop has a use for is
//! never told to a qube, and one that began in a window stays there. Its end is always told: it is
//! cancelled when the pointer leaves, the window goes, or the devices are lost.

use std::time::Duration;

use transom_protocol::{
    message::{self, ToQube},
    types::{GestureKind, GesturePhase},
};

use super::event::Gesture;
use crate::{
    Desktop,
    clock::millis,
    config::gestures::{GestureName, Way},
    render::scene::SurfaceKey,
};

/// A swipe must be this long, in units of a pointer's motion …
const SWIPE: f64 = 80.0;
/// … and a pinch this much, to be meant.
const PINCH: f64 = 1.25;

/// The gesture that is under way.
#[derive(Debug, Default)]
pub(crate) struct Gestures(Option<Live>);

#[derive(Debug)]
struct Live {
    kind: GestureKind,
    target: Target,
    path: Path,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Desktop,
    Window(SurfaceKey),
    /// It began where no qube is, or its window is gone.
    Nobody,
}

/// How far fingers have come.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Path {
    fingers: u32,
    dx: f64,
    dy: f64,
    scale: f64,
}

impl Path {
    fn new(fingers: u32) -> Self {
        Self { fingers, dx: 0.0, dy: 0.0, scale: 1.0 }
    }

    fn add(&mut self, gesture: &Gesture) {
        self.dx += gesture.dx;
        self.dy += gesture.dy;
        self.scale = gesture.scale;
    }

    /// What was meant; `None`: nothing clear.
    fn name(&self, kind: GestureKind) -> Option<GestureName> {
        let way = match kind {
            GestureKind::Swipe if self.dx.abs().max(self.dy.abs()) < SWIPE => return None,
            GestureKind::Swipe if self.dx.abs() > self.dy.abs() => {
                if self.dx < 0.0 {
                    Way::Left
                } else {
                    Way::Right
                }
            }
            GestureKind::Swipe => {
                if self.dy < 0.0 {
                    Way::Up
                } else {
                    Way::Down
                }
            }
            GestureKind::Pinch if self.scale >= PINCH => Way::Out,
            GestureKind::Pinch if self.scale <= 1.0 / PINCH => Way::In,
            GestureKind::Pinch => return None,
            GestureKind::Hold => Way::Rest,
        };
        Some(GestureName { fingers: self.fingers, kind, way })
    }
}

impl Gestures {
    /// A gesture in a window that is gone goes to nobody.
    pub(super) fn forget(&mut self, gone: &impl Fn(SurfaceKey) -> bool) {
        if let Some(live) = &mut self.0
            && matches!(live.target, Target::Window(key) if gone(key))
        {
            live.target = Target::Nobody;
        }
    }
}

impl Desktop {
    pub(super) fn gesture(&mut self, gesture: &Gesture, now: Duration) {
        match gesture.phase {
            GesturePhase::Begin => self.gesture_begins(gesture, now),
            GesturePhase::Update => {
                let Some(live) = self.input.gestures.0.as_mut().filter(|l| l.kind == gesture.kind) else {
                    return;
                };
                live.path.add(gesture);
                if let Target::Window(key) = live.target {
                    self.send_gesture(key, gesture, now);
                }
            }
            GesturePhase::End | GesturePhase::Cancel => {
                let Some(live) = self.input.gestures.0.take_if(|live| live.kind == gesture.kind) else {
                    return;
                };
                match live.target {
                    Target::Window(key) => self.send_gesture(key, gesture, now),
                    Target::Desktop if gesture.phase == GesturePhase::End => {
                        let name = live.path.name(live.kind);
                        let action = name.and_then(|name| self.config.gestures.action(name)).cloned();
                        if let Some(action) = action {
                            self.action(action, now);
                        }
                    }
                    Target::Desktop | Target::Nobody => {}
                }
            }
        }
    }

    fn gesture_begins(&mut self, gesture: &Gesture, now: Duration) {
        // One that never ended.
        self.gesture_lost();
        let target = if self.config.gestures.owns(gesture.kind, gesture.fingers) {
            Target::Desktop
        } else if let Some((key, _)) = self.input.pointer.entered {
            let outcomes = self.input.keyboard.pointer_event();
            self.outcomes(outcomes, now);
            self.send_gesture(key, gesture, now);
            Target::Window(key)
        } else {
            Target::Nobody
        };
        let path = Path::new(gesture.fingers);
        self.input.gestures.0 = Some(Live { kind: gesture.kind, target, path });
    }

    /// The pointer leaves its window, and a gesture there is over; what comes of it goes to nobody.
    pub(super) fn gesture_leaves(&mut self) {
        let Some(live) = &mut self.input.gestures.0 else { return };
        let (kind, target) = (live.kind, std::mem::replace(&mut live.target, Target::Nobody));
        match target {
            Target::Window(key) => {
                let cancel = Gesture { kind, phase: GesturePhase::Cancel, ..Gesture::default() };
                self.send_gesture(key, &cancel, self.clock.now());
            }
            // The desktop's own does not depend on where the pointer is.
            Target::Desktop => live.target = target,
            Target::Nobody => {}
        }
    }

    /// The devices are gone.
    pub(super) fn gesture_lost(&mut self) {
        self.gesture_leaves();
        self.input.gestures.0 = None;
    }

    fn send_gesture(&mut self, key: SurfaceKey, gesture: &Gesture, now: Duration) {
        let Some(link) = self.qubes.get_mut(key.qube) else { return };
        if link.session().pointer_focus() != Some(key.window) || link.session().window(key.window).is_none() {
            return;
        }
        let told = message::Gesture {
            time: millis(now).into(),
            kind: gesture.kind,
            phase: gesture.phase,
            fingers: gesture.fingers.into(),
            x: gesture.dx.into(),
            y: gesture.dy.into(),
            scale: gesture.scale.into(),
            rotation: gesture.rotation.into(),
        };
        let serial = if gesture.phase == GesturePhase::Update { 0 } else { link.serial() };
        link.send(key.window, serial, &ToQube::Gesture(&told));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_way_is_meant_and_a_short_one_means_nothing() {
        let swipe = |dx, dy| {
            let path = Path { dx, dy, ..Path::new(3) };
            path.name(GestureKind::Swipe).map(|name| name.way)
        };
        assert_eq!(swipe(-SWIPE, 10.0), Some(Way::Left));
        assert_eq!(swipe(SWIPE, -10.0), Some(Way::Right));
        assert_eq!(swipe(10.0, -SWIPE), Some(Way::Up));
        assert_eq!(swipe(-10.0, SWIPE), Some(Way::Down));
        assert_eq!(swipe(SWIPE - 1.0, 1.0 - SWIPE), None);
        let pinch = |scale| {
            let path = Path { scale, ..Path::new(4) };
            path.name(GestureKind::Pinch).map(|name| name.way)
        };
        assert_eq!((pinch(0.5), pinch(2.0), pinch(1.1)), (Some(Way::In), Some(Way::Out), None));
    }
}
