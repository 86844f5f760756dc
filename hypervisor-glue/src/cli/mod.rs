//! The `transom qube …` command.
//!
//! Prints to the terminal. Everything printed was checked or cleaned by qubed: no text of a qube
//! reaches the terminal raw (rule CLEAN-TEXT).
#![allow(clippy::print_stdout, reason = "this is the command line")]

mod console;
mod edit;
mod passphrase;
mod programs;
mod settings;
mod updates;

use std::{
    io::{self, BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Subcommand;
use transom_protocol::supervisor::{
    BUILT_IN_LABELS, BackendChoice, Disposable, ErrorKind, LabelName, NameError, NetworkTo, Program,
    QubeInfo, QubeName, QubeState, ReplyBody, RequestBody, Storage,
};

pub use self::edit::EditError;
use crate::{
    client::{Client, ClientError, CopyError, Launch, copy_command, ensure_running, unexpected},
    encryption::EncryptionError,
};

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
        /// Leave its volume readable for whoever has the disk
        #[arg(long)]
        no_encryption: bool,
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
    /// Choose the qube that a qube's network goes through, at once if it runs
    ///
    /// Without NETWORK the rules in its file count at once as they stand there now.
    Network {
        /// Its name
        name: QubeName,
        /// The other qube, or `none`
        network: Option<String>,
    },
    /// Change what a qube's file says, without an editor
    ///
    /// All but the start with the desktop needs a halted qube.
    Set {
        /// Its name
        name: QubeName,
        #[command(flatten)]
        changes: settings::Changed,
    },
    /// Encrypt the volume of a halted qube that was made without
    Encrypt {
        /// Its name
        name: QubeName,
    },
    /// Let this computer's passphrase open volumes that came from another one, in a backup
    TakeOver {
        /// Which
        #[arg(required = true)]
        name: Vec<QubeName>,
        /// Read the passphrase of the other computer from this open descriptor
        #[arg(long, value_name = "N")]
        passphrase_fd: Option<u32>,
    },
    /// Change the passphrase of all encrypted volumes
    Passphrase {
        /// Read the old one from this open descriptor
        #[arg(long, value_name = "N", requires = "new_passphrase_fd")]
        passphrase_fd: Option<u32>,
        /// Read the new one from this open descriptor
        #[arg(long, value_name = "N", requires = "passphrase_fd")]
        new_passphrase_fd: Option<u32>,
    },
    /// Start a program in a qube, which is started for it, or in one that is thrown away with its last window
    Run {
        /// Make a qube for this program alone: like the qube NAME, or of the template NAME, and empty
        #[arg(long)]
        disposable: bool,
        /// How far you trust the disposable [default: as its qube; red]
        #[arg(long, short, requires = "disposable")]
        label: Option<LabelName>,
        /// Its name
        name: String,
        /// A program that the qube lists, by the id that `transom qube programs` shows
        #[arg(long, short, value_name = "ID", conflicts_with = "argv")]
        program: Option<String>,
        /// Program and arguments
        #[arg(required_unless_present = "program", trailing_var_arg = true, allow_hyphen_values = true)]
        argv: Vec<String>,
    },
    /// Copy files and folders of dom0 to a qube; they arrive in QubesIncoming/dom0 of its home
    Copy {
        /// Its name; it is started
        name: QubeName,
        /// Files and folders
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
    /// Show the programs of a qube, as it listed them
    Programs {
        /// Its name
        name: QubeName,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Show which packages of a qube could be newer, as it told
    Updates {
        /// Its name
        name: QubeName,
        /// As JSON, for programs
        #[arg(long)]
        json: bool,
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
    /// There is nothing to change.
    #[error("no passphrase is set yet: set one with `transom unlock`")]
    NoPassphrase,
    /// There is nobody to ask.
    #[error("there is no terminal to ask for the passphrase: say --passphrase-fd N")]
    NoTerminal,
    /// Typed differently.
    #[error("the two are not the same; nothing was changed")]
    Differ,
    /// It cannot be a passphrase.
    #[error(transparent)]
    Passphrase(#[from] EncryptionError),
    /// Not to be read.
    #[error("cannot read a passphrase from descriptor {fd}: {source}")]
    Descriptor {
        /// Its number.
        fd: u32,
        /// Why.
        source: io::Error,
    },
    /// Its file was not changed.
    #[error(transparent)]
    Edit(#[from] edit::EditError),
    /// It has none of that id.
    #[error("{0} lists no program {1:?}: `transom qube programs {0}` shows those that it lists")]
    NoProgram(QubeName, String),
    /// The tool that copies is not there.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// It has said why.
    #[error("nothing was copied to {0}")]
    NotCopied(QubeName),
    /// The terminal is gone.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl CliError {
    fn refusal(&self) -> Option<ErrorKind> {
        match self {
            Self::Client(ClientError::Refused(refusal)) => Some(refusal.kind),
            _ => None,
        }
    }

    /// True if trying again may help.
    fn is_mistyped(&self) -> bool {
        self.refusal() == Some(ErrorKind::WrongPassphrase) || matches!(self, Self::Passphrase(_))
    }
}

/// Runs `transom unlock`: the passphrase comes from descriptor `fd`, or is asked for.
pub fn unlock(fd: Option<u32>) -> Result<(), CliError> {
    passphrase::unlock(&mut ensure_running(&Launch::default())?, fd, &mut io::stdout().lock())
}

/// Runs `transom lock-store`.
pub fn lock_store() -> Result<(), CliError> {
    let mut client = ensure_running(&Launch::default())?;
    client.call(RequestBody::LockStore, Instant::now() + SOON)?;
    Ok(())
}

/// Starts a qube. A person who can be asked is asked for the passphrase if that is missing.
fn start(client: &mut Client, name: QubeName, out: &mut dyn io::Write) -> Result<(), CliError> {
    call_unlocked(client, &RequestBody::Start { qube: name }, out).map(drop)
}

/// Asks for something that starts a qube, and for the passphrase as [`start`] does.
fn call_unlocked(
    client: &mut Client,
    body: &RequestBody,
    out: &mut dyn io::Write,
) -> Result<ReplyBody, CliError> {
    let call =
        |client: &mut Client| client.call(body.clone(), Instant::now() + START).map_err(CliError::from);
    match call(client) {
        Err(error) if error.refusal() == Some(ErrorKind::Locked) && io::stdin().is_terminal() => {
            passphrase::unlock(client, None, out)?;
            call(client)
        }
        other => other,
    }
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
                write_json(&qubes, out)?;
            } else {
                table(&qubes, out)?;
            }
        }
        QubeCommand::Info { name } => {
            let reply = client.call(RequestBody::Info { qube: name }, Instant::now() + SOON)?;
            let qube = qube(reply)?;
            let used = settings::usage(client, &qube)?;
            details(&qube, out)?;
            settings::show(&qube, used.as_ref(), out)?;
        }
        QubeCommand::Create { name, label, template, backend, no_encryption } => {
            if !label.is_built_in() {
                return Err(CliError::Label(label));
            }
            let backend = backend.unwrap_or_default();
            let body = RequestBody::Create { name, label, template, backend, plain: no_encryption };
            client.call(body, Instant::now() + SOON)?;
        }
        QubeCommand::Clone { name, new } => {
            client.call(RequestBody::Clone { qube: name, name: new }, Instant::now() + LONG)?;
        }
        QubeCommand::Rename { name, new } => {
            client.call(RequestBody::Rename { qube: name, name: new }, Instant::now() + SOON)?;
        }
        QubeCommand::Edit { name } => edit::edit(client, &name, out)?,
        QubeCommand::Start { name } => start(client, name, out)?,
        QubeCommand::Network { name, network } => {
            let to = match network.as_deref() {
                None => NetworkTo::Same,
                Some("none") => NetworkTo::Nothing,
                Some(other) => NetworkTo::Qube(QubeName::new(other)?),
            };
            client.call(RequestBody::Network { qube: name, to }, Instant::now() + SOON)?;
        }
        QubeCommand::Set { name, changes } => settings::set(client, name, changes)?,
        QubeCommand::Encrypt { name } => {
            client.call(RequestBody::Encrypt { qube: name }, Instant::now() + LONG)?;
        }
        QubeCommand::TakeOver { name, passphrase_fd } => {
            passphrase::take_over(client, &name, passphrase_fd, out)?;
        }
        QubeCommand::Passphrase { passphrase_fd, new_passphrase_fd } => {
            passphrase::change(client, passphrase_fd.zip(new_passphrase_fd), out)?;
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
        QubeCommand::Run { disposable: true, label, name: pattern, program, argv } => {
            if let Some(label) = label.as_ref().filter(|label| !label.is_built_in()) {
                return Err(CliError::Label(label.clone()));
            }
            let program = wanted(program, argv);
            let body = RequestBody::RunDisposable { pattern, label, program };
            writeln!(out, "{}", qube(client.call(body, Instant::now() + START)?)?.name)?;
        }
        QubeCommand::Run { name, program, argv, .. } => {
            let qube = QubeName::new(&name)?;
            if let Some(id) = &program {
                programs::check(client, &qube, id)?;
            }
            call_unlocked(client, &RequestBody::Open { qube, program: wanted(program, argv) }, out)?;
        }
        QubeCommand::Copy { name, paths } => {
            // What keeps it from starting is said more clearly than the tool can.
            start(client, name.clone(), out)?;
            let copied = copy_command(&name, paths)?.status()?;
            if !copied.success() {
                return Err(CliError::NotCopied(name));
            }
        }
        QubeCommand::Programs { name, json } => programs::show(client, &name, json, out)?,
        QubeCommand::Updates { name, json } => updates::show(client, &name, json, out)?,
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

/// What is to be started: by its id if one was given.
fn wanted(id: Option<String>, argv: Vec<String>) -> Program {
    match id {
        Some(id) => Program::Listed { id },
        None => Program::Command { argv },
    }
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

/// Says something to other programs.
fn write_json(value: &impl serde::Serialize, out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    writeln!(out)
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
    let storage = match qube.storage {
        Storage::Encrypted => "encrypted",
        Storage::Plain => "not encrypted; `transom qube encrypt` does that",
        Storage::Directory => "not encrypted, unless dom0's own files are: its home is a directory of dom0",
        Storage::Memory => "in memory; nothing of it is on a disk",
        Storage::Unknown => "not known",
    };
    writeln!(out, "storage:  {storage}")?;
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
