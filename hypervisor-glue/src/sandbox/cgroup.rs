//! Limits by control groups (version 2), where the machine lets us.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use transom_protocol::supervisor::QubeName;

use crate::store::Limits;

/// Where groups of qubes can be made.
#[derive(Debug)]
pub(crate) struct Cgroups {
    base: PathBuf,
}

impl Cgroups {
    /// Finds out whether there is a place for groups. Says in the log, once, if not.
    pub(crate) fn detect() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok();
        let result = own
            .as_deref()
            .and_then(own_group)
            .ok_or_else(|| io::Error::other("this process is in no group of version 2"))
            .and_then(|group| Self::prepare(&Path::new("/sys/fs/cgroup").join(group), std::process::id()));
        match result {
            Ok(cgroups) => Some(cgroups),
            Err(error) => {
                tracing::info!(%error, "no control groups: limits of memory and processor are not enforced");
                None
            }
        }
    }

    /// Moves this process into a group below `own`, so that `own` may have groups with limits.
    fn prepare(own: &Path, pid: u32) -> io::Result<Self> {
        let offered = fs::read_to_string(own.join("cgroup.controllers"))?;
        if !["memory", "pids"].iter().all(|name| offered.split_whitespace().any(|word| word == *name)) {
            return Err(io::Error::other("memory and pids are not delegated to this group"));
        }
        let leaf = own.join("transom-qubed");
        make(&leaf)?;
        fs::write(leaf.join("cgroup.procs"), pid.to_string())?;
        let wanted = if offered.split_whitespace().any(|word| word == "cpu") {
            "+memory +pids +cpu"
        } else {
            "+memory +pids"
        };
        fs::write(own.join("cgroup.subtree_control"), wanted)?;
        Ok(Self { base: own.to_owned() })
    }

    /// Makes the group of a qube. Without one, a qube runs without these limits, and the log says
    /// so.
    pub(crate) fn make(&self, name: &QubeName, limits: &Limits) -> Option<Cgroup> {
        let path = self.base.join(format!("transom-qube-{name}"));
        let made = make(&path).and_then(|()| {
            for (file, value) in settings(limits) {
                let written = fs::write(path.join(file), value);
                // Without the cpu controller there is no such file; memory and pids are there.
                if file != "cpu.max" {
                    written?;
                }
            }
            Ok(())
        });
        match made {
            Ok(()) => Some(Cgroup { path }),
            Err(error) => {
                tracing::warn!(qube = %name, %error, "no control group: its limits are not enforced");
                None
            }
        }
    }
}

fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// The own group in the unified hierarchy, from `/proc/self/cgroup`.
fn own_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::/"))
}

fn settings(limits: &Limits) -> Vec<(&'static str, String)> {
    let mut settings = vec![
        ("memory.max", limits.memory.map_or_else(|| "max".to_owned(), |bytes| bytes.to_string())),
        ("pids.max", limits.tasks.to_string()),
    ];
    if let Some(percent) = limits.cpu_percent {
        settings.push(("cpu.max", format!("{} 100000", u64::from(percent) * 1_000)));
    }
    settings
}

/// The group of one qube; taken away when dropped, if it is empty by then.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Moves a process into the group; its future children are born there.
    fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }

    /// As [`Cgroup::add`]; where that fails, `what` goes on without these limits, and the log says so.
    pub(crate) fn take_in(&self, pid: u32, what: &str) {
        if let Err(error) = self.add(pid) {
            tracing::warn!(%error, "{what} cannot be put into its control group");
        }
    }

    /// Bytes of memory that it holds now, as the kernel counts them.
    pub(crate) fn memory(&self) -> Option<u64> {
        fs::read_to_string(self.path.join("memory.current")).ok()?.trim().parse().ok()
    }

    /// Freezes or thaws everything in the group; the kernel lets what is frozen be killed.
    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        fs::write(self.path.join("cgroup.freeze"), if frozen { "1" } else { "0" })
    }

    /// Ends everything in the group.
    pub(crate) fn kill(&self) {
        // Only newer kernels have this; the process tree is killed in any case.
        let _ = fs::write(self.path.join("cgroup.kill"), "1");
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found() {
        assert_eq!(own_group("9:name=systemd:/\n0::/user.slice/x\n"), Some("user.slice/x"));
        assert_eq!(own_group("0::/\n"), Some(""));
        assert_eq!(own_group("1:cpu:/\n"), None);
    }

    #[test]
    fn limits_are_written_where_groups_are_delegated() {
        let temp = tempfile::tempdir().unwrap();
        let own = temp.path();
        assert!(Cgroups::prepare(own, 7).is_err());
        fs::write(own.join("cgroup.controllers"), "cpu io\n").unwrap();
        assert!(Cgroups::prepare(own, 7).is_err());
        fs::write(own.join("cgroup.controllers"), "cpu memory pids\n").unwrap();
        let cgroups = Cgroups::prepare(own, 7).unwrap();
        let read = |path: &str| fs::read_to_string(own.join(path)).unwrap();
        assert_eq!(read("transom-qubed/cgroup.procs"), "7");
        assert_eq!(read("cgroup.subtree_control"), "+memory +pids +cpu");

        let limits =
            Limits { memory: Some(1 << 30), tasks: 99, cpu_percent: Some(150), nested_sandboxes: false };
        let group = cgroups.make(&QubeName::new("work").unwrap(), &limits).unwrap();
        group.add(12).unwrap();
        assert_eq!(group.memory(), None);
        fs::write(own.join("transom-qube-work/memory.current"), "4096\n").unwrap();
        assert_eq!(group.memory(), Some(4096));
        for (frozen, written) in [(true, "1"), (false, "0")] {
            group.freeze(frozen).unwrap();
            assert_eq!(read("transom-qube-work/cgroup.freeze"), written);
        }
        group.kill();
        assert_eq!(read("transom-qube-work/memory.max"), "1073741824");
        assert_eq!(read("transom-qube-work/pids.max"), "99");
        assert_eq!(read("transom-qube-work/cpu.max"), "150000 100000");
        assert_eq!(read("transom-qube-work/cgroup.procs"), "12");
    }
}
