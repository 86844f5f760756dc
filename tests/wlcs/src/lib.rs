//! The plug-in that WLCS loads: its server is Transom, dom0's desktop and one qube's agent, and its
//! programs are programs in that qube.
//!
//! [`abi`] is the border to WLCS in C; `server` is the thread behind it. WLCS counts from a corner
//! of its own, [`ORIGIN`]: dom0's bar lies over the corner of the screen.

pub mod abi;
mod server;

/// Where WLCS's 0,0 is on the desktop, in logical pixels.
pub(crate) const ORIGIN: (i32, i32) = (300, 200);
