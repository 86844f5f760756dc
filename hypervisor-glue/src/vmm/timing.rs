//! When the stages of a start were over: wall time and processor time.

use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Serialize};

/// A moment.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    wall: Duration,
    cpu: Duration,
}

impl Mark {
    /// Now. Processor time is this process's since it began.
    pub fn now() -> Self {
        Self { wall: read(ClockId::Monotonic), cpu: read(ClockId::ProcessCPUTime) }
    }

    /// Processor time of this process until then.
    pub fn cpu(self) -> Duration {
        self.cpu
    }
}

fn read(clock: ClockId) -> Duration {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(clock);
    Duration::new(tv_sec.try_into().unwrap_or(0), tv_nsec.try_into().unwrap_or(0))
}

/// One stage of a start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// What was done.
    pub name: String,
    /// From the start until it was done.
    pub wall_us: u64,
    /// Processor time until it was done, the program's loading included.
    pub cpu_us: u64,
}

/// The stages so far.
#[derive(Debug)]
pub struct Stages {
    start: Duration,
    /// Processor time of the process that we are a copy of.
    before: Duration,
    list: Vec<Stage>,
}

impl Stages {
    /// Starts the clock.
    pub fn new() -> Self {
        Self { start: Mark::now().wall, before: Duration::ZERO, list: Vec::new() }
    }

    /// A stage is over.
    pub fn done(&mut self, name: &str) {
        self.done_at(name, Mark::now());
    }

    /// A stage was over at `mark`.
    pub fn done_at(&mut self, name: &str, mark: Mark) {
        self.list.push(Stage {
            name: name.to_owned(),
            wall_us: mark.wall.saturating_sub(self.start).as_micros() as u64,
            cpu_us: (self.before + mark.cpu).as_micros() as u64,
        });
    }

    /// This process is a copy of one that had used `cpu` by then.
    pub fn continue_after(&mut self, cpu: Duration) {
        self.before += cpu;
    }

    /// All stages, in order.
    pub fn list(&self) -> &[Stage] {
        &self.list
    }
}

impl Default for Stages {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_add_up() {
        let mut stages = Stages::new();
        stages.done("first");
        stages.continue_after(Duration::from_millis(5));
        stages.done("second");
        let [first, second] = stages.list() else { panic!("two stages") };
        assert!(second.wall_us >= first.wall_us && second.cpu_us >= first.cpu_us + 5_000);
    }
}
