//! Qubes for one program, of which nothing stays.

use std::{fs, path::Path, process::Command};

use transom_hypervisor::{
    client::Client,
    supervisor::{
        Disposable, ErrorBody, ErrorKind, Event, LabelName, Program, QubeInfo, QubeState, ReplyBody,
        RequestBody,
    },
};

use crate::harness::*;

fn disposable(
    client: &mut Client,
    pattern: &str,
    label: Option<&str>,
    argv: &[&str],
) -> Result<QubeInfo, ErrorBody> {
    let label = label.map(|label| LabelName::new(label).unwrap());
    let argv = argv.iter().map(|argument| (*argument).to_owned()).collect();
    let program = Program::Command { argv };
    let body = RequestBody::RunDisposable { pattern: pattern.to_owned(), label, program };
    call(client, body).map(|reply| match reply {
        ReplyBody::Qube { qube } => qube,
        other => panic!("{other:?}"),
    })
}

/// Waits until a qube is forgotten.
fn await_removed(client: &mut Client, qube: &str) {
    await_event(client, |event, _| match event {
        Event::QubeRemoved { qube: gone } if gone.as_str() == qube => Some(()),
        _ => None,
    });
}

/// Files below a directory that hold a text, or whose names do.
fn holds(dir: &Path, text: &str) -> String {
    let found = Command::new("sh")
        .args(["-c", "grep -rl \"$1\" \"$0\" 2>/dev/null; find \"$0\" -name \"*$1*\""])
        .arg(dir)
        .arg(text)
        .output()
        .unwrap();
    String::from_utf8(found.stdout).unwrap()
}

#[test]
fn it_has_its_patterns_settings_and_is_gone_with_its_last_window() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create_with("work", "good", "autostart \"sh\" \"-c\" \"echo autostart >> ~/autostart\"");
    fs::write(qubed.qube_dir("work").join("home/private"), "of work").unwrap();
    let mut compositor = attach(&qubed);
    let mut client = qubed.client();
    let write = "echo marked-$((6 * 7)) > ~/file; echo marked-42; sleep 1000";
    let made = disposable(&mut client, "work", None, &["sh", "-c", write]).unwrap();
    let name = made.name.as_str().to_owned();
    assert!(name.starts_with("disp-"), "{name}");
    assert_eq!((made.label.as_str(), made.disposable), ("blue", Some(Disposable::InUse)));
    assert_eq!(made.state, QubeState::Running);

    // It has a home of its own, in memory, and nothing of its pattern's.
    let (_, mut display) = await_link(&mut compositor, &name);
    assert_eq!(
        display.ask("echo $FAKE_AGENT; stat -fc %T ~; cat ~/file; ls -A ~"),
        "good\ntmpfs\nmarked-42\nfile"
    );
    assert_eq!(holds(&qubed.temp.path().join("data"), "marked-42"), "");
    assert_eq!(holds(&qubed.temp.path().join("data"), &name), "");
    assert!(!qubed.qube_dir("work").join("home/autostart").exists());
    assert!(log(&mut client, &name).iter().any(|line| line.contains("marked-42")));

    // What only qubes that last can have done to them.
    let qube = made.name.clone();
    for body in [
        RequestBody::Clone { qube: qube.clone(), name: self::name("copy") },
        RequestBody::Rename { qube: qube.clone(), name: self::name("kept") },
        RequestBody::Remove { qube: qube.clone() },
        RequestBody::File { qube: qube.clone() },
    ] {
        let refused = call(&mut client, body).unwrap_err();
        assert!(refused.message.contains("disposable"), "{refused}");
    }
    let refused = disposable(&mut client, &name, None, &["true"]).unwrap_err();
    assert!(refused.message.contains("disposable itself"), "{refused}");

    // Only the desktop counts windows.
    call(&mut client, RequestBody::Windows { qube: qube.clone(), windows: 0 }).unwrap();
    for windows in [1, 2, 0] {
        call(&mut compositor, RequestBody::Windows { qube: qube.clone(), windows }).unwrap();
    }
    await_removed(&mut compositor, &name);
    assert_eq!(info(&mut client, &name).unwrap_err().kind, ErrorKind::NoSuchQube);
    for text in ["marked-42", &name] {
        assert_eq!(holds(qubed.temp.path(), text), "", "something of it was left");
    }
    assert!(processes_with(&name).is_empty());
}

#[test]
fn what_cannot_start_is_said_and_leaves_nothing() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create("work", "good");
    qubed.create("broken", "early-exit");
    let mut watcher = qubed.client();
    call(&mut watcher, RequestBody::Events).unwrap();
    let mut client = qubed.client();
    let refused = disposable(&mut client, "work", None, &["no-such-program"]).unwrap_err();
    assert!(refused.kind == ErrorKind::Agent && refused.message.contains("did not start"), "{refused}");
    await_event(&mut watcher, |event, _| matches!(event, Event::QubeRemoved { .. }).then_some(()));
    let refused = disposable(&mut client, "broken", None, &["true"]).unwrap_err();
    assert!(refused.message.contains("status 3"), "{refused}");
    for (pattern, part) in [("nobody", "neither a qube nor a template"), ("../x\u{1b}[2J", "neither")] {
        let refused = disposable(&mut client, pattern, None, &["true"]).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::NoSuchQube);
        assert!(refused.message.contains(part) && !refused.message.contains('\u{1b}'), "{refused}");
    }
    assert!(disposable(&mut client, "work", None, &[]).is_err());
    let left = client.list(deadline()).unwrap();
    let left: Vec<_> = left.iter().map(|info| info.name.as_str()).collect();
    assert_eq!(left, ["broken", "work"]);
}

/// The next spare that waits.
fn await_spare(client: &mut Client, not: &str) -> QubeInfo {
    await_event(client, |event, _| match event {
        Event::Link { qube, .. } => panic!("a spare has a link: {qube:?}"),
        Event::QubeState { qube } => {
            let waits = matches!(qube.state, QubeState::Running | QubeState::Paused);
            (qube.disposable == Some(Disposable::Spare) && waits && qube.name.as_str() != not).then_some(qube)
        }
        _ => None,
    })
}

#[test]
fn one_that_is_ready_is_used_and_replaced() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create_with("work", "good", "disposables {\n    ready 1\n}");
    // Nobody looks yet: nothing is made.
    let mut client = qubed.client();
    let names = |client: &mut Client| client.list(deadline()).unwrap().len();
    assert_eq!(names(&mut client), 1);

    let mut compositor = attach(&qubed);
    let spare = await_spare(&mut compositor, "");
    let used = disposable(&mut client, "work", Some("red"), &["sleep", "1000"]).unwrap();
    assert_eq!(used.name, spare.name);
    assert_eq!((used.label.as_str(), used.disposable), ("red", Some(Disposable::InUse)));
    let (_, mut display) = await_link(&mut compositor, used.name.as_str());
    assert_eq!(display.ask("ls -A ~"), "");
    let next = await_spare(&mut compositor, used.name.as_str());
    assert_ne!(next.name, used.name);
    assert_eq!(next.label.as_str(), "blue");

    // A person can stop both. The one that waited is not made again by that.
    for qube in [&next.name, &used.name] {
        call(&mut client, RequestBody::Stop { qube: qube.clone(), timeout_ms: 5_000 }).unwrap();
    }
    assert_eq!(names(&mut client), 1);

    // One that no longer is what its pattern's file says is not used, and goes.
    drop(compositor);
    let mut compositor = attach(&qubed);
    let old = await_spare(&mut compositor, "");
    qubed.write_file("work", "good", "limits {\n    tasks 500\n}");
    let fresh = disposable(&mut client, "work", None, &["sleep", "1000"]).unwrap();
    assert_ne!(fresh.name, old.name);
    await_removed(&mut compositor, old.name.as_str());
}

#[test]
fn one_with_its_program_open_is_taken_for_that_program() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let argv = ["sh", "-c", "echo opened >> ~/opened; sleep 1000"];
    let open = "disposables {\n    open \"sh\" \"-c\" \"echo opened >> ~/opened; sleep 1000\"\n}";
    qubed.create_with("work", "good", open);
    let mut compositor = attach(&qubed);
    // The desktop has its link, and knows that it is a spare.
    let spare = await_event(&mut compositor, |event, _| match event {
        Event::QubeState { qube } => qube.disposable.map(|_| qube),
        _ => None,
    });
    assert_eq!(spare.disposable, Some(Disposable::Spare));
    let (_, mut display) = await_link(&mut compositor, spare.name.as_str());
    assert_eq!(display.ask("while [ ! -s ~/opened ]; do sleep 0.05; done; cat ~/opened"), "opened");
    call(&mut compositor, RequestBody::Windows { qube: spare.name.clone(), windows: 1 }).unwrap();

    // Another program gets another one.
    let mut client = qubed.client();
    let other = disposable(&mut client, "work", None, &["sleep", "1000"]).unwrap();
    assert_ne!(other.name, spare.name);

    let used = disposable(&mut client, "work", Some("red"), &argv).unwrap();
    assert_eq!(used.name, spare.name);
    assert_eq!((used.label.as_str(), used.disposable), ("red", Some(Disposable::InUse)));
    assert_eq!(display.ask("cat ~/opened"), "opened", "it was not started twice");
    // Another waits for the next time, and this one ends with its window.
    let next = await_event(&mut compositor, |event, _| match event {
        Event::QubeState { qube } if qube.disposable == Some(Disposable::Spare) => {
            (qube.name != spare.name).then_some(qube)
        }
        _ => None,
    });
    call(&mut compositor, RequestBody::Windows { qube: used.name.clone(), windows: 0 }).unwrap();
    await_removed(&mut compositor, used.name.as_str());

    // One whose window closes before anybody saw it is of no use.
    call(&mut compositor, RequestBody::Windows { qube: next.name.clone(), windows: 1 }).unwrap();
    call(&mut compositor, RequestBody::Windows { qube: next.name.clone(), windows: 0 }).unwrap();
    await_removed(&mut compositor, next.name.as_str());
}

#[test]
fn a_program_that_cannot_be_open_is_not_tried_again_and_again() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create_with("work", "good", "disposables {\n    open \"no-such-program\"\n}");
    let mut compositor = attach(&qubed);
    let spare = await_event(&mut compositor, |event, _| match event {
        Event::QubeState { qube } => qube.disposable.map(|_| qube),
        _ => None,
    });
    await_removed(&mut compositor, spare.name.as_str());
    let mut client = qubed.client();
    assert_eq!(client.list(deadline()).unwrap().len(), 1);
    let refused = disposable(&mut client, "work", None, &["no-such-program"]).unwrap_err();
    assert!(refused.kind == ErrorKind::Agent && refused.message.contains("did not start"), "{refused}");
}
