//! What lies over all windows (rule OVER): prompt, switcher, notices; and the empty desktop.

use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use smithay::utils::{Logical, Point, Rectangle};
use tracing::info;
use transom_hypervisor::supervisor::CallAsk;
use transom_protocol::types::Activation;
use transom_theming::{CaptionSpec, FrameSpec, Label, WelcomeSpec};

use super::{bar::DrawnBar, launcher::Launcher, manager::Manager, notices::Notice, prompt::Prompt};
use crate::{
    Desktop,
    input::event::{BTN_MIDDLE, BTN_RIGHT},
    render::{
        scene::{Item, Picture, SurfaceKey},
        view::View,
    },
    screens::Screen,
};

/// Card of the switcher, in logical pixels.
const CARD: (i32, i32) = (240, 160);
/// Space around cards.
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
    captions: Vec<(CaptionKey, Rc<Picture>)>,
    /// By scale.
    welcome: HashMap<u32, Rc<Picture>>,
    outline: Option<(i32, i32, [crate::render::scene::Patch; 4])>,
}

impl Kept {
    /// Scale or theme have changed; what is open stays open.
    pub(crate) fn forget_pictures(&mut self) {
        self.bars.clear();
        self.captions.clear();
        self.welcome.clear();
        self.outline = None;
        if let Some(prompt) = &mut self.prompt {
            prompt.forget_picture();
        }
        if let Some(launcher) = &mut self.launcher {
            launcher.forget_picture();
        }
        if let Some(manager) = &mut self.manager {
            manager.forget_picture();
        }
    }
}

type CaptionKey = (Option<Label>, String, String, bool, i32, u32);

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
        let dim = self.dom0_asks() || self.ui.leaving.is_some();
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
            if dim {
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
        let kept = &self.ui.kept;
        let own = kept.prompt.is_some() || kept.launcher.is_some() || kept.manager.is_some();
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
    fn compose_notices(&mut self, view: View, items: &mut Vec<Item>) -> i32 {
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
        } else if self.ui.passphrase.is_open() {
            self.press_on_passphrase(view, at);
        } else if self.ui.kept.launcher.is_some() {
            self.press_on_launcher(view, at);
        } else if self.ui.kept.manager.is_some() {
            self.press_on_manager(view, at);
        } else if self.shell.switcher().is_some() {
            let hit = self.switcher_cards(view).into_iter().find(|(_, area)| area.to_f64().contains(at));
            match hit {
                Some((key, _)) => {
                    self.shell.switcher_select(key);
                    self.switcher_confirm();
                }
                None => self.switcher_cancel(),
            }
        } else if !self.press_on_cards(at, true, now) && !self.press_on_icons(at, Activation::Primary) {
            self.press_on_bar(at);
        }
    }

    /// A press of another button there.
    pub(crate) fn other_press_on_ui(&mut self, at: Point<f64, Logical>, code: u32, now: Duration) {
        let activation = match code {
            BTN_RIGHT => Activation::Context,
            BTN_MIDDLE => Activation::Secondary,
            _ => return,
        };
        if !self.overlay_covers(at) && !self.press_on_cards(at, false, now) {
            self.press_on_icons(at, activation);
        }
    }

    // The switcher.

    /// Opens the switcher, or goes on in it.
    pub(crate) fn switcher_step(&mut self, forward: bool, of_qube: bool) {
        let kept = &self.ui.kept;
        let own = kept.prompt.is_some() || kept.launcher.is_some() || kept.manager.is_some();
        if own || self.ui.passphrase.is_open() || self.lock.covers() {
            return;
        }
        if self.shell.switcher().is_none() {
            let qube = self.shell.focused().map(|key| key.qube);
            let only = |key: &SurfaceKey| !of_qube || Some(key.qube) == qube;
            if !self.shell.switcher_open(only) {
                return;
            }
            self.grab_keyboard();
        }
        self.shell.switcher_step(forward);
        self.damage_all();
    }

    /// The chosen window gets the focus.
    pub(crate) fn switcher_confirm(&mut self) {
        let chosen = self.shell.switcher_close(true);
        self.grab_keyboard();
        if let Some(key) = chosen {
            self.focus_window(key);
        }
        self.damage_all();
    }

    /// Everything stays as it was.
    pub(crate) fn switcher_cancel(&mut self) {
        self.shell.switcher_close(false);
        self.grab_keyboard();
        self.damage_all();
    }

    /// dom0 keeps the keys for itself exactly while something of its own is open, or nothing is to be seen.
    pub(crate) fn grab_keyboard(&mut self) {
        let grab = self.lock.covers() || self.dom0_asks() || self.trust.focus.is_blank();
        self.input.keyboard.grab(grab);
    }

    /// Cards of the switcher and their places: those around the chosen one, as many as fit.
    fn switcher_cards(&self, view: View) -> Vec<(SurfaceKey, Rectangle<i32, Logical>)> {
        let Some(switcher) = self.shell.switcher() else { return Vec::new() };
        let screen = view.area.size;
        let caption = self.ui.theme().caption_height();
        let fit = ((screen.w - GAP) / (CARD.0 + GAP)).max(1) as usize;
        let count = switcher.windows.len().min(fit);
        let first = (switcher.selected + 1).saturating_sub(count).min(switcher.windows.len() - count);
        let width = count as i32 * (CARD.0 + GAP) - GAP;
        let left = view.area.loc.x + (screen.w - width) / 2;
        let top = view.area.loc.y + (screen.h - CARD.1 - caption) / 2;
        switcher.windows[first..first + count]
            .iter()
            .enumerate()
            .map(|(i, key)| {
                let x = left + i as i32 * (CARD.0 + GAP);
                (*key, Rectangle::new((x, top).into(), (CARD.0, CARD.1 + caption).into()))
            })
            .collect()
    }

    fn compose_switcher(&mut self, view: View, items: &mut Vec<Item>) {
        let Some(selected) = self.shell.switcher().map(|s| s.windows[s.selected]) else { return };
        for (key, area) in self.switcher_cards(view) {
            if key == selected {
                self.compose_outline(view, area, items);
            }
            self.compose_card(view, key, area, items);
        }
    }

    /// The chosen card is marked by an outline, not by colour: colour means trust.
    fn compose_outline(&mut self, view: View, area: Rectangle<i32, Logical>, items: &mut Vec<Item>) {
        let rgb = self.ui.theme().text();
        let outline = self.ui.kept.outline.get_or_insert_with(|| {
            let patch = || crate::render::scene::Patch::new(crate::render::scene::color(rgb));
            (0, 0, [patch(), patch(), patch(), patch()])
        });
        let patches = outline.2.clone();
        let (x, y, w, h) = (area.loc.x - 8, area.loc.y - 8, area.size.w + 16, area.size.h + 16);
        let sides = [(x, y, w, 2), (x, y + h - 2, w, 2), (x, y, 2, h), (x + w - 2, y, 2, h)];
        for (patch, (x, y, w, h)) in patches.iter().zip(sides) {
            let rect = view.rect_to_device(Rectangle::new((x, y).into(), (w, h).into()));
            items.push(patch.item(rect));
        }
    }

    /// A card: the live picture in its own frame, beneath it swatch, qube name and title.
    fn compose_card(
        &mut self,
        view: View,
        key: SurfaceKey,
        area: Rectangle<i32, Logical>,
        items: &mut Vec<Item>,
    ) {
        let Some((link, surface)) = self.qubes.surface(key) else { return };
        let (label, name) = (link.label(), link.qube.name.clone());
        let (title, not_isolated) = (surface.title.clone(), !link.qube.isolated);
        let caption = self.caption(view, label, &name, &title, not_isolated, area.size.w);
        let at = view.to_device((area.loc.x, area.loc.y + CARD.1).into());
        items.push(Item::Picture { picture: caption, at, clip: None });
        let Some((_, surface)) = self.qubes.surface(key) else { return };
        let window = surface.geometry();
        if window.is_empty() {
            return;
        }
        let insets = self.ui.theme().insets(transom_theming::FrameKind::Popup);
        let room = (CARD.0 - insets.left - insets.right, CARD.1 - GAP / 2 - insets.top - insets.bottom);
        let factor = (f64::from(room.0) / f64::from(window.size.w))
            .min(f64::from(room.1) / f64::from(window.size.h))
            .min(1.0);
        let shrink = |v: i32| ((f64::from(v) * factor) as i32).max(1);
        let content = (shrink(window.size.w), shrink(window.size.h));
        let outer = Rectangle::new(
            (
                area.loc.x + (CARD.0 - content.0 - insets.left - insets.right) / 2,
                area.loc.y + (CARD.1 - GAP / 2 - content.1 - insets.top - insets.bottom) / 2,
            )
                .into(),
            (content.0 + insets.left + insets.right, content.1 + insets.top + insets.bottom).into(),
        );
        let spec = FrameSpec {
            kind: transom_theming::FrameKind::Popup,
            label,
            qube: "",
            title: "",
            active: true,
            attention: None,
            not_isolated,
            maximised: false,
            hovered: None,
            pressed: None,
            content: transom_theming::Size { w: content.0, h: content.1 },
            scale: view.drawn_in(),
        };
        self.compose_preview(view, key, outer, &spec, factor, items);
    }

    fn caption(
        &mut self,
        view: View,
        label: Option<Label>,
        qube: &str,
        title: &str,
        not_isolated: bool,
        width: i32,
    ) -> Rc<Picture> {
        let key: CaptionKey = (label, qube.to_owned(), title.to_owned(), not_isolated, width, view.scale);
        if let Some((_, picture)) = self.ui.kept.captions.iter().find(|(k, _)| *k == key) {
            return picture.clone();
        }
        let spec = CaptionSpec { label, qube, title, width, not_isolated, scale: view.drawn_in() };
        let picture = Picture::new(self.ui.painter.caption(&spec));
        if self.ui.kept.captions.len() > 64 {
            self.ui.kept.captions.clear();
        }
        self.ui.kept.captions.push((key, picture.clone()));
        picture
    }
}
