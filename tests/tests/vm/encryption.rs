//! What a machine stores cannot be read without the passphrase, by whoever has dom0's disk.

use std::{
    fs::{self, File},
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};
use transom_hypervisor::image::DEFAULT_NAME;
use transom_tests::{figure::figure, process::until, procs};

use super::{
    lab::{Lab, PASSPHRASE},
    life::needs_recovery,
    network::with_root,
    volume,
};

/// Written by a guest, which puts it together itself: it is in no command line.
const MARKER: &str = "what nobody else may read";
const WRITE: &str = "printf '%s %s %s\\n' 'what nobody' else 'may read' > ~/kept && sync";

/// Everything in a file that is no hole.
fn extents(file: &File, mut each: impl FnMut(&[u8])) {
    let mut at = 0;
    while let Ok(start) = rustix::fs::seek(file, rustix::fs::SeekFrom::Data(at)) {
        let end = rustix::fs::seek(file, rustix::fs::SeekFrom::Hole(start)).unwrap();
        let mut bytes = vec![0; (end - start) as usize];
        file.read_exact_at(&mut bytes, start).unwrap();
        each(&bytes);
        at = end;
    }
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(bytes, what).is_some()
}

/// Every file below a directory, but images.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    let each = entries.flat_map(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => files(&entry.path()),
        kind if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    });
    each.collect()
}

/// Fails if one of these is anywhere on dom0's disk.
fn is_nowhere(lab: &Lab, secrets: &[(&str, &[u8])]) {
    for path in files(lab.house.path()) {
        let file = File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        extents(&file, |bytes| {
            for (name, secret) in secrets {
                assert!(!holds(bytes, secret), "{name} is in {}", path.display());
            }
        });
    }
}

/// Guest RAM, of a process of the machine.
fn ram(pid: u32) -> Option<File> {
    let links = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    links.filter_map(Result::ok).find_map(|link| {
        let name = fs::read_link(link.path()).ok()?;
        name.to_string_lossy().starts_with("/memfd:").then(|| File::open(link.path()).ok())?
    })
}

/// Writes something in a qube, and fails if its volume's key is then in its RAM, or in what any process
/// shows of itself.
pub(crate) fn no_key_outside(lab: &Lab, qube: &str) {
    assert_eq!(lab.info(qube)["storage"], "encrypted");
    assert_eq!(lab.ends_with(qube, WRITE), 0, "{}", lab.log(qube));
    assert_eq!(lab.ends_with(qube, "cat ~/kept > /dev/null"), 0);
    let key = lab.volume_key(qube).key;
    let pid = lab.info(qube)["pid"].as_u64().unwrap() as u32;
    let hex: Vec<String> = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.concat();
    // Half of it is a key of its own, and enough to look for.
    for process in
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok())
    {
        for what in ["cmdline", "environ"] {
            let shown = fs::read(format!("/proc/{process}/{what}")).unwrap_or_default();
            let found = [&key[..32], &key[32..], &hex.as_bytes()[..64], PASSPHRASE.as_bytes()];
            assert!(!found.iter().any(|secret| holds(&shown, secret)), "{process}: {what}");
        }
    }
    let ram = procs::family(pid).into_iter().find_map(ram).expect("the guest's RAM");
    let (mut bytes, mut marker) = (0, false);
    extents(&ram, |part| {
        bytes += part.len();
        marker |= holds(part, MARKER.as_bytes());
        assert!(!holds(part, &key[..32]) && !holds(part, &key[32..]), "the volume's key is in guest RAM");
    });
    assert!(bytes > 64 << 20 && marker, "that is no guest's RAM: {bytes} bytes, the marker in it: {marker}");
}

/// Ends what serves a qube's volume to its QEMU.
fn kill_server(lab: &Lab, qube: &str) {
    let run_dir = lab.house.path().join("qubes").join(qube);
    let is_it = |pid: &u32| {
        let link = |what: &str| fs::read_link(format!("/proc/{pid}/{what}")).ok();
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "transom-volume")
            && link("cwd").as_ref() == Some(&run_dir)
    };
    let names =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    let pid = names.filter_map(|name| name.parse().ok()).find(is_it).expect("a server");
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
}

#[test]
fn what_a_guest_stores_is_nowhere_to_be_read() {
    let Some(lab) = Lab::new() else { return };
    with_root(&lab, DEFAULT_NAME, DEFAULT_NAME);
    lab.create("work", "blue", "memory \"512MiB\"\nvolume \"256MiB\"");
    // Locked.
    let refused = lab.house.run(&["qube", "start", "work"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("transom unlock") && said.lines().count() == 1, "{said}");
    let wrong = lab.unlock("incorrect horse");
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && said.contains("the passphrase is wrong"), "{said}");

    let stages = lab.start("work");
    assert!(stages.contains_key("volume-made"), "{stages:?}");
    no_key_outside(&lab, "work");
    let figures = "dd if=/dev/zero of=$HOME/large bs=1M count=48 conv=fsync 2>/dev/null && rm $HOME/large";
    let begin = std::time::Instant::now();
    assert_eq!(lab.ends_with("work", figures), 0);
    figure("vm.encrypted_write_s", begin.elapsed().as_secs_f64(), "s", 1);
    volume::gives_back(&lab, "work", 24);
    // What is locked meanwhile stays open for whoever has it.
    lab.house.must(&["lock-store"]);
    assert_eq!(lab.ends_with("work", "echo more >> ~/kept && sync"), 0);
    volume::stops_and_gives_back(&lab, "work", 8);
    assert!(!needs_recovery(&lab, "work"), "{}", lab.log("work"));
    let key = lab.volume_key("work").key;
    is_nowhere(
        &lab,
        &[
            ("the marker", MARKER.as_bytes()),
            ("the key", &key[..32]),
            ("the key", &key[32..]),
            ("the passphrase", PASSPHRASE.as_bytes()),
        ],
    );
    let refused = lab.house.run(&["qube", "start", "work"]);
    assert!(!refused.status.success());

    // A copy has the same key in a slot of its own, and the original is gone for good.
    lab.house.must(&["qube", "clone", "work", "copy"]);
    lab.house.must(&["qube", "remove", "--yes", "work"]);
    let stages = lab.start("copy");
    assert!(!stages.contains_key("volume-made"), "{stages:?}");
    assert_eq!(lab.ends_with("copy", &format!("test \"$(cat ~/kept)\" = '{MARKER}\nmore'")), 0);
    kill_server(&lab, "copy");
    let reason = until("the machine ends with its disk", || {
        lab.info("copy")["state"]["reason"].as_str().map(str::to_owned)
    });
    assert!(reason.contains("server of its volume"), "{reason}");

    // A lost slot is said, and no guest starts.
    let volume = lab.data().join("qubes/copy/private.luks.header");
    File::options().write(true).open(&volume).unwrap().write_all_at(&vec![0; 1 << 16], 32 << 10).unwrap();
    let refused = lab.house.run(&["qube", "start", "copy"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("key slot") && said.lines().count() == 1, "{said}");
}

#[test]
fn a_plain_volume_is_encrypted_with_all_that_is_in_it_and_saved() {
    let Some(lab) = Lab::new() else { return };
    lab.create("work", "blue", "memory \"512MiB\"\nvolume \"128MiB\"\nencryption \"off\"");
    assert_eq!(lab.info("work")["storage"], "plain");
    lab.start("work");
    assert_eq!(lab.ends_with("work", WRITE), 0, "{}", lab.log("work"));
    let refused = lab.house.run(&["qube", "encrypt", "work"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("work is running"), "{refused:?}");
    lab.house.must(&["qube", "stop", "work"]);
    let plain = lab.data().join("qubes/work/private.img");
    let mut found = false;
    extents(&File::open(&plain).unwrap(), |bytes| found |= holds(bytes, MARKER.as_bytes()));
    assert!(found, "the search does not find what is there");

    lab.house.must(&["qube", "encrypt", "work"]);
    assert!(!plain.exists());
    assert_eq!(lab.info("work")["storage"], "encrypted");
    // It is saved, and comes back under another name.
    volume::saves_and_restores(&lab, "work", "office");
    assert_eq!(lab.info("office")["storage"], "encrypted");
    is_nowhere(&lab, &[("the marker", MARKER.as_bytes())]);
    lab.house.must(&["qube", "remove", "work", "--yes"]);
    let stages = lab.start("office");
    assert!(!stages.contains_key("volume-made"), "{stages:?}");
    assert_eq!(lab.ends_with("office", &format!("test \"$(cat ~/kept)\" = '{MARKER}'")), 0);
    lab.house.must(&["qube", "stop", "office"]);
    assert!(!needs_recovery(&lab, "office"), "{}", lab.log("office"));
}

/// A qube that has the marker in its encrypted volume, and has halted, is cloned. Both go on, and neither hears of
/// what the other writes. One is saved then, and comes back under another name with all that it had; the other one has
/// all of it after another start.
pub(crate) fn clones_go_apart(lab: &Lab, qube: &str) {
    lab.house.must(&["qube", "clone", qube, "copy"]);
    let dir = |qube: &str| lab.data().join("qubes").join(qube);
    // The machine's disk shares no blocks by itself.
    let shared = |qube: &str| {
        assert!(dir(qube).join("private.luks.overlay").exists());
        let base = fs::metadata(dir(qube).join("private.luks.base")).unwrap();
        (base.ino(), base.blocks(), base.modified().unwrap())
    };
    let before = shared(qube);
    assert_eq!(before, shared("copy"));
    let (backend, storage) = (lab.info("copy")["backend"].clone(), lab.info("copy")["storage"].clone());
    assert_eq!((&backend, &storage), (&lab.info(qube)["backend"], &"encrypted".into()));
    let kept = format!("test \"$(cat ~/kept)\" = '{MARKER}");
    let noise = "head -c 3000000 /dev/urandom > ~/noise && sha256sum ~/noise > ~/sum && sync";
    for (qube, script) in [
        ("copy", format!("{kept}' && {noise}")),
        (qube, format!("{kept}' && test ! -e ~/noise && echo more >> ~/kept && sync")),
        ("restored", format!("{kept}' && sha256sum --check --quiet ~/sum")),
        (qube, format!("{kept}\nmore' && test ! -e ~/noise")),
    ] {
        if qube == "restored" {
            volume::saves_and_restores(lab, "copy", qube);
            assert_eq!(
                (&lab.info(qube)["backend"], &lab.info(qube)["storage"]),
                (&backend, &"encrypted".into())
            );
        }
        let stages = lab.start(qube);
        assert!(!stages.contains_key("volume-made"), "{stages:?}");
        assert_eq!(lab.ends_with(qube, &script), 0, "{qube}: {script}\n{}", lab.log(qube));
        if qube == "copy" {
            volume::gives_back(lab, qube, 12);
        }
        lab.house.must(&["qube", "stop", qube]);
        assert!(!needs_recovery(lab, qube), "{}", lab.log(qube));
    }
    assert_eq!((before, before), (shared(qube), shared("copy")), "what they share was written");
    is_nowhere(lab, &[("the marker", MARKER.as_bytes())]);
}
