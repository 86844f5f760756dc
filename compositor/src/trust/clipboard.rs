//! The clipboard between qubes (rule INTENT): one chord copies out, another pastes in.
//!
//! A pure state machine: chords, answers of qubes and times go in, [`Effect`]s come out. dom0 holds
//! what was copied out for one paste or one minute, whichever ends first; a qube learns neither
//! that something is held nor from whom until it is pasted into.

use std::{sync::Arc, time::Duration};

use super::{
    QubeId,
    fetch::{Fetch, Piece, choose, kind},
    policy::{Decision, Policy},
};

/// Settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipboardConfig {
    /// Most bytes of one copy, all its MIME types together.
    pub max_bytes: usize,
    /// How long a qube may take to hand out its selection.
    pub transfer_timeout: Duration,
    /// How long dom0 keeps it.
    pub wipe_after: Duration,
    /// How long a question stays open.
    pub prompt_timeout: Duration,
    /// What may be pasted where.
    pub policy: Policy,
}

impl Default for ClipboardConfig {
    fn default() -> Self {
        Self {
            max_bytes: 16 << 20,
            transfer_timeout: Duration::from_secs(3),
            wipe_after: Duration::from_mins(1),
            prompt_timeout: Duration::from_secs(30),
            policy: Policy { rules: Vec::new(), fallback: Decision::Allow },
        }
    }
}

/// Something a person is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoticeKind {
    /// dom0 holds a copy now.
    CopiedOut {
        /// Source.
        from: String,
        /// MIME type that was preferred.
        mime: String,
        /// Bytes of it.
        bytes: usize,
    },
    /// It went into a qube.
    Pasted {
        /// Source.
        from: String,
        /// Destination.
        to: String,
        /// Bytes of the preferred MIME type.
        bytes: usize,
    },
    /// A rule forbids it.
    Denied {
        /// Source.
        from: String,
        /// Destination.
        to: String,
    },
    /// Nothing was copied out.
    Refused {
        /// Source.
        from: String,
        /// Why not.
        reason: String,
    },
    /// dom0 holds nothing to paste.
    NothingHeld {
        /// Where it should have gone.
        to: String,
    },
    /// Time is up.
    Wiped {
        /// Source.
        from: String,
    },
}

/// What the desktop has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask a qube for its selection.
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
        /// What it is: kind and size, in dom0's words.
        summary: String,
    },
    /// The question is void.
    CloseAsk {
        /// Name of the question.
        prompt: u64,
    },
    /// Give it to a qube.
    Paste {
        /// Whom.
        qube: QubeId,
        /// MIME types and their bytes.
        types: Vec<(String, Arc<[u8]>)>,
    },
    /// Tell the person.
    Notice(NoticeKind),
}

/// What was copied out.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Copy {
    from: String,
    types: Vec<(String, Arc<[u8]>)>,
    wipe_at: Duration,
}

impl Copy {
    /// Bytes of the preferred MIME type.
    fn bytes(&self) -> usize {
        self.types.first().map_or(0, |(_, data)| data.len())
    }
}

/// A copy under way.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Copying {
    fetch: Fetch,
    from: String,
    deadline: Duration,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Empty,
    Fetching(Copying),
    Held(Copy),
    Asking {
        copy: Copy,
        to: QubeId,
        to_name: String,
        prompt: u64,
        deadline: Duration,
    },
}

/// See the module's text.
#[derive(Debug)]
pub struct Clipboard {
    config: ClipboardConfig,
    state: State,
    serial: u32,
    prompt: u64,
}

impl Clipboard {
    /// A clipboard that holds nothing.
    pub fn new(config: ClipboardConfig) -> Self {
        Self { config, state: State::Empty, serial: 0, prompt: 0 }
    }

    /// Other settings. What is held stays.
    pub fn reconfigure(&mut self, config: ClipboardConfig) {
        self.config = config;
    }

    /// The person copies out of a qube whose selection has these MIME types.
    pub fn copy_chord(&mut self, qube: QubeId, name: &str, offered: &[String], now: Duration) -> Vec<Effect> {
        let mut effects = self.drop_current();
        let serial = self.next_serial();
        let Some(fetch) = Fetch::new(qube, serial, choose(offered)) else {
            effects.push(refused(name, "it has nothing selected"));
            return effects;
        };
        effects.push(Effect::Request { qube, serial, mime: fetch.mime.clone() });
        let (from, deadline) = (name.to_owned(), now + self.config.transfer_timeout);
        self.state = State::Fetching(Copying { fetch, from, deadline });
        effects
    }

    /// dom0 holds something of its own from now on, as if it had been copied out.
    pub fn hold(&mut self, from: &str, types: Vec<(String, Arc<[u8]>)>, now: Duration) -> Vec<Effect> {
        let mut effects = self.drop_current();
        let bytes: usize = types.iter().map(|(_, data)| data.len()).sum();
        if bytes > self.config.max_bytes {
            let limit = self.config.max_bytes >> 20;
            effects.push(refused(from, &format!("it is larger than the limit of {limit} MiB")));
            return effects;
        }
        effects.push(self.keep(from.to_owned(), types, now));
        effects
    }

    /// A piece of an answer. Pieces of requests that are not open any more are dropped.
    pub fn data(
        &mut self,
        qube: QubeId,
        serial: u32,
        bytes: &[u8],
        end: bool,
        failed: bool,
        now: Duration,
    ) -> Vec<Effect> {
        let State::Fetching(copying) = &mut self.state else { return Vec::new() };
        if !copying.fetch.is(qube, serial) {
            return Vec::new();
        }
        match copying.fetch.take(bytes, end, failed, self.config.max_bytes) {
            Piece::More => Vec::new(),
            Piece::Over => self.next_type(None, now),
            Piece::TooLarge => {
                let (mime, most) = (&copying.fetch.mime, self.config.max_bytes >> 20);
                let reason = format!("its {mime} is larger than the limit of {most} MiB");
                let mut effects = Vec::new();
                if !end {
                    effects.push(Effect::Cancel { qube, serial });
                }
                effects.extend(self.next_type(Some(reason), now));
                effects
            }
        }
    }

    /// The current MIME type is over: the next one, or the end.
    fn next_type(&mut self, problem: Option<String>, now: Duration) -> Vec<Effect> {
        let serial = self.next_serial();
        let State::Fetching(copying) = &mut self.state else { return Vec::new() };
        let mut effects = Vec::new();
        // What is too large is said at once; the other forms of it may still be small enough.
        let told = problem.is_some();
        if let Some(reason) = problem {
            effects.push(refused(&copying.from, &reason));
        }
        if copying.fetch.next(serial) {
            let Fetch { qube, mime, .. } = &copying.fetch;
            effects.push(Effect::Request { qube: *qube, serial, mime: mime.clone() });
            return effects;
        }
        effects.extend(self.finish(now, (!told).then_some("it could not hand it out")));
        effects
    }

    /// Keeps what was fetched; with nothing fetched, says why if that was not said yet.
    fn finish(&mut self, now: Duration, otherwise: Option<&str>) -> Vec<Effect> {
        let State::Fetching(copying) = std::mem::take(&mut self.state) else { return Vec::new() };
        let (from, types) = (copying.from, copying.fetch.done());
        if types.is_empty() {
            return otherwise.map(|reason| refused(&from, reason)).into_iter().collect();
        }
        vec![self.keep(from, types, now)]
    }

    fn keep(&mut self, from: String, types: Vec<(String, Arc<[u8]>)>, now: Duration) -> Effect {
        let copy = Copy { from, types, wipe_at: now + self.config.wipe_after };
        let notice = NoticeKind::CopiedOut {
            from: copy.from.clone(),
            mime: copy.types.first().map(|(mime, _)| mime.clone()).unwrap_or_default(),
            bytes: copy.bytes(),
        };
        self.state = State::Held(copy);
        Effect::Notice(notice)
    }

    /// The person pastes into a qube.
    pub fn paste_chord(&mut self, qube: QubeId, name: &str, now: Duration) -> Vec<Effect> {
        match std::mem::take(&mut self.state) {
            State::Empty => vec![Effect::Notice(NoticeKind::NothingHeld { to: name.to_owned() })],
            State::Fetching(copying) => {
                // The paste meant what is not there yet: it is not done later, behind the person's back.
                let notice = NoticeKind::NothingHeld { to: name.to_owned() };
                self.state = State::Fetching(copying);
                vec![Effect::Notice(notice)]
            }
            asking @ State::Asking { .. } => {
                self.state = asking;
                Vec::new()
            }
            State::Held(copy) => match self.config.policy.decide(&copy.from, name) {
                _ if copy.from == name => paste(copy, qube, name),
                Decision::Allow => paste(copy, qube, name),
                Decision::Deny => {
                    let notice = NoticeKind::Denied { from: copy.from.clone(), to: name.to_owned() };
                    self.state = State::Held(copy);
                    vec![Effect::Notice(notice)]
                }
                Decision::Ask => {
                    self.prompt += 1;
                    let ask = Effect::Ask {
                        prompt: self.prompt,
                        from: copy.from.clone(),
                        to: name.to_owned(),
                        summary: summary(&copy),
                    };
                    let deadline = copy.wipe_at.min(now + self.config.prompt_timeout);
                    let (to_name, prompt) = (name.to_owned(), self.prompt);
                    self.state = State::Asking { copy, to: qube, to_name, prompt, deadline };
                    vec![ask]
                }
            },
        }
    }

    /// The person answered a question.
    pub fn prompt_answer(&mut self, prompt: u64, allow: bool, _now: Duration) -> Vec<Effect> {
        match std::mem::take(&mut self.state) {
            State::Asking { copy, to, to_name, prompt: open, .. } if open == prompt => {
                if allow {
                    return paste(copy, to, &to_name);
                }
                let notice = NoticeKind::Denied { from: copy.from.clone(), to: to_name };
                self.state = State::Held(copy);
                vec![Effect::Notice(notice)]
            }
            other => {
                self.state = other;
                Vec::new()
            }
        }
    }

    /// A qube's link has ended.
    pub fn qube_gone(&mut self, qube: QubeId, now: Duration) -> Vec<Effect> {
        match std::mem::take(&mut self.state) {
            State::Fetching(copying) if copying.fetch.qube == qube => {
                self.state = State::Fetching(copying);
                self.finish(now, Some("it is gone"))
            }
            State::Asking { copy, to, prompt, .. } if to == qube => {
                self.state = State::Held(copy);
                vec![Effect::CloseAsk { prompt }]
            }
            other => {
                self.state = other;
                Vec::new()
            }
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) -> Vec<Effect> {
        if self.next_deadline().is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        match std::mem::take(&mut self.state) {
            State::Empty => Vec::new(),
            State::Fetching(copying) => {
                let mut effects =
                    vec![Effect::Cancel { qube: copying.fetch.qube, serial: copying.fetch.serial }];
                self.state = State::Fetching(copying);
                effects.extend(self.finish(now, Some("it did not hand it out in time")));
                effects
            }
            State::Held(copy) => vec![Effect::Notice(NoticeKind::Wiped { from: copy.from })],
            State::Asking { copy, prompt, .. } => {
                let mut effects = vec![Effect::CloseAsk { prompt }];
                if now >= copy.wipe_at {
                    effects.push(Effect::Notice(NoticeKind::Wiped { from: copy.from }));
                } else {
                    self.state = State::Held(copy);
                }
                effects
            }
        }
    }

    /// When [`Clipboard::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Duration> {
        match &self.state {
            State::Empty => None,
            State::Fetching(copying) => Some(copying.deadline),
            State::Held(copy) => Some(copy.wipe_at),
            State::Asking { deadline, .. } => Some(*deadline),
        }
    }

    /// What the bar says: source and the seconds that are left.
    pub fn state_text(&self, now: Duration) -> Option<String> {
        match &self.state {
            State::Empty => None,
            State::Fetching(copying) => Some(format!("copying out of {} …", copying.from)),
            State::Held(copy) | State::Asking { copy, .. } => {
                let left = copy.wipe_at.saturating_sub(now).as_secs_f64().ceil();
                Some(format!("{} → …, {left} s left", copy.from))
            }
        }
    }

    /// Bytes that are held or on their way.
    pub fn held_bytes(&self) -> usize {
        let sum = |types: &[(String, Arc<[u8]>)]| types.iter().map(|(_, data)| data.len()).sum::<usize>();
        match &self.state {
            State::Empty => 0,
            State::Fetching(copying) => copying.fetch.bytes(),
            State::Held(copy) | State::Asking { copy, .. } => sum(&copy.types),
        }
    }

    /// A new copy takes the place of whatever was going on.
    fn drop_current(&mut self) -> Vec<Effect> {
        match std::mem::take(&mut self.state) {
            State::Empty | State::Held(_) => Vec::new(),
            State::Fetching(copying) => {
                vec![Effect::Cancel { qube: copying.fetch.qube, serial: copying.fetch.serial }]
            }
            State::Asking { prompt, .. } => vec![Effect::CloseAsk { prompt }],
        }
    }

    fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1).max(1);
        self.serial
    }
}

fn refused(from: &str, reason: &str) -> Effect {
    Effect::Notice(NoticeKind::Refused { from: from.to_owned(), reason: reason.to_owned() })
}

fn paste(copy: Copy, qube: QubeId, name: &str) -> Vec<Effect> {
    let notice = NoticeKind::Pasted { from: copy.from.clone(), to: name.to_owned(), bytes: copy.bytes() };
    vec![Effect::Paste { qube, types: copy.types }, Effect::Notice(notice)]
}

/// Kind and size in dom0's words; nothing of it is the qube's.
fn summary(copy: &Copy) -> String {
    let mime = copy.types.first().map_or("", |(mime, _)| mime.as_str());
    format!("{} ({})", kind(mime), crate::ui::size(copy.bytes()))
}

#[cfg(test)]
mod tests;
