//! What is checked of a commit, and the size of the surface that comes of it.

use super::Rule;
use crate::{limits::*, message::Commit, types::*, wire::With};

/// Where the pixels of a picture come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureMemory {
    /// A piece of a grant; it was inside the grant when it was committed.
    Grant {
        /// The grant.
        grant: u32,
        /// First byte.
        offset: u64,
        /// Bytes from row to row, a multiple of 4 and at least 4 × width.
        stride: u32,
        /// Layout.
        format: Format,
    },
    /// One colour: alpha, red, green, blue from high to low, premultiplied.
    Solid(u32),
}

/// A picture that passed every check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Its pixels.
    pub memory: PictureMemory,
    /// Width in buffer pixels, 1 to [`MAX_DIMENSION`].
    pub width: u32,
    /// Height in buffer pixels.
    pub height: u32,
    /// Width of the surface in logical pixels.
    pub surface_width: u32,
    /// Height of the surface.
    pub surface_height: u32,
}

/// Checks a commit against the grants and what the window showed before.
///
/// Returns what it shows now: `None` if nothing.
pub(super) fn check(
    commit: &With<'_, Commit>,
    grant_bytes: impl Fn(u32) -> Option<u64>,
    before: Option<&Picture>,
) -> Result<Option<Picture>, Rule> {
    let fixed = commit.fixed;
    if !(1..=16).contains(&fixed.scale) {
        return Err(Rule::OutOfRange);
    }
    let regions = commit.damage().iter().chain(commit.opaque()).chain(commit.input().unwrap_or_default());
    if !regions.chain([&fixed.content]).all(|r| r.is_valid()) {
        return Err(Rule::OutOfRange);
    }
    let (x, y, width, height) = fixed.content.get();
    let side = MAX_DIMENSION as i32;
    let offset_ok = |v: i32| (-MAX_OFFSET..=MAX_OFFSET).contains(&v);
    if width > side || height > side || ![x, y].into_iter().all(offset_ok) {
        return Err(Rule::OutOfRange);
    }
    if ![fixed.delta_x.get(), fixed.delta_y.get()].into_iter().all(offset_ok) {
        return Err(Rule::OutOfRange);
    }
    let (memory, width, height) = match fixed.buffer {
        BufferChange::Detach => return Ok(None),
        BufferChange::Keep => match before {
            None => return Ok(None),
            Some(picture) => (picture.memory, picture.width, picture.height),
        },
        BufferChange::Solid => (PictureMemory::Solid(fixed.color.get()), 1, 1),
        BufferChange::Attach => {
            let bytes = grant_bytes(fixed.grant.get()).ok_or(Rule::UnknownGrant)?;
            (attached(fixed, bytes)?, fixed.width.get(), fixed.height.get())
        }
    };
    let (surface_width, surface_height) = surface_size(fixed, width, height)?;
    Ok(Some(Picture { memory, width, height, surface_width, surface_height }))
}

fn attached(fixed: &Commit, grant_bytes: u64) -> Result<PictureMemory, Rule> {
    let (width, height, stride) = (fixed.width.get(), fixed.height.get(), fixed.stride.get());
    let side = 1..=MAX_DIMENSION;
    if !side.contains(&width) || !side.contains(&height) {
        return Err(Rule::OutOfRange);
    }
    let offset = fixed.offset.get();
    let row = width.checked_mul(4).ok_or(Rule::OutOfRange)?;
    if stride < row || !stride.is_multiple_of(4) || !offset.is_multiple_of(4) {
        return Err(Rule::OutOfRange);
    }
    let last_row = u64::from(stride).checked_mul(u64::from(height - 1)).ok_or(Rule::OutsideGrant)?;
    let end = last_row
        .checked_add(u64::from(row))
        .and_then(|length| length.checked_add(offset))
        .ok_or(Rule::OutsideGrant)?;
    if end > grant_bytes {
        return Err(Rule::OutsideGrant);
    }
    Ok(PictureMemory::Grant { grant: fixed.grant.get(), offset, stride, format: fixed.format })
}

/// Size of the surface in logical pixels: buffer size, turned, divided by the scale, cropped and
/// scaled by the viewport (`wl_surface` and `wp_viewport`).
///
/// Errors: [`Rule::BadViewport`] if the source does not lie in the picture or the result is empty.
pub fn surface_size(commit: &Commit, width: u32, height: u32) -> Result<(u32, u32), Rule> {
    let turned = matches!(
        commit.transform,
        Transform::Rot90 | Transform::Rot270 | Transform::Flipped90 | Transform::Flipped270
    );
    let (width, height) = if turned { (height, width) } else { (width, height) };
    let scale = u32::from(commit.scale.max(1));
    let (width, height) = (width.div_ceil(scale), height.div_ceil(scale));
    let (mut size_w, mut size_h) = (width, height);
    if !commit.source.is_unset() {
        let [x, y, w, h] = [commit.source.x, commit.source.y, commit.source.width, commit.source.height]
            .map(|v| i64::from(v.0.get()));
        let inside = x >= 0
            && y >= 0
            && w > 0
            && h > 0
            && x + w <= i64::from(width) * 256
            && y + h <= i64::from(height) * 256;
        if !inside {
            return Err(Rule::BadViewport);
        }
        (size_w, size_h) = (((w + 255) / 256) as u32, ((h + 255) / 256) as u32);
    }
    let (dest_w, dest_h) = (commit.dest_width.get(), commit.dest_height.get());
    if dest_w != 0 || dest_h != 0 {
        let side = 1..=MAX_DIMENSION;
        if !side.contains(&dest_w) || !side.contains(&dest_h) {
            return Err(Rule::BadViewport);
        }
        (size_w, size_h) = (dest_w, dest_h);
    }
    Ok((size_w, size_h))
}
