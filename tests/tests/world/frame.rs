//! Rule FRAME, pixel by pixel: whatever a hostile qube sends and whatever its memory holds, its
//! pixels show only inside its frames.
//!
//! The same story is told in two worlds that differ in nothing but the contents of the hostile
//! qube's memory. A pixel that differs between the two pictures shows that memory. The reference
//! of where it may show knows nothing of the renderer: it is worked out from where the desktop
//! says the windows are.

use std::collections::BTreeMap;

use proptest::prelude::*;
use transom::input::event::{BTN_LEFT, InputEvent};
use transom_protocol::{
    message::{Commit, PopupCreate, SubsurfacePlace, ToDom0},
    types::{Anchor, BufferChange, Positioner, Rect, Transform, WindowKind},
};
use transom_tests::fixture::{World, hostile::Hostile, memory};
use transom_theming::Label;

const WIDTH: i32 = 500;
const HEIGHT: i32 = 360;
/// Colour of dom0's own window.
const DOM0: u32 = 0xff65_4321;
/// Pixels of the hostile qube's memory.
const POOL: usize = 256 * 256;

#[derive(Clone, Debug)]
enum Step {
    Toplevel {
        window: u32,
    },
    Popup {
        window: u32,
        parent: u32,
        x: i32,
        y: i32,
        w: u32,
        h: u32,
    },
    Subsurface {
        window: u32,
        parent: u32,
        x: i32,
        y: i32,
    },
    Show {
        window: u32,
        w: u32,
        h: u32,
        offset: u64,
        content: [i32; 4],
        dest: (u32, u32),
        scale: u8,
        turn: usize,
    },
    Hide {
        window: u32,
    },
    Destroy {
        window: u32,
    },
    Noise(Vec<u8>),
    Point {
        x: f64,
        y: f64,
    },
    Press(bool),
    Drag {
        from: (f64, f64),
        to: (f64, f64),
    },
    Key(usize),
    /// A finger: down (0), moved (1), up (2), or all fingers taken back (3).
    Touch(i32, usize, (f64, f64)),
    Frame,
}

fn step() -> impl Strategy<Value = (bool, Step)> {
    // One in forty does not care whether it is legal.
    (prop::bool::weighted(0.025), any_step())
}

/// Windows 1 and 2 are toplevels, 3 and 4 popups, 5 and 6 subsurfaces, for a qube that cares.
fn any_step() -> impl Strategy<Value = Step> {
    let id = 1u32..7;
    let root = 1u32..5;
    let place = -300i32..300;
    let at = || (0.0..f64::from(WIDTH), 0.0..f64::from(HEIGHT));
    prop_oneof![
        3 => (1u32..3).prop_map(|window| Step::Toplevel { window }),
        4 => (3u32..5, root.clone(), place.clone(), place.clone(), 1u32..200, 1u32..200)
            .prop_map(|(window, parent, x, y, w, h)| Step::Popup { window, parent, x, y, w, h }),
        3 => (5u32..7, root, place.clone(), place.clone())
            .prop_map(|(window, parent, x, y)| Step::Subsurface { window, parent, x, y }),
        8 => (
            id.clone(), 1u32..256, 1u32..256, 0u64..2_000,
            [-200i32..200, -200i32..200, 0i32..300, 0i32..300],
            (prop_oneof![Just(0u32), 1u32..400], prop_oneof![Just(0u32), 1u32..400]),
            1u8..4, 0usize..8,
        ).prop_map(|(window, w, h, offset, content, dest, scale, turn)| {
            Step::Show { window, w, h, offset, content, dest, scale, turn }
        }),
        1 => id.clone().prop_map(|window| Step::Hide { window }),
        1 => id.prop_map(|window| Step::Destroy { window }),
        1 => (any::<bool>(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(rude, bytes)| {
            Step::Noise(if rude { bytes } else { Vec::new() })
        }),
        3 => at().prop_map(|(x, y)| Step::Point { x, y }),
        2 => any::<bool>().prop_map(Step::Press),
        3 => (at(), at()).prop_map(|(from, to)| Step::Drag { from, to }),
        2 => (0usize..12).prop_map(Step::Key),
        2 => (0i32..3, 0usize..4, at()).prop_map(|(finger, what, place)| Step::Touch(finger, what, place)),
        4 => Just(Step::Frame),
    ]
}

/// One of the two worlds.
struct Tale {
    world: World,
    /// Windows that live, with their parents.
    alive: BTreeMap<u32, u32>,
    hostile: Hostile,
    fill: u32,
}

impl Tale {
    fn new(fill: u32) -> Self {
        Self::on(World::with(transom::config::Config::default(), (WIDTH as u32, HEIGHT as u32), 120), fill)
    }

    /// On a desktop of the same size over two screens.
    fn on_two_screens(fill: u32) -> Self {
        let half = (WIDTH / 2, HEIGHT);
        Self::on(World::with_screens(&[("left", half, 120), ("right", half, 120)]), fill)
    }

    fn on(mut world: World, fill: u32) -> Self {
        let qube = world.add_qube("work", Label::Blue);
        let client = world.add_client(qube);
        world.add_window(client, "mine", (120, 80), 0xff12_3456);
        let dom0 = world.add_dom0_client();
        world.add_window(dom0, "dom0's", (100, 60), DOM0);
        let hostile = Hostile::new(world.add_raw_qube("evil", Label::Red));
        let mut tale = Self { world, hostile, fill, alive: BTreeMap::new() };
        tale.begin();
        tale
    }

    /// True if a qube that cares would do this now.
    fn is_legal(&self, step: &Step) -> bool {
        match step {
            Step::Toplevel { window } => !self.alive.contains_key(window),
            Step::Popup { window, parent, .. } | Step::Subsurface { window, parent, .. } => {
                window != parent && !self.alive.contains_key(window) && self.alive.contains_key(parent)
            }
            Step::Show { window, .. } | Step::Hide { window } => self.alive.contains_key(window),
            Step::Destroy { window } => {
                self.alive.contains_key(window) && !self.alive.values().any(|parent| parent == window)
            }
            Step::Noise(_) => false,
            _ => true,
        }
    }

    fn begin(&mut self) {
        self.alive.clear();
        self.hostile.hello();
        self.world.turn();
        self.hostile.grant(1, &memory(POOL, self.fill), POOL as u64 * 4);
        self.world.turn();
    }

    fn tell(&mut self, rude: bool, step: &Step) {
        if !rude && !self.is_legal(step) {
            return;
        }
        match *step {
            Step::Toplevel { window } => drop(self.alive.insert(window, 0)),
            Step::Popup { window, parent, .. } | Step::Subsurface { window, parent, .. } => {
                self.alive.insert(window, parent);
            }
            Step::Destroy { window } => drop(self.alive.remove(&window)),
            _ => {}
        }
        match *step {
            Step::Toplevel { window } => {
                self.hostile.create(window, WindowKind::Toplevel, 0);
                self.first(window);
            }
            Step::Popup { window, parent, x, y, w, h } => {
                let positioner = Positioner {
                    width: w.into(),
                    height: h.into(),
                    anchor_rect: Rect::new(x, y, 1, 1),
                    anchor: Anchor::TopLeft,
                    gravity: Anchor::BottomRight,
                    adjustment: 0,
                    reactive: false.into(),
                    offset_x: 0.into(),
                    offset_y: 0.into(),
                };
                let popup = PopupCreate { parent: parent.into(), positioner, grab: false.into() };
                self.hostile.say(window, 0, &ToDom0::PopupCreate(&popup));
                self.first(window);
            }
            Step::Subsurface { window, parent, x, y } => {
                self.hostile.create(window, WindowKind::Subsurface, parent);
                let place =
                    SubsurfacePlace { x: x.into(), y: y.into(), sibling: 0.into(), above: true.into() };
                self.hostile.say(window, 0, &ToDom0::SubsurfacePlace(&place));
            }
            Step::Show { window, w, h, offset, content: [x, y, cw, ch], dest, scale, turn } => {
                let commit = Commit {
                    offset: (offset * 4).into(),
                    scale,
                    transform: Transform::ALL[turn],
                    content: Rect::new(x, y, cw, ch),
                    dest_width: if dest.1 == 0 { 0 } else { dest.0 }.into(),
                    dest_height: if dest.0 == 0 { 0 } else { dest.1 }.into(),
                    ..Hostile::picture(1, w, h)
                };
                self.hostile.commit(window, commit);
            }
            Step::Hide { window } => self.detach(window),
            Step::Destroy { window } => self.hostile.say(window, 0, &ToDom0::WindowDestroy(())),
            Step::Noise(ref bytes) => self.hostile.bytes(bytes),
            Step::Point { x, y } => self.world.desktop.input(InputEvent::PointerTo { x, y }),
            Step::Press(pressed) => self.world.desktop.input(InputEvent::Button { code: BTN_LEFT, pressed }),
            Step::Drag { from, to } => {
                let world = &mut self.world;
                world.desktop.input(InputEvent::PointerTo { x: from.0, y: from.1 });
                world.desktop.input(InputEvent::Button { code: BTN_LEFT, pressed: true });
                world.desktop.input(InputEvent::PointerTo { x: to.0, y: to.1 });
                world.desktop.input(InputEvent::Button { code: BTN_LEFT, pressed: false });
            }
            Step::Key(which) => {
                // Alt+Tab, maximise, fullscreen, a half, another workspace, and back.
                let plain: [&[u32]; 6] =
                    [&[56, 15], &[125, 50], &[125, 33], &[125, 105], &[125, 3], &[125, 2]];
                // Columns; wider, shown in another way, into the column beside it, out of it, floating.
                let columns: [&[u32]; 6] =
                    [&[125, 17], &[125, 19], &[125, 31], &[125, 42, 105], &[125, 42, 106], &[125, 34]];
                let chord = [plain, columns].concat()[which];
                self.world.chord(chord);
            }
            Step::Touch(id, what, (x, y)) => {
                let desktop = &mut self.world.desktop;
                desktop.input(match what {
                    0 => InputEvent::TouchDown { id, x, y },
                    1 => InputEvent::TouchMotion { id, x, y },
                    2 => InputEvent::TouchUp { id },
                    _ => InputEvent::TouchCancel,
                });
                desktop.input(InputEvent::TouchFrame);
            }
            Step::Frame => drop(self.world.frame()),
        }
        self.world.turn();
        self.hostile.acknowledge();
        self.world.turn();
        if self.hostile.closed {
            // It was cut off; it comes back and tries again.
            self.hostile = Hostile::new(self.world.add_raw_qube("evil", Label::Red));
            self.begin();
        }
    }

    fn first(&mut self, window: u32) {
        self.detach(window);
        self.world.turn();
        self.hostile.acknowledge();
    }

    fn detach(&mut self, window: u32) {
        let commit = Commit { buffer: BufferChange::Detach, ..Hostile::picture(0, 0, 0) };
        self.hostile.commit(window, commit);
    }
}

fn inside(rect: [i32; 4], x: i32, y: i32) -> bool {
    x >= rect[0] && x < rect[0] + rect[2] && y >= rect[1] && y < rect[1] + rect[3]
}

/// Frames of popups are 2 px and a line.
const POPUP_FRAME: i32 = 3;

/// True if a pixel of the hostile qube may be seen here: the topmost thing at this place is the
/// content of one of its windows or popups.
fn may_show(state: &transom::ipc::State, x: i32, y: i32) -> bool {
    for window in state.windows.iter().rev() {
        for popup in window.popups.iter().rev() {
            let [px, py, w, h] = *popup;
            let content = [px + POPUP_FRAME, py + POPUP_FRAME, w - 2 * POPUP_FRAME, h - 2 * POPUP_FRAME];
            if inside(*popup, x, y) {
                return window.qube == "evil" && inside(content, x, y);
            }
        }
        if inside(window.content, x, y) {
            return window.qube == "evil";
        }
        if inside(window.outer, x, y) {
            return false;
        }
    }
    false
}

/// Compares the two pictures with the reference.
fn check(a: &mut Tale, b: &mut Tale) -> Result<usize, TestCaseError> {
    let (left, right) = (a.world.picture(), b.world.picture());
    let state = a.world.desktop.state();
    prop_assert_eq!(&state.windows, &b.world.desktop.state().windows, "the worlds went different ways");
    let covered = state.switcher.is_some() || state.prompt.is_some();
    let mut shown = 0;
    for (x, y, pixel) in left.enumerate_pixels() {
        if pixel == right.get_pixel(x, y) {
            continue;
        }
        shown += 1;
        let (x, y) = (x as i32, y as i32);
        // The switcher's previews have frames of their own; its cards are checked by eye and gold.
        prop_assert!(
            covered || may_show(&state, x, y),
            "a pixel of the qube at {x},{y}: {:?}",
            state.windows
        );
    }
    Ok(shown)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_qubes_pixels_stay_in_its_frames(steps in prop::collection::vec(step(), 1..80)) {
        tell_both(Tale::new(0xffff_ffff), Tale::new(0xff00_0000), &steps)?;
    }

    #[test]
    fn a_qubes_pixels_stay_in_its_frames_on_two_screens(steps in prop::collection::vec(step(), 1..60)) {
        tell_both(Tale::on_two_screens(0xffff_ffff), Tale::on_two_screens(0xff00_0000), &steps)?;
    }
}

fn tell_both(mut a: Tale, mut b: Tale, steps: &[(bool, Step)]) -> Result<(), TestCaseError> {
    for (rude, step) in steps {
        a.tell(*rude, step);
        b.tell(*rude, step);
        if matches!(step, Step::Frame | Step::Drag { .. } | Step::Key(_) | Step::Touch(..)) {
            check(&mut a, &mut b)?;
        }
    }
    check(&mut a, &mut b).map(drop)
}

/// The reference would be worthless if the pixels were never seen at all.
#[test]
fn the_check_sees_the_pixels() {
    let (mut a, mut b) = (Tale::new(0xffff_ffff), Tale::new(0xff00_0000));
    for step in [
        Step::Toplevel { window: 1 },
        Step::Show { window: 1, w: 100, h: 60, offset: 0, content: [0; 4], dest: (0, 0), scale: 1, turn: 0 },
        Step::Popup { window: 2, parent: 1, x: 20, y: 20, w: 30, h: 20 },
        Step::Show { window: 2, w: 30, h: 20, offset: 0, content: [0; 4], dest: (0, 0), scale: 1, turn: 0 },
    ] {
        a.tell(false, &step);
        b.tell(false, &step);
    }
    let shown = check(&mut a, &mut b).unwrap();
    assert!((5_000..=6_000).contains(&shown), "{shown} pixels");
}

/// Nothing of a qube's windows below and above it gets into a window of dom0, or has its look.
#[test]
fn a_window_of_dom0_between_two_of_a_qube() {
    let (mut a, mut b) = (Tale::new(0xffff_ffff), Tale::new(0xff00_0000));
    let show = |window| Step::Show {
        window,
        w: 120,
        h: 90,
        offset: 0,
        content: [0; 4],
        dest: (0, 0),
        scale: 1,
        turn: 0,
    };
    for step in [Step::Toplevel { window: 1 }, show(1), Step::Toplevel { window: 2 }, show(2), Step::Frame] {
        a.tell(false, &step);
        b.tell(false, &step);
    }
    // By their title bars, each a little further: that also raises them one after the other.
    let places = [(("evil", 1), (60, 60)), (("dom0", 0), (100, 100)), (("evil", 2), (140, 140))];
    for ((qube, id), (x, y)) in places {
        let windows = a.world.desktop.state().windows;
        let found = windows.iter().find(|w| w.qube == qube && (id == 0 || w.id == id)).unwrap();
        let from = (f64::from(found.outer[0] + 10), f64::from(found.outer[1] + 10));
        let drag = Step::Drag { from, to: (f64::from(x), f64::from(y)) };
        a.tell(false, &drag);
        b.tell(false, &drag);
        a.tell(false, &Step::Frame);
        b.tell(false, &Step::Frame);
    }
    let windows = a.world.desktop.state().windows;
    let order: Vec<_> = windows.iter().map(|w| w.qube.as_str()).collect();
    assert_eq!(order[order.len() - 3..], ["evil", "dom0", "evil"]);
    let [below, dom0, above] = &windows[windows.len() - 3..] else { panic!("three windows") };
    let overlap = |o: &transom::ipc::Window| inside(o.outer, dom0.content[0] + 60, dom0.content[1] + 40);
    assert!(overlap(above) && inside(below.outer, dom0.content[0], dom0.content[1]));
    assert!(check(&mut a, &mut b).unwrap() > 1_000);
    let picture = a.world.picture();
    let mut seen = 0;
    for (x, y, pixel) in picture.enumerate_pixels() {
        let own = pixel.0 == [0x65, 0x43, 0x21];
        let expected = inside(dom0.content, x as i32, y as i32) && !inside(above.outer, x as i32, y as i32);
        assert_eq!(own, expected, "{x}, {y}");
        seen += usize::from(own);
    }
    assert!(seen > 1_000);
}
