//! Input devices that a qube hands to dom0: the data of a call of [`MOUSE`] or [`KEYBOARD`].
//!
//! A qube that owns a USB controller calls one of these services of dom0 for each device, once as
//! each kind that the device is. The data is a row of [`Record`]s: the kernel's events without
//! their time (`include/uapi/linux/input-event-codes.h`). [`Checked`] is what dom0 makes of them: a
//! device that says what its kind cannot say is cut off.

use std::{collections::BTreeSet, fmt};

use zerocopy::{FromBytes as _, little_endian};

/// The service for mice, and all else that moves the pointer by steps.
pub const MOUSE: &str = "transom.input-mouse";
/// The service for keyboards.
pub const KEYBOARD: &str = "transom.input-keyboard";
/// Bytes of a record.
pub const RECORD: usize = size_of::<Record>();
/// Most keys or buttons of one device that are down at once.
pub const MAX_DOWN: usize = 64;
/// Farthest motion in one report, in the device's units.
pub const MAX_MOTION: i32 = 1 << 15;
/// Units of a wheel's step.
pub const STEP: i32 = 120;

/// Types of events.
const EV_SYN: u16 = 0;
const EV_KEY: u16 = 1;
const EV_REL: u16 = 2;
/// Their codes.
const SYN_REPORT: u16 = 0;
const REL_X: u16 = 0;
const REL_Y: u16 = 1;
const REL_HWHEEL: u16 = 6;
const REL_WHEEL: u16 = 8;
const REL_WHEEL_HI_RES: u16 = 11;
const REL_HWHEEL_HI_RES: u16 = 12;
const BTN_MOUSE: u16 = 0x110;
const BTN_TASK: u16 = 0x117;

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Mouse => "mouse",
            Self::Keyboard => "keyboard",
        })
    }
}

/// One event of a device.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::KnownLayout,
    zerocopy::Immutable,
    zerocopy::Unaligned,
)]
#[repr(C)]
pub struct Record {
    /// `EV_…`.
    pub kind: little_endian::U16,
    /// `KEY_…`, `BTN_…`, `REL_…` or `SYN_REPORT`.
    pub code: little_endian::U16,
    /// 1 down, 0 up, 2 held; units of motion or steps of a wheel.
    pub value: little_endian::I32,
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Motion, wheels and buttons.
    Mouse,
    /// Keys.
    Keyboard,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Mouse, Self::Keyboard];

    /// The service for it.
    pub fn service(self) -> &'static str {
        match self {
            Self::Mouse => MOUSE,
            Self::Keyboard => KEYBOARD,
        }
    }

    /// The kind that a service is for.
    pub fn of_service(service: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.service() == service)
    }

    /// True for the codes of `EV_KEY` that a device of this kind may have. The two kinds share none.
    pub fn has_key(self, code: u16) -> bool {
        match self {
            Self::Mouse => (BTN_MOUSE..=BTN_TASK).contains(&code),
            // Without the ranges of buttons of mice, game pads, pens and so on.
            Self::Keyboard => {
                matches!(code, 1..=0xff | 0x160..=0x1ff | 0x230..=0x2bf)
            }
        }
    }

    /// True for the codes of `EV_REL` that a device of this kind may have.
    pub fn has_motion(self, code: u16) -> bool {
        let wheels = [REL_WHEEL, REL_HWHEEL, REL_WHEEL_HI_RES, REL_HWHEEL_HI_RES];
        self == Self::Mouse && (code == REL_X || code == REL_Y || wheels.contains(&code))
    }

    /// True if a device of this kind may say this.
    pub fn may_say(self, record: Record) -> bool {
        let (code, value) = (record.code.get(), record.value.get());
        match record.kind.get() {
            EV_SYN => code == SYN_REPORT,
            EV_KEY => self.has_key(code) && (0..=2).contains(&value),
            EV_REL => self.has_motion(code) && (-MAX_MOTION..=MAX_MOTION).contains(&value),
            _ => false,
        }
    }
}

impl Record {
    /// An event.
    pub fn new(kind: u16, code: u16, value: i32) -> Self {
        Self { kind: kind.into(), code: code.into(), value: value.into() }
    }

    /// As it stands in the stream.
    pub fn to_bytes(self) -> [u8; RECORD] {
        zerocopy::transmute!(self)
    }
}

/// What a device did in one report, or a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// A key or a button went down or up. It was not so before.
    Key {
        /// evdev code.
        code: u16,
        /// Down.
        pressed: bool,
    },
    /// It moved to the right and down, in its own units; at most [`MAX_MOTION`] each.
    Motion {
        /// To the right.
        dx: i32,
        /// Down.
        dy: i32,
    },
    /// Its wheels turned, in [`STEP`]s of a notch, to the right and down.
    Wheel {
        /// To the right.
        x: i32,
        /// Down.
        y: i32,
    },
}

/// Why a device is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// What no device of its kind says.
    #[error("it says what a {0} does not say (type {1:#x}, code {2:#x}, value {3})")]
    Foreign(Kind, u16, u16, i32),
    /// More keys down than [`MAX_DOWN`].
    #[error("it holds more than {MAX_DOWN} keys")]
    TooMany,
}

/// Motion of the report that is not complete yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Report {
    motion: (i32, i32),
    steps: (i32, i32),
    fine: Option<(i32, i32)>,
}

/// The events of one device, checked. Pure.
#[derive(Debug)]
pub struct Checked {
    kind: Kind,
    down: BTreeSet<u16>,
    report: Report,
    /// The beginning of a record whose end has not come.
    part: Vec<u8>,
}

impl Checked {
    /// A device that has done nothing yet.
    pub fn new(kind: Kind) -> Self {
        Self { kind, down: BTreeSet::new(), report: Report::default(), part: Vec::new() }
    }

    /// What the device is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Takes bytes of the stream, cut anywhere, and hands out what the device did, in order. After a breach
    /// nothing more may be taken.
    pub fn take(&mut self, untrusted: &[u8], mut each: impl FnMut(Act)) -> Result<(), Breach> {
        self.part.extend_from_slice(untrusted);
        let whole = self.part.len() / RECORD * RECORD;
        let part = self.part.split_off(whole);
        let bytes = std::mem::replace(&mut self.part, part);
        for untrusted_record in bytes.chunks_exact(RECORD) {
            // A record is any eight bytes.
            let Ok(record) = Record::read_from_bytes(untrusted_record) else { continue };
            self.record(record, &mut each)?;
        }
        Ok(())
    }

    fn record(&mut self, record: Record, each: &mut impl FnMut(Act)) -> Result<(), Breach> {
        let (kind, code, value) = (record.kind.get(), record.code.get(), record.value.get());
        if !self.kind.may_say(record) {
            return Err(Breach::Foreign(self.kind, kind, code, value));
        }
        match kind {
            EV_KEY => {
                // Keys that are held are repeated by dom0.
                let pressed = value != 0;
                if pressed && !self.down.contains(&code) {
                    if self.down.len() == MAX_DOWN {
                        return Err(Breach::TooMany);
                    }
                    self.down.insert(code);
                } else if pressed || !self.down.remove(&code) {
                    return Ok(());
                }
                // Where it was pressed comes before that it was.
                self.flush(each);
                each(Act::Key { code, pressed });
            }
            EV_REL => self.report.add(code, value),
            _ => self.flush(each),
        }
        Ok(())
    }

    fn flush(&mut self, each: &mut impl FnMut(Act)) {
        let report = std::mem::take(&mut self.report);
        let (dx, dy) = report.motion;
        if (dx, dy) != (0, 0) {
            each(Act::Motion { dx, dy });
        }
        // A wheel with fine steps says the coarse ones as well.
        let (x, y) = report.fine.unwrap_or((report.steps.0 * STEP, report.steps.1 * STEP));
        if (x, y) != (0, 0) {
            each(Act::Wheel { x, y });
        }
    }

    /// The device is gone: the keys and buttons that are up now.
    pub fn release_all(&mut self) -> impl Iterator<Item = u16> + use<> {
        self.report = Report::default();
        std::mem::take(&mut self.down).into_iter()
    }

    /// What must always hold.
    #[cfg(test)]
    fn check_invariants(&self) {
        assert!(self.down.len() <= MAX_DOWN && self.down.iter().all(|code| self.kind.has_key(*code)));
        assert!(self.part.len() < RECORD);
        let Report { motion, steps, fine } = self.report;
        let fine = fine.unwrap_or_default();
        for number in [motion.0, motion.1, steps.0, steps.1, fine.0, fine.1] {
            assert!(number.abs() <= MAX_MOTION);
        }
        assert!(self.kind == Kind::Mouse || self.report == Report::default());
    }
}

impl Report {
    fn add(&mut self, code: u16, value: i32) {
        let sum = |old: &mut i32, by: i32| *old = (*old + by).clamp(-MAX_MOTION, MAX_MOTION);
        match code {
            REL_X => sum(&mut self.motion.0, value),
            REL_Y => sum(&mut self.motion.1, value),
            REL_HWHEEL => sum(&mut self.steps.0, value),
            // Wheels count away from the person; dom0 counts down.
            REL_WHEEL => sum(&mut self.steps.1, -value),
            REL_HWHEEL_HI_RES => sum(&mut self.fine.get_or_insert_default().0, value),
            REL_WHEEL_HI_RES => sum(&mut self.fine.get_or_insert_default().1, -value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(records: &[(u16, u16, i32)]) -> Vec<u8> {
        records.iter().flat_map(|(kind, code, value)| Record::new(*kind, *code, *value).to_bytes()).collect()
    }

    fn acts(device: &mut Checked, records: &[(u16, u16, i32)]) -> Result<Vec<Act>, Breach> {
        let mut acts = Vec::new();
        device.take(&bytes(records), |act| acts.push(act))?;
        device.check_invariants();
        Ok(acts)
    }

    const REPORT: (u16, u16, i32) = (EV_SYN, SYN_REPORT, 0);

    #[test]
    fn a_mouse_moves_clicks_and_scrolls() {
        let mut mouse = Checked::new(Kind::Mouse);
        let moved = acts(&mut mouse, &[(EV_REL, REL_X, 3), (EV_REL, REL_Y, -2), REPORT]).unwrap();
        assert_eq!(moved, [Act::Motion { dx: 3, dy: -2 }]);
        let clicked = acts(&mut mouse, &[(EV_REL, REL_X, 1), (EV_KEY, BTN_MOUSE, 1), REPORT]).unwrap();
        assert_eq!(clicked, [Act::Motion { dx: 1, dy: 0 }, Act::Key { code: BTN_MOUSE, pressed: true }]);
        // A wheel away from the person, with and without fine steps.
        let coarse = acts(&mut mouse, &[(EV_REL, REL_WHEEL, 1), REPORT]).unwrap();
        assert_eq!(coarse, [Act::Wheel { x: 0, y: -STEP }]);
        let fine = [(EV_REL, REL_WHEEL, 1), (EV_REL, REL_WHEEL_HI_RES, 30), REPORT];
        assert_eq!(acts(&mut mouse, &fine).unwrap(), [Act::Wheel { x: 0, y: -30 }]);
        assert_eq!(mouse.release_all().collect::<Vec<_>>(), [BTN_MOUSE]);
        assert_eq!(mouse.release_all().count(), 0);
    }

    #[test]
    fn keys_go_down_once_and_up_once() {
        let mut keyboard = Checked::new(Kind::Keyboard);
        let held = [(EV_KEY, 30, 1), (EV_KEY, 30, 2), (EV_KEY, 30, 1), REPORT, (EV_KEY, 31, 0)];
        assert_eq!(acts(&mut keyboard, &held).unwrap(), [Act::Key { code: 30, pressed: true }]);
        let up = [(EV_KEY, 30, 0), (EV_KEY, 30, 0), REPORT];
        assert_eq!(acts(&mut keyboard, &up).unwrap(), [Act::Key { code: 30, pressed: false }]);
        let many: Vec<_> = (1..=MAX_DOWN as u16 + 1).map(|code| (EV_KEY, code, 1)).collect();
        assert_eq!(acts(&mut keyboard, &many), Err(Breach::TooMany));
    }

    /// Rule: a device that changes its mind is cut off.
    #[test]
    fn a_mouse_that_types_and_a_keyboard_that_moves_are_cut_off() {
        for (kind, record) in [
            (Kind::Mouse, (EV_KEY, 30, 1)),
            (Kind::Mouse, (EV_KEY, 0x130, 1)),
            (Kind::Mouse, (EV_KEY, BTN_MOUSE, 3)),
            (Kind::Mouse, (EV_REL, 2, 1)),
            (Kind::Mouse, (EV_REL, REL_X, MAX_MOTION + 1)),
            (Kind::Mouse, (EV_REL, REL_X, i32::MIN)),
            (Kind::Mouse, (3, 0, 1)),
            (Kind::Mouse, (EV_SYN, 3, 0)),
            (Kind::Keyboard, (EV_REL, REL_X, 1)),
            (Kind::Keyboard, (EV_KEY, BTN_MOUSE, 1)),
            (Kind::Keyboard, (EV_KEY, 0, 1)),
            (Kind::Keyboard, (EV_KEY, 0x2c0, 1)),
            (Kind::Keyboard, (EV_KEY, 0x300, 1)),
        ] {
            let mut device = Checked::new(kind);
            let (of, code, value) = record;
            assert_eq!(acts(&mut device, &[record]), Err(Breach::Foreign(kind, of, code, value)));
        }
    }

    proptest! {
        #[test]
        fn kinds_share_no_code(code in any::<u16>()) {
            prop_assert!(!(Kind::Mouse.has_key(code) && Kind::Keyboard.has_key(code)));
        }

        #[test]
        fn any_bytes_keep_it_in_order(
            keyboard in any::<bool>(),
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..20),
        ) {
            let mut device = Checked::new(if keyboard { Kind::Keyboard } else { Kind::Mouse });
            for piece in pieces {
                if device.take(&piece, |_| {}).is_err() {
                    break;
                }
                device.check_invariants();
            }
        }

        /// However the stream is cut, the device does the same; what is down is what was pressed last.
        #[test]
        fn cuts_change_nothing(
            records in proptest::collection::vec(
                prop_oneof![
                    (0u16..4, 0i32..2).prop_map(|(key, value)| (EV_KEY, BTN_MOUSE + key, value)),
                    (0u16..2, -50i32..50).prop_map(|(axis, by)| (EV_REL, axis, by)),
                    (-3i32..3).prop_map(|by| (EV_REL, REL_WHEEL, by)),
                    Just(REPORT),
                ],
                0..60,
            ),
            cut in 1usize..30,
        ) {
            let all = bytes(&records);
            let (mut whole, mut cuts) = (Checked::new(Kind::Mouse), Checked::new(Kind::Mouse));
            let (mut at_once, mut piecemeal) = (Vec::new(), Vec::new());
            whole.take(&all, |act| at_once.push(act)).unwrap();
            for piece in all.chunks(cut) {
                cuts.take(piece, |act| piecemeal.push(act)).unwrap();
                cuts.check_invariants();
            }
            prop_assert_eq!(&at_once, &piecemeal);
            let mut down = BTreeSet::new();
            for act in &at_once {
                if let Act::Key { code, pressed } = act {
                    let new = if *pressed { down.insert(*code) } else { down.remove(code) };
                    prop_assert!(new);
                }
            }
            prop_assert_eq!(whole.release_all().collect::<BTreeSet<_>>(), down);
        }
    }
}
