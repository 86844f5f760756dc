//! Pictures and videos of the screen, by the person: what of it, and where it is kept.
//!
//! `model` is what is chosen, `act` what keys and pointer do, `keep` where a picture goes, `record` videos.
//!
//! While the person chooses, the screens stand still: what is taken is what they saw when they asked for it,
//! menus included. A window is the exception. It is taken as it is at the end, alone, whatever lies over it.

mod act;
mod keep;
mod model;
mod record;

use std::{collections::HashMap, rc::Rc};

use smithay::utils::{Logical, Physical, Point, Rectangle, Size};
use transom_theming::{Answer, PromptSpec, Run};

use self::model::Model;
pub(crate) use self::{keep::Keeping, model::Purpose, record::Recording};
use super::notices::Notice;
use crate::{
    Desktop,
    qubes::PlacedWindow,
    render::{
        scene::{Item, Patch, Picture, Scene, SurfaceKey, color},
        view::View,
    },
};
use model::Of;

/// Between the panel and the edge of the screen, in logical pixels.
const MARGIN: i32 = 24;
/// Width of the line around what is chosen, in logical pixels.
const LINE: i32 = 2;

/// A screen as it was when the person asked.
#[derive(Debug)]
struct Still {
    view: View,
    picture: Rc<Picture>,
}

/// The panel as it was drawn.
#[derive(Debug)]
struct Panel {
    look: (Model, Option<SurfaceKey>, u32),
    picture: Rc<Picture>,
    /// Where its buttons are, relative to the picture.
    buttons: Vec<Rectangle<i32, Logical>>,
}

/// A button of the panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Button {
    Kind(Of),
    Frames,
    Cancel,
    Take,
}

/// What is open while the person chooses.
#[derive(Debug)]
pub(crate) struct Capture {
    model: Model,
    stills: HashMap<u32, Still>,
    /// Windows as they stood, bottom first.
    windows: Vec<PlacedWindow>,
    window: Option<SurfaceKey>,
    panel: Option<Panel>,
    patches: HashMap<(u32, usize), Patch>,
}

impl Capture {
    pub(super) fn forget_pictures(&mut self) {
        self.panel = None;
    }

    fn window(&self) -> Option<&PlacedWindow> {
        self.windows.iter().find(|window| Some(window.key) == self.window)
    }

    /// What would be taken.
    fn chosen(&self) -> Option<Rectangle<i32, Logical>> {
        match self.model.of {
            Of::Region => Some(self.model.region()),
            Of::Monitor => self.stills.get(&self.model.screen()).map(|still| still.view.area),
            Of::Window if self.model.frames => self.window().map(|window| window.outer),
            Of::Window => self.window().map(|window| window.content),
        }
    }

    fn buttons(&self) -> Vec<Button> {
        let kinds = self.model.kinds().iter().map(|of| Button::Kind(*of));
        let frames = (self.model.of == Of::Window).then_some(Button::Frames);
        kinds.chain(frames).chain([Button::Cancel, Button::Take]).collect()
    }
}

impl Desktop {
    /// Lets the person choose what is taken; or, where they are about to, closes that again. One who records asks
    /// for the end of the video by it.
    pub(crate) fn toggle_capture(&mut self, purpose: Purpose) {
        if self.ui.kept.capture.is_some() {
            return self.close_capture();
        }
        if purpose == Purpose::Recording && self.stop_recording() {
            return;
        }
        if self.dom0_asks_over_overview() || self.lock.covers() || self.ui.leaving.is_some() {
            return;
        }
        let mut stills = HashMap::new();
        let views: Vec<View> =
            self.screens.iter().filter(|screen| screen.lit).map(crate::screens::Screen::view).collect();
        for view in views {
            match self.capture(view.screen, false) {
                Ok(captured) => {
                    stills.insert(view.screen, Still { view, picture: Picture::new(still(captured)) });
                }
                Err(error) => return self.notify(Notice::Text(format!("no picture: {error}"))),
            }
        }
        let screens = stills.iter().map(|(id, still)| (*id, still.view.area)).collect();
        let here = self.screens.lead().map_or(0, |screen| screen.id);
        let Some(model) = Model::new(purpose, screens, here) else { return };
        let windows = if self.overview_is_seen() { Vec::new() } else { self.placed_windows() };
        let window = self.focused_window().filter(|key| windows.iter().any(|window| window.key == *key));
        self.close_overview();
        self.ui.kept.overview_leaves = None;
        self.ui.kept.capture =
            Some(Capture { model, stills, windows, window, panel: None, patches: HashMap::new() });
        self.take_devices();
        self.damage_all();
    }

    /// Closes it; nothing is taken.
    pub(crate) fn close_capture(&mut self) {
        if self.ui.kept.capture.take().is_some() {
            self.grab_keyboard();
            let now = self.clock.now();
            self.refresh_pointer(now);
            self.damage_all();
            self.next_question();
        }
    }

    /// What is chosen of screens that are others by now is not taken.
    pub(crate) fn settle_capture(&mut self) {
        let Some(capture) = &self.ui.kept.capture else { return };
        let lit = || self.screens.iter().filter(|screen| screen.lit);
        let same = |screen: &crate::screens::Screen| {
            capture.stills.get(&screen.id).map(|s| s.view) == Some(screen.view())
        };
        if self.lock.covers() || lit().count() != capture.stills.len() || !lit().all(same) {
            self.close_capture();
        }
    }

    /// What is chosen now, in words.
    pub(crate) fn capture_text(&self) -> Option<String> {
        let capture = self.ui.kept.capture.as_ref()?;
        let place = capture.chosen().map(|r| format!("{},{} {}×{}", r.loc.x, r.loc.y, r.size.w, r.size.h));
        let purpose = match capture.model.purpose {
            Purpose::Picture => "picture",
            Purpose::Recording => "recording",
        };
        let of = match capture.model.of {
            Of::Region => "region",
            Of::Window if capture.model.frames => "window with its frame",
            Of::Window => "window without its frame",
            Of::Monitor => "monitor",
        };
        Some(format!("{purpose} of a {of} at {}", place.as_deref().unwrap_or("no place")))
    }

    /// All that is on a screen while the person chooses.
    pub(crate) fn compose_capture(&mut self, view: View, pointer: bool) -> Scene {
        let mut items = Vec::new();
        if pointer {
            self.compose_cursor(view, &mut items);
        }
        if self.lead_view().is_some_and(|lead| lead.screen == view.screen) {
            self.compose_notices(view, &mut items);
            self.compose_panel(view, &mut items);
        }
        if let Some(capture) = &mut self.ui.kept.capture {
            let whole = view.area;
            let chosen = capture.chosen().and_then(|rect| rect.intersection(whole));
            let seen = chosen.unwrap_or_else(|| Rectangle::new(whole.loc, Size::default()));
            let line = color(self.ui.painter.theme().steel());
            let dim = smithay::backend::renderer::Color32F::new(0.0, 0.0, 0.0, 0.5);
            let edge = Rectangle::new(
                seen.loc - Point::from((LINE, LINE)),
                seen.size + Size::from((2 * LINE, 2 * LINE)),
            );
            let lines = around(edge, seen).map(|rect| (rect, line));
            let lines = lines.into_iter().filter(|_| chosen.is_some());
            for (number, (rect, colour)) in
                lines.chain(around(whole, seen).map(|rect| (rect, dim))).enumerate()
            {
                // Colour and number belong together, so that a patch is what it was.
                let number = if colour == line { number } else { number + 4 };
                let patch =
                    capture.patches.entry((view.screen, number)).or_insert_with(|| Patch::new(colour));
                if let Some(rect) = rect.intersection(whole) {
                    items.push(patch.item(view.rect_to_device(rect)));
                }
            }
            if let Some(still) = capture.stills.get(&view.screen) {
                items.push(Item::Picture {
                    picture: still.picture.clone(),
                    at: Point::default(),
                    clip: None,
                });
            }
        }
        let background = color(self.ui.theme().background());
        Scene { screen: view.screen, size: view.size, items, background, magnified: None }
    }

    /// Where the panel is on its screen.
    fn panel_at(view: View, size: Size<i32, Physical>) -> Point<i32, Physical> {
        let margin = view.drawn_in().to_device(MARGIN);
        ((view.size.w - size.w) / 2, (view.size.h - size.h - margin).max(0)).into()
    }

    fn compose_panel(&mut self, view: View, items: &mut Vec<Item>) {
        if let Some(panel) = self.panel(view) {
            let picture = panel.picture.clone();
            let at = Self::panel_at(view, picture.size());
            items.push(Item::Picture { picture, at, clip: None });
        }
    }

    fn panel(&mut self, view: View) -> Option<&Panel> {
        let ui = &mut self.ui;
        let capture = ui.kept.capture.as_mut()?;
        let look = (capture.model.clone(), capture.window, view.scale);
        if capture.panel.as_ref().is_none_or(|panel| panel.look != look) {
            let recording = capture.model.purpose == Purpose::Recording;
            let said = match (recording, capture.model.of) {
                (false, Of::Region) => "Picture of a part of the screen. Draw it, or use the arrow keys",
                (true, Of::Region) => "Video of a part of the screen. Draw it, or use the arrow keys",
                (false, Of::Window) => "Picture of a window alone, whatever lies over it",
                (_, Of::Monitor | Of::Window) if recording => "Video of a whole monitor",
                (_, Of::Monitor | Of::Window) => "Picture of a whole monitor",
            };
            let size = capture.chosen().map(|r| format!("{said}: {} × {}", r.size.w, r.size.h));
            let sentence = size.unwrap_or_else(|| said.to_owned());
            let chosen = capture.chosen().is_some();
            let buttons = capture.buttons();
            let answers: Vec<Answer<'_>> = buttons
                .iter()
                .map(|button| {
                    let text = match button {
                        Button::Kind(Of::Region) => "Region",
                        Button::Kind(Of::Window) => "Window",
                        Button::Kind(Of::Monitor) => "Monitor",
                        Button::Frames if capture.model.frames => "Frame: kept",
                        Button::Frames => "Frame: left out",
                        Button::Cancel => "Cancel",
                        Button::Take if recording => "Record",
                        Button::Take => "Take",
                    };
                    let take = *button == Button::Take;
                    let focused = *button == Button::Kind(capture.model.of);
                    Answer { text, enabled: !take || chosen, focused, gives_away: take }
                })
                .collect();
            let scale = view.drawn_in();
            let runs = [Run::Text(&sentence)];
            let spec = PromptSpec { sentence: &runs, choices: &[], field: None, answers: &answers, scale };
            let drawn = ui.painter.prompt(&spec);
            let rect = |r: &transom_theming::Rect| Rectangle::new((r.x, r.y).into(), (r.w, r.h).into());
            let buttons = drawn.answers.iter().map(rect).collect();
            capture.panel = Some(Panel { look, picture: Picture::new(drawn.image), buttons });
        }
        capture.panel.as_ref()
    }

    /// The button of the panel at this place; `Err`: the panel is there, but no button of it.
    fn panel_under(&mut self, at: Point<f64, Logical>) -> Option<Result<Button, ()>> {
        let view = self.lead_view()?;
        let panel = self.panel(view)?;
        let size = panel.picture.size();
        let scale = f64::from(view.scale) / 120.0;
        let corner = Self::panel_at(view, size).to_f64().to_logical(scale) + view.area.loc.to_f64();
        let within = at - corner;
        let inside = Rectangle::from_size(size.to_f64().to_logical(scale)).contains(within);
        let hit = panel.buttons.iter().position(|button| button.to_f64().contains(within));
        let buttons = self.ui.kept.capture.as_ref()?.buttons();
        inside.then(|| hit.and_then(|hit| buttons.get(hit).copied()).ok_or(()))
    }
}

/// A picture of a screen, for the screen.
fn still((mut data, size): crate::screens::Captured) -> transom_theming::Image {
    for pixel in data.chunks_exact_mut(4) {
        pixel[3] = u8::MAX;
    }
    transom_theming::Image { width: size.w as u32, height: size.h as u32, data }
}

/// What of `whole` lies around `hole`: above, below, left, right of it.
fn around(whole: Rectangle<i32, Logical>, hole: Rectangle<i32, Logical>) -> [Rectangle<i32, Logical>; 4] {
    let (end, hole_end) = (whole.loc + whole.size.to_point(), hole.loc + hole.size.to_point());
    let rect = |x: i32, y: i32, right: i32, bottom: i32| {
        Rectangle::new((x, y).into(), ((right - x).max(0), (bottom - y).max(0)).into())
    };
    [
        rect(whole.loc.x, whole.loc.y, end.x, hole.loc.y),
        rect(whole.loc.x, hole_end.y, end.x, end.y),
        rect(whole.loc.x, hole.loc.y, hole.loc.x, hole_end.y),
        rect(hole_end.x, hole.loc.y, end.x, hole_end.y),
    ]
}
