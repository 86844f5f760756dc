//! Starting `transom-qubed` where it does not run yet.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    fs::{FlockOperation, flock},
    pipe::{PipeFlags, pipe_with},
};

use super::{Client, ClientError, wait_readable};
use crate::paths;

/// How long qubed may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Log of qubed in its runtime directory.
pub(crate) const LOG_NAME: &str = "qubed.log";
/// A log longer than this is set aside before the next start, in bytes.
const MAX_LOG: u64 = 1 << 20;

/// How to start qubed. [`Default`] is right for everything but tests.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// Its program; found beside the running one or in `PATH` if `None`.
    pub program: Option<PathBuf>,
    /// Its runtime directory; [`paths::runtime_dir`] if `None`.
    pub runtime_dir: Option<PathBuf>,
    /// Its data directory; it finds it itself if `None`.
    pub data_dir: Option<PathBuf>,
    /// The agent; it finds it itself if `None`.
    pub agent: Option<PathBuf>,
}

/// Connects to qubed, and starts it first if it does not run.
///
/// It is started in a session of its own and outlives the caller. This waits until it says that it
/// is ready.
pub fn ensure_running(launch: &Launch) -> Result<Client, ClientError> {
    let runtime_dir = match &launch.runtime_dir {
        Some(path) => {
            paths::private_dir(path)?;
            path.clone()
        }
        None => paths::runtime_dir()?,
    };
    let socket = runtime_dir.join(paths::SOCKET_NAME);
    if let Some(client) = connect(&socket)? {
        return Ok(client);
    }
    // One starter at a time. Whoever waited finds qubed running. The wait is bounded, for the
    // holder gives up after its own time.
    let lock = File::create(runtime_dir.join("start.lock"))?;
    flock(&lock, FlockOperation::LockExclusive)?;
    if let Some(client) = connect(&socket)? {
        return Ok(client);
    }
    start(launch, &runtime_dir)?;
    Client::connect(&socket)
}

/// `None` if nobody listens at the socket. One that does not answer is an error: a second one could
/// not start beside it.
fn connect(socket: &Path) -> Result<Option<Client>, ClientError> {
    match Client::connect(socket) {
        Ok(client) => Ok(Some(client)),
        Err(ClientError::NotRunning { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn not_started(reason: impl Into<String>) -> ClientError {
    ClientError::NotStarted { reason: reason.into() }
}

fn start(launch: &Launch, runtime_dir: &Path) -> Result<(), ClientError> {
    let program = launch.program.clone().or_else(|| paths::find_program("transom-qubed"));
    let program = program.ok_or_else(|| {
        not_started("the program transom-qubed is missing: install it beside this one or into PATH")
    })?;
    let log_path = runtime_dir.join(LOG_NAME);
    let log = open_log(&log_path)
        .map_err(|error| not_started(format!("cannot write {}: {error}", log_path.display())))?;
    let (ready, ready_write) = pipe_with(PipeFlags::CLOEXEC)?;
    let mut command = Command::new(&program);
    // Readiness is told on its standard output: no descriptor needs to be inherited by number.
    command.args(["--detach", "--ready-fd", "1", "--runtime-dir"]).arg(runtime_dir);
    if let Some(path) = &launch.data_dir {
        command.arg("--data-dir").arg(path);
    }
    if let Some(path) = &launch.agent {
        command.arg("--agent").arg(path);
    }
    command.stdin(Stdio::null()).stdout(Stdio::from(ready_write)).stderr(Stdio::from(log));
    let spawned = command.spawn();
    // Holds the other end of the pipe: without it the pipe would never end.
    drop(command);
    let mut child =
        spawned.map_err(|error| not_started(format!("cannot run {}: {error}", program.display())))?;
    let told = read_ready(ready, Instant::now() + START_TIMEOUT);
    // What was started only starts the real one, and ends.
    if told.is_err() {
        let _ = child.kill();
    }
    let _ = child.wait();
    match told? {
        line if line == "READY" => Ok(()),
        line if line.is_empty() => Err(not_started(format!("see {}", log_path.display()))),
        line => Err(not_started(line.strip_prefix("ERROR ").unwrap_or(&line))),
    }
}

/// Reads one line, or as much as comes before the end.
fn read_ready(pipe: OwnedFd, deadline: Instant) -> Result<String, ClientError> {
    let mut pipe = File::from(pipe);
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < 4_096 {
        wait_readable(&pipe, deadline)
            .map_err(|_| not_started(format!("not ready after {} s", START_TIMEOUT.as_secs())))?;
        let mut chunk = [0; 512];
        match pipe.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => line.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn open_log(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|meta| meta.len() > MAX_LOG) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    File::options().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn launch_script(script: &str) -> (tempfile::TempDir, Launch) {
        let temp = tempfile::tempdir().unwrap();
        let program = temp.path().join("qubed.sh");
        fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let runtime_dir = Some(temp.path().join("run"));
        (temp, Launch { program: Some(program), runtime_dir, ..Launch::default() })
    }

    #[test]
    fn its_reason_for_not_starting_is_told() {
        let (_temp, launch) = launch_script("echo 'ERROR the disk is full'");
        let error = ensure_running(&launch).unwrap_err();
        assert_eq!(error.to_string(), "transom-qubed did not start: the disk is full");
    }

    #[test]
    fn a_silent_end_points_to_the_log() {
        let (temp, launch) = launch_script("echo broken >&2; exit 3");
        let error = ensure_running(&launch).unwrap_err();
        assert!(error.to_string().contains("qubed.log"), "{error}");
        assert_eq!(fs::read_to_string(temp.path().join("run/qubed.log")).unwrap(), "broken\n");
    }

    #[test]
    fn a_missing_program_is_one_clear_line() {
        let (temp, mut launch) = launch_script("");
        launch.program = Some(temp.path().join("nothing"));
        let error = ensure_running(&launch).unwrap_err();
        assert!(error.to_string().starts_with("transom-qubed did not start: cannot run"), "{error}");
    }

    #[test]
    fn a_lie_about_being_ready_is_found_out() {
        let (_temp, launch) = launch_script("echo READY");
        assert!(matches!(ensure_running(&launch), Err(ClientError::NotRunning { .. })));
    }
}
