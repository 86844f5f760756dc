//! Settings that change while the desktop runs.

use std::path::{Path, PathBuf};

use transom_tests::process::{House, until};

const SUPER: u32 = 125;
const F9: u32 = 67;

fn folder(house: &House) -> PathBuf {
    let folder = house.path().join("config/transom");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

/// The workspace that a chord leads to.
fn f9(house: &House) -> u32 {
    house.chord(&[SUPER, F9]);
    house.state().workspace
}

#[test]
fn a_change_is_taken_up_and_a_mistake_is_not() {
    let mut house = House::new();
    let folder = folder(&house);
    let (config, more) = (folder.join("config.kdl"), folder.join("more.kdl"));
    write(&config, "bind \"Super+F9\" \"workspace\" \"3\"\n");
    house.start_desktop();
    assert_eq!((f9(&house), house.state().arrangement.as_str()), (3, "floating"));

    // Another file is included, and counts from then on.
    write(&more, "arrange \"columns\"\nnotifications { do-not-disturb true; }\n");
    write(&config, "include \"more.kdl\"\nbind \"Super+F9\" \"workspace\" \"4\"\n");
    until("the new settings hold", || (house.state().arrangement == "columns").then_some(()));
    assert!(house.state().do_not_disturb);
    assert_eq!(f9(&house), 4);

    // A mistake in it changes nothing, and is on the screen for as long as it is there.
    write(&more, "\nkeybord { layout \"us\"; }\n");
    let said = until("the mistake is told", || house.state().notices.first().cloned());
    assert!(said.contains("more.kdl:2:1: ") && said.contains("keybord"), "{said}");
    assert!(said.ends_with("the settings stay as they were"), "{said}");
    let state = house.state();
    assert!(state.do_not_disturb && state.arrangement == "columns");
    let validate = house.run(&["validate"]);
    assert!(!validate.status.success());
    let complaint = String::from_utf8_lossy(&validate.stderr).into_owned();
    assert!(complaint.contains("more.kdl:2:1: "), "{complaint}");

    // Mended as editors do it, by a new file in the place of the old one.
    let new = folder.join("more.kdl.new");
    write(&new, "keyboard { layout \"us,de\"; }\nnotifications { do-not-disturb false; }\n");
    std::fs::rename(&new, &more).unwrap();
    until("the mistake is gone", || house.state().notices.is_empty().then_some(()));
    let state = house.state();
    assert!(
        !state.do_not_disturb && state.arrangement == "floating",
        "what nothing says any more is as by default"
    );
}

#[test]
fn a_config_that_comes_later_and_a_link_to_one_are_watched() {
    let mut house = House::new();
    let folder = folder(&house);
    house.start_desktop();
    let elsewhere = house.path().join("dotfiles");
    std::fs::create_dir(&elsewhere).unwrap();
    write(&folder.join("config.kdl"), "arrange \"columns\"\n");
    until("it counts", || (house.state().arrangement == "columns").then_some(()));
    // A link in its place, and then another text behind the link.
    write(&elsewhere.join("desk.kdl"), "arrange \"floating\"\n");
    let link = folder.join("link");
    std::os::unix::fs::symlink(elsewhere.join("desk.kdl"), &link).unwrap();
    std::fs::rename(&link, folder.join("config.kdl")).unwrap();
    until("the link counts", || (house.state().arrangement == "floating").then_some(()));
    write(&elsewhere.join("desk.kdl"), "arrange \"columns\"\n");
    until("what is behind it counts", || (house.state().arrangement == "columns").then_some(()));
}

#[test]
fn a_theme_is_taken_up_when_its_file_changes() {
    let mut house = House::new();
    let folder = folder(&house);
    let theme = folder.join("theme.kdl");
    write(&theme, "");
    write(&folder.join("config.kdl"), &format!("theme \"dark\" file={:?}\n", theme.display().to_string()));
    house.start_desktop();
    let picture = |house: &House| {
        let path = house.path().join("shot.png");
        house.must(&["msg", "screenshot", &path.display().to_string()]);
        image::open(&path).unwrap().into_rgb8()
    };
    let dark = picture(&house);
    write(&theme, "neutral { background \"#204060\"; }\n");
    until("it is drawn", || {
        let picture = picture(&house);
        (picture.get_pixel(5, picture.height() - 5).0 == [0x20, 0x40, 0x60]).then_some(())
    });
    write(&theme, "neutral { background \"sea\"; }\n");
    let said = until("the mistake is told", || house.state().notices.first().cloned());
    assert!(said.contains("theme.kdl:1"), "{said}");
    write(&theme, "");
    until("it is as it was", || (picture(&house) == dark).then_some(()));
}
