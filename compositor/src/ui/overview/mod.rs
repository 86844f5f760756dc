//! The overview: on every screen its nine workspaces, with live pictures of the windows on them, each in its
//! frame. By keys, by the pointer, and by typing.
//!
//! It is a picture of dom0's, and has the keys for itself; no qube hears of what is done in it (OVER, NO-ORACLE).

mod act;
mod layout;

use std::{collections::HashMap, rc::Rc};

use smithay::utils::{Logical, Point, Rectangle};
use transom_theming::{FrameKind, FrameSpec, WorkspaceSpec};

use super::{
    motion::Motion,
    switcher::{GAP, Search},
};
use crate::{
    Desktop, ipc,
    qubes::PlacedWindow,
    render::{
        compose::bar_is_covered,
        scene::{Item, Patch, Picture, SurfaceKey, color},
        view::View,
    },
    shell::WORKSPACES,
};
use layout::Zoom;

type Rect = Rectangle<i32, Logical>;

/// Widest name of what is chosen, in logical pixels.
const CAPTION: i32 = 360;

/// A workspace of a screen: screen, number.
type Desk = (u32, u32);

/// The overview, open or on its way away.
#[derive(Debug)]
pub(crate) struct Overview {
    /// The tile that is chosen.
    desk: Desk,
    /// The window that is chosen.
    window: Option<SurfaceKey>,
    /// The window that is held with the pointer, where it was taken, and whether it was moved since.
    held: Option<Held>,
    /// Since it was opened, or was left.
    motion: Motion,
    patches: Patches,
    numbers: HashMap<WorkspaceSpec, Rc<Picture>>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    key: SurfaceKey,
    from: Point<f64, Logical>,
    moved: bool,
}

#[derive(Debug)]
struct Patches {
    /// Between tiles, by screen: each needs its own.
    ground: HashMap<u32, Patch>,
    tiles: HashMap<Desk, Patch>,
    /// Over windows that what was typed does not fit.
    veils: HashMap<SurfaceKey, Patch>,
}

/// A window in its tile: its content, around which there is a thin frame.
struct Small {
    key: SurfaceKey,
    content: Rect,
}

impl Overview {
    /// Theme or scale are others.
    pub(super) fn forget_pictures(&mut self) {
        self.numbers.clear();
        self.patches.ground.clear();
        self.patches.tiles.clear();
    }
}

impl Desktop {
    /// Opens the overview, or goes back to where the person was.
    pub(crate) fn toggle_overview(&mut self) {
        if self.ui.kept.overview.is_some() {
            return self.close_overview();
        }
        if self.dom0_asks() || self.lock.covers() {
            return;
        }
        let output = self.shell.active_output();
        self.ui.kept.search = Search::default();
        self.input.compose.reset();
        self.ui.kept.overview_leaves = None;
        self.ui.kept.overview = Some(Overview {
            desk: (output, self.shell.workspace_on(output)),
            window: self.shell.focused(),
            held: None,
            motion: Motion::new(self.clock.now(), !self.config.no_animations),
            patches: Patches { ground: HashMap::new(), tiles: HashMap::new(), veils: HashMap::new() },
            numbers: HashMap::new(),
        });
        self.take_devices();
        self.damage_all();
    }

    /// Closes it: every screen shows the workspace that it shows.
    pub(crate) fn close_overview(&mut self) {
        let Some(mut overview) = self.ui.kept.overview.take() else { return };
        overview.held = None;
        overview.window = None;
        overview.motion = Motion::new(self.clock.now(), !self.config.no_animations);
        self.ui.kept.search = Search::default();
        self.ui.kept.overview_leaves = Some(overview).filter(|_| !self.config.no_animations);
        self.grab_keyboard();
        self.windows_moved();
    }

    /// The overview on its way, or there, and how far it is.
    fn overview_progress(&self) -> Option<f64> {
        let now = self.clock.now();
        let kept = &self.ui.kept;
        let opening = kept.overview.as_ref().map(|overview| overview.motion.progress(now));
        let closing = kept.overview_leaves.as_ref().filter(|overview| !overview.motion.is_over(now));
        opening.or(closing.map(|overview| 1.0 - overview.motion.progress(now)))
    }

    /// The overview is seen to move.
    pub(super) fn overview_moves(&self) -> bool {
        let now = self.clock.now();
        let moves = |overview: &Overview| !overview.motion.is_over(now);
        let kept = &self.ui.kept;
        kept.overview.as_ref().is_some_and(moves) || kept.overview_leaves.is_some()
    }

    /// What has gone is forgotten.
    pub(super) fn forget_left_overview(&mut self) {
        let now = self.clock.now();
        self.ui.kept.overview_leaves.take_if(|overview| overview.motion.is_over(now));
    }

    /// What is seen of the overview hides the windows.
    pub(crate) fn overview_is_seen(&self) -> bool {
        self.overview_progress().is_some()
    }

    // Where things are.

    /// The screen without its bar.
    fn overview_area(&self, screen: Rect) -> Rect {
        let bar = self.bar_height().min(screen.size.h);
        Rectangle::new((screen.loc.x, screen.loc.y + bar).into(), (screen.size.w, screen.size.h - bar).into())
    }

    /// Windows of a workspace of a screen that are not put away, bottom first.
    pub(crate) fn windows_of_desk(&self, (output, number): Desk) -> Vec<PlacedWindow> {
        let keys = self.shell.stacking().iter().copied();
        keys.filter(|key| self.shell.workspace_of(*key) == Some(number) && !self.shell.is_minimised(*key))
            .filter_map(|key| self.shell.placed(key))
            .filter(|placed| placed.output == output)
            .map(PlacedWindow::from)
            .collect()
    }

    /// Windows of a workspace in its tile, bottom first.
    fn small_windows(&self, desk: Desk, tile: Rect, screen: Rect) -> Vec<Small> {
        let windows = self.windows_of_desk(desk);
        let bounds = layout::bounds(screen, windows.iter().map(|window| window.outer));
        let insets = self.ui.theme().insets(FrameKind::Popup);
        let small = |window: &PlacedWindow| {
            // Without its title bar, and with a border as it has it: none lies on its neighbour.
            let border = window.content.loc.x - window.outer.loc.x;
            let top = window.content.loc.y - border;
            let high = window.outer.loc.y + window.outer.size.h - top;
            let bordered =
                Rectangle::new((window.outer.loc.x, top).into(), (window.outer.size.w, high).into());
            let Rect { loc, size } = layout::miniature(tile, bounds, bordered);
            let (w, h) = (size.w - insets.left - insets.right, size.h - insets.top - insets.bottom);
            let at = (loc.x + insets.left, loc.y + insets.top);
            Small { key: window.key, content: Rectangle::new(at.into(), (w.max(1), h.max(1)).into()) }
        };
        windows.iter().map(small).collect()
    }

    /// Tiles of a screen, when they are in their places.
    fn desks_of(&self, screen: u32) -> Vec<(Desk, Rect)> {
        let Some(area) = self.screens.get(screen).map(|screen| screen.area) else { return Vec::new() };
        // Below them there is room for the name of what is chosen.
        let mut room = self.overview_area(area);
        room.size.h = (room.size.h - self.ui.theme().caption_height() + GAP / 2).max(1);
        let tiles = layout::tiles(room, area);
        (1..=WORKSPACES).map(|number| (screen, number)).zip(tiles).collect()
    }

    /// A thin frame around a content.
    fn thinly_framed(&self, content: Rect) -> Rect {
        let insets = self.ui.theme().insets(FrameKind::Popup);
        let (w, h) = (insets.left + insets.right, insets.top + insets.bottom);
        Rectangle::new(
            (content.loc.x - insets.left, content.loc.y - insets.top).into(),
            (content.size.w + w, content.size.h + h).into(),
        )
    }

    /// What of the overview is at a place.
    fn overview_under(&self, at: Point<f64, Logical>) -> Option<(Desk, Option<SurfaceKey>)> {
        let screen = self.screens.at(at)?;
        let desks = self.desks_of(screen.id);
        let (desk, tile) = desks.into_iter().find(|(_, tile)| tile.to_f64().contains(at))?;
        let windows = self.small_windows(desk, tile, screen.area);
        let hit = windows.iter().rev().find(|small| self.thinly_framed(small.content).to_f64().contains(at));
        Some((desk, hit.map(|small| small.key)))
    }

    /// What of it is told.
    pub(crate) fn overview_state(&self) -> Option<ipc::Overview> {
        let overview = self.ui.kept.overview.as_ref()?;
        let array = |r: Rect| [r.loc.x, r.loc.y, r.size.w, r.size.h];
        let title = |key: SurfaceKey| self.qubes.surface(key).map_or("", |(_, s)| &s.title).to_owned();
        let mut tiles = Vec::new();
        for screen in self.screens.iter() {
            for (desk, area) in self.desks_of(screen.id) {
                let windows = self.small_windows(desk, area, screen.area);
                let told = |small: &Small| (title(small.key), array(self.thinly_framed(small.content)));
                let windows = windows.iter().map(told).collect();
                let (output, area) = (screen.name.clone(), array(area));
                tiles.push(ipc::Tile { output, workspace: desk.1, area, windows });
            }
        }
        Some(ipc::Overview {
            output: self.screens.get(overview.desk.0).map(|screen| screen.name.clone()).unwrap_or_default(),
            workspace: overview.desk.1,
            window: overview.window.map(title),
            tiles,
        })
    }

    // What is seen.

    /// Everything of it on one screen, front to back.
    pub(crate) fn compose_overview(&mut self, view: View, items: &mut Vec<Item>) {
        let Some(progress) = self.overview_progress() else { return };
        let kept = &mut self.ui.kept;
        let leaves = kept.overview.is_none();
        let Some(mut overview) = kept.overview.take().or_else(|| kept.overview_leaves.take()) else { return };
        let desks = self.desks_of(view.screen);
        let shown = self.shell.workspace_on(view.screen);
        let from = desks.iter().find(|((_, number), _)| *number == shown).map(|(_, tile)| *tile);
        let zoom = Zoom { tile: from.unwrap_or(view.area), screen: view.area, progress };
        if !leaves && self.screens.lead().is_some_and(|lead| lead.id == view.screen) {
            self.compose_overview_words(view, &overview, items);
        }
        if let Some(held) = overview.held.filter(|held| held.moved) {
            self.compose_held(view, held, items);
        }
        for (desk, tile) in desks {
            self.compose_tile(view, &mut overview, desk, tile, zoom, items);
        }
        let ground = color(self.ui.theme().background());
        let patch = overview.patches.ground.entry(view.screen).or_insert_with(|| Patch::new(ground));
        let covered = bar_is_covered(&self.placed_windows(), view.screen);
        let area = if covered { view.area } else { self.overview_area(view.area) };
        items.push(patch.item(view.rect_to_device(area)));
        let kept = &mut self.ui.kept;
        if leaves {
            kept.overview_leaves = Some(overview);
        } else {
            kept.overview = Some(overview);
        }
    }

    /// At the foot: what was typed, and the name of what is chosen.
    fn compose_overview_words(&mut self, view: View, overview: &Overview, items: &mut Vec<Item>) {
        let (gap, middle) = (view.drawn_in().to_device(GAP / 2), view.size.w / 2);
        let foot = |picture: &Picture, left: i32| Point::from((left, view.size.h - picture.size().h - gap));
        let typed = !self.ui.kept.search.typed().is_empty();
        if typed {
            let picture = self.search_picture(view);
            let at = foot(&picture, (middle - picture.size().w - gap).max(0));
            items.push(Item::Picture { picture, at, clip: None });
        }
        let Some(key) = overview.window.filter(|key| self.shell.contains(*key)) else { return };
        let Some((link, surface)) = self.qubes.surface(key) else { return };
        let (label, name) = (link.label(), link.qube.name.clone());
        let (title, not_isolated) = (surface.title.clone(), !link.qube.isolated);
        let width = CAPTION.min(view.area.size.w / 2 - GAP).max(1);
        let picture = self.caption(view, label, &name, &title, not_isolated, width);
        let left = if typed { middle + gap } else { view.centred(picture.size()).x };
        let at = foot(&picture, left);
        items.push(Item::Picture { picture, at, clip: None });
    }

    fn compose_tile(
        &mut self,
        view: View,
        overview: &mut Overview,
        desk: Desk,
        tile: Rect,
        zoom: Zoom,
        items: &mut Vec<Item>,
    ) {
        let place = zoom.apply(tile);
        if !view.shows(place) {
            return;
        }
        let chosen = overview.window.filter(|key| self.shell.contains(*key));
        let mark_tile = overview.desk == desk && chosen.is_none() && zoom.progress >= 1.0;
        if mark_tile {
            self.compose_outline(view, place, items);
        }
        let shown = self.shell.workspace_on(desk.0) == desk.1;
        let attention =
            self.windows_of_desk(desk).iter().any(|window| window.attention && !self.lock.covers());
        let spec = WorkspaceSpec { number: desk.1, shown, attention, scale: view.drawn_in() };
        let painter = &mut self.ui.painter;
        let number =
            overview.numbers.entry(spec).or_insert_with(|| Picture::new(painter.workspace(&spec))).clone();
        let above = place.loc - Point::from((0, layout::HEAD));
        items.push(Item::Picture { picture: number, at: view.to_device(above), clip: None });
        let windows = self.small_windows(desk, tile, view.area);
        for small in windows.iter().rev() {
            let content = zoom.apply(small.content);
            let outer = self.thinly_framed(content);
            if Some(small.key) == chosen && zoom.progress >= 1.0 {
                self.compose_outline(view, outer, items);
            }
            if !self.search_fits(small.key) {
                let veil = overview.patches.veils.entry(small.key).or_insert_with(|| {
                    Patch::new(smithay::backend::renderer::Color32F::new(0.0, 0.0, 0.0, 0.7))
                });
                items.push(veil.item(view.rect_to_device(outer)));
            }
            let away = overview.held.is_some_and(|held| held.moved && held.key == small.key);
            if !away {
                self.compose_small_window(view, small.key, content, items);
            }
        }
        let ground = color(self.ui.theme().panel());
        let patch = overview.patches.tiles.entry(desk).or_insert_with(|| Patch::new(ground));
        items.push(patch.item(view.rect_to_device(place)));
    }

    /// What the person holds is where the pointer is.
    fn compose_held(&mut self, view: View, held: Held, items: &mut Vec<Item>) {
        let Some(output) = self.shell.placed(held.key).map(|placed| placed.output) else { return };
        let Some(area) = self.screens.get(output).map(|screen| screen.area) else { return };
        let number = self.shell.workspace_of(held.key).unwrap_or(1);
        let desk = self.desks_of(output).into_iter().find(|((_, n), _)| *n == number);
        let Some((desk, tile)) = desk else { return };
        let small = self.small_windows(desk, tile, area).into_iter().find(|small| small.key == held.key);
        let Some(small) = small else { return };
        let by = (self.input.pointer.at - held.from).to_i32_round();
        let content = Rectangle::new(small.content.loc + by, small.content.size);
        if view.shows(content) {
            self.compose_small_window(view, held.key, content, items);
        }
    }

    /// A window made smaller, in a thin frame of its qube's colour.
    pub(crate) fn compose_small_window(
        &mut self,
        view: View,
        key: SurfaceKey,
        content: Rect,
        items: &mut Vec<Item>,
    ) {
        let outer = self.thinly_framed(content);
        let Some((link, surface)) = self.qubes.surface(key) else { return };
        let (label, not_isolated) = (link.label(), !link.qube.isolated);
        let window = surface.geometry().size;
        let ratio = |to: i32, of: i32| f64::from(to) / f64::from(of.max(1));
        // As it is drawn in its own frame: what is larger than that is cut.
        let whole = self.shell.content(key).map_or((window.w, window.h), |content| (content.w, content.h));
        let factor = ratio(content.size.w, whole.0).max(ratio(content.size.h, whole.1)).min(1.0);
        let size = transom_theming::Size { w: content.size.w, h: content.size.h };
        let spec = FrameSpec::thin(FrameKind::Popup, label, not_isolated, size, view.drawn_in());
        self.compose_preview(view, key, outer, &spec, factor, items);
    }
}
