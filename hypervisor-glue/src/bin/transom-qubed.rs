//! `transom-qubed`: holds the qubes, and outlives the compositor.

use std::{
    io,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
};

use clap::Parser;
use tracing_subscriber::EnvFilter;
use transom_hypervisor::{
    paths,
    qubed::{Options, Qubed, tell_ready},
};

/// Holds the qubes, and outlives the compositor.
///
/// Other programs of Transom start it by themselves. SIGTERM stops all qubes and ends it; a second
/// one does so at once.
#[derive(Debug, Parser)]
#[command(name = "transom-qubed", version)]
struct Arguments {
    /// Directory for sockets, yours alone [default: $XDG_RUNTIME_DIR/transom]
    #[arg(long, value_name = "DIR")]
    runtime_dir: Option<PathBuf>,
    /// Directory for qubes [default: ~/.local/share/transom]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The agent that runs in qubes [default: transom-agent beside this program or in PATH]
    #[arg(long, value_name = "PROGRAM")]
    agent: Option<PathBuf>,
    /// bubblewrap [default: bwrap in PATH]
    #[arg(long, value_name = "PROGRAM")]
    bwrap: Option<PathBuf>,
    /// Rules for the services of qubes [default: ~/.config/transom/policy.kdl]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Write READY, or ERROR and why, into this open descriptor
    #[arg(long, value_name = "N")]
    ready_fd: Option<u32>,
    /// Go on in the background, in a session of its own
    #[arg(long)]
    detach: bool,
}

impl Arguments {
    fn options(&self) -> Result<Options, String> {
        let text = |error: paths::PathError| error.to_string();
        let absolute = |path: &PathBuf| {
            std::path::absolute(path).map_err(|error| format!("cannot use {}: {error}", path.display()))
        };
        let given = |path: &Option<PathBuf>| path.as_ref().map(absolute).transpose();
        Ok(Options {
            runtime_dir: given(&self.runtime_dir)?.map_or_else(|| paths::runtime_dir().map_err(text), Ok)?,
            data_dir: given(&self.data_dir)?.map_or_else(|| paths::data_dir().map_err(text), Ok)?,
            // One that is missing is told about when a qube is started.
            agent: given(&self.agent)?
                .or_else(|| paths::find_program("transom-agent"))
                .unwrap_or_else(|| PathBuf::from("/usr/bin/transom-agent")),
            bwrap: given(&self.bwrap)?,
            policy: given(&self.policy)?
                .or_else(paths::policy_file)
                .ok_or("there is no place for the policy: set HOME")?,
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("TRANSOM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).init();
    if arguments.detach {
        return match detach() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                tell(&arguments, &Err(format!("cannot go into the background: {error}")));
                ExitCode::FAILURE
            }
        };
    }
    let opened =
        arguments.options().and_then(|options| Qubed::open(&options).map_err(|error| error.to_string()));
    let told = opened.as_ref().map(|_| ()).map_err(Clone::clone);
    // Nothing of the place where we were started is held on to.
    let _ = std::env::set_current_dir("/");
    tell(&arguments, &told);
    let result = opened.and_then(|qubed| qubed.run().map_err(|error| error.to_string()));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn tell(arguments: &Arguments, result: &Result<(), String>) {
    if let Some(fd) = arguments.ready_fd
        && let Err(error) = tell_ready(fd, result)
    {
        tracing::warn!(fd, %error, "nobody can be told that we are ready");
    }
    if result.is_ok()
        && let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready])
    {
        tracing::warn!(%error, "systemd cannot be told that we are ready");
    }
}

/// Starts this program again in a new session. The caller waits for us only, and gets no child that
/// it would have to reap later.
fn detach() -> io::Result<()> {
    // Fails only if we lead a session already, which is as good.
    let _ = rustix::process::setsid();
    let arguments = std::env::args_os().skip(1).filter(|argument| argument != "--detach");
    let child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .stderr(Stdio::inherit())
        .spawn()?;
    // Not waited for: it goes on without us.
    drop(child);
    Ok(())
}
