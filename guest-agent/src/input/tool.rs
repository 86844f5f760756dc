//! A tool of a drawing tablet: for programs that know tablets a tool, for others a pointer.
//!
//! To the qube there is one tablet, without name and number, and one tool of each kind: what dom0
//! does not say cannot be told.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use smithay::{
    backend::input::{ButtonState, TabletToolCapabilities, TabletToolDescriptor, TabletToolType},
    reexports::wayland_server::{Resource, protocol::wl_surface::WlSurface},
    utils::{Logical, Point, SERIAL_COUNTER},
    wayland::tablet_manager::{TabletDescriptor, TabletHandle, TabletSeatTrait, TabletToolHandle},
};
use transom_protocol::{
    message::{self, ToolEnter, ToolMotion, ToolTip},
    types::{self, ToolKind, tool_axes},
};

use crate::{Agent, wayland::clients::ProgramData};

/// Buttons of a mouse and of a pen (evdev).
const BTN_LEFT: u32 = 0x110;
const BTN_RIGHT: u32 = 0x111;
const BTN_MIDDLE: u32 = 0x112;
const BTN_STYLUS: u32 = 0x14b;
const BTN_STYLUS2: u32 = 0x14c;

/// The tool that is over a window.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The window.
    pub(super) window: u32,
    /// dom0's serial of its entry.
    pub(super) serial: u32,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The program knows tablets.
    Tool(Known),
    /// It does not: the tool is a pointer.
    Pointer,
}

#[derive(Debug)]
struct Known {
    tool: TabletToolHandle,
    tablet: TabletHandle,
    down: bool,
    buttons: BTreeSet<u32>,
    /// What it was pressed on: it keeps the tool until all is up.
    pressed_on: Option<(WlSurface, Point<f64, Logical>)>,
}

impl Agent {
    pub(crate) fn tool_enter(&mut self, id: u32, serial: u32, enter: &ToolEnter) {
        self.tool_leave();
        self.input.time = enter.time.get();
        let (x, y) = (enter.x.to_f64(), enter.y.to_f64());
        if self.knows_tablets(id) {
            let seat = self.seat.tablet_seat();
            let display = self.display.clone();
            let descriptor = TabletDescriptor { name: "Tablet".into(), usb_id: None, syspath: None };
            let known = Known {
                tablet: seat.add_tablet::<Self>(&display, &descriptor),
                tool: seat.add_tool(self, &display, &descriptor_of(enter)),
                down: false,
                buttons: BTreeSet::new(),
                pressed_on: None,
            };
            self.input.tool = Some(Tool { window: id, serial, kind: Kind::Tool(known) });
            self.move_tool(id, serial, (x, y).into());
        } else {
            self.input.tool = Some(Tool { window: id, serial, kind: Kind::Pointer });
            self.pointer_enter(id, serial, x, y);
            self.pointer_frame();
        }
    }

    pub(crate) fn tool_leave(&mut self) {
        let Some(tool) = self.input.tool.take() else { return };
        let time = self.input.time;
        match tool.kind {
            Kind::Tool(known) => {
                for button in known.buttons {
                    known.tool.button(button, ButtonState::Released, SERIAL_COUNTER.next_serial(), time);
                }
                known.tool.proximity_out(time);
            }
            Kind::Pointer => self.pointer_leave(),
        }
    }

    pub(crate) fn tool_motion(&mut self, id: u32, motion: &ToolMotion) {
        self.input.time = motion.time.get();
        let at = Point::from((motion.x.to_f64(), motion.y.to_f64()));
        match &self.input.tool {
            Some(Tool { kind: Kind::Tool(known), .. }) => {
                let tool = &known.tool;
                tool.pressure(f64::from(motion.pressure.get()) / 65_535.0);
                tool.distance(f64::from(motion.distance.get()) / 65_535.0);
                tool.tilt((motion.tilt_x.to_f64(), motion.tilt_y.to_f64()));
                tool.rotation(motion.rotation.to_f64());
                tool.slider_position(f64::from(motion.slider.get()) / 65_535.0);
                let (degrees, clicks) = (motion.wheel.to_f64(), motion.wheel_clicks.get());
                if degrees != 0.0 || clicks != 0 {
                    tool.wheel(degrees, clicks);
                }
                self.move_tool(id, 0, at);
            }
            Some(Tool { kind: Kind::Pointer, .. }) => {
                self.move_pointer(id, 0, at);
                self.pointer_frame();
            }
            None => {}
        }
    }

    fn move_tool(&mut self, id: u32, serial: u32, at: Point<f64, Logical>) {
        let under = self.surface_under(id, at);
        let (serial, time) = (self.input.serial(serial), self.input.time);
        let Some(Tool { kind: Kind::Tool(known), .. }) = &self.input.tool else { return };
        let focus = known.pressed_on.clone().or(under);
        known.tool.motion(at, focus, &known.tablet, serial, time);
        self.input.tool_at = at;
    }

    pub(crate) fn tool_tip(&mut self, id: u32, serial: u32, tip: ToolTip) {
        let (time, down) = (tip.time.get(), tip.down.get());
        self.input.time = time;
        if down {
            self.input.last_press = Some((id, serial));
        }
        let under = self.surface_under(id, self.input.tool_at);
        match &mut self.input.tool {
            Some(Tool { kind: Kind::Tool(known), .. }) => {
                known.down = down;
                known.press(under);
                let tool = known.tool.clone();
                if down {
                    tool.tip_down(self.input.serial(serial), time);
                } else {
                    tool.tip_up(time);
                }
            }
            Some(Tool { kind: Kind::Pointer, .. }) => self.tool_as_button(id, serial, time, BTN_LEFT, down),
            None => {}
        }
    }

    pub(crate) fn tool_button(&mut self, id: u32, serial: u32, button: &message::Button) {
        let (time, code) = (button.time.get(), button.code.get());
        let pressed = button.state == types::ButtonState::Pressed;
        self.input.time = time;
        if pressed {
            self.input.last_press = Some((id, serial));
        }
        let under = self.surface_under(id, self.input.tool_at);
        match &mut self.input.tool {
            Some(Tool { kind: Kind::Tool(known), .. }) => {
                let state = if pressed {
                    known.buttons.insert(code);
                    ButtonState::Pressed
                } else {
                    known.buttons.remove(&code);
                    ButtonState::Released
                };
                known.press(under);
                let tool = known.tool.clone();
                tool.button(code, state, self.input.serial(serial), time);
            }
            Some(Tool { kind: Kind::Pointer, .. }) => {
                let code = match code {
                    BTN_STYLUS => BTN_RIGHT,
                    BTN_STYLUS2 => BTN_MIDDLE,
                    // The mouse on a tablet has buttons of a mouse.
                    BTN_LEFT..=BTN_MIDDLE => code,
                    _ => return,
                };
                self.tool_as_button(id, serial, time, code, pressed);
            }
            None => {}
        }
    }

    fn tool_as_button(&mut self, id: u32, serial: u32, time: u32, code: u32, pressed: bool) {
        let state = if pressed { types::ButtonState::Pressed } else { types::ButtonState::Released };
        self.button(id, serial, &message::Button { time: time.into(), code: code.into(), state });
        self.pointer_frame();
    }

    /// The program behind a window asked for tablets. Xwayland always does.
    fn knows_tablets(&self, id: u32) -> bool {
        let client = self.windows.get(id).and_then(|window| window.surface.client());
        client.is_some_and(|client| {
            client.get_data::<ProgramData>().is_none_or(|data| data.tablets.load(Ordering::Relaxed))
        })
    }
}

impl Known {
    /// Tip or buttons have changed.
    fn press(&mut self, under: Option<(WlSurface, Point<f64, Logical>)>) {
        if !self.down && self.buttons.is_empty() {
            self.pressed_on = None;
        } else if self.pressed_on.is_none() {
            self.pressed_on = under;
        }
    }
}

fn descriptor_of(enter: &ToolEnter) -> TabletToolDescriptor {
    let mut capabilities = TabletToolCapabilities::empty();
    for (bit, capability) in [
        (tool_axes::PRESSURE, TabletToolCapabilities::PRESSURE),
        (tool_axes::DISTANCE, TabletToolCapabilities::DISTANCE),
        (tool_axes::TILT, TabletToolCapabilities::TILT),
        (tool_axes::ROTATION, TabletToolCapabilities::ROTATION),
        (tool_axes::SLIDER, TabletToolCapabilities::SLIDER),
        (tool_axes::WHEEL, TabletToolCapabilities::WHEEL),
    ] {
        capabilities.set(capability, enter.axes & bit != 0);
    }
    let tool_type = match enter.tool {
        ToolKind::Pen => TabletToolType::Pen,
        ToolKind::Eraser => TabletToolType::Eraser,
        ToolKind::Brush => TabletToolType::Brush,
        ToolKind::Pencil => TabletToolType::Pencil,
        ToolKind::Airbrush => TabletToolType::Airbrush,
        ToolKind::Mouse => TabletToolType::Mouse,
        ToolKind::Lens => TabletToolType::Lens,
    };
    TabletToolDescriptor { tool_type, hardware_serial: 0, hardware_id_wacom: 0, capabilities }
}
