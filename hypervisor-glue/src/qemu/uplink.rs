//! A way to the outside for a qube that has one: a card of the computer by VFIO, or user-mode networking
//! by `passt`, a process that turns the guest's packets into sockets of its own.
//!
//! `passt` runs as the qube's user, in namespaces that it makes for itself, with a filter of system calls.
//! The sockets are dom0's kernel's all the same. In a network namespace that is named in the qube's file, which holds the
//! card instead of dom0's own, dom0 itself has no address, no route and no socket even so.

use std::{
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::{Command, Stdio},
};

use rustix::io::{FdFlags, fcntl_setfd};
use transom_protocol::network::Mac;

use super::{passthrough, process::Process};
use crate::{machine::StartError, paths, store::Uplink, user};

/// What QEMU is started with for it.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Arguments of QEMU.
    pub(super) arguments: Vec<String>,
    /// A descriptor that they name.
    pub(super) inherited: Option<OwnedFd>,
    /// What speaks for the guest.
    pub(super) process: Option<Process>,
    /// The device may read and write guest RAM by itself, which must stay where it is.
    pub(super) locks_memory: bool,
}

/// Makes ready what the file asks for.
pub(super) fn begin(
    uplink: &Uplink,
    card: [u8; 6],
    run_dir: &Path,
    uid: Option<u32>,
) -> Result<Way, StartError> {
    match uplink {
        Uplink::Pci(device) => {
            Ok(Way { arguments: passthrough::give(device, uid)?, locks_memory: true, ..Way::default() })
        }
        Uplink::User { namespace } => {
            let program = paths::in_path("passt").ok_or_else(|| {
                StartError::Unable("passt is missing: install the package passt".to_owned())
            })?;
            let (ours, theirs) = UnixStream::pair().map_err(StartError::at("make a socket pair"))?;
            let fd = theirs.as_raw_fd().to_string();
            let (mut command, _held) = match namespace {
                None => {
                    let (mut command, held) = user::command(&program, run_dir, uid.map(|uid| (uid, uid)))
                        .map_err(StartError::at("run passt"))?;
                    command.args(passt(&fd));
                    (command, Some(held))
                }
                Some(namespace) => {
                    let Some(uid) = uid else {
                        let text = "an uplink in a network namespace needs transom-qubed to be root";
                        return Err(StartError::Unable(text.to_owned()));
                    };
                    if !namespace.path().exists() {
                        let text = format!(
                            "there is no network namespace {0}: make it with `ip netns add {0}`",
                            namespace.as_str()
                        );
                        return Err(StartError::Unable(text));
                    }
                    let ip = paths::in_path("ip").ok_or_else(|| {
                        StartError::Unable("ip is missing: install the package iproute2".to_owned())
                    })?;
                    let mut command = Command::new(ip);
                    command.env_clear().current_dir(run_dir).args(["netns", "exec", namespace.as_str()]);
                    // It gives up root by itself, once it is in there.
                    command.arg(program).args(passt(&fd)).args(["--runas", &format!("{uid}:{uid}")]);
                    (command, None)
                }
            };
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let process = {
                // Dropped after the descriptor.
                let _alone = user::starting();
                let theirs = theirs;
                fcntl_setfd(&theirs, FdFlags::empty()).map_err(StartError::at("pass a descriptor on"))?;
                Process::spawn(&mut command, "run passt")?
            };
            Ok(Way {
                arguments: stream(ours.as_raw_fd(), Mac(card)),
                inherited: Some(ours.into()),
                process: Some(process),
                locks_memory: false,
            })
        }
    }
}

/// IPv4 only, nothing from outside to the guest, and no way to what listens on dom0's own addresses for
/// itself only.
fn passt(fd: &str) -> [&str; 12] {
    [
        "--foreground",
        "--quiet",
        "--log-file",
        "/dev/null",
        "--ipv4-only",
        "--no-map-gw",
        "-t",
        "none",
        "-u",
        "none",
        "--fd",
        fd,
    ]
}

fn stream(fd: i32, card: Mac) -> Vec<String> {
    let words = [
        "-netdev".to_owned(),
        format!("stream,id=uplink,server=off,addr.type=fd,addr.str={fd}"),
        "-device".to_owned(),
        format!("virtio-net-pci,netdev=uplink,mac={card},romfile="),
    ];
    words.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_comes_in_by_passt_and_dom0_is_not_behind_it() {
        let arguments = passt("7").join(" ");
        for part in ["--no-map-gw", "-t none", "-u none", "--ipv4-only", "--fd 7"] {
            assert!(arguments.contains(part), "{arguments}");
        }
        let list = stream(5, Mac([2, 2, 0, 0, 0, 1])).join(" ");
        assert!(list.contains("addr.str=5") && list.contains("mac=02:02:00:00:00:01"), "{list}");
    }
}
