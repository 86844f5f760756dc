//! Files from one machine to another.

use std::{fs, time::Instant};

use transom::{input::event::BTN_LEFT, ipc::Request};
use transom_tests::{figure::figure, process::until};

use super::lab::{Lab, PASSPHRASE};

#[test]
fn files_go_from_machine_to_machine_by_rule() {
    let Some(mut lab) = Lab::new() else { return };
    let config = lab.house.path().join("config/transom");
    fs::create_dir_all(&config).unwrap();
    fs::write(config.join("policy.kdl"), "allow \"transom.copy\" from=\"work\" to=\"vault\"\n").unwrap();
    lab.house.start_desktop();
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
    let second = "sha256sum < ~/QubesIncoming/work/one";
    assert_eq!(lab.ends_with("vault", second), 0, "{}", lab.log("vault"));
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

/// A notification of a guest's program stands behind the guest's name, and its button is heard there.
fn tells_the_person(lab: &Lab) {
    let said = "notify-send --wait --action=yes=Yes 'From the guest' 'its own words' > chosen";
    lab.house.must(&["qube", "run", "work", "sh", "-c", said]);
    let card = || lab.house.state().cards.into_iter().find(|card| card.summary == "From the guest");
    let shown = until("the card", || card().filter(|card| card.area.is_some()));
    assert_eq!((shown.qube.as_str(), shown.body.as_str()), ("work", "its own words"));
    // What has just appeared under the pointer takes no click yet.
    until("its button takes a click", || {
        let Some([x, y, w, h]) = card().map(|card| card.buttons[0]) else { return Some(()) };
        lab.house.ask(&Request::Pointer { x: f64::from(x + w / 2), y: f64::from(y + h / 2) });
        for pressed in [true, false] {
            lab.house.ask(&Request::Button { code: BTN_LEFT, pressed });
        }
        None
    });
    let heard = "while ! grep -q . chosen; do sleep 0.1; done; test $(cat chosen) = yes";
    assert_eq!(lab.ends_with("work", heard), 0, "{}", lab.log("work"));
}
