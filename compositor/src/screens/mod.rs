//! The screens of the desktop: which there are, where each is, how large it shows things, and when
//! each is drawn.
//!
//! A back end tells which monitors are plugged in ([`Monitor`]); [`Screens::plan`] says which of them
//! are screens and how ([`Planned`]); the back end drives them so, and [`Desktop::adopt_screens`]
//! takes up what came of it. Each screen has a bar, a scene of its own at its own scale, and a pace of
//! its own: none waits for another.

pub(crate) mod edid;
mod frame;
pub mod gamma;
mod known;
pub mod layout;
mod magnifier;
mod monitor;
pub mod night;
mod pacing;
mod picture;
mod power;
mod ramps;
pub mod said;
pub mod vrr;

use std::{collections::BTreeMap, time::Duration};

use smithay::utils::{Logical, Physical, Point, Rectangle, Size, Transform};
use tracing::warn;
use transom_protocol::{message, types};

use self::{frame::Awaited, known::Known, magnifier::Zoom, pacing::Pacer, power::Dark, said::Said, vrr::Vrr};
pub use self::{
    magnifier::Magnifier,
    monitor::{Hint, Identity, Mode, Monitor},
};
pub(crate) use self::{
    picture::{Captured, rgb},
    ramps::Ramps,
};
use crate::{Desktop, config::OutputConfig, render::view::View, shell};

/// Most screens: as many as a qube can be told of.
const MOST: usize = transom_protocol::limits::MAX_OUTPUTS;

/// How a monitor is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The monitor's number; the same each time it comes.
    pub id: u32,
    /// It is a part of the desktop.
    pub on: bool,
    /// It is not dark.
    pub lit: bool,
    /// Its mode.
    pub mode: Mode,
    /// How it is mounted.
    pub transform: Transform,
    /// Scale in 120ths.
    pub scale: u32,
    /// Its top left corner on the desktop, if that was said.
    pub at: Option<Point<i32, Logical>>,
    /// When its refresh varies.
    pub vrr: Vrr,
}

impl Planned {
    /// Size as it is seen, in device pixels.
    pub fn size(&self) -> Size<i32, Physical> {
        self.transform.transform_size(self.mode.size)
    }

    /// Size in logical pixels: those that are whole.
    fn logical(&self) -> Size<i32, Logical> {
        let size = self.size();
        let whole = |v: i32| (i64::from(v) * 120 / i64::from(self.scale.max(1))).max(1) as i32;
        (whole(size.w), whole(size.h)).into()
    }
}

/// A monitor that is plugged in, and how it is driven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugged {
    /// What its back end tells of it.
    pub monitor: Monitor,
    /// How it is driven.
    pub planned: Planned,
}

/// A screen.
#[derive(Debug)]
pub struct Screen {
    /// Its number, for shell and protocol.
    pub id: u32,
    /// Name of its connector.
    pub name: String,
    /// The piece of the desktop that it shows.
    pub area: Rectangle<i32, Logical>,
    /// Size as it is seen, in device pixels.
    pub size: Size<i32, Physical>,
    /// Scale in 120ths.
    pub scale: u32,
    /// Refresh in millihertz.
    pub refresh: u32,
    /// How it is mounted.
    pub transform: Transform,
    /// Size in millimetres, 0: unknown.
    pub millimetres: (u32, u32),
    /// It is not dark.
    pub lit: bool,
    /// Something to see has changed since the last frame.
    pub dirty: bool,
    /// Frames drawn so far.
    pub frames: u64,
    /// Those of them that changed something.
    pub(crate) changes: u64,
    /// A frame is due by a timer.
    scheduled: bool,
    /// No frame is drawn before this.
    next_frame: Duration,
    /// A frame on its way.
    awaited: Option<Awaited>,
    /// When its refresh is to vary, whether it can, and whether it does.
    pub vrr: Vrr,
    can_vary: bool,
    pub(crate) varies: bool,
    /// A frame that is shown, and when it counts as shown.
    held: Option<(Duration, Awaited)>,
    /// When frames are begun, where the screen says when it shows them.
    pub(crate) pacer: Pacer,
}

impl Screen {
    /// What it shows.
    pub fn view(&self) -> View {
        View { screen: self.id, area: self.area, size: self.size, scale: self.scale }
    }

    /// Its monitor can vary its refresh, as far as is known.
    pub(crate) fn monitor_varies(&self) -> bool {
        self.can_vary
    }

    /// As the protocol tells it.
    fn told(&self) -> message::Output {
        message::Output {
            output: self.id.into(),
            x: self.area.loc.x.into(),
            y: self.area.loc.y.into(),
            width: (self.transform.transform_size(self.size).w as u32).into(),
            height: (self.transform.transform_size(self.size).h as u32).into(),
            width_mm: self.millimetres.0.into(),
            height_mm: self.millimetres.1.into(),
            scale: self.scale.into(),
            refresh: self.refresh.into(),
            transform: match self.transform {
                Transform::Normal => types::Transform::Normal,
                Transform::_90 => types::Transform::Rot90,
                Transform::_180 => types::Transform::Rot180,
                Transform::_270 => types::Transform::Rot270,
                Transform::Flipped => types::Transform::Flipped,
                Transform::Flipped90 => types::Transform::Flipped90,
                Transform::Flipped180 => types::Transform::Flipped180,
                Transform::Flipped270 => types::Transform::Flipped270,
            },
        }
    }
}

/// All screens. See the module's text.
#[derive(Debug)]
pub struct Screens {
    /// Those that are on, in the order of the back end.
    list: Vec<Screen>,
    plugged: Vec<Plugged>,
    known: Known,
    /// What was said while this desktop runs, by number; it goes before the config.
    said: BTreeMap<u32, Said>,
    /// Monitors that are to be dark, by number.
    dark: BTreeMap<u32, Dark>,
    /// Where dom0's own pictures appear: where the pointer is, or was when they opened.
    lead: u32,
    /// Scale of monitors of which nothing else is known, in 120ths.
    scale: u32,
    /// How much larger the one with the pointer is made.
    pub(crate) zoom: Zoom,
}

impl Screens {
    pub(crate) fn new(scale: u32) -> Self {
        Self {
            list: Vec::new(),
            plugged: Vec::new(),
            known: Known::default(),
            said: BTreeMap::new(),
            dark: BTreeMap::new(),
            lead: 0,
            scale,
            zoom: Zoom::default(),
        }
    }

    /// All screens.
    pub fn iter(&self) -> impl Iterator<Item = &Screen> {
        self.list.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Screen> {
        self.list.iter_mut()
    }

    /// One screen.
    pub fn get(&self, id: u32) -> Option<&Screen> {
        self.list.iter().find(|screen| screen.id == id)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Screen> {
        self.list.iter_mut().find(|screen| screen.id == id)
    }

    /// The screen of this connector.
    pub fn named(&self, name: &str) -> Option<&Screen> {
        self.list.iter().find(|screen| screen.name == name)
    }

    /// Every monitor that is plugged in.
    pub fn plugged(&self) -> &[Plugged] {
        &self.plugged
    }

    fn areas(&self) -> Vec<Rectangle<i32, Logical>> {
        self.list.iter().map(|screen| screen.area).collect()
    }

    /// The desktop: the smallest rectangle around all screens. Its corner is at (0, 0).
    pub fn area(&self) -> Rectangle<i32, Logical> {
        layout::area(&self.areas())
    }

    /// The largest scale of a screen, in 120ths.
    pub fn scale(&self) -> u32 {
        self.list.iter().map(|screen| screen.scale).max().unwrap_or(self.scale)
    }

    /// The screen that shows most of a piece of the desktop, else the nearest.
    pub fn best_for(&self, rect: Rectangle<i32, Logical>) -> Option<&Screen> {
        if let [only] = &self.list[..] {
            return Some(only);
        }
        layout::best_for(&self.areas(), rect).and_then(|index| self.list.get(index))
    }

    /// The screen at a place, else the nearest.
    pub fn at(&self, at: Point<f64, Logical>) -> Option<&Screen> {
        self.best_for(Rectangle::new(at.to_i32_floor(), (1, 1).into()))
    }

    /// The screen that dom0's own pictures appear on.
    pub(crate) fn lead(&self) -> Option<&Screen> {
        self.get(self.lead).or(self.list.first())
    }

    /// `true`: it was another.
    pub(crate) fn set_lead(&mut self, at: Point<f64, Logical>) -> bool {
        let lead = self.at(at).map_or(self.lead, |screen| screen.id);
        std::mem::replace(&mut self.lead, lead) != lead
    }

    /// Where a pointer that moves comes to be; see [`layout::slide`].
    pub(crate) fn slide(&self, from: Point<f64, Logical>, to: Point<f64, Logical>) -> Point<f64, Logical> {
        layout::slide(&self.areas(), from, to).unwrap_or(from)
    }

    /// Where a pointer that is put somewhere comes to be.
    pub(crate) fn nearest(&self, at: Point<f64, Logical>) -> Option<Point<f64, Logical>> {
        layout::nearest(&self.areas(), at)
    }

    /// How each monitor is to be driven, in the order given. If all are to be off, the first is on all
    /// the same: a person without a screen could change nothing.
    pub(crate) fn plan(&mut self, monitors: &[Monitor], config: &[OutputConfig]) -> Vec<Planned> {
        let numbers = self.known.numbers(monitors.iter().map(|monitor| &monitor.identity));
        let planned = monitors.iter().zip(numbers).map(|(monitor, id)| self.plan_one(monitor, id, config));
        let mut planned: Vec<Planned> = planned.collect();
        for beyond in planned.iter_mut().filter(|planned| planned.on).skip(MOST) {
            beyond.on = false;
        }
        if let (false, Some(first)) = (planned.iter().any(|planned| planned.on), planned.first_mut()) {
            first.on = true;
        }
        planned
    }

    fn plan_one(&self, monitor: &Monitor, id: u32, config: &[OutputConfig]) -> Planned {
        let config = config.iter().find(|config| config.which.fits(&monitor.identity));
        let hint = Said { scale: monitor.hint.scale, at: monitor.hint.at, ..Said::default() };
        let now = self.said.get(&id).copied().unwrap_or_default();
        let said = now.or(config.map_or_else(Said::default, |config| config.said)).or(hint);
        let mode = said.mode.and_then(|wanted| {
            let found = wanted.of(monitor);
            if found.is_none() {
                warn!(monitor = %monitor.identity, ?wanted, "the monitor has no such mode");
            }
            found
        });
        Planned {
            id,
            on: said.on.unwrap_or(true),
            lit: !self.dark.contains_key(&id),
            mode: mode.unwrap_or(monitor.modes[0]),
            transform: said.transform.unwrap_or(Transform::Normal),
            scale: said.scale.unwrap_or(self.scale),
            at: said.at,
            vrr: said.vrr.unwrap_or_default(),
        }
    }

    /// Takes up monitors as they are driven now. Returns the screens that are gone.
    fn adopt(&mut self, plugged: Vec<Plugged>) -> Vec<u32> {
        let on: Vec<&Plugged> = plugged.iter().filter(|p| p.planned.on).collect();
        let wishes: Vec<_> = on.iter().map(|p| (p.planned.logical(), p.planned.at)).collect();
        let mut old = std::mem::take(&mut self.list);
        for (Plugged { monitor, planned }, area) in on.into_iter().zip(layout::arrange(&wishes)) {
            let before = old.iter().position(|screen| screen.id == planned.id).map(|i| old.swap_remove(i));
            let next_frame = before.as_ref().map_or(Duration::ZERO, |screen| screen.next_frame);
            self.list.push(Screen {
                id: planned.id,
                name: monitor.identity.connector.clone(),
                area,
                size: planned.size(),
                scale: planned.scale,
                refresh: planned.mode.refresh,
                transform: planned.transform,
                millimetres: monitor.millimetres,
                lit: planned.lit,
                dirty: true,
                frames: before.as_ref().map_or(0, |screen| screen.frames),
                changes: before.as_ref().map_or(0, |screen| screen.changes) + 1,
                scheduled: before.as_ref().is_some_and(|screen| screen.scheduled),
                next_frame,
                awaited: None,
                vrr: planned.vrr,
                can_vary: monitor.varies,
                varies: before.as_ref().is_some_and(|screen| screen.varies),
                held: None,
                pacer: Pacer::new(planned.mode.refresh),
            });
        }
        self.plugged = plugged;
        old.into_iter().map(|screen| screen.id).collect()
    }
}

impl Desktop {
    /// Makes these the monitors of a desktop without any of its own (headless, nested).
    pub fn plug(&mut self, monitors: Vec<Monitor>) {
        let planned = self.screens.plan(&monitors, &self.config.outputs);
        let plugged = monitors.into_iter().zip(planned);
        self.adopt_screens(plugged.map(|(monitor, planned)| Plugged { monitor, planned }).collect());
    }

    /// Monitors came, went, or are driven otherwise: everybody hears of it.
    pub(crate) fn adopt_screens(&mut self, plugged: Vec<Plugged>) {
        let could_see = !self.trust.focus.is_blank();
        let gone = self.screens.adopt(plugged);
        self.close_layers_without_screen();
        self.arrange_layers();
        for id in gone {
            self.shell.remove_output(id);
            self.trust.focus.screen_gone(id);
            self.canvas.forget_screen(id);
        }
        // Nobody sees what is on a dark one.
        let dark: Vec<u32> = self.screens.iter().filter(|screen| !screen.lit).map(|s| s.id).collect();
        for id in dark {
            self.trust.focus.screen_gone(id);
            self.canvas.forget_screen(id);
        }
        if could_see && self.trust.focus.is_blank() {
            self.sight_lost();
        }
        let outputs = self.outputs_for_qubes();
        for link in self.qubes.iter_mut() {
            link.set_outputs(outputs.clone());
        }
        self.ui.forget_pictures();
        self.lock.forget_pictures();
        self.damage_all();
        self.sync_keyboard_focus();
        self.pointer_stays_on_screen();
        self.tell_output_managers();
        self.tell_output_power();
        self.sync_ramps();
        self.tell_gamma_controls();
    }

    /// Outputs as the protocol tells them.
    pub(crate) fn outputs_for_qubes(&self) -> Vec<message::Output> {
        self.screens.iter().map(Screen::told).collect()
    }

    /// The part of the screen at a place that windows may fill.
    pub(crate) fn work_area_at(&self, at: Point<i32, Logical>) -> Rectangle<i32, Logical> {
        let usable = self.shell.output_at(shell::Point { x: at.x, y: at.y }).usable;
        Rectangle::new((usable.x, usable.y).into(), (usable.w, usable.h).into())
    }

    /// Something to see has changed, anywhere.
    pub(crate) fn damage_all(&mut self) {
        for screen in self.screens.iter_mut() {
            screen.dirty = true;
        }
    }

    /// Something to see has changed in a piece of the desktop.
    pub(crate) fn damage(&mut self, rect: Rectangle<i32, Logical>) {
        for screen in self.screens.iter_mut().filter(|screen| screen.area.overlaps(rect)) {
            screen.dirty = true;
        }
    }
}
