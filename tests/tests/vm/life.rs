//! A virtual machine's life: programs, a desktop that dies, an agent that dies, a machine that dies.

use rustix::process::{Pid, Signal, kill_process};
use transom_tests::process::until;
use transom_theming::Label;

use super::{
    lab::Lab,
    picture::{is_painted_within_its_frame, painted},
};

/// Connects by vsock to what a qube has no business with; succeeds if all of it is refused.
pub(crate) const STRANGERS: &str = r#"perl -e 'for (["2", 22], ["2", 5004], ["2", 1], ["1", 5000], ["4", 5000]) {
    my ($cid, $port) = @$_;
    socket(my $s, 40, 1, 0) or exit 3;
    alarm 20;
    connect($s, pack("SSLLCx3", 40, 0, $port, $cid, 0)) and exit 4;
} exit 0'"#;

/// True if the private volume's file system was not unmounted (ext4: `RECOVER` in `s_feature_incompat`).
pub(crate) fn needs_recovery(lab: &Lab, qube: &str) -> bool {
    let mut flags = [0; 4];
    lab.read_volume(qube, &mut flags, 1024 + 0x60);
    u32::from_le_bytes(flags) & 4 != 0
}

pub(crate) fn must(lab: &Lab, words: &[String]) {
    lab.house.must(&words.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn programs_of_a_machine_outlive_the_desktop_and_its_home_outlives_the_machine() {
    let Some(mut lab) = Lab::new() else { return };
    lab.house.start_desktop();
    lab.create("work", "blue", "memory \"512MiB\"\nvolume \"256MiB\"");
    let info = lab.info("work");
    assert_eq!((&info["backend"], &info["isolated"]), (&"qemu".into(), &true.into()), "{info}");
    let stages = lab.start("work");
    assert!(stages.contains_key("volume-made") && stages.contains_key("agent"), "{stages:?}");

    // A real program in its frame, read from the guest's memory.
    must(
        &lab,
        &painted("work", "counter", "i=0; while :; do i=$((i+1)); echo $i >> ~/count; sleep 0.2; done"),
    );
    is_painted_within_its_frame(&lab, "counter", Label::Blue);
    let qube = lab.house.state().qubes.into_iter().find(|qube| qube.name == "work").unwrap();
    assert!(qube.isolated && qube.mapped_bytes > 0, "{qube:?}");
    // One with GTK, and one of X11.
    lab.house.must(&["qube", "run", "work", "mousepad"]);
    lab.house.must(&["qube", "run", "work", "xcalc"]);
    lab.window("Calculator");
    until("mousepad", || {
        lab.house.state().windows.iter().any(|w| w.title.contains("Mousepad")).then_some(())
    });
    // All of it from the programs' own memory: the agent says when it copies (as `vm_grants` sees).
    assert!(!lab.log("work").contains("pixels copied"), "{}", lab.log("work"));
    assert_eq!(lab.ends_with("work", "test \"$(id -u)\" = 1000 && test \"$(hostname)\" = work"), 0);
    assert_eq!(lab.ends_with("work", STRANGERS), 0, "the guest reached somebody");

    // The desktop dies; the windows come back, and nothing has stopped meanwhile.
    lab.house.kill_desktop();
    assert_eq!(lab.ends_with("work", "n=$(wc -l < ~/count); sleep 2; test $(wc -l < ~/count) -gt $n"), 0);
    lab.house.start_desktop();
    is_painted_within_its_frame(&lab, "counter", Label::Blue);
    until("all windows", || (lab.house.state().windows.len() == 3).then_some(()));
    // Of one moment, for the counter goes on.
    let twice = "cp ~/count ~/then; test \"$(sort -n ~/then | uniq | wc -l)\" = \"$(wc -l < ~/then)\"";
    assert_eq!(lab.ends_with("work", twice), 0);

    // The agent dies; its programs go with it, and the next one serves new programs.
    lab.house.must(&["qube", "run", "work", "sh", "-c", "sync; kill -9 $(pidof transom-agent)"]);
    until("its windows are gone", || lab.house.state().windows.is_empty().then_some(()));
    until("the next agent runs programs", || {
        lab.house.run(&["qube", "run", "work", "foot", "--title=second"]).status.success().then_some(())
    });
    lab.window("second");

    // The machine dies: the qube is marked, the desktop goes on, the next start finds the home.
    let pid = lab.info("work")["pid"].as_u64().and_then(|pid| Pid::from_raw(pid as i32)).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    until("it is marked", || (lab.info("work")["state"]["is"] == "failed").then_some(()));
    let reason = lab.info("work")["state"]["reason"].to_string();
    assert!(reason.contains("ended by signal 9") && reason.contains("qube log work"), "{reason}");
    until("its windows are gone", || lab.house.state().windows.is_empty().then_some(()));
    let stages = lab.start("work");
    assert!(!stages.contains_key("volume-made"), "{stages:?}");
    assert_eq!(lab.ends_with("work", "test -s ~/count && echo kept > ~/kept"), 0);

    // An orderly end, and what was written before it.
    lab.house.must(&["qube", "run", "work", "sh", "-c", "exec 3>~/open; sleep 1000"]);
    lab.house.must(&["qube", "stop", "work"]);
    assert_eq!(lab.info("work")["state"]["is"], "halted");
    assert!(!needs_recovery(&lab, "work"), "the volume was not let go: {}", lab.log("work"));
    lab.start("work");
    assert_eq!(lab.ends_with("work", "test \"$(cat ~/kept)\" = kept"), 0);
    lab.house.must(&["qube", "kill", "work"]);
    assert_eq!(lab.info("work")["state"]["is"], "halted");
    assert!(needs_recovery(&lab, "work"), "a machine that was killed lets go of nothing");
}
