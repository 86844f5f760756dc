//! What devices say, whichever back end they come by.

use transom_protocol::types::{AxisSource, GestureKind, GesturePhase, ToolKind};

use crate::config::gestures::SwitchEvent;

impl InputEvent {
    /// The person begins something else with it than looking or moving the pointer.
    pub(crate) fn is_act(&self) -> bool {
        match self {
            Self::Key { pressed, .. } | Self::Button { pressed, .. } => *pressed,
            Self::TouchDown { .. } | Self::Gesture(_) => true,
            Self::Tool { act, .. } => {
                matches!(act, ToolAct::Tip(true) | ToolAct::Button { pressed: true, .. })
            }
            _ => false,
        }
    }
}

/// Something a person did with a device. Positions are logical, in dom0's layout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum InputEvent {
    /// A key went down or up; evdev code. Repeats of the device are left out by the back end.
    Key {
        /// evdev code.
        code: u32,
        /// Down.
        pressed: bool,
    },
    /// The pointer is here now.
    PointerTo {
        /// To the right.
        x: f64,
        /// Down.
        y: f64,
    },
    /// The pointer moved by this much.
    PointerBy {
        /// To the right, accelerated.
        dx: f64,
        /// Down, accelerated.
        dy: f64,
        /// As the device says.
        raw_dx: f64,
        /// As the device says.
        raw_dy: f64,
    },
    /// A button; evdev code.
    Button {
        /// evdev code, `BTN_LEFT` is 0x110.
        code: u32,
        /// Down.
        pressed: bool,
    },
    /// Scrolling.
    Axis {
        /// Where it comes from.
        source: AxisSource,
        /// Distance to the right.
        x: f64,
        /// Distance down.
        y: f64,
        /// Wheel steps to the right in 120ths.
        x120: i32,
        /// Wheel steps down in 120ths.
        y120: i32,
        /// Scrolling to the side, and up or down, has ended.
        stop: (bool, bool),
        /// The content follows the hand.
        inverted: bool,
    },
    /// A gesture of a touchpad.
    Gesture(Gesture),
    /// The tool of a drawing tablet did something.
    Tool {
        /// What.
        act: ToolAct,
        /// To the right.
        x: f64,
        /// Down.
        y: f64,
        /// Its axes.
        axes: ToolAxes,
    },
    /// A switch of the machine.
    Switch(SwitchEvent),
    /// A finger came down.
    TouchDown {
        /// Which finger.
        id: i32,
        /// To the right.
        x: f64,
        /// Down.
        y: f64,
    },
    /// A finger moved.
    TouchMotion {
        /// Which finger.
        id: i32,
        /// To the right.
        x: f64,
        /// Down.
        y: f64,
    },
    /// A finger went up.
    TouchUp {
        /// Which finger.
        id: i32,
    },
    /// The touch events since the last one belong together.
    TouchFrame,
    /// The touches were something else after all.
    TouchCancel,
    /// The back end lost its devices (another window or console has them): every key, button and
    /// finger is up.
    Lost,
}

impl InputEvent {
    /// Whole steps of a wheel, down and to the right.
    pub fn wheel(x: f64, y: f64) -> Self {
        // A step is worth 15 units of a pointer's motion, as everywhere.
        Self::Axis {
            source: AxisSource::Wheel,
            x: x * 15.0,
            y: y * 15.0,
            x120: (x * 120.0).round() as i32,
            y120: (y * 120.0).round() as i32,
            stop: (false, false),
            inverted: false,
        }
    }
}

/// A gesture of a touchpad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gesture {
    /// What.
    pub kind: GestureKind,
    /// Where it stands.
    pub phase: GesturePhase,
    /// Fingers, at the beginning.
    pub fingers: u32,
    /// Motion since the last update, to the right.
    pub dx: f64,
    /// Motion since the last update, down.
    pub dy: f64,
    /// Scale since the beginning.
    pub scale: f64,
    /// Degrees clockwise since the last update.
    pub rotation: f64,
}

impl Default for Gesture {
    fn default() -> Self {
        let (kind, phase) = (GestureKind::Swipe, GesturePhase::Begin);
        Self { kind, phase, fingers: 0, dx: 0.0, dy: 0.0, scale: 1.0, rotation: 0.0 }
    }
}

/// What the tool of a drawing tablet did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolAct {
    /// It came near.
    In {
        /// What it is.
        kind: ToolKind,
        /// Axes that it has, bits of [`transom_protocol::types::tool_axes`].
        axes: u8,
    },
    /// It is near no more.
    Out,
    /// It or one of its axes moved.
    Moved,
    /// Its tip came down, or was lifted.
    Tip(bool),
    /// A button.
    Button {
        /// evdev code.
        code: u32,
        /// Down.
        pressed: bool,
    },
}

/// Axes of a tool; those it does not have are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ToolAxes {
    /// From 0 to 1.
    pub pressure: f64,
    /// From 0 to 1.
    pub distance: f64,
    /// Degrees, to the right and towards the person.
    pub tilt: (f64, f64),
    /// Degrees clockwise.
    pub rotation: f64,
    /// From -1 to 1.
    pub slider: f64,
    /// Degrees and steps since the last time.
    pub wheel: (f64, i32),
}

/// `BTN_TOUCH`: the tip of a tool.
pub const BTN_TOUCH: u32 = 0x14a;
/// `BTN_LEFT`.
pub const BTN_LEFT: u32 = 0x110;
/// `BTN_MIDDLE`.
pub const BTN_MIDDLE: u32 = 0x112;
/// `BTN_RIGHT`.
pub const BTN_RIGHT: u32 = 0x111;
