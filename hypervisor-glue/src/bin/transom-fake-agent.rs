//! An agent for tests: it speaks the service protocol, runs programs, and on the control stream
//! answers a tester's questions about what it sees from inside the qube.
//!
//! What it does is chosen by the variable `FAKE_AGENT`:
//! `good` (default), `early-exit`, `silent`, `stubborn`, `violate`, `flood`, `many-links`.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program for tests")]

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    process::{Command, Stdio, exit},
    sync::{Arc, Mutex},
    thread,
};

use transom_protocol::{
    MAGIC, SERVICE_VERSION,
    programs::{Program, ProgramList},
    service::{Exited, Failed, Hello, ICON_BYTES, List, ToAgent, ToQubed, next_to_agent},
    wire::With,
};

fn argument(name: &str) -> String {
    let mut arguments = std::env::args();
    arguments.find(|argument| argument == name).unwrap();
    arguments.next().unwrap()
}

fn main() {
    let mode = std::env::var("FAKE_AGENT").unwrap_or_else(|_| "good".to_owned());
    assert_eq!(argument("--runtime-dir"), "/run/user");
    println!("fake agent: {mode}");
    match mode.as_str() {
        "early-exit" => exit(3),
        "silent" => loop {
            thread::park();
        },
        "flood" => {
            thread::spawn(|| {
                let line = "flood ".repeat(100);
                loop {
                    println!("{line}\x1b[2J");
                }
            });
        }
        "many-links" => {
            // All but the last one are given up by qubed.
            for n in 0..5 {
                let mut stream = UnixStream::connect(argument("--display-socket")).unwrap();
                writeln!(stream, "stale {n}").unwrap();
                std::mem::forget(stream);
            }
        }
        _ => {}
    }
    thread::spawn(serve_display);
    serve_service(&mode);
}

/// One line "hello N" on each new stream, then answers: each line is a shell command, the answer
/// is its output's length as a line and the output.
fn serve_display() {
    for n in 1.. {
        let mut stream = UnixStream::connect(argument("--display-socket")).unwrap();
        let _ = writeln!(stream, "hello {n}");
        let mut line = Vec::new();
        let mut byte = [0];
        while matches!(stream.read(&mut byte), Ok(1)) {
            if byte[0] != b'\n' {
                line.push(byte[0]);
                continue;
            }
            let command = String::from_utf8(std::mem::take(&mut line)).unwrap();
            let output = Command::new("sh").args(["-c", &command]).stdin(Stdio::null()).output().unwrap();
            let answer = [output.stdout, output.stderr].concat();
            let _ = writeln!(stream, "{}", answer.len());
            let _ = stream.write_all(&answer);
        }
    }
}

fn send(stream: &Mutex<UnixStream>, message: ToQubed<'_>, serial: u32) {
    let mut bytes = Vec::new();
    message.encode(0, serial, &mut bytes);
    let _ = stream.lock().unwrap().write_all(&bytes);
}

fn serve_service(mode: &str) {
    let mut reader = UnixStream::connect(argument("--service-socket")).unwrap();
    let writer = Arc::new(Mutex::new(reader.try_clone().unwrap()));
    send(&writer, ToQubed::Hello(&Hello { magic: MAGIC, version: SERVICE_VERSION.into() }), 0);
    send(&writer, ToQubed::Ready(()), 0);
    let mut buffer = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        while let Some(raw) = next_to_agent(&buffer).unwrap() {
            let (serial, length) = (raw.header.serial.get(), raw.wire_len());
            match ToAgent::parse(&raw).unwrap() {
                ToAgent::Welcome(welcome) => assert_eq!(welcome.version.get(), SERVICE_VERSION),
                ToAgent::Time(time) => println!("it is {}", time.seconds.get()),
                ToAgent::Serve(serve) => {
                    let token = format!("{:032x}", u128::from_be_bytes(serve.fixed.token));
                    println!("serve {token} {}", serve.parts().join(" "));
                }
                ToAgent::Shutdown(()) if mode == "stubborn" => println!("no"),
                ToAgent::Shutdown(()) => exit(0),
                ToAgent::Run(run) => start(&run.arguments(), serial, &writer, mode),
                ToAgent::Launch(launch) if launch.id() == "missing" => {
                    let fixed = Failed { errno: 0.into() };
                    let reason = b"there is no program missing";
                    send(&writer, ToQubed::Failed(With { fixed: &fixed, tail: reason }), serial);
                }
                ToAgent::Launch(launch) => {
                    let script = format!("echo {} >> $HOME/launched", launch.id());
                    start(&["sh", "-c", &script], serial, &writer, mode);
                }
            }
            buffer.drain(..length);
        }
        match reader.read(&mut chunk) {
            Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
            // qubed gave up on us. The windows stay.
            _ => loop {
                thread::park();
            },
        }
    }
}

fn program(id: &str) -> Program {
    Program {
        id: id.to_owned(),
        name: format!("The \u{202e}program {id}\n"),
        comment: "said by \u{1b}[31mthe qube".to_owned(),
        categories: "Utility;".to_owned(),
        keywords: String::new(),
        icon: Some(vec![0x80; ICON_BYTES].into()),
    }
}

fn bare(id: &str) -> Program {
    Program { icon: None, ..program(id) }
}

/// Lists programs, as they should be listed or not.
fn list(words: &[&str], writer: &Arc<Mutex<UnixStream>>) {
    let bytes = match words {
        ["@many"] => {
            let mut bytes = Vec::new();
            ToQubed::List(&List { count: u16::MAX.into() }).encode(0, 0, &mut bytes);
            (0..100_000).for_each(|number| bare(&format!("p{number}")).encode(&mut bytes));
            bytes
        }
        ["@more"] => {
            let mut bytes = Vec::new();
            ToQubed::List(&List { count: 1.into() }).encode(0, 0, &mut bytes);
            (0..100_000).for_each(|number| bare(&format!("p{number}")).encode(&mut bytes));
            bytes
        }
        ["@short-icon"] => {
            let mut bytes = Vec::new();
            ToQubed::List(&List { count: 1.into() }).encode(0, 0, &mut bytes);
            Program { icon: Some(vec![0; ICON_BYTES - 4].into()), ..program("a") }.encode(&mut bytes);
            bytes
        }
        ["@path"] => {
            let mut bytes = Vec::new();
            ToQubed::List(&List { count: 1.into() }).encode(0, 0, &mut bytes);
            program("../../etc/passwd").encode(&mut bytes);
            bytes
        }
        ["@flood"] => {
            (0..1_000).flat_map(|n| ProgramList::of([program(&format!("p{n}"))]).encode()).collect()
        }
        ids => ProgramList::of(ids.iter().map(|id| program(id))).encode(),
    };
    let _ = writer.lock().unwrap().write_all(&bytes);
}

fn start(argv: &[&str], serial: u32, writer: &Arc<Mutex<UnixStream>>, mode: &str) {
    match argv[0] {
        "@exit" => exit(argv[1].parse().unwrap()),
        "@abort" => std::process::abort(),
        "@say" => {
            println!("{}", argv[1]);
            return send(writer, ToQubed::Started(()), serial);
        }
        "@list" => {
            send(writer, ToQubed::Started(()), serial);
            return list(&argv[1..], writer);
        }
        _ if mode == "violate" => return send(writer, ToQubed::Started(()), serial + 1),
        _ => {}
    }
    match Command::new(argv[0]).args(&argv[1..]).stdin(Stdio::null()).spawn() {
        Ok(mut child) => {
            send(writer, ToQubed::Started(()), serial);
            let writer = Arc::clone(writer);
            thread::spawn(move || {
                let code = child.wait().unwrap().code().unwrap_or(-1);
                send(&writer, ToQubed::Exited(&Exited { code: code.into(), signal: 0.into() }), serial);
            });
        }
        Err(error) => {
            let fixed = Failed { errno: error.raw_os_error().unwrap_or(0).into() };
            let reason = error.to_string();
            send(writer, ToQubed::Failed(With { fixed: &fixed, tail: reason.as_bytes() }), serial);
        }
    }
}
