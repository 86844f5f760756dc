//! The control socket for programs of dom0: actions, news, its form; completions and manual.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    process::Stdio,
};

use serde_json::Value;
use transom::ipc::{Reply, Request};
use transom_tests::process::House;

fn house() -> House {
    let mut house = House::new();
    house.start_desktop();
    house
}

fn action(words: &[&str]) -> Request {
    Request::Action { words: words.iter().map(|word| (*word).to_owned()).collect() }
}

#[test]
fn a_program_hears_everything_once_and_then_what_changes() {
    let house = house();
    let mut command = house.command(&["msg", "events"]);
    let mut listener = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(listener.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let first = next();
    assert_eq!((first["answer"].as_str(), first["workspace"].as_u64()), (Some("state"), Some(1)));
    house.must(&["msg", "action", "workspace", "3"]);
    house.must(&["msg", "action", "arrange", "columns"]);
    house.must(&["msg", "notifications", "off"]);
    let (mut workspace, mut arrangement, mut quiet) = (None, None, None);
    while quiet != Some(true) {
        let news = next();
        assert_eq!(news["answer"], "changed");
        let state = &news["state"];
        assert!(state["backend"].is_null(), "what stays is not told again: {news}");
        workspace = state["workspace"].as_u64().or(workspace);
        arrangement = state["arrangement"].as_str().map(str::to_owned).or(arrangement);
        quiet = state["do_not_disturb"].as_bool().or(quiet);
    }
    assert_eq!((workspace, arrangement.as_deref()), (Some(3), Some("columns")));
    // The desktop ends, and so does the news.
    house.must(&["msg", "quit"]);
    assert!(listener.wait().unwrap().success());
}

#[test]
fn actions_are_those_of_the_config_but_for_what_takes_a_key() {
    let house = house();
    assert_eq!(house.ask(&action(&["workspace", "5"])), Reply::Done);
    assert_eq!(house.state().workspace, 5);
    for (words, reason) in [
        (vec!["paste-in"], "takes a key"),
        (vec!["copy-out"], "takes a key"),
        (vec!["dance"], "no action \"dance\""),
        (vec!["workspace"], "needs a number"),
        (vec![], "something to do"),
    ] {
        let Reply::Error { message } = house.ask(&action(&words)) else { panic!("{words:?} was done") };
        assert!(message.contains(reason), "{words:?}: {message}");
    }
    // What dom0 asks goes before.
    assert_eq!(house.ask(&action(&["launcher"])), Reply::Done);
    assert!(matches!(house.ask(&action(&["workspace", "1"])), Reply::Error { .. }));
    assert_eq!(house.state().workspace, 5);
}

#[test]
fn a_listener_that_does_not_read_is_let_go() {
    let house = house();
    let mut idler = UnixStream::connect(house.path().join("desktop.sock")).unwrap();
    idler.write_all(b"{\"ask\":\"events\"}\n").unwrap();
    let mut changes = 0_u32;
    // Far more than a socket holds.
    while changes < 2_000 {
        let workspace = (changes % 2 + 1).to_string();
        assert_eq!(house.ask(&action(&["workspace", &workspace])), Reply::Done);
        changes += 1;
    }
    // It was let go: there is an end, and no half line is taken for a whole one by whoever parses lines.
    let mut heard = Vec::new();
    idler.read_to_end(&mut heard).unwrap();
    let told = heard.split(|byte| *byte == b'\n').count() - 1;
    assert!(told > 1 && told < 2_000, "{told}");
}

#[test]
fn the_form_is_written_down() {
    let house = House::new();
    let told = house.run(&["msg", "schema"]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ipc-schema.json");
    if std::env::var_os("TRANSOM_BLESS").is_some() {
        std::fs::write(&path, &told.stdout).unwrap();
    }
    let written = std::fs::read(&path).unwrap_or_default();
    assert!(written == told.stdout, "docs/ipc-schema.json is another one; `make golden` writes it");
}

#[test]
fn completions_and_manual_come_from_the_commands_themselves() {
    let house = House::new();
    let bash = house.run(&["completions", "bash"]);
    let text = String::from_utf8(bash.stdout).unwrap();
    assert!(bash.status.success() && text.contains("transom__subcmd__qube,clone"), "{text}");
    let folder = house.path().join("man");
    std::fs::create_dir(&folder).unwrap();
    house.must(&["manual", folder.to_str().unwrap()]);
    let page = std::fs::read_to_string(folder.join("transom-qube-clone.1")).unwrap();
    assert!(page.contains("Make a copy of a halted qube"), "{page}");
}
