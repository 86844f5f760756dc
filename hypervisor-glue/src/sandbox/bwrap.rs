//! The sandbox as arguments for bubblewrap: what a qube sees.

use std::{
    fs,
    os::fd::RawFd,
    path::{Path, PathBuf},
};

use transom_protocol::supervisor::QubeName;

use super::path_bytes;
use crate::{
    machine::{Channel, MachineSpec, StartError},
    paths,
    store::Limits,
};

/// File name of a socket, in the run directory and in the qube.
pub(super) fn socket(channel: Channel) -> &'static str {
    match channel {
        Channel::Display => "display.sock",
        Channel::Service => "service.sock",
        Channel::Call => "call.sock",
        Channel::Network => "network.sock",
    }
}

/// Where the qube finds what dom0 has put there.
const TRANSOM: &str = "/run/transom";
/// The agent, as the qube sees it.
pub(super) const AGENT: &str = "/run/transom/transom-agent";
/// How the agent is called.
pub(super) const AGENT_ARGUMENTS: [&str; 6] = [
    "--display-socket",
    "/run/transom/display.sock",
    "--service-socket",
    "/run/transom/service.sock",
    "--runtime-dir",
    RUNTIME_DIR,
];
/// `XDG_RUNTIME_DIR` in the qube.
const RUNTIME_DIR: &str = "/run/user";
/// Most that a home in memory holds, in bytes.
const IN_MEMORY: u64 = 4 << 30;
/// Home in the qube.
const HOME: &str = "/home/user";
/// Directories and files in dom0's `/etc` that programs need and that tell nothing about the
/// person or the machine.
const ETC: [&str; 27] = [
    "X11",
    "alternatives",
    "bash.bashrc",
    "dconf",
    "debian_version",
    "drirc",
    "fonts",
    "glvnd",
    "gtk-2.0",
    "gtk-3.0",
    "gtk-4.0",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "libreoffice",
    "locale.alias",
    "localtime",
    "mime.types",
    "os-release",
    "pango",
    "profile",
    "profile.d",
    "services",
    "terminfo",
    "vulkan",
    "xdg",
];
/// Top-level directories that are links into `/usr` on most systems.
const TOP: [&str; 7] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32", "libexec"];

/// Descriptors that bubblewrap inherits, by number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inherited {
    /// Where it tells its state.
    pub(super) status: RawFd,
    /// From where it reads a byte before it goes on.
    pub(super) hold: RawFd,
}

/// What of dom0's file system matters to a sandbox.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// Entries of `/`, with the target of those that are links.
    top: Vec<(&'static str, Option<PathBuf>)>,
    /// Entries of [`ETC`] that are there.
    etc: Vec<&'static str>,
    /// A cache that makes programs start faster.
    font_cache: bool,
}

impl Host {
    /// Looks at dom0.
    pub(super) fn look() -> Self {
        let root = Path::new("/");
        let top = TOP
            .iter()
            .filter_map(|name| {
                let path = root.join(name);
                let meta = fs::symlink_metadata(&path).ok()?;
                let target = if meta.is_symlink() { Some(fs::read_link(&path).ok()?) } else { None };
                Some((*name, target))
            })
            .collect();
        let etc = ETC.into_iter().filter(|name| root.join("etc").join(name).exists()).collect();
        Self { top, etc, font_cache: Path::new("/var/cache/fontconfig").is_dir() }
    }
}

/// The files that stand in `/etc` of the qube instead of dom0's, by name.
pub(super) fn etc_files(name: &QubeName, machine_id: &str) -> [(&'static str, String); 5] {
    [
        (
            "passwd",
            "root:x:0:0:root:/root:/usr/sbin/nologin\nuser:x:1000:1000:user:/home/user:/bin/bash\n\
             nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
                .to_owned(),
        ),
        ("group", "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n".to_owned()),
        ("hosts", format!("127.0.0.1 localhost {name}\n::1 localhost {name}\n")),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\n".to_owned(),
        ),
        ("machine-id", format!("{machine_id}\n")),
    ]
}

/// A list of arguments being made.
#[derive(Default)]
struct Arguments(Vec<Vec<u8>>);

impl Arguments {
    fn add<const N: usize>(&mut self, arguments: [&str; N]) {
        self.0.extend(arguments.into_iter().map(|argument| argument.as_bytes().to_owned()));
    }

    fn bind(&mut self, how: &str, from: &Path, to: &str) {
        self.add([how]);
        self.0.push(path_bytes(from));
        self.add([to]);
    }

    fn tmpfs(&mut self, size: u64, mode: &str, at: &str) {
        let size = size.to_string();
        self.add(["--size", &size, "--perms", mode, "--tmpfs", at]);
    }
}

/// All options of one sandbox.
pub(super) fn arguments(
    spec: &MachineSpec<'_>,
    inherited: Inherited,
    host: &Host,
) -> Result<Vec<Vec<u8>>, StartError> {
    let mut a = Arguments::default();
    namespaces(&mut a, spec, inherited);
    system(&mut a, spec.limits, host);
    for (name, _) in etc_files(spec.name, "") {
        a.bind("--ro-bind", &spec.run_dir.join(name), &format!("/etc/{name}"));
    }
    a.add(["--dir", "/home"]);
    match spec.home {
        Some(home) => a.bind("--bind", home, HOME),
        None => a.tmpfs(spec.limits.memory.unwrap_or(u64::MAX).min(IN_MEMORY), "0700", HOME),
    }
    a.bind("--ro-bind", spec.agent, AGENT);
    services(&mut a, spec.agent);
    // It has no network: nobody in it asks what that is to be.
    for channel in [Channel::Display, Channel::Service, Channel::Call] {
        let name = socket(channel);
        a.bind("--bind", &spec.run_dir.join(name), &format!("{TRANSOM}/{name}"));
    }
    // The root and /run themselves are the sandbox's own; nobody needs to write there.
    a.add(["--remount-ro", "/run", "--remount-ro", "/"]);
    a.add(["--chdir", HOME]);
    environment(&mut a, spec.environment);
    if a.0.iter().any(|argument| argument.contains(&0)) {
        return Err(StartError::Unable("a path or variable of the qube holds a zero byte".to_owned()));
    }
    Ok(a.0)
}

/// The programs by which qubes send each other files and links, where they are installed.
fn services(a: &mut Arguments, agent: &Path) {
    let program = agent.with_file_name("transom-services");
    if !paths::is_program(&program) {
        return;
    }
    a.bind("--ro-bind", &program, &format!("{TRANSOM}/transom-services"));
    a.add(["--dir", &format!("{TRANSOM}/bin")]);
    for tool in crate::image::TOOLS {
        a.add(["--symlink", "../transom-services", &format!("{TRANSOM}/bin/{tool}")]);
    }
}

fn namespaces(a: &mut Arguments, spec: &MachineSpec<'_>, inherited: Inherited) {
    // One by one: `--unshare-all` goes on without a user namespace where there is none.
    a.add(["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]);
    a.add(["--unshare-cgroup-try", "--new-session", "--die-with-parent"]);
    if !spec.limits.nested_sandboxes {
        a.add(["--disable-userns"]);
    }
    a.add(["--uid", "1000", "--gid", "1000", "--cap-drop", "ALL", "--hostname", spec.name.as_str()]);
    let (status, hold) = (inherited.status.to_string(), inherited.hold.to_string());
    a.add(["--json-status-fd", &status, "--block-fd", &hold]);
}

/// dom0's programs, read-only, and everything that is the sandbox's own.
fn system(a: &mut Arguments, limits: &Limits, host: &Host) {
    // A tmpfs may not take more than the qube may.
    let most = limits.memory.unwrap_or(u64::MAX).min(1 << 30);
    let small = most.min(64 << 20);
    a.add(["--ro-bind", "/usr", "/usr"]);
    for (name, target) in &host.top {
        match target {
            Some(target) => {
                a.add(["--symlink"]);
                a.0.push(path_bytes(target));
                a.add([&format!("/{name}")]);
            }
            None => a.add(["--ro-bind", &format!("/{name}"), &format!("/{name}")]),
        }
    }
    a.add(["--proc", "/proc", "--dev", "/dev"]);
    a.tmpfs(most, "1777", "/dev/shm");
    a.tmpfs(most, "1777", "/tmp");
    a.add(["--perms", "1777", "--dir", "/tmp/.X11-unix"]);
    a.add(["--dir", "/var", "--dir", "/var/lib", "--dir", "/var/cache"]);
    a.tmpfs(most, "1777", "/var/tmp");
    if host.font_cache {
        a.add(["--ro-bind", "/var/cache/fontconfig", "/var/cache/fontconfig"]);
    }
    a.tmpfs(small, "0755", "/run");
    a.tmpfs(small, "0700", RUNTIME_DIR);
    a.add(["--dir", "/run/transom", "--symlink", "/run", "/var/run"]);
    a.add(["--perms", "0755", "--dir", "/etc"]);
    for name in &host.etc {
        let path = format!("/etc/{name}");
        a.add(["--ro-bind", &path, &path]);
    }
}

fn environment(a: &mut Arguments, more: &[(String, String)]) {
    a.add(["--clearenv"]);
    let usual = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games:/run/transom/bin"),
        ("HOME", HOME),
        ("USER", "user"),
        ("LOGNAME", "user"),
        ("SHELL", "/bin/bash"),
        ("LANG", "C.UTF-8"),
        ("TERM", "xterm-256color"),
        ("XDG_RUNTIME_DIR", RUNTIME_DIR),
        ("XDG_SESSION_TYPE", "wayland"),
    ];
    for (name, value) in usual {
        a.add(["--setenv", name, value]);
    }
    for (name, value) in more {
        a.add(["--setenv", name, value]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(limits: &Limits, environment: &[(String, String)]) -> Vec<String> {
        let name = QubeName::new("work").unwrap();
        let spec = MachineSpec {
            name: &name,
            home: Some(Path::new("/d/home")),
            run_dir: Path::new("/r"),
            agent: Path::new("/a/agent"),
            environment,
            limits,
            vm: None,
        };
        let host = Host {
            top: vec![("bin", Some(PathBuf::from("usr/bin"))), ("lib", None)],
            etc: vec!["fonts"],
            font_cache: true,
        };
        let list = arguments(&spec, Inherited { status: 5, hold: 6 }, &host).unwrap();
        list.into_iter().map(|argument| String::from_utf8(argument).unwrap()).collect()
    }

    fn has(list: &[String], part: &[&str]) -> bool {
        list.windows(part.len()).any(|window| window == part)
    }

    #[test]
    fn the_walls_stand() {
        let list = all(&Limits::default(), &[]);
        for wall in [
            "--unshare-user",
            "--unshare-net",
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
            "--new-session",
            "--die-with-parent",
            "--disable-userns",
            "--clearenv",
        ] {
            assert!(list.iter().any(|argument| argument == wall), "{wall}");
        }
        assert!(has(&list, &["--cap-drop", "ALL"]));
        assert!(has(&list, &["--symlink", "usr/bin", "/bin"]));
        assert!(has(&list, &["--ro-bind", "/lib", "/lib"]));
        assert!(has(&list, &["--ro-bind", "/etc/fonts", "/etc/fonts"]));
        // Only the home and the sockets can be written.
        let binds: Vec<_> = list.iter().enumerate().filter(|(_, a)| *a == "--bind").collect();
        let sources: Vec<_> = binds.iter().map(|(i, _)| list[i + 1].as_str()).collect();
        assert_eq!(sources, ["/d/home", "/r/display.sock", "/r/service.sock", "/r/call.sock"]);
        assert!(!list.iter().any(|argument| argument.starts_with("--dev-bind") || argument == "--share-net"));
    }

    #[test]
    fn nested_sandboxes_only_where_asked_for() {
        let list = all(&Limits { nested_sandboxes: true, ..Limits::default() }, &[]);
        assert!(!list.iter().any(|argument| argument == "--disable-userns"));
    }

    #[test]
    fn the_persons_variables_come_last() {
        let list = all(&Limits::default(), &[("LANG".to_owned(), "de_DE.UTF-8".to_owned())]);
        assert_eq!(list[list.len() - 3..], ["--setenv", "LANG", "de_DE.UTF-8"]);
    }

    #[test]
    fn memory_files_stay_below_the_memory_limit() {
        let list = all(&Limits { memory: Some(100 << 20), ..Limits::default() }, &[]);
        let sizes = list.iter().enumerate().filter(|(_, a)| *a == "--size").map(|(i, _)| &list[i + 1]);
        assert!(sizes.map(|size| size.parse::<u64>().unwrap()).all(|size| size <= 100 << 20));
    }
}
