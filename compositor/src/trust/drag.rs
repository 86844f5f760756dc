//! Drag and drop between qubes (rule INTENT): a held button drags, its release over another qube
//! drops.
//!
//! A pure state machine: presses that the caller has found to be held, releases, answers of qubes and
//! times go in, [`Effect`]s come out. Until it is dropped and, where a rule wants that, the person has
//! said yes, nothing is fetched; the qube below learns nothing before it gets it, and the source learns
//! nothing of where it went (NO-ORACLE).

use std::time::Duration;

use smithay::utils::{Logical, Point};
use transom_protocol::supervisor::DOM0;

use super::{
    QubeId,
    clipboard::ClipboardConfig,
    fetch::{Fetch, Fetched, Piece, choose, kind},
    policy::{Decision, Policy},
};
use crate::render::scene::SurfaceKey;

/// Requests of drags are told from those of the clipboard by this bit of their serials.
const OWN: u32 = 1 << 31;

/// How files are named.
const FILES: &str = "text/uri-list";

/// Where something is dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The window.
    pub window: SurfaceKey,
    /// Name of its qube.
    pub name: String,
    /// The place in the window.
    pub at: Point<f64, Logical>,
}

/// What would come of a drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is dropped.
    Drops,
    /// The person is asked.
    Asks,
    /// A rule forbids it.
    Denied,
    /// Nothing of it can cross.
    Nothing,
}

/// Something a person is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// It went into a qube.
    Dropped {
        /// Source.
        from: String,
        /// Destination.
        to: String,
        /// Bytes of the preferred MIME type.
        bytes: usize,
    },
    /// A rule or the person forbids it.
    Denied {
        /// Source.
        from: String,
        /// Destination.
        to: String,
    },
    /// Nothing was dropped.
    Failed {
        /// Source.
        from: String,
        /// Why not, in dom0's words.
        reason: String,
    },
}

/// What the desktop has to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// The drag of this press may go over all windows of the qube.
    Take {
        /// Whose.
        qube: QubeId,
        /// The press.
        press: u32,
    },
    /// It is over.
    Over {
        /// Whose.
        qube: QubeId,
        /// The press.
        press: u32,
    },
    /// Ask the source for what is dragged.
    Request {
        /// Whom.
        qube: QubeId,
        /// Name of the request.
        serial: u32,
        /// As what.
        mime: String,
    },
    /// What it still sends is of no interest.
    Cancel {
        /// Whom.
        qube: QubeId,
        /// Name of the request.
        serial: u32,
    },
    /// Ask the person.
    Ask {
        /// Name of the question.
        prompt: u64,
        /// Source.
        from: String,
        /// Destination.
        to: String,
        /// What it is, in dom0's words.
        what: &'static str,
    },
    /// The question is void.
    CloseAsk {
        /// Name of the question.
        prompt: u64,
    },
    /// Give it to a qube.
    Drop {
        /// Where.
        place: Place,
        /// MIME types and their bytes.
        types: Fetched,
    },
    /// Tell the person.
    Notice(NoticeKind),
}

/// What is dragged.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Dragged {
    qube: QubeId,
    from: String,
    press: u32,
    types: Vec<String>,
}

impl Dragged {
    /// What it is, in dom0's words.
    fn what(&self) -> &'static str {
        match choose(&self.types).first().map(String::as_str) {
            Some(FILES) => "links",
            Some(mime) => kind(mime),
            None => "something",
        }
    }

    fn over(&self) -> Effect {
        Effect::Over { qube: self.qube, press: self.press }
    }

    fn failed(&self, reason: impl Into<String>) -> Effect {
        Effect::Notice(NoticeKind::Failed { from: self.from.clone(), reason: reason.into() })
    }

    fn denied(&self, to: &str) -> Effect {
        Effect::Notice(NoticeKind::Denied { from: self.from.clone(), to: to.to_owned() })
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
enum State {
    #[default]
    Idle,
    /// The button is down.
    Held(Dragged),
    /// It was dropped; the person is asked.
    Asking { dragged: Dragged, place: Place, prompt: u64, deadline: Duration },
    /// It was dropped, and is fetched.
    Fetching { dragged: Dragged, place: Place, fetch: Fetch, deadline: Duration },
}

/// See the module's text.
#[derive(Debug)]
pub struct Drag {
    policy: Policy,
    clipboard: ClipboardConfig,
    state: State,
    serial: u32,
    prompt: u64,
}

impl Drag {
    /// Nothing is dragged. Sizes and times are the clipboard's.
    pub fn new(policy: Policy, clipboard: ClipboardConfig) -> Self {
        Self { policy, clipboard, state: State::Idle, serial: 0, prompt: 0 }
    }

    /// Other settings. A drag under way goes on.
    pub fn reconfigure(&mut self, policy: Policy, clipboard: ClipboardConfig) {
        (self.policy, self.clipboard) = (policy, clipboard);
    }

    /// A program drags, with a press that the person holds on a window of its qube.
    pub fn start(&mut self, qube: QubeId, name: &str, press: u32, types: Vec<String>) -> Vec<Effect> {
        // One at a time: while an earlier one is asked about or fetched, this one stays in its window.
        if self.state != State::Idle {
            return Vec::new();
        }
        self.state = State::Held(Dragged { qube, from: name.to_owned(), press, types });
        vec![Effect::Take { qube, press }]
    }

    /// The qube whose drag is held.
    pub fn held(&self) -> Option<QubeId> {
        match &self.state {
            State::Held(dragged) => Some(dragged.qube),
            _ => None,
        }
    }

    /// Source and, in dom0's words, what is dragged while the button is down.
    pub fn card(&self) -> Option<(&str, &'static str)> {
        match &self.state {
            State::Held(dragged) => Some((&dragged.from, dragged.what())),
            _ => None,
        }
    }

    /// What a drop on this qube would come to; `None`: nothing is held.
    pub fn verdict(&self, to: &str) -> Option<Verdict> {
        match &self.state {
            State::Held(dragged) => Some(self.decide(dragged, to)),
            _ => None,
        }
    }

    /// Nothing is dropped into dom0 or out of it, and nothing that may not be pasted either.
    fn decide(&self, dragged: &Dragged, to: &str) -> Verdict {
        let from = dragged.from.as_str();
        let denied = |policy: &Policy| policy.decide(from, to) == Decision::Deny;
        if to == DOM0 || from == DOM0 || denied(&self.clipboard.policy) || denied(&self.policy) {
            return Verdict::Denied;
        }
        if choose(&dragged.types).is_empty() {
            return Verdict::Nothing;
        }
        match self.policy.decide(from, to) {
            Decision::Allow => Verdict::Drops,
            _ => Verdict::Asks,
        }
    }

    /// The button is up over a window of the source's own qube, which was told of that.
    pub fn released_at_home(&mut self) -> Vec<Effect> {
        match std::mem::take(&mut self.state) {
            State::Held(dragged) => vec![dragged.over()],
            other => self.keep(other),
        }
    }

    /// The button is up over another qube, or over none.
    pub fn released(&mut self, place: Option<Place>, now: Duration) -> Vec<Effect> {
        let dragged = match std::mem::take(&mut self.state) {
            State::Held(dragged) => dragged,
            other => return self.keep(other),
        };
        let Some(place) = place else { return vec![dragged.over()] };
        match self.decide(&dragged, &place.name) {
            Verdict::Denied => vec![dragged.over(), dragged.denied(&place.name)],
            Verdict::Nothing => vec![dragged.over(), dragged.failed("it offers nothing that can cross")],
            Verdict::Drops => self.fetch(dragged, place, now),
            Verdict::Asks => {
                self.prompt += 1;
                let (prompt, what) = (self.prompt, dragged.what());
                let ask = Effect::Ask { prompt, from: dragged.from.clone(), to: place.name.clone(), what };
                let deadline = now + self.clipboard.prompt_timeout;
                self.state = State::Asking { dragged, place, prompt, deadline };
                vec![ask]
            }
        }
    }

    fn fetch(&mut self, dragged: Dragged, place: Place, now: Duration) -> Vec<Effect> {
        let serial = self.next_serial();
        let Some(fetch) = Fetch::new(dragged.qube, serial, choose(&dragged.types)) else {
            return vec![dragged.over()];
        };
        let request = Effect::Request { qube: dragged.qube, serial, mime: fetch.mime.clone() };
        let deadline = now + self.clipboard.transfer_timeout;
        self.state = State::Fetching { dragged, place, fetch, deadline };
        vec![request]
    }

    /// The person answered a question.
    pub fn prompt_answer(&mut self, prompt: u64, allow: bool, now: Duration) -> Vec<Effect> {
        match std::mem::take(&mut self.state) {
            State::Asking { dragged, place, prompt: open, .. } if open == prompt => {
                if allow {
                    return self.fetch(dragged, place, now);
                }
                vec![dragged.over(), dragged.denied(&place.name)]
            }
            other => self.keep(other),
        }
    }

    /// True if this names a request of a drag.
    pub fn is_request(serial: u32) -> bool {
        serial & OWN != 0
    }

    /// A piece of an answer. Pieces of requests that are not open any more are dropped.
    pub fn data(&mut self, qube: QubeId, serial: u32, bytes: &[u8], end: bool, failed: bool) -> Vec<Effect> {
        let most = self.clipboard.max_bytes;
        let State::Fetching { dragged, fetch, .. } = &mut self.state else { return Vec::new() };
        if !fetch.is(qube, serial) {
            return Vec::new();
        }
        match fetch.take(bytes, end, failed, most) {
            Piece::More => Vec::new(),
            Piece::Over => self.next_type(),
            Piece::TooLarge => {
                let reason = format!("its {} is larger than the limit of {} MiB", fetch.mime, most >> 20);
                let mut effects = vec![dragged.failed(reason)];
                if !end {
                    effects.push(Effect::Cancel { qube, serial });
                }
                // As with the clipboard, other forms may still be small enough.
                effects.extend(self.next_type());
                effects
            }
        }
    }

    fn next_type(&mut self) -> Vec<Effect> {
        let serial = self.next_serial();
        match std::mem::take(&mut self.state) {
            State::Fetching { dragged, place, mut fetch, deadline } => {
                if fetch.next(serial) {
                    let request = Effect::Request { qube: dragged.qube, serial, mime: fetch.mime.clone() };
                    self.state = State::Fetching { dragged, place, fetch, deadline };
                    return vec![request];
                }
                finish(dragged, place, fetch)
            }
            other => self.keep(other),
        }
    }

    /// The person wants none of it, or can see nothing any more: whatever is under way is over.
    pub fn cancel(&mut self) -> Vec<Effect> {
        match std::mem::take(&mut self.state) {
            State::Idle => Vec::new(),
            State::Held(dragged) => vec![dragged.over()],
            State::Asking { dragged, prompt, .. } => vec![Effect::CloseAsk { prompt }, dragged.over()],
            State::Fetching { dragged, fetch, .. } => {
                vec![Effect::Cancel { qube: fetch.qube, serial: fetch.serial }, dragged.over()]
            }
        }
    }

    /// A qube's link has ended, or nothing in it runs.
    pub fn qube_gone(&mut self, qube: QubeId) -> Vec<Effect> {
        match &self.state {
            State::Held(dragged) if dragged.qube == qube => self.cancel(),
            State::Asking { dragged, place, .. } | State::Fetching { dragged, place, .. }
                if dragged.qube == qube || place.window.qube == qube =>
            {
                self.fail("a qube is gone")
            }
            _ => Vec::new(),
        }
    }

    /// A window is gone.
    pub fn window_gone(&mut self, window: SurfaceKey) -> Vec<Effect> {
        match &self.state {
            State::Asking { place, .. } | State::Fetching { place, .. } if place.window == window => {
                self.fail("the window is gone")
            }
            _ => Vec::new(),
        }
    }

    fn fail(&mut self, reason: &str) -> Vec<Effect> {
        let notice = match &self.state {
            State::Asking { dragged, .. } | State::Fetching { dragged, .. } => Some(dragged.failed(reason)),
            State::Idle | State::Held(_) => None,
        };
        let mut effects = self.cancel();
        effects.extend(notice);
        effects
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Vec<Effect> {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        match &self.state {
            State::Fetching { .. } => self.fail("it did not hand it out in time"),
            _ => self.cancel(),
        }
    }

    /// When [`Drag::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Idle | State::Held(_) => None,
            State::Asking { deadline, .. } | State::Fetching { deadline, .. } => Some(*deadline),
        }
    }

    fn keep(&mut self, state: State) -> Vec<Effect> {
        self.state = state;
        Vec::new()
    }

    fn next_serial(&mut self) -> u32 {
        self.serial = (self.serial + 1) & !OWN;
        self.serial | OWN
    }

    /// What must hold after every step; for tests.
    ///
    /// # Errors
    /// What does not.
    pub fn check_invariants(&self) -> Result<(), String> {
        match &self.state {
            State::Fetching { fetch, dragged, place, .. } => {
                if fetch.bytes() > self.clipboard.max_bytes {
                    return Err(format!("{} bytes are held", fetch.bytes()));
                }
                if fetch.qube != dragged.qube || place.window.qube == dragged.qube {
                    return Err("it is fetched from or for the wrong qube".into());
                }
                if !Self::is_request(fetch.serial) {
                    return Err("its request could be the clipboard's".into());
                }
                Ok(())
            }
            State::Asking { dragged, place, .. } if place.window.qube == dragged.qube => {
                Err("nobody is asked about what stays in its qube".into())
            }
            _ => Ok(()),
        }
    }
}

/// Gives what was fetched. Names of files say nothing in another qube, and are not given.
fn finish(dragged: Dragged, place: Place, fetch: Fetch) -> Vec<Effect> {
    let types = fetch.done();
    let over = dragged.over();
    if types.is_empty() {
        return vec![over, dragged.failed("it could not hand it out")];
    }
    if types.iter().any(|(mime, bytes)| mime == FILES && names_files(bytes)) {
        let reason = "files do not cross by dragging: copy them with transom-copy";
        return vec![over, dragged.failed(reason)];
    }
    let bytes = types.first().map_or(0, |(_, data)| data.len());
    let notice = NoticeKind::Dropped { from: dragged.from, to: place.name.clone(), bytes };
    vec![over, Effect::Drop { place, types }, Effect::Notice(notice)]
}

/// A list of URIs (RFC 2483) that names a file.
fn names_files(list: &[u8]) -> bool {
    list.split(|byte| *byte == b'\n').any(|line| {
        line.trim_ascii_start().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"file:"))
    })
}

#[cfg(test)]
mod tests;
