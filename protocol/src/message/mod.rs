//! Every message of the window protocol: the two enums, their tables and their fixed parts.
//!
//! The tables [`TO_DOM0`] and [`TO_QUBE`] are the facts that `docs/protocol.md` is made from. What
//! "window" and "serial" of the header mean is said per message; where nothing is said they are 0.

mod layout;

pub use layout::*;

use crate::{
    limits::*,
    service::ICON_BYTES,
    wire::{self, Direction, Raw, WireError, messages},
};

messages! {
    /// A message from a qube's agent to dom0.
    pub enum ToDom0: ToDom0, TO_DOM0;

    0x0001 Hello (fixed Hello) "First message of the agent: magic and the range of versions it speaks. Checked: the magic; that the ranges meet.";
    0x0002 Pong (unit) "Answer to a ping; serial: the ping's. Checked: such a ping is open.";

    0x0010 WindowCreate (fixed WindowCreate) "A new toplevel, subsurface, drag icon or cursor; window: its new id. Checked: id free and not 0; number of windows; a subsurface has a living parent and is not nested too deep, others have none.";
    0x0011 PopupCreate (fixed PopupCreate) "A new popup; window: its new id, serial: of the input event that justifies its grab. Checked: as WindowCreate; the parent is a toplevel or popup; the positioner's sizes and anchor are in range.";
    0x0012 PopupReposition (fixed PopupReposition) "New rules for placing a popup; window: the popup. Checked: it is a popup; the positioner.";
    0x0013 WindowDestroy (unit) "The window is gone; its id stays taken until WindowGone comes. Checked: it exists; it has no children left.";
    0x0014 Title (bytes MAX_TITLE) "Title of a toplevel, cleaned before it is shown (CLEAN-TEXT). Checked: it is a toplevel; length.";
    0x0015 AppId (bytes MAX_APP_ID) "Application id of a toplevel, cleaned before it is shown. Checked: it is a toplevel; length.";
    0x0016 SetParent (fixed SetParent) "Which toplevel this toplevel belongs to. Checked: both are toplevels; no circle.";
    0x0017 SizeLimits (fixed SizeLimits) "Smallest and largest content size, 0: no limit. Checked: it is a toplevel; in range; smallest is at most largest.";
    0x0018 WindowRequest (fixed WindowRequest) "A wish about a toplevel: attention, maximise, fullscreen, minimise. dom0 decides. Checked: it is a toplevel.";
    0x0019 MoveRequest (unit) "Start moving with the pointer or finger; serial: of the press that means it. Checked: it is a toplevel. Ignored unless that press is still held on this window (INTENT).";
    0x001a ResizeRequest (fixed ResizeRequest) "Start resizing, as MoveRequest. Checked: it is a toplevel; known edges.";
    0x001b AckConfigure (unit) "The configure of this serial is taken up by the next commit. Checked: that configure is open; older open ones are done as well.";
    0x001c SubsurfacePlace (fixed SubsurfacePlace) "Position of a subsurface in its parent and its place among its siblings; taken up with the parent's next commit. Checked: it is a subsurface; the sibling is its parent or has the same parent; the offset is in range.";

    0x0020 GrantCreate (tail GrantCreate, MAX_RUNS * size_of::<PageRun>()) "Lets dom0 read a piece of the qube's own memory. Checked: id free and not 0; number, bytes and runs of grants; runs add up to the length; where the memory lies is checked by the back end.";
    0x0021 GrantRevoke (fixed GrantName) "The grant should end; it may not be unpinned before Revoked comes. Checked: it exists and is not being revoked already.";

    0x0030 Commit (tail Commit, 3 * MAX_RECTS * size_of::<crate::types::Rect>()) "New state of a window, all at once; serial: names the use of the buffer in Release, larger than any before. Checked: the window exists and was configured; the grant exists; offset, stride and size lie inside it; scale, viewport, regions and content rectangle are in range; buffers in flight.";

    0x0040 Cursor (fixed CursorChange) "Picture of the pointer over this qube; serial: of the pointer's entry, or of a tool's. Checked: a cursor window exists and is of that kind; known shape. Ignored if the pointer is elsewhere.";
    0x0041 PointerConstraint (tail PointerConstraint, MAX_RECTS * size_of::<crate::types::Rect>()) "Lock or confine the pointer to this window while it is focused; the person can always leave. Checked: the window exists; rectangles.";
    0x0042 TextInput (tail TextInput, MAX_INPUT_TEXT) "State of the text field that has the focus in this window; serial: number of the field, a larger one each time one is enabled. Checked: the window exists; UTF-8; cursor and anchor are boundaries of characters in the text; rectangle, hints and purpose are in range. Ignored unless the input method serves this window since the focus that it names (FOCUS).";
    0x0043 IdleInhibit (fixed Switch) "The window wants the screen to stay on while it is visible. Checked: the window exists.";
    0x0044 Bell (unit) "A bell; shown as attention. Checked: window 0 or an existing one.";

    0x0048 Notify (tail Notify, MAX_NOTIFY_TEXT + ICON_BYTES) "A notification of a program, or what an open one says from now on. Only after a welcome with that feature. Checked: id not 0; number of open ones, of buttons; each text is UTF-8 of its length; the picture has its length or is not there. Texts are cleaned.";
    0x0049 NotifyClose (fixed NotificationName) "The notification is no more: its program took it back, or dom0 was done with it. Checked: it is open.";
    0x004a StatusIcon (tail StatusIcon, MAX_STATUS_TITLE + ICON_BYTES) "A status icon of a program, or what a known one is from now on. Only after a welcome with that feature. Checked: id not 0; number of icons; the title is UTF-8 of its length, the picture has its length or is not there. The title is cleaned.";
    0x004b StatusIconGone (fixed StatusIconName) "The status icon is no more. Checked: it is known.";

    0x0050 SelectionOffer (tail SelectionOffer, MAX_MIME_TYPES * (MAX_MIME + 1)) "The qube's own selection is now of these MIME types (none: empty). Content stays in the qube until the person copies it out (INTENT). Checked: it is not that of drags; count, lengths, printable ASCII.";
    0x0051 SelectionData (tail SelectionData, MAX_CHUNK) "A piece of the answer to SelectionRequest; serial: the request's. Checked: such a request is open; a closing piece closes it.";
    0x0052 DragStart (tail SelectionOffer, MAX_MIME_TYPES * (MAX_MIME + 1)) "A program drags something of these MIME types; window: where it began, serial: of the press that means it. Content stays in the qube until it is dropped (INTENT). Checked: the window exists; the selection is that of drags; count, lengths, printable ASCII. Ignored unless that press is still held on this window (INTENT).";
}

messages! {
    /// A message from dom0 to a qube's agent.
    pub enum ToQube: ToQube, TO_QUBE;

    0x8001 Welcome (fixed Welcome) "First answer of dom0: the version spoken, the qube's label, the limits in force.";
    0x8002 Goodbye (tail Goodbye, MAX_REASON) "dom0 ends the connection: the rule that was broken, and the reason as text.";
    0x8003 Ping (unit) "Are you there; serial: to be answered.";
    0x8004 Output (fixed Output) "A new or changed output.";
    0x8005 OutputGone (fixed OutputName) "An output is no more.";
    0x8006 Keymap (tail Keymap, MAX_KEYMAP) "dom0's keyboard layout.";

    0x8010 Configure (fixed Configure) "Size and state a toplevel or popup should take; serial: for AckConfigure. For a popup also its position.";
    0x8011 Close (unit) "The person closes the window.";
    0x8012 PopupDone (unit) "The popup was dismissed.";
    0x8013 FrameDone (fixed Time) "A good moment to draw again.";
    0x8014 Presented (fixed Presented) "The commit of this serial reached the screen.";
    0x8015 Discarded (unit) "The commit of this serial never reached the screen.";
    0x8016 Release (unit) "dom0 reads the buffer of the commit of this serial no more.";
    0x8017 OnOutput (fixed OnOutput) "The window is on an output, or no longer.";
    0x8018 PreferredScale (fixed Scale) "Scale at which the window should draw.";
    0x8019 WindowGone (unit) "Answer to WindowDestroy: the id is free, no message about it follows, all its buffers are released.";

    0x8020 Revoked (fixed GrantName) "The grant is unmapped, its id free; it may be unpinned.";

    0x8030 KeyboardEnter (unit) "The window has the person's keys; serial: of this event. No key is held.";
    0x8031 KeyboardLeave (unit) "It has them no longer; every key is up.";
    0x8032 Key (fixed Key) "A key; serial: of this event.";
    0x8033 Modifiers (fixed Modifiers) "State of the modifiers and layout.";
    0x8034 PointerEnter (fixed Position) "The pointer is in the window; serial: of this event.";
    0x8035 PointerLeave (unit) "The pointer has left it.";
    0x8036 Motion (fixed TimedPosition) "The pointer moved; relative to the content rectangle.";
    0x8037 Button (fixed Button) "A button; serial: of this event.";
    0x8038 Axis (fixed Axis) "Scrolling.";
    0x8039 PointerFrame (unit) "The pointer events since the last one belong together.";
    0x803a RelativeMotion (fixed RelativeMotion) "Unclamped motion of the pointer.";
    0x803b ConstraintActive (fixed Switch) "The constraint asked for is in force, or not.";
    0x803c Gesture (fixed Gesture) "A gesture of a touchpad, in the window that has the pointer; serial: of this event.";
    0x803d TouchDown (fixed TouchPoint) "A finger came down; serial: of this event.";
    0x803e TouchMotion (fixed TouchPoint) "A finger moved.";
    0x803f TouchUp (fixed TouchUp) "A finger went up; serial: of this event.";
    0x8040 TouchFrame (unit) "The touch events since the last one belong together.";
    0x8041 TouchCancel (unit) "The touches were something else after all.";
    0x8042 ToolEnter (fixed ToolEnter) "A tool of a drawing tablet is over the window; serial: of this event. Its tip and buttons are up.";
    0x8043 ToolLeave (unit) "It is there no longer; its tip and buttons are up.";
    0x8044 ToolMotion (fixed ToolMotion) "The tool or one of its axes moved.";
    0x8045 ToolTip (fixed ToolTip) "The tip came down or was lifted; serial: of this event.";
    0x8046 ToolButton (fixed Button) "A button of the tool; serial: of this event.";

    0x8050 TextInputFocus (fixed Switch) "The input method serves this window, which has the keys, or no longer; serial: of this event, for TextInput.";
    0x8051 Preedit (tail Preedit, MAX_INPUT_TEXT) "Text that is being composed, in the window that the input method serves.";
    0x8052 CommitText (bytes MAX_INPUT_TEXT) "Text to insert, UTF-8.";
    0x8053 DeleteSurrounding (fixed DeleteSurrounding) "Bytes to delete around the cursor.";
    0x8054 TextInputDone (unit) "The text input events since the last one belong together; serial: number of the field they are for. For one that is no longer enabled they are nothing.";

    0x8058 NotifyDismissed (fixed NotificationName) "The person has put the notification away. That one goes by itself after a time, or was never seen, is not told (NO-ORACLE).";
    0x8059 NotifyAction (fixed NotifyAction) "The person has chosen something on the notification.";
    0x805a StatusIconActivate (fixed StatusIconActivate) "The person has clicked the status icon; where, is not told (NO-ORACLE).";

    0x8060 SelectionRequest (tail SelectionName, MAX_MIME) "The person copies out: send the selection as this MIME type; serial: of the request. Of a drag only while there is one.";
    0x8061 SelectionCancel (unit) "The request of this serial is of no interest any more; it must still be closed.";
    0x8062 Paste (tail SelectionOffer, MAX_MIME_TYPES * (MAX_MIME + 1)) "The person pastes in: these MIME types follow as PasteData; serial: of the paste.";
    0x8063 PasteData (tail PasteData, MAX_CHUNK) "A piece of what is pasted; serial: the paste's.";
    0x8064 Drag (fixed Switch) "The drag that this press means may go over all windows of the qube, or is over: what was not dropped in the qube by then was not dropped there; serial: of the press.";
    0x8065 Drop (fixed Position) "The person has dropped something here that comes from outside the qube; it follows as a Paste of drags; serial: that paste's.";
}

/// Looks at the front of `buf` for one message from a qube. See [`wire::next`].
pub fn next_to_dom0(buf: &[u8]) -> Result<Option<Raw<'_>>, WireError> {
    wire::next(buf, TO_DOM0, Direction::ToDom0)
}

/// Looks at the front of `buf` for one message from dom0. See [`wire::next`].
pub fn next_to_qube(buf: &[u8]) -> Result<Option<Raw<'_>>, WireError> {
    wire::next(buf, TO_QUBE, Direction::ToQube)
}
