//! The `transom` command: the desktop, and talking to it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod demo;
mod session;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use transom_hypervisor::{cli::QubeCommand, image::cli::ImageCommand};

use self::session::On;
use crate::{
    config::Config,
    ipc::{self, Reply, Request},
    render::canvas::RendererKind,
};

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
    /// What virtual machines boot from.
    #[command(subcommand)]
    Image(ImageCommand),
    /// Ask the desktop that runs, or tell it something.
    Msg {
        #[command(subcommand)]
        message: Message,
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
    /// Scale, from 0.5 to 4.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
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
    /// Devices with the settings in force, as JSON.
    Inputs,
    /// Write the screen to a PNG file.
    Screenshot {
        /// The file.
        path: PathBuf,
    },
    /// End the desktop; qubes go on.
    Quit,
    /// Any request, as the control socket takes it (JSON).
    Raw {
        /// The request.
        json: String,
    },
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
        Command::Image(command) => transom_hypervisor::image::cli::run(command).map_err(|e| e.to_string()),
        Command::Msg { message } => send(message),
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
        Message::Inputs => Request::Inputs,
        Message::Screenshot { path } => {
            Request::Screenshot { path: std::path::absolute(path).map_err(|e| e.to_string())? }
        }
        Message::Quit => Request::Quit,
        Message::Raw { json } => {
            serde_json::from_str(&json).map_err(|e| format!("the request cannot be read: {e}"))?
        }
    };
    match ipc::ask(&socket_path()?, &request).map_err(|e| e.to_string())? {
        Reply::Done => Ok(()),
        Reply::State(state) => print(&serde_json::to_string_pretty(&state).map_err(|e| e.to_string())?),
        Reply::Inputs(inputs) => print(&serde_json::to_string_pretty(&inputs).map_err(|e| e.to_string())?),
        Reply::Error { message } => Err(message),
    }
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

/// The config: from the file named, or the usual one if it is there, else the built-in one.
fn load_config(named: Option<&PathBuf>) -> Result<(Config, Option<PathBuf>), String> {
    let path = match named {
        Some(path) => path.clone(),
        None => match config_path().filter(|p| p.exists()) {
            Some(path) => path,
            None => return Ok((Config::default(), None)),
        },
    };
    let config = crate::config::load(&path).map_err(|e| e.to_string())?;
    Ok((config, Some(path)))
}

fn validate(config: Option<PathBuf>) -> Result<(), String> {
    match load_config(config.as_ref())? {
        (_, Some(path)) => print(&format!("{}: good", path.display())),
        (_, None) => print("no config file; the built-in settings are used"),
    }
}
