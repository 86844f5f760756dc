//! Updates of qubes: what they tell of them.

use std::{
    fs::File,
    os::fd::OwnedFd,
    time::{SystemTime, UNIX_EPOCH},
};

use transom_protocol::{
    dom0_services::UpdateList,
    supervisor::{ErrorBody, ErrorKind, QubeName, ReplyBody},
};

use super::{
    requests::{Outcome, error},
    server::{ClientId, Server},
};

impl Server {
    /// A qube has told which of its packages could be newer. Of one that does not last nobody needs to know.
    pub(super) fn updates_told(&mut self, name: &QubeName, list: &UpdateList) {
        if self.lasting(name).is_err() {
            return;
        }
        match self.store.keep_updates(name, list) {
            Ok(()) => tracing::info!(qube = %name, updates = list.updates().len(), "tells of its updates"),
            Err(source) => tracing::warn!(qube = %name, %source, "its list of updates is not kept"),
        }
    }

    /// Hands out what a qube has told.
    pub(super) fn updates_of(
        &mut self,
        client: ClientId,
        request: u64,
        qube: QubeName,
    ) -> Result<Outcome, ErrorBody> {
        let read = |source| error(ErrorKind::Io, format!("the updates of {qube} cannot be read: {source}"));
        let file = self.store.open_updates(&qube).map_err(read)?;
        let told = file.as_ref().map(told_at).transpose().map_err(read)?;
        let files = file.into_iter().map(OwnedFd::from).collect();
        if let Some(client) = self.clients.get_mut(&client) {
            client.reply_with(request, Ok(ReplyBody::Updates { qube, told }), files);
        }
        Ok(Outcome::Answered)
    }
}

/// When a file was written, in seconds since 1970.
fn told_at(file: &File) -> std::io::Result<u64> {
    let written: SystemTime = file.metadata()?.modified()?;
    Ok(written.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}
