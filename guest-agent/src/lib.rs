//! The agent in the qube: a Wayland server for its programs, a client of dom0.
//!
//! Programs speak Wayland (or X11, through Xwayland) to the agent; the agent speaks Transom's
//! window protocol to dom0. No pixel passes through it: a program's own memory is granted to dom0,
//! and a commit names a place in it.
//!
//! Rooms: [`wayland`] is the server, `windows` what its surfaces are to dom0, `input` what dom0
//! sends to them, `dom0` the connection, `memory` what dom0 may read, [`pin`] the small privileged
//! program that keeps it in place, `selection` clipboard and primary selection, `drag` drags and drops, `outputs`,
//! `xwayland`, `service`, which starts programs for `transom-qubed`, `programs`, which lists them,
//! `notifications`, which takes what they say on the session bus, and [`services`], by which qubes
//! send each other files and links.

pub mod devices;
mod dom0;
mod drag;
mod icon;
mod input;
mod memory;
pub mod net;
mod notifications;
mod outputs;
pub mod pin;
mod programs;
mod selection;
mod service;
pub mod services;
mod text;
pub mod wayland;
mod windows;
mod xwayland;

pub use self::{
    dom0::Address,
    programs::{print_list, start_apart},
};

use std::{collections::HashMap, io};

use calloop::{LoopHandle, LoopSignal};
use smithay::{
    input::{Seat, SeatState, keyboard::XkbConfig},
    reexports::wayland_server::{Display, DisplayHandle, backend::ObjectId},
};

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// No socket for programs.
    #[error("no socket for programs: {0}")]
    Listen(String),
    /// No Xwayland.
    #[error("Xwayland did not start: {0}; is it installed?")]
    Xwayland(io::Error),
    /// A source did not fit into the event loop.
    #[error("the event loop refused a source: {0}")]
    Loop(String),
    /// The keyboard layout of the beginning cannot be made.
    #[error("no keyboard layout: {0}; is xkb-data installed?")]
    Keyboard(String),
    /// The machine refused something.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// The agent: all rooms together, one thread, one event loop.
#[derive(Debug)]
pub struct Agent {
    /// Lent out while programs are heard.
    server: Option<Display<Self>>,
    display: DisplayHandle,
    handle: LoopHandle<'static, Self>,
    signal: Option<LoopSignal>,
    protocols: wayland::Protocols,
    seat_state: SeatState<Self>,
    seat: Seat<Self>,
    pools: wayland::shm::Pools,
    windows: windows::Windows,
    /// What was committed to surfaces before they had a role.
    roleless: HashMap<ObjectId, windows::commit::Roleless>,
    dom0: dom0::Dom0,
    input: input::InputState,
    text_inputs: wayland::text_input::TextInputs,
    outputs: outputs::Outputs,
    selections: selection::Selections,
    drags: drag::Drags,
    x11: xwayland::X11,
    service: service::Service,
    programs: programs::Programs,
    notifications: notifications::Notifications,
}

impl Agent {
    /// An agent in an event loop. It serves nobody and knows no dom0 yet.
    ///
    /// # Errors
    /// The event loop or XKB refuse.
    pub fn new(handle: LoopHandle<'static, Self>) -> Result<Self, AgentError> {
        let server = Display::<Self>::new().map_err(|error| AgentError::Loop(error.to_string()))?;
        let display = server.handle();
        let protocols = wayland::Protocols::new(&display);
        let mut seat_state = SeatState::new();
        let mut seat = seat_state.new_wl_seat(&display, "seat0");
        // A rate of 0: programs never repeat a key by themselves, dom0 does.
        seat.add_keyboard(XkbConfig::default(), 400, 0)
            .map_err(|error| AgentError::Keyboard(error.to_string()))?;
        seat.add_pointer();
        seat.add_touch();
        let mut agent = Self {
            server: Some(server),
            display,
            handle,
            signal: None,
            protocols,
            seat_state,
            seat,
            pools: wayland::shm::Pools::default(),
            windows: windows::Windows::default(),
            roleless: HashMap::new(),
            dom0: dom0::Dom0::default(),
            input: input::InputState::default(),
            text_inputs: wayland::text_input::TextInputs::default(),
            outputs: outputs::Outputs::default(),
            selections: selection::Selections::default(),
            drags: drag::Drags::default(),
            x11: xwayland::X11::default(),
            service: service::Service::default(),
            programs: programs::Programs::default(),
            notifications: notifications::Notifications::default(),
        };
        agent.watch_display()?;
        Ok(agent)
    }

    /// Lets the agent stop the event loop it runs in.
    pub fn set_signal(&mut self, signal: LoopSignal) {
        self.signal = Some(signal);
    }

    /// Ends the event loop.
    pub fn quit(&self) {
        if let Some(signal) = &self.signal {
            signal.stop();
            signal.wakeup();
        }
    }

    /// The end of each turn of the event loop: what is queued goes out.
    pub fn settle(&mut self) {
        self.x11_look_again();
        self.tell_constraint();
        self.send_deferred();
        let gone = self.pools.take_gone();
        self.dom0.grants.forget(gone);
        if let Some((link, grants, _)) = self.dom0.open_with_grants() {
            grants.revoke(link);
        }
        self.flush_dom0();
        if let Err(error) = self.display.flush_clients() {
            tracing::debug!(%error, "a program does not read");
        }
    }
}
