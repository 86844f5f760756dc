//! How a machine of QEMU runs and ends in dom0: as nobody else, and politely even if its agent is deaf.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use transom_tests::process::until;

use super::{lab::Lab, life::needs_recovery};

/// Processes of dom0 that stand in this folder.
fn processes_in(folder: &Path) -> Vec<PathBuf> {
    let folder = folder.canonicalize().unwrap();
    let all = fs::read_dir("/proc").unwrap().filter_map(|entry| Some(entry.ok()?.path()));
    all.filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder)).collect()
}

#[test]
fn a_machine_is_a_user_of_its_own_and_ends_politely_without_its_agent() {
    let Some(lab) = Lab::new() else { return };
    let mut users = Vec::new();
    for qube in ["work", "mail"] {
        lab.create(qube, "blue", "memory \"512MiB\"\nvolume \"256MiB\"");
        lab.start(qube);
        if rustix::process::geteuid().is_root() {
            users.push(user(&lab, qube));
        } else {
            println!("SKIP a user for each machine: this is not root");
        }
    }
    users.dedup();
    assert!(users.len() != 1, "both machines are one user's");

    // An agent that is there and does not hear.
    let deaf = "echo kept > ~/kept; sleep 1; kill -STOP $(pidof transom-agent); echo now it is deaf";
    lab.house.must(&["qube", "run", "work", "sh", "-c", deaf]);
    until("it is deaf", || lab.log("work").contains("now it is deaf").then_some(()));
    let begin = Instant::now();
    lab.house.must(&["qube", "stop", "work", "--timeout", "20"]);
    let took = begin.elapsed();
    println!("stopped by its power button after {:.1} s", took.as_secs_f64());
    assert_eq!(lab.info("work")["state"]["is"], "halted");
    let log = lab.log("work");
    assert!(log.contains("the power button is pressed") && !log.contains("is killed"), "{log}");
    assert!(took < Duration::from_secs(20) && !needs_recovery(&lab, "work"), "{log}");
}

/// The user that the machine of a qube is in dom0.
fn user(lab: &Lab, qube: &str) -> u32 {
    let folder = lab.house.path().join("qubes").join(qube);
    let (meta, processes) = (fs::metadata(&folder).unwrap(), processes_in(&folder));
    assert_eq!(meta.mode() & 0o777, 0o700);
    assert_eq!(processes.len(), 3, "QEMU, the daemon of streams, the server of the volume: {processes:?}");
    let uid = meta.uid();
    assert!(uid >= 0x4000_0000);
    for process in &processes {
        let status = fs::read_to_string(process.join("status")).unwrap();
        for line in [
            format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}"),
            format!("Gid:\t{uid}\t{uid}\t{uid}\t{uid}"),
            "Groups:\t \n".to_owned(),
            "CapPrm:\t0000000000000000".to_owned(),
            "CapEff:\t0000000000000000".to_owned(),
        ] {
            assert!(status.contains(&line), "{line}: {status}");
        }
    }
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        let meta = entry.metadata().unwrap();
        assert_eq!(meta.uid(), uid, "{} is not its user's", entry.path().display());
    }
    uid
}
