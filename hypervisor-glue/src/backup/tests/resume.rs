use super::*;

const STEP: u64 = 64 * 1024;

/// A qube with a volume of 3 MiB in pieces, before a small one.
fn machine(whole: bool) -> Machine {
    let machine = Machine::with_mail();
    machine.store.create(&name("disk"), &QubeConfig::new(LabelName::new("grey").unwrap())).unwrap();
    let home = machine.store.home(&name("disk")).unwrap();
    fs::write(home.join("large"), noise(300_000)).unwrap();
    fs::write(home.join("small"), "x").unwrap();
    let volume = File::create(machine.store.plain_volume(&name("disk"))).unwrap();
    let bytes = noise(3 << 20);
    if whole {
        volume.write_all_at(&bytes, 0).unwrap();
    } else {
        volume.set_len(1 << 30).unwrap();
        for (number, piece) in bytes.chunks(700_000).enumerate() {
            volume.write_all_at(piece, number as u64 * (64 << 20) + 12_345).unwrap();
        }
    }
    machine
}

type Open = fn(&[u8], &x25519::Identity) -> Result<Archive, BackupError>;

fn run(
    there: &mut Machine,
    archive: Result<Archive, BackupError>,
    end: Option<(u64, fn() -> BackupError)>,
) -> (Result<Vec<Restored>, BackupError>, Listener) {
    let mut listener = Listener { end, ..Listener::default() };
    let result = restore(&mut there.store, &mut archive.unwrap(), None, Some(STEP), &mut listener);
    (result, listener)
}

fn went_on(listener: &Listener) -> bool {
    listener.notes.iter().any(|note| note.contains("is gone on with"))
}

#[test]
fn an_interrupted_restore_goes_on() {
    let key = x25519::Identity::generate();
    for whole in [false, true] {
        let mut here = machine(whole);
        let backup = here.save(&["disk", "mail"], &key);
        for open in [opened as Open, opened_file] {
            let mut resumed = 0;
            for after in (1..14).map(|n| n * 270_000) {
                let mut there = Machine::new();
                let (result, before) =
                    run(&mut there, open(&backup, &key), Some((after, || BackupError::Interrupted)));
                if result.is_ok() {
                    continue;
                }
                assert!(matches!(result, Err(BackupError::Interrupted)));
                assert_eq!(there.store.names().unwrap(), [], "{after}");
                // The next start of qubed deletes what is of no use any more, and nothing else.
                there.store.leftovers().empty().unwrap();
                let (result, listener) = run(&mut there, open(&backup, &key), None);
                assert_eq!(result.unwrap().len(), 2);
                resumed += usize::from(went_on(&listener));
                assert_eq!((listener.done, listener.total), (before.total, before.total));
                for qube in ["disk", "mail"] {
                    assert_eq!(qube_tree(&there.store, qube), qube_tree(&here.store, qube), "{after}");
                }
                assert_eq!(fs::read_dir(there.store.qubes()).unwrap().count(), 2);
            }
            assert!(resumed >= 9, "it went on {resumed} times");
        }
    }
}

#[test]
fn it_is_interrupted_again_and_again() {
    let key = x25519::Identity::generate();
    let mut here = machine(false);
    let backup = here.save(&["disk", "mail"], &key);
    let mut there = Machine::new();
    let mut times = 0;
    for after in (1..).map(|n| n * 270_000) {
        match run(&mut there, opened_file(&backup, &key), Some((after, || BackupError::Interrupted))).0 {
            Ok(_) => break,
            Err(_) => times += 1,
        }
    }
    assert!(times > 8, "{times}");
    assert_eq!(qube_tree(&there.store, "disk"), qube_tree(&here.store, "disk"));
}

#[test]
fn what_was_changed_meanwhile_is_found() {
    type Change = fn(&Path);
    let key = x25519::Identity::generate();
    let mut here = machine(false);
    let backup = here.save(&["disk", "mail"], &key);
    let other = here.save(&["disk", "mail"], &key);
    let cases: [(Change, &str); 5] = [
        (|dir| fs::write(dir.join("qube/home/small"), "y").unwrap(), "home/small is not what it was"),
        (|dir| fs::remove_file(dir.join("qube/home/small")).unwrap(), "cannot be read"),
        (|dir| fs::remove_file(dir.join("SHA256SUMS")).unwrap(), "cannot be read"),
        (|dir| fs::write(dir.join("SHA256SUMS"), "").unwrap(), "not all there"),
        (|dir| fs::write(dir.join("journal.json"), "{").unwrap(), ""),
    ];
    for (change, part) in cases {
        let mut there = Machine::new();
        let (result, _) =
            run(&mut there, opened_file(&backup, &key), Some((2_000_000, || BackupError::Interrupted)));
        assert!(result.is_err());
        change(&there.store.qubes().join(".restore-disk"));
        let (result, listener) = run(&mut there, opened_file(&backup, &key), None);
        result.unwrap();
        assert!(
            listener.notes.iter().any(|note| note.contains(part)) || part.is_empty(),
            "{part}: {:?}",
            listener.notes
        );
        assert!(!went_on(&listener), "{part}");
        assert_eq!(qube_tree(&there.store, "disk"), qube_tree(&here.store, "disk"));
    }
    // In the volume: it is read again, and its digest tells.
    let mut there = Machine::new();
    run(&mut there, opened_file(&backup, &key), Some((2_000_000, || BackupError::Interrupted)))
        .0
        .unwrap_err();
    let volume =
        File::options().write(true).open(there.store.qubes().join(".restore-disk/qube/private.img")).unwrap();
    volume.write_all_at(b"!!", 12_400).unwrap();
    let error = run(&mut there, opened_file(&backup, &key), None).0.unwrap_err();
    assert!(
        matches!(&error, BackupError::Digest { place } if place.file.as_ref().unwrap().0 == b"private.img"),
        "{error}"
    );
    assert!(there.is_empty());
    // Of another backup nothing is taken.
    run(&mut there, opened_file(&backup, &key), Some((2_000_000, || BackupError::Interrupted)))
        .0
        .unwrap_err();
    let (result, listener) = run(&mut there, opened_file(&other, &key), None);
    assert!(result.is_ok() && !went_on(&listener));
    assert!(listener.notes[0].contains("left unfinished is deleted"), "{:?}", listener.notes);
}

#[test]
fn a_person_who_says_no_leaves_nothing() {
    let key = x25519::Identity::generate();
    let mut here = machine(true);
    let backup = here.save(&["disk", "mail"], &key);
    let mut there = Machine::new();
    run(&mut there, opened(&backup, &key), Some((2_000_000, || BackupError::Cancelled))).0.unwrap_err();
    assert!(there.is_empty());
}

#[test]
fn qubes_that_were_finished_stay() {
    let key = x25519::Identity::generate();
    let mut here = machine(true);
    // The large one is the second.
    here.store.rename(&name("mail"), &name("a-mail")).unwrap();
    let backup = here.save(&["disk", "a-mail"], &key);
    let mut there = Machine::new();
    run(&mut there, opened(&backup, &key), Some((2_000_000, || BackupError::Interrupted))).0.unwrap_err();
    assert_eq!(there.store.names().unwrap(), [name("a-mail")]);
    fs::write(there.store.home(&name("a-mail")).unwrap().join("new"), "since then").unwrap();
    let (result, listener) = run(&mut there, opened(&backup, &key), None);
    assert_eq!(result.unwrap().len(), 2);
    assert!(listener.notes[0].contains("a-mail was restored before"), "{:?}", listener.notes);
    assert!(there.store.home(&name("a-mail")).unwrap().join("new").exists());
    assert_eq!(fs::read_dir(there.store.qubes()).unwrap().count(), 2);
    // Now it is over: another attempt meets qubes that are there.
    assert!(run(&mut there, opened(&backup, &key), None).0.is_err());
    // One of the same name that somebody made is not taken for it.
    let mut there = Machine::new();
    run(&mut there, opened(&backup, &key), Some((2_000_000, || BackupError::Interrupted))).0.unwrap_err();
    there.store.remove(&name("a-mail")).unwrap().empty().unwrap();
    there.store.create(&name("a-mail"), &QubeConfig::new(LabelName::new("red").unwrap())).unwrap();
    let error = run(&mut there, opened(&backup, &key), None).0.unwrap_err();
    assert!(error.to_string().contains("there is a qube a-mail already"), "{error}");
}

#[test]
fn what_is_left_can_be_deleted() {
    let key = x25519::Identity::generate();
    let mut here = machine(true);
    let backup = here.save(&["disk", "mail"], &key);
    let mut there = Machine::new();
    run(&mut there, opened(&backup, &key), Some((2_000_000, || BackupError::Interrupted))).0.unwrap_err();
    let qubes = there.store.qubes().to_owned();
    assert_eq!(left_unfinished(&qubes).unwrap(), [name("disk")]);
    assert!(there.store.leftovers().is_empty());
    discard(&mut there.store, &qubes, &name("disk")).unwrap();
    assert!(there.is_empty());
}
