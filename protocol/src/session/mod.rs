//! The two-sided state machine: which message is legal when.
//!
//! Both ends keep a [`Session`] and pass every message through it, sent and received, in the order
//! in which that end sees them. The rules are made so that messages which cross on the way are
//! legal on both ends, and both states are equal whenever nothing is under way:
//!
//! - a destroyed window's id stays taken until dom0 has said [`WindowGone`](ToQube::WindowGone),
//! - a revoked grant's until dom0 has said [`Revoked`](ToQube::Revoked),
//! - a selection request stays open until the agent has closed it, cancelled or not.
//!
//! No I/O, no clock, no allocation that a peer can drive beyond the limits in force.

mod commit;
mod notifications;
mod rule;
mod state;
mod text;

use std::collections::BTreeMap;

pub use commit::{Picture, PictureMemory, surface_size};
pub use notifications::Notifications;
pub use rule::{ProtocolError, Rule, Violation};
pub use state::{Grant, Phase, SelectionTransfer, Window, WindowRole};

use crate::{
    MAGIC, VERSION, VERSION_MIN,
    limits::*,
    message::*,
    types::*,
    wire::{Header, Raw, With},
};

/// Which end this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The agent in the qube.
    Agent,
    /// dom0.
    Dom0,
}

/// Limits that dom0 chooses per qube and tells in the welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most windows, of every kind together.
    pub windows: u32,
    /// Most grants.
    pub grants: u32,
    /// Most bytes in all grants together. They are address space, not memory: programs make pools
    /// far larger than what they fill (foot: 512 MiB each).
    pub grant_bytes: u64,
    /// Most bytes of one selection.
    pub selection_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { windows: 1_024, grants: 4_096, grant_bytes: 64 << 30, selection_bytes: 16 << 20 }
    }
}

/// How far an agent may run past the selection limit before a cancel has reached it, in bytes.
pub const SELECTION_SLACK: u64 = 1 << 20;

/// State of one connection. See the module's text.
#[derive(Clone, Debug)]
pub struct Session {
    end: End,
    phase: Phase,
    limits: Limits,
    windows: BTreeMap<u32, Window>,
    grants: BTreeMap<u32, Grant>,
    grant_bytes: u64,
    grant_runs: usize,
    outputs: BTreeMap<u32, Output>,
    pings: Vec<u32>,
    keyboard: Option<u32>,
    /// The window that the input method serves: that with the keys, or none.
    text: Option<u32>,
    pointer: Option<u32>,
    /// The gesture that is under way in the window with the pointer.
    gesture: Option<GestureKind>,
    touches: BTreeMap<i32, u32>,
    tool: Option<u32>,
    selections: BTreeMap<u32, SelectionTransfer>,
    /// The press of the drag that may go over all windows.
    drag: Option<u32>,
    /// The paste that something dropped follows as.
    drop: Option<u32>,
    notifications: Notifications,
    last_commit: u32,
}

impl PartialEq for Session {
    /// Equal state, whichever end it is kept on.
    fn eq(&self, other: &Self) -> bool {
        self.phase == other.phase
            && self.limits == other.limits
            && self.windows == other.windows
            && self.grants == other.grants
            && self.grant_bytes == other.grant_bytes
            && self.outputs == other.outputs
            && self.pings == other.pings
            && self.keyboard == other.keyboard
            && self.text == other.text
            && self.pointer == other.pointer
            && self.gesture == other.gesture
            && self.touches == other.touches
            && self.tool == other.tool
            && self.selections == other.selections
            && (self.drag, self.drop) == (other.drag, other.drop)
            && self.notifications == other.notifications
            && self.last_commit == other.last_commit
    }
}

type Step = Result<(), Rule>;

fn ensure(holds: bool, rule: Rule) -> Step {
    if holds { Ok(()) } else { Err(rule) }
}

impl Session {
    /// A connection on which nothing was said yet.
    pub fn new(end: End) -> Self {
        Self {
            end,
            phase: Phase::Hello,
            limits: Limits::default(),
            windows: BTreeMap::new(),
            grants: BTreeMap::new(),
            grant_bytes: 0,
            grant_runs: 0,
            outputs: BTreeMap::new(),
            pings: Vec::new(),
            keyboard: None,
            text: None,
            pointer: None,
            gesture: None,
            touches: BTreeMap::new(),
            tool: None,
            selections: BTreeMap::new(),
            drag: None,
            drop: None,
            notifications: Notifications::default(),
            last_commit: 0,
        }
    }

    /// How far the connection has come.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Limits in force.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// A window that was created and not destroyed.
    pub fn window(&self, id: u32) -> Option<&Window> {
        self.windows.get(&id).filter(|w| !w.destroyed)
    }

    /// Every living window, by id.
    pub fn windows(&self) -> impl Iterator<Item = (u32, &Window)> {
        self.windows.iter().filter(|(_, w)| !w.destroyed).map(|(id, w)| (*id, w))
    }

    /// A grant that was created and not revoked.
    pub fn grant(&self, id: u32) -> Option<&Grant> {
        self.grants.get(&id).filter(|g| !g.revoking)
    }

    /// Bytes in all grants, those being revoked included.
    pub fn granted_bytes(&self) -> u64 {
        self.grant_bytes
    }

    /// Page runs in all grants, those being revoked included.
    pub fn granted_runs(&self) -> usize {
        self.grant_runs
    }

    /// Number of grants, those being revoked included.
    pub fn grant_count(&self) -> usize {
        self.grants.len()
    }

    /// The window that has the keys of this qube.
    pub fn keyboard_focus(&self) -> Option<u32> {
        self.keyboard
    }

    /// The window the pointer is in.
    pub fn pointer_focus(&self) -> Option<u32> {
        self.pointer
    }

    /// The gesture that is under way in the window with the pointer.
    pub fn gesture(&self) -> Option<GestureKind> {
        self.gesture
    }

    /// The window that a tool of a drawing tablet is in.
    pub fn tool_focus(&self) -> Option<u32> {
        self.tool
    }

    /// A selection request that is not closed.
    pub fn selection(&self, serial: u32) -> Option<&SelectionTransfer> {
        self.selections.get(&serial)
    }

    /// The press of the drag that may go over all windows of the qube.
    pub fn drag(&self) -> Option<u32> {
        self.drag
    }

    /// Notifications and status icons.
    pub fn notifications(&self) -> &Notifications {
        &self.notifications
    }

    /// True if another configure may be sent to the window.
    pub fn may_configure(&self, id: u32) -> bool {
        self.window(id).is_some_and(|w| w.configures.len() < MAX_CONFIGURES_IN_FLIGHT)
    }

    /// Parses a message from the agent and takes it up.
    pub fn receive<'a>(&mut self, raw: &Raw<'a>) -> Result<ToDom0<'a>, ProtocolError> {
        let message = ToDom0::parse(raw)?;
        self.to_dom0(raw.header, &message)?;
        Ok(message)
    }

    /// Parses a message from dom0 and takes it up.
    pub fn receive_in_qube<'a>(&mut self, raw: &Raw<'a>) -> Result<ToQube<'a>, ProtocolError> {
        let message = ToQube::parse(raw)?;
        self.to_qube(raw.header, &message)?;
        Ok(message)
    }

    /// Takes up a message from the agent. After an error the connection must be closed; the state
    /// is as it was before the message.
    pub fn to_dom0(&mut self, header: Header, message: &ToDom0<'_>) -> Result<(), Violation> {
        let (window, serial) = (header.window.get(), header.serial.get());
        self.step_to_dom0(window, serial, message).map_err(|rule| Violation {
            rule,
            message: message.name(),
            window,
        })
    }

    /// Takes up a message from dom0. As [`Session::to_dom0`].
    pub fn to_qube(&mut self, header: Header, message: &ToQube<'_>) -> Result<(), Violation> {
        let (window, serial) = (header.window.get(), header.serial.get());
        self.step_to_qube(window, serial, message).map_err(|rule| Violation {
            rule,
            message: message.name(),
            window,
        })
    }

    fn step_to_dom0(&mut self, window: u32, serial: u32, message: &ToDom0<'_>) -> Step {
        match (self.phase, message) {
            (Phase::Hello, ToDom0::Hello(hello)) => {
                ensure(hello.magic == MAGIC, Rule::BadMagic)?;
                let meets = hello.version_min.get() <= VERSION
                    && hello.version_max.get() >= VERSION_MIN
                    && hello.version_min.get() <= hello.version_max.get();
                ensure(meets, Rule::NoCommonVersion)?;
                self.phase = Phase::Welcome;
                return Ok(());
            }
            (Phase::Hello | Phase::Welcome | Phase::Closed, _) | (_, ToDom0::Hello(_)) => {
                return Err(Rule::OutOfPhase);
            }
            (Phase::Open, _) => {}
        }
        match message {
            ToDom0::Hello(_) => Err(Rule::OutOfPhase),
            ToDom0::Pong(()) => {
                let at = self.pings.iter().position(|p| *p == serial).ok_or(Rule::NotAsked)?;
                self.pings.remove(at);
                Ok(())
            }
            ToDom0::WindowCreate(create) => {
                let role = match create.kind {
                    WindowKind::Toplevel => WindowRole::Toplevel,
                    WindowKind::Subsurface => WindowRole::Subsurface,
                    WindowKind::DragIcon => WindowRole::DragIcon,
                    WindowKind::Cursor => WindowRole::Cursor,
                };
                self.create(window, role, create.parent.get())
            }
            ToDom0::PopupCreate(create) => {
                ensure(positioner_ok(&create.positioner), Rule::OutOfRange)?;
                self.create(window, WindowRole::Popup, create.parent.get())
            }
            ToDom0::PopupReposition(reposition) => {
                ensure(positioner_ok(&reposition.positioner), Rule::OutOfRange)?;
                self.role(window, &[WindowRole::Popup]).map(drop)
            }
            ToDom0::WindowDestroy(()) => {
                self.living(window)?;
                let childless =
                    self.windows().all(|(_, w)| w.role == WindowRole::Toplevel || w.parent != window);
                ensure(childless, Rule::HasChildren)?;
                for other in self.windows.values_mut() {
                    if other.role == WindowRole::Toplevel && other.parent == window {
                        other.parent = 0;
                    }
                }
                if let Some(w) = self.windows.get_mut(&window) {
                    w.destroyed = true;
                }
                Ok(())
            }
            ToDom0::Title(_) | ToDom0::AppId(_) | ToDom0::WindowRequest(_) | ToDom0::MoveRequest(()) => {
                self.role(window, &[WindowRole::Toplevel]).map(drop)
            }
            ToDom0::ResizeRequest(request) => {
                self.role(window, &[WindowRole::Toplevel])?;
                let edges = request.edges.get();
                let both = |a, b| edges & a != 0 && edges & b != 0;
                let ok = edges != 0
                    && edges < 16
                    && !both(edges::TOP, edges::BOTTOM)
                    && !both(edges::LEFT, edges::RIGHT);
                ensure(ok, Rule::OutOfRange)
            }
            ToDom0::SetParent(set) => self.set_parent(window, set.parent.get()),
            ToDom0::SizeLimits(size) => {
                self.role(window, &[WindowRole::Toplevel])?;
                let ok = |min: u32, max: u32| {
                    min <= MAX_DIMENSION && max <= MAX_DIMENSION && (max == 0 || min <= max)
                };
                let ok = ok(size.min_width.get(), size.max_width.get())
                    && ok(size.min_height.get(), size.max_height.get());
                ensure(ok, Rule::OutOfRange)
            }
            ToDom0::AckConfigure(()) => {
                let w = self.role_mut(window, &[WindowRole::Toplevel, WindowRole::Popup])?;
                let at = w.configures.iter().position(|c| *c == serial).ok_or(Rule::UnknownSerial)?;
                w.configures.drain(..=at);
                w.configured = true;
                Ok(())
            }
            ToDom0::SubsurfacePlace(place) => {
                let parent = self.role(window, &[WindowRole::Subsurface])?.parent;
                let in_range =
                    [place.x.get(), place.y.get()].iter().all(|v| (-MAX_OFFSET..=MAX_OFFSET).contains(v));
                ensure(in_range, Rule::OutOfRange)?;
                let sibling = place.sibling.get();
                let ok = sibling == 0
                    || sibling == parent
                    || (sibling != window
                        && self
                            .window(sibling)
                            .is_some_and(|s| s.role == WindowRole::Subsurface && s.parent == parent));
                ensure(ok, Rule::WrongParent)
            }
            ToDom0::GrantCreate(create) => self.grant_create(create),
            ToDom0::GrantRevoke(name) => {
                let grant = self.grants.get_mut(&name.grant.get()).ok_or(Rule::UnknownGrant)?;
                ensure(!grant.revoking, Rule::UnknownGrant)?;
                grant.revoking = true;
                Ok(())
            }
            ToDom0::Commit(commit) => self.commit(window, serial, commit),
            ToDom0::Cursor(change) => match change.kind {
                CursorKind::Hidden => Ok(()),
                CursorKind::Shape => ensure((1..=CURSOR_SHAPES).contains(&change.shape), Rule::OutOfRange),
                CursorKind::Window => {
                    self.role(change.window.get(), &[WindowRole::Cursor])?;
                    let range = -(MAX_DIMENSION as i32)..=MAX_DIMENSION as i32;
                    ensure(
                        range.contains(&change.hot_x.get()) && range.contains(&change.hot_y.get()),
                        Rule::OutOfRange,
                    )
                }
            },
            ToDom0::PointerConstraint(constraint) => {
                self.living(window)?;
                ensure(constraint.rects().iter().all(|r| r.is_valid()), Rule::OutOfRange)
            }
            ToDom0::TextInput(input) => self.text_input(window, input.fixed),
            ToDom0::IdleInhibit(_) => self.living(window).map(drop),
            ToDom0::Bell(()) => {
                if window == 0 {
                    Ok(())
                } else {
                    self.living(window).map(drop)
                }
            }
            ToDom0::Notify(notify) => self.notifications.notify(notify),
            ToDom0::NotifyClose(name) => self.notifications.close(name.notification.get()),
            ToDom0::StatusIcon(icon) => self.notifications.icon(icon.fixed.icon.get()),
            ToDom0::StatusIconGone(name) => self.notifications.icon_gone(name.icon.get()),
            ToDom0::SelectionOffer(offer) => {
                ensure(offer.fixed.selection != Selection::Drag, Rule::OutOfRange)
            }
            ToDom0::DragStart(offer) => {
                ensure(offer.fixed.selection == Selection::Drag, Rule::OutOfRange)?;
                self.living(window).map(drop)
            }
            ToDom0::SelectionData(data) => {
                let most = u64::from(self.limits.selection_bytes) + SELECTION_SLACK;
                let transfer = self.selections.get_mut(&serial).ok_or(Rule::NotAsked)?;
                let bytes = transfer.bytes + data.tail.len() as u64;
                ensure(bytes <= most, Rule::SelectionTooLarge)?;
                transfer.bytes = bytes;
                if data.fixed.end.get() {
                    self.selections.remove(&serial);
                }
                Ok(())
            }
        }
    }

    fn step_to_qube(&mut self, window: u32, serial: u32, message: &ToQube<'_>) -> Step {
        match (self.phase, message) {
            (Phase::Welcome, ToQube::Welcome(welcome)) => {
                ensure((VERSION_MIN..=VERSION).contains(&welcome.version.get()), Rule::NoCommonVersion)?;
                self.limits = Limits {
                    windows: welcome.max_windows.get(),
                    grants: welcome.max_grants.get(),
                    grant_bytes: welcome.max_grant_bytes.get(),
                    selection_bytes: welcome.max_selection_bytes.get(),
                };
                self.phase = Phase::Open;
                return Ok(());
            }
            (Phase::Closed, _) => return Err(Rule::OutOfPhase),
            (_, ToQube::Goodbye(_)) => {
                self.phase = Phase::Closed;
                return Ok(());
            }
            (Phase::Hello | Phase::Welcome, _) | (_, ToQube::Welcome(_)) => return Err(Rule::OutOfPhase),
            (Phase::Open, _) => {}
        }
        match message {
            ToQube::Welcome(_) | ToQube::Goodbye(_) => Err(Rule::OutOfPhase),
            ToQube::Ping(()) => {
                ensure(self.pings.len() < MAX_PINGS && !self.pings.contains(&serial), Rule::TooMany)?;
                self.pings.push(serial);
                Ok(())
            }
            ToQube::Output(output) => {
                let id = output.output.get();
                ensure(id != 0 && output.scale.get() != 0, Rule::OutOfRange)?;
                let room = self.outputs.len() < MAX_OUTPUTS || self.outputs.contains_key(&id);
                ensure(room, Rule::TooMany)?;
                self.outputs.insert(id, **output);
                Ok(())
            }
            ToQube::OutputGone(name) => {
                self.outputs.remove(&name.output.get()).map(drop).ok_or(Rule::UnknownOutput)
            }
            ToQube::Keymap(_) | ToQube::PasteData(_) => Ok(()),
            ToQube::Configure(configure) => {
                let ok = configure.width.get() <= MAX_DIMENSION
                    && configure.height.get() <= MAX_DIMENSION
                    && configure.states.get() & !states::ALL == 0;
                ensure(ok, Rule::OutOfRange)?;
                let w = self.addressed_mut(window)?;
                ensure(matches!(w.role, WindowRole::Toplevel | WindowRole::Popup), Rule::WrongRole)?;
                ensure(w.configures.len() < MAX_CONFIGURES_IN_FLIGHT, Rule::TooMany)?;
                ensure(serial != 0 && newer(serial, w.last_configure), Rule::UnknownSerial)?;
                w.configures.push(serial);
                w.last_configure = serial;
                Ok(())
            }
            ToQube::Close(()) => self.addressed_role(window, WindowRole::Toplevel),
            ToQube::PopupDone(()) => self.addressed_role(window, WindowRole::Popup),
            ToQube::FrameDone(_) | ToQube::Presented(_) | ToQube::Discarded(()) => {
                self.addressed_mut(window).map(drop)
            }
            ToQube::Release(()) => {
                let w = self.addressed_mut(window)?;
                let at = w.buffers.iter().position(|b| *b == serial).ok_or(Rule::UnknownSerial)?;
                w.buffers.remove(at);
                Ok(())
            }
            ToQube::OnOutput(on) => {
                ensure(self.outputs.contains_key(&on.output.get()), Rule::UnknownOutput)?;
                self.addressed_mut(window).map(drop)
            }
            ToQube::PreferredScale(scale) => {
                ensure(scale.scale.get() != 0, Rule::OutOfRange)?;
                self.addressed_mut(window).map(drop)
            }
            ToQube::WindowGone(()) => {
                let gone = self.windows.get(&window).ok_or(Rule::UnknownWindow)?;
                ensure(gone.destroyed, Rule::NotAsked)?;
                self.windows.remove(&window);
                for focus in [&mut self.keyboard, &mut self.text, &mut self.pointer, &mut self.tool] {
                    if *focus == Some(window) {
                        *focus = None;
                    }
                }
                if self.pointer.is_none() {
                    self.gesture = None;
                }
                self.touches.retain(|_, w| *w != window);
                Ok(())
            }
            ToQube::Revoked(name) => {
                let id = name.grant.get();
                let grant = self.grants.get(&id).ok_or(Rule::UnknownGrant)?;
                ensure(grant.revoking, Rule::NotAsked)?;
                self.grant_bytes -= grant.bytes;
                self.grant_runs -= grant.runs;
                self.grants.remove(&id);
                Ok(())
            }
            ToQube::KeyboardEnter(()) => {
                self.addressed_mut(window)?;
                ensure(self.keyboard.is_none(), Rule::FocusHeld)?;
                self.keyboard = Some(window);
                Ok(())
            }
            ToQube::KeyboardLeave(()) => {
                ensure(self.keyboard == Some(window), Rule::NoFocus)?;
                self.addressed_mut(window)?;
                (self.keyboard, self.text) = (None, None);
                Ok(())
            }
            ToQube::Key(_) | ToQube::Modifiers(_) => {
                ensure(self.keyboard == Some(window), Rule::NoFocus)?;
                self.addressed_mut(window).map(drop)
            }
            ToQube::PointerEnter(_) => {
                self.addressed_mut(window)?;
                ensure(self.pointer.is_none(), Rule::FocusHeld)?;
                self.pointer = Some(window);
                Ok(())
            }
            ToQube::PointerLeave(()) => {
                ensure(self.pointer == Some(window), Rule::NoFocus)?;
                self.addressed_mut(window)?;
                (self.pointer, self.gesture) = (None, None);
                Ok(())
            }
            ToQube::Motion(_)
            | ToQube::Button(_)
            | ToQube::Axis(_)
            | ToQube::PointerFrame(())
            | ToQube::RelativeMotion(_) => {
                ensure(self.pointer == Some(window), Rule::NoFocus)?;
                self.addressed_mut(window).map(drop)
            }
            ToQube::Gesture(gesture) => {
                ensure(self.pointer == Some(window), Rule::NoFocus)?;
                let begins = gesture.phase == GesturePhase::Begin;
                ensure(!begins || self.gesture.is_none(), Rule::TooMany)?;
                ensure(begins || self.gesture == Some(gesture.kind), Rule::NoFocus)?;
                self.addressed_mut(window)?;
                let over = matches!(gesture.phase, GesturePhase::End | GesturePhase::Cancel);
                self.gesture = (!over).then_some(gesture.kind);
                Ok(())
            }
            ToQube::ConstraintActive(_) => self.addressed_mut(window).map(drop),
            ToQube::TextInputFocus(switch) => self.text_input_focus(window, serial, **switch),
            ToQube::TouchDown(point) => {
                self.addressed_mut(window)?;
                let id = point.id.get();
                ensure(self.touches.len() < MAX_TOUCHES && !self.touches.contains_key(&id), Rule::TooMany)?;
                self.touches.insert(id, window);
                Ok(())
            }
            ToQube::TouchMotion(point) => {
                ensure(self.touches.get(&point.id.get()) == Some(&window), Rule::NoFocus)?;
                self.addressed_mut(window).map(drop)
            }
            ToQube::TouchUp(up) => {
                ensure(self.touches.get(&up.id.get()) == Some(&window), Rule::NoFocus)?;
                self.addressed_mut(window)?;
                self.touches.remove(&up.id.get());
                Ok(())
            }
            ToQube::TouchFrame(()) => self.addressed_mut(window).map(drop),
            ToQube::TouchCancel(()) => {
                self.addressed_mut(window)?;
                self.touches.retain(|_, w| *w != window);
                Ok(())
            }
            ToQube::ToolEnter(enter) => {
                ensure(enter.axes & !tool_axes::ALL == 0, Rule::OutOfRange)?;
                self.addressed_mut(window)?;
                ensure(self.tool.is_none(), Rule::FocusHeld)?;
                self.tool = Some(window);
                Ok(())
            }
            ToQube::ToolLeave(()) => {
                ensure(self.tool == Some(window), Rule::NoFocus)?;
                self.addressed_mut(window)?;
                self.tool = None;
                Ok(())
            }
            ToQube::ToolMotion(_) | ToQube::ToolTip(_) | ToQube::ToolButton(_) => {
                ensure(self.tool == Some(window), Rule::NoFocus)?;
                self.addressed_mut(window).map(drop)
            }
            ToQube::DeleteSurrounding(delete) => self.delete_surrounding(window, **delete),
            ToQube::Preedit(_) | ToQube::CommitText(_) | ToQube::TextInputDone(()) => self.text_event(window),
            // In the qube what is named may have gone while the message was on its way.
            ToQube::NotifyDismissed(_) | ToQube::NotifyAction(_) | ToQube::StatusIconActivate(_)
                if self.end == End::Agent =>
            {
                Ok(())
            }
            ToQube::NotifyDismissed(name) => self.notifications.open(name.notification.get()).map(drop),
            ToQube::NotifyAction(chosen) => {
                let there = self.notifications.may_choose(chosen.notification.get(), chosen.action);
                ensure(there, Rule::UnknownNotification)
            }
            ToQube::StatusIconActivate(click) => self.notifications.known_icon(click.icon.get()),
            ToQube::SelectionRequest(name) => {
                ensure(name.fixed.selection != Selection::Drag || self.drag.is_some(), Rule::NotAsked)?;
                ensure(serial != 0 && !self.selections.contains_key(&serial), Rule::UnknownSerial)?;
                ensure(self.selections.len() < MAX_SELECTION_REQUESTS, Rule::TooMany)?;
                let transfer = SelectionTransfer { selection: name.fixed.selection, bytes: 0 };
                self.selections.insert(serial, transfer);
                Ok(())
            }
            ToQube::SelectionCancel(()) => {
                // The agent may have closed it while the cancel was on its way.
                ensure(self.end == End::Agent || self.selections.contains_key(&serial), Rule::NotAsked)
            }
            ToQube::Paste(offer) if offer.fixed.selection == Selection::Drag => {
                ensure(self.drop == Some(serial), Rule::NotAsked)?;
                self.drop = None;
                Ok(())
            }
            ToQube::Paste(_) => Ok(()),
            ToQube::Drag(switch) if switch.on.get() => {
                ensure(serial != 0, Rule::UnknownSerial)?;
                ensure(self.drag.is_none(), Rule::TooMany)?;
                self.drag = Some(serial);
                Ok(())
            }
            ToQube::Drag(_) => {
                ensure(self.drag == Some(serial), Rule::NotAsked)?;
                self.drag = None;
                Ok(())
            }
            ToQube::Drop(_) => {
                ensure(serial != 0, Rule::UnknownSerial)?;
                self.addressed_mut(window)?;
                self.drop = Some(serial);
                Ok(())
            }
        }
    }

    fn living(&self, id: u32) -> Result<&Window, Rule> {
        self.window(id).ok_or(Rule::UnknownWindow)
    }

    fn role(&self, id: u32, roles: &[WindowRole]) -> Result<&Window, Rule> {
        let window = self.living(id)?;
        if roles.contains(&window.role) { Ok(window) } else { Err(Rule::WrongRole) }
    }

    fn role_mut(&mut self, id: u32, roles: &[WindowRole]) -> Result<&mut Window, Rule> {
        self.role(id, roles)?;
        self.windows.get_mut(&id).ok_or(Rule::UnknownWindow)
    }

    /// A window that dom0 may speak about: a living one; in the qube also one whose destruction
    /// dom0 may not know of yet.
    fn addressed_mut(&mut self, id: u32) -> Result<&mut Window, Rule> {
        let end = self.end;
        let window = self.windows.get_mut(&id).ok_or(Rule::UnknownWindow)?;
        ensure(end == End::Agent || !window.destroyed, Rule::UnknownWindow)?;
        Ok(window)
    }

    fn addressed_role(&mut self, id: u32, role: WindowRole) -> Step {
        let window = self.addressed_mut(id)?;
        ensure(window.role == role, Rule::WrongRole)
    }

    fn create(&mut self, id: u32, role: WindowRole, parent: u32) -> Step {
        ensure(id != 0 && !self.windows.contains_key(&id), Rule::IdTaken)?;
        ensure(self.windows.len() < self.limits.windows as usize, Rule::TooManyWindows)?;
        match role {
            WindowRole::Toplevel | WindowRole::DragIcon | WindowRole::Cursor => {
                ensure(parent == 0, Rule::WrongParent)?;
            }
            WindowRole::Popup => {
                let parent = self.living(parent)?;
                let ok = matches!(parent.role, WindowRole::Toplevel | WindowRole::Popup);
                ensure(ok, Rule::WrongParent)?;
            }
            WindowRole::Subsurface => {
                self.living(parent)?;
            }
        }
        if parent != 0 {
            ensure(self.depth(parent) < MAX_DEPTH, Rule::TooDeep)?;
        }
        self.windows.insert(id, Window::new(role, parent));
        Ok(())
    }

    /// Ancestors of a window, itself included.
    fn depth(&self, mut id: u32) -> usize {
        let mut depth = 0;
        while let Some(window) = self.windows.get(&id) {
            depth += 1;
            // Toplevels end the chain: their parent is a relation, not a nesting.
            if window.role == WindowRole::Toplevel || depth > MAX_DEPTH {
                break;
            }
            id = window.parent;
        }
        depth
    }

    fn set_parent(&mut self, id: u32, parent: u32) -> Step {
        self.role(id, &[WindowRole::Toplevel])?;
        if parent != 0 {
            self.role(parent, &[WindowRole::Toplevel])?;
            let mut at = parent;
            let mut steps = 0;
            while at != 0 {
                // A chain cannot be longer than there are windows: circles are never made.
                ensure(at != id && steps <= self.windows.len(), Rule::Circle)?;
                steps += 1;
                at = self.windows.get(&at).map_or(0, |w| w.parent);
            }
        }
        self.role_mut(id, &[WindowRole::Toplevel])?.parent = parent;
        Ok(())
    }

    fn grant_create(&mut self, create: &With<'_, GrantCreate>) -> Step {
        let (id, bytes) = (create.fixed.grant.get(), create.fixed.bytes.get());
        ensure(id != 0 && !self.grants.contains_key(&id), Rule::IdTaken)?;
        ensure(bytes != 0, Rule::OutOfRange)?;
        ensure(self.grants.len() < self.limits.grants as usize, Rule::TooManyGrants)?;
        let total = self.grant_bytes.checked_add(bytes).ok_or(Rule::TooManyGrants)?;
        ensure(total <= self.limits.grant_bytes, Rule::TooManyGrants)?;
        let (runs, mut all_runs) = (create.runs().len(), self.grant_runs);
        if create.fixed.kind == GrantKind::PageRuns {
            let mut pages: u64 = 0;
            for run in create.runs() {
                let count = u64::from(run.count.get());
                ensure(count != 0 && run.first.get().checked_add(count).is_some(), Rule::OutOfRange)?;
                pages = pages.checked_add(count).ok_or(Rule::OutOfRange)?;
            }
            ensure(pages.checked_mul(4_096) == Some(bytes), Rule::OutOfRange)?;
            all_runs += runs;
            ensure(all_runs <= MAX_ALL_RUNS, Rule::TooManyGrants)?;
        }
        self.grants.insert(id, Grant { kind: create.fixed.kind, bytes, runs, revoking: false });
        self.grant_runs = all_runs;
        self.grant_bytes = total;
        Ok(())
    }

    fn commit(&mut self, id: u32, serial: u32, commit: &With<'_, Commit>) -> Step {
        ensure(serial != 0 && newer(serial, self.last_commit), Rule::UnknownSerial)?;
        let window = self.living(id)?;
        let shows = matches!(commit.fixed.buffer, BufferChange::Attach | BufferChange::Solid);
        let needs_configure = matches!(window.role, WindowRole::Toplevel | WindowRole::Popup);
        ensure(!shows || !needs_configure || window.configured, Rule::NotConfigured)?;
        let attach = commit.fixed.buffer == BufferChange::Attach;
        ensure(!attach || window.buffers.len() < MAX_BUFFERS_IN_FLIGHT, Rule::TooManyBuffers)?;
        let picture =
            commit::check(commit, |grant| self.grant(grant).map(|g| g.bytes), window.picture.as_ref())?;
        let window = self.role_mut(id, WindowRole::ALL)?;
        window.picture = picture;
        if attach {
            window.buffers.push(serial);
        }
        self.last_commit = serial;
        Ok(())
    }

    /// What must hold after every step; for tests.
    pub fn check_invariants(&self) -> Result<(), String> {
        let sum: u64 = self.grants.values().map(|g| g.bytes).sum();
        if sum != self.grant_bytes || sum > self.limits.grant_bytes {
            return Err(format!("grants hold {sum} bytes, counted {}", self.grant_bytes));
        }
        let runs: usize = self.grants.values().map(|g| g.runs).sum();
        if runs != self.grant_runs || runs > MAX_ALL_RUNS {
            return Err(format!("grants hold {runs} runs, counted {}", self.grant_runs));
        }
        if self.windows.len() > self.limits.windows as usize
            || self.grants.len() > self.limits.grants as usize
            || self.outputs.len() > MAX_OUTPUTS
        {
            return Err("more of something than its limit".into());
        }
        for (id, window) in &self.windows {
            let parent = self.windows.get(&window.parent);
            if !window.destroyed && window.parent != 0 && parent.is_none_or(|p| p.destroyed) {
                return Err(format!("window {id} lives without its parent {}", window.parent));
            }
            if window.buffers.len() > MAX_BUFFERS_IN_FLIGHT
                || window.configures.len() > MAX_CONFIGURES_IN_FLIGHT
                // The parent's id of a destroyed window may be another window's by now.
                || (!window.destroyed && self.depth(*id) > MAX_DEPTH)
            {
                return Err(format!("window {id} holds too much"));
            }
        }
        self.notifications.check_invariants()?;
        if self.text.is_some() && self.text != self.keyboard {
            return Err("the input method serves a window without the keys".into());
        }
        if self.gesture.is_some() && self.pointer.is_none() {
            return Err("a gesture without the pointer".into());
        }
        let focused = [self.keyboard, self.pointer, self.tool];
        let focused = focused.into_iter().flatten().chain(self.touches.values().copied());
        for id in focused {
            if !self.windows.contains_key(&id) {
                return Err(format!("input goes to window {id}, which does not exist"));
            }
        }
        Ok(())
    }
}

/// True if `serial` comes after `last` on the circle of 32-bit serials.
fn newer(serial: u32, last: u32) -> bool {
    last == 0 || serial.wrapping_sub(last).cast_signed() > 0
}

fn positioner_ok(p: &Positioner) -> bool {
    let size = 1..=MAX_DIMENSION;
    let (x, y, _, _) = p.anchor_rect.get();
    let range = -MAX_OFFSET..=MAX_OFFSET;
    size.contains(&p.width.get())
        && size.contains(&p.height.get())
        && p.anchor_rect.is_valid()
        && [x, y, p.offset_x.get(), p.offset_y.get()].iter().all(|v| range.contains(v))
        && p.adjustment < 64
}
