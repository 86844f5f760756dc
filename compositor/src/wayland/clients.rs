//! Programs of dom0 that connect.

use std::{
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    sync::Arc,
};

use smithay::{
    reexports::{
        calloop::{Interest, Mode, PostAction, generic::Generic},
        wayland_server::{
            ListeningSocket,
            backend::{ClientData, ClientId, DisconnectReason},
        },
    },
    wayland::compositor::CompositorClientState,
};
use tracing::{debug, warn};

use crate::{Desktop, DesktopError};

/// What the server keeps with each program.
#[derive(Debug, Default)]
pub(super) struct ProgramData {
    pub(super) compositor: CompositorClientState,
}

impl ClientData for ProgramData {
    fn initialized(&self, _: ClientId) {}

    fn disconnected(&self, client: ClientId, reason: DisconnectReason) {
        debug!(?client, ?reason, "a program of dom0 is gone");
    }
}

impl Desktop {
    /// Takes a connected stream as one of dom0's own programs'. The stream says who it is: give
    /// this nothing that came from a qube.
    ///
    /// # Errors
    /// The stream cannot be used.
    pub fn add_dom0_program(&mut self, stream: UnixStream) -> std::io::Result<()> {
        if self.wayland.link.is_none() {
            self.watch_programs()?;
            self.open_local_link();
        }
        self.wayland.handle.insert_client(stream, Arc::new(ProgramData::default()))?;
        Ok(())
    }

    /// Listens for dom0's programs at `path`, which only this user can open. The path goes into
    /// their `WAYLAND_DISPLAY`.
    ///
    /// # Errors
    /// No socket can be made there.
    pub fn listen_for_programs(&mut self, path: &Path) -> Result<(), DesktopError> {
        let failed = |source| DesktopError::Io { what: path.display().to_string(), source };
        let socket = ListeningSocket::bind_absolute(path.to_owned())
            .map_err(|error| failed(std::io::Error::other(error)))?;
        for file in [path.to_owned(), path.with_extension("lock")] {
            std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).map_err(failed)?;
        }
        self.handle
            .insert_source(Generic::new(socket, Interest::READ, Mode::Level), |_, socket, desktop| {
                while let Some(stream) = socket.accept()? {
                    if let Err(error) = desktop.add_dom0_program(stream) {
                        warn!(%error, "a program of dom0 cannot be taken in");
                    }
                }
                Ok(PostAction::Continue)
            })
            .map_err(|error| DesktopError::Loop(error.to_string()))?;
        self.wayland.socket = Some(path.to_owned());
        Ok(())
    }

    fn watch_programs(&mut self) -> std::io::Result<()> {
        let Some(display) = &mut self.wayland.display else { return Ok(()) };
        let fd = display.backend().poll_fd().try_clone_to_owned()?;
        self.handle
            .insert_source(Generic::new(fd, Interest::READ, Mode::Level), |_, _, desktop: &mut Self| {
                desktop.hear_programs();
                Ok(PostAction::Continue)
            })
            .map_err(|error| std::io::Error::other(error.error))?;
        Ok(())
    }

    fn hear_programs(&mut self) {
        // The server is lent out while it calls the desktop.
        let Some(mut display) = self.wayland.display.take() else { return };
        if let Err(error) = display.dispatch_clients(self) {
            warn!(%error, "dom0's programs cannot be heard");
        }
        self.wayland.display = Some(display);
    }
}
