//! A way to the outside for a qube that has one: a card of the computer by VFIO, or user-mode networking
//! by `passt`, a process that turns the guest's packets into sockets of its own.
//!
//! `passt` runs as the qube's user, in namespaces that it makes for itself, with a filter of system calls.
//! The sockets are dom0's kernel's all the same. In a network namespace that is named in the qube's file, which holds the
//! card instead of dom0's own, dom0 itself has no address, no route and no socket even so.

use std::{
    fs,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::io::{FdFlags, fcntl_setfd};
use transom_protocol::network::Mac;

use super::process::Process;
use crate::{
    machine::StartError,
    paths,
    store::{PciAddress, Uplink},
    user,
};

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
        Uplink::Pci(device) => pci(device, Path::new("/sys"), Path::new("/dev/vfio"), uid),
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

/// A card of the computer. Whoever owns the computer has bound it to `vfio-pci`.
fn pci(device: &PciAddress, sys: &Path, vfio: &Path, uid: Option<u32>) -> Result<Way, StartError> {
    let unable = |text: String| Err(StartError::Unable(text));
    let dir = sys.join("bus/pci/devices").join(device.as_str());
    if !dir.exists() {
        return unable(format!("there is no device {device}; `lspci -D` shows those that are"));
    }
    let driver = fs::read_link(dir.join("driver")).ok();
    let driver = driver.as_deref().and_then(Path::file_name);
    if driver.is_none_or(|name| name != "vfio-pci") {
        return unable(format!(
            "{device} is not free for a qube: bind it with `driverctl set-override {device} vfio-pci`"
        ));
    }
    let group: PathBuf = match fs::read_link(dir.join("iommu_group")) {
        Ok(link) => vfio.join(link.file_name().unwrap_or_default()),
        Err(_) => {
            return unable(
                "this computer has no IOMMU, or it is off (VT-d, AMD-Vi): no device can be given".to_owned(),
            );
        }
    };
    let others = fs::read_dir(dir.join("iommu_group/devices")).into_iter().flatten().filter_map(Result::ok);
    for other in others {
        let bound = fs::read_link(other.path().join("driver")).ok();
        let bound = bound.as_deref().and_then(Path::file_name);
        // Bridges have no driver, or one that does no harm.
        if bound.is_some_and(|name| name != "vfio-pci" && name != "pcieport") {
            let name = other.file_name().to_string_lossy().into_owned();
            return unable(format!(
                "{device} cannot be given without {name}, which dom0 uses: both are in one group"
            ));
        }
    }
    user::give(uid, &[&group]).map_err(StartError::at("give the qube its device"))?;
    let arguments = vec!["-device".to_owned(), format!("vfio-pci,host={device}")];
    Ok(Way { arguments, locks_memory: true, ..Way::default() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A computer with a card, and a neighbour in its group.
    fn computer(driver: Option<&str>, neighbour: Option<&str>, iommu: bool) -> Result<Vec<String>, String> {
        let temp = tempfile::tempdir().unwrap();
        let (sys, vfio) = (temp.path().join("sys"), temp.path().join("vfio"));
        let devices = sys.join("bus/pci/devices");
        let group = sys.join("kernel/iommu_groups/7/devices");
        fs::create_dir_all(&vfio).unwrap();
        fs::write(vfio.join("7"), "").unwrap();
        fs::create_dir_all(&group).unwrap();
        for (name, driver) in [("0000:00:1f.6", driver), ("0000:00:1f.0", neighbour)] {
            let dir = devices.join(name);
            fs::create_dir_all(&dir).unwrap();
            if let Some(driver) = driver {
                symlink(Path::new("/sys/bus/pci/drivers").join(driver), dir.join("driver")).unwrap();
            }
            if iommu {
                symlink(sys.join("kernel/iommu_groups/7"), dir.join("iommu_group")).unwrap();
            }
            symlink(&dir, group.join(name)).unwrap();
        }
        let way = pci(&"0000:00:1f.6".parse().unwrap(), &sys, &vfio, None);
        way.map(|way| way.arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn a_card_is_given_only_if_dom0_has_let_it_go() {
        let given = ["-device", "vfio-pci,host=0000:00:1f.6"].map(str::to_owned);
        assert_eq!(computer(Some("vfio-pci"), None, true), Ok(given.to_vec()));
        assert_eq!(computer(Some("vfio-pci"), Some("pcieport"), true), Ok(given.to_vec()));
        for (driver, neighbour, iommu, says) in [
            (Some("e1000e"), None, true, "driverctl"),
            (None, None, true, "driverctl"),
            (Some("vfio-pci"), Some("ahci"), true, "in one group"),
            (Some("vfio-pci"), None, false, "IOMMU"),
        ] {
            let reason = computer(driver, neighbour, iommu).unwrap_err();
            assert!(reason.contains(says), "{reason}");
        }
        let temp = tempfile::tempdir().unwrap();
        let none = pci(&"0000:00:1f.6".parse().unwrap(), temp.path(), temp.path(), None).unwrap_err();
        assert!(none.to_string().contains("no device"), "{none}");
    }

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
