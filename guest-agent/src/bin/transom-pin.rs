//! `transom-pin`: pins memory of programs for the agent in a virtual machine, and sets its clock.

use std::{
    fs, io,
    os::{
        fd::OwnedFd,
        unix::fs::{PermissionsExt, chown},
    },
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use rustix::{
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with},
    process::{Gid, Uid},
    thread::{
        CapabilitySet, CapabilitySets, set_capabilities, set_keep_capabilities, set_no_new_privs,
        set_thread_groups, set_thread_res_gid, set_thread_res_uid,
    },
};
use tracing::{error, info};
use transom_agent::pin::server::Server;

/// Pins memory of programs, so that dom0 can read it, and says where it is.
///
/// Also sets the machine's clock when the agent says what time it is in dom0. Started as root by the
/// guest's init; keeps no other privilege once it listens.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Options {
    /// Socket to listen on.
    #[arg(long)]
    socket: PathBuf,
    /// User id of the agent: who may connect.
    #[arg(long)]
    agent_uid: u32,
    /// User and group id to run as. By default one that owns nothing.
    #[arg(long, default_value_t = 65_534)]
    uid: u32,
    /// Most memory to pin, in MiB. By default half of what the machine has.
    #[arg(long)]
    max_mib: Option<u64>,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(io::stderr);
    let started = subscriber.try_init();
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            error!("{reason}");
            if started.is_err() {
                return ExitCode::from(2);
            }
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    let listener = listen_at(&options.socket, options.agent_uid)
        .map_err(|error| format!("{}: {error}", options.socket.display()))?;
    let machine = rustix::system::sysinfo();
    let memory = machine.totalram.saturating_mul(machine.mem_unit.into());
    let max_bytes = options.max_mib.map_or(memory / 2, |mib| mib.saturating_mul(1 << 20));
    let mut server = Server::new(listener, max_bytes)
        .map_err(|error| format!("the kernel gives no io_uring and page map: {error}"))?;
    give_up_privileges(options.uid).map_err(|error| format!("privileges cannot be given up: {error}"))?;
    info!(socket = %options.socket.display(), max_bytes, "pinning for the agent");
    server.run().map_err(|error| error.to_string())
}

/// Listens for one user only.
fn listen_at(path: &Path, uid: u32) -> io::Result<OwnedFd> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    bind(&socket, &SocketAddrUnix::new(path)?)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    chown(path, Some(uid), None)?;
    listen(&socket, 4)?;
    Ok(socket)
}

/// From here on this is a user who owns nothing and may only set the clock. Ring and page map keep
/// the rights they were made with.
fn give_up_privileges(id: u32) -> rustix::io::Result<()> {
    let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
    set_keep_capabilities(true)?;
    set_thread_groups(&[])?;
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(user, user, user)?;
    let (clock, none) = (CapabilitySet::SYS_TIME, CapabilitySet::empty());
    set_capabilities(None, CapabilitySets { effective: clock, permitted: clock, inheritable: none })?;
    set_no_new_privs(true)
}
