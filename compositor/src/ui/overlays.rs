//! What lies over all windows (rule OVER): prompt, switcher, notices; and the empty desktop.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use smithay::utils::{Logical, Point};
use tracing::info;
use transom_hypervisor::supervisor::CallAsk;
use transom_protocol::types::Activation;
use transom_theming::WelcomeSpec;

use super::{
    bar::DrawnBar,
    capture::Capture,
    launcher::Launcher,
    manager::Manager,
    notices::Notice,
    overview::Overview,
    prompt::Prompt,
    switcher::{CaptionKey, Search},
};
use crate::{
    Desktop,
    input::event::{BTN_MIDDLE, BTN_RIGHT},
    render::{
        scene::{Item, Picture},
        view::View,
    },
    screens::Screen,
};

/// Space around notices.
const GAP: i32 = 16;

/// Pictures kept from frame to frame, and what is open.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// By screen.
    pub(crate) bars: HashMap<u32, DrawnBar>,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) launcher: Option<Launcher>,
    pub(crate) manager: Option<Manager>,
    /// Calls that the person is asked about, longest first.
    pub(crate) calls: VecDeque<CallAsk>,
    pub(super) captions: Vec<(CaptionKey, Rc<Picture>)>,
    /// What is typed into the switcher or the overview.
    pub(crate) search: Search,
    /// The switcher stays open when no key is held.
    pub(super) search_stays: bool,
    pub(crate) capture: Option<Capture>,
    pub(crate) overview: Option<Overview>,
    /// It was closed, and is still seen to go.
    pub(super) overview_leaves: Option<Overview>,
    /// By scale.
    welcome: HashMap<u32, Rc<Picture>>,
    pub(super) outline: Option<(i32, i32, [crate::render::scene::Patch; 4])>,
}

impl Kept {
    /// Scale or theme have changed; what is open stays open.
    pub(crate) fn forget_pictures(&mut self) {
        self.bars.clear();
        self.captions.clear();
        self.welcome.clear();
        self.outline = None;
        self.search.forget_picture();
        for overview in [&mut self.overview, &mut self.overview_leaves].into_iter().flatten() {
            overview.forget_pictures();
        }
        if let Some(prompt) = &mut self.prompt {
            prompt.forget_picture();
        }
        if let Some(capture) = &mut self.capture {
            capture.forget_pictures();
        }
        if let Some(launcher) = &mut self.launcher {
            launcher.forget_picture();
        }
        if let Some(manager) = &mut self.manager {
            manager.forget_picture();
        }
    }
}

impl Desktop {
    /// Tells the person something.
    pub(crate) fn notify(&mut self, notice: Notice) {
        info!(%notice, "told the person");
        self.ui.notices.push(notice, self.clock.now());
        self.damage_all();
    }

    /// True if dom0's own pictures take the pointer at this place.
    pub(crate) fn overlay_covers(&self, _at: Point<f64, Logical>) -> bool {
        self.lock.covers() || self.dom0_asks()
    }

    /// Overlays, front to back. They are on the screen that leads; the others are dimmed with it.
    pub(crate) fn compose_overlays(&mut self, view: View, items: &mut Vec<Item>) {
        let asks = self.dom0_asks() || self.ui.leaving.is_some();
        // Whatever is asked over the overview dims that.
        let dim = self.dom0_asks_over_overview() || self.ui.leaving.is_some();
        if self.lead_view().is_some_and(|lead| lead.screen == view.screen) {
            if self.ui.kept.prompt.is_some() {
                self.compose_prompt(view, items);
            } else if self.ui.passphrase.is_open() {
                self.compose_passphrase(view, items);
            } else if self.ui.kept.launcher.is_some() {
                self.compose_launcher(view, items);
            } else if self.ui.kept.manager.is_some() {
                self.compose_manager(view, items);
            } else if self.shell.switcher().is_some() {
                self.compose_switcher(view, items);
            }
            self.compose_leaving(view, items);
            let below = self.compose_notices(view, items);
            // What dom0 asks has the person's eyes for itself.
            if asks {
                self.place_no_cards();
            } else {
                self.compose_cards(view, below, items);
            }
            self.compose_starting(view, items);
        }
        if dim {
            items.push(self.ui.dim.item(view.rect_to_device(view.area)));
        }
    }

    /// Something of dom0's is open that the person has to answer.
    pub(crate) fn dom0_asks(&self) -> bool {
        self.ui.kept.overview.is_some() || self.dom0_asks_over_overview()
    }

    pub(super) fn dom0_asks_over_overview(&self) -> bool {
        let kept = &self.ui.kept;
        let own = kept.prompt.is_some() || kept.launcher.is_some() || kept.manager.is_some();
        let own = own || kept.capture.is_some();
        own || self.ui.passphrase.is_open() || self.shell.switcher().is_some()
    }

    pub(super) fn lead_view(&self) -> Option<View> {
        self.screens.lead().map(Screen::view)
    }

    /// The pointer is somewhere else: dom0's own pictures appear there, unless one waits for an answer.
    pub(crate) fn lead_follows_pointer(&mut self) {
        if !self.dom0_asks() && self.screens.set_lead(self.input.pointer.at) {
            self.damage_all();
        }
    }

    /// Returns where the next one would be, in device pixels from the top.
    pub(super) fn compose_notices(&mut self, view: View, items: &mut Vec<Item>) -> i32 {
        let bar = self.bar_height();
        let ui = &mut self.ui;
        let pictures = ui.notices.pictures(&mut ui.painter, view.scale);
        let right = view.size.w;
        let mut top = view.drawn_in().to_device(bar + GAP / 2);
        let gap = view.drawn_in().to_device(GAP / 2);
        for picture in pictures.into_iter().rev() {
            let size = picture.size();
            items.push(Item::Picture { picture, at: (right - size.w - gap, top).into(), clip: None });
            top += size.h + gap;
        }
        top
    }

    pub(crate) fn compose_welcome(&mut self, view: View, items: &mut Vec<Item>) {
        let scale = view.drawn_in();
        let ui = &mut self.ui;
        let picture = ui.kept.welcome.entry(view.scale).or_insert_with(|| {
            let lines = [
                ("Open a program", "Super + D"),
                ("Switch windows", "Alt + Tab"),
                ("Copy between qubes", "Super + C in one, Super + V in the other"),
            ];
            Picture::new(ui.painter.welcome(&WelcomeSpec { lines: &lines, scale }))
        });
        let at = view.centred(picture.size());
        items.push(Item::Picture { picture: picture.clone(), at, clip: None });
    }

    /// A press of the left button or a finger on dom0's own pictures.
    pub(crate) fn press_on_ui(&mut self, at: Point<f64, Logical>, now: Duration) {
        let Some(view) = self.lead_view() else { return };
        if self.ui.kept.prompt.is_some() {
            self.press_on_prompt(view, at, now);
        } else if self.ui.kept.capture.is_some() {
            self.press_on_capture(at);
        } else if self.ui.passphrase.is_open() {
            self.press_on_passphrase(view, at);
        } else if self.ui.kept.launcher.is_some() {
            self.press_on_launcher(view, at);
        } else if self.ui.kept.manager.is_some() {
            self.press_on_manager(view, at);
        } else if self.shell.switcher().is_some() {
            self.press_on_switcher(view, at);
        } else if self.ui.kept.overview.is_some() {
            self.press_on_overview(at);
        } else if !self.press_on_cards(at, true, now) && !self.press_on_icons(at, Activation::Primary) {
            self.press_on_bar(at);
        }
    }

    /// A press of another button there.
    pub(crate) fn other_press_on_ui(&mut self, at: Point<f64, Logical>, code: u32, now: Duration) {
        if self.ui.kept.overview.is_some() && !self.dom0_asks_over_overview() {
            self.other_press_on_overview(at, code);
            return;
        }
        let activation = match code {
            BTN_RIGHT => Activation::Context,
            BTN_MIDDLE => Activation::Secondary,
            _ => return,
        };
        if !self.overlay_covers(at) && !self.press_on_cards(at, false, now) {
            self.press_on_icons(at, activation);
        }
    }

    /// dom0 keeps the keys for itself exactly while something of its own is open, or nothing is to be seen.
    pub(crate) fn grab_keyboard(&mut self) {
        let grab = self.lock.covers() || self.dom0_asks() || self.trust.focus.is_blank();
        self.input.keyboard.grab(grab);
    }
}
