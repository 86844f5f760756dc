//! The `transom qube …` command.
//!
//! Prints to the terminal. Everything printed was checked or cleaned by qubed: no text of a qube
//! reaches the terminal raw (rule CLEAN-TEXT).
#![allow(clippy::print_stdout, reason = "this is the command line")]

mod console;
mod edit;

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    path::Path,
    time::{Duration, Instant},
};

use clap::Subcommand;
use transom_protocol::supervisor::{
    BUILT_IN_LABELS, BackendChoice, Disposable, LabelName, NameError, QubeInfo, QubeName, QubeState,
    ReplyBody, RequestBody,
};

pub use self::edit::EditError;
use crate::client::{Client, ClientError, Launch, ensure_running, unexpected};

/// How long an answer that needs no waiting may take.
const SOON: Duration = Duration::from_secs(15);
/// How long copying may take: volumes are large, and disks slow.
const LONG: Duration = Duration::from_hours(24);
/// How long starting may take: longer than qubed itself allows.
const START: Duration = Duration::from_mins(4);

/// Manage qubes.
#[derive(Clone, Debug, Subcommand)]
pub enum QubeCommand {
    /// Show all qubes
    List {
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Show one qube
    Info {
        /// Its name
        name: QubeName,
    },
    /// Make a new qube
    Create {
        /// Its name: a-z, 0-9 and '-'
        name: QubeName,
        /// How far you trust it: red, orange, yellow, green, blue, purple, grey or black
        #[arg(long, short)]
        label: LabelName,
        /// The template it is made from
        #[arg(long)]
        template: Option<String>,
        /// What it runs on [default: the best that works here]
        #[arg(long, value_parser = parse_backend, value_name = "auto|sandbox|kvm|qemu")]
        backend: Option<BackendChoice>,
    },
    /// Make a copy of a halted qube, with all that is in it
    Clone {
        /// Its name
        name: QubeName,
        /// The copy's name
        new: QubeName,
    },
    /// Give a halted qube another name
    Rename {
        /// Its name
        name: QubeName,
        /// Its new name
        new: QubeName,
    },
    /// Change the file that describes a qube, in $VISUAL or $EDITOR
    Edit {
        /// Its name
        name: QubeName,
    },
    /// Start a qube
    Start {
        /// Its name
        name: QubeName,
    },
    /// End its programs and stop a qube
    Stop {
        /// Its name
        name: QubeName,
        /// After this many seconds it is killed
        #[arg(long, default_value_t = 10)]
        timeout: u64,
    },
    /// Stop a qube at once
    Kill {
        /// Its name
        name: QubeName,
    },
    /// Stop a qube where it is; its windows stay
    Pause {
        /// Its name
        name: QubeName,
    },
    /// Let a paused qube go on
    Resume {
        /// Its name
        name: QubeName,
    },
    /// Start a program in a running qube, or in one that is thrown away with its last window
    Run {
        /// Make a qube for this program alone: like the qube NAME, or of the template NAME, and empty
        #[arg(long)]
        disposable: bool,
        /// How far you trust the disposable [default: as its qube; red]
        #[arg(long, short, requires = "disposable")]
        label: Option<LabelName>,
        /// Its name
        name: String,
        /// Program and arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        argv: Vec<String>,
    },
    /// Delete a qube and everything in it
    Remove {
        /// Its name
        name: QubeName,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Show what a qube's console says, as it comes, until you interrupt it
    Console {
        /// Its name
        name: QubeName,
    },
    /// Show the end of what a qube's console said
    Log {
        /// Its name
        name: QubeName,
    },
}

fn parse_backend(text: &str) -> Result<BackendChoice, String> {
    match text {
        "auto" => Ok(BackendChoice::Auto),
        "sandbox" => Ok(BackendChoice::Sandbox),
        "kvm" => Ok(BackendChoice::Kvm),
        "qemu" => Ok(BackendChoice::Qemu),
        _ => Err("use auto, sandbox, kvm or qemu".to_owned()),
    }
}

/// Why a command failed: one line that says what and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// qubed refused, or cannot be reached.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// No such label.
    #[error("there is no label {0}: use one of {labels}", labels = BUILT_IN_LABELS.join(", "))]
    Label(LabelName),
    /// That is not the name of a qube.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Deleting needs a yes, and there is nobody to ask.
    #[error("this deletes {0} and everything in it: say --yes")]
    Confirm(QubeName),
    /// The person said no.
    #[error("nothing was deleted")]
    Declined,
    /// Its file was not changed.
    #[error(transparent)]
    Edit(#[from] edit::EditError),
    /// The terminal is gone.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

/// Runs a command against the qubed of this person, which is started if it does not run.
pub fn run(command: QubeCommand) -> Result<(), CliError> {
    let mut client = ensure_running(&Launch::default())?;
    run_with(&mut client, command, &mut io::stdout().lock())
}

/// Runs a command and writes what it says to `out`.
pub fn run_with(client: &mut Client, command: QubeCommand, out: &mut dyn io::Write) -> Result<(), CliError> {
    match command {
        QubeCommand::List { json } => {
            let qubes = client.list(Instant::now() + SOON)?;
            if json {
                serde_json::to_writer_pretty(&mut *out, &qubes).map_err(io::Error::from)?;
                writeln!(out)?;
            } else {
                table(&qubes, out)?;
            }
        }
        QubeCommand::Info { name } => {
            let reply = client.call(RequestBody::Info { qube: name }, Instant::now() + SOON)?;
            details(&qube(reply)?, out)?;
        }
        QubeCommand::Create { name, label, template, backend } => {
            if !label.is_built_in() {
                return Err(CliError::Label(label));
            }
            let backend = backend.unwrap_or_default();
            let body = RequestBody::Create { name, label, template, backend };
            client.call(body, Instant::now() + SOON)?;
        }
        QubeCommand::Clone { name, new } => {
            client.call(RequestBody::Clone { qube: name, name: new }, Instant::now() + LONG)?;
        }
        QubeCommand::Rename { name, new } => {
            client.call(RequestBody::Rename { qube: name, name: new }, Instant::now() + SOON)?;
        }
        QubeCommand::Edit { name } => edit::edit(client, &name, out)?,
        QubeCommand::Start { name } => {
            client.call(RequestBody::Start { qube: name }, Instant::now() + START)?;
        }
        QubeCommand::Stop { name, timeout } => {
            let timeout = timeout.min(3_600);
            let body = RequestBody::Stop { qube: name, timeout_ms: timeout * 1_000 };
            client.call(body, Instant::now() + Duration::from_secs(timeout) + SOON)?;
        }
        QubeCommand::Kill { name } => {
            client.call(RequestBody::Kill { qube: name }, Instant::now() + SOON)?;
        }
        QubeCommand::Pause { name } => {
            client.call(RequestBody::Pause { qube: name }, Instant::now() + SOON)?;
        }
        QubeCommand::Resume { name } => {
            client.call(RequestBody::Resume { qube: name }, Instant::now() + SOON)?;
        }
        QubeCommand::Run { disposable: true, label, name: pattern, argv } => {
            if let Some(label) = label.as_ref().filter(|label| !label.is_built_in()) {
                return Err(CliError::Label(label.clone()));
            }
            let body = RequestBody::RunDisposable { pattern, label, argv };
            writeln!(out, "{}", qube(client.call(body, Instant::now() + START)?)?.name)?;
        }
        QubeCommand::Run { name, argv, .. } => {
            let name = QubeName::new(&name)?;
            client.call(RequestBody::Run { qube: name, argv }, Instant::now() + START)?;
        }
        QubeCommand::Remove { name, yes } => {
            if !yes {
                confirm(&name, out)?;
            }
            client.call(RequestBody::Remove { qube: name }, Instant::now() + SOON)?;
        }
        QubeCommand::Console { name } => {
            let (_, path) = log(client, name)?;
            console::follow(Path::new(&path), out)?;
        }
        QubeCommand::Log { name } => {
            let (lines, path) = log(client, name)?;
            for line in lines {
                writeln!(out, "{line}")?;
            }
            writeln!(out, "All of it: {path}")?;
        }
    }
    Ok(())
}

/// The end of a log, and where all of it is.
fn log(client: &mut Client, name: QubeName) -> Result<(Vec<String>, String), ClientError> {
    match client.call(RequestBody::Log { qube: name }, Instant::now() + SOON)? {
        ReplyBody::Log { lines, path } => Ok((lines, path)),
        other => Err(unexpected(&other)),
    }
}

fn qube(reply: ReplyBody) -> Result<QubeInfo, ClientError> {
    match reply {
        ReplyBody::Qube { qube } => Ok(qube),
        other => Err(unexpected(&other)),
    }
}

fn table(qubes: &[QubeInfo], out: &mut dyn io::Write) -> io::Result<()> {
    if qubes.is_empty() {
        return writeln!(out, "There are no qubes. Make one: transom qube create NAME --label COLOUR");
    }
    let width = qubes.iter().map(|qube| qube.name.as_str().len()).max().unwrap_or(0).max(4);
    writeln!(out, "{:width$}  {:8}  {:9}  {:8}  NOTE", "NAME", "LABEL", "STATE", "BACKEND")?;
    for qube in qubes {
        let note = match (&qube.problem, &qube.state) {
            (Some(problem), _) => problem.as_str(),
            (None, QubeState::Failed { reason }) => reason,
            (None, _) if qube.disposable == Some(Disposable::Spare) => "disposable, ready",
            (None, _) if qube.disposable.is_some() && !qube.isolated => "disposable, not isolated",
            (None, _) if qube.disposable.is_some() => "disposable",
            (None, _) if !qube.isolated => "not isolated",
            (None, _) => "",
        };
        let (name, label, state, backend) = (&qube.name, &qube.label, &qube.state, qube.backend);
        let line = format!("{name:width$}  {label:8}  {state:9}  {backend:8}  {note}");
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn details(qube: &QubeInfo, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "name:     {}", qube.name)?;
    writeln!(out, "label:    {}", qube.label)?;
    writeln!(out, "state:    {}", qube.state)?;
    if let QubeState::Failed { reason } = &qube.state {
        writeln!(out, "reason:   {reason}")?;
    }
    let isolated = if qube.isolated { "isolated" } else { "not isolated: it shares dom0's kernel" };
    writeln!(out, "backend:  {} ({isolated})", qube.backend)?;
    if !qube.backend_reason.is_empty() {
        writeln!(out, "because:  {}", qube.backend_reason)?;
    }
    if let Some(template) = &qube.template {
        writeln!(out, "template: {template}")?;
    }
    match qube.disposable {
        Some(Disposable::Spare) => writeln!(out, "lasts:    no; it waits for a program")?,
        Some(Disposable::InUse) => writeln!(out, "lasts:    no; it ends with its last window")?,
        None => {}
    }
    if let Some(pid) = qube.pid {
        writeln!(out, "process:  {pid}")?;
    }
    if let Some(problem) = &qube.problem {
        writeln!(out, "problem:  {problem}")?;
    }
    Ok(())
}

fn confirm(name: &QubeName, out: &mut dyn io::Write) -> Result<(), CliError> {
    let input = io::stdin();
    if !input.is_terminal() {
        return Err(CliError::Confirm(name.clone()));
    }
    write!(out, "Delete {name} and everything in it? [y/N] ")?;
    out.flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(CliError::Declined) }
}
