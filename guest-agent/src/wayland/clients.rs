//! Programs that connect.

use std::{
    ffi::OsString,
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use calloop::{Interest, Mode, PostAction, generic::Generic};
use smithay::{
    reexports::wayland_server::{
        Client, ListeningSocket,
        backend::{ClientData, ClientId, DisconnectReason},
    },
    wayland::compositor::CompositorClientState,
};
use tracing::{debug, warn};

use crate::{Agent, AgentError};

/// What the server keeps with each program.
#[derive(Debug, Default)]
pub(crate) struct ProgramData {
    pub(crate) compositor: CompositorClientState,
    /// It asked for tablets.
    pub(crate) tablets: AtomicBool,
}

impl ClientData for ProgramData {
    fn initialized(&self, _: ClientId) {}

    fn disconnected(&self, client: ClientId, reason: DisconnectReason) {
        debug!(?client, ?reason, "a program is gone");
    }
}

impl Agent {
    /// Takes a connected stream as a program's.
    ///
    /// # Errors
    /// The stream cannot be used.
    pub fn add_program(&mut self, stream: UnixStream) -> std::io::Result<Client> {
        self.display.insert_client(stream, Arc::new(ProgramData::default()))
    }

    /// Listens for programs in a directory; returns the name for `WAYLAND_DISPLAY`.
    ///
    /// # Errors
    /// No socket can be made there.
    pub fn listen_in(&mut self, dir: &Path) -> Result<OsString, AgentError> {
        let mut problem = String::new();
        for number in 1..33 {
            let name = format!("wayland-{number}");
            let socket = match ListeningSocket::bind_absolute(dir.join(&name)) {
                Ok(socket) => socket,
                Err(error) => {
                    problem = error.to_string();
                    continue;
                }
            };
            self.handle
                .insert_source(
                    Generic::new(socket, Interest::READ, Mode::Level),
                    |_, socket, agent: &mut Self| {
                        while let Some(stream) = socket.accept()? {
                            if let Err(error) = agent.add_program(stream) {
                                warn!(%error, "a program cannot be taken in");
                            }
                        }
                        Ok(PostAction::Continue)
                    },
                )
                .map_err(|error| AgentError::Loop(error.to_string()))?;
            return Ok(name.into());
        }
        Err(AgentError::Listen(format!("{}: {problem}", dir.display())))
    }

    /// Hears what programs say.
    pub(crate) fn watch_display(&mut self) -> Result<(), AgentError> {
        let Some(display) = &mut self.server else { return Ok(()) };
        let fd = display.backend().poll_fd().try_clone_to_owned().map_err(AgentError::Io)?;
        let source = Generic::new(fd, Interest::READ, Mode::Level);
        self.handle
            .insert_source(source, |_, _, agent: &mut Self| {
                agent.dispatch_programs();
                Ok(PostAction::Continue)
            })
            .map_err(|error| AgentError::Loop(error.to_string()))?;
        Ok(())
    }

    fn dispatch_programs(&mut self) {
        // The server is lent out while it calls the agent.
        let Some(mut display) = self.server.take() else { return };
        if let Err(error) = display.dispatch_clients(self) {
            warn!(%error, "programs cannot be heard");
        }
        self.server = Some(display);
    }
}
