//! Each test starts this test program again, to be jailed in the test's stead.

use std::{
    fs::{self, File},
    os::{
        fd::{AsFd as _, AsRawFd as _, OwnedFd},
        unix::process::ExitStatusExt as _,
    },
    process::{Command, Output},
    thread,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair, sockopt};

use super::*;
use crate::{packet::Received, vmm::devices::net::is_cable};

const VARIABLE: &str = "TRANSOM_TEST_JAIL";

/// In the child: what it is to do.
fn role() -> Option<String> {
    std::env::var(VARIABLE).ok()
}

/// In the parent: runs `test` in a child with this role.
fn child(test: &str, role: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("vmm::jail::tests::{test}"), "--nocapture", "--test-threads=1"])
        .env(VARIABLE, role)
        .output()
        .unwrap()
}

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
}

fn put_on(kind: Kind) {
    apply(&filter(kind).unwrap()).unwrap();
}

#[test]
fn a_forbidden_call_ends_the_process() {
    match role().as_deref() {
        None => {
            for role in [
                "loop open",
                "vcpu open",
                "loop socket",
                "vcpu ioctl",
                "vcpu read",
                "loop exec memory",
                "vcpu thread",
                "loop process",
                "loop descriptors elsewhere",
                "loop other option",
                "loop set option",
                "vcpu option",
                "volume open",
                "volume socket",
                "volume ioctl",
                "volume thread",
                "volume process",
                "volume option",
            ] {
                let output = child("a_forbidden_call_ends_the_process", role);
                assert_eq!(output.status.signal(), Some(libc::SIGSYS), "{role}: {output:?}");
            }
            for role in ["loop descriptors", "loop option", "loop allowed", "vcpu allowed", "volume allowed"]
            {
                let output = child("a_forbidden_call_ends_the_process", role);
                assert_eq!(output.status.code(), Some(7), "{role}: {output:?}");
            }
        }
        Some(role) => {
            let (kind, deed) = role.split_once(' ').unwrap();
            let file = File::open("/dev/zero").unwrap();
            let (orders, cable) = (pair(), pair());
            crate::packet::send(&orders.1, b"x", &[cable.1.as_fd()]).unwrap();
            crate::packet::send(&cable.1, b"x", &[file.as_fd()]).unwrap();
            put_on(match kind {
                "loop" => Kind::EventLoop { orders: orders.0.as_raw_fd() },
                "vcpu" => Kind::Vcpu,
                _ => Kind::Volume,
            });
            match deed {
                "open" => drop(File::open("/dev/null")),
                "socket" => drop(std::net::UdpSocket::bind("127.0.0.1:0")),
                "ioctl" => drop(rustix::io::ioctl_fionbio(&file, true)),
                "read" => drop(rustix::io::read(&file, &mut [0; 1])),
                "exec memory" => drop(executable_memory()),
                "thread" => drop(thread::spawn(|| ())),
                "process" => drop(Command::new("/bin/true").status()),
                "descriptors elsewhere" => drop(crate::packet::recv(&cable.0)),
                "other option" => drop(sockopt::socket_error(&cable.0)),
                "set option" => drop(sockopt::set_socket_passcred(&cable.0, true)),
                "descriptors" => {
                    let Ok(Received::Packet(_, files)) = crate::packet::recv(&orders.0) else { return };
                    std::process::exit(if files.len() == 1 { 7 } else { 1 });
                }
                "option" => std::process::exit(if is_cable(&cable.0) { 7 } else { 1 }),
                _ => {
                    let bytes = vec![1; 1 << 20];
                    let _ = rustix::io::write(&file, &bytes);
                    drop(file);
                    std::process::exit(7);
                }
            }
        }
    }
}

#[allow(unsafe_code)]
fn executable_memory() -> bool {
    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
    let protection = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
    unsafe { mmap_anonymous(std::ptr::null_mut(), 4096, protection, MapFlags::PRIVATE) }.is_ok()
}

/// Namespaces need a process with one thread, which a test program is not: so its child goes in
/// from a copy made by the loader of a thread-less program, `transom-vmm` itself; see
/// `tests/vmm/jail.rs`. Here only what needs no namespaces.
#[test]
fn locked_is_without_rights() {
    if role().is_none() {
        let output = child("locked_is_without_rights", "lock");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        return;
    }
    let status = || fs::read_to_string("/proc/thread-self/status").unwrap();
    let before = status();
    lock().unwrap();
    // `/proc` still shows it, for it is the same user's.
    let after = fs::read_to_string("/proc/thread-self/status").unwrap_or(before);
    assert!(after.contains("NoNewPrivs:\t1"), "{after}");
    assert!(after.contains("CapEff:\t0000000000000000"), "{after}");
}
