//! Text that is composed: dom0's input method and the text field of the window that has the keys.
//!
//! `service` says what may pass, without I/O; here it is done. A qube's fields come by its link
//! ([`TextInput`](transom_protocol::message::ToDom0::TextInput)), those of dom0's programs by theirs: the
//! input method (`wayland/input_method`) knows no difference.
//!
//! Who is served follows from the focus gate alone: the window that was drawn with the keys (FOCUS), and
//! nobody while the desktop is locked or dark or dom0 itself has the keyboard. The keys of chords never come
//! here, as they never come to a window (INTENT).

mod service;
mod synthetic;

use std::{collections::BTreeSet, time::Duration};

pub(crate) use service::{Service, Tell};
pub(crate) use synthetic::VirtualKey;
use transom_protocol::{
    message::{self, ToQube},
    text_field::{Edit, TextField},
    wire::With,
};

use super::keyboard::{ForwardState, ModifierState};
use crate::{Desktop, render::scene::SurfaceKey};

/// State of text input.
#[derive(Debug, Default)]
pub(crate) struct Text {
    pub(crate) service: Service,
    /// Modifiers as the window with the keys was told of them last.
    pub(crate) told_modifiers: ModifierState,
    /// Serials of keys for dom0's programs that no person has pressed.
    pub(crate) synthetic: BTreeSet<u32>,
}

impl Desktop {
    /// The window that the input method may serve now.
    fn text_target(&self) -> Option<SurfaceKey> {
        let shut = self.lock.covers() || self.input.keyboard.is_grabbed() || self.trust.focus.is_blank();
        if shut || !self.wayland.has_input_method() {
            return None;
        }
        self.keys_target()
    }

    /// The window that keys go to now, and knows it.
    fn keys_target(&self) -> Option<SurfaceKey> {
        let key = self.trust.focus.keys_to()?;
        let target = self.grabbing_popup(key).unwrap_or(key);
        let link = self.qubes.get(target.qube)?;
        (link.session().keyboard_focus() == Some(target.window)).then_some(target)
    }

    /// Brings windows' and the input method's idea of who is served in line with the focus.
    pub(crate) fn sync_text_input(&mut self) {
        let target = self.text_target();
        let served = self.input.text.service.served();
        if served == target {
            return;
        }
        if let Some(old) = served
            && let Some(link) = self.qubes.get_mut(old.qube)
            && link.session().text_focus() == Some(old.window)
            && link.session().window(old.window).is_some()
        {
            link.send(old.window, 0, &ToQube::TextInputFocus(&message::Switch { on: false.into() }));
        }
        self.input.text.service.serve(None);
        if let Some(new) = target
            && let Some(link) = self.qubes.get_mut(new.qube)
        {
            let serial = link.serial();
            link.send(new.window, serial, &ToQube::TextInputFocus(&message::Switch { on: true.into() }));
            self.input.text.service.serve(Some((new, serial)));
        }
        self.tell_input_method();
    }

    /// A window says what its text field is.
    pub(crate) fn text_field(&mut self, key: SurfaceKey, focus: u32, number: u32, field: Option<TextField>) {
        self.sync_text_input();
        self.input.text.service.say(key, focus, number, field);
    }

    /// The input method has something done, knowing of so many events `done`.
    pub(crate) fn text_edit(&mut self, serial: u32, edit: &Edit) {
        self.sync_text_input();
        let Some((key, number)) = self.input.text.service.accept(serial) else { return };
        let Some(link) = self.qubes.get_mut(key.qube) else { return };
        if let Some((text, begin, end)) = &edit.preedit {
            let fixed = message::Preedit { begin: (*begin).into(), end: (*end).into() };
            link.send(key.window, 0, &ToQube::Preedit(With { fixed: &fixed, tail: text.as_bytes() }));
        }
        if let Some((before, after)) = edit.delete {
            let delete = message::DeleteSurrounding { before: before.into(), after: after.into() };
            link.send(key.window, 0, &ToQube::DeleteSurrounding(&delete));
        }
        if let Some(text) = &edit.insert {
            link.send(key.window, 0, &ToQube::CommitText(text.as_bytes()));
        }
        link.send(key.window, number, &ToQube::TextInputDone(()));
    }

    /// A key of the person's for a window. `true`: the input method has it instead.
    pub(super) fn input_method_takes(
        &mut self,
        to: SurfaceKey,
        code: u32,
        state: ForwardState,
        now: Duration,
    ) -> bool {
        self.sync_text_input();
        if !self.wayland.input_method_wants_keys() {
            return false;
        }
        let in_window = self.input.told_keys.contains(&code);
        let modifiers = self.input.text.told_modifiers;
        let taken = self.input.text.service.give(to, code, state, in_window, modifiers);
        if taken {
            self.wayland.key_for_input_method(code, state != ForwardState::Released, now);
        }
        taken
    }
}
