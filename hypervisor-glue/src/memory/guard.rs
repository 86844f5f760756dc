//! The guard against SIGBUS.
//!
//! A client can shorten the file of its pool while dom0 reads it; the kernel then raises SIGBUS in
//! the reader. The handler here looks the address up in a table of mappings. If it is one of ours,
//! it maps zeros over the *whole* mapping, so that a qube can cause at most one fault per grant (a
//! fault per page would be a way to make dom0 slow, rule NO-STALL), and marks the mapping. Any
//! other fault goes to the handler that was there before.
//!
//! The handler calls only functions that are safe in a signal handler and takes no lock: the table
//! is an array of sequence-locked slots.
#![allow(unsafe_code)]

use std::{
    cell::UnsafeCell,
    io, mem, ptr,
    sync::{
        Once,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// Most mappings of the process at once, of all qubes together. The kernel's own limit on
/// mappings (65,530 by default) is above.
pub const MAX_MAPPINGS: usize = 8_192;

/// One mapping. `sequence` is odd while the other fields change and even while they stand;
/// `start` is 0 while the slot is free.
struct Slot {
    taken: AtomicBool,
    sequence: AtomicUsize,
    start: AtomicUsize,
    length: AtomicUsize,
    poisoned: AtomicBool,
}

impl Slot {
    const fn new() -> Self {
        Self {
            taken: AtomicBool::new(false),
            sequence: AtomicUsize::new(0),
            start: AtomicUsize::new(0),
            length: AtomicUsize::new(0),
            poisoned: AtomicBool::new(false),
        }
    }

    /// Changes the range. Only the owner of the slot calls this.
    fn set(&self, start: usize, length: usize) {
        self.sequence.fetch_add(1, Ordering::SeqCst);
        self.start.store(start, Ordering::SeqCst);
        self.length.store(length, Ordering::SeqCst);
        self.sequence.fetch_add(1, Ordering::SeqCst);
    }

    /// The range, if it stands and holds `address`.
    ///
    /// A slot that is just being changed is none that the faulting thread reads from: whoever reads
    /// borrows the mapping, and the mapping's slot does not change while it is borrowed.
    fn range_with(&self, address: usize) -> Option<(usize, usize)> {
        let before = self.sequence.load(Ordering::SeqCst);
        let start = self.start.load(Ordering::SeqCst);
        let length = self.length.load(Ordering::SeqCst);
        let after = self.sequence.load(Ordering::SeqCst);
        let stands = before == after && before.is_multiple_of(2) && start != 0;
        (stands && address.wrapping_sub(start) < length).then_some((start, length))
    }
}

static SLOTS: [Slot; MAX_MAPPINGS] = [const { Slot::new() }; MAX_MAPPINGS];
/// Slots from here on were never used: where the handler's search ends.
static HIGH_WATER: AtomicUsize = AtomicUsize::new(0);
/// Where the search for a free slot begins.
static HINT: AtomicUsize = AtomicUsize::new(0);

/// A registered mapping. Dropping it takes the mapping out of the table, which must happen before
/// the memory is unmapped.
#[derive(Debug)]
pub(super) struct Registration {
    index: usize,
}

impl Registration {
    /// Registers `length` bytes at `start`; `None` if the table is full.
    pub(super) fn new(start: usize, length: usize) -> Option<Self> {
        let first = HINT.load(Ordering::Relaxed);
        let index = (0..MAX_MAPPINGS).map(|i| (first + i) % MAX_MAPPINGS).find(|i| {
            SLOTS[*i].taken.compare_exchange(false, true, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        })?;
        HINT.store((index + 1) % MAX_MAPPINGS, Ordering::Relaxed);
        let slot = &SLOTS[index];
        slot.poisoned.store(false, Ordering::SeqCst);
        HIGH_WATER.fetch_max(index + 1, Ordering::SeqCst);
        slot.set(start, length);
        Some(Self { index })
    }

    /// True if a read has faulted.
    pub(super) fn is_poisoned(&self) -> bool {
        SLOTS[self.index].poisoned.load(Ordering::SeqCst)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let slot = &SLOTS[self.index];
        slot.set(0, 0);
        // Low slots are used again first, so that the handler's search stays short.
        HINT.fetch_min(self.index, Ordering::Relaxed);
        slot.taken.store(false, Ordering::Release);
    }
}

/// The action that stood before ours.
struct Previous(UnsafeCell<mem::MaybeUninit<libc::sigaction>>);
// SAFETY: written once, before the handler is installed, and only read afterwards.
unsafe impl Sync for Previous {}
static PREVIOUS: Previous = Previous(UnsafeCell::new(mem::MaybeUninit::uninit()));

/// Installs the handler, once per process. [`super::ClientFds::map`] does it by itself.
///
/// A handler that is installed later by another library must pass on what is not its own, as
/// this one does.
pub fn install_guard() -> io::Result<()> {
    static ONCE: Once = Once::new();
    static INSTALLED: AtomicBool = AtomicBool::new(false);
    ONCE.call_once(|| {
        // SAFETY: `sigaction` is a plain struct for which all zeros is a valid value; the previous
        // action is read into memory that only this closure writes, once, before the handler that
        // reads it exists. The handler has the signature that SA_SIGINFO asks for.
        let ok = unsafe {
            let mut ours: libc::sigaction = mem::zeroed();
            ours.sa_sigaction = handle as *const () as usize;
            ours.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
            libc::sigemptyset(&raw mut ours.sa_mask);
            libc::sigaction(libc::SIGBUS, ptr::null(), (*PREVIOUS.0.get()).as_mut_ptr()) == 0
                && libc::sigaction(libc::SIGBUS, &raw const ours, ptr::null_mut()) == 0
        };
        INSTALLED.store(ok, Ordering::SeqCst);
    });
    if INSTALLED.load(Ordering::SeqCst) {
        Ok(())
    } else {
        Err(io::Error::other("the handler for SIGBUS cannot be installed"))
    }
}

/// The handler. Nothing in here may allocate, lock or panic.
extern "C" fn handle(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands a valid siginfo to a handler installed with SA_SIGINFO; `si_addr` is
    // valid for SIGBUS. `__errno_location` gives this thread's errno, which is put back at the end.
    unsafe {
        let errno = *libc::__errno_location();
        // Sent by somebody instead of raised by a fault: `si_code` is not positive.
        let raised = (*info).si_code > 0;
        if !raised || !replace((*info).si_addr() as usize) {
            chain(signal, info, context);
        }
        *libc::__errno_location() = errno;
    }
}

/// Maps zeros over the mapping that holds `address`, if it is ours.
fn replace(address: usize) -> bool {
    let high = HIGH_WATER.load(Ordering::SeqCst).min(MAX_MAPPINGS);
    let Some((slot, start, length)) = SLOTS
        .iter()
        .take(high)
        .find_map(|slot| slot.range_with(address).map(|(start, length)| (slot, start, length)))
    else {
        return false;
    };
    slot.poisoned.store(true, Ordering::SeqCst);
    // SAFETY: `start` and `length` are a whole mapping of this process (see `map.rs`), which stays
    // while the faulting thread reads from it. It is replaced by readable memory of the same size,
    // so everything that points into it stays valid; its content was never relied upon. `mmap` is
    // one system call and safe in a signal handler on Linux.
    let at = unsafe {
        libc::mmap(
            start as *mut libc::c_void,
            length,
            libc::PROT_READ,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    at != libc::MAP_FAILED
}

/// Passes a signal that is not ours to the action that stood before.
///
/// # Safety
///
/// To be called from the handler only, with what it was given.
unsafe fn chain(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: PREVIOUS was filled before the handler was installed; the functions in it were
    // registered for this signal with the signature that its flags say.
    unsafe {
        let previous = &*(*PREVIOUS.0.get()).as_ptr();
        match previous.sa_sigaction {
            libc::SIG_IGN if (*info).si_code <= 0 => {}
            libc::SIG_DFL | libc::SIG_IGN => {
                // Back to the default, which ends the process: at once when this handler returns
                // and the signal is no longer blocked.
                let mut default: libc::sigaction = mem::zeroed();
                default.sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, &raw const default, ptr::null_mut());
                libc::raise(signal);
            }
            handler if previous.sa_flags & libc::SA_SIGINFO != 0 => {
                let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) =
                    mem::transmute(handler);
                handler(signal, info, context);
            }
            handler => {
                let handler: extern "C" fn(libc::c_int) = mem::transmute(handler);
                handler(signal);
            }
        }
    }
}
