//! A machine with a USB controller: its mouse and its keyboard.

use std::fs;

use serde_json::{Value, json};
use transom_tests::{figure::figure, process::until};

use super::lab::Lab;

/// Has QEMU carry out a command with its arguments.
type Command = Box<dyn FnMut(&str, Value)>;

/// The person at the machine's USB ports.
pub(crate) struct Ports(Command);

impl Ports {
    pub(crate) fn new(does: impl FnMut(&str, Value) + 'static) -> Self {
        Self(Box::new(does))
    }

    fn devices(&mut self, events: &[Value]) {
        (self.0)("input-send-event", json!({ "events": events }));
    }

    fn plug(&mut self, device: &str) {
        let device = json!({ "driver": format!("usb-{device}"), "id": device, "bus": "usb.0" });
        (self.0)("device_add", device);
    }

    fn unplug(&mut self, device: &str) {
        (self.0)("device_del", json!({ "id": device }));
    }

    fn moves(&mut self, dx: i32, dy: i32) {
        let axis = |axis, value| json!({ "type": "rel", "data": { "axis": axis, "value": value } });
        self.devices(&[axis("x", dx), axis("y", dy)]);
    }

    fn hold(&mut self, code: &str, down: bool) {
        let key = json!({ "type": "qcode", "data": code });
        self.devices(&[json!({ "type": "key", "data": { "down": down, "key": key } })]);
    }

    fn types(&mut self, code: &str) {
        for down in [true, false] {
            self.hold(code, down);
        }
    }
}

/// A mouse and a keyboard are plugged into ports of `sys-usb`, which runs, as does the desktop.
pub(crate) fn mouse_and_keyboard(lab: &Lab, mut ports: Ports) {
    let notice = |lab: &Lab, text: &str| {
        until(text, || lab.house.state().notices.iter().any(|notice| notice.contains(text)).then_some(()));
    };

    // The person says no; then it is plugged in once more.
    ports.plug("mouse");
    let asked = until("a question about the mouse", || lab.house.state().prompt);
    assert!(asked.starts_with("sys-usb wants to use its mouse “QEMU QEMU USB Mouse”"), "{asked}");
    lab.refuses();
    let still = lab.house.state().pointer;
    ports.moves(30, 20);
    ports.unplug("mouse");
    ports.plug("mouse");
    until("a question about the mouse", || lab.house.state().prompt);
    assert_eq!(lab.house.state().pointer, still);
    lab.allows();
    notice(lab, "the mouse “QEMU QEMU USB Mouse” of sys-usb can be used");
    until("the pointer follows", || {
        ports.moves(1, 1);
        (lab.house.state().pointer != still).then_some(())
    });
    until("it has come to rest", || {
        let before = lab.house.state().pointer;
        // What is on its way comes within a turn of the whole machine.
        lab.ends_with("sys-usb", "true");
        (lab.house.state().pointer == before).then_some(())
    });
    let begun = std::time::Instant::now();
    let before = lab.house.state().pointer;
    ports.moves(30, 20);
    let there = (before.0 + 30.0, before.1 + 20.0);
    until("it goes as far as the mouse", || (lab.house.state().pointer == there).then_some(()));
    figure("vm.usb.motion_ms", begun.elapsed().as_secs_f64() * 1e3, "ms", 1);

    // A keyboard is refused until a rule allows it.
    ports.plug("kbd");
    notice(lab, "sys-usb has a keyboard, which a rule does not allow");
    ports.types("a");
    ports.unplug("kbd");
    let config = lab.house.path().join("config/transom");
    fs::create_dir_all(&config).unwrap();
    let rule = "allow \"transom.input-keyboard\" from=\"sys-usb\" to=\"dom0\"\n";
    fs::write(config.join("policy.kdl"), rule).unwrap();
    ports.plug("kbd");
    notice(lab, "the keyboard “QEMU QEMU USB Keyboard” of sys-usb can be used");
    until("the second workspace", || {
        ports.hold("meta_l", true);
        ports.types("2");
        ports.hold("meta_l", false);
        // What was typed before its qube heard that it is allowed is lost; all else comes within a turn of the machine.
        lab.ends_with("sys-usb", "true");
        (lab.house.state().workspace == 2).then_some(())
    });
    ports.unplug("kbd");
    notice(lab, "the keyboard “QEMU QEMU USB Keyboard” of sys-usb is gone");
}
