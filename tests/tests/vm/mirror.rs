//! Machines that see this computer's programs and libraries by 9p, read-only, and start this test's own
//! binary again inside.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use transom_tests::process::binary;

use super::{debian::Kernel, initramfs::Initramfs};

/// What a machine sees, by the names of its folders there.
const SHARED: [&str; 3] = ["usr", "etc", "target"];
/// Modules for that, in order.
const MODULES: [&str; 10] = [
    "virtio_ring",
    "virtio",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "9pnet",
    "9pnet_virtio",
    "netfs",
    "fscache",
    "9p",
];

/// What a machine is made of.
pub(crate) struct Mirror {
    /// Debian's kernel.
    pub(crate) kernel: Kernel,
    busybox: Vec<u8>,
    target: PathBuf,
}

impl Mirror {
    /// Fetches it; or says what is missing.
    pub(crate) fn new() -> Result<Self, String> {
        let busybox = ["/usr/bin/busybox", "/bin/busybox"].map(fs::read).into_iter().find_map(Result::ok);
        Ok(Self {
            kernel: Kernel::fetch("linux-image-amd64")?,
            busybox: busybox.ok_or("busybox is not installed")?,
            target: binary("transom").parent().and_then(Path::parent).unwrap().canonicalize().unwrap(),
        })
    }

    /// Lets a machine of QEMU see this computer.
    pub(crate) fn share(&self, qemu: &mut Command) {
        for (name, path) in SHARED.iter().zip([Path::new("/usr"), Path::new("/etc"), &self.target]) {
            let share = format!("mount_tag={name},security_model=none,multidevs=remap,readonly=on");
            qemu.arg("-virtfs").arg(format!("local,path={},{share}", path.display()));
        }
    }

    /// The machine's first file system. It loads more modules, with their parameters; makes one of what
    /// is shared; and there, with these variables and after these lines of a shell, runs a test of this
    /// binary.
    pub(crate) fn archive<'a>(
        &self,
        modules: impl IntoIterator<Item = (&'a str, &'a str)>,
        variables: &str,
        before: &str,
        test: &str,
    ) -> Vec<u8> {
        let mut archive = Initramfs::new();
        let modules = MODULES.into_iter().map(|name| (name, "")).chain(modules);
        let mut init = archive.begin(&self.busybox, &self.kernel, modules);
        archive.directory("/new");
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
        let own = env::current_exe().unwrap().canonicalize().unwrap();
        let own = Path::new("/target").join(own.strip_prefix(&self.target).unwrap());
        let second = format!(
            "#!/bin/sh\n\
             export PATH=/usr/sbin:/usr/bin HOME=/root LANG=C.UTF-8 {variables}\n\
             {before}\n\
             {} --nocapture --test-threads=1 --exact {test}\n\
             busybox poweroff -f\n",
            own.display()
        );
        archive.file("/second", 0o755, second.as_bytes());
        archive.file("/init", 0o755, init.as_bytes());
        archive.finish()
    }
}
