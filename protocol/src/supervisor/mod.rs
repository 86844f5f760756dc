//! What dom0's programs and `transom-qubed` say to each other.
//!
//! Over a `SOCK_SEQPACKET` Unix socket: one JSON value per packet, at most [`MAX_PACKET`] bytes,
//! file descriptors beside it by `SCM_RIGHTS`. A client sends [`Request`]s; qubed sends
//! [`FromQubed`]: one [`Reply`] for each request, in any order, and [`Event`]s to those who asked
//! for them. Both ends are dom0 programs of the same person: this is not a border of trust, but
//! both still check what they read.

mod calls;
mod event;
mod name;
mod programs;
mod qube;
mod reply;
mod request;
mod settings;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use calls::{CallAnswer, CallAsk, CallChoice, CallFate};
pub use event::{Event, MemoryKind};
pub use name::{LabelName, NameError, QubeName};
pub use programs::Program;
pub use qube::{Backend, BackendChoice, Disposable, QubeInfo, QubeState, Storage};
pub use reply::{ErrorBody, ErrorKind, KeyringState, Reply, ReplyBody};
pub use request::{NetworkTo, Request, RequestBody};
pub use settings::{Changes, MAX_USAGE, QubeUsage, Settings, TemplateInfo};

/// Version of the messages in this module, see [`ReplyBody::Pong`].
pub const VERSION: u32 = 11;
/// Largest packet, in bytes. A larger one is refused by both ends.
pub const MAX_PACKET: usize = 64 * 1024;
/// Most file descriptors in one packet.
pub const MAX_FDS: usize = 4;
/// Longest name of a qube or label, in bytes.
pub const MAX_NAME: usize = 31;
/// Most arguments of one program, as [`crate::service::MAX_ARGUMENTS`].
pub const MAX_ARGUMENTS: usize = crate::service::MAX_ARGUMENTS;
/// Longest command line, all arguments and a zero byte after each together, in bytes, as
/// [`crate::service::MAX_COMMAND`].
pub const MAX_COMMAND: usize = crate::service::MAX_COMMAND;
/// The name of the trusted side, which no qube can have.
pub const DOM0: &str = "dom0";
/// The labels every theme has, from most to least often used.
pub const BUILT_IN_LABELS: [&str; 8] =
    ["red", "orange", "yellow", "green", "blue", "purple", "grey", "black"];

/// Everything qubed sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FromQubed {
    /// The answer to a request.
    Reply(Reply),
    /// Something happened.
    Event(Event),
}
