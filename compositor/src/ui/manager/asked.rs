//! What the manager has asked of qubed, and what comes of the answers.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tracing::debug;
use transom_hypervisor::supervisor::{ErrorBody, MAX_USAGE, QubeName, ReplyBody, RequestBody};
use transom_protocol::text::clean;

use super::{
    model::Page,
    rows::{Kind, Row},
};
use crate::{
    Desktop,
    ui::notices::{Notice, Part},
};

/// Figures are asked for this long after the last ones came.
const PERIOD: Duration = Duration::from_secs(2);
/// Longest line of a log, in characters.
const LONGEST_LINE: usize = 400;

/// Why something was asked.
#[derive(Debug)]
enum Why {
    /// The person wants it: of which manager, its ticket, about which qube, and what comes after it.
    Wanted {
        session: u64,
        ticket: u64,
        qube: String,
        rest: VecDeque<RequestBody>,
    },
    Figures,
    Keyring,
    Templates,
    Log(String),
}

/// Requests that are not answered yet. They outlive the open manager.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    requests: HashMap<u64, Why>,
    /// Counts managers: tickets of one mean nothing to the next.
    session: u64,
}

impl Asked {
    pub(super) fn opened(&mut self) {
        self.session += 1;
    }

    /// True if this request was the manager's.
    pub(crate) fn knows(&self, request: u64) -> bool {
        self.requests.contains_key(&request)
    }
}

/// The qube that a request is about, or makes.
fn about(body: &RequestBody) -> String {
    let name = match body {
        RequestBody::Create { name, .. } => Some(name),
        other => other.qube(),
    };
    name.map(|name| name.as_str().to_owned()).unwrap_or_default()
}

impl Desktop {
    /// Asks for what the person wants.
    pub(super) fn manager_asks(&mut self, ticket: u64, requests: Vec<RequestBody>) {
        let qube = requests.first().map(about).unwrap_or_default();
        let session = self.ui.asked.session;
        self.manager_goes_on(session, ticket, qube, requests.into());
    }

    fn manager_goes_on(&mut self, session: u64, ticket: u64, qube: String, mut rest: VecDeque<RequestBody>) {
        let Some(next) = rest.pop_front() else {
            self.manager_told(session, ticket, &qube, Ok(()));
            return;
        };
        match self.send_to_qubed(next) {
            Ok(request) => {
                self.ui.asked.requests.insert(request, Why::Wanted { session, ticket, qube, rest });
            }
            Err(reason) => self.manager_told(session, ticket, &qube, Err(reason)),
        }
    }

    /// Something that the person wanted was done, or not. Where nobody looks any more, only the latter is told.
    fn manager_told(&mut self, session: u64, ticket: u64, qube: &str, result: Result<(), String>) {
        let same = self.ui.asked.session == session;
        if let Some(manager) = self.ui.kept.manager.as_mut().filter(|_| same) {
            manager.model.answered(ticket, result);
        } else if let Err(reason) = result {
            let parts = vec![self.known_qube(qube), Part::Text(format!(": {reason}"))];
            self.notify(Notice::Runs(parts));
        }
        self.damage_all();
    }

    fn manager_wants(&mut self, body: RequestBody, why: Why) -> bool {
        match self.send_to_qubed(body) {
            Ok(request) => {
                self.ui.asked.requests.insert(request, why);
                true
            }
            Err(reason) => {
                debug!(reason, "the manager cannot ask");
                false
            }
        }
    }

    pub(super) fn ask_for_templates(&mut self) {
        self.manager_wants(RequestBody::Templates, Why::Templates);
    }

    pub(super) fn ask_for_log(&mut self, qube: &str) {
        if let Ok(name) = QubeName::new(qube) {
            self.manager_wants(RequestBody::Log { qube: name }, Why::Log(qube.to_owned()));
        }
    }

    /// When to ask for figures.
    pub(crate) fn next_figures(&self) -> Option<Duration> {
        self.ui.kept.manager.as_ref().and_then(|manager| manager.figures_at)
    }

    /// Asks for figures of the rows that are seen, if it is time.
    pub(crate) fn manager_tick(&mut self, now: Duration) {
        let Some(manager) = &mut self.ui.kept.manager else { return };
        if manager.figures_at.is_none_or(|at| at > now) {
            return;
        }
        manager.figures_at = None;
        let seen = manager.model.seen().map(|(row, ..)| row).filter(|row: &&Row| row.kind != Kind::Template);
        let qubes: Vec<QubeName> =
            seen.filter_map(|row| QubeName::new(&row.name).ok()).take(MAX_USAGE).collect();
        let log = match manager.model.page() {
            Page::Log(log) => Some(log.qube.0.clone()),
            _ => None,
        };
        self.manager_wants(RequestBody::Keyring, Why::Keyring);
        if let Some(qube) = log {
            self.ask_for_log(&qube);
        }
        let asked = self.manager_wants(RequestBody::Usage { qubes }, Why::Figures);
        if !asked && let Some(manager) = &mut self.ui.kept.manager {
            manager.figures_at = Some(now + PERIOD);
        }
    }

    /// qubed answers something that the manager asked.
    pub(crate) fn manager_answered(&mut self, request: u64, result: Result<ReplyBody, ErrorBody>) {
        let Some(why) = self.ui.asked.requests.remove(&request) else { return };
        let now = self.clock.now();
        match (why, result) {
            (Why::Wanted { session, ticket, qube, rest }, Ok(_)) => {
                self.manager_goes_on(session, ticket, qube, rest);
            }
            (Why::Wanted { session, ticket, qube, .. }, Err(error)) => {
                self.manager_told(session, ticket, &qube, Err(error.message));
            }
            (Why::Figures, result) => {
                let Some(manager) = &mut self.ui.kept.manager else { return };
                manager.figures_at = Some(now + PERIOD);
                if let Ok(ReplyBody::Usage { usage }) = result {
                    manager.used.extend(usage.into_iter().map(|used| (used.qube.as_str().to_owned(), used)));
                }
                self.refresh_manager();
            }
            (Why::Keyring, Ok(ReplyBody::Keyring { state })) => {
                let Some(manager) = &mut self.ui.kept.manager else { return };
                manager.keyring = Some(state);
                self.refresh_manager();
            }
            (Why::Templates, Ok(ReplyBody::Templates { templates })) => {
                let Some(manager) = &mut self.ui.kept.manager else { return };
                manager.templates = templates;
                self.refresh_manager();
            }
            (Why::Log(qube), Ok(ReplyBody::Log { lines, .. })) => {
                let Some(manager) = &mut self.ui.kept.manager else { return };
                // qubed has cleaned them; what is drawn here is not taken on trust.
                let lines = lines.iter().map(|line| clean(line.as_bytes(), LONGEST_LINE)).collect();
                manager.model.set_log(&qube, lines);
            }
            (Why::Log(qube), Err(error)) => {
                let Some(manager) = &mut self.ui.kept.manager else { return };
                manager.model.set_log(&qube, vec![clean(error.message.as_bytes(), LONGEST_LINE)]);
            }
            (why, other) => debug!(?why, ?other, "an answer that says nothing"),
        }
    }

    /// Nobody answers any more.
    pub(crate) fn manager_lost(&mut self) {
        self.ui.asked.requests.clear();
        let now = self.clock.now();
        if let Some(manager) = &mut self.ui.kept.manager {
            manager.model.lost();
            (manager.templates, manager.keyring) = (Vec::new(), None);
            manager.figures_at = Some(now + PERIOD);
        }
        self.refresh_manager();
    }
}
