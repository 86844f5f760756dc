//! What a machine stores: it lasts, grows and is copied.

use std::fs;

use transom_tests::process::until;

use super::{
    lab::Lab,
    life::needs_recovery,
    network::{NETWORKED, as_root, networked},
};

#[test]
fn a_volume_grows_and_is_cloned() {
    let Some(lab) = Lab::new() else { return };
    networked(&lab);
    let machine = "memory \"512MiB\"\nvolume \"256MiB\"\nencryption \"off\"";
    lab.create_from(NETWORKED, lab.backend, "work", "blue", machine);
    lab.start("work");
    assert_eq!(lab.ends_with("work", "echo mine > ~/kept"), 0);
    let refused = lab.house.run(&["qube", "clone", "work", "copy"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("work is running"), "{refused:?}");
    lab.house.must(&["qube", "stop", "work"]);

    let file = lab.data().join("qubes/work/qube.kdl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("256MiB", "640MiB")).unwrap();
    lab.house.must(&["qube", "clone", "work", "copy"]);
    lab.house.must(&["qube", "rename", "work", "office"]);
    let shared = shared(&lab, "copy");
    assert_eq!(shared, self::shared(&lab, "office"));
    let kept = "test $(cat ~/kept) = mine && test $(df -m --output=size ~ | tail -n 1) -gt 500";
    for qube in ["copy", "office"] {
        let stages = lab.start(qube);
        assert!(stages.contains_key("volume-grown"), "{stages:?}\n{}", lab.log(qube));
        let script = format!("test $(hostname) = {qube} && {kept} && echo {qube} > ~/own && sync");
        assert_eq!(lab.ends_with(qube, &script), 0, "{}", lab.log(qube));
        // One is killed: it has what was brought to the disk.
        lab.house.must(&["qube", if qube == "copy" { "kill" } else { "stop" }, qube]);
        assert!(qube == "copy" || !needs_recovery(&lab, qube), "{}", lab.log(qube));
    }
    // It is that large already; and each has its own.
    let stages = lab.start("copy");
    assert!(!stages.contains_key("volume-grown") && !stages.contains_key("volume-made"), "{stages:?}");
    assert_eq!(lab.ends_with("copy", &format!("test $(cat ~/own) = copy && {kept}")), 0);
    gives_back(&lab, "copy", 48);
    // What is shared is there for the other one when one is gone, and was never written.
    lab.house.must(&["qube", "kill", "copy"]);
    lab.house.must(&["qube", "remove", "--yes", "copy"]);
    assert_eq!(shared, self::shared(&lab, "office"));
    // Less is not given: what is there stays.
    let file = lab.data().join("qubes/office/qube.kdl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("640MiB", "128MiB")).unwrap();
    lab.start("office");
    assert_eq!(lab.ends_with("office", &format!("test $(cat ~/own) = office && {kept}")), 0);
}

/// KiB that a qube's volume takes of dom0's disk; without what it shares.
fn stored(lab: &Lab, qube: &str) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let dir = lab.data().join("qubes").join(qube);
    let names = ["private.img.overlay", "private.luks.overlay", "private.luks", "private.img"];
    let own = names.map(|name| dir.join(name)).into_iter().find(|path| path.exists()).unwrap();
    fs::metadata(&own).unwrap().blocks() / 2
}

/// What a guest deletes and gives back is free on dom0's disk: so many MiB, as root.
pub(crate) fn gives_back(lab: &Lab, qube: &str, mib: u64) {
    let write = format!("head -c {mib}M /dev/urandom > ~/large && sync");
    let free = "rm /home/user/large && sync && fstrim -v /rw";
    // Once more if need be: a file system that has just grown goes on writing its tables for a while, as much
    // as this and more, and blocks are free a moment after the journal says so.
    until("what was deleted is free", || {
        assert_eq!(lab.ends_with(qube, &write), 0, "{}", lab.log(qube));
        let full = stored(lab, qube);
        assert_eq!(as_root(lab, qube, free), 0, "{}", lab.log(qube));
        let after = stored(lab, qube);
        println!("{qube}: {full} KiB, and {after} after it gave {mib} MiB back");
        (after + (mib << 10) * 3 / 5 < full).then_some(())
    });
}

/// Nobody has to be root for that: a guest that ends in order gives back what was deleted.
pub(crate) fn stops_and_gives_back(lab: &Lab, qube: &str, mib: u64) {
    let write = format!("head -c {mib}M /dev/urandom > ~/large && sync && rm ~/large && sync");
    assert_eq!(lab.ends_with(qube, &write), 0, "{}", lab.log(qube));
    let before = stored(lab, qube);
    lab.house.must(&["qube", "stop", qube]);
    let after = stored(lab, qube);
    assert!(
        after + (mib << 10) * 3 / 5 < before,
        "{before} KiB, and {after} after its end: {}",
        lab.log(qube)
    );
}

/// The file that a qube's volume shares with clones: which it is, and a digest of what is in it. `None` if the
/// file system shares blocks by itself.
fn shared(lab: &Lab, qube: &str) -> Option<(u64, String)> {
    use std::os::unix::fs::MetadataExt as _;
    let path = lab.data().join("qubes").join(qube).join("private.img.base");
    let inode = fs::metadata(&path).ok()?.ino();
    let sum = std::process::Command::new("sha256sum").stdin(fs::File::open(path).unwrap()).output().unwrap();
    Some((inode, String::from_utf8(sum.stdout).unwrap()))
}

/// Saves a qube that has halted, and restores it from there under another name.
pub(crate) fn saves_and_restores(lab: &Lab, qube: &str, name: &str) {
    let key = lab.house.path().join("key");
    let made = std::process::Command::new("age-keygen").arg("-o").arg(&key).output().unwrap();
    assert!(made.status.success());
    let text = fs::read_to_string(&key).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let (key, backup) =
        (key.display().to_string(), lab.house.path().join("backup.age").display().to_string());
    let renamed = format!("{qube}={name}");
    for words in [
        &["create", "--qube", qube, "--recipient", public, &backup][..],
        &["verify", "--identity", &key, &backup],
        &["restore", "--qube", &renamed, "--identity", &key, &backup],
    ] {
        lab.house.must(&[&["backup"], words].concat());
        println!("{qube}: backup {}", words[0]);
    }
    fs::remove_file(backup).unwrap();
}
