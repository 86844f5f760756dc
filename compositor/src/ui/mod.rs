//! dom0's own pictures: frames, bar, switcher, launcher, prompts, passphrase, notices, the empty desktop.
//!
//! `transom-theming` draws; this room decides what is said and keeps what was drawn until it
//! changes.

mod bar;
mod calls;
mod capture;
pub(crate) mod cards;
mod drag;
pub mod frames;
pub(crate) mod launcher;
mod leaving;
mod manager;
pub(crate) mod motion;
pub mod notices;
pub(crate) mod overlays;
mod overview;
mod passphrase;
pub(crate) mod prompt;
mod switcher;
mod transfer;
pub(crate) mod tray;

use std::{collections::HashMap, rc::Rc};

use smithay::utils::{Physical, Point};
use transom_theming::{CursorShape, Fonts, FrameSpec, Painter, Scale, Theme};

pub(crate) use self::{
    capture::Purpose,
    prompt::{Given, Prompt},
    switcher::Among,
    transfer::size,
};
use self::{
    frames::{Frame, FrameCache},
    notices::Notices,
    overlays::Kept,
};
use crate::render::scene::{Patch, Picture, SurfaceKey, color};

/// A pointer and its hot spot.
type CursorPicture = (Rc<Picture>, Point<i32, Physical>);

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Ui {
    pub(crate) painter: Painter,
    frames: FrameCache,
    backdrops: HashMap<SurfaceKey, Patch>,
    cursors: HashMap<(CursorShape, u32), CursorPicture>,
    pub(crate) notices: Notices,
    /// Notifications of qubes.
    pub(crate) cards: cards::Cards,
    /// Their status icons.
    pub(crate) tray: tray::Tray,
    pub(crate) starting: launcher::Starting,
    /// Programs that were started from the launcher.
    pub(crate) recent: launcher::Recent,
    pub(crate) kept: Kept,
    /// What hangs on the pointer while something is dragged.
    drag_card: Option<drag::Card>,
    pub(crate) passphrase: passphrase::Passphrase,
    pub(crate) leaving: Option<leaving::Leaving>,
    /// What was taken, and is not kept yet.
    pub(crate) keeping: capture::Keeping,
    /// The video that is being taken.
    pub(crate) recording: Option<capture::Recording>,
    /// What the manager has asked of qubed.
    pub(crate) asked: manager::Asked,
    dim: Patch,
    /// What the clock in the bar says.
    pub(crate) clock_text: String,
    /// The day, for the lock screen.
    pub(crate) date_text: String,
}

impl Ui {
    pub(crate) fn new(theme: Theme, fonts: Fonts) -> Self {
        Self {
            painter: Painter::new(theme, fonts),
            frames: FrameCache::default(),
            backdrops: HashMap::new(),
            cursors: HashMap::new(),
            notices: Notices::default(),
            cards: cards::Cards::default(),
            tray: tray::Tray::default(),
            starting: launcher::Starting::default(),
            recent: launcher::Recent::default(),
            kept: Kept::default(),
            drag_card: None,
            passphrase: passphrase::Passphrase::default(),
            leaving: None,
            keeping: capture::Keeping::default(),
            recording: None,
            asked: manager::Asked::default(),
            dim: Patch::new(smithay::backend::renderer::Color32F::new(0.0, 0.0, 0.0, 0.55)),
            clock_text: String::new(),
            date_text: String::new(),
        }
    }

    /// What is wrong with the fonts, in one line.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.painter.problem()
    }

    pub(crate) fn theme(&self) -> &Theme {
        self.painter.theme()
    }

    /// Another theme.
    pub(crate) fn set_theme(&mut self, theme: Theme) {
        self.painter.set_theme(theme);
        self.backdrops.clear();
        self.forget_pictures();
    }

    /// Forgets every picture: scale or theme have changed.
    pub(crate) fn forget_pictures(&mut self) {
        self.frames = FrameCache::default();
        self.cursors.clear();
        self.kept.forget_pictures();
        self.drag_card = None;
        self.passphrase.forget_picture();
        if let Some(leaving) = &mut self.leaving {
            leaving.forget_picture();
        }
        self.notices.forget_pictures();
        self.cards.forget_pictures();
        self.starting.forget_pictures();
    }

    /// Forgets what belonged to a window.
    pub(crate) fn forget_window(&mut self, key: SurfaceKey) {
        self.frames.forget(key);
        self.backdrops.remove(&key);
    }

    /// The frame of a window, drawn anew only if something about it changed.
    pub(crate) fn frame(&mut self, key: SurfaceKey, spec: &FrameSpec<'_>) -> Rc<Frame> {
        self.frames.get(&mut self.painter, key, spec)
    }

    /// What lies behind a qube's pixels inside its frame.
    pub(crate) fn backdrop(&mut self, key: SurfaceKey) -> &Patch {
        let rgb = self.painter.theme().backdrop();
        self.backdrops.entry(key).or_insert_with(|| Patch::new(color(rgb)))
    }

    /// dom0's own pointer.
    pub(crate) fn cursor(&mut self, shape: CursorShape, scale: u32) -> (Rc<Picture>, Point<i32, Physical>) {
        let painter = &mut self.painter;
        self.cursors
            .entry((shape, scale))
            .or_insert_with(|| {
                let cursor = painter.cursor(Scale::new(scale), shape);
                (Picture::pointer(cursor.image), (cursor.hotspot.0, cursor.hotspot.1).into())
            })
            .clone()
    }
}
