//! The passphrase on the command line.

use std::{
    fs,
    io::Write as _,
    process::{Output, Stdio},
};

use transom_hypervisor::encryption::{Keyring, Slot};
use transom_tests::process::{House, binary};

const OLD: &str = "correct horse";
const NEW: &str = "another horse";

fn unlock(house: &House, passphrase: &str) -> Output {
    let mut command = house.command(&["unlock", "--passphrase-fd", "0"]);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{passphrase}\n").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn complaint(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[test]
fn a_passphrase_comes_by_a_descriptor() {
    let house = House::new();
    let data = house.path().join("data/transom");
    fs::create_dir_all(&data).unwrap();
    // Nobody can be asked for a new one here.
    let said = complaint(&house.run(&["unlock"]));
    assert!(said.contains("--passphrase-fd"), "{said}");
    let said = complaint(&house.run(&["qube", "passphrase"]));
    assert!(said.contains("transom unlock"), "{said}");
    let said = complaint(&unlock(&house, "short"));
    assert!(said.contains("8 to 512"), "{said}");

    Keyring::of(&data).create(OLD.as_bytes(), Slot::CheapPassphrase).unwrap();
    let said = complaint(&unlock(&house, NEW));
    assert!(said.contains("the passphrase is wrong") && !said.contains(NEW), "{said}");
    assert!(unlock(&house, OLD).status.success());
    house.must(&["unlock"]);
    house.must(&["lock-store"]);

    for (name, text) in [("old", OLD), ("new", NEW)] {
        fs::write(house.path().join(name), text).unwrap();
    }
    let script = "exec \"$0\" qube passphrase --passphrase-fd 8 --new-passphrase-fd 9 8<old 9<new";
    let mut change = house.program("sh");
    change.args(["-c", script]).arg(binary("transom")).current_dir(house.path());
    assert!(change.status().unwrap().success());
    complaint(&unlock(&house, OLD));
    assert!(unlock(&house, NEW).status.success());
}

#[test]
fn a_sandbox_says_that_it_is_not_encrypted() {
    let house = House::new();
    house.must(&["qube", "create", "work", "--label", "blue"]);
    let info = house.run(&["qube", "info", "work"]);
    let said = String::from_utf8_lossy(&info.stdout);
    let storage = said.lines().find(|line| line.starts_with("storage:")).unwrap();
    assert!(storage.contains("not encrypted, unless dom0's own files are"), "{said}");
    let said = complaint(&house.run(&["qube", "encrypt", "work"]));
    assert!(said.contains("directory of dom0"), "{said}");
}
