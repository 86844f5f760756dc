//! Who runs beside whom. A machine in software has one processor, and takes little of a second one: two tests at once
//! take hardly longer than one on two cores. What looks at clocks, or needs much memory, is alone.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

/// Tests at once.
const PLACES: usize = 2;

struct State {
    taken: usize,
    /// Those who wait for all places.
    waiting: usize,
}

static STATE: Mutex<State> = Mutex::new(State { taken: 0, waiting: 0 });
static CHANGED: Condvar = Condvar::new();

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A test's turn, until it is dropped; it says then how long it was.
#[derive(Debug)]
pub(crate) struct Turn {
    places: usize,
    begin: Instant,
}

impl Turn {
    /// Waits for a turn beside another one.
    pub(crate) fn beside_another() -> Self {
        // Whoever waits to be alone goes first, or would wait for ever.
        let full = |state: &mut State| state.taken >= PLACES || state.waiting > 0;
        let mut state = CHANGED.wait_while(state(), full).unwrap_or_else(PoisonError::into_inner);
        state.taken += 1;
        Self { places: 1, begin: Instant::now() }
    }

    /// Waits for a turn without anybody else.
    pub(crate) fn alone() -> Self {
        let mut state = state();
        state.waiting += 1;
        let mut state =
            CHANGED.wait_while(state, |state| state.taken > 0).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state.taken = PLACES;
        Self { places: PLACES, begin: Instant::now() }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        state().taken -= self.places;
        CHANGED.notify_all();
        let (name, seconds) = (thread::current().name().unwrap_or_default().to_owned(), self.begin.elapsed());
        println!("turn of {name}: {:.1} s", seconds.as_secs_f64());
    }
}
