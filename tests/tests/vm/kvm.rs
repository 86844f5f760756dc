//! A window of the linked VMM: a qube runs through KVM, on QEMU's emulation of AMD-V.
//!
//! This binary plays two parts. Outside it makes a machine with QEMU which sees this computer's
//! programs and libraries by 9p, read-only. Inside that machine it is started again, and is a person
//! with a desktop and a qube.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use transom_tests::{
    figure::figure,
    process::{binary, until},
    procs,
};
use transom_theming::Label;

use super::{
    debian::Kernel,
    initramfs::Initramfs,
    lab::Lab,
    life::{STRANGERS, must, needs_recovery},
    outer::{End, until_it_ends_by_itself, watch},
    paused,
    picture::{is_painted_within_its_frame, painted},
};

/// Set inside the machine.
const INSIDE: &str = "TRANSOM_INSIDE";
/// The last line.
const GOOD: &str = "KVM all good";
/// The machine's life at most, in seconds; about 100 on 2 cores.
const LIMIT: &str = "400";
/// Modules with their parameters, in order.
const MODULES: [(&str, &str); 14] = [
    ("virtio_ring", ""),
    ("virtio", ""),
    ("virtio_pci_modern_dev", ""),
    ("virtio_pci_legacy_dev", ""),
    ("virtio_pci", ""),
    ("9pnet", ""),
    ("9pnet_virtio", ""),
    ("netfs", ""),
    ("fscache", ""),
    ("9p", ""),
    ("irqbypass", ""),
    ("ccp", ""),
    ("kvm", ""),
    ("kvm-amd", "vgif=0 avic=0 nested=0 vls=0"),
];
/// What the machine sees of this computer, by the names of its folders there.
const SHARED: [&str; 3] = ["usr", "etc", "target"];

#[test]
fn a_window_of_the_linked_vmm() {
    if env::var_os(INSIDE).is_some() {
        return;
    }
    // Its turn, and the image.
    let Some(_lab) = Lab::new() else { return };
    let busybox = ["/usr/bin/busybox", "/bin/busybox"].map(fs::read).into_iter().find_map(Result::ok);
    let (kernel, busybox) = match (Kernel::fetch("linux-image-amd64"), busybox) {
        (Ok(kernel), Some(busybox)) => (kernel, busybox),
        (kernel, _) => {
            println!("SKIP no machine with AMD-V: {}", kernel.err().unwrap_or("no busybox".into()));
            return;
        }
    };
    let target = binary("transom").parent().and_then(Path::parent).unwrap().canonicalize().unwrap();
    let initramfs = tempfile::NamedTempFile::new().unwrap();
    fs::write(&initramfs, archive(&kernel, &busybox, &target)).unwrap();
    let end = until_it_ends_by_itself("a window of the linked VMM", || {
        let mut command = Command::new("timeout");
        command
            .args([
                LIMIT,
                "qemu-system-x86_64",
                "-accel",
                "tcg,thread=multi",
                "-smp",
                "2",
                "-cpu",
                "max,+svm",
            ])
            .args(["-m", "3072", "-display", "none", "-vga", "none", "-nic", "none", "-monitor", "none"])
            .args(["-serial", "stdio", "-no-reboot", "-append", "console=ttyS0 quiet panic=-1", "-kernel"])
            .arg(&kernel.image)
            .arg("-initrd")
            .arg(initramfs.path());
        for (name, path) in SHARED.iter().zip([Path::new("/usr"), Path::new("/etc"), target.as_path()]) {
            let share = format!("mount_tag={name},security_model=none,multidevs=remap,readonly=on");
            command.arg("-virtfs").arg(format!("local,path={},{share}", path.display()));
        }
        let machine = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        watch(machine, GOOD, |_| false)
    });
    assert_ne!(end, End::Failed, "the machine ended without saying that all is good");
}

/// The first file system of the machine: makes one of the shares, and starts this binary in it.
fn archive(kernel: &Kernel, busybox: &[u8], target: &Path) -> Vec<u8> {
    let mut archive = Initramfs::new();
    archive.file("/bin/busybox", 0o755, busybox);
    for directory in ["/proc", "/sys", "/dev", "/new"] {
        archive.directory(directory);
    }
    let mut init = String::from(
        "#!/bin/busybox sh\n\
         b=/bin/busybox\n\
         $b mount -t proc proc /proc; $b mount -t sysfs sys /sys; $b mount -t devtmpfs dev /dev\n",
    );
    for (name, parameters) in MODULES {
        archive.file(&format!("/modules/{name}.ko"), 0o644, &kernel.module(name));
        let line = format!("$b insmod /modules/{name}.ko {parameters} || echo no module {name}\n");
        init.push_str(&line);
    }
    init.push_str(
        "$b mount -t tmpfs -o mode=755 new /new\n\
         cd /new; $b mkdir usr etc target tmp run proc sys dev var root home\n\
         for d in bin sbin lib lib64; do $b ln -s usr/$d $d; done\n\
         for d in usr etc target; do\n\
             $b mount -t 9p -o ro,cache=loose,trans=virtio,version=9p2000.L,msize=512000 $d $d\n\
         done\n\
         for d in proc sys dev; do $b mount -o move /$d $d; done\n\
         $b mkdir dev/shm; $b mount -t tmpfs shm dev/shm\n\
         $b cp /second run/second\n\
         exec $b switch_root . /run/second\n",
    );
    let test = env::current_exe().unwrap().canonicalize().unwrap();
    let test = Path::new("/target").join(test.strip_prefix(target).unwrap());
    let second = format!(
        "#!/bin/sh\n\
         busybox mount -t cgroup2 groups /sys/fs/cgroup\n\
         export {INSIDE}=1 PATH=/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8\n\
         {} --nocapture --test-threads=1 --exact kvm::inside\n\
         busybox poweroff -f\n",
        test.display()
    );
    archive.file("/second", 0o755, second.as_bytes());
    archive.file("/init", 0o755, init.as_bytes());
    archive.finish()
}

#[test]
fn inside() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let mut lab = Lab::alone(Path::new("/target/vm/images"));
    lab.house.start_desktop();
    lab.create("work", "blue", "memory \"512MiB\"\nvolume \"256MiB\"");
    let info = lab.info("work");
    assert_eq!((&info["backend"], &info["isolated"]), (&"kvm".into(), &true.into()), "{info}");
    lab.start("work");
    must(&lab, &painted("work", "linked", "sleep 1000"));
    is_painted_within_its_frame(&lab, "linked", Label::Blue);
    let qube = lab.house.state().qubes.into_iter().find(|qube| qube.name == "work").unwrap();
    assert!(qube.isolated && qube.mapped_bytes > 0, "{qube:?}");
    assert!(!lab.log("work").contains("pixels copied"), "{}", lab.log("work"));
    assert_eq!(lab.ends_with("work", STRANGERS), 0, "the guest reached somebody");
    idle(&lab, "work");

    lab.house.kill_desktop();
    lab.house.start_desktop();
    is_painted_within_its_frame(&lab, "linked", Label::Blue);
    paused::pauses_and_goes_on(&lab, "linked");

    lab.house.must(&["qube", "stop", "work"]);
    assert_eq!(lab.info("work")["state"]["is"], "halted");
    assert!(!needs_recovery(&lab, "work"), "{}", lab.log("work"));
    until("its window is gone", || lab.house.state().windows.is_empty().then_some(()));
    paused::a_sandbox_is_frozen(&lab);
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
