//! Which system calls a thread may make. All others end the process.

use std::{collections::BTreeMap, os::fd::RawFd};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Compare, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::JailError;

/// A kind of thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The one that serves the devices.
    EventLoop {
        /// Where orders come from: the only socket that descriptors are taken from.
        orders: RawFd,
    },
    /// One that runs a vCPU.
    Vcpu,
    /// The only one of a process that serves a volume.
    Volume,
}

/// `KVM_RUN` and `KVM_KVMCLOCK_CTRL` (the guest was paused): all that a vCPU's thread may ask of a
/// driver.
const KVM: [u64; 2] = [0xae80, 0xaead];

/// What every thread may do: memory that cannot be executed, locks, signals, its end; write to what
/// is open and close it.
const COMMON: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
    libc::SYS_write,
];

/// What the event loop may do besides: use what is open, and stop the vCPUs.
const EVENT_LOOP: &[libc::c_long] = &[
    // Disks.
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_lseek,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    // Links and connections.
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    // Entropy.
    libc::SYS_getrandom,
    // The end.
    libc::SYS_clock_nanosleep,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
];

/// What the server of a volume may do besides: use its files and its stream.
const VOLUME: &[libc::c_long] = &[
    libc::SYS_fallocate,
    libc::SYS_fdatasync,
    libc::SYS_fsync,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
];

/// The filter for a kind of thread.
pub fn filter(kind: Kind) -> Result<BpfProgram, JailError> {
    build(kind).map_err(|error| JailError::Filter(error.to_string()))
}

/// Puts a filter on this thread, for good.
pub fn apply(filter: &BpfProgram) -> Result<(), JailError> {
    seccompiler::apply_filter(filter).map_err(|error| JailError::Filter(error.to_string()))
}

fn build(kind: Kind) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = COMMON.iter().map(|call| (*call, Vec::new())).collect();
    let condition = |argument, comparison: &Compare, value| {
        SeccompCondition::new(argument, Length::Dword, comparison.clone(), value)
    };
    let mut only = |call, argument, comparison: Compare, values: &[u64]| {
        let rule = |value: &u64| SeccompRule::new(vec![condition(argument, &comparison, *value)?]);
        rules.insert(call, values.iter().map(rule).collect::<Result<_, _>>()?);
        Ok::<_, seccompiler::BackendError>(())
    };
    let executable = Compare::MaskedEq(libc::PROT_EXEC as u64);
    only(libc::SYS_mmap, 2, executable.clone(), &[0])?;
    only(libc::SYS_mprotect, 2, executable, &[0])?;
    // The standard library asks, in a build with its checks, if what it closes is open.
    only(libc::SYS_fcntl, 1, Compare::Eq, &[libc::F_GETFD as u64])?;
    match kind {
        Kind::EventLoop { orders } => {
            only(libc::SYS_socketpair, 0, Compare::Eq, &[libc::AF_UNIX as u64])?;
            only(libc::SYS_recvmsg, 0, Compare::Eq, &[orders as u64])?;
            // Of what kind a cable is.
            let asked = |option: libc::c_int| {
                let level = condition(1, &Compare::Eq, libc::SOL_SOCKET as u64)?;
                SeccompRule::new(vec![level, condition(2, &Compare::Eq, option as u64)?])
            };
            rules.insert(libc::SYS_getsockopt, vec![asked(libc::SO_DOMAIN)?, asked(libc::SO_TYPE)?]);
            rules.extend(EVENT_LOOP.iter().map(|call| (*call, Vec::new())));
        }
        Kind::Vcpu => only(libc::SYS_ioctl, 1, Compare::Eq, &KVM)?,
        Kind::Volume => rules.extend(VOLUME.iter().map(|call| (*call, Vec::new()))),
    }
    let filter =
        SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, TargetArch::x86_64)?;
    BpfProgram::try_from(filter)
}
