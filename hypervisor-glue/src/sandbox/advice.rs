//! What to tell a person whose machine cannot run bubblewrap.

use std::{fs, path::Path};

/// bubblewrap is not there.
pub(super) const MISSING: &str =
    "the program bwrap is missing: install bubblewrap (on Debian: apt install bubblewrap)";

/// The oldest bubblewrap that knows all options used.
const OLDEST: (u32, u32) = (0, 8);

/// Looks at what `bwrap --version` said.
pub(super) fn check_version(said: &str) -> Result<(), String> {
    let version = said.trim().rsplit(' ').next().unwrap_or_default();
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    match (parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST => Ok(()),
        (Some(_), Some(_)) => Err(format!("bubblewrap {version} is too old: install 0.8 or newer")),
        _ => Err("bwrap does not tell its version: install bubblewrap 0.8 or newer".to_owned()),
    }
}

/// Settings of the kernel that forbid user namespaces, and the value that allows them.
const SWITCHES: [(&str, &str, &str); 3] = [
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user/max_user_namespaces", "0", "15000"),
];

/// What to do about what bubblewrap complained of before it started anything.
pub(super) fn explain(complaint: &str, proc_sys: &Path) -> String {
    let about_namespaces =
        ["namespace", "uid map", "gid map", "Operation not permitted", "Permission denied"]
            .iter()
            .any(|part| complaint.contains(part));
    let switch = SWITCHES.iter().find(|(name, forbids, _)| {
        fs::read_to_string(proc_sys.join(name)).is_ok_and(|value| value.trim() == *forbids)
    });
    match switch {
        Some((name, _, allows)) if about_namespaces => format!(
            "user namespaces are switched off: run `sysctl -w {}={allows}` as root",
            name.replace('/', ".")
        ),
        _ if about_namespaces => format!(
            "bubblewrap may not make user namespaces here ({complaint}); allow them, or run outside of this container"
        ),
        _ => format!("bubblewrap failed: {complaint}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        for good in ["bubblewrap 0.8.0\n", "bubblewrap 0.11.0", "bubblewrap 1.0"] {
            assert_eq!(check_version(good), Ok(()));
        }
        assert!(check_version("bubblewrap 0.4.1").unwrap_err().contains("too old"));
        for odd in ["", "0", "what is this"] {
            assert!(check_version(odd).unwrap_err().contains("0.8 or newer"));
        }
    }

    #[test]
    fn the_right_switch_is_named() {
        let proc_sys = tempfile::tempdir().unwrap();
        let complaint = "bwrap: No permissions to create a new namespace";
        assert!(explain(complaint, proc_sys.path()).contains("No permissions"));
        for dir in ["kernel", "user"] {
            fs::create_dir(proc_sys.path().join(dir)).unwrap();
        }
        fs::write(proc_sys.path().join("user/max_user_namespaces"), "0\n").unwrap();
        assert_eq!(
            explain(complaint, proc_sys.path()),
            "user namespaces are switched off: run `sysctl -w user.max_user_namespaces=15000` as root"
        );
        fs::write(proc_sys.path().join("kernel/unprivileged_userns_clone"), "0\n").unwrap();
        assert!(explain(complaint, proc_sys.path()).contains("kernel.unprivileged_userns_clone=1"));
        let other = explain("bwrap: Can't find source path /x", proc_sys.path());
        assert_eq!(other, "bubblewrap failed: bwrap: Can't find source path /x");
    }
}
