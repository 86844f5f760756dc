//! A virtual machine, started as a library: its console is your terminal.
//!
//! ```text
//! example-virtual-machine KERNEL [INITRAMFS [DISK]]
//! ```
//!
//! KERNEL is a stock bzImage, as in `/boot/vmlinuz-*`; DISK is shown to the guest read-only.

#![allow(clippy::print_stderr, reason = "a program for a terminal")]

use std::{env, error::Error, fs::File, io};

use rustix::fd::AsFd as _;
use transom_hypervisor::vmm::{Config, Vm, boot::Boot, devices::block::Disk, memory::Ram, open_kvm};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let kernel = arguments.next().ok_or("usage: example-virtual-machine KERNEL [INITRAMFS [DISK]]")?;
    let boot = Boot {
        kernel: File::open(kernel)?,
        initramfs: arguments.next().map(File::open).transpose()?,
        command_line: "console=ttyS0 panic=-1".into(),
    };
    let mut config = Config::new(boot);
    config.vcpus = 2;
    config.console = Some(io::stdout().as_fd().try_clone_to_owned()?);
    if let Some(disk) = arguments.next() {
        config.disks.push((Disk::raw(File::open(disk)?, true)?, "disk".into()));
    }
    let vm = Vm::new(open_kvm()?, Ram::new(512 << 20)?, config)?;
    let exit = vm.start(None)?.run(&mut ());
    eprintln!("{exit}");
    Ok(())
}
