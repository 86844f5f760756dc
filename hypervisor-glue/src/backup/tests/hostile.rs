//! Backups whose maker means harm, and knows the key.

use super::{
    container::{END, Entry, Kind},
    digest::Hasher,
    sums::Sum,
    *,
};

const CONFIG: &str = "label \"blue\"\n";

/// A backup of one qube, `work`, with these entries after its `qube.kdl`.
struct Forged {
    bytes: Vec<u8>,
    sums: Vec<u8>,
}

impl Forged {
    fn new(config: &str, volume: Option<u64>) -> Self {
        let mut parts = vec![
            part("qube.kdl", crate::store::PartKind::Config, config.len() as u64),
            part("home", crate::store::PartKind::Tree, 0),
        ];
        parts.extend(volume.map(|size| part("private.img", crate::store::PartKind::Volume, size)));
        let saved =
            Saved { name: name("work"), label: LabelName::new("blue").unwrap(), template: None, parts };
        let manifest = Manifest::new("0".repeat(32), String::new(), vec![saved]);
        let mut forged = Self { bytes: Vec::new(), sums: Vec::new() };
        forged.add(Entry::new("transom-backup.json", Kind::File, 0o600), &manifest.encode().unwrap());
        forged.add(Entry::new("work", Kind::Directory, 0o700), b"");
        forged.file("qube.kdl", config.as_bytes());
        forged
    }

    /// One whose home is there as well.
    fn home() -> Self {
        let mut forged = Self::new(CONFIG, None);
        forged.add(Entry::new("work/home", Kind::Directory, 0o700), b"");
        forged
    }

    fn add(&mut self, mut entry: Entry, data: &[u8]) {
        entry.stored = data.len() as u64;
        self.bytes.extend(entry.encode());
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
    }

    fn file(&mut self, path: &str, data: &[u8]) {
        self.add(Entry::new(format!("work/{path}"), Kind::File, 0o600), data);
        let mut hasher = Hasher::plain();
        hasher.put(0, data);
        self.sums.extend(Sum { path: path.into(), sparse: false, digest: hasher.end() }.line());
    }

    fn end(&mut self) {
        let sums = self.sums.clone();
        self.add(Entry::new("work/SHA256SUMS", Kind::File, 0o600), &sums);
        self.bytes.extend(END);
    }

    /// What comes of restoring it.
    fn restored(&self) -> (Machine, Result<Vec<Restored>, BackupError>) {
        let key = x25519::Identity::generate();
        let mut writer = crypt::seal(Lock::Recipients(vec![key.to_public()]), Vec::new()).unwrap();
        writer.write_all(&self.bytes).unwrap();
        let backup = writer.finish().unwrap();
        let mut there = Machine::new();
        fs::write(there.temp.path().join("outside"), "theirs").unwrap();
        let result = there.restore(&backup, &key);
        if let Err(error) = &result {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
            assert!(!error.to_string().contains('\u{1b}'), "{error:?}");
            assert!(there.is_empty(), "{error}");
        }
        assert_eq!(fs::read_to_string(there.temp.path().join("outside")).unwrap(), "theirs");
        assert_eq!(fs::read_dir(there.temp.path()).unwrap().count(), 2);
        (there, result)
    }
}

fn part(name: &str, kind: crate::store::PartKind, size: u64) -> SavedPart {
    SavedPart { name: name.to_owned(), kind, entries: 1, bytes: size, size }
}

fn refused(forged: &Forged, part: &str) {
    let (_, result) = forged.restored();
    let error = result.expect_err(part).to_string();
    assert!(error.contains(part), "{part}: {error}");
}

#[test]
fn one_that_means_no_harm_is_restored() {
    let mut forged = Forged::home();
    forged.file("home/file", b"x");
    forged.end();
    let (there, result) = forged.restored();
    assert_eq!(result.unwrap().len(), 1);
    assert_eq!(fs::read(there.store.home(&name("work")).unwrap().join("file")).unwrap(), b"x");
}

#[test]
fn paths_lead_nowhere_else() {
    for path in [
        "../outside",
        "work/../../outside",
        "work/home/../../../outside",
        "/work/home/x",
        "work//home/x",
        "work/home//x",
        "work/home/.",
        "work/home/x/",
        "work/log/console.log",
        "work/home2",
        "work",
        "mail/home",
        "transom-backup.json",
        "work/home/x\0y",
        "work/journal.json",
        &format!("work/home/{}", "n".repeat(256)),
        &format!("work/home/{}", "n/".repeat(2_100)),
    ] {
        let mut forged = Forged::home();
        forged.add(Entry::new(path, Kind::File, 0o600), b"x");
        forged.end();
        refused(&forged, "not what a backup can be");
    }
}

#[test]
fn links_lead_nowhere_else() {
    let link = |path: &str, target: &str| Entry::new(path, Kind::Symlink(target.into()), 0o777);
    let hard = |path: &str, target: &str| Entry::new(path, Kind::HardLink(target.into()), 0o600);
    // A file through a link that came before.
    for target in ["..", "../../../..", "/tmp", "sub"] {
        let mut forged = Forged::home();
        forged.add(link("work/home/way", target), b"");
        forged.add(Entry::new("work/home/sub", Kind::Directory, 0o700), b"");
        forged.file("home/way/outside", b"mine");
        forged.end();
        let (_, result) = forged.restored();
        assert!(result.is_err(), "{target}");
    }
    // The link alone may lead anywhere: only the qube follows it.
    let mut forged = Forged::home();
    forged.add(link("work/home/way", "/etc/shadow"), b"");
    forged.end();
    let (there, result) = forged.restored();
    result.unwrap();
    let made = there.store.home(&name("work")).unwrap().join("way");
    assert_eq!(fs::read_link(made).unwrap(), Path::new("/etc/shadow"));
    // A link in place of the home, or of the volume.
    let mut forged = Forged::new(CONFIG, None);
    forged.add(link("work/home", "/tmp"), b"");
    refused(&forged, "no business there");
    let mut forged = Forged::new(CONFIG, Some(5));
    forged.add(Entry::new("work/home", Kind::Directory, 0o700), b"");
    forged.add(link("work/private.img", "/dev/sda"), b"");
    refused(&forged, "no business there");
    // Hard links: to what lies outside, to another part, to what is not there, to a link.
    for target in ["../outside", "work/../outside", "work/qube.kdl", "outside", "work/home"] {
        let mut forged = Forged::home();
        forged.add(hard("work/home/x", target), b"");
        refused(&forged, "not what a backup can be");
    }
    for target in ["work/home/nothing", "work/home/way", "work/home/way/passwd"] {
        let mut forged = Forged::home();
        forged.add(link("work/home/way", "/etc"), b"");
        forged.add(hard("work/home/x", target), b"");
        let (_, result) = forged.restored();
        assert!(result.is_err(), "{target}");
    }
}

#[test]
fn files_are_what_they_may_be() {
    let mut twice = Forged::home();
    twice.file("home/x", b"1");
    twice.file("home/x", b"2");
    refused(&twice, "comes twice");

    // Bits that make a program run as its owner, and more than there are.
    let mut forged = Forged::home();
    let mut entry = Entry::new("work/home/x", Kind::File, 0o777);
    entry.stored = 1;
    let mut header = entry.encode();
    let at = header.len() - 512;
    header[at + 100..at + 108].copy_from_slice(b"0006777\0");
    let mut header = tar::Header::from_byte_slice(&header[at..]).clone();
    header.set_uid(12_345);
    header.set_cksum();
    forged.bytes.extend(header.as_bytes());
    forged.bytes.extend(b"x");
    forged.bytes.resize(forged.bytes.len().next_multiple_of(512), 0);
    let mut hasher = Hasher::plain();
    hasher.put(0, b"x");
    forged.sums.extend(Sum { path: b"home/x".to_vec(), sparse: false, digest: hasher.end() }.line());
    forged.end();
    let (there, result) = forged.restored();
    result.unwrap();
    let meta = fs::metadata(there.store.home(&name("work")).unwrap().join("x")).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.uid()), (0o777, rustix::process::geteuid().as_raw()));

    for kind in [
        tar::EntryType::Char,
        tar::EntryType::Block,
        tar::EntryType::GNULongName,
        tar::EntryType::XGlobalHeader,
    ] {
        let mut forged = Forged::home();
        let mut header =
            tar::Header::from_byte_slice(&Entry::new("work/home/x", Kind::File, 0o600).encode()).clone();
        header.set_entry_type(kind);
        header.set_cksum();
        forged.bytes.extend(header.as_bytes());
        forged.end();
        refused(&forged, "not what a backup can be");
    }
    // A program that runs as somebody else by its attributes.
    let mut forged = Forged::home();
    let mut entry = Entry::new("work/home/x", Kind::File, 0o755);
    entry.attributes = vec![(b"security.capability".to_vec(), vec![1])];
    forged.add(entry, b"x");
    forged.end();
    refused(&forged, "a record that is not known");
}

#[test]
fn sizes_are_what_they_say() {
    // A file that says it is longer than all disks.
    let mut forged = Forged::home();
    let mut entry = Entry::new("work/home/x", Kind::File, 0o600);
    entry.stored = u64::MAX - 600;
    forged.bytes.extend(entry.encode());
    forged.end();
    let (_, result) = forged.restored();
    assert!(result.is_err());
    // A list of contents, or a qube.kdl, that would fill the memory.
    for path in ["transom-backup.json", "work/qube.kdl"] {
        let mut forged = Forged::new(CONFIG, None);
        // A header and a block before the end is where qube.kdl begins.
        let keep = if path == "work/qube.kdl" { forged.bytes.len() - 1_024 } else { 0 };
        forged.bytes.truncate(keep);
        let mut entry = Entry::new(path, Kind::File, 0o600);
        entry.stored = 1 << 40;
        forged.bytes.extend(entry.encode());
        let (_, result) = forged.restored();
        assert!(result.is_err(), "{path}");
    }
    // Holes: a list that overlaps, is too long, ends outside, or is none.
    for list in ["2\n0\n512\n256\n512\n", "1\n0\n9999999\n", "9999999999\n", "x\n", "1\n1048576\n1\n", "0\n"]
    {
        let mut forged = Forged::new(CONFIG, Some(1 << 20));
        forged.add(Entry::new("work/home", Kind::Directory, 0o700), b"");
        let mut data = list.as_bytes().to_vec();
        data.resize(512 + 1_024, 0);
        forged.add(Entry::new("work/private.img", Kind::Sparse(1 << 20), 0o600), &data);
        forged.end();
        refused(&forged, "not what a backup can be");
    }
    // A volume of another size than the list of contents says.
    let mut forged = Forged::new(CONFIG, Some(1 << 20));
    forged.add(Entry::new("work/home", Kind::Directory, 0o700), b"");
    forged.add(Entry::new("work/private.img", Kind::Sparse(1 << 50), 0o600), &[b'0'; 512]);
    refused(&forged, "no business there");
}

#[test]
fn descriptions_are_read_as_any_other() {
    for (config, part) in [
        ("label \"red\"\n", "another label"),
        ("label \"blue\"\ntemplate \"x\"\n", "another label or template"),
        ("label \"blue\"\ntemplate \"../x\"\n", "qube.kdl:2"),
        ("label \"blue\"\n\u{1b}[2J", "qube.kdl"),
        ("", "qube.kdl"),
    ] {
        let mut forged = Forged::new(config, None);
        forged.add(Entry::new("work/home", Kind::Directory, 0o700), b"");
        forged.end();
        refused(&forged, part);
    }
}

#[test]
fn everything_is_there_once_and_in_order() {
    let mut forged = Forged::new(CONFIG, None);
    forged.end();
    refused(&forged, "not all there");
    let mut forged = Forged::home();
    forged.bytes.extend(END);
    refused(&forged, "ends before the last qube");
    let mut forged = Forged::home();
    forged.sums.extend(b"more\n");
    forged.end();
    refused(&forged, "not what was saved");
    let mut forged = Forged::home();
    forged.file("home/x", b"x");
    forged.sums.truncate(forged.sums.len() - 80);
    forged.end();
    refused(&forged, "not what was saved");
    let mut forged = Forged::home();
    forged.end();
    forged.bytes.extend(b"more");
    refused(&forged, "something after the end");
    let mut forged = Forged::home();
    forged.bytes.truncate(forged.bytes.len() - 100);
    let (_, result) = forged.restored();
    assert!(result.is_err());
    // A second qube, of which nothing was said.
    let mut forged = Forged::home();
    let sums = forged.sums.clone();
    forged.add(Entry::new("work/SHA256SUMS", Kind::File, 0o600), &sums);
    forged.add(Entry::new("more", Kind::Directory, 0o700), b"");
    forged.bytes.extend(END);
    refused(&forged, "of no qube");
    // Parts in another order, or one twice.
    let mut forged = Forged::new(CONFIG, Some(0));
    forged.file("private.img", b"");
    refused(&forged, "another place");
    let mut forged = Forged::home();
    forged.add(Entry::new("work/home", Kind::Directory, 0o700), b"");
    refused(&forged, "another place");
}
