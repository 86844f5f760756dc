//! Volumes that share what is in them with clones, on a file system that does not do it by itself.

use std::{fs::File, os::unix::fs::FileExt as _};

use super::*;
use crate::{
    encryption::{self, Keyring, Payload, Slot, open_moved},
    overlay::Stored,
};

const MIB: usize = 1 << 20;

/// A store where no blocks can be shared but by us.
fn plain_store() -> (tempfile::TempDir, Store) {
    // Of all that a computer has, memory surely does not.
    let temp = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let store = Store::open(&temp.path().join("data")).unwrap();
    (temp, store)
}

/// A qube with a plain volume that has this in it.
fn qube(store: &Store, qube: &str, bytes: &[u8]) -> bool {
    store.create(&name(qube), &blue()).unwrap();
    fs::write(store.plain_volume(&name(qube)), bytes).unwrap();
    let reflinks = {
        let (from, to) = (store.plain_volume(&name(qube)), store.qubes.join(".probe"));
        let target = File::create(&to).unwrap();
        let able = rustix::fs::ioctl_ficlone(&target, File::open(from).unwrap()).is_ok();
        fs::remove_file(to).unwrap();
        able
    };
    !reflinks
}

fn clone(store: &Store, from: &str, to: &str) {
    store.copy(&name(from), &name(to)).unwrap().run().unwrap();
}

fn open(store: &Store, qube: &str) -> Stored {
    store.volume_files(&name(qube), false).open(true).unwrap()
}

fn content(store: &Store, qube: &str) -> Vec<u8> {
    let stored = open(store, qube);
    let mut bytes = vec![0; stored.size().unwrap() as usize];
    stored.read(&mut bytes, 0).unwrap();
    bytes
}

fn write(store: &Store, qube: &str, bytes: &[u8], offset: usize) {
    let mut stored = open(store, qube);
    stored.write(bytes, offset as u64).unwrap();
    stored.sync().unwrap();
}

/// The names of a qube's files that are its volume.
fn files(store: &Store, qube: &str) -> Vec<String> {
    let entries = fs::read_dir(store.dir(&name(qube))).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != QUBE_FILE && name != "home").collect();
    names.sort();
    names
}

fn base(store: &Store, qube: &str) -> fs::Metadata {
    fs::metadata(store.volume_files(&name(qube), false).base.unwrap()).unwrap()
}

#[test]
fn a_clone_takes_next_to_nothing_and_the_base_goes_with_its_last_user() {
    let (_temp, store) = plain_store();
    if !qube(&store, "work", &vec![7; 4 * MIB]) {
        println!("SKIP the file system shares blocks by itself");
        return;
    }
    let inode = fs::metadata(store.plain_volume(&name("work"))).unwrap().ino();
    clone(&store, "work", "copy");
    let shared = ["private.img.base", "private.img.overlay"];
    for qube in ["work", "copy"] {
        assert_eq!(files(&store, qube), shared);
        assert_eq!((base(&store, qube).ino(), base(&store, qube).nlink()), (inode, 2));
        let overlay = fs::metadata(store.volume_files(&name(qube), false).file).unwrap();
        assert!(overlay.blocks() * 512 < 64 << 10, "{}", overlay.blocks());
    }
    write(&store, "work", b"mine", MIB);
    write(&store, "copy", b"yours", 2 * MIB);
    assert_eq!(
        (&content(&store, "work")[MIB..][..4], &content(&store, "copy")[MIB..][..4]),
        (&b"mine"[..], &[7; 4][..])
    );
    assert_eq!(&content(&store, "copy")[2 * MIB..][..5], b"yours");
    // A clone of a clone lies above the same base, whatever differs from it, and its own is its own.
    clone(&store, "copy", "third");
    assert_eq!((base(&store, "third").ino(), base(&store, "third").nlink()), (inode, 3));
    assert_eq!(&content(&store, "third")[2 * MIB..][..5], b"yours");
    write(&store, "third", b"its own", 2 * MIB);
    assert_eq!(&content(&store, "copy")[2 * MIB..][..5], b"yours");

    store.rename(&name("work"), &name("office")).unwrap();
    assert_eq!(&content(&store, "office")[MIB..][..4], b"mine");
    for (left, qube) in [(2, "office"), (1, "copy")] {
        store.remove(&name(qube)).unwrap().empty().unwrap();
        assert_eq!(base(&store, "third").nlink(), left);
    }
    assert_eq!(&content(&store, "third")[2 * MIB..][..7], b"its own");
    assert!(store.leftovers().is_empty());
    let held = File::open(store.volume_files(&name("third"), false).base.unwrap()).unwrap();
    store.remove(&name("third")).unwrap().empty().unwrap();
    assert_eq!(held.metadata().unwrap().nlink(), 0, "nobody has it any more");
}

#[test]
fn what_is_missing_is_named_and_no_other_qube_minds() {
    let (_temp, store) = plain_store();
    if !qube(&store, "work", &vec![7; MIB]) {
        return;
    }
    clone(&store, "work", "copy");
    for part in ["base", "overlay"] {
        let path = store.dir(&name("copy")).join(format!("private.img.{part}"));
        let aside = store.dir(&name("copy")).join("aside");
        fs::rename(&path, &aside).unwrap();
        // It is not taken for a qube without a volume, and nothing of it is cleaned away.
        assert_eq!(store.volume(&name("copy")), Volume::Plain);
        assert!(store.leftovers().is_empty());
        let error = store.copy(&name("copy"), &name("more")).unwrap().run().unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert!(!store.contains(&name("more")));
        assert_eq!(content(&store, "work"), vec![7; MIB]);
        fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(content(&store, "copy"), vec![7; MIB]);
}

#[test]
fn what_cannot_be_shared_is_copied() {
    let (_temp, store) = plain_store();
    // Not whole sectors.
    if !qube(&store, "odd", &vec![7; MIB + 3]) {
        return;
    }
    clone(&store, "odd", "copy");
    assert_eq!(
        (files(&store, "odd"), files(&store, "copy")),
        (vec!["private.img".into()], vec!["private.img".into()])
    );
    assert!(fs::read(store.plain_volume(&name("copy"))).unwrap() == vec![7; MIB + 3]);
}

#[test]
fn several_clones_at_once_share_one_base() {
    let (_temp, store) = plain_store();
    if !qube(&store, "work", &vec![7; MIB]) {
        return;
    }
    let copies: Vec<_> = ["a", "b", "c", "d"].map(|to| store.copy(&name("work"), &name(to)).unwrap()).into();
    let threads: Vec<_> = copies.into_iter().map(|copy| std::thread::spawn(move || copy.run())).collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    assert_eq!(base(&store, "work").nlink(), 5);
    for qube in ["work", "a", "b", "c", "d"] {
        assert_eq!(content(&store, qube), vec![7; MIB]);
    }
}

#[test]
fn clones_of_an_encrypted_volume_have_key_slots_of_their_own() {
    let (temp, store) = plain_store();
    let master =
        Keyring::of(&temp.path().join("data")).create(b"correct horse", Slot::CheapPassphrase).unwrap();
    if !qube(&store, "probe", b"") {
        return;
    }
    store.create(&name("work"), &blue()).unwrap();
    let whole = store.encrypted_volume(&name("work"));
    let key = encryption::open(&whole, 2 * MIB as u64, &master).unwrap();
    let file = File::options().read(true).write(true).open(&whole).unwrap();
    Payload::new(file, &key.key, key.layout).unwrap().write(&mut b"before".to_vec(), MIB as u64).unwrap();
    clone(&store, "work", "copy");
    let shared = ["private.luks.base", "private.luks.header", "private.luks.overlay"];
    let payload = |qube: &str| {
        assert_eq!(files(&store, qube), shared);
        let files = store.volume_files(&name(qube), true);
        let key = open_moved(&files.header, 0, &master).unwrap();
        (Payload::new(files.open(true).unwrap(), &key.key, key.layout).unwrap(), key)
    };
    let read = |qube: &str| {
        let mut found = [0; 6];
        payload(qube).0.read(&mut found, MIB as u64).unwrap();
        found
    };
    assert_eq!((read("work"), read("copy")), (*b"before", *b"before"));
    assert_eq!(*payload("copy").1.key, *key.key, "what both have is enciphered once");
    // The base has no key slots: they would outlive those of the qubes.
    let base = store.volume_files(&name("work"), true).base.unwrap();
    let mut header = vec![1; 16 * MIB];
    let base_file = File::open(&base).unwrap();
    base_file.read_exact_at(&mut header, 0).unwrap();
    assert!(header.iter().all(|byte| *byte == 0));
    let (mut writer, _) = payload("copy");
    writer.write(&mut b"after!".to_vec(), MIB as u64).unwrap();
    writer.sync().unwrap();
    assert_eq!((read("work"), read("copy")), (*b"before", *b"after!"));
    // Neither in the base nor in the overlay.
    let overlay = fs::read(store.volume_files(&name("copy"), true).file).unwrap();
    assert!(!overlay.windows(6).any(|part| part == b"after!"));

    // A qube without its header is not one without a volume.
    let header = store.volume_files(&name("copy"), true).header;
    fs::rename(&header, temp.path().join("aside")).unwrap();
    assert_eq!(store.volume(&name("copy")), Volume::Encrypted);
    let error = store.volume_files(&name("copy"), true).check(true).unwrap_err().to_string();
    assert!(error.contains("private.luks.header"), "{error}");
    fs::rename(temp.path().join("aside"), &header).unwrap();
    // Removed, nothing is left that its slots were in.
    let held = File::open(&header).unwrap();
    store.remove(&name("copy")).unwrap().empty().unwrap();
    let mut slots = [1; 6];
    held.read_exact_at(&mut slots, 0).unwrap();
    assert_eq!((slots, read("work")), ([0; 6], *b"before"));
}

#[derive(Clone, Debug)]
enum Deed {
    Write(usize, usize, u8, usize),
    Grow(usize, usize),
    Clone(usize),
    Remove(usize),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => (0..9usize, 0..300_000usize, any::<u8>(), 1..40_000usize)
            .prop_map(|(which, at, value, length)| Deed::Write(which, at, value, length)),
        1 => (0..9usize, 1..400usize).prop_map(|(which, blocks)| Deed::Grow(which, blocks * 1024)),
        3 => (0..9usize).prop_map(Deed::Clone),
        2 => (0..9usize).prop_map(Deed::Remove),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    /// Whoever is cloned from whom, written, grown and removed in whatever order: each has what a volume of its
    /// own would have.
    #[test]
    fn a_tree_of_clones_is_like_volumes_of_their_own(deeds in prop::collection::vec(deed(), 1..14)) {
        let (_temp, store) = plain_store();
        let first: Vec<u8> = (0..256 << 10).map(|at: u32| (at / 99) as u8 | 1).collect();
        qube(&store, "q0", &first);
        let mut models = vec![("q0".to_owned(), first)];
        for (number, deed) in deeds.into_iter().enumerate() {
            let count = models.len();
            match deed {
                Deed::Write(which, at, value, length) => {
                    let (qube, model) = &mut models[which % count];
                    let end = (at + length).min(model.len());
                    if at < end {
                        write(&store, qube, &vec![value; end - at], at);
                        model[at..end].fill(value);
                    }
                }
                Deed::Grow(which, size) => {
                    let (qube, model) = &mut models[which % count];
                    match open(&store, qube) {
                        Stored::Shared(mut overlay) => overlay.grow(size as u64).unwrap(),
                        Stored::File(file) => file.set_len(model.len().max(size) as u64).unwrap(),
                    }
                    model.resize(model.len().max(size), 0);
                }
                Deed::Clone(which) => {
                    let (from, model) = models[which % count].clone();
                    let to = format!("q{}", number + 1);
                    clone(&store, &from, &to);
                    models.push((to, model));
                }
                Deed::Remove(which) => {
                    if count > 1 {
                        let (qube, _) = models.remove(which % count);
                        store.remove(&name(&qube)).unwrap().empty().unwrap();
                    }
                }
            }
            for (qube, model) in &models {
                prop_assert!(content(&store, qube) == *model, "{qube}");
            }
        }
        prop_assert!(store.leftovers().is_empty());
    }
}
