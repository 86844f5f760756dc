//! The service stream: what qubed and an agent say to each other.
//!
//! Every byte from the agent is hostile. A violation ends the stream, and nothing else.

use std::{
    collections::BTreeMap,
    os::fd::{BorrowedFd, OwnedFd},
    time::{SystemTime, UNIX_EPOCH},
};

use transom_protocol::{
    MAGIC, SERVICE_VERSION,
    call::{Caller, Token},
    programs::{Gathering, ListError, ProgramList},
    service::{Launch, MAX_REASON, Run, Serve, Time, ToAgent, ToQubed, Welcome, next_to_qubed},
    text::clean,
    types::join_strings,
    wire::{Raw, WireError, With},
};

use super::socket::Socket;

/// Most bytes read from one agent before others have their turn.
const BUDGET: usize = 64 * 1024;
/// Most bytes that wait for an agent to read.
const MAX_OUT: usize = 256 * 1024;
/// Most programs of one qube that were asked for and have not ended.
const MAX_PROGRAMS: usize = 1_024;

/// From this version on an agent lists its programs.
const LISTS_FROM: u16 = 4;

/// What an agent did wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("{0} before Hello")]
    NotGreeted(&'static str),
    #[error("a second Hello")]
    GreetedTwice,
    #[error("a Hello of another protocol")]
    Magic,
    #[error("a Hello of version 0")]
    Version,
    #[error("{0} names a window")]
    Window(&'static str),
    #[error("{0} of serial {1}, which is not open")]
    Serial(&'static str, u32),
    #[error("it does not read what it is told")]
    Deaf,
    #[error("{0}, which its version does not have")]
    Newer(&'static str),
    #[error(transparent)]
    List(#[from] ListError),
    #[error("it lists its programs again and again")]
    Often,
}

/// What an agent said, checked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Hello; it was answered.
    Hello,
    /// It serves its programs.
    Ready,
    /// A program runs.
    Started { serial: u32 },
    /// A program did not start. The reason is clean.
    Failed { serial: u32, reason: String },
    /// A program has ended.
    Exited { serial: u32, code: i32, signal: i32 },
    /// A part of a list came.
    Listing,
    /// It has listed its programs.
    Listed(ProgramList),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Program {
    Asked,
    Started,
}

/// The programs that an agent was asked to run. They outlive a stream.
#[derive(Debug, Default)]
pub(super) struct Programs {
    open: BTreeMap<u32, Program>,
    last: u32,
}

impl Programs {
    /// A new serial, or `None` if too many programs are open.
    fn ask(&mut self) -> Option<u32> {
        if self.open.len() >= MAX_PROGRAMS {
            return None;
        }
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.open.contains_key(&self.last) {
                self.open.insert(self.last, Program::Asked);
                return Some(self.last);
            }
        }
    }

    /// Those that were asked for and have not ended.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// Gives up on what was asked and not answered: the stream it was asked on is gone.
    pub(super) fn forget_asked(&mut self) {
        self.open.retain(|_, program| *program != Program::Asked);
    }

    /// Checks an answer about `serial`, which must be in state `was`, and becomes `is`.
    fn step(
        &mut self,
        name: &'static str,
        serial: u32,
        was: Program,
        is: Option<Program>,
    ) -> Result<(), Violation> {
        if self.open.get(&serial) != Some(&was) {
            return Err(Violation::Serial(name, serial));
        }
        match is {
            Some(is) => self.open.insert(serial, is),
            None => self.open.remove(&serial),
        };
        Ok(())
    }
}

/// One stream to an agent.
#[derive(Debug)]
pub(super) struct ServiceStream {
    socket: Socket,
    core: Core,
}

impl ServiceStream {
    /// Takes a connection that was accepted for a qube; non-blocking.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self { socket: Socket::new(socket), core: Core::default() }
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.fd()
    }

    pub(super) fn wants_to_write(&self) -> bool {
        !self.core.out.is_empty()
    }

    /// True when the agent has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.socket.is_closed()
    }

    /// True once the agent said Hello.
    pub(super) fn is_greeted(&self) -> bool {
        self.core.version.is_some()
    }

    /// Reads a bounded amount.
    pub(super) fn read(&mut self, programs: &mut Programs) -> Result<Vec<Said>, Violation> {
        let mut said = Vec::new();
        let core = &mut self.core;
        self.socket.read(BUDGET, |untrusted| core.take(untrusted, programs, &mut said))?;
        Ok(said)
    }

    /// Asks for a program; gives its serial, or `None` if too many are open.
    pub(super) fn run(&mut self, argv: &[String], programs: &mut Programs) -> Option<u32> {
        let serial = programs.ask()?;
        let tail = join_strings(argv.iter().map(String::as_str));
        let run = With { fixed: &Run { flags: 0.into() }, tail: &tail };
        ToAgent::Run(run).encode(0, serial, &mut self.core.out);
        Some(serial)
    }

    /// Asks for a program of the agent's list; gives its serial.
    ///
    /// # Errors
    /// Its agent has no list, or too many programs are open: in words that follow its name.
    pub(super) fn launch(&mut self, id: &str, programs: &mut Programs) -> Result<u32, &'static str> {
        if self.core.version < Some(LISTS_FROM) {
            return Err("has an agent that knows no lists of programs; make its image anew");
        }
        let serial = programs.ask().ok_or("runs too many programs")?;
        let launch = With { fixed: &Launch { flags: 0.into() }, tail: id.as_bytes() };
        ToAgent::Launch(launch).encode(0, serial, &mut self.core.out);
        Ok(serial)
    }

    /// Asks the agent to end its programs and itself.
    pub(super) fn shut_down(&mut self) {
        ToAgent::Shutdown(()).encode(0, 0, &mut self.core.out);
    }

    /// Tells the time of day, to an agent that knows the message. Milliseconds are all it needs.
    pub(super) fn tell_time(&mut self, now: SystemTime) {
        if self.core.version >= Some(2)
            && let Ok(time) = now.duration_since(UNIX_EPOCH)
        {
            let nanos = time.subsec_millis() * 1_000_000;
            let time = Time { seconds: time.as_secs().into(), nanos: nanos.into() };
            ToAgent::Time(&time).encode(0, 0, &mut self.core.out);
        }
    }

    /// Tells the agent to serve a call. False if it does not know how.
    pub(super) fn serve(&mut self, token: &Token, service: &str, argument: &str, source: &Caller) -> bool {
        if self.core.version < Some(3) {
            return false;
        }
        let tail = join_strings([service, argument, source.as_str()]);
        let serve = With { fixed: &Serve { token: *token }, tail: &tail };
        ToAgent::Serve(serve).encode(0, 0, &mut self.core.out);
        true
    }

    /// Writes as much as the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), Violation> {
        self.socket.flush(&mut self.core.out);
        if self.core.out.len() > MAX_OUT { Err(Violation::Deaf) } else { Ok(()) }
    }
}

/// The conversation without its socket.
#[derive(Debug, Default)]
struct Core {
    /// Not yet a whole message: shorter than the longest one.
    buffer: Vec<u8>,
    out: Vec<u8>,
    /// Agreed on with Hello.
    version: Option<u16>,
    /// The list that is coming in.
    gathering: Gathering,
}

impl Core {
    /// Takes bytes in any pieces. After an error the stream must be dropped.
    fn take(
        &mut self,
        untrusted: &[u8],
        programs: &mut Programs,
        said: &mut Vec<Said>,
    ) -> Result<(), Violation> {
        self.buffer.extend_from_slice(untrusted);
        let mut used = 0;
        while let Some(raw) = next_to_qubed(&self.buffer[used..])? {
            used += raw.wire_len();
            let heard = (&mut self.version, &mut self.gathering);
            said.push(understand(&raw, heard, &mut self.out, programs)?);
        }
        self.buffer.drain(..used);
        Ok(())
    }

    #[cfg(test)]
    fn check_invariants(&self, programs: &Programs) {
        let longest = transom_protocol::service::TO_QUBED.iter().map(|info| info.max).max().unwrap();
        assert!(self.buffer.len() < transom_protocol::wire::HEADER_LEN + longest as usize);
        assert!(programs.open.len() <= MAX_PROGRAMS);
        self.gathering.check_invariants().unwrap();
    }
}

fn understand(
    raw: &Raw<'_>,
    (agreed, gathering): (&mut Option<u16>, &mut Gathering),
    out: &mut Vec<u8>,
    programs: &mut Programs,
) -> Result<Said, Violation> {
    let message = ToQubed::parse(raw)?;
    let (name, serial) = (message.name(), raw.header.serial.get());
    if raw.header.window.get() != 0 {
        return Err(Violation::Window(name));
    }
    if let ToQubed::Hello(hello) = message {
        if agreed.is_some() {
            return Err(Violation::GreetedTwice);
        }
        if hello.magic != MAGIC {
            return Err(Violation::Magic);
        }
        let version = hello.version.get().min(SERVICE_VERSION);
        if version == 0 {
            return Err(Violation::Version);
        }
        *agreed = Some(version);
        ToAgent::Welcome(&Welcome { version: version.into() }).encode(0, 0, out);
        return Ok(Said::Hello);
    }
    let Some(version) = *agreed else { return Err(Violation::NotGreeted(name)) };
    let lists = matches!(message, ToQubed::List(_) | ToQubed::Listed(_) | ToQubed::ListEnd(()));
    if lists && version < LISTS_FROM {
        return Err(Violation::Newer(name));
    }
    Ok(match message {
        ToQubed::Hello(_) => return Err(Violation::GreetedTwice),
        ToQubed::Ready(()) => Said::Ready,
        ToQubed::Started(()) => {
            programs.step(name, serial, Program::Asked, Some(Program::Started))?;
            Said::Started { serial }
        }
        ToQubed::Failed(failed) => {
            programs.step(name, serial, Program::Asked, None)?;
            let reason = match clean(failed.tail, MAX_REASON) {
                reason if reason.is_empty() => "the agent gives no reason".to_owned(),
                reason => reason,
            };
            Said::Failed { serial, reason }
        }
        ToQubed::Exited(exited) => {
            programs.step(name, serial, Program::Started, None)?;
            Said::Exited { serial, code: exited.code.get(), signal: exited.signal.get() }
        }
        ToQubed::List(list) => {
            gathering.begin(list)?;
            Said::Listing
        }
        ToQubed::Listed(listed) => {
            gathering.add(&listed)?;
            Said::Listing
        }
        ToQubed::ListEnd(()) => Said::Listed(gathering.end()?),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transom_protocol::service::{Exited, Failed, Hello, next_to_agent};

    use super::*;

    fn bytes(message: ToQubed<'_>, serial: u32) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(0, serial, &mut out);
        out
    }

    fn hello() -> Vec<u8> {
        bytes(ToQubed::Hello(&Hello { magic: MAGIC, version: 1.into() }), 0)
    }

    fn take(core: &mut Core, programs: &mut Programs, bytes: &[u8]) -> Result<Vec<Said>, Violation> {
        let mut said = Vec::new();
        core.take(bytes, programs, &mut said).map(|()| said)
    }

    #[test]
    fn a_whole_conversation_byte_by_byte() {
        let (mut core, mut programs) = (Core::default(), Programs::default());
        let first = programs.ask().unwrap();
        let second = programs.ask().unwrap();
        let failed = With { fixed: &Failed { errno: 2.into() }, tail: b"no\x1b such file" };
        let exited = Exited { code: 3.into(), signal: 0.into() };
        let stream = [
            hello(),
            bytes(ToQubed::Ready(()), 0),
            bytes(ToQubed::Started(()), first),
            bytes(ToQubed::Failed(failed), second),
            bytes(ToQubed::Exited(&exited), first),
        ]
        .concat();
        let mut said = Vec::new();
        for byte in stream {
            core.take(&[byte], &mut programs, &mut said).unwrap();
            core.check_invariants(&programs);
        }
        assert_eq!(said.len(), 5);
        assert_eq!(said[3], Said::Failed { serial: second, reason: "no such file".to_owned() });
        assert_eq!(said[4], Said::Exited { serial: first, code: 3, signal: 0 });
        assert!(programs.open.is_empty() && core.buffer.is_empty());
        let welcome = next_to_agent(&core.out).unwrap().unwrap();
        assert!(matches!(ToAgent::parse(&welcome), Ok(ToAgent::Welcome(w)) if w.version.get() == 1));
    }

    #[test]
    fn what_is_illegal_is_refused_by_its_rule() {
        let refused = |stream: &[Vec<u8>]| {
            let (mut core, mut programs) = (Core::default(), Programs::default());
            assert_eq!(programs.ask(), Some(1));
            take(&mut core, &mut programs, &stream.concat()).unwrap_err()
        };
        let started = || bytes(ToQubed::Started(()), 1);
        let exited = || bytes(ToQubed::Exited(&Exited { code: 0.into(), signal: 0.into() }), 1);
        assert_eq!(refused(&[started()]), Violation::NotGreeted("Started"));
        assert_eq!(refused(&[hello(), hello()]), Violation::GreetedTwice);
        assert_eq!(refused(&[hello(), exited()]), Violation::Serial("Exited", 1));
        assert_eq!(refused(&[hello(), started(), started()]), Violation::Serial("Started", 1));
        assert_eq!(refused(&[hello(), bytes(ToQubed::Started(()), 2)]), Violation::Serial("Started", 2));
        let hello_of =
            |magic, version: u16| vec![bytes(ToQubed::Hello(&Hello { magic, version: version.into() }), 0)];
        assert_eq!(refused(&hello_of(*b"TRANSOM2", 1)), Violation::Magic);
        assert_eq!(refused(&hello_of(MAGIC, 0)), Violation::Version);
        assert!(matches!(refused(&[vec![0xff; 16]]), Violation::Wire(_)));
        let mut window = Vec::new();
        ToQubed::Ready(()).encode(4, 0, &mut window);
        assert_eq!(refused(&[hello(), window]), Violation::Window("Ready"));
    }

    #[test]
    fn lists_come_whole_and_only_from_those_who_know_them() {
        use transom_protocol::{programs::Program, service::List};
        let program = |id: &str| Program {
            id: id.into(),
            name: "A \u{202e}name".into(),
            comment: String::new(),
            categories: String::new(),
            keywords: String::new(),
            icon: None,
        };
        let hello = |version: u16| bytes(ToQubed::Hello(&Hello { magic: MAGIC, version: version.into() }), 0);
        let list = ProgramList::of(["a", "b"].map(program)).encode();
        let said = take(&mut Core::default(), &mut Programs::default(), &[hello(4), list.repeat(2)].concat());
        let lists: Vec<_> =
            said.unwrap().into_iter().filter(|said| matches!(said, Said::Listed(_))).collect();
        let [Said::Listed(first), Said::Listed(_)] = &lists[..] else { panic!("{lists:?}") };
        assert_eq!(first.programs()[1].name, "A name");
        let refused = |version: u16, rest: Vec<u8>| {
            take(&mut Core::default(), &mut Programs::default(), &[hello(version), rest].concat())
                .unwrap_err()
        };
        assert_eq!(refused(3, list.clone()), Violation::Newer("List"));
        let many = bytes(ToQubed::List(&List { count: 65_535.into() }), 0);
        assert_eq!(refused(4, many), Violation::List(ListError::TooMany(65_535)));
        assert_eq!(
            refused(4, bytes(ToQubed::ListEnd(()), 0)),
            Violation::List(ListError::NotOpen("ListEnd"))
        );
    }

    #[test]
    fn programs_have_a_limit_and_outlive_a_stream() {
        let mut programs = Programs::default();
        for _ in 0..MAX_PROGRAMS {
            assert!(programs.ask().is_some());
        }
        assert_eq!(programs.ask(), None);
        programs.step("", 5, Program::Asked, Some(Program::Started)).unwrap();
        programs.forget_asked();
        assert_eq!(programs.open.len(), 1);
        programs.last = u32::MAX;
        assert_eq!(programs.ask(), Some(1), "0 names nothing");
    }

    #[test]
    fn only_who_knows_the_message_hears_the_time() {
        let now = UNIX_EPOCH + std::time::Duration::new(1_700_000_000, 123_456_789);
        for (version, spoken) in [(1, 1), (2, 2), (9, SERVICE_VERSION)] {
            let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let mut stream = ServiceStream::new(ours.into());
            stream.tell_time(now);
            assert!(!stream.wants_to_write(), "nobody is there yet");
            let hello = Hello { magic: MAGIC, version: version.into() };
            std::io::Write::write_all(&mut theirs, &bytes(ToQubed::Hello(&hello), 0)).unwrap();
            stream.read(&mut Programs::default()).unwrap();
            stream.tell_time(now);
            let said = stream.core.out.clone();
            let welcome = next_to_agent(&said).unwrap().unwrap();
            assert!(matches!(ToAgent::parse(&welcome), Ok(ToAgent::Welcome(w)) if w.version.get() == spoken));
            let time = next_to_agent(&said[welcome.wire_len()..]).unwrap();
            assert_eq!(time.is_some(), spoken >= 2);
            if let Some(time) = time {
                let time = ToAgent::parse(&time).unwrap();
                let ToAgent::Time(time) = time else { panic!("{time:?}") };
                assert_eq!((time.seconds.get(), time.nanos.get()), (1_700_000_000, 123_000_000));
            }
        }
    }

    #[test]
    fn an_agent_that_does_not_read_is_cut_off() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut stream = ServiceStream::new(ours.into());
        let mut programs = Programs::default();
        let argv = vec!["x".repeat(30_000)];
        let cut = (0..MAX_PROGRAMS).any(|_| {
            stream.run(&argv, &mut programs);
            stream.flush().is_err()
        });
        assert!(cut);
    }

    proptest! {
        #[test]
        fn any_bytes_give_messages_or_a_violation(
            greeted: bool,
            junk in proptest::collection::vec(any::<u8>(), 0..200),
            kind in 0x0100u16..0x010b,
            length in 0u32..40,
        ) {
            let (mut core, mut programs) = (Core::default(), Programs::default());
            programs.ask();
            if greeted {
                take(&mut core, &mut programs, &hello()).unwrap();
            }
            let header = [&kind.to_le_bytes()[..], &[0, 0], &length.to_le_bytes(), &[0; 4], &1u32.to_le_bytes()].concat();
            let ok = take(&mut core, &mut programs, &[header, junk.clone()].concat()).is_ok();
            if ok {
                core.check_invariants(&programs);
            }
            let _ = take(&mut Core::default(), &mut programs, &junk);
        }

        #[test]
        fn pieces_do_not_matter(cuts in proptest::collection::vec(0usize..80, 0..6)) {
            let stream = [hello(), bytes(ToQubed::Ready(()), 0), bytes(ToQubed::Started(()), 1)].concat();
            let whole = take(&mut Core::default(), &mut { let mut p = Programs::default(); p.ask(); p }, &stream);
            let (mut core, mut programs) = (Core::default(), Programs::default());
            programs.ask();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let mut said = Vec::new();
            for pair in cuts.windows(2) {
                core.take(&stream[pair[0]..pair[1]], &mut programs, &mut said).unwrap();
            }
            prop_assert_eq!(Ok(said), whole);
        }
    }
}
