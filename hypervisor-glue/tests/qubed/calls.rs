//! Service calls between qubes. The test itself is the programs of both: it connects to their sockets.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

use transom_hypervisor::{
    client::Client,
    supervisor::{CallAnswer, CallAsk, CallFate, Event, Program, QubeInfo, QubeState, RequestBody},
};
use transom_protocol::{
    MAGIC,
    call::{Accept, CALL_VERSION, Call, CallDown, CallUp, Ended, MAX_DATA, Target, next_call_down},
    types::join_strings,
    wire::With,
};

use crate::harness::*;

/// One end of a call, as a program of a qube has it.
struct End {
    stream: UnixStream,
    incoming: Vec<u8>,
}

/// What is heard, in a form that can be kept.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Allowed,
    Refused,
    Data(Vec<u8>),
    End,
    Exited(i32),
    Closed,
}

impl End {
    fn of(qubed: &Qubed, qube: &str) -> Self {
        let path = qubed.temp.path().join("run/qubes").join(qube).join("call.sock");
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(100))).unwrap();
        Self { stream, incoming: Vec::new() }
    }

    fn try_say(&mut self, message: CallUp<'_>) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        message.encode(0, 0, &mut bytes);
        self.stream.write_all(&bytes)
    }

    fn say(&mut self, message: CallUp<'_>) {
        self.try_say(message).unwrap();
    }

    fn call(qubed: &Qubed, from: &str, service: &str, to: &str) -> Self {
        let mut end = Self::of(qubed, from);
        let head = Call { magic: MAGIC, version: CALL_VERSION.into() };
        let tail = join_strings([service, to, "x1", "it says \u{202e}“this”"]);
        end.say(CallUp::Call(With { fixed: &head, tail: &tail }));
        end
    }

    fn hear(&mut self) -> Heard {
        loop {
            if let Some(raw) = next_call_down(&self.incoming).unwrap() {
                let heard = match CallDown::parse(&raw).unwrap() {
                    CallDown::Allowed(()) => Heard::Allowed,
                    CallDown::Refused(()) => Heard::Refused,
                    CallDown::Data(bytes) => Heard::Data(bytes.to_vec()),
                    CallDown::End(()) => Heard::End,
                    CallDown::Exited(ended) => Heard::Exited(ended.code.get()),
                };
                let length = raw.wire_len();
                self.incoming.drain(..length);
                return heard;
            }
            let mut chunk = vec![0; MAX_DATA];
            match self.stream.read(&mut chunk) {
                Ok(0) => return Heard::Closed,
                Ok(bytes) => self.incoming.extend_from_slice(&chunk[..bytes]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Heard::Closed,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn refused(mut self) {
        assert_eq!(self.hear(), Heard::Refused);
        assert_eq!(self.hear(), Heard::Closed);
    }
}

fn policy(qubed: &Qubed, text: &str) {
    let path = qubed.temp.path().join("policy.kdl");
    std::fs::write(path.with_extension("new"), text).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

/// The newest token that the qube's agent was given, of those that are not in `old`.
fn token(client: &mut Client, qube: &str, old: &mut Vec<String>) -> ([u8; 16], String) {
    loop {
        let lines = log(client, qube);
        let found = lines.iter().find_map(|line| {
            let (token, rest) = line.split_once("serve ")?.1.split_once(' ')?;
            (token.len() == 32 && !old.iter().any(|seen| seen == token))
                .then(|| (token.to_owned(), rest.to_owned()))
        });
        if let Some((text, rest)) = found {
            let byte = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap();
            let token = std::array::from_fn(byte);
            old.push(text);
            return (token, rest);
        }
        std::thread::yield_now();
    }
}

fn accept(qubed: &Qubed, qube: &str, token: [u8; 16]) -> End {
    let mut end = End::of(qubed, qube);
    end.say(CallUp::Accept(&Accept { magic: MAGIC, token }));
    end
}

/// An open call: caller and server.
fn open(qubed: &Qubed, client: &mut Client, old: &mut Vec<String>) -> (End, End) {
    let mut caller = End::call(qubed, "work", "test.any", "vault");
    let (token, rest) = token(client, "vault", old);
    assert_eq!(rest, "test.any x1 work");
    let mut server = accept(qubed, "vault", token);
    assert_eq!(server.hear(), Heard::Allowed);
    assert_eq!(caller.hear(), Heard::Allowed);
    (caller, server)
}

fn ask(compositor: &mut Client) -> CallAsk {
    await_event(compositor, |event, _| match event {
        Event::Ask { ask } => Some(ask),
        _ => None,
    })
}

fn fate(compositor: &mut Client) -> CallFate {
    await_event(compositor, |event, _| match event {
        Event::Call { fate, .. } => Some(fate),
        _ => None,
    })
}

fn answer(compositor: &mut Client, ask: &CallAsk, answer: CallAnswer) {
    call(compositor, RequestBody::AnswerCall { call: ask.call, answer }).unwrap();
}

const ALLOW: &str = "allow \"test.any\" from=\"*\" to=\"*\"";

#[test]
fn bytes_go_both_ways_until_the_service_has_ended() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut client = qubed.client();
    qubed.up("work", "good");
    qubed.create("vault", "good");
    policy(&qubed, ALLOW);
    // A target that is halted is started for it.
    let mut tokens = Vec::new();
    let (mut caller, mut server) = open(&qubed, &mut client, &mut tokens);
    assert_eq!(info(&mut client, "vault").unwrap().state, QubeState::Running);
    let big = vec![7; MAX_DATA];
    for _ in 0..40 {
        caller.say(CallUp::Data(&big));
        assert_eq!(server.hear(), Heard::Data(big.clone()));
    }
    caller.say(CallUp::End(()));
    assert_eq!(server.hear(), Heard::End);
    server.say(CallUp::Data(b"answer"));
    server.say(CallUp::End(()));
    server.say(CallUp::Exited(&Ended { code: 3.into() }));
    drop(server);
    assert_eq!(caller.hear(), Heard::Data(b"answer".to_vec()));
    assert_eq!(caller.hear(), Heard::End);
    assert_eq!(caller.hear(), Heard::Exited(3));
    assert_eq!(caller.hear(), Heard::Closed);

    // Either end's death is the other's.
    let (caller, mut server) = open(&qubed, &mut client, &mut tokens);
    drop(caller);
    assert_eq!(server.hear(), Heard::Closed);
    let (mut caller, server) = open(&qubed, &mut client, &mut tokens);
    drop(server);
    assert_eq!(caller.hear(), Heard::Closed);
    // And a violation that of both.
    let (mut caller, mut server) = open(&qubed, &mut client, &mut tokens);
    caller.say(CallUp::Exited(&Ended { code: 0.into() }));
    assert_eq!(caller.hear(), Heard::Closed);
    assert_eq!(server.hear(), Heard::Closed);
    // And a qube's.
    let (mut caller, _server) = open(&qubed, &mut client, &mut tokens);
    call(&mut client, RequestBody::Kill { qube: name("vault") }).unwrap();
    assert_eq!(caller.hear(), Heard::Closed);
}

#[test]
fn tokens_are_of_use_to_the_one_who_was_asked_and_once() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut client = qubed.client();
    policy(&qubed, ALLOW);
    for qube in ["work", "vault", "web"] {
        qubed.up(qube, "good");
    }
    let mut tokens = Vec::new();
    let mut caller = End::call(&qubed, "work", "test.any", "vault");
    let (token, _) = token(&mut client, "vault", &mut tokens);
    for other in ["web", "work"] {
        assert_eq!(accept(&qubed, other, token).hear(), Heard::Closed, "{other}");
    }
    assert_eq!(accept(&qubed, "vault", [0; 16]).hear(), Heard::Closed);
    let mut server = accept(&qubed, "vault", token);
    assert_eq!((server.hear(), caller.hear()), (Heard::Allowed, Heard::Allowed));
    assert_eq!(accept(&qubed, "vault", token).hear(), Heard::Closed);
    server.say(CallUp::Data(b"still there"));
    assert_eq!(caller.hear(), Heard::Data(b"still there".to_vec()));
}

#[test]
fn the_person_is_asked_and_without_one_nothing_may_be() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut client = qubed.client();
    for qube in ["work", "vault", "web"] {
        qubed.up(qube, "good");
    }
    // The built-in policy asks, and there is nobody.
    End::call(&qubed, "work", "transom.copy", "vault").refused();
    let mut compositor = attach(&qubed);
    End::call(&qubed, "work", "test.any", "vault").refused();
    assert_eq!(fate(&mut compositor), CallFate::Denied);

    let caller = End::call(&qubed, "work", "transom.copy", "vault");
    let asked = ask(&mut compositor);
    let choices: Vec<&str> = asked.choices.iter().map(|choice| choice.target.as_str()).collect();
    assert_eq!(choices, ["vault", "web", "@disposable"]);
    assert_eq!((asked.source.as_str(), asked.service.as_str()), ("work", "transom.copy"));
    assert_eq!(
        (asked.chosen, asked.said.as_str(), asked.argument.as_str()),
        (Some(0), "it says 'this'", "x1")
    );
    let refused = call(&mut client, RequestBody::AnswerCall { call: asked.call, answer: CallAnswer::Deny });
    assert!(refused.is_err(), "only the compositor speaks for the person");
    answer(&mut compositor, &asked, CallAnswer::Deny);
    caller.refused();

    // A qube that is not there is not told from one that is: the person is asked all the same.
    let mut caller = End::call(&qubed, "work", "transom.copy", "no-such-qube");
    let asked = ask(&mut compositor);
    assert_eq!(asked.chosen, None);
    answer(&mut compositor, &asked, CallAnswer::Allow { target: Target::new("vault").unwrap() });
    let (token, rest) = token(&mut client, "vault", &mut Vec::new());
    assert_eq!(rest, "transom.copy x1 work");
    let mut server = accept(&qubed, "vault", token);
    assert_eq!((server.hear(), caller.hear()), (Heard::Allowed, Heard::Allowed));
    assert_eq!(fate(&mut compositor), CallFate::Allowed);

    // A caller that gives up takes its question with it.
    let caller = End::call(&qubed, "work", "transom.copy", "");
    let asked = ask(&mut compositor);
    drop(caller);
    let gone = |event, _| match event {
        Event::AskGone { call } => Some(call),
        _ => None,
    };
    assert_eq!(await_event(&mut compositor, gone), asked.call);

    // Many of one qube hide none of another; and the person may be left alone.
    let loud: Vec<End> = (0..8).map(|_| End::call(&qubed, "work", "transom.copy", "")).collect();
    let first = ask(&mut compositor);
    let quiet = End::call(&qubed, "web", "transom.copy", "");
    let second = ask(&mut compositor);
    assert_eq!((first.source.as_str(), second.source.as_str()), ("work", "web"));
    answer(&mut compositor, &first, CallAnswer::Silence);
    loud.into_iter().for_each(End::refused);
    End::call(&qubed, "work", "transom.copy", "").refused();
    answer(&mut compositor, &second, CallAnswer::Deny);
    quiet.refused();

    // The person goes; nobody is left to answer.
    let caller = End::call(&qubed, "web", "transom.copy", "");
    ask(&mut compositor);
    drop(compositor);
    caller.refused();
}

#[test]
fn a_policy_that_cannot_be_used_denies_everything_and_says_where() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut compositor = attach(&qubed);
    qubed.up("work", "good");
    qubed.create("vault", "good");
    policy(&qubed, &format!("{ALLOW}\nperhaps \"x\""));
    End::call(&qubed, "work", "test.any", "vault").refused();
    let CallFate::Failed { reason } = fate(&mut compositor) else { panic!("no reason") };
    assert!(reason.contains("policy.kdl:2: "), "{reason}");
    policy(&qubed, "deny \"transom.copy\" from=\"*\" to=\"vault\"");
    End::call(&qubed, "work", "transom.copy", "vault").refused();
    assert_eq!(fate(&mut compositor), CallFate::Denied);
    End::call(&qubed, "work", "transom.copy", "dom0").refused();
    assert_eq!(fate(&mut compositor), CallFate::Denied);
    End::call(&qubed, "work", "transom.copy", "work").refused();
    policy(&qubed, "allow \"x.y\" from=\"work\" to=\"dom0\"\nallow \"x.y\" from=\"work\" to=\"*\"");
    for to in ["dom0", "none"] {
        End::call(&qubed, "work", "x.y", to).refused();
        assert!(matches!(fate(&mut compositor), CallFate::Failed { .. }), "{to}");
    }
    // A target that does not come up.
    qubed.create("broken", "early-exit");
    End::call(&qubed, "work", "x.y", "broken").refused();
}

#[test]
fn whatever_a_qube_sends_ends_its_stream_and_nothing_else() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut client = qubed.client();
    policy(&qubed, ALLOW);
    qubed.up("work", "good");
    qubed.up("vault", "good");
    let mut tokens = Vec::new();
    let (mut caller, mut server) = open(&qubed, &mut client, &mut tokens);
    let header = |kind: u16, length: u32| {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend([0, 0]);
        bytes.extend(length.to_le_bytes());
        bytes.extend([0; 8]);
        bytes
    };
    let mut garbage: Vec<Vec<u8>> = vec![
        vec![0xff; 64],
        header(0x0201, u32::MAX),
        [header(0x0201, 10), vec![0; 10]].concat(),
        header(0x0203, 0),
        [header(0x0205, 4), vec![0; 4]].concat(),
        header(0x8201, 0),
        [header(0x0202, 24), vec![0; 24]].concat(),
    ];
    // Names that are none, and a second message before the answer.
    let head = Call { magic: MAGIC, version: CALL_VERSION.into() };
    for parts in [["Test", "", "", ""], ["a/b", "", "", ""], ["a", "..", "", ""], ["a", "", "-x", ""]] {
        let mut bytes = Vec::new();
        CallUp::Call(With { fixed: &head, tail: &join_strings(parts) }).encode(0, 0, &mut bytes);
        garbage.push(bytes);
    }
    for bytes in garbage {
        let mut end = End::of(&qubed, "work");
        end.stream.write_all(&bytes).unwrap();
        assert_eq!(end.hear(), Heard::Closed, "{bytes:?}");
    }
    caller.say(CallUp::Data(b"all is well"));
    assert_eq!(server.hear(), Heard::Data(b"all is well".to_vec()));
    assert_eq!(info(&mut client, "work").unwrap().state, QubeState::Running);
}

/// Rule NO-STALL.
#[test]
fn one_who_does_not_read_stops_the_one_who_writes_and_nobody_else() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut client = qubed.client();
    policy(&qubed, ALLOW);
    qubed.up("work", "good");
    qubed.up("vault", "good");
    let mut tokens = Vec::new();
    let (mut deaf_caller, deaf_server) = open(&qubed, &mut client, &mut tokens);
    deaf_caller.stream.set_nonblocking(true).unwrap();
    let chunk = vec![1; MAX_DATA];
    let mut written = 0;
    // Until nothing is taken for a while.
    let mut last = Instant::now();
    while last.elapsed() < Duration::from_millis(300) {
        let mut bytes = Vec::new();
        CallUp::Data(&chunk).encode(0, 0, &mut bytes);
        let mut rest = bytes.as_slice();
        while !rest.is_empty() && last.elapsed() < Duration::from_millis(300) {
            match deaf_caller.stream.write(rest) {
                Ok(taken) => {
                    written += taken;
                    rest = &rest[taken..];
                    last = Instant::now();
                }
                Err(_) => std::thread::yield_now(),
            }
        }
        assert!(written < 4 << 20, "more than 4 MiB are kept for one who does not read");
    }
    // An endless stream beside it, read as fast as it comes.
    let (endless_caller, mut endless_server) = open(&qubed, &mut client, &mut tokens);
    let writer = std::thread::spawn(move || {
        let mut caller = endless_caller;
        let chunk = vec![2; MAX_DATA];
        let mut sent = 0_usize;
        while caller.try_say(CallUp::Data(&chunk)).is_ok() {
            sent += chunk.len();
        }
        sent
    });
    let reader = std::thread::spawn(move || {
        let begun = Instant::now();
        let mut read = 0_usize;
        while begun.elapsed() < Duration::from_secs(1) {
            let Heard::Data(bytes) = endless_server.hear() else { panic!("no data") };
            read += bytes.len();
        }
        read
    });
    let mut slowest = Duration::ZERO;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(800) {
        let asked = Instant::now();
        call(&mut client, RequestBody::Ping).unwrap();
        slowest = slowest.max(asked.elapsed());
    }
    let read = reader.join().unwrap();
    writer.join().unwrap();
    println!("figure services.relay_mb_per_s {:.3} MB/s 1", read as f64 / 1e6);
    println!("figure services.ping_beside_ms {:.3} ms 1", slowest.as_secs_f64() * 1e3);
    assert!(read > 1 << 20, "{read} bytes in a second");
    assert!(slowest < Duration::from_secs(1), "qubed answered after {slowest:?}");
    // The one who did not read can still have all of it.
    let mut deaf = deaf_server;
    assert_eq!(deaf.hear(), Heard::Data(chunk));
    // A caller that dies while nobody reads is missed all the same.
    drop(deaf_caller);
    while deaf.hear() != Heard::Closed {}
}

#[test]
fn a_qube_has_so_many_streams_and_calls_and_no_more() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut client = qubed.client();
    policy(&qubed, ALLOW);
    qubed.up("work", "good");
    qubed.up("vault", "good");
    let mut calls: Vec<End> = (0..20).map(|_| End::call(&qubed, "work", "test.any", "vault")).collect();
    // The first sixteen wait for their stream; the others hear at once.
    for end in calls.split_off(16) {
        end.refused();
    }
    drop(calls);
    let mut tokens = Vec::new();
    for _ in 0..16 {
        token(&mut client, "vault", &mut tokens);
    }
    open(&qubed, &mut client, &mut tokens);
}

#[test]
fn a_disposable_that_waits_can_ask_for_nothing() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create("vault", "good");
    let words = ["sh", "-c", "sleep 1000"].map(str::to_owned);
    qubed.create_with("work", "good", "disposables {\n    open \"sh\" \"-c\" \"sleep 1000\"\n}");
    let mut compositor = attach(&qubed);
    let waits = |info: &QubeInfo| info.disposable.is_some() && info.state == QubeState::Running;
    let spare = await_event(&mut compositor, |event, _| match event {
        Event::QubeState { qube } if waits(&qube) => Some(qube.name),
        _ => None,
    });
    // The person would be asked about the first, and the second goes without saying.
    for (service, to) in [("transom.copy", "vault"), ("transom.clock", "dom0")] {
        End::call(&qubed, spare.as_str(), service, to).refused();
    }
    let mut client = qubed.client();
    let program = Program::Command { argv: words.to_vec() };
    let body = RequestBody::RunDisposable { pattern: "work".to_owned(), label: None, program };
    call(&mut client, body).unwrap();
    let mut clock = End::call(&qubed, spare.as_str(), "transom.clock", "dom0");
    assert_eq!(clock.hear(), Heard::Allowed);
    assert!(matches!(clock.hear(), Heard::Data(_)));
    let _asks = End::call(&qubed, spare.as_str(), "transom.copy", "vault");
    let asked = await_event(&mut compositor, |event, _| match event {
        Event::Ask { ask } => Some(ask),
        _ => None,
    });
    assert_eq!(asked.source, spare);
}
