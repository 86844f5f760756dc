//! Where `transom-qubed` keeps its socket and its qubes.

use std::{
    env, fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// Names the runtime directory instead of `$XDG_RUNTIME_DIR/transom`.
pub const RUNTIME_DIR_VAR: &str = "TRANSOM_RUNTIME_DIR";
/// Names the data directory instead of `$XDG_DATA_HOME/transom`.
pub const DATA_DIR_VAR: &str = "TRANSOM_DATA_DIR";
/// File name of qubed's socket in the runtime directory.
pub const SOCKET_NAME: &str = "qubed.sock";
/// … and of its socket for calls of dom0's own programs.
pub const CALLS_NAME: &str = "calls.sock";

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// Neither variable nor home directory says where.
    #[error("there is no place for qubes: set {DATA_DIR_VAR} or HOME")]
    NoHome,
    /// It could not be made or looked at.
    #[error("cannot use the directory {path}: {source}")]
    Io {
        /// Which directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It belongs to somebody else, or is no directory.
    #[error("{path} is not a directory of yours: remove it, or set {RUNTIME_DIR_VAR}")]
    NotOurs {
        /// Which directory.
        path: PathBuf,
    },
    /// Others may look into it.
    #[error("{path} is open to other users: run `chmod 700` on it")]
    Open {
        /// Which directory.
        path: PathBuf,
    },
}

/// An environment variable that holds an absolute path.
fn var(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The runtime directory, made if it is missing, checked to be ours alone (0700).
///
/// `$TRANSOM_RUNTIME_DIR`, else `$XDG_RUNTIME_DIR/transom`, else `/tmp/transom-UID`.
pub fn runtime_dir() -> Result<PathBuf, PathError> {
    let path = var(RUNTIME_DIR_VAR).or_else(|| Some(var("XDG_RUNTIME_DIR")?.join("transom")));
    let path = path
        .unwrap_or_else(|| PathBuf::from(format!("/tmp/transom-{}", rustix::process::geteuid().as_raw())));
    private_dir(&path)?;
    Ok(path)
}

/// The data directory, which may not exist yet.
///
/// `$TRANSOM_DATA_DIR`, else `$XDG_DATA_HOME/transom`, else `~/.local/share/transom`.
pub fn data_dir() -> Result<PathBuf, PathError> {
    var(DATA_DIR_VAR)
        .or_else(|| Some(var("XDG_DATA_HOME")?.join("transom")))
        .or_else(|| Some(var("HOME")?.join(".local/share/transom")))
        .ok_or(PathError::NoHome)
}

/// The file with the rules for service calls, which may not exist.
///
/// `$XDG_CONFIG_HOME/transom/policy.kdl`, else `~/.config/transom/policy.kdl`.
pub fn policy_file() -> Option<PathBuf> {
    let config = var("XDG_CONFIG_HOME").or_else(|| Some(var("HOME")?.join(".config")))?;
    Some(config.join("transom/policy.kdl"))
}

/// Makes a directory that only we can enter, or checks that an existing one is that.
///
/// It is not followed if it is a link: somebody else may have put it there.
pub fn private_dir(path: &Path) -> Result<(), PathError> {
    let io = |source| PathError::Io { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(io)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(io(error)),
        _ => {}
    }
    let meta = fs::symlink_metadata(path).map_err(io)?;
    if !meta.is_dir() || meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(PathError::NotOurs { path: path.to_owned() });
    }
    if meta.mode() & 0o077 != 0 {
        return Err(PathError::Open { path: path.to_owned() });
    }
    Ok(())
}

/// A program beside the running one, else in `PATH`.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let beside = env::current_exe().ok().and_then(|exe| {
        let dir = exe.parent()?;
        // Test programs lie in `deps`, one level below the others.
        let up = dir.file_name().is_some_and(|n| n == "deps").then(|| dir.parent()).flatten();
        Some([Some(dir), up].into_iter().flatten().map(|d| d.join(name)).collect::<Vec<_>>())
    });
    beside.into_iter().flatten().find(|path| is_program(path)).or_else(|| in_path(name))
}

/// A program in `PATH`.
pub fn in_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(name)).find(|path| is_program(path))
}

/// True for a regular file that somebody may execute.
pub fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_private_directory_is_made_once_and_checked() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/b");
        private_dir(&path).unwrap();
        private_dir(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    }

    #[test]
    fn links_files_and_open_directories_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(private_dir(&file), Err(PathError::NotOurs { .. })));
        let link = temp.path().join("link");
        symlink(temp.path(), &link).unwrap();
        assert!(matches!(private_dir(&link), Err(PathError::NotOurs { .. })));
        let open = temp.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(private_dir(&open), Err(PathError::Open { .. })));
        assert!(matches!(private_dir(&file.join("below")), Err(PathError::Io { .. })));
    }

    #[test]
    fn programs_are_found_in_path() {
        assert!(in_path("sh").is_some());
        assert!(in_path("no-such-program-anywhere").is_none());
    }
}
