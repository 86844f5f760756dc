//! Tests of the window protocol, the service protocol and the supervisor's messages.
//!
//! One binary, one subject per module.
#![allow(clippy::unwrap_used, reason = "a test may stop anywhere")]

mod bytes;
mod conversation;
mod document;
mod fuzzing;
mod illegal;
mod round_trip;
mod supervisor;
mod support;
