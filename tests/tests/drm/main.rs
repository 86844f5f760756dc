//! Lane 6: the desktop on a screen of its own. A virtual machine with a virtual graphics card of two
//! outputs, a keyboard and a tablet runs `transom session` on Debian's kernel. Keys are pressed and the
//! pointer is moved from outside, and what is on the connectors is the judge. Run by `make test-drm`.
//!
//! This binary plays two parts: outside the person and the judge, inside the machine the one who
//! does what is asked by a wire. A line that begins with SKIP says what is missing here.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod card;
#[path = "../../../hypervisor-glue/tests/lane5/debian.rs"]
mod debian;
mod devices;
mod golden;
mod hostile;
#[allow(dead_code, reason = "lane 5 packs programs too")]
#[path = "../../../hypervisor-glue/tests/lane5/initramfs.rs"]
mod initramfs;
mod inside;
mod lock;
mod machine;
#[path = "../vm/mirror.rs"]
mod mirror;
mod monitors;
mod pace;
mod person;
mod screen;
mod session;
mod viewer;
