//! What a link says, carried over to the rooms of the desktop.

use std::{os::unix::net::UnixStream, time::Duration};

use tracing::{error, info};
use transom_protocol::{message::features, session::WindowRole, supervisor::DOM0, types};

use super::{
    Link, LinkError, QubeIdentity,
    link::{LinkEvent, LinkMemory},
};
use crate::{
    Desktop,
    render::scene::SurfaceKey,
    trust::{QubeId, drag::Drag},
    ui::notices::Notice,
};

impl Desktop {
    /// Takes over the control stream of a qube whose grants come as file descriptors.
    pub fn add_link(&mut self, qube: QubeIdentity, socket: UnixStream) -> std::io::Result<QubeId> {
        self.add_link_with_memory(qube, socket, LinkMemory::ClientFds)
    }

    /// Takes over the control stream of a qube.
    pub fn add_link_with_memory(
        &mut self,
        qube: QubeIdentity,
        socket: UnixStream,
        memory: LinkMemory,
    ) -> std::io::Result<QubeId> {
        // The supervisor knows no such qube; nobody may take the place of dom0's own link.
        if qube.name == DOM0 {
            return Err(std::io::Error::other("no qube may be called dom0"));
        }
        // A qube has one link: a new stream means that its agent has begun anew.
        if let Some(old) = self.qubes.by_name(&qube.name).map(|l| l.id) {
            self.close_link(old, &LinkError::Gone);
        }
        let id = self.qubes.next_id();
        let limits = self.config.limits(&qube.name);
        let mut link = Link::new(id, qube, socket, memory, limits, self.clock.now())?;
        if self.config.takes_notifications(&link.qube.name) || self.config.takes_status_icons(&link.qube.name)
        {
            link.features |= features::NOTIFICATIONS;
        }
        link.set_outputs(self.outputs_for_qubes());
        link.set_keymap(self.keymap_for_qubes());
        info!(qube = %link.qube.name, id = id.0, "link opened");
        self.qubes.links.insert(id, link);
        self.watch_link(id)?;
        Ok(id)
    }

    /// Something can be read from a link.
    pub(super) fn link_readable(&mut self, id: QubeId) {
        let now = self.clock.now();
        let Some(link) = self.qubes.get_mut(id) else { return };
        let mut events = Vec::new();
        let result = link.dispatch(now, &mut events);
        for event in events {
            self.link_event(id, event, now);
        }
        match result {
            Ok(()) => self.pause_link(id),
            Err(error) => self.close_link(id, &error),
        }
    }

    /// Ends a link, with all that its qube had on the desktop, and nothing else (FAIL-CLOSED).
    pub(crate) fn close_link(&mut self, id: QubeId, error: &LinkError) {
        self.unwatch_link(id);
        let Some(mut link) = self.qubes.links.remove(&id) else { return };
        link.goodbye(error);
        link.log_end(error);
        let now = self.clock.now();
        if error.is_violation() {
            let (name, label) = (link.qube.name.clone(), link.qube.label);
            self.notify(Notice::LinkCut { name, label, reason: error.to_string() });
        }
        for key in self.windows_of(id) {
            self.unmap(key);
        }
        self.input_qube_gone(id);
        let effects = self.trust.clipboard.qube_gone(id, now);
        self.clipboard_effects(effects);
        self.drag_qube_gone(id);
        self.notifications_gone(id);
        if self.ui.tray.qube_gone(id) {
            self.damage_all();
        }
        self.forget_qube(id);
    }

    pub(crate) fn link_event(&mut self, id: QubeId, event: LinkEvent, now: Duration) {
        let key = |window| SurfaceKey { qube: id, window };
        let backstage = self.qubes.get_mut(id).and_then(|link| link.backstage.as_mut());
        let Some(event) = (match backstage {
            Some(backstage) => backstage.keep(event),
            None => Some(event),
        }) else {
            return;
        };
        match event {
            LinkEvent::ToplevelInitial(window) => self.toplevel_initial(key(window)),
            LinkEvent::PopupPlace(window) => self.place_popup(key(window)),
            LinkEvent::Committed(root) => self.committed(key(root)),
            LinkEvent::Titled(window) => self.titled(key(window)),
            LinkEvent::Parent(window) => self.reparented(key(window)),
            LinkEvent::SizeLimits(window, limits) => self.size_limits(key(window), limits),
            LinkEvent::Request(window, request) => self.request(key(window), request),
            LinkEvent::Move(window, serial) => self.move_request(key(window), serial),
            LinkEvent::Resize(window, serial, edges) => self.resize_request(key(window), serial, edges),
            LinkEvent::Destroyed(window, role) => {
                if role == WindowRole::Toplevel {
                    self.unmap(key(window));
                }
                self.input_window_gone(key(window));
                self.damage_all();
            }
            LinkEvent::Cursor(serial, change) => self.cursor_change(id, serial, change),
            LinkEvent::Constraint(window, constraint, hint) => {
                self.constraint_change(key(window), constraint, hint);
            }
            LinkEvent::IdleInhibit(window, on) => {
                if let Some(record) = self.windows.get_mut(&key(window)) {
                    record.idle_inhibit = on;
                }
            }
            LinkEvent::Bell(window) => {
                if window != 0 {
                    self.attention(key(window));
                }
            }
            LinkEvent::TextInput(window, focus, number, field) => {
                self.text_field(key(window), focus, number, field.map(|field| *field));
            }
            LinkEvent::Notify(notification) => self.notification(id, *notification, now),
            LinkEvent::NotifyClosed(name) => self.notification_closed(id, name),
            LinkEvent::StatusIcon(icon) => self.status_icon(id, icon, now),
            LinkEvent::StatusIconGone(name) => self.status_icon_gone(id, name, now),
            LinkEvent::SelectionOffer(types::Selection::Clipboard, types) => {
                self.trust.offers.insert(id, types);
            }
            // The primary selection never leaves its qube.
            LinkEvent::SelectionOffer(types::Selection::Primary | types::Selection::Drag, _) => {}
            LinkEvent::DragStart(window, press, types) => self.drag_start(key(window), press, types),
            LinkEvent::SelectionData(serial, bytes, end, failed) if Drag::is_request(serial) => {
                let effects = self.trust.drag.data(id, serial, &bytes, end, failed);
                self.drag_effects(effects);
            }
            LinkEvent::SelectionData(serial, bytes, end, failed) => {
                let effects = self.trust.clipboard.data(id, serial, &bytes, end, failed, now);
                self.clipboard_effects(effects);
            }
            LinkEvent::Revoke(grant) => {
                self.forget_grant(id, grant);
                if let Some(link) = self.qubes.get_mut(id) {
                    link.revoked(grant);
                } else {
                    error!("a grant of a link that is gone was revoked");
                }
            }
        }
    }
}
