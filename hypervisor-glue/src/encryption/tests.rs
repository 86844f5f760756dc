//! With the real `cryptsetup`, which needs no rights for it.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    process::Command,
};

use super::*;
use crate::store::VolumeFiles;

const GOOD: &[u8] = b"correct horse";
const MIB: u64 = 1 << 20;

struct Place {
    temp: tempfile::TempDir,
    keyring: Keyring,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        let keyring = Keyring::of(temp.path());
        Self { temp, keyring }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.temp.path().join(name)
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.temp.path()).unwrap();
        let mut files: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned()).collect();
        files.sort();
        files
    }

    /// A volume with a text in it at 2 MiB, and its master key.
    fn volume(&self) -> (PathBuf, MasterKey) {
        let master = self.keyring.create(GOOD, Slot::CheapPassphrase).unwrap();
        let path = self.path("volume");
        open(&path, 4 * MIB, &master).unwrap();
        payload(&path, &master).write(&mut b"a marker to look for".to_vec(), 2 * MIB).unwrap();
        (path, master)
    }
}

fn payload(path: &Path, master: &MasterKey) -> Payload {
    let VolumeKey { key, layout } = open(path, 0, master).unwrap();
    Payload::new(File::options().read(true).write(true).open(path).unwrap(), &key, layout).unwrap()
}

fn marker(path: &Path, master: &MasterKey) -> String {
    let mut found = [0; 20];
    payload(path, master).read(&mut found, 2 * MIB).unwrap();
    String::from_utf8_lossy(&found).into_owned()
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// The same by cryptsetup; it is where root's PATH leads.
fn cryptsetup(arguments: &[&str], path: &Path) {
    run("/usr/sbin/cryptsetup", &[arguments, &["--batch-mode", path.to_str().unwrap()]].concat());
}

fn spoil(path: &Path, at: u64) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}

#[test]
fn a_passphrase_opens_and_is_changed() {
    let place = Place::new();
    assert!(matches!(place.keyring.open(GOOD), Err(EncryptionError::NoPassphrase)));
    assert!(matches!(
        place.keyring.create(b"short", Slot::CheapPassphrase),
        Err(EncryptionError::Passphrase(_))
    ));
    assert!(matches!(
        place.keyring.create(b"two\nlines", Slot::CheapPassphrase),
        Err(EncryptionError::Passphrase(_))
    ));
    let first = place.keyring.create(GOOD, Slot::CheapPassphrase).unwrap();
    assert!(matches!(place.keyring.create(GOOD, Slot::CheapPassphrase), Err(EncryptionError::Exists(_))));
    assert_eq!(*place.keyring.open(GOOD).unwrap().0, *first.0);
    let error = place.keyring.open(b"wrong horse").unwrap_err();
    assert!(matches!(error, EncryptionError::WrongPassphrase), "{error}");
    // What `cryptsetup` of a terminal would take as the same is not.
    assert!(place.keyring.open(b"correct horse\n").is_err());

    let new = "ein anderes Pferd, äöü".as_bytes();
    let refused = place.keyring.change(b"wrong horse", new, Slot::CheapPassphrase).unwrap_err();
    assert!(matches!(refused, EncryptionError::WrongPassphrase), "{refused}");
    place.keyring.change(GOOD, new, Slot::CheapPassphrase).unwrap();
    assert_eq!(*place.keyring.open(new).unwrap().0, *first.0);
    assert!(matches!(place.keyring.open(GOOD), Err(EncryptionError::WrongPassphrase)));
    assert_eq!(place.files(), [KEYRING_FILE]);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(place.keyring.path()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

/// It is what makes a passphrase dear to guess.
#[test]
fn a_passphrase_is_guarded_by_argon2id() {
    let place = Place::new();
    place.keyring.create(GOOD, Slot::Passphrase).unwrap();
    let output = Command::new("/usr/sbin/cryptsetup")
        .args(["luksDump", "--dump-json-metadata"])
        .arg(place.keyring.path())
        .output()
        .unwrap();
    let header: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let kdf = &header["keyslots"]["0"]["kdf"];
    assert_eq!(kdf["type"], "argon2id", "{header}");
    // KiB; the least that RFC 9106 recommends.
    assert!(kdf["memory"].as_u64().unwrap() >= 65_536, "{kdf}");
    assert!(kdf["time"].as_u64().unwrap() >= 3, "{kdf}");
}

#[test]
fn a_volume_is_made_once_grows_and_says_nothing() {
    let place = Place::new();
    let (path, master) = place.volume();
    assert_eq!(payload(&path, &master).size(), 4 * MIB);
    let mut first = vec![1; MIB as usize];
    payload(&path, &master).read(&mut first, 0).unwrap();
    assert!(first.iter().all(|byte| *byte == 0), "a guest would not see that it is new");
    open(&path, 6 * MIB, &master).unwrap();
    assert_eq!(payload(&path, &master).size(), 6 * MIB);
    open(&path, MIB, &master).unwrap();
    assert_eq!(payload(&path, &master).size(), 6 * MIB);
    assert_eq!(marker(&path, &master), "a marker to look for");
    let raw = fs::read(&path).unwrap();
    assert!(!raw.windows(8).any(|part| part == b"a marker"));
    for key in [&*master.0, &*open(&path, 0, &master).unwrap().key] {
        assert!(
            !raw.windows(16).any(|part| key.windows(16).any(|key| key == part)),
            "a key lies in the file"
        );
    }
    assert_eq!(place.files(), [KEYRING_FILE, "volume"]);
    // A key of its own.
    open(&place.path("other"), MIB, &master).unwrap();
    assert_ne!(*open(&path, 0, &master).unwrap().key, *open(&place.path("other"), 0, &master).unwrap().key);
}

#[test]
fn one_damaged_copy_of_a_header_is_mended_and_two_are_said() {
    let place = Place::new();
    let (path, master) = place.volume();
    for damaged in [100, 16_384 + 100, 5_000, 16_384 + 5_000] {
        spoil(&path, damaged);
        assert_eq!(marker(&path, &master), "a marker to look for", "{damaged}");
    }
    spoil(&path, 100);
    spoil(&path, 16_384 + 100);
    let error = open(&path, 0, &master).unwrap_err();
    assert!(matches!(error, EncryptionError::Header(_)), "{error}");
    spoil(place.keyring.path(), 100);
    spoil(place.keyring.path(), 16_384 + 100);
    let error = place.keyring.open(GOOD).unwrap_err();
    assert!(
        matches!(error, EncryptionError::Header(_)) && error.to_string().contains(KEYRING_FILE),
        "{error}"
    );
}

#[test]
fn lost_and_foreign_slots_are_said() {
    let place = Place::new();
    let (path, master) = place.volume();
    let other = Place::new();
    let foreign = other.keyring.create(GOOD, Slot::CheapPassphrase).unwrap();
    let error = open(&path, 0, &foreign).unwrap_err();
    assert!(matches!(error, EncryptionError::WrongKey(_)), "{error}");
    // A bit of the slot's area.
    let copy = place.path("copy");
    fs::copy(&path, &copy).unwrap();
    spoil(&copy, 40_000);
    let error = open(&copy, 0, &master).unwrap_err();
    assert!(matches!(error, EncryptionError::WrongKey(_)), "{error}");
    cryptsetup(&["luksErase"], &path);
    let error = open(&path, 0, &master).unwrap_err();
    assert!(matches!(error, EncryptionError::NoSlot(_)), "{error}");
    cryptsetup(&["luksErase"], place.keyring.path());
    let error = place.keyring.open(GOOD).unwrap_err();
    assert!(matches!(error, EncryptionError::NoSlot(_)), "{error}");
}

/// A volume of one computer in a directory of another, beside a copy of the keyring that opens it.
fn moved() -> (Place, PathBuf, MasterKey, MasterKey) {
    let (there, here) = (Place::new(), Place::new());
    let (volume, theirs) = there.volume();
    let ours = here.keyring.create(b"another horse", Slot::CheapPassphrase).unwrap();
    let dir = here.path("work");
    fs::create_dir(&dir).unwrap();
    fs::copy(&volume, dir.join("volume")).unwrap();
    fs::copy(there.keyring.path(), dir.join(KEYRING_FILE)).unwrap();
    (here, dir.join("volume"), theirs, ours)
}

#[test]
fn a_volume_of_another_computer_is_taken_over() {
    let (here, volume, theirs, ours) = moved();
    let beside = here.path("work").join(KEYRING_FILE);
    let before = fs::read(&volume).unwrap();
    assert!(matches!(open_moved(&volume, 0, &ours), Err(EncryptionError::Moved)));
    let wrong = take_over(&volume, b"another horse", &ours);
    assert!(matches!(wrong, Err(EncryptionError::WrongPassphrase)), "{wrong:?}");
    assert!(beside.exists() && fs::read(&volume).unwrap() == before, "nothing was changed");

    take_over(&volume, GOOD, &ours).unwrap();
    assert_eq!(marker(&volume, &ours), "a marker to look for");
    assert!(!beside.exists());
    assert!(matches!(open(&volume, 0, &theirs), Err(EncryptionError::WrongKey(_))), "it is ours alone");
    let again = take_over(&volume, GOOD, &ours);
    assert!(matches!(again, Err(EncryptionError::NotMoved)), "{again:?}");
    open_moved(&volume, 0, &ours).unwrap();
}

#[test]
fn one_that_was_half_taken_over_is_finished_by_its_next_start() {
    let (here, volume, theirs, ours) = moved();
    luks::add_slot(&volume, &theirs.0, &ours.0).unwrap();
    assert!(open(&volume, 0, &theirs).is_ok());
    open_moved(&volume, 0, &ours).unwrap();
    assert!(matches!(open(&volume, 0, &theirs), Err(EncryptionError::WrongKey(_))));
    assert!(!here.path("work").join(KEYRING_FILE).exists());
    assert_eq!(marker(&volume, &ours), "a marker to look for");
}

#[test]
fn one_that_came_back_to_its_own_computer_needs_no_passphrase() {
    let (here, volume, theirs, _) = moved();
    open_moved(&volume, 0, &theirs).unwrap();
    assert!(!here.path("work").join(KEYRING_FILE).exists());
    assert_eq!(marker(&volume, &theirs), "a marker to look for");
}

#[test]
fn a_taken_over_volume_whose_keyring_is_damaged_stays_as_it_is() {
    let (here, volume, theirs, ours) = moved();
    let beside = here.path("work").join(KEYRING_FILE);
    fs::write(&beside, b"no keyring").unwrap();
    let before = fs::read(&volume).unwrap();
    assert!(matches!(take_over(&volume, GOOD, &ours), Err(EncryptionError::Header(_))));
    assert!(fs::read(&volume).unwrap() == before);
    assert!(open(&volume, 0, &theirs).is_ok());
}

#[test]
fn files_that_are_no_volumes_are_said() {
    let place = Place::new();
    let master = place.keyring.create(GOOD, Slot::CheapPassphrase).unwrap();
    let path = place.path("short");
    fs::write(&path, "x").unwrap();
    assert!(matches!(open(&path, 0, &master), Err(EncryptionError::Header(_))));
    let (whole, _) = (place.path("whole"), open(&place.path("whole"), MIB, &master).unwrap());
    File::options().write(true).open(&whole).unwrap().set_len(MIB).unwrap();
    let error = open(&whole, 0, &master).unwrap_err();
    assert!(matches!(error, EncryptionError::Header(_) | EncryptionError::Refused { .. }), "{error}");
    let error = open(&place.path("no/such"), 0, &master).unwrap_err().to_string();
    assert!(error.contains("no/such") && error.lines().count() == 1, "{error}");
}

#[test]
fn what_was_erased_is_gone_for_good() {
    let place = Place::new();
    let (path, master) = place.volume();
    erase(&path).unwrap();
    assert!(matches!(open(&path, 0, &master), Err(EncryptionError::Header(_))));
    let raw = fs::read(&path).unwrap();
    assert!(raw[..16 << 20].iter().all(|byte| *byte == 0));
    assert!(raw[16 << 20..].iter().any(|byte| *byte != 0), "only the header is overwritten");
    // Nothing that is not encrypted is touched.
    let plain = place.path("plain");
    fs::write(&plain, "LUKS, some text").unwrap();
    erase(&plain).unwrap();
    assert_eq!(fs::read(&plain).unwrap(), b"LUKS, some text");
    erase(&place.path("none")).unwrap();
}

#[test]
fn a_plain_volume_becomes_an_encrypted_one() {
    let place = Place::new();
    let master = place.keyring.create(GOOD, Slot::CheapPassphrase).unwrap();
    let (plain, new) = (place.path("plain"), place.path("new"));
    let file = File::create(&plain).unwrap();
    file.set_len(5 * MIB + 100).unwrap();
    file.write_all_at(b"a marker to look for", 2 * MIB).unwrap();
    let files = VolumeFiles::of(plain.parent().unwrap(), "plain");
    encrypt(&files, &new, &master).unwrap();
    assert!(!plain.exists());
    let payload = payload(&new, &master);
    assert_eq!(payload.size(), 5 * MIB + 512);
    let mut found = vec![1; payload.size() as usize];
    payload.read(&mut found, 0).unwrap();
    let mut expected = vec![0; found.len()];
    expected[2 << 20..][..20].copy_from_slice(b"a marker to look for");
    assert!(found == expected, "holes are zeros too");
}

fn text(length: u64) -> Vec<u8> {
    let mut text: Vec<u8> =
        (0..).flat_map(|n: u32| format!("{n:015}\n").into_bytes()).take(length as usize).collect();
    text.resize(length as usize, 0);
    text
}

/// Somebody else's implementation of the whole format writes, and this one reads.
#[test]
fn what_cryptsetup_enciphers_is_read() {
    let place = Place::new();
    let master = place.keyring.create(GOOD, Slot::CheapPassphrase).unwrap();
    let key_file = place.path("key");
    fs::write(&key_file, &*master.0).unwrap();
    for sector in ["512", "4096"] {
        let path = place.path(sector);
        fs::write(&path, text(2 * MIB)).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(34 * MIB).unwrap();
        let slot =
            ["--pbkdf=pbkdf2", "--pbkdf-force-iterations=1000", "--key-file", key_file.to_str().unwrap()];
        let form = ["reencrypt", "--encrypt", "--type=luks2", "--reduce-device-size=32m", "--key-size=512"];
        cryptsetup(
            &[&form[..], &slot, &["--cipher=aes-xts-plain64", "--sector-size", sector]].concat(),
            &path,
        );
        let mut found = vec![0; 2 << 20];
        payload(&path, &master).read(&mut found, 0).unwrap();
        assert!(found == text(2 * MIB), "sectors of {sector}");
    }
}

/// And the other way round: its owner can read a volume without Transom, from the passphrase on.
#[test]
fn what_is_enciphered_here_is_read_by_cryptsetup() {
    let place = Place::new();
    let (path, master) = place.volume();
    payload(&path, &master).write(&mut text(MIB), 0).unwrap();
    let (pass, key, header) = (place.path("pass"), place.path("key"), place.path("header"));
    fs::write(&pass, GOOD).unwrap();
    let dump = ["luksDump", "--dump-volume-key", "--volume-key-file", key.to_str().unwrap()];
    cryptsetup(&[&dump[..], &["--key-file", pass.to_str().unwrap()]].concat(), place.keyring.path());
    let decrypt =
        ["reencrypt", "--decrypt", "--force-offline-reencrypt", "--header", header.to_str().unwrap()];
    cryptsetup(&[&decrypt[..], &["--key-file", key.to_str().unwrap()]].concat(), &path);
    let found = fs::read(&path).unwrap();
    assert!(found[..1 << 20] == text(MIB));
    assert_eq!(&found[2 << 20..][..20], b"a marker to look for");
}
