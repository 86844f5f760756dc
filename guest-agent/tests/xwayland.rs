//! An Xwayland that ends: it costs the agent nothing, and another one takes its place.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that panics has failed")]

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

const READY: &str = "X11 programs can run";
/// Far more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// Both take numbers of displays.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// An agent without a dom0, whose `Xwayland` is a script. Ended when dropped.
struct Lone {
    agent: Child,
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Lone {
    fn start(xwayland: &str) -> Self {
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        // In a qube it is there; here nobody may have needed it yet.
        if fs::create_dir("/tmp/.X11-unix").is_ok() {
            fs::set_permissions("/tmp/.X11-unix", fs::Permissions::from_mode(0o1777)).unwrap();
        }
        let script = folder.path().join("Xwayland");
        fs::write(
            &script,
            format!("#!/bin/sh\necho $$ >> {}/started\n{xwayland}\n", folder.path().display()),
        )
        .unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap());
        let agent = Command::new(env!("CARGO_BIN_EXE_transom-agent"))
            .arg("--display-socket")
            .arg(folder.path().join("nobody"))
            .arg("--runtime-dir")
            .arg(folder.path())
            .env("PATH", path)
            .stdin(Stdio::null())
            .stderr(File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self { agent, folder, _turn: turn }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).unwrap_or_default()
    }

    fn wait(&self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "{what}: {}", self.read("log"));
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Processor time so far, in clock ticks, of which a second has a hundred.
    fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(PathBuf::from(format!("/proc/{}/stat", self.agent.id()))).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

impl Drop for Lone {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

#[test]
fn servers_that_never_get_ready_are_given_up_and_cost_nothing() {
    let lone = Lone::start("exit 1");
    let (begin, before) = (Instant::now(), lone.ticks());
    lone.wait("none is started any more", |lone| lone.read("log").contains("Xwayland is given up"));
    let (ticks, passed) = (lone.ticks() - before, begin.elapsed());
    println!("{ticks} ticks in {:.1} s", passed.as_secs_f64());
    assert_eq!(lone.read("started").lines().count(), 5);
    // A loop that never rests uses nearly all of them.
    assert!(u128::from(ticks) < passed.as_millis() / 10 / 4, "{ticks} ticks in {passed:?}");
}

#[test]
fn a_server_that_dies_is_followed_by_another_one() {
    let Some(real) =
        ["/usr/bin/Xwayland", "/usr/local/bin/Xwayland"].into_iter().find(|p| Path::new(p).exists())
    else {
        println!("SKIP Xwayland is not installed");
        return;
    };
    // The second one fails.
    let script = format!("[ $(wc -l < ${{0%/*}}/started) = 2 ] && exit 1\nexec {real} \"$@\"");
    let lone = Lone::start(&script);
    let is_ready = |times: usize| move |lone: &Lone| lone.read("log").matches(READY).count() == times;
    lone.wait("the first is ready", is_ready(1));
    let pid = lone.read("started").lines().next().unwrap().parse().unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    lone.wait("the third is ready", is_ready(2));
    let log = lone.read("log");
    let displays: Vec<&str> =
        log.lines().filter_map(|line| line.split_once("display=")).map(|(_, d)| d).collect();
    assert_eq!(displays.len(), 2, "{log}");
    assert_eq!(displays[0], displays[1], "programs that run already know only the first display");
}
