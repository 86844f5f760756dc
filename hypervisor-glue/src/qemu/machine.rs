//! One running virtual machine: two processes, and how they end.

use std::{
    fs::File,
    io::{self, Read as _},
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::process::ExitStatusExt as _,
    },
    process::ExitStatus,
};

use transom_protocol::{supervisor::MemoryKind, text::clean};

use super::{
    Launch,
    connector::Connector,
    memory::GuestRam,
    process::Process,
    qmp::{GuestEnd, Qmp},
};
use crate::{
    listener::Listeners,
    machine::{Channel, Exit, Machine, Step},
    sandbox::Cgroup,
};

/// Most lines of the two programs that go into qubed's log: a guest may be able to provoke some.
const MAX_COMPLAINTS: u32 = 50;
/// Longest of them, in bytes.
const MAX_COMPLAINT: usize = 300;

/// A virtual machine.
#[derive(Debug)]
pub(super) struct QemuMachine {
    daemon: Process,
    /// Serves the encrypted volume, if it is one. Ends by itself when QEMU has.
    server: Option<Process>,
    /// Speaks for the guest with the outside. Ends by itself when QEMU has.
    uplink: Option<Process>,
    /// Its network cards.
    cards: usize,
    /// Waits for the daemon, and what it is waited for with. `None` once QEMU was started.
    pending: Option<(Connector, Launch)>,
    qemu: Option<Process>,
    ram: GuestRam,
    qmp: Qmp,
    console: OwnedFd,
    /// What both programs say of themselves. `None` after its end.
    complaints: Option<File>,
    partial: Vec<u8>,
    complaint: Option<String>,
    complained: u32,
    listeners: Listeners,
    cgroup: Option<Cgroup>,
    /// Why we ended it, unless that was asked for.
    because: Option<String>,
    /// QEMU stands still because of us.
    held: bool,
    killed: bool,
}

impl QemuMachine {
    #[expect(clippy::too_many_arguments, reason = "the parts of one machine, put together in one place")]
    pub(super) fn new(
        daemon: Process,
        server: Option<Process>,
        uplink: Option<Process>,
        cards: usize,
        connector: Connector,
        launch: Launch,
        ram: GuestRam,
        qmp: Qmp,
        console: OwnedFd,
        complaints: OwnedFd,
        listeners: Listeners,
        cgroup: Option<Cgroup>,
    ) -> Self {
        let machine = Self {
            daemon,
            server,
            uplink,
            cards,
            pending: Some((connector, launch)),
            qemu: None,
            ram,
            qmp,
            console,
            complaints: Some(complaints.into()),
            partial: Vec::new(),
            complaint: None,
            complained: 0,
            listeners,
            cgroup,
            because: None,
            held: false,
            killed: false,
        };
        machine.confine(machine.daemon.pid());
        for process in machine.server.iter().chain(&machine.uplink) {
            machine.confine(process.pid());
        }
        machine
    }

    fn confine(&self, pid: u32) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.take_in(pid, "a process of the machine");
        }
    }

    /// Starts QEMU when the daemon is there.
    fn go_on(&mut self) {
        let Some(result) = self.pending.as_ref().and_then(|(connector, _)| connector.take()) else { return };
        let Some((_, launch)) = self.pending.take() else { return };
        if self.killed || self.because.is_some() {
            return;
        }
        let started = match result {
            Ok(line) => launch.spawn(&self.ram, &line).map_err(|error| error.to_string()),
            Err(error) => Err(format!("the vsock daemon cannot be reached: {error}")),
        };
        match started {
            Ok(qemu) => {
                self.confine(qemu.pid());
                self.qemu = Some(qemu);
            }
            Err(reason) => self.give_up(reason),
        }
    }

    /// Ends it, since something is wrong.
    fn give_up(&mut self, reason: String) {
        self.because.get_or_insert(reason);
        self.end_all();
    }

    fn end_all(&mut self) {
        if let Some(cgroup) = &self.cgroup {
            cgroup.kill();
        }
        self.daemon.kill();
        for process in self.qemu.iter().chain(&self.server).chain(&self.uplink) {
            process.kill();
        }
        self.pending = None;
    }

    /// Reads what the two programs complain about.
    fn read_complaints(&mut self) {
        let mut chunk = [0; 1024];
        for _ in 0..16 {
            let Some(file) = &mut self.complaints else { return };
            match file.read(&mut chunk) {
                Ok(n) if n > 0 => self.hear(&chunk[..n]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                _ => self.complaints = None,
            }
        }
    }

    fn hear(&mut self, untrusted: &[u8]) {
        for byte in untrusted {
            if *byte != b'\n' && self.partial.len() < MAX_COMPLAINT {
                self.partial.push(*byte);
            }
            if *byte == b'\n' {
                let line = clean(&self.partial, MAX_COMPLAINT);
                self.partial.clear();
                self.complained += 1;
                if self.complained <= MAX_COMPLAINTS {
                    tracing::warn!(line, "from the virtual machine's programs");
                    // The first one is the cause.
                    self.complaint.get_or_insert(line);
                }
            }
        }
    }

    fn exit(&self, qemu: Option<ExitStatus>) -> Exit {
        if self.killed {
            return Exit::Signal(libc::SIGKILL);
        }
        let ended = match qemu {
            Some(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => format!("QEMU was ended by signal {signal}"),
                (None, code) => format!("QEMU ended with status {}", code.unwrap_or(-1)),
            },
            None => "the virtual machine did not start".to_owned(),
        };
        let with_complaint = |text: &str| match &self.complaint {
            Some(line) => format!("{text}: {line}"),
            None => text.to_owned(),
        };
        match (&self.because, self.qmp.end) {
            (Some(reason), _) => Exit::Machine(with_complaint(reason)),
            (None, Some(GuestEnd::PowerOff)) => Exit::Code(0),
            (None, Some(GuestEnd::Restart)) => Exit::Machine("the system in it gave up".to_owned()),
            (None, Some(GuestEnd::Panic)) => Exit::Machine("the kernel in it panicked".to_owned()),
            // Killed: the complaint, if there is any, has nothing to do with it.
            (None, None) if qemu.is_some_and(|status| status.signal().is_some()) => Exit::Machine(ended),
            (None, None) => Exit::Machine(with_complaint(&ended)),
        }
    }
}

impl Machine for QemuMachine {
    fn pid(&self) -> u32 {
        self.qemu.as_ref().unwrap_or(&self.daemon).pid()
    }

    fn memory(&self) -> (MemoryKind, Option<BorrowedFd<'_>>) {
        let (kind, view) = self.ram.view();
        (kind, Some(view))
    }

    fn events(&self) -> Vec<BorrowedFd<'_>> {
        let waiting = self.pending.as_ref().map(|(connector, _)| connector.fd());
        let qemu = self.qemu.as_ref().and_then(Process::fd);
        let complaints = self.complaints.as_ref().map(|file| file.as_fd());
        let server = self.server.as_ref().and_then(Process::fd);
        let uplink = self.uplink.as_ref().and_then(Process::fd);
        let others = [self.daemon.fd(), self.qmp.fd(), complaints];
        [waiting, qemu, server, uplink].into_iter().chain(others).flatten().collect()
    }

    fn step(&mut self) -> Step {
        self.go_on();
        self.qmp.read();
        self.read_complaints();
        let daemon = self.daemon.status();
        let qemu = self.qemu.as_mut().map(Process::status);
        let server = self.server.as_mut().map(Process::status);
        if let Some(Some(status)) = self.uplink.as_mut().map(Process::status) {
            self.uplink = None;
            if !matches!(qemu, Some(Some(_))) && !self.killed {
                tracing::warn!(%status, "passt has ended: is there a network where it runs?");
            }
        }
        // One that ended well ended because QEMU does.
        let failed = matches!(server, Some(Some(status)) if !status.success());
        if failed && !matches!(qemu, Some(Some(_))) && self.because.is_none() {
            self.give_up("the server of its volume ended".to_owned());
            return Step::Alive;
        }
        match (qemu, daemon) {
            // QEMU is gone: the daemon has nothing left to do.
            (Some(Some(_)), None) => {
                self.daemon.kill();
                return Step::Alive;
            }
            (Some(None), Some(_)) => {
                self.give_up("the vsock daemon ended".to_owned());
                return Step::Alive;
            }
            (None, Some(_)) => {
                if !self.killed {
                    self.because.get_or_insert("the vsock daemon ended".to_owned());
                }
                self.pending = None;
            }
            (None | Some(None), None) => return Step::Alive,
            (Some(Some(_)), Some(_)) => {}
        }
        if server == Some(None) {
            // QEMU's end of its line is closed: it brings the volume to the disk, and ends.
            return Step::Alive;
        }
        // What was said last may only have come with the end.
        self.qmp.read();
        self.read_complaints();
        Step::Gone(self.exit(qemu.flatten()))
    }

    fn set_paused(&mut self, paused: bool) -> io::Result<()> {
        // Not by QMP's `stop`: the daemon's queues do not survive the restart of its device that comes
        // with it. So QEMU as a whole stands still, and the daemon waits.
        self.qemu.as_ref().ok_or(io::ErrorKind::NotConnected)?.hold(paused)?;
        self.held = paused;
        Ok(())
    }

    fn is_paused(&self) -> bool {
        self.held
    }

    fn plug(&mut self, card: usize, cable: Option<OwnedFd>) -> io::Result<()> {
        if card >= self.cards {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.qmp.plug(card, cable)
    }

    fn press_power_button(&mut self) -> bool {
        self.qmp.press_power_button().is_ok()
    }

    fn kill(&mut self) {
        self.killed = true;
        self.end_all();
    }

    fn listener(&self, channel: Channel) -> BorrowedFd<'_> {
        self.listeners.of(channel).as_fd()
    }

    fn accept(&mut self, channel: Channel) -> io::Result<Option<OwnedFd>> {
        self.listeners.of(channel).accept()
    }

    fn output(&self) -> BorrowedFd<'_> {
        self.console.as_fd()
    }
}
