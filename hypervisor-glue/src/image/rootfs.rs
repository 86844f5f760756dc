//! The root file system: mmdebstrap's command line, its progress, and what its complaints mean.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{build::BuildError, manifest::Recipe};
use crate::paths;

/// Runs at the end, with the root folder.
const PACK: &str = include_str!("guest/pack.sh");
/// The time that all files get where `SOURCE_DATE_EPOCH` says nothing, in seconds: an image made
/// twice from the same packages is the same twice.
const EPOCH: &str = "1767225600";
/// Lines of a failed mmdebstrap that are looked at.
const TAIL: usize = 40;

/// What comes out, below the folder that it was given.
pub(super) struct Made {
    /// Folder with the kernel's modules.
    pub(super) modules: PathBuf,
    /// As `uname -r` says it.
    pub(super) release: String,
    pub(super) busybox: Vec<u8>,
    /// File with what the agent lists in the root, if it does.
    pub(super) programs: PathBuf,
}

/// Makes `DRAFT/kernel` and `DRAFT/root.erofs`; `work` is for what is needed on the way.
pub(super) fn make(
    recipe: &Recipe,
    agent: &Path,
    draft: &Path,
    work: &Path,
    tell: &mut dyn FnMut(&str),
) -> Result<Made, BuildError> {
    let mmdebstrap = tool("mmdebstrap", "mmdebstrap")?;
    tool("mkfs.erofs", "erofs-utils")?;
    let pack = work.join("pack.sh");
    fs::write(&pack, PACK).map_err(BuildError::io("write", &pack))?;
    let mut command = Command::new(mmdebstrap);
    command
        .args(arguments(recipe, &own_sources(&recipe.suite), &proxies(), agent, &pack, draft, work))
        .env("TRANSOM_KERNEL", &recipe.kernel)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if std::env::var_os("SOURCE_DATE_EPOCH").is_none() {
        command.env("SOURCE_DATE_EPOCH", EPOCH);
    }
    run(command, tell)?;
    let read = |name: &str| {
        let path = work.join(name);
        fs::read(&path).map_err(BuildError::io("read", &path))
    };
    Ok(Made {
        modules: work.join("modules"),
        release: String::from_utf8_lossy(&read("release")?).trim().to_owned(),
        busybox: read("busybox")?,
        programs: work.join("programs"),
    })
}

fn tool(program: &'static str, package: &'static str) -> Result<PathBuf, BuildError> {
    let system = ["/usr/sbin", "/sbin"].map(|dir| Path::new(dir).join(program));
    paths::in_path(program)
        .or_else(|| system.into_iter().find(|path| paths::is_program(path)))
        .ok_or(BuildError::Tool { program, package })
}

/// Hooks are shell, or for mmdebstrap's own ones split at blanks: paths are quoted for both.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn arguments(
    recipe: &Recipe,
    sources: &[PathBuf],
    proxies: &[String],
    agent: &Path,
    pack: &Path,
    draft: &Path,
    work: &Path,
) -> Vec<String> {
    let mut arguments = vec![
        "--variant=apt".to_owned(),
        format!("--include={}", recipe.all_packages().join(",")),
        "--aptopt=Acquire::Languages \"none\"".to_owned(),
        "--aptopt=Acquire::Retries \"3\"".to_owned(),
    ];
    // Licences stay.
    for option in [
        "path-exclude=/usr/share/man/*",
        "path-exclude=/usr/share/locale/*",
        "path-exclude=/usr/share/doc/*",
        "path-include=/usr/share/doc/*/copyright",
    ] {
        arguments.push(format!("--dpkgopt={option}"));
    }
    arguments.extend(proxies.iter().map(|line| format!("--aptopt={line}")));
    let out = |name: &str, to: &Path| format!("download /transom-out/{name} {}", quoted(&to.join(name)));
    for hook in [
        "mkdir \"$1/transom-out\"".to_owned(),
        format!("upload {} /transom-out/pack.sh", quoted(pack)),
        format!("upload {} /transom-out/transom-agent", quoted(agent)),
        "chmod 755 \"$1/transom-out/transom-agent\" && sh \"$1/transom-out/pack.sh\" \"$1\"".to_owned(),
        out("kernel", draft),
        out("root.erofs", draft),
        out("release", work),
        out("busybox", work),
        out("programs", work),
        format!("copy-out /usr/lib/modules {}", quoted(work)),
    ] {
        arguments.push(format!("--customize-hook={hook}"));
    }
    arguments.push(recipe.suite.clone());
    arguments.push("/dev/null".to_owned());
    arguments.extend(sources.iter().map(|path| path.display().to_string()));
    arguments
}

/// The sources of this machine's own package manager, where they are for the release that is
/// wanted; else mmdebstrap knows itself where Debian is.
fn own_sources(suite: &str) -> Vec<PathBuf> {
    let folder = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().filter_map(Result::ok);
    let mut files: Vec<PathBuf> = folder.map(|entry| entry.path()).collect();
    files.push("/etc/apt/sources.list".into());
    files.sort();
    files.retain(|path| {
        path.extension().is_some_and(|e| e == "list" || e == "sources")
            && fs::read_to_string(path).is_ok_and(|text| is_for(&text, suite))
    });
    files
}

/// True if every entry of a sources file is of this release of Debian itself.
fn is_for(text: &str, suite: &str) -> bool {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut suites = Vec::new();
    for line in lines {
        if let Some(list) = line.strip_prefix("Suites:") {
            suites.extend(list.split_whitespace());
        } else if let Some(entry) = line.strip_prefix("deb ") {
            let entry = entry.trim_start();
            let entry = if entry.starts_with('[') {
                entry.split_once(']').map_or("", |(_, rest)| rest)
            } else {
                entry
            };
            suites.push(entry.split_whitespace().nth(1).unwrap_or_default());
        } else if let Some(key) = line.strip_prefix("Signed-By:")
            && !key.contains("debian-archive-keyring")
        {
            return false;
        }
    }
    !suites.is_empty()
        && suites.iter().all(|found| {
            found.strip_prefix(suite).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '/']))
        })
}

/// How this machine's package manager reaches the network, as lines of its settings.
fn proxies() -> Vec<String> {
    let output = Command::new("apt-config").arg("dump").stdin(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let wanted =
        |line: &&str| line.starts_with("Acquire::") && line.contains("Proxy") && !line.contains("\"\"");
    text.lines().filter(wanted).map(str::to_owned).collect()
}

fn run(mut command: Command, tell: &mut dyn FnMut(&str)) -> Result<(), BuildError> {
    let mut child = command.spawn().map_err(BuildError::io("run", Path::new("mmdebstrap")))?;
    let mut tail: Vec<String> = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).split(b'\n') {
            let Ok(line) = line else { break };
            let line = transom_protocol::text::clean(&line, 300);
            if let Some(step) = ["I: ", "transom: "].iter().find_map(|prefix| line.strip_prefix(prefix)) {
                tell(step);
            }
            tail.push(line);
            if tail.len() > TAIL {
                tail.remove(0);
            }
        }
    }
    let status = child.wait().map_err(BuildError::io("wait for", Path::new("mmdebstrap")))?;
    if status.success() { Ok(()) } else { Err(BuildError::Rootfs(explain(&tail))) }
}

/// One line that says what went wrong, and what to do about the common cases.
fn explain(tail: &[String]) -> String {
    let find = |parts: &[&str]| tail.iter().find(|line| parts.iter().any(|part| line.contains(part)));
    if let Some(line) = find(&["No space left"]) {
        return format!("the disk is full: free some space, or set TMPDIR to a larger place ({line})");
    }
    if let Some(line) =
        find(&["resolving", "Could not connect", "Network is unreachable", "Connection timed out"])
    {
        return format!("the packages cannot be fetched: check the network and the package sources ({line})");
    }
    if let Some(line) = find(&["Unable to locate package", "has no installation candidate"]) {
        return format!("a package does not exist in this release: {line}");
    }
    if let Some(line) = find(&["error while loading shared libraries", "GLIBC_"]) {
        return format!("the agent does not run on this release: {line}");
    }
    if find(&["newuidmap", "unshare", "subuid"]).is_some() {
        return "mmdebstrap cannot make a user namespace: install uidmap and give yourself entries in /etc/subuid and \
                /etc/subgid, or run this as root"
            .to_owned();
    }
    // mmdebstrap's own words name the step; what the step itself said last stands before them.
    let own = tail.iter().position(|line| line.starts_with("E: "));
    let step = tail[..own.unwrap_or(tail.len())]
        .iter()
        .rfind(|line| !line.is_empty() && !["I: ", "W: ", "transom: "].iter().any(|p| line.starts_with(p)));
    match (own.map(|own| &tail[own]), step) {
        (Some(error), Some(step)) => format!("mmdebstrap failed: {error}; before that: {step}"),
        (Some(line), None) | (None, Some(line)) => format!("mmdebstrap failed: {line}"),
        (None, None) => "mmdebstrap failed: it says nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sources_of_the_release_are_used() {
        let modern = "Types: deb\nURIs: http://example/debian\nSuites: bookworm bookworm-updates\n\
                      Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
        assert!(is_for(modern, "bookworm"));
        assert!(!is_for(modern, "trixie"));
        assert!(!is_for(&modern.replace("debian-archive", "other"), "bookworm"));
        assert!(is_for("# x\ndeb [arch=amd64 a=b] http://e/debian bookworm-security main\n", "bookworm"));
        assert!(is_for("deb http://e/debian bookworm main\n", "bookworm"));
        assert!(!is_for("deb http://e/debian bookwormy main\n", "bookworm"));
        assert!(!is_for("deb http://e/node nodistro main\n", "bookworm"));
        assert!(!is_for("", "bookworm"));
    }

    #[test]
    fn complaints_say_what_to_do() {
        let say = |line: &str| explain(&["I: started".to_owned(), line.to_owned(), "E: x".to_owned()]);
        assert!(say("Temporary failure resolving 'example'").contains("check the network"));
        assert!(say("write: No space left on device").contains("free some space"));
        assert!(say("E: Unable to locate package fooot").contains("fooot"));
        assert!(say("error while loading shared libraries: libq.so").contains("libq.so"));
        assert_eq!(say("W: else"), "mmdebstrap failed: E: x");
        assert_eq!(say("<E> erofs: no"), "mmdebstrap failed: E: x; before that: <E> erofs: no");
        assert_eq!(explain(&["killed".to_owned()]), "mmdebstrap failed: killed");
        assert_eq!(explain(&[]), "mmdebstrap failed: it says nothing");
    }

    #[test]
    fn the_command_line_holds_paths_with_blanks_together() {
        let odd = Path::new("/a b/it's");
        let list = arguments(&Recipe::default(), &[], &[], odd, odd, odd, odd);
        assert!(
            list.iter().any(|a| a == r"--customize-hook=upload '/a b/it'\''s' /transom-out/transom-agent")
        );
        assert!(
            list.iter().any(|a| a.starts_with("--include=") && a.contains("foot,") && a.contains("dbus"))
        );
        assert_eq!(list[list.len() - 2..], ["bookworm", "/dev/null"]);
    }
}
