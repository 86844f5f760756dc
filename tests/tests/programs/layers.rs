//! `waybar`, `swaybg` and `fuzzel`, as they are in Debian, on a headless desktop.

use std::{path::Path, process::Command};

use transom::{
    ipc::{Layer, Request},
    wayland::SOCKET_NAME,
};
use transom_tests::process::{House, Owned, until};

/// Height of waybar.
const BAR: i32 = 30;
const BLUE: [u8; 3] = [0x20, 0x40, 0x60];
const GREEN: [u8; 3] = [0x33, 0x66, 0x44];

/// A desktop without a bar of its own, and a qube.
fn house(modules: &str) -> House {
    let mut house = House::new();
    let config = house.path().join("config/transom");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.kdl"), "bar false").unwrap();
    std::fs::write(
        house.path().join("bar.json"),
        format!("{{\"layer\":\"top\",\"height\":{BAR},{modules}}}"),
    )
    .unwrap();
    let style = "* { all: unset; } window { background: #204060; color: #ffffff; }";
    std::fs::write(house.path().join("bar.css"), style).unwrap();
    house.start_desktop();
    house
}

fn program(house: &House, words: &[&str]) -> Owned {
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .current_dir(house.path())
        .env("WAYLAND_DISPLAY", house.path().join(SOCKET_NAME))
        .env("XDG_RUNTIME_DIR", house.path())
        .env("HOME", house.path())
        .env("GTK_A11Y", "none")
        .env("NO_AT_BRIDGE", "1")
        .env("GIO_USE_VFS", "local")
        .env("GSETTINGS_BACKEND", "memory")
        .env_remove("DISPLAY")
        .env_remove("DBUS_SESSION_BUS_ADDRESS");
    Owned::start(&mut command).unwrap()
}

fn waybar(house: &House) -> Owned {
    program(house, &["waybar", "-c", "bar.json", "-s", "bar.css"])
}

/// The first surface in this layer, once there is one.
fn layer(house: &House, name: &str) -> Layer {
    until(name, || house.state().layers.into_iter().find(|layer| layer.layer == name))
}

fn shot(house: &House) -> image::RgbImage {
    let path = house.path().join("shot.png");
    house.ask(&Request::Screenshot { path: path.clone(), output: None });
    image::open(path).unwrap().to_rgb8()
}

fn shows(house: &House, at: (u32, u32), colour: [u8; 3]) {
    until("its colour", || (shot(house).get_pixel(at.0, at.1).0 == colour).then_some(()));
}

fn click(house: &House, x: i32, y: i32) {
    house.ask(&Request::Pointer { x: f64::from(x), y: f64::from(y) });
    for pressed in [true, false] {
        house.ask(&Request::Button { code: 0x110, pressed });
    }
}

fn there(path: &Path) -> Option<()> {
    path.exists().then_some(())
}

#[test]
fn waybar_stands_at_its_edge_over_a_wallpaper_and_is_clicked() {
    let house = house(
        "\"modules-left\":[\"custom/word\"],\"custom/word\":{\"format\":\"hello\",\"on-click\":\"touch clicked\"}",
    );
    let _wallpaper = program(&house, &["swaybg", "-c", "#336644"]);
    assert_eq!(layer(&house, "background").area, [0, 0, 1280, 800]);
    let _bar = waybar(&house);
    assert_eq!(layer(&house, "top").area, [0, 0, 1280, BAR]);
    shows(&house, (640, 2), BLUE);
    shows(&house, (640, BAR as u32 - 1), BLUE);
    shows(&house, (640, BAR as u32), GREEN);

    let _foot = program(&house, &["foot", "--title=large", "--maximized", "sleep", "600"]);
    let window = until("a maximised window", || {
        house.state().windows.into_iter().find(|w| w.title == "large" && w.maximised)
    });
    assert_eq!(window.outer, [0, BAR, 1280, 800 - BAR], "it does not lie under the bar");

    click(&house, 12, BAR / 2);
    until("a click reaches it", || there(&house.path().join("clicked")));
}

#[test]
fn fuzzel_has_the_keys_while_it_is_there() {
    let house = house("\"modules-left\":[]");
    let script = "read line; echo \"$line\" > said";
    let _foot = program(&house, &["foot", "--title=below", "sh", "-c", script]);
    let window = until("its window", || house.state().windows.into_iter().find(|w| w.title == "below"));
    click(&house, window.content[0] + 20, window.content[1] + 20);
    until("its focus", || house.state().windows.iter().any(|w| w.focused).then_some(()));

    std::fs::write(house.path().join("words"), "apple\nbanana\n").unwrap();
    let chooser = "fuzzel --dmenu --log-level=none < words > chosen";
    let _fuzzel = program(&house, &["sh", "-c", chooser]);
    until("its keys", || house.state().layers.into_iter().find(|layer| layer.focused));
    assert!(house.state().windows.iter().all(|w| !w.focused), "the window beneath has none");
    house.types("ban");
    house.chord(&[28]);
    until("its choice", || {
        std::fs::read_to_string(house.path().join("chosen")).ok().filter(|text| text == "banana\n")
    });
    until("the window has the keys again", || {
        let state = house.state();
        (state.layers.is_empty() && state.windows.iter().any(|w| w.focused)).then_some(())
    });
    house.types("yes");
    house.chord(&[28]);
    let said = until("what was typed", || {
        std::fs::read_to_string(house.path().join("said")).ok().filter(|text| text.ends_with('\n'))
    });
    assert_eq!(said, "yes\n", "nothing that was meant for the launcher");
}

#[test]
fn a_click_in_waybars_taskbar_brings_a_qubes_window_up() {
    let house = house(
        "\"modules-left\":[\"wlr/taskbar\"],\"wlr/taskbar\":{\"format\":\"{title}\",\"on-click\":\"activate\"}",
    );
    house.must(&["qube", "create", "work", "--label", "blue"]);
    house.must(&["qube", "start", "work"]);
    house.must(&["qube", "run", "work", "foot", "--title=first", "sleep", "600"]);
    until("its window", || house.state().windows.iter().any(|w| w.title == "first").then_some(()));
    assert!(house.state().windows.iter().all(|w| !w.focused));
    let _bar = waybar(&house);
    layer(&house, "top");
    // Its only button, once it has drawn it: white letters on blue.
    until("its button", || {
        let shot = shot(&house);
        (0..BAR as u32).any(|y| (0..100).any(|x| shot.get_pixel(x, y).0 == [0xff; 3])).then_some(())
    });
    click(&house, 12, BAR / 2);
    until("the qube's window has the keys", || {
        house.state().windows.iter().any(|w| w.title == "first" && w.focused).then_some(())
    });
}
