//! What the agent and `transom-pin` say to each other: one packet for a request, one for its answer,
//! in order, on a `SOCK_SEQPACKET` Unix socket.

use transom_protocol::{limits::MAX_RUNS, message::PageRun};
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes, Unaligned,
    little_endian::{U32, U64},
};

/// Bytes of a page frame.
pub const PAGE: u64 = 4_096;
/// Most bytes of one piece: what the kernel takes as one buffer.
pub const MAX_PIECE: u64 = 1 << 30;
/// Longest packet.
pub const MAX_PACKET: usize = size_of::<Answer>() + MAX_RUNS * size_of::<PageRun>();

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, TryFromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(u8)]
pub enum Order {
    /// Pin `bytes` bytes from `offset` on of the file whose descriptor comes along, and say where
    /// they are. Both are multiples of [`PAGE`].
    Pin = 0,
    /// Let a pinned piece go.
    Unpin = 1,
    /// Are `bytes` bytes from `offset` on *of a pinned piece* still the file's? A program may have
    /// punched a hole, and filled it again with other page frames.
    Check = 2,
    /// How much is pinned? [`Usage`] follows the answer.
    Usage = 3,
    /// The time of day is `offset` seconds since 1970 and `bytes` nanoseconds: set the machine's
    /// clock, if it is off by more than [`super::clock::BOUND`].
    SetClock = 4,
}

/// A request.
#[derive(Clone, Copy, Debug, TryFromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Request {
    /// What is asked for.
    pub order: Order,
    /// The piece: a number of the agent's choice.
    pub piece: U32,
    /// First byte.
    pub offset: U64,
    /// How many.
    pub bytes: U64,
}

/// How it went.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    thiserror::Error,
    TryFromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(u8)]
pub enum Status {
    /// Done; after [`Order::Pin`], [`PageRun`]s follow.
    #[error("done")]
    Done = 0,
    /// A request that makes no sense: no such piece, a number that is taken, no whole pages.
    #[error("the request makes no sense")]
    BadRequest = 1,
    /// The file is not memory, or on huge pages.
    #[error("the file is not shared memory")]
    NotMemory = 2,
    /// The file may not be written: it is sealed, or opened for reading only. The kernel pins
    /// shared pages only for who may write them.
    #[error("the memory is read-only")]
    ReadOnly = 3,
    /// The file ends before the piece does.
    #[error("the file is shorter than the piece")]
    Short = 4,
    /// Over a quota.
    #[error("a quota of pinned memory is used up")]
    Quota = 5,
    /// More runs than one grant may have.
    #[error("the memory is scattered over too many places")]
    Scattered = 6,
    /// The kernel refused to pin or to set the clock, or the program took pages away meanwhile.
    #[error("the kernel refuses")]
    Refused = 7,
    /// A check found other page frames.
    #[error("the memory is not where it was")]
    Moved = 8,
}

/// An answer.
#[derive(Clone, Copy, Debug, TryFromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Answer {
    /// How it went.
    pub status: Status,
    /// The request's piece.
    pub piece: U32,
}

/// What one `transom-pin` has pinned, for all its connections.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Usage {
    /// Pieces.
    pub pieces: U64,
    /// Bytes.
    pub bytes: U64,
}

/// An answer and what follows it; `None` if the packet is none.
pub fn parse_answer(packet: &[u8]) -> Option<(Answer, &[u8])> {
    let (answer, tail) = Answer::try_read_from_prefix(packet).ok()?;
    Some((answer, tail))
}
