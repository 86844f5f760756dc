//! A machine that sleeps, and a session that logind asks to lock: with a logind made for the test on a
//! bus of its own.

use std::{
    io::{BufRead as _, BufReader},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    pipe::{PipeFlags, pipe_with},
};
use transom::logind::Bus;
use transom_tests::process::until;
use zbus::{blocking::Connection, blocking::connection::Builder, zvariant};

use super::lock::{Locked, SECRET};

const PATH: &str = "/org/freedesktop/login1";
const SESSION: &str = "/org/freedesktop/login1/session/one";

/// A bus that ends with the test.
pub(super) struct Daemon(Child, pub(super) String);

impl Daemon {
    pub(super) fn start() -> Option<Self> {
        let mut command = Command::new("dbus-daemon");
        command.args(["--session", "--nofork", "--nopidfile", "--print-address=1"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().ok()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take()?).read_line(&mut address).ok()?;
        Some(Self(child, address.trim().to_owned()))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the desktop has told it.
#[derive(Default)]
struct Told {
    /// Our ends of the locks that keep the machine awake, and how they were asked for.
    awake: Vec<(OwnedFd, [String; 4])>,
    hints: Vec<bool>,
}

type Shared = Arc<Mutex<Told>>;

fn locked<T>(told: &Shared, look: impl FnOnce(&mut Told) -> T) -> T {
    look(&mut told.lock().unwrap_or_else(PoisonError::into_inner))
}

/// It has one session, whoever asks.
struct Manager(Shared, &'static str);

#[zbus::interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zvariant::OwnedFd {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        locked(&self.0, |told| told.awake.push((ours, [what, who, why, mode].map(str::to_owned))));
        theirs.into()
    }

    #[zbus(name = "GetSession")]
    fn session(&self, id: &str) -> zvariant::OwnedObjectPath {
        assert!(!id.is_empty());
        zvariant::ObjectPath::try_from(self.1).unwrap().into()
    }

    #[zbus(name = "GetSessionByPID")]
    fn session_by_pid(&self, pid: u32) -> zvariant::OwnedObjectPath {
        assert_eq!(pid, std::process::id());
        zvariant::ObjectPath::try_from(self.1).unwrap().into()
    }
}

struct Session(Shared);

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl Session {
    fn set_locked_hint(&self, locked_now: bool) {
        locked(&self.0, |told| told.hints.push(locked_now));
    }
}

fn fake(address: &str, told: &Shared) -> Connection {
    let builder = Builder::address(address).unwrap();
    let builder = builder.name("org.freedesktop.login1").unwrap();
    let builder = builder.serve_at(PATH, Manager(told.clone(), SESSION)).unwrap();
    builder.serve_at(SESSION, Session(told.clone())).unwrap().build().unwrap()
}

/// The newest lock that keeps the machine awake is still held.
fn held(told: &Shared) -> bool {
    locked(told, |told| {
        let Some((ours, how)) = told.awake.last() else { return false };
        assert_eq!(how, &["sleep", "Transom", "the screens are locked first", "delay"]);
        let mut fds = [PollFd::new(ours, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
        !fds[0].revents().contains(PollFlags::HUP)
    })
}

#[test]
fn the_machine_sleeps_only_behind_the_lock() {
    let Some(daemon) = Daemon::start() else {
        println!("SKIP dbus-daemon is not installed");
        return;
    };
    let told = Shared::default();
    let logind = fake(&daemon.1, &told);
    let mut here = Locked::new();
    here.world.desktop.watch_logind(Bus::At(daemon.1.clone())).unwrap();
    until("the machine is kept awake", || {
        here.world.turn();
        held(&told).then_some(())
    });
    let say = |path: &str, interface: &str, member: &str, sleeps: Option<bool>| match sleeps {
        Some(sleeps) => logind.emit_signal(None::<&str>, path, interface, member, &(sleeps,)).unwrap(),
        None => logind.emit_signal(None::<&str>, path, interface, member, &()).unwrap(),
    };
    // It takes a moment until the threads there have asked which session this is.
    let sleep = |sleeps| say(PATH, "org.freedesktop.login1.Manager", "PrepareForSleep", Some(sleeps));
    sleep(true);
    until("the lock", || {
        here.world.turn();
        (here.phase() == "covering").then_some(())
    });
    assert!(held(&told), "no frame of the lock was shown yet");
    here.world.frame();
    assert_eq!(here.phase(), "locked");
    assert!(!held(&told), "now the machine may sleep");
    until("the hint", || locked(&told, |told| (told.hints == [true]).then_some(())));
    sleep(false);
    until("kept awake again", || {
        here.world.turn();
        (held(&told) && locked(&told, |told| told.awake.len()) == 2).then_some(())
    });
    let session = |member| say(SESSION, "org.freedesktop.login1.Session", member, None);
    session("Unlock");
    // The next signal is heard after it.
    sleep(true);
    until("asleep", || {
        here.world.turn();
        (!held(&told)).then_some(())
    });
    assert_eq!(here.phase(), "locked", "logind does not unlock");
    here.give(&SECRET);
    assert_eq!(here.phase(), "open");
    until("the hint", || locked(&told, |told| (told.hints == [true, false]).then_some(())));
    session("Lock");
    until("the session's lock", || {
        here.world.frame();
        (here.phase() == "locked").then_some(())
    });
    // Another's session is not this one's.
    here.give(&SECRET);
    say("/org/freedesktop/login1/session/two", "org.freedesktop.login1.Session", "Lock", None);
    sleep(false);
    until("kept awake a third time", || {
        here.world.turn();
        (locked(&told, |told| told.awake.len()) == 3).then_some(())
    });
    assert_eq!(here.phase(), "open");
}
