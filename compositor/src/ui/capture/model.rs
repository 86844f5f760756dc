//! What the person has chosen of the screens so far. Pure: no pictures, no devices.

use smithay::utils::{Logical, Point, Rectangle, Size};

use crate::shell::Direction;

pub(super) type Rect = Rectangle<i32, Logical>;

/// What it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A picture.
    Picture,
    /// A video, from then until it is stopped.
    Recording,
}

/// Of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// A part of a screen.
    Region,
    /// A window alone, whatever lies over it.
    Window,
    /// A screen.
    Monitor,
}

/// How far a region goes at a key, in logical pixels.
const STEP: i32 = 10;
/// A pointer that moves less than this has pressed and not drawn, in logical pixels.
const LOOSE: f64 = 4.0;

/// How a key changes a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Nudge {
    pub(super) to: Direction,
    /// Its right and lower edges go, not all of it.
    pub(super) resize: bool,
    /// By a single pixel.
    pub(super) fine: bool,
}

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) purpose: Purpose,
    pub(super) of: Of,
    /// The screen that is meant.
    screen: u32,
    /// Every screen, with its place.
    screens: Vec<(u32, Rect)>,
    /// A part of `screen`, never empty.
    region: Rect,
    /// Where the button was pressed that draws a region, and whether it draws one yet.
    pressed: Option<(Point<i32, Logical>, bool)>,
    /// Windows are taken with their frames.
    pub(super) frames: bool,
}

impl Model {
    /// All screens, at least one, and the one that is meant at first: its middle is.
    pub(super) fn new(purpose: Purpose, screens: Vec<(u32, Rect)>, screen: u32) -> Option<Self> {
        let (screen, area) = screens.iter().find(|(id, _)| *id == screen).or(screens.first()).copied()?;
        let size = Size::from(((area.size.w / 2).max(1), (area.size.h / 2).max(1)));
        let at = area.loc + (area.size - size).downscale(2).to_point();
        let region = Rect::new(at, size);
        let of = Of::Region;
        Some(Self { purpose, of, screen, screens, region, pressed: None, frames: true })
    }

    pub(super) fn screen(&self) -> u32 {
        self.screen
    }

    pub(super) fn region(&self) -> Rect {
        self.region
    }

    fn area(&self) -> Rect {
        let found = self.screens.iter().find(|(id, _)| *id == self.screen);
        found.map_or(self.region, |(_, area)| *area)
    }

    /// These kinds are there to choose from.
    pub(super) fn kinds(&self) -> &'static [Of] {
        match self.purpose {
            Purpose::Picture => &[Of::Region, Of::Window, Of::Monitor],
            // A window in a video would show what comes to lie over it.
            Purpose::Recording => &[Of::Region, Of::Monitor],
        }
    }

    /// The next kind, or the one before.
    pub(super) fn other_kind(&mut self, forward: bool) {
        let kinds = self.kinds();
        let at = kinds.iter().position(|of| *of == self.of).unwrap_or(0);
        self.of = kinds[(at + if forward { 1 } else { kinds.len() - 1 }) % kinds.len()];
        self.pressed = None;
    }

    /// Another screen is meant: a region goes to the same place there, as far as it fits.
    pub(super) fn turn_to(&mut self, screen: u32) {
        let Some((_, to)) = self.screens.iter().find(|(id, _)| *id == screen).copied() else { return };
        if screen != self.screen {
            let within = self.region.loc - self.area().loc;
            self.screen = screen;
            self.region = fitted(Rect::new(to.loc + within, self.region.size), to);
        }
    }

    /// A key moves the region, or its right and lower edges.
    pub(super) fn nudge(&mut self, Nudge { to, resize, fine }: Nudge) {
        let step = if fine { 1 } else { STEP };
        let (dx, dy) = match to {
            Direction::Left => (-step, 0),
            Direction::Right => (step, 0),
            Direction::Up => (0, -step),
            Direction::Down => (0, step),
        };
        let area = self.area();
        if resize {
            let room = area.loc + area.size.to_point() - self.region.loc;
            let size = self.region.size;
            self.region.size =
                ((size.w + dx).clamp(1, room.x.max(1)), (size.h + dy).clamp(1, room.y.max(1))).into();
        } else {
            self.region.loc += Point::from((dx, dy));
            self.region = fitted(self.region, area);
        }
    }

    /// The button is pressed at a place of this screen.
    pub(super) fn press(&mut self, screen: u32, at: Point<f64, Logical>) {
        if self.pressed.is_none() && self.of == Of::Region && self.screens.iter().any(|(id, _)| *id == screen)
        {
            self.pressed = Some((at.to_i32_floor(), false));
        }
    }

    /// The pointer is at a place while the button is held.
    pub(super) fn drag(&mut self, screen: u32, at: Point<f64, Logical>) {
        let Some((from, draws)) = &mut self.pressed else { return };
        let (from, by) = (*from, at - from.to_f64());
        if !*draws && by.x.hypot(by.y) < LOOSE {
            return;
        }
        if !std::mem::replace(draws, true) {
            // The screen of a region is the one where it is begun.
            let begun = self.screens.iter().find(|(_, area)| area.contains(from)).map(|(id, _)| *id);
            self.screen = begun.unwrap_or(screen);
        }
        let area = self.area();
        let far = area.loc + area.size.to_point();
        let inside =
            |p: Point<i32, Logical>| (p.x.clamp(area.loc.x, far.x), p.y.clamp(area.loc.y, far.y)).into();
        let (a, b): (Point<i32, Logical>, Point<i32, Logical>) = (inside(from), inside(at.to_i32_round()));
        let corner = Point::from((a.x.min(b.x), a.y.min(b.y)));
        let size = Size::from(((a.x - b.x).abs().max(1), (a.y - b.y).abs().max(1)));
        self.region = fitted(Rect::new(corner, size), area);
    }

    /// The button is let go. `true`: it was pressed and let go at one place.
    pub(super) fn release(&mut self) -> bool {
        self.pressed.take().is_some_and(|(_, draws)| !draws)
    }

    #[cfg(test)]
    fn check_invariants(&self) {
        assert!(self.kinds().contains(&self.of));
        let area = self.screens.iter().find(|(id, _)| *id == self.screen).expect("the screen is there").1;
        assert!(area.contains_rect(self.region), "{:?} in {area:?}", self.region);
        assert!(!self.region.is_empty());
    }
}

/// As much of it as there is room for, at the nearest place inside.
fn fitted(rect: Rect, area: Rect) -> Rect {
    let size: Size<i32, Logical> =
        (rect.size.w.clamp(1, area.size.w.max(1)), rect.size.h.clamp(1, area.size.h.max(1))).into();
    let last = area.loc + (area.size - size).to_point();
    let at = |v: i32, from: i32, to: i32| v.clamp(from, to.max(from));
    Rect::new((at(rect.loc.x, area.loc.x, last.x), at(rect.loc.y, area.loc.y, last.y)).into(), size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rect(x: i32, y: i32, w: i32, h: i32) -> Rect {
        Rect::new((x, y).into(), (w, h).into())
    }

    fn two() -> Vec<(u32, Rect)> {
        vec![(3, rect(0, 0, 800, 600)), (5, rect(800, 100, 640, 480))]
    }

    #[test]
    fn a_region_is_drawn_on_the_screen_where_it_is_begun() {
        let mut model = Model::new(Purpose::Picture, two(), 3).unwrap();
        assert_eq!(model.region(), rect(200, 150, 400, 300), "the middle at first");
        model.press(3, (700.0, 500.0).into());
        model.drag(3, (702.0, 501.0).into());
        assert_eq!(model.region(), rect(200, 150, 400, 300), "a hand is not that calm");
        model.drag(5, (1_000.0, 300.0).into());
        assert_eq!((model.screen(), model.region()), (3, rect(700, 300, 100, 200)));
        assert!(!model.release());
        model.press(5, (900.0, 200.0).into());
        assert!(model.release(), "that was a press");
        assert_eq!(model.region(), rect(700, 300, 100, 200));
    }

    #[test]
    fn keys_move_and_size_it_within_its_screen() {
        let mut model = Model::new(Purpose::Picture, two(), 5).unwrap();
        let nudge = |to, resize, fine| Nudge { to, resize, fine };
        model.nudge(nudge(Direction::Left, false, false));
        model.nudge(nudge(Direction::Down, true, true));
        assert_eq!(model.region(), rect(950, 220, 320, 241));
        for _ in 0..100 {
            model.nudge(nudge(Direction::Right, false, false));
            model.nudge(nudge(Direction::Down, true, false));
        }
        assert_eq!(model.region(), rect(1_120, 220, 320, 360));
        model.turn_to(3);
        assert_eq!(model.region(), rect(320, 120, 320, 360), "at the same place there");
    }

    #[test]
    fn a_recording_is_never_of_a_window() {
        let mut model = Model::new(Purpose::Recording, two(), 3).unwrap();
        model.other_kind(true);
        assert_eq!(model.of, Of::Monitor);
        model.other_kind(true);
        assert_eq!(model.of, Of::Region);
        assert_eq!(Model::new(Purpose::Picture, Vec::new(), 3), None);
    }

    proptest! {
        #[test]
        fn whatever_the_person_does_the_region_lies_on_its_screen(
            acts in proptest::collection::vec((0u8..6, -100i32..1_600, -100i32..700, any::<bool>()), 0..60),
            recording: bool,
        ) {
            let purpose = if recording { Purpose::Recording } else { Purpose::Picture };
            let mut model = Model::new(purpose, two(), 5).unwrap();
            for (act, x, y, flag) in acts {
                let at = Point::from((f64::from(x), f64::from(y)));
                let screen = if flag { 3 } else { 5 };
                let to = [Direction::Left, Direction::Right, Direction::Up, Direction::Down][(x & 3) as usize];
                match act {
                    0 => model.press(screen, at),
                    1 => model.drag(screen, at),
                    2 => drop(model.release()),
                    3 => model.other_kind(flag),
                    4 => model.turn_to(screen),
                    _ => model.nudge(Nudge { to, resize: flag, fine: y & 1 == 0 }),
                }
                model.check_invariants();
            }
        }
    }
}
