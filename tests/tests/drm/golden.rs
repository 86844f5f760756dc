//! Pictures of two connectors, pixel by pixel: the same by both renderers.

use transom_tests::{
    fixture::{
        assert_golden,
        look::{on_screen, paint_fills, painted},
    },
    process::until,
};
use transom_theming::Label;

use super::{
    inside::Ask,
    machine::Machine,
    person::head,
    screen::{keep, settled},
    viewer::Viewer,
};

/// The second monitor is shown at one and a half.
const CONFIG: &str = r#"
    output "Virtual-1" { position 0 0; }
    output "Virtual-2" { scale 1.5; position 1024 0; }
"#;
/// The bar's clock is right after a start, and this is what it says for a minute.
const NOON: &str = "date -u -s '2026-03-01 12:00:00'";
/// On a busy computer the pictures take longer than that minute.
const STAYS_NOON: &str = "(while sleep 15; do date -u -s '2026-03-01 12:00:00'; done) > /dev/null 2>&1 &";

#[test]
fn the_connectors_are_as_painted() {
    let Some(mut machine) = Machine::start("") else { return };
    for (qube, label) in [("work", Label::Blue), ("personal", Label::Yellow)] {
        machine.create(qube, label);
    }
    machine.ask(&Ask::Configure(CONFIG.into()));
    let mut viewer = Viewer::connect(&machine.file("viewer-1"));
    viewer.size(Some((1200, 900)));
    machine.ask(&Ask::Start("pixman".into()));
    monitors(&mut machine);
    for qube in ["work", "personal"] {
        machine.run(&["qube", "start", qube]);
        machine.run(&painted(qube, qube, "printf '\\033[?25l'; exec sleep 1000"));
        machine.window(qube);
    }
    machine.ask(&Ask::Shell(STAYS_NOON.into()));
    for renderer in ["pixman", "gles"] {
        machine.ask(&Ask::Kill);
        machine.ask(&Ask::Shell(NOON.into()));
        machine.ask(&Ask::Start(renderer.into()));
        monitors(&mut machine);
        place(&mut machine);
        let pictures = until("both are painted", || {
            settled(&mut machine);
            let windows = ["work", "personal"].map(|title| machine.window(title));
            let pictures = [0, 1].map(|head| machine.connector(head));
            let on = [on_screen(&windows[0], (0, 0), 120), on_screen(&windows[1], (1024, 0), 180)];
            pictures.iter().zip(&on).all(|(picture, window)| paint_fills(picture, window)).then_some(pictures)
        });
        for (number, picture) in (1..).zip(&pictures) {
            keep(picture, &format!("golden-{renderer}-{number}"));
        }
        for (number, picture) in (1..).zip(&pictures) {
            assert_golden(&format!("connector-{number}"), picture);
        }
    }
}

/// One window at the left of the first monitor, the other on the second; the first one has the keys.
fn place(machine: &mut Machine) {
    switch_to(machine, "personal");
    let [x, y, ..] = machine.window("personal").outer;
    machine.drag("personal", (1080 - x, 60 - y));
    switch_to(machine, "work");
    machine.chord(&["meta_l", "left"]);
    until("it has its half", || (machine.window("work").outer[2] == 512).then_some(()));
    machine.point((800, 740));
}

/// Gives the keys to one of the two windows. A switch takes effect some time after its chord; a second
/// chord in between would take the keys away again.
fn switch_to(machine: &mut Machine, title: &str) {
    let focused = |machine: &mut Machine| {
        let windows = machine.state().windows;
        (windows.len() == 2)
            .then(|| windows.into_iter().find(|window| window.focused).map(|window| window.title))
    };
    loop {
        let before = until("two windows", || focused(machine));
        if before.as_deref() == Some(title) {
            break;
        }
        machine.chord(&["alt", "tab"]);
        until("the keys move", || (focused(machine)? != before).then_some(()));
    }
}

fn monitors(machine: &mut Machine) {
    until("two monitors", || {
        let mut monitors = machine.state().monitors;
        monitors.sort_by_key(head);
        let scales: Vec<f64> = monitors.iter().map(|monitor| monitor.scale).collect();
        (scales == [1.0, 1.5]).then_some(())
    });
}
