//! virtio over memory-mapped registers, version 2 (virtio 1.2, section 4.2).
//!
//! Registers are read and written by vCPU threads, queues are handled on the event loop's thread;
//! both hold the transport's lock meanwhile. The interrupt status has none, so that a guest's
//! interrupt handler never waits for a device at work.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::event::PollFlags;
use virtio_queue::{Queue, QueueT as _};
use vmm_sys_util::eventfd::EventFd;

use super::{Broken, Device, Queues, Watch, Work, net::Cable};
use crate::vmm::memory::GuestRam;

/// Register numbers, as offsets.
mod register {
    pub(super) const MAGIC: u64 = 0x00;
    pub(super) const VERSION: u64 = 0x04;
    pub(super) const DEVICE_ID: u64 = 0x08;
    pub(super) const VENDOR_ID: u64 = 0x0c;
    pub(super) const DEVICE_FEATURES: u64 = 0x10;
    pub(super) const DEVICE_FEATURES_SELECT: u64 = 0x14;
    pub(super) const DRIVER_FEATURES: u64 = 0x20;
    pub(super) const DRIVER_FEATURES_SELECT: u64 = 0x24;
    pub(super) const QUEUE_SELECT: u64 = 0x30;
    pub(super) const QUEUE_SIZE_MAX: u64 = 0x34;
    pub(super) const QUEUE_SIZE: u64 = 0x38;
    pub(super) const QUEUE_READY: u64 = 0x44;
    pub(super) const QUEUE_NOTIFY: u64 = 0x50;
    pub(super) const INTERRUPT_STATUS: u64 = 0x60;
    pub(super) const INTERRUPT_ACK: u64 = 0x64;
    pub(super) const STATUS: u64 = 0x70;
    pub(super) const DESC_LOW: u64 = 0x80;
    pub(super) const DESC_HIGH: u64 = 0x84;
    pub(super) const DRIVER_LOW: u64 = 0x90;
    pub(super) const DRIVER_HIGH: u64 = 0x94;
    pub(super) const DEVICE_LOW: u64 = 0xa0;
    pub(super) const DEVICE_HIGH: u64 = 0xa4;
    pub(super) const CONFIG_GENERATION: u64 = 0xfc;
    pub(super) const CONFIG: u64 = 0x100;
}

/// Where a guest writes a queue's number to notify the device; an eventfd can stand behind it.
pub const NOTIFY_OFFSET: u64 = register::QUEUE_NOTIFY;

/// Bits of the status register.
mod status {
    pub(super) const ACKNOWLEDGE: u32 = 1;
    pub(super) const DRIVER: u32 = 2;
    pub(super) const DRIVER_OK: u32 = 4;
    pub(super) const FEATURES_OK: u32 = 8;
    pub(super) const NEEDS_RESET: u32 = 0x40;
    pub(super) const FAILED: u32 = 0x80;
    pub(super) const WRITABLE: u32 = ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK | FAILED;
}

const VERSION_1: u64 = 1 << 32;
const EVENT_INDEX: u64 = 1 << 29;
/// Violations that are told to the log.
const MAX_TOLD: u32 = 8;
/// "virt"
const MAGIC: u32 = 0x7472_6976;

/// The line to the guest: why, and the eventfd that KVM turns into an interrupt.
#[derive(Debug)]
pub struct Interrupt {
    status: AtomicU32,
    line: EventFd,
}

/// A queue has used buffers.
const USED: u32 = 1;
/// The configuration, or the device's state, has changed.
const CHANGED: u32 = 2;

impl Interrupt {
    /// `line` is what KVM listens to.
    pub fn new(line: EventFd) -> Self {
        Self { status: AtomicU32::new(0), line }
    }

    /// What KVM listens to.
    pub fn line(&self) -> &EventFd {
        &self.line
    }

    fn raise(&self, why: u32) {
        self.status.fetch_or(why, Ordering::SeqCst);
        // Fails only when its counter is full, and then the interrupt is pending anyway.
        let _ = self.line.write(1);
    }
}

/// A device with its registers.
#[derive(Debug)]
pub struct Transport {
    device: Box<dyn Device>,
    queues: Vec<Queue>,
    interrupt: Arc<Interrupt>,
    memory: GuestRam,
    status: u32,
    features_accepted: u64,
    device_features_select: u32,
    driver_features_select: u32,
    queue_select: u32,
    /// Violations that were told to the log.
    told: u32,
}

impl Transport {
    /// Puts registers in front of a device.
    pub fn new(device: Box<dyn Device>, memory: GuestRam, interrupt: Arc<Interrupt>) -> io::Result<Self> {
        let queues = device.queue_sizes().iter().map(|size| Queue::new(*size)).collect::<Result<_, _>>();
        Ok(Self {
            queues: queues.map_err(io::Error::other)?,
            device,
            interrupt,
            memory,
            status: 0,
            features_accepted: 0,
            device_features_select: 0,
            driver_features_select: 0,
            queue_select: 0,
            told: 0,
        })
    }

    /// True if the guest uses the device and it is not broken.
    pub fn is_active(&self) -> bool {
        self.status & (status::DRIVER_OK | status::NEEDS_RESET | status::FAILED) == status::DRIVER_OK
    }

    /// True if the device waits for a reset because the guest broke the rules.
    pub fn is_broken(&self) -> bool {
        self.status & status::NEEDS_RESET != 0
    }

    /// A guest reads `data.len()` bytes at `offset`.
    pub fn read(&self, offset: u64, data: &mut [u8]) {
        data.fill(0);
        if let Some(start) = offset.checked_sub(register::CONFIG) {
            let config = self.device.config();
            let start = usize::try_from(start).unwrap_or(usize::MAX);
            for (target, byte) in data.iter_mut().zip(config.iter().skip(start)) {
                *target = *byte;
            }
        } else if data.len() == 4 {
            data.copy_from_slice(&self.read_register(offset).to_le_bytes());
        }
    }

    fn read_register(&self, offset: u64) -> u32 {
        let queue = self.queues.get(self.queue_select as usize);
        match offset {
            register::MAGIC => MAGIC,
            register::VERSION => 2,
            register::DEVICE_ID => self.device.kind(),
            register::VENDOR_ID => 0,
            register::DEVICE_FEATURES => half(self.features(), self.device_features_select),
            register::QUEUE_SIZE_MAX => queue.map_or(0, |queue| u32::from(queue.max_size())),
            register::QUEUE_READY => queue.map_or(0, |queue| u32::from(queue.ready())),
            register::INTERRUPT_STATUS => self.interrupt.status.load(Ordering::SeqCst),
            register::STATUS => self.status,
            register::CONFIG_GENERATION => 0,
            _ => 0,
        }
    }

    /// A guest writes at `offset`. True if queues may have to be looked at, because the device was
    /// just activated.
    pub fn write(&mut self, offset: u64, data: &[u8]) -> bool {
        // No device of ours has configuration that can be written.
        let Ok(bytes) = data.try_into() else { return false };
        let untrusted_value = u32::from_le_bytes(bytes);
        match offset {
            register::DEVICE_FEATURES_SELECT => self.device_features_select = untrusted_value,
            register::DRIVER_FEATURES_SELECT => self.driver_features_select = untrusted_value,
            register::DRIVER_FEATURES => self.accept_features(untrusted_value),
            register::QUEUE_SELECT => self.queue_select = untrusted_value,
            register::INTERRUPT_ACK => {
                self.interrupt.status.fetch_and(!untrusted_value, Ordering::SeqCst);
            }
            register::STATUS => return self.set_status(untrusted_value),
            _ => self.write_queue(offset, untrusted_value),
        }
        false
    }

    fn features(&self) -> u64 {
        self.device.features() | VERSION_1 | EVENT_INDEX
    }

    fn accept_features(&mut self, untrusted_value: u32) {
        if self.status & status::FEATURES_OK != 0 {
            return;
        }
        match self.driver_features_select {
            0 => self.features_accepted = self.features_accepted & !0xffff_ffff | u64::from(untrusted_value),
            1 => {
                self.features_accepted =
                    self.features_accepted & 0xffff_ffff | u64::from(untrusted_value) << 32;
            }
            _ => {}
        }
    }

    fn write_queue(&mut self, offset: u64, untrusted_value: u32) {
        let set_up = self.status & (status::FEATURES_OK | status::DRIVER_OK) == status::FEATURES_OK;
        let Some(queue) = self.queues.get_mut(self.queue_select as usize) else { return };
        // A queue in use cannot be changed, only taken away by a reset.
        if !set_up || (queue.ready() && offset != register::QUEUE_READY) {
            return;
        }
        match offset {
            register::QUEUE_SIZE => {
                if let Ok(size) = u16::try_from(untrusted_value) {
                    queue.set_size(size);
                }
            }
            register::QUEUE_READY => queue.set_ready(untrusted_value == 1),
            register::DESC_LOW => queue.set_desc_table_address(Some(untrusted_value), None),
            register::DESC_HIGH => queue.set_desc_table_address(None, Some(untrusted_value)),
            register::DRIVER_LOW => queue.set_avail_ring_address(Some(untrusted_value), None),
            register::DRIVER_HIGH => queue.set_avail_ring_address(None, Some(untrusted_value)),
            register::DEVICE_LOW => queue.set_used_ring_address(Some(untrusted_value), None),
            register::DEVICE_HIGH => queue.set_used_ring_address(None, Some(untrusted_value)),
            _ => {}
        }
    }

    fn set_status(&mut self, untrusted_status: u32) -> bool {
        if untrusted_status == 0 {
            self.reset();
            return false;
        }
        // Bits fall by a reset only.
        let mut new = untrusted_status & status::WRITABLE | self.status;
        let risen = new & !self.status;
        let known = self.features_accepted & !self.features() == 0;
        if risen & status::FEATURES_OK != 0 && !(known && self.features_accepted & VERSION_1 != 0) {
            // The driver reads it back and sees that it cannot have these.
            new &= !status::FEATURES_OK;
        }
        if risen & status::DRIVER_OK != 0 {
            if new & status::FEATURES_OK == 0 {
                new &= !status::DRIVER_OK;
            } else {
                self.status = new;
                return self.activate();
            }
        }
        self.status = new;
        false
    }

    fn activate(&mut self) -> bool {
        let event_index = self.features_accepted & EVENT_INDEX != 0;
        for queue in &mut self.queues {
            queue.set_event_idx(event_index);
            if queue.ready() && !queue.is_valid(&self.memory) {
                self.break_down(Broken("a queue lies outside RAM"));
                return false;
            }
        }
        self.device.activate(self.features_accepted);
        true
    }

    fn reset(&mut self) {
        self.device.reset();
        for queue in &mut self.queues {
            queue.reset();
        }
        self.interrupt.status.store(0, Ordering::SeqCst);
        (self.status, self.features_accepted) = (0, 0);
        (self.device_features_select, self.driver_features_select, self.queue_select) = (0, 0, 0);
    }

    fn break_down(&mut self, why: Broken) {
        // A guest may reset and break it again, for ever.
        if self.told < MAX_TOLD {
            self.told += 1;
            tracing::warn!(device = self.device.kind(), %why, "the guest broke a device");
        }
        self.status |= status::NEEDS_RESET;
        self.interrupt.raise(CHANGED);
    }

    /// Lets the device look at all its queues. The guest's notification does not say which one
    /// when it comes by eventfd.
    pub fn notified(&mut self) -> Work {
        let count = self.queues.len();
        self.work(|device, queues| {
            let mut work = Work::Done;
            for index in 0..count {
                if device.notified(index, queues)? == Work::More {
                    work = Work::More;
                }
            }
            Ok(work)
        })
    }

    /// Lets the device look at a descriptor that it watches.
    pub fn ready(&mut self, token: u64, events: PollFlags) -> Work {
        self.work(|device, queues| device.ready(token, events, queues))
    }

    fn work(&mut self, act: impl FnOnce(&mut dyn Device, &mut Queues<'_>) -> Result<Work, Broken>) -> Work {
        if !self.is_active() {
            return Work::Done;
        }
        let mut queues = Queues::new(&self.memory, &mut self.queues);
        let result = act(&mut *self.device, &mut queues);
        if queues.wants_interrupt() {
            self.interrupt.raise(USED);
        }
        match result {
            Ok(work) => work,
            Err(why) => {
                self.break_down(why);
                Work::Done
            }
        }
    }

    /// Gives a network card another cable, or none. What the guest has sent so far was meant for the old
    /// one, and goes nowhere.
    pub fn plug(&mut self, cable: Option<Cable>) -> Work {
        self.device.plug(None);
        // One turn takes all that a queue can hold.
        self.notified();
        self.device.plug(cable);
        // There may be room for what comes over the new one.
        self.notified()
    }

    /// The machine ends: what the device holds back for the guest is written.
    pub fn finish(&mut self) {
        self.device.finish();
    }

    /// Adds what the device waits for.
    pub fn watch(&self, watches: &mut Vec<Watch>) {
        if self.is_active() {
            self.device.watch(watches);
        }
    }
}

fn half(features: u64, select: u32) -> u32 {
    match select {
        0 => features as u32,
        1 => (features >> 32) as u32,
        _ => 0,
    }
}
