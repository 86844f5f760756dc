//! Text fields of dom0's own programs: said to the desktop as a qube's agent says them of its programs.

use smithay::reexports::{
    wayland_protocols::wp::text_input::zv3::server::zwp_text_input_v3::ZwpTextInputV3,
    wayland_server::{Resource, protocol::wl_surface::WlSurface},
};
use transom_protocol::{
    message::ToDom0,
    text_field::{Edit, Fields, Said, TextField},
    wire::With,
};

use crate::Desktop;

/// Text fields of programs, and what the desktop has said since the last `done`.
#[derive(Debug, Default)]
pub(super) struct TextInputs {
    pub(super) fields: Fields<ZwpTextInputV3>,
    pub(super) edit: Edit,
}

/// Both belong to one program.
pub(super) fn are_of_one(object: &ZwpTextInputV3, surface: &WlSurface) -> bool {
    object.id().same_client_as(&surface.id())
}

impl Desktop {
    /// The input method serves a window, or no longer.
    pub(super) fn local_text_focus(&mut self, window: u32, serial: u32, on: bool) {
        self.local_text_leave();
        if on {
            self.wayland.text_inputs.fields.set_focus(Some((window, serial)));
            let Some(surface) = self.local_text_surface() else { return };
            for object in self.wayland.text_inputs.fields.keys().filter(|o| are_of_one(o, &surface)) {
                object.enter(&surface);
            }
        }
    }

    /// It serves none: what was being composed is gone.
    pub(super) fn local_text_leave(&mut self) {
        if let Some(surface) = self.local_text_surface() {
            for object in self.wayland.text_inputs.fields.keys().filter(|o| are_of_one(o, &surface)) {
                object.leave(&surface);
            }
        }
        self.wayland.text_inputs.fields.set_focus(None);
        self.wayland.text_inputs.edit = Edit::default();
    }

    /// The surface that is served.
    pub(super) fn local_text_surface(&self) -> Option<WlSurface> {
        let window = self.wayland.windows.get(self.wayland.text_inputs.fields.window()?)?;
        Some(window.surface.clone()).filter(Resource::is_alive)
    }

    /// All of an edit was said: it is done to the field of this number, if that is still there.
    pub(super) fn local_text_done(&mut self, number: u32) {
        let edit = std::mem::take(&mut self.wayland.text_inputs.edit);
        let Some((object, commits)) = self.wayland.text_inputs.fields.object_for(number) else { return };
        if let Some((text, begin, end)) = edit.preedit {
            object.preedit_string(Some(text), begin, end);
        }
        if let Some((before, after)) = edit.delete {
            object.delete_surrounding_text(before, after);
        }
        if let Some(text) = edit.insert {
            object.commit_string(Some(text));
        }
        object.done(commits);
    }

    pub(super) fn say_text(&mut self, said: Option<Said>) {
        let Some(said) = said else { return };
        let (fixed, text) = TextField::to_message(said.field.as_ref(), said.focus);
        let message = ToDom0::TextInput(With { fixed: &fixed, tail: text.as_bytes() });
        // The window may have gone before its field.
        if self.wayland.windows.announced(said.window).is_some() {
            self.say(said.window, said.number, &message);
        }
    }
}
