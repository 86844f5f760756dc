//! A window of the linked VMM: a qube runs through KVM, on QEMU's emulation of AMD-V.
//!
//! This binary plays two parts. Outside it makes a machine with QEMU which sees this computer's
//! programs and libraries by 9p, read-only. Inside that machine it is started again, and is a person
//! with a desktop and a qube.

use std::{env, fs, path::Path, thread, time::Duration};

use transom_hypervisor::image::DEFAULT_NAME;
use transom_tests::{figure::figure, process::until, procs};
use transom_theming::Label;

use super::{
    devices::{self, Around},
    encryption, images,
    lab::Lab,
    life::{STRANGERS, must, needs_recovery},
    mirror::Mirror,
    network,
    outer::{End, emulated, until_it_ends_by_itself, watch},
    paused,
    picture::{is_painted_within_its_frame, painted},
    programs, services, usb, volume,
};

/// Set inside the machine.
const INSIDE: &str = "TRANSOM_INSIDE";
/// The last line.
const GOOD: &str = "KVM all good";
/// The machine's life at most, in seconds; about 100 on 2 cores for the window, 250 for the cables.
const LIMIT: u64 = 1_200;
/// Modules for KVM with their parameters, in order.
const MODULES: [(&str, &str); 4] =
    [("irqbypass", ""), ("ccp", ""), ("kvm", ""), ("kvm-amd", "vgif=0 avic=0 nested=0 vls=0")];

#[test]
fn a_window_of_the_linked_vmm() {
    in_a_machine("kvm::window", false);
}

#[test]
fn cables_of_the_linked_vmm_and_devices_of_the_computer() {
    in_a_machine("kvm::cables_and_devices", true);
}

/// Runs a test of this binary in a machine with AMD-V, and devices to give away if there are to be any.
fn in_a_machine(test: &str, with_devices: bool) {
    if env::var_os(INSIDE).is_some() {
        return;
    }
    // Its turn, and the image.
    let Some(_lab) = Lab::new() else { return };
    let mirror = match Mirror::new() {
        Ok(mirror) => mirror,
        Err(missing) => {
            println!("SKIP no machine with AMD-V: {missing}");
            return;
        }
    };
    let (mut modules, mut words) = (MODULES.to_vec(), "");
    if with_devices {
        images::with_drivers();
        modules.extend(devices::MODULES.map(|name| (name, "")));
        words = devices::WORDS;
    }
    let folder = tempfile::tempdir().unwrap();
    let initramfs = folder.path().join("initramfs");
    // As Debian's udev leaves it.
    let groups = "busybox mount -t cgroup2 groups /sys/fs/cgroup\n\
        busybox chown 0:108 /dev/kvm; busybox chmod 660 /dev/kvm";
    let archive = mirror.archive(modules, &format!("{INSIDE}=1"), groups, test);
    fs::write(&initramfs, archive).unwrap();
    let end = until_it_ends_by_itself(test, || {
        let mut command = emulated(LIMIT, 3072, words, &mirror.kernel.image, &initramfs);
        mirror.share(&mut command);
        let around = with_devices.then(|| Around::give(&mut command, folder.path()));
        watch(command.spawn().unwrap(), GOOD, |line| {
            if let Some(around) = &around {
                around.hear(line);
            }
            false
        })
    });
    assert_ne!(end, End::Failed, "{test}: the machine ended without saying that all is good");
}

#[test]
fn cables_and_devices() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let mut lab = Lab::alone(Path::new("/target/vm/images"));
    network::cables_on_the_processor(&mut lab);
    lab.start("sys-usb");
    usb::mouse_and_keyboard(&lab, devices::ports());
    println!("\n{GOOD}");
}

#[test]
fn window() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let mut lab = Lab::alone(Path::new("/target/vm/images"));
    network::with_root(&lab, DEFAULT_NAME, DEFAULT_NAME);
    lab.house.start_desktop();
    lab.create("work", "blue", "memory \"512MiB\"\nvolume \"256MiB\"");
    assert_eq!(programs::lists(&lab, "work", "foot"), Some(true), "by its template: it has never run");
    let info = lab.info("work");
    assert_eq!((&info["backend"], &info["isolated"]), (&"kvm".into(), &true.into()), "{info}");
    lab.start("work");
    encryption::no_key_outside(&lab, "work");
    println!("work: its key is nowhere else");
    must(&lab, &painted("work", "linked", "sleep 1000"));
    is_painted_within_its_frame(&lab, "linked", Label::Blue);
    let qube = lab.house.state().qubes.into_iter().find(|qube| qube.name == "work").unwrap();
    assert!(qube.isolated && qube.mapped_bytes > 0, "{qube:?}");
    assert!(!lab.log("work").contains("pixels copied"), "{}", lab.log("work"));
    assert_eq!(lab.ends_with("work", STRANGERS), 0, "the guest reached somebody");
    println!("work: its window is there, and it reaches nobody");
    idle(&lab, "work");
    programs::follows_what_is_added(&lab, "work");
    services::tells_the_person(&lab);
    println!("work: its notification was answered");
    volume::gives_back(&lab, "work", 12);

    lab.house.kill_desktop();
    lab.house.start_desktop();
    is_painted_within_its_frame(&lab, "linked", Label::Blue);
    paused::pauses_and_goes_on(&lab, "linked");

    volume::stops_and_gives_back(&lab, "work", 8);
    assert_eq!(lab.info("work")["state"]["is"], "halted");
    assert!(!needs_recovery(&lab, "work"), "{}", lab.log("work"));
    until("its window is gone", || lab.house.state().windows.is_empty().then_some(()));
    encryption::clones_go_apart(&lab, "work");
    paused::a_sandbox_is_frozen(&lab);
    devices::none_is_given_without_an_iommu(&lab);
    println!("\n{GOOD}");
}

/// Wake-ups while nothing changes: of the desktop and of the VMM's devices, and of its vCPUs, whose
/// timers are the guest's own affair.
fn idle(lab: &Lab, qube: &str) {
    const TIME: Duration = Duration::from_secs(10);
    let vmm = lab.info(qube)["pid"].as_u64().unwrap() as u32;
    let desktop = lab.house.desktop_pid().unwrap();
    let waits = || {
        let threads =
            procs::family(vmm).into_iter().chain([desktop]).flat_map(|p| procs::thread_waits(p).unwrap());
        let (vcpus, others): (Vec<_>, Vec<_>) = threads.partition(|(name, _)| name.starts_with("vcpu"));
        [others, vcpus].map(|threads| threads.into_iter().map(|(_, waits)| waits).sum::<u64>())
    };
    // The last that starts by itself.
    until("X11 in the qube", || lab.log(qube).contains("X11 programs can run").then_some(()));
    thread::park_timeout(TIME / 2);
    let before = waits();
    thread::park_timeout(TIME);
    let rates = waits().into_iter().zip(before).map(|(now, then)| (now - then) as f64 / TIME.as_secs_f64());
    for (name, rate) in ["vm.idle_wakeups_per_s", "vm.idle_vcpu_wakeups_per_s"].into_iter().zip(rates) {
        figure(name, rate, "1/s", 1);
    }
}
