use std::process::{Command, Stdio};

use super::*;

#[test]
fn what_is_saved_comes_back_on_another_machine() {
    let mut here = Machine::with_mail().and_work();
    let socket =
        std::os::unix::net::UnixListener::bind(here.store.dir(&name("work")).join("home/socket")).unwrap();
    let key = x25519::Identity::generate();
    let mut listener = Listener::default();
    let lock = Lock::Recipients(vec![x25519::Identity::generate().to_public(), key.to_public()]);
    let home = here.store.dir(&name("work")).join("home");
    let then = fs::FileTimes::new().set_modified(fs::metadata(&home).unwrap().modified().unwrap());
    let backup =
        create(&mut here.store, &[name("work"), name("mail"), name("work")], lock, Vec::new(), &mut listener)
            .unwrap();
    drop(socket);
    fs::remove_file(home.join("socket")).unwrap();
    File::open(&home).unwrap().set_times(then).unwrap();
    assert_eq!(listener.notes.len(), 1);
    assert!(listener.notes[0].contains("left out: work/home/socket"), "{:?}", listener.notes);
    assert_eq!(listener.done, listener.total);
    assert!(backup.len() < 1_500_000, "holes are holes: {}", backup.len());

    for open in [opened, opened_file] {
        let mut listener = Listener::default();
        verify(&mut open(&backup, &key).unwrap(), &mut listener).unwrap();
        assert_eq!(listener.done, listener.total);
    }
    let archive = opened(&backup, &key).unwrap();
    let saved: Vec<_> = archive.manifest().qubes.iter().map(|saved| saved.name.as_str()).collect();
    assert_eq!(saved, ["mail", "work"]);
    assert_eq!(archive.manifest().qubes[1].template.as_deref(), Some("debian-12"));
    assert_eq!(archive.manifest().qubes[1].parts[2].size, 1 << 40);

    let mut there = Machine::new();
    let restored = there.restore(&backup, &key).unwrap();
    assert_eq!(restored.len(), 2);
    for qube in ["mail", "work"] {
        assert_eq!(qube_tree(&there.store, qube), qube_tree(&here.store, qube), "{qube}");
        assert_eq!(there.store.load(&name(qube)).unwrap(), here.store.load(&name(qube)).unwrap());
    }
    let dir = there.store.dir(&name("work"));
    assert_eq!(fs::metadata(&dir).unwrap().mode() & 0o7777, 0o700);
    let meta = fs::metadata(dir.join("home/-rf")).unwrap();
    assert_eq!(
        (meta.mode() & 0o7777, meta.nlink()),
        (0o711, 2),
        "nothing runs as another than who starts it"
    );
    for (file, most) in [("private.img", 2_000), ("home/sparse", 300)] {
        assert!(fs::metadata(dir.join(file)).unwrap().blocks() < most, "{file}: holes are holes");
    }
    assert_eq!(fs::read_dir(there.store.qubes()).unwrap().count(), 2, "nothing else is left");
    // Not a second time, and nothing of what is there is touched.
    let error = there.restore(&backup, &key).unwrap_err();
    assert!(error.to_string().contains("there is a qube mail already"), "{error}");
    assert_eq!(qube_tree(&there.store, "work"), qube_tree(&here.store, "work"));
}

#[test]
fn some_of_them_under_other_names() {
    let mut here = Machine::with_mail().and_work();
    let key = x25519::Identity::generate();
    let backup = here.save(&["work", "mail"], &key);
    for open in [opened, opened_file] {
        let mut there = Machine::new();
        let mut restored = |wanted: &[(&str, &str)]| {
            let wanted: Vec<_> = wanted.iter().map(|(from, to)| (name(from), name(to))).collect();
            let mut archive = open(&backup, &key).unwrap();
            restore(&mut there.store, &mut archive, Some(&wanted), None, &mut Listener::default())
        };
        assert_eq!(restored(&[("work", "office")]).unwrap().len(), 1);
        assert!(matches!(restored(&[("play", "play")]), Err(BackupError::NotInBackup(_))));
        assert!(matches!(restored(&[("work", "a"), ("mail", "a")]), Err(BackupError::SameName(_))));
        assert!(matches!(restored(&[("work", "a"), ("work", "b")]), Err(BackupError::SameName(_))));
        assert!(restored(&[("mail", "office")]).unwrap_err().to_string().contains("office already"));
        assert_eq!(there.store.names().unwrap(), [name("office")]);
        assert_eq!(qube_tree(&there.store, "office"), qube_tree(&here.store, "work"));
    }
}

#[test]
fn a_passphrase_opens_what_it_locked() {
    let mut here = Machine::with_mail();
    let secret = |text: &str| age::secrecy::SecretString::from(text.to_owned());
    let lock = Lock::PassphraseWork(secret("correct horse"), 2);
    let backup =
        create(&mut here.store, &[name("mail")], lock, Vec::new(), &mut Listener::default()).unwrap();
    let open = |bytes: &[u8], text: &str| {
        let text = text.to_owned();
        let keys = Keys::Passphrase(Box::new(move || Ok(age::secrecy::SecretString::from(text))));
        Archive::open(open_stream(Box::new(Cursor::new(bytes.to_vec())), keys)?)
    };
    verify(&mut open(&backup, "correct horse").unwrap(), &mut Listener::default()).unwrap();
    assert!(matches!(open(&backup, "battery staple"), Err(BackupError::WrongPassphrase)));
    let key = x25519::Identity::generate();
    assert!(matches!(opened(&backup, &key), Err(BackupError::NeedsPassphrase)));
    let for_key = here.save(&["mail"], &key);
    assert!(matches!(open(&for_key, "correct horse"), Err(BackupError::NeedsKey)));
    assert!(matches!(opened(&for_key, &x25519::Identity::generate()), Err(BackupError::WrongKey)));
    // Somebody wants to keep this computer busy for days.
    let header = backup.windows(5).position(|bytes| bytes == b"\n--- ").unwrap();
    let line = backup.windows(3).position(|bytes| bytes == b" 2\n").unwrap();
    assert!(line < header);
    let slow = [&backup[..line], b" 40\n", &backup[line + 3..]].concat();
    assert!(matches!(open(&slow, "correct horse"), Err(BackupError::TooMuchWork(40))));
    assert!(matches!(open(b"", "x"), Err(BackupError::NoHeader(0))));
    assert!(matches!(open(&noise(100_000), "x"), Err(BackupError::NoHeader(_))));
    // A header without an end.
    let endless = [&b"age-encryption.org/v1\n-> "[..], &vec![b'x'; 300_000]].concat();
    assert!(matches!(open(&endless, "x"), Err(BackupError::NoHeader(_))));
    assert!(recipient("age1x").is_err() && recipient(&key.to_public().to_string()).is_ok());
    assert!(identities("# nothing\n").is_err() && identities("AGE-SECRET-KEY-1X").is_err());
}

#[test]
fn a_big_set() {
    let mut here = Machine::new();
    let names: Vec<_> = (0..150).map(|number| format!("q{number:03}")).collect();
    for qube in &names {
        here.store.create(&name(qube), &QubeConfig::new(LabelName::new("grey").unwrap())).unwrap();
        fs::write(here.store.home(&name(qube)).unwrap().join("own"), qube).unwrap();
    }
    let key = x25519::Identity::generate();
    let all: Vec<_> = names.iter().map(String::as_str).collect();
    let backup = here.save(&all, &key);
    checked(&backup, &key).unwrap();
    let mut there = Machine::new();
    let wanted: Vec<_> = names[100..].iter().map(|qube| (name(qube), name(qube))).collect();
    let mut archive = opened_file(&backup, &key).unwrap();
    restore(&mut there.store, &mut archive, Some(&wanted), None, &mut Listener::default()).unwrap();
    assert_eq!(there.store.names().unwrap().len(), 50);
    assert_eq!(fs::read_to_string(there.store.home(&name("q123")).unwrap().join("own")).unwrap(), "q123");
}

#[test]
fn what_cannot_be_saved_is_one_clear_line() {
    let mut here = Machine::with_mail();
    let key = x25519::Identity::generate();
    let mut save = |qubes: &[QubeName], end| {
        let lock = Lock::Recipients(vec![key.to_public()]);
        let mut listener = Listener { end, ..Listener::default() };
        create(&mut here.store, qubes, lock, Vec::new(), &mut listener).unwrap_err().to_string()
    };
    assert!(save(&[], None).contains("no qubes to save"));
    assert!(save(&[name("nobody")], None).contains("there is no qube nobody"));
    assert!(save(&[name("mail")], Some((0, || BackupError::Cancelled))).contains("cancelled"));
    fs::write(here.store.dir(&name("mail")).join("qube.kdl"), "label 7").unwrap();
    let mut save = |qube: &str| {
        let lock = Lock::Recipients(vec![key.to_public()]);
        create(&mut here.store, &[name(qube)], lock, Vec::new(), &mut Listener::default())
            .unwrap_err()
            .to_string()
    };
    assert!(save("mail").contains("qube.kdl:1"));
}

/// The plain programs are the way out where there is no Transom.
#[test]
#[allow(clippy::print_stdout, reason = "a test that is skipped says so")]
fn age_and_tar_open_it_too() {
    if Command::new("age").arg("--version").output().is_err() {
        println!("SKIP there is no age");
        return;
    }
    let mut here = Machine::with_mail().and_work();
    let key = x25519::Identity::generate();
    let backup = here.save(&["mail", "work"], &key);
    let out = here.temp.path().join("out");
    fs::create_dir(&out).unwrap();
    fs::write(here.temp.path().join("b.age"), backup).unwrap();
    {
        use age::secrecy::ExposeSecret as _;
        fs::write(here.temp.path().join("key"), key.to_string().expose_secret()).unwrap();
    }
    let script = "set -e; age -d -i ../key ../b.age | tar xp
        for qube in mail work; do cd $qube; sha256sum --quiet --check SHA256SUMS; cd ..; done";
    let output = Command::new("bash")
        .args(["-o", "pipefail", "-c", script])
        .current_dir(&out)
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
    let manifest = fs::read(out.join("transom-backup.json")).unwrap();
    assert_eq!(Manifest::parse(&manifest).unwrap().qubes.len(), 2);
    for qube in ["mail", "work"] {
        let mut theirs = tree(&out.join(qube));
        theirs.retain(|(path, ..)| path != b"SHA256SUMS");
        for one in theirs.iter_mut().filter(|one| !one.0.starts_with(b"home")) {
            one.1 = one.1 & !0o777 | 0o600;
        }
        assert_eq!(theirs, qube_tree(&here.store, qube));
    }
    assert!(fs::metadata(out.join("work/private.img")).unwrap().blocks() < 2_000, "holes are holes");
}

/// A clone is saved whole, and comes back as a volume that needs no other.
#[test]
fn a_shared_volume_comes_back_in_one_file() {
    let (mut here, mut there) = (Machine::new().and_work(), Machine::new());
    here.store.copy(&name("work"), &name("copy")).unwrap().run().unwrap();
    let files = here.store.volume_files(&name("copy"), false);
    if files.base.is_none() {
        println!("SKIP the file system shares blocks by itself");
        return;
    }
    let mut shared = files.open(true).unwrap();
    shared.write(b"of the copy", 1 << 39).unwrap();
    shared.write(&noise(100_000), 3 << 30).unwrap();
    shared.sync().unwrap();
    let key = x25519::Identity::generate();
    let backup = here.save(&["work", "copy"], &key);
    assert!(backup.len() < 3 << 20, "holes are holes: {} bytes", backup.len());
    checked(&backup, &key).unwrap();
    there.restore(&backup, &key).unwrap();
    for qube in ["work", "copy"] {
        assert!(there.store.volume_files(&name(qube), false).base.is_none());
        let (saved, restored) = (
            here.store.volume_files(&name(qube), false).open(false).unwrap(),
            there.store.volume_files(&name(qube), false).open(false).unwrap(),
        );
        assert_eq!(saved.size().unwrap(), restored.size().unwrap());
        for (at, length) in [(0, 4 << 20), (1 << 39, 1 << 20), (3 << 30, 1 << 20), ((1 << 40) - 4096, 4096)] {
            let (mut one, mut other) = (vec![1; length], vec![2; length]);
            saved.read(&mut one, at).unwrap();
            restored.read(&mut other, at).unwrap();
            assert!(one == other, "{qube} at {at}");
        }
    }
    let meta = fs::metadata(there.store.plain_volume(&name("copy"))).unwrap();
    assert!(meta.blocks() < 4_000, "holes are holes");
}
