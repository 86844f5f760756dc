//! The book of calls: who asked for what, and how far it is. Pure: no streams, no clock.
//!
//! A call is decided once. Until it is open nothing of it can be undone by the qubes: the book
//! tells what to do ([`Effect`]), and is told what happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use transom_protocol::{
    call::{Caller, Target, Token},
    supervisor::{CallAnswer, CallAsk, CallChoice, LabelName, QubeName},
};

use crate::qubed::rate::Bucket;

/// How long the person has for an answer.
const ANSWER: Duration = Duration::from_mins(1);
/// How long an agent has to open a stream for a call.
const ACCEPT: Duration = Duration::from_secs(30);
/// Most calls of one qube at once.
pub(super) const MAX_CALLS: usize = 16;
/// Most calls of one qube that wait for the person; one of them is shown.
pub(super) const MAX_ASKS: usize = 4;
/// Questions of one qube at once, and per second in the long run.
const ASKS: (u64, u64) = (8, 1);
/// Calls of one qube that dom0 serves by a rule, at once and per second in the long run: the person hears of
/// each.
const SERVES: (u64, u64) = (32, 1);

/// Names one call. Never used twice.
pub(in crate::qubed) type CallId = u64;

/// What a qube asks for, checked and cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) source: Caller,
    pub(super) label: LabelName,
    pub(super) service: String,
    pub(super) argument: String,
    /// In the words of the qube, cleaned.
    pub(super) said: String,
}

/// What policy says about a new call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Deny,
    Go(Target),
    /// dom0's desktop would serve it or be asked about it, and is not there.
    Wait,
    Ask {
        choices: Vec<CallChoice>,
        chosen: Option<u32>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// It waits for dom0's desktop.
    Parked,
    /// The person decides.
    Asking { choices: Vec<CallChoice>, chosen: Option<u32>, until: Instant, shown: bool },
    /// The target is on its way up; `None` until it is known which qube that is.
    Starting(Option<QubeName>),
    /// The target was told; its stream has not come.
    Offered { target: QubeName, token: Token, until: Instant },
    /// Both streams are there.
    Open(QubeName),
    /// dom0's desktop serves it.
    Served,
}

impl State {
    /// True if both ends have their streams.
    fn is_open(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Served)
    }
}

#[derive(Debug)]
struct Call {
    wanted: Wanted,
    state: State,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Tell the caller no. The call is over.
    Refuse(CallId),
    /// Ask the person.
    Show(CallAsk),
    /// The question is over.
    Hide(CallId),
    /// Bring the target up; [`Book::going_to`] and [`Book::offer`], or [`Book::fail`], come back.
    Launch(CallId, Target),
    /// Tell the target's agent.
    Offer { call: CallId, target: QubeName, service: String, argument: String, source: Caller },
    /// Both ends are gone or have to go.
    Close(CallId),
}

/// All calls.
#[derive(Debug, Default)]
pub(super) struct Book {
    calls: BTreeMap<CallId, Call>,
    last: CallId,
    /// Qubes about which the person wants to hear no more.
    silenced: BTreeSet<Caller>,
    asks: BTreeMap<Caller, Bucket>,
    serves: BTreeMap<Caller, Bucket>,
}

impl Book {
    /// A new call: its number, and what to do. `None`: it is refused and was never there.
    pub(super) fn place(
        &mut self,
        wanted: Wanted,
        verdict: Verdict,
        now: Instant,
    ) -> Option<(CallId, Vec<Effect>)> {
        let of_source = |call: &&Call| call.wanted.source == wanted.source;
        if self.calls.values().filter(of_source).count() >= MAX_CALLS {
            return None;
        }
        let state = self.begin(&wanted.source, verdict, now)?;
        self.last += 1;
        let id = self.last;
        let effects = self.enter(id, wanted, state);
        Some((id, effects))
    }

    /// The state of a call about which policy says this, and whom it goes to if it goes at once.
    fn begin(&mut self, source: &Caller, verdict: Verdict, now: Instant) -> Option<(State, Option<Target>)> {
        match verdict {
            Verdict::Deny => None,
            // Nobody is asked about what the person does, and dom0 serves itself nothing.
            Verdict::Ask { .. } | Verdict::Wait | Verdict::Go(Target::Dom0) if *source == Caller::Dom0 => {
                None
            }
            // What dom0 serves is cut off by silence, whatever a rule says.
            Verdict::Go(Target::Dom0) | Verdict::Wait if self.silenced.contains(source) => None,
            Verdict::Wait => Some((State::Parked, None)),
            Verdict::Go(target @ Target::Dom0) => {
                let gate = self.serves.entry(source.clone());
                let gate = gate.or_insert_with(|| Bucket::new(SERVES.0, SERVES.1, now));
                gate.is_open(now).then(|| gate.take(1, now))?;
                Some((State::Starting(None), Some(target)))
            }
            Verdict::Go(target) => Some((State::Starting(None), Some(target))),
            Verdict::Ask { choices, chosen } => {
                let waits = |call: &&Call| {
                    call.wanted.source == *source && matches!(call.state, State::Asking { .. })
                };
                let waiting = self.calls.values().filter(waits).count();
                let gate = self.asks.entry(source.clone());
                let gate = gate.or_insert_with(|| Bucket::new(ASKS.0, ASKS.1, now));
                if choices.is_empty()
                    || self.silenced.contains(source)
                    || waiting >= MAX_ASKS
                    || !gate.is_open(now)
                {
                    return None;
                }
                gate.take(1, now);
                let chosen = chosen.filter(|chosen| (*chosen as usize) < choices.len());
                Some((State::Asking { choices, chosen, until: now + ANSWER, shown: false }, None))
            }
        }
    }

    fn enter(&mut self, id: CallId, wanted: Wanted, (state, goes): (State, Option<Target>)) -> Vec<Effect> {
        self.calls.insert(id, Call { wanted, state });
        match goes {
            Some(target) => vec![Effect::Launch(id, target)],
            None => self.show(),
        }
    }

    /// The calls that wait for dom0's desktop.
    pub(super) fn parked(&self) -> Vec<CallId> {
        let parked = self.calls.iter().filter(|(_, call)| call.state == State::Parked);
        parked.map(|(id, _)| *id).collect()
    }

    /// dom0's desktop is there, and policy says this about a call that waited for it.
    pub(super) fn unpark(&mut self, id: CallId, verdict: Verdict, now: Instant) -> Vec<Effect> {
        if self.calls.get(&id).is_none_or(|call| call.state != State::Parked) {
            return Vec::new();
        }
        let Some(Call { wanted, .. }) = self.calls.remove(&id) else { return Vec::new() };
        match self.begin(&wanted.source, verdict, now) {
            Some(begun) => self.enter(id, wanted, begun),
            None => vec![Effect::Refuse(id)],
        }
    }

    /// dom0's desktop serves a call from now on: what it asked for. `None`: it does not wait for that.
    pub(super) fn serve(&mut self, id: CallId) -> Option<&Wanted> {
        let silenced = |call: &Call| self.silenced.contains(&call.wanted.source);
        let call = self.calls.get_mut(&id);
        let call = call.filter(|call| call.state == State::Starting(None) && !silenced(call))?;
        call.state = State::Served;
        Some(&call.wanted)
    }

    /// One question of each qube is shown at a time, so that many of one hide none of another.
    fn show(&mut self) -> Vec<Effect> {
        let is_shown = |call: &Call| matches!(call.state, State::Asking { shown: true, .. });
        let mut busy: BTreeSet<Caller> = self
            .calls
            .values()
            .filter(|call| is_shown(call))
            .map(|call| call.wanted.source.clone())
            .collect();
        let mut effects = Vec::new();
        for (id, call) in &mut self.calls {
            let State::Asking { choices, chosen, shown, .. } = &mut call.state else { continue };
            if *shown || !busy.insert(call.wanted.source.clone()) {
                continue;
            }
            *shown = true;
            let Wanted { source, label, service, argument, said } = call.wanted.clone();
            // dom0 is never asked about itself, see [`Book::begin`].
            let Caller::Qube(source) = source else { continue };
            let (choices, chosen) = (choices.clone(), *chosen);
            let ask = CallAsk { call: *id, source, label, service, argument, said, choices, chosen };
            effects.push(Effect::Show(ask));
        }
        effects
    }

    /// The person has answered. An answer to a question that is not shown, or that names none of the
    /// choices, does nothing. A call that dom0's desktop serves can be silenced by it, with all others that
    /// it serves for that qube.
    pub(super) fn answer(&mut self, id: CallId, answer: &CallAnswer) -> Vec<Effect> {
        let Some(call) = self.calls.get_mut(&id) else { return Vec::new() };
        if call.state == State::Served {
            let source = call.wanted.source.clone();
            return if *answer == CallAnswer::Silence { self.silence(source) } else { Vec::new() };
        }
        let State::Asking { choices, shown: true, .. } = &call.state else { return Vec::new() };
        let mut effects = match answer {
            CallAnswer::Allow { target } if choices.iter().any(|choice| choice.target == *target) => {
                call.state = State::Starting(None);
                vec![Effect::Launch(id, target.clone())]
            }
            CallAnswer::Allow { .. } => return Vec::new(),
            CallAnswer::Deny => {
                self.calls.remove(&id);
                vec![Effect::Refuse(id)]
            }
            CallAnswer::Silence => {
                let source = call.wanted.source.clone();
                let effects = self.silence(source);
                // The one that was answered needs no word that it is over.
                effects.into_iter().filter(|effect| *effect != Effect::Hide(id)).collect()
            }
        };
        effects.extend(self.show());
        effects
    }

    /// Nothing is asked for this qube any more, and what dom0 serves it ends.
    fn silence(&mut self, source: Caller) -> Vec<Effect> {
        let is_dom0s = |state: &State| matches!(state, State::Asking { .. } | State::Parked | State::Served);
        let effects = self.drop_where(|call| call.wanted.source == source && is_dom0s(&call.state));
        self.silenced.insert(source);
        effects
    }

    /// The launched target has this name, and is up or on its way.
    pub(super) fn going_to(&mut self, id: CallId, target: &QubeName) {
        if let Some(call) = self.calls.get_mut(&id)
            && matches!(call.state, State::Starting(_))
        {
            call.state = State::Starting(Some(target.clone()));
        }
    }

    /// A call cannot go on.
    pub(super) fn fail(&mut self, id: CallId) -> Vec<Effect> {
        match self.calls.get(&id).map(|call| &call.state) {
            Some(state) if state.is_open() => {
                self.calls.remove(&id);
                vec![Effect::Close(id)]
            }
            Some(_) => self.drop_where_id(id),
            None => Vec::new(),
        }
    }

    /// The calls that wait for this qube to be up.
    pub(super) fn waiting_for(&self, name: &QubeName) -> Vec<CallId> {
        let waits = |call: &Call| matches!(&call.state, State::Starting(Some(target)) if target == name);
        self.calls.iter().filter(|(_, call)| waits(call)).map(|(id, _)| *id).collect()
    }

    /// The target of a call is up: it is offered to its agent under this token.
    pub(super) fn offer(&mut self, id: CallId, token: Token, now: Instant) -> Option<Effect> {
        let call = self.calls.get_mut(&id)?;
        let State::Starting(Some(target)) = &call.state else { return None };
        let target = target.clone();
        call.state = State::Offered { target: target.clone(), token, until: now + ACCEPT };
        let Wanted { source, service, argument, .. } = call.wanted.clone();
        Some(Effect::Offer { call: id, target, service, argument, source })
    }

    /// The token of a call that was offered and not accepted yet.
    pub(super) fn token(&self, id: CallId) -> Option<Token> {
        match self.calls.get(&id)?.state {
            State::Offered { token, .. } => Some(token),
            _ => None,
        }
    }

    /// A stream of `by` came with this token. The call that is open from now on.
    pub(super) fn accept(&mut self, by: &QubeName, token: &Token) -> Option<CallId> {
        let offered = |call: &Call| matches!(&call.state, State::Offered { target, token: wanted, .. } if target == by && wanted == token);
        let (id, call) = self.calls.iter_mut().find(|(_, call)| offered(call))?;
        call.state = State::Open(by.clone());
        Some(*id)
    }

    /// A stream of a call has ended.
    pub(super) fn end(&mut self, id: CallId) -> Vec<Effect> {
        let mut effects = match self.calls.remove(&id).map(|call| call.state) {
            Some(State::Asking { shown: true, .. }) => vec![Effect::Hide(id)],
            _ => Vec::new(),
        };
        effects.extend(self.show());
        effects
    }

    /// A qube is down: nothing from it or to it goes on, and it may ask again when it is up.
    pub(super) fn qube_gone(&mut self, name: &QubeName) -> Vec<Effect> {
        let source = Caller::Qube(name.clone());
        self.silenced.remove(&source);
        self.asks.remove(&source);
        self.serves.remove(&source);
        let to = |call: &Call| match &call.state {
            State::Asking { .. } | State::Starting(None) | State::Parked | State::Served => false,
            State::Starting(Some(to)) | State::Offered { target: to, .. } | State::Open(to) => to == name,
        };
        self.drop_where(|call| call.wanted.source == source || to(call))
    }

    /// Nobody is there who could be asked. Who asked for dom0 alone waits until somebody is.
    pub(super) fn person_gone(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (id, call) in &mut self.calls {
            if let State::Asking { choices, shown, .. } = &call.state
                && choices.iter().all(|choice| choice.target == Target::Dom0)
            {
                if *shown {
                    effects.push(Effect::Hide(*id));
                }
                call.state = State::Parked;
            }
        }
        effects.extend(self.drop_where(|call| matches!(call.state, State::Asking { .. })));
        effects
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, now: Instant) -> Vec<Effect> {
        self.drop_where(|call| match &call.state {
            State::Asking { until, .. } | State::Offered { until, .. } => *until <= now,
            State::Starting(_) | State::Open(_) | State::Parked | State::Served => false,
        })
    }

    /// When [`Book::tick`] has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let until = |call: &Call| match &call.state {
            State::Asking { until, .. } | State::Offered { until, .. } => Some(*until),
            State::Starting(_) | State::Open(_) | State::Parked | State::Served => None,
        };
        self.calls.values().filter_map(until).min()
    }

    /// How many calls go to this qube.
    pub(super) fn going(&self, name: &QubeName) -> usize {
        self.calls.keys().filter(|id| self.target(**id) == Some(name)).count()
    }

    /// What a call asked for.
    pub(super) fn wanted(&self, id: CallId) -> Option<&Wanted> {
        self.calls.get(&id).map(|call| &call.wanted)
    }

    /// Where an open or starting call goes.
    pub(super) fn target(&self, id: CallId) -> Option<&QubeName> {
        match &self.calls.get(&id)?.state {
            State::Asking { .. } | State::Starting(None) | State::Parked | State::Served => None,
            State::Starting(Some(to)) | State::Offered { target: to, .. } | State::Open(to) => Some(to),
        }
    }

    fn drop_where_id(&mut self, id: CallId) -> Vec<Effect> {
        let mut effects = self.end(id);
        effects.push(Effect::Refuse(id));
        effects
    }

    /// Ends calls: open ones are closed, others refused.
    fn drop_where(&mut self, over: impl Fn(&Call) -> bool) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.calls.retain(|id, call| {
            if !over(call) {
                return true;
            }
            match &call.state {
                state if state.is_open() => effects.push(Effect::Close(*id)),
                State::Asking { shown: true, .. } => effects.extend([Effect::Hide(*id), Effect::Refuse(*id)]),
                _ => effects.push(Effect::Refuse(*id)),
            }
            false
        });
        effects.extend(self.show());
        effects
    }

    #[cfg(test)]
    fn check_invariants(&self, now: Instant) {
        let mut counts: BTreeMap<&Caller, (usize, usize, usize)> = BTreeMap::new();
        let mut tokens = BTreeSet::new();
        for (id, call) in &self.calls {
            assert!(*id <= self.last);
            let count = counts.entry(&call.wanted.source).or_default();
            count.0 += 1;
            match &call.state {
                State::Asking { choices, chosen, until, shown } => {
                    count.1 += 1;
                    count.2 += usize::from(*shown);
                    assert!(!choices.is_empty() && *until <= now + ANSWER);
                    assert!(chosen.is_none_or(|chosen| (chosen as usize) < choices.len()));
                    assert!(!self.silenced.contains(&call.wanted.source), "a silenced qube asks");
                }
                State::Offered { token, .. } => assert!(tokens.insert(*token), "one token, two calls"),
                State::Parked | State::Served => {
                    assert!(!self.silenced.contains(&call.wanted.source), "dom0 serves a silenced qube");
                }
                State::Starting(_) | State::Open(_) => {}
            }
        }
        for (source, (all, asking, shown)) in counts {
            assert!(all <= MAX_CALLS && asking <= MAX_ASKS, "{source}");
            assert_eq!(shown, asking.min(1), "one question of {source} is shown, as long as it has some");
        }
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
