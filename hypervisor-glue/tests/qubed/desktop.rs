//! The compositor's side: streams are handed over, and over again.

use std::process::{Command, Stdio};

use transom_hypervisor::{
    client::{Client, ClientError},
    supervisor::{ErrorKind, Event, MemoryKind, QubeState, RequestBody},
};

use crate::harness::*;

#[test]
fn a_stream_is_handed_over_to_each_new_compositor() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut compositor = attach(&qubed);
    qubed.up("work", "good");
    let (first_id, mut display) = await_link(&mut compositor, "work");
    assert_eq!(display.greeting, "hello 1");
    // Something that goes on while there is no compositor.
    let counter = display.ask("sh -c 'while :; do echo tick >> /tmp/ticks; done' >/dev/null 2>&1 & echo $!");
    for round in 2..5 {
        drop(display);
        drop(compositor);
        compositor = attach(&qubed);
        let (id, new) = await_link(&mut compositor, "work");
        // Greater than the round where a stream was on its way to the compositor that had gone.
        let number: u32 = new.greeting.strip_prefix("hello ").unwrap().parse().unwrap();
        assert!(number >= round, "{number}");
        assert!(id > first_id);
        display = new;
        assert_eq!(display.ask(&format!("kill -0 {counter} && echo alive")), "alive");
    }
}

#[test]
fn a_compositor_that_was_killed_is_replaced() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("work", "good");
    // A process of its own that attaches, takes the stream, and is killed while it holds it: this
    // test program again.
    let socket = qubed.temp.path().join("run/qubed.sock");
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "desktop::helper_holds_the_stream", "--nocapture", "--ignored"])
        .env("TRANSOM_TEST_SOCKET", &socket)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(other.stdout.take().unwrap()));
    lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("holding hello 1"))).unwrap().unwrap();
    let refused = call(&mut qubed.client(), RequestBody::Attach).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::AlreadyAttached);
    assert!(refused.message.contains(&format!("process {}", other.id())), "{refused}");

    other.kill().unwrap();
    other.wait().unwrap();
    let mut compositor = attach(&qubed);
    let (_, mut display) = await_link(&mut compositor, "work");
    assert_ne!(display.greeting, "hello 1");
    assert_eq!(display.ask("echo fine"), "fine");
    assert_eq!(info(&mut qubed.client(), "work").unwrap().state, QubeState::Running);
}

/// Not a test: the process that the test above kills.
#[test]
#[ignore = "started by another test"]
fn helper_holds_the_stream() {
    let Some(socket) = std::env::var_os("TRANSOM_TEST_SOCKET") else { return };
    let mut client = Client::connect(std::path::Path::new(&socket)).unwrap();
    call(&mut client, RequestBody::Attach).unwrap();
    let (_, display) = await_link(&mut client, "work");
    // The line may begin in the middle of what the test harness prints.
    std::io::Write::write_all(&mut std::io::stdout(), format!("\nholding {}\n", display.greeting).as_bytes())
        .unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn only_the_newest_stream_waits_for_a_compositor() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("work", "many-links");
    let mut compositor = attach(&qubed);
    // Those that were opened before the attach are given up, except for the newest.
    loop {
        let (_, mut display) = await_link(&mut compositor, "work");
        if display.greeting.starts_with("hello") {
            assert_eq!(display.ask("echo yes"), "yes");
            break;
        }
    }
}

#[test]
fn two_qubes_have_two_streams() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("work", "good");
    qubed.up("mail", "good");
    let mut compositor = attach(&qubed);
    for qube in ["mail", "work"] {
        let (_, mut display) = await_link(&mut compositor, qube);
        assert_eq!(display.ask("hostname"), qube);
    }
}

#[test]
fn the_end_of_a_machine_ends_its_link() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut compositor = attach(&qubed);
    qubed.up("work", "good");
    let (id, display) = await_link(&mut compositor, "work");
    call(&mut qubed.client(), RequestBody::Kill { qube: name("work") }).unwrap();
    display.await_end();
    let gone = await_event(&mut compositor, |event, _| match event {
        Event::LinkGone { qube, link_id } => Some((qube, link_id)),
        _ => None,
    });
    assert_eq!(gone, (name("work"), id));
    await_state(&mut compositor, "work", |state| *state == QubeState::Halted);
}

#[test]
fn a_link_says_how_memory_is_read() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("work", "good");
    let mut compositor = attach(&qubed);
    let memory = await_event(&mut compositor, |event, _| match event {
        Event::Link { memory, .. } => Some(memory),
        _ => None,
    });
    assert_eq!(memory, MemoryKind::ClientFds);
}

#[test]
fn who_does_not_read_is_cut_off_and_the_others_are_not() {
    let qubed = Qubed::start();
    let mut deaf = qubed.client();
    call(&mut deaf, RequestBody::Attach).unwrap();
    let mut client = qubed.client();
    create(&mut client, "work").unwrap();
    // Each change of its label makes an event for the one that does not read.
    let file = qubed.qube_dir("work").join("qube.kdl");
    for round in 0.. {
        let label = if round % 2 == 0 { "red" } else { "green" };
        std::fs::write(&file, format!("label \"{label}\"\n")).unwrap();
        assert_eq!(info(&mut client, "work").unwrap().label.as_str(), label);
        if round % 500 == 0 && call(&mut qubed.client(), RequestBody::Attach).is_ok() {
            break;
        }
        assert!(round < 50_000, "it is never cut off");
    }
    let mut seen = 0;
    while deaf.recv().is_ok() {
        seen += 1;
    }
    assert!(seen > 100 && matches!(deaf.recv(), Err(ClientError::Closed)));
}
