//! The passphrase, from a client's side.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use transom_hypervisor::{
    client::{Client, ClientError},
    encryption::{Keyring, Slot},
    supervisor::{ErrorBody, ErrorKind, KeyringState, ReplyBody, RequestBody, Storage},
};

use crate::harness::*;

const OLD: &[u8] = b"correct horse";
const NEW: &[u8] = b"another horse";

fn state(client: &mut Client) -> KeyringState {
    match call(client, RequestBody::Keyring).unwrap() {
        ReplyBody::Keyring { state } => state,
        other => panic!("{other:?}"),
    }
}

fn tell(client: &mut Client, body: RequestBody, passphrases: &[&[u8]]) -> Result<(), ErrorBody> {
    match client.call_with(body, passphrases, deadline()) {
        Ok(reply) => {
            assert_eq!(reply, ReplyBody::Done);
            Ok(())
        }
        Err(ClientError::Refused(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_passphrase_is_set_forgotten_and_changed() {
    let qubed = Qubed::start();
    let mut client = qubed.client();
    assert_eq!(state(&mut client), KeyringState::Missing);
    let refused = tell(&mut client, RequestBody::Unlock, &[OLD]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Locked, "{refused}");
    let refused = tell(&mut client, RequestBody::SetPassphrase, &[b"short"]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::BadRequest, "{refused}");
    tell(&mut client, RequestBody::SetPassphrase, &[OLD]).unwrap();
    assert_eq!(state(&mut client), KeyringState::Unlocked);
    let refused = tell(&mut client, RequestBody::SetPassphrase, &[NEW]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Exists, "{refused}");
    assert_eq!(call(&mut client, RequestBody::LockStore).unwrap(), ReplyBody::Done);
    assert_eq!(state(&mut client), KeyringState::Locked);
    let refused = tell(&mut client, RequestBody::Unlock, &[NEW]).unwrap_err();
    assert_eq!(
        (refused.kind, refused.message.as_str()),
        (ErrorKind::WrongPassphrase, "the passphrase is wrong")
    );
    assert_eq!(state(&mut client), KeyringState::Locked);

    tell(&mut client, RequestBody::ChangePassphrase, &[OLD, NEW]).unwrap();
    // It opens nothing by itself.
    assert_eq!(state(&mut client), KeyringState::Locked);
    assert_eq!(tell(&mut client, RequestBody::Unlock, &[OLD]).unwrap_err().kind, ErrorKind::WrongPassphrase);
    tell(&mut client, RequestBody::Unlock, &[NEW]).unwrap();
    assert_eq!(state(&mut client), KeyringState::Unlocked);
}

/// One that was made by somebody else, or damaged.
#[test]
fn passphrases_come_as_they_must() {
    let qubed = Qubed::start();
    let data = qubed.temp.path().join("data");
    Keyring::of(&data).create(OLD, Slot::CheapPassphrase).unwrap();
    let mut client = qubed.client();
    for wrong in [&[][..], &[OLD, NEW], &[&[b'x'; 2000]]] {
        let refused = tell(&mut client, RequestBody::Unlock, wrong).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::BadRequest, "{refused}");
    }
    // Somebody asks while another one's passphrase is tried, and goes away.
    client.send(RequestBody::Ping).unwrap();
    tell(&mut qubed.client(), RequestBody::Unlock, &[OLD]).unwrap();
    assert_eq!(state(&mut qubed.client()), KeyringState::Unlocked);

    // Its memory is root's alone, which shows where it is not root's itself; the key's page is locked.
    if !rustix::process::geteuid().is_root() {
        let memory = fs::metadata(format!("/proc/{}/mem", qubed.pid())).unwrap();
        assert_eq!(memory.uid(), 0);
    }
    let locked = fs::read_to_string(Path::new("/proc").join(qubed.pid().to_string()).join("status")).unwrap();
    let locked = locked.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    assert!(!locked.trim().starts_with("0 "), "the key may be swapped out: {locked}");
    call(&mut client, RequestBody::LockStore).unwrap();
    let unlocked = fs::read_to_string(format!("/proc/{}/status", qubed.pid())).unwrap();
    let unlocked = unlocked.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    assert!(unlocked.trim().starts_with("0 "), "it is still there: {unlocked}");
}

/// A sandbox stores where dom0 does, and says so.
#[test]
fn a_sandbox_claims_no_encryption() {
    let qubed = Qubed::start();
    qubed.create("work", "good");
    assert_eq!(info(&mut qubed.client(), "work").unwrap().storage, Storage::Directory);
    let refused = call(&mut qubed.client(), RequestBody::Encrypt { qube: name("work") }).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::BadRequest, "{refused}");
    if can_sandbox() {
        // It needs no passphrase.
        start(&mut qubed.client(), "work").unwrap();
    }
}

/// A volume that came from another computer, in a backup.
#[test]
fn a_volume_is_taken_over() {
    let qubed = Qubed::start();
    let mut client = qubed.client();
    qubed.create("work", "good");
    let over = || RequestBody::TakeOver { qube: name("work") };
    let take =
        |client: &mut Client, passphrase: &[u8]| match client.call_with(over(), &[passphrase], deadline()) {
            Ok(ReplyBody::Qube { qube }) => Ok(qube),
            Ok(other) => panic!("{other:?}"),
            Err(ClientError::Refused(error)) => Err(error),
            Err(error) => panic!("{error}"),
        };
    let refused = take(&mut client, OLD).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::BadRequest, "it has none: {refused}");
    let dir = qubed.qube_dir("work");
    let theirs = Keyring::of(&dir).create(OLD, Slot::CheapPassphrase).unwrap();
    let volume = dir.join("private.luks");
    transom_hypervisor::encryption::open(&volume, 1 << 20, &theirs).unwrap();
    let refused = take(&mut client, OLD).unwrap_err();
    assert!(refused.kind == ErrorKind::Locked && refused.message.contains("transom unlock"), "{refused}");
    Keyring::of(&qubed.temp.path().join("data")).create(NEW, Slot::CheapPassphrase).unwrap();
    tell(&mut client, RequestBody::Unlock, &[NEW]).unwrap();
    assert_eq!(take(&mut client, NEW).unwrap_err().kind, ErrorKind::WrongPassphrase);
    assert_eq!(take(&mut client, OLD).unwrap().name, name("work"));
    let refused = take(&mut client, OLD).unwrap_err();
    assert!(refused.message.contains("already"), "{refused}");
    let ours = Keyring::of(&qubed.temp.path().join("data")).open(NEW).unwrap();
    transom_hypervisor::encryption::open(&volume, 0, &ours).unwrap();
}
