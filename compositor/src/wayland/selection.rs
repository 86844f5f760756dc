//! Copies out of and pastes into dom0, where the person's policy names dom0 (see
//! [`crate::trust::policy`]); and what dom0's programs copy among themselves.
//!
//! Between dom0's programs the server carries a selection as any compositor does. Towards qubes a
//! selection is only ever named; its content moves with the two chords, by the clipboard's rules.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
};

use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
};
use smithay::{
    reexports::calloop::{Interest, Mode, PostAction, RegistrationToken, generic::Generic},
    wayland::selection::data_device::{
        current_data_device_selection_userdata, request_data_device_client_selection,
        set_data_device_selection,
    },
};
use tracing::{debug, warn};
use transom_protocol::{
    limits::{MAX_CHUNK, MAX_MIME, MAX_MIME_TYPES},
    message::{self, PasteData, SelectionData, ToDom0},
    types::{self, join_strings},
    wire::With,
};

use crate::Desktop;

/// MIME types and bytes that the person pasted in.
pub(crate) type Pasted = Arc<Vec<(String, Arc<[u8]>)>>;

/// State of transfers.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// Selections on their way out, by the serial of the request, with the bytes so far.
    readers: BTreeMap<u32, (RegistrationToken, u64)>,
    incoming: Option<Incoming>,
}

/// A paste that is still coming.
#[derive(Debug)]
struct Incoming {
    serial: u32,
    types: Vec<(String, Vec<u8>)>,
    /// So many types are not whole.
    left: usize,
}

fn is_plain_text(mime: &str) -> bool {
    mime.starts_with("text/plain") || mime == "UTF8_STRING"
}

/// What was pasted, by one of the names programs have for it.
fn find(pasted: &Pasted, mime: &str) -> Option<Arc<[u8]>> {
    let exact = pasted.iter().find(|(own, _)| own == mime);
    let text = || pasted.iter().find(|(own, _)| is_plain_text(own) && is_plain_text(mime));
    exact.or_else(text).map(|(_, bytes)| Arc::clone(bytes))
}

fn pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    nonblocking(&reader)?;
    Ok((reader, writer))
}

fn nonblocking(fd: &impl AsFd) -> std::io::Result<()> {
    Ok(fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?)
}

impl Desktop {
    /// Names the MIME types of dom0's own clipboard.
    pub(super) fn offer_local(&mut self, types: &[String]) {
        let fits = |mime: &&String| {
            !mime.is_empty()
                && mime.len() <= MAX_MIME
                && mime.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
        };
        let tail = join_strings(types.iter().filter(fits).take(MAX_MIME_TYPES).map(String::as_str));
        let fixed = message::SelectionOffer { selection: types::Selection::Clipboard };
        self.say(0, 0, &ToDom0::SelectionOffer(With { fixed: &fixed, tail: &tail }));
    }

    /// The person copies out of dom0.
    pub(super) fn local_selection_request(&mut self, serial: u32, selection: types::Selection, mime: &str) {
        if selection == types::Selection::Clipboard && self.read_selection(serial, mime) {
            return;
        }
        self.end_of_selection(serial, true, &[]);
    }

    fn read_selection(&mut self, serial: u32, mime: &str) -> bool {
        let seat = self.wayland.seat.clone();
        let pasted = current_data_device_selection_userdata(&seat).map(|pasted| Pasted::clone(&pasted));
        if let Some(bytes) = pasted.as_ref().and_then(|pasted| find(pasted, mime)) {
            for chunk in bytes.chunks(MAX_CHUNK) {
                self.piece_of_selection(serial, (false, false), chunk);
            }
            self.end_of_selection(serial, false, &[]);
            return true;
        }
        let Ok((reader, writer)) = pipe() else { return false };
        if request_data_device_client_selection(&seat, mime.to_owned(), writer).is_err() {
            return false;
        }
        let source = Generic::new(reader, Interest::READ, Mode::Level);
        let inserted = self.handle.insert_source(source, move |_, fd, desktop: &mut Self| {
            Ok(desktop.selection_readable(serial, &**fd))
        });
        match inserted {
            Ok(token) => drop(self.wayland.selection.readers.insert(serial, (token, 0))),
            Err(error) => {
                warn!(%error, "dom0's selection cannot be read");
                return false;
            }
        }
        true
    }

    fn selection_readable(&mut self, serial: u32, fd: &impl AsFd) -> PostAction {
        let most = self.local_link().map_or(0, |link| u64::from(link.session().limits().selection_bytes));
        let Some((_, so_far)) = self.wayland.selection.readers.get_mut(&serial) else {
            return PostAction::Remove;
        };
        let mut chunk = vec![0; MAX_CHUNK];
        let (end, failed, bytes) = match rustix::io::read(fd, &mut chunk) {
            Ok(0) => (true, false, 0),
            Ok(bytes) => {
                *so_far += bytes as u64;
                // One piece over the limit says that it is too much; more is not read.
                (*so_far > most, false, bytes)
            }
            Err(Errno::AGAIN | Errno::INTR) => return PostAction::Continue,
            Err(_) => (true, true, 0),
        };
        if !end {
            self.piece_of_selection(serial, (false, false), &chunk[..bytes]);
            return PostAction::Continue;
        }
        self.end_of_selection(serial, failed, &chunk[..bytes]);
        PostAction::Remove
    }

    fn piece_of_selection(&mut self, serial: u32, (end, failed): (bool, bool), bytes: &[u8]) {
        let fixed = SelectionData { end: end.into(), failed: failed.into() };
        self.say(0, serial, &ToDom0::SelectionData(With { fixed: &fixed, tail: bytes }));
    }

    fn end_of_selection(&mut self, serial: u32, failed: bool, bytes: &[u8]) {
        self.wayland.selection.readers.remove(&serial);
        self.piece_of_selection(serial, (true, failed), bytes);
    }

    /// The desktop is not interested any more.
    pub(super) fn local_selection_cancel(&mut self, serial: u32) {
        if let Some((token, _)) = self.wayland.selection.readers.remove(&serial) {
            self.handle.remove(token);
            self.end_of_selection(serial, true, &[]);
        }
    }

    /// The person pastes into dom0. The content follows.
    pub(super) fn local_paste(&mut self, serial: u32, types: &[&str]) {
        let types: Vec<_> = types.iter().map(|mime| ((*mime).to_owned(), Vec::new())).collect();
        self.wayland.selection.incoming = Some(Incoming { serial, left: types.len(), types });
    }

    pub(super) fn local_paste_data(&mut self, serial: u32, piece: &With<'_, PasteData>) {
        let incoming = self.wayland.selection.incoming.as_mut().filter(|i| i.serial == serial);
        let Some(Incoming { types, left, .. }) = incoming else { return };
        let Some((_, bytes)) = types.get_mut(usize::from(piece.fixed.index.get())) else { return };
        bytes.extend_from_slice(piece.tail);
        if !piece.fixed.end.get() {
            return;
        }
        *left = left.saturating_sub(1);
        if *left > 0 {
            return;
        }
        let Some(incoming) = self.wayland.selection.incoming.take() else { return };
        let whole = incoming.types.into_iter().map(|(mime, bytes)| (mime, Arc::from(bytes)));
        let pasted: Pasted = Arc::new(whole.collect());
        let mut types: Vec<String> = pasted.iter().map(|(mime, _)| mime.clone()).collect();
        if types.iter().any(|mime| is_plain_text(mime)) {
            let names = ["text/plain;charset=utf-8", "text/plain", "UTF8_STRING"].map(str::to_owned);
            let missing: Vec<String> = names.into_iter().filter(|name| !types.contains(name)).collect();
            types.extend(missing);
        }
        self.offer_local(&types);
        let seat = self.wayland.seat.clone();
        set_data_device_selection(&self.wayland.handle.clone(), &seat, types, pasted);
    }

    /// A program reads what was pasted.
    pub(super) fn write_pasted(&mut self, pasted: &Pasted, mime: &str, fd: OwnedFd) {
        let Some(bytes) = find(pasted, mime).filter(|_| nonblocking(&fd).is_ok()) else { return };
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
        if let Err(error) = inserted {
            warn!(%error, "a paste cannot be written");
        }
    }
}
