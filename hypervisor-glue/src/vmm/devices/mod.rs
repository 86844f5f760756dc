//! Devices as the guest sees them.
//!
//! A virtio device is a [`Device`]: pure handling of its queues, given guest memory. The registers,
//! feature negotiation and interrupts around it are the [`transport`]'s. What a guest puts into its
//! queues is hostile: a chain is read once, wholly checked, by [`chain::Chain`]; what cannot be
//! right makes the device *broken* ([`Broken`]): it says so in its status and does nothing more until
//! the guest resets it. Other devices and the rest of the machine go on.

pub mod block;
pub mod chain;
pub mod net;
pub mod power;
pub mod rng;
pub mod serial;
pub mod transport;
pub mod vsock;

use std::{os::fd::OwnedFd, sync::Arc};

use rustix::event::PollFlags;
use virtio_queue::{Queue, QueueOwnedT as _, QueueT};

use self::{chain::Chain, net::Cable};
use super::memory::GuestRam;

/// The guest broke the rules of virtio; the text is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub &'static str);

impl From<virtio_queue::Error> for Broken {
    fn from(_: virtio_queue::Error) -> Self {
        // The crate's errors are about rings that point outside RAM or are too far ahead.
        Self("a ring is outside RAM or inconsistent")
    }
}

/// A descriptor of the host that a device waits for.
#[derive(Debug)]
pub struct Watch {
    /// Which one; shared, because the device may drop it while somebody waits.
    pub fd: Arc<OwnedFd>,
    /// Readable, writable or both.
    pub events: PollFlags,
    /// Comes back in [`Device::ready`].
    pub token: u64,
}

/// Whether there may be more to do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// All done; the next notification comes from the guest or from a watched descriptor.
    Done,
    /// The budget is used up: call again after others had their turn.
    More,
}

/// A virtio device. It never waits.
pub trait Device: Send + std::fmt::Debug {
    /// The number of its kind (virtio 1.2, section 5).
    fn kind(&self) -> u32;

    /// Feature bits that it offers, besides those of the transport.
    fn features(&self) -> u64 {
        0
    }

    /// Most entries of each queue: powers of two, at most [`chain::MAX_PARTS`].
    fn queue_sizes(&self) -> &'static [u16];

    /// Its configuration space.
    fn config(&self) -> &[u8] {
        &[]
    }

    /// The guest has accepted `features` and made the queues.
    fn activate(&mut self, features: u64) {
        let _ = features;
    }

    /// The guest has put something into queue `index`.
    fn notified(&mut self, index: usize, queues: &mut Queues<'_>) -> Result<Work, Broken>;

    /// Adds what it waits for. Asked before each wait, so this may differ each time.
    fn watch(&self, watches: &mut Vec<Watch>) {
        let _ = watches;
    }

    /// A watched descriptor is ready.
    fn ready(&mut self, token: u64, events: PollFlags, queues: &mut Queues<'_>) -> Result<Work, Broken> {
        let _ = (token, events, queues);
        Ok(Work::Done)
    }

    /// It gets another cable, or none. Only a network card has one.
    fn plug(&mut self, cable: Option<Cable>) {
        let _ = cable;
    }

    /// The guest starts anew with it. Called by a vCPU's thread, so it does no I/O.
    fn reset(&mut self) {}

    /// The machine has ended: what was held back for the guest is written.
    fn finish(&mut self) {}
}

/// The queues of a device and the memory that they lie in.
#[derive(Debug)]
pub struct Queues<'a> {
    memory: &'a GuestRam,
    all: &'a mut [Queue],
    interrupt: bool,
}

impl<'a> Queues<'a> {
    /// Queues that were found valid.
    pub fn new(memory: &'a GuestRam, queues: &'a mut [Queue]) -> Self {
        Self { memory, all: queues, interrupt: false }
    }

    /// Guest RAM.
    pub fn memory(&self) -> &'a GuestRam {
        self.memory
    }

    /// Entries of queue `index`: how much to handle at most before others get their turn.
    pub fn budget(&self, index: usize) -> u16 {
        self.all.get(index).map_or(0, QueueT::size)
    }

    /// Takes the next chain from a queue. `None` if there is none; then the guest will notify of
    /// the next.
    pub fn pop(&mut self, index: usize) -> Result<Option<Chain<'a>>, Broken> {
        let memory = self.memory;
        let queue = self.all.get_mut(index).filter(|queue| queue.ready());
        let Some(queue) = queue else { return Ok(None) };
        for _ in 0..2 {
            if let Some(chain) = queue.iter(memory)?.next() {
                return Chain::new(memory, chain).map(Some);
            }
            // Asks for notifications first, then looks once more, or one could be missed.
            if !queue.enable_notification(memory)? {
                return Ok(None);
            }
        }
        Err(Broken("a ring cannot be read"))
    }

    /// Gives a chain back, unused: the next [`Self::pop`] finds it again.
    pub fn undo_pop(&mut self, index: usize) {
        if let Some(queue) = self.all.get_mut(index) {
            queue.go_to_previous_position();
        }
    }

    /// Hands a chain back to the guest; `written` bytes of it were filled.
    pub fn push(&mut self, index: usize, head: u16, written: u32) -> Result<(), Broken> {
        let Some(queue) = self.all.get_mut(index) else { return Ok(()) };
        queue.add_used(self.memory, head, written)?;
        self.interrupt |= queue.needs_notification(self.memory)?;
        Ok(())
    }

    /// True if the guest is to be interrupted for what was pushed.
    pub fn wants_interrupt(&self) -> bool {
        self.interrupt
    }
}
