//! What dom0's programs are told of a qube.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{LabelName, QubeName, Settings};

/// Which back end a qube is described with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendChoice {
    /// The best one that works on this machine.
    #[default]
    Auto,
    /// User namespaces on dom0's own kernel: no virtual machine.
    Sandbox,
    /// A virtual machine of the linked monitor, by the processor's own virtualisation.
    Kvm,
    /// A virtual machine of QEMU, in software where the processor cannot run one.
    Qemu,
}

/// The back end that a qube runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Backend {
    /// User namespaces on dom0's own kernel: no virtual machine.
    Sandbox,
    /// A virtual machine of the linked monitor.
    Kvm,
    /// A virtual machine of QEMU.
    Qemu,
}

impl Backend {
    /// True if the qube has a kernel of its own. Windows of others are marked *not isolated*.
    pub fn isolated(self) -> bool {
        match self {
            Self::Sandbox => false,
            Self::Kvm | Self::Qemu => true,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sandbox => "sandbox",
            Self::Kvm => "kvm",
            Self::Qemu => "qemu",
        })
    }
}

/// Whether what a qube stores can be read by whoever has the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// Only with the passphrase.
    Encrypted,
    /// Yes: its volume is not encrypted.
    Plain,
    /// Nothing of it is on a disk.
    Memory,
    /// As dom0's own files: it is a directory of dom0.
    Directory,
    /// Not known.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Where a qube is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum QubeState {
    /// Not running.
    Halted,
    /// The machine is there, its agent is not ready yet.
    Starting,
    /// The agent is ready.
    Running,
    /// Stopped where it was; nothing in it runs until it is resumed.
    Paused,
    /// On its way to halted.
    Stopping,
    /// Not running, because something went wrong.
    Failed {
        /// What, in one line that is safe to show.
        reason: String,
    },
}

impl QubeState {
    /// True if there is a machine: starting, running, paused or stopping.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Paused | Self::Stopping)
    }
}

impl fmt::Display for QubeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Halted => "halted",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Failed { .. } => "failed",
        })
    }
}

/// Of a qube that does not last: what it is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposable {
    /// It waits for a program, so that one can start at once. It has no link and shows nothing.
    Spare,
    /// It was started for a program, and is gone with its last window.
    InUse,
}

/// What dom0's programs are told of a qube. It holds nothing that the qube said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QubeInfo {
    /// Its name.
    pub name: QubeName,
    /// Its trust label.
    pub label: LabelName,
    /// Where it is in its life.
    pub state: QubeState,
    /// The back end it runs on, or would run on.
    pub backend: Backend,
    /// Why that one, or what is missing for the one that was asked for: one line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub backend_reason: String,
    /// False if it shares dom0's kernel.
    pub isolated: bool,
    /// Whether what it stores is encrypted, or will be when it stores anything.
    #[serde(default)]
    pub storage: Storage,
    /// The process in dom0 that holds it, while it is up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The template it is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// It does not last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disposable: Option<Disposable>,
    /// What its file says besides; of one that cannot be used nothing.
    #[serde(default)]
    pub settings: Settings,
    /// Why its file cannot be used, in one line with file and line number. Such a qube can only be
    /// stopped and removed; its label is [`LabelName::unknown`] if it was never known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}
