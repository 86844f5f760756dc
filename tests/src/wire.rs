//! Lines of JSON by a Unix socket: what a helper in a machine speaks, and QEMU itself.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::process::until;

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(90);

/// One end, with an answer for each line.
#[derive(Debug)]
pub struct Wire(BufReader<UnixStream>);

impl Wire {
    /// Waits until somebody listens there.
    pub fn connect(path: &Path) -> Self {
        let socket = until("the machine's socket", || UnixStream::connect(path).ok());
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        Self(BufReader::new(socket))
    }

    /// Says something.
    pub fn send(&mut self, line: &impl Serialize) {
        let line = serde_json::to_string(line).expect("JSON");
        writeln!(self.0.get_mut(), "{line}").expect("a machine that hears");
    }

    /// Hears the next line.
    pub fn hear<T: DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

/// QEMU itself (QEMU Machine Protocol Specification).
#[derive(Debug)]
pub struct Qmp(Wire);

impl Qmp {
    /// Waits until it listens there.
    pub fn connect(path: &Path) -> Self {
        let mut wire = Wire::connect(path);
        let _greeting: Value = wire.hear();
        let mut qmp = Self(wire);
        qmp.say("qmp_capabilities", &json!({}));
        qmp
    }

    /// Has it do something, and waits until that is done.
    pub fn say(&mut self, command: &str, arguments: &Value) {
        self.0.send(&json!({ "execute": command, "arguments": arguments }));
        loop {
            let answer: Value = self.0.hear();
            assert!(answer.get("error").is_none(), "{command}: {answer}");
            if answer.get("return").is_some() {
                return;
            }
        }
    }

    /// What a person does on its devices.
    pub fn devices(&mut self, events: &[Value]) {
        self.say("input-send-event", &json!({ "events": events }));
    }
}
