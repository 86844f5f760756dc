//! Surfaces of dom0's own programs that are no windows: bars, docks, wallpapers, launchers
//! (`wlr-layer-shell`). Where they stand, how high, and which of them has the keys.
//!
//! Each belongs to one screen and is drawn there alone, without a frame: it is dom0's picture, not a
//! qube's. From below: background, bottom, windows, top, overlay; then dom0's own bar, prompts, switcher
//! and notices (OVER). A window that fills the screen lies over the top layer, except over a surface there
//! that has the keys: they must not go where nobody sees it.
//!
//! Rule FOCUS: a surface that wants the keys for itself, high enough, has them as a prompt of dom0 has,
//! once it was drawn; no qube can open one. One that takes them on demand gets them by a click, until
//! another window is clicked. What windows then have of the focus is the shell's, and comes back.

mod arrange;
mod candidates;
mod scene;

pub(crate) use scene::Band;

use std::collections::BTreeMap;

use smithay::utils::{Logical, Rectangle, Size};
use transom_protocol::message::Configure;

use crate::{
    Desktop,
    render::scene::SurfaceKey,
    shell::{self, Edges},
};

/// Most surfaces of all programs together.
pub(crate) const MOST: usize = 64;

/// How high a surface stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    /// Beneath everything.
    Background,
    /// Beneath windows.
    Bottom,
    /// Above windows.
    Top,
    /// Above windows that fill the screen, too.
    Overlay,
}

impl Layer {
    fn name(self) -> &'static str {
        match self {
            Self::Background => "background",
            Self::Bottom => "bottom",
            Self::Top => "top",
            Self::Overlay => "overlay",
        }
    }

    /// All, the highest first.
    pub(crate) const DOWN: [Self; 4] = [Self::Overlay, Self::Top, Self::Bottom, Self::Background];

    /// Those above windows.
    pub(crate) fn is_high(self) -> bool {
        self >= Self::Top
    }
}

/// What a surface keeps free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// So many logical pixels from its edge, its margin not counted.
    Keep(i32),
    /// Nothing, and it keeps out of what others keep free.
    Clear,
    /// Nothing, and it does not care about others.
    Ignore,
}

/// Whether it wants keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyboard {
    /// Never.
    None,
    /// When it is clicked.
    OnDemand,
    /// All of them, as long as it is there.
    Exclusive,
}

/// What a program wants of its surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    pub layer: Layer,
    /// Edges of the screen that it keeps to.
    pub anchor: Edges,
    pub zone: Zone,
    /// From the edges: top, right, bottom, left.
    pub margins: [i32; 4],
    /// In logical pixels; 0: as much as there is.
    pub size: shell::Size,
    pub keyboard: Keyboard,
}

/// A surface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerSurface {
    pub key: SurfaceKey,
    /// The screen that it is on.
    pub screen: u32,
    /// What its program wants; `None`: it has not said it yet.
    pub wish: Option<Wish>,
    /// It has a picture.
    pub shown: bool,
    /// Where it is on the desktop.
    pub place: Rectangle<i32, Logical>,
    /// The size that its program was told last.
    told: Option<Size<i32, Logical>>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    /// In the order in which they came.
    list: Vec<LayerSurface>,
    /// The one that the person clicked last, while no window was clicked since.
    clicked: Option<SurfaceKey>,
}

impl Layers {
    /// `false`: there are too many.
    pub(crate) fn add(&mut self, key: SurfaceKey, screen: u32) -> bool {
        if self.list.len() >= MOST {
            return false;
        }
        let place = Rectangle::default();
        self.list.push(LayerSurface { key, screen, wish: None, shown: false, place, told: None });
        true
    }

    pub(crate) fn get(&self, key: SurfaceKey) -> Option<&LayerSurface> {
        self.list.iter().find(|surface| surface.key == key)
    }

    pub(crate) fn contains(&self, key: SurfaceKey) -> bool {
        self.get(key).is_some()
    }

    /// Those with a picture, in the order in which they came.
    pub(crate) fn shown(&self) -> impl DoubleEndedIterator<Item = &LayerSurface> {
        self.list.iter().filter(|surface| surface.shown)
    }

    /// Those with a picture of one layer of a screen, topmost first.
    fn of(&self, screen: u32, layer: Layer) -> impl Iterator<Item = &LayerSurface> {
        let here = move |s: &&LayerSurface| s.screen == screen && s.wish.is_some_and(|w| w.layer == layer);
        self.shown().rev().filter(here)
    }

    /// Something of programs lies beneath windows there: the desktop is not empty.
    pub(crate) fn furnish(&self, screen: u32) -> bool {
        self.shown().any(|s| s.screen == screen && s.wish.is_some_and(|wish| !wish.layer.is_high()))
    }

    /// The one that has the keys, or will have them once it was drawn.
    pub(crate) fn focus(&self) -> Option<SurfaceKey> {
        let wants = |s: &LayerSurface, how| s.wish.filter(|wish| wish.keyboard == how).map(|wish| wish.layer);
        // Of several, the highest; of these, the newest.
        let alone = self
            .shown()
            .filter_map(|s| Some((wants(s, Keyboard::Exclusive).filter(|layer| layer.is_high())?, s.key)))
            .max_by_key(|(layer, _)| *layer);
        let clicked = || {
            let surface = self.get(self.clicked?).filter(|surface| surface.shown)?;
            surface.wish.filter(|wish| wish.keyboard != Keyboard::None).map(|_| surface.key)
        };
        alone.map(|(_, key)| key).or_else(clicked)
    }
}

impl Desktop {
    /// Height of dom0's own bar, in logical pixels; 0 if the person wants none.
    pub(crate) fn bar_height(&self) -> i32 {
        if self.config.no_bar { 0 } else { self.ui.theme().bar_height() }
    }

    /// What is told of surfaces.
    pub(crate) fn layer_states(&self) -> Vec<crate::ipc::Layer> {
        let state = |surface: &LayerSurface| {
            let area = surface.place;
            Some(crate::ipc::Layer {
                layer: surface.wish?.layer.name().into(),
                output: self.screens.get(surface.screen)?.name.clone(),
                area: [area.loc.x, area.loc.y, area.size.w, area.size.h],
                focused: self.trust.focus.keys_to() == Some(surface.key),
            })
        };
        self.layers.shown().filter_map(state).collect()
    }

    /// The window that chords mean: none while a surface of dom0 has the keys.
    pub(crate) fn focused_window(&self) -> Option<SurfaceKey> {
        self.shell.focused().filter(|_| self.layers.focus().is_none())
    }

    /// A program says what it wants of its surface, and whether it has a picture.
    pub(crate) fn layer_wishes(&mut self, key: SurfaceKey, wish: Wish) {
        let shown = self.qubes.surface(key).is_some_and(|(_, surface)| surface.content.is_some());
        let Some(surface) = self.layers.list.iter_mut().find(|surface| surface.key == key) else { return };
        if (surface.wish, surface.shown) == (Some(wish), shown) {
            return;
        }
        (surface.wish, surface.shown) = (Some(wish), shown);
        self.arrange_layers();
        self.follow_shell_focus();
    }

    /// A surface has a new picture, or something that hangs on it.
    pub(crate) fn layer_committed(&mut self, key: SurfaceKey) {
        if let Some(surface) = self.layers.get(key) {
            let place = surface.place;
            self.damage(place);
        }
    }

    pub(crate) fn layer_gone(&mut self, key: SurfaceKey) {
        let before = self.layers.list.len();
        self.layers.list.retain(|surface| surface.key != key);
        if self.layers.list.len() == before {
            return;
        }
        self.layers.clicked.take_if(|clicked| *clicked == key);
        self.arrange_layers();
        self.follow_shell_focus();
    }

    /// Surfaces of screens that are gone.
    pub(crate) fn layers_without_screen(&self) -> Vec<SurfaceKey> {
        let gone = |surface: &&LayerSurface| self.screens.get(surface.screen).is_none();
        self.layers.list.iter().filter(gone).map(|surface| surface.key).collect()
    }

    /// The person clicked a surface, or (`None`) something else.
    pub(crate) fn click_layer(&mut self, key: Option<SurfaceKey>) {
        self.layers.clicked = key;
        self.follow_shell_focus();
    }

    /// Gives every surface its place, and the shell what is left.
    pub(crate) fn arrange_layers(&mut self) {
        let bar = self.bar_height();
        let mut by_screen: BTreeMap<u32, Vec<(SurfaceKey, Wish, bool)>> = BTreeMap::new();
        for surface in &self.layers.list {
            if let Some(wish) = surface.wish {
                by_screen.entry(surface.screen).or_default().push((surface.key, wish, surface.shown));
            }
        }
        for screen in self.screens.iter() {
            let area = screen.area;
            let rect = shell::Rect { x: area.loc.x, y: area.loc.y, w: area.size.w, h: area.size.h };
            let top = bar.min(rect.h);
            let free = shell::Rect { y: rect.y + top, h: rect.h - top, ..rect };
            let surfaces = by_screen.remove(&screen.id).unwrap_or_default();
            let wishes: Vec<(Wish, bool)> = surfaces.iter().map(|(_, wish, shown)| (*wish, *shown)).collect();
            let arranged = arrange::arrange(rect, free, &wishes);
            for ((key, ..), place) in surfaces.iter().zip(arranged.places) {
                if let Some(surface) = self.layers.list.iter_mut().find(|surface| surface.key == *key) {
                    surface.place = Rectangle::new((place.x, place.y).into(), (place.w, place.h).into());
                }
            }
            self.shell.set_output(shell::Output { id: screen.id, rect, usable: arranged.usable });
        }
        self.windows_moved();
    }

    /// Tells programs the sizes of their surfaces, where they changed.
    pub(crate) fn sync_layers(&mut self) {
        for surface in &mut self.layers.list {
            let size = surface.place.size;
            if surface.wish.is_none() || surface.told == Some(size) {
                continue;
            }
            let Some(link) = self.qubes.get_mut(surface.key.qube) else { continue };
            let configure = Configure {
                width: (size.w.max(1) as u32).into(),
                height: (size.h.max(1) as u32).into(),
                bounds_width: 0.into(),
                bounds_height: 0.into(),
                states: 0.into(),
                x: 0.into(),
                y: 0.into(),
                token: 0.into(),
            };
            if link.configure(surface.key.window, &configure).is_some() {
                surface.told = Some(size);
            }
        }
    }
}
