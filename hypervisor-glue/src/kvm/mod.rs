//! The back end with the linked VMM: a [`Machine`] made of a running `transom-vmm`.
//!
//! Thin on purpose: [`crate::vmm::client`] does the work. What a qube boots, and from which disks,
//! is for whoever makes the [`Launch`]; it must allow the two ports of [`PORTS`].

#[cfg(test)]
mod tests;

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
    os::unix::process::ExitStatusExt as _,
    path::Path,
};

use transom_protocol::supervisor::MemoryKind;

use crate::{
    machine::{Channel, Exit, Machine, StartError, Step},
    vmm::{
        self,
        client::{Launch, Outcome, Vmm},
    },
};

/// The host's vsock ports that an agent connects to: the control stream, and service calls.
pub const PORTS: [u32; 2] = [5000, 5001];

fn port(channel: Channel) -> u32 {
    match channel {
        Channel::Display => PORTS[0],
        Channel::Service => PORTS[1],
    }
}

/// A qube as a virtual machine.
#[derive(Debug)]
pub struct KvmMachine {
    vmm: Vmm,
}

impl KvmMachine {
    /// Starts `program`, which is `transom-vmm`.
    pub fn start(program: &Path, launch: Launch) -> Result<Self, StartError> {
        let allowed =
            launch.vsock.as_ref().is_some_and(|(_, ports)| PORTS.iter().all(|port| ports.contains(port)));
        if !allowed {
            return Err(StartError::Unable("a machine needs the two vsock ports of its agent".to_owned()));
        }
        let vmm = Vmm::spawn(program, launch).map_err(StartError::at("start transom-vmm"))?;
        Ok(Self { vmm })
    }

    /// How its grants are read, and its RAM as a descriptor that can only be read; once it has told.
    pub fn memory(&self) -> Option<(MemoryKind, BorrowedFd<'_>)> {
        let (layout, file) = self.vmm.ram()?;
        let (hole_start, hole_end) = layout.hole();
        Some((MemoryKind::GuestRam { bytes: layout.size(), hole_start, hole_end }, file))
    }

    /// The process, for what only it knows: the stages of its start.
    pub fn vmm(&self) -> &Vmm {
        &self.vmm
    }
}

/// What the end of a VMM is to whoever only knows of machines.
fn exit(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Exit(vmm::Exit::PowerOff | vmm::Exit::Reset | vmm::Exit::Stopped) => Exit::Code(0),
        Outcome::Exit(other) => Exit::Setup(Some(other.to_string())),
        Outcome::Failed(why) => Exit::Setup(Some(why)),
        ref died @ Outcome::Died(_) if died.by_jail() => {
            Exit::Setup(Some("transom-vmm made a forbidden system call and was ended".to_owned()))
        }
        Outcome::Died(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => Exit::Signal(signal),
            // As shells do, the outer process adds a signal to 128.
            (None, Some(code)) if code > 128 => Exit::Signal(code - 128),
            (None, code) => Exit::Code(code.unwrap_or(-1)),
        },
    }
}

impl Machine for KvmMachine {
    fn pid(&self) -> u32 {
        self.vmm.pid()
    }

    fn events(&self) -> Vec<BorrowedFd<'_>> {
        self.vmm.events()
    }

    fn step(&mut self) -> Step {
        self.vmm.step().map_or(Step::Alive, |outcome| Step::Gone(exit(outcome)))
    }

    fn kill(&mut self) {
        self.vmm.kill();
    }

    fn listener(&self, channel: Channel) -> BorrowedFd<'_> {
        // `start` has seen to it that both are there.
        self.vmm.listener(port(channel)).unwrap_or_else(|| self.vmm.output())
    }

    fn accept(&mut self, channel: Channel) -> io::Result<Option<OwnedFd>> {
        Ok(self.vmm.accept(port(channel))?.map(|(connection, _)| connection))
    }

    fn output(&self) -> BorrowedFd<'_> {
        self.vmm.output()
    }
}
