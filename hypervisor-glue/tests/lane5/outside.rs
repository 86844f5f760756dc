//! Outside: makes the machine and looks at what it says.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use transom_hypervisor::vmm::{
    client::{Launch, Vmm},
    open_kvm,
    timing::Stage,
};

use crate::{
    GOOD, INSIDE, MARK, PARTS,
    debian::{self, Kernel},
    figure::figure,
    initramfs::Initramfs,
    outer::{End, emulated, until_it_ends_by_itself, watch},
};

/// The whole run: four boots of a kernel, each under two layers of emulation.
const LIMIT: Duration = Duration::from_mins(15);
/// So many starts are measured; the one in the middle counts.
const STARTS: usize = 11;

/// Modules of the outer machine with their parameters, in order.
const OUTER: &[(&str, &str)] =
    &[("irqbypass", ""), ("ccp", ""), ("kvm", ""), ("kvm-amd", "vgif=0 avic=0 nested=0 vls=0"), ("tun", "")];

/// Modules of the inner machine, in order.
const INNER: &[&str] = &[
    "virtio_ring",
    "virtio",
    "virtio_mmio",
    "virtio_blk",
    "failover",
    "net_failover",
    "virtio_net",
    "virtio-rng",
    "vsock",
    "vmw_vsock_virtio_transport_common",
    "vmw_vsock_virtio_transport",
    "pvpanic",
    "pvpanic-mmio",
];

#[test]
#[ignore = "minutes, and packages from the archive: make test-vm"]
fn a_stock_kernel_boots_through_kvm() {
    if std::env::var_os(INSIDE).is_some() {
        return;
    }
    if let Err(reason) = Command::new("qemu-system-x86_64").arg("--version").output() {
        println!("SKIP lane 5: qemu-system-x86_64: {reason}");
        return;
    }
    let (outer, cloud, busybox) = match fetch() {
        Ok(fetched) => fetched,
        Err(reason) => {
            println!("SKIP lane 5: {reason}");
            return;
        }
    };
    let archive = debian::cache().join("lane5.cpio");
    fs::write(&archive, archive_of(&outer, &cloud, &busybox)).unwrap();
    for part in PARTS {
        let end = until_it_ends_by_itself(part, || run(&outer.image, &archive, part));
        assert_ne!(end, End::Failed, "{part}: the machine ended without saying that all is good");
    }
}

/// What a start costs on this very machine, up to the first instruction: nothing after that counts,
/// so any KVM will do.
#[test]
#[ignore = "a measurement with packages from the archive: make test-vm"]
fn the_start_is_cheap() {
    if std::env::var_os(INSIDE).is_some() {
        return;
    }
    let (kvm, fetched) = (open_kvm(), fetch());
    let (Ok(kvm), Ok((_, cloud, _))) = (&kvm, &fetched) else {
        println!("SKIP the start: {:?} {:?}", kvm.err(), fetched.err());
        return;
    };
    let initramfs = debian::cache().join("inner.cpio");
    fs::write(&initramfs, inner_archive(cloud)).unwrap();
    let open = |path: &Path| File::open(path).unwrap();
    let mut starts: Vec<Vec<Stage>> = Vec::new();
    for _ in 0..STARTS {
        let launch = Launch {
            kvm: kvm.try_clone().unwrap(),
            ram: 1 << 30,
            vcpus: 2,
            kernel: open(&cloud.image),
            initramfs: Some(open(&initramfs)),
            command_line: "quiet".into(),
            disks: Vec::new(),
            nets: Vec::new(),
            vsock: Some((3, vec![5000])),
            uid: rustix::process::geteuid().is_root().then_some(213_000),
            log: Stdio::inherit(),
        };
        let mut vmm = Vmm::spawn(Path::new(env!("CARGO_BIN_EXE_transom-vmm")), launch).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while vmm.stages().is_none() {
            assert_eq!(vmm.step(), None);
            assert!(Instant::now() < end, "it does not start");
            thread::yield_now();
        }
        starts.push(vmm.stages().unwrap().to_vec());
    }
    starts.sort_by_key(|stages| stages.last().map_or(u64::MAX, |stage| stage.cpu_us));
    let middle = &starts[STARTS / 2];
    for stage in middle {
        println!("{MARK}start {:>7} us, processor {:>7} us: {}", stage.wall_us, stage.cpu_us, stage.name);
    }
    let last = middle.last().unwrap();
    figure("vmm.cpu_ms_to_first_instruction", last.cpu_us as f64 / 1e3, "ms", STARTS as u64);
    figure("vmm.ms_to_first_instruction", last.wall_us as f64 / 1e3, "ms", STARTS as u64);
}

fn fetch() -> Result<(Kernel, Kernel, Vec<u8>), String> {
    let outer = Kernel::fetch("linux-image-amd64")?;
    let cloud = Kernel::fetch("linux-image-cloud-amd64")?;
    let busybox = debian::package("busybox-static")?.join("bin/busybox");
    let busybox = fs::read(&busybox).map_err(|error| format!("{}: {error}", busybox.display()))?;
    Ok((outer, cloud, busybox))
}

/// The initramfs of the inner machine.
fn inner_archive(cloud: &Kernel) -> Vec<u8> {
    let mut inner = Initramfs::new();
    inner.program("/init", Path::new(env!("CARGO_BIN_EXE_transom-fake-guest")));
    for (number, name) in INNER.iter().enumerate() {
        inner.file(&format!("/modules/{number:02}-{name}.ko"), 0o644, &cloud.module(name));
    }
    inner.finish()
}

fn archive_of(outer: &Kernel, cloud: &Kernel, busybox: &[u8]) -> Vec<u8> {
    let mut archive = Initramfs::new();
    let mut second = archive.begin(busybox, outer, OUTER.iter().copied());
    for directory in ["/tmp", "/root2"] {
        archive.directory(directory);
    }
    archive.file("/guest/vmlinuz", 0o644, &fs::read(&cloud.image).unwrap());
    archive.file("/guest/initramfs", 0o644, &inner_archive(cloud));
    archive.program("/bin/transom-vmm", Path::new(env!("CARGO_BIN_EXE_transom-vmm")));
    archive.program("/bin/lane5", &std::env::current_exe().unwrap());
    // The first root cannot be pivoted away from, so it is put over itself.
    let first = "#!/bin/busybox sh\n\
        /bin/busybox mount -o bind / /root2; cd /root2; /bin/busybox mount -o move . /\n\
        exec /bin/busybox chroot . /second\n";
    archive.file("/init", 0o755, first.as_bytes());
    let last = format!(
        "{INSIDE}=1 RUST_BACKTRACE=0 TRANSOM_LOG=debug \
         /bin/lane5 --ignored --nocapture --test-threads=1 --exact inside::all\n\
         $b poweroff -f\n"
    );
    second.push_str(&last);
    archive.file("/second", 0o755, second.as_bytes());
    archive.finish()
}

/// Runs one part in the machine.
fn run(kernel: &Path, archive: &Path, part: &str) -> End {
    let words = format!("part={part}");
    let machine = emulated(LIMIT.as_secs(), 2048, &words, kernel, archive).spawn().unwrap();
    watch(machine, GOOD, |line| line.starts_with(MARK))
}
