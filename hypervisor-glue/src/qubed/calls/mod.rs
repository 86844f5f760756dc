//! Service calls: streams between qubes that policy, and perhaps the person, allows.
//!
//! `book` knows who asked for what and how far it is, `flow` what the ends of an open call may say,
//! `line` is one stream, `own` what qubed serves itself, `dom0` the person's own calls; here they come together with the qubes.

mod book;
mod dom0;
mod flow;
mod line;
mod own;
mod verdict;

use std::{
    collections::BTreeMap,
    io,
    os::fd::{BorrowedFd, OwnedFd},
    time::{Duration, Instant, SystemTime},
};

use rustix::{
    event::PollFlags,
    net::{AddressFamily, SocketFlags, SocketType, socketpair},
};
use transom_protocol::{
    MAGIC,
    call::{CallDown, CallUp, Caller, Target},
    supervisor::{CallAnswer, CallFate, ErrorBody, Event, LabelName, QubeName},
    text::clean,
    wire::Raw,
};

use self::{
    book::{Book, CallId, Effect, Wanted},
    dom0::Door,
    flow::{End, Flow, Violation},
    line::Line,
    own::{Answer, Own},
};
use super::{
    rate::Bucket,
    running::Phase,
    server::{Server, Source},
};
use crate::policy::PolicyWatch;

/// Most call streams of one qube at once.
const MAX_LINES: usize = 48;
/// How long a new stream has for its first message.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// How long a stream that is over has to take what was sent.
const LAST_WORDS: Duration = Duration::from_secs(30);
/// Most characters of a description.
const SAID_CHARS: usize = 160;
/// What the person is told of one qube's calls: at once, and per second in the long run.
const TELLS: (u64, u64) = (8, 1);

/// Names one stream. Never used twice.
pub(super) type LineId = u64;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Nothing was said on it yet.
    New { until: Instant },
    /// A caller that waits for its answer.
    Waiting(CallId),
    /// An end of an open call.
    Open(CallId, End),
    /// The caller of a service that qubed has itself.
    Own(CallId),
    /// It is closed once all is sent.
    Closing { until: Instant },
}

#[derive(Debug)]
struct Stream {
    /// Whose end it is.
    of: Caller,
    line: Line,
    role: Role,
}

/// The two ends of an open call.
#[derive(Debug)]
struct Pair {
    caller: LineId,
    server: LineId,
    flow: Flow,
}

/// All calls and their streams.
#[derive(Debug)]
pub(super) struct Calls {
    policy: PolicyWatch,
    door: Door,
    book: Book,
    streams: BTreeMap<LineId, Stream>,
    last: LineId,
    /// The streams of those that wait.
    callers: BTreeMap<CallId, LineId>,
    pairs: BTreeMap<CallId, Pair>,
    /// What qubed serves itself, and how far its callers are.
    own: BTreeMap<CallId, (Own, Flow)>,
    tells: BTreeMap<Caller, Bucket>,
}

impl Calls {
    pub(super) fn new(policy: PolicyWatch, door: OwnedFd) -> Self {
        Self {
            policy,
            door: Door::new(door),
            book: Book::default(),
            streams: BTreeMap::new(),
            last: 0,
            callers: BTreeMap::new(),
            pairs: BTreeMap::new(),
            own: BTreeMap::new(),
            tells: BTreeMap::new(),
        }
    }

    /// How many calls go to this qube.
    pub(super) fn going_to(&self, name: &QubeName) -> usize {
        self.book.going(name)
    }

    /// The stream at the other end of an open call.
    fn other(&self, call: CallId, end: End) -> Option<LineId> {
        let pair = self.pairs.get(&call)?;
        Some(match end {
            End::Caller => pair.server,
            End::Server => pair.caller,
        })
    }

    /// True if what comes on this stream can be handed on.
    fn may_read(&self, stream: &Stream) -> bool {
        match stream.role {
            Role::New { .. } | Role::Waiting(_) | Role::Own(_) => true,
            Role::Open(call, end) => {
                let other = self.other(call, end).and_then(|id| self.streams.get(&id));
                other.is_some_and(|other| other.line.has_room())
            }
            Role::Closing { .. } => false,
        }
    }

    /// Descriptors to poll.
    pub(super) fn sources(&self) -> impl Iterator<Item = (Source, BorrowedFd<'_>, PollFlags)> {
        let door = self.door.fd().map(|fd| (Source::CallDoor, fd, PollFlags::IN));
        let streams = self.streams.iter().filter_map(|(id, stream)| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, self.may_read(stream));
            flags.set(PollFlags::OUT, stream.line.waiting() > 0);
            // A caller that goes away is heard even while nothing of it is read.
            let gone = matches!(stream.role, Role::Open(_, End::Caller) | Role::Closing { .. });
            flags.set(PollFlags::RDHUP, gone);
            (!flags.is_empty()).then(|| (Source::Call(*id), stream.line.fd(), flags))
        });
        streams.chain(door)
    }

    /// When to look again even if no descriptor is ready.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let until = |stream: &Stream| match stream.role {
            Role::New { until } | Role::Closing { until } => Some(until),
            Role::Waiting(_) | Role::Open(..) | Role::Own(_) => None,
        };
        self.streams
            .values()
            .filter_map(until)
            .chain(self.book.next_wake())
            .chain(self.door.next_wake())
            .min()
    }

    /// Sends what the streams take, and forgets those that are over.
    pub(super) fn flush(&mut self) {
        self.streams.retain(|_, stream| {
            if stream.line.waiting() > 0 {
                stream.line.flush();
            }
            let closing = matches!(stream.role, Role::Closing { .. });
            !(closing && (stream.line.closed || stream.line.waiting() == 0))
        });
    }

    /// A last message; then the stream is closed.
    fn dismiss(&mut self, id: LineId, word: Option<CallDown<'_>>, now: Instant) {
        if let Some(stream) = self.streams.get_mut(&id) {
            if let Some(word) = word {
                word.encode(0, 0, stream.line.out());
            }
            stream.role = Role::Closing { until: now + LAST_WORDS };
        }
    }
}

/// What the first message of a stream wants.
enum First {
    Call { wanted: Box<Wanted>, wish: Option<Target> },
    Accept([u8; 16]),
}

fn first(raw: &Raw<'_>, caller: &Caller) -> Result<First, Violation> {
    let message = CallUp::parse(raw)?;
    let name = message.name();
    if raw.header.window.get() != 0 || raw.header.serial.get() != 0 {
        return Err(Violation::Header(name));
    }
    match message {
        CallUp::Call(call) if call.fixed.magic == MAGIC && call.fixed.version.get() >= 1 => {
            let said = clean(call.untrusted_description().as_bytes(), SAID_CHARS);
            // dom0 puts the qube's words between quotation marks: they hold none themselves.
            let said = said.replace(['"', '“', '”', '„', '‟', '«', '»'], "'");
            let wanted = Wanted {
                source: caller.clone(),
                label: LabelName::unknown(),
                service: call.service().to_owned(),
                argument: call.argument().to_owned(),
                said,
            };
            Ok(First::Call { wanted: Box::new(wanted), wish: call.target() })
        }
        CallUp::Accept(accept) if accept.magic == MAGIC => Ok(First::Accept(accept.token)),
        _ => Err(Violation::Moment(name)),
    }
}

impl Server {
    /// A qube, or a program of the person's, has opened a call stream.
    pub(super) fn call_stream(&mut self, of: Caller, socket: OwnedFd, now: Instant) {
        if self.calls.streams.values().filter(|stream| stream.of == of).count() >= MAX_LINES {
            tracing::debug!(caller = %of, "too many call streams: one is closed");
            return;
        }
        self.calls.last += 1;
        let role = Role::New { until: now + FIRST_WORD };
        let stream = Stream { of, line: Line::new(socket), role };
        self.calls.streams.insert(self.calls.last, stream);
    }

    /// Serves a call stream that is ready.
    pub(super) fn call_ready(&mut self, id: LineId, now: Instant) {
        let Some(stream) = self.calls.streams.get(&id) else { return };
        let (role, may_read) = (stream.role, self.calls.may_read(stream));
        let Some(stream) = self.calls.streams.get_mut(&id) else { return };
        stream.line.flush();
        if may_read {
            stream.line.fill();
        } else if matches!(role, Role::Open(_, End::Caller) | Role::Closing { .. })
            && stream.line.is_hung_up()
        {
            stream.line.closed = true;
        }
        let heard = match role {
            Role::New { .. } => self.first_word(id, now),
            Role::Waiting(_) => {
                // Nothing may be said before the answer.
                stream.line.drain(|raw| Err(Violation::Moment(raw.info.name)))
            }
            Role::Open(call, end) => self.hand_on(id, call, end, now),
            Role::Own(call) => self.hear_own(id, call, now),
            Role::Closing { .. } => Ok(()),
        };
        if let Err(violation) = heard {
            if let Some(stream) = self.calls.streams.get(&id) {
                tracing::warn!(caller = %stream.of, %violation, "a call stream is closed");
            }
            self.line_over(id, now);
            return;
        }
        if self.calls.streams.get(&id).is_some_and(|stream| stream.line.closed) {
            self.line_over(id, now);
        }
    }

    /// A stream has ended, by itself or by a violation: its call goes with it.
    fn line_over(&mut self, id: LineId, now: Instant) {
        let Some(stream) = self.calls.streams.remove(&id) else { return };
        match stream.role {
            Role::New { .. } | Role::Closing { .. } => {}
            Role::Waiting(call) => {
                self.calls.callers.remove(&call);
                let effects = self.calls.book.end(call);
                self.call_effects(effects, now);
            }
            Role::Open(call, _) | Role::Own(call) => {
                let effects = self.calls.book.end(call);
                self.calls.own.remove(&call);
                self.close_pair(call, now);
                self.call_effects(effects, now);
            }
        }
    }

    /// Closes both streams of a call. What was sent to the caller before still comes there.
    fn close_pair(&mut self, call: CallId, now: Instant) {
        if let Some(pair) = self.calls.pairs.remove(&call) {
            self.calls.dismiss(pair.caller, None, now);
            self.calls.streams.remove(&pair.server);
        }
    }

    fn first_word(&mut self, id: LineId, now: Instant) -> Result<(), Violation> {
        let Some(Stream { of, line, .. }) = self.calls.streams.get_mut(&id) else { return Ok(()) };
        let mut found = None;
        // What follows belongs to the open call.
        line.drain(|raw| {
            found = Some(first(raw, of)?);
            Ok::<bool, Violation>(false)
        })?;
        match found {
            None => Ok(()),
            Some(First::Call { wanted, wish }) => {
                self.place_call(id, *wanted, wish, now);
                Ok(())
            }
            Some(First::Accept(token)) => self.accept_call(id, &token, now),
        }
    }

    fn place_call(&mut self, id: LineId, mut wanted: Wanted, wish: Option<Target>, now: Instant) {
        let qube = wanted.source.qube().and_then(|name| self.qubes.get(name.as_str()));
        if let Some(qube) = qube {
            wanted.label = qube.label.clone();
        }
        let (source, service) = (wanted.source.clone(), wanted.service.clone());
        let verdict = self.verdict(&wanted, wish.as_ref());
        let verdict = verdict.unwrap_or_else(|fate| {
            self.tell_of_call(&source, &service, wish, fate, now);
            book::Verdict::Deny
        });
        match self.calls.book.place(wanted, verdict, now) {
            Some((call, effects)) => {
                if let Some(stream) = self.calls.streams.get_mut(&id) {
                    stream.role = Role::Waiting(call);
                }
                self.calls.callers.insert(call, id);
                self.call_effects(effects, now);
            }
            None => self.calls.dismiss(id, Some(CallDown::Refused(())), now),
        }
    }

    fn accept_call(&mut self, id: LineId, token: &[u8; 16], now: Instant) -> Result<(), Violation> {
        let Some(stream) = self.calls.streams.get_mut(&id) else { return Ok(()) };
        let accepted = stream.of.qube().and_then(|qube| self.calls.book.accept(qube, token));
        let Some((call, caller)) = accepted.and_then(|call| Some((call, self.calls.callers.remove(&call)?)))
        else {
            return Err(Violation::Moment("Accept"));
        };
        let pair = Pair { caller, server: id, flow: Flow::default() };
        self.calls.pairs.insert(call, pair);
        for (line, end) in [(caller, End::Caller), (id, End::Server)] {
            if let Some(stream) = self.calls.streams.get_mut(&line) {
                CallDown::Allowed(()).encode(0, 0, stream.line.out());
                stream.role = Role::Open(call, end);
            }
        }
        if let Some(wanted) = self.calls.book.wanted(call) {
            let (source, service) = (wanted.source.clone(), wanted.service.clone());
            let target = self.calls.book.target(call).cloned().map(Target::Qube);
            self.tell_of_call(&source, &service, target, CallFate::Allowed, now);
        }
        self.hand_on(id, call, End::Server, now)
    }

    /// Hands on what one end of an open call said.
    fn hand_on(&mut self, id: LineId, call: CallId, end: End, now: Instant) -> Result<(), Violation> {
        let calls = &mut self.calls;
        let Some(other) = calls.other(call, end) else { return Ok(()) };
        let Some(mut out) = calls.streams.get_mut(&other).map(|other| std::mem::take(other.line.out()))
        else {
            return Ok(());
        };
        let mut result = Ok(());
        if let (Some(stream), Some(pair)) = (calls.streams.get_mut(&id), calls.pairs.get_mut(&call)) {
            let flow = &mut pair.flow;
            // All of what was read, which is little: what is put aside would not be heard again.
            result = stream.line.drain(|raw| {
                flow.take(end, raw)?.encode(&mut out);
                Ok::<bool, Violation>(true)
            });
        }
        if let Some(stream) = calls.streams.get_mut(&other) {
            *stream.line.out() = out;
            stream.line.flush();
        }
        result?;
        if calls.pairs.get(&call).is_some_and(|pair| pair.flow.exited()) {
            let effects = calls.book.end(call);
            self.close_pair(call, now);
            self.call_effects(effects, now);
        }
        Ok(())
    }

    /// The person has answered.
    pub(super) fn answer_call(&mut self, call: CallId, answer: &CallAnswer, now: Instant) {
        let effects = self.calls.book.answer(call, answer);
        self.call_effects(effects, now);
    }

    /// A qube is up: calls that wait for it go on.
    pub(super) fn calls_of_ready(&mut self, name: &QubeName, now: Instant) {
        for call in self.calls.book.waiting_for(name) {
            self.offer_call(call, now);
        }
    }

    /// A qube does not come up after all: its machine was never there.
    pub(super) fn calls_not_started(&mut self, name: &QubeName, reason: &str, now: Instant) {
        for call in self.calls.book.waiting_for(name) {
            self.call_failed(call, Some(Target::Qube(name.clone())), reason.to_owned(), now);
        }
    }

    /// A qube is down.
    pub(super) fn calls_of_gone(&mut self, name: &QubeName, now: Instant) {
        let of = Caller::Qube(name.clone());
        let effects = self.calls.book.qube_gone(name);
        self.calls.tells.remove(&of);
        self.call_effects(effects, now);
        self.calls.streams.retain(|_, stream| stream.of != of);
    }

    /// Nobody is there who could be asked.
    pub(super) fn calls_without_person(&mut self, now: Instant) {
        let effects = self.calls.book.person_gone();
        self.call_effects(effects, now);
    }

    /// What the clock brings.
    pub(super) fn tick_calls(&mut self, now: Instant) {
        self.calls.door.tick(now);
        self.calls.streams.retain(|_, stream| match stream.role {
            Role::New { until } | Role::Closing { until } => until > now,
            Role::Waiting(_) | Role::Open(..) | Role::Own(_) => true,
        });
        let effects = self.calls.book.tick(now);
        self.call_effects(effects, now);
    }

    fn call_effects(&mut self, effects: Vec<Effect>, now: Instant) {
        for effect in effects {
            match effect {
                Effect::Refuse(call) => {
                    if let Some(line) = self.calls.callers.remove(&call) {
                        self.calls.dismiss(line, Some(CallDown::Refused(())), now);
                    }
                }
                Effect::Show(ask) => self.tell_compositor(Event::Ask { ask }, Vec::new()),
                Effect::Hide(call) => self.tell_compositor(Event::AskGone { call }, Vec::new()),
                Effect::Launch(call, Target::Dom0) => {
                    let service = self.calls.book.wanted(call).map(|wanted| wanted.service.as_str());
                    if let Some(own) = service.and_then(Own::of) {
                        self.serve_own(call, own, now);
                    } else if let Err(error) = self.serve_in_dom0(call) {
                        self.call_failed(call, Some(Target::Dom0), format!("no stream: {error}"), now);
                    }
                }
                Effect::Launch(call, target) => {
                    if let Err(refusal) = self.launch_for_call(call, &target, now) {
                        self.call_failed(call, Some(target), refusal.message, now);
                    }
                }
                Effect::Offer { call, target, service, argument, source } => {
                    let Some(token) = self.calls.book.token(call) else { continue };
                    let offered = match self.running(&target) {
                        Some(running) => running.serve(&token, &service, &argument, &source),
                        None => Err(format!("{target} is not running")),
                    };
                    if let Err(reason) = offered {
                        self.call_failed(call, Some(Target::Qube(target)), reason, now);
                    }
                }
                Effect::Close(call) => self.close_pair(call, now),
            }
        }
        self.look_at_served(now);
    }

    /// Hands a call to the desktop, as its serving end.
    fn serve_in_dom0(&mut self, call: CallId) -> io::Result<()> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, desktops) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let Some(caller) = self.calls.callers.get(&call).copied() else { return Ok(()) };
        let Some(wanted) = self.calls.book.serve(call) else {
            return Err(io::Error::other("it is not to be served"));
        };
        let Wanted { source, label, service, argument, said } = wanted.clone();
        let Caller::Qube(source) = source else {
            return Err(io::Error::other("dom0 serves qubes"));
        };
        self.calls.callers.remove(&call);
        self.calls.last += 1;
        let server = self.calls.last;
        let stream = Stream {
            of: Caller::Qube(source.clone()),
            line: Line::new(ours),
            role: Role::Open(call, End::Server),
        };
        self.calls.streams.insert(server, stream);
        self.calls.pairs.insert(call, Pair { caller, server, flow: Flow::default() });
        if let Some(stream) = self.calls.streams.get_mut(&caller) {
            CallDown::Allowed(()).encode(0, 0, stream.line.out());
            stream.role = Role::Open(call, End::Caller);
        }
        tracing::info!(qube = %source, service, "the desktop serves a call");
        let event = Event::Serve { call, source, label, service, argument, said };
        self.tell_compositor(event, vec![desktops]);
        Ok(())
    }

    /// Serves a call here.
    fn serve_own(&mut self, call: CallId, own: Own, now: Instant) {
        if self.calls.book.serve(call).is_none() {
            return;
        }
        let Some(caller) = self.calls.callers.remove(&call) else { return };
        let Some(stream) = self.calls.streams.get_mut(&caller) else { return };
        CallDown::Allowed(()).encode(0, 0, stream.line.out());
        stream.role = Role::Own(call);
        let answer = own.begin(SystemTime::now());
        self.calls.own.insert(call, (own, Flow::default()));
        if let Some(answer) = answer {
            self.answer_own(caller, call, &answer, now);
        } else {
            // What it said with its call was read with it.
            self.call_ready(caller, now);
        }
    }

    /// Hears the caller of a service that is served here.
    fn hear_own(&mut self, id: LineId, call: CallId, now: Instant) -> Result<(), Violation> {
        let calls = &mut self.calls;
        let (Some(stream), Some((own, flow))) = (calls.streams.get_mut(&id), calls.own.get_mut(&call)) else {
            return Ok(());
        };
        let mut answer = None;
        stream.line.drain(|raw| {
            answer = own.hear(flow.take(End::Caller, raw)?);
            Ok::<bool, Violation>(answer.is_none())
        })?;
        if let Some(answer) = answer {
            self.answer_own(id, call, &answer, now);
        }
        Ok(())
    }

    fn answer_own(&mut self, id: LineId, call: CallId, answer: &Answer, now: Instant) {
        self.calls.own.remove(&call);
        if let Some(stream) = self.calls.streams.get_mut(&id) {
            let of = stream.of.clone();
            answer.encode(stream.line.out());
            if let (Some(list), Caller::Qube(qube)) = (&answer.updates, &of) {
                self.updates_told(qube, list);
            }
        }
        self.calls.dismiss(id, None, now);
        let effects = self.calls.book.end(call);
        self.call_effects(effects, now);
    }

    /// The desktop is there: calls that waited for it go on.
    pub(super) fn calls_with_person(&mut self, now: Instant) {
        for call in self.calls.book.parked() {
            let Some(wanted) = self.calls.book.wanted(call).cloned() else { continue };
            let verdict = self.verdict(&wanted, Some(&Target::Dom0)).unwrap_or_else(|fate| {
                self.tell_of_call(&wanted.source, &wanted.service, Some(Target::Dom0), fate, now);
                book::Verdict::Deny
            });
            let effects = self.calls.book.unpark(call, verdict, now);
            self.call_effects(effects, now);
        }
    }

    fn launch_for_call(&mut self, call: CallId, target: &Target, now: Instant) -> Result<(), ErrorBody> {
        let Some(source) = self.calls.book.wanted(call).map(|wanted| wanted.source.clone()) else {
            return Ok(());
        };
        let name = self.target_for_call(target, &source, now)?;
        self.calls.book.going_to(call, &name);
        if self.running(&name).is_some_and(|running| running.phase == Phase::Running) {
            self.offer_call(call, now);
        }
        Ok(())
    }

    fn offer_call(&mut self, call: CallId, now: Instant) {
        let mut token = [0; 16];
        if let Err(error) = rustix::rand::getrandom(&mut token, rustix::rand::GetRandomFlags::empty()) {
            self.call_failed(call, None, format!("no random numbers: {error}"), now);
            return;
        }
        let effects = self.calls.book.offer(call, token, now).into_iter().collect();
        self.call_effects(effects, now);
    }

    fn call_failed(&mut self, call: CallId, target: Option<Target>, reason: String, now: Instant) {
        if let Some(wanted) = self.calls.book.wanted(call) {
            let (source, service) = (wanted.source.clone(), wanted.service.clone());
            self.tell_of_call(&source, &service, target, CallFate::Failed { reason }, now);
        }
        let effects = self.calls.book.fail(call);
        self.call_effects(effects, now);
    }

    /// Tells the person what became of a call, unless there are too many of this qube.
    fn tell_of_call(
        &mut self,
        source: &Caller,
        service: &str,
        target: Option<Target>,
        fate: CallFate,
        now: Instant,
    ) {
        tracing::info!(caller = %source, service, ?target, ?fate, "a service was called");
        // The person sees what becomes of their own calls where they made them.
        let Caller::Qube(qube) = source else { return };
        let gate = self.calls.tells.entry(source.clone());
        let gate = gate.or_insert_with(|| Bucket::new(TELLS.0, TELLS.1, now));
        if gate.is_open(now) {
            gate.take(1, now);
            let (source, service) = (qube.clone(), service.to_owned());
            self.tell_compositor(Event::Call { source, service, target, fate }, Vec::new());
        }
    }
}
