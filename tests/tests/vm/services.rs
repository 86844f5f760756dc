//! Files from one machine to another.

use std::{fs, process::Command, time::Instant};

use transom::{
    input::event::{BTN_LEFT, BTN_RIGHT},
    ipc::Request,
};
use transom_hypervisor::{client::program_ended, image::DEFAULT_NAME};
use transom_tests::{figure::figure, process::until};

use super::{
    images::{add_to_initramfs, own},
    lab::{Lab, PASSPHRASE},
    manager::{self, Figures},
};

#[test]
fn files_go_from_machine_to_machine_by_rule() {
    let Some(mut lab) = Lab::new() else { return };
    let config = lab.house.path().join("config/transom");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("policy.kdl"), "allow \"transom.copy\" from=\"work\" to=\"vault\"\n").unwrap();
    lab.house.start_desktop();
    with_icon(&lab);
    lab.create("work", "blue", "memory \"256MiB\"\nvolume \"128MiB\"");
    lab.create("vault", "black", "memory \"256MiB\"\nvolume \"128MiB\"");
    lab.start("work");
    lab.start("vault");
    let make = "mkdir -p tree/deep && dd if=/dev/urandom of=tree/deep/noise bs=1M count=16 2>/dev/null && \
                echo text > tree/text && cp tree/deep/noise ~/one && sha256sum < ~/one";
    assert_eq!(lab.ends_with("work", make), 0);
    let begun = Instant::now();
    assert_eq!(lab.ends_with("work", "transom-copy --to vault tree one"), 0, "{}", lab.log("work"));
    figure("vm.services.copy_mb_per_s", 2.0 * 16.8 / begun.elapsed().as_secs_f64(), "MB/s", 1);
    // The sum stands in the log of the one, and is compared in the other.
    let log = lab.log("work");
    let is_sum = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let sum = log.split_whitespace().rfind(is_sum).expect("a sum");
    let check = format!(
        "cd ~/QubesIncoming/work && echo '{sum}  one\n{sum}  tree/deep/noise' | sha256sum -c && \
         test \"$(cat tree/text)\" = text && test \"$(find . | wc -l)\" = 6"
    );
    assert_eq!(lab.ends_with("vault", &check), 0, "{}", lab.log("vault"));
    // What no rule allows and nobody is asked about, for the target is dom0; and a vault that is gone.
    assert_eq!(lab.ends_with("work", "transom-copy --to dom0 one"), 1);
    lab.house.must(&["qube", "kill", "vault"]);
    // Its volume is encrypted: nothing starts it before the passphrase is given.
    lab.house.must(&["lock-store"]);
    assert_eq!(lab.ends_with("work", "transom-copy --to vault one"), 1);
    assert!(lab.unlock(PASSPHRASE).status.success());
    // It is started for the next one.
    assert_eq!(
        lab.ends_with("work", "transom-move --to vault one && test ! -e one"),
        0,
        "{}",
        lab.log("work")
    );
    tells_of_updates(&lab);
    tells_the_person(&lab);
    has_an_icon(&lab);
    is_seen_in_the_manager(&lab);
    let second = "sha256sum < ~/QubesIncoming/work/one";
    assert_eq!(lab.ends_with("vault", second), 0, "{}", lab.log("vault"));
}

/// A folder goes from one machine to the other once the person says so, and nothing of it before.
pub(crate) fn go_when_the_person_says_so(lab: &Lab, from: &str, to: &str) {
    let make = "mkdir ~/tree && cd ~/tree && head -c 2000000 /dev/urandom > noise && sha256sum noise > sum";
    assert_eq!(lab.ends_with(from, make), 0, "{}", lab.log(from));
    for allowed in [false, true] {
        let before = lab.log(from).len();
        lab.house.must(&["qube", "run", from, "transom-copy", "--to", to, "tree"]);
        let asked = until("a question about the folder", || lab.house.state().prompt);
        let begins = format!("{from} wants to copy “tree (");
        assert!(asked.starts_with(&begins) && asked.contains(&format!("*{to}")), "{asked}");
        if allowed {
            lab.allows();
        } else {
            lab.refuses();
        }
        let ended = until("the copy has ended", || program_ended(&lab.log(from)[before..]));
        assert_eq!(ended, i32::from(!allowed), "{}\n{}", lab.log(from), lab.log(to));
        let there = format!("cd ~/QubesIncoming/{from}/tree && sha256sum --check sum");
        assert_eq!(lab.ends_with(to, &there) == 0, allowed, "{}", lab.log(to));
    }
    println!("a folder went from {from} to {to} when the person said so");
}

/// What the guest's own apt finds in a repository goes to dom0, and dom0's clock is the guest's.
fn tells_of_updates(lab: &Lab) {
    let repository = "command -v transom-start && mkdir -p repo && echo \"deb [trusted=yes] file:$HOME/repo ./\" > sources && \
        printf 'Package: foot\\nVersion: 99.1\\nArchitecture: amd64\\nMaintainer: nobody\\n\
            Filename: ./foot.deb\\nSize: 1\\nSHA256: %064d\\nDescription: a terminal\\n' 0 > repo/Packages && \
        echo \"Dir::Etc::sourcelist \\\"$HOME/sources\\\"; Dir::Etc::sourceparts \\\"-\\\";\" > apt.conf && \
        APT_CONFIG=$HOME/apt.conf transom-updates";
    assert_eq!(lab.ends_with("work", repository), 0, "{}", lab.log("work"));
    let told = String::from_utf8(lab.house.run(&["qube", "updates", "work"]).stdout).unwrap();
    assert!(told.contains("work told of 1 update on") && told.contains("foot  1.13"), "{told}");
    assert!(told.trim_end().ends_with("99.1"), "{told}");
    let clock =
        "t=$(($(date +%s) - $(date +%s --date=$(transom-clock)))); echo $t; test $t -ge -2 -a $t -le 2";
    assert_eq!(lab.ends_with("work", clock), 0, "{}", lab.log("work"));
}

/// Puts a program with a status icon into the machines.
fn with_icon(lab: &Lab) {
    let small = tempfile::NamedTempFile::new().unwrap();
    let program = env!("CARGO_BIN_EXE_transom-status-icon");
    let done = Command::new("strip").arg("-o").arg(small.path()).arg(program).status().unwrap();
    assert!(done.success());
    add_to_initramfs(&own(lab, DEFAULT_NAME), &[("transom/status-icon", &fs::read(&small).unwrap())]);
}

/// A notification of `work`'s program stands behind the guest's name, and its button is heard there.
pub(crate) fn tells_the_person(lab: &Lab) {
    let said = "notify-send --wait --action=yes=Yes 'From the guest' 'its own words' > chosen";
    lab.house.must(&["qube", "run", "work", "sh", "-c", said]);
    let card = || lab.house.state().cards.into_iter().find(|card| card.summary == "From the guest");
    let shown = until("the card", || card().filter(|card| card.area.is_some()));
    assert_eq!((shown.qube.as_str(), shown.body.as_str()), ("work", "its own words"));
    // It has a button as long as it waits.
    click(
        lab,
        "its button takes a click",
        || card().map(|card| card.buttons[0]),
        BTN_LEFT,
        || card().is_none(),
    );
    let heard = "while ! grep -q . chosen; do sleep 0.1; done; test $(cat chosen) = yes";
    assert_eq!(lab.ends_with("work", heard), 0, "{}", lab.log("work"));
}

/// Clicks in the middle of what has just appeared, which may take no click yet, until that has come about.
fn click(lab: &Lab, what: &str, area: impl Fn() -> Option<[i32; 4]>, button: u32, done: impl Fn() -> bool) {
    until(what, || {
        if let Some([x, y, w, h]) = area() {
            lab.house.ask(&Request::Pointer { x: f64::from(x + w / 2), y: f64::from(y + h / 2) });
            for pressed in [true, false] {
                lab.house.ask(&Request::Button { code: button, pressed });
            }
        }
        done().then_some(())
    });
}

/// A status icon of a guest's program is in the bar, in its own colours; the program hears of clicks, and the icon goes
/// with it.
fn has_an_icon(lab: &Lab) {
    lab.house.must(&["qube", "run", "work", "/usr/lib/transom/status-icon", "/home/user/told"]);
    let icons = || lab.house.state().status_icons;
    let icon = until("the icon", || icons().into_iter().next());
    assert_eq!((icon.qube.as_str(), icon.title.as_str(), icons().len()), ("work", "Of a guest", 1));
    let [x, y, w, h] = icon.area;
    until("its picture", || {
        let pixel = *lab.picture().get_pixel((x + w / 2) as u32, (y + h / 2) as u32);
        (pixel.0 == [9, 200, 30]).then_some(())
    });
    // Where the pointer was is not told.
    for (button, word) in [(BTN_LEFT, "activate 0 0"), (BTN_RIGHT, "menu 0 0")] {
        let told = format!("grep -qx '{word}' ~/told");
        click(lab, word, || Some(icon.area), button, || lab.ends_with("work", &told) == 0);
    }
    assert_eq!(lab.ends_with("work", "kill $(pidof status-icon)"), 0);
    until("it is gone", || icons().is_empty().then_some(()));
}

/// What the manager says of a machine that runs is so, and follows what it does.
fn is_seen_in_the_manager(lab: &Lab) {
    manager::with(lab, "work", |figures| {
        let Figures { memory, disk, says } = figures().unwrap();
        assert!(memory[0] > 64.0 && memory[0] <= 256.0 && memory[1] as u32 == 256, "{memory:?}");
        assert!(disk[0] > 0.0 && disk[1] as u32 == 128, "{disk:?}");
        assert!(says.contains("made from debian-12; no network") && says.contains("1 update"), "{says}");
        assert_eq!(lab.ends_with("work", "head -c 20000000 /dev/urandom > ~/large && sync"), 0);
        until("what it wrote is counted", || figures().filter(|now| now.disk[0] > disk[0] + 15.0));
        lab.house.must(&["qube", "pause", "work"]);
        until("it is paused", || {
            lab.house.state().manager?.rows.iter().any(|row| row.starts_with("work: paused")).then_some(())
        });
        lab.house.must(&["qube", "resume", "work"]);
        until("it goes on", figures);
    });
}
