//! Real programs drag: from an editor of GTK in one qube to a terminal in another.

use std::fs;

use transom::{
    input::event::BTN_LEFT,
    ipc::{Request, Window},
};
use transom_tests::process::{House, until};

const CTRL: u32 = 29;
const A: u32 = 30;

fn window(house: &House, qube: &str) -> Window {
    until("a window", || {
        let shown = |window: &Window| window.qube == qube && window.content[2] > 200;
        house.state().windows.into_iter().find(shown)
    })
}

fn point(house: &House, [x, y, ..]: [i32; 4], (dx, dy): (i32, i32)) {
    house.ask(&Request::Pointer { x: f64::from(x + dx), y: f64::from(y + dy) });
}

fn button(house: &House, pressed: bool) {
    house.ask(&Request::Button { code: BTN_LEFT, pressed });
}

#[test]
fn words_of_an_editor_are_dropped_on_a_terminal_of_another_qube() {
    let mut house = House::new();
    let config = house.path().join("config/transom");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("config.kdl"), "drag { allow from=\"work\" to=\"web\"; }").unwrap();
    house.start_desktop();
    for (qube, label) in [("work", "blue"), ("web", "red")] {
        house.must(&["qube", "create", qube, "--label", label]);
        house.must(&["qube", "start", qube]);
    }
    fs::write(house.home("work").join("words"), "dragged words of the editor\n".repeat(40)).unwrap();
    let read = "head -n 1 > part; mv part got; sleep 600";
    house.must(&["qube", "run", "web", "foot", "sh", "-c", read]);
    let terminal = window(&house, "web").content;
    house.must(&["qube", "run", "work", "mousepad", "words"]);
    let editor = until("the editor has its file", || {
        let window = window(&house, "work");
        window.title.contains("words").then_some(window.content)
    });

    // All of it is chosen. The click that gives it the keys is far from the press that drags: it is no double one.
    point(&house, editor, (150, 250));
    button(&house, true);
    button(&house, false);
    until("it has the keys", || {
        house.state().windows.iter().any(|window| window.qube == "work" && window.focused).then_some(())
    });
    house.chord(&[CTRL, A]);
    point(&house, editor, (60, 120));
    button(&house, true);
    for step in 1..8 {
        point(&house, editor, (60 + 5 * step, 120));
    }
    let mut step = 0;
    let says = until("a drag over the terminal", || {
        step += 1;
        point(&house, terminal, (100 + step % 2, 100));
        house.state().drag.filter(|says| says.contains('→'))
    });
    assert_eq!(says, "work: text → web");
    button(&house, false);
    let got = until("the terminal has it", || fs::read_to_string(house.home("web").join("got")).ok());
    assert_eq!(got, "dragged words of the editor\n");
    assert_eq!(house.state().drag, None);
}
