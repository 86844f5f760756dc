//! Devices of the computer that a machine has for itself, by VFIO: a network card, a USB controller.
//!
//! Such a device reads and writes guest RAM by itself, which must then stay where it is. The IOMMU keeps it
//! from all other memory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{machine::StartError, store::PciAddress, user};

/// Gives a device to a machine that runs as this user: QEMU's arguments for it. Whoever owns the computer has
/// bound it to `vfio-pci`.
///
/// # Errors
/// It is not there, dom0 has it or another device of its group, or there is no IOMMU.
pub(super) fn give(device: &PciAddress, uid: Option<u32>) -> Result<Vec<String>, StartError> {
    give_by(device, Path::new("/sys"), Path::new("/dev/vfio"), uid)
}

fn give_by(
    device: &PciAddress,
    sys: &Path,
    vfio: &Path,
    uid: Option<u32>,
) -> Result<Vec<String>, StartError> {
    let unable = |text: String| Err(StartError::Unable(text));
    let dir = sys.join("bus/pci/devices").join(device.as_str());
    if !dir.exists() {
        return unable(format!("there is no device {device}; `lspci -D` shows those that are"));
    }
    // Before all else: without it the kernel binds nothing to `vfio-pci`, and whoever was told to would wonder.
    let group: PathBuf = match fs::canonicalize(dir.join("iommu_group")) {
        // A group of its name keeps the device from nothing (`enable_unsafe_noiommu_mode`).
        Ok(group) if !fs::read_to_string(group.join("name")).is_ok_and(|name| name.contains("noiommu")) => {
            vfio.join(group.file_name().unwrap_or_default())
        }
        _ => {
            return unable(
                "this computer has no IOMMU, or it is off (VT-d, AMD-Vi): no device can be given".to_owned(),
            );
        }
    };
    let driver = fs::read_link(dir.join("driver")).ok();
    let driver = driver.as_deref().and_then(Path::file_name);
    if driver.is_none_or(|name| name != "vfio-pci") {
        return unable(format!(
            "{device} is not free for a qube: bind it with `driverctl set-override {device} vfio-pci`"
        ));
    }
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
    // No program for booting from it.
    Ok(vec!["-device".to_owned(), format!("vfio-pci,host={device},rombar=0")])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A computer with a card, and a neighbour in its group.
    fn computer(
        driver: Option<&str>,
        neighbour: Option<&str>,
        iommu: Option<&str>,
    ) -> Result<Vec<String>, String> {
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
            if iommu.is_some() {
                symlink(sys.join("kernel/iommu_groups/7"), dir.join("iommu_group")).unwrap();
            }
            symlink(&dir, group.join(name)).unwrap();
        }
        fs::write(group.join("../name"), iommu.unwrap_or_default()).unwrap();
        give_by(&"0000:00:1f.6".parse().unwrap(), &sys, &vfio, None).map_err(|error| error.to_string())
    }

    #[test]
    fn a_card_is_given_only_if_dom0_has_let_it_go() {
        let given = ["-device", "vfio-pci,host=0000:00:1f.6,rombar=0"].map(str::to_owned);
        assert_eq!(computer(Some("vfio-pci"), None, Some("DMAR")), Ok(given.to_vec()));
        assert_eq!(computer(Some("vfio-pci"), Some("pcieport"), Some("DMAR")), Ok(given.to_vec()));
        for (driver, neighbour, iommu, says) in [
            (Some("e1000e"), None, Some(""), "driverctl"),
            (None, None, Some(""), "driverctl"),
            (Some("vfio-pci"), Some("ahci"), Some(""), "in one group"),
            // Nothing can be bound to vfio-pci then.
            (Some("e1000e"), None, None, "IOMMU"),
            (Some("vfio-pci"), None, Some("vfio-noiommu\n"), "IOMMU"),
        ] {
            let reason = computer(driver, neighbour, iommu).unwrap_err();
            assert!(reason.contains(says), "{reason}");
        }
        let temp = tempfile::tempdir().unwrap();
        let none = give_by(&"0000:00:1f.6".parse().unwrap(), temp.path(), temp.path(), None).unwrap_err();
        assert!(none.to_string().contains("no device"), "{none}");
    }
}
