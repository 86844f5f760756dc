//! What is on its way: a panel from the moment that a program was asked for until its first window.

use std::{collections::HashMap, rc::Rc, time::Duration};

use tracing::info;
use transom_hypervisor::supervisor::{ErrorBody, QubeInfo, RequestBody};
use transom_theming::{Label, StartingSpec};

use super::{
    icon,
    starts::{Start, Starts},
};
use crate::{
    Desktop,
    render::{
        scene::{Item, Picture},
        view::View,
    },
    ui::notices::{Notice, Part},
};

/// Space between two panels, in logical pixels.
const GAP: i32 = 8;

/// Programs that were asked for, and their panels by request, note and scale.
#[derive(Debug, Default)]
pub(crate) struct Starting {
    starts: Starts,
    pictures: HashMap<(u64, &'static str, u32), Rc<Picture>>,
}

impl Starting {
    /// When to look again.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.starts.next_deadline()
    }

    /// The person does something else: what comes now gets the focus no more.
    pub(crate) fn person_went_on(&mut self) {
        self.starts.person_went_on();
    }

    pub(crate) fn forget_pictures(&mut self) {
        self.pictures.clear();
    }
}

impl Desktop {
    /// Asks qubed for a program; the person sees it coming from now on.
    pub(crate) fn begin_start(
        &mut self,
        body: RequestBody,
        qube: &str,
        name: &str,
        icon: Option<Rc<[u8]>>,
        disposable: bool,
    ) {
        let Part::Qube((_, label)) = self.known_qube(qube) else { return };
        match self.send_to_qubed(body) {
            Ok(request) => {
                info!(qube, request, disposable, "a program is on its way");
                let (qube, name) = (qube.to_owned(), name.to_owned());
                let start = Start { request, qube, label, disposable, name, icon, runs: None };
                self.ui.starting.starts.begin(start);
                self.damage_all();
            }
            Err(reason) => self.start_failed_of((qube, label), name, &reason),
        }
    }

    fn start_failed_of(&mut self, (qube, label): (&str, Label), name: &str, reason: &str) {
        let text = format!(": “{name}” does not start: {reason}");
        self.notify(Notice::Runs(vec![Part::Qube((qube.to_owned(), label)), Part::Text(text)]));
    }

    /// A program that was asked for runs. False if the request was about something else.
    pub(crate) fn start_runs(&mut self, request: u64, disposable: Option<&QubeInfo>) -> bool {
        let qube = disposable.map(|info| info.name.as_str().to_owned());
        let link = qube.as_deref().and_then(|name| self.qubes.by_name(name)).map(|link| link.id);
        let mut windows = self.windows.iter().filter(|(key, record)| Some(key.qube) == link && record.mapped);
        let shown = windows.next().map(|(key, _)| *key);
        let starts = &mut self.ui.starting.starts;
        let granted = match shown {
            Some(window) => starts.shown(request).map(|come| come.granted.then_some(window)),
            None => starts.runs(request, qube, self.clock.now()).then_some(None),
        };
        let Some(granted) = granted else { return false };
        if let Some(window) = granted {
            self.focus_window(window);
        }
        self.damage_all();
        true
    }

    /// A program that was asked for does not start. False if the request was about something else.
    pub(crate) fn start_failed(&mut self, request: u64, error: &ErrorBody) -> bool {
        let Some(start) = self.ui.starting.starts.failed(request) else { return false };
        self.start_failed_of((&start.qube, start.label), &start.name, &error.message);
        true
    }

    /// A window of this qube comes for the first time. True if it is that of a program that the person
    /// asked for, and they did nothing since: then it gets the focus.
    pub(crate) fn start_shown(&mut self, qube: &str) -> bool {
        let come = self.ui.starting.starts.window(qube);
        if come.is_some() {
            self.damage_all();
        }
        come.is_some_and(|come| come.granted)
    }

    /// Nobody answers any more.
    pub(crate) fn starts_lost(&mut self) {
        self.ui.starting.starts.clear();
        self.damage_all();
    }

    /// Takes away what shows nothing.
    pub(crate) fn expire_starts(&mut self, now: Duration) {
        if self.ui.starting.starts.expire(now) {
            self.damage_all();
        }
    }

    fn start_note(&self, start: &Start) -> &'static str {
        if start.runs.is_some() {
            "is starting"
        } else if start.disposable {
            "starts in a new disposable qube"
        } else if self.is_running(&start.qube) {
            "is starting"
        } else {
            "waits for its qube to start"
        }
    }

    /// What is on its way, for the control socket.
    pub(crate) fn starting_texts(&self) -> Vec<String> {
        let text = |start: &Start| format!("{}: {} {}", start.qube, start.name, self.start_note(start));
        self.ui.starting.starts.iter().map(text).collect()
    }

    /// Panels in the middle of the screen, the first that was asked for on top.
    pub(crate) fn compose_starting(&mut self, view: View, items: &mut Vec<Item>) {
        let starts: Vec<(Start, &'static str)> =
            self.ui.starting.starts.iter().map(|start| (start.clone(), self.start_note(start))).collect();
        let ui = &mut self.ui;
        if starts.is_empty() {
            ui.starting.pictures.clear();
            return;
        }
        let gap = view.drawn_in().to_device(GAP);
        let pictures: Vec<Rc<Picture>> = starts
            .iter()
            .map(|(start, note)| {
                let key = (start.request, *note, view.scale);
                let painter = &mut ui.painter;
                let drawn = ui.starting.pictures.entry(key).or_insert_with(|| {
                    let spec = StartingSpec {
                        label: start.label,
                        qube: &start.qube,
                        name: &start.name,
                        icon: icon(start.icon.as_ref()),
                        note,
                        scale: view.drawn_in(),
                    };
                    Picture::new(painter.starting(&spec))
                });
                drawn.clone()
            })
            .collect();
        let height: i32 = pictures.iter().map(|picture| picture.size().h + gap).sum::<i32>() - gap;
        let mut top = (view.size.h - height) / 2;
        for picture in pictures {
            let size = picture.size();
            items.push(Item::Picture { picture, at: ((view.size.w - size.w) / 2, top).into(), clip: None });
            top += size.h + gap;
        }
    }
}
