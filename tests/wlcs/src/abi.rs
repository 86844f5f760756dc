//! WLCS's interface in C, version 3 of the server, and the one place for what Rust cannot check.
//!
//! Layouts are those of `wlcs/display_server.h`, `pointer.h` and `touch.h`. WLCS calls from one
//! thread, gives back only pointers that it got from here, and uses none of them after it was told
//! to destroy it: all SAFETY comments stand on this.

#![allow(unsafe_code, reason = "a C interface; every other module is denied it")]
#![allow(unreachable_pub, reason = "what C sees")]

use std::{
    ffi::{c_char, c_int, c_void},
    os::fd::IntoRawFd,
    panic::{AssertUnwindSafe, catch_unwind},
};

use transom::input::event::InputEvent;

use crate::{
    ORIGIN,
    server::{Remote, Server, complain},
};

// SAFETY: signatures as in `wayland-client-core.h`. The wlcs program is linked with that library.
unsafe extern "C" {
    fn wl_display_get_fd(display: *mut c_void) -> c_int;
    fn wl_proxy_get_id(proxy: *mut c_void) -> u32;
}

/// A protocol that the server has.
#[repr(C)]
#[derive(Debug)]
struct Extension {
    name: *const c_char,
    version: u32,
}

/// All of them.
#[repr(C)]
#[derive(Debug)]
struct Descriptor {
    version: u32,
    count: usize,
    extensions: *const Extension,
}

/// How WLCS makes a server.
#[repr(C)]
#[derive(Debug)]
pub struct ServerIntegration {
    version: u32,
    create_server: extern "C" fn(c_int, *const *const c_char) -> *mut DisplayServer,
    destroy_server: unsafe extern "C" fn(*mut DisplayServer),
}

/// A server; what lies behind the C part is ours.
#[repr(C)]
#[derive(Debug)]
struct DisplayServer {
    version: u32,
    start: unsafe extern "C" fn(*mut Self),
    stop: unsafe extern "C" fn(*mut Self),
    create_client_socket: unsafe extern "C" fn(*mut Self) -> c_int,
    position_window_absolute: unsafe extern "C" fn(*mut Self, *mut c_void, *mut c_void, c_int, c_int),
    create_pointer: unsafe extern "C" fn(*mut Self) -> *mut Pointer,
    create_touch: unsafe extern "C" fn(*mut Self) -> *mut Touch,
    get_descriptor: extern "C" fn(*const Self) -> *const Descriptor,
    start_on_this_thread: Option<unsafe extern "C" fn(*mut Self, *mut c_void)>,
    server: Server,
}

/// A pointer device.
#[repr(C)]
#[derive(Debug)]
struct Pointer {
    version: u32,
    move_absolute: unsafe extern "C" fn(*mut Self, i32, i32),
    move_relative: unsafe extern "C" fn(*mut Self, i32, i32),
    button_up: unsafe extern "C" fn(*mut Self, c_int),
    button_down: unsafe extern "C" fn(*mut Self, c_int),
    destroy: unsafe extern "C" fn(*mut Self),
    remote: Remote,
}

/// A touch device with one finger.
#[repr(C)]
#[derive(Debug)]
struct Touch {
    version: u32,
    down: unsafe extern "C" fn(*mut Self, i32, i32),
    moved: unsafe extern "C" fn(*mut Self, i32, i32),
    up: unsafe extern "C" fn(*mut Self),
    destroy: unsafe extern "C" fn(*mut Self),
    remote: Remote,
}

// SAFETY: the pointers lead to constants.
unsafe impl Sync for Extension {}
// SAFETY: as above.
unsafe impl Sync for Descriptor {}

macro_rules! extensions {
    ($($name:literal $version:literal,)*) => {
        &[$(Extension { name: concat!($name, "\0").as_ptr().cast(), version: $version }),*]
    };
}

/// The agent's globals, as its registry has them.
static EXTENSIONS: &[Extension] = extensions![
    "wl_compositor" 6,
    "wl_subcompositor" 1,
    "wl_shm" 1,
    "wl_seat" 9,
    "wl_output" 4,
    "wl_data_device_manager" 3,
    "xdg_wm_base" 6,
    "zxdg_output_manager_v1" 3,
    "zxdg_decoration_manager_v1" 1,
    "zwp_primary_selection_device_manager_v1" 1,
    "zwp_relative_pointer_manager_v1" 1,
    "zwp_pointer_constraints_v1" 1,
    "zwp_pointer_gestures_v1" 3,
    "zwp_text_input_manager_v3" 1,
    "zwp_idle_inhibit_manager_v1" 1,
    "wp_viewporter" 1,
    "wp_fractional_scale_manager_v1" 1,
    "wp_cursor_shape_manager_v1" 1,
    "wp_presentation" 1,
    "wp_single_pixel_buffer_manager_v1" 1,
    "xdg_activation_v1" 1,
];

static DESCRIPTOR: Descriptor =
    Descriptor { version: 1, count: EXTENSIONS.len(), extensions: EXTENSIONS.as_ptr() };

/// What WLCS looks for.
// SAFETY: nothing else has this name; the type is what the header says.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is WLCS's")]
pub static wlcs_server_integration: ServerIntegration =
    ServerIntegration { version: 1, create_server, destroy_server };

/// No panic may go through C.
fn guarded<T>(otherwise: T, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        complain("a panic in a call of WLCS");
        otherwise
    })
}

/// `wl_fixed_t` on WLCS's plane as a place on the desktop.
fn place(x: i32, y: i32) -> (f64, f64) {
    (f64::from(x) / 256.0 + f64::from(ORIGIN.0), f64::from(y) / 256.0 + f64::from(ORIGIN.1))
}

/// As [`place`], for fingers: against its header, WLCS 1.5 counts them in whole pixels.
fn whole_place(x: i32, y: i32) -> (f64, f64) {
    (f64::from(x + ORIGIN.0), f64::from(y + ORIGIN.1))
}

extern "C" fn create_server(_: c_int, _: *const *const c_char) -> *mut DisplayServer {
    guarded(std::ptr::null_mut(), || match Server::new() {
        Ok(server) => Box::into_raw(Box::new(DisplayServer {
            version: 3,
            start,
            stop,
            create_client_socket,
            position_window_absolute,
            create_pointer,
            create_touch,
            get_descriptor,
            start_on_this_thread: None,
            server,
        })),
        Err(error) => {
            complain(&format!("no server: {error}"));
            std::ptr::null_mut()
        }
    })
}

unsafe extern "C" fn destroy_server(server: *mut DisplayServer) {
    // SAFETY: made by `create_server`, and not used again (see the module's text).
    let server = unsafe { Box::from_raw(server) };
    guarded((), || drop(server));
}

unsafe extern "C" fn start(server: *mut DisplayServer) {
    // SAFETY: made by `create_server`, alive, and no other reference exists during the call.
    let server = unsafe { &mut *server };
    guarded((), || server.server.start());
}

unsafe extern "C" fn stop(server: *mut DisplayServer) {
    // SAFETY: as in `start`.
    let server = unsafe { &mut *server };
    guarded((), || server.server.stop());
}

unsafe extern "C" fn create_client_socket(server: *mut DisplayServer) -> c_int {
    // SAFETY: made by `create_server` and alive.
    let server = unsafe { &*server };
    guarded(-1, || match server.server.program() {
        Ok(fd) => fd.into_raw_fd(),
        Err(error) => {
            complain(&format!("no connection: {error}"));
            -1
        }
    })
}

unsafe extern "C" fn position_window_absolute(
    server: *mut DisplayServer,
    display: *mut c_void,
    surface: *mut c_void,
    x: c_int,
    y: c_int,
) {
    // SAFETY: made by `create_server` and alive.
    let server = unsafe { &*server };
    // SAFETY: WLCS passes a live `wl_display` and a live `wl_surface` of it.
    let (program, surface) = unsafe { (wl_display_get_fd(display), wl_proxy_get_id(surface)) };
    guarded((), || server.server.place(program, surface, (x, y)));
}

unsafe extern "C" fn create_pointer(server: *mut DisplayServer) -> *mut Pointer {
    // SAFETY: made by `create_server` and alive.
    let server = unsafe { &*server };
    guarded(std::ptr::null_mut(), || {
        Box::into_raw(Box::new(Pointer {
            version: 1,
            move_absolute,
            move_relative,
            button_up,
            button_down,
            destroy: destroy_pointer,
            remote: server.server.remote(),
        }))
    })
}

unsafe extern "C" fn create_touch(server: *mut DisplayServer) -> *mut Touch {
    // SAFETY: made by `create_server` and alive.
    let server = unsafe { &*server };
    guarded(std::ptr::null_mut(), || {
        Box::into_raw(Box::new(Touch {
            version: 1,
            down: touch_down,
            moved: touch_move,
            up: touch_up,
            destroy: destroy_touch,
            remote: server.server.remote(),
        }))
    })
}

extern "C" fn get_descriptor(_: *const DisplayServer) -> *const Descriptor {
    &raw const DESCRIPTOR
}

unsafe extern "C" fn move_absolute(pointer: *mut Pointer, x: i32, y: i32) {
    // SAFETY: made by `create_pointer` and alive.
    let pointer = unsafe { &*pointer };
    let (x, y) = place(x, y);
    guarded((), || pointer.remote.input(vec![InputEvent::PointerTo { x, y }]));
}

unsafe extern "C" fn move_relative(pointer: *mut Pointer, dx: i32, dy: i32) {
    // SAFETY: made by `create_pointer` and alive.
    let pointer = unsafe { &*pointer };
    let (dx, dy) = (f64::from(dx) / 256.0, f64::from(dy) / 256.0);
    let event = InputEvent::PointerBy { dx, dy, raw_dx: dx, raw_dy: dy };
    guarded((), || pointer.remote.input(vec![event]));
}

unsafe extern "C" fn button_up(pointer: *mut Pointer, button: c_int) {
    // SAFETY: made by `create_pointer` and alive.
    let pointer = unsafe { &*pointer };
    let event = InputEvent::Button { code: button as u32, pressed: false };
    guarded((), || pointer.remote.input(vec![event]));
}

unsafe extern "C" fn button_down(pointer: *mut Pointer, button: c_int) {
    // SAFETY: made by `create_pointer` and alive.
    let pointer = unsafe { &*pointer };
    let event = InputEvent::Button { code: button as u32, pressed: true };
    guarded((), || pointer.remote.input(vec![event]));
}

unsafe extern "C" fn destroy_pointer(pointer: *mut Pointer) {
    // SAFETY: made by `create_pointer`, and not used again.
    drop(unsafe { Box::from_raw(pointer) });
}

unsafe extern "C" fn touch_down(touch: *mut Touch, x: i32, y: i32) {
    // SAFETY: made by `create_touch` and alive.
    let touch = unsafe { &*touch };
    let (x, y) = whole_place(x, y);
    let events = vec![InputEvent::TouchDown { id: 0, x, y }, InputEvent::TouchFrame];
    guarded((), || touch.remote.input(events));
}

unsafe extern "C" fn touch_move(touch: *mut Touch, x: i32, y: i32) {
    // SAFETY: made by `create_touch` and alive.
    let touch = unsafe { &*touch };
    let (x, y) = whole_place(x, y);
    let events = vec![InputEvent::TouchMotion { id: 0, x, y }, InputEvent::TouchFrame];
    guarded((), || touch.remote.input(events));
}

unsafe extern "C" fn touch_up(touch: *mut Touch) {
    // SAFETY: made by `create_touch` and alive.
    let touch = unsafe { &*touch };
    let events = vec![InputEvent::TouchUp { id: 0 }, InputEvent::TouchFrame];
    guarded((), || touch.remote.input(events));
}

unsafe extern "C" fn destroy_touch(touch: *mut Touch) {
    // SAFETY: made by `create_touch`, and not used again.
    drop(unsafe { Box::from_raw(touch) });
}
