//! Screens as the shell sees them: where they are and where windows may go.

use super::geometry::{Point, Rect, Size};

/// Height of the bar that is kept free at the top of a screen, in logical pixels (LOOK).
pub const BAR_HEIGHT: i32 = 28;
/// Size of the piece of a window's top that always stays within reach, in logical pixels.
pub const REACH: (i32, i32) = (64, 26);
/// A screen counts as at least this large, in logical pixels; a smaller one shows a part.
const LEAST: (i32, i32) = (160, 120);
/// No screen begins further away from the origin than this.
const FAR: i32 = 1 << 20;

/// A screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Chosen by the caller; the same monitor should come back with the same number, then windows that
    /// were on it go back to it.
    pub id: u32,
    /// Where it is on the desktop.
    pub rect: Rect,
    /// Where windows may go: without the bar.
    pub usable: Rect,
}

impl Output {
    /// A screen with a bar of [`BAR_HEIGHT`] at its top.
    pub fn with_bar(id: u32, rect: Rect) -> Self {
        let bar = BAR_HEIGHT.min(rect.h.max(0));
        let usable = Rect::new(rect.x, rect.y.saturating_add(bar), rect.w, rect.h.saturating_sub(bar));
        Self { id, rect, usable }
    }

    /// Within the bounds that the rest of the shell counts on.
    fn sane(self) -> Self {
        let rect = Rect {
            x: self.rect.x.clamp(-FAR, FAR),
            y: self.rect.y.clamp(-FAR, FAR),
            w: self.rect.w.clamp(LEAST.0, super::MAX_SIDE),
            h: self.rect.h.clamp(LEAST.1, super::MAX_SIDE),
        };
        let usable = rect
            .intersection(self.usable)
            .filter(|usable| usable.w >= REACH.0 && usable.h >= REACH.1)
            .unwrap_or(rect);
        Self { id: self.id, rect, usable }
    }

    /// The half of the usable area on one side. Together both halves are the whole.
    pub(super) fn half(&self, left: bool) -> Rect {
        let w = self.usable.w / 2;
        if left {
            Rect { w, ..self.usable }
        } else {
            Rect { x: self.usable.x.saturating_add(w), w: self.usable.w.saturating_sub(w), ..self.usable }
        }
    }
}

/// What setting a screen did.
#[derive(Clone, Copy, Debug)]
pub(super) enum Set {
    /// Nothing.
    Same,
    /// It was like this before.
    Changed(Output),
    /// It is new. If it is the only one, another one had stood in.
    New { instead_of: Option<Output> },
}

/// All screens, in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Outputs {
    list: Vec<Output>,
    /// Stands in while there is no screen, so that windows always have a place: the screen that went
    /// last.
    last: Output,
}

impl Default for Outputs {
    fn default() -> Self {
        Self { list: Vec::new(), last: Output::with_bar(0, Rect::new(0, 0, 1280, 720)) }
    }
}

impl Outputs {
    /// Adds a screen or changes the one with this number.
    pub(super) fn set(&mut self, output: Output) -> Set {
        let output = output.sane();
        if let Some(old) = self.list.iter_mut().find(|o| o.id == output.id) {
            return if *old == output { Set::Same } else { Set::Changed(std::mem::replace(old, output)) };
        }
        let first = self.list.is_empty();
        self.list.push(output);
        match first {
            true if self.last.id == output.id => Set::Changed(self.last),
            true => Set::New { instead_of: Some(self.last) },
            false => Set::New { instead_of: None },
        }
    }

    /// Takes a screen away.
    pub(super) fn remove(&mut self, id: u32) -> Option<Output> {
        let index = self.list.iter().position(|o| o.id == id)?;
        let output = self.list.remove(index);
        if self.list.is_empty() {
            self.last = output;
        }
        Some(output)
    }

    /// The screens, or the one that stands in for them.
    pub(super) fn all(&self) -> &[Output] {
        if self.list.is_empty() { std::slice::from_ref(&self.last) } else { &self.list }
    }

    /// The screens that are there.
    pub(super) fn real(&self) -> &[Output] {
        &self.list
    }

    /// There is a screen of this number, or it stands in.
    pub(super) fn has(&self, id: u32) -> bool {
        self.all().iter().any(|o| o.id == id)
    }

    /// The screen of this number, else the first.
    pub(super) fn get(&self, id: u32) -> &Output {
        let all = self.all();
        all.iter().find(|o| o.id == id).or(all.first()).unwrap_or(&self.last)
    }

    /// The screen that shows most of a rectangle, else the one nearest to its middle.
    pub(super) fn best_for(&self, rect: Rect) -> &Output {
        let nearest = |o: &&Output| {
            let middle = rect.center();
            let inside = Rect::at(middle, Size::new(1, 1)).clamped_into(o.rect);
            (std::cmp::Reverse(o.rect.overlap(rect)), inside.location().distance_squared(middle))
        };
        self.all().iter().min_by_key(nearest).unwrap_or(&self.last)
    }

    /// The screen at a place, else the nearest.
    pub(super) fn at(&self, at: Point) -> &Output {
        self.best_for(Rect::at(at, Size::new(1, 1)))
    }

    /// The place nearest to where a window is at which a person can still take hold of it: a piece of
    /// its top of [`REACH`] is in the usable area of one screen.
    pub(super) fn within_reach(&self, outer: Rect) -> Point {
        let place = |o: &Output| {
            let usable = o.usable;
            let left = usable.x.saturating_add(REACH.0).saturating_sub(outer.w);
            let right = usable.right().saturating_sub(REACH.0).max(left);
            let bottom = usable.bottom().saturating_sub(REACH.1).max(usable.y);
            Point::new(outer.x.clamp(left, right), outer.y.clamp(usable.y, bottom))
        };
        self.all()
            .iter()
            .map(place)
            .min_by_key(|p| p.distance_squared(outer.location()))
            .unwrap_or(outer.location())
    }
}
