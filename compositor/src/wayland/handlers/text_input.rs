//! `zwp_text_input_manager_v3`: by hand, as smithay's knows no text fields but those of its own programs.

use smithay::reexports::{
    wayland_protocols::wp::text_input::zv3::server::{
        zwp_text_input_manager_v3::{self, ZwpTextInputManagerV3},
        zwp_text_input_v3::{self, ChangeCause, ZwpTextInputV3},
    },
    wayland_server::{
        Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, WEnum, backend::ClientId,
    },
};

use crate::{Desktop, wayland::text_input::are_of_one};

impl GlobalDispatch<ZwpTextInputManagerV3, ()> for Desktop {
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

impl Dispatch<ZwpTextInputManagerV3, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        _: &ZwpTextInputManagerV3,
        request: zwp_text_input_manager_v3::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let zwp_text_input_manager_v3::Request::GetTextInput { id, .. } = request else { return };
        let object = init.init(id, ());
        if let Some(surface) = desktop.local_text_surface().filter(|surface| are_of_one(&object, surface)) {
            object.enter(&surface);
        }
        desktop.wayland.text_inputs.fields.add(object);
    }
}

impl Dispatch<ZwpTextInputV3, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        object: &ZwpTextInputV3,
        request: zwp_text_input_v3::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        use zwp_text_input_v3::Request as R;
        let focused = desktop.local_text_surface().is_some_and(|surface| are_of_one(object, &surface));
        let Some(pending) = desktop.wayland.text_inputs.fields.pending(object) else { return };
        match request {
            R::Enable => pending.enable(true),
            R::Disable => pending.enable(false),
            R::SetSurroundingText { text, cursor, anchor } => pending.surrounding(&text, cursor, anchor),
            R::SetTextChangeCause { cause: WEnum::Value(ChangeCause::Other) } => pending.changed_by_other(),
            R::SetContentType { hint, purpose } => pending.content(hint.into(), purpose.into()),
            R::SetCursorRectangle { x, y, width, height } => pending.rect(x, y, width, height),
            R::Commit => {
                let said = desktop.wayland.text_inputs.fields.commit(object, focused);
                desktop.say_text(said);
            }
            _ => {}
        }
    }

    fn destroyed(desktop: &mut Self, _: ClientId, object: &ZwpTextInputV3, (): &()) {
        let said = desktop.wayland.text_inputs.fields.remove(object);
        desktop.say_text(said);
    }
}
