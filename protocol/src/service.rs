//! What the agent and `transom-qubed` say to each other, on a stream of their own.
//!
//! The same framing as the window protocol, a table of its own. The agent opens the stream and
//! says [`ToQubed::Hello`]; qubed answers [`ToAgent::Welcome`]. Programs are only ever started by
//! request of dom0.

use zerocopy::little_endian::{I32, U16, U32, U64};

use crate::{
    call::{Caller, MAX_ARGUMENT, MAX_SERVICE, is_argument, is_service},
    programs::is_program_id,
    supervisor::MAX_NAME,
    types::{strings, wire_type},
    wire::{self, Direction, Raw, Tail, WireError, messages},
};

/// Longest command line of one program, all arguments together, in bytes.
pub const MAX_COMMAND: usize = 32 * 1_024;
/// Most arguments of one program.
pub const MAX_ARGUMENTS: usize = 256;
/// Longest reason for a failure, in bytes.
pub const MAX_REASON: usize = 256;
/// Most programs in one list.
pub const MAX_LISTED: usize = 512;
/// Longest id of a program, in bytes.
pub const MAX_PROGRAM_ID: usize = 128;
/// Longest name of a program, in bytes.
pub const MAX_PROGRAM_NAME: usize = 256;
/// Longest comment, categories or keywords of a program, in bytes each.
pub const MAX_PROGRAM_WORDS: usize = 512;
/// Width and height of a program's picture, in pixels.
pub const ICON_SIDE: usize = 48;
/// Bytes of a program's picture.
pub const ICON_BYTES: usize = ICON_SIDE * ICON_SIDE * 4;
/// Most bytes of the texts of one program, each with its zero byte.
pub const MAX_PROGRAM_TEXT: usize = MAX_PROGRAM_ID + MAX_PROGRAM_NAME + 3 * MAX_PROGRAM_WORDS + 5;

wire_type! {
    /// See [`ToQubed::Hello`].
    pub struct Hello {
        /// [`crate::MAGIC`].
        pub magic: [u8; 8],
        /// Newest version of this protocol the agent speaks; 4, or 3 without lists of programs and `Launch`,
        /// or 2 without `Serve`, or 1 without `Time`.
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

    /// See [`ToAgent::Launch`]; the program's id follows.
    pub struct Launch {
        /// Reserved, 0.
        pub flags: U16,
    }

    /// See [`ToQubed::List`].
    pub struct List {
        /// Programs that follow, at most `MAX_LISTED`.
        pub count: U16,
    }

    /// See [`ToQubed::Listed`]; id, name, comment, categories and keywords follow, each ended by a zero byte,
    /// then nothing or the picture: 48 rows of 48 pixels of red, green, blue and alpha, not premultiplied.
    pub struct Listed {
        /// Bytes of the texts.
        pub text: U16,
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
            is_service(service) && is_argument(argument) && Caller::new(source).is_ok()
        })
    }
}

fn parts(tail: &[u8]) -> Option<[&str; 3]> {
    strings(tail, 3)?.try_into().ok()
}

impl<'a> wire::With<'a, Serve> {
    /// Service, argument, and who calls ([`Caller`]), each checked for its form.
    pub fn parts(&self) -> [&'a str; 3] {
        parts(self.tail).unwrap_or([""; 3])
    }
}

impl Tail for Launch {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        str::from_utf8(tail).is_ok_and(is_program_id)
    }
}

impl<'a> wire::With<'a, Launch> {
    /// The id; its form is checked.
    pub fn id(&self) -> &'a str {
        str::from_utf8(self.tail).unwrap_or_default()
    }
}

/// Texts and picture of a program, as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListedParts<'a> {
    /// Names it; checked by [`is_program_id`].
    pub id: &'a str,
    /// What people call it.
    pub untrusted_name: &'a str,
    /// What it is for, in one line.
    pub untrusted_comment: &'a str,
    /// Kinds of program that it is one of, with `;` between.
    pub untrusted_categories: &'a str,
    /// Other words that it can be found by, with `;` between.
    pub untrusted_keywords: &'a str,
    /// [`ICON_BYTES`] bytes, any of them.
    pub untrusted_icon: Option<&'a [u8]>,
}

impl Tail for Listed {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        listed(*self, tail).is_some()
    }
}

fn listed(head: Listed, tail: &[u8]) -> Option<ListedParts<'_>> {
    let (text, icon) = tail.split_at_checked(head.text.get().into())?;
    let [id, name, comment, categories, keywords] = <[&str; 5]>::try_from(strings(text, 5)?).ok()?;
    let lengths = [comment, categories, keywords].iter().all(|text| text.len() <= MAX_PROGRAM_WORDS);
    let icon = match icon.len() {
        0 => None,
        ICON_BYTES => Some(icon),
        _ => return None,
    };
    (is_program_id(id) && name.len() <= MAX_PROGRAM_NAME && lengths).then_some(ListedParts {
        id,
        untrusted_name: name,
        untrusted_comment: comment,
        untrusted_categories: categories,
        untrusted_keywords: keywords,
        untrusted_icon: icon,
    })
}

impl<'a> wire::With<'a, Listed> {
    /// The program; lengths and the id's form are checked, what the texts say is not.
    pub fn parts(&self) -> ListedParts<'a> {
        listed(*self.fixed, self.tail).unwrap_or_default()
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
    0x0106 List (fixed List) "A list of the qube's programs begins, which takes the place of the one before. Checked: the count, that no list is open, and how often lists come.";
    0x0107 Listed (tail Listed, MAX_PROGRAM_TEXT + ICON_BYTES) "A program of the list. Checked: a list is open and has room, the id is of its form and new, each text is UTF-8 of its length, the picture has its length or is not there. Texts are cleaned.";
    0x0108 ListEnd (unit) "The list is whole. Checked: it has as many programs as it said.";
}

messages! {
    /// From qubed to the agent.
    pub enum ToAgent: ToQube, TO_AGENT;

    0x8101 Welcome (fixed Welcome) "Answer to Hello.";
    0x8102 Run (tail Run, MAX_COMMAND) "Start a program as the qube's user; serial: names the request, not 0.";
    0x8103 Shutdown (unit) "End the programs politely, then exit.";
    0x8104 Time (fixed Time) "The time of day in dom0, after the qube was paused: its own clock may have stood still. Only to agents of version 2.";
    0x8105 Serve (tail Serve, MAX_SERVE) "Serve a call: open a call stream, send Accept with the token, and run the service. Only to agents of version 3.";
    0x8106 Launch (tail Launch, MAX_PROGRAM_ID) "Start the program of this id as the qube's user; answered like Run, with whose serials its own are counted. What it is started by, the qube alone knows. Only to agents of version 4.";
}

/// Looks at the front of `buf` for one message from an agent. See [`wire::next`].
pub fn next_to_qubed(buf: &[u8]) -> Result<Option<Raw<'_>>, WireError> {
    wire::next(buf, TO_QUBED, Direction::ToDom0)
}

/// Looks at the front of `buf` for one message from qubed. See [`wire::next`].
pub fn next_to_agent(buf: &[u8]) -> Result<Option<Raw<'_>>, WireError> {
    wire::next(buf, TO_AGENT, Direction::ToQube)
}
