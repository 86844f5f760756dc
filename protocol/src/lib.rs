//! What a qube and dom0 may say to each other.
//!
//! This crate is the ground floor of Transom: it knows no display, no virtual machine and no
//! socket. It holds
//!
//! - the wire format of the window protocol: [`wire`] (header and framing) and [`message`] (every
//!   message, its layout and its limits, in one table),
//! - the two-sided state machine [`session`]: which message is legal when, and which rule an
//!   illegal one breaks,
//! - [`text`]: making text from a qube safe to show (rule CLEAN-TEXT),
//! - [`service`]: what the agent and `transom-qubed` say to each other,
//! - [`programs`]: the programs of a qube, as its agent lists them and dom0 keeps them,
//! - [`call`]: a service call of one qube to another,
//! - [`text_field`]: text fields of programs that an input method writes into,
//! - [`input`]: input devices that a qube hands to dom0 by such a call,
//! - [`network`]: what the network of a qube is to be,
//! - [`supervisor`]: what dom0's programs and `transom-qubed` say to each other.
//!
//! Everything that comes from a qube is hostile until it has passed [`wire`], [`message`] and
//! [`session`], in this order. None of them panics, whatever the bytes are, and none allocates
//! more than the limit of the message type.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test that panics has failed"))]
// zerocopy's derives make private helper types that have no `Debug`.
#![allow(missing_debug_implementations)]

pub mod call;
pub mod dom0_services;
pub mod input;
pub mod limits;
pub mod message;
pub mod network;
pub mod programs;
pub mod service;
pub mod session;
pub mod supervisor;
pub mod text;
pub mod text_field;
pub mod types;
pub mod vsock;
pub mod wire;

/// The newest version of the window protocol this crate speaks.
pub const VERSION: u16 = 1;
/// The oldest version of the window protocol this crate speaks.
pub const VERSION_MIN: u16 = 1;
/// Newest version of the service protocol. Version 1 has no [`service::ToAgent::Time`], version 2 no
/// [`service::ToAgent::Serve`], version 3 no lists of programs.
pub const SERVICE_VERSION: u16 = 4;
/// The first eight bytes of an agent's hello.
pub const MAGIC: [u8; 8] = *b"TRANSOM1";
