//! Login: the session's script, what systemd is told, and the package.
#![allow(clippy::print_stdout, reason = "what is skipped here is said")]

use std::{
    fs,
    os::unix::{fs::PermissionsExt, net::UnixDatagram},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use transom::ipc::{Reply, Request};
use transom_tests::process::{House, binary, until};

/// Files of the session in the sources.
fn session_files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../compositor/session").canonicalize().unwrap()
}

/// A folder of programs that stand for real ones, and the command of a session that finds those alone
/// before the system's.
struct Stage(tempfile::TempDir);

impl Stage {
    /// `desktop`: a shell script, whose number of starts is in the file `starts`.
    fn new(desktop: &str) -> Self {
        let stage = Self(tempfile::tempdir().unwrap());
        stage.program("systemctl", "exit 1");
        let count = format!("echo start >> {}/starts", stage.0.path().display());
        stage.program(
            "transom",
            &format!("{count}\nn=$(wc -l < {}/starts)\n{desktop}", stage.0.path().display()),
        );
        stage
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.0.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn session(&self) -> Command {
        let mut command = Command::new(session_files().join("transom-session"));
        command
            .env("PATH", format!("{}:/usr/bin:/bin", self.0.path().display()))
            .env("TRANSOM_RUNTIME_DIR", self.0.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    fn starts(&self) -> usize {
        fs::read_to_string(self.0.path().join("starts")).map_or(0, |text| text.lines().count())
    }

    /// The session's exit status, and how often the desktop was started.
    fn played(&self) -> (Option<i32>, usize) {
        (self.session().status().unwrap().code(), self.starts())
    }
}

#[test]
fn a_session_ends_with_its_desktop_and_begins_again_after_a_crash() {
    assert_eq!(Stage::new("exit 0").played(), (Some(0), 1));
    assert_eq!(Stage::new("exit 1").played(), (Some(1), 1), "what cannot start is not tried again");
    assert_eq!(Stage::new("[ $n -gt 2 ] || kill -9 $$; exit 0").played(), (Some(0), 3));
    assert_eq!(Stage::new("[ $n -gt 1 ] || exit 101; exit 0").played(), (Some(0), 2), "a panic");
    let (status, starts) = Stage::new("kill -9 $$").played();
    assert_eq!((status, starts), (Some(137), 5), "not for ever");
}

#[test]
fn a_locked_desktop_that_fails_is_started_again() {
    let stage = Stage::new("[ $n -gt 2 ] || exit 1; exit 0");
    fs::write(stage.0.path().join(transom::lock::marker::MARKER_NAME), "").unwrap();
    assert_eq!(stage.played(), (Some(0), 3));
}

#[test]
fn a_session_that_is_ended_ends_its_desktop() {
    let stage = Stage::new("trap 'exit 0' TERM; while :; do sleep 0.05; done");
    let mut session = stage.session().spawn().unwrap();
    until("the desktop", || (stage.starts() == 1).then_some(()));
    kill_process(Pid::from_raw(session.id() as i32).unwrap(), Signal::TERM).unwrap();
    until("the end", || session.try_wait().unwrap());
    assert_eq!(stage.starts(), 1);
}

#[test]
fn systemd_is_told_when_the_desktop_is_ready() {
    let mut house = House::new();
    let path = house.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut desktop = house.command(&["headless", "--renderer", "pixman"]);
    desktop.env("NOTIFY_SOCKET", &path);
    house.start(desktop);
    let mut said = String::new();
    until("ready", || {
        let mut bytes = [0; 256];
        let heard = socket.recv(&mut bytes).ok()?;
        said.push_str(&String::from_utf8_lossy(&bytes[..heard]));
        said.contains("READY=1").then_some(())
    });
    assert!(matches!(house.ask(&Request::State), Reply::State(_)));
}

#[test]
fn logging_out_stops_the_qubes_and_then_the_desktop() {
    let mut house = House::new();
    house.start_desktop();
    house.must(&["qube", "create", "work", "--label", "blue"]);
    house.must(&["qube", "start", "work"]);
    house.must(&["qube", "run", "work", "foot", "--title=window", "cat"]);
    until("its window", || (house.state().windows.len() == 1).then_some(()));
    house.must(&["msg", "lock"]);
    assert!(!house.run(&["msg", "logout"]).status.success(), "not while it is locked");
    house.kill_desktop();
    fs::remove_file(house.path().join(transom::lock::marker::MARKER_NAME)).unwrap();
    house.start_desktop();
    until("its window", || (house.state().windows.len() == 1).then_some(()));
    house.must(&["msg", "logout"]);
    let (success, said) = house.desktop_ended();
    assert!(success, "{said}");
    let info = house.run(&["qube", "info", "work"]);
    let info = String::from_utf8_lossy(&info.stdout).into_owned();
    assert!(info.contains("halted"), "{info}");
}

/// A command that has to succeed; its output. `None`: it is not installed.
fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{command:?}: {}{}", said(&output.stdout), said(&output.stderr));
    Some(said(&output.stdout) + &said(&output.stderr))
}

#[test]
fn the_package_is_whole() {
    let tools = ["dpkg-deb", "dpkg-shlibdeps", "desktop-file-validate", "systemd-analyze", "git", "python3"];
    if let Some(missing) = tools.iter().find(|name| !Path::new("/usr/bin").join(name).exists()) {
        println!("SKIP {missing} is not installed");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let build = |name: &str| {
        let deb = dir.path().join(name);
        let mut command = Command::new(session_files().join("build-deb"));
        command.env("BINARIES", binary("transom").parent().unwrap()).env("COMPRESS", "none");
        output(command.arg(&deb)).unwrap();
        deb
    };
    let deb = build("one.deb");
    assert!(fs::read(&deb).unwrap() == fs::read(build("two.deb")).unwrap(), "the same twice");
    let root = dir.path().join("root");
    output(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&root)).unwrap();
    for file in [
        "usr/bin/transom",
        "usr/bin/transom-auth",
        "usr/bin/transom-qubed",
        "usr/bin/transom-vmm",
        "usr/bin/transom-volume",
        "usr/bin/transom-agent",
        "usr/bin/transom-pin",
        "usr/bin/transom-services",
        "usr/bin/transom-input",
        "usr/bin/transom-net",
        "usr/bin/transom-session",
        "etc/pam.d/transom",
        "usr/share/doc/transom/copyright",
        "usr/share/doc/transom/session.md",
        "usr/share/doc/transom/examples/config.kdl",
    ] {
        assert!(root.join(file).exists(), "{file}");
    }
    let needs = output(Command::new("dpkg-deb").arg("-f").arg(&deb).arg("Depends")).unwrap();
    for name in ["libpam0g", "libseat1", "libinput10", "bubblewrap"] {
        assert!(needs.contains(name), "{name}: {needs}");
    }
    output(
        Command::new("desktop-file-validate").arg(root.join("usr/share/wayland-sessions/transom.desktop")),
    );
    // The units as they are, but for where the programs are.
    let units = dir.path().join("units");
    fs::create_dir(&units).unwrap();
    let mut names = Vec::new();
    for unit in fs::read_dir(root.join("usr/lib/systemd/user")).unwrap() {
        let unit = unit.unwrap().path();
        let text = fs::read_to_string(&unit).unwrap();
        let here = text.replace("=/usr/bin/transom", &format!("={}/usr/bin/transom", root.display()));
        names.push(units.join(unit.file_name().unwrap()));
        fs::write(names.last().unwrap(), here).unwrap();
    }
    assert_eq!(names.len(), 3);
    let mut verify = Command::new("systemd-analyze");
    verify.args(["--user", "verify"]).args(&names).env("XDG_RUNTIME_DIR", dir.path());
    let said = output(&mut verify).unwrap();
    assert_eq!(said, "", "systemd has something to say");
}
