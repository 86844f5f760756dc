//! `ext_session_lock_manager_v1`: lockers of dom0.

use smithay::{
    reexports::{
        wayland_protocols::ext::session_lock::v1::server::{
            ext_session_lock_manager_v1::ExtSessionLockManagerV1,
            ext_session_lock_surface_v1::ExtSessionLockSurfaceV1,
            ext_session_lock_v1::{Error, ExtSessionLockV1, Request},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, Resource, backend::ClientId, delegate_dispatch,
            delegate_global_dispatch, protocol::wl_output::WlOutput,
        },
    },
    wayland::session_lock::{
        ExtLockSurfaceUserData, LockSurface, SessionLockHandler, SessionLockManagerGlobalData,
        SessionLockManagerState, SessionLockState, SessionLocker,
    },
};

use crate::Desktop;

impl SessionLockHandler for Desktop {
    fn lock_state(&mut self) -> &mut SessionLockManagerState {
        &mut self.wayland.globals.session_lock
    }

    fn lock(&mut self, confirmation: SessionLocker) {
        self.locker_locks(confirmation);
    }

    fn unlock(&mut self) {
        self.locker_unlocks();
    }

    fn new_surface(&mut self, surface: LockSurface, output: WlOutput) {
        self.locker_surface(surface, &output);
    }
}

/// Stands before smithay's own handling: that asks [`SessionLockHandler::unlock`] also for a locker that
/// was refused, or was not told yet that all is locked, and does not tell when one is gone.
impl Dispatch<ExtSessionLockV1, SessionLockState> for Desktop {
    fn request(
        desktop: &mut Self,
        client: &Client,
        lock: &ExtSessionLockV1,
        request: Request,
        data: &SessionLockState,
        display: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if matches!(request, Request::UnlockAndDestroy) && !desktop.locker_may_unlock(lock) {
            lock.post_error(Error::InvalidUnlock, "the desktop is not locked by this");
            return;
        }
        <SessionLockManagerState as Dispatch<ExtSessionLockV1, SessionLockState, Self>>::request(
            desktop, client, lock, request, data, display, init,
        );
    }

    fn destroyed(desktop: &mut Self, _: ClientId, lock: &ExtSessionLockV1, _: &SessionLockState) {
        desktop.locker_gone(lock);
    }
}

delegate_global_dispatch!(Desktop:
    [ExtSessionLockManagerV1: SessionLockManagerGlobalData] => SessionLockManagerState);
delegate_dispatch!(Desktop: [ExtSessionLockManagerV1: ()] => SessionLockManagerState);
delegate_dispatch!(Desktop: [ExtSessionLockSurfaceV1: ExtLockSurfaceUserData] => SessionLockManagerState);
