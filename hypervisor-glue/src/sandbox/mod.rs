//! The back end without a virtual machine: user namespaces through bubblewrap.
//!
//! It runs on any laptop in seconds and shares dom0's kernel, which the desktop says on every such
//! window: *not isolated*. The qube's programs have namespaces of their own for users, processes,
//! mounts, network (none but loopback), IPC and host name, no capabilities, dom0's `/usr`
//! read-only, and their own home. They see nothing else of dom0.

mod advice;
mod bwrap;
mod cgroup;
mod machine;

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use rustix::{
    fs::{MemfdFlags, memfd_create},
    io::{FdFlags, fcntl_setfd},
    pipe::{PipeFlags, pipe_with},
};
use transom_protocol::supervisor::Backend;

pub(crate) use self::cgroup::{Cgroup, Cgroups};
use self::machine::SandboxMachine;
use crate::{
    listener::Listeners,
    machine::{Hypervisor, Machine, MachineSpec, StartError},
    paths,
};

/// Runs qubes with bubblewrap.
#[derive(Debug)]
pub struct Sandbox {
    /// bubblewrap's program, if another than the one in `PATH`.
    program: Option<PathBuf>,
    /// True once bubblewrap was found to be new enough.
    checked: bool,
    cgroups: Option<Arc<Cgroups>>,
}

impl Sandbox {
    /// `program` is bubblewrap; the one in `PATH` if `None`.
    pub(crate) fn new(program: Option<PathBuf>, cgroups: Option<Arc<Cgroups>>) -> Self {
        if rustix::process::geteuid().is_root() {
            tracing::warn!("running as root: to the kernel, programs of sandbox qubes are root's, too");
        }
        Self { program, checked: false, cgroups }
    }

    /// Finds bubblewrap and looks at its version, once.
    fn bwrap(&mut self) -> Result<PathBuf, StartError> {
        let missing = || StartError::Unable(advice::MISSING.to_owned());
        let program = match &self.program {
            Some(program) if paths::is_program(program) => program.clone(),
            Some(_) => return Err(missing()),
            None => paths::in_path("bwrap").ok_or_else(missing)?,
        };
        if !self.checked {
            let output = Command::new(&program)
                .arg("--version")
                .env_clear()
                .stdin(Stdio::null())
                .output()
                .map_err(StartError::at("run bubblewrap"))?;
            advice::check_version(&String::from_utf8_lossy(&output.stdout)).map_err(StartError::Unable)?;
            self.checked = true;
        }
        Ok(program)
    }
}

impl Hypervisor for Sandbox {
    fn backend(&self) -> Backend {
        Backend::Sandbox
    }

    fn start(&mut self, spec: &MachineSpec<'_>) -> Result<Box<dyn Machine>, StartError> {
        let program = self.bwrap()?;
        if !paths::is_program(spec.agent) {
            return Err(StartError::Missing { what: "the agent", path: spec.agent.to_owned() });
        }
        write_files(spec).map_err(StartError::at("write the qube's runtime files"))?;
        let listeners = Listeners::bind(|channel| spec.run_dir.join(bwrap::socket(channel)))?;

        let pipe = |flags| pipe_with(flags).map_err(StartError::at("make a pipe"));
        let (status, status_theirs) = pipe(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let (hold_theirs, hold) = pipe(PipeFlags::CLOEXEC)?;
        let (output, output_theirs) = pipe(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&output, true).map_err(StartError::at("make a pipe"))?;
        let inherited = bwrap::Inherited { status: status_theirs.as_raw_fd(), hold: hold_theirs.as_raw_fd() };
        let arguments = bwrap::arguments(spec, inherited, &bwrap::Host::look())?;
        // By a descriptor: the command line of a process can be read by everybody in dom0, and in
        // the qube, where bubblewrap is process 1.
        let arguments = sealed_list(&arguments).map_err(StartError::at("write bubblewrap's arguments"))?;

        let error_output = output_theirs.try_clone().map_err(StartError::at("make a pipe"))?;
        let mut command = Command::new(&program);
        command
            .arg("--args")
            .arg(arguments.as_raw_fd().to_string())
            .args(["--", bwrap::AGENT])
            .args(bwrap::AGENT_ARGUMENTS)
            // The environment of process 1 can be read in the qube.
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::from(output_theirs))
            .stderr(Stdio::from(error_output));
        // These three must live on in bubblewrap. No other process is started meanwhile: qubed has
        // one thread that starts processes.
        for fd in [&arguments, &status_theirs, &hold_theirs] {
            fcntl_setfd(fd, FdFlags::empty()).map_err(StartError::at("pass a descriptor on"))?;
        }
        let child = command.spawn().map_err(StartError::at("run bubblewrap"))?;
        drop(command);
        let cgroup = self.cgroups.as_ref().and_then(|cgroups| cgroups.make(spec.name, spec.limits));
        let machine = SandboxMachine::new(child, status, hold, output, listeners, cgroup, spec.limits)?;
        Ok(Box::new(machine))
    }
}

/// The files that stand for dom0's own in `/etc` of the qube.
fn write_files(spec: &MachineSpec<'_>) -> io::Result<()> {
    let mut random = [0u8; 16];
    io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut random)?;
    let machine_id = format!("{:032x}", u128::from_ne_bytes(random));
    for (name, text) in bwrap::etc_files(spec.name, &machine_id) {
        fs::write(spec.run_dir.join(name), text)?;
    }
    Ok(())
}

/// Arguments with a zero byte after each, in memory, read from the beginning.
fn sealed_list(arguments: &[Vec<u8>]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("arguments", MemfdFlags::CLOEXEC)?);
    for argument in arguments {
        file.write_all(argument)?;
        file.write_all(&[0])?;
    }
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

/// A directory that `bwrap` can bind, as bytes of a path.
fn path_bytes(path: &Path) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_owned()
}
