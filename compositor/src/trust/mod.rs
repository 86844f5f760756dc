//! The trust rules of the design as code, without I/O: who has the keys (FOCUS), what a person
//! meant (INTENT), what may cross from qube to qube.
//!
//! FRAME is kept by construction in `render/compose.rs`: pixels of a qube are only ever put inside
//! the inner rectangle of a frame that the same function has drawn.

pub mod act;
pub mod clipboard;
pub mod drag;
mod fetch;
pub mod focus;
pub mod intent;
pub mod policy;

use std::collections::HashMap;

use self::{act::LastAct, clipboard::Clipboard, drag::Drag, focus::FocusGate, intent::InputLog};
use crate::config::Config;

/// A link to a qube, as long as it lasts. Never reused while the compositor runs, so that a late
/// answer of a qube that was here before cannot be taken for one of its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QubeId(pub u32);

/// State of the rules.
#[derive(Debug)]
pub(crate) struct Trust {
    /// FOCUS.
    pub(crate) focus: FocusGate,
    /// FOCUS: the press that lets a program of dom0 bring a window up.
    pub(crate) act: LastAct,
    /// INTENT: presses that are still held.
    pub(crate) intent: InputLog,
    /// INTENT: what the person copied out of a qube.
    pub(crate) clipboard: Clipboard,
    /// INTENT: what the person drags.
    pub(crate) drag: Drag,
    /// MIME types of each qube's own selection. Names only: the content stays in the qube.
    pub(crate) offers: HashMap<QubeId, Vec<String>>,
}

impl Trust {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            focus: FocusGate::default(),
            act: LastAct::default(),
            intent: InputLog::default(),
            clipboard: Clipboard::new(config.clipboard.clone()),
            drag: Drag::new(config.drag.clone(), config.clipboard.clone()),
            offers: HashMap::new(),
        }
    }
}
