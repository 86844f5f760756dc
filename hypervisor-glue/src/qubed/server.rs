//! All clients and all qubes, and what happens between them.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    time::{Duration, Instant},
};

use rustix::{
    event::PollFlags,
    io::Errno,
    net::{SocketFlags, accept_with, sockopt::socket_peercred},
};
use transom_protocol::{
    call::Caller,
    supervisor::{
        Backend, ErrorBody, ErrorKind, Event, LabelName, Program, QubeInfo, QubeName, QubeState, ReplyBody,
    },
};

use super::{
    Options, SHUTDOWN_S,
    cables::{Cables, Plug},
    calls::{Calls, LineId},
    copies::Copies,
    disposables::{Fleeting, Refill},
    holds::Holds,
    requests::store_error,
    running::{Note, Part, Phase, Running},
    session::{Role, Session},
    settings::told,
    startup::Startup,
    usage::Counts,
    vault::{self, Vault},
};
use crate::{
    backends::Backends,
    machine::Exit,
    policy::PolicyWatch,
    store::{QubeConfig, Store, StoreError},
};

/// Most clients at once.
const MAX_CLIENTS: usize = 128;
/// How long no client is accepted after accepting one has failed.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Names one client. Never used twice.
pub(super) type ClientId = u64;

/// Something with a descriptor.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Listener,
    Client(ClientId),
    Qube(QubeName, Part),
    Cable(Plug),
    /// The copy with this name.
    Copy(QubeName),
    /// A call stream.
    Call(LineId),
    /// Where calls of dom0 come in.
    CallDoor,
    Vault(vault::Part),
    /// The count of this number.
    Count(u64),
}

/// A qube that is known.
#[derive(Debug)]
pub(super) struct Qube {
    /// What its file says; `Err` why it cannot be used.
    pub(super) config: Result<QubeConfig, ErrorBody>,
    /// The last label that was known.
    pub(super) label: LabelName,
    pub(super) running: Option<Running>,
    /// Why it is not running, if that is a failure.
    pub(super) failure: Option<String>,
    /// It is disposable: not in the store, and forgotten when its machine is gone.
    pub(super) fleeting: Option<Fleeting>,
}

/// What a client waits for.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) client: ClientId,
    pub(super) request: u64,
    pub(super) qube: QubeName,
    pub(super) until: Until,
    /// Of [`Until::Opened`]: what is to be started then.
    pub(super) program: Option<Program>,
}

/// When a waiter gets its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The agent is ready.
    Ready,
    /// The agent is ready and was asked for a program.
    Opened,
    /// The machine is gone.
    Halted,
    /// The program of this serial runs.
    Started(u32),
    /// The machine is paused, or goes on.
    Paused(bool),
    /// The copy is made.
    Copied,
    /// The program runs that a disposable is there for.
    FirstProgram,
    /// Its volume is encrypted.
    Encrypted,
}

impl Until {
    /// True if the qube's start is waited for.
    pub(super) fn is_start(self) -> bool {
        matches!(self, Self::Ready | Self::Opened)
    }
}

/// Everything.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) options: Options,
    pub(super) store: Store,
    pub(super) backends: Backends,
    listener: OwnedFd,
    listener_pause: Option<Instant>,
    pub(super) clients: BTreeMap<ClientId, Session>,
    next_client: ClientId,
    pub(super) compositor: Option<ClientId>,
    pub(super) qubes: BTreeMap<QubeName, Qube>,
    pub(super) waiters: Vec<Waiter>,
    pub(super) cables: Cables,
    pub(super) copies: Copies,
    pub(super) refill: Refill,
    pub(super) calls: Calls,
    pub(super) holds: Holds,
    pub(super) vault: Vault,
    pub(super) startup: Startup,
    pub(super) counts: Counts,
    next_link: u64,
    /// True once we are told to end.
    pub(super) closing: bool,
}

impl Server {
    pub(super) fn new(
        options: Options,
        store: Store,
        backends: Backends,
        (listener, calls): (OwnedFd, OwnedFd),
    ) -> Self {
        let calls = Calls::new(PolicyWatch::new(options.policy.clone()), calls);
        let vault = Vault::new(&options.data_dir);
        let mut server = Self {
            options,
            store,
            backends,
            listener,
            listener_pause: None,
            clients: BTreeMap::new(),
            next_client: 1,
            compositor: None,
            qubes: BTreeMap::new(),
            waiters: Vec::new(),
            cables: Cables::default(),
            copies: Copies::default(),
            refill: Refill::default(),
            calls,
            holds: Holds::default(),
            vault,
            startup: Startup::default(),
            counts: Counts::default(),
            next_link: 1,
            closing: false,
        };
        server.refresh_all();
        server
    }

    /// True when nothing is left to do.
    pub(super) fn is_finished(&self) -> bool {
        self.closing && self.qubes.values().all(|qube| qube.running.is_none())
    }

    /// Every descriptor to poll. Clients come in the order in which they connected, so that the end
    /// of an old compositor is seen before the requests of a new one.
    pub(super) fn sources(&self, now: Instant) -> Vec<(Source, BorrowedFd<'_>, PollFlags)> {
        let mut sources = Vec::new();
        for (id, client) in &self.clients {
            let mut flags = PollFlags::IN;
            flags.set(PollFlags::OUT, client.wants_to_write());
            sources.push((Source::Client(*id), client.fd(), flags));
        }
        if self.listener_pause.is_none() && !self.closing {
            sources.push((Source::Listener, self.listener.as_fd(), PollFlags::IN));
        }
        for (name, qube) in &self.qubes {
            let Some(running) = &qube.running else { continue };
            for (part, fd, flags) in running.sources(now) {
                sources.push((Source::Qube(name.clone(), part), fd, flags));
            }
        }
        let loose = self.cables.sources(now).map(|(plug, fd)| (Source::Cable(plug), fd, PollFlags::IN));
        sources.extend(loose);
        sources
            .extend(self.copies.sources().map(|(name, fd)| (Source::Copy(name.clone()), fd, PollFlags::IN)));
        sources.extend(self.calls.sources());
        sources.extend(self.counts.sources().map(|(number, fd)| (Source::Count(number), fd, PollFlags::IN)));
        sources.extend(self.vault.sources().map(|(part, fd)| (Source::Vault(part), fd, PollFlags::IN)));
        sources
    }

    /// When to look again even if no descriptor is ready.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let qubes = self.qubes.values().filter_map(|qube| qube.running.as_ref()?.next_wake(now));
        qubes
            .chain(self.listener_pause)
            .chain(self.cables.next_wake(now))
            .chain(self.disposables_wake())
            .chain(self.calls.next_wake())
            .min()
    }

    /// What the clock brings.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.listener_pause.is_some_and(|until| until <= now) {
            self.listener_pause = None;
        }
        let mut changed = Vec::new();
        for (name, qube) in &mut self.qubes {
            if let Some(running) = &mut qube.running
                && running.deadline.is_some_and(|deadline| deadline <= now)
            {
                running.expire(now);
                changed.push(name.clone());
            }
        }
        for name in changed {
            self.announce(&name);
        }
        self.disposables_tick(now);
        self.tick_calls(now);
    }

    /// Serves a descriptor that is ready, if what it belonged to is still there.
    pub(super) fn ready(&mut self, source: &Source, now: Instant) {
        match source {
            Source::Listener => self.accept(now),
            Source::Client(id) => {
                let Some(client) = self.clients.get_mut(id) else { return };
                client.flush();
                for (request, files) in client.read() {
                    self.request(*id, request, files, now);
                }
                self.sweep(now);
            }
            Source::Call(line) => self.call_ready(*line, now),
            Source::CallDoor => self.call_of_dom0(now),
            Source::Cable(plug) => self.cables.discard(plug, now),
            Source::Copy(name) => self.copied(name),
            Source::Vault(part) => self.vault_ready(part, now),
            Source::Count(number) => self.usage_counted(*number),
            Source::Qube(name, part) => {
                let running = self.qubes.get_mut(name.as_str()).and_then(|qube| qube.running.as_mut());
                let notes = running.map(|running| running.ready(*part, now)).unwrap_or_default();
                for note in notes {
                    self.note(name, note, now);
                }
            }
        }
    }

    /// Writes what is queued for clients and agents.
    pub(super) fn flush(&mut self, now: Instant) {
        let mut lost = Vec::new();
        for (name, qube) in &mut self.qubes {
            let note = qube.running.as_mut().and_then(Running::flush);
            lost.extend(note.map(|note| (name.clone(), note)));
        }
        for (name, note) in lost {
            self.note(&name, note, now);
        }
        for client in self.clients.values_mut() {
            client.flush();
        }
        self.calls.flush();
        self.sweep(now);
    }

    /// Ends everything; a second call ends it at once.
    pub(super) fn shut_down(&mut self, now: Instant) {
        let again = self.closing;
        self.closing = true;
        tracing::info!(again, "ending");
        let up: Vec<QubeName> = self.names_of_running();
        for name in up {
            if let Some(running) = self.running(&name) {
                if again {
                    running.kill(super::running::Ending::Asked);
                } else {
                    running.stop(now, now + Duration::from_secs(SHUTDOWN_S));
                }
            }
            self.announce(&name);
        }
    }

    fn names_of_running(&self) -> Vec<QubeName> {
        self.qubes.iter().filter(|(_, qube)| qube.running.is_some()).map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn running(&mut self, name: &QubeName) -> Option<&mut Running> {
        self.qubes.get_mut(name.as_str())?.running.as_mut()
    }

    fn accept(&mut self, now: Instant) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = match accept_with(&self.listener, flags) {
            Ok(socket) => socket,
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => return,
            Err(error) => {
                tracing::warn!(%error, "a client cannot be accepted");
                self.listener_pause = Some(now + ACCEPT_PAUSE);
                return;
            }
        };
        let ours = rustix::process::geteuid();
        let pid = match socket_peercred(&socket) {
            Ok(peer) if peer.uid == ours || peer.uid.is_root() => peer.pid.as_raw_nonzero().get(),
            Ok(peer) => {
                tracing::warn!(uid = peer.uid.as_raw(), "a client of another user is refused");
                return;
            }
            Err(error) => {
                tracing::warn!(%error, "a client that cannot be identified is refused");
                return;
            }
        };
        if self.clients.len() >= MAX_CLIENTS {
            tracing::warn!(pid, "too many clients: one is refused");
            return;
        }
        self.clients.insert(self.next_client, Session::new(socket, pid));
        self.next_client += 1;
    }

    /// Forgets clients whose connection is over.
    fn sweep(&mut self, now: Instant) {
        let over: Vec<ClientId> =
            self.clients.iter().filter(|(_, client)| client.over).map(|(id, _)| *id).collect();
        for id in over {
            self.clients.remove(&id);
            self.waiters.retain(|waiter| waiter.client != id);
            self.holds.end_of(id);
            if self.compositor == Some(id) {
                tracing::info!("the compositor is gone; its qubes go on");
                self.compositor = None;
                self.windows_unknown(now);
                self.desktop_left();
                self.calls_without_person(now);
            }
        }
    }

    /// What a running qube tells.
    fn note(&mut self, name: &QubeName, note: Note, now: Instant) {
        match note {
            Note::Ready => self.agent_ready(name, now),
            Note::Program { serial, result } => {
                let answer = result.map(|()| ReplyBody::Done).map_err(|reason| {
                    ErrorBody::new(ErrorKind::Agent, format!("the program did not start in {name}: {reason}"))
                });
                self.answer(name, |until| until == Until::Started(serial), &answer);
                self.first_program(name, serial, &answer.map(|_| ()), now);
            }
            Note::Listed(list) => self.programs_listed(name, &list),
            Note::Ended => self.look_at_programs(name, now),
            Note::StreamLost => {
                let lost = ErrorBody::new(
                    ErrorKind::Agent,
                    format!("the agent of {name} broke off the conversation"),
                );
                let asked = |until| matches!(until, Until::Started(_) | Until::FirstProgram);
                self.answer(name, asked, &Err(lost));
                self.look_at_programs(name, now);
            }
            Note::Network => self.tell_network(name),
            Note::Link => self.deliver_link(name),
            Note::Call(socket) => self.call_stream(Caller::Qube(name.clone()), socket, now),
            Note::Paused(paused) => self.paused(name, paused, now),
            Note::Gone(exit) => {
                self.machine_gone(name, &exit);
                self.calls_of_gone(name, now);
            }
        }
    }

    fn agent_ready(&mut self, name: &QubeName, now: Instant) {
        let Some(running) = self.running(name) else { return };
        if running.phase != Phase::Starting {
            return;
        }
        running.phase = Phase::Running;
        running.deadline = None;
        let took = now.saturating_duration_since(running.begun).as_secs_f64();
        running.note(&format!("the agent is ready after {took:.2} s"));
        for argv in std::mem::take(&mut running.autostart) {
            if let Err(reason) = running.run(&argv) {
                running.note(&format!("autostart: {reason}"));
            }
        }
        tracing::info!(qube = %name, "running");
        self.announce(name);
        if let Some(info) = self.info(name) {
            self.answer(name, |until| until == Until::Ready, &Ok(ReplyBody::Qube { qube: info }));
        }
        self.open_waiting(name);
        self.disposable_ready(name, now);
        self.calls_of_ready(name, now);
    }

    pub(super) fn paused(&mut self, name: &QubeName, paused: bool, now: Instant) {
        tracing::info!(qube = %name, paused, "paused or resumed");
        self.announce(name);
        if let Some(info) = self.info(name) {
            self.answer(name, |until| until == Until::Paused(paused), &Ok(ReplyBody::Qube { qube: info }));
        }
        if !paused {
            self.run_first(name, now);
            self.calls_of_ready(name, now);
        }
    }

    fn machine_gone(&mut self, name: &QubeName, exit: &Exit) {
        let Some(qube) = self.qubes.get_mut(name.as_str()) else { return };
        let Some(mut running) = qube.running.take() else { return };
        running.note(&exit.to_string());
        qube.failure = running.failure(exit);
        if let Some(reason) = &qube.failure {
            // Safe: it holds no text of the qube.
            tracing::warn!(qube = %name, reason, "failed");
        } else {
            tracing::info!(qube = %name, "halted");
        }
        if let Err(error) = std::fs::remove_dir_all(&running.run_dir) {
            tracing::warn!(qube = %name, %error, "its runtime directory stays");
        }
        let ended = match &qube.failure {
            Some(reason) => format!("{name} failed: {reason}"),
            None => format!("{name} was stopped"),
        };
        if let Some(link_id) = running.link_id {
            self.tell_compositor(Event::LinkGone { qube: name.clone(), link_id }, Vec::new());
        }
        drop(running);
        self.cables.unplug(name);
        self.announce(name);
        let info = self.info(name);
        let cancelled = |kind| Err(ErrorBody::new(kind, ended.clone()));
        self.answer(name, Until::is_start, &cancelled(ErrorKind::Backend));
        let of_a_machine =
            |until| matches!(until, Until::Started(_) | Until::Paused(_) | Until::FirstProgram);
        self.answer(name, of_a_machine, &cancelled(ErrorKind::Cancelled));
        if let Some(qube) = info {
            self.answer(name, |until| until == Until::Halted, &Ok(ReplyBody::Qube { qube }));
        }
        self.forget_disposable(name);
    }

    /// Answers those who wait for something of this qube.
    pub(super) fn answer(
        &mut self,
        name: &QubeName,
        which: impl Fn(Until) -> bool,
        result: &Result<ReplyBody, ErrorBody>,
    ) {
        let clients = &mut self.clients;
        self.waiters.retain(|waiter| {
            if waiter.qube != *name || !which(waiter.until) {
                return true;
            }
            if let Some(client) = clients.get_mut(&waiter.client) {
                client.reply(waiter.request, result.clone());
            }
            false
        });
    }

    /// What dom0's programs are told of a qube.
    pub(super) fn info(&self, name: &QubeName) -> Option<QubeInfo> {
        let qube = self.qubes.get(name.as_str())?;
        let state = match (&qube.running, &qube.failure) {
            (Some(running), _) => running.state(),
            (None, _) if self.vault.is_opening(name) => QubeState::Starting,
            (None, Some(reason)) => QubeState::Failed { reason: reason.chars().take(300).collect() },
            (None, None) => QubeState::Halted,
        };
        let config = qube.config.as_ref();
        let (backend, backend_reason) = match (&qube.running, config) {
            (Some(running), _) => (running.backend, running.backend_reason.clone()),
            (None, Ok(config)) => {
                let choice = self.backends.choose(config);
                (choice.backend, choice.reason)
            }
            // Not known; not more is promised than is sure.
            (None, Err(_)) => (Backend::Sandbox, String::new()),
        };
        Some(QubeInfo {
            name: name.clone(),
            label: qube.label.clone(),
            state,
            backend,
            backend_reason,
            isolated: backend.isolated(),
            storage: self.storage(name, backend, config.ok()),
            pid: qube.running.as_ref().map(Running::pid),
            template: config.ok().and_then(|config| config.template.clone()),
            disposable: qube.fleeting.as_ref().map(Fleeting::shown),
            settings: config
                .ok()
                .map(|config| told(config, backend, qube.fleeting.is_none()))
                .unwrap_or_default(),
            problem: config.err().map(|problem| problem.message.chars().take(500).collect()),
        })
    }

    /// Tells everybody who listens how a qube is now.
    pub(super) fn announce(&mut self, name: &QubeName) {
        if let Some(qube) = self.info(name) {
            self.tell_watchers(&Event::QubeState { qube });
        }
    }

    pub(super) fn tell_watchers(&mut self, event: &Event) {
        for client in self.clients.values_mut().filter(|client| client.role != Role::Caller) {
            client.event(event.clone(), Vec::new());
        }
    }

    pub(super) fn tell_compositor(&mut self, event: Event, fds: Vec<OwnedFd>) {
        if let Some(client) = self.compositor.and_then(|id| self.clients.get_mut(&id)) {
            client.event(event, fds);
        }
    }

    /// Hands the waiting control stream of a qube to the compositor, if there is one.
    pub(super) fn deliver_link(&mut self, name: &QubeName) {
        let spare = |qube: &Qube| qube.fleeting.as_ref().is_some_and(Fleeting::is_empty_spare);
        if self.compositor.is_none() || self.qubes.get(name.as_str()).is_some_and(spare) {
            return;
        }
        let Some(info) = self.info(name) else { return };
        let link_id = self.next_link;
        let Some(running) = self.running(name).filter(|running| running.has_link()) else { return };
        let (memory, ram) = running.memory();
        let Some(stream) = running.take_link() else { return };
        let mut fds = vec![stream];
        match ram.transpose() {
            Ok(ram) => fds.extend(ram),
            // The agent opens another stream when this one closes.
            Err(error) => {
                tracing::error!(qube = %name, %error, "its memory cannot be handed on");
                return;
            }
        }
        running.link_id = Some(link_id);
        self.next_link += 1;
        let event = Event::Link { qube: info, link_id, memory };
        self.tell_compositor(event, fds);
    }

    /// Reads a qube's file again, unless it is up: a running qube stays what it was started as.
    pub(super) fn refresh(&mut self, name: &QubeName) {
        let known = self.qubes.get(name.as_str());
        if known.is_some_and(|qube| qube.running.is_some() || qube.fleeting.is_some()) {
            return;
        }
        let config = match self.store.load(name) {
            Ok(config) => Ok(config),
            Err(StoreError::NoSuchQube(_)) => {
                if self.qubes.remove(name.as_str()).is_some() {
                    self.tell_watchers(&Event::QubeRemoved { qube: name.clone() });
                }
                return;
            }
            Err(error) => Err(store_error(&error)),
        };
        if known.is_some_and(|qube| qube.config == config) {
            return;
        }
        if let Err(problem) = &config {
            tracing::warn!(qube = %name, problem = problem.message, "its file cannot be used");
        }
        let label = match (&config, known) {
            (Ok(config), _) => config.label.clone(),
            (Err(_), Some(known)) => known.label.clone(),
            (Err(_), None) => LabelName::unknown(),
        };
        let failure = known.and_then(|qube| qube.failure.clone());
        self.qubes.insert(name.clone(), Qube { config, label, running: None, failure, fleeting: None });
        self.announce(name);
    }

    /// Looks at the store again: qubes may have come or gone by hand.
    pub(super) fn refresh_all(&mut self) {
        let mut names = match self.store.names() {
            Ok(names) => names,
            Err(error) => {
                tracing::warn!(%error, "the qubes cannot be listed");
                return;
            }
        };
        names.extend(self.qubes.keys().cloned());
        names.sort();
        names.dedup();
        for name in names {
            self.refresh(&name);
        }
    }
}
