//! Transom: the desktop of dom0.
//!
//! A Wayland-free view of many virtual machines: every qube's windows stand in frames that dom0
//! draws, and only a person moves anything between qubes. `docs/architecture.md` shows the rooms.

pub mod backend;
pub mod cli;
pub mod clock;
pub mod config;
mod desktop;
pub mod idle;
pub mod input;
pub mod ipc;
mod layers;
pub mod lock;
pub mod logind;
pub mod qubes;
pub mod reload;
pub mod render;
pub mod screens;
pub mod shell;
mod timers;
pub mod trust;
pub mod ui;
pub mod wayland;

pub use desktop::{Desktop, DesktopError, Options};
