//! A login: the session's script, a real user manager of systemd, the units, and the desktop on a monitor.

use transom::ipc::Request;
use transom_tests::{fixture::look::painted, process::until};
use transom_theming::Label;

use super::{inside::Ask, machine::Machine};

const TITLE: &str = "window";
/// What the package installs, as far as a login needs it.
const FILES: [(&str, &str); 4] = [
    ("transom-session", include_str!("../../../compositor/session/transom-session")),
    ("units/transom.service", include_str!("../../../compositor/session/transom.service")),
    ("units/transom-session.target", include_str!("../../../compositor/session/transom-session.target")),
    ("units/transom-qubed.service", include_str!("../../../compositor/session/transom-qubed.service")),
];
/// A user manager, on a bus of its own.
const MANAGER: &str = "\
export XDG_RUNTIME_DIR=/run/user DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/bus
export PATH=/run/session:/target/debug:$PATH
chmod 755 /run/session/transom-session; ln -s /target/debug/transom-qubed /run/session/
busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
dbus-daemon --session --nofork --nopidfile --address=$DBUS_SESSION_BUS_ADDRESS &
while ! test -e /run/user/bus; do sleep 0.1; done
SYSTEMD_UNIT_PATH=/run/session/units:/usr/lib/systemd/user /lib/systemd/systemd --user &
while ! systemctl --user show-environment >/dev/null 2>&1; do sleep 0.1; done
";

/// Lines of a shell that lay the files out and start the manager.
fn prepare() -> String {
    // systemd runs only where it counts as the system's own.
    let mut lines =
        "mkdir -p /run/systemd/system /run/session/units /run/user; chmod 700 /run/user\n".to_owned();
    for (name, text) in FILES {
        let text = text.replace("=/usr/bin/transom", "=/run/session/transom");
        lines += &["cat > /run/session/", name, " <<'END'\n", &text, "END\n"].concat();
    }
    lines + MANAGER
}

#[test]
fn a_login_begins_goes_on_and_ends() {
    let Some(mut machine) = Machine::start(&prepare()) else { return };
    machine.ask(&Ask::Session);
    until("a monitor", || (machine.state().monitors.len() == 1).then_some(()));
    shell(
        &mut machine,
        "systemctl --user is-active transom.service graphical-session.target transom-qubed.service",
    );
    shell(&mut machine, "systemctl --user show-environment | grep ^WAYLAND_DISPLAY=/run/user/transom/");
    machine.create("work", Label::Blue);
    machine.run(&["qube", "start", "work"]);
    machine.run(&painted("work", TITLE, "exec cat"));
    machine.seen(TITLE);

    // The desktop dies; the session goes on, and with it the qubes.
    shell(&mut machine, "pid=$(pidof transom); kill -9 $pid; while kill -0 $pid; do sleep 0.1; done");
    shell(&mut machine, "while ! transom msg state; do sleep 0.1; done >/dev/null 2>&1");
    machine.seen(TITLE);
    shell(&mut machine, "systemctl --user is-active transom.service transom-session.target");

    machine.ask(&Ask::Tell(Request::Quit));
    shell(
        &mut machine,
        "while systemctl --user is-active transom-session.target graphical-session.target; do sleep 0.1; done",
    );
    shell(
        &mut machine,
        "while systemctl --user show-environment | grep -E 'WAYLAND_DISPLAY|Transom'; do sleep 0.1; done",
    );
}

/// Runs lines of a shell in the machine; they have to succeed.
fn shell(machine: &mut Machine, lines: &str) {
    machine.ask(&Ask::Shell(lines.to_owned()));
}
