//! Power cuts, as far as a process can feel them: it is killed at each of its system calls that has to
//! do with files, one after another. What is on the disk then is the old or the new.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use transom_hypervisor::{
    backup::{self, Archive, BackupError, Keys, Lock, Output, Progress, Watch},
    encryption::{self, Keyring, MasterKey, Payload, Slot},
    image::make_volume,
    overlay::Stored,
    store::{QUBE_FILE, QubeConfig, Store, Volume, replace, write},
    supervisor::{LabelName, QubeName},
};

/// What the other part of this test does, and where.
const DOES: &str = "TRANSOM_TEST_DOES";
const DATA: &str = "TRANSOM_TEST_DATA";
/// A key of no other use.
const KEY: &str = "AGE-SECRET-KEY-1GTG2N0UATRFKZPU40DD2Q8EXKXXUS4P23CUZVW58WHHELAVX56ZQ93P97C";
/// Passphrases.
const OLD: &[u8] = b"the old one";
const NEW: &[u8] = b"the new one";
/// What a volume holds.
const MARKER: &[u8; 8] = b"a marker";

/// Deeds that need the keyring, and the calls by which they change what lies on the disk.
const WITH_A_PASSPHRASE: [&str; 5] =
    ["encrypted", "encrypt", "passphrase", "clone_encrypted", "encrypt_shared"];
/// Deeds to a qube whose volume is shared with a clone, `third`.
const SHARED: [&str; 5] = ["clone_again", "remove_shared", "grow_shared", "write_shared", "encrypt_shared"];
const CHANGES: &str = "trace=openat,link,linkat,unlink,unlinkat,rename,renameat,renameat2,ftruncate,fsync,fdatasync,pwrite64,fallocate,copy_file_range";
/// It says which of its threads does it.
const THREAD: &str = "acting thread: ";

fn name(text: &str) -> QubeName {
    QubeName::new(text).unwrap()
}

fn config(label: &str) -> QubeConfig {
    QubeConfig::new(LabelName::new(label).unwrap())
}

struct Quiet;

impl Watch for Quiet {
    fn progress(&mut self, _: &Progress<'_>) {}
    fn note(&mut self, _: &str) {}
    fn go_on(&mut self) -> Result<(), BackupError> {
        Ok(())
    }
}

fn save(store: &mut Store, path: &Path) {
    let key: age::x25519::Identity = KEY.parse().unwrap();
    let lock = Lock::Recipients(vec![key.to_public()]);
    let output = Output::file(path).unwrap();
    backup::create(store, &[name("work")], lock, output, &mut Quiet).unwrap().finish().unwrap();
}

fn open(path: &Path) -> Archive {
    let keys = Keys::Identities(vec![KEY.parse().unwrap()]);
    Archive::open(backup::open_file(File::open(path).unwrap(), keys).unwrap()).unwrap()
}

/// The part that is killed.
#[test]
fn act() {
    let (Ok(does), Some(data)) = (env::var(DOES), env::var_os(DATA)) else { return };
    let mut store = Store::open(Path::new(&data)).unwrap();
    let (work, other) = (name("work"), name("other"));
    let keyring = Keyring::of(Path::new(&data));
    let (plain, encrypted) = (store.plain_volume(&work), store.encrypted_volume(&work));
    let master = || keyring.open(OLD).unwrap();
    let opened = matches!(does.as_str(), "encrypted" | "encrypt" | "encrypt_shared").then(master);
    let mut shared =
        SHARED.contains(&does.as_str()).then(|| store.volume_files(&work, false).open(true).unwrap());
    // It is watched from here on, and waits by calls that have nothing to do with files.
    println!("{}{}", THREAD, rustix::thread::gettid().as_raw_nonzero());
    let (ready, wait) = mpsc::channel();
    thread::spawn(move || ready.send(io::stdin().read_exact(&mut [0])));
    wait.recv().unwrap().unwrap();
    match does.as_str() {
        "create" => store.create(&other, &config("red")).unwrap(),
        "clone" | "clone_again" | "clone_encrypted" => store.copy(&work, &other).unwrap().run().unwrap(),
        "rename" => store.rename(&work, &other).unwrap(),
        "remove" | "remove_shared" => store.remove(&work).unwrap().empty().unwrap(),
        "edit" => replace(&store.dir(&work).join(QUBE_FILE), write(&config("red")).as_bytes()).unwrap(),
        "grow" => make_volume(&plain, 2 << 20).unwrap(),
        "grow_shared" => {
            let Some(Stored::Shared(overlay)) = &mut shared else { panic!("it is not shared") };
            overlay.grow(2 << 20).unwrap();
        }
        "write_shared" => {
            let stored = shared.as_mut().unwrap();
            stored.write(&[9; 512], 200_000).unwrap();
            stored.sync().unwrap();
        }
        "encrypted" => drop(encryption::open(&encrypted, 2 << 20, &opened.unwrap()).unwrap()),
        "encrypt" | "encrypt_shared" => {
            encryption::encrypt(&store.volume_files(&work, false), &encrypted, &opened.unwrap()).unwrap();
        }
        "passphrase" => keyring.change(OLD, NEW, Slot::CheapPassphrase).unwrap(),
        "volume" => make_volume(&store.dir(&work).join("new.img"), 2 << 20).unwrap(),
        "backup" => save(&mut store, &Path::new(&data).with_extension("new")),
        "restore" => {
            let mut archive = open(&Path::new(&data).with_extension("old"));
            // What is there is written down as often as possible.
            let done = backup::restore(&mut store, &mut archive, Some(&[(work, other)]), Some(1), &mut Quiet);
            assert_eq!(done.unwrap().len(), 1);
        }
        other => panic!("{other}"),
    }
}

/// What is to be seen of encryption: which passphrase opens the keyring, and what is in a volume.
fn secrets(store: &Store, data: &Path) -> String {
    let keyring = Keyring::of(data);
    if !keyring.exists() {
        return String::new();
    }
    let opens = |passphrase| keyring.open(passphrase).ok();
    let (master, which): (MasterKey, _) = match (opens(OLD), opens(NEW)) {
        (Some(master), None) => (master, "old"),
        (None, Some(master)) => (master, "new"),
        other => panic!("{other:?}"),
    };
    let volumes = store.names().unwrap().into_iter().map(|name| {
        let volume = store.volume(&name);
        let files = store.volume_files(&name, volume == Volume::Encrypted);
        let mut found = [0; 8];
        match &volume {
            Volume::Missing => {}
            Volume::Plain => files.open(false).unwrap().read(&mut found, 4096).unwrap(),
            Volume::Encrypted => {
                let key = encryption::open(&files.header, 0, &master).unwrap();
                let stored = files.open(false).unwrap();
                Payload::new(stored, &key.key, key.layout).unwrap().read(&mut found, 4096).unwrap();
            }
        }
        format!(", {name}: {volume:?}, {}", String::from_utf8_lossy(&found))
    });
    let volumes: Vec<_> = volumes.collect();
    format!("{which}{}", volumes.concat())
}

/// One qube as it is seen: its name, its label, what is in its home, how long its volume is and what is in it.
type Seen = (String, String, Vec<String>, u64);

/// What is to be seen of a store, and of a backup beside it, which is good if it is there.
fn seen(store: &Store, data: &Path) -> (Vec<Seen>, String) {
    let mut all = seen_in(store);
    let new = data.with_extension("new");
    if new.exists() {
        backup::verify(&mut open(&new), &mut Quiet).unwrap();
        all.push(("backup".into(), String::new(), Vec::new(), 0));
    }
    (all, secrets(store, data))
}

fn seen_in(store: &Store) -> Vec<Seen> {
    let names = store.names().unwrap();
    let one = |name: &QubeName| {
        let dir = store.dir(name);
        let label = store.load(name).unwrap().label.to_string();
        let files = fs::read_dir(dir.join("home")).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            format!("{}: {}", path.file_name().unwrap().display(), fs::read_to_string(&path).unwrap())
        });
        let mut files: Vec<_> = files.collect();
        files.sort();
        let sum = |bytes: Vec<u8>| {
            let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
            bytes.len() as u64 * 1_000_000 + sum
        };
        // One that is left beside the encrypted one is to be deleted.
        let plain = (store.volume(name) == Volume::Plain).then(|| {
            let stored = store.volume_files(name, false).open(false).unwrap();
            let mut bytes = vec![0; stored.size().unwrap() as usize];
            stored.read(&mut bytes, 0).unwrap();
            bytes
        });
        let volume = plain.into_iter().chain(fs::read(dir.join("new.img"))).map(sum).sum();
        (name.to_string(), label, files, volume)
    };
    names.iter().map(one).collect()
}

fn make(does: &str, data: &Path) -> Store {
    let _ = fs::remove_dir_all(data);
    for backup in ["new", "new.part"] {
        let _ = fs::remove_file(data.with_extension(backup));
    }
    let mut store = Store::open(data).unwrap();
    store.create(&name("work"), &config("blue")).unwrap();
    let dir = store.dir(&name("work"));
    for file in ["a", "b", "c"] {
        fs::write(dir.join("home").join(file), file.repeat(3)).unwrap();
    }
    let plain = store.plain_volume(&name("work"));
    if does != "encrypted" && does != "clone_encrypted" {
        make_volume(&plain, 1 << 20).unwrap();
        let volume = File::options().write(true).open(plain).unwrap();
        volume.write_all_at(MARKER, 4096).unwrap();
        volume.write_all_at(&vec![7; 300_000], 100_000).unwrap();
    }
    // One for all: no two have a header of the same length.
    if does == "restore" && !data.with_extension("old").exists() {
        save(&mut store, &data.with_extension("old"));
    }
    if WITH_A_PASSPHRASE.contains(&does) {
        let master = Keyring::of(data).create(OLD, Slot::CheapPassphrase).unwrap();
        if does == "clone_encrypted" {
            let path = store.encrypted_volume(&name("work"));
            let key = encryption::open(&path, 1 << 20, &master).unwrap();
            let file = File::options().read(true).write(true).open(path).unwrap();
            Payload::new(file, &key.key, key.layout).unwrap().write(&mut MARKER.to_vec(), 4096).unwrap();
        }
    }
    if SHARED.contains(&does) {
        store.copy(&name("work"), &name("third")).unwrap().run().unwrap();
        assert!(
            store.volume_files(&name("work"), false).base.is_some(),
            "it shares its blocks in another way"
        );
    }
    store
}

/// Of each volume there is what is needed, and nothing else.
fn check_tidy(store: &Store) {
    for name in store.names().unwrap() {
        let entries = fs::read_dir(store.dir(&name)).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = entries
            .filter(|path| path.file_name().unwrap().as_encoded_bytes().starts_with(b"private"))
            .collect();
        found.retain(|path| path.extension().is_none_or(|end| end != "part"));
        let files = store.volume_files(&name, store.volume(&name) == Volume::Encrypted);
        let mut needed: Vec<_> = files.all().cloned().collect();
        found.sort();
        needed.sort();
        assert_eq!(found, needed);
    }
}

/// A call of the acting thread: its name, and the how many-eth of that name it is.
type Call = (String, usize);

/// Runs the other part, killed at a call. True if it came to its end; and the calls that it made.
fn run(does: &str, data: &Path, at: Option<&Call>) -> (bool, Vec<Call>) {
    let exe = env::current_exe().unwrap();
    let mut acting = Command::new(exe)
        .args(["--exact", "act", "--nocapture"])
        .env(DOES, does)
        .env(DATA, data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(acting.stdout.take().unwrap()).lines().map(Result::unwrap);
    let thread = said.find_map(|line| Some(line.split_once(THREAD)?.1.to_owned())).unwrap();
    let log = data.with_extension("calls");
    let mut strace = Command::new("strace");
    // With a passphrase many calls only talk to another program.
    let calls = if WITH_A_PASSPHRASE.contains(&does) { CHANGES } else { "trace=%file,%desc" };
    strace.args(["-e", calls, "-p", &thread, "-o"]).arg(&log).stderr(Stdio::piped());
    if let Some((call, number)) = at {
        strace.args(["-e", &format!("inject={call}:signal=KILL:when={number}")]);
    }
    let mut strace = strace.spawn().unwrap();
    let mut attached = BufReader::new(strace.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(attached.next().is_some_and(|line| line.contains("attached")), "strace cannot watch it");
    acting.stdin.take().unwrap().write_all(b"!").unwrap();
    said.for_each(drop);
    let ended = acting.wait().unwrap().success();
    strace.wait().unwrap();
    let mut count = BTreeMap::new();
    let text = fs::read_to_string(log).unwrap();
    let names = text.lines().filter_map(|line| line.split_once('(')).map(|(name, _)| name.to_owned());
    let names = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
    let calls = names.map(|name| {
        let number = count.entry(name.clone()).or_insert(0);
        *number += 1;
        (name, *number)
    });
    (ended, calls.collect())
}

fn killed_at_every_call(does: &str) {
    if !Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status().is_ok_and(|s| s.success()) {
        println!("SKIP strace cannot run here");
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let data = temp.path().join("data");
    let old = seen(&make(does, &data), &data);
    let (ended, calls) = run(does, &data, None);
    assert!(ended, "{does}");
    let new = seen(&Store::open(&data).unwrap(), &data);
    assert_ne!(old, new);
    let (mut olds, mut news) = (0, 0);
    for (number, call) in calls.iter().enumerate() {
        let store = make(does, &data);
        let (ended, _) = run(does, &data, Some(call));
        assert!(!ended, "{does} was not killed at {call:?}");
        let now = seen(&store, &data);
        assert!(now == old || now == new, "{does}, killed at {call:?}: {now:?}");
        // The next start cleans up, once the program is gone that copied.
        let limit = Instant::now() + Duration::from_secs(20);
        while store.leftovers().empty().is_err() || !store.leftovers().is_empty() {
            assert!(Instant::now() < limit, "{does}, killed at {call:?}: leftovers stay");
            thread::yield_now();
        }
        Keyring::of(&data).clean();
        assert_eq!(seen(&store, &data), now);
        check_tidy(&store);
        let drafts = fs::read_dir(&data)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().as_encoded_bytes().starts_with(b"."));
        assert_eq!(drafts.count(), 0);
        // And it works then.
        if now == old && number % 4 == 0 {
            assert!(run(does, &data, None).0, "{does} once more, after it was killed at {call:?}");
            assert_eq!(seen(&store, &data), new);
        }
        if now == old { olds += 1 } else { news += 1 }
    }
    println!("{does}: killed at {} calls, {olds} times the old, {news} times the new", calls.len());
    assert!(olds > 0 && news > 0, "it was killed before or after, but not in the middle");
}

macro_rules! killed {
    ($($does:ident)*) => { $( #[test] fn $does() { killed_at_every_call(stringify!($does)); } )* };
}
killed!(create clone rename remove edit grow volume encrypted encrypt passphrase backup restore);
killed!(clone_again clone_encrypted remove_shared grow_shared write_shared encrypt_shared);
