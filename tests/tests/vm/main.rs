//! Lane 4, end to end: qubes in QEMU virtual machines from an image of ours, with real programs on
//! a real desktop; and the same with the linked VMM (lane 5), on emulated AMD-V. Run by `make test-vm`;
//! minutes long in software emulation.
//!
//! A line that begins with SKIP says what is missing here.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod broken;
#[path = "../../../hypervisor-glue/tests/lane5/debian.rs"]
mod debian;
mod devices;
mod disposable;
mod encryption;
mod hostile;
mod images;
#[allow(dead_code, reason = "lane 5 packs programs too")]
#[path = "../../../hypervisor-glue/tests/lane5/initramfs.rs"]
mod initramfs;
mod kvm;
mod lab;
mod life;
mod manager;
mod manners;
mod mirror;
mod network;
#[path = "../../../hypervisor-glue/tests/lane5/outer.rs"]
mod outer;
mod outside;
mod paused;
mod picture;
mod programs;
mod services;
mod turns;
mod usb;
mod volume;
mod vpn;
