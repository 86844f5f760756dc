//! What the manager shows, for the control socket.

use transom_theming::Place;

use super::{
    form::{Form, Value},
    model::{Focus, Page},
    picture::{form_said, title},
    verbs::VERBS,
};
use crate::Desktop;

fn lines(form: &Form) -> Vec<String> {
    let value = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Choice { choices, chosen, .. } => {
            choices.get(*chosen).map(|choice| choice.text.clone()).unwrap_or_default()
        }
    };
    form.lines.iter().map(|line| format!("{}: {}", line.name, value(&line.value))).collect()
}

impl Desktop {
    /// What it shows.
    pub(crate) fn manager_state(&self) -> Option<crate::ipc::Manager> {
        let manager = self.ui.kept.manager.as_ref()?;
        let model = &manager.model;
        let mut state = crate::ipc::Manager {
            typed: model.typed().to_owned(),
            rows: model
                .seen()
                .map(|(row, ..)| {
                    let (memory, disk) = (row.memory_words(), row.disk_words());
                    let words =
                        [row.state_words().0, row.state_words().1, &memory.0, &memory.1, &disk.0, &disk.1];
                    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
                    format!("{}: {}", row.name, words.join(" "))
                })
                .collect(),
            chosen: model.chosen().map(|row| row.name.clone()),
            verbs: model.verbs().filter(|(_, on, _)| *on).map(|(verb, ..)| verb.text().to_owned()).collect(),
            waits: model.waits(),
            ..crate::ipc::Manager::default()
        };
        match model.page() {
            Page::Table => {
                "table".clone_into(&mut state.page);
                if let (_, all, _) = model.count()
                    && all == 0
                {
                    self.manager_message().clone_into(&mut state.says);
                } else if let Some(said) = model.said() {
                    let name = said.qube.map(|(name, _)| name).unwrap_or_default();
                    let gap = if said.text.starts_with([' ', ':']) || name.is_empty() { "" } else { " " };
                    state.says = format!("{name}{gap}{}", said.text);
                }
                if let Some(Focus::Verb(number)) = model.focus_now() {
                    state.focus = VERBS.get(number).map(|verb| verb.text().to_owned()).unwrap_or_default();
                }
            }
            Page::Form(form) => {
                let (before, after) = title(form);
                let name = form.qube.as_ref().map_or("", |(name, _)| name);
                [before, name, after].join(" ").trim().clone_into(&mut state.page);
                state.lines = lines(form);
                state.says = form_said(form, model.rows());
                let buttons = form.buttons();
                let button =
                    || form.focus.checked_sub(form.lines.len()).and_then(|at| buttons.get(at).copied());
                let line = form.lines.get(form.focus).map(|line| line.name);
                line.or_else(button).unwrap_or_default().clone_into(&mut state.focus);
            }
            Page::Log(log) => {
                state.page = format!("log of {}", log.qube.0);
                state.lines.clone_from(&log.lines);
            }
        }
        if let Some((drawn, view)) =
            manager.drawn.as_ref().zip(self.screens.lead().map(crate::screens::Screen::view))
        {
            let rows: Vec<&str> = model.seen().map(|(row, ..)| row.name.as_str()).collect();
            let line = |number: usize| match model.page() {
                Page::Form(form) => form.lines.get(number).map_or("", |line| line.name),
                _ => "",
            };
            state.places = drawn
                .on_desktop(view)
                .map(|(place, area)| {
                    let name = match place {
                        Place::Row(row) => format!("row {}", rows.get(row).copied().unwrap_or_default()),
                        Place::Verb(verb) => {
                            format!("verb {}", VERBS.get(verb).map_or("", |verb| verb.text()))
                        }
                        Place::Line(at) => format!("line {}", line(at)),
                        Place::Previous(at) => format!("previous {}", line(at)),
                        Place::Next(at) => format!("next {}", line(at)),
                        Place::Button(at) => format!("button {at}"),
                    };
                    (name, area)
                })
                .collect();
        }
        Some(state)
    }
}
