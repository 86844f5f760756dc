//! The limits of the protocol, all in one place.
//!
//! Limits that a person may change are sent in [`Welcome`](crate::message::Welcome); these are the
//! outer walls, which no configuration moves.

/// Widest and highest buffer or window, in pixels.
pub const MAX_DIMENSION: u32 = 16_384;
/// Most rectangles in one list of a commit (damage, opaque region, input region).
pub const MAX_RECTS: usize = 64;
/// Longest title, in bytes on the wire. What is shown is cut further, see [`crate::text`].
pub const MAX_TITLE: usize = 1_024;
/// Longest application id, in bytes.
pub const MAX_APP_ID: usize = 256;
/// Most MIME types in one offer.
pub const MAX_MIME_TYPES: usize = 64;
/// Longest MIME type, in bytes.
pub const MAX_MIME: usize = 255;
/// Most bytes of selection data in one message.
pub const MAX_CHUNK: usize = 32 * 1_024;
/// Most page runs in one grant message: a picture of 3840×2160 fits even if no two of its pages
/// are neighbours.
pub const MAX_RUNS: usize = 8_192;
/// Most page runs in all grants of a qube together. Each may cost dom0 one mapping, of which a
/// process has 65,530 unless the machine is set otherwise.
pub const MAX_ALL_RUNS: usize = 12_288;
/// Longest keymap, in bytes.
pub const MAX_KEYMAP: usize = 256 * 1_024;
/// Longest surrounding text, preedit or committed text of an input method, in bytes (the limit of
/// text-input-v3).
pub const MAX_INPUT_TEXT: usize = 4_000;
/// Content hints of a text field that have a meaning, as in text-input-v3.
pub const CONTENT_HINTS: u32 = 0x3ff;
/// Highest content purpose of a text field, as in text-input-v3.
pub const CONTENT_PURPOSES: u32 = 13;
/// Deepest nesting of windows (popups in popups, subsurfaces in subsurfaces), the outermost one
/// included.
pub const MAX_DEPTH: usize = 16;
/// Most buffers of one window that dom0 has not released yet.
pub const MAX_BUFFERS_IN_FLIGHT: usize = 16;
/// Most configures of one window that the qube has not acknowledged yet. dom0 sends no more until
/// it has caught up.
pub const MAX_CONFIGURES_IN_FLIGHT: usize = 32;
/// Most selection requests under way at once.
pub const MAX_SELECTION_REQUESTS: usize = 8;
/// Most pings that the qube has not answered yet.
pub const MAX_PINGS: usize = 4;
/// Most fingers on the windows of one qube at once.
pub const MAX_TOUCHES: usize = 64;
/// Most outputs.
pub const MAX_OUTPUTS: usize = 16;
/// Most notifications of a qube that are open at once.
pub const MAX_NOTIFICATIONS: usize = 64;
/// Longest summary of a notification, in bytes.
pub const MAX_SUMMARY: usize = 256;
/// Longest body of a notification, in bytes.
pub const MAX_BODY: usize = 1_024;
/// Most buttons of a notification.
pub const MAX_ACTIONS: usize = 4;
/// Longest text on a button of a notification, in bytes.
pub const MAX_ACTION: usize = 64;
/// Most status icons of a qube.
pub const MAX_STATUS_ICONS: usize = 16;
/// Longest title of a status icon, in bytes.
pub const MAX_STATUS_TITLE: usize = 256;
/// Longest reason in a goodbye, in bytes.
pub const MAX_REASON: usize = 256;
/// Farthest a window may be from its parent, in logical pixels.
pub const MAX_OFFSET: i32 = 1 << 20;
