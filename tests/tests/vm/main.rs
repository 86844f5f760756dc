//! Lane 4, end to end: qubes in QEMU virtual machines from an image of ours, with real programs on
//! a real desktop. Run by `make test-vm`; minutes long in software emulation.
//!
//! A line that begins with SKIP says what is missing here.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod broken;
mod images;
mod lab;
mod life;
mod picture;
