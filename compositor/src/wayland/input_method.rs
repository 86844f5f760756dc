//! dom0's input method (fcitx5, ibus, …): one program of dom0 that is told of text fields, given the keys
//! that are typed into them, and shows words to choose from.
//!
//! Whom it serves is the desktop's business (`input/text`); here are its Wayland objects. There is one input
//! method at a time: another program that would be one hears that there is one already.

use std::time::Duration;

use smithay::{
    reexports::{
        wayland_protocols::wp::text_input::zv3::server::zwp_text_input_v3::{
            ChangeCause, ContentHint, ContentPurpose,
        },
        wayland_protocols_misc::zwp_input_method_v2::server::{
            zwp_input_method_keyboard_grab_v2::ZwpInputMethodKeyboardGrabV2,
            zwp_input_method_v2::ZwpInputMethodV2, zwp_input_popup_surface_v2::ZwpInputPopupSurfaceV2,
        },
        wayland_server::{
            Client, Resource,
            protocol::wl_keyboard::{KeyState, KeymapFormat},
        },
    },
    utils::{Logical, Rectangle, SERIAL_COUNTER, SealedFile},
};
use tracing::{info, warn};
use transom_protocol::text_field::{Edit, TextField};

use crate::{
    Desktop,
    clock::millis,
    input::{keyboard::ModifierState, text::Tell},
    render::scene::SurfaceKey,
};

/// Most windows of words to choose from.
pub(super) const MOST_POPUPS: usize = 4;

/// A window of words to choose from.
#[derive(Debug)]
pub(super) struct Popup {
    pub(super) object: ZwpInputPopupSurfaceV2,
    /// Its window on dom0's link.
    pub(super) window: u32,
    /// Place of the text cursor in it, as it was told.
    told: Option<Rectangle<i32, Logical>>,
}

/// The input method and what it holds.
#[derive(Debug, Default)]
pub(super) struct Method {
    pub(super) object: Option<ZwpInputMethodV2>,
    /// What it has said since its last commit.
    pub(super) edit: Edit,
    pub(super) grab: Option<ZwpInputMethodKeyboardGrabV2>,
    pub(super) popups: Vec<Popup>,
}

impl super::Server {
    /// An input method is there.
    pub(crate) fn has_input_method(&self) -> bool {
        self.method.object.is_some()
    }

    /// It wants the keys that are typed into a text field.
    pub(crate) fn input_method_wants_keys(&self) -> bool {
        self.method.grab.is_some()
    }

    /// The program is the input method.
    pub(super) fn is_input_method(&self, client: &Client) -> bool {
        let of = |object: &ZwpInputMethodV2| object.client().is_some_and(|own| own.id() == client.id());
        self.method.object.as_ref().is_some_and(of)
    }

    /// A key of the person's.
    pub(crate) fn key_for_input_method(&self, code: u32, pressed: bool, now: Duration) {
        let Some(grab) = &self.method.grab else { return };
        let state = if pressed { KeyState::Pressed } else { KeyState::Released };
        grab.key(SERIAL_COUNTER.next_serial().into(), millis(now), code, state);
    }

    /// The modifiers of the keys that it is given.
    pub(crate) fn modifiers_for_input_method(&self, state: ModifierState) {
        if let Some(grab) = &self.method.grab {
            let serial = SERIAL_COUNTER.next_serial().into();
            grab.modifiers(serial, state.depressed, state.latched, state.locked, state.group);
        }
    }

    /// Windows of words to choose from.
    pub(crate) fn candidates(&self) -> Vec<SurfaceKey> {
        let Some(qube) = self.link else { return Vec::new() };
        let announced = |popup: &&Popup| self.windows.announced(popup.window).is_some();
        let key = |popup: &Popup| SurfaceKey { qube, window: popup.window };
        self.method.popups.iter().filter(announced).map(key).collect()
    }
}

impl Desktop {
    /// A program wants to be the input method.
    pub(super) fn new_input_method(&mut self, object: ZwpInputMethodV2) {
        if self.wayland.has_input_method() {
            object.unavailable();
            return;
        }
        info!("an input method is there");
        self.wayland.method = Method { object: Some(object), ..Method::default() };
        self.input.text.service.begin_anew();
        self.sync_text_input();
    }

    /// An object of an input method is gone, with all that it held.
    pub(super) fn input_method_gone(&mut self, object: &ZwpInputMethodV2) {
        if self.wayland.method.object.as_ref() != Some(object) {
            return;
        }
        info!("the input method is gone");
        let method = std::mem::take(&mut self.wayland.method);
        for popup in method.popups {
            self.destroy_local(popup.window);
        }
        self.sync_text_input();
        self.input.text.service.begin_anew();
        self.damage_all();
    }

    /// Its commit: all that it has said is done, knowing of so many events `done`.
    pub(super) fn input_method_commits(&mut self, serial: u32) {
        let edit = std::mem::take(&mut self.wayland.method.edit);
        self.text_edit(serial, &edit);
    }

    /// It takes the keys of text fields from here on, if it can be told of dom0's layout.
    pub(super) fn input_method_takes_keys(&mut self, grab: ZwpInputMethodKeyboardGrabV2) {
        // A rate of 0: dom0 repeats keys.
        grab.repeat_info(0, 400);
        self.wayland.method.grab = Some(grab);
        self.keymap_for_input_method();
        self.input.text.service.answered();
        let modifiers = self.input.text.told_modifiers;
        self.wayland.modifiers_for_input_method(modifiers);
    }

    /// The keyboard's layout is this one now.
    pub(super) fn keymap_for_input_method(&mut self) {
        let Some(grab) = &self.wayland.method.grab else { return };
        let text = self.input.keyboard.keymap_text().and_then(|text| std::ffi::CString::new(text).ok());
        let file = text.map(|text| SealedFile::with_content(c"keymap", &text));
        match file {
            Some(Ok(file)) => {
                use std::os::fd::AsFd as _;
                grab.keymap(KeymapFormat::XkbV1, file.as_fd(), file.size() as u32);
            }
            Some(Err(error)) => warn!(%error, "the input method has no keyboard layout"),
            None => warn!("the input method has no keyboard layout"),
        }
    }

    /// The input method hears what is new about the field that it serves.
    pub(crate) fn tell_input_method(&mut self) {
        let now = self.clock.now();
        let news = self.input.text.service.news(now);
        let Some(object) = self.wayland.method.object.clone() else { return };
        for tell in &news {
            match tell {
                Tell::Activate => object.activate(),
                Tell::Deactivate => object.deactivate(),
                Tell::State(field) => tell_field(&object, field),
                Tell::Done => object.done(),
            }
        }
        if !news.is_empty() && !self.wayland.method.popups.is_empty() {
            self.damage_all();
        }
        self.tell_candidates();
    }

    /// Windows of words hear where the text cursor is, seen from them.
    fn tell_candidates(&mut self) {
        let Some(cursor) = self.text_cursor() else { return };
        let places: Vec<_> = self.wayland.candidates().into_iter().collect();
        for key in places {
            let Some(place) = self.candidates_place(key) else { continue };
            let rect = Rectangle::new(cursor.loc - place.loc, cursor.size);
            let popup = self.wayland.method.popups.iter_mut().find(|popup| popup.window == key.window);
            if let Some(popup) = popup.filter(|popup| popup.told != Some(rect)) {
                popup.told = Some(rect);
                popup.object.text_input_rectangle(rect.loc.x, rect.loc.y, rect.size.w, rect.size.h);
            }
        }
    }
}

impl Popup {
    pub(super) fn new(object: ZwpInputPopupSurfaceV2, window: u32) -> Self {
        Self { object, window, told: None }
    }
}

fn tell_field(object: &ZwpInputMethodV2, field: &TextField) {
    if let Some(around) = &field.surrounding {
        object.surrounding_text(around.text.clone(), around.cursor.into(), around.anchor.into());
    }
    object.text_change_cause(if field.by_method { ChangeCause::InputMethod } else { ChangeCause::Other });
    let purpose = ContentPurpose::try_from(field.purpose).unwrap_or(ContentPurpose::Normal);
    object.content_type(ContentHint::from_bits_truncate(field.hint), purpose);
}
