//! Input as dom0 sends it, to the surface it is for.
//!
//! dom0 names windows; which subsurface lies under the pointer is found here. Positions are
//! relative to the window's content, and so are those smithay's seat reckons with: only one
//! window has the pointer at a time.

mod cursor;
mod focus;
mod keyboard;
mod pointer;
mod tool;
mod touch;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(crate) use focus::KeyboardFocus;
pub(crate) use pointer::root_of;
use smithay::{
    reexports::wayland_server::protocol::wl_surface::WlSurface,
    utils::{Logical, Point, SERIAL_COUNTER, Serial},
};
use transom_protocol::types::{Constraint, GestureKind};

use crate::{Agent, windows::id_of};

/// How many serials are remembered: far more than a person makes while a program thinks.
const SERIALS: usize = 512;

/// What the agent remembers of input.
#[derive(Debug, Default)]
pub(crate) struct InputState {
    /// Serials of programs and dom0's serials of the same events, newest last.
    serials: VecDeque<(Serial, u32)>,
    /// Modifiers as dom0 said: held, latched, locked, layout.
    pub(crate) modifiers: (u32, u32, u32, u32),
    /// The window the pointer is in, and dom0's serial of its entry.
    pub(crate) pointer: Option<(u32, u32)>,
    /// The surface under it, and the place of that surface's origin.
    pub(crate) under: Option<(WlSurface, Point<f64, Logical>)>,
    /// The last press of a button: the window and dom0's serial.
    pub(crate) last_press: Option<(u32, u32)>,
    /// Buttons that are down.
    pressed: BTreeSet<u32>,
    /// Time of the newest event, for those that come without.
    time: u32,
    /// The gesture under way.
    gesture: Option<GestureKind>,
    /// The tool of a drawing tablet that is over a window, and where.
    tool: Option<tool::Tool>,
    tool_at: Point<f64, Logical>,
    /// Windows that fingers came down on.
    touches: BTreeMap<i32, u32>,
    /// The pointer constraint that dom0 was told of.
    constraint: Option<(u32, Constraint)>,
}

impl InputState {
    /// A serial for programs that stands for one of dom0's.
    fn serial(&mut self, dom0: u32) -> Serial {
        let serial = SERIAL_COUNTER.next_serial();
        self.serials.push_back((serial, dom0));
        if self.serials.len() > SERIALS {
            self.serials.pop_front();
        }
        serial
    }

    /// Time of the newest event.
    pub(crate) fn time(&self) -> u32 {
        self.time
    }

    /// dom0's serial of the entry of what points: the pointer, or a tool.
    fn entry(&self) -> Option<u32> {
        let pointer = self.pointer.map(|(_, serial)| serial);
        pointer.or(self.tool.as_ref().map(|tool| tool.serial))
    }

    /// dom0's serial of an event that a program names.
    pub(crate) fn dom0_serial(&self, serial: Serial) -> Option<u32> {
        self.serials.iter().rev().find(|(own, _)| *own == serial).map(|(_, dom0)| *dom0)
    }
}

impl Agent {
    /// A window is about to go: input lets go of it.
    pub(crate) fn forget_focus(&mut self, surface: &WlSurface) {
        let Some(id) = id_of(surface) else { return };
        if self.input.pointer.is_some_and(|(window, _)| window == id) {
            self.pointer_leave();
        }
        if self.input.tool.as_ref().is_some_and(|tool| tool.window == id) {
            self.tool_leave();
        }
        if self.input.constraint.is_some_and(|(window, _)| window == id) {
            self.input.constraint = None;
        }
        if self.input.last_press.is_some_and(|(window, _)| window == id) {
            self.input.last_press = None;
        }
    }

    /// dom0's end is gone: nothing is held or focused any more.
    pub(crate) fn input_gone(&mut self) {
        self.keyboard_leave();
        self.tool_leave();
        self.pointer_leave();
        self.touch_cancel();
        self.input.constraint = None;
        self.input.last_press = None;
        self.input.serials.clear();
    }
}
