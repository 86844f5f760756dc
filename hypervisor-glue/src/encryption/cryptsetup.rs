//! Running `cryptsetup`, the program of the people who keep LUKS2. It needs no rights for what is asked
//! of it here, and neither device mapper nor the kernel's ciphers.
//!
//! Keys and passphrases go in by standard input and come out by standard output, never by arguments,
//! environment or files.

use std::{
    ffi::OsStr,
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use rustix::pipe::{PipeFlags, pipe_with};
use transom_protocol::text::clean;

use super::EncryptionError;
use crate::{memory::Secret, paths, user};

/// Most that is read of what it says: the JSON of a header has at most 4 MiB, ours about 1 KiB.
const MAX_OUTPUT: usize = 64 << 10;
/// Longest complaint that is shown, in bytes.
const MAX_COMPLAINT: usize = 200;

/// What it ended with.
#[derive(Debug)]
pub(super) struct Said {
    status: ExitStatus,
    /// What it printed; may hold keys.
    pub(super) output: Secret,
    /// Its last complaint, in one line.
    complaint: String,
}

impl Said {
    pub(super) fn is_good(&self) -> bool {
        self.status.success()
    }

    /// No key slot is opened by what it was given.
    pub(super) fn is_wrong_key(&self) -> bool {
        self.status.code() == Some(2)
    }

    /// An error that names what it said.
    pub(super) fn failed(&self, path: &Path) -> EncryptionError {
        let why = match (self.complaint.is_empty(), self.status.code()) {
            (false, _) => self.complaint.clone(),
            // Of its manual page.
            (true, Some(3)) => "out of memory".to_owned(),
            (true, _) => format!("cryptsetup: {}", self.status),
        };
        EncryptionError::Refused { path: path.to_owned(), why }
    }
}

/// The program. It is where only root's `PATH` leads.
fn program() -> Result<PathBuf, EncryptionError> {
    let usual = ["/usr/sbin/cryptsetup", "/sbin/cryptsetup"].map(PathBuf::from);
    paths::in_path("cryptsetup")
        .or_else(|| usual.into_iter().find(|path| paths::is_program(path)))
        .ok_or(EncryptionError::NoProgram)
}

/// True if it is installed.
pub(super) fn is_there() -> bool {
    program().is_ok()
}

/// Runs it on the file at `path`, with `input` as its standard input. Waits.
pub(super) fn run(action: &str, more: &[&str], path: &Path, input: &[u8]) -> Result<Said, EncryptionError> {
    run_with(action, more, path, None, input)
}

/// The same, with what it wants to know after the file.
pub(super) fn run_with(
    action: &str,
    more: &[&str],
    path: &Path,
    after: Option<&str>,
    input: &[u8],
) -> Result<Said, EncryptionError> {
    let at = |doing| move |source| EncryptionError::System { doing, source };
    let mut command = Command::new(program()?);
    command
        .args([action, "--batch-mode"])
        .args(more)
        .args([OsStr::new("--"), path.as_os_str()])
        .args(after)
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(filled_pipe(input).map_err(at("hand a key to cryptsetup"))?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let starting = user::starting();
    let mut child = command.spawn().map_err(at("run cryptsetup"))?;
    drop(starting);
    // It says little, less than a pipe holds, until it has ended.
    let output = child.stdout.take().map(|output| Secret::read(output, MAX_OUTPUT)).transpose();
    let mut complaints = Vec::new();
    let heard = child
        .stderr
        .take()
        .map(|stderr| io::Read::read_to_end(&mut io::Read::take(stderr, MAX_OUTPUT as u64), &mut complaints));
    let status = child.wait().map_err(at("wait for cryptsetup"))?;
    heard.transpose().map_err(at("hear cryptsetup"))?;
    let output = output.map_err(at("hear cryptsetup"))?.flatten();
    let output = output.ok_or_else(|| at("hear cryptsetup")(io::ErrorKind::FileTooLarge.into()))?;
    let complaint =
        complaints.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
    Ok(Said { status, output, complaint: clean(complaint, MAX_COMPLAINT) })
}

/// A pipe with these bytes in it, and the end behind them. They are few: a pipe holds 4 KiB at least.
pub(crate) fn filled_pipe(bytes: &[u8]) -> io::Result<OwnedFd> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&write, true)?;
    let mut file = fs::File::from(write);
    io::Write::write_all(&mut file, bytes)?;
    Ok(read)
}
