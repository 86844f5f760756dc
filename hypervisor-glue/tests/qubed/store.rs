//! Clones and new names.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use transom_hypervisor::{
    store::Store,
    supervisor::{BackendChoice, ErrorBody, ErrorKind, QubeInfo, QubeState, ReplyBody, RequestBody},
};

use crate::harness::*;

fn clone(qubed: &Qubed, from: &str, to: &str) -> Result<QubeInfo, ErrorBody> {
    let body = RequestBody::Clone { qube: name(from), name: name(to) };
    call(&mut qubed.client(), body).map(|reply| match reply {
        ReplyBody::Qube { qube } => qube,
        other => panic!("{other:?}"),
    })
}

fn rename(qubed: &Qubed, from: &str, to: &str) -> Result<ReplyBody, ErrorBody> {
    call(&mut qubed.client(), RequestBody::Rename { qube: name(from), name: name(to) })
}

/// Everything below a directory: path, mode, what is in it.
fn tree(dir: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = if meta.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if meta.is_file() {
                fs::read(&path).unwrap()
            } else {
                Vec::new()
            };
            if meta.is_dir() {
                dirs.push(path.clone());
            }
            found.push((path.strip_prefix(dir).unwrap().display().to_string(), meta.mode(), content));
        }
    }
    found.sort();
    found
}

#[test]
fn a_clone_has_all_that_the_original_has() {
    let qubed = Qubed::start();
    qubed.create_with("work", "good", "limits {\n    tasks 77 // enough\n}");
    let dir = qubed.qube_dir("work");
    let home = dir.join("home");
    fs::create_dir_all(home.join("deep/er")).unwrap();
    fs::write(home.join("deep/er/\u{1b}[31m odd\nname"), "odd").unwrap();
    fs::write(home.join("-rf"), "an option?").unwrap();
    fs::set_permissions(home.join("-rf"), fs::Permissions::from_mode(0o711)).unwrap();
    // It leads out of the qube, and is a link still.
    symlink("/etc/hostname", home.join("link")).unwrap();
    fs::hard_link(home.join("-rf"), home.join("second name")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        home.join("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let volume = File::create(dir.join("private.img")).unwrap();
    volume.set_len(1 << 40).unwrap();
    volume.write_all_at(b"in the middle", 1 << 39).unwrap();
    fs::create_dir_all(dir.join("log")).unwrap();
    fs::write(dir.join("log/console.log"), "old").unwrap();

    let info = clone(&qubed, "work", "work-2").unwrap();
    assert_eq!(
        (info.name.as_str(), info.label.as_str(), &info.state),
        ("work-2", "blue", &QubeState::Halted)
    );
    let copy = qubed.qube_dir("work-2");
    assert_eq!(fs::metadata(&copy).unwrap().mode() & 0o777, 0o700);
    assert_eq!(tree(&copy.join("home")), tree(&home));
    assert_eq!(fs::metadata(copy.join("home/-rf")).unwrap().nlink(), 2);
    assert_eq!(fs::read(copy.join("qube.kdl")).unwrap(), fs::read(dir.join("qube.kdl")).unwrap());
    assert!(!copy.join("log").exists());
    let files =
        Store::open(copy.parent().unwrap().parent().unwrap()).unwrap().volume_files(&name("work-2"), false);
    let volume = files.open(false).unwrap();
    let mut bytes = [0; 13];
    volume.read(&mut bytes, 1 << 39).unwrap();
    assert_eq!((&bytes, volume.size().unwrap()), (b"in the middle", 1 << 40));
    let blocks: u64 = files.all().map(|file| fs::metadata(file).unwrap().blocks()).sum();
    assert!(blocks < 1 << 12, "holes are holes");

    assert_eq!(clone(&qubed, "work", "work-2").unwrap_err().kind, ErrorKind::Exists);
    assert_eq!(clone(&qubed, "nobody", "somebody").unwrap_err().kind, ErrorKind::NoSuchQube);
    // It stands for itself.
    call(&mut qubed.client(), RequestBody::Remove { qube: name("work") }).unwrap();
    assert_eq!(fs::read(copy.join("home/-rf")).unwrap(), b"an option?");
}

#[test]
fn nothing_happens_to_a_qube_that_is_being_cloned() {
    let temp = tempfile::tempdir().unwrap();
    // Stands for a large volume: it copies when it is told to.
    let bin = temp.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let path = std::env::var("PATH").unwrap();
    let go = temp.path().join("go");
    let script = format!(
        "#!/bin/sh\nuntil [ -e '{}' ]; do sleep 0.02; done\nPATH='{path}'; exec setpriv \"$@\"\n",
        go.display()
    );
    fs::write(bin.join("setpriv"), script).unwrap();
    fs::set_permissions(bin.join("setpriv"), fs::Permissions::from_mode(0o755)).unwrap();
    let qubed = Qubed::start_from(temp, &[], &format!("{}:{path}", bin.display()));
    qubed.create("work", "good");
    let mut waiting = qubed.client();
    std::thread::scope(|scope| {
        let body = RequestBody::Clone { qube: name("work"), name: name("copy") };
        let cloned = scope.spawn(|| call(&mut waiting, body));
        let new = qubed.qube_dir(".new-copy");
        let limit = deadline();
        while !new.exists() {
            assert!(std::time::Instant::now() < limit, "it does not begin");
            std::thread::yield_now();
        }
        let refused = |body| {
            let refusal = call(&mut qubed.client(), body).unwrap_err();
            assert_eq!(refusal.kind, ErrorKind::NotHalted, "{refusal}");
            refusal.message
        };
        let [work, copy] = ["work", "copy"].map(name);
        assert!(refused(RequestBody::Start { qube: work.clone() }).contains("is being cloned"));
        refused(RequestBody::Remove { qube: work.clone() });
        refused(RequestBody::Rename { qube: work.clone(), name: name("other") });
        assert!(
            refused(RequestBody::Clone { qube: work.clone(), name: copy.clone() }).contains("is being made")
        );
        let label = transom_hypervisor::supervisor::LabelName::new("red").unwrap();
        refused(RequestBody::Create {
            name: copy,
            label,
            template: None,
            backend: BackendChoice::Auto,
            plain: false,
        });
        // Everybody else is served.
        create(&mut qubed.client(), "mail").unwrap();
        assert_eq!(qubed.client().list(deadline()).unwrap().len(), 2);
        fs::write(&go, "").unwrap();
        cloned.join().unwrap().unwrap();
    });
    assert!(rename(&qubed, "work", "other").is_ok());
}

#[test]
fn a_clone_that_fails_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let bin = temp.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let script = "#!/bin/sh\necho 'cp: error writing \u{1b}[2J: No space left on device' >&2; exit 1\n";
    fs::write(bin.join("setpriv"), script).unwrap();
    fs::set_permissions(bin.join("setpriv"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let qubed = Qubed::start_from(temp, &[], &path);
    qubed.create("work", "good");
    let refusal = clone(&qubed, "work", "copy").unwrap_err();
    assert!(refusal.message.ends_with("the disk is full; free some space"), "{refusal}");
    assert!(!qubed.qube_dir("copy").exists() && !qubed.qube_dir(".new-copy").exists());
    assert_eq!(qubed.client().list(deadline()).unwrap().len(), 1);
}

#[test]
fn a_new_name() {
    let qubed = Qubed::start();
    qubed.create("work", "good");
    qubed.create("mail", "good");
    fs::create_dir_all(qubed.qube_dir("work").join("home")).unwrap();
    fs::write(qubed.qube_dir("work").join("home/file"), "mine").unwrap();
    let mut watcher = attach(&qubed);
    await_state(&mut watcher, "work", |state| *state == QubeState::Halted);
    assert_eq!(rename(&qubed, "work", "mail").unwrap_err().kind, ErrorKind::Exists);
    rename(&qubed, "work", "office").unwrap();
    await_state(&mut watcher, "office", |state| *state == QubeState::Halted);
    assert_eq!(fs::read(qubed.qube_dir("office").join("home/file")).unwrap(), b"mine");
    assert_eq!(rename(&qubed, "work", "other").unwrap_err().kind, ErrorKind::NoSuchQube);
    // Its clients would lose it.
    qubed.create_with("client", "good", "network \"office\"");
    let refusal = rename(&qubed, "office", "work").unwrap_err();
    assert!(refusal.message.contains("the network of client goes through office"), "{refusal}");
    if can_sandbox() {
        start(&mut qubed.client(), "mail").unwrap();
        assert_eq!(rename(&qubed, "mail", "post").unwrap_err().kind, ErrorKind::NotHalted);
        assert_eq!(clone(&qubed, "mail", "post").unwrap_err().kind, ErrorKind::NotHalted);
    }
}

/// A file system of its own, whose files can share blocks.
struct Xfs {
    dir: tempfile::TempDir,
}

impl Xfs {
    /// `Err`: why there can be none.
    fn mount() -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        File::create(&image).unwrap().set_len(400 << 20).unwrap();
        let xfs = Self { dir };
        fs::create_dir(xfs.path()).unwrap();
        xfs.run("mkfs.xfs", &["-q", "-m", "reflink=1"], &image)?;
        xfs.run("mount", &["-o", "loop", "-t", "xfs"], &image)?;
        Ok(xfs)
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("mounted")
    }

    fn run(&self, program: &str, options: &[&str], image: &Path) -> Result<(), String> {
        let mut command = std::process::Command::new(program);
        command.args(options).arg(image);
        if program == "mount" {
            command.arg(self.path());
        }
        match command.output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
            Err(error) => Err(format!("{program}: {error}")),
        }
    }

    fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(self.path()).unwrap();
        stat.f_bfree * stat.f_frsize
    }
}

impl Drop for Xfs {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

#[test]
fn a_clone_shares_its_blocks_where_the_file_system_can() {
    let xfs = match Xfs::mount() {
        Ok(xfs) => xfs,
        Err(missing) => {
            println!("SKIP no file system with shared blocks: {missing}");
            return;
        }
    };
    let qubed = Qubed::start_in(tempfile::tempdir_in(xfs.path()).unwrap(), &[]);
    qubed.create("work", "good");
    // More than half of what there is.
    let megabyte: Vec<u8> = (0..1 << 20).map(|n: u32| (n >> 12 ^ n) as u8).collect();
    let volume = File::create(qubed.qube_dir("work").join("private.img")).unwrap();
    for at in 0..200 {
        volume.write_all_at(&megabyte, at << 20).unwrap();
    }
    volume.sync_all().unwrap();
    let before = xfs.free();
    clone(&qubed, "work", "copy").unwrap();
    assert!(before - xfs.free() < 8 << 20, "{} bytes of a clone are its own", before - xfs.free());
    let copy = File::options().write(true).open(qubed.qube_dir("copy").join("private.img")).unwrap();
    copy.write_all_at(b"another", 5 << 20).unwrap();
    let mut bytes = [0; 7];
    let volume = File::open(qubed.qube_dir("work").join("private.img")).unwrap();
    volume.read_exact_at(&mut bytes, 5 << 20).unwrap();
    assert_eq!(bytes, megabyte[..7]);
}
