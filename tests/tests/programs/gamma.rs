//! `wlsunset` and `gammastep`, as they are in Debian, warm the screens of a headless desktop.

use std::process::Command;

use transom::{
    ipc::{Gamma, Reply, Request},
    wayland::SOCKET_NAME,
};
use transom_tests::process::{House, Owned, until};

const SCREENS: [&str; 7] =
    ["headless", "--renderer", "pixman", "--output", "left=800x600", "--output", "right=1200x900@1.5"];

fn program(house: &House, words: &[&str]) -> Owned {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .env("WAYLAND_DISPLAY", house.path().join(SOCKET_NAME))
        .env("XDG_RUNTIME_DIR", house.path())
        .env("HOME", house.path());
    Owned::start(&mut command).unwrap()
}

fn ramps(house: &House) -> [Gamma; 2] {
    match house.ask(&Request::Outputs) {
        Reply::Outputs { outputs } => {
            outputs.into_iter().map(|output| output.gamma).collect::<Vec<_>>().try_into().unwrap()
        }
        other => panic!("{other:?}"),
    }
}

fn held_by(house: &House, by: &str) -> [Gamma; 2] {
    until(by, || Some(ramps(house)).filter(|ramps| ramps.iter().all(|ramp| ramp.by == by)))
}

/// Red is whole, and less is left of green and less still of blue, within these parts.
fn assert_warm(ramps: &[Gamma], green: std::ops::Range<f64>, blue: std::ops::Range<f64>) {
    for ramp in ramps {
        let [r, g, b] = ramp.last.map(|value| f64::from(value) / 65_535.0);
        assert!(r > 0.99 && green.contains(&g) && blue.contains(&b), "{ramps:?}");
        assert_eq!((ramp.size, ramp.first), (256, [0; 3]));
    }
}

#[test]
fn wlsunset_and_gammastep_warm_the_screens() {
    let mut house = House::new();
    house.start(house.command(&SCREENS));
    let day = held_by(&house, "night");
    assert!(day.iter().all(|ramp| ramp.last == [65_535; 3] && ramp.temperature == Some(6_500)));
    house.must(&["msg", "night", "on"]);
    let night = ramps(&house);
    assert!(night.iter().all(|ramp| ramp.temperature == Some(4_000)));
    assert_warm(&night, 0.8..0.9, 0.6..0.7);

    // Whatever time it is, about 4000 K.
    let sunset = program(&house, &["wlsunset", "-t", "4000", "-T", "4001", "-S", "07:00", "-s", "20:00"]);
    assert_warm(&held_by(&house, "program"), 0.75..0.95, 0.5..0.8);
    // It holds both: another gets neither.
    let step = ["gammastep", "-m", "wayland", "-P", "-O", "3500"];
    let refused = Command::new("timeout")
        .arg("2")
        .args(step)
        .env("WAYLAND_DISPLAY", house.path().join(SOCKET_NAME))
        .env("XDG_RUNTIME_DIR", house.path())
        .output()
        .unwrap();
    assert_warm(&held_by(&house, "program"), 0.75..0.95, 0.5..0.8);
    drop((refused, sunset));
    assert_eq!(held_by(&house, "night"), night);

    let warm = program(&house, &step);
    assert_warm(&held_by(&house, "program"), 0.7..0.85, 0.4..0.7);
    drop(warm);
    held_by(&house, "night");
    // So warm that labels could not be told apart, and so dark that nothing could be read.
    let refusals = |house: &House| house.said().matches("a program's gamma ramp is not taken").count();
    for unreadable in [&["-O", "1500"][..], &["-O", "6500", "-b", "0.2:0.2"]] {
        let before = refusals(&house);
        let _program = program(&house, &[&step[..4], unreadable].concat());
        until("the refusal", || (refusals(&house) > before).then_some(()));
        assert_eq!(held_by(&house, "night"), night);
    }
    house.must(&["msg", "night", "auto"]);
    assert_eq!(held_by(&house, "night"), day);
}

#[test]
fn a_night_that_is_too_warm_is_told() {
    let house = House::new();
    let file = house.path().join("warm.kdl");
    std::fs::write(&file, "night-colour {\n    temperature 2700\n}\n").unwrap();
    let output = house.run(&["validate", &file.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("warm.kdl:1:1") && said.contains("2700 K is too warm: below 3000 K"), "{said}");
}
