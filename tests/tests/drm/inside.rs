//! Inside the machine: does what the other part of this test asks, one line at a time.

use std::{
    env,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
};

use serde::{Deserialize, Serialize};
use transom::ipc::{Reply, Request};
use transom_tests::process::House;

use super::devices::{Act, Desk};

/// Set inside the machine.
pub(crate) const INSIDE: &str = "TRANSOM_INSIDE";

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Ask {
    /// Start the desktop with this renderer.
    Start(String),
    /// Kill it.
    Kill,
    /// Ask it.
    Tell(Request),
    /// Run a command of `transom`, which must succeed.
    Run(Vec<String>),
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

#[test]
fn inside() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let port = fs::read_dir("/sys/class/virtio-ports").unwrap().next().unwrap().unwrap().file_name();
    let wire = File::options().read(true).write(true).open(Path::new("/dev").join(port)).unwrap();
    let (mut lodger, mut desk) = (Lodger(House::new()), Desk::default());
    for line in BufReader::new(&wire).lines() {
        let house = &mut lodger.0;
        let mut reply = Reply::Done;
        match serde_json::from_str(&line.unwrap()).unwrap() {
            Ask::Start(renderer) => house.start(house.command(&["session", "--renderer", &renderer])),
            Ask::Kill => house.kill_desktop(),
            Ask::Tell(request) => reply = house.ask(&request),
            Ask::Device(act) => desk.act(house, act),
            Ask::Run(words) => house.must(&words.iter().map(String::as_str).collect::<Vec<_>>()),
        }
        writeln!(&wire, "{}", serde_json::to_string(&reply).unwrap()).unwrap();
    }
}
