mod shared;

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use proptest::prelude::*;

use super::*;

fn name(text: &str) -> QubeName {
    QubeName::new(text).unwrap()
}

fn blue() -> QubeConfig {
    QubeConfig::new(LabelName::new("blue").unwrap())
}

fn store() -> (tempfile::TempDir, Store) {
    let temp = tempfile::tempdir().unwrap();
    let store = Store::open(&temp.path().join("data")).unwrap();
    (temp, store)
}

fn parsed(text: &str) -> Result<QubeConfig, String> {
    parse(Path::new("qube.kdl"), text).map_err(|error| error.to_string())
}

#[test]
fn create_load_list_remove() {
    let (_temp, store) = store();
    assert_eq!(store.names().unwrap(), []);
    store.create(&name("work"), &blue()).unwrap();
    store.create(&name("mail"), &blue()).unwrap();
    assert_eq!(store.names().unwrap(), [name("mail"), name("work")]);
    assert_eq!(store.load(&name("work")).unwrap(), blue());
    assert!(matches!(store.create(&name("work"), &blue()), Err(StoreError::Exists(_))));
    let home = store.home(&name("work")).unwrap();
    assert_eq!(fs::metadata(&home).unwrap().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(store.dir(&name("work"))).unwrap().mode() & 0o777, 0o700);
    fs::write(home.join("file"), "x").unwrap();

    let trash = store.remove(&name("work")).unwrap();
    assert_eq!(store.names().unwrap(), [name("mail")]);
    assert!(matches!(store.load(&name("work")), Err(StoreError::NoSuchQube(_))));
    assert!(matches!(store.remove(&name("work")), Err(StoreError::NoSuchQube(_))));
    // A new one of the same name has nothing of the old one.
    store.create(&name("work"), &blue()).unwrap();
    assert_eq!(fs::read_dir(store.home(&name("work")).unwrap()).unwrap().count(), 0);
    let again = store.remove(&name("work")).unwrap();
    trash.empty().unwrap();
    assert!(!store.leftovers().is_empty());
    again.empty().unwrap();
    assert!(store.leftovers().is_empty());
}

#[test]
fn a_full_file() {
    let config = parsed(
        r#"
        // comment
        label "green"
        template "debian-12"
        backend "sandbox"
        network "sys-firewall"
        autostart "foot"
        autostart "foot" "-e" "top \"x\""
        limits {
            memory "2GiB"
            tasks 300
            cpu-percent 150
            nested-sandboxes
        }
        machine {
            memory "2GiB"
            vcpus 3
            volume "64MiB"
            encryption "off"
            accelerator "kvm"
            device "0000:00:14.0"
            device "0000:03:00.1"
        }
        environment {
            GTK_THEME "Adwaita:dark"
        }
        disposables {
            ready 2
            warm "foot" "--server"
            open "foot" "--title" "a \"b\""
            open id="org.gnome.TextEditor"
        }
        "#,
    )
    .unwrap();
    assert_eq!(config.label.as_str(), "green");
    assert_eq!(config.template.as_deref(), Some("debian-12"));
    assert_eq!(config.backend, BackendChoice::Sandbox);
    assert_eq!(config.autostart, [vec!["foot"], vec!["foot", "-e", "top \"x\""]]);
    assert_eq!(config.network, Some(name("sys-firewall")));
    let limits = Limits { memory: Some(2 << 30), tasks: 300, cpu_percent: Some(150), nested_sandboxes: true };
    assert_eq!(config.limits, limits);
    let machine = MachineConfig {
        memory: 2 << 30,
        vcpus: 3,
        volume: 64 << 20,
        encryption: false,
        accelerator: Some(Accelerator::Kvm),
        devices: ["0000:00:14.0", "0000:03:00.1"].map(|device| device.parse().unwrap()).to_vec(),
    };
    assert_eq!(config.machine, machine);
    assert_eq!(config.environment, [("GTK_THEME".to_owned(), "Adwaita:dark".to_owned())]);
    let warm = vec!["foot".to_owned(), "--server".to_owned()];
    let open = vec![
        Program::Command { argv: ["foot", "--title", "a \"b\""].map(str::to_owned).to_vec() },
        Program::Listed { id: "org.gnome.TextEditor".to_owned() },
    ];
    assert_eq!(config.disposables, Disposables { ready: 2, warm, open });
    assert_eq!(parsed(&write(&config)).unwrap(), config);
}

#[test]
fn mistakes_have_file_line_and_reason() {
    let cases = [
        ("", 1, "label"),
        ("label \"Blue\"", 1, "is not a name"),
        ("label 3", 1, "expected string"),
        ("label \"blue\"\nlable \"x\"", 2, "lable"),
        ("label \"blue\"\n\nbackend \"xen\"", 3, "auto"),
        ("label \"blue\"\nnetwork \"Sys Net\"", 2, "is not a name"),
        ("label \"blue\"\nautostart", 2, "needs the name"),
        ("label \"blue\"\nautostart \"\"", 2, "needs the name"),
        ("label \"blue\"\nlimits {\n  memory \"2 apples\"\n}", 3, "512MiB"),
        ("label \"blue\"\nlimits {\n  memory \"99999999999TiB\"\n}", 3, "512MiB"),
        ("label \"blue\"\nlimits {\n  tasks -3\n}", 3, ""),
        ("label \"blue\"\nlimits {\n  tasks 3\n}", 3, "at least 16"),
        ("label \"blue\"\nlimits {\n  memory \"1KiB\"\n}", 3, "at least 64MiB"),
        ("label \"blue\"\nlimits {\n  cpu-percent 0\n}", 3, "processor"),
        ("label \"blue\"\nmachine {\n  device \"14.0\"\n}", 3, "PCI device"),
        ("label \"blue\"\nmachine {\n  memory \"1MiB\"\n}", 3, "128MiB"),
        ("label \"blue\"\nmachine {\n  vcpus 0\n}", 3, "processors"),
        ("label \"blue\"\nmachine {\n  volume \"1KiB\"\n}", 3, "whole MiB"),
        ("label \"blue\"\nenvironment {\n  \"A=B\" \"c\"\n}", 2, "A=B"),
        ("label \"blue\"\ndisposables {\n  ready 9\n}", 2, "at most 8"),
        ("label \"blue\"\ndisposables {\n  warm \"\"\n}", 3, "needs the name"),
        ("label \"blue\"\ndisposables {\n  ready 7\n  open \"a\"\n  open \"b\"\n}", 2, "at most 8"),
        ("label \"blue\"\ndisposables {\n  open\n}", 3, "needs the name"),
        ("label \"blue\"\ndisposables {\n  open id=\"../a\"\n}", 3, "the id of a program"),
        ("label \"blue\"\ndisposables {\n  open \"a\" id=\"a\"\n}", 3, "not both"),
        ("label \"blue\"\ntemplate \"../etc\"", 2, "template"),
        ("label \"blue\"\nlabel \"red\"", 2, "label"),
        ("label \"blue\" {", 1, ""),
        ("label \"blue", 1, ""),
        ("\u{0}\u{1}", 1, ""),
        ("}}}", 1, ""),
    ];
    for (text, line, part) in cases {
        let error = parse(Path::new("/q/qube.kdl"), text).unwrap_err();
        let shown = error.to_string();
        assert!(shown.starts_with("/q/qube.kdl:"), "{shown}");
        assert!(shown.contains(part), "{text:?}: {shown}");
        assert_eq!(error.line, line, "{text:?}: {shown}");
        assert_eq!(shown.lines().count(), 1, "{shown}");
        assert!(!error.reason.is_empty(), "{text:?}");
    }
}

#[test]
fn a_bad_file_harms_only_its_qube() {
    let (_temp, store) = store();
    store.create(&name("good"), &blue()).unwrap();
    store.create(&name("bad"), &blue()).unwrap();
    store.create(&name("long"), &blue()).unwrap();
    fs::write(store.dir(&name("bad")).join(QUBE_FILE), "label 7").unwrap();
    fs::write(store.dir(&name("long")).join(QUBE_FILE), " ".repeat(70_000)).unwrap();
    fs::create_dir(store.dir(&name("empty"))).unwrap();
    fs::create_dir(store.qubes.join("Not A Qube")).unwrap();
    fs::write(store.qubes.join("file"), "").unwrap();
    assert_eq!(store.names().unwrap(), [name("bad"), name("empty"), name("good"), name("long")]);
    assert!(matches!(store.load(&name("bad")), Err(StoreError::File(_))));
    assert!(matches!(store.load(&name("empty")), Err(StoreError::Io { .. })));
    assert!(matches!(store.load(&name("long")), Err(StoreError::Io { .. })));
    assert!(store.load(&name("good")).is_ok());
    store.remove(&name("bad")).unwrap().empty().unwrap();
}

#[test]
fn a_broken_attempt_leaves_nothing_behind() {
    let (_temp, store) = store();
    fs::create_dir_all(store.qubes.join(".new-work/home/old")).unwrap();
    store.create(&name("work"), &blue()).unwrap();
    assert_eq!(fs::read_dir(store.home(&name("work")).unwrap()).unwrap().count(), 0);
    let bad = QubeConfig { template: Some("a/b".to_owned()), ..blue() };
    assert!(matches!(store.create(&name("other"), &bad), Err(StoreError::Template(_))));
    assert!(!store.contains(&name("other")) && store.leftovers().is_empty());
}

#[test]
fn no_permission_is_one_clear_line() {
    let (temp, store) = store();
    fs::set_permissions(&store.qubes, fs::Permissions::from_mode(0o500)).unwrap();
    let result = store.create(&name("work"), &blue());
    fs::set_permissions(&store.qubes, fs::Permissions::from_mode(0o700)).unwrap();
    // root may do everything.
    if !rustix::process::geteuid().is_root() {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("no permission") && error.lines().count() == 1, "{error}");
    }
    fs::write(temp.path().join("file"), "").unwrap();
    let error = Store::open(&temp.path().join("file")).unwrap_err().to_string();
    assert!(error.starts_with("cannot make the directory"), "{error}");
    assert_eq!(reason(&io::Error::from_raw_os_error(libc::ENOSPC)), "the disk is full; free some space");
}

/// A process of its own with a limit on file sizes, which stands for a full disk: writing fails in
/// the middle.
#[test]
fn a_full_disk_leaves_the_old_file() {
    const VAR: &str = "TRANSOM_TEST_FULL_DISK";
    if let Some(dir) = std::env::var_os(VAR) {
        let limit = rustix::process::Rlimit { current: Some(8), maximum: Some(8) };
        rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
        let store = Store::open(Path::new(&dir)).unwrap();
        let error = store.create(&name("new"), &blue()).unwrap_err().to_string();
        // Standard output is a pipe and has no limit.
        assert!(error.starts_with("cannot write") && error.contains("ulimit"), "{error}");
        assert!(!store.contains(&name("new")) && store.leftovers().is_empty());
        let file = store.dir(&name("old")).join(QUBE_FILE);
        assert!(atomic::write(&file, b"label \"red\"\n").is_err());
        return;
    }
    let (temp, store) = store();
    store.create(&name("old"), &blue()).unwrap();
    let output = std::process::Command::new("/bin/sh")
        // Too large a file would end the process, unless it ignores the signal.
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact store::tests::a_full_disk_leaves_the_old_file"])
        .arg(std::env::current_exe().unwrap())
        .env(VAR, temp.path().join("data"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(store.load(&name("old")).unwrap(), blue());
    let files: Vec<_> =
        fs::read_dir(store.dir(&name("old"))).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(files.len(), 2, "only qube.kdl and home: {files:?}");
}

fn text() -> impl Strategy<Value = String> {
    "[^\u{0}]{0,20}"
}

proptest! {
    #[test]
    fn any_text_is_a_qube_or_an_error(text in "\\PC{0,80}|(label \"blue\"\n)?[a-z\"{}()\\\\/*0-9 =\n;-]{0,60}") {
        if let Err(error) = parse(Path::new("q"), &text) {
            prop_assert!(error.line >= 1 && error.line <= text.matches('\n').count() + 1);
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn what_is_written_is_read_back(
        first in "[^\u{0}]{1,20}",
        rest in proptest::collection::vec(text(), 0..4),
        value in text(),
        variable in "[A-Z_][A-Z0-9_]{0,9}",
        memory in proptest::option::of(65_536u64..1 << 40),
        tasks in 16u32..9000,
        cpu_percent in proptest::option::of(1u32..800),
        nested_sandboxes: bool,
    ) {
        let mut config = blue();
        config.autostart = vec![[vec![first], rest].concat()];
        config.environment = vec![(variable, value)];
        config.limits = Limits { memory: memory.map(|kib| kib << 10), tasks, cpu_percent, nested_sandboxes };
        prop_assert_eq!(parsed(&write(&config)), Ok(config));
    }
}
