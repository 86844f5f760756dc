//! A qubed of its own for each test, in directories of its own.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use transom_hypervisor::{
    client::{Client, ClientError, Incoming},
    supervisor::{
        BackendChoice, ErrorBody, Event, LabelName, QubeInfo, QubeName, QubeState, ReplyBody, RequestBody,
    },
};

/// A guard against hanging for ever; never waited for when all is well.
pub(crate) fn deadline() -> Instant {
    Instant::now() + Duration::from_secs(100)
}

pub(crate) fn name(text: &str) -> QubeName {
    QubeName::new(text).unwrap()
}

/// Says why if sandboxes cannot run on this machine.
fn sandbox_problem() -> Option<&'static str> {
    static PROBLEM: OnceLock<Option<String>> = OnceLock::new();
    PROBLEM
        .get_or_init(|| {
            let arguments =
                ["--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "true"];
            match Command::new("bwrap").args(arguments).output() {
                Ok(output) if output.status.success() => None,
                Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
                Err(error) => Some(format!("bwrap: {error}")),
            }
        })
        .as_deref()
}

/// True if tests with real sandboxes can run; says why if not.
pub(crate) fn can_sandbox() -> bool {
    if let Some(problem) = sandbox_problem() {
        // Written past the test harness, so that a skipped test is seen.
        let _ = writeln!(io::stderr().lock(), "SKIP sandboxes cannot run here: {}", problem.trim());
        return false;
    }
    true
}

pub(crate) struct Qubed {
    child: Child,
    pub(crate) temp: tempfile::TempDir,
}

impl Qubed {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(more: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), more)
    }

    pub(crate) fn start_in(temp: tempfile::TempDir, more: &[&str]) -> Self {
        Self::start_from(temp, more, &std::env::var("PATH").unwrap())
    }

    /// One that finds its programs by `path`.
    pub(crate) fn start_from(temp: tempfile::TempDir, more: &[&str], path: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transom-qubed"));
        command
            .arg("--runtime-dir")
            .arg(temp.path().join("run"))
            .arg("--data-dir")
            .arg(temp.path().join("data"))
            .arg("--policy")
            .arg(temp.path().join("policy.kdl"))
            .args(["--ready-fd", "1"]);
        if !more.contains(&"--agent") {
            command.args(["--agent", env!("CARGO_BIN_EXE_transom-fake-agent")]);
        }
        let mut child = command
            .args(more)
            .env("PATH", path)
            .env("TRANSOM_TEST_SECRET", "dom0 only")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "READY\n");
        Self { child, temp }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.temp.path().join("run/qubed.sock")).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn qube_dir(&self, qube: &str) -> PathBuf {
        self.temp.path().join("data/qubes").join(qube)
    }

    /// Makes a qube whose agent behaves as `mode` says.
    pub(crate) fn create(&self, qube: &str, mode: &str) {
        self.create_with(qube, mode, "");
    }

    pub(crate) fn create_with(&self, qube: &str, mode: &str, more: &str) {
        create(&mut self.client(), qube).unwrap();
        self.write_file(qube, mode, more);
    }

    /// Writes its file anew.
    pub(crate) fn write_file(&self, qube: &str, mode: &str, more: &str) {
        let text = format!("label \"blue\"\n{more}\nenvironment {{\n    FAKE_AGENT \"{mode}\"\n}}\n");
        fs::write(self.qube_dir(qube).join("qube.kdl"), text).unwrap();
    }

    /// Makes and starts a qube.
    pub(crate) fn up(&self, qube: &str, mode: &str) {
        self.create(qube, mode);
        assert_eq!(start(&mut self.client(), qube).unwrap().state, QubeState::Running);
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> (std::process::ExitStatus, tempfile::TempDir) {
        let status = self.child.wait().unwrap();
        let temp = std::mem::replace(&mut self.temp, tempfile::tempdir().unwrap());
        (status, temp)
    }
}

impl Drop for Qubed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn call(client: &mut Client, body: RequestBody) -> Result<ReplyBody, ErrorBody> {
    match client.call(body, deadline()) {
        Ok(reply) => Ok(reply),
        Err(ClientError::Refused(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

fn qube(reply: Result<ReplyBody, ErrorBody>) -> Result<QubeInfo, ErrorBody> {
    match reply? {
        ReplyBody::Qube { qube } => Ok(qube),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn create(client: &mut Client, qube: &str) -> Result<QubeInfo, ErrorBody> {
    let label = LabelName::new("blue").unwrap();
    let backend = BackendChoice::Auto;
    let body = RequestBody::Create { name: name(qube), label, template: None, backend, plain: false };
    self::qube(call(client, body))
}

pub(crate) fn start(client: &mut Client, qube: &str) -> Result<QubeInfo, ErrorBody> {
    self::qube(call(client, RequestBody::Start { qube: name(qube) }))
}

pub(crate) fn stop(client: &mut Client, qube: &str, timeout_ms: u64) -> Result<QubeInfo, ErrorBody> {
    self::qube(call(client, RequestBody::Stop { qube: name(qube), timeout_ms }))
}

pub(crate) fn info(client: &mut Client, qube: &str) -> Result<QubeInfo, ErrorBody> {
    self::qube(call(client, RequestBody::Info { qube: name(qube) }))
}

pub(crate) fn run(client: &mut Client, qube: &str, argv: &[&str]) -> Result<ReplyBody, ErrorBody> {
    let argv = argv.iter().map(|argument| (*argument).to_owned()).collect();
    call(client, RequestBody::Run { qube: name(qube), argv })
}

pub(crate) fn log(client: &mut Client, qube: &str) -> Vec<String> {
    match call(client, RequestBody::Log { qube: name(qube) }).unwrap() {
        ReplyBody::Log { lines, .. } => lines,
        other => panic!("{other:?}"),
    }
}

/// The next message, waited for.
pub(crate) fn next(client: &mut Client) -> (Incoming, Vec<OwnedFd>) {
    loop {
        if let Some(message) = client.recv().unwrap() {
            return message;
        }
        let left = Timespec::try_from(deadline() - Instant::now()).unwrap();
        assert!(poll(&mut [PollFd::new(&*client, PollFlags::IN)], Some(&left)).unwrap() > 0, "nothing came");
    }
}

/// The next event that `pick` takes; others are skipped.
pub(crate) fn await_event<T>(
    client: &mut Client,
    mut pick: impl FnMut(Event, Vec<OwnedFd>) -> Option<T>,
) -> T {
    loop {
        if let (Incoming::Event(event), fds) = next(client)
            && let Some(found) = pick(event, fds)
        {
            return found;
        }
    }
}

pub(crate) fn await_state(client: &mut Client, qube: &str, pick: impl Fn(&QubeState) -> bool) -> QubeInfo {
    await_event(client, |event, _| match event {
        Event::QubeState { qube: info } if info.name.as_str() == qube && pick(&info.state) => Some(info),
        _ => None,
    })
}

/// A client in the compositor's role.
pub(crate) fn attach(qubed: &Qubed) -> Client {
    let mut client = qubed.client();
    let reply = call(&mut client, RequestBody::Attach).unwrap();
    assert!(matches!(reply, ReplyBody::Attached { .. }));
    client
}

/// The control stream of the next link of a qube.
pub(crate) fn await_link(client: &mut Client, qube: &str) -> (u64, Display) {
    await_event(client, |event, mut fds| match event {
        Event::Link { qube: info, link_id, .. } if info.name.as_str() == qube => {
            assert_eq!(fds.len(), 1);
            assert!(!info.isolated);
            Some((link_id, Display::new(fds.remove(0))))
        }
        _ => None,
    })
}

/// The compositor's end of the fake agent's control stream.
pub(crate) struct Display {
    stream: BufReader<UnixStream>,
    pub(crate) greeting: String,
}

impl Display {
    fn new(fd: OwnedFd) -> Self {
        let stream = UnixStream::from(fd);
        stream.set_nonblocking(false).unwrap();
        let mut stream = BufReader::new(stream);
        let mut greeting = String::new();
        stream.read_line(&mut greeting).unwrap();
        Self { stream, greeting: greeting.trim().to_owned() }
    }

    /// Runs a shell command in the qube and gives its output.
    pub(crate) fn ask(&mut self, command: &str) -> String {
        writeln!(self.stream.get_mut(), "{command}").unwrap();
        let mut length = String::new();
        self.stream.read_line(&mut length).unwrap();
        let mut answer = vec![0; length.trim().parse().unwrap()];
        self.stream.read_exact(&mut answer).unwrap();
        String::from_utf8(answer).unwrap().trim_end().to_owned()
    }

    /// Waits until the agent's end is closed.
    pub(crate) fn await_end(mut self) {
        let mut rest = Vec::new();
        let _ = self.stream.read_to_end(&mut rest);
    }
}

/// Waits until a process is gone, without being its parent.
pub(crate) fn await_gone(pid: u32) {
    let Some(pid) = rustix::process::Pid::from_raw(pid as i32) else { return };
    let Ok(fd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else { return };
    let left = Timespec::try_from(deadline() - Instant::now()).unwrap();
    assert!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)).unwrap() > 0, "it does not end");
}

/// As [`processes_with`], once there are some. A program that was started has no command line for a
/// moment: its parent goes on when the old memory is gone, not when the new one is filled.
pub(crate) fn await_processes_with(text: &str) -> Vec<u32> {
    let end = deadline();
    loop {
        let found = processes_with(text);
        if !found.is_empty() {
            return found;
        }
        assert!(Instant::now() < end, "no process with {text:?}");
        std::thread::yield_now();
    }
}

/// Processes of dom0 whose command line holds `text`.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            fs::read(Path::new("/proc").join(pid.to_string()).join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
        })
        .collect()
}
