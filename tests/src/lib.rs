//! Whole-system tests, and what they stand on: the in-process [`fixture`], [`process`] for tests with
//! real processes, [`procs`] for what the kernel tells of them, [`wire`] to machines, [`keys`] for what a
//! person types, and [`figure`] for what tests measure on their way.

pub mod figure;
pub mod fixture;
pub mod keys;
pub mod process;
pub mod procs;
pub mod wire;
