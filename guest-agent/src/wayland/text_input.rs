//! `text-input-v3`: text fields of the qube's programs, which dom0's input method writes into.
//!
//! By hand: smithay's part of it listens to programs only where an input method is a program of the same
//! server, and this one is in dom0.

use smithay::reexports::{
    wayland_protocols::wp::text_input::zv3::server::{
        zwp_text_input_manager_v3::{self, ZwpTextInputManagerV3},
        zwp_text_input_v3::{self, ChangeCause, ZwpTextInputV3},
    },
    wayland_server::{
        Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum, backend::ClientId,
        protocol::wl_surface::WlSurface,
    },
};
use transom_protocol::{
    message::ToDom0,
    text_field::{Edit, Fields, Said, TextField},
    wire::With,
};

use crate::Agent;

/// Text fields of programs, and what dom0 has said since the last `done`.
#[derive(Debug, Default)]
pub(crate) struct TextInputs {
    fields: Fields<ZwpTextInputV3>,
    edit: Edit,
}

impl Agent {
    /// dom0's input method serves a window, or no longer.
    pub(crate) fn text_input_focus(&mut self, window: u32, serial: u32, on: bool) {
        self.text_input_leave();
        if on {
            self.text_inputs.fields.set_focus(Some((window, serial)));
            let Some(surface) = self.text_surface() else { return };
            for object in self.text_inputs.fields.keys().filter(|object| are_of_one(object, &surface)) {
                object.enter(&surface);
            }
        }
    }

    /// It serves none: what was being composed is gone.
    pub(crate) fn text_input_leave(&mut self) {
        if let Some(surface) = self.text_surface() {
            for object in self.text_inputs.fields.keys().filter(|object| are_of_one(object, &surface)) {
                object.leave(&surface);
            }
        }
        self.text_inputs.fields.set_focus(None);
        self.text_inputs.edit = Edit::default();
    }

    /// The surface that is served.
    fn text_surface(&self) -> Option<WlSurface> {
        let window = self.windows.get(self.text_inputs.fields.window()?)?;
        Some(window.surface.clone()).filter(Resource::is_alive)
    }

    /// A part of what dom0's input method wants done.
    pub(crate) fn text_edit(&mut self) -> &mut Edit {
        &mut self.text_inputs.edit
    }

    /// All of it was said: it is done to the field of this number, if that is still there.
    pub(crate) fn text_edit_done(&mut self, number: u32) {
        let edit = std::mem::take(&mut self.text_inputs.edit);
        let Some((object, commits)) = self.text_inputs.fields.object_for(number) else { return };
        if let Some((text, begin, end)) = edit.preedit {
            object.preedit_string(Some(text), begin, end);
        }
        if let Some((before, after)) = edit.delete {
            object.delete_surrounding_text(before, after);
        }
        if let Some(text) = edit.insert {
            object.commit_string(Some(text));
        }
        // Of all that the program has said so far: it may have said more than dom0 knew, as programs do after
        // each change of theirs, and many drop what answers anything older.
        object.done(commits);
    }

    fn say_text(&mut self, said: Option<Said>) {
        let (Some(said), Some(link)) = (said, self.dom0.open()) else { return };
        let (fixed, text) = TextField::to_message(said.field.as_ref(), said.focus);
        let message = ToDom0::TextInput(With { fixed: &fixed, tail: text.as_bytes() });
        link.send(said.window, said.number, &message);
    }
}

/// Both belong to one program.
fn are_of_one(object: &ZwpTextInputV3, surface: &WlSurface) -> bool {
    object.id().same_client_as(&surface.id())
}

impl GlobalDispatch<ZwpTextInputManagerV3, ()> for Agent {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwpTextInputManagerV3>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(manager, ());
    }
}

impl Dispatch<ZwpTextInputManagerV3, ()> for Agent {
    fn request(
        agent: &mut Self,
        _: &Client,
        _: &ZwpTextInputManagerV3,
        request: zwp_text_input_manager_v3::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let zwp_text_input_manager_v3::Request::GetTextInput { id, .. } = request else { return };
        let object = init.init(id, ());
        if let Some(surface) = agent.text_surface().filter(|surface| are_of_one(&object, surface)) {
            object.enter(&surface);
        }
        agent.text_inputs.fields.add(object);
    }
}

impl Dispatch<ZwpTextInputV3, ()> for Agent {
    fn request(
        agent: &mut Self,
        _: &Client,
        object: &ZwpTextInputV3,
        request: zwp_text_input_v3::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use zwp_text_input_v3::Request as R;
        let focused = agent.text_surface().is_some_and(|surface| are_of_one(object, &surface));
        let Some(pending) = agent.text_inputs.fields.pending(object) else { return };
        match request {
            R::Enable => pending.enable(true),
            R::Disable => pending.enable(false),
            R::SetSurroundingText { text, cursor, anchor } => pending.surrounding(&text, cursor, anchor),
            R::SetTextChangeCause { cause: WEnum::Value(ChangeCause::Other) } => pending.changed_by_other(),
            R::SetContentType { hint, purpose } => pending.content(hint.into(), purpose.into()),
            R::SetCursorRectangle { x, y, width, height } => pending.rect(x, y, width, height),
            R::Commit => {
                let said = agent.text_inputs.fields.commit(object, focused);
                agent.say_text(said);
            }
            _ => {}
        }
    }

    fn destroyed(agent: &mut Self, _: ClientId, object: &ZwpTextInputV3, (): &()) {
        let said = agent.text_inputs.fields.remove(object);
        agent.say_text(said);
    }
}
