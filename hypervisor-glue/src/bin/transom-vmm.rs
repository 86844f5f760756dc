//! `transom-vmm`: one qube's machine, jailed. Started by `transom-qubed`; see
//! `transom_hypervisor::vmm::control` for what its standard input wants.

use std::{io, process::ExitCode};

use tracing_subscriber::EnvFilter;
use transom_hypervisor::vmm::{process, timing::Stages};

fn main() -> ExitCode {
    let stages = Stages::new();
    let filter = EnvFilter::try_from_env("TRANSOM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).init();
    let control = match process::control_socket() {
        Ok(control) => control,
        Err(error) => {
            tracing::error!(%error, "no control socket");
            return ExitCode::FAILURE;
        }
    };
    if process::run(control, stages) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
