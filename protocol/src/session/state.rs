//! What the state machine remembers of windows, grants and transfers.

use super::commit::Picture;
use crate::types::{GrantKind, Selection};

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The agent has to say hello.
    Hello,
    /// dom0 has to answer.
    Welcome,
    /// Everything else.
    Open,
    /// dom0 said goodbye.
    Closed,
}

/// What a window is; as [`crate::types::WindowKind`], with popups, which are created otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WindowRole {
    /// A window of its own.
    Toplevel,
    /// A menu or the like.
    Popup,
    /// A part of its parent.
    Subsurface,
    /// Follows the pointer.
    DragIcon,
    /// The pointer's picture.
    Cursor,
}

impl WindowRole {
    /// Every role.
    pub const ALL: &[Self] = &[Self::Toplevel, Self::Popup, Self::Subsurface, Self::DragIcon, Self::Cursor];
}

/// A window.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// What it is.
    pub role: WindowRole,
    /// Its parent, or 0.
    pub parent: u32,
    /// Destroyed by the agent, not yet confirmed by dom0.
    pub destroyed: bool,
    /// The first configure was acknowledged.
    pub configured: bool,
    /// Configures not yet acknowledged, oldest first.
    pub configures: Vec<u32>,
    /// Newest configure, 0: none.
    pub last_configure: u32,
    /// Commits whose buffers dom0 has not released, oldest first.
    pub buffers: Vec<u32>,
    /// What it shows.
    pub picture: Option<Picture>,
}

impl Window {
    pub(super) fn new(role: WindowRole, parent: u32) -> Self {
        Self {
            role,
            parent,
            destroyed: false,
            configured: false,
            configures: Vec::new(),
            last_configure: 0,
            buffers: Vec::new(),
            picture: None,
        }
    }
}

/// A grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// How its memory is named.
    pub kind: GrantKind,
    /// Length in bytes.
    pub bytes: u64,
    /// Page runs it is made of; 0 for a file descriptor.
    pub runs: usize,
    /// The agent wants it to end.
    pub revoking: bool,
}

/// A selection on its way out of the qube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectionTransfer {
    /// Which.
    pub selection: Selection,
    /// Bytes that came so far.
    pub bytes: u64,
}
