//! `transom-agent`: the agent as a program.

use std::{ffi::OsString, os::unix::net::UnixStream, path::PathBuf, process::ExitCode};

use calloop::{EventLoop, Interest, Mode, PostAction, generic::Generic};
use clap::Parser;
use tracing::{error, info, warn};
use transom_agent::{Address, Agent};

/// The agent in the qube: shows its programs' windows on dom0's desktop.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Options {
    /// Socket on which dom0 takes window streams.
    #[arg(long, required_unless_present_any = ["vsock", "list_programs"], conflicts_with = "vsock")]
    display_socket: Option<PathBuf>,
    /// Socket on which transom-qubed asks for programs.
    #[arg(long, conflicts_with = "vsock")]
    service_socket: Option<PathBuf>,
    /// In a virtual machine: both are vsock ports of the host, 5000 and 5001.
    #[arg(long)]
    vsock: bool,
    /// In a virtual machine: socket of transom-pin, by which programs' memory is granted.
    #[arg(long)]
    pin_socket: Option<PathBuf>,
    /// Directory for the sockets of programs.
    #[arg(long, required_unless_present = "list_programs")]
    runtime_dir: Option<PathBuf>,
    /// Do not start Xwayland.
    #[arg(long)]
    no_xwayland: bool,
    /// Write the qube's programs to standard output, for dom0, and end.
    #[arg(long, hide = true)]
    list_programs: bool,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let started = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .try_init();
    if let Err(error) = started {
        warn!(%error, "a log was started before");
    }
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    if options.list_programs {
        return transom_agent::print_list().map_err(|e| e.to_string());
    }
    let runtime_dir = options.runtime_dir.clone().ok_or("--runtime-dir is missing")?;
    let mut event_loop = EventLoop::<Agent>::try_new().map_err(|e| e.to_string())?;
    let mut agent = Agent::new(event_loop.handle()).map_err(|e| e.to_string())?;
    agent.set_signal(event_loop.get_signal());
    let signals = Generic::new(asked_to_end().map_err(|e| e.to_string())?, Interest::READ, Mode::Level);
    event_loop
        .handle()
        .insert_source(signals, |_, _, agent: &mut Agent| {
            agent.quit();
            Ok(PostAction::Remove)
        })
        .map_err(|e| e.to_string())?;
    let name = agent.listen_in(&runtime_dir).map_err(|e| e.to_string())?;
    info!(socket = %name.display(), "serving programs");
    let mut environment: Vec<(&'static str, OsString)> = vec![
        ("XDG_RUNTIME_DIR", runtime_dir.into_os_string()),
        ("WAYLAND_DISPLAY", name),
        ("XDG_SESSION_TYPE", "wayland".into()),
        ("GDK_BACKEND", "wayland,x11".into()),
        ("QT_QPA_PLATFORM", "wayland;xcb".into()),
    ];
    if !options.no_xwayland {
        match agent.start_xwayland() {
            Ok(number) => environment.push(("DISPLAY", format!(":{number}").into())),
            Err(error) => warn!("{error}; X11 programs cannot run in this qube"),
        }
    }
    let there = std::env::var("DBUS_SESSION_BUS_ADDRESS").ok().filter(|address| !address.is_empty());
    let bus = there.or_else(|| agent.start_bus(&environment));
    if let Some(bus) = &bus {
        environment.push(("DBUS_SESSION_BUS_ADDRESS", bus.into()));
    }
    agent.set_program_environment(environment);
    if let Some(bus) = bus {
        agent.serve_bus(&bus).map_err(|e| e.to_string())?;
    }
    if let Some(socket) = &options.pin_socket {
        agent.use_pins(socket.clone());
        agent.set_clock_by(socket.clone());
    }
    let (display, service) = if options.vsock {
        (Some(Address::DISPLAY), Some(Address::SERVICE))
    } else {
        (options.display_socket.clone().map(Address::Unix), options.service_socket.clone().map(Address::Unix))
    };
    if let Some(display) = display {
        agent.connect_to(display);
    }
    if let Some(service) = service {
        agent.serve_qubed(&service).map_err(|e| format!("{service}: {e}"))?;
    }
    event_loop.run(None, &mut agent, Agent::settle).map_err(|e| e.to_string())
}

/// A stream that can be read once a signal asks this program to end. Signals are caught, not
/// blocked: what this program starts would inherit a block, and never be interrupted again.
fn asked_to_end() -> std::io::Result<UnixStream> {
    let (ours, handlers) = UnixStream::pair()?;
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::low_level::pipe::register(signal, handlers.try_clone()?)?;
    }
    Ok(ours)
}
