//! A house whose qubes are virtual machines.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Instant,
};

use serde_json::Value;
use transom::ipc::{Reply, Request, Window};
use transom_hypervisor::{
    client::program_ended,
    encryption::{self, Keyring, Payload, Slot},
    image::DEFAULT_NAME,
    store::{Store, Volume},
    supervisor::QubeName,
};
use transom_tests::{
    figure::figure,
    process::{House, until},
};

use super::{images, turns::Turn};

/// Of the person who lives here. It is opened without much work, unlike a real one.
pub(crate) const PASSPHRASE: &str = "correct horse battery";

pub(crate) struct Lab {
    pub(crate) house: House,
    pub(crate) backend: &'static str,
    _turn: Turn,
}

impl Lab {
    /// A house with the image, beside another one; `None`, and a line that says why, where there can be none.
    pub(crate) fn new() -> Option<Self> {
        Self::at(Turn::beside_another())
    }

    /// The same with nobody beside it.
    pub(crate) fn undisturbed() -> Option<Self> {
        Self::at(Turn::alone())
    }

    fn at(turn: Turn) -> Option<Self> {
        match images::kept() {
            Ok(images) => Some(Self::with(images, "qemu", turn)),
            Err(missing) => {
                println!("SKIP no virtual machine: {missing}");
                None
            }
        }
    }

    /// A house on a computer with nothing else on it, where qubes get the best that works.
    pub(crate) fn alone(images: &Path) -> Self {
        Self::with(images, "auto", Turn::alone())
    }

    fn with(images: &Path, backend: &'static str, turn: Turn) -> Self {
        let lab = Self { house: House::new(), backend, _turn: turn };
        let data = lab.data();
        fs::create_dir_all(&data).unwrap();
        symlink(images, data.join("images")).unwrap();
        Keyring::of(&data).create(PASSPHRASE.as_bytes(), Slot::CheapPassphrase).unwrap();
        lab
    }

    /// Says a passphrase to `transom unlock`.
    pub(crate) fn unlock(&self, passphrase: &str) -> Output {
        let mut command = self.house.command(&["unlock", "--passphrase-fd", "0"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // One that finds all unlocked does not read it.
        let _ = writeln!(child.stdin.take().unwrap(), "{passphrase}");
        child.wait_with_output().unwrap()
    }

    /// Opens the keyring, if it is not open.
    pub(crate) fn unlocked(&self) {
        let unlocked = self.unlock(PASSPHRASE);
        assert!(unlocked.status.success(), "{unlocked:?}");
    }

    /// What is in a qube's private volume, encrypted or not.
    pub(crate) fn read_volume(&self, qube: &str, into: &mut [u8], offset: u64) {
        let (store, name) = (Store::open(&self.data()).unwrap(), QubeName::new(qube).unwrap());
        let encrypted = store.volume(&name) == Volume::Encrypted;
        let stored = store.volume_files(&name, encrypted).open(false).unwrap();
        if !encrypted {
            return stored.read(into, offset).unwrap();
        }
        let key = self.volume_key(qube);
        Payload::new(stored, &key.key, key.layout).unwrap().read(into, offset).unwrap();
    }

    /// What opens the encrypted volume of a qube.
    pub(crate) fn volume_key(&self, qube: &str) -> encryption::VolumeKey {
        let master = Keyring::of(&self.data()).open(PASSPHRASE.as_bytes()).unwrap();
        let (store, name) = (Store::open(&self.data()).unwrap(), QubeName::new(qube).unwrap());
        encryption::open(&store.volume_files(&name, true).header, 0, &master).unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.house.path().join("data/transom")
    }

    /// Makes a qube with a machine as `machine` says.
    pub(crate) fn create(&self, qube: &str, label: &str, machine: &str) {
        self.create_on(self.backend, qube, label, machine);
    }

    /// The same with a back end of its own.
    pub(crate) fn create_on(&self, backend: &str, qube: &str, label: &str, machine: &str) {
        self.create_from(DEFAULT_NAME, backend, qube, label, machine);
    }

    /// The same from an image of this name.
    pub(crate) fn create_from(&self, image: &str, backend: &str, qube: &str, label: &str, machine: &str) {
        self.house.must(&[
            "qube",
            "create",
            qube,
            "--label",
            label,
            "--template",
            image,
            "--backend",
            backend,
        ]);
        let file = self.data().join("qubes").join(qube).join("qube.kdl");
        let text = fs::read_to_string(&file).unwrap();
        // With two processors emulated, QEMU 7.2 crashed once in 580 starts of this image, and one machine stood
        // still before its first line. On the one processor of an emulated machine a second one only costs.
        let vcpus = if machine.contains("vcpus") { "" } else { "\nvcpus 1" };
        fs::write(file, format!("{text}machine {{\n{machine}{vcpus}\n}}\n")).unwrap();
    }

    /// What everybody is told of a qube.
    pub(crate) fn info(&self, qube: &str) -> Value {
        let output = self.house.run(&["qube", "list", "--json"]);
        let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        list.into_iter().find(|info| info["name"] == qube).unwrap()
    }

    /// The qube's log; of a disposable, too.
    pub(crate) fn log(&self, qube: &str) -> String {
        let lasting = self.data().join("qubes").join(qube).join("log");
        let dir = if lasting.exists() { lasting } else { self.house.path().join("disposables").join(qube) };
        fs::read_to_string(dir.join("console.log")).unwrap_or_default()
    }

    /// Starts a qube and gives the stages of that start: seconds of the guest's own clock.
    pub(crate) fn start(&self, qube: &str) -> BTreeMap<String, f64> {
        self.unlocked();
        let before = self.log(qube).len();
        let begin = Instant::now();
        let output = self.house.run(&["qube", "start", qube]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{}", self.log(qube));
        let log = self.log(qube);
        let stages =
            log[before..].lines().filter_map(|line| line.split_once("transom-stage ")?.1.split_once(' '));
        let mut stages: BTreeMap<String, f64> =
            stages.map(|(name, at)| (name.to_owned(), at.parse().unwrap())).collect();
        stages.insert("ready, on dom0's clock".into(), begin.elapsed().as_secs_f64());
        println!("{qube}: stages {stages:?}");
        for (name, at) in &stages {
            let name = if name.contains(' ') { "ready_by_dom0" } else { name };
            figure(&format!("vm.start.{name}_s"), *at, "s", 1);
        }
        stages
    }

    /// Runs a program of the qube to its end, and gives what it ended with.
    pub(crate) fn ends_with(&self, qube: &str, script: &str) -> i32 {
        let before = self.log(qube).len();
        self.house.must(&["qube", "run", qube, "sh", "-c", script]);
        until("a program of the qube ends", || program_ended(&self.log(qube)[before..]))
    }

    /// Answers a question with what gives something away, as soon as that can be chosen.
    pub(crate) fn allows(&self) {
        const TAB: u32 = 15;
        const ENTER: u32 = 28;
        self.house.chord(&[TAB]);
        self.house.chord(&[TAB]);
        until("it is allowed", || {
            self.house.chord(&[ENTER]);
            self.house.state().prompt.is_none().then_some(())
        });
    }

    /// Answers a question with no.
    pub(crate) fn refuses(&self) {
        const ESCAPE: u32 = 1;
        self.house.chord(&[ESCAPE]);
        until("it is refused", || self.house.state().prompt.is_none().then_some(()));
    }

    /// Waits for a window of this title.
    pub(crate) fn window(&self, title: &str) -> Window {
        until(title, || self.house.state().windows.into_iter().find(|window| window.title == title))
    }

    /// The screen as it is.
    pub(crate) fn picture(&self) -> image::RgbImage {
        let path = self.house.path().join("screen.png");
        let reply = self.house.ask(&Request::Screenshot { path: path.clone(), output: None });
        assert!(matches!(reply, Reply::Done), "{reply:?}");
        image::open(path).unwrap().into_rgb8()
    }
}
