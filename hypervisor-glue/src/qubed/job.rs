//! Work that would keep the loop waiting, on a thread of its own.

use std::{
    io,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::net::UnixStream,
    },
    thread::{self, JoinHandle},
};

/// Work that was begun. Dropping it does not end it; the end of this process does.
#[derive(Debug)]
pub(super) struct Job<T> {
    thread: JoinHandle<T>,
    /// Closed by the thread when it is done.
    done: UnixStream,
}

impl<T: Send + 'static> Job<T> {
    /// Begins.
    pub(super) fn begin(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        let (done, theirs) = UnixStream::pair()?;
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _closed_at_the_end = theirs;
            work()
        })?;
        Ok(Self { thread, done })
    }

    /// Readable when it is done.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.done.as_fd()
    }

    /// What came of it; waits for that. `None` if it panicked.
    pub(super) fn end(self) -> Option<T> {
        self.thread.join().ok()
    }
}
