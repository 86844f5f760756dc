//! Memory for keys and passphrases.
#![allow(unsafe_code)]

use std::{
    fmt, io,
    ops::{Deref, DerefMut},
    ptr::{self, NonNull},
    slice,
};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
use zeroize::Zeroize as _;

/// Bytes that must not be found anywhere else: in pages of their own that are never swapped out, are
/// in no core file and not in a child, and are wiped when dropped.
pub struct Secret {
    start: NonNull<u8>,
    /// Bytes in use.
    length: usize,
    /// Bytes mapped.
    room: usize,
}

// SAFETY: the mapping belongs to this value alone.
unsafe impl Send for Secret {}
// SAFETY: it is only written through `&mut`.
unsafe impl Sync for Secret {}

impl Secret {
    /// Zeros, at least one.
    ///
    /// # Errors
    /// There is no memory.
    pub fn zeros(length: usize) -> io::Result<Self> {
        let page = rustix::param::page_size();
        let room = length.max(1).checked_next_multiple_of(page).ok_or(io::ErrorKind::OutOfMemory)?;
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
        let start = unsafe { mmap_anonymous(ptr::null_mut(), room, rights, MapFlags::PRIVATE) }?;
        let start = NonNull::new(start.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let this = Self { start, length, room };
        let at = start.as_ptr().cast();
        // SAFETY: the pages are this value's; none of the calls changes what is in them here.
        let kept = unsafe {
            mlock(at, room)
                .and_then(|()| madvise(at, room, Advice::LinuxDontDump))
                .and_then(|()| madvise(at, room, Advice::LinuxDontFork))
        };
        if let Err(error) = kept {
            // A limit (ulimit -l) of less than a page or two. It is still wiped.
            tracing::warn!(%error, "a key cannot be kept out of the swap");
        }
        Ok(this)
    }

    /// A copy.
    ///
    /// # Errors
    /// There is no memory.
    pub fn copy(bytes: &[u8]) -> io::Result<Self> {
        let mut this = Self::zeros(bytes.len())?;
        this.copy_from_slice(bytes);
        Ok(this)
    }

    /// Forgets all behind the first `length` bytes.
    pub fn truncate(&mut self, length: usize) {
        if let Some(rest) = self.get_mut(length..) {
            rest.zeroize();
            self.length = length;
        }
    }

    /// All that can be read, up to `most` bytes; `None` if it is more.
    ///
    /// # Errors
    /// Reading failed, or there is no memory.
    pub fn read(mut from: impl io::Read, most: usize) -> io::Result<Option<Self>> {
        let mut this = Self::zeros(most + 1)?;
        let mut filled = 0;
        while filled <= most {
            match from.read(&mut this[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        this.length = filled;
        Ok((filled <= most).then_some(this))
    }
}

impl Deref for Secret {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped, and initialised since they began as zeros.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Secret {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above; `&mut self` is the only way to it.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.length = self.room;
        self.deref_mut().zeroize();
        // SAFETY: the mapping is this value's, and nothing of it is used any more.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.room) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_it_was_given_and_says_nothing() {
        let secret = Secret::copy(b"correct horse").unwrap();
        assert_eq!(&*secret, b"correct horse");
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(Secret::zeros(0).unwrap().len(), 0);
    }

    #[test]
    fn reading_stops_at_the_limit() {
        assert_eq!(&*Secret::read(&b"1234"[..], 4).unwrap().unwrap(), b"1234");
        assert!(Secret::read(&b"12345"[..], 4).unwrap().is_none());
        let long = vec![7; 10_000];
        assert_eq!(&*Secret::read(&long[..], 10_000).unwrap().unwrap(), &long[..]);
    }

    #[test]
    fn its_pages_are_locked_and_in_no_core() {
        let secret = Secret::copy(b"key").unwrap();
        let start = format!("{:x}-", secret.as_ptr() as usize);
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (_, rest) = maps.split_once(&start).expect("a mapping of its own");
        let flags = rest.lines().find_map(|line| line.strip_prefix("VmFlags:")).unwrap();
        let flags: Vec<&str> = flags.split_whitespace().collect();
        for flag in ["lo", "dd", "dc"] {
            assert!(flags.contains(&flag), "{flag} is not in {flags:?}");
        }
    }
}
