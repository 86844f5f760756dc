//! What a qube sees of dom0.

use crate::harness::*;

fn ask(qubed: &Qubed, command: &str) -> String {
    let mut compositor = attach(qubed);
    let (_, mut display) = await_link(&mut compositor, "work");
    display.ask(command)
}

#[test]
fn no_network() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("work", "good");
    let devices = ask(&qubed, "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '");
    assert_eq!(devices, "lo");
}

#[test]
fn nothing_of_dom0_but_its_programs() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("work", "good");
    let top = ask(&qubed, "ls /");
    let allowed = [
        "bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libexec", "libx32", "proc", "run", "sbin",
        "tmp", "usr", "var",
    ];
    assert!(top.lines().all(|entry| allowed.contains(&entry)), "{top}");
    assert_eq!(ask(&qubed, "ls /home; ls -A /tmp/.X11-unix; ls /run"), "user\ntransom\nuser");
    // The tools for services are there if they are installed beside the agent, and are one program.
    let agent = std::path::Path::new(env!("CARGO_BIN_EXE_transom-fake-agent"));
    let has_tools = agent.with_file_name("transom-services").exists();
    let sockets = "call.sock\ndisplay.sock\nservice.sock\ntransom-agent";
    let ours = if has_tools { format!("bin\n{sockets}\ntransom-services") } else { sockets.to_owned() };
    let leads = if has_tools { "../transom-services" } else { "" };
    assert_eq!(ask(&qubed, "ls /run/transom"), ours);
    assert_eq!(ask(&qubed, "readlink /run/transom/bin/* | sort -u"), leads);
    // The person's own directories, by name.
    for path in [
        std::env::var("HOME").unwrap_or_else(|_| "/root".to_owned()),
        qubed.temp.path().display().to_string(),
    ] {
        let found = ask(&qubed, &format!("ls -d {path} 2>/dev/null || echo none"));
        assert_eq!(found, "none", "{path}");
    }
    for path in ["shadow", "ssh", "sudoers", "fstab", "cron.d", "machine-info"] {
        assert_eq!(ask(&qubed, &format!("test -e /etc/{path} && echo there; true")), "", "{path}");
    }
    let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_else(|_| "none".to_owned());
    assert_ne!(ask(&qubed, "cat /etc/machine-id"), id.trim());
    assert_eq!(ask(&qubed, "cat /etc/passwd | wc -l"), "3");
    assert_eq!(ask(&qubed, "hostname"), "work");
}

#[test]
fn the_environment_is_clean_in_every_process() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("work", "good");
    let environment = ask(&qubed, "env; cat /proc/[0-9]*/environ | tr '\\0' '\\n'");
    assert!(!environment.contains("TRANSOM_TEST_SECRET"), "{environment}");
    assert!(!environment.contains("DISPLAY=") && !environment.contains("DBUS_"), "{environment}");
    for line in ["HOME=/home/user", "USER=user", "XDG_RUNTIME_DIR=/run/user", "LANG=C.UTF-8"] {
        assert!(environment.lines().any(|l| l == line), "{line}: {environment}");
    }
    let command_lines = ask(&qubed, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
    assert!(!command_lines.contains(&qubed.temp.path().display().to_string()), "{command_lines}");
}

#[test]
fn no_rights_no_way_to_get_some_and_no_leaked_descriptors() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.up("work", "good");
    assert_eq!(ask(&qubed, "id -u; id -g"), "1000\n1000");
    let capabilities = ask(&qubed, "grep -h ^Cap /proc/self/status | cut -f2 | sort -u");
    assert_eq!(capabilities, "0000000000000000");
    assert_eq!(ask(&qubed, "grep NoNewPrivs /proc/self/status | cut -f2"), "1");
    assert_eq!(ask(&qubed, "unshare --user --map-root-user true 2>/dev/null && echo nested; true"), "");
    assert_eq!(ask(&qubed, "ulimit -c"), "0");
    for path in ["/usr/x", "/etc/x", "/x", "/run/x", "/run/transom/x", "/bin/x"] {
        assert_eq!(ask(&qubed, &format!("touch {path} 2>/dev/null && echo wrote; true")), "", "{path}");
    }
    assert_eq!(
        ask(&qubed, "touch ~/x /tmp/x /tmp/.X11-unix/x /run/user/x /dev/shm/x && echo wrote"),
        "wrote"
    );
    // The agent's own: standard ones, its two sockets and a copy of one; the shell's pipes. Nothing
    // that leads to qubed.
    let fds = ask(&qubed, "for fd in /proc/2/fd/*; do readlink $fd; done");
    assert!(!fds.contains("memfd") && !fds.contains("pidfd"), "{fds}");
    let pids = ask(&qubed, "ls /proc | grep -c '^[0-9]'");
    assert!(pids.parse::<u32>().unwrap() < 12, "only its own processes: {pids}");
}

#[test]
fn nested_sandboxes_where_the_person_allows_them() {
    if !can_sandbox() {
        return;
    }
    let qubed = Qubed::start();
    qubed.create_with("work", "good", "limits {\n    nested-sandboxes\n}");
    start(&mut qubed.client(), "work").unwrap();
    assert_eq!(ask(&qubed, "unshare --user --map-root-user echo nested"), "nested");
}
