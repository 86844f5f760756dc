//! The decoder reads in place: whatever it is given, it holds no more memory than the limit of the
//! message's type.
//!
//! A test binary of its own, because it counts every allocation of its process.
#![allow(unsafe_code, reason = "a global allocator cannot be had without")]
#![allow(clippy::unwrap_used, reason = "a test may stop anywhere")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

use proptest::{collection::vec, prelude::*};
use support::{
    dice::Dice,
    samples::{
        every_call_down, every_call_up, every_from_net, every_to_agent, every_to_dom0, every_to_net,
        every_to_qube, every_to_qubed,
    },
    targets::TABLES,
};
use transom_protocol::{
    call::{CallDown, CallUp},
    message::{ToDom0, ToQube},
    network::{FromNet, ToNet},
    service::{ToAgent, ToQubed},
    wire::{self, HEADER_LEN, Raw, WireError},
};

#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "protocol/support/mod.rs"]
mod support;

/// Counts what each thread holds; tests run in several.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static MOST: Cell<usize> = const { Cell::new(0) };
}

fn count(change: impl FnOnce(usize) -> usize) {
    // A thread that is being torn down has no count any more.
    let _ = HELD.try_with(|held| {
        held.set(change(held.get()));
        let _ = MOST.try_with(|most| most.set(most.get().max(held.get())));
    });
}

// SAFETY: every call goes to the system's allocator unchanged; the counts are cells of the thread
// that neither allocate nor unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|held| held.saturating_add(layout.size()));
        // SAFETY: the caller keeps the contract of `alloc`, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(|held| held.saturating_sub(layout.size()));
        // SAFETY: `memory` came from `System.alloc` with this layout, see `alloc`.
        unsafe { System.dealloc(memory, layout) }
    }
    // `realloc` is the default: an `alloc`, a copy and a `dealloc`, so that both are counted.
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most memory that was held at once during `work`, beyond what was held before.
fn most_held<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HELD.get();
    MOST.set(before);
    let value = work();
    (value, MOST.get() - before)
}

type Parse = fn(&Raw<'_>) -> Result<(), WireError>;

/// Parses a message of each table and throws it away.
const PARSE: [Parse; 8] = [
    |raw| ToDom0::parse(raw).map(drop),
    |raw| ToQube::parse(raw).map(drop),
    |raw| ToQubed::parse(raw).map(drop),
    |raw| ToAgent::parse(raw).map(drop),
    |raw| CallUp::parse(raw).map(drop),
    |raw| CallDown::parse(raw).map(drop),
    |raw| FromNet::parse(raw).map(drop),
    |raw| ToNet::parse(raw).map(drop),
];

/// Decodes the first message of `bytes` in a table; a message may cost its limit, the rest nothing.
fn decode(table: usize, bytes: &[u8]) {
    let (infos, direction, _) = TABLES[table];
    let (found, held) = most_held(|| wire::next(bytes, infos, direction));
    assert_eq!(held, 0, "framing allocates");
    if let Ok(Some(raw)) = found {
        let (_, held) = most_held(|| PARSE[table](&raw));
        let (name, max) = (raw.info.name, raw.info.max as usize);
        assert!(held <= max, "{name} held {held} bytes, its limit is {max}");
    }
}

#[test]
fn the_count_counts() {
    let (kept, held) = most_held(|| {
        drop(vec![0u8; 1_000]);
        vec![0u8; 300]
    });
    assert_eq!((kept.len(), held), (300, 1_000));
}

proptest! {
    #[test]
    fn any_bytes(data in vec(any::<u8>(), 0..300)) {
        for table in 0..TABLES.len() {
            decode(table, &data);
        }
    }

    #[test]
    fn any_payload_after_a_legal_header(byte: u8, data in vec(any::<u8>(), 0..300), longest: bool) {
        for (table, (infos, ..)) in TABLES.iter().enumerate() {
            for info in *infos {
                let length = if longest { info.max } else { (data.len() as u32).clamp(info.min, info.max) };
                let payload: Vec<u8> =
                    data.iter().copied().chain(std::iter::repeat(byte)).take(length as usize).collect();
                let mut bytes = Vec::new();
                wire::write(&mut bytes, info.kind, 0, 0, &[&payload]);
                assert_eq!(bytes.len(), HEADER_LEN + length as usize);
                decode(table, &bytes);
            }
        }
    }

    #[test]
    fn every_message(data in vec(any::<u8>(), 0..300)) {
        let dice = Dice::new(&data);
        let encoded = |encode: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            encode(&mut bytes);
            bytes
        };
        every_to_dom0(&dice, &mut |m| decode(0, &encoded(&|out| m.encode(1, 2, out))));
        every_to_qube(&dice, &mut |m| decode(1, &encoded(&|out| m.encode(1, 2, out))));
        every_to_qubed(&dice, &mut |m| decode(2, &encoded(&|out| m.encode(1, 2, out))));
        every_to_agent(&dice, &mut |m| decode(3, &encoded(&|out| m.encode(1, 2, out))));
        every_call_up(&dice, &mut |m| decode(4, &encoded(&|out| m.encode(1, 2, out))));
        every_call_down(&dice, &mut |m| decode(5, &encoded(&|out| m.encode(1, 2, out))));
        every_from_net(&dice, &mut |m| decode(6, &encoded(&|out| m.encode(1, 2, out))));
        every_to_net(&dice, &mut |m| decode(7, &encoded(&|out| m.encode(1, 2, out))));
    }
}

/// Lists of empty strings are the most items that few bytes can ask for.
#[test]
fn lists_of_nothing() {
    for (table, (infos, ..)) in TABLES.iter().enumerate() {
        for info in *infos {
            for length in [info.min, info.min + 40, info.max].map(|n| n.min(info.max)) {
                let mut bytes = Vec::new();
                wire::write(&mut bytes, info.kind, 0, 0, &[&vec![0; length as usize]]);
                decode(table, &bytes);
            }
        }
    }
}
