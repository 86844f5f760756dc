//! `zwlr_screencopy_manager_v1`: pictures of monitors for programs of dom0.
//!
//! A picture is drawn for the program, at its scale and with the pointer or without it; what is on screens
//! does not change by it, so that a program that waits for changes does not wake itself. Never while locked
//! (FAIL-CLOSED), never of a dark monitor, and nothing that the monitor would not show.
//!
//! A program that takes one after the other (a recording: it waits for changes, or takes the same monitor
//! twice) is said in the bar as long as its manager lives, and in a notice.
//!
//! Bytes are written into the program's pool where it lies: nothing of it is mapped.

use std::time::Duration;

use rustix::fs::{FileType, fstat};
use smithay::{
    output::Output,
    reexports::{
        wayland_protocols_wlr::screencopy::v1::server::{
            zwlr_screencopy_frame_v1::{self, Flags, ZwlrScreencopyFrameV1},
            zwlr_screencopy_manager_v1::{self, ZwlrScreencopyManagerV1},
        },
        wayland_server::{
            Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource,
            backend::ClientId,
            protocol::{wl_buffer::WlBuffer, wl_output::WlOutput, wl_shm},
        },
    },
    utils::{Logical, Physical, Rectangle, Size, Transform},
};
use tracing::debug;
use transom_protocol::types::Format;

use super::ShmBuffer;
use crate::{Desktop, screens::Captured, ui::notices::Notice};

/// Most pictures that wait at a time, of all programs together.
const MOST: usize = 64;

/// What of a monitor a frame is to hold.
#[derive(Clone, Copy, Debug)]
pub(in crate::wayland) struct Wanted {
    screen: u32,
    /// In pixels of the monitor's mode.
    part: Rectangle<i32, Physical>,
    pointer: bool,
}

/// A program's frame.
#[derive(Debug)]
pub(in crate::wayland) struct Frame {
    manager: ZwlrScreencopyManagerV1,
    /// `None`: it has failed already.
    wanted: Option<Wanted>,
    used: std::sync::atomic::AtomicBool,
}

/// A copy that waits for a change.
#[derive(Debug)]
struct Waiting {
    frame: ZwlrScreencopyFrameV1,
    buffer: WlBuffer,
    wanted: Wanted,
}

/// A manager that has taken a picture.
#[derive(Debug)]
struct Taker {
    manager: ZwlrScreencopyManagerV1,
    /// It takes one after the other, and the person knows.
    records: bool,
    /// By screen: what it showed when a picture was last taken of it.
    seen: Vec<(u32, u64)>,
}

/// What programs wait for.
#[derive(Debug, Default)]
pub(in crate::wayland) struct Captures {
    waiting: Vec<Waiting>,
    takers: Vec<Taker>,
    frames: usize,
}

impl Captures {
    /// What a screen showed when a manager last took a picture of it.
    fn seen(&self, manager: &ZwlrScreencopyManagerV1, screen: u32) -> Option<u64> {
        let taker = self.takers.iter().find(|taker| taker.manager == *manager)?;
        taker.seen.iter().find(|(of, _)| *of == screen).map(|(_, seen)| *seen)
    }

    fn taker(&mut self, manager: &ZwlrScreencopyManagerV1) -> &mut Taker {
        let at = self.takers.iter().position(|taker| taker.manager == *manager).unwrap_or_else(|| {
            self.takers.push(Taker { manager: manager.clone(), records: false, seen: Vec::new() });
            self.takers.len() - 1
        });
        &mut self.takers[at]
    }
}

/// What turns a picture back. smithay 0.7's own answer for flipped and turned ones does not fit its
/// rectangles: each of these is its own opposite.
fn inverse(transform: Transform) -> Transform {
    match transform {
        Transform::Flipped90 | Transform::Flipped270 => transform,
        other => other.invert(),
    }
}

/// A monitor's picture as its buffer holds it: `seen` is what a person sees.
fn unturned((bytes, size): Captured, transform: Transform) -> Captured {
    if transform == Transform::Normal {
        return (bytes, size);
    }
    let to = inverse(transform).transform_size(size);
    let mut turned = vec![0; bytes.len()];
    let row = size.w as usize;
    for y in 0..to.h {
        for x in 0..to.w {
            // Where a pixel of the mode is seen.
            let pixel = Rectangle::<i32, Physical>::new((x, y).into(), (1, 1).into());
            let seen = transform.transform_rect_in(pixel, &to).loc;
            let from = (seen.y as usize * row + seen.x as usize) * 4;
            let at = (y as usize * to.w as usize + x as usize) * 4;
            turned[at..at + 4].copy_from_slice(&bytes[from..from + 4]);
        }
    }
    (turned, to)
}

/// Writes a part of a picture into a program's buffer.
fn write(
    buffer: &ShmBuffer,
    (bytes, size): &Captured,
    part: Rectangle<i32, Physical>,
) -> std::io::Result<()> {
    let pool = &buffer.pool;
    let regular = FileType::from_raw_mode(fstat(&pool.fd)?.st_mode) == FileType::RegularFile;
    if !regular || !pool.is_backed() {
        return Err(std::io::Error::other("the buffer is not backed by a file"));
    }
    for row in 0..part.size.h {
        let from = ((part.loc.y + row) as usize * size.w as usize + part.loc.x as usize) * 4;
        let mut rest = &bytes[from..from + part.size.w as usize * 4];
        let mut at = buffer.offset + u64::from(buffer.stride) * row as u64;
        while !rest.is_empty() {
            match rustix::io::pwrite(&pool.fd, rest, at) {
                Ok(0) => return Err(std::io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    at += written as u64;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

impl Desktop {
    /// What the bar says while a program takes one picture after the other.
    pub(crate) fn capture_note(&self) -> Option<String> {
        let records = self.wayland.captures.takers.iter().any(|taker| taker.records);
        records.then(|| "screen is recorded".to_owned())
    }

    fn wanted_of(
        &self,
        output: &WlOutput,
        region: Option<Rectangle<i32, Logical>>,
        pointer: bool,
    ) -> Option<Wanted> {
        let output = Output::from_resource(output)?;
        let screen = self.screens.get(self.wayland.outputs.screen(&output)?)?;
        if !screen.lit || self.lock.covers() {
            return None;
        }
        let whole = Rectangle::from_size(inverse(screen.transform).transform_size(screen.size));
        let part = match region {
            None => whole,
            Some(region) => {
                let view = screen.view();
                let area = Rectangle::from_size(screen.area.size).intersection(region)?;
                let seen = view.rect_to_device(Rectangle::new(area.loc + screen.area.loc, area.size));
                let seen = seen.intersection(Rectangle::from_size(screen.size))?;
                inverse(screen.transform).transform_rect_in(seen, &screen.size).intersection(whole)?
            }
        };
        (!part.is_empty()).then_some(Wanted { screen: screen.id, part, pointer })
    }

    fn new_frame(
        &mut self,
        manager: &ZwlrScreencopyManagerV1,
        frame: New<ZwlrScreencopyFrameV1>,
        wanted: Option<Wanted>,
        init: &mut DataInit<'_, Self>,
    ) {
        let wanted = wanted.filter(|_| self.wayland.captures.frames < MOST);
        self.wayland.captures.frames += 1;
        let frame = init.init(frame, Frame { manager: manager.clone(), wanted, used: false.into() });
        let Some(wanted) = wanted else {
            frame.failed();
            return;
        };
        let (w, h) = (wanted.part.size.w as u32, wanted.part.size.h as u32);
        frame.buffer(wl_shm::Format::Xrgb8888, w, h, w * 4);
        if frame.version() >= 3 {
            frame.buffer_done();
        }
    }

    /// A program gives a buffer for a frame; with `on_change`, it wants it once there is something new.
    fn copy_frame(&mut self, frame: &ZwlrScreencopyFrameV1, buffer: WlBuffer, on_change: bool) {
        use std::sync::atomic::Ordering;
        use zwlr_screencopy_frame_v1::Error;
        let Some(data) = frame.data::<Frame>() else { return };
        let Some(wanted) = data.wanted else { return };
        if data.used.swap(true, Ordering::Relaxed) {
            frame.post_error(Error::AlreadyUsed, "a frame is copied once");
            return;
        }
        let fits = buffer.data::<ShmBuffer>().is_some_and(|shm| {
            let size = (shm.width as i32, shm.height as i32);
            let format = matches!(shm.format, Format::Xrgb8888 | Format::Argb8888);
            format && Size::from(size) == wanted.part.size && shm.stride == shm.width * 4
        });
        if !fits {
            frame.post_error(Error::InvalidBuffer, "another buffer than was asked for");
            return;
        }
        let seen = self.wayland.captures.seen(&data.manager, wanted.screen);
        if (on_change || seen.is_some()) && data.manager.is_alive() {
            self.records(&data.manager);
        }
        let changes = self.screens.get(wanted.screen).map(|screen| screen.changes);
        if on_change && seen.is_some() && seen == changes && !self.lock.covers() {
            self.wayland.captures.waiting.push(Waiting { frame: frame.clone(), buffer, wanted });
            return;
        }
        self.fill_frame(frame, &buffer, wanted, on_change);
    }

    /// The person is told once of a manager that takes one picture after the other.
    fn records(&mut self, manager: &ZwlrScreencopyManagerV1) {
        if !std::mem::replace(&mut self.wayland.captures.taker(manager).records, true) {
            self.notify(Notice::Text("a program of dom0 records the screen".into()));
        }
    }

    fn fill_frame(
        &mut self,
        frame: &ZwlrScreencopyFrameV1,
        buffer: &WlBuffer,
        wanted: Wanted,
        on_change: bool,
    ) {
        let turned = self.screens.get(wanted.screen).map(|s| (s.transform, s.changes));
        let captured = self.capture(wanted.screen, wanted.pointer);
        let (Some((transform, changes)), Ok(captured)) = (turned, captured) else {
            frame.failed();
            return;
        };
        let captured = unturned(captured, transform);
        let whole = Rectangle::from_size(captured.1);
        let written = buffer.data::<ShmBuffer>().filter(|_| whole.contains_rect(wanted.part));
        let Some(Ok(())) = written.map(|shm| write(shm, &captured, wanted.part)) else {
            // The monitor has another mode now, or the program's memory cannot be written.
            debug!("a picture for a program of dom0 has failed");
            frame.failed();
            return;
        };
        if let Some(data) = frame.data::<Frame>().filter(|data| data.manager.is_alive()) {
            let taker = self.wayland.captures.taker(&data.manager);
            taker.seen.retain(|(screen, _)| *screen != wanted.screen);
            taker.seen.push((wanted.screen, changes));
        }
        frame.flags(Flags::empty());
        if on_change {
            frame.damage(0, 0, wanted.part.size.w as u32, wanted.part.size.h as u32);
        }
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let time = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
        frame.ready((time.as_secs() >> 32) as u32, time.as_secs() as u32, time.subsec_nanos());
    }

    /// The end of a turn: copies that waited for a change get it, or fail.
    pub(in crate::wayland) fn serve_captures(&mut self) {
        if self.wayland.captures.waiting.is_empty() {
            return;
        }
        for waiting in std::mem::take(&mut self.wayland.captures.waiting) {
            let screen = self.screens.get(waiting.wanted.screen).filter(|screen| screen.lit);
            let changes = screen.filter(|_| !self.lock.covers()).map(|screen| screen.changes);
            let manager = waiting.frame.data::<Frame>().map(|data| &data.manager);
            let seen = manager.and_then(|m| self.wayland.captures.seen(m, waiting.wanted.screen));
            if changes.is_some() && changes == seen {
                self.wayland.captures.waiting.push(waiting);
            } else {
                self.fill_frame(&waiting.frame, &waiting.buffer, waiting.wanted, true);
            }
        }
    }

    fn taker_gone(&mut self, manager: &ZwlrScreencopyManagerV1) {
        let takers = &mut self.wayland.captures.takers;
        if let Some(at) = takers.iter().position(|taker| taker.manager == *manager)
            && takers.swap_remove(at).records
        {
            self.damage_all();
        }
    }
}

impl GlobalDispatch<ZwlrScreencopyManagerV1, ()> for Desktop {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        manager: New<ZwlrScreencopyManagerV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(manager, ());
    }
}

impl Dispatch<ZwlrScreencopyManagerV1, ()> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        manager: &ZwlrScreencopyManagerV1,
        request: zwlr_screencopy_manager_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        use zwlr_screencopy_manager_v1::Request as R;
        match request {
            R::CaptureOutput { frame, overlay_cursor, output } => {
                let wanted = desktop.wanted_of(&output, None, overlay_cursor != 0);
                desktop.new_frame(manager, frame, wanted, init);
            }
            R::CaptureOutputRegion { frame, overlay_cursor, output, x, y, width, height } => {
                let far = |v: i32| v.clamp(-(1 << 20), 1 << 20);
                let size = (far(width).max(0), far(height).max(0));
                let region = Rectangle::new((far(x), far(y)).into(), size.into());
                let wanted = desktop.wanted_of(&output, Some(region), overlay_cursor != 0);
                desktop.new_frame(manager, frame, wanted, init);
            }
            _ => {}
        }
    }

    fn destroyed(desktop: &mut Self, _: ClientId, manager: &ZwlrScreencopyManagerV1, (): &()) {
        desktop.taker_gone(manager);
    }
}

impl Dispatch<ZwlrScreencopyFrameV1, Frame> for Desktop {
    fn request(
        desktop: &mut Self,
        _: &Client,
        frame: &ZwlrScreencopyFrameV1,
        request: zwlr_screencopy_frame_v1::Request,
        _: &Frame,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        match request {
            zwlr_screencopy_frame_v1::Request::Copy { buffer } => desktop.copy_frame(frame, buffer, false),
            zwlr_screencopy_frame_v1::Request::CopyWithDamage { buffer } => {
                desktop.copy_frame(frame, buffer, true);
            }
            _ => {}
        }
    }

    fn destroyed(desktop: &mut Self, _: ClientId, frame: &ZwlrScreencopyFrameV1, _: &Frame) {
        let captures = &mut desktop.wayland.captures;
        captures.frames = captures.frames.saturating_sub(1);
        captures.waiting.retain(|waiting| waiting.frame != *frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_picture_is_turned_back() {
        // Seen: two columns, three rows, each pixel its own number.
        let seen: Captured = ((0..6_u32).flat_map(u32::to_le_bytes).collect(), (2, 3).into());
        for transform in [
            Transform::Normal,
            Transform::_90,
            Transform::_180,
            Transform::_270,
            Transform::Flipped,
            Transform::Flipped90,
            Transform::Flipped180,
            Transform::Flipped270,
        ] {
            let (bytes, size) = unturned(seen.clone(), transform);
            assert_eq!(size, inverse(transform).transform_size(seen.1), "{transform:?}");
            let mut numbers: Vec<u32> =
                bytes.chunks_exact(4).map(|p| u32::from_le_bytes([p[0], p[1], p[2], p[3]])).collect();
            // Turned back the other way it is as it was seen.
            let (again, _) = unturned((bytes, size), inverse(transform));
            assert_eq!(again, seen.0, "{transform:?}");
            numbers.sort_unstable();
            assert_eq!(numbers, (0..6).collect::<Vec<_>>(), "{transform:?}: no pixel twice");
        }
    }
}
