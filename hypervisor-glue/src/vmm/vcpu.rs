//! A vCPU's thread.

use std::{
    sync::{
        Arc, Condvar, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use kvm_ioctls::{VcpuExit, VcpuFd};
use seccompiler::BpfProgram;
use vmm_sys_util::{
    eventfd::EventFd,
    signal::{Killable as _, SIGRTMIN, register_signal_handler},
};

use super::{
    Exit,
    bus::{Bus, lock},
    timing::Mark,
};

/// What vCPUs and the event loop share.
#[derive(Debug)]
pub(super) struct Shared {
    gate: Mutex<Gate>,
    opened: Condvar,
    /// The gate is closed, for a look without a lock.
    closed: AtomicBool,
    /// Set when vCPUs are to end.
    stop: AtomicBool,
    /// When the first vCPU was about to run.
    first_run: OnceLock<Mark>,
    /// How the machine ended; the first word counts.
    exit: OnceLock<Exit>,
    /// Wakes the event loop after the last two.
    pub(super) news: EventFd,
}

/// vCPUs run while it is open.
#[derive(Debug, Default)]
struct Gate {
    open: bool,
    /// How many vCPUs stand before it.
    waiting: usize,
}

impl Shared {
    pub(super) fn new(news: EventFd) -> Self {
        Self {
            gate: Mutex::default(),
            opened: Condvar::new(),
            closed: AtomicBool::new(true),
            stop: AtomicBool::new(false),
            first_run: OnceLock::new(),
            exit: OnceLock::new(),
            news,
        }
    }

    pub(super) fn open_gate(&self) {
        lock(&self.gate).open = true;
        self.closed.store(false, Ordering::SeqCst);
        self.opened.notify_all();
    }

    pub(super) fn close_gate(&self) {
        lock(&self.gate).open = false;
        self.closed.store(true, Ordering::SeqCst);
    }

    /// How many vCPUs are out of the guest and stay out while the gate is closed.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.gate).waiting
    }

    fn wait_at_gate(&self) {
        let mut gate = lock(&self.gate);
        gate.waiting += 1;
        while !gate.open {
            gate = self.opened.wait(gate).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        gate.waiting -= 1;
    }

    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.open_gate();
    }

    pub(super) fn first_run(&self) -> Option<Mark> {
        self.first_run.get().copied()
    }

    pub(super) fn exit(&self) -> Option<&Exit> {
        self.exit.get()
    }

    fn end(&self, exit: Exit) {
        let _ = self.exit.set(exit);
        self.stop.store(true, Ordering::SeqCst);
        let _ = self.news.write(1);
    }
}

/// Runs a vCPU until the machine ends.
pub(super) fn run(mut vcpu: VcpuFd, first: bool, shared: &Arc<Shared>, bus: &Arc<Bus>) {
    shared.wait_at_gate();
    if first && shared.first_run.set(Mark::now()).is_ok() {
        let _ = shared.news.write(1);
    }
    while !shared.stop.load(Ordering::SeqCst) {
        if shared.closed.load(Ordering::SeqCst) {
            shared.wait_at_gate();
            // Its watchdogs need not wonder where the time went; one without KVM's clock has no ear
            // for that.
            let _ = vcpu.kvmclock_ctrl();
        }
        if let Some(exit) = step(&mut vcpu, bus) {
            shared.end(exit);
        }
    }
}

/// Runs until the guest needs something, and gives it. Says if this ends the machine.
fn step(vcpu: &mut VcpuFd, bus: &Bus) -> Option<Exit> {
    const SHUTDOWN: u32 = 1;
    const RESET: u32 = 2;
    const CRASH: u32 = 3;
    match vcpu.run() {
        Ok(VcpuExit::IoOut(port, data)) => bus.port_write(port, data),
        Ok(VcpuExit::IoIn(port, data)) => {
            bus.port_read(port, data);
            None
        }
        Ok(VcpuExit::MmioWrite(untrusted_address, data)) => {
            bus.memory_write(untrusted_address, data);
            None
        }
        Ok(VcpuExit::MmioRead(untrusted_address, data)) => {
            bus.memory_read(untrusted_address, data);
            None
        }
        Ok(VcpuExit::Shutdown) => Some(lock(&bus.power).triple_fault()),
        Ok(VcpuExit::SystemEvent(SHUTDOWN, _)) => Some(Exit::PowerOff),
        Ok(VcpuExit::SystemEvent(RESET, _)) => Some(Exit::Reset),
        Ok(VcpuExit::SystemEvent(CRASH, _)) => Some(Exit::Panic),
        Ok(VcpuExit::Intr | VcpuExit::IrqWindowOpen | VcpuExit::SetTpr | VcpuExit::TprAccess) => None,
        Ok(VcpuExit::FailEntry(reason, cpu)) => {
            Some(Exit::Failed(format!("the processor refuses to enter it on vCPU {cpu}: {reason:#x}")))
        }
        Ok(VcpuExit::InternalError) => {
            Some(Exit::Failed("KVM met something that it cannot emulate".to_owned()))
        }
        Ok(other) => Some(Exit::Failed(format!("KVM stopped for {other:?}"))),
        // A signal: to look at `stop`.
        Err(error) if [libc::EINTR, libc::EAGAIN].contains(&error.errno()) => None,
        Err(error) => Some(Exit::Failed(format!("KVM cannot run a vCPU: {error}"))),
    }
}

/// The signal that takes a vCPU out of the guest.
fn signal() -> libc::c_int {
    SIGRTMIN()
}

/// Lets [`kick`] interrupt a vCPU instead of ending the process.
pub(super) fn install_signal_handler() -> std::io::Result<()> {
    extern "C" fn nothing(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}
    register_signal_handler(signal(), nothing).map_err(Into::into)
}

/// Takes a vCPU out of the guest, if it is in there.
pub(super) fn kick(thread: &JoinHandle<()>) {
    let _ = thread.kill(signal());
}

/// A vCPU's thread: puts its filter on, then runs.
pub(super) fn thread(
    vcpu: VcpuFd,
    first: bool,
    filter: Option<BpfProgram>,
    shared: &Arc<Shared>,
    bus: &Arc<Bus>,
) {
    if let Some(filter) = filter
        && let Err(error) = seccompiler::apply_filter(&filter)
    {
        shared.end(Exit::Failed(format!("a vCPU cannot be jailed: {error}")));
        return;
    }
    run(vcpu, first, shared, bus);
}
