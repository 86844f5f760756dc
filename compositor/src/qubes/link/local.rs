//! The link of dom0's own programs. Its other end is [`crate::wayland`] in the same process: what
//! is said to it comes as messages that nobody has to parse, and what it says is taken as bytes.
//!
//! The state machine and every check hold as for a qube. What makes the link dom0's is how it was
//! made and nothing else: an identity that comes with a stream cannot make one.

use std::{os::fd::OwnedFd, time::Duration};

use transom_hypervisor::memory::{ClientFds, GuestMemory};
use transom_protocol::{
    message::ToDom0,
    session::{Limits, ProtocolError},
    supervisor::DOM0,
    wire::Header,
};
use transom_theming::Label;

use super::{Link, LinkError, LinkEvent, QubeIdentity};
use crate::{qubes::stream::Stream, trust::QubeId};

impl Link {
    /// dom0's own link.
    pub(crate) fn local(id: QubeId, limits: Limits, now: Duration) -> Self {
        // The label is never shown, as `Link::label` has none; a place that does not ask there
        // shows dom0 as less than it is.
        let qube = QubeIdentity { name: DOM0.into(), label: Label::Red, isolated: true };
        let memory = GuestMemory::ClientFds(ClientFds::new(super::quota(&limits)));
        Self { local: true, ..Self::with_stream(id, qube, Stream::local(), memory, limits, now) }
    }

    /// The label of its qube; `None`: it is dom0's own and is drawn in steel.
    pub fn label(&self) -> Option<Label> {
        (!self.local).then_some(self.qube.label)
    }

    /// Takes up a message of dom0's own server, with the descriptor that goes with it.
    ///
    /// # Errors
    /// The message is not legal now: the state is as it was. Or memory that it grants is not usable.
    pub(crate) fn hear(
        &mut self,
        fd: Option<OwnedFd>,
        (window, serial): (u32, u32),
        message: &ToDom0<'_>,
        events: &mut Vec<LinkEvent>,
    ) -> Result<(), LinkError> {
        let header = Header {
            kind: message.kind().into(),
            flags: 0.into(),
            length: 0.into(),
            window: window.into(),
            serial: serial.into(),
        };
        self.session.to_dom0(header, message).map_err(ProtocolError::from)?;
        self.heard.0 += 1;
        if let Some(fd) = fd {
            self.stream.push_fd(fd);
        }
        self.handle(header, message, events)
    }

    /// Takes what waits to be sent; `empty` takes its place.
    pub(crate) fn take_out(&mut self, empty: Vec<u8>) -> Vec<u8> {
        self.stream.take_out(empty)
    }
}
