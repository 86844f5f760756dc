//! What a qube's file says that can be changed by a choice, and what a qube uses now.

use serde::{Deserialize, Serialize};

use super::{LabelName, QubeName};
#[cfg(doc)]
use super::{ReplyBody, RequestBody};

/// Most qubes in one [`RequestBody::Usage`].
pub const MAX_USAGE: usize = 64;

/// What a qube's file says of it besides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Its memory in bytes: what a virtual machine has, and the most that a sandbox may use. `None`: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Size of its private volume, in bytes; none in a sandbox and a disposable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<u64>,
    /// The qube that its network goes through.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<QubeName>,
    /// It starts with the desktop.
    #[serde(default)]
    pub start_with_desktop: bool,
}

/// Settings to change; those that are `None` stay what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Changes {
    /// Its trust label. Only of a halted qube, as the next two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelName>,
    /// [`Settings::memory`]; 0: no limit, of a sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// [`Settings::volume`], which can only grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<u64>,
    /// [`Settings::start_with_desktop`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_with_desktop: Option<bool>,
}

/// What a qube uses now. Nothing in it but the number of updates is the qube's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QubeUsage {
    /// Which.
    pub qube: QubeName,
    /// Bytes of memory: of a virtual machine the RAM that dom0 has given it so far, of a sandbox what its control
    /// group holds. `None`: it does not run, or nobody counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Bytes on the disk of its private volume, or of a sandbox's home, that are its own: so many are free when
    /// it is removed. `None`: nothing of it is on a disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<u64>,
    /// Bytes on the disk that it shares with its clones: they are there once for all of them. `None`: it shares
    /// nothing that dom0 knows of; what a file system shares by itself it does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared: Option<u64>,
    /// There is more on the disk than was counted: too many files, or some that cannot be looked at.
    #[serde(default)]
    pub more: bool,
    /// So many packages could be newer, as it told last. `None`: it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<u32>,
}

/// A template that qubes can be made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateInfo {
    /// Its name: letters, digits, `.`, `_` and `-`, at most 64.
    pub name: String,
    /// Bytes on the disk.
    pub disk: u64,
}
