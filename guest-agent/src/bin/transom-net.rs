//! `transom-net`: makes the network of a virtual machine what dom0 says.

use std::{fs::File, io, process::ExitCode, thread, time::Duration};

use clap::Parser;
use tracing::{error, info, warn};
use transom_agent::{
    Address,
    net::{server::Server, system},
};
use transom_protocol::vsock::NETWORK_PORT;

/// Makes the network of a virtual machine what dom0 says: addresses, routes, packet filter, tunnels.
///
/// Started as root by the guest's init, before anybody else could speak for the machine.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Options {}

/// How long to wait before dom0 is called again.
const AGAIN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let Options {} = Options::parse();
    let filter = tracing_subscriber::EnvFilter::new("info");
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(io::stderr).init();
    system::harden();
    let mut server = match Server::new() {
        Ok(server) => server,
        Err(error) => {
            error!(%error, "cannot begin");
            return ExitCode::FAILURE;
        }
    };
    // What is in force stays so while dom0 is not there.
    loop {
        match Address::Vsock(NETWORK_PORT).connect().and_then(|stream| server.serve(File::from(stream))) {
            Ok(()) => info!("dom0 has ended the stream"),
            Err(error) => warn!(%error, "dom0 does not answer"),
        }
        thread::sleep(AGAIN);
    }
}
