//! Encrypted volumes go with what opens them.

use super::*;
use crate::encryption::{
    self, EncryptionError, KEYRING_FILE, Keyring, MasterKey, Payload, Slot, VolumeKey, open_moved, take_over,
};

const MARK: &[u8; 16] = b"kept all the way";

fn keyring(machine: &Machine, passphrase: &[u8]) -> MasterKey {
    Keyring::of(&machine.temp.path().join("data")).create(passphrase, Slot::CheapPassphrase).unwrap()
}

fn payload(path: &Path, key: &VolumeKey) -> Payload {
    let file = File::options().read(true).write(true).open(path).unwrap();
    Payload::new(file, &key.key, key.layout).unwrap()
}

#[test]
fn an_encrypted_volume_can_be_used_on_another_computer() {
    let (mut here, mut there) = (Machine::with_mail(), Machine::new());
    let theirs = keyring(&here, b"correct horse");
    let ours = keyring(&there, b"another horse");
    here.store.create(&name("work"), &QubeConfig::new(LabelName::new("blue").unwrap())).unwrap();
    let volume = here.store.encrypted_volume(&name("work"));
    let key = encryption::open(&volume, 4 << 20, &theirs).unwrap();
    payload(&volume, &key).write(&mut MARK.to_vec(), 1 << 20).unwrap();

    let key = x25519::Identity::generate();
    let backup = here.save(&["work", "mail"], &key);
    let archive = opened(&backup, &key).unwrap();
    let parts = |qube: usize| -> Vec<_> {
        archive.manifest().qubes[qube].parts.iter().map(|part| part.name.clone()).collect()
    };
    assert_eq!(parts(0), ["qube.kdl", "home"], "one without has no key");
    assert_eq!(parts(1), ["qube.kdl", "home", "private.luks", KEYRING_FILE]);
    let opener = archive.manifest().qubes[1].parts.last().unwrap();
    assert_eq!((opener.bytes, opener.size), (2 << 20, 3 << 20), "holes are holes");

    there.restore(&backup, &key).unwrap();
    let volume = there.store.encrypted_volume(&name("work"));
    assert!(matches!(open_moved(&volume, 0, &ours), Err(EncryptionError::Moved)));
    // A backup of it is whole, too.
    let onward = there.save(&["work"], &key);
    let mut third = Machine::new();
    third.restore(&onward, &key).unwrap();
    for (machine, master) in [(&there, &ours), (&third, &keyring(&third, b"the third horse"))] {
        let volume = machine.store.encrypted_volume(&name("work"));
        take_over(&volume, b"correct horse", master).unwrap();
        let mut found = [0; MARK.len()];
        let key = open_moved(&volume, 0, master).unwrap();
        payload(&volume, &key).read(&mut found, 1 << 20).unwrap();
        assert_eq!(&found, MARK);
    }
    // Taken over, it goes with the keyring of its new computer.
    let again = there.save(&["work"], &key);
    let mut third = Machine::new();
    third.restore(&again, &key).unwrap();
    let volume = third.store.encrypted_volume(&name("work"));
    take_over(&volume, b"another horse", &keyring(&third, b"the third horse")).unwrap();
}
