//! The qube manager: all qubes in a table, and what can be done with them (rules OVER, NO-STALL).
//!
//! What is typed here no qube hears of. Everything is asked of qubed on the line that is there anyway: answers come
//! when they come, and nothing waits for them.

mod asked;
mod form;
mod model;
mod picture;
mod rows;
mod state;
mod verbs;

use std::{collections::HashMap, time::Duration};

use smithay::{
    input::keyboard::xkb::keysyms,
    utils::{Logical, Point},
};
use transom_hypervisor::supervisor::{KeyringState, QubeUsage, TemplateInfo};

pub(crate) use self::asked::Asked;
use self::{
    model::{Key, Model, Order},
    picture::Drawn,
    rows::Row,
};
use crate::{Desktop, config::bindings::Mods, render::view::View};

/// The open manager.
#[derive(Debug)]
pub(crate) struct Manager {
    model: Model,
    templates: Vec<TemplateInfo>,
    /// By qube.
    used: HashMap<String, QubeUsage>,
    keyring: Option<KeyringState>,
    /// When to ask for figures again; `None` while they are waited for.
    figures_at: Option<Duration>,
    /// Parts of a wheel's step.
    wheel: i32,
    drawn: Option<Drawn>,
}

impl Manager {
    pub(super) fn forget_picture(&mut self) {
        self.drawn = None;
    }
}

impl Desktop {
    /// Opens the manager, or closes it.
    pub(crate) fn toggle_manager(&mut self) {
        if self.ui.kept.manager.is_some() {
            self.close_manager();
        } else {
            self.open_manager(None);
        }
    }

    /// Opens the manager, with this qube chosen. `false`: not now.
    pub(crate) fn open_manager(&mut self, chosen: Option<&str>) -> bool {
        let asked = self.ui.kept.prompt.is_some() || self.ui.passphrase.is_open();
        if asked || self.lock.covers() || self.ui.leaving.is_some() {
            return false;
        }
        if self.shell.switcher().is_some() {
            self.switcher_cancel();
        }
        self.close_overview();
        self.ui.kept.launcher = None;
        self.input.compose.reset();
        let mut model = Model::new(Vec::new());
        if let Some(name) = chosen {
            model.want(name.to_owned());
        }
        let now = self.clock.now();
        self.ui.asked.opened();
        self.ui.kept.manager = Some(Manager {
            model,
            templates: Vec::new(),
            used: HashMap::new(),
            keyring: None,
            figures_at: Some(now),
            wheel: 0,
            drawn: None,
        });
        self.refresh_manager();
        // How many rows are seen, and so which figures are needed, is known once it was laid out.
        if let Some(view) = self.lead_view() {
            self.manager_picture(view);
        }
        self.ask_for_templates();
        self.manager_tick(now);
        self.grab_keyboard();
        self.refresh_pointer(now);
        self.damage_all();
        true
    }

    /// Closes it. What was asked for goes on.
    pub(crate) fn close_manager(&mut self) {
        if self.ui.kept.manager.take().is_some() {
            self.grab_keyboard();
            let now = self.clock.now();
            self.refresh_pointer(now);
            self.damage_all();
            self.next_question();
        }
    }

    /// Qubes have changed, or more is known of them.
    pub(crate) fn refresh_manager(&mut self) {
        let Some(manager) = &mut self.ui.kept.manager else { return };
        let infos = self.supervisor.as_ref().map(crate::qubes::Supervisor::infos).unwrap_or_default();
        let mut rows: Vec<Row> = infos
            .iter()
            .map(|(info, label)| {
                Row::of_qube(info, *label, manager.used.get(info.name.as_str()), manager.keyring)
            })
            .collect();
        let made_from = |name: &str| {
            infos
                .iter()
                .filter(|(info, _)| info.disposable.is_none() && info.template.as_deref() == Some(name))
                .count()
        };
        rows.extend(
            manager.templates.iter().map(|template| Row::of_template(template, made_from(&template.name))),
        );
        manager.model.set_rows(rows);
        self.damage_all();
    }

    /// What it cannot show because nobody tells.
    fn manager_message(&self) -> &'static str {
        match self.ui.kept.manager.as_ref().map(|manager| manager.model.count()) {
            Some((1.., ..)) | None => "",
            _ if self.supervisor.is_none() => "transom-qubed is not there: nothing is known of the qubes",
            Some((_, 0, _)) => "There are no qubes yet: New makes one",
            Some(_) => "Nothing is called that",
        }
    }

    /// A key while it is open.
    pub(crate) fn manager_key(&mut self, sym: u32) {
        let mods = self.input.keyboard.held_mods();
        let (ctrl, compose) = (mods.meets(Mods::CTRL), &mut self.input.compose);
        let Some(Manager { model, .. }) = &mut self.ui.kept.manager else { return };
        let key = match sym {
            keysyms::KEY_Escape => {
                compose.reset();
                Key::Escape
            }
            keysyms::KEY_Return | keysyms::KEY_KP_Enter => Key::Return,
            keysyms::KEY_Down => Key::Down,
            keysyms::KEY_Up => Key::Up,
            keysyms::KEY_Left => Key::Left,
            keysyms::KEY_Right => Key::Right,
            keysyms::KEY_Tab if mods.meets(Mods::SHIFT) => Key::Tab(false),
            keysyms::KEY_Tab => Key::Tab(true),
            keysyms::KEY_ISO_Left_Tab => Key::Tab(false),
            keysyms::KEY_Page_Down => Key::Page(true),
            keysyms::KEY_Page_Up => Key::Page(false),
            keysyms::KEY_Home => Key::End(false),
            keysyms::KEY_End => Key::End(true),
            keysyms::KEY_BackSpace => Key::Backspace,
            keysyms::KEY_u | keysyms::KEY_U if ctrl => Key::Clear,
            _ if ctrl => return,
            _ => match compose.character(sym) {
                Some(character) => Key::Char(character),
                None => return,
            },
        };
        let order = model.key(key);
        self.manager_order(order);
    }

    /// The wheel turns while it is open; 120 is a step down.
    pub(crate) fn manager_wheel(&mut self, parts: i32) {
        if let Some(manager) = &mut self.ui.kept.manager {
            manager.wheel = manager.wheel.saturating_add(parts);
            let steps = manager.wheel / 120;
            manager.wheel -= steps * 120;
            manager.model.wheel(steps as isize);
            self.damage_all();
        }
    }

    /// A press of the left button or a finger while it is open.
    pub(super) fn press_on_manager(&mut self, view: View, at: Point<f64, Logical>) {
        let Some(drawn) = self.manager_picture(view) else { return };
        let hit = drawn.hit(view, at);
        let Some(Manager { model, .. }) = &mut self.ui.kept.manager else { return };
        let order = match hit {
            (false, _) => model.press_beside(),
            (true, None) => None,
            (true, Some(place)) => model.press(place),
        };
        self.manager_order(order);
    }

    fn manager_order(&mut self, order: Option<Order>) {
        self.damage_all();
        match order {
            None => {}
            Some(Order::Close) => self.close_manager(),
            Some(Order::Ask { ticket, requests }) => self.manager_asks(ticket, requests),
            Some(Order::Programs(qube)) => {
                self.close_manager();
                self.open_launcher(Some(qube));
            }
            Some(Order::Log(qube)) => self.ask_for_log(&qube),
        }
    }
}
