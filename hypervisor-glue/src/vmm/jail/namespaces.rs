//! User id, namespaces, root directory, capabilities.
#![allow(unsafe_code)]

use std::{fs, io, time::Duration};

use rustix::{
    fs::{Gid, Uid},
    mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount},
    process::{
        DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitOptions, chdir, getegid, geteuid, pivot_root,
        set_dumpable_behavior, set_parent_process_death_signal, setrlimit, waitpid,
    },
    thread::{
        CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, set_no_new_privs, set_thread_groups,
        set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
    },
};

use super::JailError;
use crate::vmm::timing::Mark;

/// Most descriptors, those of all connections included.
const MAX_FILES: u64 = 512;
/// Who we are in our own namespace: nobody.
const NOBODY: u32 = 65_534;

/// The outer part of the jail.
#[derive(Clone, Copy, Debug, Default)]
pub struct Jail {
    /// A user and group id of its own; only root may ask for one. Without it the process keeps the
    /// id of its parent outside, and is nobody inside.
    pub uid: Option<u32>,
}

impl Jail {
    /// Goes into namespaces of its own. Must be called while there is one thread.
    ///
    /// A process cannot change its own process namespace, so a copy of it goes on, as number 1
    /// there, and this call returns in the copy only. The original waits for it and then ends the
    /// same way; either is killed when the other ends. Says how much processor time the original
    /// had used.
    pub fn enter(self) -> Result<Duration, JailError> {
        if let Some(id) = self.uid {
            become_user(id)?;
        }
        let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
        let all = UnshareFlags::NEWUSER
            | UnshareFlags::NEWNS
            | UnshareFlags::NEWPID
            | UnshareFlags::NEWNET
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWUTS;
        // SAFETY: file descriptors stay shared, and no memory is unshared.
        unsafe { unshare_unsafe(all) }.map_err(|source| JailError::System {
            doing: "make namespaces",
            source: source.into(),
            advice: " (are user namespaces allowed here?)",
        })?;
        let maps = fs::write("/proc/self/setgroups", "deny")
            .and_then(|()| fs::write("/proc/self/uid_map", format!("{NOBODY} {uid} 1")))
            .and_then(|()| fs::write("/proc/self/gid_map", format!("{NOBODY} {gid} 1")));
        maps.map_err(JailError::at("map the user id"))?;
        let before = Mark::now().cpu();
        // SAFETY: there is one thread, so the copy is whole.
        match unsafe { libc::fork() } {
            -1 => Err(JailError::at("make a process")(io::Error::last_os_error())),
            0 => {
                set_parent_process_death_signal(Some(Signal::KILL))
                    .map_err(JailError::at("be ended with the parent"))?;
                Ok(before)
            }
            child => wait_for(child),
        }
    }
}

/// Gives up root for good.
fn become_user(id: u32) -> Result<(), JailError> {
    let refused = || JailError::at("change the user id");
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    set_thread_groups(&[]).map_err(refused())?;
    set_thread_res_gid(gid, gid, gid).map_err(refused())?;
    set_thread_res_uid(uid, uid, uid).map_err(refused())?;
    // The change hides `/proc/self` from ourselves; it is needed once more, for the maps.
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(refused())
}

/// Waits for the copy and ends as it did.
fn wait_for(child: libc::pid_t) -> ! {
    // The copy's descriptors must be nobody else's, or their other ends would not see them close.
    // SAFETY: nothing of this process is used any more but the call to wait.
    unsafe { libc::syscall(libc::SYS_close_range, 0, u32::MAX, 0) };
    // It is as powerful in the copy's namespaces as whoever made them, and needs none of it. If it cannot
    // give that up it ends, and the copy with it.
    if lock().is_err() {
        // SAFETY: as below.
        unsafe { libc::_exit(1) }
    }
    let status = loop {
        match waitpid(Pid::from_raw(child), WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(Some((_, status))) => break Some(status),
            _ => break None,
        }
    };
    let code = status.and_then(|status| {
        // As shells do.
        status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal))
    });
    // SAFETY: ends the process without running what is registered for its end, which is the copy's.
    unsafe { libc::_exit(code.unwrap_or(1)) }
}

/// Makes an empty directory that cannot be written the root. Needs the namespaces.
pub fn empty_root() -> Result<(), JailError> {
    let refused = || JailError::at("make an empty root");
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(refused())?;
    // Any directory will do: only we see what is mounted there.
    let place = ["/tmp", "/run", "/dev", "/proc"].into_iter().find(|place| fs::metadata(place).is_ok());
    let place = place.ok_or(rustix::io::Errno::NOENT).map_err(refused())?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tmpfs", place, "tmpfs", flags, c"size=4k,nr_inodes=2,mode=0555").map_err(refused())?;
    chdir(place).map_err(refused())?;
    // The old root is put over the new one, and then taken away.
    pivot_root(".", ".").map_err(refused())?;
    unmount(".", UnmountFlags::DETACH).map_err(refused())?;
    chdir("/").map_err(refused())?;
    mount_remount("/", flags | MountFlags::RDONLY, c"").map_err(refused())
}

/// Gives up all that is left: capabilities, the means to get any, and most of the descriptors.
pub fn lock() -> Result<(), JailError> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).map_err(JailError::at("give up capabilities"))?;
    set_no_new_privs(true).map_err(JailError::at("give up new privileges"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(JailError::at("hide from debuggers"))?;
    // No core files, for they hold a qube's secrets.
    for (resource, most) in [(Resource::Core, 0), (Resource::Nofile, MAX_FILES)] {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(JailError::at("set a limit"))?;
    }
    Ok(())
}
