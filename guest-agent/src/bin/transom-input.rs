//! `transom-input`: hands mice and keyboards of a qube with a USB controller to dom0.

use std::process::ExitCode;

use clap::Parser;

/// Hands mice and keyboards of this qube to dom0, which asks the person.
///
/// Started as root by the guest's init, where the machine has a USB controller.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Options {}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::new("info");
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(std::io::stderr).init();
    let Options {} = Options::parse();
    match transom_agent::devices::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "devices cannot be watched");
            ExitCode::FAILURE
        }
    }
}
