//! One running qube: its machine, its streams and its log.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use rustix::{event::PollFlags, io::Errno};
use transom_protocol::{
    call::{Caller, Token},
    network::Setup,
    programs::ProgramList,
    supervisor::{Backend, MemoryKind, Program, QubeName, QubeState},
};

use super::{
    log::QubeLog,
    network::stream::{self as network, NetStream},
    rate::{Bucket, Pace},
    service::{Programs, Said, ServiceStream, Violation},
};
use crate::machine::{Channel, Exit, Machine, Step};

/// Connections on one channel at once, and per second in the long run. An agent needs one, and
/// another after each start of the compositor.
const CONNECTIONS: (u64, u64) = (8, 2);
/// Call streams at once, and per second in the long run.
const CALLS: (u64, u64) = (32, 8);
/// Console bytes at once, and per second in the long run.
const CONSOLE: (u64, u64) = (256 * 1024, 64 * 1024);
/// Lists of programs at once, and the time between them in the long run.
const LISTS: (u32, Duration) = (4, Duration::from_secs(10));
/// Most console bytes read at the end of a machine.
const LAST_WORDS: usize = 256 * 1024;

/// Where a running qube is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Running,
    Paused,
    Stopping,
}

/// Why qubed itself ends a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Somebody asked for it.
    Asked,
    /// Something is wrong.
    Because(String),
}

/// The parts of a running qube that have descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Machine,
    Display,
    Service,
    Call,
    Stream,
    Network,
    NetStream,
    Console,
}

/// What a running qube tells the server.
#[derive(Debug)]
pub(super) enum Note {
    /// The agent is ready.
    Ready,
    /// A program was started, or not.
    Program { serial: u32, result: Result<(), String> },
    /// It has listed its programs.
    Listed(ProgramList),
    /// A program has ended.
    Ended,
    /// The service stream is gone; what was asked on it is not answered.
    StreamLost,
    /// Its root asks what its network is to be.
    Network,
    /// A control stream waits for the compositor.
    Link,
    /// A program of the qube opened a call stream.
    Call(OwnedFd),
    /// Its machine was paused, or goes on.
    Paused(bool),
    /// The machine is gone.
    Gone(Exit),
}

/// The network cards of a machine: its own comes first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cards {
    /// It has one to the qube that its network goes through.
    pub(super) own: bool,
    /// So many are for clients.
    pub(super) slots: usize,
}

/// A running qube.
#[derive(Debug)]
pub(super) struct Running {
    name: QubeName,
    machine: Box<dyn Machine>,
    pub(super) backend: Backend,
    pub(super) backend_reason: String,
    /// When it was started, and how long it may take until the agent is ready.
    pub(super) begun: Instant,
    start_limit: Duration,
    pub(super) phase: Phase,
    /// What its machine was asked for last: to be paused, or to go on.
    held: bool,
    /// When the phase, or what is tried in it, has lasted too long.
    pub(super) deadline: Option<Instant>,
    /// When a stopping machine is killed.
    kill_at: Option<Instant>,
    pub(super) ending: Option<Ending>,
    pub(super) run_dir: PathBuf,
    /// Programs that start with the first Ready; taken then.
    pub(super) autostart: Vec<Vec<String>>,
    stream: Option<ServiceStream>,
    programs: Programs,
    pub(super) cards: Cards,
    net: Option<NetStream>,
    /// The newest control stream that no compositor has yet.
    waiting_link: Option<OwnedFd>,
    /// The newest link that a compositor was given.
    pub(super) link_id: Option<u64>,
    log: QubeLog,
    display_gate: Bucket,
    service_gate: Bucket,
    call_gate: Bucket,
    network_gate: Bucket,
    console_gate: Bucket,
    lists: Pace,
    console_open: bool,
}

impl Running {
    pub(super) fn new(
        name: QubeName,
        machine: Box<dyn Machine>,
        (backend, backend_reason, start_limit): (Backend, String, Duration),
        run_dir: PathBuf,
        log: QubeLog,
        autostart: Vec<Vec<String>>,
        now: Instant,
    ) -> Self {
        Self {
            name,
            machine,
            backend,
            backend_reason,
            begun: now,
            start_limit,
            phase: Phase::Starting,
            held: false,
            deadline: Some(now + start_limit),
            kill_at: None,
            ending: None,
            run_dir,
            autostart,
            stream: None,
            programs: Programs::default(),
            cards: Cards::default(),
            net: None,
            waiting_link: None,
            link_id: None,
            log,
            display_gate: Bucket::new(CONNECTIONS.0, CONNECTIONS.1, now),
            service_gate: Bucket::new(CONNECTIONS.0, CONNECTIONS.1, now),
            call_gate: Bucket::new(CALLS.0, CALLS.1, now),
            network_gate: Bucket::new(CONNECTIONS.0, CONNECTIONS.1, now),
            console_gate: Bucket::new(CONSOLE.0, CONSOLE.1, now),
            lists: Pace::new(LISTS.0, LISTS.1, now),
            console_open: true,
        }
    }

    pub(super) fn state(&self) -> QubeState {
        match self.phase {
            Phase::Starting => QubeState::Starting,
            Phase::Running => QubeState::Running,
            Phase::Paused => QubeState::Paused,
            Phase::Stopping => QubeState::Stopping,
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.machine.pid()
    }

    /// How its window memory is read, and the descriptor that goes with it, if any.
    pub(super) fn memory(&self) -> (MemoryKind, Option<io::Result<OwnedFd>>) {
        let (kind, ram) = self.machine.memory();
        (kind, ram.map(|ram| ram.try_clone_to_owned()))
    }

    /// Writes a line of qubed's own into the qube's log.
    pub(super) fn note(&mut self, line: &str) {
        self.log.note(line, SystemTime::now());
    }

    /// Descriptors to poll.
    pub(super) fn sources(&self, now: Instant) -> Vec<(Part, BorrowedFd<'_>, PollFlags)> {
        let mut sources: Vec<_> =
            self.machine.events().into_iter().map(|fd| (Part::Machine, fd, PollFlags::IN)).collect();
        if self.display_gate.is_open(now) {
            sources.push((Part::Display, self.machine.listener(Channel::Display), PollFlags::IN));
        }
        if self.service_gate.is_open(now) {
            sources.push((Part::Service, self.machine.listener(Channel::Service), PollFlags::IN));
        }
        if self.call_gate.is_open(now) {
            sources.push((Part::Call, self.machine.listener(Channel::Call), PollFlags::IN));
        }
        if self.network_gate.is_open(now) {
            sources.push((Part::Network, self.machine.listener(Channel::Network), PollFlags::IN));
        }
        if let Some(stream) = &self.net {
            let mut flags = PollFlags::IN;
            flags.set(PollFlags::OUT, stream.wants_to_write());
            sources.push((Part::NetStream, stream.fd(), flags));
        }
        if self.console_open && self.console_gate.is_open(now) {
            sources.push((Part::Console, self.machine.output(), PollFlags::IN));
        }
        if let Some(stream) = &self.stream {
            let mut flags = PollFlags::IN;
            flags.set(PollFlags::OUT, stream.wants_to_write());
            sources.push((Part::Stream, stream.fd(), flags));
        }
        sources
    }

    /// When to look again even if no descriptor is ready.
    pub(super) fn next_wake(&self, now: Instant) -> Option<Instant> {
        let console = self.console_open.then(|| self.console_gate.opens_at(now)).flatten();
        let gates = [&self.display_gate, &self.service_gate, &self.call_gate, &self.network_gate];
        gates.into_iter().map(|gate| gate.opens_at(now)).chain([self.deadline, console]).flatten().min()
    }

    /// Looks after a part whose descriptor is ready.
    pub(super) fn ready(&mut self, part: Part, now: Instant) -> Vec<Note> {
        match part {
            Part::Machine => {
                let gone = self.step_machine().map(Note::Gone);
                gone.or_else(|| self.look_at_pause()).into_iter().collect()
            }
            Part::Display => self.accept_display(now),
            Part::Service => self.accept_service(now),
            Part::Call => self.accept_call(now),
            Part::Stream => self.talk(now),
            Part::Network => {
                self.accept_network(now);
                Vec::new()
            }
            Part::NetStream => self.hear_network(),
            Part::Console => {
                let read = self.read_console(64 * 1024);
                self.console_gate.take(read as u64, now);
                Vec::new()
            }
        }
    }

    fn step_machine(&mut self) -> Option<Exit> {
        if self.machine.step() == Step::Alive {
            return None;
        }
        // Its last words, and what they say about why.
        self.read_console(LAST_WORDS);
        if let Some(line) = self.log.finish(SystemTime::now()) {
            self.machine.setup_line(&line);
        }
        match self.machine.step() {
            Step::Alive => None,
            Step::Gone(exit) => Some(exit),
        }
    }

    /// Reads from the console; gives the bytes read.
    fn read_console(&mut self, most: usize) -> usize {
        let mut read = 0;
        let mut chunk = [0u8; 8192];
        while read < most && self.console_open {
            match rustix::io::read(self.machine.output(), &mut chunk[..]) {
                Ok(0) => self.console_open = false,
                Ok(n) => {
                    read += n;
                    for line in self.log.feed(&chunk[..n], SystemTime::now()) {
                        self.machine.setup_line(&line);
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(_) => self.console_open = false,
            }
        }
        read
    }

    fn accept(&mut self, channel: Channel) -> Option<OwnedFd> {
        match self.machine.accept(channel) {
            Ok(connection) => connection,
            Err(error) => {
                // Out of descriptors, most likely. The rate keeps this from going round and round.
                tracing::warn!(qube = %self.name, ?channel, %error, "a connection cannot be accepted");
                None
            }
        }
    }

    fn accept_display(&mut self, now: Instant) -> Vec<Note> {
        self.display_gate.take(1, now);
        let Some(connection) = self.accept(Channel::Display) else { return Vec::new() };
        // Only the newest is kept: the agent gave up the others, or should have.
        self.waiting_link = Some(connection);
        vec![Note::Link]
    }

    fn accept_service(&mut self, now: Instant) -> Vec<Note> {
        self.service_gate.take(1, now);
        let Some(connection) = self.accept(Channel::Service) else { return Vec::new() };
        let lost = self.stream.is_some();
        if lost {
            self.drop_stream("the agent opened a new service stream");
        }
        self.stream = Some(ServiceStream::new(connection));
        if lost { vec![Note::StreamLost] } else { Vec::new() }
    }

    fn accept_call(&mut self, now: Instant) -> Vec<Note> {
        self.call_gate.take(1, now);
        self.accept(Channel::Call).map(Note::Call).into_iter().collect()
    }

    /// The first is the guest's root, which begins before any program of its user: while it is there,
    /// nobody takes its place.
    fn accept_network(&mut self, now: Instant) {
        self.network_gate.take(1, now);
        let Some(connection) = self.accept(Channel::Network) else { return };
        if self.net.is_none() {
            self.net = Some(NetStream::new(connection));
        } else {
            self.note("a second stream about the network is refused");
        }
    }

    fn hear_network(&mut self) -> Vec<Note> {
        let Some(stream) = &mut self.net else { return Vec::new() };
        let result = stream.read().and_then(|said| stream.flush().map(|()| said));
        let closed = stream.is_closed();
        let mut notes = Vec::new();
        match result {
            Ok(said) => {
                for said in said {
                    match said {
                        network::Said::Hello => notes.push(Note::Network),
                        network::Said::Applied(number) => {
                            self.note(&format!("network: setup {number} is in force"));
                        }
                        network::Said::Refused(number, reason) => {
                            self.note(&format!("network: setup {number} is not in force: {reason}"));
                        }
                    }
                }
            }
            Err(violation) => self.punish_network(&violation),
        }
        if closed && self.net.take().is_some() {
            self.note("the stream about the network was closed");
        }
        notes
    }

    fn punish_network(&mut self, violation: &network::Violation) {
        tracing::warn!(qube = %self.name, %violation, "the network's stream broke its protocol");
        self.net = None;
        self.note(&format!("protocol violation on the network's stream, which is closed: {violation}"));
    }

    /// Says what the network is to be, if anybody asks.
    pub(super) fn tell_network(&mut self, setup: &Setup) {
        if let Some(number) = self.net.as_mut().and_then(|stream| stream.tell(setup)) {
            self.note(&format!("network: setup {number} was sent"));
        }
    }

    /// Bytes of memory that it holds; see [`Machine::memory_used`].
    pub(super) fn memory_used(&self) -> Option<u64> {
        self.machine.memory_used()
    }

    /// True if it has a card to the qube that its network goes through.
    pub(super) fn has_card(&self) -> bool {
        self.cards.own
    }

    /// Cards for clients.
    pub(super) fn slots(&self) -> usize {
        self.cards.slots
    }

    /// Plugs a cable into its own card, or none.
    pub(super) fn plug_own(&mut self, cable: Option<OwnedFd>) -> io::Result<()> {
        self.machine.plug(0, cable)
    }

    /// Plugs a client's cable into a card for clients, or none.
    pub(super) fn plug_slot(&mut self, slot: usize, cable: Option<OwnedFd>) -> io::Result<()> {
        self.machine.plug(usize::from(self.cards.own) + slot, cable)
    }

    fn drop_stream(&mut self, why: &str) {
        self.stream = None;
        self.programs.forget_asked();
        self.note(why);
    }

    /// Reads from and writes to the service stream.
    fn talk(&mut self, now: Instant) -> Vec<Note> {
        let Some(stream) = &mut self.stream else { return Vec::new() };
        let result = stream.read(&mut self.programs).and_then(|said| stream.flush().map(|()| said));
        let closed = stream.is_closed();
        match result {
            Ok(said) => {
                let lists = said.iter().filter(|said| matches!(said, Said::Listed(_))).count();
                if !(0..lists).all(|_| self.lists.take(now)) {
                    self.punish(&Violation::Often);
                    return vec![Note::StreamLost];
                }
                let mut notes: Vec<_> = said.into_iter().filter_map(|said| self.hear(said)).collect();
                if closed {
                    self.drop_stream("the agent closed its service stream");
                    notes.push(Note::StreamLost);
                }
                notes
            }
            Err(violation) => {
                self.punish(&violation);
                vec![Note::StreamLost]
            }
        }
    }

    fn punish(&mut self, violation: &Violation) {
        tracing::warn!(qube = %self.name, %violation, "the agent broke the service protocol");
        self.drop_stream(&format!("protocol violation on the service stream, which is closed: {violation}"));
    }

    fn hear(&mut self, said: Said) -> Option<Note> {
        match said {
            Said::Hello | Said::Listing => None,
            Said::Listed(list) => Some(Note::Listed(list)),
            Said::Ready => Some(Note::Ready),
            Said::Started { serial } => Some(Note::Program { serial, result: Ok(()) }),
            Said::Failed { serial, reason } => {
                self.note(&format!("program {serial} did not start: {reason}"));
                Some(Note::Program { serial, result: Err(reason) })
            }
            Said::Exited { serial, code, signal } => {
                self.note(&match signal {
                    0 => format!("program {serial} ended with status {code}"),
                    _ => format!("program {serial} was ended by signal {signal}"),
                });
                Some(Note::Ended)
            }
        }
    }

    /// Asks the agent for a program; gives the serial of the question.
    pub(super) fn run(&mut self, argv: &[String]) -> Result<u32, String> {
        let stream = self.stream.as_mut().filter(|stream| stream.is_greeted());
        let Some(stream) = stream else {
            return Err(format!("the agent of {} does not answer at the moment", self.name));
        };
        let Some(serial) = stream.run(argv, &mut self.programs) else {
            return Err(format!("too many programs run in {}", self.name));
        };
        // Nothing of the command line goes into the log: it may hold a secret.
        self.note(&format!("program {serial} was asked for"));
        Ok(serial)
    }

    /// Asks the agent for a program of its list; gives the serial of the question.
    fn launch(&mut self, id: &str) -> Result<u32, String> {
        let stream = self.stream.as_mut().filter(|stream| stream.is_greeted());
        let Some(stream) = stream else {
            return Err(format!("the agent of {} does not answer at the moment", self.name));
        };
        let asked = stream.launch(id, &mut self.programs);
        let serial = asked.map_err(|reason| format!("{} {reason}", self.name))?;
        self.note(&format!("program {serial} was asked for"));
        Ok(serial)
    }

    /// Asks for a program of either kind.
    pub(super) fn start_program(&mut self, program: &Program) -> Result<u32, String> {
        match program {
            Program::Command { argv } => self.run(argv),
            Program::Listed { id } => self.launch(id),
        }
    }

    /// Programs that were asked for and have not ended.
    pub(super) fn programs(&self) -> usize {
        self.programs.open()
    }

    /// Tells the agent to serve a call.
    pub(super) fn serve(
        &mut self,
        token: &Token,
        service: &str,
        argument: &str,
        source: &Caller,
    ) -> Result<(), String> {
        let stream = self.stream.as_mut().filter(|stream| stream.is_greeted());
        let told = stream.is_some_and(|stream| stream.serve(token, service, argument, source));
        if !told {
            return Err(format!("the agent of {} does not serve calls at the moment", self.name));
        }
        self.note(&format!("asked to serve {service} for {source}"));
        Ok(())
    }

    /// Writes what waits for the agent. Gives [`Note::StreamLost`] if that ends the stream.
    pub(super) fn flush(&mut self) -> Option<Note> {
        if let Some(net) = self.net.as_mut().filter(|net| net.wants_to_write())
            && let Err(violation) = net.flush()
        {
            self.punish_network(&violation);
        }
        let stream = self.stream.as_mut().filter(|stream| stream.wants_to_write())?;
        let violation = stream.flush().err()?;
        self.punish(&violation);
        Some(Note::StreamLost)
    }

    /// Asks the machine to stop where it is, or to go on. Gives a note if it has already.
    pub(super) fn set_paused(&mut self, paused: bool) -> io::Result<Option<Note>> {
        self.machine.set_paused(paused)?;
        self.held = paused;
        Ok(self.look_at_pause())
    }

    /// True if it was asked to stop where it is, and not to go on since.
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// Sees if the machine was paused or goes on.
    fn look_at_pause(&mut self) -> Option<Note> {
        let paused = self.machine.is_paused();
        self.phase = match (self.phase, paused) {
            (Phase::Running, true) => Phase::Paused,
            (Phase::Paused, false) => Phase::Running,
            _ => return None,
        };
        self.note(if paused { "paused" } else { "goes on" });
        // A virtual machine's clock may have stood still with it.
        if let (false, Some(stream)) = (paused, &mut self.stream) {
            stream.tell_time(SystemTime::now());
        }
        Some(Note::Paused(paused))
    }

    /// Asks the agent to end, after half of the time presses the machine's power button, and kills it
    /// at `deadline`. Where there is nobody to ask, the button comes first, or the end.
    pub(super) fn stop(&mut self, now: Instant, deadline: Instant) {
        // Nobody can be polite who does not run.
        let held = std::mem::take(&mut self.held) || self.machine.is_paused();
        if held && let Err(error) = self.machine.set_paused(false) {
            tracing::warn!(qube = %self.name, %error, "it cannot go on to end");
        }
        let before = std::mem::replace(&mut self.phase, Phase::Stopping);
        self.ending.get_or_insert(Ending::Asked);
        let kill_at = self.kill_at.map_or(deadline, |old| old.min(deadline));
        self.kill_at = Some(kill_at);
        if before == Phase::Stopping {
            self.deadline = self.deadline.map(|old| old.min(kill_at));
            return;
        }
        self.deadline = Some(kill_at);
        if let Some(stream) = self.stream.as_mut().filter(|stream| stream.is_greeted()) {
            stream.shut_down();
            self.deadline = Some(now + kill_at.saturating_duration_since(now) / 2);
        // What has not begun has nothing to end.
        } else if before == Phase::Starting || !self.press_power_button() {
            self.machine.kill();
        }
    }

    fn press_power_button(&mut self) -> bool {
        let pressed = self.machine.press_power_button();
        if pressed {
            self.note("the agent does not answer: the power button is pressed");
        }
        pressed
    }

    /// Ends it now.
    pub(super) fn kill(&mut self, why: Ending) {
        self.phase = Phase::Stopping;
        self.ending.get_or_insert(why);
        self.deadline = None;
        self.machine.kill();
    }

    /// The phase, or what was tried in it, has lasted too long.
    pub(super) fn expire(&mut self, now: Instant) {
        match self.phase {
            Phase::Starting => {
                let reason = format!("the agent was not ready after {} s", self.start_limit.as_secs());
                self.note(&reason);
                self.kill(Ending::Because(reason));
            }
            Phase::Running | Phase::Paused => self.deadline = None,
            Phase::Stopping if self.kill_at.is_some_and(|at| at > now) => {
                self.deadline = self.kill_at;
                self.press_power_button();
            }
            Phase::Stopping => {
                self.note("the agent did not end in time and is killed");
                self.kill(Ending::Asked);
            }
        }
    }

    /// True if a control stream waits.
    pub(super) fn has_link(&self) -> bool {
        self.waiting_link.is_some()
    }

    /// Takes the waiting control stream.
    pub(super) fn take_link(&mut self) -> Option<OwnedFd> {
        self.waiting_link.take()
    }

    /// Why it is not running any more; `None` if that is as it should be.
    pub(super) fn failure(&self, exit: &Exit) -> Option<String> {
        match (&self.ending, self.phase, exit) {
            (Some(Ending::Because(reason)), ..) => Some(reason.clone()),
            (Some(Ending::Asked), ..)
            | (None, Phase::Running | Phase::Paused | Phase::Stopping, Exit::Code(0)) => None,
            (None, _, Exit::Setup(_)) => Some(exit.to_string()),
            (None, _, Exit::Machine(_)) => Some(format!("{exit}; see `transom qube log {}`", self.name)),
            (None, Phase::Starting, _) => {
                Some(format!("{exit} before it was ready; see `transom qube log {}`", self.name))
            }
            (None, ..) => Some(format!("{exit}; see `transom qube log {}`", self.name)),
        }
    }
}
