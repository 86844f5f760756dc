//! One clear line when the X server we are nested in goes away.
//!
//! Xlib ends the process itself when its connection breaks; all it allows is a last word. Over
//! Wayland the event loop tells, see [`super::nested`].
#![allow(unsafe_code)]

use std::ffi::c_int;

use x11_dl::xlib::{Display, Xlib};

/// What is said when the host is gone, over X11 and Wayland alike.
pub(super) const GONE: &str = "the display this desktop was shown on is gone; qubes go on: start the desktop again \
                               and their windows are back";

/// Called by Xlib; must not return to it.
#[expect(clippy::print_stderr, reason = "the last word of the process")]
unsafe extern "C" fn last_word(_: *mut Display) -> c_int {
    eprintln!("transom: {GONE}");
    std::process::exit(1)
}

/// Sets Xlib's last word. To be called after the window library has loaded Xlib, which must be given
/// its locks first. Nothing happens where there is no Xlib.
pub(super) fn watch_xlib() {
    let Ok(xlib) = Xlib::open() else { return };
    // SAFETY: the handler has the signature that Xlib asks for and stays for the life of the process;
    // it ends the process, as Xlib demands of one that does not return to it.
    unsafe { (xlib.XSetIOErrorHandler)(Some(last_word)) };
    // The library stays loaded: the window library holds it as well, for as long as it has a window.
}
