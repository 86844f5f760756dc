//! A hostile qube at the connectors: its agent is stopped by a program of its own, which shows what it
//! likes where it likes, hundreds of times a second, and now and then something illegal. Meanwhile windows
//! move and monitors come and go, and at any moment a dump of a connector may be taken (rules FRAME, OVER
//! and FAIL-CLOSED).

use image::{Rgb, RgbImage};
use transom_tests::{
    fixture::look::{PAINT, POISON, painted},
    process::until,
};
use transom_theming::{Label, Theme, Variant};

use super::{
    inside::Ask,
    machine::Machine,
    screen::{framed, starts},
    viewer::Viewer,
};

/// Title of the other qube's window.
const TITLE: &str = "window";
/// What a person always sees at the top, over a fullscreen window too (rule OVER), in pixels.
const STRIP: u32 = 3;

/// What was found on dumps.
#[derive(Debug, Default)]
struct Seen {
    dumps: usize,
    /// Of those, with pixels of the hostile qube.
    poisoned: usize,
    /// Its pixels over all.
    pixels: usize,
}

impl Seen {
    /// One dump. Wherever the hostile qube's pixels end there is a frame, or something of dom0's or
    /// another window's that lies over it: never the bare desktop, and never another's content.
    fn look(&mut self, dump: &RgbImage, what: &str) {
        let theme = Theme::builtin(Variant::Dark);
        let background = theme.background();
        let background = Rgb([background.r, background.g, background.b]);
        let (width, height) = dump.dimensions();
        let mut pixels = 0;
        for (x, y, _) in dump.enumerate_pixels().filter(|(_, _, pixel)| **pixel == POISON) {
            pixels += 1;
            let outside = |x: u32, y: u32| x < width && y < height;
            for (x, y) in [(x.wrapping_sub(1), y), (x + 1, y), (x, y.wrapping_sub(1)), (x, y + 1)] {
                if outside(x, y) {
                    let beside = *dump.get_pixel(x, y);
                    if beside == background || beside == PAINT {
                        super::screen::keep(dump, "hostile-broken");
                        panic!("{what}: bare pixels of the hostile qube beside {beside:?} at {x},{y}");
                    }
                }
            }
            assert!(y >= STRIP, "{what}: the hostile qube is over the strip at {x},{y}");
        }
        if pixels > 20_000 {
            super::screen::keep(dump, "hostile");
        }
        self.dumps += 1;
        self.poisoned += usize::from(pixels > 0);
        self.pixels += pixels;
    }

    /// Dumps of these connectors.
    fn watch(&mut self, machine: &mut Machine, heads: &[usize], what: &str) {
        for _ in 0..6 {
            for head in heads {
                self.look(&machine.connector(*head), what);
            }
        }
    }
}

#[test]
fn a_hostile_qube_at_the_connectors() {
    let Some(mut machine) = Machine::start("") else { return };
    for (qube, label) in [("work", Label::Blue), ("evil", Label::Red)] {
        machine.create(qube, label);
    }
    starts(&mut machine, "pixman", "pixman");
    for qube in ["work", "evil"] {
        machine.run(&["qube", "start", qube]);
    }
    machine.run(&painted("work", TITLE, "exec cat"));
    framed(&mut machine);
    machine.ask(&Ask::Give("evil".into(), "transom-hostile-qube".into()));
    machine.run(&["qube", "run", "evil", "/home/user/transom-hostile-qube", "4711"]);
    until("the hostile window", || {
        machine.state().windows.iter().any(|window| window.qube == "evil").then_some(())
    });

    let mut seen = Seen::default();
    seen.watch(&mut machine, &[0], "at rest");
    let mut viewer = Viewer::connect(&machine.file("viewer-1"));
    for round in 0..2 {
        viewer.size(Some((800, 600)));
        for step in 0..4 {
            seen.watch(&mut machine, &[0, 1], &format!("monitor comes, {round}.{step}"));
        }
        until("the second monitor", || (machine.state().monitors.len() == 2).then_some(()));
        // The other qube's window goes through it, by keys that move it.
        for chord in [["meta_l", "shift", "right"], ["meta_l", "shift", "down"], ["meta_l", "shift", "left"]]
        {
            machine.chord(&chord);
            seen.watch(&mut machine, &[0, 1], &format!("windows move, {round}"));
        }
        machine.chord(&["alt", "tab"]);
        seen.watch(&mut machine, &[0, 1], "alt-tab");
        viewer.size(None);
        seen.watch(&mut machine, &[0], "monitor goes");
        until("the second one is gone", || (machine.state().monitors.len() == 1).then_some(()));
    }
    println!("{seen:?}");
    // On the others its windows were covered, had no picture yet, or the monitor was not there.
    assert!(seen.poisoned > 20, "{seen:?}");

    // What it did wrong cost it its link, and nobody else anything.
    let told = until("its link ends, and that is told", || {
        let state = machine.state();
        state.notices.iter().any(|notice| notice.contains("evil")).then_some(state)
    });
    println!("{:?}", told.notices);
    assert!(told.windows.iter().any(|window| window.title == TITLE), "{:?}", told.windows);
    machine.run(&["qube", "kill", "evil"]);
    until("it is gone", || machine.state().windows.iter().all(|window| window.qube != "evil").then_some(()));
    framed(&mut machine);
}
