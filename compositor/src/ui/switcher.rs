//! Alt-tab, and windows found by typing: a row of cards, each a live picture of its window in its frame.
//!
//! The shell has the list and the choice ([`crate::shell::Switcher`]); here is what is typed and what is seen.

use std::rc::Rc;

use smithay::{
    input::keyboard::xkb::keysyms,
    utils::{Logical, Point, Rectangle},
};
use transom_theming::{CaptionSpec, FrameSpec, Label, SearchSpec};

use crate::{
    Desktop,
    config::bindings::Mods,
    render::{
        scene::{Item, Picture, SurfaceKey},
        view::View,
    },
};

/// Card of the switcher, in logical pixels.
const CARD: (i32, i32) = (240, 160);
/// Space around cards.
pub(super) const GAP: i32 = 16;
/// Longest text that is typed, in characters.
const MOST_TYPED: usize = 64;
/// Width of the field with what was typed, in logical pixels.
const FIELD: i32 = 420;
/// Captions that are kept.
const CAPTIONS: usize = 96;

/// Which windows there are to choose from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Among {
    /// All.
    All,
    /// Those of the focused qube.
    Qube,
    /// Those of the focused program.
    App,
}

/// What is typed to find windows.
#[derive(Debug, Default)]
pub(crate) struct Search {
    typed: String,
    drawn: Option<(String, u32, Rc<Picture>)>,
}

impl Search {
    /// What was typed.
    pub(crate) fn typed(&self) -> &str {
        &self.typed
    }

    /// Scale or theme have changed.
    pub(super) fn forget_picture(&mut self) {
        self.drawn = None;
    }

    /// Nothing is typed. `true`: something was.
    pub(super) fn clear(&mut self) -> bool {
        let something = !self.typed.is_empty();
        self.typed.clear();
        something
    }

    /// A key that is not for anything else; `true`: what is typed has changed.
    pub(super) fn key(&mut self, sym: u32, ctrl: bool, character: impl FnOnce(u32) -> Option<char>) -> bool {
        match sym {
            keysyms::KEY_BackSpace => self.typed.pop().is_some(),
            keysyms::KEY_u | keysyms::KEY_U if ctrl => self.clear(),
            _ if ctrl => false,
            _ => match character(sym).filter(|c| !c.is_control()) {
                Some(c) if self.typed.chars().count() < MOST_TYPED => {
                    self.typed.push(c);
                    true
                }
                _ => false,
            },
        }
    }

    /// Every word that was typed is in one of these texts.
    pub(super) fn fits(&self, texts: &[&str]) -> bool {
        let texts: Vec<String> = texts.iter().map(|text| text.to_lowercase()).collect();
        let typed = self.typed.to_lowercase();
        typed.split_whitespace().all(|word| texts.iter().any(|text| text.contains(word)))
    }
}

pub(super) type CaptionKey = (Option<Label>, String, String, bool, i32, u32);

impl Desktop {
    // What the person does.

    /// Opens the switcher, or goes on in it.
    pub(crate) fn switcher_step(&mut self, forward: bool, among: Among) {
        if self.shell.switcher().is_none() && !self.open_switcher(among) {
            return;
        }
        self.shell.switcher_step(forward);
        self.damage_all();
    }

    /// Opens the switcher so that it stays open: windows are found by typing.
    pub(crate) fn find_window(&mut self) {
        if self.shell.switcher().is_some() {
            self.switcher_cancel();
        } else if self.open_switcher(Among::All) {
            self.ui.kept.search_stays = true;
            self.shell.switcher_step(true);
            self.damage_all();
        }
    }

    fn open_switcher(&mut self, among: Among) -> bool {
        if self.dom0_asks() || self.lock.covers() {
            return false;
        }
        let focused = self.shell.focused();
        let app = |key: SurfaceKey| self.qubes.surface(key).map(|(_, surface)| surface.app_id.clone());
        let of = focused.map(|key| (key.qube, app(key)));
        let only = |key: &SurfaceKey| match among {
            Among::All => true,
            Among::Qube => Some(key.qube) == focused.map(|key| key.qube),
            Among::App => Some((key.qube, app(*key))) == of,
        };
        let list: Vec<SurfaceKey> = self.shell.history().iter().copied().filter(only).collect();
        if !self.shell.switcher_open(|key| list.contains(key)) {
            return false;
        }
        self.ui.kept.search = Search::default();
        self.ui.kept.search_stays = false;
        self.input.compose.reset();
        self.grab_keyboard();
        true
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

    /// The modifiers of its chord are up.
    pub(crate) fn switcher_let_go(&mut self) {
        if !self.ui.kept.search_stays {
            self.switcher_confirm();
        }
    }

    /// Everything stays as it was.
    pub(crate) fn switcher_cancel(&mut self) {
        self.shell.switcher_close(false);
        self.grab_keyboard();
        self.damage_all();
    }

    /// A key while it is open.
    pub(crate) fn switcher_key(&mut self, sym: u32) {
        match sym {
            keysyms::KEY_Escape if self.ui.kept.search.clear() => self.narrow_switcher(),
            keysyms::KEY_Escape => self.switcher_cancel(),
            keysyms::KEY_Return | keysyms::KEY_KP_Enter => self.switcher_confirm(),
            keysyms::KEY_Right | keysyms::KEY_Down | keysyms::KEY_Tab => {
                self.switcher_step(true, Among::All);
            }
            keysyms::KEY_Left | keysyms::KEY_Up | keysyms::KEY_ISO_Left_Tab => {
                self.switcher_step(false, Among::All);
            }
            _ => {
                let ctrl = self.input.keyboard.held_mods().meets(Mods::CTRL);
                let compose = &mut self.input.compose;
                if self.ui.kept.search.key(sym, ctrl, |sym| compose.character(sym)) {
                    self.narrow_switcher();
                }
            }
        }
    }

    fn narrow_switcher(&mut self) {
        let all = self.shell.switcher().map(|switcher| switcher.all().to_vec()).unwrap_or_default();
        let fitting: Vec<SurfaceKey> = all.into_iter().filter(|key| self.search_fits(*key)).collect();
        self.shell.switcher_narrow(|key| fitting.contains(key));
        self.damage_all();
    }

    /// What was typed fits a window: its qube, title or program.
    pub(super) fn search_fits(&self, key: SurfaceKey) -> bool {
        let Some((link, surface)) = self.qubes.surface(key) else { return false };
        self.ui.kept.search.fits(&[&link.qube.name, &surface.title, &surface.app_id])
    }

    /// A press of the left button while it is open.
    pub(super) fn press_on_switcher(&mut self, view: View, at: Point<f64, Logical>) {
        let hit = self.switcher_cards(view).into_iter().find(|(_, area)| area.to_f64().contains(at));
        match hit {
            Some((key, _)) => {
                self.shell.switcher_select(key);
                self.switcher_confirm();
            }
            None => self.switcher_cancel(),
        }
    }

    // What is seen.

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

    pub(super) fn compose_switcher(&mut self, view: View, items: &mut Vec<Item>) {
        if self.ui.kept.search_stays || !self.ui.kept.search.typed().is_empty() {
            let none = self.shell.switcher().is_some_and(|switcher| switcher.windows.is_empty());
            self.compose_search(view, none, items);
        }
        let Some(selected) = self.shell.switcher().and_then(crate::shell::Switcher::choice) else { return };
        for (key, area) in self.switcher_cards(view) {
            if key == selected {
                self.compose_outline(view, area, items);
            }
            self.compose_card(view, key, area, items);
        }
    }

    /// The field with what was typed, above the cards.
    fn compose_search(&mut self, view: View, none: bool, items: &mut Vec<Item>) {
        let picture = self.search_picture(view);
        let above = i32::midpoint(CARD.1, self.ui.theme().caption_height()) + GAP;
        let middle = view.area.loc.y + view.area.size.h / 2;
        let top = view.to_device((view.area.loc.x, middle - above).into()).y - picture.size().h;
        let at = Point::from((view.centred(picture.size()).x, top.max(0)));
        items.push(Item::Picture { picture, at, clip: None });
        if none {
            let picture = self.caption(view, None, "no window", "has all of these words", false, CARD.0);
            let at = view.centred(picture.size());
            items.push(Item::Picture { picture, at, clip: None });
        }
    }

    pub(super) fn search_picture(&mut self, view: View) -> Rc<Picture> {
        let ui = &mut self.ui;
        let search = &mut ui.kept.search;
        match &search.drawn {
            Some((typed, scale, picture)) if *typed == search.typed && *scale == view.scale => {
                picture.clone()
            }
            _ => {
                let empty = "Type to find windows";
                let spec = SearchSpec { query: &search.typed, empty, width: FIELD, scale: view.drawn_in() };
                let picture = Picture::new(ui.painter.search(&spec));
                search.drawn = Some((search.typed.clone(), view.scale, picture.clone()));
                picture
            }
        }
    }

    /// The chosen card is marked by an outline, not by colour: colour means trust.
    pub(super) fn compose_outline(
        &mut self,
        view: View,
        area: Rectangle<i32, Logical>,
        items: &mut Vec<Item>,
    ) {
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
        let size = transom_theming::Size { w: content.0, h: content.1 };
        let spec =
            FrameSpec::thin(transom_theming::FrameKind::Popup, label, not_isolated, size, view.drawn_in());
        self.compose_preview(view, key, outer, &spec, factor, items);
    }

    pub(super) fn caption(
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
        if self.ui.kept.captions.len() > CAPTIONS {
            self.ui.kept.captions.clear();
        }
        self.ui.kept.captions.push((key, picture.clone()));
        picture
    }
}
