//! `grim`, as it is in Debian, takes pictures of a headless desktop.

use std::process::{Command, Output};

use transom::{ipc::Request, wayland::SOCKET_NAME};
use transom_tests::process::{House, until};

const SCREENS: [&str; 7] =
    ["headless", "--renderer", "pixman", "--output", "left=800x600", "--output", "right=1200x900@1.5"];

fn grim(house: &House, words: &[&str]) -> Output {
    Command::new("grim")
        .args(words)
        .current_dir(house.path())
        .env("WAYLAND_DISPLAY", house.path().join(SOCKET_NAME))
        .env("XDG_RUNTIME_DIR", house.path())
        .env("HOME", house.path())
        .env_remove("DISPLAY")
        .output()
        .unwrap()
}

fn taken(house: &House, words: &[&str]) -> image::RgbImage {
    let output = grim(house, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    image::open(house.path().join("grim.png")).unwrap().to_rgb8()
}

fn own(house: &House, output: &str) -> image::RgbImage {
    let path = house.path().join("own.png");
    house.ask(&Request::Screenshot { path: path.clone(), output: Some(output.into()) });
    image::open(path).unwrap().to_rgb8()
}

/// What a program of dom0 captures is what the desktop captures itself, once nothing changes any more.
fn same(house: &House, output: &str) {
    until("one picture", || {
        let before = own(house, output);
        let taken = taken(house, &["-c", "-o", output, "grim.png"]);
        (before == own(house, output)).then_some((before == taken).then_some(())).flatten()
    });
}

#[test]
fn grim_takes_what_the_screens_show_and_nothing_while_locked() {
    let mut house = House::new();
    let config = house.path().join("config/transom");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.kdl"), "output \"left\" { transform \"90\"; }").unwrap();
    house.start(house.command(&SCREENS));
    house.ask(&Request::Pointer { x: 40.0, y: 300.0 });
    same(&house, "left");
    same(&house, "right");
    let left = own(&house, "left");
    assert_eq!(left.dimensions(), (600, 800), "turned");
    // The pointer is left out unless it is asked for; all else is the same.
    let without = taken(&house, &["-o", "left", "grim.png"]);
    let differs = |(x, y): (u32, u32)| without.get_pixel(x, y) != left.get_pixel(x, y);
    let places = (0..600).flat_map(|x| (0..800).map(move |y| (x, y)));
    let different: Vec<(u32, u32)> = places.filter(|at| differs(*at)).collect();
    assert!(!different.is_empty());
    assert!(different.iter().all(|(x, y)| (20..80).contains(x) && (280..340).contains(y)), "{different:?}");
    // A piece of a turned screen: part of the bar and what is below it.
    let piece = taken(&house, &["-s", "1", "-c", "-g", "10,5 200x50", "grim.png"]);
    let cut = image::imageops::crop_imm(&left, 10, 5, 200, 50).to_image();
    assert!(piece == cut, "a piece differs");

    house.ask(&Request::Lock);
    until("the lock", || (house.state().lock == "locked").then_some(()));
    let output = grim(&house, &["-o", "left", "locked.png"]);
    assert!(!output.status.success() && !house.path().join("locked.png").exists());
    assert!(house.state().notices.is_empty(), "one picture is no recording");
}
