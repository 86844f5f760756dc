//! Lists of programs: kept, checked, and started from.

use std::{fs, time::Instant};

use transom_hypervisor::{
    cli::{QubeCommand, run_with},
    client::Client,
    supervisor::{ErrorBody, ErrorKind, Event, Program, QubeState, ReplyBody, RequestBody},
};
use transom_protocol::programs::ProgramList;

use crate::harness::*;

fn open(client: &mut Client, qube: &str, id: &str) -> Result<ReplyBody, ErrorBody> {
    let program = Program::Listed { id: id.to_owned() };
    call(client, RequestBody::Open { qube: name(qube), program })
}

fn list(client: &mut Client, words: &[&str]) {
    run(client, "work", &[&["@list"], words].concat()).unwrap();
}

/// What is known of a qube's programs.
fn known(client: &mut Client, qube: &str) -> Option<ProgramList> {
    client.programs(&name(qube), deadline()).unwrap()
}

fn await_list(watcher: &mut Client) {
    await_event(watcher, |event, _| match event {
        Event::Programs { qube } => {
            assert_eq!(qube, name("work"));
            Some(())
        }
        _ => None,
    });
}

fn says(client: &mut Client, command: QubeCommand) -> String {
    let mut out = Vec::new();
    run_with(client, command, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_halted_qube_is_known_by_its_programs_and_starts_for_one() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let (mut client, mut watcher) = (qubed.client(), qubed.client());
    call(&mut watcher, RequestBody::Events).unwrap();
    qubed.up("work", "good");
    assert_eq!(known(&mut client, "work"), None);
    let shown = |json| QubeCommand::Programs { name: name("work"), json };
    assert!(says(&mut client, shown(false)).contains("qube start work"));
    list(&mut client, &["files", "edit"]);
    await_list(&mut watcher);
    // The same once more is nothing new; another one is.
    list(&mut client, &["files", "edit"]);
    list(&mut client, &["files", "edit", "web"]);
    await_list(&mut watcher);
    stop(&mut client, "work", 60_000).unwrap();

    let programs = known(&mut client, "work").unwrap().into_programs();
    assert_eq!(
        programs.iter().map(|program| program.id.as_str()).collect::<Vec<_>>(),
        ["files", "edit", "web"]
    );
    assert_eq!(programs[0].name, "The program files", "its texts are clean");
    assert!(programs[0].icon.is_some());
    let table = says(&mut client, shown(false));
    assert!(table.contains("The program edit") && !table.contains('\u{1b}'), "{table}");
    assert!(says(&mut client, shown(true)).contains("\"id\": \"web\""));

    // It starts for a program; who asks waits for that, and hears if there is none.
    assert_eq!(open(&mut client, "work", "edit"), Ok(ReplyBody::Done));
    assert_eq!(info(&mut client, "work").unwrap().state, QubeState::Running);
    assert_eq!(open(&mut client, "work", "web"), Ok(ReplyBody::Done));
    let missing = open(&mut client, "work", "missing").unwrap_err();
    assert!(missing.kind == ErrorKind::Agent && missing.message.contains("there is no program"), "{missing}");
    for bad in ["", "a/b", "-x", "a\n"] {
        assert_eq!(open(&mut client, "work", bad).unwrap_err().kind, ErrorKind::BadRequest, "{bad:?}");
    }
    // A program is there before it has done anything: a stop at once would end it.
    let (end, file) = (deadline(), qubed.qube_dir("work").join("home/launched"));
    let mut launched = Vec::new();
    while launched != ["edit", "web"] {
        assert!(Instant::now() < end, "only {launched:?} were started");
        std::thread::yield_now();
        launched = fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect();
        launched.sort_unstable();
    }
    stop(&mut client, "work", 60_000).unwrap();

    // The command line does not start a qube for what it does not have.
    let program = |id: &str| QubeCommand::Run {
        disposable: false,
        label: None,
        name: "work".to_owned(),
        program: Some(id.to_owned()),
        argv: Vec::new(),
    };
    let error = run_with(&mut client, program("no-such"), &mut Vec::new()).unwrap_err();
    assert!(error.to_string().contains("transom qube programs work"), "{error}");
    assert_eq!(info(&mut client, "work").unwrap().state, QubeState::Halted);
    run_with(&mut client, program("files"), &mut Vec::new()).unwrap();
    // A disposable made like it has the same programs.
    let made = call(
        &mut client,
        RequestBody::RunDisposable {
            pattern: "work".to_owned(),
            label: None,
            program: Program::Listed { id: "files".to_owned() },
        },
    );
    assert!(matches!(made, Ok(ReplyBody::Qube { .. })), "{made:?}");
}

#[test]
fn a_qube_that_does_not_come_up_says_why_to_who_wanted_a_program() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create("work", "early-exit");
    let mut client = qubed.client();
    let error = open(&mut client, "work", "edit").unwrap_err();
    assert!(error.kind == ErrorKind::Backend && error.message.contains("status 3"), "{error}");
    // One that is stopped while it starts.
    qubed.create("slow", "silent");
    let program = Program::Command { argv: vec!["true".to_owned()] };
    let asked = client.send(RequestBody::Open { qube: name("slow"), program }).unwrap();
    let mut other = qubed.client();
    call(&mut other, RequestBody::Events).unwrap();
    await_state(&mut other, "slow", |state| *state == QubeState::Starting);
    stop(&mut qubed.client(), "slow", 60_000).unwrap();
    let (reply, _) = next(&mut client);
    let transom_hypervisor::client::Incoming::Reply(reply) = reply else { panic!("{reply:?}") };
    assert_eq!(reply.id, asked);
    assert!(reply.result.unwrap_err().message.contains("was stopped"));
}

#[test]
fn a_hostile_list_ends_that_conversation_and_nothing_else() {
    if !can_sandbox() {
        return;
    }
    for (attack, rule) in [
        ("@many", "a list of 65535 programs"),
        ("@more", "a list of 1 programs that has 2"),
        ("@short-icon", "Listed carries a value that is not allowed"),
        ("@path", "Listed carries a value that is not allowed"),
        ("@flood", "again and again"),
    ] {
        let qubed = Qubed::start();
        qubed.up("work", "good");
        qubed.up("mail", "good");
        let (mut client, mut watcher) = (qubed.client(), qubed.client());
        call(&mut watcher, RequestBody::Events).unwrap();
        list(&mut client, &["files"]);
        // What comes with a violation in one read is lost with it, so this list has to be known before.
        await_list(&mut watcher);
        let before = Instant::now();
        let _ = run(&mut client, "work", &["@list", attack]);
        // qubed closes the stream, after which there is nobody who starts programs.
        let refused = loop {
            if let Err(refused) = run(&mut client, "work", &["true"]) {
                break refused;
            }
            assert!(before < deadline());
        };
        assert_eq!(refused.kind, ErrorKind::Agent, "{attack}: {refused}");
        let log = log(&mut client, "work");
        let told = log.iter().filter(|line| line.contains("protocol violation")).count();
        assert!(told == 1 && log.iter().any(|line| line.contains(rule)), "{attack}: {log:?}");
        assert_eq!(run(&mut client, "mail", &["true"]), Ok(ReplyBody::Done), "{attack}");
        // What was known before is known still, or one of the first of the flood.
        assert_eq!(known(&mut client, "work").unwrap().programs().len(), 1, "{attack}");
        assert_eq!(info(&mut client, "work").unwrap().state, QubeState::Running);
    }
}

#[test]
fn a_file_that_is_no_list_is_not_believed() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create("work", "good");
    fs::write(qubed.qube_dir("work").join("programs"), b"TRANSOM and more").unwrap();
    let mut client = qubed.client();
    assert!(client.programs(&name("work"), deadline()).is_err());
    assert_eq!(info(&mut client, "work").unwrap().state, QubeState::Halted);
}

/// Waits until `work` and `mail` run, in either order.
fn await_both(desktop: &mut Client) {
    let mut up = std::collections::BTreeSet::new();
    while up.len() < 2 {
        up.insert(await_event(desktop, |event, _| match event {
            Event::QubeState { qube } if qube.state == QubeState::Running => Some(qube.name),
            _ => None,
        }));
    }
}

#[test]
fn qubes_start_with_the_desktop_once_a_session() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    for qube in ["work", "mail"] {
        qubed.create_with(qube, "good", "start-with-desktop");
    }
    qubed.create("web", "good");
    let mut desktop = attach(&qubed);
    await_both(&mut desktop);
    let mut client = qubed.client();
    assert_eq!(info(&mut client, "web").unwrap().state, QubeState::Halted);
    // A desktop that crashed comes back: what the person has stopped stays so.
    stop(&mut client, "mail", 60_000).unwrap();
    drop(desktop);
    let desktop = attach(&qubed);
    assert_eq!(info(&mut client, "mail").unwrap().state, QubeState::Halted);
    // Another session: all were stopped before the desktop left.
    stop(&mut client, "work", 60_000).unwrap();
    drop(desktop);
    let mut desktop = attach(&qubed);
    await_both(&mut desktop);
}
