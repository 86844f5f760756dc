//! `wlr-randr`, as it is in Debian, arranges the screens of a headless desktop.

use std::process::{Command, Stdio};

use transom::{
    ipc::{Monitor, Reply, Request},
    wayland::SOCKET_NAME,
};
use transom_tests::process::House;

const SCREENS: [&str; 7] =
    ["headless", "--renderer", "pixman", "--output", "left=800x600", "--output", "right=1200x900@1.5"];

fn randr(house: &House, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("wlr-randr")
        .args(arguments)
        .env("WAYLAND_DISPLAY", house.path().join(SOCKET_NAME))
        .env("XDG_RUNTIME_DIR", house.path())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("wlr-randr: {error}"));
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn monitors(house: &House) -> [Monitor; 2] {
    match house.ask(&Request::Outputs) {
        Reply::Outputs { outputs } => outputs.try_into().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn wlr_randr_arranges_screens() {
    let mut house = House::new();
    house.start(house.command(&SCREENS));
    let (done, said) = randr(&house, &[]);
    assert!(done, "{said}");
    for line in [
        "left",
        "right",
        "Enabled: yes",
        "800x600 px, 60.000000 Hz (preferred, current)",
        "1200x900 px, 60.000000 Hz (preferred, current)",
        "Position: 800,0",
        "Scale: 1.500000",
        "Transform: normal",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }

    let must = |arguments: &[&str]| {
        let (done, said) = randr(&house, arguments);
        assert!(done, "{arguments:?}: {said}");
    };
    must(&["--output", "right", "--scale", "2", "--pos", "0,600"]);
    let [left, right] = monitors(&house);
    assert_eq!((left.area, right.area, right.scale), ([0, 0, 800, 600], [0, 600, 600, 450], 2.0));
    must(&["--output", "right", "--transform", "90"]);
    assert_eq!(monitors(&house)[1].area, [0, 600, 450, 600]);
    must(&["--output", "right", "--transform", "normal", "--mode", "1200x900"]);

    // Only tried, nothing is done.
    let before = monitors(&house);
    must(&["--dryrun", "--output", "right", "--scale", "1"]);
    assert_eq!(monitors(&house), before);

    must(&["--output", "left", "--off"]);
    let [left, right] = monitors(&house);
    assert!(!left.on && right.on);
    assert_eq!(right.area, [0, 0, 600, 450], "the desktop begins at its corner");
    let (_, said) = randr(&house, &[]);
    assert!(said.contains("Enabled: no"), "{said}");
    must(&["--output", "left", "--on", "--pos", "600,0"]);
    assert_eq!(monitors(&house)[0].area, [600, 0, 800, 600]);

    // A mode that it has not, a scale that makes no sense, no screen at all.
    for refused in [
        &["--output", "left", "--custom-mode", "640x480"][..],
        &["--output", "left", "--scale", "40"],
        &["--output", "left", "--off", "--output", "right", "--off"],
    ] {
        let before = monitors(&house);
        let (done, said) = randr(&house, refused);
        assert!(!done, "{refused:?}: {said}");
        assert_eq!(monitors(&house), before);
    }
    house.must(&["msg", "output", "left", "off"]);
    assert!(!monitors(&house)[0].lit);
    let picture = house.path().join("right.png");
    house.must(&["msg", "screenshot", "--output", "right", &picture.display().to_string()]);
    assert_eq!(image::image_dimensions(picture).unwrap(), (1200, 900));
    house.must(&["msg", "output", "left", "on"]);
    assert!(monitors(&house)[0].lit);
}
