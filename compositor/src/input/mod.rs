//! Devices, chords, and who hears of them.

mod arranging;
mod compose;
pub mod devices;
pub mod event;
mod forwarded;
mod gestures;
pub mod keyboard;
mod keys;
mod layouts;
pub(crate) mod pointer;
mod route;
pub(crate) mod secret;
pub(crate) mod text;
mod tool;
mod touch;
mod unseen;

use std::collections::{BTreeSet, VecDeque};

pub(crate) use compose::Compose;
pub(crate) use layouts::Layouts;
pub(crate) use pointer::Cursor;
use transom_theming::TitleButton;

use self::{
    keyboard::{Keyboard, Outcome},
    pointer::Pointer,
    touch::Touch,
};
use crate::{config::Config, render::scene::SurfaceKey};

/// State of all devices.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) keyboard: Keyboard,
    /// What is typed to dom0 itself.
    pub(crate) compose: Compose,
    pub(crate) pointer: Pointer,
    pub(crate) touch: Touch,
    gestures: gestures::Gestures,
    pub(crate) tool: tool::Tool,
    pub(crate) layouts: layouts::Layouts,
    forwarded: forwarded::Forwarded,
    pub(crate) text: text::Text,
    /// Keys for a window that has the focus but was not drawn so yet.
    pub(crate) waiting_keys: VecDeque<(Option<SurfaceKey>, Outcome)>,
    /// Keys that the focused window knows to be down; it hears of no other key's release.
    told_keys: BTreeSet<u32>,
    /// The title bar of a fullscreen window was called up.
    pub(crate) title_shown: bool,
}

impl Input {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            keyboard: Keyboard::with_fallback(&config.keyboard),
            compose: Compose::new(),
            pointer: Pointer::default(),
            touch: Touch::default(),
            gestures: gestures::Gestures::default(),
            tool: tool::Tool::default(),
            layouts: layouts::Layouts::default(),
            forwarded: forwarded::Forwarded::default(),
            text: text::Text::default(),
            waiting_keys: VecDeque::new(),
            told_keys: BTreeSet::new(),
            title_shown: false,
        }
    }

    /// Title button of a window that is under the pointer, and the one that is pressed.
    pub(crate) fn hovered_button(&self, key: SurfaceKey) -> (Option<TitleButton>, Option<TitleButton>) {
        let of = |state: Option<(SurfaceKey, TitleButton)>| state.filter(|(k, _)| *k == key).map(|(_, b)| b);
        (of(self.pointer.hovered), of(self.pointer.pressed))
    }
}
