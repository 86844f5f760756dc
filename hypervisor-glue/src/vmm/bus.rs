//! Which port and address is whose. Called by vCPU threads.

use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use vmm_sys_util::eventfd::EventFd;

use super::{
    Exit,
    devices::{power::Power, serial::Console, transport::Transport},
    layout,
};

/// A virtio device and the eventfd by which the event loop is told to look at its queues.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) transport: Mutex<Transport>,
    pub(super) kick: EventFd,
}

/// Everything outside RAM.
#[derive(Debug)]
pub(super) struct Bus {
    pub(super) console: Mutex<Console>,
    pub(super) power: Mutex<Power>,
    pub(super) devices: Vec<Slot>,
    /// Which of the devices are network cards.
    pub(super) cards: Range<usize>,
}

/// A lock whose holder panicked guards state that is still whole enough to go on: a panic ends the
/// process anyway.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bus {
    /// A guest wrote to a port. Wider writes reach one port only, as no device of ours has wider
    /// registers.
    pub(super) fn port_write(&self, port: u16, data: &[u8]) -> Option<Exit> {
        let &[untrusted_value] = data else { return None };
        if lock(&self.console).write(port, untrusted_value) {
            return None;
        }
        lock(&self.power).write(port, untrusted_value)
    }

    /// A guest reads from a port; where nothing is, all bits are set.
    pub(super) fn port_read(&self, port: u16, data: &mut [u8]) {
        data.fill(0xff);
        if let [value] = data {
            let read = lock(&self.console).read(port).or_else(|| lock(&self.power).read(port));
            *value = read.unwrap_or(0xff);
        }
    }

    /// A guest wrote to memory that is not RAM.
    pub(super) fn memory_write(&self, untrusted_address: u64, data: &[u8]) {
        let Some((slot, offset)) = self.slot(untrusted_address) else { return };
        if lock(&slot.transport).write(offset, data) {
            let _ = slot.kick.write(1);
        }
    }

    /// A guest reads memory that is not RAM.
    pub(super) fn memory_read(&self, untrusted_address: u64, data: &mut [u8]) {
        match self.slot(untrusted_address) {
            Some((slot, offset)) => lock(&slot.transport).read(offset, data),
            None => data.fill(0xff),
        }
    }

    /// A network card, by its number.
    pub(super) fn card(&self, number: usize) -> Option<&Slot> {
        self.devices.get(self.cards.clone())?.get(number)
    }

    fn slot(&self, untrusted_address: u64) -> Option<(&Slot, u64)> {
        let inside = untrusted_address.checked_sub(layout::VIRTIO)?;
        let index = usize::try_from(inside / layout::VIRTIO_STRIDE).ok()?;
        Some((self.devices.get(index)?, inside % layout::VIRTIO_STRIDE))
    }
}
