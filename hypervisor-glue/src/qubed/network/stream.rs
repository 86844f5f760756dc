//! The stream to `transom-net` in a guest. What comes from there is hostile, and says only if a setup is
//! in force; a violation ends the stream, and nothing else.

use std::os::fd::{BorrowedFd, OwnedFd};

use transom_protocol::{
    MAGIC,
    network::{FromNet, MAX_REASON, MAX_SETUP, NETWORK_VERSION, Setup, SetupHead, ToNet, next_from_net},
    text::clean,
    wire::{Raw, WireError, With},
};

use crate::qubed::socket::Socket;

/// Most bytes read from one guest before others have their turn.
const BUDGET: usize = 4 * 1024;
/// Most bytes that wait for a guest to read.
const MAX_OUT: usize = 3 * MAX_SETUP;

/// What a guest did wrong.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("{0} before Hello")]
    NotGreeted(&'static str),
    #[error("a second Hello")]
    GreetedTwice,
    #[error("a Hello of another protocol")]
    Magic,
    #[error("{0} names a window")]
    Window(&'static str),
    #[error("{0} of setup {1}, which was not sent, or answered before")]
    Serial(&'static str, u32),
    #[error("it does not read what it is told")]
    Deaf,
}

/// What a guest said, checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Hello: it wants to know.
    Hello,
    /// The setup of this number is in force.
    Applied(u32),
    /// It is not. The reason is clean.
    Refused(u32, String),
}

/// The stream.
#[derive(Debug)]
pub(crate) struct NetStream {
    socket: Socket,
    core: Core,
}

/// The conversation without its socket.
#[derive(Debug, Default)]
struct Core {
    buffer: Vec<u8>,
    out: Vec<u8>,
    greeted: bool,
    sent: u32,
    answered: u32,
}

impl NetStream {
    /// Takes a connection that was accepted for a qube.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket: Socket::new(socket), core: Core::default() }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.fd()
    }

    pub(crate) fn wants_to_write(&self) -> bool {
        !self.core.out.is_empty()
    }

    /// True when the guest has closed it.
    pub(crate) fn is_closed(&self) -> bool {
        self.socket.is_closed()
    }

    /// Says what the network is to be, to a guest that said Hello. Gives the setup's number.
    pub(crate) fn tell(&mut self, setup: &Setup) -> Option<u32> {
        self.core.tell(setup)
    }

    /// Reads a bounded amount.
    pub(crate) fn read(&mut self) -> Result<Vec<Said>, Violation> {
        let mut said = Vec::new();
        let core = &mut self.core;
        self.socket.read(BUDGET, |untrusted| core.take(untrusted, &mut said))?;
        Ok(said)
    }

    /// Writes as much as the socket takes.
    pub(crate) fn flush(&mut self) -> Result<(), Violation> {
        self.socket.flush(&mut self.core.out);
        if self.core.out.len() > MAX_OUT { Err(Violation::Deaf) } else { Ok(()) }
    }
}

impl Core {
    fn tell(&mut self, setup: &Setup) -> Option<u32> {
        if !self.greeted {
            return None;
        }
        self.sent = self.sent.checked_add(1)?;
        let fixed = SetupHead { version: NETWORK_VERSION.into() };
        ToNet::Setup(With { fixed: &fixed, tail: &setup.to_json() }).encode(0, self.sent, &mut self.out);
        Some(self.sent)
    }

    fn take(&mut self, untrusted: &[u8], said: &mut Vec<Said>) -> Result<(), Violation> {
        self.buffer.extend_from_slice(untrusted);
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut used = 0;
        while let Some(raw) = next_from_net(&buffer[used..])? {
            used += raw.wire_len();
            said.push(self.understand(&raw)?);
        }
        buffer.drain(..used);
        self.buffer = buffer;
        Ok(())
    }

    fn understand(&mut self, raw: &Raw<'_>) -> Result<Said, Violation> {
        let message = FromNet::parse(raw)?;
        let (name, serial) = (message.name(), raw.header.serial.get());
        if raw.header.window.get() != 0 {
            return Err(Violation::Window(name));
        }
        match message {
            FromNet::Hello(_) if self.greeted => Err(Violation::GreetedTwice),
            FromNet::Hello(hello) if hello.magic != MAGIC || hello.version.get() == 0 => {
                Err(Violation::Magic)
            }
            FromNet::Hello(_) => {
                self.greeted = true;
                Ok(Said::Hello)
            }
            _ if !self.greeted => Err(Violation::NotGreeted(name)),
            // In their order, each once.
            _ if serial <= self.answered || serial > self.sent => Err(Violation::Serial(name, serial)),
            FromNet::Applied(()) => {
                self.answered = serial;
                Ok(Said::Applied(serial))
            }
            FromNet::Refused(refused) => {
                self.answered = serial;
                Ok(Said::Refused(serial, clean(refused.tail, MAX_REASON)))
            }
        }
    }

    #[cfg(test)]
    fn check_invariants(&self) {
        let longest = transom_protocol::network::FROM_NET.iter().map(|info| info.max).max().unwrap();
        assert!(self.buffer.len() < transom_protocol::wire::HEADER_LEN + longest as usize);
        assert!(self.answered <= self.sent);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use transom_protocol::network::{Hello, Refused};

    use super::*;

    fn bytes(message: FromNet<'_>, serial: u32) -> Vec<u8> {
        let mut out = Vec::new();
        message.encode(0, serial, &mut out);
        out
    }

    fn hello() -> Vec<u8> {
        bytes(FromNet::Hello(&Hello { magic: MAGIC, version: 1.into() }), 0)
    }

    fn take(core: &mut Core, bytes: &[u8]) -> Result<Vec<Said>, Violation> {
        let mut said = Vec::new();
        core.take(bytes, &mut said).map(|()| said)
    }

    #[test]
    fn a_conversation() {
        let mut core = Core::default();
        assert_eq!(core.tell(&Setup::default()), None, "nobody is there yet");
        for byte in hello() {
            take(&mut core, &[byte]).unwrap();
            core.check_invariants();
        }
        assert_eq!((core.tell(&Setup::default()), core.tell(&Setup::default())), (Some(1), Some(2)));
        let refused = With { fixed: &Refused { flags: 0.into() }, tail: b"no\x1b[31m" };
        let answers = [bytes(FromNet::Applied(()), 1), bytes(FromNet::Refused(refused), 2)].concat();
        assert_eq!(
            take(&mut core, &answers).unwrap(),
            [Said::Applied(1), Said::Refused(2, "no [31m".to_owned())]
        );
        let raw = transom_protocol::network::next_to_net(&core.out).unwrap().unwrap();
        let ToNet::Setup(setup) = ToNet::parse(&raw).unwrap();
        assert_eq!(Setup::parse(setup.tail), Some(Setup::default()));
    }

    #[test]
    fn what_is_illegal_ends_it() {
        let refused = |stream: &[Vec<u8>]| {
            let mut core = Core { sent: 1, ..Core::default() };
            take(&mut core, &stream.concat()).unwrap_err()
        };
        let applied = |serial| bytes(FromNet::Applied(()), serial);
        assert_eq!(refused(&[applied(1)]), Violation::NotGreeted("Applied"));
        assert_eq!(refused(&[hello(), hello()]), Violation::GreetedTwice);
        assert_eq!(refused(&[hello(), applied(2)]), Violation::Serial("Applied", 2));
        assert_eq!(refused(&[hello(), applied(0)]), Violation::Serial("Applied", 0));
        assert_eq!(refused(&[hello(), applied(1), applied(1)]), Violation::Serial("Applied", 1));
        let other = Hello { magic: *b"TRANSOM2", version: 1.into() };
        assert_eq!(refused(&[bytes(FromNet::Hello(&other), 0)]), Violation::Magic);
        assert!(matches!(refused(&[vec![0xff; 16]]), Violation::Wire(_)));
    }

    #[test]
    fn a_guest_that_does_not_read_is_cut_off() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut stream = NetStream::new(ours.into());
        stream.core.greeted = true;
        let cut = (0..100_000).any(|_| {
            stream.tell(&Setup::default());
            stream.flush().is_err()
        });
        assert!(cut);
    }

    proptest! {
        #[test]
        fn any_bytes_give_messages_or_a_violation(
            greeted: bool,
            junk in proptest::collection::vec(any::<u8>(), 0..400),
            kind in 0x0300u16..0x0306,
            length in 0u32..40,
        ) {
            let mut core = Core { greeted, sent: 3, ..Core::default() };
            let header = [&kind.to_le_bytes()[..], &[0, 0], &length.to_le_bytes(), &[0; 4], &1u32.to_le_bytes()].concat();
            if take(&mut core, &[header, junk.clone()].concat()).is_ok() {
                core.check_invariants();
            }
            let _ = take(&mut Core::default(), &junk);
        }
    }
}
