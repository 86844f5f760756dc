//! Passwords that PAM checks, and a real locker of dom0.
#![allow(clippy::print_stdout, reason = "what is skipped here is said")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use image::Rgb;
use transom::{ipc::Request, wayland::SOCKET_NAME};
use transom_tests::process::{House, Owned, binary, until};

/// A library that lets PAM read its services from another folder, and a module that reads passwords from
/// a file.
const WRAPPER: &str = "/usr/lib/x86_64-linux-gnu/libpam_wrapper.so";
const MATRIX: &str = "/usr/lib/x86_64-linux-gnu/pam_wrapper/pam_matrix.so";
const LETMEIN: [u32; 7] = [38, 18, 20, 50, 18, 23, 49];
const ENTER: u32 = 28;
/// The locker's colour.
const PINK: Rgb<u8> = Rgb([0xd0, 0x60, 0xa0]);

/// A folder of services in which the password of this user is `letmein`.
fn services(dir: &Path) -> PathBuf {
    let user = nix_name();
    let passwords = dir.join("passwords");
    fs::write(&passwords, format!("{user}:letmein:transom\n{user}:letmein:swaylock\n")).unwrap();
    let services = dir.join("services");
    fs::create_dir(&services).unwrap();
    for service in ["transom", "swaylock"] {
        let line = format!("auth required {MATRIX} passdb={}\n", passwords.display());
        fs::write(services.join(service), line).unwrap();
    }
    services
}

/// The name of this user.
fn nix_name() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn wrapped(command: &mut Command, services: &Path) {
    command.env("LD_PRELOAD", WRAPPER).env("PAM_WRAPPER", "1").env("PAM_WRAPPER_SERVICE_DIR", services);
}

fn can_wrap() -> bool {
    let there = Path::new(WRAPPER).exists() && Path::new(MATRIX).exists();
    if !there {
        println!("SKIP libpam-wrapper is not installed");
    }
    there
}

fn typed(house: &House, codes: &[u32]) {
    for code in codes {
        for pressed in [true, false] {
            house.ask(&Request::Key { code: *code, pressed });
        }
    }
}

fn picture(house: &House) -> image::RgbImage {
    let path = house.path().join("picture.png");
    house.ask(&Request::Screenshot { path: path.clone(), output: None });
    image::open(path).unwrap().into_rgb8()
}

fn phase(house: &House, wanted: &str) {
    until(wanted, || (house.state().lock == wanted).then_some(()));
}

#[test]
fn pam_says_which_password_is_right() {
    if !can_wrap() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let services = services(dir.path());
    let ask = |word: &[u8]| {
        let mut command = Command::new(binary("transom-auth"));
        wrapped(&mut command, &services);
        let mut helper = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        helper.stdin.take().unwrap().write_all(word).unwrap();
        let output = helper.wait_with_output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.success())
    };
    assert_eq!(ask(b"letmein"), ("right\n".into(), true));
    for word in [&b"letmeout"[..], b"", b"letmein\n", b"letmein\0", b"\xff\xfe", &[b'a'; 600]] {
        let (said, success) = ask(word);
        assert!(said.ends_with("wrong\n") && !success, "{word:?}: {said:?}");
    }
    fs::remove_file(services.join("transom")).unwrap();
    let (said, success) = ask(b"letmein");
    assert!(!said.contains("right") && !success, "without a service nobody is let in: {said:?}");
}

#[test]
fn the_desktop_is_unlocked_by_the_password_of_its_person() {
    if !can_wrap() {
        return;
    }
    let mut house = House::new();
    let services = services(house.path());
    let mut desktop = house.command(&["headless", "--renderer", "pixman", "--size", "800x600"]);
    wrapped(&mut desktop, &services);
    house.start(desktop);
    house.must(&["msg", "lock"]);
    assert_eq!(house.state().lock, "locked", "the command ends when it is done");
    typed(&house, &[30, ENTER]);
    until("wrong", || (house.state().lock_says == "That is not the password.").then_some(()));
    let quit = house.run(&["msg", "quit"]);
    assert!(!quit.status.success());
    typed(&house, &LETMEIN);
    typed(&house, &[ENTER]);
    phase(&house, "open");
    let log = house.said();
    assert!(!log.contains("letmein"), "the log has the password: {log}");
}

#[test]
fn a_desktop_that_is_killed_while_locked_comes_back_locked() {
    let mut house = House::new();
    house.start_desktop();
    house.must(&["msg", "lock"]);
    house.kill_desktop();
    house.start_desktop();
    phase(&house, "locked");
}

#[test]
fn a_real_locker_locks_and_unlocks() {
    if !can_wrap() {
        return;
    }
    if !Path::new("/usr/bin/swaylock").exists() {
        println!("SKIP swaylock is not installed");
        return;
    }
    let mut house = House::new();
    let services = services(house.path());
    house.start_desktop();
    let locker = |house: &House| {
        let mut command = Command::new("swaylock");
        wrapped(&mut command, &services);
        command
            .args(["--color", "d060a0", "--no-unlock-indicator"])
            .env("WAYLAND_DISPLAY", house.path().join(SOCKET_NAME))
            .env("XDG_RUNTIME_DIR", house.path())
            .env("HOME", house.path());
        Owned::start(&mut command).unwrap()
    };
    let pink = |house: &House| picture(house).pixels().all(|pixel| *pixel == PINK);
    let first = locker(&house);
    phase(&house, "locked");
    until("its picture on all of the screen", || pink(&house).then_some(()));
    // A second one is refused, and changes nothing.
    let second = locker(&house);
    until("it is refused", || (!Path::new(&format!("/proc/{}/exe", second.pid())).exists()).then_some(()));
    assert_eq!(house.state().lock, "locked");
    drop(second);
    // It hears no Enter while it checks a password, so only the right one is typed.
    typed(&house, &LETMEIN);
    typed(&house, &[ENTER]);
    phase(&house, "open");
    drop(first);

    // One that dies leaves the desktop locked, with the desktop's own lock screen.
    let third = locker(&house);
    phase(&house, "locked");
    until("its picture again", || pink(&house).then_some(()));
    drop(third);
    until("the own lock screen", || (!picture(&house).pixels().any(|pixel| *pixel == PINK)).then_some(()));
    assert_eq!(house.state().lock, "locked");
}

#[test]
fn a_real_program_hears_that_nobody_is_there() {
    if !Path::new("/usr/bin/swayidle").exists() {
        println!("SKIP swayidle is not installed");
        return;
    }
    let mut house = House::new();
    house.start_desktop();
    let (gone, back) = (house.path().join("gone"), house.path().join("back"));
    let mut command = Command::new("swayidle");
    let touch = |path: &Path| format!("touch {}", path.display());
    command
        .args(["-w", "timeout", "1", &touch(&gone), "resume", &touch(&back)])
        .env("WAYLAND_DISPLAY", house.path().join(SOCKET_NAME))
        .env("XDG_RUNTIME_DIR", house.path())
        .env("HOME", house.path());
    let _swayidle = Owned::start(&mut command).unwrap();
    until("nobody is there", || gone.exists().then_some(()));
    assert!(!back.exists());
    typed(&house, &[30]);
    until("somebody is there", || back.exists().then_some(()));
}
