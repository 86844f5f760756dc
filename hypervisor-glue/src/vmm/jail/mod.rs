//! What keeps the process in if a guest takes it over.
//!
//! In this order: [`Jail::enter`] (user id, namespaces; the process goes on as a copy that is number
//! 1 of its own), [`empty_root`], [`lock`] (no capabilities, no new privileges, few descriptors),
//! and, when all threads are there, a [`filter`] for each kind of thread. From then on it can open
//! nothing, and a system call that is not on its list ends it.
//!
//! Memory and processor limits are control groups'; the parent puts the process into one.

mod filter;
mod namespaces;

use std::io;

pub use filter::{Kind, apply, filter};
pub use namespaces::{Jail, empty_root, lock};

/// The jail cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum JailError {
    /// The system refused; the text says what would help.
    #[error("the jail: cannot {doing}: {source}{advice}")]
    System {
        /// At which step.
        doing: &'static str,
        /// Why.
        source: io::Error,
        /// What would help, if known.
        advice: &'static str,
    },
    /// A filter cannot be made.
    #[error("the jail: cannot make a filter of system calls: {0}")]
    Filter(String),
}

impl JailError {
    fn at<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { doing, source: source.into(), advice: "" }
    }
}

#[cfg(test)]
mod tests;
