//! Programs of machines: known before the first start, started with their machine, each in its own home.

use std::{fs, time::Instant};

use serde_json::Value;
use transom_tests::{figure::figure, process::until};

use super::lab::Lab;

const ENTER: u32 = 28;
const D: u32 = 32;
const SUPER: u32 = 125;
const U: u32 = 22;
/// evdev codes of the passphrase, `correct horse battery`.
const PASSPHRASE: [u32; 21] =
    [46, 24, 19, 19, 18, 46, 20, 57, 35, 24, 19, 31, 18, 57, 48, 30, 20, 20, 18, 19, 21];
/// evdev codes of `foot work`.
const FOOT_WORK: [u32; 9] = [33, 24, 24, 20, 57, 17, 24, 19, 37];

/// Types some of the passphrase into the desktop's question, as a person would.
fn give_passphrase(lab: &Lab, codes: &[u32]) {
    for code in codes {
        lab.house.chord(&[*code]);
    }
    lab.house.chord(&[ENTER]);
}

/// What the desktop asks and says of the passphrase, once it does.
fn passphrase_says(lab: &Lab, text: &str) {
    until(text, || lab.house.state().passphrase?.contains(text).then_some(()));
}

/// Whether a qube lists a program, and with a picture.
pub(crate) fn lists(lab: &Lab, qube: &str, id: &str) -> Option<bool> {
    let output = lab.house.run(&["qube", "programs", qube, "--json"]);
    let list: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    list.iter().find(|program| program["id"] == id).map(|program| program["icon"] == true)
}

/// A qube that runs lists what its person adds, and no name that could be taken for another one's or moves what
/// stands beside it.
pub(crate) fn follows_what_is_added(lab: &Lab, qube: &str) {
    let make = "mkdir -p ~/.local/share/applications && cd ~/.local/share/applications && \
        printf '[Desktop Entry]\\nType=Application\\nName=Own\\342\\200\\256 one\\nExec=foot --title=own\\n' > own.desktop && \
        printf '[Desktop Entry]\\nType=Application\\nName=Hidden\\nNoDisplay=true\\nExec=foot\\n' > hidden.desktop && \
        printf '[Desktop Entry]\\nType=Application\\nName=Missing\\nExec=not-there\\nTryExec=not-there\\n' > missing.desktop";
    assert_eq!(lab.ends_with(qube, make), 0, "{}", lab.log(qube));
    until("it is listed", || lists(lab, qube, "own"));
    let shown = String::from_utf8(lab.house.run(&["qube", "programs", qube]).stdout).unwrap();
    println!("{shown}");
    assert!(shown.contains("Own one") && !shown.contains('\u{202e}'), "{shown}");
    for id in ["hidden", "missing"] {
        assert_eq!(lists(lab, qube, id), None);
    }
    assert_eq!(lists(lab, qube, "foot"), Some(true));
}

#[test]
fn a_halted_machine_starts_for_a_program_and_homes_stay_apart() {
    let Some(mut lab) = Lab::new() else { return };
    lab.house.start_desktop();
    for (qube, label) in [("work", "blue"), ("web", "red")] {
        lab.create(qube, label, "memory \"512MiB\"\nvolume \"128MiB\"");
        // By their template: neither has ever run.
        for id in ["foot", "org.xfce.mousepad"] {
            assert_eq!(lists(&lab, qube, id), Some(true), "{qube} {id}");
        }
    }
    lab.house.chord(&[SUPER, U]);
    passphrase_says(&lab, "unlocks the volumes");
    give_passphrase(&lab, &PASSPHRASE);
    until("the right one", || lab.house.state().passphrase.is_none().then_some(()));

    lab.house.chord(&[SUPER, D]);
    for code in FOOT_WORK {
        lab.house.chord(&[code]);
    }
    until("the row", || (lab.house.state().launcher?.chosen.as_deref() == Some("work: Foot")).then_some(()));
    let begin = Instant::now();
    lab.house.chord(&[ENTER]);
    // The person sees it coming before there is a machine.
    assert_eq!(lab.house.state().starting, ["work: Foot waits for its qube to start"]);
    assert_eq!(lab.info("work")["state"]["is"], "starting");
    let ms = begin.elapsed().as_secs_f64() * 1_000.0;
    until("its window", || {
        lab.house.state().windows.iter().any(|window| window.qube == "work").then_some(())
    });
    assert!(lab.house.state().starting.is_empty());
    println!("seen coming within {ms:.0} ms, its window after {:.2} s", begin.elapsed().as_secs_f64());
    figure("vm.launch_halted_s", begin.elapsed().as_secs_f64(), "s", 1);

    // A profile, and a program of its own, that are in this qube only.
    let make = "mkdir -p ~/.mozilla/profile ~/.local/share/applications && \
                echo from-work > ~/.mozilla/profile/cookies && \
                printf '[Desktop Entry]\\nType=Application\\nName=Own\\nExec=foot --title=own\\n' \
                > ~/.local/share/applications/own.desktop";
    assert_eq!(lab.ends_with("work", make), 0);
    until("it is listed", || lists(&lab, "work", "own"));
    lab.house.must(&["qube", "stop", "work"]);

    // Another session, in which nobody has given the passphrase yet: it is asked for by itself.
    lab.house.must(&["lock-store"]);
    let file = lab.data().join("qubes/web/qube.kdl");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("start-with-desktop\n{text}")).unwrap();
    lab.house.kill_desktop();
    lab.house.start_desktop();
    passphrase_says(&lab, "web waits for the passphrase");
    give_passphrase(&lab, &PASSPHRASE[1..]);
    passphrase_says(&lab, "The passphrase is wrong.");
    give_passphrase(&lab, &PASSPHRASE);
    until("web starts", || (lab.info("web")["state"]["is"] == "running").then_some(()));
    assert_eq!(lab.house.state().passphrase, None);
    let apart = "test ! -e ~/.mozilla && test ! -e ~/.local && ! grep -rs from-work ~";
    assert_eq!(lab.ends_with("web", apart), 0, "{}", lab.log("web"));
    assert_eq!(lists(&lab, "web", "own"), None);
    lab.house.must(&["qube", "kill", "web"]);

    // It is there after a restart, which the program itself brings about.
    lab.house.must(&["qube", "run", "work", "--program", "own"]);
    lab.window("own");
    assert_eq!(lab.ends_with("work", "test \"$(cat ~/.mozilla/profile/cookies)\" = from-work"), 0);
}
