//! dom0's own Wayland programs: bars, lockers, a terminal for dom0. Served by the compositor itself.
//!
//! Everything else in the compositor knows windows through a [`Link`](crate::qubes::Link). So do
//! dom0's programs: they share one *local* link, whose other end is this room. That keeps shell,
//! scene, input, popups and frame callbacks as they are, and with them their rules: dom0's windows
//! stand in frames, take no focus by themselves and cannot cover dom0's pictures either.
//!
//! What programs commit goes to the link as messages, called directly and not encoded: there is no
//! boundary on the way in that would have to be parsed again. What the desktop says to the link it
//! says as to any other, encoded; it is taken from the link's queue at the end of a turn of the
//! event loop (`events`) and becomes events of Wayland. Encoding costs little there, and the
//! desktop need not know which links are local.
//!
//! One small file per protocol in `handlers`; what they do to windows in `windows`, `commit`,
//! `roles`, `tree`; input in `seat` and `pointer`. Programs of dom0 are not hostile, but may be
//! broken: a protocol error ends the program that made it and nothing else. They die with the
//! compositor.

mod clients;
mod commit;
mod events;
mod grants;
mod handlers;
mod input_method;
mod layers;
mod locker;
mod outputs;
mod pointer;
mod region;
mod roles;
mod seat;
mod selection;
mod text_input;
mod toplevels;
mod tree;
mod windows;
mod workspaces;

use std::path::{Path, PathBuf};

use smithay::{
    input::{Seat, SeatState, keyboard::XkbConfig},
    reexports::{
        calloop::LoopHandle,
        wayland_server::{
            Display, DisplayHandle, Resource,
            protocol::wl_surface::{self, WlSurface},
        },
    },
};
use tracing::{debug, error, warn};
use transom_protocol::{MAGIC, VERSION, VERSION_MIN, message, message::ToDom0, supervisor::DOM0};

use crate::{
    Desktop, DesktopError,
    qubes::{Link, link::LinkError},
    render::scene::SurfaceKey,
    trust::QubeId,
};

/// Name of the socket in the runtime directory.
pub const SOCKET_NAME: &str = "dom0-wayland.sock";

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Server {
    /// Lent out while programs are heard.
    display: Option<Display<Desktop>>,
    handle: DisplayHandle,
    globals: handlers::Globals,
    seat: Seat<Desktop>,
    /// dom0's own link; made with the first program.
    link: Option<QubeId>,
    socket: Option<PathBuf>,
    windows: windows::Windows,
    pools: handlers::Pools,
    grants: grants::Grants,
    input: seat::Input,
    outputs: outputs::Outputs,
    locker: locker::Locker,
    managers: handlers::Managers,
    powers: handlers::Powers,
    gamma_controls: handlers::GammaControls,
    toplevels: toplevels::Toplevels,
    taskbars: handlers::Taskbars,
    workspaces: handlers::Workspaces,
    captures: handlers::Captures,
    selection: selection::Selection,
    text_inputs: text_input::TextInputs,
    method: input_method::Method,
    virtual_keyboards: handlers::VirtualKeyboards,
    last_commit: u32,
    /// Bytes of the link's queue, kept for the next turn.
    spare: Vec<u8>,
}

impl Server {
    /// Where programs of dom0 find it.
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// A server without programs, and without a socket.
    pub(crate) fn new(event_loop: LoopHandle<'static, Desktop>) -> Result<Self, DesktopError> {
        let failed = |what: &str| DesktopError::Loop(what.to_owned());
        let display = Display::<Desktop>::new().map_err(|e| failed(&format!("no Wayland server: {e}")))?;
        let handle = display.handle();
        let mut seat_state = SeatState::new();
        let mut seat = seat_state.new_wl_seat(&handle, "seat0");
        // A rate of 0: the desktop repeats keys, for dom0's programs as for a qube's.
        seat.add_keyboard(XkbConfig::default(), 400, 0)
            .map_err(|e| failed(&format!("no keyboard layout for dom0's programs: {e}")))?;
        seat.add_pointer();
        seat.add_touch();
        Ok(Self {
            display: Some(display),
            globals: handlers::Globals::new(&handle, seat_state, event_loop),
            handle,
            seat,
            link: None,
            socket: None,
            windows: windows::Windows::default(),
            pools: handlers::Pools::default(),
            grants: grants::Grants::default(),
            input: seat::Input::default(),
            outputs: outputs::Outputs::default(),
            locker: locker::Locker::default(),
            managers: handlers::Managers::default(),
            powers: handlers::Powers::default(),
            gamma_controls: handlers::GammaControls::default(),
            toplevels: toplevels::Toplevels::default(),
            taskbars: handlers::Taskbars::default(),
            workspaces: handlers::Workspaces::default(),
            captures: handlers::Captures::default(),
            selection: selection::Selection::default(),
            text_inputs: text_input::TextInputs::default(),
            method: input_method::Method::default(),
            virtual_keyboards: handlers::VirtualKeyboards::default(),
            last_commit: 0,
            spare: Vec::new(),
        })
    }
}

impl Desktop {
    /// Opens dom0's own link, if it is not there yet.
    fn open_local_link(&mut self) {
        if self.wayland.link.is_some() {
            return;
        }
        let id = self.qubes.next_id();
        let mut link = Link::local(id, self.config.limits(DOM0), self.clock.now());
        link.set_outputs(self.outputs_for_qubes());
        link.set_keymap(self.keymap_for_qubes());
        self.qubes.insert(link);
        self.wayland.link = Some(id);
        let hello = message::Hello {
            magic: MAGIC,
            version_min: VERSION_MIN.into(),
            version_max: VERSION.into(),
            features: 0.into(),
        };
        self.say(0, 0, &ToDom0::Hello(&hello));
    }

    fn local_link(&mut self) -> Option<&mut Link> {
        self.wayland.link.and_then(|id| self.qubes.get_mut(id))
    }

    /// A window of dom0's programs as the rest of the desktop knows it.
    fn local_key(&self, window: u32) -> Option<SurfaceKey> {
        Some(SurfaceKey { qube: self.wayland.link?, window })
    }

    /// Tells the desktop something. `false`: that was not legal, and nothing has happened.
    fn say(&mut self, window: u32, serial: u32, message: &ToDom0<'_>) -> bool {
        self.try_say(None, window, serial, message)
            .inspect_err(|error| error!(window, %error, "dom0's own server broke a rule"))
            .is_ok()
    }

    fn try_say(
        &mut self,
        fd: Option<std::os::fd::OwnedFd>,
        window: u32,
        serial: u32,
        message: &ToDom0<'_>,
    ) -> Result<(), LinkError> {
        let now = self.clock.now();
        let mut events = Vec::new();
        let Some(link) = self.local_link() else { return Err(LinkError::Gone) };
        let id = link.id;
        let result = link.hear(fd, (window, serial), message, &mut events);
        for event in events {
            self.link_event(id, event, now);
        }
        result
    }

    /// Ends the program behind a surface: it wants what cannot be done.
    fn refuse_program(surface: &WlSurface, reason: &str) {
        warn!(reason, "a program of dom0 is ended");
        surface.post_error(wl_surface::Error::InvalidSize, reason);
    }

    /// The end of a turn: dom0's programs hear what the desktop said.
    pub(crate) fn settle_local(&mut self) {
        if self.wayland.link.is_none() {
            return;
        }
        self.sync_text_input();
        self.tell_input_method();
        self.hear_desktop();
        self.tell_toplevels();
        self.tell_workspaces();
        self.serve_captures();
        self.locker_keeps_focus();
        self.revoke_gone_pools();
        if let Err(error) = self.wayland.handle.flush_clients() {
            debug!(%error, "a program of dom0 does not read");
        }
    }
}
