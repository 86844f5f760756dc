//! Devices of the computer that a qube has for itself: a network card and a USB controller, by VFIO, in a
//! machine whose IOMMU is QEMU's as well.
//!
//! The machine's console says what the person at its USB ports is to do, and the test outside does it.

use std::{
    cell::RefCell,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use transom_tests::wire::Qmp;

use super::{lab::Lab, usb::Ports};

/// The card that the network comes by.
pub(crate) const CARD: &str = "0000:00:10.0";
/// The controller of the machine's USB ports.
pub(crate) const CONTROLLER: &str = "0000:00:11.0";
/// What else is in the controller's group.
const NEIGHBOUR: &str = "0000:00:11.1";
/// A server outside, which sends back what it gets.
pub(crate) const SERVER: &str = "10.0.2.100";
/// Modules of the machine's dom0: the driver of its card, and what gives devices away.
pub(crate) const MODULES: [&str; 6] =
    ["e1000e", "vfio", "vfio_virqfd", "vfio_iommu_type1", "vfio-pci-core", "vfio-pci"];
/// For the machine's kernel.
pub(crate) const WORDS: &str = "intel_iommu=on";
/// What a line of the console begins with that is for the person.
const PERSON: &str = "PORTS ";

/// What is around a machine with devices.
pub(crate) struct Around {
    door: PathBuf,
    person: RefCell<Option<Qmp>>,
}

impl Around {
    /// Gives a machine its devices; the person comes through a socket in this folder.
    pub(crate) fn give(qemu: &mut Command, folder: &Path) -> Self {
        let door = folder.join("door");
        // Another run may have left it.
        let _ = fs::remove_file(&door);
        let server = format!("user,id=outside,restrict=on,guestfwd=tcp:{SERVER}:7000-cmd:cat");
        // Nothing but the ports has keys.
        qemu.args(["-machine", "q35,i8042=off,vmport=off", "-device", "intel-iommu,intremap=on,aw-bits=48"])
            .args(["-netdev", &server, "-device", "e1000e,netdev=outside,addr=10.0,romfile="])
            .args(["-device", "qemu-xhci,id=usb,addr=11.0,multifunction=on"])
            .args(["-device", "virtio-rng-pci,addr=11.1"])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", door.display())]);
        Self { door, person: RefCell::default() }
    }

    /// Does what a line of the console asks for, if it does.
    pub(crate) fn hear(&self, line: &str) {
        let Some(words) = line.strip_prefix(PERSON) else { return };
        let (command, arguments): (String, Value) = serde_json::from_str(words).unwrap();
        let mut person = self.person.borrow_mut();
        person.get_or_insert_with(|| Qmp::connect(&self.door)).say(&command, &arguments);
    }
}

/// The machine's ports, for a test inside.
pub(crate) fn ports() -> Ports {
    Ports::new(|command, arguments| println!("\n{PERSON}{}", json!([command, arguments])))
}

fn device(address: &str) -> PathBuf {
    Path::new("/sys/bus/pci/devices").join(address)
}

/// Lets a device go, as `driverctl set-override` does.
fn let_go(address: &str) {
    fs::write(device(address).join("driver_override"), "vfio-pci").unwrap();
    let driver = device(address).join("driver");
    if driver.exists() {
        fs::write(driver.join("unbind"), address).unwrap();
    }
    fs::write("/sys/bus/pci/drivers_probe", address).unwrap();
    assert!(fs::read_link(driver).unwrap().ends_with("vfio-pci"), "{address}");
}

/// A qube does not start, and says this.
pub(crate) fn is_refused(lab: &Lab, qube: &str, reason: &str) {
    lab.unlocked();
    let output = lab.house.run(&["qube", "start", qube]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(reason), "{said}");
    println!("{}", said.trim());
}

fn dom0_has_a_card() -> bool {
    fs::read_dir("/sys/class/net").unwrap().any(|card| card.unwrap().file_name() != "lo")
}

/// dom0 lets its devices go, one after the other; before that nobody else gets them. They are of these qubes.
pub(crate) fn are_let_go(lab: &Lab, net: &str, usb: &str) {
    assert!(dom0_has_a_card(), "dom0 has a network card at first");
    is_refused(lab, net, &format!("{CARD} is not free for a qube: bind it with `driverctl"));
    let_go(CARD);
    assert!(!dom0_has_a_card());
    let_go(CONTROLLER);
    let both = format!("{CONTROLLER} cannot be given without {NEIGHBOUR}, which dom0 uses");
    is_refused(lab, usb, &both);
    let_go(NEIGHBOUR);
}

/// On a computer without an IOMMU no device is given, and that is said before anything else is asked of the person.
pub(crate) fn none_is_given_without_an_iommu(lab: &Lab) {
    lab.create_on("qemu", "bare", "red", "memory \"256MiB\"\ndevice \"0000:00:00.0\"");
    is_refused(lab, "bare", "this computer has no IOMMU, or it is off");
}
