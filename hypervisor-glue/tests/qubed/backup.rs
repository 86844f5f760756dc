//! What is read and what is made by others: backups.

use std::fs;

use transom_hypervisor::{
    backup::{self, Archive, BackupError, Keys, Lock, Progress, Watch},
    client::Client,
    supervisor::{BackendChoice, ErrorBody, ErrorKind, LabelName, QubeState, ReplyBody, RequestBody},
};

use crate::harness::*;

fn held(client: &mut Client, body: RequestBody) -> Result<std::path::PathBuf, ErrorBody> {
    call(client, body).map(|reply| match reply {
        ReplyBody::Held { path } => path.into(),
        other => panic!("{other:?}"),
    })
}

fn hold(client: &mut Client, qube: &str) -> Result<std::path::PathBuf, ErrorBody> {
    held(client, RequestBody::Hold { qube: name(qube) })
}

fn reserve(client: &mut Client, qube: &str) -> Result<std::path::PathBuf, ErrorBody> {
    held(client, RequestBody::Reserve { name: name(qube) })
}

fn adopt(client: &mut Client, qube: &str) -> Result<ReplyBody, ErrorBody> {
    call(client, RequestBody::Adopt { name: name(qube) })
}

/// What nobody may do to a qube or name that somebody has.
fn all_is_refused(client: &mut Client, qube: &str, why: &str) {
    let label = LabelName::new("red").unwrap();
    let backend = BackendChoice::Auto;
    let to_a_qube = [
        RequestBody::Start { qube: name(qube) },
        RequestBody::Remove { qube: name(qube) },
        RequestBody::Rename { qube: name(qube), name: name("else") },
        RequestBody::Hold { qube: name(qube) },
    ];
    let to_a_name = [
        RequestBody::Create { name: name(qube), label, template: None, backend, plain: false },
        RequestBody::Clone { qube: name("mail"), name: name(qube) },
        RequestBody::Rename { qube: name("mail"), name: name(qube) },
        RequestBody::Reserve { name: name(qube) },
    ];
    let there = client.list(deadline()).unwrap().iter().any(|info| info.name.as_str() == qube);
    for body in if there { to_a_qube } else { to_a_name } {
        let refusal = call(client, body.clone()).unwrap_err();
        assert_eq!(refusal.kind, ErrorKind::NotHalted, "{body:?}: {refusal}");
        assert!(refusal.message.contains(why), "{body:?}: {refusal}");
    }
}

#[test]
fn nothing_happens_to_a_qube_that_is_being_saved() {
    let qubed = Qubed::start();
    qubed.create("work", "good");
    qubed.create("mail", "good");
    let mut saver = qubed.client();
    assert_eq!(hold(&mut saver, "work").unwrap(), qubed.qube_dir("work"));
    assert!(hold(&mut saver, "work").is_ok(), "it has it already");
    assert_eq!(hold(&mut saver, "nobody").unwrap_err().kind, ErrorKind::NoSuchQube);
    let mut other = qubed.client();
    all_is_refused(&mut other, "work", "work is being saved");
    // Others are served, and a copy disturbs nobody who reads.
    assert!(hold(&mut other, "mail").is_ok());
    call(&mut other, RequestBody::Clone { qube: name("work"), name: name("copy") }).unwrap();
    drop(saver);
    let limit = deadline();
    while hold(&mut other, "work").is_err() {
        assert!(std::time::Instant::now() < limit, "it stays with one who is gone");
    }
    fs::write(qubed.qube_dir("copy").join("qube.kdl"), "label 7").unwrap();
    assert_eq!(hold(&mut other, "copy").unwrap_err().kind, ErrorKind::BadQubeFile);
}

#[test]
fn a_name_is_kept_for_who_makes_a_qube() {
    let qubed = Qubed::start();
    qubed.create("mail", "good");
    let mut maker = qubed.client();
    let staging = reserve(&mut maker, "work").unwrap();
    assert_eq!(staging.parent().unwrap(), qubed.qube_dir("mail").parent().unwrap());
    let mut other = qubed.client();
    all_is_refused(&mut other, "work", "work is being restored");
    assert_eq!(reserve(&mut maker, "mail").unwrap_err().kind, ErrorKind::Exists);
    // Only what was made, and only by its maker.
    assert_eq!(adopt(&mut maker, "work").unwrap_err().kind, ErrorKind::Io);
    fs::create_dir_all(staging.join("qube/home")).unwrap();
    fs::write(staging.join("qube/qube.kdl"), "label \"green\"\n").unwrap();
    for name in ["work", "mail", "nobody"] {
        assert_eq!(adopt(&mut other, name).unwrap_err().kind, ErrorKind::BadRequest);
    }
    let mut watcher = qubed.client();
    call(&mut watcher, RequestBody::Events).unwrap();
    let ReplyBody::Qube { qube } = adopt(&mut maker, "work").unwrap() else { panic!() };
    assert_eq!((qube.label.as_str(), qube.state), ("green", QubeState::Halted));
    await_state(&mut watcher, "work", |state| *state == QubeState::Halted);
    assert!(qubed.qube_dir("work").join("home").is_dir());
    assert_eq!(adopt(&mut maker, "work").unwrap_err().kind, ErrorKind::BadRequest, "it is over");
    // A maker that is gone keeps nothing.
    reserve(&mut maker, "play").unwrap();
    drop(maker);
    let limit = deadline();
    while let Err(refusal) = create(&mut other, "play") {
        assert!(std::time::Instant::now() < limit, "{refusal}");
    }
}

struct Quiet;

impl Watch for Quiet {
    fn progress(&mut self, _: &Progress<'_>) {}
    fn note(&mut self, line: &str) {
        panic!("{line}");
    }
    fn go_on(&mut self) -> Result<(), BackupError> {
        Ok(())
    }
}

#[test]
fn from_one_machine_to_another() {
    let here = Qubed::start();
    here.create("work", "good");
    here.create("mail", "good");
    fs::create_dir_all(here.qube_dir("work").join("home")).unwrap();
    fs::write(here.qube_dir("work").join("home/file"), "mine").unwrap();
    let key = age::x25519::Identity::generate();
    let lock = || Lock::Recipients(vec![key.to_public()]);
    let names = [name("work"), name("mail")];
    if can_sandbox() {
        start(&mut here.client(), "work").unwrap();
        let error = backup::create(&mut here.client(), &names, lock(), Vec::new(), &mut Quiet).unwrap_err();
        assert!(error.to_string().contains("work is running; stop it first"), "{error}");
        stop(&mut here.client(), "work", 10_000).unwrap();
    }
    let saved = backup::create(&mut here.client(), &names, lock(), Vec::new(), &mut Quiet).unwrap();
    let there = Qubed::start();
    there.create("mail", "good");
    let keys = Keys::Identities(vec![key]);
    let plain = backup::open_stream(Box::new(std::io::Cursor::new(saved)), keys).unwrap();
    let mut archive = Archive::open(plain).unwrap();
    let wanted = [(name("work"), name("office")), (name("mail"), name("letters"))];
    backup::restore(&mut there.client(), &mut archive, Some(&wanted), None, &mut Quiet).unwrap();
    let all: Vec<_> = there.client().list(deadline()).unwrap().into_iter().map(|qube| qube.name).collect();
    assert_eq!(all, ["letters", "mail", "office"].map(name));
    assert_eq!(fs::read_to_string(there.qube_dir("office").join("home/file")).unwrap(), "mine");
    if can_sandbox() {
        start(&mut there.client(), "office").unwrap();
    }
}
