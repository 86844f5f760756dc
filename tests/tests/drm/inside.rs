//! Inside the machine: does what the other part of this test asks, one line at a time.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde::{Deserialize, Serialize};
use transom::{
    ipc::{Reply, Request},
    wayland::SOCKET_NAME,
};
use transom_tests::process::{House, binary};

use super::devices::{Act, Desk};

/// Set inside the machine.
pub(crate) const INSIDE: &str = "TRANSOM_INSIDE";

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Write this as the config file.
    Configure(String),
    /// Start the desktop with this renderer.
    Start(String),
    /// Start it as a login does.
    Session,
    /// Run lines of a shell, which must succeed within a minute.
    Shell(String),
    /// Kill it.
    Kill,
    /// Ask it.
    Tell(Request),
    /// Run a command of `transom`, which must succeed.
    Run(Vec<String>),
    /// Run a program of dom0 on the desktop.
    Native(Vec<String>),
    /// Put one of these tests' programs into a qube's home.
    Give(String, String),
    /// Do something with devices.
    Device(Act),
}

/// The house, and what its desktop said if something went wrong.
struct Lodger(House);

impl Drop for Lodger {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", fs::read_to_string(self.0.path().join("desktop.log")).unwrap_or_default());
        }
    }
}

/// A program that ends with this one.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn inside() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let port = fs::read_dir("/sys/class/virtio-ports").unwrap().next().unwrap().unwrap().file_name();
    let wire = File::options().read(true).write(true).open(Path::new("/dev").join(port)).unwrap();
    let (mut lodger, mut desk) = (Lodger(House::new()), Desk::default());
    let mut programs = Vec::new();
    for line in BufReader::new(&wire).lines() {
        let house = &mut lodger.0;
        let mut reply = Reply::Done;
        match serde_json::from_str(&line.unwrap()).unwrap() {
            Ask::Start(renderer) => house.start(house.command(&["session", "--renderer", &renderer])),
            Ask::Session => house.start(house.program("transom-session")),
            Ask::Shell(lines) => {
                let done = house.program("timeout").args(["60", "sh", "-c", &lines]).status().unwrap();
                assert!(done.success(), "{lines}");
            }
            Ask::Configure(text) => {
                let file = house.path().join("config/transom/config.kdl");
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(file, text).unwrap();
            }
            Ask::Kill => house.kill_desktop(),
            Ask::Tell(request) => reply = house.ask(&request),
            Ask::Native(words) => {
                let mut program = Command::new(&words[0]);
                program.args(&words[1..]).env("WAYLAND_DISPLAY", house.path().join(SOCKET_NAME));
                program.env("XDG_RUNTIME_DIR", house.path()).env("HOME", house.path());
                programs.push(Ended(program.stdin(Stdio::null()).spawn().unwrap()));
            }
            Ask::Give(qube, program) => {
                fs::copy(binary(&program), house.home(&qube).join(program)).map(drop).unwrap();
            }
            Ask::Device(act) => desk.act(act),
            Ask::Run(words) => house.must(&words.iter().map(String::as_str).collect::<Vec<_>>()),
        }
        writeln!(&wire, "{}", serde_json::to_string(&reply).unwrap()).unwrap();
    }
}
