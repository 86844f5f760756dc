//! The link to one qube: its messages become windows, grants and wishes.
//!
//! A link owns everything that belongs to its qube and knows nothing of any other. It decides
//! nothing about the desktop: it tells the desktop what happened as [`LinkEvent`]s.

mod local;

use std::{
    collections::{BTreeMap, HashMap},
    os::fd::{BorrowedFd, OwnedFd},
    os::unix::net::UnixStream,
    rc::Rc,
    time::Duration,
};

use smithay::utils::{Logical, Point};
use tracing::{debug, error, warn};
use transom_hypervisor::memory::{ClientFds, GrantMap, GuestMemory, GuestRam, MemoryError, Quota, RamLayout};
use transom_protocol::{
    VERSION,
    limits::MAX_ALL_RUNS,
    message::{self, ToDom0, ToQube, *},
    session::{End, Limits, Phase, ProtocolError, Rule, Session, WindowRole},
    text,
    text_field::TextField,
    types::{self, *},
    wire::{Header, With},
};

use super::{
    backstage::Backstage,
    budget::Budget,
    notifications::{Notification, StatusIcon},
    stream::{Filled, Stream, StreamError},
    surface::{Applied, Content, Pixels, Popup, Surface},
};
use crate::trust::QubeId;

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The qube's end is gone.
    #[error("the agent has closed the connection")]
    Gone,
    /// The qube broke a rule of the protocol.
    #[error("protocol violation: {0}")]
    Protocol(#[from] ProtocolError),
    /// The memory it granted is not usable.
    #[error("the granted memory cannot be read: {0}")]
    Memory(#[from] MemoryError),
    /// No file descriptor came with a grant.
    #[error("a grant came without its file descriptor")]
    NoFd,
    /// The grant is of a kind that this qube's memory does not have.
    #[error("a grant of {0:?} from a qube whose memory is read otherwise")]
    WrongKind(GrantKind),
    /// The stream failed.
    #[error(transparent)]
    Stream(#[from] StreamError),
}

impl LinkError {
    /// The rule for the goodbye; `None` if there is nobody to say goodbye to.
    fn rule(&self) -> Option<Rule> {
        match self {
            Self::Gone => None,
            Self::Protocol(error) => Some(error.rule()),
            Self::Memory(_) | Self::NoFd | Self::WrongKind(_) => Some(Rule::BadMemory),
            Self::Stream(StreamError::TooSlow) => Some(Rule::TooSlow),
            Self::Stream(StreamError::TooManyFds) => Some(Rule::TooFast),
            Self::Stream(StreamError::Io(_)) => None,
        }
    }

    /// True if the person should be told: it did not simply go away.
    pub fn is_violation(&self) -> bool {
        self.rule().is_some()
    }
}

/// What a qube's message means for the desktop. Window ids are the qube's own.
#[derive(Clone, Debug, PartialEq)]
pub enum LinkEvent {
    /// The first commit of a toplevel: it wants its first configure.
    ToplevelInitial(u32),
    /// The first commit of a popup, or new rules for it: it wants a place.
    PopupPlace(u32),
    /// A window shows something new; the root of its tree is named.
    Committed(u32),
    /// Title or application id changed.
    Titled(u32),
    /// The transient parent changed.
    Parent(u32),
    /// Smallest and largest size.
    SizeLimits(u32, SizeLimits),
    /// A wish.
    Request(u32, types::Request),
    /// Move with the pointer; serial of the press.
    Move(u32, u32),
    /// Resize with the pointer; serial of the press, edge bits.
    Resize(u32, u32, u32),
    /// The window is gone.
    Destroyed(u32, WindowRole),
    /// New picture of the pointer; serial of the entry.
    Cursor(u32, CursorChange),
    /// Wish to lock or confine the pointer, with its region in surface coordinates.
    Constraint(u32, Constraint, Option<(f64, f64)>),
    /// The window keeps the screen on, or no longer.
    IdleInhibit(u32, bool),
    /// A bell; window or 0.
    Bell(u32),
    /// State of a text field: window, serial of the focus, number of the field.
    TextInput(u32, u32, u32, Option<Box<TextField>>),
    /// The qube's selection is of these MIME types.
    SelectionOffer(types::Selection, Vec<String>),
    /// A piece of a selection: serial, bytes, end, failed.
    SelectionData(u32, Vec<u8>, bool, bool),
    /// A program drags: window, serial of the press, MIME types.
    DragStart(u32, u32, Vec<String>),
    /// A program tells the person something.
    Notify(Box<Notification>),
    /// It takes a notification back.
    NotifyClosed(u32),
    /// A status icon, new or changed.
    StatusIcon(StatusIcon),
    /// The status icon is gone.
    StatusIconGone(u32),
    /// The grant should end: renderers forget it, then [`Link::revoked`] says so.
    Revoke(u32),
}

/// What a qube is, as `transom-qubed` says. Never what the qube says.
#[derive(Clone, Debug)]
pub struct QubeIdentity {
    /// Its name.
    pub name: String,
    /// Its label.
    pub label: transom_theming::Label,
    /// It runs on a virtual machine of its own.
    pub isolated: bool,
}

/// Where a qube's grants lie, as `transom-qubed` says.
#[derive(Debug)]
pub enum LinkMemory {
    /// Each comes as a file descriptor on the control stream.
    ClientFds,
    /// They are page frames of guest RAM: its file, opened for reading only, and its layout.
    GuestRam(OwnedFd, RamLayout),
}

impl LinkMemory {
    fn open(self, limits: &Limits) -> Result<GuestMemory, MemoryError> {
        Ok(match self {
            Self::ClientFds => GuestMemory::ClientFds(ClientFds::new(quota(limits))),
            Self::GuestRam(file, layout) => {
                GuestMemory::GuestRam(GuestRam::new(file, layout, quota(limits))?)
            }
        })
    }
}

/// How much a link may map.
fn quota(limits: &Limits) -> Quota {
    let max_mappings = u32::try_from(MAX_ALL_RUNS).unwrap_or(u32::MAX);
    Quota { max_bytes: limits.grant_bytes, max_grants: limits.grants, max_mappings }
}

/// The link to one qube.
#[derive(Debug)]
pub struct Link {
    /// Its number in this run of the compositor.
    pub id: QubeId,
    /// Who it is.
    pub qube: QubeIdentity,
    /// It is dom0's own.
    local: bool,
    /// Nothing in the qube runs, as `transom-qubed` says; see `Desktop::hold_qube`.
    pub held: bool,
    /// Nothing of it is shown yet.
    pub(super) backstage: Option<Backstage>,
    /// What the welcome says that dom0 takes, bits of [`message::features`].
    pub features: u32,
    stream: Stream,
    session: Session,
    limits: Limits,
    memory: GuestMemory,
    surfaces: BTreeMap<u32, Surface>,
    grants: HashMap<u32, Rc<GrantMap>>,
    next_configure: u32,
    next_serial: u32,
    budget: Budget,
    outputs: Vec<Output>,
    keymap: Vec<u8>,
    /// Messages heard and bytes read, for figures.
    pub heard: (u64, u64),
}

impl Link {
    /// Takes over a control stream.
    pub fn new(
        id: QubeId,
        qube: QubeIdentity,
        socket: UnixStream,
        memory: LinkMemory,
        limits: Limits,
        now: Duration,
    ) -> std::io::Result<Self> {
        let memory = memory.open(&limits).map_err(std::io::Error::other)?;
        Ok(Self::with_stream(id, qube, Stream::new(socket)?, memory, limits, now))
    }

    fn with_stream(
        id: QubeId,
        qube: QubeIdentity,
        stream: Stream,
        memory: GuestMemory,
        limits: Limits,
        now: Duration,
    ) -> Self {
        Self {
            id,
            qube,
            local: false,
            held: false,
            backstage: None,
            features: 0,
            stream,
            session: Session::new(End::Dom0),
            limits,
            memory,
            surfaces: BTreeMap::new(),
            grants: HashMap::new(),
            next_configure: 0,
            next_serial: 0,
            budget: Budget::new(now),
            outputs: Vec::new(),
            keymap: Vec::new(),
            heard: (0, 0),
        }
    }

    /// Its socket, if the other end is not in this process.
    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.stream.socket()
    }

    /// The windows, by id.
    pub fn surfaces(&self) -> &BTreeMap<u32, Surface> {
        &self.surfaces
    }

    /// One window.
    pub fn surface(&self, window: u32) -> Option<&Surface> {
        self.surfaces.get(&window)
    }

    /// One window.
    pub fn surface_mut(&mut self, window: u32) -> Option<&mut Surface> {
        self.surfaces.get_mut(&window)
    }

    /// The protocol's state.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// When to go on reading if the budget is spent.
    pub fn paused_until(&self) -> Option<Duration> {
        self.budget.is_spent().then(|| self.budget.refills_at())
    }

    /// True if something waits to be sent.
    pub fn wants_write(&self) -> bool {
        self.stream.wants_write()
    }

    /// A fresh serial for an event.
    pub fn serial(&mut self) -> u32 {
        self.next_serial = self.next_serial.wrapping_add(1).max(1);
        self.next_serial
    }

    /// Sets what the welcome will tell of outputs and keymap, or tells it now.
    pub fn set_outputs(&mut self, outputs: Vec<Output>) {
        if self.session.phase() == Phase::Open {
            for gone in self.outputs.iter().filter(|o| !outputs.iter().any(|n| n.output == o.output)) {
                let gone = OutputName { output: gone.output };
                send_to(&mut self.session, &mut self.stream, 0, 0, &ToQube::OutputGone(&gone));
                for surface in self.surfaces.values_mut() {
                    surface.told_screen.take_if(|(id, _)| *id == gone.output.get());
                }
            }
            for output in outputs.iter().filter(|o| !self.outputs.contains(o)) {
                send_to(&mut self.session, &mut self.stream, 0, 0, &ToQube::Output(output));
            }
        }
        self.outputs = outputs;
    }

    /// The qube was told of an output.
    pub(super) fn knows_output(&self, id: u32) -> bool {
        self.session.phase() == Phase::Open && self.outputs.iter().any(|output| output.output.get() == id)
    }

    /// As [`Link::set_outputs`]: five zero-terminated names.
    pub fn set_keymap(&mut self, names: Vec<u8>) {
        self.keymap = names;
        if self.session.phase() == Phase::Open {
            let fixed = message::Keymap { format: KeymapFormat::Names };
            let keymap = With { fixed: &fixed, tail: &self.keymap };
            send_to(&mut self.session, &mut self.stream, 0, 0, &ToQube::Keymap(keymap));
        }
    }

    /// Queues a message. One that the state machine refuses is a bug of dom0: it is logged and
    /// not sent.
    pub fn send(&mut self, window: u32, serial: u32, message: &ToQube<'_>) {
        send_to(&mut self.session, &mut self.stream, window, serial, message);
    }

    /// Sends a configure; `None` if the window has not answered enough of the earlier ones.
    pub fn configure(&mut self, window: u32, configure: &Configure) -> Option<u32> {
        if !self.session.may_configure(window) {
            return None;
        }
        self.next_configure = self.next_configure.wrapping_add(1).max(1);
        let serial = self.next_configure;
        self.send(window, serial, &ToQube::Configure(configure));
        Some(serial)
    }

    /// Sends what is queued.
    pub fn flush(&mut self) -> Result<bool, LinkError> {
        Ok(self.stream.flush()?)
    }

    /// Says goodbye, as far as the socket takes it, and why; then hangs up.
    pub fn goodbye(&mut self, error: &LinkError) {
        if let Some(rule) = error.rule() {
            self.say_goodbye(rule, error);
        }
        self.stream.hang_up();
    }

    fn say_goodbye(&mut self, rule: Rule, error: &LinkError) {
        let fixed = Goodbye { rule: (rule as u16).into() };
        let reason = error.to_string();
        let cut = reason.floor_char_boundary(transom_protocol::limits::MAX_REASON);
        self.send(0, 0, &ToQube::Goodbye(With { fixed: &fixed, tail: &reason.as_bytes()[..cut] }));
        let _ = self.stream.flush();
    }

    /// Reads and takes up messages until there are none or the budget is spent.
    ///
    /// An error ends the link; events that came before it are in `events`.
    pub fn dispatch(&mut self, now: Duration, events: &mut Vec<LinkEvent>) -> Result<(), LinkError> {
        self.budget.refill(now);
        loop {
            self.take_up(events)?;
            if self.budget.is_spent() {
                return Ok(());
            }
            match self.stream.fill()? {
                Filled::Bytes(bytes) => self.heard.1 += bytes as u64,
                Filled::Nothing => return Ok(()),
                Filled::End => return Err(LinkError::Gone),
            }
        }
    }

    fn take_up(&mut self, events: &mut Vec<LinkEvent>) -> Result<(), LinkError> {
        // The buffer is lent out while its messages are looked at.
        let mut consumed = 0;
        let untrusted = self.stream.untrusted_pending().to_vec();
        while !self.budget.is_spent() {
            let Some(raw) = message::next_to_dom0(&untrusted[consumed..]).map_err(ProtocolError::from)?
            else {
                break;
            };
            consumed += raw.wire_len();
            self.budget.take(raw.wire_len());
            self.heard.0 += 1;
            let message = self.session.receive(&raw)?;
            self.handle(raw.header, &message, events)?;
        }
        self.stream.consume(consumed);
        Ok(())
    }

    fn handle(
        &mut self,
        header: Header,
        message: &ToDom0<'_>,
        events: &mut Vec<LinkEvent>,
    ) -> Result<(), LinkError> {
        let (window, serial) = (header.window.get(), header.serial.get());
        match message {
            ToDom0::Hello(_) => self.welcome(),
            ToDom0::Pong(()) => {}
            ToDom0::WindowCreate(create) => {
                let role = match create.kind {
                    WindowKind::Toplevel => WindowRole::Toplevel,
                    WindowKind::Subsurface => WindowRole::Subsurface,
                    WindowKind::DragIcon => WindowRole::DragIcon,
                    WindowKind::Cursor => WindowRole::Cursor,
                };
                let parent = create.parent.get();
                self.surfaces.insert(window, Surface::new(role, parent));
                if let Some(parent) = self.surfaces.get_mut(&parent) {
                    parent.above.push(window);
                }
            }
            ToDom0::PopupCreate(create) => {
                let mut surface = Surface::new(WindowRole::Popup, create.parent.get());
                surface.popup = Some(Popup {
                    positioner: create.positioner,
                    grab: create.grab.get(),
                    grab_serial: serial,
                    rect: smithay::utils::Rectangle::default(),
                    token: 0,
                    dismissed: false,
                });
                self.surfaces.insert(window, surface);
            }
            ToDom0::PopupReposition(reposition) => {
                if let Some(popup) = self.surfaces.get_mut(&window).and_then(|s| s.popup.as_mut()) {
                    popup.positioner = reposition.positioner;
                    popup.token = reposition.token.get();
                    events.push(LinkEvent::PopupPlace(window));
                }
            }
            ToDom0::WindowDestroy(()) => self.destroyed(window, events),
            ToDom0::Title(untrusted_title) => {
                let title = text::clean_title(untrusted_title);
                self.titled(window, |s| std::mem::replace(&mut s.title, title.clone()) != title, events);
            }
            ToDom0::AppId(untrusted_id) => {
                let id = text::clean(untrusted_id, 64);
                self.titled(window, |s| std::mem::replace(&mut s.app_id, id.clone()) != id, events);
            }
            ToDom0::SetParent(set) => {
                if let Some(surface) = self.surfaces.get_mut(&window) {
                    surface.parent = set.parent.get();
                    events.push(LinkEvent::Parent(window));
                }
            }
            ToDom0::SizeLimits(limits) => events.push(LinkEvent::SizeLimits(window, **limits)),
            ToDom0::WindowRequest(request) => events.push(LinkEvent::Request(window, request.request)),
            ToDom0::MoveRequest(()) => events.push(LinkEvent::Move(window, serial)),
            ToDom0::ResizeRequest(r) => events.push(LinkEvent::Resize(window, serial, r.edges.get())),
            ToDom0::AckConfigure(()) => {}
            ToDom0::SubsurfacePlace(place) => self.place_subsurface(window, place),
            ToDom0::GrantCreate(create) => self.grant(create)?,
            ToDom0::GrantRevoke(name) => self.revoke(name.grant.get(), events),
            ToDom0::Commit(commit) => self.commit(window, serial, commit, events),
            ToDom0::Cursor(change) => events.push(LinkEvent::Cursor(serial, **change)),
            ToDom0::PointerConstraint(constraint) => {
                let fixed = constraint.fixed;
                let hint = fixed.has_hint.get().then(|| (fixed.hint_x.to_f64(), fixed.hint_y.to_f64()));
                events.push(LinkEvent::Constraint(window, fixed.constraint, hint));
            }
            ToDom0::TextInput(input) => {
                let field = TextField::from_message(input).map(Box::new);
                events.push(LinkEvent::TextInput(window, input.fixed.focus.get(), serial, field));
            }
            ToDom0::IdleInhibit(switch) => events.push(LinkEvent::IdleInhibit(window, switch.on.get())),
            ToDom0::Bell(()) => events.push(LinkEvent::Bell(window)),
            ToDom0::Notify(notify) => events.push(LinkEvent::Notify(Box::new(Notification::take(notify)))),
            ToDom0::NotifyClose(name) => events.push(LinkEvent::NotifyClosed(name.notification.get())),
            ToDom0::StatusIcon(icon) => events.push(LinkEvent::StatusIcon(StatusIcon::take(icon))),
            ToDom0::StatusIconGone(name) => events.push(LinkEvent::StatusIconGone(name.icon.get())),
            ToDom0::SelectionOffer(offer) => {
                let types = offer.mime_types().into_iter().map(str::to_owned).collect();
                events.push(LinkEvent::SelectionOffer(offer.fixed.selection, types));
            }
            ToDom0::SelectionData(data) => {
                let (end, failed) = (data.fixed.end.get(), data.fixed.failed.get());
                events.push(LinkEvent::SelectionData(serial, data.tail.to_vec(), end, failed));
            }
            ToDom0::DragStart(offer) => {
                let types = offer.mime_types().into_iter().map(str::to_owned).collect();
                events.push(LinkEvent::DragStart(window, serial, types));
            }
        }
        Ok(())
    }

    fn welcome(&mut self) {
        let welcome = Welcome {
            version: VERSION.into(),
            label: label_to_wire(self.qube.label),
            client_fds: matches!(self.memory, GuestMemory::ClientFds(_)).into(),
            max_windows: self.limits.windows.into(),
            max_grants: self.limits.grants.into(),
            max_grant_bytes: self.limits.grant_bytes.into(),
            max_selection_bytes: self.limits.selection_bytes.into(),
            features: self.features.into(),
        };
        self.send(0, 0, &ToQube::Welcome(&welcome));
        let outputs = std::mem::take(&mut self.outputs);
        self.set_outputs(outputs);
        let keymap = std::mem::take(&mut self.keymap);
        if !keymap.is_empty() {
            self.set_keymap(keymap);
        }
    }

    fn titled(&mut self, window: u32, set: impl FnOnce(&mut Surface) -> bool, events: &mut Vec<LinkEvent>) {
        if self.surfaces.get_mut(&window).is_some_and(set) {
            events.push(LinkEvent::Titled(window));
        }
    }

    fn destroyed(&mut self, window: u32, events: &mut Vec<LinkEvent>) {
        let Some(surface) = self.surfaces.remove(&window) else { return };
        if let Some(parent) = self.surfaces.get_mut(&surface.parent) {
            parent.remove_child(window);
        }
        for other in self.surfaces.values_mut() {
            if other.role == WindowRole::Toplevel && other.parent == window {
                other.parent = 0;
            }
        }
        events.push(LinkEvent::Destroyed(window, surface.role));
        // The desktop hears of it before anything more is sent; nothing in between names it.
        self.send(window, 0, &ToQube::WindowGone(()));
    }

    fn place_subsurface(&mut self, window: u32, place: &SubsurfacePlace) {
        let Some(surface) = self.surfaces.get_mut(&window) else { return };
        surface.set_pending_place(Point::from((place.x.get(), place.y.get())));
        let (parent, sibling) = (surface.parent, place.sibling.get());
        if sibling != 0
            && let Some(surface) = self.surfaces.get_mut(&parent)
        {
            surface.restack(parent, window, sibling, place.above.get());
        }
    }

    fn grant(&mut self, create: &With<'_, GrantCreate>) -> Result<(), LinkError> {
        let (id, bytes) = (create.fixed.grant.get(), create.fixed.bytes.get());
        let map = match (create.fixed.kind, &self.memory) {
            (GrantKind::ClientFd, GuestMemory::ClientFds(memory)) => {
                memory.map(self.stream.take_fd().ok_or(LinkError::NoFd)?, bytes)?
            }
            (GrantKind::PageRuns, GuestMemory::GuestRam(memory)) => {
                let untrusted_runs = create.runs();
                // Mapping costs more than reading: the rest of the qube's talk waits for it.
                self.budget.take_runs(untrusted_runs.len());
                memory.map(untrusted_runs.iter().map(|run| (run.first.get(), run.count.get())), bytes)?
            }
            (kind, _) => return Err(LinkError::WrongKind(kind)),
        };
        self.grants.insert(id, Rc::new(map));
        Ok(())
    }

    /// First half of a revocation: pictures that still need the memory are kept as copies. The
    /// desktop makes its renderers forget the grant and calls [`Link::revoked`].
    fn revoke(&mut self, grant: u32, events: &mut Vec<LinkEvent>) {
        let mut released = Vec::new();
        for (window, surface) in &mut self.surfaces {
            let replaced = surface.replace_grant(grant, keep_copy);
            released.extend(replaced.into_iter().map(|serial| (*window, serial)));
        }
        for (window, serial) in released {
            self.release(window, serial);
        }
        self.grants.remove(&grant);
        events.push(LinkEvent::Revoke(grant));
    }

    /// Second half: nothing in dom0 reads the grant any more.
    pub fn revoked(&mut self, grant: u32) {
        let name = GrantName { grant: grant.into() };
        self.send(0, 0, &ToQube::Revoked(&name));
    }

    fn release(&mut self, window: u32, serial: u32) {
        let held = self.session.window(window).is_some_and(|w| w.buffers.contains(&serial));
        if held {
            self.send(window, serial, &ToQube::Release(()));
        }
    }

    fn commit(&mut self, window: u32, serial: u32, commit: &With<'_, Commit>, events: &mut Vec<LinkEvent>) {
        let picture = self.session.window(window).and_then(|w| w.picture);
        let map = self.grants.get(&commit.fixed.grant.get()).cloned();
        let mut applied = Applied::default();
        let Some(surface) = self.surfaces.get_mut(&window) else { return };
        surface.stage(serial, commit, picture, map, &mut applied);
        let root = self.root(window);
        if commit.fixed.flags & commit_flags::HOLD == 0 {
            self.apply(window, &mut applied);
            if applied.changed || commit.fixed.flags & commit_flags::WANT_FRAME != 0 {
                events.push(LinkEvent::Committed(root));
            }
        }
        for serial in applied.released {
            self.release(window, serial);
        }
        for serial in applied.discarded {
            self.send(window, serial, &ToQube::Discarded(()));
        }
        let Some(surface) = self.surfaces.get_mut(&window) else { return };
        if !surface.initial {
            surface.initial = true;
            match surface.role {
                WindowRole::Toplevel => events.push(LinkEvent::ToplevelInitial(window)),
                WindowRole::Popup => events.push(LinkEvent::PopupPlace(window)),
                _ => {}
            }
        }
    }

    /// Applies what is staged in a window and, for its synchronised subsurfaces, below it.
    fn apply(&mut self, window: u32, applied: &mut Applied) {
        let Some(surface) = self.surfaces.get_mut(&window) else { return };
        let released_before = applied.released.len();
        surface.apply(applied);
        let children: Vec<u32> = surface.below.iter().chain(&surface.above).copied().collect();
        // Releases of children are named with their own window.
        let own: Vec<u32> = applied.released.split_off(released_before);
        for serial in own {
            self.release(window, serial);
        }
        let own: Vec<u32> = std::mem::take(&mut applied.discarded);
        for serial in own {
            self.send(window, serial, &ToQube::Discarded(()));
        }
        for child in children {
            if let Some(surface) = self.surfaces.get_mut(&child) {
                surface.apply_place(applied);
            }
            self.apply(child, applied);
        }
    }

    /// The toplevel, popup, cursor or drag icon that a subsurface belongs to.
    pub fn root(&self, mut window: u32) -> u32 {
        while let Some(surface) = self.surfaces.get(&window) {
            if surface.role != WindowRole::Subsurface {
                break;
            }
            window = surface.parent;
        }
        window
    }

    /// The toplevel that a popup or subsurface hangs on.
    pub fn toplevel(&self, mut window: u32) -> u32 {
        while let Some(surface) = self.surfaces.get(&window) {
            if !matches!(surface.role, WindowRole::Subsurface | WindowRole::Popup) {
                break;
            }
            window = surface.parent;
        }
        window
    }

    /// Popups that hang on a window, directly, in the order they were made.
    pub fn popups(&self, parent: u32) -> impl Iterator<Item = (u32, &Surface)> {
        self.surfaces
            .iter()
            .filter(move |(_, s)| s.role == WindowRole::Popup && s.parent == parent)
            .map(|(id, s)| (*id, s))
    }

    /// Every surface of a tree with its position relative to the root's origin, bottom first.
    pub fn tree(&self, root: u32) -> Vec<(u32, Point<i32, Logical>)> {
        fn walk(link: &Link, id: u32, at: Point<i32, Logical>, out: &mut Vec<(u32, Point<i32, Logical>)>) {
            let Some(surface) = link.surfaces.get(&id) else { return };
            // What hangs on a surface that shows nothing is hidden with it (`wl_subsurface`).
            if surface.content.is_none() {
                out.push((id, at));
                return;
            }
            let place = |c: &u32| link.surfaces.get(c).map_or(at, |s| at + s.place);
            for child in &surface.below {
                walk(link, *child, place(child), out);
            }
            out.push((id, at));
            for child in &surface.above {
                walk(link, *child, place(child), out);
            }
        }
        let mut out = Vec::new();
        walk(self, root, Point::default(), &mut out);
        out
    }

    /// Sends frame callbacks to every surface of a tree that wants one.
    pub fn frame_done(&mut self, root: u32, now: Duration) {
        let time = Time { time: crate::clock::millis(now).into() };
        for (window, _) in self.tree(root) {
            let Some(surface) = self.surfaces.get_mut(&window) else { continue };
            surface.last_frame = now;
            if std::mem::take(&mut surface.wants_frame) {
                self.send(window, 0, &ToQube::FrameDone(&time));
            }
        }
    }

    /// Answers wishes for presentation feedback of a tree.
    pub fn presented(&mut self, root: u32, presented: &Presented) {
        for (window, _) in self.tree(root) {
            let Some(surface) = self.surfaces.get_mut(&window) else { continue };
            for serial in std::mem::take(&mut surface.presented) {
                self.send(window, serial, &ToQube::Presented(presented));
            }
        }
    }

    /// Sends a motion of the pointer and its frame; one that was not sent yet is replaced.
    pub fn motion(&mut self, window: u32, motion: &TimedPosition) {
        let (motion, frame) = (ToQube::Motion(motion), ToQube::PointerFrame(()));
        let legal = [&motion, &frame].iter().all(|m| admit(&mut self.session, window, 0, m));
        if legal {
            self.stream.queue_motion(|out| {
                motion.encode(window, 0, out);
                frame.encode(window, 0, out);
            });
        }
    }

    /// Bytes of guest memory that are mapped.
    pub fn mapped_bytes(&self) -> u64 {
        self.session.granted_bytes()
    }

    /// Logs the end of the link.
    pub fn log_end(&self, error: &LinkError) {
        if error.is_violation() {
            warn!(qube = %self.qube.name, %error, "link closed");
        } else {
            debug!(qube = %self.qube.name, %error, "link closed");
        }
    }
}

fn admit(session: &mut Session, window: u32, serial: u32, message: &ToQube<'_>) -> bool {
    let header = Header {
        kind: message.kind().into(),
        flags: 0.into(),
        length: 0.into(),
        window: window.into(),
        serial: serial.into(),
    };
    match session.to_qube(header, message) {
        Ok(()) => true,
        Err(violation) => {
            error!(%violation, "dom0 was about to break the protocol; the message is not sent");
            false
        }
    }
}

fn send_to(session: &mut Session, stream: &mut Stream, window: u32, serial: u32, message: &ToQube<'_>) {
    if session.phase() != Phase::Closed && admit(session, window, serial, message) {
        stream.queue(|out| message.encode(window, serial, out));
    }
}

/// Copies a picture out of its grant, row by row.
fn keep_copy(content: &Content) -> Pixels {
    let Pixels::Grant { map, .. } = &content.pixels else { return content.pixels.clone() };
    let transom_protocol::session::PictureMemory::Grant { offset, stride, .. } = content.picture.memory
    else {
        return Pixels::Solid;
    };
    let row = content.picture.width as usize * 4;
    let mut kept = vec![0; row * content.picture.height as usize];
    let length = u64::from(stride) * u64::from(content.picture.height - 1) + row as u64;
    let copied = map.bytes(offset, length).and_then(|rows| {
        rows.copy_rows(stride.into(), row as u64, content.picture.height.into(), &mut kept, row)
    });
    match copied {
        Ok(()) => Pixels::Kept(kept.into()),
        Err(_) => Pixels::Solid,
    }
}

/// A label as it goes over the wire.
pub fn label_to_wire(label: transom_theming::Label) -> types::Label {
    use transom_theming::Label as L;
    match label {
        L::Red => types::Label::Red,
        L::Orange => types::Label::Orange,
        L::Yellow => types::Label::Yellow,
        L::Green => types::Label::Green,
        L::Blue => types::Label::Blue,
        L::Purple => types::Label::Purple,
        L::Grey => types::Label::Grey,
        L::Black => types::Label::Black,
    }
}
