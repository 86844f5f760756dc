//! Real processes: the `transom` command with a supervisor and files of its own.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use transom::ipc::{self, Reply, Request, State};

use crate::keys::code;

/// Longest time anything may take on a slow and busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where cargo put the binaries.
pub fn binary(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().expect("a path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let binary = path.join(name);
    assert!(binary.exists(), "{} is not built: run `make build`", binary.display());
    binary
}

/// A runtime directory and a data directory, with a supervisor of its own while one runs.
#[derive(Debug)]
pub struct House {
    dir: tempfile::TempDir,
    desktop: Option<Child>,
}

impl House {
    /// An empty house.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("transom-test-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir()
            .expect("a folder");
        Self { dir, desktop: None }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The home of a qube.
    pub fn home(&self, qube: &str) -> PathBuf {
        self.dir.path().join("data/transom/qubes").join(qube).join("home")
    }

    /// True if a qube's log holds this.
    pub fn log_says(&self, qube: &str, text: &str) -> bool {
        let log = self.dir.path().join("data/transom/qubes").join(qube).join("log/console.log");
        std::fs::read_to_string(log).is_ok_and(|log| log.contains(text))
    }

    /// A program that finds this house.
    pub fn program(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("TRANSOM_RUNTIME_DIR", self.dir.path())
            .env("XDG_DATA_HOME", self.dir.path().join("data"))
            .env("XDG_CONFIG_HOME", self.dir.path().join("config"))
            .env("XDG_PICTURES_DIR", self.dir.path().join("pictures"))
            .env("XDG_VIDEOS_DIR", self.dir.path().join("videos"))
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            .stdin(Stdio::null());
        command
    }

    /// A command of `transom`.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.program(binary("transom"));
        command.args(arguments);
        command
    }

    /// As [`House::command`], on a machine that differs from this one as these arguments of
    /// bubblewrap say: files missing, file systems small.
    pub fn command_where(&self, differs: &[&str], arguments: &[&str]) -> Command {
        let mut command = self.program("bwrap");
        command
            .args(["--die-with-parent", "--dev-bind", "/", "/"])
            .args(differs)
            .arg("--")
            .arg(binary("transom"))
            .args(arguments);
        command
    }

    /// As [`House::command_where`], for a shell script; `$0` is `transom`.
    pub fn script_where(&self, differs: &[&str], script: &str) -> Command {
        let mut command = self.program("bwrap");
        command
            .args(["--die-with-parent", "--dev-bind", "/", "/"])
            .args(differs)
            .args(["--", "sh", "-c", script]);
        command.arg(binary("transom"));
        command
    }

    /// Runs a command of `transom` to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("transom runs")
    }

    /// As [`House::run`]; it must succeed.
    pub fn must(&self, arguments: &[&str]) {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts a headless desktop and waits until it answers.
    pub fn start_desktop(&mut self) {
        self.start(self.command(&["headless", "--renderer", "pixman", "--size", "1280x800"]));
    }

    /// Starts a desktop by this command and waits until it answers.
    pub fn start(&mut self, mut desktop: Command) {
        let log = std::fs::File::create(self.log()).expect("a file");
        self.desktop = Some(desktop.stderr(log).spawn().expect("transom runs"));
        let socket = self.socket();
        until("the desktop answers", || ipc::ask(&socket, &Request::State).ok().map(drop));
    }

    /// What the desktop has said so far.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// What the desktop says goes here.
    fn log(&self) -> PathBuf {
        self.dir.path().join("desktop.log")
    }

    /// Waits until the desktop has ended by itself: with success or not, and what it said.
    pub fn desktop_ended(&mut self) -> (bool, String) {
        let mut child = self.desktop.take().expect("a desktop");
        let status = until("the desktop has ended", || child.try_wait().expect("a process"));
        (status.success(), std::fs::read_to_string(self.log()).expect("a log"))
    }

    /// The desktop's process.
    pub fn desktop_pid(&self) -> Option<u32> {
        self.desktop.as_ref().map(Child::id)
    }

    /// Kills the desktop as a crash would.
    pub fn kill_desktop(&mut self) {
        if let Some(mut child) = self.desktop.take() {
            child.kill().expect("a process");
            child.wait().expect("a process");
        }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("desktop.sock")
    }

    /// Asks the desktop.
    pub fn ask(&self, request: &Request) -> Reply {
        ipc::ask(&self.socket(), request).expect("an answer")
    }

    /// Presses keys together and lets them go, the last one first.
    pub fn chord(&self, codes: &[u32]) {
        for code in codes {
            self.ask(&Request::Key { code: *code, pressed: true });
        }
        for code in codes.iter().rev() {
            self.ask(&Request::Key { code: *code, pressed: false });
        }
    }

    /// Types a text, see [`code`].
    pub fn types(&self, text: &str) {
        text.chars().for_each(|character| self.chord(&[code(character)]));
    }

    /// Everything about the desktop.
    pub fn state(&self) -> State {
        match self.ask(&Request::State) {
            Reply::State(state) => *state,
            other => panic!("{other:?}"),
        }
    }
}

impl Default for House {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill_desktop();
        let stopped =
            transom_hypervisor::client::stop(&self.dir.path().join(transom_hypervisor::paths::SOCKET_NAME));
        if !std::thread::panicking() {
            stopped.expect("the supervisor ends when it is asked to");
        }
    }
}

/// Looks again and again until there is an answer.
///
/// # Panics
/// If there is none after a minute.
pub fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    wait_for(what, look).unwrap_or_else(|reason| panic!("{reason}"))
}

/// As [`until`]; an answer that does not come is an error.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T, String> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(format!("not within a minute: {what}"));
        }
        // Another process is watched; there is nothing to wait on but time.
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A process that ends with its owner. It reads nothing; what it writes is lost, unless the command
/// says otherwise about its errors.
#[derive(Debug)]
pub struct Owned(Child);

impl Owned {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Self, String> {
        let what = command.get_program().to_owned();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        child.map(Self).map_err(|e| format!("{}: {e}", what.display()))
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
