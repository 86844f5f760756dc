//! One chain of descriptors, read once and checked wholly before anything is done with it.

use virtio_queue::DescriptorChain;
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryBackend as _, VolatileSlice};

use super::Broken;
use crate::vmm::memory::GuestRam;

/// Most descriptors of a chain; also the largest queue, for a chain in a queue of that size cannot
/// be longer without a loop.
pub const MAX_PARTS: usize = 256;

/// A part of guest RAM.
#[derive(Clone, Copy, Debug)]
struct Span {
    address: GuestAddress,
    length: usize,
}

/// What a guest hands over for one request: memory to read from, then memory to write into. Every
/// part lies in RAM.
#[derive(Debug)]
pub struct Chain<'a> {
    memory: &'a GuestRam,
    head: u16,
    readable: Vec<Span>,
    writable: Vec<Span>,
}

impl<'a> Chain<'a> {
    /// Reads and checks a chain: it must end, be in order, and lie in RAM.
    pub(super) fn new(memory: &'a GuestRam, chain: DescriptorChain<&GuestRam>) -> Result<Self, Broken> {
        let head = chain.head_index();
        let mut this = Self { memory, head, readable: Vec::new(), writable: Vec::new() };
        let mut ended = false;
        for untrusted_part in chain {
            if this.readable.len() + this.writable.len() == MAX_PARTS {
                return Err(Broken("a chain is too long"));
            }
            let span = Span { address: untrusted_part.addr(), length: untrusted_part.len() as usize };
            if !memory.check_range(span.address, span.length) {
                return Err(Broken("a descriptor lies outside RAM"));
            }
            if untrusted_part.is_write_only() {
                this.writable.push(span);
            } else if this.writable.is_empty() {
                this.readable.push(span);
            } else {
                return Err(Broken("a descriptor to read follows one to write"));
            }
            ended = !untrusted_part.has_next();
        }
        // The iterator stops without a word at loops and at numbers outside the table.
        if ended { Ok(this) } else { Err(Broken("a chain does not end")) }
    }

    /// Its number, for [`super::Queues::push`].
    pub fn head(&self) -> u16 {
        self.head
    }

    /// Bytes to read.
    pub fn readable(&self) -> u64 {
        total(&self.readable)
    }

    /// Bytes to write.
    pub fn writable(&self) -> u64 {
        total(&self.writable)
    }

    /// Copies from the readable part, from `offset` on; less than asked for only at its end.
    pub fn read_at(&self, offset: u64, bytes: &mut [u8]) -> usize {
        let mut done = 0;
        for span in cut(&self.readable, offset, bytes.len() as u64) {
            let target = &mut bytes[done..done + span.length];
            if self.memory.read_slice(target, span.address).is_err() {
                break;
            }
            done += span.length;
        }
        done
    }

    /// Copies into the writable part, from `offset` on; less than asked for only at its end.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> usize {
        let mut done = 0;
        for span in cut(&self.writable, offset, bytes.len() as u64) {
            if self.memory.write_slice(&bytes[done..done + span.length], span.address).is_err() {
                break;
            }
            done += span.length;
        }
        done
    }

    /// The memory of `length` readable bytes from `offset` on.
    pub fn slices_to_read(&self, offset: u64, length: u64) -> Vec<VolatileSlice<'a>> {
        self.slices(&self.readable, offset, length)
    }

    /// The memory of `length` writable bytes from `offset` on.
    pub fn slices_to_write(&self, offset: u64, length: u64) -> Vec<VolatileSlice<'a>> {
        self.slices(&self.writable, offset, length)
    }

    fn slices(&self, spans: &[Span], offset: u64, length: u64) -> Vec<VolatileSlice<'a>> {
        // Each span was found to lie in RAM, which never changes.
        cut(spans, offset, length)
            .filter_map(|span| self.memory.get_slice(span.address, span.length).ok())
            .collect()
    }
}

fn total(spans: &[Span]) -> u64 {
    spans.iter().map(|span| span.length as u64).sum()
}

/// The parts of spans that make up `length` bytes from `offset` on.
fn cut(spans: &[Span], offset: u64, length: u64) -> impl Iterator<Item = Span> {
    let mut skip = offset;
    let mut left = length;
    spans.iter().filter_map(move |span| {
        let here = span.length as u64;
        if skip >= here {
            skip -= here;
            return None;
        }
        let taken = (here - skip).min(left);
        let address = GuestAddress(span.address.0 + skip);
        skip = 0;
        left -= taken;
        (taken > 0).then_some(Span { address, length: taken as usize })
    })
}
