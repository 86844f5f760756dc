//! What the agent and `transom-qubed` say to each other, on a stream of their own.
//!
//! The same framing as the window protocol, a table of its own. The agent opens the stream and
//! says [`ToQubed::Hello`]; qubed answers [`ToAgent::Welcome`]. Programs are only ever started by
//! request of dom0.

use zerocopy::little_endian::{I32, U16, U32, U64};

use crate::{
    call::{MAX_ARGUMENT, MAX_SERVICE, is_argument, is_service},
    supervisor::{MAX_NAME, QubeName},
    types::{strings, wire_type},
    wire::{self, Direction, Raw, Tail, WireError, messages},
};

/// Longest command line of one program, all arguments together, in bytes.
pub const MAX_COMMAND: usize = 32 * 1_024;
/// Most arguments of one program.
pub const MAX_ARGUMENTS: usize = 256;
/// Longest reason for a failure, in bytes.
pub const MAX_REASON: usize = 256;

wire_type! {
    /// See [`ToQubed::Hello`].
    pub struct Hello {
        /// [`crate::MAGIC`].
        pub magic: [u8; 8],
        /// Newest version of this protocol the agent speaks; 3, or 2 without `Serve`, or 1 without `Time`.
        pub version: U16,
    }

    /// See [`ToAgent::Welcome`].
    pub struct Welcome {
        /// Version both will speak.
        pub version: U16,
    }

    /// See [`ToAgent::Run`]; arguments follow, each ended by a zero byte.
    pub struct Run {
        /// Reserved, 0.
        pub flags: U16,
    }

    /// See [`ToAgent::Time`].
    pub struct Time {
        /// Seconds since 1970, UTC.
        pub seconds: U64,
        /// Nanoseconds beyond them, below 1,000,000,000; whole milliseconds.
        pub nanos: U32,
    }

    /// See [`ToAgent::Serve`]; service, argument and the calling qube follow, each ended by a zero byte.
    pub struct Serve {
        /// For [`crate::call::CallUp::Accept`].
        pub token: [u8; 16],
    }

    /// See [`ToQubed::Failed`]; the reason follows as UTF-8.
    pub struct Failed {
        /// `errno`, or 0.
        pub errno: I32,
    }

    /// See [`ToQubed::Exited`].
    pub struct Exited {
        /// Exit code, or -1 if a signal ended it.
        pub code: I32,
        /// The signal, or 0.
        pub signal: I32,
    }
}

impl Tail for Run {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        strings(tail, MAX_ARGUMENTS).is_some_and(|argv| argv.first().is_some_and(|p| !p.is_empty()))
    }
}

impl<'a> wire::With<'a, Run> {
    /// Program and arguments; never empty.
    pub fn arguments(&self) -> Vec<&'a str> {
        strings(self.tail, MAX_ARGUMENTS).unwrap_or_default()
    }
}

/// Most bytes behind a [`Serve`].
const MAX_SERVE: usize = MAX_SERVICE + MAX_ARGUMENT + MAX_NAME + 3;

impl Tail for Serve {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        parts(tail).is_some_and(|[service, argument, source]| {
            is_service(service) && is_argument(argument) && QubeName::new(source).is_ok()
        })
    }
}

fn parts(tail: &[u8]) -> Option<[&str; 3]> {
    strings(tail, 3)?.try_into().ok()
}

impl<'a> wire::With<'a, Serve> {
    /// Service, argument and calling qube, each checked for its form.
    pub fn parts(&self) -> [&'a str; 3] {
        parts(self.tail).unwrap_or([""; 3])
    }
}

impl Tail for Failed {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        str::from_utf8(tail).is_ok()
    }
}

messages! {
    /// From the agent to qubed.
    pub enum ToQubed: ToDom0, TO_QUBED;

    0x0101 Hello (fixed Hello) "First message of the agent. Checked: magic and version.";
    0x0102 Started (unit) "The program of Run with this serial runs. Checked: such a Run is open.";
    0x0103 Failed (tail Failed, MAX_REASON) "The program of Run with this serial did not start, with the reason. Checked: such a Run is open.";
    0x0104 Exited (fixed Exited) "The program of Run with this serial has ended. Checked: it was started.";
    0x0105 Ready (unit) "The agent serves its programs: qubed may start some.";
}

messages! {
    /// From qubed to the agent.
    pub enum ToAgent: ToQube, TO_AGENT;

    0x8101 Welcome (fixed Welcome) "Answer to Hello.";
    0x8102 Run (tail Run, MAX_COMMAND) "Start a program as the qube's user; serial: names the request, not 0.";
    0x8103 Shutdown (unit) "End the programs politely, then exit.";
    0x8104 Time (fixed Time) "The time of day in dom0, after the qube was paused: its own clock may have stood still. Only to agents of version 2.";
    0x8105 Serve (tail Serve, MAX_SERVE) "Serve a call: open a call stream, send Accept with the token, and run the service. Only to agents of version 3.";
}

/// Looks at the front of `buf` for one message from an agent. See [`wire::next`].
pub fn next_to_qubed(buf: &[u8]) -> Result<Option<Raw<'_>>, WireError> {
    wire::next(buf, TO_QUBED, Direction::ToDom0)
}

/// Looks at the front of `buf` for one message from qubed. See [`wire::next`].
pub fn next_to_agent(buf: &[u8]) -> Result<Option<Raw<'_>>, WireError> {
    wire::next(buf, TO_AGENT, Direction::ToQube)
}
