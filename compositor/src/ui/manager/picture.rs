//! The manager's picture, from what its model holds.

use std::rc::Rc;

use smithay::utils::{Logical, Physical, Point, Rectangle};
use transom_theming::{
    Answer, FormLine, FormValue, Label, LogLine, ManagerForm, ManagerLog, ManagerPage, ManagerRow,
    ManagerSpec, ManagerTable, Painter, Place, Run, Scale, Size, VerbButton,
};

use super::{
    form::{Form, Purpose, Value},
    model::{Log, Model, Page, Said},
    rows::Row,
    verbs::FIRST_LINE,
};
use crate::{
    Desktop,
    render::{
        scene::{Item, Picture},
        view::View,
    },
};

/// What the keys do, on each page.
const HINT: &str = "Return or Tab: what can be done  \u{b7}  Type to search  \u{b7}  Escape closes";
const FORM_HINT: &str =
    "Tab: next  \u{b7}  \u{2190} \u{2192}: other choice  \u{b7}  Return does it  \u{b7}  Escape: back";
const LOG_HINT: &str = "\u{2191} \u{2193}: scroll  \u{b7}  Escape: back";

/// A manager as it was drawn.
#[derive(Debug)]
pub(super) struct Drawn {
    /// Revision, width, rows, scale, and what is said where there are none.
    look: (u64, i32, usize, u32, &'static str),
    pub(super) picture: Rc<Picture>,
    pub(super) places: Vec<(Place, Rectangle<i32, Logical>)>,
    at: Point<i32, Physical>,
}

impl Drawn {
    /// Where its corner is on the desktop.
    fn origin(&self, view: View) -> Point<f64, Logical> {
        let factor = f64::from(view.scale) / 120.0;
        let corner = Point::<f64, Logical>::from((f64::from(self.at.x), f64::from(self.at.y)));
        corner.downscale(factor) + view.area.loc.to_f64()
    }

    /// Whether a point of the desktop lies on it, and what is there that can be pressed.
    pub(super) fn hit(&self, view: View, at: Point<f64, Logical>) -> (bool, Option<Place>) {
        let factor = f64::from(view.scale) / 120.0;
        let at = at - self.origin(view);
        let size = self.picture.size();
        let whole = Rectangle::<f64, Logical>::from_size(
            (f64::from(size.w) / factor, f64::from(size.h) / factor).into(),
        );
        let hit = self.places.iter().rev().find(|(_, area)| area.to_f64().contains(at));
        (whole.contains(at), hit.map(|(place, _)| *place))
    }

    /// Where everything is on the desktop.
    pub(super) fn on_desktop(&self, view: View) -> impl Iterator<Item = (Place, [i32; 4])> {
        let origin = self.origin(view).to_i32_round::<i32>();
        self.places.iter().map(move |(place, area)| {
            let at = area.loc + origin;
            (*place, [at.x, at.y, area.size.w, area.size.h])
        })
    }
}

fn run(qube: &(String, Option<Label>)) -> Run<'_> {
    match qube {
        (name, Some(label)) => Run::Qube { name, label: *label },
        (name, None) => Run::Text(name),
    }
}

fn said_runs(said: &Said) -> Vec<Run<'_>> {
    said.qube.iter().map(run).chain([Run::Text(&said.text)]).collect()
}

/// What a form asks, before and after the name of the qube.
pub(super) fn title(form: &Form) -> (&'static str, &'static str) {
    match form.purpose {
        Purpose::New => ("A new qube", ""),
        Purpose::Clone => ("A copy of", "with all that is in it"),
        Purpose::Rename => ("Another name for", ""),
        Purpose::Settings => ("Settings of", ""),
        Purpose::Remove => ("Remove", "and everything in it for good? Type its name to say so."),
        Purpose::Kill => ("Kill", "at once? Its programs are not asked: what is not saved in them is lost."),
    }
}

/// What is said below a form.
pub(super) fn form_said(form: &Form, rows: &[Row]) -> String {
    match (&form.ticket, &form.refused) {
        (Some(_), _) => "Under way: Escape lets it go on by itself.".to_owned(),
        (None, Some(reason)) if !reason.is_empty() => reason.clone(),
        (None, _) => form.problem(rows).unwrap_or_default(),
    }
}

/// Time, speaker and text of a line of a log.
fn log_line(line: &str) -> LogLine<'_> {
    let parts = line.split_once(' ').and_then(|(time, rest)| {
        let (who, text) = rest.split_once(": ")?;
        let when = time.get(11..19).filter(|_| time.len() == 20)?;
        matches!(who, "qubed" | "agent").then_some(LogLine { when, who, text })
    });
    parts.unwrap_or(LogLine { when: "", who: "", text: line })
}

fn draw(
    painter: &mut Painter,
    model: &Model,
    message: &str,
    layout: (i32, usize, bool),
    scale: Scale,
) -> transom_theming::ManagerImage {
    let (width, slots, small) = layout;
    let spec = |page, hint| ManagerSpec { width, slots, small, page, hint, scale };
    match model.page() {
        Page::Table => {
            let words: Vec<_> = model
                .seen()
                .map(|(row, chosen, first)| {
                    (row, chosen, first, row.note(), row.memory_words(), row.disk_words())
                })
                .collect();
            let rows: Vec<ManagerRow<'_>> = words
                .iter()
                .map(|(row, chosen, first_of_kind, note, memory, disk)| {
                    let (state, of_state, urgent) = row.state_words();
                    ManagerRow {
                        label: row.label,
                        name: &row.name,
                        not_isolated: !row.isolated,
                        mark: row.mark(),
                        note,
                        state: (state, of_state),
                        urgent,
                        memory: (&memory.0, &memory.1),
                        network: row.network.as_deref().unwrap_or_default(),
                        disk: (&disk.0, &disk.1),
                        chosen: *chosen,
                        first_of_kind: *first_of_kind,
                    }
                })
                .collect();
            let verbs: Vec<VerbButton<'_>> = model
                .verbs()
                .map(|(verb, enabled, focused)| VerbButton { text: verb.text(), enabled, focused })
                .collect();
            let (fit, all, first) = model.count();
            let count = if fit == all { format!("{all}") } else { format!("{fit} of {all}") };
            let said = model.said();
            let said = said.as_ref().map(said_runs).unwrap_or_default();
            let table = ManagerTable {
                query: model.typed(),
                count: if all == 0 { "" } else { &count },
                rows: &rows,
                scrolled: (first, fit),
                message,
                said: &said,
                verbs: verbs.split_at(FIRST_LINE.min(verbs.len())),
            };
            painter.manager(&spec(ManagerPage::Table(table), HINT))
        }
        Page::Form(form) => {
            let problem = form.problem(model.rows()).is_some();
            let said = form_said(form, model.rows());
            let (before, after) = title(form);
            let mut words = vec![Run::Text(before)];
            if let Some((name, label)) = &form.qube {
                words.extend([Run::Qube { name, label: *label }, Run::Text(after)]);
            }
            let lines: Vec<FormLine<'_>> = form
                .lines
                .iter()
                .enumerate()
                .map(|(number, line)| FormLine {
                    name: line.name,
                    value: match &line.value {
                        Value::Text(text) => FormValue::Text(text),
                        Value::Choice { choices, chosen, .. } => FormValue::Choice {
                            text: choices.get(*chosen).map_or("", |choice| &choice.text),
                            label: choices.get(*chosen).and_then(|choice| choice.label),
                            more: (*chosen > 0, *chosen + 1 < choices.len()),
                        },
                    },
                    note: line.note,
                    focused: form.focus == number && form.ticket.is_none(),
                    enabled: line.enabled && form.ticket.is_none(),
                })
                .collect();
            let buttons: Vec<Answer<'_>> = form
                .buttons()
                .into_iter()
                .enumerate()
                .map(|(number, text)| Answer {
                    text,
                    enabled: number == 0 || (!problem && form.ticket.is_none()),
                    focused: form.focus == form.lines.len() + number,
                    gives_away: false,
                })
                .collect();
            let page =
                ManagerForm { title: &words, lines: &lines, buttons: &buttons, said: &[Run::Text(&said)] };
            painter.manager(&spec(ManagerPage::Form(page), FORM_HINT))
        }
        Page::Log(Log { qube: (name, label), lines, first, known, .. }) => {
            let title = [Run::Text("Log of"), Run::Qube { name, label: *label }];
            let seen = Painter::manager_log_lines(slots, small);
            let shown: Vec<LogLine<'_>> =
                lines.iter().skip(*first).take(seen).map(|line| log_line(line)).collect();
            let message = if *known { "There is nothing in it yet" } else { "It is being read" };
            let page = ManagerLog { title: &title, lines: &shown, scrolled: (*first, lines.len()), message };
            painter.manager(&spec(ManagerPage::Log(page), LOG_HINT))
        }
    }
}

impl Desktop {
    pub(super) fn manager_picture(&mut self, view: View) -> Option<&Drawn> {
        let message = self.manager_message();
        let bar = self.ui.theme().bar_height();
        let (width, slots, small) = ManagerSpec::fit(Size { w: view.area.size.w, h: view.area.size.h - bar });
        let ui = &mut self.ui;
        let manager = ui.kept.manager.as_mut()?;
        manager.model.set_slots(slots, Painter::manager_log_lines(slots, small));
        let look = (manager.model.revision(), width, slots, view.scale, message);
        if manager.drawn.as_ref().is_none_or(|drawn| drawn.look != look) {
            let scale = view.drawn_in();
            let drawn = draw(&mut ui.painter, &manager.model, message, (width, slots, small), scale);
            let area = |r: &transom_theming::Rect| Rectangle::new((r.x, r.y).into(), (r.w, r.h).into());
            let places = drawn.places.iter().map(|(place, rect)| (*place, area(rect))).collect();
            let picture = Picture::new(drawn.image);
            let (size, bar) = (picture.size(), scale.to_device(bar));
            // In the middle of what the bar leaves.
            let at = ((view.size.w - size.w) / 2, bar + (view.size.h - bar - size.h) / 2).into();
            manager.drawn = Some(Drawn { look, picture, places, at });
        }
        manager.drawn.as_ref()
    }

    pub(in crate::ui) fn compose_manager(&mut self, view: View, items: &mut Vec<Item>) {
        let Some((picture, at)) = self.manager_picture(view).map(|drawn| (drawn.picture.clone(), drawn.at))
        else {
            return;
        };
        items.push(Item::Picture { picture, at, clip: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_who_said_it_only_where_dom0_wrote_that() {
        let line = log_line("2026-01-31T12:34:56Z agent: qubed: hello");
        assert_eq!((line.when, line.who, line.text), ("12:34:56", "agent", "qubed: hello"));
        for odd in ["", "2026-01-31T12:34:56Z dom0: x", "x qubed: y", "2026-01-31T12:34:5\u{e9} qubed: y"] {
            assert_eq!(log_line(odd), LogLine { when: "", who: "", text: odd });
        }
    }
}
