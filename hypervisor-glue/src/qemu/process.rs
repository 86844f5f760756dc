//! A child process, with a handle that cannot be mistaken for another one.

use std::{
    io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt as _,
    },
    process::{Child, Command, ExitStatus},
};

use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, pidfd_open, pidfd_send_signal, prlimit};

use crate::machine::StartError;

/// A child that is watched. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    handle: OwnedFd,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts it; `doing` is what an error names. Its core would hold a qube's memory, so it leaves none.
    pub(super) fn spawn(command: &mut Command, doing: &'static str) -> Result<Self, StartError> {
        let mut child = command.spawn().map_err(StartError::at(doing))?;
        let pid = Pid::from_child(&child);
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => {
                let none = Rlimit { current: Some(0), maximum: Some(0) };
                if let Err(error) = prlimit(Some(pid), Resource::Core, none) {
                    tracing::warn!(%error, doing, "core files cannot be forbidden");
                }
                Ok(Self { child, handle, status: None })
            }
            Err(errno) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(StartError::System { doing: "watch a process", source: errno.into() })
            }
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Readable when it has ended; `None` once that was seen.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.status.is_none().then(|| self.handle.as_fd())
    }

    /// What it ended with.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().unwrap_or_else(|error| {
                tracing::error!(%error, "a process cannot be waited for");
                Some(ExitStatus::from_raw(libc::SIGKILL))
            });
        }
        self.status
    }

    /// Stops all of it where it is, or lets it go on.
    pub(super) fn hold(&self, held: bool) -> io::Result<()> {
        Ok(pidfd_send_signal(&self.handle, if held { Signal::STOP } else { Signal::CONT })?)
    }

    pub(super) fn kill(&self) {
        if self.status.is_none() {
            let _ = pidfd_send_signal(&self.handle, Signal::KILL);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.is_none() {
            self.kill();
            // Killed processes end soon; not to wait would leave them as zombies.
            let _ = self.child.wait();
        }
    }
}
