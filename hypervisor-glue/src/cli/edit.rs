//! `transom qube edit`: a person changes the file that describes a qube, and what is no such file is
//! never put in its place.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Instant,
};

use transom_protocol::supervisor::{QubeName, ReplyBody, RequestBody};

use super::{CliError, SOON, qube};
use crate::{
    client::{Client, unexpected},
    store::{FileError, MAX_QUBE_FILE, parse, reason, replace},
};

/// Why a qube's file stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The editor did not do its work.
    #[error("the editor {} {how}; set EDITOR to another one", .program.display())]
    Editor {
        /// Which.
        program: PathBuf,
        /// What became of it.
        how: String,
    },
    /// What was written is no such file.
    #[error("{0}; nothing was changed")]
    Bad(FileError),
    /// It is longer than such a file can be.
    #[error("a qube's file has at most {MAX_QUBE_FILE} bytes; nothing was changed")]
    Long,
    /// Somebody else changed it.
    #[error("the file was changed by somebody else meanwhile; what you wrote is in {}", .0.display())]
    Changed(PathBuf),
    /// Reading or writing failed.
    #[error("cannot use {}: {}", .path.display(), reason(.source))]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> EditError {
    move |source| EditError::Io { path: path.to_owned(), source }
}

/// Lets a person change a qube's file.
pub(super) fn edit(client: &mut Client, name: &QubeName, out: &mut dyn io::Write) -> Result<(), CliError> {
    let path = match client.call(RequestBody::File { qube: name.clone() }, Instant::now() + SOON)? {
        ReplyBody::File { path } => PathBuf::from(path),
        other => return Err(unexpected(&other).into()),
    };
    let old = fs::read_to_string(&path).map_err(at(&path))?;
    // An editor may put another file in this one's place: it is known by its name only.
    let dir = tempfile::Builder::new().prefix("transom-").tempdir().map_err(at(&env::temp_dir()))?;
    let draft = dir.path().join(format!("{name}.kdl"));
    fs::write(&draft, &old).map_err(at(&draft))?;
    let new = loop {
        run_editor(&draft)?;
        let error = match read(&draft)? {
            Ok(new) => break new,
            Err(error) => error,
        };
        if !again(&error, out)? {
            return Err(error.into());
        }
    };
    if new == old {
        return Ok(());
    }
    if fs::read_to_string(&path).ok().as_ref() != Some(&old) {
        return Err(EditError::Changed(dir.keep().join(format!("{name}.kdl"))).into());
    }
    replace(&path, new.as_bytes()).map_err(at(&path))?;
    let reply = client.call(RequestBody::Info { qube: name.clone() }, Instant::now() + SOON)?;
    if qube(reply)?.state.is_up() {
        writeln!(out, "{name} is running: this counts from its next start.")?;
    }
    Ok(())
}

fn run_editor(draft: &Path) -> Result<(), EditError> {
    let set = ["VISUAL", "EDITOR"].into_iter().filter_map(env::var_os).find(|value| !value.is_empty());
    // Debian's name for the one that the machine's owner chose.
    let program = set.unwrap_or_else(|| OsString::from("editor"));
    let failed = |how: String| EditError::Editor { program: PathBuf::from(&program), how };
    // The variable may hold arguments.
    let status = Command::new("sh")
        .args(["-c", "exec $0 \"$1\""])
        .args([program.as_os_str(), draft.as_os_str()])
        .status()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    if status.success() { Ok(()) } else { Err(failed(ended(status))) }
}

fn ended(status: ExitStatus) -> String {
    match status.code() {
        Some(127) => "is not installed".to_owned(),
        Some(code) => format!("ended with status {code}, and nothing was changed"),
        None => "was ended by a signal, and nothing was changed".to_owned(),
    }
}

/// What was written, or what is wrong with it.
fn read(draft: &Path) -> Result<Result<String, EditError>, EditError> {
    if fs::metadata(draft).map_err(at(draft))?.len() > MAX_QUBE_FILE {
        return Ok(Err(EditError::Long));
    }
    let text = fs::read_to_string(draft).map_err(at(draft))?;
    let name = draft.file_name().map(PathBuf::from).unwrap_or_default();
    Ok(parse(&name, &text).map(|_| text).map_err(EditError::Bad))
}

/// True if a person wants to mend it.
fn again(error: &EditError, out: &mut dyn io::Write) -> io::Result<bool> {
    let input = io::stdin();
    if !input.is_terminal() {
        return Ok(false);
    }
    write!(out, "{error}. Edit it again? [Y/n] ")?;
    out.flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(!answer.trim().to_lowercase().starts_with('n'))
}
