//! Files and links from qube to qube: real agents, the real tools, a person with keys.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use transom::ipc::Request;
use transom_tests::{
    figure::figure,
    process::{House, until},
};

use crate::by_hand::{DOWN, ENTER, ESCAPE, TAB, allow, done, house, key, policy, prompt, script};

/// Everything below a folder.
fn tree(dir: &Path) -> Vec<String> {
    fn walk(dir: &Path, base: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            found.push(path.strip_prefix(base).unwrap().display().to_string());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(&path, base, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(dir, dir, &mut found);
    found.sort();
    found
}

/// Bytes that do not repeat soon.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

fn screenshot(house: &House, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(name);
    house.ask(&Request::Screenshot { path, output: None });
}

#[test]
fn a_file_goes_where_the_person_says() {
    let house = house(&[("work", "blue"), ("vault", "black"), ("web", "red")]);
    house.must(&["qube", "start", "work"]);
    let home = house.home("work");
    let report = noise(3_000_000);
    fs::write(home.join("report.pdf"), &report).unwrap();
    let incoming = house.home("vault").join("QubesIncoming/work");

    // The safe answer is the one that Return gives.
    script(&house, "work", "transom-copy report.pdf");
    let text = prompt(&house);
    assert_eq!(text, "work wants to copy “report.pdf (3.0 MB)” to: vault, web, a new disposable qube");
    screenshot(&house, "services-prompt.png");
    key(&house, ENTER);
    assert_eq!(done(&house, "work"), ("1".into(), "transom: refused\n".into()));
    // Where nobody was chosen there is nothing to allow.
    script(&house, "work", "transom-copy report.pdf");
    prompt(&house);
    key(&house, TAB);
    key(&house, TAB);
    key(&house, ENTER);
    assert!(house.state().prompt.is_some());
    key(&house, ESCAPE);
    assert_eq!(done(&house, "work").0, "1");
    assert!(!incoming.exists());

    // The vault is halted, and is started for it.
    script(&house, "work", "transom-copy report.pdf");
    prompt(&house);
    key(&house, DOWN);
    assert!(prompt(&house).contains("*vault"));
    screenshot(&house, "services-chosen.png");
    allow(&house);
    assert_eq!(done(&house, "work"), ("0".into(), String::new()));
    assert_eq!(fs::read(incoming.join("report.pdf")).unwrap(), report);
    assert_eq!(tree(&incoming), ["report.pdf"]);
    until("the person is told", || {
        house.state().notices.iter().any(|text| text == "work copies files to vault").then_some(())
    });
    // A file that was copied is still there, one that was moved is not.
    assert!(home.join("report.pdf").exists());
    script(&house, "work", "transom-move --to vault report.pdf");
    assert!(prompt(&house).contains("*vault"), "whom the qube wishes is chosen at first");
    allow(&house);
    assert_eq!(done(&house, "work").0, "0");
    assert!(!home.join("report.pdf").exists());
    assert_eq!(fs::read(incoming.join("report (2).pdf")).unwrap(), report);

    // A locked screen answers no.
    fs::write(home.join("note"), "note").unwrap();
    script(&house, "work", "transom-copy note");
    prompt(&house);
    house.must(&["msg", "lock"]);
    assert_eq!(done(&house, "work").0, "1");
}

#[test]
fn the_person_copies_files_of_dom0_into_a_qube() {
    let house = house(&[("work", "blue"), ("vault", "black")]);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("papers")).unwrap();
    fs::write(folder.path().join("papers/plan"), "plan").unwrap();
    fs::write(folder.path().join("-picture.png"), noise(300_000)).unwrap();
    let copy = |to: &str, paths: &[&str]| {
        let paths: Vec<String> =
            paths.iter().map(|path| folder.path().join(path).display().to_string()).collect();
        let words = ["qube", "copy", to].into_iter().chain(paths.iter().map(String::as_str));
        house.run(&words.collect::<Vec<_>>())
    };
    // No rule and no question: it is the person's own word. A halted qube is started for it.
    assert!(copy("vault", &["papers", "-picture.png"]).status.success());
    let incoming = house.home("vault").join("QubesIncoming/dom0");
    assert_eq!(tree(&incoming), ["-picture.png", "papers", "papers/plan"]);
    assert_eq!(fs::read(incoming.join("-picture.png")).unwrap(), noise(300_000));
    assert!(house.state().prompt.is_none());

    for (to, paths, why) in
        [("nobody", &["papers"][..], "no qube"), ("vault", &["nothing"][..], "nothing was copied to vault")]
    {
        let refused = copy(to, paths);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(why), "{said}");
    }
    // Nobody in a qube is dom0 by saying so.
    house.must(&["qube", "start", "work"]);
    script(&house, "work", "echo > note; TRANSOM_SOURCE=dom0 transom-copy --to vault note");
    assert!(prompt(&house).starts_with("work wants to copy"));
    key(&house, ESCAPE);
    assert_eq!(done(&house, "work").0, "1");
}

/// What a hostile sender may say first: so many entries and bytes.
fn head(entries: u64, bytes: u64) -> Vec<u8> {
    [b"TRNSFER1".as_slice(), &entries.to_le_bytes(), &bytes.to_le_bytes()].concat()
}

fn file(name: &str, size: u64, data: &[u8]) -> Vec<u8> {
    [&[1, name.len() as u8], name.as_bytes(), &size.to_le_bytes(), data].concat()
}

#[test]
fn what_a_rule_allows_goes_at_once_and_hostile_senders_leave_nothing() {
    let house = house(&[("work", "red"), ("vault", "black"), ("web", "green")]);
    policy(
        &house,
        "allow \"*\" from=\"work\" to=\"vault\"\nallow \"transom.copy\" from=\"web\" to=\"vault\"\n",
    );
    for qube in ["work", "vault", "web"] {
        house.must(&["qube", "start", qube]);
    }
    let (home, incoming) = (house.home("work"), house.home("vault").join("QubesIncoming/work"));
    // A folder, with a link that stays behind.
    fs::create_dir_all(home.join("photos/2026")).unwrap();
    fs::write(home.join("photos/2026/a.jpg"), noise(100_000)).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", home.join("photos/link")).unwrap();
    script(&house, "work", "transom-copy --to vault photos");
    let (code, said) = done(&house, "work");
    assert!(code == "0" && said.contains("photos/link is neither"), "{code} {said}");
    assert_eq!(tree(&incoming), ["photos", "photos/2026", "photos/2026/a.jpg"]);
    fs::remove_dir_all(incoming.join("photos")).unwrap();

    let mut many = head(1_000, 0);
    for number in 0..1_001 {
        many.extend(file(&number.to_string(), 0, b""));
    }
    let nothing: &[u8] = &[];
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a path", [head(1, 4), file("../x", 4, b"data"), vec![5, 0]].concat()),
        ("a long way up", [head(1, 4), file("../../../../tmp/x", 4, b"data"), vec![5, 0]].concat()),
        ("a root", [head(1, 4), file("/home/user/x", 4, b"data"), vec![5, 0]].concat()),
        ("a link", [head(1, 4), vec![6, 1, b'a'], vec![0; 8], vec![5, 0]].concat()),
        ("a lie about size", [head(1, 4), file("a", 1 << 40, b"data"), vec![5, 0]].concat()),
        ("a sparse bomb", [head(1, 1 << 50), file("a", 1 << 50, nothing)].concat()),
        ("half a file", [head(1, 1_000), file("a", 1_000, b"half")].concat()),
        ("a million files", head(1_000_000, 0)),
        ("more files than said", many),
        ("nothing at all", Vec::new()),
        ("noise", noise(1_000_000)),
    ];
    for (what, bytes) in cases {
        fs::write(home.join("hostile"), bytes).unwrap();
        script(&house, "work", "transom-call --to vault transom.copy < hostile > answer");
        let (code, _) = done(&house, "work");
        assert_ne!(code, "0", "{what}");
        let answer = fs::read(home.join("answer")).unwrap();
        assert!(matches!(answer[..], [1 | 2]), "{what}: {answer:?}");
        assert_eq!(tree(&incoming), Vec::<String>::new(), "{what}");
    }
    assert_eq!(tree(&house.home("vault").join("QubesIncoming")), ["work"]);

    // An endless one, while a neighbour copies and the person works.
    fs::write(home.join("endless"), [head(1, 1 << 20), file("a", 1 << 20, nothing)].concat()).unwrap();
    let service = house.home("vault").join(".config/transom/services");
    fs::create_dir_all(&service).unwrap();
    fs::write(service.join("test.sink"), "#!/bin/sh\nexec cat > /dev/null\n").unwrap();
    fs::set_permissions(service.join("test.sink"), fs::Permissions::from_mode(0o755)).unwrap();
    script(&house, "work", "transom-call --to vault test.sink < /dev/zero");
    until("it flows", || house.log_says("vault", "serving a call service=\"test.sink\"").then_some(()));
    fs::write(house.home("web").join("small"), noise(1_000_000)).unwrap();
    let begun = Instant::now();
    script(&house, "web", "transom-copy --to vault small");
    assert_eq!(done(&house, "web").0, "0");
    let beside = begun.elapsed();
    let begun = Instant::now();
    house.state();
    let state = begun.elapsed();
    figure("services.copy_beside_endless_s", beside.as_secs_f64(), "s", 1);
    figure("services.desktop_beside_endless_ms", state.as_secs_f64() * 1e3, "ms", 1);
    assert!(beside < Duration::from_secs(20) && state < Duration::from_secs(2), "{beside:?} {state:?}");
    // The sender dies; so does what it was served by.
    house.must(&["qube", "run", "work", "sh", "-c", "kill -9 $(pidof transom-call)"]);
    done(&house, "work");
    script(&house, "vault", "while pidof cat; do sleep 0.1; done > /dev/null; true");
    done(&house, "vault");

    // A sender that is killed in the middle, and a receiver.
    fs::File::create(home.join("big")).unwrap().set_len(2 << 30).unwrap();
    for (qube, victim) in [("work", "transom-copy"), ("vault", "transom-services")] {
        script(&house, "work", "transom-copy --to vault big");
        until("it has begun", || tree(&incoming).iter().any(|name| name.ends_with("/big")).then_some(()));
        house.must(&["qube", "run", qube, "sh", "-c", &format!("kill -9 $(pidof {victim})")]);
        assert_ne!(done(&house, "work").0, "0");
        if qube == "work" {
            until("nothing is left", || tree(&incoming).is_empty().then_some(()));
        }
    }
    // What the killed receiver left goes with the next transfer.
    fs::write(home.join("last"), "last").unwrap();
    script(&house, "work", "transom-copy --to vault last");
    assert_eq!(done(&house, "work").0, "0");
    assert_eq!(tree(&incoming), ["last"]);
}

#[test]
fn a_large_file_is_copied_fast() {
    let house = house(&[("work", "red"), ("vault", "black")]);
    policy(&house, "allow \"transom.copy\" from=\"work\" to=\"vault\"");
    for qube in ["work", "vault"] {
        house.must(&["qube", "start", qube]);
    }
    let bytes = 128_000_000;
    fs::write(house.home("work").join("large"), noise(bytes)).unwrap();
    let begun = Instant::now();
    script(&house, "work", "transom-copy --to vault large");
    assert_eq!(done(&house, "work").0, "0");
    let rate = bytes as f64 / 1e6 / begun.elapsed().as_secs_f64();
    figure("services.copy_mb_per_s", rate, "MB/s", 1);
    let (from, to) = (house.home("work").join("large"), house.home("vault").join("QubesIncoming/work/large"));
    assert!(fs::read(from).unwrap() == fs::read(to).unwrap());
    assert!(rate > 2.0, "{rate} MB/s");
}

fn window(house: &House, title: &str) -> transom::ipc::Window {
    until(title, || house.state().windows.into_iter().find(|window| window.title.contains(title)))
}

/// Gives a qube, and the disposables made like it, a program that opens things.
fn opener(house: &House, qube: &str) {
    let path = house.path().join("data/transom/qubes").join(qube).join("qube.kdl");
    let mut file = fs::File::options().append(true).open(path).unwrap();
    // It runs what it is given: the file itself says what is to be seen.
    file.write_all(b"environment {\n    TRANSOM_OPENER \"foot\"\n}\n").unwrap();
}

fn executable(path: PathBuf, text: &str) {
    fs::write(&path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_file_is_opened_in_a_disposable_of_which_nothing_is_left() {
    let house = house(&[("work", "green")]);
    opener(&house, "work");
    house.must(&["qube", "start", "work"]);
    let text = "#!/bin/sh\nprintf '\\033]0;shown\\007'\nexec sleep 1000\n";
    executable(house.home("work").join("show.sh"), text);
    script(&house, "work", "transom-open show.sh");
    let size = text.len();
    let wanted = format!("work wants to open the file “show.sh ({size} bytes)” in: a new disposable qube");
    assert_eq!(prompt(&house), wanted);
    key(&house, DOWN);
    allow(&house);
    assert_eq!(done(&house, "work"), ("0".into(), String::new()));
    let window = window(&house, "shown");
    assert!(window.qube.starts_with("disp-"), "{}", window.qube);
    // It ends with its window.
    house.must(&["qube", "run", &window.qube, "sh", "-c", "kill $(pidof foot)"]);
    until("the disposable is gone", || {
        let list = house.run(&["qube", "list"]);
        (!String::from_utf8_lossy(&list.stdout).contains("disp-")).then_some(())
    });
}

#[test]
fn links_are_opened_elsewhere_and_what_is_none_is_not() {
    let house = house(&[("work", "blue"), ("web", "red")]);
    policy(&house, "allow \"transom.open-link\" from=\"work\" to=\"web\" default-target=\"web\"\n");
    let file = house.path().join("data/transom/qubes/web/qube.kdl");
    let mut file = fs::File::options().append(true).open(file).unwrap();
    file.write_all(b"environment {\n    TRANSOM_OPENER \"/home/user/opener\"\n}\n").unwrap();
    for qube in ["work", "web"] {
        house.must(&["qube", "start", qube]);
    }
    executable(house.home("web").join("opener"), "#!/bin/sh\nprintf %s \"$1\" > ~/opened\n");
    // No prompt: the rule says where links go.
    script(&house, "work", "transom-open 'https://example.org/?a=b'");
    assert_eq!(done(&house, "work"), ("0".into(), String::new()));
    assert_eq!(fs::read_to_string(house.home("web").join("opened")).unwrap(), "https://example.org/?a=b");
    fs::remove_file(house.home("web").join("opened")).unwrap();
    for what in ["file:///etc/passwd", "--help", "javascript:alert(1)", "https://a b"] {
        script(&house, "work", &format!("printf %s '{what}' | transom-call transom.open-link > answer"));
        assert_ne!(done(&house, "work").0, "0", "{what}");
        assert_eq!(fs::read(house.home("work").join("answer")).unwrap(), [1], "{what}");
    }
    assert!(!house.home("web").join("opened").exists());
    // A qube that asks again and again can be told to be quiet.
    script(&house, "work", "transom-copy /etc/passwd");
    prompt(&house);
    key(&house, TAB);
    key(&house, ENTER);
    assert_eq!(done(&house, "work").0, "1");
    script(&house, "work", "transom-copy /etc/passwd");
    assert_eq!(done(&house, "work").0, "1");
    assert_eq!(house.state().prompt, None);
}

#[test]
fn a_program_is_started_elsewhere_and_nothing_goes_with_it() {
    let house = house(&[("work", "blue"), ("web", "red")]);
    let entries = house.home("web").join(".local/share/applications");
    fs::create_dir_all(&entries).unwrap();
    let entry = "[Desktop Entry]\nType=Application\nName=Show\nExec=/home/user/show %u\n";
    fs::write(entries.join("org.show.desktop"), entry).unwrap();
    let text = "#!/bin/sh\nenv > ~/seen\necho $# >> ~/seen\nexec foot --title=started sleep 1000\n";
    executable(house.home("web").join("show"), text);
    house.must(&["qube", "start", "work"]);

    script(&house, "work", "transom-start org.show");
    assert_eq!(prompt(&house), "work wants to start the program “org.show” in: web, a new disposable qube");
    key(&house, ESCAPE);
    assert_eq!(done(&house, "work"), ("1".into(), "transom: refused\n".into()));
    script(&house, "work", "transom-start --to web org.show");
    prompt(&house);
    allow(&house);
    assert_eq!(done(&house, "work"), ("0".into(), String::new()));
    assert_eq!(window(&house, "started").qube, "web");
    let seen = fs::read_to_string(house.home("web").join("seen")).unwrap();
    assert!(seen.ends_with("\n0\n") && !seen.contains("TRANSOM_SOURCE"), "{seen}");
    // What is not listed does not start, whatever it is called.
    for id in ["no-such", "foot.desktop"] {
        script(&house, "work", &format!("transom-start --to web {id}"));
        prompt(&house);
        allow(&house);
        let (status, said) = done(&house, "work");
        assert!(status == "1" && said.contains("could not start it"), "{id}: {said}");
    }
    for id in ["../show", "'a b'", "/bin/sh", "''"] {
        script(&house, "work", &format!("transom-start --to web {id}"));
        let (status, said) = done(&house, "work");
        assert!(status == "1" && said.contains("no program's id"), "{id}: {said}");
    }
}

#[test]
fn dom0_says_the_time_and_hears_of_updates() {
    let house = house(&[("work", "blue"), ("vault", "black")]);
    house.must(&["qube", "start", "work"]);
    // An apt of the qube's own, which tells what it was asked and what it knows.
    let bin = house.home("work").join("bin");
    fs::create_dir_all(&bin).unwrap();
    let apt = "#!/bin/sh\necho \"$@\" >> ~/asked\n[ -e ~/offline ] && exit 100\n\
               case \"$*\" in *dist-upgrade) cat ~/knows;; esac\n";
    executable(bin.join("apt-get"), apt);
    let knows = "Inst zlib1g [1:1.2.13] (1:1.3.1 Debian:12.8/stable [amd64])\nInst foot [1.13] (1.99 x [amd64])\n\
                 Inst evil\u{1b}[2J [1] (2 x)\nConf foot (1.99 x)\n";
    fs::write(house.home("work").join("knows"), knows).unwrap();
    let updates = || {
        let output = house.run(&["qube", "updates", "work"]);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(updates(), "work has not told of updates; `transom-updates` in it does so\n");
    script(&house, "work", "PATH=~/bin:$PATH transom-updates");
    assert_eq!(done(&house, "work"), ("0".into(), String::new()));
    let told = updates();
    assert!(told.starts_with("work told of 2 updates on 20"), "{told}");
    assert!(told.ends_with("\nfoot    1.13      1.99\nzlib1g  1:1.2.13  1:1.3.1\n"), "{told}");
    let asked = fs::read_to_string(house.home("work").join("asked")).unwrap();
    assert!(asked.lines().all(|line| line.contains("Dir::State::lists=/home/user/.cache/transom/apt/lists")));
    let info = String::from_utf8(house.run(&["qube", "info", "work"]).stdout).unwrap();
    assert!(info.contains("updates:  2, it says"), "{info}");
    // What is no list changes nothing, nor does an apt that fails.
    for (said, code) in [("foot 1\\n", 1), ("b 1 2\\na 1 2\\n", 1), ("", 0)] {
        script(&house, "work", &format!("printf '{said}' | transom-call --to dom0 transom.updates"));
        assert_eq!(done(&house, "work").0, code.to_string(), "{said:?}");
        assert_eq!(updates() == told, code == 1);
    }
    script(&house, "work", "touch offline; PATH=~/bin:$PATH transom-updates");
    let (code, said) = done(&house, "work");
    assert!(code == "1" && said.contains("apt-get update"), "{said}");

    // The time, of dom0 without a question, of another qube by a rule only.
    let now = "t=$(($(date +%s) - $(date +%s --date=$(transom-clock)))); test $t -ge -2 -a $t -le 2";
    script(&house, "work", now);
    assert_eq!(done(&house, "work"), ("0".into(), String::new()));
    script(&house, "work", "transom-clock --to vault");
    assert_eq!(done(&house, "work"), ("1".into(), "transom: refused\n".into()));
    policy(
        &house,
        "allow \"transom.clock\" from=\"work\" to=\"vault\"\ndeny \"transom.clock\" from=\"*\" to=\"dom0\"\n",
    );
    script(&house, "work", "transom-clock --to vault > time; grep -qE '^@[0-9]+\\.[0-9]{9}$' time");
    assert_eq!(done(&house, "work"), ("0".into(), String::new()));
    script(&house, "work", "transom-clock");
    assert_eq!(done(&house, "work").0, "1");
    // A service of the other qube's own that says something else is not believed.
    let services = house.home("vault").join(".config/transom/services");
    fs::create_dir_all(&services).unwrap();
    executable(services.join("transom.clock"), "#!/bin/sh\nyes\n");
    script(&house, "work", "transom-clock --to vault");
    assert!(done(&house, "work").1.contains("no time"));
    assert_eq!(house.state().prompt, None);
}
