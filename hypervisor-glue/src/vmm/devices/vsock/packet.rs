//! The header of every vsock packet (virtio 1.2, section 5.10.6).

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

/// Bytes of a header.
pub const HEADER: usize = size_of::<Header>();
/// The host's address.
pub const HOST_CID: u64 = 2;
/// A stream; the only type offered.
pub const STREAM: u16 = 1;

/// What a packet is for.
pub mod op {
    /// Open a connection.
    pub const REQUEST: u16 = 1;
    /// It is open.
    pub const RESPONSE: u16 = 2;
    /// There is no such connection, or no longer.
    pub const RESET: u16 = 3;
    /// No more in the directions that the flags say.
    pub const SHUTDOWN: u16 = 4;
    /// Data.
    pub const DATA: u16 = 5;
    /// How much room the sender has.
    pub const CREDIT_UPDATE: u16 = 6;
    /// Asks for an update.
    pub const CREDIT_REQUEST: u16 = 7;
}

/// Flags of a shutdown.
pub mod flag {
    /// The sender takes no more data.
    pub const NO_RECEIVE: u32 = 1;
    /// The sender sends no more data.
    pub const NO_SEND: u32 = 2;
}

/// The header, as it lies in memory.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Who sends.
    pub source_cid: U64,
    /// To whom.
    pub target_cid: U64,
    /// Port of the sender.
    pub source_port: U32,
    /// Port of the receiver.
    pub target_port: U32,
    /// Bytes of data behind the header.
    pub length: U32,
    /// [`STREAM`].
    pub kind: U16,
    /// One of [`op`].
    pub op: U16,
    /// See [`flag`].
    pub flags: U32,
    /// Bytes of the sender's buffer.
    pub buffer: U32,
    /// Bytes that have left the sender's buffer since the beginning, counted around.
    pub forwarded: U32,
}
