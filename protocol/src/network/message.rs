//! The messages of the network's stream.

use zerocopy::little_endian::U16;

use super::Setup;
use crate::{
    types::wire_type,
    wire::{self, Direction, Raw, Tail, WireError, messages},
};

/// Newest version of the network protocol.
pub const NETWORK_VERSION: u16 = 1;
/// Largest [`Setup`], in bytes of JSON.
pub const MAX_SETUP: usize = 512 * 1_024;
/// Most rules of one qube.
pub const MAX_RULES: usize = 128;
/// Most clients of one qube; each is a network card of its machine.
pub const MAX_CLIENTS: usize = 12;
/// Longest reason why a setup is not in force, in bytes.
pub const MAX_REASON: usize = 256;
wire_type! {
    /// See [`FromNet::Hello`].
    pub struct Hello {
        /// [`crate::MAGIC`].
        pub magic: [u8; 8],
        /// Newest version of this protocol that `transom-net` speaks; 1.
        pub version: U16,
    }

    /// See [`FromNet::Refused`]; the reason follows as UTF-8.
    pub struct Refused {
        /// Reserved, 0.
        pub flags: U16,
    }

    /// See [`ToNet::Setup`]; JSON follows.
    pub struct SetupHead {
        /// Version of the JSON, [`NETWORK_VERSION`].
        pub version: U16,
    }
}

impl Tail for Refused {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        str::from_utf8(tail).is_ok()
    }
}

impl Tail for SetupHead {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        self.version == NETWORK_VERSION && Setup::parse(tail).is_some()
    }
}

messages! {
    /// From `transom-net` to qubed.
    pub enum FromNet: ToDom0, FROM_NET;

    0x0301 Hello (fixed Hello) "First message. Checked: magic and version.";
    0x0302 Applied (unit) "The Setup of this serial is in force. Checked: it was sent.";
    0x0303 Refused (tail Refused, MAX_REASON) "The Setup of this serial is not in force, with the reason: the qube forwards nothing now. Checked: it was sent.";
}

messages! {
    /// From qubed to `transom-net`.
    pub enum ToNet: ToQube, TO_NET;

    0x8301 Setup (tail SetupHead, MAX_SETUP) "What the network is to be from now on, all of it; serial: its number.";
}

/// Looks at the front of `buf` for one message from a qube. See [`wire::next`].
pub fn next_from_net(buf: &[u8]) -> Result<Option<Raw<'_>>, WireError> {
    wire::next(buf, FROM_NET, Direction::ToDom0)
}

/// Looks at the front of `buf` for one message from qubed. See [`wire::next`].
pub fn next_to_net(buf: &[u8]) -> Result<Option<Raw<'_>>, WireError> {
    wire::next(buf, TO_NET, Direction::ToQube)
}
