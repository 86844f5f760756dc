//! Two monitors of different scale: what is on each, while windows and monitors come and go.

use transom::ipc::{Monitor, Reply, Request};
use transom_tests::{
    fixture::look::{PAINT, assert_framed, on_screen, paint_fills, painted},
    process::until,
};
use transom_theming::Label;

use super::{inside::Ask, machine::Machine, person::head, screen::keep, viewer::Viewer};

const TITLE: &str = "window";
/// The first monitor is at the right of the second, which is shown at one and a half.
const CONFIG: &str = r#"
    output "Virtual-1" { position 800 0; }
    output make="RHT" { scale 1.5; position 0 0; }
"#;

#[test]
fn monitors_of_their_own() {
    let Some(mut machine) = Machine::start("") else { return };
    machine.create("work", Label::Blue);
    machine.ask(&Ask::Configure(CONFIG.into()));
    machine.ask(&Ask::Start("pixman".into()));
    let mut viewer = Viewer::connect(&machine.file("viewer-1"));
    viewer.size(Some((1200, 900)));
    let [first, second] = two(&mut machine);
    assert_eq!((first.area, first.scale), ([800, 0, 1024, 768], 1.0), "{first:?}");
    assert_eq!((second.area, second.scale), ([0, 0, 800, 600], 1.5), "{second:?}");
    assert_eq!(second.make, "RHT", "{second:?}");
    machine.run(&["qube", "start", "work"]);
    machine.run(&painted("work", TITLE, "exec cat"));

    // On the first, over both, on the second.
    move_to(&mut machine, (900, 80));
    framed(&mut machine, &[true, false]);
    let [_, _, w, _] = machine.window(TITLE).outer;
    move_to(&mut machine, (800 - w / 2, 60));
    framed(&mut machine, &[true, true]);
    move_to(&mut machine, (40, 60));
    framed(&mut machine, &[false, true]);

    // Its monitor is dark for a while; the other goes on.
    let power = |on| Ask::Tell(Request::Power { output: "Virtual-2".into(), on });
    assert!(matches!(machine.ask(&power(false)), Reply::Done));
    until("it is dark", || {
        let lit: Vec<bool> = machine.state().monitors.iter().map(|monitor| monitor.lit).collect();
        let shown = machine.connector(1).pixels().any(|pixel| *pixel == PAINT);
        (lit == [true, false] && !shown).then_some(())
    });
    let flips = machine.state().monitors[0].flips;
    machine.point((1000, 300));
    until("the other one is drawn", || (machine.state().monitors[0].flips > flips).then_some(()));
    assert!(matches!(machine.ask(&power(true)), Reply::Done));
    framed(&mut machine, &[false, true]);

    // Its monitor goes and comes back, then both, the last one last.
    let home = machine.window(TITLE).outer;
    viewer.size(None);
    until("the second one is gone", || (machine.state().monitors.len() == 1).then_some(()));
    framed(&mut machine, &[true]);
    viewer.size(Some((1200, 900)));
    two(&mut machine);
    assert_eq!(machine.window(TITLE).outer, home);
    framed(&mut machine, &[false, true]);
    let mut first = Viewer::connect(&machine.file("viewer-0"));
    // To a viewer that has asked for no size yet, none is nothing new.
    first.size(Some((1000, 700)));
    until("another mode", || (machine.state().monitors[0].size == (1000, 700)).then_some(()));
    first.size(None);
    until("the first one is gone", || (machine.state().monitors.len() == 1).then_some(()));
    viewer.size(None);
    until("the last one is gone", || machine.state().monitors.is_empty().then_some(()));
    first.size(Some((1024, 768)));
    // In another mode.
    viewer.size(Some((900, 900)));
    let [_, second] = two(&mut machine);
    assert_eq!(second.area, [0, 0, 600, 600]);
    assert_eq!(machine.window(TITLE).outer, home);
    framed(&mut machine, &[false, true]);
}

/// Both monitors, in the order of their connectors.
fn two(machine: &mut Machine) -> [Monitor; 2] {
    until("two monitors", || machine.state().monitors.try_into().ok())
}

fn move_to(machine: &mut Machine, (x, y): (i32, i32)) {
    let [from_x, from_y, ..] = machine.window(TITLE).outer;
    machine.drag(TITLE, (x - from_x, y - from_y));
}

/// Rule FRAME on every connector, and on which of them the window is.
fn framed(machine: &mut Machine, shows: &[bool]) {
    until("the window is where it should be", || {
        let monitors = machine.state().monitors;
        assert_eq!(monitors.len(), shows.len());
        let window = machine.window(TITLE);
        let mut seen = Vec::new();
        for monitor in monitors {
            let head = head(&monitor);
            let picture = machine.connector(head);
            assert_eq!(picture.dimensions(), (monitor.size.0 as u32, monitor.size.1 as u32));
            keep(&picture, &format!("monitors-{}", head + 1));
            let corner = (monitor.area[0], monitor.area[1]);
            let window = on_screen(&window, corner, (monitor.scale * 120.0).round() as i32);
            let [x, y, w, h] = window.outer;
            let is_there = x < monitor.size.0 && x + w > 0 && y < monitor.size.1 && y + h > 0;
            if paint_fills(&picture, &window) != is_there {
                return None;
            }
            if is_there {
                assert_framed(&picture, &window, Label::Blue);
            }
            seen.push(is_there);
        }
        (seen == shows).then_some(())
    });
}
