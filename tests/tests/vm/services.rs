//! Files from one machine to another.

use std::{fs, time::Instant};

use transom_tests::figure::figure;

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
    let second = "sha256sum < ~/QubesIncoming/work/one";
    assert_eq!(lab.ends_with("vault", second), 0, "{}", lab.log("vault"));
}
