//! `transom-volume`: serves one qube's encrypted volume to its QEMU. Started by `transom-qubed`; see
//! `transom_hypervisor::volume_server` for what its standard input wants.

use std::{io, os::fd::AsFd as _, process::ExitCode};

use tracing_subscriber::EnvFilter;
use transom_hypervisor::volume_server;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("TRANSOM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).init();
    let control = io::stdin().as_fd().try_clone_to_owned();
    match control.map_err(Into::into).and_then(volume_server::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
