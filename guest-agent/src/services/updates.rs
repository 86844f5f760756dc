//! Which packages of this qube could be newer: apt is asked, as the qube's user and in folders of its own, so
//! that nothing of the system is changed or locked.

use std::{
    fs::DirBuilder,
    io::Read as _,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use transom_protocol::dom0_services::{MAX_UPDATES_BYTES, Update, UpdateList};

use super::ServiceError;

/// Asked instead of apt where it is there: says `PACKAGE OLD NEW`, a line for each.
pub const OWN: &str = "/etc/transom/list-updates";

fn local(what: &str, error: impl std::fmt::Display) -> ServiceError {
    ServiceError::Local(format!("{what}: {error}"))
}

/// The packages that could be newer, as this system says after it has fetched what there is.
///
/// # Errors
/// Neither apt nor a program of the qube's own can tell.
pub fn list() -> Result<UpdateList, ServiceError> {
    if Path::new(OWN).exists() {
        let said = output(OWN, &mut Command::new(OWN))?;
        return Ok(UpdateList::of(said.lines().filter_map(of_line)));
    }
    let dir = folder()?;
    let apt = |words: &[&str]| {
        let mut command = Command::new("apt-get");
        // Of its own are the lists and what apt makes of them; what is installed is the system's.
        command.arg("-qq").arg("-o").arg(format!("Dir::State::lists={}", dir.join("lists").display()));
        command.arg("-o").arg(format!("Dir::Cache={}", dir.join("cache").display()));
        command.args(["-o", "Debug::NoLocking=true", "-o", "APT::Update::Error-Mode=any"]).args(words);
        command.env("LC_ALL", "C.UTF-8");
        command
    };
    output("apt-get update", &mut apt(&["update"]))?;
    let said = output("apt-get dist-upgrade", &mut apt(&["--just-print", "dist-upgrade"]))?;
    Ok(UpdateList::of(said.lines().filter_map(of_apt)))
}

/// Where apt may write.
fn folder() -> Result<PathBuf, ServiceError> {
    let own = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = own("XDG_CACHE_HOME").or_else(|| Some(own("HOME")?.join(".cache")));
    let dir = cache.ok_or_else(|| ServiceError::Local("HOME is not set".to_owned()))?.join("transom/apt");
    for inner in ["lists/partial", "cache/archives/partial"] {
        let inner = dir.join(inner);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&inner);
        made.map_err(|error| local(&inner.display().to_string(), error))?;
    }
    Ok(dir)
}

/// Runs a program to its end and gives what it said.
fn output(name: &str, command: &mut Command) -> Result<String, ServiceError> {
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = spawned.map_err(|error| local(name, error))?;
    let mut said = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        // More lines than a list of updates can have are of no use.
        let read = pipe.take(4 * MAX_UPDATES_BYTES as u64).read_to_end(&mut said);
        read.map_err(|error| local(name, error))?;
    }
    let status = child.wait().map_err(|error| local(name, error))?;
    if !status.success() {
        return Err(local(name, status));
    }
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// A line of a program of the qube's own.
fn of_line(line: &str) -> Option<Update> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [package, old, new] = words[..] else { return None };
    let [package, old, new] = [package, old, new].map(str::to_owned);
    Some(Update { package, old, new })
}

/// A line of apt's simulation: `Inst PACKAGE [OLD] (NEW SOURCE [ARCHITECTURE])`, without `[OLD]` if it is new.
fn of_apt(line: &str) -> Option<Update> {
    let (package, rest) = line.strip_prefix("Inst ")?.split_once(' ')?;
    let (old, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once("] ")?,
        None => ("-", rest),
    };
    let new = rest.strip_prefix('(')?.split([' ', ')']).next()?;
    let [package, old, new] = [package, old, new].map(str::to_owned);
    Some(Update { package, old, new })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_is_understood() {
        let said = "\
            Inst libssl3 [3.0.14-1~deb12u2] (3.0.15-1~deb12u1 Debian:12.8/stable [amd64])\n\
            Inst linux-image-6.1.0-28-amd64 (6.1.119-1 Debian-Security:12/stable-security [amd64])\n\
            Inst base-files [12.4+deb12u7] (12.4+deb12u8 Debian:12.8/stable [amd64]) []\n\
            Inst\nInst broken\nInst half [1\n\
            Conf libssl3 (3.0.15-1~deb12u1 Debian:12.8/stable [amd64])\n";
        let list = UpdateList::of(said.lines().filter_map(of_apt));
        let shown: Vec<String> = list
            .updates()
            .iter()
            .map(|update| format!("{} {} {}", update.package, update.old, update.new))
            .collect();
        assert_eq!(
            shown,
            [
                "base-files 12.4+deb12u7 12.4+deb12u8",
                "libssl3 3.0.14-1~deb12u2 3.0.15-1~deb12u1",
                "linux-image-6.1.0-28-amd64 - 6.1.119-1",
            ]
        );
        assert_eq!(of_line("a 1 2").map(|update| update.new), Some("2".to_owned()));
        assert_eq!(of_line("a 1"), None);
    }
}
