//! Real agents that find their programs, a person with keys, and homes that stay apart.

use std::{fs, path::Path};

use serde_json::Value;
use transom::ipc::Request;
use transom_tests::process::{House, until};

const ENTER: u32 = 28;
const D: u32 = 32;
const SHIFT: u32 = 42;
const SUPER: u32 = 125;

/// What `transom qube programs` says.
fn programs(house: &House, qube: &str) -> Vec<Value> {
    let output = house.run(&["qube", "programs", qube, "--json"]);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

fn await_program(house: &House, qube: &str, id: &str) -> Value {
    until(id, || programs(house, qube).into_iter().find(|program| program["id"] == id))
}

/// Puts a desktop entry of its own into a qube's home.
fn entry(house: &House, qube: &str, id: &str, lines: &str) {
    let dir = house.home(qube).join(".local/share/applications");
    fs::create_dir_all(&dir).unwrap();
    let new = dir.join("new");
    fs::write(&new, format!("[Desktop Entry]\nType=Application\n{lines}\n")).unwrap();
    fs::rename(new, dir.join(format!("{id}.desktop"))).unwrap();
}

fn state_of(house: &House, qube: &str) -> String {
    let output = house.run(&["qube", "list", "--json"]);
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let info = list.into_iter().find(|info| info["name"] == qube).unwrap();
    info["state"]["is"].as_str().unwrap().to_owned()
}

#[test]
fn a_program_of_a_halted_qube_is_found_started_and_keeps_what_it_stored() {
    let mut house = House::new();
    house.start_desktop();
    for (qube, label) in [("work", "blue"), ("web", "red")] {
        house.must(&["qube", "create", qube, "--label", label]);
    }
    assert!(programs(&house, "work").is_empty());
    // A browser of a kind: it keeps a profile, and shows a window named after it.
    let home = house.home("work");
    fs::create_dir_all(&home).unwrap();
    fs::write(
        home.join("browser.sh"),
        "mkdir -p ~/.profile.d; echo visit >> ~/.profile.d/history\n\
         exec foot --title=browser-$(wc -l < ~/.profile.d/history)\n",
    )
    .unwrap();
    let circle = r##"<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><circle cx="32" cy="32" r="30" fill="#e06020"/></svg>"##;
    fs::write(home.join("browser.svg"), circle).unwrap();
    let lines = "Name=Browser\u{202e}\nComment=Looks at pages\nKeywords=internet;\n\
                 Icon=/home/user/browser.svg\nExec=sh /home/user/browser.sh %U";
    entry(&house, "work", "org.example.browser", lines);

    // It is listed once it ran, and stays so.
    house.must(&["qube", "start", "work"]);
    let program = await_program(&house, "work", "org.example.browser");
    assert_eq!((&program["name"], &program["icon"]), (&"Browser".into(), &true.into()), "{program}");
    // What is installed is there as well; what comes while it runs comes to the list.
    await_program(&house, "work", "foot");
    house.must(&["qube", "stop", "work"]);

    // The person finds it by a word, and it starts with its qube.
    house.chord(&[SUPER, D]);
    house.types("internet work");
    let launcher = until("the row", || {
        let launcher = house.state().launcher?;
        (launcher.chosen.as_deref() == Some("work: Browser")).then_some(launcher)
    });
    assert_eq!(launcher.rows.len(), 1, "{launcher:?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/launcher.png");
    house.ask(&Request::Screenshot { path, output: None });
    house.chord(&[ENTER]);
    let state = house.state();
    assert!(state.launcher.is_none());
    // From the first moment; unless it was that quick.
    let shown = || house.state().windows.iter().any(|window| window.title == "browser-1");
    assert!(
        state.starting.iter().any(|text| text.starts_with("work: Browser ")) || shown(),
        "{:?}",
        state.starting
    );
    until("its window", || shown().then_some(()));
    assert!(house.state().starting.is_empty());

    // Another qube has none of it.
    house.must(&["qube", "start", "web"]);
    await_program(&house, "web", "foot");
    assert!(!programs(&house, "web").iter().any(|program| program["id"] == "org.example.browser"));
    let refused = house.run(&["qube", "run", "web", "--program", "org.example.browser"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("lists no program"), "{refused:?}");
    assert!(!house.home("web").join(".profile.d").exists());

    // After a restart of the qube the profile is what it was; in a disposable like it there is none.
    house.must(&["qube", "stop", "work"]);
    house.must(&["qube", "run", "work", "--program", "org.example.browser"]);
    until("the second visit", || {
        house.state().windows.iter().any(|window| window.title == "browser-2").then_some(())
    });
    entry(&house, "work", "later", "Name=Later\nExec=true");
    await_program(&house, "work", "later");
    house.chord(&[SUPER, D]);
    house.types("foot work");
    until("the row", || (house.state().launcher?.chosen.as_deref() == Some("work: Foot")).then_some(()));
    house.chord(&[SHIFT, ENTER]);
    let disposable = until("a disposable's window", || {
        house.state().windows.into_iter().find(|window| window.qube.starts_with("disp-"))
    });
    assert!(!house.home(&disposable.qube).exists());
    assert_eq!(fs::read_to_string(house.home("work").join(".profile.d/history")).unwrap(), "visit\nvisit\n");

    // A program that is gone: the reason reaches the person, and the panel goes.
    fs::remove_file(house.home("work").join(".local/share/applications/later.desktop")).unwrap();
    house.chord(&[SUPER, D]);
    house.types("later");
    until("the row", || house.state().launcher?.chosen);
    house.chord(&[ENTER]);
    until("the reason", || {
        let notices = house.state().notices;
        notices.iter().any(|text| text.contains("does not start") && text.contains("later")).then_some(())
    });
    assert!(house.state().starting.is_empty());
    assert_eq!(state_of(&house, "work"), "running");
}

#[test]
fn what_a_qubes_file_says_starts_with_the_desktop_and_with_the_qube() {
    let mut house = House::new();
    house.start_desktop();
    house.must(&["qube", "create", "work", "--label", "blue"]);
    let file = house.home("work").parent().unwrap().join("qube.kdl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}start-with-desktop\nautostart \"foot\" \"--title=auto\"\n")).unwrap();
    // The desktop is there already; the next session starts it.
    assert_eq!(state_of(&house, "work"), "halted");
    house.kill_desktop();
    house.start_desktop();
    until("its program", || house.state().windows.iter().any(|window| window.title == "auto").then_some(()));
    // A desktop that crashed comes back to the one window.
    house.kill_desktop();
    house.start_desktop();
    until("its window", || (!house.state().windows.is_empty()).then_some(()));
    assert_eq!(house.state().windows.len(), 1);
    // Each start of the qube starts it anew.
    house.must(&["qube", "stop", "work"]);
    until("no window", || house.state().windows.is_empty().then_some(()));
    house.must(&["qube", "start", "work"]);
    until("its program", || house.state().windows.iter().any(|window| window.title == "auto").then_some(()));
}
