//! `transom backup` as a person or a script uses it.

use std::{
    fs::{self, File},
    io::Write as _,
    os::{fd::AsRawFd as _, unix::fs::symlink},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use transom_hypervisor::encryption::{self, Keyring, MasterKey, Slot};
use transom_tests::process::{House, until};

/// A house with a qube whose home and volume have something in them.
fn house(bytes: usize) -> House {
    let house = House::new();
    house.must(&["qube", "create", "work", "--label", "blue"]);
    let home = house.home("work");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("letter"), "dear all").unwrap();
    symlink("/etc", home.join("etc")).unwrap();
    let volume = File::create(home.join("../private.img")).unwrap();
    volume.set_len(1 << 33).unwrap();
    (&volume).write_all(&vec![7; bytes]).unwrap();
    house
}

/// A descriptor with a line in it, for `--passphrase-fd`; the shell opens it.
fn with_passphrase(house: &House, secret: &str, arguments: &str) -> Output {
    let file = house.path().join("secret");
    fs::write(&file, secret).unwrap();
    let script = format!("exec \"$0\" {arguments} 7<\"$1\"");
    let mut command = house.program("sh");
    command.args(["-c", &script]).arg(transom_tests::process::binary("transom")).arg(&file);
    command.current_dir(house.path()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn good(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    said(output)
}

#[test]
fn from_one_person_to_another_with_a_passphrase() {
    let here = house(100_000);
    good(&with_passphrase(&here, "correct horse\n", "backup create --all --passphrase-fd 7 b.age"));
    let there = House::new();
    fs::rename(here.path().join("b.age"), there.path().join("b.age")).unwrap();
    let list = good(&with_passphrase(&there, "correct horse", "backup list --passphrase-fd 7 b.age"));
    let row: Vec<_> =
        list.lines().find(|line| line.starts_with("work")).unwrap().split_whitespace().collect();
    assert_eq!(row[1], "blue");
    let json = with_passphrase(&there, "correct horse", "backup list --json --passphrase-fd 7 b.age");
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["qubes"][0]["parts"][2]["size"], 1u64 << 33);
    good(&with_passphrase(&there, "correct horse", "backup verify --passphrase-fd 7 b.age"));
    let wrong = with_passphrase(&there, "horse", "backup verify --passphrase-fd 7 b.age");
    assert!(
        said(&wrong).contains("passphrase does not open it") && !wrong.status.success(),
        "{}",
        said(&wrong)
    );
    let restored =
        with_passphrase(&there, "correct horse", "backup restore --qube work=office --passphrase-fd 7 b.age");
    assert!(good(&restored).contains("office (it was work): restored, label blue"), "{}", said(&restored));
    assert_eq!(fs::read_to_string(there.home("office").join("letter")).unwrap(), "dear all");
    assert_eq!(fs::read_link(there.home("office").join("etc")).unwrap(), Path::new("/etc"));
    // Without a terminal nobody is asked, and nothing waits.
    let output = there.run(&["backup", "verify", there.path().join("b.age").to_str().unwrap()]);
    assert!(!output.status.success() && said(&output).contains("--passphrase-fd"), "{}", said(&output));
}

/// A person's keyring, which opens without much work.
fn keyring(house: &House, passphrase: &str) -> MasterKey {
    let data = house.path().join("data/transom");
    fs::create_dir_all(&data).unwrap();
    Keyring::of(&data).create(passphrase.as_bytes(), Slot::CheapPassphrase).unwrap()
}

#[test]
fn an_encrypted_volume_is_taken_over_by_another_computer() {
    let (here, there) = (house(100), House::new());
    let theirs = keyring(&here, "the old horse");
    fs::remove_file(here.home("work").join("../private.img")).unwrap();
    let volume = here.home("work").join("../private.luks");
    encryption::open(&volume, 1 << 20, &theirs).unwrap();
    good(&with_passphrase(&here, "of the backup", "backup create --all --passphrase-fd 7 b.age"));
    let ours = keyring(&there, "the new horse");
    fs::rename(here.path().join("b.age"), there.path().join("b.age")).unwrap();
    let restored = with_passphrase(&there, "of the backup", "backup restore --passphrase-fd 7 b.age");
    let remedy = "qube take-over work";
    assert!(good(&restored).contains(&format!("`transom {remedy}`")), "{}", said(&restored));

    let take_over = |passphrase| with_passphrase(&there, passphrase, &format!("{remedy} --passphrase-fd 7"));
    assert!(said(&take_over("the old horse")).contains("transom unlock"));
    good(&with_passphrase(&there, "the new horse", "unlock --passphrase-fd 7"));
    let wrong = take_over("the new horse");
    assert!(!wrong.status.success() && said(&wrong).contains("the passphrase is wrong"), "{}", said(&wrong));
    good(&take_over("the old horse"));
    let again = take_over("the old horse");
    assert!(!again.status.success() && said(&again).contains("already"), "{}", said(&again));
    encryption::open(&there.home("work").join("../private.luks"), 0, &ours).unwrap();
}

fn keys(house: &House) -> Option<(PathBuf, String)> {
    let path = house.path().join("key");
    let made = Command::new("age-keygen").arg("-o").arg(&path).output().ok()?;
    assert!(made.status.success());
    let text = fs::read_to_string(&path).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    Some((path, public))
}

#[test]
#[allow(clippy::print_stdout, reason = "a test that is skipped says so")]
fn through_pipes_with_keys_and_a_template_that_is_missing() {
    let here = house(100_000);
    let Some((key, public)) = keys(&here) else {
        println!("SKIP there is no age-keygen");
        return;
    };
    let file = here.home("work").parent().unwrap().join("qube.kdl");
    fs::write(&file, "label \"blue\"\ntemplate \"debian-99\"\nnetwork \"sys-net\"\nautostart \"foot\"\n")
        .unwrap();
    let saved = here.run(&["backup", "create", "--qube", "work", "--recipient", &public, "-"]);
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    let there = House::new();
    let mut restoring = there.command(&["backup", "restore", "--identity", key.to_str().unwrap(), "-"]);
    let mut child =
        restoring.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&saved.stdout).unwrap();
    let text = good(&child.wait_with_output().unwrap());
    for part in
        ["debian-99 is not here: run `transom image build debian-99`", "no qube sys-net", "start with it: 1"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(there.home("work").join("letter").exists());

    for (arguments, part) in [
        (&["backup", "create", "--all", "--recipient", "age1x", "f"][..], "no public key"),
        (&["backup", "create", "--all", "f"], "--passphrase"),
        (&["backup", "create", "--passphrase", "f"], "--all"),
        (&["backup", "verify", "/nowhere"], "No such file"),
        (&["backup", "restore", "--qube", "A", "f"], "is not a name"),
        (&["backup", "create", "--all", "--recipient", &public, "/dev/null"], "already"),
    ] {
        let output = there.run(arguments);
        assert!(!output.status.success() && said(&output).contains(part), "{arguments:?}: {}", said(&output));
    }
}

/// Starts a command, and sends it a signal once a first line of its progress has come.
fn interrupted(house: &House, arguments: &[&str], signal: Signal) -> Output {
    let (ours, theirs) = rustix::pipe::pipe().unwrap();
    let fd = theirs.as_raw_fd();
    let mut all = vec!["-c".to_owned(), "exec \"$@\"".to_owned(), "sh".to_owned()];
    all.push(transom_tests::process::binary("transom").display().to_string());
    all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    all.splice(6..6, ["--progress-fd".to_owned(), "9".to_owned()]);
    let mut command = house.program("bash");
    all[1] = format!("exec \"$@\" 9>/proc/{}/fd/{fd}", std::process::id());
    let child = command.args(&all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut byte = [0];
    assert_eq!(rustix::io::read(&ours, &mut byte).unwrap(), 1, "it does not begin");
    kill_process(Pid::from_raw(child.id() as i32).unwrap(), signal).unwrap();
    drop(theirs);
    child.wait_with_output().unwrap()
}

#[test]
#[allow(clippy::print_stdout, reason = "a test that is skipped says so")]
fn interrupting_leaves_nothing_half() {
    // Large enough that it is not done when the signal comes.
    let here = house(200 << 20);
    let Some((key, public)) = keys(&here) else {
        println!("SKIP there is no age-keygen");
        return;
    };
    let file = here.path().join("b.age");
    let file = file.to_str().unwrap();
    let create = ["backup", "create", "--qube", "work", "--recipient", &public, file];
    let output = interrupted(&here, &create, Signal::INT);
    assert!(said(&output).contains("cancelled"), "{}", said(&output));
    assert!(!fs::exists(file).unwrap() && !fs::exists(format!("{file}.part")).unwrap());
    here.must(&create);

    let key = key.display().to_string();
    let restore = ["backup", "restore", "--qube", "work=copy", "--identity", &key, file];
    let qubes = here.home("work").parent().unwrap().parent().unwrap().to_owned();
    let left = || fs::read_dir(&qubes).unwrap().count();
    let output = interrupted(&here, &restore, Signal::INT);
    assert!(said(&output).contains("cancelled"), "{}", said(&output));
    assert_eq!(left(), 1, "{}", said(&output));
    // The name is free again as soon as its connection is over.
    until("the name is free", || {
        here.run(&["qube", "create", "copy", "--label", "red"]).status.success().then_some(())
    });
    here.must(&["qube", "remove", "copy", "--yes"]);
    until("it is removed", || (left() == 1).then_some(()));
    here.must(&restore);
    assert_eq!(fs::read_to_string(here.home("copy").join("letter")).unwrap(), "dear all");
}
