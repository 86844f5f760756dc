//! One running sandbox: bubblewrap's processes and how they end.
//!
//! bubblewrap is two processes: the *outer* one, our child, and the *inner* one, process 1 of the
//! qube's own process namespace. When the inner one ends, the kernel ends every process of the
//! qube. The outer one ends soon after the agent, and takes the inner one with it. A machine is
//! gone when both are.

use std::{
    fs,
    fs::File,
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt as _,
    },
    path::Path,
    process::{Child, ExitStatus},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{
        Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal,
        prlimit, waitid,
    },
};

use transom_protocol::supervisor::MemoryKind;

use super::{advice, cgroup::Cgroup};
use crate::{
    listener::Listeners,
    machine::{Channel, Exit, Machine, StartError, Step},
    store::Limits,
};

/// Most that bubblewrap says about its state, in bytes.
const MAX_STATUS: usize = 16 * 1024;

/// A sandbox.
#[derive(Debug)]
pub(super) struct SandboxMachine {
    outer: Child,
    outer_fd: OwnedFd,
    /// `None` when it has ended and told so.
    status: Option<File>,
    status_text: Vec<u8>,
    /// Closed or written to when the agent may start. `None` after that.
    hold: Option<OwnedFd>,
    inner: Option<OwnedFd>,
    /// What the agent ended with, as bubblewrap tells.
    code: Option<i32>,
    outer_status: Option<ExitStatus>,
    /// True once killed by us.
    killed: bool,
    /// The last line that came before the agent was started: bubblewrap's complaint.
    complaint: Option<String>,
    output: OwnedFd,
    listeners: Listeners,
    cgroup: Option<Cgroup>,
    frozen: bool,
    tasks: u32,
}

impl SandboxMachine {
    pub(super) fn new(
        mut outer: Child,
        status: OwnedFd,
        hold: OwnedFd,
        output: OwnedFd,
        listeners: Listeners,
        cgroup: Option<Cgroup>,
        limits: &Limits,
    ) -> Result<Self, StartError> {
        let outer_fd = match open_pid(outer.id()) {
            Ok(fd) => fd,
            Err(source) => {
                let _ = outer.kill();
                let _ = outer.wait();
                return Err(StartError::System { doing: "watch bubblewrap", source });
            }
        };
        if let Some(cgroup) = &cgroup {
            cgroup.take_in(outer.id(), "bubblewrap");
        }
        Ok(Self {
            outer,
            outer_fd,
            status: Some(status.into()),
            status_text: Vec::new(),
            hold: Some(hold),
            inner: None,
            code: None,
            outer_status: None,
            killed: false,
            complaint: None,
            output,
            listeners,
            cgroup,
            frozen: false,
            tasks: limits.tasks,
        })
    }

    /// Reads what bubblewrap says: lines of JSON.
    fn read_status(&mut self) {
        let Some(status) = &mut self.status else { return };
        let mut chunk = [0; 1024];
        loop {
            match status.read(&mut chunk) {
                Ok(n) if n > 0 && self.status_text.len() < MAX_STATUS => {
                    self.status_text.extend_from_slice(&chunk[..n]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                _ => {
                    self.status = None;
                    break;
                }
            }
        }
        while let Some(end) = self.status_text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.status_text.drain(..=end).collect();
            let Ok(value) = serde_json::from_slice::<serde_json::Value>(&line) else { continue };
            if let Some(code) = value.get("exit-code").and_then(serde_json::Value::as_i64) {
                self.code = Some(code as i32);
            }
            let pid = value.get("child-pid").and_then(serde_json::Value::as_u64);
            if let Some(pid) = pid.and_then(|pid| u32::try_from(pid).ok()) {
                self.release(pid);
            }
        }
    }

    /// The inner process is there: puts limits on it and lets it go on.
    fn release(&mut self, pid: u32) {
        if self.inner.is_some() || self.killed {
            return;
        }
        let Some(inner) = open_child_of(pid, self.outer.id()) else {
            // Without a handle on it, it could outlive us unseen.
            tracing::error!("bubblewrap's inner process cannot be watched");
            self.kill();
            return;
        };
        self.inner = Some(inner);
        if let Some(cgroup) = &self.cgroup {
            cgroup.take_in(pid, "the qube");
        }
        let limit = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
        let pid = Pid::from_raw(pid as i32);
        // No core files, for they hold a qube's secrets; and a lid on fork bombs that holds where
        // there are no control groups, for whoever is not root.
        for (resource, most) in [(Resource::Core, 0), (Resource::Nproc, u64::from(self.tasks))] {
            if let Err(error) = prlimit(pid, resource, limit(most)) {
                tracing::warn!(%error, ?resource, "a limit cannot be set");
            }
        }
        if let Some(hold) = self.hold.take()
            && let Err(error) = rustix::io::write(&hold, b"x")
        {
            tracing::error!(%error, "bubblewrap does not go on");
            self.kill();
        }
    }

    fn exit(&self) -> Exit {
        if self.killed {
            return Exit::Signal(libc::SIGKILL);
        }
        if self.hold.is_some() {
            let why = self.complaint.as_deref().map(|line| advice::explain(line, Path::new("/proc/sys")));
            return Exit::Setup(why);
        }
        match (self.code, self.outer_status.and_then(|status| status.signal())) {
            // As shells do, bubblewrap adds a signal to 128.
            (Some(code), _) if code > 128 => Exit::Signal(code - 128),
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Code(self.outer_status.and_then(|status| status.code()).unwrap_or(-1)),
        }
    }
}

impl Machine for SandboxMachine {
    fn pid(&self) -> u32 {
        self.outer.id()
    }

    fn memory(&self) -> (MemoryKind, Option<BorrowedFd<'_>>) {
        (MemoryKind::ClientFds, None)
    }

    fn events(&self) -> Vec<BorrowedFd<'_>> {
        // An ended process stays readable: each is polled only until it was seen.
        let outer = self.outer_status.is_none().then(|| self.outer_fd.as_fd());
        [outer, self.inner.as_ref().map(|fd| fd.as_fd()), self.status.as_ref().map(|fd| fd.as_fd())]
            .into_iter()
            .flatten()
            .collect()
    }

    fn step(&mut self) -> Step {
        self.read_status();
        if self.outer_status.is_none() {
            match self.outer.try_wait() {
                Ok(status) => self.outer_status = status,
                Err(error) => {
                    tracing::error!(%error, "bubblewrap cannot be waited for");
                    self.outer_status = Some(ExitStatus::from_raw(libc::SIGKILL));
                }
            }
        }
        if self.outer_status.is_none() {
            return Step::Alive;
        }
        if let Some(inner) = &self.inner {
            if !is_readable(inner.as_fd()) {
                // The kernel does this as well, but perhaps not yet.
                let _ = pidfd_send_signal(inner, Signal::KILL);
                return Step::Alive;
            }
            // If we are the reaper of orphans, it is ours to reap; else it is already done.
            let _ = waitid(WaitId::PidFd(inner.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
        // What bubblewrap said last may only have come with its end.
        self.read_status();
        Step::Gone(self.exit())
    }

    fn memory_used(&self) -> Option<u64> {
        self.cgroup.as_ref()?.memory()
    }

    fn set_paused(&mut self, paused: bool) -> io::Result<()> {
        let group = self.cgroup.as_ref().ok_or_else(|| {
            io::Error::other("a sandbox can only be paused where qubed has control groups (version 2)")
        })?;
        group.freeze(paused)?;
        self.frozen = paused;
        Ok(())
    }

    fn is_paused(&self) -> bool {
        self.frozen
    }

    fn kill(&mut self) {
        self.killed = true;
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
        if let Some(inner) = &self.inner {
            let _ = pidfd_send_signal(inner, Signal::KILL);
        }
        if self.outer_status.is_none() {
            let _ = pidfd_send_signal(&self.outer_fd, Signal::KILL);
        }
    }

    fn listener(&self, channel: Channel) -> BorrowedFd<'_> {
        self.listeners.of(channel).as_fd()
    }

    fn accept(&mut self, channel: Channel) -> io::Result<Option<OwnedFd>> {
        self.listeners.of(channel).accept()
    }

    fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    fn setup_line(&mut self, line: &str) {
        if self.hold.is_some() {
            self.complaint = Some(line.to_owned());
        }
    }
}

impl Drop for SandboxMachine {
    fn drop(&mut self) {
        if self.outer_status.is_none() {
            self.kill();
            // Killed processes end soon; not to wait would leave them as zombies.
            let _ = self.outer.wait();
        }
    }
}

fn open_pid(pid: u32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid as i32).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// A handle on process `pid`, if it is a child of `parent`: its number may have been given to
/// another process meanwhile.
fn open_child_of(pid: u32, parent: u32) -> Option<OwnedFd> {
    let fd = open_pid(pid).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let found = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    (found.trim().parse() == Ok(parent)).then_some(fd)
}

/// True if a process handle says that the process has ended.
fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&now)).is_ok_and(|ready| ready > 0)
}
