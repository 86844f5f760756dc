//! Real programs of dom0 itself, connected straight to the desktop.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use transom::{ipc::Request, wayland::SOCKET_NAME};
use transom_tests::process::{House, until};

/// A program that ends with the test.
pub(super) struct Native(Child);

impl Drop for Native {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn socket(house: &House) -> PathBuf {
    house.path().join(SOCKET_NAME)
}

pub(super) fn native(house: &House, program: &str, arguments: &[&str]) -> Native {
    let child = Command::new(program)
        .args(arguments)
        .env("WAYLAND_DISPLAY", socket(house))
        .env("XDG_RUNTIME_DIR", house.path())
        .env("HOME", house.path())
        .env_remove("DISPLAY")
        .stdin(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    Native(child)
}

/// Types evdev codes, one after the other.
pub(super) fn typed(house: &House, codes: &[u32]) {
    for code in codes {
        for pressed in [true, false] {
            house.ask(&Request::Key { code: *code, pressed });
        }
    }
}

pub(super) fn click(house: &House, [x, y, w, h]: [i32; 4]) {
    house.ask(&Request::Pointer { x: f64::from(x + w / 2), y: f64::from(y + h / 2) });
    for pressed in [true, false] {
        house.ask(&Request::Button { code: 0x110, pressed });
    }
}

#[test]
fn a_terminal_of_dom0_is_typed_into() {
    let mut house = House::new();
    house.start_desktop();
    let said = house.path().join("said");
    let script = format!("read line; echo \"$line\" > {}", said.display());
    let mut foot = native(&house, "foot", &["--title=dom0's own", "sh", "-c", &script]);
    let window = until("its window", || house.state().windows.into_iter().find(|w| w.title == "dom0's own"));
    assert_eq!((window.qube.as_str(), window.app_id.as_str()), ("dom0", "foot"));
    assert!(!window.focused, "it takes no focus by itself");
    click(&house, window.content);
    until("its focus", || house.state().windows.iter().any(|w| w.qube == "dom0" && w.focused).then_some(()));
    // "hello", Enter.
    typed(&house, &[35, 18, 38, 38, 24, 28]);
    let text = until("what was typed", || std::fs::read_to_string(&said).ok().filter(|t| t.ends_with('\n')));
    assert_eq!(text, "hello\n");
    until("the end of the terminal", || foot.0.try_wait().unwrap());
    until("the end of its window", || house.state().windows.is_empty().then_some(()));
}

#[test]
fn the_socket_is_this_users_alone_and_no_qube_sees_it() {
    let mut house = House::new();
    house.start_desktop();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!((mode(&socket(&house)), mode(house.path())), (0o600, 0o700));
    house.must(&["qube", "create", "work", "--label", "blue"]);
    house.must(&["qube", "start", "work"]);
    // By its path, by its name anywhere, and as an abstract socket of the network namespace.
    let look = format!(
        "(test -e {0} && echo path; find / -xdev -name {1} -not -path '/proc/*'; grep {1} /proc/net/unix; \
         WAYLAND_DISPLAY={0} timeout 5 weston-info && echo connected; echo done) > ~/seen 2>/dev/null",
        socket(&house).display(),
        SOCKET_NAME
    );
    house.must(&["qube", "run", "work", "sh", "-c", &look]);
    let seen = house.home("work").join("seen");
    let text = until("its look around", || {
        std::fs::read_to_string(&seen).ok().filter(|text| text.ends_with("done\n"))
    });
    assert_eq!(text, "done\n", "a qube sees dom0's socket");
}

#[test]
fn a_killed_desktop_leaves_room_for_the_next() {
    let mut house = House::new();
    house.start_desktop();
    let mut foot = native(&house, "foot", &["--title=first", "sleep", "600"]);
    until("its window", || house.state().windows.iter().any(|w| w.title == "first").then_some(()));
    house.kill_desktop();
    until("its end", || foot.0.try_wait().unwrap());
    house.start_desktop();
    let _second = native(&house, "foot", &["--title=second", "sleep", "600"]);
    until("the next window", || house.state().windows.iter().any(|w| w.title == "second").then_some(()));
}
