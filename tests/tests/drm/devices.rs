//! A touchpad, a pen and keyboard layouts: devices that the kernel makes (uinput), libinput, the
//! desktop, and programs in a qube that hear of them.

use std::{thread, time::Duration};

use evdev::{
    AbsInfo, AbsoluteAxisCode as Abs, AttributeSet, BusType, EventType, InputEvent, InputId, KeyCode as Key,
    PropType, SwitchCode, UinputAbsSetup,
    uinput::{VirtualDevice, VirtualDeviceBuilder},
};
use serde::{Deserialize, Serialize};
use transom::ipc::{Inputs, Reply, Request};
use transom_tests::process::until;
use transom_theming::Label;

use super::{inside::Ask, machine::Machine, screen::starts};

/// Time between two reports of a device.
const REPORT: Duration = Duration::from_millis(12);
/// Reports of one motion.
const STEPS: i32 = 24;
/// The touchpad's range; 40 units are a millimetre.
const PAD: (i32, i32) = (4_000, 2_400);
/// The tablet's; 100 units are a millimetre.
const TABLET: (i32, i32) = (30_000, 20_000);

/// A way of a finger or a pen, from where to where.
type Way = ((i32, i32), (i32, i32));

/// What is done inside the machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Act {
    /// Plug in a touchpad and a tablet.
    Plug,
    /// Move fingers on the touchpad.
    Fingers(Vec<Way>),
    /// Close the lid.
    CloseLid,
    /// Draw a line with the pen, in parts of a thousand of the tablet.
    Draw((i32, i32), (i32, i32)),
}

/// The devices.
#[derive(Default)]
pub(crate) struct Desk {
    devices: Option<(VirtualDevice, VirtualDevice)>,
    lid: Option<VirtualDevice>,
    contacts: i32,
}

fn abs(axis: Abs, (least, most): (i32, i32), resolution: i32) -> UinputAbsSetup {
    UinputAbsSetup::new(axis, AbsInfo::new(0, least, most, 0, 0, resolution))
}

fn device(
    name: &str,
    product: u16,
    keys: &[Key],
    axes: &[UinputAbsSetup],
    props: &[PropType],
) -> VirtualDevice {
    let (keys, props): (AttributeSet<_>, AttributeSet<_>) = (keys.iter().collect(), props.iter().collect());
    let begin = VirtualDevice::builder().unwrap().name(name);
    let begin = begin.input_id(InputId::new(BusType::BUS_USB, 0x1209, product, 1));
    let begin: VirtualDeviceBuilder<'_> = begin.with_keys(&keys).unwrap().with_properties(&props).unwrap();
    axes.iter().fold(begin, |builder, axis| builder.with_absolute_axis(axis).unwrap()).build().unwrap()
}

fn key(key: Key, down: bool) -> InputEvent {
    InputEvent::new(EventType::KEY.0, key.0, down.into())
}

fn at(axis: Abs, value: i32) -> InputEvent {
    InputEvent::new(EventType::ABSOLUTE.0, axis.0, value)
}

impl Desk {
    pub(crate) fn act(&mut self, act: Act) {
        match act {
            Act::Plug => self.plug(),
            Act::Fingers(fingers) => self.fingers(&fingers),
            Act::Draw(from, to) => self.draw(from, to),
            Act::CloseLid => self.close_lid(),
        }
    }

    fn plug(&mut self) {
        let (x, y) = ((0, PAD.0), (0, PAD.1));
        let pad = device(
            "A touchpad",
            1,
            &[
                Key::BTN_LEFT,
                Key::BTN_TOUCH,
                Key::BTN_TOOL_FINGER,
                Key::BTN_TOOL_DOUBLETAP,
                Key::BTN_TOOL_TRIPLETAP,
                Key::BTN_TOOL_QUADTAP,
            ],
            &[
                abs(Abs::ABS_X, x, 40),
                abs(Abs::ABS_Y, y, 40),
                abs(Abs::ABS_MT_SLOT, (0, 4), 0),
                abs(Abs::ABS_MT_POSITION_X, x, 40),
                abs(Abs::ABS_MT_POSITION_Y, y, 40),
                abs(Abs::ABS_MT_TRACKING_ID, (0, 65_535), 0),
            ],
            &[PropType::POINTER, PropType::BUTTONPAD],
        );
        let pen = device(
            "A tablet",
            2,
            &[Key::BTN_TOOL_PEN, Key::BTN_TOUCH, Key::BTN_STYLUS, Key::BTN_STYLUS2],
            &[
                abs(Abs::ABS_X, (0, TABLET.0), 100),
                abs(Abs::ABS_Y, (0, TABLET.1), 100),
                abs(Abs::ABS_PRESSURE, (0, 2_047), 0),
                abs(Abs::ABS_TILT_X, (-64, 63), 57),
                abs(Abs::ABS_TILT_Y, (-64, 63), 57),
            ],
            &[PropType::POINTER],
        );
        self.devices = Some((pad, pen));
        let switches: AttributeSet<_> = [SwitchCode::SW_LID].into_iter().collect();
        let lid = VirtualDevice::builder().unwrap().name("A lid").with_switches(&switches).unwrap();
        self.lid = Some(lid.build().unwrap());
    }

    fn close_lid(&mut self) {
        let lid = self.lid.as_mut().expect("a lid");
        lid.emit(&[InputEvent::new(EventType::SWITCH.0, SwitchCode::SW_LID.0, 1)]).unwrap();
    }

    fn fingers(&mut self, fingers: &[Way]) {
        let (pad, _) = self.devices.as_mut().expect("a touchpad");
        let tool =
            [Key::BTN_TOOL_FINGER, Key::BTN_TOOL_DOUBLETAP, Key::BTN_TOOL_TRIPLETAP][fingers.len() - 1];
        for step in 0..=STEPS {
            let mut report = Vec::new();
            for (slot, (from, to)) in fingers.iter().enumerate() {
                let between = |from: i32, to: i32| from + (to - from) * step / STEPS;
                let (x, y) = (between(from.0, to.0), between(from.1, to.1));
                report.push(at(Abs::ABS_MT_SLOT, slot as i32));
                if step == 0 {
                    self.contacts += 1;
                    report.push(at(Abs::ABS_MT_TRACKING_ID, self.contacts));
                }
                report.extend([at(Abs::ABS_MT_POSITION_X, x), at(Abs::ABS_MT_POSITION_Y, y)]);
                if slot == 0 {
                    report.extend([at(Abs::ABS_X, x), at(Abs::ABS_Y, y)]);
                }
            }
            if step == 0 {
                report.extend([key(Key::BTN_TOUCH, true), key(tool, true)]);
            }
            pad.emit(&report).unwrap();
            thread::park_timeout(REPORT);
        }
        let mut report = Vec::new();
        for slot in 0..fingers.len() {
            report.extend([at(Abs::ABS_MT_SLOT, slot as i32), at(Abs::ABS_MT_TRACKING_ID, -1)]);
        }
        report.extend([key(Key::BTN_TOUCH, false), key(tool, false)]);
        pad.emit(&report).unwrap();
    }

    fn draw(&mut self, from: (i32, i32), to: (i32, i32)) {
        let (_, pen) = self.devices.as_mut().expect("a tablet");
        let place = |step: i32| {
            let between = |from: i32, to: i32, of: i32| (from + (to - from) * step / STEPS) * of / 1_000;
            [
                at(Abs::ABS_X, between(from.0, to.0, TABLET.0)),
                at(Abs::ABS_Y, between(from.1, to.1, TABLET.1)),
                at(Abs::ABS_TILT_X, 20),
                at(Abs::ABS_TILT_Y, -10),
            ]
        };
        let mut report = |events: &[InputEvent]| {
            pen.emit(events).unwrap();
            thread::park_timeout(REPORT);
        };
        report(&[&place(0)[..], &[key(Key::BTN_TOOL_PEN, true)]].concat());
        report(&[key(Key::BTN_TOUCH, true), at(Abs::ABS_PRESSURE, 600)]);
        for step in 1..=STEPS {
            report(&[&place(step)[..], &[at(Abs::ABS_PRESSURE, 600 + step * 20)]].concat());
        }
        report(&[key(Key::BTN_TOUCH, false), at(Abs::ABS_PRESSURE, 0)]);
        report(&[key(Key::BTN_TOOL_PEN, false)]);
    }
}

const CONFIG: &str = r#"
    keyboard { layout "us,us"; variant ",intl"; }
    input {
        touchpad { tap false; natural-scroll true; }
        device "1209:0002" { dwt true; }
    }
    switch "lid-close" "workspace" "3"
"#;

#[test]
fn devices_of_the_machine() {
    let Some(mut machine) = Machine::start("") else { return };
    machine.ask(&Ask::Configure(CONFIG.into()));
    starts(&mut machine, "pixman", "pixman");
    machine.create("work", Label::Blue);
    machine.run(&["qube", "start", "work"]);
    settings_are_in_force(&mut machine);
    machine.ask(&Ask::Give("work".into(), "transom-heard".into()));
    machine.run(&["qube", "run", "work", "sh", "-c", "exec ~/transom-heard"]);
    let [x, y, w, h] = machine.window("heard").content;
    machine.point((x + w / 2, y + h / 2));
    a_pinch_arrives(&mut machine);
    a_swipe_switches_workspaces(&mut machine);
    a_pen_draws(&mut machine);
    a_dead_key_makes_its_letter(&mut machine);
    the_lid_does_what_it_is_bound_to_and_locks(&mut machine);
}

fn inputs(machine: &mut Machine) -> Inputs {
    match machine.ask(&Ask::Tell(Request::Inputs)) {
        Reply::Inputs(inputs) => inputs,
        other => panic!("{other:?}"),
    }
}

fn settings_are_in_force(machine: &mut Machine) {
    machine.ask(&Ask::Device(Act::Plug));
    let device = |machine: &mut Machine, name: &str| {
        until(name, || inputs(machine).devices.into_iter().find(|device| device.name == name))
    };
    let pad = device(machine, "A touchpad");
    assert_eq!((pad.id.as_str(), pad.kinds.as_slice()), ("1209:0001", &["touchpad".to_owned()][..]));
    for setting in ["tap false", "natural-scroll true", "dwt true", "send-events \"enabled\""] {
        assert!(pad.settings.iter().any(|own| own == setting), "{setting}: {:?}", pad.settings);
    }
    assert!(pad.refused.is_empty(), "{:?}", pad.refused);
    let pen = device(machine, "A tablet");
    assert_eq!(pen.kinds, ["tablet"]);
    assert!(pen.refused.iter().any(|refused| refused.starts_with("dwt true: ")), "{:?}", pen.refused);
}

/// Waits until the program in the qube has heard this.
fn heard(machine: &mut Machine, what: &str) -> String {
    let mut last = String::new();
    until(what, || {
        let titles = machine.state().windows.into_iter().map(|window| window.title);
        let title = titles.into_iter().find(|title| title.starts_with("heard"))?;
        if title != last {
            println!("{title}");
            last.clone_from(&title);
        }
        title.contains(what).then_some(title)
    })
}

fn a_pinch_arrives(machine: &mut Machine) {
    let apart = vec![((1_700, 1_000), (900, 1_000)), ((2_300, 1_000), (3_100, 1_000))];
    machine.ask(&Ask::Device(Act::Fingers(apart)));
    let title = heard(machine, "pinch ends");
    let scale = title.split(" to ").nth(1).and_then(|rest| rest.split(' ').next());
    let scale: f64 = scale.and_then(|scale| scale.parse().ok()).unwrap_or_default();
    assert!(scale > 1.5, "{title}");
}

fn a_swipe_switches_workspaces(machine: &mut Machine) {
    let swipe = |from: i32, to: i32| {
        let finger = |n: i32| ((from + n * 350, 1_000), (to + n * 350, 1_000));
        Act::Fingers((0..3).map(finger).collect())
    };
    machine.ask(&Ask::Device(swipe(2_400, 900)));
    until("the next workspace", || (machine.state().workspace == 2).then_some(()));
    machine.ask(&Ask::Device(swipe(900, 2_400)));
    until("the workspace before", || (machine.state().workspace == 1).then_some(()));
    let title = machine.state().windows.into_iter().map(|window| window.title).next().unwrap();
    assert!(!title.contains("swipe"), "it was the desktop's: {title}");
}

fn a_pen_draws(machine: &mut Machine) {
    let state = machine.state();
    let [x, y, w, h] = state.windows[0].content;
    let place = |px: i32, py: i32| (px * 1_000 / state.screen.0, py * 1_000 / state.screen.1);
    let (from, to) = (place(x + w / 4, y + h / 4), place(x + w * 3 / 4, y + h / 2));
    machine.ask(&Ask::Device(Act::Draw(from, to)));
    let title = heard(machine, "; out");
    for what in
        ["a tablet Tablet", "a pen", "it has pressure", "it has tilt", "; in;", "; down", "; up", "; tilt "]
    {
        assert!(title.contains(what), "{what}: {title}");
    }
    let ends = title.split("at ").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or_default();
    let ends: Vec<f64> = ends.split(' ').filter_map(|number| number.parse().ok()).collect();
    let wanted = [f64::from(w) * 0.75, f64::from(h) * 0.5];
    assert!(ends.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 4.0) && ends.len() == 2, "{title}");
    assert!(machine.state().windows[0].focused, "as by a click");
}

fn a_dead_key_makes_its_letter(machine: &mut Machine) {
    let script = r#"read x; if test "$x" = é; then printf '\033]2;it is the letter\007'; else printf '\033]2;it is %s\007' "$x"; fi; exec cat"#;
    let words = ["qube", "run", "work", "env", "LC_ALL=C.UTF-8", "foot", "--title=typed", "sh", "-c", script];
    machine.run(&words);
    machine.focus("typed");
    machine.chord(&["meta_l", "spc"]);
    until("the other layout", || (inputs(machine).layout == 1).then_some(()));
    for letter in ["apostrophe", "e", "ret"] {
        machine.chord(&[letter]);
    }
    let title = until("what was typed", || {
        machine
            .state()
            .windows
            .into_iter()
            .map(|window| window.title)
            .find(|title| title.starts_with("it is"))
    });
    assert_eq!(title, "it is the letter");
}

fn the_lid_does_what_it_is_bound_to_and_locks(machine: &mut Machine) {
    assert_eq!(machine.state().lock, "open");
    machine.ask(&Ask::Device(Act::CloseLid));
    until("the lock", || (machine.state().lock == "locked").then_some(()));
    assert_eq!(machine.state().workspace, 3);
}
