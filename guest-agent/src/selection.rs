//! Selections: handed out to dom0 when the person copies, taken from dom0 when they paste, and
//! carried between Wayland and X11 inside the qube.

mod pipes;

use std::{os::fd::OwnedFd, sync::Arc};

use smithay::{
    input::Seat,
    utils::{Logical, Point},
    wayland::selection::{
        SelectionHandler, SelectionSource, SelectionTarget,
        data_device::{
            current_data_device_selection_userdata, request_data_device_client_selection,
            set_data_device_selection,
        },
        primary_selection::{
            current_primary_selection_userdata, request_primary_client_selection, set_primary_selection,
        },
    },
};
use tracing::{debug, warn};
use transom_protocol::{
    limits::{MAX_MIME, MAX_MIME_TYPES},
    message::{self, PasteData, SelectionData, ToDom0},
    types::{Selection, join_strings},
    wire::With,
};

pub(crate) use self::pipes::Transfers;
use crate::Agent;

/// Who owns a selection, if not a Wayland program.
#[derive(Clone, Debug)]
pub enum Owner {
    /// dom0 pasted it.
    Pasted(Arc<Content>),
    /// A program of X11.
    X11,
}

/// MIME types and bytes.
#[derive(Debug, Default)]
pub struct Content(Vec<(String, Arc<[u8]>)>);

impl Content {
    pub(crate) fn types(&self) -> Vec<String> {
        let mut types: Vec<String> = self.0.iter().map(|(mime, _)| mime.clone()).collect();
        if types.iter().any(|mime| is_plain_text(mime)) {
            // Programs ask for the same text by many names.
            for alias in ["text/plain;charset=utf-8", "text/plain", "UTF8_STRING"] {
                if !types.iter().any(|mime| mime == alias) {
                    types.push(alias.to_owned());
                }
            }
        }
        types
    }

    pub(crate) fn get(&self, mime: &str) -> Option<Arc<[u8]>> {
        let exact = self.0.iter().find(|(own, _)| own == mime);
        let alias = || self.0.iter().find(|(own, _)| is_plain_text(own) && is_plain_text(mime));
        exact.or_else(alias).map(|(_, bytes)| Arc::clone(bytes))
    }
}

fn is_plain_text(mime: &str) -> bool {
    mime.starts_with("text/plain") || mime == "UTF8_STRING"
}

/// A paste that is still coming.
#[derive(Debug)]
pub(crate) struct Incoming {
    serial: u32,
    /// The window and place where it is dropped; else it is for the clipboard.
    dropped: Option<(u32, Point<f64, Logical>)>,
    types: Vec<String>,
    data: Vec<Vec<u8>>,
    left: usize,
}

/// What the agent knows of selections.
#[derive(Debug, Default)]
pub(crate) struct Selections {
    /// MIME types as dom0 was told: clipboard, primary.
    offered: [Vec<String>; 2],
    incoming: Option<Incoming>,
    pub(crate) transfers: Transfers,
}

/// The MIME types that dom0 can be told of, and no more of them than it hears.
pub(crate) fn offerable(types: &[String]) -> impl Iterator<Item = &str> {
    let fits = |mime: &&String| {
        !mime.is_empty() && mime.len() <= MAX_MIME && mime.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
    };
    types.iter().filter(fits).take(MAX_MIME_TYPES).map(String::as_str)
}

fn wire(target: SelectionTarget) -> Selection {
    match target {
        SelectionTarget::Clipboard => Selection::Clipboard,
        SelectionTarget::Primary => Selection::Primary,
    }
}

impl Agent {
    /// Tells dom0 which MIME types a selection has: names only, the content stays here.
    fn offer(&mut self, target: SelectionTarget, types: Vec<String>) {
        let index = usize::from(target == SelectionTarget::Primary);
        self.selections.offered[index] = types;
        self.send_offer(target);
    }

    fn send_offer(&mut self, target: SelectionTarget) {
        let index = usize::from(target == SelectionTarget::Primary);
        let Some(link) = self.dom0.open() else { return };
        let tail = join_strings(offerable(&self.selections.offered[index]));
        let fixed = message::SelectionOffer { selection: wire(target) };
        link.send(0, 0, &ToDom0::SelectionOffer(With { fixed: &fixed, tail: &tail }));
    }

    /// A new connection knows of no offers.
    pub(crate) fn offer_again(&mut self) {
        for target in [SelectionTarget::Clipboard, SelectionTarget::Primary] {
            self.send_offer(target);
        }
    }

    /// dom0: the person copies out, or has dropped a drag outside.
    pub(crate) fn selection_request(&mut self, serial: u32, selection: Selection, mime: &str) {
        match pipes::pipe() {
            Ok((reader, writer)) => {
                let mime_type = mime.to_owned();
                let asked = match selection {
                    Selection::Clipboard => {
                        self.write_selection(SelectionTarget::Clipboard, mime_type, writer)
                    }
                    Selection::Primary => self.write_selection(SelectionTarget::Primary, mime_type, writer),
                    Selection::Drag => self.write_dragged(mime, writer),
                };
                if asked && self.read_for_dom0(serial, reader) {
                    return;
                }
            }
            Err(error) => warn!(%error, "no pipe for a selection"),
        }
        self.selection_failed(serial);
    }

    /// Closes a request without content.
    pub(crate) fn selection_failed(&mut self, serial: u32) {
        let fixed = SelectionData { end: true.into(), failed: true.into() };
        if let Some(link) = self.dom0.open() {
            link.send(0, serial, &ToDom0::SelectionData(With { fixed: &fixed, tail: &[] }));
        }
    }

    /// Has whoever owns a selection write it into a pipe. False if nobody can.
    fn write_selection(&mut self, target: SelectionTarget, mime: String, fd: OwnedFd) -> bool {
        let seat = self.seat.clone();
        let owner = match target {
            SelectionTarget::Clipboard => current_data_device_selection_userdata(&seat).map(|o| (*o).clone()),
            SelectionTarget::Primary => current_primary_selection_userdata(&seat).map(|o| (*o).clone()),
        };
        match owner {
            Some(owner) => self.write_owned(target, mime, fd, &owner),
            None => match target {
                SelectionTarget::Clipboard => request_data_device_client_selection(&seat, mime, fd).is_ok(),
                SelectionTarget::Primary => request_primary_client_selection(&seat, mime, fd).is_ok(),
            },
        }
    }

    fn write_owned(&mut self, target: SelectionTarget, mime: String, fd: OwnedFd, owner: &Owner) -> bool {
        match owner {
            Owner::Pasted(content) => match content.get(&mime) {
                Some(bytes) => self.write_bytes(fd, bytes),
                None => false,
            },
            Owner::X11 => {
                let handle = self.handle.clone();
                let Some(xwm) = &mut self.x11.xwm else { return false };
                match xwm.send_selection(target, mime, fd, handle) {
                    Ok(()) => true,
                    Err(error) => {
                        debug!(%error, "X11 cannot hand out its selection");
                        false
                    }
                }
            }
        }
    }

    /// dom0: the person pastes in, or drops something. The content follows.
    pub(crate) fn paste(&mut self, serial: u32, types: &[&str]) {
        let types: Vec<String> = types.iter().map(|t| (*t).to_owned()).collect();
        let data = vec![Vec::new(); types.len()];
        let dropped = self.drags.take_drop(serial);
        self.selections.incoming = Some(Incoming { serial, dropped, left: types.len(), types, data });
    }

    pub(crate) fn paste_data(&mut self, serial: u32, data: &With<'_, PasteData>) {
        let Some(incoming) = self.selections.incoming.as_mut().filter(|i| i.serial == serial) else { return };
        let Some(bytes) = incoming.data.get_mut(usize::from(data.fixed.index.get())) else { return };
        bytes.extend_from_slice(data.tail);
        if !data.fixed.end.get() {
            return;
        }
        incoming.left = incoming.left.saturating_sub(1);
        if incoming.left > 0 {
            return;
        }
        let Some(incoming) = self.selections.incoming.take() else { return };
        let content =
            Content(incoming.types.into_iter().zip(incoming.data.into_iter().map(Arc::from)).collect());
        match incoming.dropped {
            Some((window, at)) => self.land(window, at, Arc::new(content)),
            None => self.own_clipboard(Owner::Pasted(Arc::new(content)), None),
        }
    }

    /// The clipboard is now dom0's paste, or a program's of X11.
    fn own_clipboard(&mut self, owner: Owner, x11_types: Option<Vec<String>>) {
        let seat = self.seat.clone();
        let types = match &owner {
            Owner::Pasted(content) => content.types(),
            Owner::X11 => x11_types.unwrap_or_default(),
        };
        if let (Owner::Pasted(_), Some(xwm)) = (&owner, &mut self.x11.xwm)
            && let Err(error) = xwm.new_selection(SelectionTarget::Clipboard, Some(types.clone()))
        {
            warn!(%error, "X11 programs cannot be told of a paste");
        }
        set_data_device_selection(&self.display, &seat, types.clone(), owner);
        self.offer(SelectionTarget::Clipboard, types);
    }

    /// A program of X11 has a selection now.
    pub(crate) fn x11_selection(&mut self, target: SelectionTarget, types: Vec<String>) {
        match target {
            SelectionTarget::Clipboard => self.own_clipboard(Owner::X11, Some(types)),
            SelectionTarget::Primary => {
                let seat = self.seat.clone();
                set_primary_selection(&self.display, &seat, types.clone(), Owner::X11);
                self.offer(SelectionTarget::Primary, types);
            }
        }
    }

    /// It has given it up.
    pub(crate) fn x11_selection_gone(&mut self, target: SelectionTarget) {
        use smithay::wayland::selection::{
            data_device::clear_data_device_selection, primary_selection::clear_primary_selection,
        };
        let seat = self.seat.clone();
        let x11 = match target {
            SelectionTarget::Clipboard => {
                let x11 =
                    matches!(current_data_device_selection_userdata(&seat).as_deref(), Some(Owner::X11));
                if x11 {
                    clear_data_device_selection(&self.display, &seat);
                }
                x11
            }
            SelectionTarget::Primary => {
                let x11 = matches!(current_primary_selection_userdata(&seat).as_deref(), Some(Owner::X11));
                if x11 {
                    clear_primary_selection(&self.display, &seat);
                }
                x11
            }
        };
        if x11 {
            self.offer(target, Vec::new());
        }
    }

    /// X11 wants to read a selection of Wayland.
    pub(crate) fn x11_reads_selection(&mut self, target: SelectionTarget, mime: String, fd: OwnedFd) {
        if !self.write_selection(target, mime, fd) {
            debug!("X11 asked for a selection that nobody can hand out");
        }
    }
}

impl SelectionHandler for Agent {
    type SelectionUserData = Owner;

    fn new_selection(&mut self, target: SelectionTarget, source: Option<SelectionSource>, _: Seat<Self>) {
        let types = source.map(|source| source.mime_types());
        if let Some(xwm) = &mut self.x11.xwm
            && let Err(error) = xwm.new_selection(target, types.clone())
        {
            warn!(%error, "X11 programs cannot be told of a selection");
        }
        self.offer(target, types.unwrap_or_default());
    }

    fn send_selection(
        &mut self,
        target: SelectionTarget,
        mime: String,
        fd: OwnedFd,
        _: Seat<Self>,
        owner: &Owner,
    ) {
        let owner = owner.clone();
        if !self.write_owned(target, mime, fd, &owner) {
            debug!("a program asked for a selection that nobody can hand out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_found_by_all_its_names() {
        let content = Content(vec![
            ("text/plain;charset=utf-8".into(), Arc::from(b"hi".as_slice())),
            ("image/png".into(), Arc::from(b"png".as_slice())),
        ]);
        assert_eq!(content.get("UTF8_STRING").as_deref(), Some(b"hi".as_slice()));
        assert_eq!(content.get("image/png").as_deref(), Some(b"png".as_slice()));
        assert_eq!(content.get("text/html"), None);
        assert_eq!(content.types().len(), 4);
    }
}
