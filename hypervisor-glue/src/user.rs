//! A user id of its own for each virtual machine.

use std::{
    fs::File,
    io,
    os::{
        fd::AsRawFd as _,
        unix::{fs::chown, process::CommandExt as _},
    },
    path::Path,
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustix::fs::{Mode, OFlags, open};

/// An id for the machine of this name, far above those of people, and the same one every time. Only
/// root can give ids away: `None` for anybody else.
pub(crate) fn own_uid(name: &str) -> Option<u32> {
    rustix::process::geteuid().is_root().then(|| 0x4000_0000 | (number_of(name) & 0x0fff_ffff))
}

/// A number that a name has always and everywhere, and others hardly ever: FNV-1a.
pub(crate) fn number_of(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Makes files a user's, so that nobody else but root can reach them; nothing is done for `None`.
pub(crate) fn give(uid: Option<u32>, paths: &[&Path]) -> io::Result<()> {
    match uid {
        Some(uid) => paths.iter().try_for_each(|path| chown(path, Some(uid), Some(uid))),
        None => Ok(()),
    }
}

/// To be held while a process is started. QEMU inherits descriptors that are made inheritable just
/// before: a process that another thread starts in that moment would keep them open.
pub(crate) fn starting() -> MutexGuard<'static, ()> {
    static STARTING: Mutex<()> = Mutex::new(());
    STARTING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A command that runs `program` in `dir` as a user of its own, who need not be able to reach
/// either: both are opened here. What it returns beside the command must live until it was spawned.
pub(crate) fn command(
    program: &Path,
    dir: &Path,
    user: Option<(u32, u32)>,
) -> io::Result<(Command, [File; 2])> {
    let held = |path: &Path| {
        open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map(File::from).map_err(io::Error::from)
    };
    let (program_held, dir_held) = (held(program)?, held(dir)?);
    let of = |file: &File| format!("/proc/self/fd/{}", file.as_raw_fd());
    let mut command = Command::new(of(&program_held));
    command.arg0(program).current_dir(of(&dir_held)).env_clear();
    if let Some((uid, gid)) = user {
        // With it go all other groups and every capability.
        command.uid(uid).gid(gid);
    }
    Ok((command, [program_held, dir_held]))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, process::Stdio};

    use super::*;

    #[test]
    fn user_ids_are_nobodys_and_stay() {
        if let (Some(one), Some(other)) = (own_uid("work"), own_uid("mail")) {
            assert_eq!(own_uid("work"), Some(one));
            assert!(one != other && one >= 0x4000_0000);
        }
    }

    #[test]
    fn a_program_runs_where_its_user_could_not_go() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let (program, dir) = (temp.path().join("program"), temp.path().join("dir"));
        std::fs::copy("/bin/cat", &program).unwrap();
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
        let uid = own_uid("work");
        std::fs::write(dir.join("file"), "what is here").unwrap();
        give(uid, &[&dir, &dir.join("file")]).unwrap();
        let (mut command, _held) = super::command(&program, &dir, uid.map(|id| (id, id))).unwrap();
        let output = command.args(["file", "/proc/self/status"]).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.starts_with("what is here"), "{output:?}");
        if let Some(uid) = uid {
            for line in [format!("Uid:\t{uid}\t{uid}\t{uid}\t{uid}"), format!("Gid:\t{uid}\t{uid}")] {
                assert!(said.contains(&line), "{said}");
            }
            assert!(said.contains("CapEff:\t0000000000000000") && said.contains("Groups:\t \n"), "{said}");
        }
    }
}
