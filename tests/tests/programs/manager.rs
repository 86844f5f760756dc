//! The qube manager with a real supervisor and real sandboxes: everything a person does with qubes, by keys; and once
//! by the pointer alone.

use std::fs;

use transom::{input::event::BTN_LEFT, ipc::Manager, ipc::Request};
use transom_tests::process::{House, until};

const ESCAPE: u32 = 1;
const TAB: u32 = 15;
const ENTER: u32 = 28;
const CTRL: u32 = 29;
const U: u32 = 22;
const A: u32 = 30;
const RIGHT: u32 = 106;
const SUPER: u32 = 125;

fn manager(house: &House) -> Manager {
    house.state().manager.expect("an open manager")
}

/// Waits until a row says this.
fn row(house: &House, begins: &str) -> Manager {
    until(begins, || {
        let state = manager(house);
        state.rows.iter().any(|row| row.starts_with(begins)).then_some(state)
    })
}

/// Does a verb by the keys: the qube is found by typing, the verb by going to it.
fn verb_by_keys(house: &House, qube: &str, verb: &str) {
    until("a table", || match manager(house).page.as_str() {
        "table" => Some(()),
        _ => None,
    });
    house.chord(&[CTRL, U]);
    house.types(qube);
    until(qube, || (manager(house).chosen.as_deref() == Some(qube)).then_some(()));
    until(verb, || manager(house).verbs.iter().any(|on| on == verb).then_some(()));
    house.chord(&[TAB]);
    for _ in 0..14 {
        if manager(house).focus == verb {
            house.chord(&[ENTER]);
            return;
        }
        house.chord(&[RIGHT]);
    }
    panic!("{verb} is not reached: {:?}", manager(house));
}

/// Clicks on something.
fn press(house: &House, what: &str) {
    let [x, y, w, h] = until(what, || {
        let places = house.state().manager?.places;
        places.into_iter().rev().find(|(name, _)| name == what).map(|(_, area)| area)
    });
    house.ask(&Request::Pointer { x: f64::from(x + w / 2), y: f64::from(y + h / 2) });
    house.ask(&Request::Button { code: BTN_LEFT, pressed: true });
    house.ask(&Request::Button { code: BTN_LEFT, pressed: false });
}

#[test]
fn everything_by_keys() {
    let mut house = House::new();
    house.start_desktop();
    house.chord(&[SUPER, A]);
    assert!(manager(&house).says.contains("no qubes yet"), "{:?}", manager(&house));

    // It is made.
    house.chord(&[TAB]);
    until("the verb", || (manager(&house).focus == "New\u{2026}").then_some(()));
    house.chord(&[ENTER]);
    house.types("work");
    house.chord(&[TAB]);
    house.types("b");
    assert_eq!(manager(&house).lines[..2], ["Name: work", "Colour: blue"]);
    house.chord(&[ENTER]);
    row(&house, "work: halted");
    assert_eq!(manager(&house).chosen.as_deref(), Some("work"));

    // It runs, and its figures come.
    fs::write(house.home("work").join("large"), vec![7; 3 << 20]).unwrap();
    verb_by_keys(&house, "work", "Start");
    row(&house, "work: running");
    until("what its home takes", || {
        manager(&house).rows.iter().any(|row| row.contains(" MiB")).then_some(())
    });

    // Its log is dom0's to read.
    verb_by_keys(&house, "work", "Log");
    until("its log", || {
        manager(&house).lines.iter().any(|line| line.contains("the agent is ready")).then_some(())
    });
    house.chord(&[ESCAPE]);

    // It is held where the machine has control groups, and else it is said why not.
    verb_by_keys(&house, "work", "Pause");
    let paused = until("paused, or why not", || {
        let state = manager(&house);
        let paused = state.rows.iter().any(|row| row.starts_with("work: paused"));
        (paused || state.says.contains("work cannot be paused")).then_some(paused)
    });
    if paused {
        verb_by_keys(&house, "work", "Resume");
        row(&house, "work: running");
    }

    // It is stopped and started, then killed, after a question.
    verb_by_keys(&house, "work", "Restart");
    until("it began anew", || {
        house.log_says("work", "program").then_some(()).or_else(|| {
            let log = fs::read_to_string(house.home("work").parent()?.join("log/console.log")).ok()?;
            (log.matches("the agent is ready").count() == 2).then_some(())
        })
    });
    until("nothing is waited for", || (!manager(&house).waits).then_some(()));
    row(&house, "work: running");
    verb_by_keys(&house, "work", "Kill\u{2026}");
    assert_eq!(manager(&house).focus, "Cancel");
    house.chord(&[RIGHT]);
    house.chord(&[ENTER]);
    row(&house, "work: halted");

    // A copy with all that is in it, under another name, in another colour, with the desktop.
    verb_by_keys(&house, "work", "Clone\u{2026}");
    house.types("copy");
    house.chord(&[ENTER]);
    row(&house, "copy: halted");
    assert_eq!(fs::metadata(house.home("copy").join("large")).unwrap().len(), 3 << 20);
    verb_by_keys(&house, "copy", "Rename\u{2026}");
    house.chord(&[CTRL, U]);
    house.types("work");
    house.chord(&[ENTER]);
    until("why not", || manager(&house).says.contains("a qube work already").then_some(()));
    house.chord(&[CTRL, U]);
    house.types("play");
    house.chord(&[ENTER]);
    row(&house, "play: halted");
    assert!(!house.home("copy").exists() && house.home("play").exists());
    verb_by_keys(&house, "play", "Settings\u{2026}");
    house.types("g");
    for _ in 0..2 {
        house.chord(&[TAB]);
    }
    assert_eq!(manager(&house).focus, "With the desktop");
    house.chord(&[RIGHT]);
    house.chord(&[ENTER]);
    row(&house, "play: halted with the desktop");
    let file = fs::read_to_string(house.home("play").parent().unwrap().join("qube.kdl")).unwrap();
    assert!(file.contains("label \"grey\"") && file.contains("start-with-desktop"), "{file}");

    // And gone, once its name is typed.
    verb_by_keys(&house, "play", "Remove\u{2026}");
    house.types("pla");
    house.chord(&[ENTER]);
    assert!(house.home("play").exists() && manager(&house).page.starts_with("Remove"));
    house.types("y");
    house.chord(&[ENTER]);
    until("it is gone", || (!house.home("play").exists()).then_some(()));
    until("the table", || (manager(&house).page == "table").then_some(()));
    house.chord(&[CTRL, U]);
    until("one row", || (manager(&house).rows.len() == 1).then_some(()));
    // From the verbs to the table, and from there out.
    house.chord(&[ESCAPE]);
    house.chord(&[ESCAPE]);
    assert!(house.state().manager.is_none());
}

#[test]
fn everything_by_the_pointer_but_a_name() {
    let mut house = House::new();
    house.must(&["qube", "create", "work", "--label", "blue"]);
    house.start_desktop();
    until("it is known", || {
        house.ask(&Request::Manager);
        let rows = house.state().manager?.rows;
        (rows.len() == 1).then_some(())
    });
    house.ask(&Request::Pointer { x: 3.0, y: 790.0 });
    house.ask(&Request::Button { code: BTN_LEFT, pressed: true });
    house.ask(&Request::Button { code: BTN_LEFT, pressed: false });
    assert!(house.state().manager.is_none(), "beside it, it closes");
    // Its place in the bar.
    house.ask(&Request::Pointer { x: 1280.0 - 17.0, y: 14.0 });
    house.ask(&Request::Button { code: BTN_LEFT, pressed: true });
    house.ask(&Request::Button { code: BTN_LEFT, pressed: false });
    until("its row", || (manager(&house).chosen.as_deref() == Some("work")).then_some(()));
    press(&house, "verb Start");
    row(&house, "work: running");
    press(&house, "verb Settings\u{2026}");
    press(&house, "next With the desktop");
    press(&house, "button 1");
    row(&house, "work: running with the desktop");
    press(&house, "verb Programs");
    until("the launcher", || house.state().launcher.map(drop));
    house.ask(&Request::Manager);
    until("the table", || house.state().manager.map(drop));
    press(&house, "verb Stop");
    row(&house, "work: halted");
    press(&house, "verb Log");
    until("its log", || (!manager(&house).lines.is_empty()).then_some(()));
    press(&house, "button 0");
    press(&house, "verb New\u{2026}");
    house.types("web");
    press(&house, "next Colour");
    press(&house, "button 1");
    row(&house, "web: halted");
    press(&house, "row web");
    press(&house, "verb Remove\u{2026}");
    press(&house, "line Its name");
    house.types("web");
    press(&house, "button 1");
    until("it is gone", || (!house.home("web").exists()).then_some(()));
}
