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
    gives_back(&lab, "copy");
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

/// What a guest deletes and gives back is free on dom0's disk.
fn gives_back(lab: &Lab, qube: &str) {
    use std::os::unix::fs::MetadataExt as _;
    const MIB: u64 = 1 << 20;
    let dir = lab.data().join("qubes").join(qube);
    let own = ["private.img.overlay", "private.img"].map(|name| dir.join(name));
    let own = own.iter().find(|path| path.exists()).unwrap();
    let bytes = || fs::metadata(own).unwrap().blocks() * 512;
    let before = bytes();
    assert_eq!(lab.ends_with(qube, "head -c 50000000 /dev/urandom > ~/large && sync"), 0);
    until("it is stored", || (bytes() > before + 40 * MIB).then_some(()));
    assert_eq!(as_root(lab, qube, "rm /home/user/large && sync && fstrim -v /rw"), 0, "{}", lab.log(qube));
    until("it is free", || (bytes() < before + 20 * MIB).then_some(()));
    println!("{qube}: {} MiB, and {} MiB after it gave back", before / MIB, bytes() / MIB);
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

#[test]
fn a_saved_machine_comes_back_under_another_name() {
    let Some(lab) = Lab::new() else { return };
    lab.create("work", "blue", "memory \"512MiB\"\nvolume \"256MiB\"");
    lab.start("work");
    assert_eq!(lab.ends_with("work", "head -c 3000000 /dev/urandom > ~/kept && sha256sum ~/kept > ~/sum"), 0);
    let key = lab.house.path().join("key");
    let made = std::process::Command::new("age-keygen").arg("-o").arg(&key).output().unwrap();
    assert!(made.status.success());
    let text = fs::read_to_string(&key).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let backup = lab.house.path().join("backup.age").display().to_string();
    let create = ["backup", "create", "--qube", "work", "--recipient", public, &backup];
    let refused = lab.house.run(&create);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("work is running"), "{refused:?}");
    lab.house.must(&["qube", "stop", "work"]);
    lab.house.must(&create);
    let key = key.display().to_string();
    lab.house.must(&["backup", "verify", "--identity", &key, &backup]);
    lab.house.must(&["qube", "remove", "work", "--yes"]);
    lab.house.must(&["backup", "restore", "--qube", "work=office", "--identity", &key, &backup]);
    let stages = lab.start("office");
    assert!(!stages.contains_key("volume-made"), "{stages:?}");
    assert_eq!(lab.ends_with("office", "sha256sum --check --quiet ~/sum"), 0, "{}", lab.log("office"));
    lab.house.must(&["qube", "stop", "office"]);
    assert!(!needs_recovery(&lab, "office"), "{}", lab.log("office"));
}
