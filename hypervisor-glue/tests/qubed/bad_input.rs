//! What goes wrong gives one clear line and harms nothing else.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use rustix::process::{Resource, Rlimit, prlimit};
use transom_hypervisor::{
    client::{ClientError, Incoming, Launch, ensure_running},
    packet,
    supervisor::{ErrorKind, QubeState, ReplyBody, RequestBody},
};

use crate::harness::*;

#[test]
fn a_missing_agent_is_one_clear_line() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start_with(&["--agent", "/no/such/agent"]);
    let mut client = qubed.client();
    create(&mut client, "work").unwrap();
    let error = start(&mut client, "work").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Backend);
    assert_eq!(error.message, "work cannot start: the agent is missing at /no/such/agent");
    assert!(matches!(info(&mut client, "work").unwrap().state, QubeState::Failed { .. }));
}

#[test]
fn a_missing_bubblewrap_says_what_to_install() {
    let qubed = Qubed::start_with(&["--bwrap", "/no/such/bwrap"]);
    let mut client = qubed.client();
    create(&mut client, "work").unwrap();
    let error = start(&mut client, "work").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Backend);
    assert!(error.message.contains("install bubblewrap"), "{error}");
}

/// A bubblewrap that says it is new enough and then does what `script` says.
fn fake_bwrap(dir: &std::path::Path, script: &str) -> String {
    let path = dir.join("bwrap");
    let text = format!("#!/bin/sh\n[ \"$1\" = --version ] && {{ echo bubblewrap 0.9.0; exit; }}\n{script}\n");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[test]
fn a_bubblewrap_that_may_not_says_why() {
    let temp = tempfile::tempdir().unwrap();
    let script = "echo 'bwrap: No permissions to create new namespace' >&2; exit 1";
    let qubed = Qubed::start_with(&["--bwrap", &fake_bwrap(temp.path(), script)]);
    let mut client = qubed.client();
    create(&mut client, "work").unwrap();
    let error = start(&mut client, "work").unwrap_err();
    assert!(error.message.contains("namespaces"), "{error}");
    assert_eq!(error.message.lines().count(), 1);
}

#[test]
fn a_bubblewrap_that_is_too_old_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = fake_bwrap(temp.path(), "");
    fs::write(&path, "#!/bin/sh\necho bubblewrap 0.4.1\n").unwrap();
    let qubed = Qubed::start_with(&["--bwrap", &path]);
    let mut client = qubed.client();
    create(&mut client, "work").unwrap();
    assert!(start(&mut client, "work").unwrap_err().message.contains("too old"));
}

#[test]
fn an_agent_that_ends_early_is_a_failure() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create("work", "early-exit");
    let error = start(&mut qubed.client(), "work").unwrap_err();
    assert!(error.message.contains("status 3 before it was ready"), "{error}");
}

#[test]
fn a_violation_costs_the_service_stream_only() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut compositor = attach(&qubed);
    qubed.up("work", "violate");
    qubed.up("mail", "good");
    let (_, mut display) = await_link(&mut compositor, "work");
    let error = run(&mut qubed.client(), "work", &["true"]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Agent);
    assert_eq!(display.ask("echo still here"), "still here");
    let lines = log(&mut qubed.client(), "work");
    assert!(lines.iter().any(|line| line.contains("qubed: protocol violation")), "{lines:?}");
    let again = run(&mut qubed.client(), "work", &["true"]).unwrap_err();
    assert!(again.message.contains("does not answer"), "{again}");
    run(&mut qubed.client(), "mail", &["true"]).unwrap();
    assert_eq!(stop(&mut qubed.client(), "work", 0).unwrap().state, QubeState::Halted);
}

#[test]
fn a_flood_on_the_console_is_bounded_and_delays_nobody() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("work", "flood");
    qubed.up("mail", "good");
    for _ in 0..20 {
        run(&mut qubed.client(), "mail", &["true"]).unwrap();
    }
    let lines = log(&mut qubed.client(), "work");
    assert!(lines.iter().all(|line| !line.contains('\x1b')));
    stop(&mut qubed.client(), "work", 60_000).unwrap();
    let files = fs::read_dir(qubed.qube_dir("work").join("log")).unwrap();
    let size: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(size <= 1 << 20, "{size}");
}

#[test]
fn a_hostile_line_is_clean_in_the_log() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("work", "good");
    run(&mut qubed.client(), "work", &["@say", "\x1b]0;owned\x07 a\u{202e}b"]).unwrap();
    stop(&mut qubed.client(), "work", 60_000).unwrap();
    let text = fs::read_to_string(qubed.qube_dir("work").join("log/console.log")).unwrap();
    assert!(text.contains("owned"), "{text}");
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}') && !text.contains('\x07'));
}

#[test]
fn a_bad_qube_file_harms_only_its_qube() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    let mut client = qubed.client();
    qubed.create("good", "good");
    qubed.create("bad", "good");
    let file = qubed.qube_dir("bad").join("qube.kdl");
    fs::write(&file, "label \"blue\"\nbackend \"magic\"\n").unwrap();
    let error = start(&mut client, "bad").unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadQubeFile);
    assert!(error.message.contains(&format!("{}:2:", file.display())), "{error}");
    let list = client.list(deadline()).unwrap();
    assert_eq!(list.len(), 2);
    assert!(list[0].problem.is_some() && list[1].problem.is_none());
    assert_eq!(list[0].label.as_str(), "blue", "the last label that was known");
    start(&mut client, "good").unwrap();
    // Mended by hand, it works.
    fs::write(&file, "label \"green\"\n").unwrap();
    assert_eq!(start(&mut client, "bad").unwrap().label.as_str(), "green");
}

/// What the system refuses is not the file's fault, and is not called so.
#[test]
fn a_qube_file_that_cannot_be_read_is_no_bad_file() {
    let qubed = Qubed::start();
    let mut client = qubed.client();
    qubed.create("work", "run");
    let file = qubed.qube_dir("work").join("qube.kdl");
    fs::rename(&file, file.with_extension("away")).unwrap();
    fs::create_dir(&file).unwrap();
    let error = start(&mut client, "work").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Io, "{error}");
    let list = client.list(deadline()).unwrap();
    assert!(list[0].problem.as_ref().is_some_and(|problem| problem.contains("cannot read")), "{list:?}");
}

#[test]
fn nonsense_from_a_client_is_answered_and_harms_nobody() {
    let qubed = Qubed::start();
    let mut client = qubed.client();
    for (bytes, id) in [
        (&b"not json"[..], 0),
        (br#"{"id":5,"body":{"ask":"fly"}}"#, 5),
        (br#"{"id":6,"body":{"ask":"start","qube":"../../etc"}}"#, 6),
        (br#"{"id":7,"body":{"ask":"start","qube":"dom0"}}"#, 7),
        (br#"{"id":8,"body":{"ask":"run","qube":"a","argv":[]}}"#, 8),
        (br#"{"id":9,"body":{"ask":"start","qube":"nobody"}}"#, 9),
    ] {
        packet::send(&client, bytes, &[]).unwrap();
        let (Incoming::Reply(reply), _) = next(&mut client) else { panic!("no reply") };
        assert_eq!(reply.id, id);
        let kind = reply.result.unwrap_err().kind;
        assert_eq!(kind, if id == 9 { ErrorKind::NoSuchQube } else { ErrorKind::BadRequest });
    }
    rustix::net::send(&client, &vec![b' '; 70_000], rustix::net::SendFlags::empty()).unwrap();
    let (Incoming::Reply(reply), _) = next(&mut client) else { panic!("no reply") };
    assert!(reply.result.unwrap_err().message.contains("at most"));
    assert!(matches!(call(&mut client, RequestBody::Ping), Ok(ReplyBody::Pong { .. })));
}

#[test]
fn clients_that_vanish_are_forgotten() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create("work", "good");
    for _ in 0..300 {
        let mut client = qubed.client();
        client.send(RequestBody::Ping).unwrap();
    }
    let mut client = qubed.client();
    client.send(RequestBody::Start { qube: name("work") }).unwrap();
    drop(client);
    assert_eq!(start(&mut qubed.client(), "work").unwrap().state, QubeState::Running);
}

#[test]
fn a_second_qubed_is_refused() {
    let qubed = Qubed::start();
    let output = Command::new(env!("CARGO_BIN_EXE_transom-qubed"))
        .arg("--runtime-dir")
        .arg(qubed.temp.path().join("run"))
        .arg("--data-dir")
        .arg(qubed.temp.path().join("data"))
        .args(["--ready-fd", "1"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("ERROR transom-qubed runs already in"), "{said}");
    call(&mut qubed.client(), RequestBody::Ping).unwrap();
}

#[test]
fn directories_that_cannot_be_used_are_one_clear_line() {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("file"), "").unwrap();
    fs::create_dir(temp.path().join("open")).unwrap();
    fs::set_permissions(temp.path().join("open"), fs::Permissions::from_mode(0o755)).unwrap();
    let long = "x".repeat(80);
    for (run, data, part) in [
        ("open", "data", "chmod 700"),
        ("run", "file", "cannot make the directory"),
        (long.as_str(), "data", "too long for sockets"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_transom-qubed"))
            .arg("--runtime-dir")
            .arg(temp.path().join(run))
            .arg("--data-dir")
            .arg(temp.path().join(data))
            .args(["--ready-fd", "1"])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.starts_with("ERROR ") && said.contains(part), "{said}");
        assert_eq!(said.lines().count(), 1);
    }
}

/// A disk that is full: a limit on file sizes stands for it.
#[test]
fn a_full_disk_is_one_clear_line_and_loses_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let script = temp.path().join("qubed.sh");
    let text = format!(
        "#!/bin/sh\ntrap '' XFSZ\nulimit -f 0\nexec {} \"$@\" 2>/dev/null\n",
        env!("CARGO_BIN_EXE_transom-qubed")
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let old = temp.path().join("data/qubes/old");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("qube.kdl"), "label \"red\"\n").unwrap();
    let mut child = Command::new(&script)
        .arg("--runtime-dir")
        .arg(temp.path().join("run"))
        .arg("--data-dir")
        .arg(temp.path().join("data"))
        .args(["--ready-fd", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut ready)
        .unwrap();
    assert_eq!(ready, "READY\n");
    let mut client =
        transom_hypervisor::client::Client::connect(&temp.path().join("run/qubed.sock")).unwrap();
    let error = create(&mut client, "new").unwrap_err();
    let start_error = start(&mut client, "old").unwrap_err();
    let list = client.list(deadline()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(error.kind, ErrorKind::Io);
    assert!(error.message.starts_with("cannot write") && error.message.lines().count() == 1, "{error}");
    assert!(matches!(start_error.kind, ErrorKind::Io | ErrorKind::Backend), "{start_error}");
    assert_eq!(list.len(), 1, "the old qube is still there, the new one is not");
}

#[test]
fn too_few_descriptors_are_one_clear_line_and_lose_nothing() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("first", "run");
    qubed.create("second", "run");
    let mut client = qubed.client();
    client.list(deadline()).unwrap();
    let pid = rustix::process::Pid::from_raw(qubed.pid() as i32);
    let open = fs::read_dir(format!("/proc/{}/fd", qubed.pid())).unwrap().count() as u64;
    let limit = |most| {
        let new = Rlimit { current: most, maximum: Some(4_096) };
        prlimit(pid, Resource::Nofile, new).unwrap();
    };
    // From none to nearly enough: wherever it ends, it says so and goes on.
    let mut refused = 0;
    for more in 0..12 {
        limit(Some(open + more));
        match start(&mut client, "second") {
            Ok(_) => break,
            Err(error) => {
                let known = matches!(error.kind, ErrorKind::Io | ErrorKind::Backend);
                assert!(known && error.message.lines().count() == 1, "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(refused > 1, "the limit limits nothing");
    limit(Some(4_096));
    if client
        .list(deadline())
        .unwrap()
        .iter()
        .any(|q| q.name == name("second") && q.state != QubeState::Running)
    {
        assert_eq!(start(&mut client, "second").unwrap().state, QubeState::Running);
    }
    let list = client.list(deadline()).unwrap();
    assert!(list.iter().all(|qube| qube.state == QubeState::Running), "{list:?}");
}

#[test]
fn ensure_running_starts_one_and_only_one() {
    let temp = tempfile::tempdir().unwrap();
    let launch = Launch {
        program: Some(env!("CARGO_BIN_EXE_transom-qubed").into()),
        runtime_dir: Some(temp.path().join("run")),
        data_dir: Some(temp.path().join("data")),
        agent: Some(env!("CARGO_BIN_EXE_transom-fake-agent").into()),
    };
    let pid = |launch: &Launch| -> Result<u32, ClientError> {
        match ensure_running(launch)?.call(RequestBody::Ping, deadline())? {
            ReplyBody::Pong { pid, .. } => Ok(pid),
            other => panic!("{other:?}"),
        }
    };
    let pids: Vec<u32> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| pid(&launch).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(pids.iter().all(|pid| *pid == pids[0]), "{pids:?}");
    // It is nobody's child here, in a session of its own.
    let stat = fs::read_to_string(format!("/proc/{}/stat", pids[0])).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_ne!(fields[1].parse::<u32>().unwrap(), std::process::id());
    assert_ne!(fields[3], std::process::id().to_string());
    let process = rustix::process::Pid::from_raw(pids[0] as i32).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    await_gone(pids[0]);
    assert!(!temp.path().join("run/qubed.sock").exists());
    let log = fs::read_to_string(temp.path().join("run/qubed.log")).unwrap();
    assert!(log.contains("ending"), "{log}");
    let _ = std::io::stderr().flush();
}
