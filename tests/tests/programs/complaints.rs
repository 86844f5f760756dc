//! What goes wrong is said in one clear line, and ends only what it must.

use transom_tests::process::{House, until};

fn line(output: &std::process::Output) -> String {
    assert!(!output.status.success(), "it must fail");
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    text
}

#[test]
fn commands_that_cannot_work() {
    let house = House::new();
    for (arguments, says) in [
        (&["msg", "state"][..], "no Transom desktop"),
        (&["qube", "start", "nobody"], "nobody"),
        (&["qube", "create", "Not/A/Name", "--label", "blue"], "a-z"),
        (&["validate", "/nowhere.kdl"], "/nowhere.kdl"),
    ] {
        let output = house.run(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(says), "{arguments:?}: {text}");
    }
    let text = line(&house.run(&["msg", "state"]));
    assert!(text.contains("transom headless"), "it says what to do: {text}");
    let _ = std::fs::remove_dir_all(house.path().join("data"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let house = House::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = house.command(&["validate"]).stdout(writer).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_bad_config_is_shown_and_the_defaults_are_used() {
    let mut house = House::new();
    let folder = house.path().join("config/transom");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.kdl"), "keyboard {\n  layuot \"us\"\n}\n").unwrap();
    let text = line(&house.run(&["validate"]));
    assert!(text.contains("config.kdl:2:"), "{text}");
    house.start_desktop();
    let notices = house.state().notices;
    assert!(notices.iter().any(|n| n.contains("config.kdl:2:") && n.contains("built-in")), "{notices:?}");
}

#[test]
fn a_bad_theme_is_shown_and_the_built_in_one_is_used() {
    let mut house = House::new();
    let folder = house.path().join("config/transom");
    std::fs::create_dir_all(&folder).unwrap();
    let theme = folder.join("mine.kdl");
    std::fs::write(&theme, "label \"red\" color=\"pink\"\n").unwrap();
    std::fs::write(folder.join("config.kdl"), format!("theme \"dark\" file={theme:?}\n")).unwrap();
    house.start_desktop();
    let notices = house.state().notices;
    assert!(notices.iter().any(|n| n.contains("mine.kdl:1:")), "{notices:?}");
}

#[test]
fn a_missing_program_is_named() {
    let mut house = House::new();
    house.start_desktop();
    house.must(&["qube", "create", "work", "--label", "blue"]);
    house.must(&["qube", "start", "work"]);
    let text = line(&house.run(&["qube", "run", "work", "no-such-program"]));
    assert!(text.contains("no-such-program"), "{text}");
    // The qube is as it was.
    house.must(&["qube", "run", "work", "foot", "--title=still-here"]);
    until("a window", || house.state().windows.iter().any(|w| w.title == "still-here").then_some(()));
}

#[test]
fn qubes_have_homes_of_their_own_that_last() {
    let house = House::new();
    for (name, label) in [("one", "blue"), ("two", "red")] {
        house.must(&["qube", "create", name, "--label", label]);
        house.must(&["qube", "start", name]);
    }
    house.must(&["qube", "run", "one", "sh", "-c", "echo mine > ~/note"]);
    let note = house.home("one").join("note");
    until("the note", || note.exists().then_some(()));
    house.must(&["qube", "run", "two", "sh", "-c", "ls ~ > ~/seen; cat /home/user/note >> ~/seen 2>&1"]);
    let seen = house.home("two").join("seen");
    until("the other has looked", || {
        std::fs::read_to_string(&seen).ok().filter(|text| text.contains("No such file")).map(drop)
    });
    house.must(&["qube", "stop", "one"]);
    house.must(&["qube", "start", "one"]);
    assert_eq!(std::fs::read_to_string(note).unwrap(), "mine\n");
}
