//! The `transom` command: the desktop, and talking to it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod demo;
mod outputs;
mod session;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use transom_hypervisor::{
    backup::cli::BackupCommand, cli::QubeCommand, image::cli::ImageCommand, policy::Policy,
};

use self::session::On;
use crate::{
    config::Loaded,
    ipc::{self, NightMode, Reply, Request},
    render::canvas::RendererKind,
    screens::Monitor,
};

/// How long `transom msg lock` waits for the screens.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);

/// A seamless desktop over many virtual machines.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The desktop of this machine: its monitors and devices, from a console.
    Session(Session),
    /// The desktop in a window of the desktop that runs now.
    Nested(Session),
    /// The desktop without a screen; `transom msg` sees and moves it.
    Headless(Session),
    /// Three qubes on one desktop: to use where there is a display, else by a scripted person.
    Demo(demo::Demo),
    /// Everything about qubes.
    #[command(subcommand)]
    Qube(QubeCommand),
    /// Open the encrypted volumes of your qubes; the first time, set the passphrase for that.
    Unlock {
        /// Read the passphrase from this open descriptor
        #[arg(long, value_name = "N")]
        passphrase_fd: Option<u32>,
    },
    /// Forget what opens the encrypted volumes. Qubes that run go on.
    LockStore,
    /// What virtual machines boot from.
    #[command(subcommand)]
    Image(ImageCommand),
    /// Save qubes in one encrypted file, and restore them.
    #[command(subcommand)]
    Backup(BackupCommand),
    /// Ask the desktop that runs, or tell it something.
    Msg {
        #[command(subcommand)]
        message: Message,
    },
    /// Print what completes the commands of `transom` in a shell.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write a page of the manual for each command into a folder.
    Manual {
        /// The folder; it must be there.
        folder: PathBuf,
    },
    /// Read the config file and say what is wrong with it.
    Validate {
        /// The file; the usual one if not given.
        config: Option<PathBuf>,
    },
}

/// How a desktop is started.
#[derive(Clone, Debug, Args)]
pub struct Session {
    /// Who draws.
    #[arg(long, value_enum, default_value_t)]
    renderer: RendererKind,
    /// Size in device pixels; monitors have their own.
    #[arg(long, default_value = "1920x1080", value_parser = parse_size)]
    size: (u32, u32),
    /// Scale of screens that have none of their own, from 0.5 to 4.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// A screen of `transom headless`: NAME=1920x1080, then @SCALE and +X+Y (logical pixels) as you
    /// like. Once for each.
    #[arg(long = "output", value_parser = outputs::parse)]
    outputs: Vec<Monitor>,
    /// The config file; the usual one if not given.
    #[arg(long)]
    config: Option<PathBuf>,
}

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let parsed = text
        .split_once('x')
        .and_then(|(w, h)| Some((w.parse::<u32>().ok()?, h.parse::<u32>().ok()?)))
        .filter(|(w, h)| (64..=16_384).contains(w) && (64..=16_384).contains(h));
    parsed.ok_or_else(|| "give a size such as 1920x1080".into())
}

#[derive(Debug, Subcommand)]
enum Message {
    /// Everything about the desktop, as JSON.
    State,
    /// The same, and from then on what of it changes: one line of JSON each.
    Events,
    /// The form of requests and answers, as a JSON schema.
    Schema,
    /// Do what a chord does, as the config file names it: `action workspace 3`.
    Action {
        /// The action and what it needs.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Devices with the settings in force, as JSON.
    Inputs,
    /// The monitors, as JSON.
    Outputs,
    /// Make a monitor dark, or light it.
    Output {
        /// Its connector.
        name: String,
        /// What it should be.
        #[arg(value_enum)]
        power: Power,
    },
    /// Night colour, at once and until it is said otherwise.
    Night {
        /// Night, day, or as the config's schedule says.
        #[arg(value_enum)]
        mode: Night,
    },
    /// Show notifications of qubes, or keep them until they are wanted again.
    Notifications {
        /// Show them.
        #[arg(value_enum)]
        show: Switched,
    },
    /// Write the desktop to a PNG file.
    Screenshot {
        /// The file.
        path: PathBuf,
        /// Only this screen, by its connector.
        #[arg(long)]
        output: Option<String>,
    },
    /// Open the qube manager.
    Manager,
    /// Lock the desktop; this ends when no screen shows it any more.
    Lock,
    /// Stop all qubes, then end the desktop.
    Logout,
    /// End the desktop; qubes go on.
    Quit,
    /// Any request, as the control socket takes it (JSON).
    Raw {
        /// The request.
        json: String,
    },
}

/// A monitor's light.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Power {
    /// It shows the desktop.
    On,
    /// It is dark.
    Off,
}

/// Notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Switched {
    /// They are shown.
    On,
    /// They are kept.
    Off,
}

/// Night colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Night {
    /// Night.
    On,
    /// Day.
    Off,
    /// As the schedule says.
    Auto,
}

/// Runs the command.
pub fn main(cli: Cli) -> ExitCode {
    // A reader that goes away ends the program quietly, as for every command of a pipe.
    let outcome = match cli.command {
        Command::Session(options) => session::run(&options, On::Seat),
        Command::Nested(options) => session::run(&options, On::Window),
        Command::Headless(options) => session::run(&options, On::Nowhere),
        Command::Demo(options) => demo::run(&options),
        Command::Qube(command) => transom_hypervisor::cli::run(command).map_err(|e| e.to_string()),
        Command::Unlock { passphrase_fd } => {
            transom_hypervisor::cli::unlock(passphrase_fd).map_err(|e| e.to_string())
        }
        Command::LockStore => transom_hypervisor::cli::lock_store().map_err(|e| e.to_string()),
        Command::Image(command) => transom_hypervisor::image::cli::run(command).map_err(|e| e.to_string()),
        Command::Backup(command) => transom_hypervisor::backup::cli::run(command).map_err(|e| e.to_string()),
        Command::Msg { message } => send(message),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "transom", &mut text);
            print(String::from_utf8_lossy(&text).trim_end())
        }
        Command::Manual { folder } => clap_mangen::generate_to(Cli::command(), &folder)
            .map_err(|error| format!("{}: {error}", folder.display())),
        Command::Validate { config } => validate(config),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("transom: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where the control socket is.
pub(crate) fn socket_path() -> Result<PathBuf, String> {
    Ok(transom_hypervisor::paths::runtime_dir().map_err(|e| e.to_string())?.join("desktop.sock"))
}

fn send(message: Message) -> Result<(), String> {
    let request = match message {
        Message::State => Request::State,
        Message::Events => return listen(),
        Message::Schema => return print(&ipc::schema()),
        Message::Action { words } => Request::Action { words },
        Message::Inputs => Request::Inputs,
        Message::Outputs => Request::Outputs,
        Message::Output { name, power } => Request::Power { output: name, on: power == Power::On },
        Message::Night { mode } => Request::Night {
            mode: match mode {
                Night::On => NightMode::On,
                Night::Off => NightMode::Off,
                Night::Auto => NightMode::Auto,
            },
        },
        Message::Notifications { show } => Request::Notifications { on: show == Switched::On },
        Message::Screenshot { path, output } => {
            Request::Screenshot { path: std::path::absolute(path).map_err(|e| e.to_string())?, output }
        }
        Message::Manager => Request::Manager,
        Message::Lock => return lock(),
        Message::Logout => Request::Logout,
        Message::Quit => Request::Quit,
        Message::Raw { json } => {
            serde_json::from_str(&json).map_err(|e| format!("the request cannot be read: {e}"))?
        }
    };
    match ipc::ask(&socket_path()?, &request).map_err(|e| e.to_string())? {
        Reply::Done => Ok(()),
        // Only those who listen are told.
        changed @ Reply::Changed { .. } => {
            print(&serde_json::to_string(&changed).map_err(|e| e.to_string())?)
        }
        Reply::Outputs { outputs } => {
            print(&serde_json::to_string_pretty(&outputs).map_err(|e| e.to_string())?)
        }
        Reply::State(state) => print(&serde_json::to_string_pretty(&state).map_err(|e| e.to_string())?),
        Reply::Inputs(inputs) => print(&serde_json::to_string_pretty(&inputs).map_err(|e| e.to_string())?),
        Reply::Error { message } => Err(message),
    }
}

/// Locks, and waits until that is done.
fn lock() -> Result<(), String> {
    let path = socket_path()?;
    let ask = |request| ipc::ask(&path, &request).map_err(|e| e.to_string());
    ask(Request::Lock)?;
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        match ask(Request::State)? {
            Reply::State(state) if state.lock == "locked" => return Ok(()),
            _ if Instant::now() >= end => {
                return Err("the desktop is locked, but a screen has not shown that yet".into());
            }
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Prints news until the desktop ends, or nobody reads.
fn listen() -> Result<(), String> {
    for reply in ipc::listen(&socket_path()?).map_err(|e| e.to_string())? {
        let line = serde_json::to_string(&reply.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
        let mut out = io::stdout();
        match writeln!(out, "{line}").and_then(|()| out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.map_err(|e| format!("cannot write: {e}"))?,
        }
    }
    Ok(())
}

/// A line of output.
fn print(line: &str) -> Result<(), String> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|e| format!("cannot write: {e}")),
    }
}

/// The usual place of the config file.
pub(crate) fn config_path() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))?;
    Some(base.join("transom/config.kdl"))
}

/// The config file: the one named, or the usual one, and what was read of it; nothing if the usual one is not
/// there, as the built-in settings hold then.
fn load_config(named: Option<&PathBuf>) -> (Option<PathBuf>, Option<Loaded>) {
    let path = named.cloned().or_else(config_path);
    let there = path.as_ref().filter(|path| named.is_some() || path.exists());
    let loaded = there.map(|path| crate::config::load(path));
    (path, loaded)
}

fn validate(config: Option<PathBuf>) -> Result<(), String> {
    let own = config.is_none();
    match load_config(config.as_ref()) {
        (Some(path), Some(loaded)) => {
            loaded.config.map_err(|e| e.to_string())?;
            print(&format!("{}: good", path.display()))?;
        }
        _ => print("no config file; the built-in settings are used")?,
    }
    let policy = transom_hypervisor::paths::policy_file().filter(|path| own && path.exists());
    let Some(path) = policy else { return Ok(()) };
    Policy::load(&path).map_err(|error| error.to_string())?;
    print(&format!("{}: good", path.display()))
}
