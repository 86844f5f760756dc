//! Whole-system tests, and what they stand on: the in-process [`fixture`], and [`process`] for
//! tests with real processes.

pub mod fixture;
pub mod process;
