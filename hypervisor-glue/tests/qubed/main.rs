//! `transom-qubed` with real sandboxes and an agent made for tests.
#![allow(clippy::unwrap_used, reason = "tests")]

mod backup;
mod bad_input;
mod calls;
mod command_line;
mod desktop;
mod disposables;
mod harness;
mod keyring;
mod life;
mod programs;
mod store;
mod walls;
