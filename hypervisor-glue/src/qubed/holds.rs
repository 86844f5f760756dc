//! Qubes that clients read, and names for qubes that clients make. Each ends with its client.

use std::collections::BTreeMap;

use transom_protocol::supervisor::{ErrorBody, ErrorKind, QubeName};

use super::server::ClientId;

/// Most at once, of all clients.
const MAX_HOLDS: usize = 8_192;

/// What for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The qube is there and is read.
    Read,
    /// The qube is not there and is made.
    Make,
}

/// By the names of the qubes.
#[derive(Debug, Default)]
pub(super) struct Holds(BTreeMap<QubeName, (ClientId, Purpose)>);

impl Holds {
    /// Refuses if a client has this qube or name.
    pub(super) fn leave_alone(&self, name: &QubeName) -> Result<(), ErrorBody> {
        let said = match self.0.get(name) {
            None => return Ok(()),
            Some((_, Purpose::Read)) => "saved",
            Some((_, Purpose::Make)) => "restored",
        };
        let said = format!("{name} is being {said}; wait until that is done");
        Err(ErrorBody::new(ErrorKind::NotHalted, said))
    }

    /// Gives a qube or a name to a client, if nobody has it.
    pub(super) fn begin(
        &mut self,
        name: QubeName,
        client: ClientId,
        purpose: Purpose,
    ) -> Result<(), ErrorBody> {
        match self.0.get(&name) {
            Some(held) if *held == (client, purpose) => return Ok(()),
            _ => self.leave_alone(&name)?,
        }
        if self.0.len() >= MAX_HOLDS {
            return Err(ErrorBody::new(ErrorKind::BadRequest, "too many qubes are being saved or restored"));
        }
        self.0.insert(name, (client, purpose));
        Ok(())
    }

    /// Refuses if it is not this client that makes a qube of this name.
    pub(super) fn is_made_by(&self, name: &QubeName, client: ClientId) -> Result<(), ErrorBody> {
        match self.0.get(name) {
            Some(held) if *held == (client, Purpose::Make) => Ok(()),
            _ => Err(ErrorBody::new(
                ErrorKind::BadRequest,
                format!("the name {name} is not kept for this client"),
            )),
        }
    }

    /// The qube is there.
    pub(super) fn end(&mut self, name: &QubeName) {
        self.0.remove(name);
    }

    /// A client is gone.
    pub(super) fn end_of(&mut self, client: ClientId) {
        self.0.retain(|_, (of, _)| *of != client);
    }
}
