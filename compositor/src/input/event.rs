//! What devices say, whichever back end they come by.

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
        source: transom_protocol::types::AxisSource,
        /// Distance to the right.
        x: f64,
        /// Distance down.
        y: f64,
        /// Wheel steps to the right in 120ths.
        x120: i32,
        /// Wheel steps down in 120ths.
        y120: i32,
    },
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

/// `BTN_LEFT`.
pub const BTN_LEFT: u32 = 0x110;
/// `BTN_RIGHT`.
pub const BTN_RIGHT: u32 = 0x111;
