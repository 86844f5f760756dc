//! Input devices of a qube: what it says of them goes through real tools and sockets, the devices are
//! made up.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use transom::ipc::Request;
use transom_protocol::input::Record;
use transom_tests::process::{House, until};

use crate::by_hand::{DOWN, ESCAPE, allow, done, house, key, policy, prompt, script};

const SYN: (u16, u16, i32) = (0, 0, 0);

/// A device: a pipe in the home of its qube, whose other end is a call.
struct Device {
    pipe: File,
}

impl Device {
    /// Plugs it in.
    fn new(house: &House, service: &str, about: &str) -> Self {
        let path = house.home("sys-usb").join("device");
        let _ = fs::remove_file(&path);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let call = format!("transom-call --to dom0 --about '{about}' transom.input-{service} < device");
        script(house, "sys-usb", &call);
        // Opens when the shell has.
        Self { pipe: File::options().write(true).open(path).unwrap() }
    }

    /// Says all of it at once: the first of it may be enough for the other end to be cut off.
    fn say(&mut self, records: &[(u16, u16, i32)]) {
        let bytes = |(kind, code, value): &(u16, u16, i32)| Record::new(*kind, *code, *value).to_bytes();
        let bytes: Vec<u8> = records.iter().flat_map(bytes).collect();
        self.pipe.write_all(&bytes).unwrap();
    }
}

fn notice(house: &House, text: &str) {
    until(text, || house.state().notices.iter().any(|notice| notice == text).then_some(()));
}

#[test]
fn a_mouse_of_the_usb_qube_is_asked_about_and_cut_off_when_it_types() {
    let house = house(&[("sys-usb", "red"), ("work", "blue")]);
    house.must(&["qube", "start", "sys-usb"]);
    let mut mouse = Device::new(&house, "mouse", "Plain Mouse");
    let asked = "sys-usb wants to use its mouse “Plain Mouse”. It can then click everywhere.";
    assert_eq!(prompt(&house), asked);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/mouse-prompt.png");
    house.ask(&Request::Screenshot { path, output: None });
    // Nothing of it is heard before.
    let before = house.state().pointer;
    mouse.say(&[(2, 0, 40), SYN]);
    house.state();
    assert_eq!(house.state().pointer, before);
    allow(&house);
    notice(&house, "the mouse “Plain Mouse” of sys-usb can be used");
    let moved = (before.0 + 40.0, before.1);
    until("it moves", || (house.state().pointer == moved).then_some(()));

    // A question about its own qube is not its to answer, wherever it clicks.
    fs::write(house.home("sys-usb").join("note"), "note").unwrap();
    script(&house, "sys-usb", "transom-copy note");
    prompt(&house);
    for row in 0..34 {
        mouse.say(&[(2, 0, -9_000), (2, 1, if row == 0 { -9_000 } else { 24 }), SYN]);
        for _ in 0..53 {
            mouse.say(&[(2, 0, 24), (1, 0x110, 1), SYN, (1, 0x110, 0), SYN]);
        }
    }
    mouse.say(&[(2, 0, -9_000), (2, 1, 9_000), SYN]);
    until("it has been everywhere", || {
        let (x, y) = house.state().pointer;
        (x < 1.0 && y > 780.0).then_some(())
    });
    assert!(house.state().prompt.is_some());
    key(&house, ESCAPE);
    assert_eq!(done(&house, "sys-usb").0, "1");

    // It types: it is cut off, and nothing more is asked for its qube.
    mouse.say(&[(1, 30, 1), SYN]);
    notice(
        &house,
        "the mouse “Plain Mouse” of sys-usb was cut off: it says what a mouse does not say (type 0x1, code \
         0x1e, value 1)",
    );
    drop(mouse);
    let _again = Device::new(&house, "mouse", "Innocent Mouse");
    assert_ne!(done(&house, "sys-usb").0, "0");
    assert_eq!(house.state().prompt, None);
}

#[test]
fn a_keyboard_needs_a_rule_and_types_what_it_is_told() {
    let house = house(&[("sys-usb", "red"), ("work", "blue")]);
    for qube in ["sys-usb", "work"] {
        house.must(&["qube", "start", qube]);
    }
    let refused = Device::new(&house, "keyboard", "Keys");
    assert_ne!(done(&house, "sys-usb").0, "0");
    notice(&house, "sys-usb has a keyboard, which a rule does not allow");
    drop(refused);
    // Another qube's mouse is not asked about either.
    script(&house, "work", "transom-call --to dom0 transom.input-mouse < /dev/null");
    assert_ne!(done(&house, "work").0, "0");
    assert_eq!(house.state().prompt, None);

    policy(&house, "allow \"transom.input-keyboard\" from=\"sys-usb\" to=\"dom0\"\n");
    house.must(&[
        "qube",
        "run",
        "work",
        "foot",
        "sh",
        "-c",
        "read -r line; echo \"$line\" > typed; exec sleep 1000",
    ]);
    let window =
        until("a terminal", || house.state().windows.into_iter().find(|window| window.qube == "work"));
    let [x, y, ..] = window.content.map(f64::from);
    house.ask(&Request::Pointer { x: x + 50.0, y: y + 50.0 });
    for pressed in [true, false] {
        house.ask(&Request::Button { code: 0x110, pressed });
    }
    let mut keyboard = Device::new(&house, "keyboard", "Keys");
    notice(&house, "the keyboard “Keys” of sys-usb can be used");
    // "hi", and Return; the H with shift, which stays down until the device is gone.
    let keys = [(42, 1), (35, 1), (35, 0), (42, 0), (23, 1), (23, 0), (28, 1), (28, 0), (42, 1)];
    for (code, value) in keys {
        keyboard.say(&[(1, code, value), SYN]);
    }
    let typed = house.home("work").join("typed");
    until("what it typed", || fs::read_to_string(&typed).ok().filter(|text| text == "Hi\n"));
    // A question about its own qube is not its to answer.
    fs::write(house.home("sys-usb").join("note"), "note").unwrap();
    house.must(&["qube", "run", "sys-usb", "transom-copy", "note"]);
    prompt(&house);
    keyboard.say(&[(1, 1, 1), SYN, (1, 1, 0), SYN, (1, 58, 1), SYN, (1, 58, 0), SYN]);
    key(&house, DOWN);
    assert!(prompt(&house).contains('*'), "the person's keys choose");
    key(&house, ESCAPE);
    until("it is answered", || house.state().prompt.is_none().then_some(()));
    // It is unplugged: what it held is up.
    drop(keyboard);
    notice(&house, "the keyboard “Keys” of sys-usb is gone");
    done(&house, "sys-usb");
}
