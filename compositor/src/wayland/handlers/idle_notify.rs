//! `ext_idle_notifier_v1`: programs of dom0 that want to know whether the person is there.

use smithay::{
    delegate_idle_notify,
    wayland::idle_notify::{IdleNotifierHandler, IdleNotifierState},
};

use crate::Desktop;

impl IdleNotifierHandler for Desktop {
    fn idle_notifier_state(&mut self) -> &mut IdleNotifierState<Self> {
        &mut self.wayland.globals.idle_notify
    }
}

impl Desktop {
    /// The person has done something.
    pub(crate) fn programs_hear_of_activity(&mut self) {
        let seat = self.wayland.seat.clone();
        self.wayland.globals.idle_notify.notify_activity(&seat);
    }

    /// A window that can be seen keeps the screens on, or no longer.
    pub(crate) fn programs_hear_of_inhibition(&mut self, inhibited: bool) {
        self.wayland.globals.idle_notify.set_is_inhibited(inhibited);
    }
}

delegate_idle_notify!(Desktop);
