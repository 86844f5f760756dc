//! Things a machine can lack: room on the disk, fonts, a GPU, a display that stays. Each is said in
//! one clear line, ends only what it must, and loses nothing else.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use transom::ipc::{Reply, Request};
use transom_tests::process::{House, Owned, until};

/// The lines that are not logs.
fn complaints(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("transom: ")).collect()
}

#[test]
fn a_full_disk() {
    let mut house = House::new();
    let data = house.path().join("data");
    std::fs::create_dir(&data).unwrap();
    // All in one process, for what is in the small file system ends with it.
    let story = r#"
        dd if=/dev/zero of="$XDG_DATA_HOME/filling" bs=4k 2>/dev/null
        "$0" qube create work --label blue 2>&1 && exit 9
        rm "$XDG_DATA_HOME/filling"
        "$0" qube create work --label blue && "$0" qube list
    "#;
    let small = ["--size", "262144", "--tmpfs", data.to_str().unwrap()];
    let output = house.script_where(&small, story).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let complaint = text.lines().next().unwrap_or_default();
    assert!(complaint.starts_with("transom: ") && complaint.contains("the disk is full"), "{text}");
    assert!(text.contains("halted"), "when there is room again, it works: {text}");
    transom_hypervisor::client::stop(&house.path().join(transom_hypervisor::paths::SOCKET_NAME)).unwrap();

    // A picture that cannot be written.
    house.start_desktop();
    let reply = house.ask(&Request::Screenshot { path: "/dev/full".into(), output: None });
    let Reply::Error { message } = reply else { panic!("{reply:?}") };
    assert!(message.contains("/dev/full") && message.contains("No space left"), "{message}");
    house.state();
}

#[test]
fn no_fonts() {
    let mut house = House::new();
    let home = house.path().to_str().unwrap().to_owned();
    let missing = ["--tmpfs", "/usr/share/fonts", "--setenv", "HOME", &home];
    let desktop = house.command_where(&missing, &["headless", "--renderer", "pixman", "--size", "640x480"]);
    house.start(desktop);
    let notices = house.state().notices;
    assert!(
        notices.iter().any(|n| n.contains("no usable font") && n.contains("fonts-dejavu-core")),
        "{notices:?}"
    );
    // It works without text.
    let picture = house.path().join("picture.png");
    assert!(matches!(house.ask(&Request::Screenshot { path: picture.clone(), output: None }), Reply::Done));
    assert_eq!(image::open(picture).unwrap().into_rgb8().dimensions(), (640, 480));
}

/// Nothing that could make an OpenGL context, though there is something that looks like a GPU.
const NO_OPENGL: [&str; 7] = [
    "--setenv",
    "__EGL_VENDOR_LIBRARY_DIRS",
    "/nowhere",
    "--tmpfs",
    "/dev/dri",
    "--dir",
    "/dev/dri/renderD128",
];

#[test]
fn no_gpu() {
    let mut house = House::new();
    let asked_for = house.command_where(&NO_OPENGL, &["headless", "--renderer", "gles"]).output().unwrap();
    assert!(!asked_for.status.success());
    let text = String::from_utf8_lossy(&asked_for.stderr).into_owned();
    let lines = complaints(&text);
    assert!(lines.len() == 1 && lines[0].contains("choose --renderer pixman"), "{text}");
    let desktop = house.command_where(&NO_OPENGL, &["headless", "--size", "640x480"]);
    house.start(desktop);
    assert_eq!(house.state().renderer, "pixman", "if nothing else is asked for, it draws all the same");
}

/// A desktop with a window, nested in a host that goes away.
fn outlived(mut house: House, host: Owned, host_environment: (&str, &str)) {
    let mut nested = house.command(&["nested", "--renderer", "pixman", "--size", "640x480"]);
    nested.env(host_environment.0, host_environment.1);
    house.start(nested);
    house.must(&["qube", "create", "work", "--label", "blue"]);
    house.must(&["qube", "start", "work"]);
    house.must(&["qube", "run", "work", "foot", "--title=lasting"]);
    let there = |house: &House| house.state().windows.iter().any(|w| w.title == "lasting").then_some(());
    until("the window", || there(&house));
    drop(host);
    let (success, text) = house.desktop_ended();
    let lines = complaints(&text);
    assert!(!success && lines.len() == 1 && lines[0].contains("start the desktop again"), "{text}");
    house.start_desktop();
    until("the window is back", || there(&house));
}

#[test]
fn an_x_server_that_goes_away() {
    let house = House::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new("Xvfb");
    // It chooses a free number and tells it where its errors would go.
    command.args(["-displayfd", "2", "-nolisten", "tcp", "-screen", "0", "800x600x24"]).stderr(writer);
    let host = Owned::start(&mut command).unwrap();
    drop(command);
    let mut lines = BufReader::new(reader).lines().map_while(Result::ok);
    let number = lines.find_map(|line| line.trim().parse::<u32>().ok()).unwrap();
    let display = format!(":{number}");
    outlived(house, host, ("DISPLAY", &display));
}

#[test]
fn a_wayland_host_that_goes_away() {
    let house = House::new();
    let socket = house.path().join("host");
    let mut command = Command::new("weston");
    command
        .args(["--backend=headless-backend.so", "--socket=host", "--idle-time=0", "--no-config"])
        .env("XDG_RUNTIME_DIR", house.path())
        .stderr(Stdio::null());
    let host = Owned::start(&mut command).unwrap();
    until("the host's socket", || socket.exists().then_some(()));
    outlived(house, host, ("WAYLAND_DISPLAY", socket.to_str().unwrap()));
}

#[test]
fn no_display_at_all() {
    let output = House::new().run(&["nested"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines = complaints(&text);
    assert!(!output.status.success() && lines.len() == 1 && lines[0].contains("transom headless"), "{text}");
}
