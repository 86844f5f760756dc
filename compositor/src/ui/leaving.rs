//! Logging out: qubes are asked to stop, the person sees for how long, then the desktop ends.

use std::{rc::Rc, time::Duration};

use tracing::info;
use transom_hypervisor::supervisor::RequestBody;
use transom_theming::{NoticeSpec, Run, Scale};

use crate::{
    Desktop,
    render::{
        scene::{Item, Picture},
        view::View,
    },
};

/// Qubes have this long to stop.
const LIMIT: Duration = Duration::from_secs(30);
/// Then they are killed, which takes no longer than this.
const GRACE: Duration = Duration::from_secs(5);

/// The session is about to end.
#[derive(Debug)]
pub(crate) struct Leaving {
    until: Duration,
    drawn: Option<(String, Rc<Picture>)>,
}

impl Leaving {
    /// Scale or theme have changed.
    pub(super) fn forget_picture(&mut self) {
        self.drawn = None;
    }
}

impl Desktop {
    /// Asks the qubes to stop and ends the desktop when they have, or when the time is up. A second time
    /// ends it at once. `false`: not while it is locked.
    pub fn logout(&mut self) -> bool {
        if self.lock.covers() {
            return false;
        }
        let running = self.supervisor.as_ref().map(crate::qubes::Supervisor::running).unwrap_or_default();
        if running.is_empty() || self.ui.leaving.is_some() {
            self.quit();
            return true;
        }
        info!(qubes = running.len(), "the session ends when they have stopped");
        for qube in running {
            self.ask_qubed(RequestBody::Stop { qube, timeout_ms: LIMIT.as_millis() as u64 });
        }
        self.ui.leaving = Some(Leaving { until: self.clock.now() + LIMIT + GRACE, drawn: None });
        self.damage_all();
        true
    }

    /// When to look at it again.
    pub(crate) fn next_leaving(&self) -> Option<Duration> {
        self.ui.leaving.as_ref().map(|_| self.clock.now() + Duration::from_secs(1))
    }

    /// Ends the desktop, if nothing is waited for any more.
    pub(crate) fn leave_when_done(&mut self) {
        let Some(leaving) = &self.ui.leaving else { return };
        let running = self.supervisor.as_ref().map(crate::qubes::Supervisor::running).unwrap_or_default();
        if running.is_empty() || self.clock.now() >= leaving.until {
            self.quit();
        }
    }

    /// What the person is told meanwhile.
    pub(crate) fn leaving_text(&self) -> Option<String> {
        let leaving = self.ui.leaving.as_ref()?;
        let running = self.supervisor.as_ref().map(crate::qubes::Supervisor::running).unwrap_or_default();
        let names: Vec<&str> = running.iter().map(transom_hypervisor::supervisor::QubeName::as_str).collect();
        let left = leaving.until.saturating_sub(self.clock.now()).as_secs();
        Some(format!(
            "The session ends when these have stopped, at the latest in {left} s: {}",
            names.join(", ")
        ))
    }

    pub(crate) fn compose_leaving(&mut self, view: View, items: &mut Vec<Item>) {
        let Some(text) = self.leaving_text() else { return };
        let scale = Scale::new(view.scale);
        let ui = &mut self.ui;
        let Some(leaving) = &mut ui.leaving else { return };
        let kept = leaving.drawn.take().filter(|(drawn, _)| *drawn == text);
        let (_, picture) = leaving.drawn.insert(kept.unwrap_or_else(|| {
            let image = ui.painter.notice(&NoticeSpec { runs: &[Run::Text(&text)], scale });
            (text, Picture::new(image))
        }));
        let (picture, size) = (picture.clone(), picture.size());
        let at = ((view.size.w - size.w) / 2, (view.size.h - size.h) / 2);
        items.push(Item::Picture { picture, at: at.into(), clip: None });
    }
}
