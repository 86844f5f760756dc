//! The lock screen on monitors (FAIL-CLOSED), with the password of a real account.

use transom_tests::{
    fixture::look::{PAINT, painted},
    process::until,
};
use transom_theming::Label;

use super::{inside::Ask, machine::Machine, screen::starts, viewer::Viewer};

const TITLE: &str = "window";
/// The password of root in the machine, and PAM's service as the package has it.
pub(crate) const ACCOUNT: &str = r"
mkdir -p /run/etc; cp -r /etc/pam.d /run/etc/pam.d
printf '@include common-auth\n' > /run/etc/pam.d/transom
printf 'root:$6$transomlane6$GrOivfZCml2l7waVgc7kEqkjq7zMO9xDbp.V9SKYqjnNvPS7TKRNJm/e5YkB0AaFJI8n9Ad.R5TMWe5zSVm6L.:20000:0:99999:7:::\n' > /run/etc/shadow
chmod 600 /run/etc/shadow
busybox mount -o bind /run/etc/pam.d /etc/pam.d
busybox mount -o bind /run/etc/shadow /etc/shadow
";

#[test]
fn a_locked_desktop_stays_locked() {
    let Some(mut machine) = Machine::start(ACCOUNT) else { return };
    machine.create("work", Label::Blue);
    starts(&mut machine, "pixman", "pixman");
    machine.run(&["qube", "start", "work"]);
    machine.run(&painted("work", TITLE, "exec cat"));
    let before = seen(&mut machine);
    machine.focus(TITLE);

    machine.chord(&["meta_l", "l"]);
    locked(&mut machine, 1);
    machine.type_letters("hello");
    // A monitor that comes while it is locked.
    let mut viewer = Viewer::connect(&machine.file("viewer-1"));
    viewer.size(Some((800, 600)));
    until("the second monitor", || (machine.state().monitors.len() == 2).then_some(()));
    locked(&mut machine, 2);
    // Another console, and back.
    machine.chord(&["ctrl", "alt", "f2"]);
    until("another console is in front", || (!machine.state().in_front).then_some(()));
    machine.chord(&["alt", "f1"]);
    for _ in 0..5 {
        nothing_seen(&mut machine, 2);
    }
    until("the desktop is in front", || machine.state().in_front.then_some(()));
    locked(&mut machine, 2);
    machine.chord(&["ret"]);
    until("a wrong password", || (machine.state().lock_says == "That is not the password.").then_some(()));
    nothing_seen(&mut machine, 2);
    // It dies, and there is another one.
    machine.ask(&Ask::Kill);
    nothing_seen(&mut machine, 2);
    machine.ask(&Ask::Start("pixman".into()));
    until("the window is back", || (machine.state().windows.len() == 1).then_some(()));
    locked(&mut machine, 2);
    viewer.size(None);
    until("one monitor", || (machine.state().monitors.len() == 1).then_some(()));
    locked(&mut machine, 1);

    machine.type_letters("letmein");
    machine.chord(&["ret"]);
    until("the desktop is open", || (machine.state().lock == "open").then_some(()));
    let after = seen(&mut machine);
    assert!(before == after, "something that was typed into the lock reached the window");
    screens_sleep(&mut machine);
}

/// Nobody there: monitors get no signal, until the mouse moves. A lock meanwhile is one from the first
/// picture on.
fn screens_sleep(machine: &mut Machine) {
    machine.ask(&Ask::Kill);
    machine.ask(&Ask::Configure(r#"idle { lock "never"; screens-off "10s"; }"#.into()));
    starts(machine, "pixman", "pixman");
    seen(machine);
    // QEMU writes a few words on black for an output without a signal; dark screens have none.
    let asleep = |machine: &mut Machine| {
        let lit = machine.connector(0).pixels().filter(|pixel| pixel.0 != [0; 3]).count();
        (1..5_000).contains(&lit)
    };
    until("no signal", || asleep(machine).then_some(()));
    machine.nudge((3, 3));
    until("a signal", || (!asleep(machine)).then_some(()));
    seen(machine);
    until("no signal again", || asleep(machine).then_some(()));
    machine.run(&["msg", "lock"]);
    assert!(asleep(machine), "a lock wakes nobody");
    machine.nudge((3, 3));
    until("a signal again", || {
        nothing_seen(machine, 1);
        (!asleep(machine)).then_some(())
    });
    locked(machine, 1);
}

/// The window's content, once it is on the connector.
pub(crate) fn seen(machine: &mut Machine) -> Vec<u8> {
    let (window, picture) = machine.seen(TITLE);
    let [x, y, w, h] = window.content.map(|side| side as u32);
    // The cursor of the terminal differs with the focus: its first line is left out.
    image::imageops::crop_imm(&picture, x, y + 40, w, h - 40).to_image().into_raw()
}

/// Every connector shows the lock and nothing of the qube.
pub(crate) fn locked(machine: &mut Machine, monitors: usize) {
    until("the lock", || (machine.state().lock == "locked").then_some(()));
    until("a picture of it on every monitor", || {
        let pictures: Vec<_> = (0..monitors).map(|head| machine.connector(head)).collect();
        pictures
            .iter()
            .all(|picture| {
                let first = picture.get_pixel(0, 0);
                let panel = picture.pixels().filter(|pixel| *pixel != first).count();
                (10_000..400_000).contains(&panel)
            })
            .then_some(())
    });
    nothing_seen(machine, monitors);
}

fn nothing_seen(machine: &mut Machine, monitors: usize) {
    for head in 0..monitors {
        let picture = machine.connector(head);
        let painted = picture.pixels().filter(|pixel| **pixel == PAINT).count();
        assert_eq!(painted, 0, "monitor {head} shows the qube");
    }
}
