//! Fingers: each belongs to the window it came down on.

use std::{collections::BTreeMap, time::Duration};

use smithay::utils::{Logical, Point};
use transom_protocol::message::{ToQube, TouchPoint, TouchUp};

use super::{event::BTN_LEFT, pointer::Under};
use crate::{Desktop, clock::millis, render::scene::SurfaceKey, trust::QubeId};

/// Fingers that are down.
#[derive(Debug, Default)]
pub(crate) struct Touch {
    /// Finger to window; `None`: it came down where no qube is, and goes to nobody.
    fingers: BTreeMap<i32, Option<SurfaceKey>>,
    /// Windows that were told something since the last frame.
    unframed: Vec<SurfaceKey>,
}

impl Touch {
    /// A finger came down where nobody is to hear of it.
    pub(crate) fn down_on_nothing(&mut self, id: i32) {
        self.fingers.insert(id, None);
    }

    /// A finger that nobody hears of went up.
    pub(crate) fn up(&mut self, id: i32) {
        self.fingers.remove(&id);
    }

    /// No finger is down.
    pub(crate) fn all_up(&mut self) {
        self.fingers.clear();
        self.unframed.clear();
    }

    /// Fingers on windows that are gone go to nobody.
    pub(crate) fn forget(&mut self, gone: &impl Fn(SurfaceKey) -> bool) {
        for target in self.fingers.values_mut() {
            if target.is_some_and(gone) {
                *target = None;
            }
        }
        self.unframed.retain(|key| !gone(*key));
    }
}

impl Desktop {
    pub(super) fn touch_down(&mut self, id: i32, at: Point<f64, Logical>, now: Duration) {
        let under = self.under(at);
        if self.dismiss_on_press(under) {
            self.input.touch.fingers.insert(id, None);
            return;
        }
        let target = match under {
            Under::Content(key, local) => {
                let toplevel = self.toplevel_of(key);
                self.focus_window(toplevel);
                self.qubes.get_mut(key.qube).filter(|link| !link.held).map(|link| {
                    let serial = link.serial();
                    link.send(key.window, serial, &ToQube::TouchDown(&point(id, local, now)));
                    (key, serial, toplevel)
                })
            }
            Under::Frame(key, hit) => {
                // A finger on a frame is a press of the left button there, without its drag.
                self.focus_window(key);
                if let transom_theming::Hit::Button(button) = hit {
                    match button {
                        transom_theming::TitleButton::Close => self.close_window(key),
                        transom_theming::TitleButton::Maximise => self.toggle_maximised(key),
                        transom_theming::TitleButton::Minimise => self.minimise(key),
                    }
                }
                None
            }
            Under::Ui => {
                self.press_on_ui(at, now);
                self.overview_release(at, BTN_LEFT);
                self.capture_release(at);
                None
            }
            Under::PopupFrame(_) | Under::Nothing => None,
        };
        if let Some((key, serial, toplevel)) = target {
            self.trust.intent.touched(toplevel, serial, id);
            self.input.touch.unframed.push(key);
        }
        self.input.touch.fingers.insert(id, target.map(|(key, ..)| key));
    }

    pub(super) fn touch_motion(&mut self, id: i32, at: Point<f64, Logical>, now: Duration) {
        let Some(Some(key)) = self.input.touch.fingers.get(&id).copied() else { return };
        let Some(rect) = self.content_rect(key) else { return };
        let local = at - rect.loc.to_f64();
        if let Some(link) = self.qubes.get_mut(key.qube) {
            link.send(key.window, 0, &ToQube::TouchMotion(&point(id, local, now)));
            self.input.touch.unframed.push(key);
        }
    }

    pub(super) fn touch_up(&mut self, id: i32, now: Duration) {
        let Some(Some(key)) = self.input.touch.fingers.remove(&id) else { return };
        if let Some(link) = self.qubes.get_mut(key.qube) {
            let serial = link.serial();
            let up = TouchUp { time: millis(now).into(), id: id.into() };
            link.send(key.window, serial, &ToQube::TouchUp(&up));
            self.input.touch.unframed.push(key);
        }
        self.trust.intent.lifted(id);
    }

    pub(super) fn touch_frame(&mut self) {
        let mut windows = std::mem::take(&mut self.input.touch.unframed);
        windows.sort_unstable();
        windows.dedup();
        for key in windows {
            if let Some(link) = self.qubes.get_mut(key.qube)
                && link.session().window(key.window).is_some()
            {
                link.send(key.window, 0, &ToQube::TouchFrame(()));
            }
        }
    }

    pub(super) fn touch_cancel(&mut self) {
        let fingers = std::mem::take(&mut self.input.touch.fingers);
        self.cancel_touch_of(fingers.into_values().flatten().collect());
        self.input.touch.unframed.clear();
    }

    /// The fingers on a qube's windows are no longer its business.
    pub(super) fn touch_leaves(&mut self, qube: QubeId) {
        let fingers = self.input.touch.fingers.values().flatten();
        self.cancel_touch_of(fingers.filter(|key| key.qube == qube).copied().collect());
    }

    fn cancel_touch_of(&mut self, mut windows: Vec<SurfaceKey>) {
        windows.sort_unstable();
        windows.dedup();
        for key in windows {
            if let Some(link) = self.qubes.get_mut(key.qube)
                && link.session().window(key.window).is_some()
            {
                link.send(key.window, 0, &ToQube::TouchCancel(()));
            }
        }
    }
}

fn point(id: i32, at: Point<f64, Logical>, now: Duration) -> TouchPoint {
    TouchPoint { time: millis(now).into(), id: id.into(), x: at.x.into(), y: at.y.into() }
}
