//! The fixed parts of the messages, exactly as they lie on the wire.
//!
//! Coordinates are logical pixels unless a field says "buffer pixels" (as they lie in memory) or
//! "device pixels" (of an output). Times are milliseconds of dom0's monotonic clock, blurred to
//! the refresh (rule NO-ORACLE).

use zerocopy::{
    IntoBytes, TryFromBytes,
    little_endian::{I32, U16, U32, U64},
};

use crate::{
    limits::{
        MAX_ACTION, MAX_ACTIONS, MAX_BODY, MAX_MIME, MAX_MIME_TYPES, MAX_RECTS, MAX_RUNS, MAX_STATUS_TITLE,
        MAX_SUMMARY,
    },
    service::ICON_BYTES,
    types::*,
    wire::{Tail, With},
};

wire_type! {
    /// See [`super::ToDom0::Hello`].
    pub struct Hello {
        /// [`crate::MAGIC`].
        pub magic: [u8; 8],
        /// Oldest version the agent speaks.
        pub version_min: U16,
        /// Newest version the agent speaks.
        pub version_max: U16,
        /// Reserved for optional features, 0 in version 1; unknown bits are ignored.
        pub features: U32,
    }

    /// See [`super::ToQube::Welcome`].
    pub struct Welcome {
        /// The version both will speak.
        pub version: U16,
        /// The qube's label.
        pub label: Label,
        /// Memory of clients reaches dom0 as file descriptors (sandbox), else as page runs.
        pub client_fds: Flag,
        /// Most windows.
        pub max_windows: U32,
        /// Most grants.
        pub max_grants: U32,
        /// Most bytes in all grants together.
        pub max_grant_bytes: U64,
        /// Most bytes of one selection.
        pub max_selection_bytes: U32,
        /// What dom0 takes beside what version 1 always had, see [`features`]; unknown bits are ignored.
        pub features: U32,
    }

    /// See [`super::ToQube::Goodbye`]; the reason follows as UTF-8.
    pub struct Goodbye {
        /// Number of the rule, [`crate::session::Rule`] as `u16`; 0: no rule was broken.
        pub rule: U16,
    }

    /// See [`super::ToQube::Output`].
    pub struct Output {
        /// Its id, not 0.
        pub output: U32,
        /// Position in dom0's layout.
        pub x: I32,
        /// See `x`.
        pub y: I32,
        /// Size in device pixels.
        pub width: U32,
        /// See `width`.
        pub height: U32,
        /// Size in millimetres, 0: unknown.
        pub width_mm: U32,
        /// See `width_mm`.
        pub height_mm: U32,
        /// Scale in 120ths.
        pub scale: U32,
        /// Refresh in millihertz.
        pub refresh: U32,
        /// How it is mounted.
        pub transform: Transform,
    }

    /// See [`super::ToQube::OutputGone`].
    pub struct OutputName {
        /// Its id.
        pub output: U32,
    }

    /// See [`super::ToQube::OnOutput`].
    pub struct OnOutput {
        /// The output.
        pub output: U32,
        /// On it, or no longer.
        pub on: Flag,
    }

    /// See [`super::ToQube::PreferredScale`].
    pub struct Scale {
        /// In 120ths.
        pub scale: U32,
    }

    /// See [`super::ToQube::Keymap`]; the keymap follows as UTF-8.
    pub struct Keymap {
        /// How the rest is to be read.
        pub format: KeymapFormat,
    }

    /// See [`super::ToDom0::WindowCreate`].
    pub struct WindowCreate {
        /// What it is.
        pub kind: WindowKind,
        /// Its parent for a subsurface, else 0.
        pub parent: U32,
    }

    /// See [`super::ToDom0::PopupCreate`].
    pub struct PopupCreate {
        /// A toplevel or popup.
        pub parent: U32,
        /// Where it wants to be.
        pub positioner: Positioner,
        /// It takes keys and pointer of its qube until dismissed.
        pub grab: Flag,
    }

    /// See [`super::ToDom0::PopupReposition`].
    pub struct PopupReposition {
        /// Where it wants to be.
        pub positioner: Positioner,
        /// Comes back in the next configure.
        pub token: U32,
    }

    /// See [`super::ToDom0::SetParent`].
    pub struct SetParent {
        /// A toplevel, or 0.
        pub parent: U32,
        /// The parent does nothing until this one is gone.
        pub modal: Flag,
    }

    /// See [`super::ToDom0::SizeLimits`].
    pub struct SizeLimits {
        /// Smallest width of the content, 0: no limit.
        pub min_width: U32,
        /// Smallest height.
        pub min_height: U32,
        /// Largest width.
        pub max_width: U32,
        /// Largest height.
        pub max_height: U32,
    }

    /// See [`super::ToDom0::WindowRequest`].
    pub struct WindowRequest {
        /// The wish.
        pub request: Request,
    }

    /// See [`super::ToDom0::ResizeRequest`].
    pub struct ResizeRequest {
        /// Bits of [`edges`].
        pub edges: U32,
    }

    /// See [`super::ToDom0::SubsurfacePlace`].
    pub struct SubsurfacePlace {
        /// Position in the parent's surface coordinates.
        pub x: I32,
        /// See `x`.
        pub y: I32,
        /// The parent or a sibling, or 0: the order stays.
        pub sibling: U32,
        /// Directly above that one, else directly below.
        pub above: Flag,
    }

    /// See [`super::ToDom0::GrantCreate`]; for page runs, [`PageRun`]s follow.
    pub struct GrantCreate {
        /// Its new id.
        pub grant: U32,
        /// How the memory is named.
        pub kind: GrantKind,
        /// Length in bytes.
        pub bytes: U64,
    }

    /// A run of guest page frames of 4,096 bytes.
    pub struct PageRun {
        /// First page frame number.
        pub first: U64,
        /// How many; not 0.
        pub count: U32,
    }

    /// See [`super::ToDom0::GrantRevoke`].
    pub struct GrantName {
        /// The grant.
        pub grant: U32,
    }

    /// See [`super::ToDom0::Commit`]; damage, opaque region and input region follow as [`Rect`]s.
    pub struct Commit {
        /// What happens to the picture.
        pub buffer: BufferChange,
        /// Layout of pixels, for `Attach`.
        pub format: Format,
        /// How the buffer is turned.
        pub transform: Transform,
        /// The size of the picture in memory is `scale` times the surface.
        pub scale: u8,
        /// Bits of [`commit_flags`].
        pub flags: u8,
        /// Rectangles of damage, in buffer pixels. With a new buffer and none: nothing changed.
        pub damage: u8,
        /// Rectangles of the opaque region, in surface coordinates.
        pub opaque: u8,
        /// Rectangles of the input region, in surface coordinates; used if
        /// [`commit_flags::INPUT_REGION`] is set, else everything takes input.
        pub input: u8,
        /// The grant, for `Attach`.
        pub grant: U32,
        /// First byte of the picture in the grant.
        pub offset: U64,
        /// Width in buffer pixels, for `Attach`.
        pub width: U32,
        /// Height in buffer pixels.
        pub height: U32,
        /// Bytes from one row to the next.
        pub stride: U32,
        /// Colour for `Solid`: alpha, red, green, blue from high to low, premultiplied.
        pub color: U32,
        /// Viewport source, in the buffer after transform and scale; all zero: unset.
        pub source: FixedRect,
        /// Viewport destination; 0: unset.
        pub dest_width: U32,
        /// See `dest_width`.
        pub dest_height: U32,
        /// The window's content inside the surface and its subsurfaces, in surface coordinates
        /// (`xdg_surface.set_window_geometry`); dom0 shows no more than this.
        pub content: Rect,
        /// For cursors and drag icons: how the hot spot moved, as in `wl_surface.offset`.
        pub delta_x: I32,
        /// See `delta_x`.
        pub delta_y: I32,
    }

    /// See [`super::ToQube::Configure`].
    pub struct Configure {
        /// Width of the content, 0: the program decides.
        pub width: U32,
        /// Height of the content, 0: the program decides.
        pub height: U32,
        /// Largest sensible width, 0: unknown.
        pub bounds_width: U32,
        /// Largest sensible height.
        pub bounds_height: U32,
        /// Bits of [`states`].
        pub states: U32,
        /// For popups: position relative to the parent's content rectangle.
        pub x: I32,
        /// See `x`.
        pub y: I32,
        /// For popups: token of the reposition this answers, 0: none.
        pub token: U32,
    }

    /// A time.
    pub struct Time {
        /// Milliseconds.
        pub time: U32,
    }

    /// See [`super::ToQube::Presented`].
    pub struct Presented {
        /// Nanoseconds of dom0's monotonic clock.
        pub time_ns: U64,
        /// Nanoseconds to the next refresh, 0: unknown.
        pub refresh_ns: U32,
        /// Counter of the output's refreshes.
        pub sequence: U64,
        /// Bits of `wp_presentation_feedback.kind`.
        pub flags: U32,
    }

    /// On or off.
    pub struct Switch {
        /// Which.
        pub on: Flag,
    }

    /// See [`super::ToQube::Key`].
    pub struct Key {
        /// Milliseconds.
        pub time: U32,
        /// evdev code.
        pub code: U32,
        /// State.
        pub state: KeyState,
    }

    /// See [`super::ToQube::Modifiers`], as in `wl_keyboard.modifiers`.
    pub struct Modifiers {
        /// Held.
        pub depressed: U32,
        /// Until the next key.
        pub latched: U32,
        /// Locked.
        pub locked: U32,
        /// Layout.
        pub group: U32,
    }

    /// A position relative to the content rectangle.
    pub struct Position {
        /// To the right.
        pub x: Fixed,
        /// Down.
        pub y: Fixed,
    }

    /// A position at a time.
    pub struct TimedPosition {
        /// Milliseconds.
        pub time: U32,
        /// To the right.
        pub x: Fixed,
        /// Down.
        pub y: Fixed,
    }

    /// See [`super::ToQube::Button`].
    pub struct Button {
        /// Milliseconds.
        pub time: U32,
        /// evdev code.
        pub code: U32,
        /// State.
        pub state: ButtonState,
    }

    /// See [`super::ToQube::Axis`].
    pub struct Axis {
        /// Milliseconds.
        pub time: U32,
        /// Where it comes from.
        pub source: AxisSource,
        /// Scrolling ended horizontally.
        pub stop_x: Flag,
        /// Scrolling ended vertically.
        pub stop_y: Flag,
        /// The content follows the hand: the hand moved against the distances.
        pub inverted: Flag,
        /// Horizontal distance.
        pub x: Fixed,
        /// Vertical distance.
        pub y: Fixed,
        /// Horizontal wheel steps in 120ths.
        pub x120: I32,
        /// Vertical wheel steps in 120ths.
        pub y120: I32,
    }

    /// See [`super::ToQube::RelativeMotion`].
    pub struct RelativeMotion {
        /// Microseconds.
        pub time_us: U64,
        /// Accelerated.
        pub x: Fixed,
        /// Accelerated.
        pub y: Fixed,
        /// As the device says.
        pub raw_x: Fixed,
        /// As the device says.
        pub raw_y: Fixed,
    }

    /// See [`super::ToQube::Gesture`].
    pub struct Gesture {
        /// Milliseconds.
        pub time: U32,
        /// What.
        pub kind: GestureKind,
        /// Where it stands.
        pub phase: GesturePhase,
        /// Fingers, at the beginning.
        pub fingers: U32,
        /// Motion since the last update.
        pub x: Fixed,
        /// Motion since the last update.
        pub y: Fixed,
        /// Scale since the beginning.
        pub scale: Fixed,
        /// Degrees clockwise since the last update.
        pub rotation: Fixed,
    }

    /// See [`super::ToQube::TouchDown`].
    pub struct TouchPoint {
        /// Milliseconds.
        pub time: U32,
        /// Which finger.
        pub id: I32,
        /// To the right, relative to the content rectangle.
        pub x: Fixed,
        /// Down.
        pub y: Fixed,
    }

    /// See [`super::ToQube::TouchUp`].
    pub struct TouchUp {
        /// Milliseconds.
        pub time: U32,
        /// Which finger.
        pub id: I32,
    }

    /// See [`super::ToQube::ToolEnter`].
    pub struct ToolEnter {
        /// Milliseconds.
        pub time: U32,
        /// What it is. Two tools of one kind are the same to a qube.
        pub tool: ToolKind,
        /// Axes that it has, bits of [`tool_axes`].
        pub axes: u8,
        /// To the right, relative to the content rectangle.
        pub x: Fixed,
        /// Down.
        pub y: Fixed,
    }

    /// See [`super::ToQube::ToolMotion`]. Axes that the tool does not have are 0.
    pub struct ToolMotion {
        /// Milliseconds.
        pub time: U32,
        /// To the right, relative to the content rectangle.
        pub x: Fixed,
        /// Down.
        pub y: Fixed,
        /// From 0 to 65,535.
        pub pressure: U16,
        /// Above the tablet, from 0 to 65,535.
        pub distance: U16,
        /// Degrees, to the right.
        pub tilt_x: Fixed,
        /// Degrees, towards the person.
        pub tilt_y: Fixed,
        /// Degrees clockwise.
        pub rotation: Fixed,
        /// From -65,535 to 65,535.
        pub slider: I32,
        /// Degrees since the last one.
        pub wheel: Fixed,
        /// Steps of the wheel since the last one.
        pub wheel_clicks: I32,
    }

    /// See [`super::ToQube::ToolTip`].
    pub struct ToolTip {
        /// Milliseconds.
        pub time: U32,
        /// On the tablet, or lifted.
        pub down: Flag,
    }

    /// See [`super::ToDom0::Cursor`].
    pub struct CursorChange {
        /// What it is.
        pub kind: CursorKind,
        /// For `Shape`: the number in `wp_cursor_shape_device_v1.shape`, 1 to 34.
        pub shape: u8,
        /// For `Window`: a window of kind `Cursor`.
        pub window: U32,
        /// The hot spot in that window's surface.
        pub hot_x: I32,
        /// See `hot_x`.
        pub hot_y: I32,
    }

    /// See [`super::ToDom0::PointerConstraint`]; the region follows as [`Rect`]s, none: everywhere.
    pub struct PointerConstraint {
        /// What is asked.
        pub constraint: Constraint,
        /// Where the pointer should be when it is freed; used if `has_hint`.
        pub has_hint: Flag,
        /// See `has_hint`.
        pub hint_x: Fixed,
        /// See `has_hint`.
        pub hint_y: Fixed,
        /// Rectangles that follow.
        pub rects: U16,
    }

    /// See [`super::ToDom0::TextInput`], as in `text-input-v3`; surrounding text follows as UTF-8.
    pub struct TextInput {
        /// Serial of the `TextInputFocus` that it answers.
        pub focus: U32,
        /// A text field wants input.
        pub enabled: Flag,
        /// The program says what surrounds the cursor.
        pub has_text: Flag,
        /// The last change of that text was the input method's.
        pub by_method: Flag,
        /// Byte offset of the cursor in the text.
        pub cursor: U16,
        /// Byte offset of the other end of the selection.
        pub anchor: U16,
        /// Content hint bits.
        pub hint: U32,
        /// Content purpose.
        pub purpose: U32,
        /// Where the cursor is, in surface coordinates; all 0: the program does not say it.
        pub rect: Rect,
    }

    /// See [`super::ToQube::Preedit`]; the text follows as UTF-8.
    pub struct Preedit {
        /// Byte offset where the cursor begins; -1 in both: it is hidden.
        pub begin: I32,
        /// Byte offset where the cursor ends.
        pub end: I32,
    }

    /// See [`super::ToQube::DeleteSurrounding`].
    pub struct DeleteSurrounding {
        /// Bytes before the cursor.
        pub before: U32,
        /// Bytes after the cursor.
        pub after: U32,
    }

    /// See [`super::ToDom0::Notify`]; summary, body and a text for each button follow, each ended by a zero
    /// byte, then a picture as in `Listed`, or none.
    pub struct Notify {
        /// Names it, not 0; one that is open says something else from now on.
        pub notification: U32,
        /// How much it matters.
        pub urgency: Urgency,
        /// It can be chosen as a whole, beside its buttons.
        pub choosable: Flag,
        /// Longest time it is shown, in milliseconds; 0: as dom0 does for its urgency, which is never exceeded.
        pub stays: U32,
        /// Bytes of the texts, zero bytes included.
        pub text: U16,
    }

    /// See [`super::ToDom0::NotifyClose`] and [`super::ToQube::NotifyDismissed`].
    pub struct NotificationName {
        /// Which.
        pub notification: U32,
    }

    /// See [`super::ToQube::NotifyAction`].
    pub struct NotifyAction {
        /// Which notification.
        pub notification: U32,
        /// 0: it was chosen as a whole; else the number of the button, from 1.
        pub action: u8,
    }

    /// See [`super::ToDom0::StatusIcon`]; the title follows as UTF-8, then a picture as in `Listed`, or none.
    pub struct StatusIcon {
        /// Names it, not 0.
        pub icon: U32,
        /// Whether it wants to be seen.
        pub status: Status,
        /// Bytes of the title.
        pub title: U16,
    }

    /// See [`super::ToDom0::StatusIconGone`].
    pub struct StatusIconName {
        /// Which.
        pub icon: U32,
    }

    /// See [`super::ToQube::StatusIconActivate`].
    pub struct StatusIconActivate {
        /// Which.
        pub icon: U32,
        /// With what.
        pub activation: Activation,
    }

    /// See [`super::ToDom0::SelectionOffer`] and [`super::ToQube::Paste`]; MIME types follow, each
    /// ended by a zero byte.
    pub struct SelectionOffer {
        /// Which selection.
        pub selection: Selection,
    }

    /// See [`super::ToQube::SelectionRequest`]; the MIME type follows.
    pub struct SelectionName {
        /// Which selection.
        pub selection: Selection,
    }

    /// See [`super::ToDom0::SelectionData`]; the bytes follow.
    pub struct SelectionData {
        /// No more follows.
        pub end: Flag,
        /// It could not be read; what came so far is void. Only with `end`.
        pub failed: Flag,
    }

    /// See [`super::ToQube::PasteData`]; the bytes follow.
    pub struct PasteData {
        /// Which MIME type of the paste, counted from 0.
        pub index: U16,
        /// No more of this MIME type follows.
        pub end: Flag,
    }
}

/// Bits of [`Commit::flags`].
pub mod commit_flags {
    /// The program wants to know when to draw again.
    pub const WANT_FRAME: u8 = 1;
    /// The program wants to know when this was shown.
    pub const WANT_PRESENTED: u8 = 1 << 1;
    /// Not to be shown before the next commit without this bit of the same toplevel, popup, cursor
    /// or drag icon: synchronised subsurfaces.
    pub const HOLD: u8 = 1 << 2;
    /// The input region follows.
    pub const INPUT_REGION: u8 = 1 << 3;
    /// Every bit that has a meaning.
    pub const ALL: u8 = (1 << 4) - 1;
}

/// Bits of [`Welcome::features`].
pub mod features {
    /// Notifications and status icons.
    pub const NOTIFICATIONS: u32 = 1;
}

/// Most bytes of the texts of one notification, each with its zero byte.
pub const MAX_NOTIFY_TEXT: usize = MAX_SUMMARY + MAX_BODY + MAX_ACTIONS * MAX_ACTION + 2 + MAX_ACTIONS;

/// Number of named cursor shapes in `cursor-shape-v1`.
pub const CURSOR_SHAPES: u8 = 34;

fn is_mime(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_MIME && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ')
}

impl Tail for Goodbye {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        str::from_utf8(tail).is_ok()
    }
}

impl Tail for Keymap {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        match self.format {
            KeymapFormat::Names => strings(tail, 5).is_some_and(|s| s.len() == 5),
            KeymapFormat::Text => str::from_utf8(tail).is_ok(),
        }
    }
}

impl Tail for GrantCreate {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        match self.kind {
            GrantKind::ClientFd => tail.is_empty(),
            GrantKind::PageRuns => {
                !tail.is_empty()
                    && tail.len().is_multiple_of(size_of::<PageRun>())
                    && tail.len() <= MAX_RUNS * size_of::<PageRun>()
            }
        }
    }
}

impl<'a> With<'a, GrantCreate> {
    /// The page runs; empty for a file descriptor.
    pub fn runs(&self) -> &'a [PageRun] {
        <[PageRun]>::try_ref_from_bytes(self.tail).unwrap_or_default()
    }
}

fn rects(bytes: &[u8]) -> &[Rect] {
    <[Rect]>::try_ref_from_bytes(bytes).unwrap_or_default()
}

impl Tail for Commit {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        let counts = [self.damage, self.opaque, self.input].map(usize::from);
        counts.iter().all(|n| *n <= MAX_RECTS)
            && tail.len() == counts.iter().sum::<usize>() * size_of::<Rect>()
            && self.flags & !commit_flags::ALL == 0
    }
}

impl<'a> With<'a, Commit> {
    fn list(&self, before: usize, count: u8) -> &'a [Rect] {
        let from = before * size_of::<Rect>();
        let to = from + usize::from(count) * size_of::<Rect>();
        rects(self.tail.get(from..to).unwrap_or_default())
    }

    /// Damage, in buffer pixels.
    pub fn damage(&self) -> &'a [Rect] {
        self.list(0, self.fixed.damage)
    }

    /// Opaque region, in surface coordinates.
    pub fn opaque(&self) -> &'a [Rect] {
        self.list(usize::from(self.fixed.damage), self.fixed.opaque)
    }

    /// Input region, in surface coordinates; `None`: everything takes input.
    pub fn input(&self) -> Option<&'a [Rect]> {
        let before = usize::from(self.fixed.damage) + usize::from(self.fixed.opaque);
        (self.fixed.flags & commit_flags::INPUT_REGION != 0).then(|| self.list(before, self.fixed.input))
    }
}

impl Tail for PointerConstraint {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        let count = usize::from(self.rects.get());
        count <= MAX_RECTS && tail.len() == count * size_of::<Rect>()
    }
}

impl<'a> With<'a, PointerConstraint> {
    /// The region, in surface coordinates.
    pub fn rects(&self) -> &'a [Rect] {
        rects(self.tail)
    }
}

impl Tail for TextInput {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        (self.has_text.get() || tail.is_empty())
            && str::from_utf8(tail).is_ok_and(|text| {
                [self.cursor, self.anchor].iter().all(|at| text.is_char_boundary(usize::from(at.get())))
            })
    }
}

impl Tail for Preedit {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        let (begin, end) = (self.begin.get(), self.end.get());
        str::from_utf8(tail).is_ok_and(|text| {
            let boundary = |at: i32| usize::try_from(at).is_ok_and(|at| text.is_char_boundary(at));
            (begin, end) == (-1, -1) || boundary(begin) && boundary(end)
        })
    }
}

impl<'a> With<'a, Preedit> {
    /// The text.
    pub fn text(&self) -> &'a str {
        str::from_utf8(self.tail).unwrap_or_default()
    }
}

/// Texts and picture of a notification, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotifyParts<'a> {
    /// What it is about, in one line.
    pub untrusted_summary: &'a str,
    /// More of it.
    pub untrusted_body: &'a str,
    /// What the buttons say.
    pub untrusted_actions: Vec<&'a str>,
    /// [`ICON_BYTES`] bytes, any of them.
    pub untrusted_icon: Option<&'a [u8]>,
}

impl Tail for Notify {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        notify(*self, tail).is_some()
    }
}

fn notify(head: Notify, tail: &[u8]) -> Option<NotifyParts<'_>> {
    let (text, icon) = tail.split_at_checked(head.text.get().into())?;
    let mut texts = strings(text, 2 + MAX_ACTIONS)?.into_iter();
    let (summary, body) = (texts.next()?, texts.next()?);
    let actions: Vec<&str> = texts.collect();
    let fits = summary.len() <= MAX_SUMMARY
        && body.len() <= MAX_BODY
        && actions.iter().all(|action| action.len() <= MAX_ACTION);
    (fits && is_picture(icon)).then_some(NotifyParts {
        untrusted_summary: summary,
        untrusted_body: body,
        untrusted_actions: actions,
        untrusted_icon: Some(icon).filter(|icon| !icon.is_empty()),
    })
}

/// True for a picture of the one size that dom0 takes, or none.
fn is_picture(bytes: &[u8]) -> bool {
    matches!(bytes.len(), 0 | ICON_BYTES)
}

impl<'a> With<'a, Notify> {
    /// What it says; lengths are checked, what the texts say is not.
    pub fn parts(&self) -> NotifyParts<'a> {
        notify(*self.fixed, self.tail).unwrap_or_default()
    }
}

impl Tail for StatusIcon {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        status_icon(*self, tail).is_some()
    }
}

fn status_icon(head: StatusIcon, tail: &[u8]) -> Option<(&str, Option<&[u8]>)> {
    let (title, icon) = tail.split_at_checked(head.title.get().into())?;
    let title = str::from_utf8(title).ok().filter(|title| title.len() <= MAX_STATUS_TITLE)?;
    is_picture(icon).then_some((title, Some(icon).filter(|icon| !icon.is_empty())))
}

impl<'a> With<'a, StatusIcon> {
    /// Title and picture, as they came.
    pub fn untrusted_parts(&self) -> (&'a str, Option<&'a [u8]>) {
        status_icon(*self.fixed, self.tail).unwrap_or_default()
    }
}

impl Tail for SelectionOffer {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        strings(tail, MAX_MIME_TYPES).is_some_and(|types| types.iter().all(|t| is_mime(t)))
    }
}

impl<'a> With<'a, SelectionOffer> {
    /// The MIME types offered.
    pub fn mime_types(&self) -> Vec<&'a str> {
        strings(self.tail, MAX_MIME_TYPES).unwrap_or_default()
    }
}

impl Tail for SelectionName {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        str::from_utf8(tail).is_ok_and(is_mime)
    }
}

impl<'a> With<'a, SelectionName> {
    /// The MIME type asked for.
    pub fn mime_type(&self) -> &'a str {
        str::from_utf8(self.tail).unwrap_or_default()
    }
}

impl Tail for SelectionData {
    fn tail_ok(&self, tail: &[u8]) -> bool {
        !self.failed.get() || (self.end.get() && tail.is_empty())
    }
}

impl Tail for PasteData {
    fn tail_ok(&self, _: &[u8]) -> bool {
        usize::from(self.index.get()) < MAX_MIME_TYPES
    }
}

/// Bytes of a list of wire values, for the tail of a message.
pub fn tail_bytes<T: IntoBytes + zerocopy::Immutable>(items: &[T]) -> &[u8] {
    items.as_bytes()
}
