//! A house with qubes, scripts in them, and a person who answers questions with keys.

use std::fs;

use transom_tests::process::{House, until};

pub(crate) const ESCAPE: u32 = 1;
pub(crate) const TAB: u32 = 15;
pub(crate) const ENTER: u32 = 28;
pub(crate) const DOWN: u32 = 108;

pub(crate) fn house(qubes: &[(&str, &str)]) -> House {
    let mut house = House::new();
    house.start_desktop();
    for (qube, label) in qubes {
        house.must(&["qube", "create", qube, "--label", label]);
    }
    house
}

pub(crate) fn policy(house: &House, text: &str) {
    let dir = house.path().join("config/transom");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("new"), text).unwrap();
    fs::rename(dir.join("new"), dir.join("policy.kdl")).unwrap();
}

/// Runs a script in a qube; its errors go to `said`, its end to `done`.
pub(crate) fn script(house: &House, qube: &str, script: &str) {
    let home = house.home(qube);
    let _ = fs::remove_file(home.join("done"));
    let script = format!("exec 2>said; {script}; echo $? > done.part; mv done.part done");
    house.must(&["qube", "run", qube, "sh", "-c", &script]);
}

/// What a script ended with, and what it said.
pub(crate) fn done(house: &House, qube: &str) -> (String, String) {
    let home = house.home(qube);
    let code = until("the script has ended", || fs::read_to_string(home.join("done")).ok());
    (code.trim().to_owned(), fs::read_to_string(home.join("said")).unwrap_or_default())
}

pub(crate) fn key(house: &House, code: u32) {
    house.chord(&[code]);
}

pub(crate) fn prompt(house: &House) -> String {
    until("a question", || house.state().prompt)
}

/// Chooses the answer that gives something away, and gives it as soon as it is on.
pub(crate) fn allow(house: &House) {
    key(house, TAB);
    key(house, TAB);
    until("the question is answered", || {
        key(house, ENTER);
        house.state().prompt.is_none().then_some(())
    });
}
