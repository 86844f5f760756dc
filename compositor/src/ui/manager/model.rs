//! What the manager holds: rows, what was typed, what is chosen, which page is open; and what follows from a key or
//! a press. Pure.

use transom_hypervisor::supervisor::{QubeName, RequestBody};
use transom_theming::{Label, Place};

use super::{
    form::{Form, Purpose},
    rows::{Kind, Row, sort},
    verbs::{FIRST_LINE, VERBS, Verb},
};

/// Longest text that is typed, in characters.
const MOST_TYPED: usize = 64;
/// How long a qube may take to stop before it is killed.
const STOP_MS: u64 = 20_000;

/// Where the keys are on the first page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Focus {
    Rows,
    /// On the verb of this number.
    Verb(usize),
}

/// The end of a qube's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) qube: (String, Label),
    /// Clean; none before the answer came.
    pub(crate) lines: Vec<String>,
    pub(crate) first: usize,
    /// What is new is seen as it comes.
    follows: bool,
    /// It was read.
    pub(crate) known: bool,
}

/// What is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    Table,
    Form(Box<Form>),
    Log(Log),
}

/// What is said of something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) qube: Option<(String, Option<Label>)>,
    pub(crate) text: String,
}

/// Something that qubed was asked for and has not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wait {
    ticket: u64,
    qube: String,
    doing: &'static str,
}

/// What follows for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Close,
    /// These requests, each after the one before was done; then [`Model::answered`].
    Ask {
        ticket: u64,
        requests: Vec<RequestBody>,
    },
    /// The launcher with this qube's programs.
    Programs(String),
    /// [`Model::set_log`] for this qube.
    Log(String),
}

/// A key that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Char(char),
    Backspace,
    Clear,
    Up,
    Down,
    Left,
    Right,
    Page(bool),
    End(bool),
    Tab(bool),
    Return,
    Escape,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    rows: Vec<Row>,
    typed: String,
    /// Numbers of the rows that fit what was typed.
    found: Vec<usize>,
    /// Which of them is chosen, and which is seen first; both 0 if there are none.
    chosen: usize,
    first: usize,
    /// How many are seen at once, of rows and of lines of a log; at least 1.
    slots: (usize, usize),
    focus: Focus,
    page: Page,
    said: Option<Said>,
    waits: Vec<Wait>,
    /// Chosen as soon as it is there.
    wanted: Option<String>,
    tickets: u64,
    /// Counts changes, so that a picture is known to be old.
    revision: u64,
}

impl Model {
    pub(crate) fn new(rows: Vec<Row>) -> Self {
        let mut model = Self {
            rows: Vec::new(),
            typed: String::new(),
            found: Vec::new(),
            chosen: 0,
            first: 0,
            slots: (1, 1),
            focus: Focus::Rows,
            page: Page::Table,
            said: None,
            waits: Vec::new(),
            wanted: None,
            tickets: 0,
            revision: 0,
        };
        model.set_rows(rows);
        model
    }

    pub(crate) fn typed(&self) -> &str {
        &self.typed
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn page(&self) -> &Page {
        &self.page
    }

    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How many fit, of how many, and which is seen first.
    pub(crate) fn count(&self) -> (usize, usize, usize) {
        (self.found.len(), self.rows.len(), self.first)
    }

    /// The row at this place of those that fit.
    fn at(&self, place: usize) -> Option<&Row> {
        self.rows.get(*self.found.get(place)?)
    }

    /// Those that are seen, top to bottom: whether each is chosen, and the first of its kind.
    pub(crate) fn seen(&self) -> impl Iterator<Item = (&Row, bool, bool)> {
        (self.first..self.found.len().min(self.first + self.slots.0)).filter_map(|place| {
            let row = self.at(place)?;
            let before = place.checked_sub(1).and_then(|place| self.at(place));
            let first = before.is_some_and(|before| (before.kind == Kind::Qube) != (row.kind == Kind::Qube))
                || before.is_some_and(|b| (b.kind == Kind::Template) != (row.kind == Kind::Template));
            Some((row, place == self.chosen, first))
        })
    }

    pub(crate) fn chosen(&self) -> Option<&Row> {
        self.at(self.chosen)
    }

    /// Where the keys are, on the first page.
    pub(crate) fn focus_now(&self) -> Option<Focus> {
        matches!(self.page, Page::Table).then_some(self.focus)
    }

    /// The verbs: whether each can be used, and whether it has the keys.
    pub(crate) fn verbs(&self) -> impl Iterator<Item = (Verb, bool, bool)> {
        let on = |number| self.focus == Focus::Verb(number);
        (0..).zip(VERBS).map(move |(number, verb)| (verb, verb.fits(self.chosen()).is_ok(), on(number)))
    }

    /// What is said below the table: what came of the last thing that was done, what is waited for, or how the
    /// chosen qube is.
    pub(crate) fn said(&self) -> Option<Said> {
        if let Some(said) = &self.said {
            return Some(said.clone());
        }
        let row = self.chosen()?;
        if let Focus::Verb(number) = self.focus
            && let Some(Err(reason)) = VERBS.get(number).map(|verb| verb.fits(Some(row)))
        {
            return Some(about(row, reason));
        }
        let wait = self.waits.iter().rev().find(|wait| wait.qube == row.name);
        Some(match wait {
            Some(wait) => about(row, wait.doing),
            None => about(row, &row.details()),
        })
    }

    /// Qubes have changed. What is chosen stays so, if it is still there.
    pub(crate) fn set_rows(&mut self, mut rows: Vec<Row>) {
        sort(&mut rows);
        if rows == self.rows {
            return;
        }
        let before = self.chosen().map(|row| (row.kind == Kind::Template, row.name.clone()));
        let (place, first) = (self.chosen, self.first);
        self.rows = rows;
        self.search();
        let find = |name: &str, template: bool| {
            (0..self.found.len()).find(|place| {
                self.at(*place)
                    .is_some_and(|row| row.name == name && (row.kind == Kind::Template) == template)
            })
        };
        let same = before.and_then(|(template, name)| find(&name, template));
        // The view stays where it is as far as it can.
        self.first = first;
        self.choose(same.unwrap_or(place));
        self.choose_wanted();
    }

    /// Another number of rows is seen, and of lines of a log.
    pub(crate) fn set_slots(&mut self, rows: usize, lines: usize) {
        let slots = (rows.max(1), lines.max(1));
        if self.slots != slots {
            self.slots = slots;
            self.choose(self.chosen);
            self.scroll_log(0);
        }
    }

    /// The log came.
    pub(crate) fn set_log(&mut self, qube: &str, lines: Vec<String>) {
        if let Page::Log(log) = &mut self.page
            && log.qube.0 == qube
        {
            if log.known && log.lines == lines {
                return;
            }
            (log.lines, log.known) = (lines, true);
            if log.follows {
                log.first = usize::MAX;
            }
            self.scroll_log(0);
        }
    }

    /// qubed has done what a ticket stands for, or says why not.
    pub(crate) fn answered(&mut self, ticket: u64, result: Result<(), String>) {
        let Some(at) = self.waits.iter().position(|wait| wait.ticket == ticket) else { return };
        let wait = self.waits.remove(at);
        self.revision += 1;
        let of_form = matches!(&self.page, Page::Form(form) if form.ticket == Some(ticket));
        match result {
            Ok(()) if of_form => {
                if let Page::Form(form) = std::mem::replace(&mut self.page, Page::Table)
                    && let Some(name) = form.makes()
                {
                    self.want(name);
                }
            }
            Ok(()) => {}
            Err(reason) => {
                if let Page::Form(form) = &mut self.page
                    && of_form
                {
                    (form.ticket, form.refused) = (None, Some(reason));
                } else {
                    let label = self.rows.iter().find(|row| row.name == wait.qube).and_then(|row| row.label);
                    // Only what qubed says, which begins with the name where it is about one.
                    let text = reason.strip_prefix(&wait.qube).filter(|rest| rest.starts_with([' ', ':']));
                    self.said = Some(match text {
                        Some(text) => Said { qube: Some((wait.qube, label)), text: text.to_owned() },
                        None => Said { qube: Some((wait.qube, label)), text: format!(": {reason}") },
                    });
                }
            }
        }
    }

    /// True if qubed has not answered yet.
    pub(crate) fn waits(&self) -> bool {
        !self.waits.is_empty()
    }

    /// Nobody answers any more.
    pub(crate) fn lost(&mut self) {
        let all: Vec<u64> = self.waits.iter().map(|wait| wait.ticket).collect();
        for ticket in all {
            self.answered(ticket, Err("transom-qubed is gone".to_owned()));
        }
    }

    /// Chooses this qube, as soon as it is there.
    pub(crate) fn want(&mut self, name: String) {
        self.wanted = Some(name);
        self.choose_wanted();
    }

    fn choose_wanted(&mut self) {
        let wanted = |row: &Row| row.kind != Kind::Template && Some(&row.name) == self.wanted.as_ref();
        let Some(at) = self.rows.iter().position(wanted) else { return };
        self.wanted = None;
        if !self.found.contains(&at) {
            // What was typed for another one does not hide it.
            self.typed.clear();
            self.search();
        }
        if let Some(place) = self.found.iter().position(|found| *found == at) {
            self.choose(place);
        }
    }

    /// A key.
    pub(crate) fn key(&mut self, key: Key) -> Option<Order> {
        self.revision += 1;
        match &self.page {
            Page::Table => self.table_key(key),
            Page::Form(_) => self.form_key(key),
            Page::Log(_) => {
                self.log_key(key);
                None
            }
        }
    }

    fn table_key(&mut self, key: Key) -> Option<Order> {
        self.said = None;
        match (key, self.focus) {
            (Key::Char(' ') | Key::Return, Focus::Verb(number)) => {
                return self.verb(number);
            }
            (Key::Char(character), _) => {
                self.focus = Focus::Rows;
                if !character.is_control() && self.typed.chars().count() < MOST_TYPED {
                    self.typed.push(character);
                    self.search();
                }
            }
            (Key::Backspace, _) => {
                if self.typed.pop().is_some() {
                    self.search();
                }
            }
            (Key::Clear, _) => {
                self.typed.clear();
                self.search();
            }
            (Key::Escape, Focus::Verb(_)) => self.focus = Focus::Rows,
            (Key::Escape, Focus::Rows) if self.typed.is_empty() => return Some(Order::Close),
            (Key::Escape, Focus::Rows) => {
                self.typed.clear();
                self.search();
            }
            (Key::Return | Key::Tab(true), Focus::Rows) => self.go_to_verbs(),
            (Key::Tab(false), Focus::Rows) => self.focus = Focus::Verb(VERBS.len() - 1),
            (Key::Up, Focus::Rows) => self.choose(self.chosen.saturating_sub(1)),
            (Key::Down, Focus::Rows) => self.choose(self.chosen.saturating_add(1)),
            (Key::Page(down), _) => {
                let rows = self.slots.0;
                self.choose(if down {
                    self.chosen.saturating_add(rows)
                } else {
                    self.chosen.saturating_sub(rows)
                });
            }
            (Key::End(last), _) => self.choose(if last { usize::MAX } else { 0 }),
            (Key::Left | Key::Right, Focus::Rows) => {}
            (Key::Right | Key::Tab(true), Focus::Verb(number)) if number + 1 < VERBS.len() => {
                self.focus = Focus::Verb(number + 1);
            }
            (Key::Right, Focus::Verb(_)) => self.focus = Focus::Verb(0),
            (Key::Tab(true), Focus::Verb(_)) | (Key::Tab(false), Focus::Verb(0)) => self.focus = Focus::Rows,
            (Key::Left, Focus::Verb(0)) => self.focus = Focus::Verb(VERBS.len() - 1),
            (Key::Left | Key::Tab(false), Focus::Verb(number)) => self.focus = Focus::Verb(number - 1),
            (Key::Up, Focus::Verb(number)) => {
                self.focus = number.checked_sub(FIRST_LINE).map_or(Focus::Rows, Focus::Verb);
            }
            (Key::Down, Focus::Verb(number)) if number < FIRST_LINE => {
                self.focus = Focus::Verb((number + FIRST_LINE).min(VERBS.len() - 1));
            }
            (Key::Down, Focus::Verb(_)) => {}
        }
        None
    }

    /// The keys go to the first verb that can be used.
    fn go_to_verbs(&mut self) {
        let first = VERBS.iter().position(|verb| verb.fits(self.chosen()).is_ok());
        self.focus = Focus::Verb(first.unwrap_or(0));
    }

    fn form_key(&mut self, key: Key) -> Option<Order> {
        let Page::Form(form) = &mut self.page else { return None };
        if form.ticket.is_some() && key != Key::Escape {
            return None;
        }
        match key {
            Key::Escape => self.page = Page::Table,
            Key::Return if form.focus == form.lines.len() => self.page = Page::Table,
            Key::Return => return self.submit(),
            Key::Tab(forward) => form.go(forward),
            Key::Down => form.go(true),
            Key::Up => form.go(false),
            Key::Left => form.step(false),
            Key::Right => form.step(true),
            Key::Char(character) => form.push(character),
            Key::Backspace => form.pop(false),
            Key::Clear => form.pop(true),
            Key::Page(_) | Key::End(_) => {}
        }
        None
    }

    fn log_key(&mut self, key: Key) {
        let page = isize::try_from(self.slots.1).unwrap_or(isize::MAX);
        match key {
            Key::Escape | Key::Return | Key::Char('q') => self.page = Page::Table,
            Key::Up => self.scroll_log(-1),
            Key::Down => self.scroll_log(1),
            Key::Page(down) => self.scroll_log(if down { page } else { -page }),
            Key::End(last) => self.scroll_log(if last { isize::MAX } else { isize::MIN }),
            _ => {}
        }
    }

    fn scroll_log(&mut self, lines: isize) {
        if let Page::Log(log) = &mut self.page {
            let last = log.lines.len().saturating_sub(self.slots.1);
            log.first = log.first.min(last).saturating_add_signed(lines).min(last);
            log.follows = log.first == last;
            self.revision += 1;
        }
    }

    /// A wheel turned by so many steps, down.
    pub(crate) fn wheel(&mut self, steps: isize) {
        match &self.page {
            Page::Table => self.choose(self.chosen.saturating_add_signed(steps)),
            Page::Log(_) => self.scroll_log(steps.saturating_mul(3)),
            Page::Form(_) => {}
        }
    }

    /// A press on something.
    pub(crate) fn press(&mut self, place: Place) -> Option<Order> {
        self.revision += 1;
        match place {
            Place::Row(row) => {
                if row < self.slots.0 && self.first + row < self.found.len() {
                    (self.said, self.focus) = (None, Focus::Rows);
                    self.choose(self.first + row);
                }
                None
            }
            Place::Verb(number) if number < VERBS.len() => {
                self.said = None;
                self.focus = Focus::Verb(number);
                self.verb(number)
            }
            Place::Button(number) => match &mut self.page {
                Page::Form(_) if number == 0 => {
                    self.page = Page::Table;
                    None
                }
                Page::Form(form) if form.ticket.is_some() => None,
                Page::Form(form) => {
                    form.focus = form.lines.len() + 1;
                    self.submit()
                }
                Page::Log(_) => {
                    self.page = Page::Table;
                    None
                }
                Page::Table => None,
            },
            Place::Line(number) | Place::Previous(number) | Place::Next(number) => {
                if let Page::Form(form) = &mut self.page
                    && form.ticket.is_none()
                    && number < form.lines.len()
                {
                    form.choose_line(number);
                    if form.focus == number && !matches!(place, Place::Line(_)) {
                        form.step(matches!(place, Place::Next(_)));
                    }
                }
                None
            }
            Place::Verb(_) => None,
        }
    }

    /// A press beside it all.
    pub(crate) fn press_beside(&self) -> Option<Order> {
        // What is being filled in is not lost by a slip.
        (!matches!(self.page, Page::Form(_))).then_some(Order::Close)
    }

    /// Does what a verb says, or says why not.
    fn verb(&mut self, number: usize) -> Option<Order> {
        let verb = *VERBS.get(number)?;
        let row = self.chosen().cloned();
        if let Err(reason) = verb.fits(row.as_ref()) {
            self.said = Some(match &row {
                Some(row) => about(row, reason),
                None => Said { qube: None, text: reason.to_owned() },
            });
            return None;
        }
        if verb == Verb::New {
            self.page = Page::Form(Box::new(Form::new_qube(&self.rows, row.as_ref())));
            return None;
        }
        let row = row?;
        let qube = QubeName::new(&row.name).ok()?;
        let stop = RequestBody::Stop { qube: qube.clone(), timeout_ms: STOP_MS };
        let (doing, requests) = match verb {
            Verb::Start => ("is being started", vec![RequestBody::Start { qube }]),
            Verb::Stop => ("is being stopped", vec![stop]),
            Verb::Restart => ("is being stopped and started", vec![stop, RequestBody::Start { qube }]),
            Verb::Pause => ("is being paused", vec![RequestBody::Pause { qube }]),
            Verb::Resume => ("is being resumed", vec![RequestBody::Resume { qube }]),
            Verb::Programs => return Some(Order::Programs(row.name)),
            Verb::Log => {
                let qube = (row.name.clone(), row.label?);
                self.page = Page::Log(Log { qube, lines: Vec::new(), first: 0, follows: true, known: false });
                return Some(Order::Log(row.name));
            }
            Verb::Kill => return self.open(Form::kill(&row)),
            Verb::Clone => return self.open(Form::clone_of(&row)),
            Verb::Rename => return self.open(Form::rename(&row)),
            Verb::Settings => return self.open(Form::settings(&self.rows, &row)),
            Verb::Remove => return self.open(Form::remove(&row)),
            Verb::New => return None,
        };
        Some(self.ask(row.name, doing, requests))
    }

    fn open(&mut self, form: Form) -> Option<Order> {
        self.page = Page::Form(Box::new(form));
        None
    }

    fn ask(&mut self, qube: String, doing: &'static str, requests: Vec<RequestBody>) -> Order {
        self.tickets += 1;
        self.waits.push(Wait { ticket: self.tickets, qube, doing });
        Order::Ask { ticket: self.tickets, requests }
    }

    /// Does what a form says, if it is filled in.
    fn submit(&mut self) -> Option<Order> {
        let Page::Form(form) = &mut self.page else { return None };
        if let Some(problem) = form.problem(&self.rows) {
            form.refused = Some(problem);
            return None;
        }
        let requests = form.requests();
        if requests.is_empty() {
            return None;
        }
        let doing = match form.purpose {
            Purpose::New => "is being made",
            Purpose::Clone => "is being cloned",
            Purpose::Rename => "is being renamed",
            Purpose::Settings => "is being changed",
            Purpose::Remove => "is being removed",
            Purpose::Kill => "is being killed",
        };
        let qube =
            form.qube.as_ref().map(|(name, _)| name.clone()).or_else(|| form.makes()).unwrap_or_default();
        form.refused = None;
        let order = self.ask(qube, doing, requests);
        if let (Page::Form(form), Order::Ask { ticket, .. }) = (&mut self.page, &order) {
            form.ticket = Some(*ticket);
        }
        Some(order)
    }

    fn choose(&mut self, place: usize) {
        if place != self.chosen {
            self.said = None;
        }
        self.chosen = place.min(self.found.len().saturating_sub(1));
        let last_first = self.found.len().saturating_sub(self.slots.0);
        let lowest = (self.chosen + 1).saturating_sub(self.slots.0);
        self.first = self.first.clamp(lowest, self.chosen).min(last_first);
        self.revision += 1;
    }

    fn search(&mut self) {
        let words: Vec<String> = self.typed.split_whitespace().map(str::to_lowercase).collect();
        self.found = (0..self.rows.len()).filter(|at| self.rows[*at].fits(&words)).collect();
        self.first = 0;
        self.choose(0);
    }
}

fn about(row: &Row, text: &str) -> Said {
    Said { qube: Some((row.name.clone(), row.label)), text: text.to_owned() }
}

#[cfg(test)]
mod tests;
