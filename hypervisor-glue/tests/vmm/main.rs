//! The linked virtual machine monitor: its devices against hostile guests, and the jailed program.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a test that panics has failed")]

mod devices;
mod jail;
mod over_ram;
mod support;
mod tiny;
