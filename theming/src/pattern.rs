//! Patterns of labels in strips as thin as a frame.
//!
//! A pattern is laid out along a strip of `t` device pixels with a whole number of device pixels
//! as its period, so it repeats exactly at every scale. Straight pieces end on device pixels,
//! slanted ones are smoothed.

use std::{collections::HashMap, sync::Arc};

use crate::{DeviceRect, Pattern, canvas::Canvas, theme::Tones};

/// Thickest strip with a pattern, in device pixels: frames of 16 px at the largest scale.
const MOST: i32 = 16 * 16 + 16;
/// Samples per pixel and axis where edges are smoothed.
const SAMPLES: i32 = 4;

/// One period of a pattern: how much of each pixel is pattern.
#[derive(Debug)]
struct Tile {
    period: i32,
    /// Row by row across the strip, `period` values each.
    coverage: Vec<u8>,
}

/// Tiles that were made before.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    tiles: HashMap<(Pattern, i32), Arc<Tile>>,
}

/// Which way a strip runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Across,
    Down,
}

impl Patterns {
    /// Fills the ring of this thickness just inside `outer` with colour and pattern. Of the ring
    /// only what lies on the canvas is drawn, so that a ring can be painted in parts: `outer` may
    /// begin and end outside.
    pub(crate) fn ring(
        &mut self,
        canvas: &mut Canvas,
        outer: DeviceRect,
        t: i32,
        tones: Tones,
        pattern: Pattern,
    ) {
        let t = t.clamp(1, MOST).min(outer.w / 2).min(outer.h / 2);
        if t < 1 {
            canvas.fill(outer, tones.color);
            return;
        }
        let middle = outer.h - 2 * t;
        let strips = [
            (DeviceRect { h: t, ..outer }, Way::Across),
            (DeviceRect { y: outer.bottom() - t, h: t, ..outer }, Way::Across),
            (DeviceRect { y: outer.y + t, w: t, h: middle, ..outer }, Way::Down),
            (DeviceRect::new(outer.right() - t, outer.y + t, t, middle), Way::Down),
        ];
        for (rect, way) in strips {
            self.strip(canvas, (rect, way), t, (tones, pattern), outer);
        }
        if let Some((from, thick)) = rail(pattern, t) {
            canvas.outline(outer.inset(from), thick, tones.pattern);
        }
    }

    /// Fills one strip along the upper edge: a fullscreen window's.
    pub(crate) fn band(&mut self, canvas: &mut Canvas, rect: DeviceRect, tones: Tones, pattern: Pattern) {
        let t = rect.h.clamp(1, MOST);
        self.strip(canvas, (rect, Way::Across), t, (tones, pattern), rect);
        if let Some((from, thick)) = rail(pattern, t) {
            canvas.fill(DeviceRect { y: rect.y + from, h: thick, ..rect }, tones.pattern);
        }
    }

    fn strip(
        &mut self,
        canvas: &mut Canvas,
        (rect, way): (DeviceRect, Way),
        t: i32,
        (tones, pattern): (Tones, Pattern),
        origin: DeviceRect,
    ) {
        canvas.fill(rect, tones.color);
        if matches!(pattern, Pattern::Solid | Pattern::Steel) {
            return;
        }
        let tile = self.tiles.entry((pattern, t)).or_insert_with(|| Arc::new(Tile::new(pattern, t))).clone();
        let seen = rect.intersection(&canvas.bounds());
        for y in seen.y..seen.bottom() {
            for x in seen.x..seen.right() {
                let (along, across) = match way {
                    Way::Across => (x - origin.x, y - rect.y),
                    Way::Down => (y - origin.y, x - rect.x),
                };
                let coverage = tile.at(along, across);
                if coverage > 0 {
                    canvas.blend(x, y, tones.pattern.into(), coverage);
                }
            }
        }
    }
}

impl Tile {
    fn new(pattern: Pattern, t: i32) -> Self {
        let period = period(pattern, t);
        let mut coverage = Vec::with_capacity((period * t) as usize);
        for across in 0..t {
            for along in 0..period {
                let mut hits = 0;
                for i in 0..SAMPLES * SAMPLES {
                    let sub = |v: i32| (v as f32 + 0.5) / SAMPLES as f32;
                    let (a, c) = (along as f32 + sub(i % SAMPLES), across as f32 + sub(i / SAMPLES));
                    hits += i32::from(covers(pattern, a, c, t, period));
                }
                coverage.push((hits * 255 / (SAMPLES * SAMPLES)) as u8);
            }
        }
        Self { period, coverage }
    }

    fn at(&self, along: i32, across: i32) -> u8 {
        let index = across * self.period + along.rem_euclid(self.period);
        self.coverage.get(index as usize).copied().unwrap_or(0)
    }
}

/// Length after which a pattern repeats, in device pixels.
fn period(pattern: Pattern, t: i32) -> i32 {
    match pattern {
        Pattern::Solid | Pattern::Steel => 1,
        Pattern::StripesUp | Pattern::StripesDown | Pattern::Chevrons | Pattern::Dots | Pattern::Grid => {
            2 * t
        }
        Pattern::Waves => 4 * t,
        Pattern::Checks => 2 * check(t),
    }
}

/// Length of a field of the chequerboard.
fn check(t: i32) -> i32 {
    (t / 2).max(2)
}

/// True if the pattern's own tone is at this place of the strip.
fn covers(pattern: Pattern, along: f32, across: f32, t: i32, period: i32) -> bool {
    let (size, turn) = (t as f32, period as f32);
    let from_middle = (across - size / 2.0).abs();
    match pattern {
        Pattern::Solid | Pattern::Steel => false,
        Pattern::StripesUp => (along + across).rem_euclid(turn) < size,
        Pattern::StripesDown => (along - across).rem_euclid(turn) < size,
        Pattern::Dots => (along - size).hypot(across - size / 2.0) < size * 0.45,
        Pattern::Grid => along < (t / 3).max(1) as f32,
        Pattern::Chevrons => (along + from_middle * 1.6).rem_euclid(turn) < size * 0.8,
        Pattern::Waves => {
            let swing = (along / turn * std::f32::consts::TAU).sin() * size * 0.3;
            (across - size / 2.0 - swing).abs() < size * 0.2
        }
        Pattern::Checks => {
            let column = (along / check(t) as f32) as i32 % 2 == 0;
            // Three rows of one pixel, or two with a gap where the height is odd: all alike.
            let (upper, lower) = if t == 3 { (1.0, 2.0) } else { ((t / 2) as f32, (t - t / 2) as f32) };
            match across {
                a if a < upper => column,
                a if a >= lower => column == (t == 3),
                _ => t == 3 && !column,
            }
        }
    }
}

/// The line that runs along a strip of this pattern: where it begins, from the strip's outer
/// edge, and its thickness. It goes all around a ring and has corners of its own.
fn rail(pattern: Pattern, t: i32) -> Option<(i32, i32)> {
    match pattern {
        Pattern::Grid | Pattern::Steel if t < 2 => None,
        Pattern::Grid | Pattern::Steel if t == 2 => Some((1, 1)),
        Pattern::Grid => {
            let third = t / 3;
            // As even or odd as the strip, so that it lies in its middle.
            let thick = if third % 2 == t % 2 { third } else { (third - 1).max(2 - t % 2) };
            Some(((t - thick) / 2, thick))
        }
        Pattern::Steel => Some((t / 3, t - 2 * (t / 3))),
        _ => None,
    }
}
