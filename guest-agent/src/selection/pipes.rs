//! Bytes of selections through pipes, a piece at a time, waiting for nobody.

use std::{collections::BTreeMap, io, os::fd::OwnedFd, sync::Arc};

use calloop::{Interest, Mode, PostAction, RegistrationToken, generic::Generic};
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};
use tracing::{debug, warn};
use transom_protocol::{
    limits::MAX_CHUNK,
    message::{SelectionData, ToDom0},
    wire::With,
};

use crate::Agent;

/// Selections on their way to dom0, by the serial of its request.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    readers: BTreeMap<u32, Reader>,
}

#[derive(Debug)]
struct Reader {
    source: RegistrationToken,
    bytes: u64,
}

/// A pipe: reader without waiting, writer as programs expect it.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    nonblocking(&reader)?;
    Ok((reader, writer))
}

fn nonblocking(fd: &OwnedFd) -> io::Result<()> {
    Ok(fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?)
}

impl Agent {
    /// Carries what comes out of a pipe to dom0. False if that cannot be done.
    pub(super) fn read_for_dom0(&mut self, serial: u32, reader: OwnedFd) -> bool {
        let source = Generic::new(reader, Interest::READ, Mode::Level);
        let inserted = self
            .handle
            .insert_source(source, move |_, fd, agent: &mut Self| Ok(agent.selection_readable(serial, fd)));
        match inserted {
            Ok(source) => {
                self.selections.transfers.readers.insert(serial, Reader { source, bytes: 0 });
                true
            }
            Err(error) => {
                warn!(%error, "a selection cannot be read");
                false
            }
        }
    }

    fn selection_readable(&mut self, serial: u32, fd: &OwnedFd) -> PostAction {
        let Some(link) = self.dom0.open() else { return PostAction::Remove };
        let Some(reader) = self.selections.transfers.readers.get_mut(&serial) else {
            return PostAction::Remove;
        };
        let mut chunk = vec![0; MAX_CHUNK];
        let most = u64::from(link.session().limits().selection_bytes);
        let (end, failed, bytes) = match rustix::io::read(fd, &mut chunk) {
            Ok(0) => (true, false, 0),
            Ok(bytes) => {
                reader.bytes += bytes as u64;
                // One piece over the limit tells dom0 that it is too much; more is not sent.
                (reader.bytes > most, false, bytes)
            }
            Err(Errno::AGAIN | Errno::INTR) => return PostAction::Continue,
            Err(error) => {
                debug!(%error, "a program's selection broke off");
                (true, true, 0)
            }
        };
        let fixed = SelectionData { end: end.into(), failed: failed.into() };
        link.send(0, serial, &ToDom0::SelectionData(With { fixed: &fixed, tail: &chunk[..bytes] }));
        if end {
            self.selections.transfers.readers.remove(&serial);
            return PostAction::Remove;
        }
        PostAction::Continue
    }

    /// dom0 is not interested any more.
    pub(crate) fn selection_cancel(&mut self, serial: u32) {
        if let Some(reader) = self.selections.transfers.readers.remove(&serial) {
            self.handle.remove(reader.source);
            self.selection_failed(serial);
        }
    }

    /// dom0's end is gone.
    pub(crate) fn transfers_gone(&mut self) {
        for reader in std::mem::take(&mut self.selections.transfers.readers).into_values() {
            self.handle.remove(reader.source);
        }
        self.selections.incoming = None;
    }

    /// Writes bytes into a program's pipe as it takes them.
    pub(crate) fn write_bytes(&mut self, fd: OwnedFd, bytes: Arc<[u8]>) -> bool {
        if nonblocking(&fd).is_err() {
            return false;
        }
        let mut written = 0;
        let source = Generic::new(fd, Interest::WRITE, Mode::Level);
        let inserted = self.handle.insert_source(source, move |_, fd, _: &mut Self| {
            while written < bytes.len() {
                match rustix::io::write(&**fd, &bytes[written..]) {
                    Ok(more) => written += more,
                    Err(Errno::INTR) => {}
                    Err(Errno::AGAIN) => return Ok(PostAction::Continue),
                    Err(error) => {
                        debug!(%error, "a program stopped reading a paste");
                        break;
                    }
                }
            }
            Ok(PostAction::Remove)
        });
        inserted.is_ok()
    }
}
