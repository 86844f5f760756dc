use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::PathBuf,
};

use proptest::prelude::*;

use super::*;
use crate::services::copy::Plan;

struct Room {
    temp: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self { temp: tempfile::tempdir().unwrap() }
    }

    fn incoming(&self) -> PathBuf {
        self.temp.path().join("QubesIncoming")
    }

    fn receive(&self, bytes: &[u8]) -> Result<Received, (Answer, String)> {
        receive(&mut &*bytes, &self.incoming(), "work", false)
    }

    /// Everything below the folder, with what it is.
    fn all(&self) -> Vec<String> {
        fn walk(dir: &Path, base: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                let (path, meta) = (entry.path(), entry.metadata().unwrap());
                found.push(path.strip_prefix(base).unwrap().to_str().unwrap().to_owned());
                if meta.is_dir() {
                    walk(&path, base, found);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.temp.path(), self.temp.path(), &mut found);
        found.sort();
        found
    }
}

fn stream(head: (u64, u64), entries: &[(Entry, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    Head { entries: head.0, bytes: head.1 }.write(&mut out).unwrap();
    for (entry, data) in entries {
        entry.write(&mut out).unwrap();
        out.extend_from_slice(data);
    }
    out
}

fn file(name: &str, data: &[u8]) -> Entry {
    Entry::File { name: name.into(), executable: false, size: data.len() as u64 }
}

fn folder(name: &str) -> Entry {
    Entry::FolderBegins { name: name.into() }
}

fn sent(paths: &[PathBuf]) -> Vec<u8> {
    let mut out = Vec::new();
    let plan = Plan::new(paths).unwrap();
    let mut last = 0;
    plan.send(&mut out, &mut |sent, all| {
        assert!(sent <= all);
        last = sent;
    })
    .unwrap();
    assert_eq!(last, plan.bytes());
    out
}

#[test]
fn a_folder_arrives_as_it_was_and_names_give_way() {
    let from = tempfile::tempdir().unwrap();
    let tree = from.path().join("photos");
    fs::create_dir_all(tree.join("2026/empty")).unwrap();
    fs::write(tree.join("2026/a b.jpg"), vec![7; 300_000]).unwrap();
    fs::write(tree.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(tree.join("run.sh"), fs::Permissions::from_mode(0o6755)).unwrap();
    fs::write(from.path().join("note.txt"), "").unwrap();
    symlink("/etc/passwd", tree.join("link")).unwrap();
    let paths = [tree.clone(), from.path().join("note.txt")];
    assert_eq!(Plan::new(&paths).unwrap().skipped, [tree.join("link")]);
    let bytes = sent(&paths);

    let room = Room::new();
    let received = room.receive(&bytes).unwrap();
    assert_eq!(received, Received { names: vec!["photos".into(), "note.txt".into()], bytes: 300_010 });
    let at = room.incoming().join("work");
    assert_eq!(fs::read(at.join("photos/2026/a b.jpg")).unwrap(), vec![7; 300_000]);
    assert_eq!(fs::metadata(at.join("photos/run.sh")).unwrap().mode() & 0o7777, 0o700, "no more than ours");
    assert_eq!(fs::metadata(at.join("note.txt")).unwrap().mode() & 0o7777, 0o600);
    assert!(fs::metadata(at.join("photos/2026/empty")).unwrap().is_dir());

    let names = room.receive(&bytes).unwrap().names;
    assert_eq!(names, ["photos (2)", "note (2).txt"]);
    assert_eq!(room.receive(&bytes).unwrap().names, ["photos (3)", "note (3).txt"]);
    let hidden = |name: &String| name.contains(STAGING);
    assert!(!room.all().iter().any(hidden), "{:?}", room.all());
}

#[test]
fn hostile_senders_leave_nothing() {
    let data: &[u8] = b"data";
    let end = (Entry::End, &[][..]);
    let deep: Vec<(Entry, &[u8])> = (0..=MAX_DEPTH).map(|_| (folder("d"), &[][..])).collect();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("another magic", b"TRNSFER2".repeat(9)),
        ("no entries", stream((0, 0), std::slice::from_ref(&end))),
        ("a million entries", stream((1_000_000, 4), &[(file("a", data), data)])),
        ("more bytes than there is room", stream((1, 1 << 60), &[(file("a", data), data)])),
        ("more bytes than numbers", stream((1, u64::MAX), &[(file("a", data), data)])),
        (
            "more files than said",
            stream((1, 8), &[(file("a", data), data), (file("b", data), data), end.clone()]),
        ),
        ("a larger file than said", stream((1, 3), &[(file("a", data), data), end.clone()])),
        ("a file that lies", {
            let lies = Entry::File { name: "a".into(), executable: false, size: u64::MAX };
            stream((2, 4), &[(file("b", data), data), (lies, data), end.clone()])
        }),
        ("less than said", stream((2, 4), &[(file("a", data), data), end.clone()])),
        ("a file cut short", stream((1, 4), &[(file("a", data), &data[..2])])),
        ("no end", stream((1, 4), &[(file("a", data), data)])),
        ("a folder without end", stream((1, 0), &[(folder("a"), &[]), end.clone()])),
        ("an end without folder", stream((1, 0), &[(Entry::FolderEnds, &[]), end.clone()])),
        ("too deep", stream((100, 0), &deep)),
        (
            "the same name twice",
            stream((2, 8), &[(file("a", data), data), (file("a", data), data), end.clone()]),
        ),
        ("something behind", [stream((1, 4), &[(file("a", data), data), end.clone()]), vec![0]].concat()),
    ];
    for (what, bytes) in cases {
        let room = Room::new();
        let (answer, reason) = room.receive(&bytes).unwrap_err();
        assert!(answer != Answer::Done && !reason.is_empty(), "{what}: {reason}");
        let left: Vec<_> = room
            .all()
            .into_iter()
            .filter(|n| !["QubesIncoming", "QubesIncoming/work"].contains(&n.as_str()))
            .collect();
        assert!(left.is_empty(), "{what}: {left:?}");
    }
}

/// Names are made by hand here: the sender of this crate would not send them.
#[test]
fn names_that_are_paths_are_not_even_read() {
    for name in ["..", ".", "../x", "/etc/x", "a/b", "a\0b", "a\n", "\u{202e}x", ""] {
        for kind in [1, 3] {
            let mut bytes = stream((1, 0), &[]);
            bytes.extend([kind, name.len() as u8]);
            bytes.extend(name.as_bytes());
            bytes.extend([0; 8]);
            bytes.extend([5, 0]);
            let room = Room::new();
            assert_eq!(room.receive(&bytes).unwrap_err().0, Answer::Malformed, "{name:?}");
            assert_eq!(room.all(), ["QubesIncoming", "QubesIncoming/work"]);
        }
    }
    // Kinds that would be links or devices, if there were any.
    for kind in [0, 6, 7, 255] {
        let mut bytes = stream((1, 0), &[]);
        bytes.extend([kind, 1, b'a']);
        bytes.extend([0; 8]);
        assert_eq!(Room::new().receive(&bytes).unwrap_err().0, Answer::Malformed);
    }
}

#[test]
fn links_in_the_place_of_our_folders_are_not_followed() {
    let bytes = stream((1, 4), &[(file("a", b"data"), b"data"), (Entry::End, &[])]);
    let elsewhere = tempfile::tempdir().unwrap();
    let room = Room::new();
    symlink(elsewhere.path(), room.incoming()).unwrap();
    assert_eq!(room.receive(&bytes).unwrap_err().0, Answer::Failed);
    let room = Room::new();
    fs::create_dir(room.incoming()).unwrap();
    symlink(elsewhere.path(), room.incoming().join("work")).unwrap();
    assert_eq!(room.receive(&bytes).unwrap_err().0, Answer::Failed);
    // A link of the name is a name that is taken.
    let room = Room::new();
    fs::create_dir_all(room.incoming().join("work")).unwrap();
    symlink(elsewhere.path().join("b"), room.incoming().join("work/a")).unwrap();
    assert_eq!(room.receive(&bytes).unwrap().names, ["a (2)"]);
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn what_a_killed_receiver_left_goes_with_the_next() {
    let room = Room::new();
    let at = room.incoming().join("work");
    let (old, busy) = (at.join(format!("{STAGING}old")), at.join(format!("{STAGING}busy")));
    for dir in [&old, &busy] {
        fs::create_dir_all(dir.join("x/y")).unwrap();
        fs::write(dir.join("x/file"), "half").unwrap();
    }
    symlink("/etc", old.join("link")).unwrap();
    let held = File::open(&busy).unwrap();
    flock(&held, FlockOperation::LockExclusive).unwrap();
    let bytes = stream((1, 4), &[(file("a", b"data"), b"data"), (Entry::End, &[])]);
    room.receive(&bytes).unwrap();
    assert!(!old.exists() && busy.exists() && Path::new("/etc/passwd").exists());
}

#[test]
fn where_one_file_is_wanted_nothing_else_comes() {
    let end = (Entry::End, &[][..]);
    for bytes in [
        stream((2, 0), &[(file("a", b""), &[]), (file("b", b""), &[]), end.clone()]),
        stream((1, 0), &[(folder("a"), &[]), (Entry::FolderEnds, &[]), end.clone()]),
    ] {
        let room = Room::new();
        let result = receive(&mut bytes.as_slice(), &room.incoming(), "work", true);
        assert_eq!(result.unwrap_err().0, Answer::Malformed);
    }
}

#[test]
fn numbers_stand_before_the_ending() {
    assert_eq!(numbered("report.pdf", 2), "report (2).pdf");
    assert_eq!(numbered("photos", 12), "photos (12)");
    assert_eq!(numbered(".bashrc", 2), ".bashrc (2)");
    assert_eq!(numbered("a.b.c.verylongending", 2), "a.b.c.verylongending (2)");
    let long = format!("{}.pdf", "ü".repeat(125));
    let new = numbered(&long, 9_999);
    assert!(new.len() <= 255 && new.ends_with(" (9999).pdf"), "{new}");
}

#[test]
fn a_move_removes_what_was_named_and_a_file_that_shrinks_is_no_file() {
    let from = tempfile::tempdir().unwrap();
    let (dir, target) = (from.path().join("dir"), from.path().join("target"));
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("f"), "12345").unwrap();
    fs::write(&target, "kept").unwrap();
    let link = from.path().join("link");
    symlink(&target, &link).unwrap();
    let plan = Plan::new(&[dir.clone(), link.clone()]).unwrap();
    assert!(plan.description().starts_with("dir and 1 more"), "{}", plan.description());
    fs::write(dir.join("f"), "1").unwrap();
    let error = plan.send(&mut Vec::new(), &mut |_, _| {}).unwrap_err();
    assert!(error.to_string().contains("shorter"), "{error}");
    plan.remove().unwrap();
    assert!(!dir.exists() && fs::symlink_metadata(&link).is_err());
    assert_eq!(fs::read_to_string(&target).unwrap(), "kept", "what a link named stays");
    assert!(Plan::new(&[from.path().join("none")]).is_err());
    assert!(Plan::new(&[PathBuf::from("/dev/null")]).is_err());
    assert!(Plan::new(&[target.clone(), target.clone()]).is_err(), "the same twice");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_behind_a_head_leave_nothing_or_are_whole(bytes in prop::collection::vec(prop_oneof![0u8..6, Just(b'a'), any::<u8>()], 0..200)) {
        let room = Room::new();
        let mut all = stream((3, 9), &[]);
        all.extend(bytes);
        if room.receive(&all).is_err() {
            prop_assert_eq!(room.all(), ["QubesIncoming", "QubesIncoming/work"]);
        }
    }
}
