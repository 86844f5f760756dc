//! `zwp_input_method_manager_v2`: by hand, as smithay's serves no text fields but those of its own programs.

use smithay::{
    reexports::{
        wayland_protocols_misc::zwp_input_method_v2::server::{
            zwp_input_method_keyboard_grab_v2::{self, ZwpInputMethodKeyboardGrabV2},
            zwp_input_method_manager_v2::{self, ZwpInputMethodManagerV2},
            zwp_input_method_v2::{self, ZwpInputMethodV2},
            zwp_input_popup_surface_v2::{self, ZwpInputPopupSurfaceV2},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, backend::ClientId,
        },
    },
    wayland::compositor::{get_role, give_role},
};

use crate::{
    Desktop,
    wayland::{
        input_method::{MOST_POPUPS, Popup},
        windows::{Role, id_of},
    },
};

/// Role of a surface with words to choose from.
const POPUP_ROLE: &str = "zwp_input_popup_surface_v2";
/// The protocol wants an error for a surface that has a role, and has no number for it.
const ROLE_ERROR: u32 = 0;

impl GlobalDispatch<ZwpInputMethodManagerV2, ()> for Desktop {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwpInputMethodManagerV2>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(manager, ());
    }
}

impl Dispatch<ZwpInputMethodManagerV2, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        _: &ZwpInputMethodManagerV2,
        request: zwp_input_method_manager_v2::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let zwp_input_method_manager_v2::Request::GetInputMethod { input_method, .. } = request else {
            return;
        };
        desktop.new_input_method(init.init(input_method, ()));
    }
}

impl Dispatch<ZwpInputMethodV2, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        object: &ZwpInputMethodV2,
        request: zwp_input_method_v2::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        use zwp_input_method_v2::Request as R;
        // One that is not in force may ask, and nothing comes of it.
        let in_force = desktop.wayland.method.object.as_ref() == Some(object);
        match request {
            R::GetInputPopupSurface { id, surface } => {
                let popup = init.init(id, ());
                let again = get_role(&surface) == Some(POPUP_ROLE);
                if !again && give_role(&surface, POPUP_ROLE).is_err() {
                    object.post_error(ROLE_ERROR, "the surface has a role already");
                    return;
                }
                if !in_force {
                    return;
                }
                let popups = &mut desktop.wayland.method.popups;
                // One that is made anew for the same surface shows what the surface shows.
                let old = id_of(&surface).and_then(|id| popups.iter_mut().find(|popup| popup.window == id));
                if let Some(old) = old {
                    *old = Popup::new(popup, old.window);
                    return;
                }
                if popups.len() >= MOST_POPUPS {
                    object.post_error(ROLE_ERROR, "too many popups");
                    return;
                }
                let window = desktop.wayland.windows.create(&surface, Role::Candidates);
                desktop.wayland.method.popups.push(Popup::new(popup, window));
            }
            R::GrabKeyboard { keyboard } => {
                let grab = init.init(keyboard, ());
                if in_force {
                    desktop.input_method_takes_keys(grab);
                }
            }
            _ if !in_force => {}
            R::CommitString { text } => desktop.wayland.method.edit.insert(&text),
            R::SetPreeditString { text, cursor_begin, cursor_end } => {
                desktop.wayland.method.edit.compose(&text, cursor_begin, cursor_end);
            }
            R::DeleteSurroundingText { before_length, after_length } => {
                desktop.wayland.method.edit.delete(before_length, after_length);
            }
            R::Commit { serial } => desktop.input_method_commits(serial),
            _ => {}
        }
    }

    fn destroyed(desktop: &mut Self, _: ClientId, object: &ZwpInputMethodV2, (): &()) {
        desktop.input_method_gone(object);
    }
}

impl Dispatch<ZwpInputMethodKeyboardGrabV2, ()> for Desktop {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ZwpInputMethodKeyboardGrabV2,
        _: zwp_input_method_keyboard_grab_v2::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }

    fn destroyed(desktop: &mut Self, _: ClientId, grab: &ZwpInputMethodKeyboardGrabV2, (): &()) {
        desktop.wayland.method.grab.take_if(|held| held == grab);
    }
}

impl Dispatch<ZwpInputPopupSurfaceV2, ()> for Desktop {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &ZwpInputPopupSurfaceV2,
        _: zwp_input_popup_surface_v2::Request,
        (): &(),
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
    }

    fn destroyed(desktop: &mut Self, _: ClientId, object: &ZwpInputPopupSurfaceV2, (): &()) {
        let popups = &mut desktop.wayland.method.popups;
        let Some(at) = popups.iter().position(|popup| popup.object == *object) else { return };
        let popup = popups.remove(at);
        desktop.destroy_local(popup.window);
        desktop.damage_all();
    }
}
