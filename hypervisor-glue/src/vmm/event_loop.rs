//! A running machine: its threads, and the loop that serves all devices in the caller's thread.

use std::{
    fmt,
    os::fd::{AsFd as _, BorrowedFd},
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use kvm_ioctls::VmFd;
use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

use super::{
    Exit,
    bus::{Bus, Slot, lock},
    devices::{Watch, Work, net::Cable},
    kvm::borrow,
    memory::Ram,
    timing::Mark,
    vcpu::{self, Shared},
};

/// What the owner of a running machine wants.
#[derive(Debug)]
pub enum Order {
    /// Nothing, after all.
    Nothing,
    /// The machine should end.
    Stop,
    /// No vCPU should run; answered by [`Owner::paused`].
    Pause,
    /// They should go on; answered by [`Owner::paused`].
    Resume,
    /// Network card `card` should have another cable, or none; answered by [`Owner::plugged`].
    Plug {
        /// Its number, from 0.
        card: usize,
        /// What it is plugged into.
        cable: Option<Cable>,
    },
}

/// For whom a machine runs. `()` is somebody who only waits for its end.
pub trait Owner {
    /// When this is readable or closed, [`Owner::order`] says more.
    fn fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// The next order.
    fn order(&mut self) -> Order {
        Order::Nothing
    }

    /// Hears, once, of the moment just before the first instruction.
    fn started(&mut self, _: Mark) {}

    /// Hears that no vCPU runs any more, or that they all may again.
    fn paused(&mut self, _: bool) {}

    /// Hears that a card has its new cable and the old one is closed; false: there is no such card.
    fn plugged(&mut self, _: bool) {}
}

impl Owner for () {}

/// A machine whose vCPUs have threads. Dropping it ends them.
pub struct Running {
    pub(super) threads: Vec<JoinHandle<()>>,
    pub(super) shared: Arc<Shared>,
    pub(super) bus: Arc<Bus>,
    // Dropped last: the machine, then its memory.
    pub(super) _machine: VmFd,
    pub(super) _ram: Ram,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("vcpus", &self.threads.len()).finish_non_exhaustive()
    }
}

impl Running {
    /// Runs the machine to its end, or until its owner wants it to stop.
    pub fn run(mut self, owner: &mut impl Owner) -> Exit {
        self.shared.open_gate();
        let mut started = false;
        let exit = loop {
            if let Some(mark) = self.shared.first_run()
                && !std::mem::replace(&mut started, true)
            {
                owner.started(mark);
            }
            if let Some(exit) = self.shared.exit() {
                break exit.clone();
            }
            let order = match self.turn(owner.fd()) {
                Ok(true) => owner.order(),
                Ok(false) => Order::Nothing,
                Err(error) => break Exit::Failed(format!("the event loop cannot wait: {error}")),
            };
            match order {
                Order::Nothing => {}
                Order::Stop => break Exit::Stopped,
                Order::Pause => {
                    self.pause();
                    owner.paused(true);
                }
                Order::Resume => {
                    self.shared.open_gate();
                    owner.paused(false);
                }
                Order::Plug { card, cable } => owner.plugged(self.plug(card, cable)),
            }
        };
        self.end();
        for slot in &self.bus.devices {
            lock(&slot.transport).finish();
        }
        exit
    }

    /// Waits once and serves what is ready. True if the owner, by `owner`, has an order.
    fn turn(&self, owner: Option<BorrowedFd<'_>>) -> Result<bool, Errno> {
        // Nothing is locked while waiting; watched descriptors are kept open by their share.
        let mut watches = Vec::new();
        let mut owners = Vec::new();
        for (index, slot) in self.bus.devices.iter().enumerate() {
            lock(&slot.transport).watch(&mut watches);
            owners.resize(watches.len(), index);
        }
        let ready = wait(owner, borrow(&self.shared.news), &self.bus.devices, &watches)?;
        let (fixed, watched) = ready.split_at(2 + self.bus.devices.len());
        if !fixed[0].is_empty() {
            return Ok(true);
        }
        if !fixed[1].is_empty() {
            let _ = self.shared.news.read();
        }
        for (slot, events) in self.bus.devices.iter().zip(&fixed[2..]) {
            if !events.is_empty() {
                let _ = slot.kick.read();
                again(slot, lock(&slot.transport).notified());
            }
        }
        for ((watch, owner), events) in watches.iter().zip(owners).zip(watched) {
            if !events.is_empty()
                && let Some(slot) = self.bus.devices.get(owner)
            {
                again(slot, lock(&slot.transport).ready(watch.token, *events));
            }
        }
        Ok(false)
    }

    /// False if there is no such card.
    fn plug(&self, card: usize, cable: Option<Cable>) -> bool {
        let Some(slot) = self.bus.card(card) else { return false };
        again(slot, lock(&slot.transport).plug(cable));
        true
    }

    /// Takes all vCPUs out of the guest. One that is in there leaves at once; one that is served
    /// by us needs no more than a look at a register.
    fn pause(&self) {
        self.shared.close_gate();
        let running = || self.threads.iter().filter(|thread| !thread.is_finished());
        while self.shared.waiting() < running().count() {
            running().for_each(vcpu::kick);
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(&mut self) {
        self.shared.stop();
        for thread in self.threads.drain(..) {
            // A signal that comes just before a vCPU enters the guest is lost, so it is repeated.
            while !thread.is_finished() {
                vcpu::kick(&thread);
                thread::sleep(Duration::from_millis(1));
            }
            if thread.join().is_err() {
                tracing::error!("a vCPU's thread panicked");
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// What is not done yet gets its next turn after the others.
fn again(slot: &Slot, work: Work) {
    if work == Work::More {
        let _ = slot.kick.write(1);
    }
}

/// Waits for any of: `owner`, news of vCPUs, each device's notification, each watched descriptor.
/// Says in this order what is ready.
fn wait(
    owner: Option<BorrowedFd<'_>>,
    news: BorrowedFd<'_>,
    devices: &[Slot],
    watches: &[Watch],
) -> Result<Vec<PollFlags>, Errno> {
    // Where nobody gives orders, the place is kept by what is never asked for.
    let (owner, asked) = owner.map_or((news, PollFlags::empty()), |owner| (owner, PollFlags::IN));
    let fixed = [PollFd::from_borrowed_fd(owner, asked), PollFd::from_borrowed_fd(news, PollFlags::IN)];
    let kicks = devices.iter().map(|slot| PollFd::from_borrowed_fd(borrow(&slot.kick), PollFlags::IN));
    let others = watches.iter().map(|watch| PollFd::from_borrowed_fd(watch.fd.as_fd(), watch.events));
    let mut fds: Vec<_> = fixed.into_iter().chain(kicks).chain(others).collect();
    loop {
        match poll(&mut fds, None) {
            Ok(_) => return Ok(fds.iter().map(PollFd::revents).collect()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
