//! What `transom-vmm` and its parent say to each other, over the `SOCK_SEQPACKET` socket that is
//! the program's standard input: one JSON value per packet, descriptors beside it.
//!
//! ```text
//! parent                                   transom-vmm
//!   files (up to 4 descriptors) …  ─────►    keeps them, in order
//!   start (plan)                   ─────►    enters its jail
//!                                  ◄─────  ram (layout; a read-only descriptor)
//!                                  ◄─────  started (stages), just before the first instruction
//!   pause, resume                  ─────►    as often as it likes
//!                                  ◄─────  paused (or not), once for each of them, when it is done
//!   plug (card; a cable, or none)  ─────►    as often as it likes
//!                                  ◄─────  plugged, or why not, once for each of them
//!                                  ◄─────  exit, or failed: the last word
//! ```
//!
//! A plan names descriptors by their number in the order of arrival, each at most once. When the
//! parent closes the socket, the machine ends. Both sides trust the parent; the parent takes what a
//! jailed program says as hostile: its messages are few and bounded.

use serde::{Deserialize, Serialize};

use super::{Exit, memory::Layout, timing::Stage};
use crate::encryption;

/// Most descriptors of one machine.
pub const MAX_FILES: usize = 64;

/// From the parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToVmm {
    /// Descriptors for the plan lie beside this packet.
    Files,
    /// Build the machine and run it.
    Start(Box<Plan>),
    /// Take all vCPUs out of the guest. Devices stay served, for they hold nobody up.
    Pause,
    /// Let them in again.
    Resume,
    /// Give a network card, counted as in the plan, the cable that lies beside this packet, or none if
    /// nothing does. The old one is closed before the answer.
    Plug(usize),
}

/// From `transom-vmm`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FromVmm {
    /// Guest RAM; a descriptor that can only be read lies beside this packet.
    Ram(Layout),
    /// The first instruction is about to run.
    Started(Vec<Stage>),
    /// No vCPU runs, or all do again: the answer to an order.
    Paused(bool),
    /// A card has its cable, or still the old one: the answer to an order.
    Plugged(Result<(), PlugError>),
    /// The guest came to its end.
    Exit(Exit),
    /// The machine could not be built.
    Failed(String),
}

/// Why a card keeps the cable that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum PlugError {
    /// No such card.
    #[error("the machine has no such network card")]
    NoCard,
    /// More than one descriptor.
    #[error("a network card has one cable")]
    Count,
    /// A descriptor of another kind.
    #[error("a cable is a Unix socket that keeps borders")]
    Kind,
}

/// Number of a descriptor, in the order of arrival.
pub type FileNumber = usize;

/// What a machine is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Bytes of RAM.
    pub ram: u64,
    /// vCPUs.
    pub vcpus: u8,
    /// `/dev/kvm`.
    pub kvm: FileNumber,
    /// The kernel, a bzImage.
    pub kernel: FileNumber,
    /// The initramfs.
    pub initramfs: Option<FileNumber>,
    /// The kernel's command line.
    pub command_line: String,
    /// Where the serial console writes to.
    pub console: Option<FileNumber>,
    /// Disks, in the guest's order.
    pub disks: Vec<DiskPlan>,
    /// Network cards.
    pub nets: Vec<NetPlan>,
    /// The way to the host.
    pub vsock: Option<VsockPlan>,
    /// A user id of its own; only where the parent is root.
    pub uid: Option<u32>,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskPlan {
    /// The serial number that the guest sees, at most 20 bytes.
    pub serial: String,
    /// The file: raw, or with a `base` an overlay.
    pub file: FileNumber,
    /// A raw file that is never written, and how many bytes the overlay is to have at least.
    pub base: Option<(FileNumber, u64)>,
    /// The guest may only read.
    pub read_only: bool,
    /// What is in it is encrypted: a pipe with its key, and where that begins.
    pub encrypted: Option<(FileNumber, encryption::Layout)>,
}

/// A network card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetPlan {
    /// A Unix socket that keeps borders, or a TAP device. `None`: it leads nowhere yet.
    pub link: Option<FileNumber>,
    /// The card's address.
    pub address: [u8; 6],
}

/// The way to the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VsockPlan {
    /// The guest's address, 3 or more.
    pub cid: u32,
    /// Ports of the host that the guest may connect to, each with its hand-over socket.
    pub ports: Vec<(u32, FileNumber)>,
}
