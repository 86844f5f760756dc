//! `wl_shm` of our own: a pool is never mapped here. Its file descriptor is kept, to be handed over
//! as a grant; the link maps it once and reads it in place.

use std::{
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use smithay::reexports::wayland_server::{
    Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource, WEnum,
    protocol::{wl_buffer::WlBuffer, wl_shm, wl_shm_pool},
};
use transom_protocol::{limits::MAX_DIMENSION, types::Format};

use crate::Desktop;

/// A pool of a program's memory.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Names it for the life of the server.
    pub id: u64,
    /// The memory.
    pub fd: OwnedFd,
    bytes: AtomicU64,
    /// Pools that are gone; shared by all.
    gone: Arc<Mutex<Vec<u64>>>,
}

impl Pool {
    /// Its length as the program says, in bytes. It only grows.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// True if the file is as long as the program says.
    pub(crate) fn is_backed(&self) -> bool {
        rustix::fs::fstat(&self.fd)
            .is_ok_and(|stat| u64::try_from(stat.st_size).is_ok_and(|size| size >= self.bytes()))
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Ok(mut gone) = self.gone.lock() {
            gone.push(self.id);
        }
    }
}

/// A buffer in a pool.
#[derive(Debug)]
pub(crate) struct ShmBuffer {
    /// Where its memory is.
    pub pool: Arc<Pool>,
    /// First byte in the pool.
    pub offset: u64,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Bytes from row to row.
    pub stride: u32,
    /// How pixels lie in memory.
    pub format: Format,
}

/// Numbers pools and learns when the last use of one is over.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    next: u64,
    gone: Arc<Mutex<Vec<u64>>>,
}

impl Pools {
    /// Pools that nothing uses any more.
    pub(crate) fn take_gone(&self) -> Vec<u64> {
        self.gone.lock().map(|mut gone| std::mem::take(&mut *gone)).unwrap_or_default()
    }
}

/// Formats that dom0 draws, with their names in `wl_shm`.
const FORMATS: [(wl_shm::Format, Format); 6] = [
    (wl_shm::Format::Argb8888, Format::Argb8888),
    (wl_shm::Format::Xrgb8888, Format::Xrgb8888),
    (wl_shm::Format::Abgr8888, Format::Abgr8888),
    (wl_shm::Format::Xbgr8888, Format::Xbgr8888),
    (wl_shm::Format::Argb2101010, Format::Argb2101010),
    (wl_shm::Format::Xrgb2101010, Format::Xrgb2101010),
];

impl GlobalDispatch<wl_shm::WlShm, ()> for Desktop {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        resource: New<wl_shm::WlShm>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        let shm = init.init(resource, ());
        for (format, _) in FORMATS {
            shm.format(format);
        }
    }
}

impl Dispatch<wl_shm::WlShm, ()> for Desktop {
    fn request(
        state: &mut Self,
        _: &Client,
        shm: &wl_shm::WlShm,
        request: wl_shm::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let wl_shm::Request::CreatePool { id, fd, size } = request else { return };
        let Some(bytes) = u64::try_from(size).ok().filter(|bytes| *bytes > 0) else {
            shm.post_error(wl_shm::Error::InvalidStride, format!("a pool of {size} bytes"));
            return;
        };
        state.wayland.pools.next += 1;
        let pool = Pool {
            id: state.wayland.pools.next,
            fd,
            bytes: bytes.into(),
            gone: Arc::clone(&state.wayland.pools.gone),
        };
        if !pool.is_backed() {
            shm.post_error(wl_shm::Error::InvalidFd, format!("the file has fewer than {size} bytes"));
            return;
        }
        init.init(id, Arc::new(pool));
    }
}

impl Dispatch<wl_shm_pool::WlShmPool, Arc<Pool>> for Desktop {
    fn request(
        _: &mut Self,
        _: &Client,
        resource: &wl_shm_pool::WlShmPool,
        request: wl_shm_pool::Request,
        pool: &Arc<Pool>,
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            wl_shm_pool::Request::CreateBuffer { id, offset, width, height, stride, format } => {
                match buffer(pool, [offset, width, height, stride], format) {
                    Ok(buffer) => {
                        init.init(id, buffer);
                    }
                    Err((code, reason)) => resource.post_error(code, reason),
                }
            }
            wl_shm_pool::Request::Resize { size } => {
                let grown = u64::try_from(size).ok().filter(|bytes| *bytes >= pool.bytes());
                match grown {
                    Some(bytes) => pool.bytes.store(bytes, Ordering::Relaxed),
                    None => resource.post_error(wl_shm::Error::InvalidFd, "a pool can only grow"),
                }
                if !pool.is_backed() {
                    resource.post_error(
                        wl_shm::Error::InvalidFd,
                        format!("the file has fewer than {size} bytes"),
                    );
                }
            }
            _ => {}
        }
    }
}

/// Checks a buffer against its pool.
fn buffer(
    pool: &Arc<Pool>,
    numbers: [i32; 4],
    format: WEnum<wl_shm::Format>,
) -> Result<ShmBuffer, (wl_shm::Error, String)> {
    let known = format.into_result().ok().and_then(|f| FORMATS.iter().find(|(name, _)| *name == f));
    let Some((_, format)) = known else {
        return Err((wl_shm::Error::InvalidFormat, "a format that was not offered".into()));
    };
    let wrong = |what: &str| (wl_shm::Error::InvalidStride, what.to_owned());
    let [offset, width, height, stride] = numbers.map(u32::try_from);
    let (Ok(offset), Ok(width), Ok(height), Ok(stride)) = (offset, width, height, stride) else {
        return Err(wrong("a negative number"));
    };
    let side = 1..=MAX_DIMENSION;
    if !side.contains(&width) || !side.contains(&height) {
        return Err(wrong("a width or height out of range"));
    }
    if stride < width * 4 || !stride.is_multiple_of(4) || !offset.is_multiple_of(4) {
        return Err(wrong("a stride or offset that does not fit the format"));
    }
    if u64::from(offset) + u64::from(stride) * u64::from(height) > pool.bytes() {
        return Err(wrong("a buffer that does not lie in its pool"));
    }
    Ok(ShmBuffer { pool: Arc::clone(pool), offset: offset.into(), width, height, stride, format: *format })
}

impl Dispatch<WlBuffer, ShmBuffer> for Desktop {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WlBuffer,
        _: <WlBuffer as Resource>::Request,
        _: &ShmBuffer,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        // Its one request, destroy, is done by the library; the pool lives as long as a use of it.
    }
}
