//! How long something is seen to move, and how far it is. Pure: times are those of the desktop's clock.

use std::time::Duration;

use smithay::utils::{Logical, Rectangle};

use crate::Desktop;

/// How long anything moves (LOOK: 120 to 180 ms).
const LONG: Duration = Duration::from_millis(150);

/// Something that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Motion {
    /// `None`: it is there at once.
    begin: Option<Duration>,
}

impl Motion {
    /// It begins now; without animations it is there at once.
    pub(crate) fn new(now: Duration, animations: bool) -> Self {
        Self { begin: animations.then_some(now) }
    }

    /// It is where it goes.
    pub(crate) fn is_over(self, now: Duration) -> bool {
        self.begin.is_none_or(|begin| now.saturating_sub(begin) >= LONG)
    }

    /// How far it is, from 0 to 1: fast at first, slower towards the end.
    pub(crate) fn progress(self, now: Duration) -> f64 {
        let Some(begin) = self.begin else { return 1.0 };
        let gone = now.saturating_sub(begin).as_secs_f64() / LONG.as_secs_f64();
        1.0 - (1.0 - gone.clamp(0.0, 1.0)).powi(3)
    }
}

/// So far between two lengths.
pub(crate) fn between(from: i32, to: i32, progress: f64) -> i32 {
    (f64::from(from) + (f64::from(to) - f64::from(from)) * progress).round() as i32
}

/// So far between two rectangles, by their edges.
pub(crate) fn rect_between(
    from: Rectangle<i32, Logical>,
    to: Rectangle<i32, Logical>,
    progress: f64,
) -> Rectangle<i32, Logical> {
    let edge = |a: i32, b: i32| between(a, b, progress);
    let (x, y) = (edge(from.loc.x, to.loc.x), edge(from.loc.y, to.loc.y));
    let right = edge(from.loc.x.saturating_add(from.size.w), to.loc.x.saturating_add(to.size.w));
    let bottom = edge(from.loc.y.saturating_add(from.size.h), to.loc.y.saturating_add(to.size.h));
    Rectangle::new((x, y).into(), (right - x, bottom - y).into())
}

impl Desktop {
    /// Something on the screens is on its way: another frame has to follow. What has arrived is forgotten.
    pub(crate) fn is_moving(&mut self) -> bool {
        let overview = self.overview_moves();
        self.forget_left_overview();
        self.windows_move() || overview
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_one_way_and_stops() {
        let ms = Duration::from_millis;
        let motion = Motion::new(ms(1_000), true);
        let at: Vec<f64> = (0..=160).map(|after| motion.progress(ms(1_000 + after))).collect();
        assert!(at.is_sorted(), "{at:?}");
        assert_eq!((at[0], at[150], at[160]), (0.0, 1.0, 1.0));
        assert!(at[50] > 0.5, "most of the way comes first: {}", at[50]);
        assert!(!motion.is_over(ms(1_149)) && motion.is_over(ms(1_150)));
        assert!(Motion::new(ms(20), false).is_over(ms(150)), "without animations it is there at once");
    }

    #[test]
    fn rectangles_meet_both_ends() {
        let (a, b) = (
            Rectangle::new((0, 0).into(), (900, 700).into()),
            Rectangle::new((100, 30).into(), (301, 203).into()),
        );
        assert_eq!([0.0, 1.0].map(|p| rect_between(a, b, p)), [a, b]);
    }
}
