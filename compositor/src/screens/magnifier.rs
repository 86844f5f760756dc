//! The screen made larger around the pointer, for who needs that.
//!
//! Only what reaches the screen is changed, as a whole and after everything else: windows, frames, dom0's own
//! pictures and the lock screen alike. So a frame stays around its window, and no qube hears of it.

use smithay::utils::{Physical, Point, Rectangle};

use crate::{Desktop, render::view::View};

/// Largest factor: a device pixel of the largest screens stays within what renderers count with.
const MOST: f64 = 6.0;
/// A step makes this much larger or smaller.
const STEP: f64 = 1.25;

/// A part of a screen that fills it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Magnifier {
    factor: f64,
    /// What stands in the screen's corner.
    corner: Point<f64, Physical>,
}

impl Magnifier {
    /// Around a place of a screen, which stays where it is: so the pointer is seen where it would be without.
    fn around(at: Point<f64, Physical>, factor: f64) -> Self {
        Self { factor, corner: at.upscale(1.0 - 1.0 / factor) }
    }

    /// Where something is then. Edges that met before meet afterwards.
    pub fn apply(self, rect: Rectangle<i32, Physical>) -> Rectangle<i32, Physical> {
        let edge = |v: i32, corner: f64| ((f64::from(v) - corner) * self.factor).round() as i32;
        let (x, y) = (edge(rect.loc.x, self.corner.x), edge(rect.loc.y, self.corner.y));
        let right = edge(rect.loc.x.saturating_add(rect.size.w), self.corner.x);
        let bottom = edge(rect.loc.y.saturating_add(rect.size.h), self.corner.y);
        Rectangle::new((x, y).into(), (right - x, bottom - y).into())
    }
}

/// How large, from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Zoom(f64);

impl Default for Zoom {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Zoom {
    /// The factor.
    pub(crate) fn factor(self) -> f64 {
        self.0
    }

    /// So many steps larger; a part of one too.
    fn stepped(self, steps: f64) -> Self {
        let factor = (self.0 * STEP.powf(steps)).clamp(1.0, MOST);
        // What is as good as nothing is nothing.
        Self(if factor < 1.001 { 1.0 } else { factor })
    }
}

impl Desktop {
    /// Makes the screen with the pointer larger by so many steps; `None`: as it is without.
    pub(crate) fn zoom(&mut self, steps: Option<f64>) {
        let zoom = steps.map_or_else(Zoom::default, |steps| self.screens.zoom.stepped(steps));
        if zoom != std::mem::replace(&mut self.screens.zoom, zoom) {
            self.damage_all();
        }
    }

    /// The wheel turns while Super is held; 120 parts down are a step smaller.
    pub(crate) fn zoom_by_wheel(&mut self, parts: i32) {
        self.zoom(Some(-f64::from(parts) / 120.0));
    }

    /// What is made larger on a screen now.
    pub(crate) fn magnifier(&self, view: View) -> Option<Magnifier> {
        let factor = self.screens.zoom.factor();
        let here = self.screens.at(self.input.pointer.at).is_some_and(|screen| screen.id == view.screen);
        if factor <= 1.0 || !here {
            return None;
        }
        let at = self.input.pointer.at - view.area.loc.to_f64();
        Some(Magnifier::around(at.to_physical(f64::from(view.scale) / 120.0), factor))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_pointer_stays_and_neighbours_stay_neighbours(
            (x, y) in (0i32..3840, 0i32..2160), steps in 0u32..20, split in 1i32..500,
        ) {
            let zoom = Zoom::default().stepped(f64::from(steps));
            let magnifier = Magnifier::around(Point::from((f64::from(x), f64::from(y))), zoom.factor());
            let at = magnifier.apply(Rectangle::new((x, y).into(), (1, 1).into()));
            prop_assert_eq!((at.loc.x, at.loc.y), (x, y));
            let rect = |x: i32, w: i32| Rectangle::new((x, 40).into(), (w, 30).into());
            let (left, right) = (magnifier.apply(rect(100, split)), magnifier.apply(rect(100 + split, 500)));
            prop_assert_eq!(left.loc.x + left.size.w, right.loc.x);
            let whole = magnifier.apply(Rectangle::from_size((3840, 2160).into()));
            prop_assert!(whole.contains_rect(Rectangle::from_size((3840, 2160).into())), "no edge shows: {whole:?}");
        }
    }

    #[test]
    fn it_has_ends_and_goes_back_to_nothing() {
        let zoom = Zoom::default().stepped(100.0);
        assert_eq!(zoom, Zoom(MOST));
        assert_eq!(zoom.stepped(-100.0), Zoom::default());
        assert_eq!(Zoom::default().stepped(3.0).stepped(-3.0), Zoom::default());
    }
}
