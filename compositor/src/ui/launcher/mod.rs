//! The launcher: programs of all qubes, found by typing, started by a key or a click (rules INTENT, OVER).
//!
//! Qubes list their programs themselves, and may lie: a row says whose it is in dom0's words, and what it starts
//! runs in that qube and nowhere else. What is typed here no qube hears of.

mod model;
mod starting;
mod starts;

use std::rc::Rc;

use smithay::{
    input::keyboard::xkb::keysyms,
    utils::{Logical, Point, Rectangle},
};
use transom_hypervisor::supervisor::{Program, QubeName, RequestBody};
use transom_protocol::service::ICON_SIDE;
use transom_theming::{Icon, LauncherRow, LauncherSpec, Painter};

pub(crate) use self::{
    model::{Entry, Model, Recent, What},
    starting::Starting,
};
use crate::{
    Desktop,
    config::bindings::Mods,
    render::{
        scene::{Item, Picture},
        view::View,
    },
};

/// Most rows that are seen at once.
const MOST_ROWS: usize = 8;
/// Least space above and below, in logical pixels.
const MARGIN: i32 = 24;
/// What the keys do.
const HINT: &str = "Return starts  \u{b7}  Shift + Return: in a new disposable qube  \u{b7}  Escape closes";

/// The open launcher.
#[derive(Debug)]
pub(crate) struct Launcher {
    model: Model,
    /// Only programs of this qube.
    only: Option<String>,
    /// Parts of a wheel's step.
    wheel: i32,
    drawn: Option<Drawn>,
}

/// A launcher as it was drawn: of which revision, with how many rows, at which scale, with qubed there or not.
#[derive(Debug)]
struct Drawn {
    look: (u64, usize, u32, bool),
    picture: Rc<Picture>,
    rows: Vec<Rectangle<i32, Logical>>,
}

impl Launcher {
    pub(super) fn forget_picture(&mut self) {
        self.drawn = None;
    }
}

/// A program's picture for the painter.
pub(super) fn icon(pixels: Option<&Rc<[u8]>>) -> Option<Icon<'_>> {
    pixels.map(|pixels| Icon { side: ICON_SIDE, pixels })
}

impl Desktop {
    /// Opens the launcher, or closes it.
    pub(crate) fn toggle_launcher(&mut self) {
        if self.ui.kept.launcher.is_some() {
            self.close_launcher();
        } else {
            self.open_launcher(None);
        }
    }

    /// Opens the launcher, with the programs of one qube only.
    pub(crate) fn open_launcher(&mut self, only: Option<String>) {
        let asked = self.ui.kept.prompt.is_some() || self.ui.passphrase.is_open();
        if asked || self.lock.covers() || self.ui.leaving.is_some() {
            return;
        }
        if self.shell.switcher().is_some() {
            self.switcher_cancel();
        }
        self.close_overview();
        self.ui.kept.manager = None;
        let model = Model::new(self.launcher_entries(only.as_deref()), self.ui.recent.clone(), MOST_ROWS);
        self.input.compose.reset();
        self.ui.kept.launcher = Some(Launcher { model, only, wheel: 0, drawn: None });
        self.grab_keyboard();
        let now = self.clock.now();
        self.refresh_pointer(now);
        self.damage_all();
    }

    /// Closes it; nothing is started.
    pub(crate) fn close_launcher(&mut self) {
        if self.ui.kept.launcher.take().is_some() {
            self.grab_keyboard();
            let now = self.clock.now();
            self.refresh_pointer(now);
            self.damage_all();
            self.next_question();
        }
    }

    fn launcher_entries(&self, only: Option<&str>) -> Vec<Entry> {
        let mut entries = self.supervisor.as_ref().map(crate::qubes::Supervisor::entries).unwrap_or_default();
        entries.retain(|entry| only.is_none_or(|only| entry.qube == only));
        entries
    }

    /// Qubes or their programs have changed.
    pub(crate) fn refresh_launcher(&mut self) {
        if let Some(launcher) = &self.ui.kept.launcher {
            let entries = self.launcher_entries(launcher.only.as_deref());
            if let Some(launcher) = &mut self.ui.kept.launcher {
                launcher.model.set_entries(entries);
                self.damage_all();
            }
        }
    }

    /// What it shows, for the control socket: what was typed, the rows that are seen, and which is chosen.
    pub(crate) fn launcher_state(&self) -> Option<crate::ipc::Launcher> {
        let launcher = self.ui.kept.launcher.as_ref()?;
        let row = |entry: &Entry| format!("{}: {}", entry.qube, entry.name);
        Some(crate::ipc::Launcher {
            typed: launcher.model.typed().to_owned(),
            rows: launcher.model.seen().map(|(entry, _)| row(entry)).collect(),
            chosen: launcher.model.chosen().map(row),
            message: self.launcher_message(&launcher.model).to_owned(),
        })
    }

    /// What is said where there are no rows.
    fn launcher_message(&self, model: &Model) -> &'static str {
        match model.count() {
            (1.., _) => "",
            _ if self.supervisor.is_none() => "transom-qubed is not there: nothing can be started",
            (0, 0) if self.ui.kept.launcher.as_ref().is_some_and(|launcher| launcher.only.is_some()) => {
                "This qube has not said yet what programs it has"
            }
            (0, 0) => "There are no qubes yet: transom qube create NAME --label COLOUR",
            _ => "Nothing is called that",
        }
    }

    /// A key while it is open.
    pub(crate) fn launcher_key(&mut self, sym: u32) {
        let mods = self.input.keyboard.held_mods();
        let compose = &mut self.input.compose;
        let Some(Launcher { model, .. }) = &mut self.ui.kept.launcher else { return };
        match sym {
            keysyms::KEY_Escape if !model.clear() => return self.close_launcher(),
            keysyms::KEY_Escape => compose.reset(),
            keysyms::KEY_Return | keysyms::KEY_KP_Enter => {
                return self.launch_chosen(mods.meets(Mods::SHIFT));
            }
            keysyms::KEY_Down | keysyms::KEY_Tab => model.step(1),
            keysyms::KEY_Up | keysyms::KEY_ISO_Left_Tab => model.step(-1),
            keysyms::KEY_Page_Down => model.page(true),
            keysyms::KEY_Page_Up => model.page(false),
            keysyms::KEY_Home => model.end(false),
            keysyms::KEY_End => model.end(true),
            keysyms::KEY_u | keysyms::KEY_U if mods.meets(Mods::CTRL) => drop(model.clear()),
            keysyms::KEY_w | keysyms::KEY_W if mods.meets(Mods::CTRL) => model.pop_word(),
            keysyms::KEY_BackSpace => model.pop(),
            _ if mods.meets(Mods::CTRL) => return,
            _ => match compose.character(sym) {
                Some(character) => model.push(character),
                None => return,
            },
        }
        self.damage_all();
    }

    /// The wheel turns while it is open; 120 is a step down.
    pub(crate) fn launcher_wheel(&mut self, parts: i32) {
        if let Some(launcher) = &mut self.ui.kept.launcher {
            launcher.wheel = launcher.wheel.saturating_add(parts);
            let steps = launcher.wheel / 120;
            launcher.wheel -= steps * 120;
            launcher.model.step(steps as isize);
            self.damage_all();
        }
    }

    /// Starts what is chosen; `disposable`: in a new qube that is made like its own.
    fn launch_chosen(&mut self, disposable: bool) {
        let chosen = self.ui.kept.launcher.as_ref().and_then(|launcher| launcher.model.chosen().cloned());
        let Some(entry) = chosen else { return };
        // A qube of which no programs are known has none to start elsewhere.
        let Ok(qube) = QubeName::new(&entry.qube) else { return };
        let body = match &entry.what {
            What::Qube if disposable => return,
            What::Qube => RequestBody::Start { qube },
            What::Program(id) => {
                let program = Program::Listed { id: id.clone() };
                if disposable {
                    RequestBody::RunDisposable { pattern: entry.qube.clone(), label: None, program }
                } else {
                    RequestBody::Open { qube, program }
                }
            }
        };
        self.ui.recent.started(&entry.qube, &entry.what);
        self.close_launcher();
        if entry.what == What::Qube {
            // The bar shows how it starts; there is no window to wait for.
            self.ask_qubed(body);
        } else {
            self.begin_start(body, &entry.qube, &entry.name, entry.icon, disposable);
        }
    }

    fn launcher_slots(&self, view: View) -> usize {
        let room = view.area.size.h - self.ui.theme().bar_height() - 2 * MARGIN;
        (1..=MOST_ROWS).rev().find(|rows| Painter::launcher_height(*rows) <= room).unwrap_or(1)
    }

    fn launcher_picture(&mut self, view: View) -> Option<&Drawn> {
        let slots = self.launcher_slots(view);
        let message =
            self.ui.kept.launcher.as_ref().map(|launcher| self.launcher_message(&launcher.model))?;
        let there = self.supervisor.is_some();
        let ui = &mut self.ui;
        let launcher = ui.kept.launcher.as_mut()?;
        launcher.model.set_slots(slots);
        let look = (launcher.model.revision(), slots, view.scale, there);
        if launcher.drawn.as_ref().is_none_or(|drawn| drawn.look != look) {
            let rows: Vec<LauncherRow<'_>> = launcher
                .model
                .seen()
                .map(|(entry, chosen)| LauncherRow {
                    label: entry.label,
                    qube: &entry.qube,
                    not_isolated: entry.not_isolated,
                    note: if entry.running { "" } else { "halted" },
                    name: &entry.name,
                    comment: &entry.comment,
                    icon: icon(entry.icon.as_ref()),
                    chosen,
                })
                .collect();
            let (fit, all) = launcher.model.count();
            let count = if fit == all { format!("{all}") } else { format!("{fit} of {all}") };
            let spec = LauncherSpec {
                query: launcher.model.typed(),
                count: if all == 0 { "" } else { &count },
                rows: &rows,
                slots,
                message,
                hint: HINT,
                scale: view.drawn_in(),
            };
            let drawn = ui.painter.launcher(&spec);
            let area = |r: &transom_theming::Rect| Rectangle::new((r.x, r.y).into(), (r.w, r.h).into());
            launcher.drawn = Some(Drawn {
                look,
                rows: drawn.rows.iter().map(area).collect(),
                picture: Picture::new(drawn.image),
            });
        }
        launcher.drawn.as_ref()
    }

    pub(super) fn compose_launcher(&mut self, view: View, items: &mut Vec<Item>) {
        let Some(picture) = self.launcher_picture(view).map(|drawn| drawn.picture.clone()) else { return };
        let at = view.centred(picture.size());
        items.push(Item::Picture { picture, at, clip: None });
    }

    /// A press of the left button or a finger while it is open: on a row it starts that, beside it all closes.
    pub(super) fn press_on_launcher(&mut self, view: View, at: Point<f64, Logical>) {
        let Some(drawn) = self.launcher_picture(view) else { return };
        let factor = f64::from(view.scale) / 120.0;
        let size = drawn.picture.size();
        let at = view.inside(size, at);
        let whole = Rectangle::<f64, Logical>::from_size(
            (f64::from(size.w) / factor, f64::from(size.h) / factor).into(),
        );
        let row = drawn.rows.iter().position(|area| area.to_f64().contains(at));
        if !whole.contains(at) {
            self.close_launcher();
            return;
        }
        let Some(launcher) = &mut self.ui.kept.launcher else { return };
        if row.is_some_and(|row| launcher.model.choose_seen(row)) {
            let disposable = self.input.keyboard.held_mods().meets(Mods::SHIFT);
            self.launch_chosen(disposable);
        }
    }
}
