//! `grim`, as it is in Debian, takes pictures of a headless desktop.

use std::process::{Command, Output};

use transom::{ipc::Request, wayland::SOCKET_NAME};
use transom_tests::process::{House, until};

use crate::by_hand;

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

const PRINT: u32 = 99;
const SUPER: u32 = 125;

/// The one file in a folder, once it is there.
fn only_file(folder: &std::path::Path) -> std::path::PathBuf {
    until("a file", || {
        // What is on its way there is hidden.
        let there = |entry: &std::fs::DirEntry| !entry.file_name().to_string_lossy().starts_with('.');
        let found = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let found: Vec<_> = found.filter(there).collect();
        (found.len() == 1).then(|| found[0].path())
    })
}

#[test]
fn a_picture_goes_into_a_folder_of_dom0_or_straight_into_a_qube() {
    let house = by_hand::house(&[("vault", "black"), ("work", "blue")]);
    house.ask(&Request::Pointer { x: 40.0, y: 300.0 });
    // Return two times is a file in dom0.
    house.chord(&[PRINT]);
    until("a chooser", || house.state().capture);
    house.chord(&[by_hand::ENTER]);
    assert!(by_hand::prompt(&house).ends_with("in: *dom0, clipboard, vault, work"));
    house.chord(&[by_hand::ENTER]);
    let told = |start: &str| {
        until("the person is told", || house.state().notices.into_iter().find(|text| text.starts_with(start)))
    };
    let told_of_file = told("The picture ");
    let file = only_file(&house.path().join("pictures"));
    assert_eq!(told_of_file, format!("The picture is {}", file.display()));
    let (width, height) = image::open(&file).unwrap().to_rgb8().dimensions();
    let state = house.state();
    let (w, h) = state.screen;
    assert_eq!(
        (width as i32, height as i32),
        (w / 2, h / 2),
        "the middle of the screen, if nothing is drawn"
    );

    // Into a qube that is halted: it is started, and nothing stays in dom0.
    house.chord(&[PRINT]);
    until("a chooser", || house.state().capture);
    house.chord(&[by_hand::ENTER]);
    by_hand::prompt(&house);
    for _ in 0..2 {
        house.chord(&[by_hand::DOWN]);
    }
    assert!(by_hand::prompt(&house).contains("*vault"));
    house.chord(&[by_hand::ENTER]);
    let told_of_qube = told("The picture is in");
    let arrived = only_file(&house.home("vault").join("QubesIncoming/dom0"));
    assert!(told_of_qube.starts_with("The picture is in vault"), "{told_of_qube}");
    assert!(told_of_qube.ends_with(arrived.file_name().unwrap().to_str().unwrap()), "{told_of_qube}");
    assert_eq!(image::open(&arrived).unwrap().to_rgb8().dimensions(), (width, height));
    let left = std::fs::read_dir(house.path()).unwrap().filter_map(Result::ok);
    assert!(left.filter(|entry| entry.file_name().to_string_lossy().starts_with("picture-")).count() == 0);
}

#[test]
fn a_video_is_taken_until_it_is_stopped_and_goes_into_a_qube() {
    let house = by_hand::house(&[("vault", "black")]);
    house.chord(&[SUPER, PRINT]);
    until("a chooser", || house.state().capture);
    house.chord(&[by_hand::ENTER]);
    until("the person is told", || {
        // Something moves, so that there is something to record.
        house.ask(&Request::Pointer { x: 400.0, y: 300.0 });
        house.ask(&Request::Pointer { x: 420.0, y: 310.0 });
        let said = |text: &String| text == "a program of dom0 records the screen";
        house.state().notices.iter().any(said).then_some(())
    });
    let file = only_file(&house.path().join("videos"));
    house.chord(&[SUPER, PRINT]);
    assert!(by_hand::prompt(&house).starts_with("Keep the video in: *dom0, vault"));
    house.chord(&[by_hand::DOWN]);
    house.chord(&[by_hand::ENTER]);
    let arrived = only_file(&house.home("vault").join("QubesIncoming/dom0"));
    let bytes = std::fs::read(&arrived).unwrap();
    assert!(bytes.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]), "a Matroska file");
    until("nothing of it stays in dom0", || (!file.exists()).then_some(()));
}
