//! Forms of the manager: what is filled in, and what is asked of qubed with it. Pure.

use transom_hypervisor::supervisor::{
    BackendChoice, Changes, LabelName, MAX_NAME, NetworkTo, QubeName, RequestBody,
};
use transom_theming::Label;

use super::rows::{Kind, Row, amount};

/// What a choice stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Label(Label),
    /// A template, or a sandbox.
    Template(Option<String>),
    /// A qube, or no network.
    Network(Option<String>),
    /// An amount; 0: no limit.
    Bytes(u64),
    Yes(bool),
}

/// One of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) text: String,
    pub(crate) label: Option<Label>,
    pub(crate) means: Means,
}

/// What a line holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    /// At least one choice; the one that is chosen, and the one that was at first.
    Choice {
        choices: Vec<Choice>,
        chosen: usize,
        first: usize,
    },
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) value: Value,
    pub(crate) enabled: bool,
    pub(crate) note: &'static str,
}

impl Line {
    fn text(name: &'static str) -> Self {
        Self { name, value: Value::Text(String::new()), enabled: true, note: "" }
    }

    fn choice(name: &'static str, choices: Vec<Choice>, chosen: usize) -> Self {
        let chosen = chosen.min(choices.len().saturating_sub(1));
        Self { name, value: Value::Choice { choices, chosen, first: chosen }, enabled: true, note: "" }
    }

    /// Off, for a reason.
    fn unless(mut self, off: bool, why: &'static str) -> Self {
        if off {
            (self.enabled, self.note) = (false, why);
        }
        self
    }

    /// What is chosen, if it is another than at first.
    fn changed(&self) -> Option<&Means> {
        match &self.value {
            Value::Choice { choices, chosen, first } if chosen != first && self.enabled => {
                choices.get(*chosen).map(|choice| &choice.means)
            }
            _ => None,
        }
    }

    fn chosen(&self) -> Option<&Means> {
        match &self.value {
            Value::Choice { choices, chosen, .. } => choices.get(*chosen).map(|choice| &choice.means),
            Value::Text(_) => None,
        }
    }

    /// Another choice; the ends are the ends.
    fn step(&mut self, forward: bool) {
        if let Value::Choice { choices, chosen, .. } = &mut self.value
            && self.enabled
        {
            *chosen = if forward { *chosen + 1 } else { chosen.saturating_sub(1) }.min(choices.len() - 1);
        }
    }

    /// The next choice that begins with this letter.
    fn jump(&mut self, to: char) {
        if let Value::Choice { choices, chosen, .. } = &mut self.value
            && self.enabled
        {
            let begins = |choice: &Choice| choice.text.to_lowercase().starts_with(to.to_ascii_lowercase());
            let after = (1..=choices.len()).map(|step| (*chosen + step) % choices.len());
            if let Some(found) = after.into_iter().find(|at| begins(&choices[*at])) {
                *chosen = found;
            }
        }
    }
}

/// What a form is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    New,
    Clone,
    Rename,
    Settings,
    Remove,
    Kill,
}

/// A form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) purpose: Purpose,
    /// The qube that it is about; nothing of a new one.
    pub(crate) qube: Option<(String, Label)>,
    pub(crate) lines: Vec<Line>,
    /// The line that has the keys; after them come the two buttons, the safe one first.
    pub(crate) focus: usize,
    /// What it asked for.
    pub(crate) ticket: Option<u64>,
    /// Why it was not done.
    pub(crate) refused: Option<String>,
}

/// Amounts of memory and disk to choose from.
const MEMORY: [u64; 12] = [
    256 << 20,
    512 << 20,
    1 << 30,
    3 << 29,
    2 << 30,
    3 << 30,
    4 << 30,
    6 << 30,
    8 << 30,
    12 << 30,
    16 << 30,
    32 << 30,
];
const DISK: [u64; 14] = [
    1 << 30,
    2 << 30,
    4 << 30,
    8 << 30,
    12 << 30,
    16 << 30,
    24 << 30,
    32 << 30,
    48 << 30,
    64 << 30,
    128 << 30,
    256 << 30,
    512 << 30,
    1 << 40,
];

/// These amounts and the one that there is now; which of them that is.
fn amounts(now: u64, others: impl IntoIterator<Item = u64>) -> (Vec<Choice>, usize) {
    let mut all: Vec<u64> = others.into_iter().chain([now]).collect();
    all.sort_unstable();
    all.dedup();
    let at = all.iter().position(|bytes| *bytes == now).unwrap_or(0);
    let choice = |bytes: u64| {
        let text = if bytes == 0 { "no limit".to_owned() } else { amount(bytes) };
        Choice { text, label: None, means: Means::Bytes(bytes) }
    };
    (all.into_iter().map(choice).collect(), at)
}

fn labels(now: Option<Label>) -> (Vec<Choice>, usize) {
    let choice = |label: Label| Choice {
        text: label.name().to_owned(),
        label: Some(label),
        means: Means::Label(label),
    };
    let at = Label::ALL.iter().position(|label| Some(*label) == now).unwrap_or(0);
    (Label::ALL.into_iter().map(choice).collect(), at)
}

fn template(name: Option<&str>) -> Choice {
    let text = name.unwrap_or("none: a sandbox, not isolated").to_owned();
    Choice { text, label: None, means: Means::Template(name.map(str::to_owned)) }
}

fn network(name: Option<&str>, label: Option<Label>) -> Choice {
    let text = name.unwrap_or("none").to_owned();
    Choice { text, label, means: Means::Network(name.map(str::to_owned)) }
}

impl Form {
    fn of(purpose: Purpose, qube: Option<&Row>, lines: Vec<Line>) -> Self {
        let qube = qube.and_then(|row| Some((row.name.clone(), row.label?)));
        // A question without lines begins with the safe answer.
        Self { purpose, qube, lines, focus: 0, ticket: None, refused: None }
    }

    /// A new qube, like the chosen one or from the chosen template.
    pub(crate) fn new_qube(rows: &[Row], chosen: Option<&Row>) -> Self {
        let names = rows.iter().filter(|row| row.kind == Kind::Template).map(|row| row.name.as_str());
        let mut templates: Vec<Choice> = names.map(|name| template(Some(name))).collect();
        templates.push(template(None));
        let wanted = match chosen {
            Some(row) if row.kind == Kind::Template => Some(row.name.clone()),
            Some(row) => row.template.clone(),
            None => None,
        };
        let like = |choice: &Choice| choice.means == Means::Template(wanted.clone());
        let at = if wanted.is_some() { templates.iter().position(like) } else { None }.unwrap_or(0);
        let (colours, _) = labels(None);
        let lines = vec![
            Line::text("Name"),
            Line::choice("Colour", colours, 0),
            Line::choice("Template", templates, at),
        ];
        Self::of(Purpose::New, None, lines)
    }

    pub(crate) fn clone_of(row: &Row) -> Self {
        Self::of(Purpose::Clone, Some(row), vec![Line::text("Name of the copy")])
    }

    pub(crate) fn rename(row: &Row) -> Self {
        let mut line = Line::text("New name");
        line.value = Value::Text(row.name.clone());
        Self::of(Purpose::Rename, Some(row), vec![line])
    }

    pub(crate) fn remove(row: &Row) -> Self {
        Self::of(Purpose::Remove, Some(row), vec![Line::text("Its name")])
    }

    pub(crate) fn kill(row: &Row) -> Self {
        Self::of(Purpose::Kill, Some(row), Vec::new())
    }

    pub(crate) fn settings(rows: &[Row], row: &Row) -> Self {
        const STOP: &str = "stop it first";
        let up = row.is_up();
        let (colours, colour) = labels(row.label);
        let mut networks = vec![network(None, None)];
        let others = rows.iter().filter(|other| other.lasts() && other.name != row.name && !other.sandbox);
        networks.extend(others.map(|other| network(Some(&other.name), other.label)));
        let now = row.network.as_deref();
        let at = networks.iter().position(|choice| choice.means == Means::Network(now.map(str::to_owned)));
        let at = at.unwrap_or_else(|| {
            // One that is no qube any more, or none that can be chosen.
            networks.push(network(now, None));
            networks.len() - 1
        });
        let no_limit = row.sandbox.then_some(0);
        let (memories, memory) = amounts(row.memory.unwrap_or(0), MEMORY.into_iter().chain(no_limit));
        let mut lines = vec![
            Line::choice("Colour", colours, colour).unless(up, STOP),
            Line::choice("Network through", networks, at).unless(row.sandbox, "a sandbox has none"),
            Line::choice("Memory", memories, memory).unless(up, STOP),
        ];
        if let Some(size) = row.volume {
            let (sizes, at) = amounts(size, DISK.into_iter().filter(|bytes| *bytes > size));
            lines.push(Line::choice("Private volume", sizes, at).unless(up, STOP));
        }
        let starts = [(false, "does not start"), (true, "starts")].map(|(yes, text)| Choice {
            text: text.to_owned(),
            label: None,
            means: Means::Yes(yes),
        });
        lines.push(Line::choice("With the desktop", starts.into(), usize::from(row.start_with_desktop)));
        let mut form = Self::of(Purpose::Settings, Some(row), lines);
        form.focus = form.lines.iter().position(|line| line.enabled).unwrap_or(0);
        form
    }

    /// The buttons, the safe one first.
    pub(crate) fn buttons(&self) -> [&'static str; 2] {
        let does = match self.purpose {
            Purpose::New => "Make it",
            Purpose::Clone => "Clone",
            Purpose::Rename => "Rename",
            Purpose::Settings => "Change",
            Purpose::Remove => "Remove",
            Purpose::Kill => "Kill",
        };
        ["Cancel", does]
    }

    /// What was typed first.
    fn typed(&self) -> &str {
        self.lines
            .iter()
            .find_map(|line| match &line.value {
                Value::Text(text) => Some(text.as_str()),
                Value::Choice { .. } => None,
            })
            .unwrap_or_default()
    }

    fn name(&self) -> &str {
        self.qube.as_ref().map_or("", |(name, _)| name)
    }

    /// Why it cannot be done as it is filled in; an empty text: because nothing is filled in yet.
    pub(crate) fn problem(&self, rows: &[Row]) -> Option<String> {
        let typed = self.typed();
        match self.purpose {
            Purpose::New | Purpose::Clone | Purpose::Rename => {
                if typed.is_empty() || (self.purpose == Purpose::Rename && typed == self.name()) {
                    return Some(String::new());
                }
                if let Err(error) = QubeName::new(typed) {
                    return Some(error.to_string());
                }
                let there = rows.iter().any(|row| row.kind != Kind::Template && row.name == typed);
                there.then(|| format!("There is a qube {typed} already."))
            }
            Purpose::Remove => (typed != self.name()).then(String::new),
            Purpose::Settings => self
                .lines
                .iter()
                .all(|line| line.changed().is_none())
                .then(|| "Nothing is changed yet.".into()),
            Purpose::Kill => None,
        }
    }

    /// What is asked of qubed, one after the other.
    pub(crate) fn requests(&self) -> Vec<RequestBody> {
        self.filled().unwrap_or_default()
    }

    fn filled(&self) -> Option<Vec<RequestBody>> {
        let name = || QubeName::new(self.typed()).ok();
        if self.purpose == Purpose::New {
            let label = self.lines.iter().find_map(|line| match line.chosen() {
                Some(Means::Label(label)) => LabelName::new(label.name()).ok(),
                _ => None,
            })?;
            let template = self.lines.iter().find_map(|line| match line.chosen() {
                Some(Means::Template(template)) => template.clone(),
                _ => None,
            });
            let backend = if template.is_some() { BackendChoice::Auto } else { BackendChoice::Sandbox };
            return Some(vec![RequestBody::Create { name: name()?, label, template, backend, plain: false }]);
        }
        let qube = QubeName::new(self.name()).ok()?;
        Some(match self.purpose {
            Purpose::New => Vec::new(),
            Purpose::Clone => vec![RequestBody::Clone { qube, name: name()? }],
            Purpose::Rename => vec![RequestBody::Rename { qube, name: name()? }],
            Purpose::Remove => vec![RequestBody::Remove { qube }],
            Purpose::Kill => vec![RequestBody::Kill { qube }],
            Purpose::Settings => self.changes(&qube),
        })
    }

    fn changes(&self, qube: &QubeName) -> Vec<RequestBody> {
        let (mut changes, mut to) = (Changes::default(), None);
        for line in &self.lines {
            match line.changed() {
                Some(Means::Label(label)) => changes.label = LabelName::new(label.name()).ok(),
                Some(Means::Bytes(bytes)) if line.name == "Memory" => changes.memory = Some(*bytes),
                Some(Means::Bytes(bytes)) => changes.volume = Some(*bytes),
                Some(Means::Yes(yes)) => changes.start_with_desktop = Some(*yes),
                Some(Means::Network(None)) => to = Some(NetworkTo::Nothing),
                Some(Means::Network(Some(name))) => to = QubeName::new(name).ok().map(NetworkTo::Qube),
                Some(Means::Template(_)) | None => {}
            }
        }
        let mut requests = Vec::new();
        if changes != Changes::default() {
            requests.push(RequestBody::Set { qube: qube.clone(), changes });
        }
        requests.extend(to.map(|to| RequestBody::Network { qube: qube.clone(), to }));
        requests
    }

    /// The qube that is to be chosen once it is done.
    pub(crate) fn makes(&self) -> Option<String> {
        let named = matches!(self.purpose, Purpose::New | Purpose::Clone | Purpose::Rename);
        named.then(|| self.typed().to_owned())
    }

    /// The next line or button that can be used, or the one before; after the last comes the first.
    pub(crate) fn go(&mut self, forward: bool) {
        let all = self.lines.len() + 2;
        for _ in 0..all {
            self.focus = (self.focus + if forward { 1 } else { all - 1 }) % all;
            if self.lines.get(self.focus).is_none_or(|line| line.enabled) {
                return;
            }
        }
    }

    /// Gives a line the keys, if it can be used.
    pub(crate) fn choose_line(&mut self, number: usize) {
        if self.lines.get(number).is_some_and(|line| line.enabled) {
            self.focus = number;
        }
    }

    /// The focused line's other choice.
    pub(crate) fn step(&mut self, forward: bool) {
        self.refused = None;
        match self.lines.get_mut(self.focus) {
            Some(line) => line.step(forward),
            None => self.focus = self.lines.len() + usize::from(forward),
        }
    }

    /// A character for the focused line.
    pub(crate) fn push(&mut self, character: char) {
        self.refused = None;
        match self.lines.get_mut(self.focus) {
            Some(Line { value: Value::Text(text), .. })
                if !character.is_control() && text.chars().count() < MAX_NAME =>
            {
                text.push(character);
            }
            // To a text it changes nothing.
            Some(line) => line.jump(character),
            None => {}
        }
    }

    /// The last character, or all of them, are taken back.
    pub(crate) fn pop(&mut self, all: bool) {
        self.refused = None;
        if let Some(Line { value: Value::Text(text), .. }) = self.lines.get_mut(self.focus) {
            text.pop();
            if all {
                text.clear();
            }
        }
    }

    /// Finds what must not be.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) {
        assert!(self.focus < self.lines.len() + 2);
        assert!(self.lines.get(self.focus).is_none_or(|line| line.enabled));
        for line in &self.lines {
            match &line.value {
                Value::Text(text) => assert!(text.chars().count() <= MAX_NAME),
                Value::Choice { choices, chosen, first } => {
                    assert!(*chosen < choices.len() && *first < choices.len());
                    assert!(line.enabled || chosen == first, "what is off does not change");
                }
            }
        }
    }
}
