//! The life of a qube.

use rustix::process::Signal;
use transom_hypervisor::supervisor::{ErrorKind, Event, QubeState, ReplyBody, RequestBody, VERSION};

use crate::harness::*;

#[test]
fn start_run_stop() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut client = qubed.client();
    assert!(
        matches!(call(&mut client, RequestBody::Ping), Ok(ReplyBody::Pong { version: VERSION, pid }) if pid == qubed.pid())
    );
    let made = create(&mut client, "work").unwrap();
    assert_eq!((made.state, made.pid, made.isolated), (QubeState::Halted, None, false));
    assert_eq!(create(&mut client, "work").unwrap_err().kind, ErrorKind::Exists);
    assert_eq!(run(&mut client, "work", &["true"]).unwrap_err().kind, ErrorKind::NotRunning);

    let up = start(&mut client, "work").unwrap();
    assert_eq!(up.state, QubeState::Running);
    assert!(up.pid.is_some());
    assert_eq!(start(&mut client, "work").unwrap(), up, "a second start changes nothing");
    assert_eq!(run(&mut client, "work", &["true"]), Ok(ReplyBody::Done));
    let error = run(&mut client, "work", &["/no/such/program"]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Agent);
    assert!(error.message.contains("No such file"), "{error}");
    let refused = call(&mut client, RequestBody::Remove { qube: name("work") }).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotHalted);

    assert_eq!(stop(&mut client, "work", 60_000).unwrap().state, QubeState::Halted);
    await_gone(up.pid.unwrap());
    assert_eq!(stop(&mut client, "work", 0).unwrap().state, QubeState::Halted);
    let lines = log(&mut client, "work");
    assert!(lines.iter().any(|line| line.ends_with("agent: fake agent: good")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("qubed: the agent is ready")), "{lines:?}");
    assert_eq!(call(&mut client, RequestBody::Remove { qube: name("work") }), Ok(ReplyBody::Done));
    assert_eq!(info(&mut client, "work").unwrap_err().kind, ErrorKind::NoSuchQube);
    assert!(!qubed.temp.path().join("run/qubes/work").exists());
}

#[test]
fn a_qube_can_start_again_and_its_home_lasts() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create("work", "good");
    let mut compositor = attach(&qubed);
    for round in 0..3 {
        start(&mut qubed.client(), "work").unwrap();
        let (_, mut display) = await_link(&mut compositor, "work");
        let lines = display.ask("cat ~/rounds 2>/dev/null | wc -l; echo x >> ~/rounds; ls /tmp");
        assert_eq!(lines.split_whitespace().collect::<Vec<_>>(), [round.to_string()]);
        display.ask("touch /tmp/gone-tomorrow");
        stop(&mut qubed.client(), "work", 60_000).unwrap();
    }
    assert_eq!(std::fs::read_to_string(qubed.qube_dir("work").join("home/rounds")).unwrap(), "x\nx\nx\n");
}

#[test]
fn a_crash_is_a_failure_and_takes_the_programs_with_it() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut client = qubed.client();
    for (how, reason) in [(&["@exit", "7"][..], "status 7"), (&["@abort"], "signal 6")] {
        let qube = if reason == "status 7" { "one" } else { "two" };
        qubed.up(qube, "good");
        // Long enough to outlive the test, if it were not ended.
        let marker = format!("99{}", qubed.pid());
        run(&mut client, qube, &["sleep", &marker]).unwrap();
        assert_eq!(await_processes_with(&marker).len(), 1);
        let mut watcher = qubed.client();
        call(&mut watcher, RequestBody::Events).unwrap();
        let error = run(&mut client, qube, how).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Cancelled | ErrorKind::Agent), "{error}");
        let state = await_state(&mut watcher, qube, |state| !state.is_up()).state;
        assert!(matches!(&state, QubeState::Failed { reason: r } if r.contains(reason)), "{state:?}");
        assert_eq!(processes_with(&marker).len(), 0, "its programs died before it was called failed");
        assert_eq!(start(&mut client, qube).unwrap().state, QubeState::Running, "it can start again");
    }
}

#[test]
fn an_agent_that_ends_by_itself_is_no_failure() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("work", "good");
    let mut watcher = qubed.client();
    call(&mut watcher, RequestBody::Events).unwrap();
    run(&mut qubed.client(), "work", &["@exit", "0"]).unwrap_err();
    assert_eq!(await_state(&mut watcher, "work", |state| !state.is_up()).state, QubeState::Halted);
}

#[test]
fn stop_is_patient_and_kill_is_not() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut client = qubed.client();
    qubed.up("work", "stubborn");
    assert_eq!(stop(&mut client, "work", 100).unwrap().state, QubeState::Halted, "killed at the deadline");
    start(&mut client, "work").unwrap();
    let kill = RequestBody::Kill { qube: name("work") };
    assert!(
        matches!(call(&mut client, kill).unwrap(), ReplyBody::Qube { qube } if qube.state == QubeState::Halted)
    );
}

#[test]
fn a_qube_that_is_starting_can_be_stopped() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create("work", "silent");
    let mut starter = qubed.client();
    let id = starter.send(RequestBody::Start { qube: name("work") }).unwrap();
    let mut other = qubed.client();
    call(&mut other, RequestBody::Events).unwrap();
    await_state(&mut other, "work", |state| *state == QubeState::Starting);
    assert_eq!(stop(&mut qubed.client(), "work", 60_000).unwrap().state, QubeState::Halted);
    let (reply, _) = next(&mut starter);
    let transom_hypervisor::client::Incoming::Reply(reply) = reply else { panic!("{reply:?}") };
    assert_eq!(reply.id, id);
    assert!(reply.result.unwrap_err().message.contains("was stopped"));
}

#[test]
fn a_paused_qube_waits_and_can_be_ended() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut client = qubed.client();
    let mut pause = |paused: bool| {
        let qube = name("work");
        call(&mut client, if paused { RequestBody::Pause { qube } } else { RequestBody::Resume { qube } })
    };
    qubed.create("work", "good");
    assert_eq!(pause(true).unwrap_err().kind, ErrorKind::NotRunning);
    start(&mut qubed.client(), "work").unwrap();
    if let Err(error) = pause(true) {
        // The one thing that may be missing, and nothing has changed.
        assert!(error.kind == ErrorKind::Backend && error.message.contains("control groups"), "{error}");
        assert_eq!(info(&mut qubed.client(), "work").unwrap().state, QubeState::Running);
        return;
    }
    let mut other = qubed.client();
    for _ in 0..2 {
        assert!(matches!(pause(true), Ok(ReplyBody::Qube { qube }) if qube.state == QubeState::Paused));
    }
    for refused in [run(&mut other, "work", &["true"]).unwrap_err(), start(&mut other, "work").unwrap_err()] {
        assert!(refused.message.contains("qube resume work"), "{refused}");
    }
    assert!(matches!(pause(false), Ok(ReplyBody::Qube { qube }) if qube.state == QubeState::Running));
    assert_eq!(run(&mut other, "work", &["true"]), Ok(ReplyBody::Done));
    pause(true).unwrap();
    assert_eq!(stop(&mut other, "work", 60_000).unwrap().state, QubeState::Halted);
    let lines = log(&mut other, "work");
    assert!(!lines.iter().any(|line| line.contains("did not end in time")), "{lines:?}");
    start(&mut other, "work").unwrap();
    pause(true).unwrap();
    let kill = RequestBody::Kill { qube: name("work") };
    assert!(
        matches!(call(&mut other, kill), Ok(ReplyBody::Qube { qube }) if qube.state == QubeState::Halted)
    );
}

#[test]
fn autostart_programs_run() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let fifo = "autostart \"sh\" \"-c\" \"echo ran > $HOME/fifo\"";
    qubed.create_with("work", "good", fifo);
    let path = qubed.qube_dir("work").join("home/fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    start(&mut qubed.client(), "work").unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "ran\n");
}

#[test]
fn the_end_of_qubed_is_the_end_of_its_qubes() {
    if !can_sandbox() {
        return;
    }
    for signal in [Signal::TERM, Signal::KILL] {
        let qubed = Qubed::start();
        qubed.up("work", "good");
        qubed.up("mail", "good");
        let mut client = qubed.client();
        let marker = format!("98{}", qubed.pid());
        run(&mut client, "work", &["sleep", &marker]).unwrap();
        let pids =
            [await_processes_with(&marker), vec![info(&mut client, "mail").unwrap().pid.unwrap()]].concat();
        assert_eq!(pids.len(), 2);
        qubed.signal(signal);
        let (status, temp) = qubed.wait();
        assert_eq!(status.success(), signal == Signal::TERM);
        pids.into_iter().for_each(await_gone);
        // And a new one finds its way, whatever the old one left.
        let qubed = Qubed::start_in(temp, &[]);
        assert_eq!(info(&mut qubed.client(), "work").unwrap().state, QubeState::Halted);
        start(&mut qubed.client(), "work").unwrap();
    }
}

#[test]
fn watchers_hear_what_happens() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create("old", "good");
    let mut watcher = qubed.client();
    assert_eq!(call(&mut watcher, RequestBody::Events), Ok(ReplyBody::Done));
    await_state(&mut watcher, "old", |state| *state == QubeState::Halted);
    qubed.up("new", "good");
    for expected in [QubeState::Halted, QubeState::Starting, QubeState::Running] {
        await_state(&mut watcher, "new", |state| *state == expected);
    }
    stop(&mut qubed.client(), "new", 60_000).unwrap();
    for expected in [QubeState::Stopping, QubeState::Halted] {
        await_state(&mut watcher, "new", |state| *state == expected);
    }
    call(&mut qubed.client(), RequestBody::Remove { qube: name("new") }).unwrap();
    await_event(&mut watcher, |event, _| {
        matches!(event, Event::QubeRemoved { qube } if qube == name("new")).then_some(())
    });
}
