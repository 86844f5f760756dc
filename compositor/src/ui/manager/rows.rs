//! What a row of the manager says: a qube, a disposable or a template. Pure.

use transom_hypervisor::supervisor::{
    Backend, Disposable, KeyringState, QubeInfo, QubeState, QubeUsage, Storage, TemplateInfo,
};
use transom_theming::{Label, QubeMark};

/// What it is. Rows stand in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Qube,
    Disposable,
    /// A disposable that waits for a program.
    Spare,
    Template,
}

/// What it is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Halted,
    Starting,
    Running,
    Paused,
    Stopping,
    Failed,
}

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    /// A template has none.
    pub(crate) label: Option<Label>,
    pub(crate) isolated: bool,
    pub(crate) sandbox: bool,
    pub(crate) state: State,
    pub(crate) template: Option<String>,
    /// Bytes that it has; `None`: as many as it likes.
    pub(crate) memory: Option<u64>,
    pub(crate) network: Option<String>,
    /// Bytes of its volume, if it has one.
    pub(crate) volume: Option<u64>,
    pub(crate) start_with_desktop: bool,
    /// Bytes in use, as far as that is known.
    pub(crate) memory_used: Option<u64>,
    pub(crate) disk_used: Option<u64>,
    /// There is more on the disk than was counted.
    pub(crate) disk_more: bool,
    /// So many packages could be newer, it says.
    pub(crate) updates: Option<u32>,
    /// It cannot start before the passphrase was given.
    pub(crate) locked: bool,
    /// Why its file cannot be used.
    pub(crate) problem: Option<String>,
    /// Why it does not run.
    pub(crate) failure: Option<String>,
    /// Of a template: so many qubes are made from it.
    pub(crate) qubes: usize,
}

/// An amount for people.
pub(crate) fn amount(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut number, mut unit) = (bytes as f64 / 1024.0, 0);
    // From 1000 on, not 1024: no more than four characters before the unit.
    while number >= 999.5 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    let whole = number.fract() < 0.05 || number.fract() > 0.95 || number >= 100.0 || unit == 0;
    if whole { format!("{number:.0} {}", UNITS[unit]) } else { format!("{number:.1} {}", UNITS[unit]) }
}

impl Row {
    /// A qube as qubed tells of it.
    pub(crate) fn of_qube(
        info: &QubeInfo,
        label: Label,
        used: Option<&QubeUsage>,
        keyring: Option<KeyringState>,
    ) -> Self {
        let (state, failure) = match &info.state {
            QubeState::Halted => (State::Halted, None),
            QubeState::Starting => (State::Starting, None),
            QubeState::Running => (State::Running, None),
            QubeState::Paused => (State::Paused, None),
            QubeState::Stopping => (State::Stopping, None),
            QubeState::Failed { reason } => (State::Failed, Some(reason.clone())),
        };
        let down = !info.state.is_up();
        Self {
            kind: match info.disposable {
                None => Kind::Qube,
                Some(Disposable::InUse) => Kind::Disposable,
                Some(Disposable::Spare) => Kind::Spare,
            },
            name: info.name.as_str().to_owned(),
            label: Some(label),
            isolated: info.isolated,
            sandbox: info.backend == Backend::Sandbox,
            state,
            template: info.template.clone(),
            memory: info.settings.memory,
            network: info.settings.network.as_ref().map(|name| name.as_str().to_owned()),
            volume: info.settings.volume,
            start_with_desktop: info.settings.start_with_desktop,
            memory_used: used.and_then(|used| used.memory).filter(|_| !down),
            disk_used: used.and_then(|used| used.disk),
            disk_more: used.is_some_and(|used| used.more),
            updates: used.and_then(|used| used.updates),
            locked: down
                && info.storage == Storage::Encrypted
                && matches!(keyring, Some(KeyringState::Locked | KeyringState::Missing)),
            problem: info.problem.clone(),
            failure,
            qubes: 0,
        }
    }

    /// A template that so many qubes are made from.
    pub(crate) fn of_template(template: &TemplateInfo, qubes: usize) -> Self {
        Self {
            kind: Kind::Template,
            name: template.name.clone(),
            label: None,
            isolated: true,
            sandbox: false,
            state: State::Halted,
            template: None,
            memory: None,
            network: None,
            volume: None,
            start_with_desktop: false,
            memory_used: None,
            disk_used: Some(template.disk),
            disk_more: false,
            updates: None,
            locked: false,
            problem: None,
            failure: None,
            qubes,
        }
    }

    /// It is there when it does not run.
    pub(crate) fn lasts(&self) -> bool {
        self.kind == Kind::Qube
    }

    /// It has a machine.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.state, State::Starting | State::Running | State::Paused | State::Stopping)
    }

    /// How its swatch is filled.
    pub(crate) fn mark(&self) -> QubeMark {
        match (self.kind, self.state) {
            (Kind::Template, _) | (_, State::Running) => QubeMark::Running,
            (_, State::Starting | State::Paused | State::Stopping) => QubeMark::Starting,
            (_, State::Halted | State::Failed) => QubeMark::Halted,
        }
    }

    /// What it is, behind its name.
    pub(crate) fn note(&self) -> String {
        let template = self.template.as_deref();
        match (self.kind, template) {
            (Kind::Qube, template) => template.unwrap_or_default().to_owned(),
            (Kind::Disposable, None) => "disposable".to_owned(),
            (Kind::Disposable, Some(template)) => format!("disposable of {template}"),
            (Kind::Spare, _) => "disposable, ready for a program".to_owned(),
            (Kind::Template, _) if self.qubes == 0 => "template of no qube yet".to_owned(),
            (Kind::Template, _) if self.qubes == 1 => "template of 1 qube".to_owned(),
            (Kind::Template, _) => format!("template of {} qubes", self.qubes),
        }
    }

    /// Its state, what is to be said of that, and whether the person is needed for it.
    pub(crate) fn state_words(&self) -> (&'static str, &'static str, bool) {
        let word = match self.state {
            _ if self.kind == Kind::Template => return ("", "", false),
            State::Halted => "halted",
            State::Starting => "starting",
            State::Running => "running",
            State::Paused => "paused",
            State::Stopping => "stopping",
            State::Failed => "failed",
        };
        match self {
            Self { problem: Some(_), .. } => (word, "bad file: see below", true),
            Self { failure: Some(_), .. } => (word, "see below", true),
            Self { locked: true, .. } => (word, "needs passphrase", true),
            Self { start_with_desktop: true, .. } => (word, "with the desktop", false),
            _ => (word, "", false),
        }
    }

    /// Its memory in use, and how much it has.
    pub(crate) fn memory_words(&self) -> (String, String) {
        let all = match (self.kind, self.memory) {
            (Kind::Template, _) => String::new(),
            (_, Some(bytes)) => amount(bytes),
            (_, None) => "no limit".to_owned(),
        };
        match (self.memory_used, self.memory) {
            (Some(used), Some(_)) => (amount(used), format!("of {all}")),
            (Some(used), None) => (amount(used), all),
            (None, _) => (all, String::new()),
        }
    }

    /// What it takes on the disk, and how much it may.
    pub(crate) fn disk_words(&self) -> (String, String) {
        let more = if self.disk_more { "> " } else { "" };
        let used = self.disk_used.map(|bytes| format!("{more}{}", amount(bytes)));
        match (used, self.volume) {
            (Some(used), Some(size)) => (used, format!("of {}", amount(size))),
            (Some(used), None) => (used, String::new()),
            (None, Some(size)) => (amount(size), String::new()),
            (None, None) => (String::new(), String::new()),
        }
    }

    /// All that is to be said of it in words, behind its name.
    pub(crate) fn details(&self) -> String {
        if self.kind == Kind::Template {
            return "is a template: new qubes can be made from it".to_owned();
        }
        if let Some(reason) = self.problem.as_ref().or(self.failure.as_ref()) {
            return format!(": {reason}");
        }
        let mut parts = vec![self.state_words().0.to_owned()];
        if self.locked {
            parts.push("its volume waits for the passphrase: Start asks for it".to_owned());
        }
        if !self.isolated {
            parts.push("not isolated: it shares dom0's kernel".to_owned());
        }
        match self.kind {
            Kind::Disposable => parts.push("gone with its last window".to_owned()),
            Kind::Spare => parts.push("waits for a program".to_owned()),
            _ => {}
        }
        parts.extend(self.template.as_ref().map(|name| format!("made from {name}")));
        parts.extend(self.network.as_ref().map(|name| format!("network through {name}")));
        if self.network.is_none() && !self.sandbox {
            parts.push("no network".to_owned());
        }
        match self.updates {
            None | Some(0) => {}
            Some(1) => parts.push("says that there is 1 update".to_owned()),
            Some(updates) => parts.push(format!("says that there are {updates} updates")),
        }
        if self.start_with_desktop {
            parts.push("starts with the desktop".to_owned());
        }
        format!("is {}", parts.join("; "))
    }

    /// True if every word is found in it.
    pub(crate) fn fits(&self, words: &[String]) -> bool {
        let (state, note, _) = self.state_words();
        let label = self.label.map_or("", Label::name);
        let isolated = if self.isolated { "" } else { "not isolated" };
        let (kind, network) = (self.note(), self.network.as_deref().unwrap_or_default());
        let all = [self.name.as_str(), state, note, label, isolated, &kind, network];
        words.iter().all(|word| all.iter().any(|text| text.to_lowercase().contains(word)))
    }
}

/// Puts rows in order: qubes, disposables, templates, each by name.
pub(crate) fn sort(rows: &mut [Row]) {
    rows.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (bytes, text) in [
            (0, "0 KiB"),
            (4096, "4 KiB"),
            (1 << 20, "1 MiB"),
            (612 << 20, "612 MiB"),
            (1 << 30, "1 GiB"),
            (1_288_490_189, "1.2 GiB"),
            ((1 << 30) - 1, "1 GiB"),
            (1_000 << 20, "1 GiB"),
            (8 << 40, "8 TiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(amount(bytes), text, "{bytes}");
        }
    }
}
