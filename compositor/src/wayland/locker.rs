//! Lockers of dom0 (`ext-session-lock-v1`): a program that draws the lock screen and unlocks.
//!
//! The desktop is locked from the moment of the request, before the locker has drawn anything. One
//! locker at a time; one that comes while the desktop is locked is refused. One that dies leaves the
//! desktop locked, and the desktop's own lock screen takes over: then the person's password unlocks.
//!
//! Its surfaces are windows of dom0's link of a kind that nothing places by itself; only the lock's
//! scene shows them, each on its output.

use smithay::{
    output::Output,
    reexports::{
        wayland_protocols::ext::session_lock::v1::server::ext_session_lock_v1::ExtSessionLockV1,
        wayland_server::{Resource, protocol::wl_output::WlOutput},
    },
    utils::{Rectangle, SERIAL_COUNTER},
    wayland::session_lock::{LockSurface, SessionLocker},
};
use tracing::{info, warn};
use transom_protocol::{message, types::KeyState};

use super::{
    seat::Keys,
    windows::{Role, id_of},
};
use crate::{
    Desktop,
    lock::state::{Face, Phase},
    render::scene::{Item, SurfaceKey},
};

/// The locker that has the lock.
#[derive(Debug, Default)]
pub(super) struct Locker {
    lock: Option<ExtSessionLockV1>,
    /// Waits to be told that all is locked.
    waits: Option<SessionLocker>,
    /// Its surfaces, and the desktop's id of the output of each.
    surfaces: Vec<(LockSurface, u32)>,
}

impl Desktop {
    pub(super) fn locker_locks(&mut self, confirmation: SessionLocker) {
        if self.lock.covers() {
            // Dropped, it is told that there is no lock for it.
            info!("a locker is refused: the desktop is locked already");
            return;
        }
        let lock = Some(confirmation.ext_session_lock().clone());
        self.wayland.locker = Locker { lock, waits: Some(confirmation), surfaces: Vec::new() };
        self.lock_with(Face::Program);
    }

    /// Every screen shows the lock.
    pub(crate) fn locker_done(&mut self) {
        if let Some(waits) = self.wayland.locker.waits.take() {
            waits.lock();
        }
    }

    /// Only the locker that has the lock may unlock, and only after it was told that all is locked.
    pub(super) fn locker_may_unlock(&self, lock: &ExtSessionLockV1) -> bool {
        self.wayland.locker.lock.as_ref() == Some(lock) && self.lock.phase() == Phase::Locked
    }

    pub(super) fn locker_unlocks(&mut self) {
        self.wayland.locker = Locker::default();
        self.locker_focus(None);
        self.locker_opened();
    }

    /// A lock object is gone; if it is that of the locker, without having unlocked.
    pub(super) fn locker_gone(&mut self, lock: &ExtSessionLockV1) {
        if self.wayland.locker.lock.as_ref() != Some(lock) {
            return;
        }
        warn!("the locker is gone without unlocking: the desktop's own lock screen takes over");
        self.wayland.locker = Locker::default();
        self.locker_focus(None);
        self.locker_died();
    }

    pub(super) fn locker_surface(&mut self, surface: LockSurface, output: &WlOutput) {
        let client = |lock: &ExtSessionLockV1| lock.client();
        let owner = self.wayland.locker.lock.as_ref().and_then(client);
        let id = Output::from_resource(output).and_then(|output| self.wayland.outputs.screen(&output));
        let (Some(owner), Some(id)) = (owner, id) else { return };
        if surface.wl_surface().client() != Some(owner) {
            return;
        }
        self.wayland.windows.create(surface.wl_surface(), Role::Cursor);
        self.size_lock_surface(&surface, id);
        self.wayland.locker.surfaces.push((surface, id));
    }

    fn size_lock_surface(&self, surface: &LockSurface, id: u32) {
        let Some(screen) = self.screens.get(id) else { return };
        let size = (screen.area.size.w as u32, screen.area.size.h as u32);
        surface.with_pending_state(|state| state.size = Some(size.into()));
    }

    /// Outputs have changed: each surface is to fill its own.
    pub(super) fn locker_outputs_changed(&mut self) {
        let alive = |surface: &LockSurface| surface.alive();
        self.wayland.locker.surfaces.retain(|(surface, _)| alive(surface));
        for (surface, id) in &self.wayland.locker.surfaces {
            self.size_lock_surface(surface, *id);
            surface.send_configure();
        }
    }

    /// What the locker has drawn for a screen.
    pub(crate) fn locker_items(&self, screen: u32, items: &mut Vec<Item>) {
        let Some(view) = self.screens.get(screen).map(crate::screens::Screen::view) else { return };
        for key in self.locker_windows(screen) {
            self.guest_items(view, key, Rectangle::from_size(view.size), items);
        }
    }

    fn locker_windows(&self, screen: u32) -> Vec<SurfaceKey> {
        let surfaces = self.wayland.locker.surfaces.iter().filter(|(_, output)| *output == screen);
        let window = |(surface, _): &(LockSurface, u32)| id_of(surface.wl_surface());
        surfaces.filter_map(window).filter_map(|id| self.local_key(id)).collect()
    }

    /// A frame with its pictures was shown on a screen.
    pub(crate) fn locker_frame_shown(&mut self, screen: u32) {
        let now = self.clock.now();
        for key in self.locker_windows(screen) {
            if let Some(link) = self.local_link() {
                link.frame_done(key.window, now);
            }
        }
    }

    /// The end of a turn: the locker has the keys, whatever the desktop has said to windows.
    pub(super) fn locker_keeps_focus(&mut self) {
        if self.wayland.locker.lock.is_none() {
            return;
        }
        let first = self.wayland.locker.surfaces.iter().find(|(surface, _)| surface.alive());
        let first = first.map(|(surface, _)| Keys::new(surface.wl_surface()));
        self.locker_focus(first);
    }

    fn locker_focus(&mut self, focus: Option<Keys>) {
        let Some(keyboard) = self.wayland.seat.get_keyboard() else { return };
        if keyboard.current_focus() != focus {
            if focus.is_none() {
                self.local_keyboard_leave();
            } else {
                keyboard.set_focus(self, focus, SERIAL_COUNTER.next_serial());
                self.locker_modifiers();
            }
        }
    }

    /// A key while the locker has the lock.
    pub(crate) fn locker_key(&mut self, code: u32, pressed: bool, now: std::time::Duration) {
        let state = if pressed { KeyState::Pressed } else { KeyState::Released };
        let key = message::Key { time: crate::clock::millis(now).into(), code: code.into(), state };
        self.local_key_event(0, &key);
        self.locker_modifiers();
    }

    /// The devices are gone: no key is down. The end of the turn gives the locker its focus back.
    pub(crate) fn locker_lets_go(&mut self) {
        if self.wayland.locker.lock.is_some() {
            self.local_keyboard_leave();
        }
    }

    fn locker_modifiers(&mut self) {
        let now = self.input.keyboard.device_modifiers();
        self.local_modifiers(&message::Modifiers {
            depressed: now.depressed.into(),
            latched: now.latched.into(),
            locked: now.locked.into(),
            group: now.group.into(),
        });
    }
}
